// SPDX-License-Identifier: GPL-2.0-or-later
/* Random operations */
#include "tests/tdx-model/lib_ref.h"

/* xorshift64* */
u64 random_next(u64 *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return *random * 0x2545F4914F6CDD1DULL;
}

static const struct {
	const char *name;
	unsigned int weight;
} ops[NR_OPS] = {
#define X(name, weight) {#name, weight},
	OPS(X)
#undef X
};

static enum op_kind random_kind(u64 *random)
{
	unsigned int total = 0, at, i;

	for (i = 0; i < NR_OPS; i++)
		total += ops[i].weight;
	at = random_next(random) % total;
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	return i;
}

struct op op_random(u64 *random)
{
	static const u16 few[] = {0, 1, 2, 3, 510, 511};
	u64 r = random_next(random), s = random_next(random);
	struct op op = {.kind = random_kind(random), .td = r >> 63 && r >> 62 & 1, .vcpu = s >> 63};
	unsigned int region = (r & 0xff) % NR_REGIONS,
		     page = few[(r >> 8 & 0xff) % ARRAY_SIZE(few)];

	op.level = (r >> 16 & 63) == 0 ? 2 : (r >> 22 & 3) != 0;
	if (op.kind == OP_UNBLOCK && (s >> 48 & 3) == 0)
		op.level = 2;
	op.flags = r >> 24 & 0xff;
	op.page = region * 512 + page;
	/* Mostly where it belongs, so that pages can be merged; one block is everybody's. */
	if ((r >> 32 & 7) == 0)
		op.hpa = s % (NR_BLOCKS * 512);
	else
		op.hpa = (op.td * NR_REGIONS + region) * 512 + page;
	if (op.kind == OP_FILL)
		op.hpa = op.td * NR_REGIONS + region;
	op.value = s >> 16 & 0xffffff;
	if (op.kind == OP_SEPT_ADD || op.kind == OP_DEMOTE || op.kind == OP_SPLIT)
		op.hpa = s % (NR_BLOCKS * 512);
	return op;
}

const char *op_name(enum op_kind kind)
{
	return ops[kind].name;
}

void op_print(const struct op *op)
{
	print_error(
		"\t{OP_%s, .td = %u, .vcpu = %u, .level = %u, .flags = %u, .page = %u, .hpa = %u, "
		".value = %llu},\n",
		ops[op->kind].name, op->td, op->vcpu, op->level, op->flags, op->page, op->hpa,
		op->value);
}
