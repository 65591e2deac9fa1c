// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/sim.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/link/sim_host.h"
#include "daemon/link/sim_probe.h"

#define NS_PER_S      UINT64_C(1000000000)
#define NS_PER_US     UINT64_C(1000)
#define REGIONS_CHUNK 128
#define SPEED_MAX     1000000
#define QUEUE_MAX     1024
#define VANISH_NS     (5 * NS_PER_S)

enum request_kind { REQUEST_VMS, REQUEST_REGIONS, REQUEST_POLICY, REQUEST_OP };

/* Something that was asked, to be answered from the event loop. */
struct request {
	struct request *next;
	enum request_kind kind;
	uint64_t tag;
	uint32_t vm_id;
	struct lp_region_query query;
	struct lp_limits limits;
	uint32_t op;
	uint64_t ttl_ns;
	size_t nr_ranges;
	struct lp_range ranges[];
};

struct sim {
	struct lp_link link; /* first */
	struct sim_host host;
	struct event *timer;
	struct request *requests;
	struct request **requests_end;
	size_t nr_requests;
	struct sim_probe *probes; /* whose window is open */
	uint64_t tags;
	uint64_t cookies;
	uint64_t started_ns; /* our clock */
	uint64_t epoch_ns;   /* the host's clock then */
	uint64_t virtual_ns; /* host time, when it does not follow our clock */
	bool is_virtual;
	bool loop;
	bool running;
	bool present;
	bool finished;
	FILE *score;
	uint64_t rng;
	unsigned int busy_percent;
	unsigned int interrupt_percent;
	unsigned int lose_percent;
	bool untold_loss;
	uint64_t stall_us;
	uint64_t vanish_ns; /* host time; 0: never */
	struct lp_link_stats stats;
};

