// SPDX-License-Identifier: GPL-2.0-or-later
/* The lists of what is paused and held; state_file.c reads and writes them. */
#include "daemon/core/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

void lp_state_done(struct lp_state *state)
{
	free(state->paused_vms);
	free(state->holds);
	*state = (struct lp_state){0};
}

/* Where it is not known who created a VM, its id has to do: better paused than not. */
static bool same_vm(const struct lp_vm_key *a, const struct lp_vm_key *b)
{
	if (a->id != b->id)
		return false;
	if (a->start_ns && b->start_ns && a->start_ns != b->start_ns)
		return false;
	return !a->pid || !b->pid || a->pid == b->pid;
}

/* ---- pauses ---- */

/* Rows of both lists begin with the key of their VM. */
static int is_before(const void *row, const void *vm_id)
{
	return ((const struct lp_vm_key *)row)->id < *(const uint32_t *)vm_id;
}
_Static_assert(offsetof(struct lp_paused_vm, vm) == 0, "is_before() reads the first member");
_Static_assert(offsetof(struct lp_hold, vm) == 0, "is_before() reads the first member");

/* The index of @vm_id, or the one at which to insert it. */
static size_t find_pause(const struct lp_state *state, uint32_t vm_id)
{
	return lower_bound(state->paused_vms, state->nr_paused_vms, sizeof(*state->paused_vms),
			   &vm_id, is_before);
}

const struct lp_paused_vm *lp_state_vm_pause(const struct lp_state *state,
					     const struct lp_vm_key *vm)
{
	size_t i = find_pause(state, vm->id);

	if (i == state->nr_paused_vms || !same_vm(&state->paused_vms[i].vm, vm))
		return NULL;
	return &state->paused_vms[i];
}

int lp_state_pause_vm(struct lp_state *state, const struct lp_vm_key *vm, uint64_t until_ns)
{
	size_t at = find_pause(state, vm->id);
	struct lp_paused_vm *place;

	if (at < state->nr_paused_vms && state->paused_vms[at].vm.id == vm->id) {
		place = &state->paused_vms[at];
	} else {
		if (state->nr_paused_vms >= LP_STATE_PAUSED_MAX)
			return -E2BIG;
		if (array_reserve(&state->paused_vms, &state->paused_vms_capacity,
				  state->nr_paused_vms + 1, sizeof(*place)) < 0)
			return -ENOMEM;
		place = array_open(state->paused_vms, state->nr_paused_vms++, at, sizeof(*place));
	}
	*place = (struct lp_paused_vm){*vm, until_ns};
	return 0;
}

void lp_state_resume_vm(struct lp_state *state, const struct lp_vm_key *vm)
{
	if (lp_state_vm_pause(state, vm))
		array_close(state->paused_vms, state->nr_paused_vms--, find_pause(state, vm->id),
			    sizeof(*state->paused_vms));
}

/* ---- holds ---- */

static size_t find_holds(const struct lp_state *state, uint32_t vm_id)
{
	return lower_bound(state->holds, state->nr_holds, sizeof(*state->holds), &vm_id, is_before);
}

struct lp_hold *lp_state_vm_holds(const struct lp_state *state, const struct lp_vm_key *vm,
				  size_t *ret_nr)
{
	size_t at = find_holds(state, vm->id), nr = 0;

	/* Holds of an earlier VM with this id are dropped before a new one is added. */
	while (at + nr < state->nr_holds && same_vm(&state->holds[at + nr].vm, vm))
		nr++;
	*ret_nr = nr;
	return nr ? &state->holds[at] : NULL;
}

static void drop_holds_of_another(struct lp_state *state, const struct lp_vm_key *vm)
{
	size_t at = find_holds(state, vm->id);

	while (at < state->nr_holds && state->holds[at].vm.id == vm->id &&
	       !same_vm(&state->holds[at].vm, vm))
		lp_state_drop_hold(state, at);
}

int lp_state_add_hold(struct lp_state *state, const struct lp_hold *hold)
{
	struct lp_hold *place;
	size_t at, nr;

	drop_holds_of_another(state, &hold->vm);
	if (state->nr_holds >= LP_STATE_HOLDS_MAX)
		return -E2BIG;
	if (array_reserve(&state->holds, &state->holds_capacity, state->nr_holds + 1,
			  sizeof(*place)) < 0)
		return -ENOMEM;
	(void)lp_state_vm_holds(state, &hold->vm, &nr);
	at = find_holds(state, hold->vm.id) + nr;
	place = array_open(state->holds, state->nr_holds++, at, sizeof(*place));
	*place = *hold;
	return 0;
}

void lp_state_drop_hold(struct lp_state *state, size_t i)
{
	array_close(state->holds, state->nr_holds--, i, sizeof(*state->holds));
}

/* ---- all of it ---- */

int lp_state_copy(struct lp_state *to, const struct lp_state *from)
{
	int r = 0;

	to->paused = from->paused;
	to->paused_until_ns = from->paused_until_ns;
	to->dry_run = from->dry_run;
	memcpy(to->boot_id, from->boot_id, sizeof(to->boot_id));
	for (size_t i = 0; i < from->nr_paused_vms && r == 0; i++)
		r = lp_state_pause_vm(to, &from->paused_vms[i].vm, from->paused_vms[i].until_ns);
	for (size_t i = 0; i < from->nr_holds && r == 0; i++) {
		if (!from->holds[i].ended)
			r = lp_state_add_hold(to, &from->holds[i]);
	}
	return r;
}

static uint64_t earlier_end(uint64_t a_ns, uint64_t b_ns)
{
	return b_ns && b_ns < a_ns ? b_ns : a_ns;
}

uint64_t lp_state_next_end_ns(const struct lp_state *state)
{
	uint64_t end_ns = UINT64_MAX;

	if (state->paused)
		end_ns = earlier_end(end_ns, state->paused_until_ns);
	for (size_t i = 0; i < state->nr_paused_vms; i++)
		end_ns = earlier_end(end_ns, state->paused_vms[i].until_ns);
	for (size_t i = 0; i < state->nr_holds; i++)
		end_ns = earlier_end(end_ns, state->holds[i].until_ns);
	return end_ns;
}
