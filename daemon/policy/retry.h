/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a region that was refused is tried again. */
#ifndef TDX_LPAGE_POLICY_RETRY_H
#define TDX_LPAGE_POLICY_RETRY_H

#include <stdint.h>

#include <tdx-lpage/reasons.h>

#include "daemon/policy/table.h"

struct policy_vm;

/* After a delay by reason that doubles with each refusal; not before its next conversion where waiting does not help. */
void retry_later(struct policy_vm *vm, struct region_ref *ref, enum lpage_reason reason,
		 uint64_t now_ns);

#endif
