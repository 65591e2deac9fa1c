// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/ctl/ctl.h"
#include <tdx-lpage/protocol.h>

/* 0: not a terminal, or one that does not say. */
static int terminal_columns(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col :
										       0;
}

int main(int argc, char **argv)
{
	const char *no_colour = getenv("NO_COLOR"), *dir = getenv("TDX_LPAGE_RUNTIME_DIR");
	const char *term = getenv("TERM");
	const struct ctl_env env = {
		.in = stdin,
		.out = stdout,
		.err = stderr,
		.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) &&
			  !(term && strcmp(term, "dumb") == 0),
		.columns = terminal_columns(),
		.sysroot = "",
		.runtime_dir = dir && *dir ? dir : CONTROL_RUNTIME_DIR,
	};

	return ctl_run(&env, argc, argv);
}
