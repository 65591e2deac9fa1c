// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs benchmarks, each in a process of its own, and writes one JSON object of all. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "tests/bench/bench.h"

static const struct bench *const benches[] = {
	&bench_engine, &bench_replay, &bench_simhost, &bench_latency, &bench_idle,
	&bench_burst,  &bench_scrape, &bench_many,    &bench_turns,
};

#define BENCHES ARRAY_SIZE(benches)

static void print_help(void)
{
	printf("Usage: bench [OPTION...] [NAME...]\n"
	       "Measures, asserts nothing. Without NAME all of:\n");
	for (size_t i = 0; i < BENCHES; i++)
		printf("  %-9s %s\n", benches[i]->name, benches[i]->doc);
	printf("\n"
	       "  -o, --output=FILE        write JSON to FILE, an entry per benchmark\n"
	       "  -i, --include=NAME=FILE  take over FILE as another entry\n"
	       "  -h, --help               this text\n");
}

/* What the child writes: the object, or nothing when it failed. */
static int run_child(const struct bench *bench, int fd)
{
	json_t *object = json_object();
	int err = object ? bench->run(object) : -ENOMEM;

	if (err)
		fprintf(stderr, "bench %s: %s\n", bench->name, strerror(-err));
	else
		err = json_dumpfd(object, fd, JSON_COMPACT);
	json_decref(object);
	fflush(stdout);
	return err ? 1 : 0;
}

/* Memory that one benchmark freed must not be there for the next. */
static int run(const struct bench *bench, json_t *all)
{
	json_t *object = NULL;
	int status = 0;
	int fds[2];
	pid_t pid;

	printf("\n%s: %s\n", bench->name, bench->doc);
	fflush(stdout);
	if (pipe(fds))
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(run_child(bench, fds[1]));
	}
	close(fds[1]);
	if (pid > 0) {
		object = json_loadfd(fds[0], 0, NULL);
		waitpid(pid, &status, 0);
	}
	close(fds[0]);
	if (pid < 0 || status || !object) {
		json_decref(object);
		return -EIO;
	}
	json_object_set_new(all, bench->name, object);
	return 0;
}

/* @option: NAME=FILE. */
static int include(const char *option, json_t *all)
{
	const char *file = strchr(option, '=');
	json_error_t error;
	json_t *value;
	char name[64];

	if (!file || file == option || (size_t)(file - option) >= sizeof(name)) {
		fprintf(stderr, "bench: --include=%s is not NAME=FILE\n", option);
		return -EINVAL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(file - option), option);
	value = json_load_file(file + 1, 0, &error);
	if (!value) {
		fprintf(stderr, "bench: %s:%d: %s\n", file + 1, error.line, error.text);
		return -EINVAL;
	}
	return json_object_set_new(all, name, value) ? -ENOMEM : 0;
}

static const struct bench *find(const char *name)
{
	for (size_t i = 0; i < BENCHES; i++)
		if (strcmp(benches[i]->name, name) == 0)
			return benches[i];
	fprintf(stderr, "bench: \"%s\" is none of the benchmarks, see --help\n", name);
	return NULL;
}

/* 0, or how many failed. */
static int run_all(char **names, int nr_names, json_t *all)
{
	int failed = 0;

	for (int i = 0; i < nr_names; i++)
		if (!find(names[i]))
			return nr_names;
	for (int i = 0; i < nr_names; i++)
		failed += run(find(names[i]), all) != 0;
	for (size_t i = 0; i < BENCHES && !nr_names; i++)
		failed += run(benches[i], all) != 0;
	return failed;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"output", required_argument, NULL, 'o'},
		{"include", required_argument, NULL, 'i'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	json_t *all = json_object();
	const char *output = NULL;
	int failed;
	int c;

	while ((c = getopt_long(argc, argv, "o:i:h", options, NULL)) >= 0) {
		if (c == 'o') {
			output = optarg;
		} else if (c == 'i') {
			if (include(optarg, all))
				return 2;
		} else {
			if (c == 'h')
				print_help();
			return c == 'h' ? 0 : 2;
		}
	}
	failed = run_all(argv + optind, argc - optind, all);
	if (!failed && output &&
	    json_dump_file(all, output, JSON_INDENT(2) | JSON_REAL_PRECISION(9))) {
		fprintf(stderr, "bench: cannot write %s\n", output);
		failed = 1;
	}
	if (!failed && output)
		printf("\nAll numbers: %s\n", output);
	json_decref(all);
	return failed ? 1 : 0;
}
