// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>

#include "daemon/process/daemon.h"

int main(int argc, char **argv)
{
	struct lp_options options;
	int status = lp_options_parse(argc, argv, getenv("TDX_LPAGE_RUNTIME_DIR"), &options, stdout,
				      stderr);

	return status < 0 ? lp_daemon_run(&options) : status;
}
