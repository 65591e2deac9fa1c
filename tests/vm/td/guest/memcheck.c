// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * td-memcheck MIB: fills so much memory with words made of their place, a generation and the process, and then goes through it
 * for ever: each word is verified and written anew with the next generation. Ends at SIGTERM; exit status 1 when a word was wrong.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

/* @seed: of the process, so that pages of two of them cannot take each other's place */
static uint64_t word(size_t i, uint64_t generation, uint64_t seed)
{
	return (i * 0x9e3779b97f4a7c15ULL) ^ (generation * 0xbf58476d1ce4e5b9ULL) ^ seed;
}

/* Returns the index of a wrong word, or @count. */
static size_t pass(volatile uint64_t *words, size_t count, uint64_t generation, uint64_t seed)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i] != word(i, generation, seed))
			return i;
		words[i] = word(i, generation + 1, seed);
	}
	return count;
}

int main(int argc, char **argv)
{
	unsigned long mib = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	size_t count = mib * (1 << 20) / sizeof(uint64_t), wrong;
	uint64_t seed = (uint64_t)getpid() * 0x94d049bb133111ebULL;
	uint64_t generation, *words;

	if (!mib) {
		fputs("Usage: td-memcheck MIB\n", stderr);
		return 2;
	}
	words = mmap(NULL, count * sizeof(*words), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	signal(SIGTERM, on_term);
	for (size_t i = 0; i < count; i++)
		words[i] = word(i, 0, seed);
	for (generation = 0; !stop; generation++) {
		wrong = pass(words, count, generation, seed);
		if (wrong < count) {
			printf("word %zu of %zu is %llx instead of %llx, generation %llu\n", wrong,
			       count, (unsigned long long)words[wrong],
			       (unsigned long long)word(wrong, generation, seed),
			       (unsigned long long)generation);
			return 1;
		}
	}
	printf("memory: %lu MiB verified %llu times, all intact\n", mib,
	       (unsigned long long)generation);
	return 0;
}
