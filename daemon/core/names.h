/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs by name: a client that asks for one costs the same however many there are. */
#ifndef TDX_LPAGE_CORE_NAMES_H
#define TDX_LPAGE_CORE_NAMES_H

#include "daemon/core/context.h"

/* The VM has the name of its identity from now on, or none any more. */
void names_enter(struct lp_manager *m, struct vm_entry *vm);
void names_leave(struct lp_manager *m, struct vm_entry *vm);

/* struct lp_core_ops */
size_t names_find(const struct lp_core *core, const char *name, uint32_t *ids, size_t capacity);

#endif
