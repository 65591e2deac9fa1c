// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/kvm_lpage.h>
#include <string.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/protocol.h>

static const char *const states[] = {
	[KVM_LPAGE_STATE_UNMAPPED] = "unmapped",
	[KVM_LPAGE_STATE_LARGE] = "large",
	[KVM_LPAGE_STATE_TABLE] = "table",
	[KVM_LPAGE_STATE_MIXED] = "mixed",
};
static const char *const ops[] = {
	[KVM_LPAGE_OP_NONE] = "none",	    [KVM_LPAGE_OP_MERGE] = "merge",
	[KVM_LPAGE_OP_SPLIT] = "split",	    [KVM_LPAGE_OP_HOLD] = "hold",
	[KVM_LPAGE_OP_RELEASE] = "release", [KVM_LPAGE_OP_PROBE] = "probe",
};
static const char *const layers[] = {
	[KVM_LPAGE_LAYER_VMM] = "vmm",
	[KVM_LPAGE_LAYER_ADMIN] = "admin",
};

#define NAME_OF(table, i) ((i) < ARRAY_SIZE(table) ? (table)[i] : "unknown")

const char *lpage_state_name(uint32_t state)
{
	return NAME_OF(states, state);
}

const char *lpage_op_name(uint32_t op)
{
	return NAME_OF(ops, op);
}

const char *lpage_layer_name(uint32_t layer)
{
	return NAME_OF(layers, layer);
}

int lpage_state_from_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strcmp(states[i], name) == 0)
			return (int)i;
	}
	return -EINVAL;
}
