// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/vmm_args.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>

#include "daemon/core/vm_names.h"

/* QEMU's command line is long; -name comes early in it. */
#define ARGS_MAX (64 * 1024)

ssize_t vmm_read_file(int dir_fd, const char *name, char *ret, size_t size)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t len;

	if (fd < 0)
		return -errno;
	do {
		len = read(fd, ret + have, size - 1 - have);
		have += len > 0 ? (size_t)len : 0;
	} while ((len > 0 && have < size - 1) || (len < 0 && errno == EINTR));
	if (len < 0)
		len = -errno;
	close(fd);
	ret[have] = '\0';
	return len < 0 ? len : (ssize_t)have;
}

/*
 * Is the process in @dir_fd the one that started then? The start time in /proc is in clock ticks, by the clock
 * of the reader's time namespace.
 */
static bool same_process(int dir_fd, uint64_t start_ns)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long ticks;
	char stat[1024];

	if (vmm_read_file(dir_fd, "stat", stat, sizeof(stat)) < 0 ||
	    procfs_start_ticks(stat, &ticks) < 0)
		return false;
	return ticks == start_ns / (NS_PER_S / hz);
}

int vmm_open(const char *procfs, uint32_t pid, uint64_t start_ns)
{
	struct procfs_namespaces namespaces;
	char path[256];
	int dir_fd;

	procfs_namespaces(procfs, &namespaces);
	/* Another process has that number here, which may even have started in the same tick. */
	if (namespaces.pid)
		return -EXDEV;
	snprintf(path, sizeof(path), "%s/%u", procfs, pid);
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	if (same_process(dir_fd, start_ns + (uint64_t)namespaces.boottime_ns))
		return dir_fd;
	close(dir_fd);
	return -ESRCH;
}

void vmm_args_parse(const char *args, size_t len, struct lp_vmm_args *ret)
{
	*ret = (struct lp_vmm_args){0};
	(void)vm_command_of_args(args, len, ret->command, sizeof(ret->command));
	(void)vm_uuid_of_args(args, len, ret->uuid);
	(void)vm_name_of_args(args, len, ret->name, sizeof(ret->name));
}

int vmm_args_read(const char *procfs, const struct lp_vmm_query *query, struct lp_vmm_args *ret)
{
	CLEANUP(freep) char *args = malloc(ARGS_MAX);
	CLEANUP(closep) int dir_fd = vmm_open(procfs, query->pid, query->start_ns);
	ssize_t len;

	if (!args)
		return -ENOMEM;
	if (dir_fd < 0)
		return dir_fd;
	len = vmm_read_file(dir_fd, "cmdline", args, ARGS_MAX);
	/* A process that is about to end has none left. */
	if (len <= 0)
		return len < 0 ? (int)len : -ESRCH;
	vmm_args_parse(args, (size_t)len, ret);
	return 0;
}
