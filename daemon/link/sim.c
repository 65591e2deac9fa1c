// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/sim.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>

#include "daemon/link/netlink_build.h"
#include "daemon/link/sim_internal.h"

#define QUEUE_MAX 1024
#define VANISH_NS (5 * NS_PER_S)
#define START_US  10000 /* between two looks for the file */

static struct sim *sim_of(struct lp_link *link)
{
	return (struct sim *)link;
}

/* Has this process been kept waiting for a CPU? The second field of schedstat, in ns. */
static uint64_t starved_ns(int fd)
{
	char text[96];
	ssize_t len = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, 0);
	const char *second;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	second = strchr(text, ' ');
	return second ? strtoull(second, NULL, 10) : 0;
}

/* Our clock. Both values are of the same moment, so that the clock of a steady host never goes back. */
static uint64_t sim_clock_ns(const struct sim *sim)
{
	uint64_t before, starved = starved_ns(sim->schedstat_fd), now;

	do {
		before = starved;
		now = monotonic_ns();
		starved = starved_ns(sim->schedstat_fd);
	} while (starved != before);
	return now - starved;
}

static uint64_t sim_now_ns(const struct lp_link *link)
{
	const struct sim *sim = (const struct sim *)link;

	if (sim->spec.is_virtual || !sim->running || !sim->has_started)
		return sim->virtual_ns;
	return sim->epoch_ns + (sim_clock_ns(sim) - sim->started_ns) * link->speed;
}

/* ---- what was asked ---- */

static struct sim_request *take_request(struct sim *sim)
{
	struct sim_request *request = sim->requests;

	if (!request)
		return NULL;
	sim->requests = request->next;
	if (!sim->requests)
		sim->requests_end = &sim->requests;
	sim->nr_requests--;
	return request;
}

static void drop_requests(struct sim *sim)
{
	struct sim_request *request;

	while ((request = take_request(sim)))
		free(request);
	sim_drop_probes(sim);
}

/* Answers what was asked up to now; what the answers make the listener ask comes next time. */
static void answer_requests(struct sim *sim)
{
	for (size_t nr = sim->nr_requests; nr > 0 && sim->running; nr--) {
		struct sim_request *request = take_request(sim);

		if (!request)
			break;
		sim_answer(sim, request);
		free(request);
	}
}

static void set_family(struct sim *sim, bool present)
{
	if (sim->present == present)
		return;
	sim->present = present;
	if (sim->link.events->family)
		sim->link.events->family(sim->link.ctx, present,
					 present ? "simulated host" :
						   "the simulated host is absent");
}

/* ---- time ---- */

static uint64_t next_ns(const struct sim *sim)
{
	uint64_t next = sim_host_next_ns(&sim->host);

	if (sim->nr_requests)
		return 0;
	for (size_t i = 0; sim->present && i < sim->host.nr_vms; i++) {
		uint64_t notify_ns = sim_tell_at_ns(sim, &sim->host.vms[i]);

		next = notify_ns < next ? notify_ns : next;
	}
	for (const struct sim_probe *probe = sim->probes; probe; probe = probe->next)
		next = probe->end_ns < next ? probe->end_ns : next;
	if (sim->vanish_ns) {
		uint64_t turn_ns = sim->vanish_ns + (sim->present ? 0 : VANISH_NS);

		next = turn_ns < next ? turn_ns : next;
	}
	return next;
}

static void arm(struct sim *sim)
{
	uint64_t next = next_ns(sim);
	uint64_t now = sim_now_ns(&sim->link);
	/* A timer that fires too soon would only fire again. */
	uint64_t wait_ns = next > now ? (next - now) / sim->link.speed + NS_PER_US : 0;
	struct timeval tv = {(time_t)(wait_ns / NS_PER_S),
			     (suseconds_t)(wait_ns % NS_PER_S / NS_PER_US)};

	if (sim->running && !sim->has_started && (tv.tv_sec || tv.tv_usec > START_US))
		tv = (struct timeval){0, START_US};
	else if (!sim->running || next == UINT64_MAX || (sim->spec.is_virtual && next)) {
		evtimer_del(sim->timer);
		return;
	}
	evtimer_add(sim->timer, &tv);
}

static void finish(struct sim *sim)
{
	if (sim->finished || !sim->host.ended)
		return;
	if (sim->host.decisions)
		fflush(sim->host.decisions);
	if (sim->spec.score)
		sim_host_print_score(&sim->host, sim->spec.score);
	sim->finished = !sim->spec.loop;
	if (!sim->spec.loop)
		return;
	sim_host_clear(&sim->host);
	if (sim_host_rewind(&sim->host))
		set_family(sim, false);
}

