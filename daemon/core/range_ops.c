// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/range_ops.h"

#include <errno.h>

#include "daemon/core/context.h"
#include "daemon/core/flights.h"
#include "daemon/core/vm.h"

int range_ops_start(struct lp_core *core, uint32_t vm_id, uint32_t op,
		    const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns, lp_op_cb cb,
		    void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct vm_entry *vm = vm_find(m, vm_id);
	struct flight *flight;
	int r;

	if (!m->family)
		return -ENOTCONN;
	if (!vm)
		return -ESRCH;
	if (vm_dry_run(m, vm))
		return -EPERM;
	if (op == KVM_LPAGE_OP_MERGE && vm_held(m, vm))
		return -EBUSY;
	if (!nr_ranges || nr_ranges > KVM_LPAGE_RANGES_MAX)
		return -EINVAL;
	flight = flight_new(m, vm, op, ranges, nr_ranges, true);
	if (!flight)
		return -ENOMEM;
	flight->window_ns = op == KVM_LPAGE_OP_PROBE ? ttl_ns : 0;
	flight->ttl_ns = ttl_ns;
	flight->cb = cb;
	flight->ctx = ctx;
	r = flight_send(m, flight);
	if (r < 0)
		flight_drop(m, flight);
	manager_wake(m);
	return r;
}

void range_ops_cancel(struct lp_core *core, void *ctx)
{
	struct flight *flight;

	TAILQ_FOREACH(flight, &manager_of(core)->flights, entry) {
		if (flight->manual && flight->ctx == ctx)
			flight->cb = NULL;
	}
}
