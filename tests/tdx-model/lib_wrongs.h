/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections 3 to 5 of the rules: what can be wrong with a call, in the order in which it is checked. */
#ifndef TDX_LPAGE_TESTS_TDX_MODEL_WRONGS_H
#define TDX_LPAGE_TESTS_TDX_MODEL_WRONGS_H

#include "tests/tdx-model/lib_world.h"

/* A call that works, with all it needs. */
struct trial {
	struct world *w;
	enum tdxm_leaf_id leaf;
	int level;
	u64 rax;
	struct tdx_model_regs regs;
	u64 page; /* behind the entry */
};

enum group { NONE, RAX, SYS, TD, LIFE, OPS, RCX, ENTRY, CHILD, R8, R9, EPOCH, PAGE };
enum regs { SAME, ZERO, DETAILS, DETAILS_WALK };

#define L(name) BIT_ULL(TDXM_L_##name)
#define GPA_LEAVES                                                                                 \
	(L(PAGE_ADD) | L(SEPT_ADD) | L(PAGE_AUG) | L(RANGE_BLOCK) | L(PAGE_DEMOTE) |               \
	 L(PAGE_PROMOTE) | L(SEPT_RD) | L(PAGE_REMOVE) | L(SEPT_REMOVE) | L(RANGE_UNBLOCK))
#define ALL	  (GPA_LEAVES | L(TRACK))
#define VERSIONED (L(SEPT_ADD) | L(PAGE_PROMOTE) | L(SEPT_REMOVE))
#define TREE	  (GPA_LEAVES & ~L(PAGE_ADD))
#define TAKING	  (L(PAGE_REMOVE) | L(SEPT_REMOVE) | L(PAGE_PROMOTE))
#define NEW_PAGE  (L(PAGE_ADD) | L(SEPT_ADD) | L(PAGE_AUG) | L(PAGE_DEMOTE))
#define T	  0x100 /* plus the operand id of the TDR */

struct wrong {
	void (*apply)(struct trial *t);
	u64 leaves;
	enum group group; /* two of a group can't be had at once */
	enum regs regs;
	u64 status;
};

extern const struct wrong wrongs[];
extern const int nr_wrongs;

/* Can that go wrong with the leaf in this generation at all? */
bool wrong_applies(const struct wrong *wrong, int leaf);

static inline u64 gpa_of(const struct trial *t)
{
	return GPA(1) + (t->level ? 0 : KIB(4));
}

static inline u64 *trial_entry(struct trial *t)
{
	return entry_of(t->w, gpa_of(t), t->level);
}

#endif
