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
	bool config_given; /* then the file must exist */
	bool check_config;
	const char *link; /* "netlink", "sim:..." */
	const char *runtime_dir;
	const char *host_dir; /* where the host's one daemon holds its lock */
	bool dry_run;
};

/*
 * Reads the command line. @host_dir takes the place of /run/tdx-lpage, for tests; NULL or "": none does. Returns -1 when the daemon shall run with @ret, else the exit status: what
 * was to be said is on @out (help, version) or @err (one line on what is wrong).
 */
int lp_options_parse(int argc, char **argv, const char *host_dir, struct lp_options *ret, FILE *out,
		     FILE *err);

#endif
