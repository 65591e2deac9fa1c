// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/many_vms.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/context.h"
#include "daemon/core/sync.h"
#include "tests/lib/sim_world.h"

#define CONFIG	"version: 1\nglobal: {log-interval: 10s}\n"
#define STEP_NS (100 * NS_PER_MS)

#ifdef __SANITIZE_ADDRESS__
/* <sanitizer/allocator_interface.h>, which not every compiler brings along. */
size_t __sanitizer_get_current_allocated_bytes(void);

static uint64_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
#else
static uint64_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
#endif

static char *write_trace(const struct many_vms *vms, size_t *ret_len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (!f)
		return NULL;
	fputs("lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n", f);
	for (unsigned int i = 0; i < vms->nr_vms; i++)
		fprintf(f, "0 N %u name=guest-%u regions=%llu walk_ns_per_s=12000\n", i, i,
			(unsigned long long)vms->regions);
	/* The manager is looked at before the guests' time ends. */
	fprintf(f, "end %llu\n", (unsigned long long)((vms->seconds + 1) * NS_PER_S));
	fclose(f);
	return text;
}

/* What the host itself keeps. */
static int weigh_host(const char *trace, size_t len, uint64_t until_ns, uint64_t *ret_bytes)
{
	static const struct lp_link_events nobody = {0};
	struct sim_world world;
	uint64_t before = allocated();
	int err = sim_world_open(&world, trace, len, "", CONFIG);

	if (err)
		return err;
	lp_link_listen(world.link, &nobody, NULL);
	for (uint64_t now_ns = 0; now_ns < until_ns; now_ns += STEP_NS)
		lp_sim_advance(world.link, now_ns);
	*ret_bytes = allocated() - before;
	sim_world_close(&world);
	return 0;
}

static bool is_known(const struct sim_world *world, uint32_t id)
{
	struct lp_vm_snapshot vm;

	return world->core->ops->vm(world->core, id, &vm) == 0 && *vm.identity.name &&
	       vm.vm.limits_admin.set && vm.regions_age_ns != LP_AGE_NEVER && !vm.stale &&
	       !vm.last_error;
}

static void count_lines(const char *text, struct many_counts *ret)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n') + 1) {
		ret->lines++;
		ret->warnings += line[0] == '<' && line[1] <= '0' + LOG_WARNING;
	}
}

static void count(struct sim_world *world, struct many_counts *ret)
{
	const struct sim_host *host = sim_world_host(world);
	struct lp_link_stats stats;
	struct lp_status status;
	uint64_t begin_ns;

	world->link->ops->stats(world->link, &stats);
	begin_ns = monotonic_ns();
	world->core->ops->status(world->core, &status);
	ret->status_ns = monotonic_ns() - begin_ns;
	ret->requests = stats.requests;
	ret->failed_requests = stats.failed_requests + status.tally.failed_requests;
	ret->lost = status.tally.lost_regions;
	for (size_t i = 0; i < LP_LOSS_MAX; i++)
		ret->lost += stats.lost[i];
	for (size_t i = 0; i < host->nr_vms; i++)
		ret->known += is_known(world, host->vms[i].id);
	ret->turns = world->turns;
	fflush(world->log.file);
	count_lines(world->log_text, ret);
	begin_ns = monotonic_ns();
	sync_behind(world->manager);
	ret->behind_ns = monotonic_ns() - begin_ns;
}

int many_vms_run(const struct many_vms *vms, struct many_counts *ret)
{
	uint64_t until_ns = SIM_EPOCH_NS + vms->seconds * NS_PER_S, host_bytes, before;
	CLEANUP(freep) char *trace = NULL;
	struct sim_world world;
	size_t len;
	int err;

	*ret = (struct many_counts){0};
	trace = write_trace(vms, &len);
	if (!trace)
		return -ENOMEM;
	err = weigh_host(trace, len, until_ns, &host_bytes);
	before = allocated();
	if (!err)
		err = sim_world_open(&world, trace, len, "", CONFIG);
	if (err)
		return err;
	sim_world_run(&world, until_ns);
	ret->bytes = allocated() - before - host_bytes;
	count(&world, ret);
	sim_world_close(&world);
	return 0;
}
