/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random operations, and what each of them must do.  The reference knows no trees, no encodings and no table of
 * physical pages with sizes: a TD is an array of pages of 4K and an array of regions of 2M, memory is two arrays that
 * say what is used.
 */
#ifndef TESTS_TDX_MODEL_LIB_REF_H
#define TESTS_TDX_MODEL_LIB_REF_H

#include "tests/tdx-model/lib_world.h"

#define NR_REGIONS    3
#define NR_BLOCKS     (2 * NR_REGIONS + 1)
#define NR_SPARES     12
#define NR_HOLDS      3
#define MAX_ZERO_STEP 32

/* name, relative frequency */
#define OPS(X)                                                                                     \
	X(AUG, 60)                                                                                 \
	X(SEPT_ADD, 25)                                                                            \
	X(BLOCK, 30)                                                                               \
	X(UNBLOCK, 40)                                                                             \
	X(REMOVE, 25)                                                                              \
	X(SEPT_REMOVE, 12)                                                                         \
	X(PROMOTE, 15)                                                                             \
	X(DEMOTE, 15)                                                                              \
	X(SEPT_RD, 20)                                                                             \
	X(TRACK, 50)                                                                               \
	X(ADD, 12)                                                                                 \
	X(RDMD, 10)                                                                                \
	X(FINALIZE, 1)                                                                             \
	X(ENTER, 70)                                                                               \
	X(EXIT, 15)                                                                                \
	X(ACCEPT, 80)                                                                              \
	X(LOAD, 90)                                                                                \
	X(STORE, 90)                                                                               \
	X(HOLD_ENTRY, 8)                                                                           \
	X(HOLD_TD, 2)                                                                              \
	X(HOLD_PAGE, 4)                                                                            \
	X(RELEASE, 50)                                                                             \
	X(PENDING, 8)                                                                              \
	X(FILL, 1)                                                                                 \
	X(ACCEPT_ALL, 1)                                                                           \
	X(SPLIT, 12)                                                                               \
	X(MERGE, 14)                                                                               \
	X(DROP, 12)                                                                                \
	X(USE, 30)

enum op_kind {
#define X(name, weight) OP_##name,
	OPS(X)
#undef X
		NR_OPS
};

struct op {
	enum op_kind kind;
	u8 td, vcpu, level;
	u8 flags; /* what it means depends on the operation */
	u16 page; /* of the TD's window, in 4K */
	u16 hpa;  /* of data blocks in 4K, or of spare pages */
	u64 value;
};

enum use { FREE_PAGE, DATA_PAGE, LARGE_PAGE, TABLE_PAGE };
enum page_state { NOTHING, WAITING, THERE }; /* pending, accepted */

struct ref_entry {
	bool blocked, locked, priority;
	u64 since; /* epoch of BLOCK */
};

/* A page of 4K, whether it is mapped as such or is part of a large one */
struct ref_page {
	enum page_state state;
	struct ref_entry e;
	u64 hpa;
	u64 value;
};

struct ref_region {
	enum { EMPTY, TABLE, LARGE } kind;
	struct ref_entry e;
	u64 hpa; /* table or large page */
	unsigned int counter;
};

struct ref_vcpu {
	bool inside;
	u64 epoch;
	bool moved; /* RIP, since it entered */
	unsigned int faults, nr_listed;
	u64 listed[MAX_ZERO_STEP];
};

struct ref_td {
	bool runnable;
	u64 epoch, children;
	struct ref_page page[NR_REGIONS * 512];
	struct ref_region region[NR_REGIONS];
	struct ref_entry top; /* the entry of 1G that all regions are below */
	struct ref_vcpu vcpu[2];
	int inject; /* the enum tdx_model_point that fails in the next call, or -1 */
	/* others' locks: 0, 1 shared, 2 exclusive */
	u8 tdr, op_state, tree, epoch_lock;
};

struct ref_hold {
	struct tdx_model_hold *hold;
	struct ref_entry *entry;
	u8 *lock;
	int page; /* data page in 4K, -1 */
};

struct ref {
	struct world *w;
	struct ref_td td[2];
	u8 block_use[NR_BLOCKS];      /* whole: LARGE_PAGE or FREE_PAGE */
	u8 page_use[NR_BLOCKS * 512]; /* DATA_PAGE or FREE_PAGE */
	u8 spare_use[NR_SPARES];
	struct ref_hold hold[NR_HOLDS];
	bool pending;
	unsigned long calls;
	/* Coverage: how often an operation worked */
	unsigned long worked[NR_OPS], tried[NR_OPS];
	char error[300];
};

/* @levels of Secure EPT: 4 or 5 */
void ref_new(struct ref *ref, int levels);
void ref_free(struct ref *ref);
/* False: the model did something else than the reference; ref->error says what. */
bool ref_run(struct ref *ref, const struct op *op);
bool ref_check(struct ref *ref);
struct op op_random(u64 *random);
void op_print(const struct op *op);
const char *op_name(enum op_kind kind);
u64 random_next(u64 *random);

#endif
