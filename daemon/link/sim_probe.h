/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes on the simulated host. A region is touched when it is converted within the window, or
 * costs page walks: the trace knows of no other accesses.
 */
#ifndef TDX_LPAGE_LINK_SIM_PROBE_H
#define TDX_LPAGE_LINK_SIM_PROBE_H

#include "daemon/link/link.h"
#include "daemon/link/sim_host.h"

struct sim_probe_region {
	uint64_t rfn;
	uint32_t reason;     /* refused from the start */
	bool walked_already; /* cost walks when the window began */
};

/* A probe whose window is open. */
struct sim_probe {
	struct sim_probe *next;
	uint64_t tag;
	uint32_t vm_id;
	uint64_t begin_ns;
	uint64_t end_ns;
	size_t nr_ranges;
	size_t nr_regions;
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	struct sim_probe_region regions[KVM_LPAGE_PROBES_MAX];
};

/* What became of it, in the shape of the link. */
struct sim_probe_outcome {
	struct lp_result results[KVM_LPAGE_RANGES_MAX];
	struct lp_probed probed[KVM_LPAGE_PROBES_MAX];
	struct lp_done done;
};

/*
 * Begins to probe the regions of @ranges, KVM_LPAGE_PROBES_MAX at most. @open: the other probes whose
 * window is open. Returns NULL without memory.
 */
struct sim_probe *sim_probe_begin(const struct sim_host *host, const struct sim_probe *open,
				  uint32_t vm_id, const struct lp_range *ranges, size_t nr_ranges,
				  uint64_t window_ns);

/* Looks at the regions. The cookie is left to the caller. */
void sim_probe_end(const struct sim_host *host, const struct sim_probe *probe,
		   struct sim_probe_outcome *ret);

#endif
