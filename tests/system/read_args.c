// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * read_args PID TICKS: the command of a process that started at that time of the initial time namespace, as the
 * daemon's reader finds it. Exit status: 0, or the errno.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/core/vmm_args.h"

int main(int argc, char **argv)
{
	struct lp_vmm_query query = {0};
	struct lp_vmm_args args;
	int r;

	if (argc != 3)
		return EXIT_FAILURE;
	query.pid = (uint32_t)strtoul(argv[1], NULL, 10);
	query.start_ns =
		strtoull(argv[2], NULL, 10) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)) + 7;
	r = vmm_args_read("/proc", &query, &args);
	puts(r < 0 ? strerror(-r) : args.command);
	return -r;
}
