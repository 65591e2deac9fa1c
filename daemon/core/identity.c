// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/identity.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#define PAGE 4096

/* QEMU's command line is long; -name comes early in it. */
#define ARGS_MAX (64 * 1024)

const char *lp_name_source_name(enum lp_name_source source)
{
	static const char *const names[LP_NAME_MAX] = {
		[LP_NAME_NONE] = "none",
		[LP_NAME_IOCTL] = "ioctl",
		[LP_NAME_LIBVIRT] = "libvirt",
		[LP_NAME_QEMU] = "qemu",
	};

	return source < LP_NAME_MAX ? names[source] : "none";
}

void lp_identity_slice(const char *cgroup, char *ret, size_t size)
{
	static const char suffix[] = ".slice";

	ret[0] = '\0';
	while (*cgroup) {
		size_t len = strcspn(cgroup, "/");

		if (len > strlen(suffix) && len < size &&
		    !strncmp(cgroup + len - strlen(suffix), suffix, strlen(suffix))) {
			memcpy(ret, cgroup, len);
			ret[len] = '\0';
		}
		cgroup += len;
		cgroup += *cgroup == '/';
	}
}

int lp_identity_start_ticks(const char *stat, unsigned long long *ret)
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

/* Reads up to @size - 1 bytes and ends them with NUL. Returns the length or negative errno. */
static ssize_t read_file(int dir_fd, const char *name, char *ret, size_t size)
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

/* Did the process in @dir_fd create the VM? The start time in /proc is in clock ticks. */
static bool same_process(int dir_fd, uint64_t start_ns)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long ticks;
	char stat[1024];

	if (read_file(dir_fd, "stat", stat, sizeof(stat)) < 0 ||
	    lp_identity_start_ticks(stat, &ticks) < 0)
		return false;
	return ticks == start_ns / (NS_PER_S / hz);
}

/* The path in the line of /proc/PID/cgroup that begins with "N:" and @controllers; NULL: none. */
static const char *find_path(const char *text, const char *controllers)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		line += strspn(line, "0123456789");
		if (*line == ':' && !strncmp(line + 1, controllers, strlen(controllers)))
			return line + 1 + strlen(controllers);
	}
	return NULL;
}

/* "0::/path" of cgroup v2; where that is not in use, "1:name=systemd:/path" says as much. */
static const char *cgroup_path(const char *text)
{
	const char *unified = find_path(text, ":"), *systemd = find_path(text, "name=systemd:");

	if (systemd && (!unified || !strncmp(unified, "/\n", 2)))
		return systemd;
	return unified;
}

static void read_cgroup(int dir_fd, struct lp_identity *ret)
{
	char text[4096];
	const char *path;
	size_t len;

	if (read_file(dir_fd, "cgroup", text, sizeof(text)) < 0)
		return;
	path = cgroup_path(text);
	len = path && *path == '/' ? strcspn(path, "\n") : 0;
	/* A truncated path could match the wrong rule: leave it unknown. */
	if (!len || len >= sizeof(ret->cgroup))
		return;
	memcpy(ret->cgroup, path, len);
	ret->cgroup[len] = '\0';
	ret->cgroup_known = true;
	lp_identity_slice(ret->cgroup, ret->slice, sizeof(ret->slice));
}

static void found_name(struct lp_identity *ret, enum lp_name_source source)
{
	ret->name_source = source;
	ret->name_known = true;
}

/* What the command line says. A name there is whole, in contrast to that of a scope. */
static void use_args(const char *args, size_t len, struct lp_identity *ret)
{
	ret->command_known = vm_command_of_args(args, len, ret->command, sizeof(ret->command)) == 0;
	ret->uuid_known = true;
	(void)vm_uuid_of_args(args, len, ret->uuid);
	if (!ret->name_known && vm_name_of_args(args, len, ret->name, sizeof(ret->name)) == 0)
		found_name(ret, LP_NAME_QEMU);
}

static bool read_args(int dir_fd, struct lp_identity *ret)
{
	CLEANUP(freep) char *args = malloc(ARGS_MAX);
	ssize_t len = args ? read_file(dir_fd, "cmdline", args, ARGS_MAX) : -ENOMEM;

	if (len > 0)
		use_args(args, (size_t)len, ret);
	return len > 0;
}

static void read_process(const char *procfs, const struct lp_vm *vm, struct lp_identity *ret)
{
	char path[256];
	int dir_fd;

	snprintf(path, sizeof(path), "%s/%u", procfs, vm->pid);
	/* Read through the directory: it stays that of this process even if the pid is reused. */
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return;
	if (same_process(dir_fd, vm->pid_start_ns)) {
		bool have_args = read_args(dir_fd, ret);

		read_cgroup(dir_fd, ret);
		if (!ret->name_known && ret->cgroup_known &&
		    vm_name_of_scope(ret->cgroup, ret->name, sizeof(ret->name)) == 0)
			found_name(ret, LP_NAME_LIBVIRT);
		/* All sources were read: it is known to have no name. */
		if (!ret->name_known && ret->cgroup_known && have_args)
			found_name(ret, LP_NAME_NONE);
	}
	close(dir_fd);
}

void lp_identity_read(const char *procfs, const struct lp_vm *vm, struct lp_identity *ret)
{
	*ret = (struct lp_identity){
		.vm_id = vm->id,
		.pid = vm->pid,
		.type = vm->type,
		.uid = vm->uid,
		.has_uid = vm->has_uid,
		.memory_bytes = vm->memory_pages * PAGE,
	};
	if (vm->name[0]) {
		memcpy(ret->name, vm->name, sizeof(ret->name));
		found_name(ret, LP_NAME_IOCTL);
	}
	if (vm->pid)
		read_process(procfs, vm, ret);
}

void lp_identity_for_rules(const struct lp_identity *identity, struct config_identity *ret)
{
	*ret = (struct config_identity){
		.vm_name = identity->name_known ? identity->name : NULL,
		.cgroup = identity->cgroup_known ? identity->cgroup : NULL,
		.uuid = identity->uuid_known ? identity->uuid : NULL,
		.vmm = identity->command_known ? identity->command : NULL,
		.uid = identity->has_uid ? (int64_t)identity->uid : -1,
		.type = (int)identity->type,
		.memory_bytes = identity->memory_bytes,
	};
}
