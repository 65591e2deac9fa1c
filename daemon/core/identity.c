// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/identity.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#define PAGE 4096

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

	if (vmm_read_file(dir_fd, "cgroup", text, sizeof(text)) < 0)
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
static void use_args(const struct lp_vmm_args *args, struct lp_identity *ret)
{
	memcpy(ret->command, args->command, sizeof(ret->command));
	ret->command_known = args->command[0] != '\0';
	memcpy(ret->uuid, args->uuid, sizeof(ret->uuid));
	ret->uuid_known = true;
	if (ret->name_known || !args->name[0])
		return;
	memcpy(ret->name, args->name, sizeof(ret->name));
	found_name(ret, LP_NAME_QEMU);
}

static void use_scope(struct lp_identity *ret)
{
	if (!ret->name_known && ret->cgroup_known &&
	    vm_name_of_scope(ret->cgroup, ret->name, sizeof(ret->name)) == 0)
		found_name(ret, LP_NAME_LIBVIRT);
}

static void read_process(const char *procfs, const struct lp_vm *vm, const struct lp_vmm_args *args,
			 struct lp_identity *ret)
{
	CLEANUP(closep) int dir_fd = vmm_open(procfs, vm->pid, vm->pid_start_ns);

	/* It was read from the process that created the VM. */
	if (args)
		use_args(args, ret);
	if (dir_fd >= 0)
		read_cgroup(dir_fd, ret);
	use_scope(ret);
	/* All sources were read: it is known to have no name. */
	if (!ret->name_known && ret->cgroup_known && args)
		found_name(ret, LP_NAME_NONE);
}

void lp_identity_read(const char *procfs, const struct lp_vm *vm, const struct lp_vmm_args *args,
		      struct lp_identity *ret)
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
		read_process(procfs, vm, args, ret);
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