static void turn_family(struct sim *sim)
{
	if (!sim->vanish_ns || sim->host.now_ns < sim->vanish_ns)
		return;
	if (sim->present) {
		drop_requests(sim);
		set_family(sim, false);
	} else if (sim->host.now_ns >= sim->vanish_ns + VANISH_NS) {
		sim->vanish_ns = 0;
		set_family(sim, true);
	}
}

/* Everything that is due at @now_ns. */
static void step(struct sim *sim, uint64_t now_ns)
{
	int err = sim_host_advance(&sim->host, now_ns);

	turn_family(sim);
	if (err) {
		/* The rest of the trace cannot be read: the host is gone for good. */
		drop_requests(sim);
		sim->vanish_ns = 0;
		if (sim->present && sim->link.events->family)
			sim->link.events->family(sim->link.ctx, false, sim_host_error(&sim->host));
		sim->present = false;
		return;
	}
	sim_end_probes(sim);
	sim_tell_changes(sim);
	answer_requests(sim);
	sim_tell_loss(sim);
	finish(sim);
}

static void look_for_start(struct sim *sim)
{
	if (sim->has_started || (sim->spec.start && access(sim->spec.start, F_OK) < 0))
		return;
	sim->started_ns = sim_clock_ns(sim);
	sim->has_started = true;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct sim *sim = ctx;

	(void)fd;
	(void)what;
	look_for_start(sim);
	step(sim, sim_now_ns(&sim->link));
	arm(sim);
}

void lp_sim_advance(struct lp_link *link, uint64_t now_ns)
{
	struct sim *sim = sim_of(link);

	for (;;) {
		uint64_t next = next_ns(sim);

		if (next > now_ns)
			break;
		if (next > sim->virtual_ns)
			sim->virtual_ns = next;
		step(sim, sim->virtual_ns);
	}
	if (now_ns > sim->virtual_ns)
		sim->virtual_ns = now_ns;
	step(sim, sim->virtual_ns);
}

uint64_t lp_sim_next_ns(const struct lp_link *link)
{
	return next_ns((const struct sim *)link);
}

const struct sim_host *lp_sim_host(const struct lp_link *link)
{
	return &((const struct sim *)link)->host;
}

bool lp_sim_ended(const struct lp_link *link)
{
	return ((const struct sim *)link)->finished;
}

/* ---- requests ---- */

static int ask(struct sim *sim, const struct sim_request *init, const struct lp_range *ranges,
	       uint64_t *ret_tag)
{
	struct sim_request *request;

	if (!sim->present)
		return -ENOTCONN;
	if (sim->nr_requests >= QUEUE_MAX)
		return -EAGAIN;
	request = malloc(sizeof(*request) + init->nr_ranges * sizeof(*ranges));
	if (!request)
		return -ENOMEM;
	*request = *init;
	request->tag = ++sim->tags;
	if (ranges)
		memcpy(request->ranges, ranges, init->nr_ranges * sizeof(*ranges));
	*sim->requests_end = request;
	sim->requests_end = &request->next;
	sim->nr_requests++;
	sim->stats.requests++;
	if (ret_tag)
		*ret_tag = request->tag;
	arm(sim);
	return 0;
}

static int sim_dump_vms(struct lp_link *link, uint32_t vm_id, uint64_t *ret_tag)
{
	const struct sim_request init = {.kind = SIM_REQUEST_VMS, .vm_id = vm_id};

	return ask(sim_of(link), &init, NULL, ret_tag);
}

static int sim_dump_regions(struct lp_link *link, const struct lp_region_query *query,
			    uint64_t *ret_tag)
{
	const struct sim_request init = {
		.kind = SIM_REQUEST_REGIONS, .vm_id = query->vm_id, .query = *query};

	if (query->present && query->nr_regions > KVM_LPAGE_RANGE_REGIONS_MAX)
		return -EINVAL;
	return ask(sim_of(link), &init, NULL, ret_tag);
}

static int sim_set_policy(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			  uint64_t lease_ns, uint64_t *ret_tag)
{
	const struct sim_request init = {
		.kind = SIM_REQUEST_POLICY, .vm_id = vm_id, .limits = *limits, .ttl_ns = lease_ns};

	if (!lp_policy_set_ok(vm_id, limits, lease_ns))
		return -EINVAL;
	return ask(sim_of(link), &init, NULL, ret_tag);
}

static int sim_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
			const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			uint64_t *ret_tag)
{
	const struct sim_request init = {.kind = SIM_REQUEST_OP,
					 .vm_id = vm_id,
					 .op = op,
					 .ttl_ns = ttl_ns,
					 .nr_ranges = nr_ranges};

	uint32_t nr_regions = 0;

	if (op < KVM_LPAGE_OP_MERGE || op > KVM_LPAGE_OP_PROBE || !nr_ranges ||
	    nr_ranges > KVM_LPAGE_RANGES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < nr_ranges; i++)
		if (!ranges[i].nr_regions || ranges[i].nr_regions > KVM_LPAGE_RANGE_REGIONS_MAX)
			return -EINVAL;
	for (size_t i = 0; i < nr_ranges; i++)
		nr_regions += ranges[i].nr_regions;
	if (op == KVM_LPAGE_OP_PROBE && nr_regions > KVM_LPAGE_PROBES_MAX)
		return -EINVAL;
	return ask(sim_of(link), &init, ranges, ret_tag);
}

