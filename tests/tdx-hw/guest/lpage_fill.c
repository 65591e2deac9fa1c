// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fills memory with a pattern and, for each line on standard input, verifies and rewrites all of it.
 *   lpage_fill BYTES     answers with one line of JSON: when filled, and after each pass
 * Ends with its input. Exit status 1: some data were wrong.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct fill {
	uint64_t *words;
	size_t nr_words;
	uint64_t version;
	uint64_t passes;
	uint64_t wrong_words;
};

static uint64_t value_of(size_t word, uint64_t version)
{
	uint64_t v = (word + 1) * 0x9e3779b97f4a7c15ull + version * 0xd1b54a32d192ed03ull;

	return v ^ (v >> 29);
}

static void verify(struct fill *f)
{
	const volatile uint64_t *words = f->words;

	for (size_t i = 0; i < f->nr_words; i++)
		f->wrong_words += words[i] != value_of(i, f->version);
	f->passes++;
}

static void write_all(struct fill *f)
{
	volatile uint64_t *words = f->words;

	f->version++;
	for (size_t i = 0; i < f->nr_words; i++)
		words[i] = value_of(i, f->version);
}

/* Returns false when nobody reads it any more. */
static bool report(const struct fill *f)
{
	printf("{\"bytes\": %zu, \"passes\": %" PRIu64 ", \"wrong_words\": %" PRIu64 "}\n",
	       f->nr_words * sizeof(*f->words), f->passes, f->wrong_words);
	return fflush(stdout) == 0;
}

/* Waits for a line. Returns false at the end of the input. */
static bool next_line(void)
{
	int c = getchar();

	while (c != EOF && c != '\n')
		c = getchar();
	return c != EOF;
}

static bool parse_size(const char *text, size_t *ret)
{
	unsigned long long bytes;
	char *end;

	errno = 0;
	bytes = strtoull(text, &end, 10);
	if (errno || end == text || *end || bytes < 4096 || bytes > SIZE_MAX / 2)
		return false;
	*ret = (size_t)bytes;
	return true;
}

int main(int argc, char **argv)
{
	struct fill f = {0};
	size_t bytes;

	if (argc != 2 || !parse_size(argv[1], &bytes)) {
		fprintf(stderr, "usage: lpage_fill BYTES    (at least 4096)\n");
		return 2;
	}
	f.words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f.words == MAP_FAILED) {
		perror("lpage_fill: mmap");
		return 1;
	}
	f.nr_words = bytes / sizeof(*f.words);
	write_all(&f);
	while (report(&f) && next_line()) {
		verify(&f);
		write_all(&f);
	}
	return f.wrong_words ? 1 : 0;
}
