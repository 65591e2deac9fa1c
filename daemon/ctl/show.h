/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TDX_LPAGE_CTL_SHOW_H
#define TDX_LPAGE_CTL_SHOW_H

#include "daemon/ctl/ctl.h"

/* Writes the status as a table: some lines on the host, an empty one, the VMs. */
void show_status(struct ctl *ctl, const json_t *host, const json_t *vms);

#endif
