/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A model with two TDs, and short names for what tests do with it. */
#ifndef TESTS_TDX_MODEL_LIB_WORLD_H
#define TESTS_TDX_MODEL_LIB_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "internal.h"

#define KIB(n) ((n)*1024ULL)
#define MIB(n) ((n)*1024ULL * 1024)
#define GIB(n) ((n)*1024ULL * 1024 * 1024)

/* Physical memory: blocks 0 to 2 are TDMRs in use, 3 isn't initialised, the rest is no TDMR. */
#define BASE		GIB(4)
#define BLOCK(n)	(BASE + GIB(n))
#define NO_BLOCK	BLOCK(3)
#define NO_TDMR		BLOCK(8)
#define TDR(td)		(BASE + (td)*KIB(64))
#define TDVPR(td, vcpu) (TDR(td) + KIB(32) + (vcpu)*KIB(4))
#define TDCX(td)	(TDR(td) + KIB(4))
#define HKID(td)	(40 + (td))
/* In addresses of PHYMEM.PAGE.WBINVD */
#define KEY(td) ((u64)HKID(td) << 46)
/* Pages for tables, never used by world_table(); and for data, of 2M each */
#define SPARE(n) (BASE + MIB(2) + (n)*KIB(4))
#define TABLES	 (BASE + MIB(4))
#define DATA(n)	 (BASE + MIB(16) + (n)*MIB(2))

#define GPA(n) (GIB(1) + (n)*MIB(2))
/* GPAs without any table */
#define GPA_NO_TABLE GIB(600)

#define NULL_PA		 (~0ULL)
#define RCX_FREE	 0x8000000000000000ULL
#define RCX_MAPPED(hpa)	 ((hpa) | (since_1_5_20() ? 0x80000000000004f7ULL : 0x80000000000000f7ULL))
#define RCX_TABLE	 (since_1_5_20() ? 0x407ULL : 7ULL)
#define RCX_LEAF(hpa)	 ((hpa) | 0x80000000000000f0ULL)
#define RDX(level, arch) ((u64)(level) | (u64)(arch) << 8)

enum { ARCH_FREE, ARCH_BLOCKED, ARCH_PENDING, ARCH_PENDING_BLOCKED, ARCH_MAPPED };
#define ARCH_NL_BLOCKED 129
#define ARCH_NL_MAPPED	132

struct world {
	struct tdx_model *m;
	struct tdx_model_td *td[2];
	struct tdx_model_vcpu *vcpu[2][2];
	unsigned int nr_tables;
};

struct result {
	u64 status;
	struct tdx_model_regs r;
};

/* The rules that world_new() chooses; world_main() and random tests change them. */
void world_set_rules(enum tdx_model_rules rules);
bool since_1_5_20(void);
/* Runs the tests once with the rules of each generation of the module. */
int world_main(const char *name, const struct CMUnitTest *tests, size_t nr);
#define WORLD_MAIN(name, tests) world_main((name), (tests), ARRAY_SIZE(tests))
/* OP_STATE_INCORRECT, of which newer modules say in which state it is */
u64 op_state_incorrect(u8 op_state);

/* @levels 4 or 5; the TDs aren't finalized, tables exist for 1 GiB at GPA(0). */
struct world *world_new(int levels, bool gpaw);
/* The same in a host that writes to all memory that it has. */
struct world *world_host_writes(void);
/* Running, with a page of 2M pending at GPA(1), and 512 of 4K at GPA(2) below a table at SPARE(0). */
struct world *pending_world(void);
void world_free(struct world *w);
int world_setup(void **state);
int world_teardown(void **state);
/* Fails the test if the model finds anything wrong with itself. */
void world_check(struct world *w);
u64 world_table(struct world *w);
void world_run(struct world *w);

struct result seamcall(struct world *w, u64 rax, u64 rcx, u64 rdx, u64 r8, u64 r9);
struct result add(struct world *w, u64 gpa, u64 hpa, u64 source);
struct result sept_add(struct world *w, u64 gpa, int level, u64 hpa);
struct result aug(struct world *w, u64 gpa, int level, u64 hpa);
struct result block(struct world *w, u64 gpa, int level);
struct result unblock(struct world *w, u64 gpa, int level);
struct result remove_page(struct world *w, u64 gpa, int level);
struct result sept_remove(struct world *w, u64 gpa, int level);
struct result promote(struct world *w, u64 gpa, int level);
struct result demote(struct world *w, u64 gpa, int level, u64 hpa);
struct result sept_rd(struct world *w, u64 gpa, int level);
struct result track(struct world *w);
/* PHYMEM.PAGE.WBINVD; @hpa with the key */
struct result wbinvd(struct world *w, u64 hpa);

#define OK(call)	    assert_status((call), TDXM_SUCCESS, __FILE__, __LINE__)
#define FAILS(status, call) assert_status((call), (status), __FILE__, __LINE__)
struct result assert_status(struct result result, u64 status, const char *file, int line);
/* With details: of an entry, as the host sees it. */
#define FAILS_WITH(status, rcx, rdx, call)                                                         \
	assert_details((call), (status), (rcx), (rdx), __FILE__, __LINE__)
void assert_details(struct result result, u64 status, u64 rcx, u64 rdx, const char *file, int line);
#define IS(gpa, level, state) assert_state(w, (gpa), (level), TDXM_S_##state, __FILE__, __LINE__)
void assert_state(struct world *w, u64 gpa, int level, enum tdxm_state state, const char *file,
		  int line);

/* vCPU 0 of TD 0 */
void enter(struct world *w);
void leave(struct world *w);
/* What ACCEPT returned, while the vCPU is inside */
struct guest {
	enum tdx_model_guest result;
	u64 rax;
	struct tdx_model_regs r;
	struct tdx_model_exit exit;
};
struct guest accept(struct world *w, u64 gpa, int level);
struct guest attr_wr(struct world *w, u64 gpa, int level);
/* Enters and leaves, and must succeed */
void accepted(struct world *w, u64 gpa, int level);
struct guest load(struct world *w, u64 gpa, u64 *value);
struct guest store(struct world *w, u64 gpa, u64 value);
/* 4K pages, AUGed, from the first page of a 2M table that exists */
void aug_4k(struct world *w, u64 gpa, u64 hpa, int nr);
/* 512 pages of 4K at GPA(1), pending or mapped, below a table at SPARE(0) */
void small_pages(struct world *w, bool mapped);
/* The entry is made to be in that state, whatever that needs; @hpa is the page or table. */
void make_state(struct world *w, u64 gpa, int level, enum tdxm_state state, u64 hpa);

u64 *entry_of(struct world *w, u64 gpa, int level);
/* Everything that may not change when a call fails, as a number */
u64 fingerprint(struct world *w);

#define INJECT(leaf_name, at)                                                                      \
	assert_int_equal(                                                                          \
		0, tdx_model_inject(w->m, &(struct tdx_model_injection){TDXM_L_##leaf_name,        \
									TDX_MODEL_AT_##at, 0, 1}))

#endif
