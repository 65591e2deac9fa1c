// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <tdx-lpage/base.h>

#include "daemon/core/snapshot.h"
#include "daemon/metrics/families.h"
#include "daemon/metrics/metrics.h"

/* A copy of everything that is written, so that the samples of a scrape are consistent. */
struct scrape {
	struct lp_status status;
	struct lp_vm_snapshot *vms;
	size_t nr_vms;
	bool names;
};

static void write_head(FILE *f, const struct metrics_family *family)
{
	fprintf(f, "# TYPE " METRICS_PREFIX "%s %s\n", family->name,
		metrics_type_name(family->type));
	if (family->unit[0])
		fprintf(f, "# UNIT " METRICS_PREFIX "%s %s\n", family->name, family->unit);
	fprintf(f, "# HELP " METRICS_PREFIX "%s %s\n", family->name, family->help);
}

/* The labels of a VM, without braces. Names have no character that needs escaping. */
static void write_vm_labels(FILE *f, const struct scrape *scrape, const struct lp_vm_snapshot *vm)
{
	fprintf(f, "vm=\"%u\"", vm->vm.id);
	if (scrape->names)
		fprintf(f, ",name=\"%s\"", vm->identity.name);
}

static void write_value(FILE *f, double value)
{
	if (isnan(value))
		fputs(" NaN\n", f);
	else
		fprintf(f, " %.17g\n", value);
}

/* One sample, of the host if @vm is NULL, with a label unless @label is NULL. */
static void write_sample(FILE *f, const struct scrape *scrape, const struct metrics_family *family,
			 const struct lp_vm_snapshot *vm, const char *label,
			 const char *label_value, double value)
{
	fprintf(f, METRICS_PREFIX "%s%s", family->name, metrics_suffix(family->type));
	if (vm || label)
		fputc('{', f);
	if (vm)
		write_vm_labels(f, scrape, vm);
	if (label)
		fprintf(f, "%s%s=\"%s\"", vm ? "," : "", label, label_value);
	if (vm || label)
		fputc('}', f);
	write_value(f, value);
}

static void write_host(FILE *f, const struct scrape *scrape)
{
	const struct lp_status *s = &scrape->status;

#define X(name, type, unit, help, value)                                                           \
	write_head(f, &metrics_families[METRICS_ID_##name]);                                       \
	write_sample(f, scrape, &metrics_families[METRICS_ID_##name], NULL, NULL, NULL,            \
		     (double)(value));
	METRICS_HOST(X)
#undef X
}

static void write_info(FILE *f, const struct scrape *scrape)
{
	write_head(f, &metrics_families[METRICS_ID_build]);
	fprintf(f, METRICS_PREFIX "build_info{version=\"%s\",link=\"%s\"} 1\n",
		scrape->status.version, scrape->status.link);
}

static void write_refused(FILE *f, const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_refused_regions];

	write_head(f, family);
	for (int i = lpage_reason_next(LPAGE_REASON_NONE); i >= 0; i = lpage_reason_next(i)) {
		if (scrape->status.tally.refused[i])
			write_sample(f, scrape, family, NULL, "reason",
				     lpage_reason_name((unsigned int)i),
				     (double)scrape->status.tally.refused[i]);
	}
}

static void write_losses(FILE *f, const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_lost_events];
	static const char *const kinds[LP_LOSS_MAX] = {
		[LP_LOSS_OVERRUN] = "overrun",
		[LP_LOSS_TRUNCATED] = "truncated",
		[LP_LOSS_MALFORMED] = "malformed",
	};

	write_head(f, family);
	for (int i = 0; i < LP_LOSS_MAX; i++)
		write_sample(f, scrape, family, NULL, "cause", kinds[i],
			     (double)scrape->status.link_stats.lost[i]);
}

static void write_vms(FILE *f, const struct scrape *scrape)
{
#define X(name, type, unit, help, value)                                                           \
	write_head(f, &metrics_families[METRICS_ID_##name]);                                       \
	for (size_t i = 0; i < scrape->nr_vms; i++) {                                              \
		const struct lp_vm_snapshot *v = &scrape->vms[i];                                  \
		write_sample(f, scrape, &metrics_families[METRICS_ID_##name], v, NULL, NULL,       \
			     (double)(value));                                                     \
	}
	METRICS_VM(X)
#undef X
}

static void write_states(FILE *f, const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_vm_regions];

	write_head(f, family);
	for (size_t i = 0; i < scrape->nr_vms; i++) {
		const struct lp_vm_snapshot *vm = &scrape->vms[i];
		const struct {
			const char *state;
			uint64_t value;
		} rows[] = {{"large", vm->vm.large},
			    {"table", vm->vm.table},
			    {"mixed", vm->vm.mixed},
			    {"unmapped", vm->vm.unmapped}};

		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			write_sample(f, scrape, family, vm, "state", rows[k].state,
				     (double)rows[k].value);
	}
}

static void write_directions(FILE *f, const struct scrape *scrape,
			     const struct metrics_family *family, const struct lp_vm_snapshot *vm,
			     uint64_t shared, uint64_t private)
{
	write_sample(f, scrape, family, vm, "to", "shared", (double)shared);
	write_sample(f, scrape, family, vm, "to", "private", (double)private);
}

static void write_conversions(FILE *f, const struct scrape *scrape)
{
	const struct metrics_family *events = &metrics_families[METRICS_ID_vm_conversions];
	const struct metrics_family *pages = &metrics_families[METRICS_ID_vm_converted_pages];

	write_head(f, events);
	for (size_t i = 0; i < scrape->nr_vms; i++)
		write_directions(f, scrape, events, &scrape->vms[i],
				 scrape->vms[i].vm.to_shared_events,
				 scrape->vms[i].vm.to_private_events);
	write_head(f, pages);
	for (size_t i = 0; i < scrape->nr_vms; i++)
		write_directions(f, scrape, pages, &scrape->vms[i],
				 scrape->vms[i].vm.to_shared_pages,
				 scrape->vms[i].vm.to_private_pages);
}

static int take(const struct lp_core *core, struct scrape *ret)
{
	size_t nr = core->ops->vm_ids(core, NULL, 0);
	uint32_t *ids = calloc(nr + 1, sizeof(*ids));

	core->ops->status(core, &ret->status);
	ret->vms = calloc(nr + 1, sizeof(*ret->vms));
	if (!ids || !ret->vms) {
		free(ids);
		free(ret->vms);
		return -ENOMEM;
	}
	(void)core->ops->vm_ids(core, ids, nr);
	for (size_t i = 0; i < nr; i++) {
		if (core->ops->vm(core, ids[i], &ret->vms[ret->nr_vms]) == 0)
			ret->nr_vms++;
	}
	free(ids);
	return 0;
}

int metrics_write(FILE *f, const struct lp_core *core, bool names)
{
	struct scrape scrape = {.names = names};
	int r;

	r = take(core, &scrape);
	if (r < 0)
		return r;
	write_info(f, &scrape);
	write_host(f, &scrape);
	write_refused(f, &scrape);
	write_losses(f, &scrape);
	write_vms(f, &scrape);
	write_states(f, &scrape);
	write_conversions(f, &scrape);
	fputs("# EOF\n", f);
	free(scrape.vms);
	return ferror(f) ? -EIO : 0;
}
