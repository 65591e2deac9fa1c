/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists that the daemon gives out in parts, and parameters that several verbs have. */
#ifndef TDX_LPAGE_CTL_LISTS_H
#define TDX_LPAGE_CTL_LISTS_H

#include "daemon/ctl/ctl.h"

/* A new object, with "fresh" when --fresh was given. */
json_t *ctl_fresh(const struct ctl *ctl);

/* Says that there are no VMs, or that the daemon does not know of any. @host: of a status. */
void ctl_print_no_vms(struct ctl *ctl, const json_t *host);

/* The same, and asks for the status first. Returns CTL_OK, or complains. */
int ctl_say_no_vms(struct ctl *ctl);

/* All VMs, a new array. Takes the reference to @params (NULL: none). Complains like ctl_call(). */
int ctl_list_vms(struct ctl *ctl, json_t *params, json_t **ret);

/* At most @limit regions of the VM that @params names, and its id. The same otherwise. */
int ctl_list_regions(struct ctl *ctl, json_t *params, size_t limit, json_int_t *ret_vm,
		     json_t **ret);

/* Adds --range to the parameters, rounded outwards. Returns CTL_OK, or complains. */
int ctl_range_param(struct ctl *ctl, json_t *params);

/* Appends a range as methods want them; returns it, borrowed. */
json_t *ctl_add_range(json_t *list, uint64_t start_rfn, uint64_t nr_regions);

/* Appends every argument after the VM, each being a range. Returns CTL_OK, or complains. */
int ctl_parse_ranges(struct ctl *ctl, json_t *list);

#endif
