// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/vm_names.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#define OPTION_MAX 1024 /* of -name; longer ones are cut without being told apart */

/* FNV-1a, of which eight hex digits tell thousands of long names apart. */
static uint32_t hash(const char *text, size_t len)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619;
	return h;
}

int vm_name_copy(const char *name, size_t len, char *ret, size_t size)
{
	char tail[10] = "";

	if (!len)
		return -ENOENT;
	if (len >= size) {
		if (size > sizeof(tail))
			snprintf(tail, sizeof(tail), "-%08x", hash(name, len));
		len = size - 1 - strlen(tail);
	}
	for (size_t i = 0; i < len; i++)
		ret[i] = text_is_name_char(name[i]) ? name[i] : '_';
	strcpy(ret + len, tail);
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

/* The prefix of libvirt's drivers that run VMs; a container (lxc) is no VM, even with one inside. */
static size_t driver_length(const char *machine)
{
	static const char *const drivers[] = {"qemu-", "ch-", "xen-"};

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (strncmp(machine, drivers[i], strlen(drivers[i])) == 0)
			return strlen(drivers[i]);
	}
	return 0;
}

/* libvirt and machined: machine-qemu\x2d12\x2dNAME.scope */
static int scope_name(const char *unit, size_t len, char *ret, size_t size)
{
	static const char prefix[] = "machine-", suffix[] = ".scope";
	char plain[256];
	size_t driver, skip;

	if (len >= sizeof(plain) || len <= strlen(prefix) + strlen(suffix) ||
	    strncmp(unit, prefix, strlen(prefix)) != 0 ||
	    strncmp(unit + len - strlen(suffix), suffix, strlen(suffix)) != 0)
		return -ENOENT;
	len = unescape(unit + strlen(prefix), len - strlen(prefix) - strlen(suffix), plain);
	plain[len] = '\0';
	driver = driver_length(plain);
	skip = driver + strspn(plain + driver, "0123456789");
	if (!driver || skip == driver || plain[skip] != '-')
		return -ENOENT;
	skip++;
	return vm_name_copy(plain + skip, len - skip, ret, size);
}

int vm_name_of_scope(const char *cgroup, char *ret, size_t size)
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
	char option[OPTION_MAX];

	while (*value) {
		value += take_option(value, option, sizeof(option));
		value += *value == ',';
		if (!strncmp(option, "guest=", 6))
			return vm_name_copy(option + 6, strlen(option + 6), ret, size);
		if (first && !strchr(option, '='))
			return vm_name_copy(option, strlen(option), ret, size);
		first = false;
	}
	return -ENOENT;
}

/* The argument after @option, which may have one or two dashes; NULL: none, or cut off. */
static const char *argument_of(const char *args, size_t len, const char *option)
{
	const char *end = args + len;
	bool next = false;

	for (const char *nul; args < end; args = nul + 1) {
		nul = memchr(args, '\0', (size_t)(end - args));
		if (!nul)
			break;
		if (next)
			return args;
		next = args[0] == '-' && strcmp(args + 1 + (args[1] == '-'), option) == 0;
	}
	return NULL;
}

int vm_name_of_args(const char *args, size_t len, char *ret, size_t size)
{
	const char *value = argument_of(args, len, "name");

	return value ? name_option(value, ret, size) : -ENOENT;
}

int vm_uuid_of_args(const char *args, size_t len, char ret[static VM_UUID_SIZE])
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	const char *value = argument_of(args, len, "uuid");

	if (!value || strlen(value) != strlen(form))
		return -ENOENT;
	for (size_t i = 0; i < strlen(form); i++) {
		if (form[i] == '-' ? value[i] != '-' : !isxdigit((unsigned char)value[i]))
			return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(form); i++)
		ret[i] = (char)tolower((unsigned char)value[i]);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Does the program run another in its own process? */
static bool is_loader(const char *name)
{
	static const char *const loaders[] = {"ld-linux", "ld.so", "valgrind", "memcheck-"};

	for (size_t i = 0; i < ARRAY_SIZE(loaders); i++) {
		if (strncmp(name, loaders[i], strlen(loaders[i])) == 0)
			return true;
	}
	return false;
}

/* The program that a loader runs: the first argument that is a program of QEMU. */
static const char *loaded(const char *args, size_t len)
{
	for (const char *at = args, *end = args + len; at < end; at += strlen(at) + 1) {
		if (!memchr(at, '\0', (size_t)(end - at)))
			break;
		if (strncmp(base_name(at), "qemu-", 5) == 0)
			return base_name(at);
	}
	return base_name(args);
}

int vm_command_of_args(const char *args, size_t len, char *ret, size_t size)
{
	static const char wrapped[] = "-wrapped";
	const char *name = base_name(args);
	size_t name_len;

	if (is_loader(name))
		name = loaded(args, len);
	name_len = strlen(name);
	/* ".qemu-system-x86_64-wrapped" is what a wrapper of that name runs. */
	if (name[0] == '.' && name_len > strlen(wrapped) + 1 &&
	    strcmp(name + name_len - strlen(wrapped), wrapped) == 0) {
		name++;
		name_len -= strlen(wrapped) + 1;
	}
	return vm_name_copy(name, name_len, ret, size);
}
