// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>

#define HUGE_ORDER    9 /* pages of 4 KiB in 2 MiB, as a power of two */
#define PATH_TEXT_MAX 512
#define FILE_TEXT_MAX 8192 /* buddyinfo: a line of some 120 characters per zone and node */

/* Reads a file as text, as far as it fits. Negative errno. */
static int read_text(const char *procfs, const char *name, char ret[static FILE_TEXT_MAX])
{
	char path[PATH_TEXT_MAX];
	CLEANUP(closep) int fd = -1;
	size_t len = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", procfs, name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, ret + len, FILE_TEXT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return -errno;
	ret[len] = '\0';
	return 0;
}

/* "Node", "0,", "zone", its name, then one number per order. */
static uint64_t blocks_of_line(char *line)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	uint64_t blocks = 0;

	for (unsigned int i = 0; word; i++, word = strtok_r(NULL, " ", &save)) {
		if (i >= 4 + HUGE_ORDER && i < 4 + HUGE_ORDER + 32)
			blocks += strtoull(word, NULL, 10) << (i - 4 - HUGE_ORDER);
	}
	return blocks;
}

int procfs_free_huge_blocks(const char *procfs, uint64_t *ret)
{
	char text[FILE_TEXT_MAX], *rest = text, *line;
	uint64_t blocks = 0;
	int r = read_text(procfs, "buddyinfo", text);

	if (r < 0)
		return r;
	while ((line = strsep(&rest, "\n")))
		blocks += blocks_of_line(line);
	*ret = blocks;
	return 0;
}

/* "some avg10=0.12 avg60=..." */
static int parse_pressure(const char *text, uint32_t *ret_ppm)
{
	static const char key[] = "some avg10=";
	const char *at = strstr(text, key);
	unsigned int whole, hundredths;

	if (!at || sscanf(at + strlen(key), "%3u.%2u", &whole, &hundredths) != 2 || whole > 100)
		return -EBADMSG;
	*ret_ppm = whole * 10000 + hundredths * 100;
	return 0;
}

int procfs_pressure(const char *procfs, const char *resource, uint32_t *ret_ppm)
{
	char text[FILE_TEXT_MAX], name[64];
	int r;

	snprintf(name, sizeof(name), "pressure/%s", resource);
	r = read_text(procfs, name, text);
	return r < 0 ? r : parse_pressure(text, ret_ppm);
}

/* "pid:[4026531836]": the number of the initial one is the same on every kernel. */
#define PID_NS_INITIAL "pid:[4026531836]"

static bool in_pid_namespace(const char *procfs)
{
	char path[PATH_TEXT_MAX], text[64];
	struct stat unused;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/self", procfs);
	if (lstat(path, &unused) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/self/ns/pid", procfs);
	/* Where /proc is another namespace's, this process is not in it. */
	len = readlink(path, text, sizeof(text) - 1);
	if (len < 0)
		return true;
	text[len] = '\0';
	return strcmp(text, PID_NS_INITIAL) != 0;
}

/* "boottime            -5 999999999" */
static int64_t offset_of_line(const char *text, const char *clock)
{
	const char *at = strstr(text, clock);
	long long seconds, ns;

	if (!at || sscanf(at + strlen(clock), " %lld %lld", &seconds, &ns) != 2)
		return 0;
	return (int64_t)seconds * (int64_t)NS_PER_S + ns;
}

void procfs_namespaces(const char *procfs, struct procfs_namespaces *ret)
{
	char text[FILE_TEXT_MAX];

	*ret = (struct procfs_namespaces){.pid = in_pid_namespace(procfs)};
	/* Absent before Linux 5.6, and without CONFIG_TIME_NS. */
	if (read_text(procfs, "self/timens_offsets", text) < 0)
		return;
	ret->monotonic_ns = offset_of_line(text, "monotonic");
	ret->boottime_ns = offset_of_line(text, "boottime");
	ret->time = ret->monotonic_ns || ret->boottime_ns;
}

int procfs_start_ticks(const char *stat, unsigned long long *ret)
{
	/* The command, in parentheses, may contain any character; field 3 follows the last ")". */
	const char *at = strrchr(stat, ')');
	char *end;

	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at || !isdigit((unsigned char)*at))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(at, &end, 10);
	return errno || (*end != ' ' && *end != '\n' && *end) ? -EINVAL : 0;
}
