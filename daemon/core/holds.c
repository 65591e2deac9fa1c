// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/holds.h"

#include <errno.h>
#include <string.h>

#include "daemon/core/context.h"
#include "daemon/core/vm.h"
#include "daemon/core/watchers.h"

/* Is the hold that of the VM which has its id now? */
static bool is_of(const struct lp_manager *m, const struct vm_entry *vm, const struct lp_hold *hold)
{
	size_t nr;
	const struct lp_hold *first = vm_holds(m, vm, &nr);

	return hold >= first && hold < first + nr;
}

static void tell(struct lp_manager *m, struct vm_entry *vm, const char *owner, const char *what)
{
	vm_set_gate(m, vm);
	vm_log(m, LOG_INFO, LP_MESSAGE_HOLD, vm, "hold of %s %s", owner, what);
	watchers_notify_vm(m, LP_WATCH_HOLD, vm, "hold of %s %s", owner, what);
}

/* ---- begin ---- */

/* The hold that an owner has without a connection. */
static struct lp_hold *find(const struct lp_manager *m, const struct vm_entry *vm,
			    const char *owner)
{
	size_t nr;
	struct lp_hold *holds = vm_holds(m, vm, &nr);

	for (size_t i = 0; i < nr; i++) {
		if (!holds[i].ended && !strcmp(holds[i].owner, owner))
			return &holds[i];
	}
	return NULL;
}

static int renew(struct lp_manager *m, struct lp_hold *hold, uint64_t until_ns)
{
	uint64_t before_ns = hold->until_ns;
	int r;

	hold->until_ns = until_ns;
	r = manager_save_state(m);
	if (r < 0)
		hold->until_ns = before_ns;
	return r;
}

static int begin(struct lp_manager *m, struct vm_entry *vm, const struct lp_hold *hold)
{
	const struct lp_hold *holds;
	size_t nr;
	int r;

	(void)vm_holds(m, vm, &nr);
	if (nr >= LP_VM_HOLDS_MAX)
		return -E2BIG;
	r = lp_state_add_hold(&m->state, hold);
	if (r < 0)
		return r;
	if (!hold->ended)
		r = manager_save_state(m);
	if (r < 0) {
		/* It is the last one of its VM. */
		holds = vm_holds(m, vm, &nr);
		lp_state_drop_hold(&m->state, (size_t)(holds + nr - 1 - m->state.holds));
		return r;
	}
	tell(m, vm, hold->owner, "began");
	return 0;
}

int holds_start(struct lp_core *core, uint32_t vm_id, const char *owner, uint64_t for_ns,
		lp_hold_cb ended, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct vm_entry *vm = vm_find(m, vm_id);
	struct lp_hold hold = {.until_ns = manager_end_ns(m, for_ns), .ended = ended, .ctx = ctx};
	struct lp_hold *before;
	int r;

	if (!vm)
		return -ESRCH;
	hold.vm = vm_key(vm);
	snprintf(hold.owner, sizeof(hold.owner), "%s", owner);
	before = ended ? NULL : find(m, vm, owner);
	r = before ? renew(m, before, hold.until_ns) : begin(m, vm, &hold);
	if (r == 0)
		manager_ends_changed(m);
	return r;
}

/* ---- end ---- */

/* Returns whether the file has to be written. @what: of the log; @why: of the callback, NULL: none. */
static bool end(struct lp_manager *m, size_t i, const char *what, const char *why)
{
	struct lp_hold hold = m->state.holds[i];
	struct vm_entry *vm = vm_find(m, hold.vm.id);

	if (vm && !is_of(m, vm, &m->state.holds[i]))
		vm = NULL;
	lp_state_drop_hold(&m->state, i);
	if (vm)
		tell(m, vm, hold.owner, what);
	if (hold.ended && why)
		hold.ended(hold.ctx, why);
	return !hold.ended;
}

void holds_cancel(struct lp_core *core, void *ctx)
{
	struct lp_manager *m = manager_of(core);

	for (size_t i = m->state.nr_holds; i-- > 0;) {
		if (m->state.holds[i].ended && m->state.holds[i].ctx == ctx)
			(void)end(m, i, "ended: its client is gone", NULL);
	}
	manager_ends_changed(m);
}

int holds_release(struct lp_core *core, uint32_t vm_id, const char *owner)
{
	struct lp_manager *m = manager_of(core);
	struct vm_entry *vm = vm_find(m, vm_id);
	bool save = false;
	int released = 0;

	if (!vm)
		return -ESRCH;
	for (size_t i = m->state.nr_holds; i-- > 0;) {
		const struct lp_hold *hold = &m->state.holds[i];

		if (!is_of(m, vm, hold) || (owner && strcmp(hold->owner, owner) != 0))
			continue;
		save |= end(m, i, "ended: released", "released");
		released++;
	}
	manager_ends_changed(m);
	if (save)
		(void)manager_save_state(m);
	return released;
}

/* NULL: it goes on. */
static const char *why_over(const struct lp_manager *m, const struct lp_hold *hold, uint64_t now_ns)
{
	struct vm_entry *vm = vm_find(m, hold->vm.id);

	if (hold->until_ns && hold->until_ns <= now_ns)
		return "expired";
	/* A VM is not gone because the kernel cannot be reached. */
	return !m->listing.done || (vm && is_of(m, vm, hold)) ? NULL : "gone";
}

void holds_run(struct lp_manager *m)
{
	uint64_t now_ns;
	bool gone = m->vms_left && m->listing.done, save = false, ended = false;

	if (!m->state.nr_holds || (!gone && m->next_end_ns == NS_NEVER))
		return;
	now_ns = manager_clock(m);
	if (!gone && m->next_end_ns > now_ns)
		return;
	for (size_t i = m->state.nr_holds; i-- > 0;) {
		const char *why = why_over(m, &m->state.holds[i], now_ns);

		if (!why)
			continue;
		save |= end(m, i, "ended: its time is over", why);
		ended = true;
	}
	m->vms_left &= !gone;
	if (ended)
		manager_ends_changed(m);
	if (save)
		(void)manager_save_state(m);
}
