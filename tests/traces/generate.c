// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes one generated trace to standard output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tracegen.h"

static int usage(FILE *f)
{
	fprintf(f, "usage: generate KIND SEED [SCALE]\n\nKINDs:\n");
	for (int kind = 0; kind < TRACEGEN_KINDS_END; kind++)
		fprintf(f, "  %-15s %s\n", tracegen_name((enum tracegen_kind)kind),
			tracegen_doc((enum tracegen_kind)kind));
	return f == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	char *end;
	double scale = 1;
	uint64_t seed;
	int kind;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	if (argc < 3 || argc > 4)
		return usage(stderr);
	kind = tracegen_from_name(argv[1]);
	seed = strtoull(argv[2], &end, 10);
	if (kind < 0 || *end || !*argv[2])
		return usage(stderr);
	if (argc == 4) {
		scale = strtod(argv[3], &end);
		if (*end || !(scale > 0 && scale <= 1000))
			return usage(stderr);
	}
	if (tracegen_write(stdout, (enum tracegen_kind)kind, seed, scale) || fflush(stdout)) {
		perror("generate");
		return 1;
	}
	return 0;
}
