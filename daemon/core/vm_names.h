/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of VMs and VMMs from cgroup paths and command lines. Pure. The text comes from untrusted
 * processes. Names have the characters A-Z a-z 0-9 . _ : @ + - only, others become "_"; one that
 * does not fit ends in "-" and a hash of all of it, so that long names stay distinct.
 */
#ifndef TDX_LPAGE_CORE_VM_NAMES_H
#define TDX_LPAGE_CORE_VM_NAMES_H

#include <stddef.h>

#define VM_UUID_SIZE 37 /* as text, with the NUL */

/* Makes a name of @len bytes. 0, or -ENOENT for none. */
int vm_name_copy(const char *name, size_t len, char *ret, size_t size);

/*
 * The name in a cgroup path with a scope of libvirt, which systemd has shortened: without "_",
 * blanks and what is not ASCII, and cut. 0, or -ENOENT when there is none.
 */
int vm_name_of_scope(const char *cgroup, char *ret, size_t size);

/*
 * In a command line of @len bytes, arguments ended by NUL, of which the last may be cut off: -name
 * and -uuid of QEMU, and the command's base name. 0, or -ENOENT.
 */
int vm_name_of_args(const char *args, size_t len, char *ret, size_t size);
int vm_uuid_of_args(const char *args, size_t len, char ret[static VM_UUID_SIZE]);
int vm_command_of_args(const char *args, size_t len, char *ret, size_t size);

#endif