static struct sim *sim_of(struct lp_link *link)
{
	return (struct sim *)link;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t sim_now_ns(const struct lp_link *link)
{
	const struct sim *sim = (const struct sim *)link;

	if (sim->is_virtual || !sim->running)
		return sim->virtual_ns;
	return sim->epoch_ns + (monotonic_ns() - sim->started_ns) * link->speed;
}

static bool chance(struct sim *sim, unsigned int percent)
{
	sim->rng = sim->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (sim->rng >> 33) % 100 < percent;
}

/* ---- events ---- */

/* Is an event lost? */
static bool lost(struct sim *sim)
{
	if (!chance(sim, sim->lose_percent))
		return false;
	sim->stats.lost[LP_LOSS_OVERRUN]++;
	sim->untold_loss = true;
	return true;
}

/* As a socket does: not how many, and not which. */
static void tell_loss(struct sim *sim)
{
	if (!sim->untold_loss || !sim->present)
		return;
	sim->untold_loss = false;
	if (sim->link.events->loss)
		sim->link.events->loss(sim->link.ctx, LP_LOSS_OVERRUN);
}

static void on_vm_new(void *ctx, struct sim_vm *vm)
{
	struct sim *sim = ctx;
	struct lp_vm description;

	if (!sim->present || !sim->link.events->vm || lost(sim))
		return;
	sim_host_describe(&sim->host, vm, &description);
	sim->link.events->vm(sim->link.ctx, &description, false);
}

static void on_vm_gone(void *ctx, struct sim_vm *vm)
{
	struct sim *sim = ctx;

	if (sim->present && sim->link.events->vm_gone && !lost(sim))
		sim->link.events->vm_gone(sim->link.ctx, vm->id);
}

/* When a VM's change may be told; UINT64_MAX: there is nothing to tell. */
static uint64_t tell_at_ns(const struct sim_vm *vm)
{
	uint64_t interval_ns = vm->admin.set & LP_LIMIT(KVM_LPAGE_A_POLICY_NOTIFY_INTERVAL_NS) ?
				       vm->admin.notify_interval_ns :
				       NS_PER_S / 10;

	return vm->armed && vm->pending && !vm->gone ? vm->told_ns + interval_ns : UINT64_MAX;
}

static void tell_changes(struct sim *sim)
{
	for (size_t i = 0; sim->present && i < sim->host.nr_vms; i++) {
		struct sim_vm *vm = &sim->host.vms[i];

		if (tell_at_ns(vm) > sim->host.now_ns)
			continue;
		vm->armed = vm->pending = false;
		vm->told_ns = sim->host.now_ns;
		if (sim->link.events->changed && !lost(sim))
			sim->link.events->changed(sim->link.ctx, vm->id, vm->generation);
	}
}

static void set_family(struct sim *sim, bool present)
{
	if (sim->present == present)
		return;
	sim->present = present;
	if (sim->link.events->family)
		sim->link.events->family(sim->link.ctx, present,
					 present ? "simulated host" : "the simulated host is away");
}

/* ---- answers ---- */

static void answer_vms(struct sim *sim, const struct request *request)
{
	struct lp_dump_end end = {.tag = request->tag, .vm_id = request->vm_id, .text = ""};
	struct lp_vm description;

	for (size_t i = 0; i < sim->host.nr_vms; i++) {
		struct sim_vm *vm = &sim->host.vms[i];

		if (vm->gone || (request->vm_id && request->vm_id != vm->id))
			continue;
		sim_host_describe(&sim->host, vm, &description);
		if (sim->link.events->vm)
			sim->link.events->vm(sim->link.ctx, &description, true);
	}
	if (sim->link.events->dump_end)
		sim->link.events->dump_end(sim->link.ctx, &end);
}

static void answer_regions(struct sim *sim, const struct request *request)
{
	struct sim_vm *vm = sim_host_vm(&sim->host, request->vm_id);
	struct lp_dump_end end = {
		.tag = request->tag, .vm_id = request->vm_id, .of_regions = true, .text = ""};
	struct lp_region regions[REGIONS_CHUNK];
	struct lp_region_chunk chunk = {.vm_id = request->vm_id, .regions = regions};
	uint64_t rfn = 0;

	if (!vm) {
		end.error = -ENOENT;
		end.text = "no such VM";
	} else {
		end.generation = chunk.generation = vm->generation;
		/* What changes from now on is news. */
		vm->armed = true;
		vm->pending = false;
		while ((chunk.nr_regions = sim_host_regions(&sim->host, &request->query, &rfn,
							    regions, REGIONS_CHUNK)) > 0)
			if (sim->link.events->regions)
				sim->link.events->regions(sim->link.ctx, request->tag, &chunk);
	}
	if (sim->link.events->dump_end)
		sim->link.events->dump_end(sim->link.ctx, &end);
}

/* Fields that are set replace the old ones. */
static void merge_limits(struct lp_limits *to, const struct lp_limits *from)
{
#define TAKE(attr, field)                                                                          \
	if (from->set & LP_LIMIT(KVM_LPAGE_A_POLICY_##attr))                                       \
	to->field = from->field
	TAKE(MODE, mode);
	TAKE(RATE, rate_per_s);
	TAKE(BURST, burst_regions);
	TAKE(BATCH, batch_regions);
	TAKE(MIN_QUIET_NS, min_quiet_ns);
	TAKE(MAX_STALL_NS, max_stall_ns);
	TAKE(NOTIFY_INTERVAL_NS, notify_interval_ns);
#undef TAKE
	to->set |= from->set;
}

static void answer_policy(struct sim *sim, const struct request *request)
{
	struct sim_vm *vm = sim_host_vm(&sim->host, request->vm_id);

	if (vm)
		merge_limits(&vm->admin, &request->limits);
	if (sim->link.events->policy_set)
		sim->link.events->policy_set(sim->link.ctx, request->tag, request->vm_id,
					     vm ? 0 : -ENOENT, vm ? NULL : "no such VM");
}

/* What became of the whole operation so far. */
struct progress {
	struct lp_batch batch;
	uint64_t fail_ns;
	uint64_t merge_ns;
	bool interrupted;
};

static uint32_t operate(struct sim *sim, struct sim_vm *vm, const struct request *request,
			uint64_t rfn, struct progress *progress)
{
	uint32_t reason = KVM_LPAGE_REASON_NONE;

	if (progress->interrupted)
		reason = KVM_LPAGE_REASON_INTERRUPTED;
	else if (request->op == KVM_LPAGE_OP_MERGE && chance(sim, sim->busy_percent))
		reason = KVM_LPAGE_REASON_BUSY;
	if (reason == KVM_LPAGE_REASON_NONE)
		return sim_host_operate(&sim->host, vm, request->op, rfn, request->ttl_ns);
	sim_host_refuse(&sim->host, vm, request->op, rfn, reason);
	return reason;
}

static struct lp_result operate_range(struct sim *sim, struct sim_vm *vm,
				      const struct request *request, const struct lp_range *range,
				      struct progress *progress)
{
	struct lp_result result = {.start_rfn = range->start_rfn, .nr_regions = range->nr_regions};

	for (uint32_t i = 0; i < range->nr_regions; i++) {
		uint32_t reason = operate(sim, vm, request, range->start_rfn + i, progress);
		uint64_t ns = reason ? progress->fail_ns : progress->merge_ns;

		result.ns += ns;
		progress->batch.regions_ns += ns;
		progress->batch.regions++;
		if (reason == KVM_LPAGE_REASON_NONE) {
			result.done++;
			progress->batch.merged++;
		} else if (!result.refused++) {
			result.reason = reason;
			result.reason_rfn = range->start_rfn + i;
		}
	}
	return result;
}

static void finish_operation(struct sim *sim, struct sim_vm *vm, const struct request *request)
{
	struct lp_result results[KVM_LPAGE_RANGES_MAX];
	struct progress progress = {
		.batch = {.kicked = 1, .stall_ns = sim->stall_us * NS_PER_US},
		.fail_ns = sim->host.model.costs.fail_ns,
		.merge_ns = sim->host.model.costs.merge_ns,
	};
	struct lp_done done = {
		.tag = request->tag,
		.cookie = ++sim->cookies,
		.vm_id = request->vm_id,
		.op = request->op,
		.results = results,
		.nr_results = request->nr_ranges,
		.batches = &progress.batch,
		.nr_batches = request->op == KVM_LPAGE_OP_MERGE,
	};
	bool cut = chance(sim, sim->interrupt_percent);

	for (size_t i = 0; i < request->nr_ranges; i++) {
		progress.interrupted = cut && i >= request->nr_ranges / 2;
		results[i] = operate_range(sim, vm, request, &request->ranges[i], &progress);
	}
	if (sim->link.events->op_done && !lost(sim))
		sim->link.events->op_done(sim->link.ctx, &done);
}

static void begin_probe(struct sim *sim, const struct request *request)
{
	struct sim_probe *probe = sim_probe_begin(&sim->host, sim->probes, request->vm_id,
						  request->ranges, request->nr_ranges,
						  request->ttl_ns);

	/* Without memory: as if its end was lost. */
	if (!probe)
		return;
	probe->tag = request->tag;
	probe->next = sim->probes;
	sim->probes = probe;
}

static void end_probe(struct sim *sim, const struct sim_probe *probe)
{
	const struct lp_batch batch = {.regions = (uint32_t)probe->nr_regions,
				       .kicked = 1,
				       .stall_ns = sim->stall_us * NS_PER_US};
	struct sim_probe_outcome outcome;

	sim_probe_end(&sim->host, probe, &outcome);
	outcome.done.cookie = ++sim->cookies;
	outcome.done.batches = &batch;
	outcome.done.nr_batches = 1;
	if (sim->link.events->op_done && !lost(sim))
		sim->link.events->op_done(sim->link.ctx, &outcome.done);
}

/* Those whose window is over. */
static void end_probes(struct sim *sim)
{
	struct sim_probe **at = &sim->probes;

	while (*at) {
		struct sim_probe *probe = *at;

		if (probe->end_ns > sim->host.now_ns) {
			at = &probe->next;
			continue;
		}
		*at = probe->next;
		end_probe(sim, probe);
		free(probe);
		/* The listener may have done anything. */
		at = &sim->probes;
	}
}

static void drop_probes(struct sim *sim)
{
	struct sim_probe *probe;

	while ((probe = sim->probes)) {
		sim->probes = probe->next;
		free(probe);
	}
}

static void answer_op(struct sim *sim, const struct request *request)
{
	struct sim_vm *vm = sim_host_vm(&sim->host, request->vm_id);

	if (sim->link.events->op_sent)
		sim->link.events->op_sent(sim->link.ctx, request->tag, request->vm_id,
					  vm ? 0 : -ENOENT, vm ? NULL : "no such VM");
	if (vm && request->op == KVM_LPAGE_OP_PROBE)
		begin_probe(sim, request);
	else if (vm)
		finish_operation(sim, vm, request);
}

static void answer(struct sim *sim, const struct request *request)
{
	sim->stats.messages++;
	switch (request->kind) {
	case REQUEST_VMS:
		answer_vms(sim, request);
		break;
	case REQUEST_REGIONS:
		answer_regions(sim, request);
		break;
	case REQUEST_POLICY:
		answer_policy(sim, request);
		break;
	case REQUEST_OP:
		answer_op(sim, request);
		break;
	}
}

static struct request *take_request(struct sim *sim)
{
	struct request *request = sim->requests;

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
	struct request *request;

	while ((request = take_request(sim)))
		free(request);
	drop_probes(sim);
}

/* Answers what was asked up to now; what the answers make the listener ask comes next time. */
static void answer_requests(struct sim *sim)
{
	for (size_t nr = sim->nr_requests; nr > 0 && sim->running; nr--) {
		struct request *request = take_request(sim);

		if (!request)
			break;
		answer(sim, request);
		free(request);
	}
}

/* ---- time ---- */

static uint64_t next_ns(const struct sim *sim)
{
	uint64_t next = sim_host_next_ns(&sim->host);

	if (sim->nr_requests)
		return 0;
	for (size_t i = 0; sim->present && i < sim->host.nr_vms; i++) {
		uint64_t tell_ns = tell_at_ns(&sim->host.vms[i]);

		next = tell_ns < next ? tell_ns : next;
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

	if (!sim->running || next == UINT64_MAX || (sim->is_virtual && next)) {
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
	if (sim->score)
		sim_host_print_score(&sim->host, sim->score);
	sim->finished = !sim->loop;
	if (!sim->loop)
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
	end_probes(sim);
	tell_changes(sim);
	answer_requests(sim);
	tell_loss(sim);
	finish(sim);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct sim *sim = ctx;

	(void)fd;
	(void)what;
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

static int ask(struct sim *sim, const struct request *init, const struct lp_range *ranges,
	       uint64_t *ret_tag)
{
	struct request *request;

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
	const struct request init = {.kind = REQUEST_VMS, .vm_id = vm_id};

	return ask(sim_of(link), &init, NULL, ret_tag);
}

static int sim_dump_regions(struct lp_link *link, const struct lp_region_query *query,
			    uint64_t *ret_tag)
{
	const struct request init = {
		.kind = REQUEST_REGIONS, .vm_id = query->vm_id, .query = *query};

	if (query->present && query->nr_regions > KVM_LPAGE_RANGE_REGIONS_MAX)
		return -EINVAL;
	return ask(sim_of(link), &init, NULL, ret_tag);
}

static int sim_set_policy(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			  uint64_t *ret_tag)
{
	const struct request init = {.kind = REQUEST_POLICY, .vm_id = vm_id, .limits = *limits};

	return ask(sim_of(link), &init, NULL, ret_tag);
}

static int sim_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
			const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			uint64_t *ret_tag)
{
	const struct request init = {.kind = REQUEST_OP,
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
	sim->started_ns = monotonic_ns();
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
	if (sim->score)
		fclose(sim->score);
	sim_host_close(&sim->host);
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

/* ---- the specification ---- */

__attribute__((format(printf, 3, 4))) static int fail(char *error, size_t size, const char *format,
						      ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, size, format, ap);
	va_end(ap);
	return -EINVAL;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end && *ret >= min && *ret <= max;
}

static int open_file(const char *path, FILE **ret, char *error, size_t size)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return fail(error, size, "%s: %s", path, strerror(errno));
	if (*ret)
		fclose(*ret);
	*ret = f;
	return 0;
}

struct numeric {
	const char *name;
	uint64_t min;
	uint64_t max;
};

static const struct numeric numerics[] = {
	{"speed", 1, SPEED_MAX}, {"busy", 0, 100},	{"interrupt", 0, 100},
	{"lose", 0, 100},	 {"stall", 0, 1000000}, {"vanish", 1, UINT32_MAX},
	{"seed", 0, UINT64_MAX},
};

static void set_number(struct sim *sim, size_t which, uint64_t value)
{
	switch (which) {
	case 0:
		sim->link.speed = (uint32_t)value;
		break;
	case 1:
		sim->busy_percent = (unsigned int)value;
		break;
	case 2:
		sim->interrupt_percent = (unsigned int)value;
		break;
	case 3:
		sim->lose_percent = (unsigned int)value;
		break;
	case 4:
		sim->stall_us = value;
		break;
	case 5:
		sim->vanish_ns = SIM_EPOCH_NS + value * NS_PER_S;
		break;
	default:
		sim->rng = value;
		break;
	}
}

static int set_option(struct sim *sim, char *option, char *error, size_t size)
{
	char *value = strchr(option, '=');
	uint64_t parsed;

	if (strcmp(option, "virtual") == 0) {
		sim->is_virtual = true;
		return 0;
	}
	if (strcmp(option, "loop") == 0) {
		sim->loop = true;
		return 0;
	}
	if (value)
		*value++ = '\0';
	if (value && strcmp(option, "decisions") == 0)
		return open_file(value, &sim->host.decisions, error, size);
	if (value && strcmp(option, "score") == 0)
		return open_file(value, &sim->score, error, size);
	for (size_t i = 0; value && i < sizeof(numerics) / sizeof(numerics[0]); i++) {
		const struct numeric *numeric = &numerics[i];

		if (strcmp(option, numeric->name) != 0)
			continue;
		if (!number(value, numeric->min, numeric->max, &parsed))
			return fail(error, size, "sim: %s=%s is not a number from %llu to %llu",
				    option, value, (unsigned long long)numeric->min,
				    (unsigned long long)numeric->max);
		set_number(sim, i, parsed);
		return 0;
	}
	return fail(error, size,
		    "sim: \"%s\" is none of: speed=N virtual loop decisions=FILE score=FILE busy=P "
		    "interrupt=P lose=P stall=US vanish=S seed=N",
		    option);
}

static int open_spec(struct sim *sim, char *spec, char *error, size_t size)
{
	char *rest = spec;
	const char *path = strsep(&rest, ",");
	char *option;
	int err = 0;

	while (!err && (option = strsep(&rest, ",")))
		err = set_option(sim, option, error, size);
	if (err)
		return err;
	/* Like a kernel's clock, unless nobody compares it with one. */
	sim->epoch_ns = sim->is_virtual ? 0 : monotonic_ns();
	sim->virtual_ns = sim->epoch_ns;
	if (sim->vanish_ns)
		sim->vanish_ns += sim->epoch_ns;
	err = sim_host_open(&sim->host, path, sim->epoch_ns + SIM_EPOCH_NS);
	if (err)
		fail(error, size, "%s",
		     *sim_host_error(&sim->host) ? sim_host_error(&sim->host) : strerror(-err));
	return err;
}

int lp_sim_new(struct event_base *base, const char *spec, struct lp_link **ret, char *error,
	       size_t error_size)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	char *copy = strdup(spec);
	int err = -ENOMEM;

	snprintf(error, error_size, "%s", strerror(ENOMEM));
	if (sim && copy) {
		sim->link = (struct lp_link){.ops = &ops, .base = base, .speed = 1};
		sim->requests_end = &sim->requests;
		sim->timer = evtimer_new(base, on_timer, sim);
		if (sim->timer)
			err = open_spec(sim, copy, error, error_size);
		sim->host.vm_new = on_vm_new;
		sim->host.vm_gone = on_vm_gone;
		sim->host.ctx = sim;
	}
	free(copy);
	if (err) {
		if (sim)
			sim_free(&sim->link);
		return err;
	}
	*ret = &sim->link;
	return 0;
}
