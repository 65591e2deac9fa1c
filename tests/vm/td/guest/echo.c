// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * td-echo COUNT: sends so many datagrams of noise, of all sizes, to 10.0.0.1 and wants each of them back as it was. Exit status
 * 1 when one came back as another, or not at all in five tries.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_BYTES   1472
#define TRIES	    5
#define PATIENCE_MS 10000

static uint64_t state = 1;

static uint8_t noise(void)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint8_t)(state >> 56);
}

/* Its number comes first. */
static uint64_t number(const uint8_t *datagram)
{
	uint64_t number;

	memcpy(&number, datagram, sizeof(number));
	return number;
}

/* 1: it came back; 0: lost; -1: something else came back. */
static int exchange(int fd, const uint8_t *sent, size_t size)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	uint8_t back[MAX_BYTES];
	ssize_t r;

	if (send(fd, sent, size, 0) != (ssize_t)size)
		return 0;
	do {
		if (poll(&pollfd, 1, PATIENCE_MS) <= 0)
			return 0;
		r = recv(fd, back, sizeof(back), 0);
		/* One that was late, and was sent again meanwhile. */
	} while (r >= (ssize_t)sizeof(uint64_t) && number(back) < number(sent));
	return r == (ssize_t)size && !memcmp(sent, back, size) ? 1 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(7)};
	unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0, lost = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t sent[MAX_BYTES];

	inet_pton(AF_INET, "10.0.0.1", &peer.sin_addr);
	if (!count || fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0) {
		fputs("Usage: td-echo COUNT, with a network\n", stderr);
		return 2;
	}
	for (uint64_t i = 0; i < count; i++) {
		size_t size = sizeof(i) + i * 97 % (MAX_BYTES - sizeof(i) + 1);
		int tries = 0, r;

		memcpy(sent, &i, sizeof(i));
		for (size_t k = sizeof(i); k < size; k++)
			sent[k] = noise();
		while ((r = exchange(fd, sent, size)) == 0 && ++tries < TRIES)
			lost++;
		if (r <= 0) {
			printf("datagram %llu of %zu bytes: %s\n", (unsigned long long)i, size,
			       r ? "came back as another" : "lost");
			return 1;
		}
	}
	printf("network: %lu datagrams back as they were, %lu lost\n", count, lost);
	return 0;
}
