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

/* Copies a name; characters that a VM name must not have become "_". -ENOENT for an empty one. */
static int copy_name(const char *name, size_t len, char *ret, size_t size)
{
	if (!len)
		return -ENOENT;
	if (len >= size)
		len = size - 1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		ret[i] = isalnum(c) || strchr("._:@+-", c) ? (char)c : '_';
	}
	ret[len] = '\0';
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Unescapes (\x2d) part of a unit name, systemd.unit(5). Returns the new length. */
static size_t unescape(const char *from, size_t len, char *to)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		if (i + 3 < len && from[i] == '\\' && from[i + 1] == 'x' && hex(from[i + 2]) >= 0 &&
		    hex(from[i + 3]) >= 0) {
			to[out++] = (char)(hex(from[i + 2]) * 16 + hex(from[i + 3]));
			i += 3;
		} else {
			to[out++] = from[i];
		}
	}
	return out;
}

/* libvirt and machined: machine-qemu\x2d12\x2dNAME.scope */
static int scope_name(const char *unit, size_t len, char *ret, size_t size)
{
	static const char prefix[] = "machine-", suffix[] = ".scope", driver[] = "qemu-";
	char plain[256];
	size_t skip;

	if (len >= sizeof(plain) || len <= strlen(prefix) + strlen(suffix) ||
	    strncmp(unit, prefix, strlen(prefix)) != 0 ||
	    strncmp(unit + len - strlen(suffix), suffix, strlen(suffix)) != 0)
		return -ENOENT;
	len = unescape(unit + strlen(prefix), len - strlen(prefix) - strlen(suffix), plain);
	plain[len] = '\0';
	if (strncmp(plain, driver, strlen(driver)) != 0)
		return -ENOENT;
	skip = strlen(driver);
	skip += strspn(plain + skip, "0123456789");
	if (skip == strlen(driver) || plain[skip] != '-')
		return -ENOENT;
	skip++;
	return copy_name(plain + skip, len - skip, ret, size);
}

int lp_identity_libvirt_name(const char *cgroup, char *ret, size_t size)
{
	while (*cgroup) {
		size_t len = strcspn(cgroup, "/");

		if (scope_name(cgroup, len, ret, size) == 0)
			return 0;
		cgroup += len;
		cgroup += *cgroup == '/';
	}
	return -ENOENT;
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

/* One option of -name, up to a comma; ",," is a comma. Returns its length in @from. */
static size_t take_option(const char *from, char *to, size_t size)
{
	size_t in = 0, out = 0;

	for (; from[in]; in++) {
		if (from[in] == ',') {
			if (from[in + 1] != ',')
				break;
			in++;
		}
		if (out + 1 < size)
			to[out++] = from[in];
	}
	to[out] = '\0';
	return in;
}

/* "NAME,process=x", "guest=NAME,debug-threads=on" */
static int name_option(const char *value, char *ret, size_t size)
{
	bool first = true;
	char option[256];

	while (*value) {
		value += take_option(value, option, sizeof(option));
		value += *value == ',';
		if (!strncmp(option, "guest=", 6))
			return copy_name(option + 6, strlen(option + 6), ret, size);
		if (first && !strchr(option, '='))
			return copy_name(option, strlen(option), ret, size);
		first = false;
	}
	return -ENOENT;
}

int lp_identity_qemu_name(const char *args, size_t len, char *ret, size_t size)
{
	const char *end = args + len;
	bool next = false;

	/* The last argument may be truncated. */
	for (const char *nul; args < end; args = nul + 1) {
		nul = memchr(args, '\0', (size_t)(end - args));
		if (!nul)
			break;
		if (next)
			return name_option(args, ret, size);
		next = !strcmp(args, "-name") || !strcmp(args, "--name");
	}
	return -ENOENT;
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

/* The line of the default hierarchy: "0::/path". */
static void read_cgroup(int dir_fd, struct lp_identity *ret)
{
	char text[4096];
	const char *path;
	size_t len;

	if (read_file(dir_fd, "cgroup", text, sizeof(text)) < 0)
		return;
	path = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (!path)
		return;
	path = strchr(path, '/');
	len = path ? strcspn(path, "\n") : 0;
	/* A truncated path could match the wrong rule: leave it unknown. */
	if (!len || len >= sizeof(ret->cgroup))
		return;
	memcpy(ret->cgroup, path, len);
	ret->cgroup[len] = '\0';
	ret->cgroup_known = true;
	lp_identity_slice(ret->cgroup, ret->slice, sizeof(ret->slice));
}

static void set_command(const char *argv0, struct lp_identity *ret)
{
	const char *base = strrchr(argv0, '/');

	if (copy_name(base ? base + 1 : argv0, strlen(base ? base + 1 : argv0), ret->command,
		      sizeof(ret->command)) == 0)
		ret->command_known = true;
}

static void found_name(struct lp_identity *ret, enum lp_name_source source)
{
	ret->name_source = source;
	ret->name_known = true;
}

/* Reads the command, and the name if no better source had one. */
static void read_command(int dir_fd, struct lp_identity *ret)
{
	char *args = malloc(ARGS_MAX);
	ssize_t len = args ? read_file(dir_fd, "cmdline", args, ARGS_MAX) : -ENOMEM;

	if (len > 0) {
		set_command(args, ret);
		if (!ret->name_known &&
		    lp_identity_qemu_name(args, (size_t)len, ret->name, sizeof(ret->name)) == 0)
			found_name(ret, LP_NAME_QEMU);
		/* All sources were read: it is known to have no name. */
		if (!ret->name_known && ret->cgroup_known)
			found_name(ret, LP_NAME_NONE);
	}
	free(args);
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
		read_cgroup(dir_fd, ret);
		if (!ret->name_known && ret->cgroup_known &&
		    lp_identity_libvirt_name(ret->cgroup, ret->name, sizeof(ret->name)) == 0)
			found_name(ret, LP_NAME_LIBVIRT);
		read_command(dir_fd, ret);
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
		.vmm = identity->command_known ? identity->command : NULL,
		.uid = identity->has_uid ? (int64_t)identity->uid : -1,
		.type = (int)identity->type,
		.memory_bytes = identity->memory_bytes,
	};
}
