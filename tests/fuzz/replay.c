// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a fuzz target over its inputs, and over a fixed series of changes to them: what `make check`
 * does where there is no clang. It follows no coverage; `make fuzz` does.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUTS_MAX 256
#define INPUT_MAX  65536
#define CHANGED	   3000

struct input {
	uint8_t *data;
	size_t size;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int read_input(const char *dir, const char *name, struct input *ret)
{
	char path[4096 + 256 + 2];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f)
		return -1;
	ret->data = malloc(INPUT_MAX);
	ret->size = ret->data ? fread(ret->data, 1, INPUT_MAX, f) : 0;
	fclose(f);
	return ret->data ? 0 : -1;
}

static int read_inputs(const char *dir, struct input *inputs)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int nr = 0;

	while (d && nr < INPUTS_MAX && (entry = readdir(d))) {
		if (entry->d_name[0] != '.' && read_input(dir, entry->d_name, &inputs[nr]) == 0)
			nr++;
	}
	if (d)
		closedir(d);
	return nr;
}

/* Overwrites, drops or doubles a few bytes, or takes some of another input. */
static size_t change(uint8_t *data, size_t size, const struct input *other, uint64_t *state)
{
	for (uint64_t n = next_random(state) % 6 + 1; n > 0 && size > 0; n--) {
		size_t at = next_random(state) % size, len = next_random(state) % 16 + 1;

		len = len < size - at ? len : size - at;
		switch (next_random(state) % 4) {
		case 0:
			data[at] = (uint8_t)next_random(state);
			break;
		case 1:
			memmove(data + at, data + at + len, size - at - len);
			size -= len;
			break;
		case 2:
			memmove(data + at + len, data + at, size - at);
			size += len;
			break;
		default:
			len = len < other->size ? len : other->size;
			memcpy(data + at, other->data + (other->size - len) / 2, len);
			size = at + len > size ? at + len : size;
		}
	}
	return size;
}

/* Exact room, so that reading past the end is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	static struct input inputs[INPUTS_MAX];
	static uint8_t data[2 * INPUT_MAX];
	const char *src = getenv("TDX_LPAGE_SRC"), *slash = strrchr(argv[0], '/');
	uint64_t state = 88172645463325252ULL;
	char dir[4096];
	int nr;

	(void)argc;
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/%s", src ? src : ".",
		 slash ? slash + 1 : argv[0]);
	nr = read_inputs(dir, inputs);
	if (nr == 0) {
		fprintf(stderr, "no inputs in %s\n", dir);
		return 1;
	}
	for (int i = 0; i < nr; i++)
		run(inputs[i].data, inputs[i].size);
	for (int i = 0; i < CHANGED; i++) {
		const struct input *input = &inputs[next_random(&state) % (uint64_t)nr];
		const struct input *other = &inputs[next_random(&state) % (uint64_t)nr];

		memcpy(data, input->data, input->size);
		run(data, change(data, input->size, other, &state));
	}
	printf("%d inputs and %d changed ones\n", nr, CHANGED);
	for (int i = 0; i < nr; i++)
		free(inputs[i].data);
	return 0;
}
