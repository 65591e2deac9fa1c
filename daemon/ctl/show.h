/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CTL_SHOW_H
#define TDX_LPAGE_CTL_SHOW_H

#include <tdx-lpage/text.h>

#include "daemon/ctl/ctl.h"

/* Writes the status as tables: some lines on the host, an empty one, the VMs; and the rules. */
void show_status(struct ctl *ctl, const json_t *host, const json_t *rules, const json_t *vms);

/* The lines on the host, and what a VM does, in one word: a gate, a state. */
void show_host(struct ctl *ctl, const json_t *host);
const char *show_vm_state(const json_t *host, const json_t *vm, char ret[static TEXT_NAME_MAX]);

/* What it means for a daemon to be in a pid namespace. */
#define SHOW_PID_NAMESPACE                                                                         \
	"processes of VMMs cannot be identified; rules that match on them do not apply"

/*
 * Why no merges are begun on a host that is short of something, and what can be done. Only while
 * its "pressure" is not null.
 */
#define SHOW_PRESSURE_MAX 160
const char *show_pressure(const json_t *host, char ret[static SHOW_PRESSURE_MAX]);
const char *show_pressure_remedy(const json_t *host);

/* status --shadow. Returns an exit code. */
int show_shadow(struct ctl *ctl);

/* "libvirt (28s), backup (attached)": who holds the VM as a whole, and for how long; "" for nobody. */
#define SHOW_HOLDS_MAX 1280
const char *show_holds(const json_t *vm, char ret[static SHOW_HOLDS_MAX]);

#endif
