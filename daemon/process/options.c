// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/control/control.h"

enum option_id {
	OPTION_CONFIG = 256,
	OPTION_CHECK_CONFIG,
	OPTION_LINK,
	OPTION_RUNTIME_DIR,
	OPTION_DRY_RUN,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
	{"link", required_argument, NULL, OPTION_LINK},
	{"runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR},
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static void print_help(FILE *out)
{
	fputs("Usage: tdx-lpaged [OPTION]...\n"
	      "Merges the private memory of protected guests back to 2 MiB mappings.\n\n"
	      "  --config=FILE         read FILE instead of " CONFIG_PATH "\n"
	      "  --check-config        check the configuration and exit\n"
	      "  --link=netlink        reach the running kernel (default)\n"
	      "  --link=sim:TRACE[,speed=N]\n"
	      "                        simulate a host that replays a trace file\n"
	      "  --runtime-dir=DIR     sockets and state, instead of " CONTROL_RUNTIME_DIR "\n"
	      "  --dry-run             decide and log, send no requests to the kernel\n"
	      "  --help                show this help and exit\n"
	      "  --version             show the version and exit\n\n"
	      "Exit status:\n",
	      out);
#define X(name, value, when) fprintf(out, "  %d  %s\n", value, when);
	LP_EXITS(X)
#undef X
}

/* In place of the message of getopt_long(). */
static int complain(FILE *err, char **argv, int option)
{
	/* The option that is unknown or lacks its value is the one before optind. */
	const char *word = argv[optind - 1];

	fprintf(err, "tdx-lpaged: %s \"%s\"; see tdx-lpaged --help\n",
		option == ':' ? "missing value for option" : "invalid option", word);
	return LP_EXIT_USAGE;
}

static bool link_ok(const char *link)
{
	return !strcmp(link, "netlink") || (!strncmp(link, "sim:", 4) && link[4]);
}

/* Applies one option. Returns -1 to continue, else the exit status. */
static int take(int option, struct lp_options *ret, FILE *out, FILE *err)
{
	switch (option) {
	case OPTION_CONFIG:
		ret->config_path = optarg;
		ret->config_given = true;
		return -1;
	case OPTION_CHECK_CONFIG:
		ret->check_config = true;
		return -1;
	case OPTION_LINK:
		ret->link = optarg;
		if (link_ok(optarg))
			return -1;
		fprintf(err, "tdx-lpaged: --link: \"%s\" must be netlink or sim:TRACE[,speed=N]\n",
			optarg);
		return LP_EXIT_USAGE;
	case OPTION_RUNTIME_DIR:
		ret->runtime_dir = optarg;
		return -1;
	case OPTION_DRY_RUN:
		ret->dry_run = true;
		return -1;
	case OPTION_HELP:
		print_help(out);
		return LP_EXIT_OK;
	case OPTION_VERSION:
		fprintf(out, "tdx-lpaged %s\n", TDX_LPAGE_VERSION);
		return LP_EXIT_OK;
	}
	return LP_EXIT_FAILURE;
}

int lp_options_parse(int argc, char **argv, const char *host_dir, struct lp_options *ret, FILE *out,
		     FILE *err)
{
	int option, r = -1;

	if (!host_dir || !*host_dir)
		host_dir = CONTROL_RUNTIME_DIR;
	*ret = (struct lp_options){
		.config_path = CONFIG_PATH,
		.link = "netlink",
		.runtime_dir = host_dir,
		.host_dir = host_dir,
	};
	optind = 1;
	opterr = 0;
	while (r < 0 && (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1)
		r = option == '?' || option == ':' ? complain(err, argv, option) :
						     take(option, ret, out, err);
	if (r < 0 && optind < argc) {
		fprintf(err, "tdx-lpaged: unexpected argument \"%s\"; see tdx-lpaged --help\n",
			argv[optind]);
		r = LP_EXIT_USAGE;
	}
	return r;
}
