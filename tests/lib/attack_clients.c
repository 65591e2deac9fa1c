// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/attack_clients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#define CLIENTS	    64 /* as many as the read socket has places */
#define TURN_US	    1000
#define AGAIN_TURNS 100 /* until one whose connection ended tries again */
#define METHOD(m)   "{\"method\":\"org.tdxlpage.Control." m "\""

struct client {
	int fd; /* -1: none */
	unsigned int wait_turns;
	size_t sent;
};

/* What all clients of an attack do. */
struct behaviour {
	const char *text; /* sent over and over */
	size_t len;
	size_t turn_bytes; /* at most in a turn */
	size_t bytes;	   /* at most, 0: no limit */
	bool deaf;	   /* reads nothing */
};

static void hang_up(struct client *client)
{
	close(client->fd);
	*client = (struct client){.fd = -1, .wait_turns = AGAIN_TURNS};
}

static void dial(const struct attack_host *host, struct client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (client->wait_turns && client->wait_turns--)
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/read", host->daemon->run);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		host->counts->connections++;
	else
		hang_up(client);
}

/* Returns false when the daemon has closed the connection. */
static bool hear(const struct attack_host *host, const struct client *client, bool deaf)
{
	char buf[65536];
	ssize_t len = recv(client->fd, buf, sizeof(buf), MSG_DONTWAIT | (deaf ? MSG_PEEK : 0));

	if (len > 0 && !deaf)
		host->counts->bytes_received += (size_t)len;
	return len > 0 || (len < 0 && errno == EAGAIN);
}

static bool tell(const struct attack_host *host, struct client *client, const struct behaviour *how)
{
	size_t left = how->turn_bytes;

	if (how->bytes && how->bytes - client->sent < left)
		left = how->bytes - client->sent;
	while (left) {
		size_t at = client->sent % how->len;
		size_t part = how->len - at < left ? how->len - at : left;
		ssize_t len = send(client->fd, how->text + at, part, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (len < 0)
			return errno == EAGAIN;
		client->sent += (size_t)len;
		host->counts->bytes_sent += (size_t)len;
		left -= (size_t)len;
	}
	return true;
}

static void turn(const struct attack_host *host, struct client *client, const struct behaviour *how)
{
	if (client->fd < 0)
		dial(host, client);
	if (client->fd < 0)
		return;
	if (tell(host, client, how) && hear(host, client, how->deaf))
		return;
	host->counts->ended++;
	hang_up(client);
}

_Noreturn static void attack(const struct attack_host *host, const struct behaviour *how)
{
	struct client clients[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++)
		clients[i] = (struct client){.fd = -1};
	for (;;) {
		for (size_t i = 0; i < CLIENTS; i++)
			turn(host, &clients[i], how);
		usleep(TURN_US);
	}
}

void attack_silent(const struct attack_host *host)
{
	attack(host, &(struct behaviour){.text = ""});
}

void attack_half(const struct attack_host *host)
{
	static char text[1000000];

	memset(text, ' ', sizeof(text));
	memcpy(text, METHOD("Ping"), strlen(METHOD("Ping")));
	attack(host, &(struct behaviour){.text = text,
					 .len = sizeof(text),
					 .turn_bytes = 65536,
					 .bytes = sizeof(text)});
}

void attack_trickle(const struct attack_host *host)
{
	static const char text[] = METHOD("ListVms") ",\"parameters\":{}}";

	attack(host, &(struct behaviour){.text = text, .len = sizeof(text), .turn_bytes = 1});
}

static const char dear[] =
	METHOD("ListRegions") ",\"parameters\":{\"vm\":\"" ATTACK_VM "\"}}\0" METHOD(
		"ExplainVm") ",\"parameters\":{\"vm\":\"" ATTACK_VM
			     "\"}}\0" METHOD("Status") ",\"parameters\":{\"fresh\":true}}\0" METHOD(
				     "GetConfig") ",\"parameters\":{\"origins\":true}}";

void attack_pipeline(const struct attack_host *host)
{
	attack(host, &(struct behaviour){.text = dear, .len = sizeof(dear), .turn_bytes = 1 << 20});
}

void attack_never_read(const struct attack_host *host)
{
	attack(host,
	       &(struct behaviour){
		       .text = dear, .len = sizeof(dear), .turn_bytes = 1 << 20, .deaf = true});
}

void attack_oversized(const struct attack_host *host)
{
	static char text[1 << 20];

	memset(text, 'x', sizeof(text));
	attack(host, &(struct behaviour){.text = text, .len = sizeof(text), .turn_bytes = 1 << 20});
}

/* Half of it are frames that are nearly calls, cut at random. */
static void fill_with_garbage(char *text, size_t size)
{
	static const char *const nearly[] = {
		METHOD("Ping") "",
		METHOD("Ping") ",\"parameters\":[]}",
		METHOD("Ping") ",\"parameters\":{\"x\":1e999999}}",
		METHOD("ShowVm") ",\"parameters\":{\"vm\":\"\\u0000\\ud800\xff\xfe\"}}",
		METHOD("ListRegions") ",\"parameters\":{\"vm\":\"1\",\"start_rfn\":-1,\"limit\":1e9}}",
		METHOD("Watch") ",\"more\":7}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":",
	};
	size_t at = 0;

	srandom(1);
	while (at < size) {
		const char *frame = nearly[(size_t)random() % ARRAY_SIZE(nearly)];
		size_t len = (size_t)random() % 2 ? (size_t)random() % 32 : strlen(frame) + 1;

		for (size_t i = 0; i < len && at < size; i++)
			text[at++] = i <= strlen(frame) && len > 31 ? frame[i] : (char)random();
	}
}

void attack_garbage(const struct attack_host *host)
{
	static char text[1 << 16];

	fill_with_garbage(text, sizeof(text));
	/* Each client sends a moment's worth at a time, and so comes to many places of the text. */
	attack(host, &(struct behaviour){.text = text, .len = sizeof(text), .turn_bytes = 256});
}