static void sim_stats(const struct lp_link *link, struct lp_link_stats *ret)
{
	*ret = ((const struct sim *)link)->stats;
}

/* ---- life ---- */

/* The first event comes from the loop. */
static void on_begin(evutil_socket_t fd, short what, void *ctx)
{
	struct sim *sim = ctx;

	(void)fd;
	(void)what;
	set_family(sim, true);
	arm(sim);
}

static int sim_start(struct lp_link *link)
{
	static const struct timeval now = {0, 0};
	struct sim *sim = sim_of(link);

	sim->running = true;
	look_for_start(sim);
	return event_base_once(link->base, -1, EV_TIMEOUT, on_begin, sim, &now) ? -ENOMEM : 0;
}

static void sim_stop(struct lp_link *link)
{
	struct sim *sim = sim_of(link);

	sim->virtual_ns = sim_now_ns(link);
	sim->running = sim->present = false;
	drop_requests(sim);
	evtimer_del(sim->timer);
}

static void sim_free(struct lp_link *link)
{
	struct sim *sim = sim_of(link);

	if (!sim)
		return;
	drop_requests(sim);
	if (sim->timer)
		event_free(sim->timer);
	if (sim->schedstat_fd >= 0)
		close(sim->schedstat_fd);
	sim_host_close(&sim->host);
	sim_spec_done(&sim->spec);
	free(sim);
}

static const struct lp_link_ops ops = {
	.name = "sim",
	.start = sim_start,
	.stop = sim_stop,
	.free = sim_free,
	.now_ns = sim_now_ns,
	.dump_vms = sim_dump_vms,
	.dump_regions = sim_dump_regions,
	.set_policy = sim_set_policy,
	.range_op = sim_range_op,
	.stats = sim_stats,
};

/* ---- together ---- */

/* When the process started that the VMs are said to be of. */
static int read_start(struct sim *sim)
{
	const uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	char path[64], stat[1024];
	unsigned long long ticks;
	FILE *f;
	int r;

	snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)sim->spec.pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	r = fgets(stat, sizeof(stat), f) ? procfs_start_ticks(stat, &ticks) : -EIO;
	fclose(f);
	if (r < 0)
		return r;
	sim->host.pid = (uint32_t)sim->spec.pid;
	sim->host.pid_start_ns = ticks * tick_ns;
	return 0;
}

static int open_host(struct sim *sim, char *error, size_t size)
{
	const struct sim_spec *spec = &sim->spec;
	int err;

	sim->link.speed = (uint32_t)spec->speed;
	sim->rng = spec->seed;
	if (spec->is_steady)
		sim->schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	/* Like a kernel's clock, unless nobody compares it with one. */
	sim->epoch_ns = spec->is_virtual ? 0 : monotonic_ns();
	sim->virtual_ns = sim->epoch_ns;
	if (spec->vanish_s)
		sim->vanish_ns = sim->epoch_ns + SIM_EPOCH_NS + spec->vanish_s * NS_PER_S;
	if (spec->pid && read_start(sim) < 0) {
		snprintf(error, size, "sim: pid=%llu: there is no such process",
			 (unsigned long long)spec->pid);
		return -ESRCH;
	}
	sim->host.decisions = spec->decisions;
	sim->host.vm_new = sim_tell_vm_new;
	sim->host.vm_gone = sim_tell_vm_gone;
	sim->host.ctx = sim;
	err = sim_host_open(&sim->host, spec->path,
			    sim->epoch_ns + (spec->at_once ? 0 : SIM_EPOCH_NS));
	if (err)
		snprintf(error, size, "%s",
			 *sim_host_error(&sim->host) ? sim_host_error(&sim->host) : strerror(-err));
	return err;
}

int lp_sim_new(struct event_base *base, const char *spec, struct lp_link **ret, char *error,
	       size_t error_size)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	int err = -ENOMEM;

	snprintf(error, error_size, "%s", strerror(ENOMEM));
	if (!sim)
		return err;
	sim->link = (struct lp_link){.ops = &ops, .base = base, .speed = 1};
	sim->requests_end = &sim->requests;
	sim->schedstat_fd = -1;
	sim->timer = evtimer_new(base, on_timer, sim);
	if (sim->timer)
		err = sim_spec_parse(spec, &sim->spec, error, error_size);
	if (!err)
		err = open_host(sim, error, error_size);
	if (err) {
		sim_free(&sim->link);
		return err;
	}
	*ret = &sim->link;
	return 0;
}
