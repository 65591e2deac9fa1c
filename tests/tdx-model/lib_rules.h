/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a call must return, and what it does to the reference. */
#ifndef TESTS_TDX_MODEL_LIB_RULES_H
#define TESTS_TDX_MODEL_LIB_RULES_H

#include "tests/tdx-model/lib_ref.h"

#define WINDOW	     GPA(0)
#define GPA_OF(page) (WINDOW + KIB(4) * (page))
#define HPA_OF(i)    (DATA(0) + KIB(4) * (i))
#define WRONG_STATE  (TDXM_EPT_ENTRY_STATE_INCORRECT | 1)

/* What a call must return; RCX and RDX of a SEAMCALL. */
struct expect {
	u64 status, rcx, rdx;
};

/* Where an operation at some level acts: which entry, and what the host sees of it */
struct place {
	struct ref_td *td;
	int level, region, page;
	struct ref_entry *e;
};

struct place ref_place_at(struct ref_td *td, int level, int page);
void ref_details(const struct place *p, struct expect *x);
struct expect ref_with_details(const struct place *p, u64 status);
struct expect ref_plain(u64 status);
bool ref_reachable(const struct place *p, struct place *end);
bool ref_is_table(const struct place *p);
bool ref_is_leaf(const struct place *p);
bool ref_common(const struct place *p, bool exclusive, struct expect *x);
int ref_data_index(u64 hpa);
bool ref_is_data(u64 hpa);
u8 *ref_use_of(struct ref *ref, u64 hpa);
struct expect ref_expect_aug(struct ref *ref, const struct place *p, u64 hpa);
struct expect ref_expect_add(struct ref *ref, const struct place *p, u64 hpa, u64 value);
struct expect ref_expect_sept_add(struct ref *ref, const struct place *p, u64 hpa, bool existing);
struct expect ref_expect_block(const struct place *p);
struct expect ref_expect_unblock(const struct place *p);
struct expect ref_expect_remove(struct ref *ref, const struct place *p);
struct expect ref_expect_sept_remove(struct ref *ref, const struct place *p);
struct expect ref_expect_promote(struct ref *ref, const struct place *p);
struct expect ref_expect_demote(struct ref *ref, const struct place *p, u64 hpa, bool flag);
struct expect ref_expect_track(struct ref *ref, struct ref_td *td);

/* vCPUs: the call and the comparison in one */
bool ref_run_enter(struct ref *ref, const struct op *op);
bool ref_run_exit(struct ref *ref, const struct op *op);
bool ref_run_accept(struct ref *ref, const struct op *op, int level, int page);
bool ref_run_access(struct ref *ref, const struct op *op, int page, bool write);

#endif
