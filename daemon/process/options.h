/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's command line. */
#ifndef TDX_LPAGE_PROCESS_OPTIONS_H
#define TDX_LPAGE_PROCESS_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses of tdx-lpaged. X(NAME, value, "when") */
#define LP_EXITS(X)                                                                                \
	X(OK, 0, "stopped on request, or the configuration is valid")                              \
	X(FAILURE, 1, "could not start, or failed")                                                \
	X(USAGE, 2, "the command line is wrong")                                                   \
	X(CONFIG, 3, "the configuration is wrong")                                                 \
	X(BUSY, 4, "another tdx-lpaged is running")

enum lp_exit {
#define X(name, value, when) LP_EXIT_##name = value,
	LP_EXITS(X)
#undef X
};

struct lp_options {
	const char *config_path;
	bool config_given; /* by --config: the file must exist */
	bool check_config;
	const char *link; /* "netlink", "sim:..." */
	const char *runtime_dir;
	const char *host_dir; /* has the lock of the host's only daemon */
	bool dry_run;
};

/*
 * Parses the command line. @host_dir: replaces /run/tdx-lpage, for tests; NULL or "": does not.
 * Returns -1 to run the daemon with @ret, else the exit status: help and version have been printed to
 * @out, an error, in one line, to @err. @ret points into @argv.
 */
int lp_options_parse(int argc, char **argv, const char *host_dir, struct lp_options *ret, FILE *out,
		     FILE *err);

#endif
