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
	FILE *f;
	enum metrics_format format;
	struct lp_status status;
	struct lp_vm_snapshot *vms;
	size_t nr_vms;
	struct lp_rule_snapshot *rules;
	size_t nr_rules;
	bool names;
};

/*
 * In the text format a family has the name of its samples, and there are neither units nor infos.
 */
static void write_head(const struct scrape *scrape, const struct metrics_family *family)
{
	bool text = scrape->format == METRICS_TEXT;
	const char *suffix = text ? metrics_suffix(family->type) : "";
	enum metrics_type type = text && family->type == METRICS_INFO ? METRICS_GAUGE :
									family->type;

	fprintf(scrape->f, "# TYPE " METRICS_PREFIX "%s%s %s\n", family->name, suffix,
		metrics_type_name(type));
	if (!text && family->unit[0])
		fprintf(scrape->f, "# UNIT " METRICS_PREFIX "%s %s\n", family->name, family->unit);
	fprintf(scrape->f, "# HELP " METRICS_PREFIX "%s%s %s\n", family->name, suffix,
		family->help);
}

/* The labels of a VM, without braces. Names have no character that needs escaping. */
static void write_vm_labels(const struct scrape *scrape, const struct lp_vm_snapshot *vm)
{
	fprintf(scrape->f, "vm=\"%u\"", vm->vm.id);
	if (scrape->names)
		fprintf(scrape->f, ",name=\"%s\"", vm->identity.name);
}

static void write_value(FILE *f, double value)
{
	char text[32];

	if (isnan(value)) {
		fputs(" NaN\n", f);
		return;
	}
	/* 15 digits if they are all there is, e.g. 0.1; 17 always say which double it is. */
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	fprintf(f, " %s\n", text);
}

/* One sample, of the host if @vm is NULL, with a label unless @label is NULL. */
static void write_sample(const struct scrape *scrape, const struct metrics_family *family,
			 const struct lp_vm_snapshot *vm, const char *label,
			 const char *label_value, double value)
{
	FILE *f = scrape->f;

	fprintf(f, METRICS_PREFIX "%s%s", family->name, metrics_suffix(family->type));
	if (vm || label)
		fputc('{', f);
	if (vm)
		write_vm_labels(scrape, vm);
	if (label)
		fprintf(f, "%s%s=\"%s\"", vm ? "," : "", label, label_value);
	if (vm || label)
		fputc('}', f);
	write_value(f, value);
}

static void write_host(const struct scrape *scrape)
{
	const struct lp_status *s = &scrape->status;

#define X(name, type, unit, help, value)                                                           \
	write_head(scrape, &metrics_families[METRICS_ID_##name]);                                  \
	write_sample(scrape, &metrics_families[METRICS_ID_##name], NULL, NULL, NULL,               \
		     (double)(value));
	METRICS_HOST(X)
#undef X
}

static void write_info(const struct scrape *scrape)
{
	write_head(scrape, &metrics_families[METRICS_ID_build]);
	fprintf(scrape->f, METRICS_PREFIX "build_info{version=\"%s\",link=\"%s\"} 1\n",
		scrape->status.version, scrape->status.link);
}

static void write_refused(const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_refused_regions];

	write_head(scrape, family);
	for (int i = lpage_reason_next(LPAGE_REASON_NONE); i >= 0; i = lpage_reason_next(i)) {
		if (scrape->status.tally.refused[i])
			write_sample(scrape, family, NULL, "reason",
				     lpage_reason_name((unsigned int)i),
				     (double)scrape->status.tally.refused[i]);
	}
}

static void write_losses(const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_lost_events];
	static const char *const kinds[LP_LOSS_MAX] = {
		[LP_LOSS_OVERRUN] = "overrun",
		[LP_LOSS_TRUNCATED] = "truncated",
		[LP_LOSS_MALFORMED] = "malformed",
	};

	write_head(scrape, family);
	for (int i = 0; i < LP_LOSS_MAX; i++)
		write_sample(scrape, family, NULL, "cause", kinds[i],
			     (double)scrape->status.link_stats.lost[i]);
}

static void write_vms(const struct scrape *scrape)
{
#define X(name, type, unit, help, value)                                                           \
	write_head(scrape, &metrics_families[METRICS_ID_##name]);                                  \
	for (size_t i = 0; i < scrape->nr_vms; i++) {                                              \
		const struct lp_vm_snapshot *v = &scrape->vms[i];                                  \
		write_sample(scrape, &metrics_families[METRICS_ID_##name], v, NULL, NULL,          \
			     (double)(value));                                                     \
	}
	METRICS_VM(X)
#undef X
}

static void write_rules(const struct scrape *scrape)
{
#define X(name, type, unit, help, value)                                                           \
	write_head(scrape, &metrics_families[METRICS_ID_##name]);                                  \
	for (size_t i = 0; i < scrape->nr_rules; i++) {                                            \
		const struct lp_rule_snapshot *r = &scrape->rules[i];                              \
		write_sample(scrape, &metrics_families[METRICS_ID_##name], NULL, "rule", r->rule,  \
			     (double)(value));                                                     \
	}
	METRICS_RULE(X)
#undef X
}

static void write_gates(const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_vm_gate];

	write_head(scrape, family);
	for (size_t i = 0; i < scrape->nr_vms; i++)
		write_sample(scrape, family, &scrape->vms[i], "reason",
			     lpage_reason_name(scrape->vms[i].gate), 1);
}

static void write_costs(const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_vm_cost_seconds];

	write_head(scrape, family);
	for (size_t i = 0; i < scrape->nr_vms; i++) {
		const struct lp_vm_snapshot *vm = &scrape->vms[i];

		write_sample(scrape, family, vm, "op", "merge",
			     METRICS_SECONDS(vm->costs.merge_ns));
		write_sample(scrape, family, vm, "op", "split",
			     METRICS_SECONDS(vm->costs.split_ns));
		write_sample(scrape, family, vm, "op", "refusal",
			     METRICS_SECONDS(vm->costs.fail_ns));
	}
}

static void write_states(const struct scrape *scrape)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_vm_regions];

	write_head(scrape, family);
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
			write_sample(scrape, family, vm, "state", rows[k].state,
				     (double)rows[k].value);
	}
}

static void write_directions(const struct scrape *scrape, const struct metrics_family *family,
			     const struct lp_vm_snapshot *vm, uint64_t shared, uint64_t private)
{
	write_sample(scrape, family, vm, "to", "shared", (double)shared);
	write_sample(scrape, family, vm, "to", "private", (double)private);
}

static void write_conversions(const struct scrape *scrape)
{
	const struct metrics_family *events = &metrics_families[METRICS_ID_vm_conversions];
	const struct metrics_family *pages = &metrics_families[METRICS_ID_vm_converted_pages];

	write_head(scrape, events);
	for (size_t i = 0; i < scrape->nr_vms; i++)
		write_directions(scrape, events, &scrape->vms[i],
				 scrape->vms[i].vm.to_shared_events,
				 scrape->vms[i].vm.to_private_events);
	write_head(scrape, pages);
	for (size_t i = 0; i < scrape->nr_vms; i++)
		write_directions(scrape, pages, &scrape->vms[i], scrape->vms[i].vm.to_shared_pages,
				 scrape->vms[i].vm.to_private_pages);
}

static int take(const struct lp_core *core, struct scrape *ret)
{
	size_t nr = core->ops->vm_ids(core, 0, NULL, 0);
	uint32_t *ids = calloc(nr + 1, sizeof(*ids));

	core->ops->status(core, &ret->status);
	ret->nr_rules = core->ops->rules(core, NULL, 0);
	ret->rules = calloc(ret->nr_rules + 1, sizeof(*ret->rules));
	ret->vms = calloc(nr + 1, sizeof(*ret->vms));
	if (!ids || !ret->vms || !ret->rules) {
		free(ids);
		return -ENOMEM;
	}
	(void)core->ops->rules(core, ret->rules, ret->nr_rules);
	(void)core->ops->vm_ids(core, 0, ids, nr);
	for (size_t i = 0; i < nr; i++) {
		if (core->ops->vm(core, ids[i], &ret->vms[ret->nr_vms]) == 0)
			ret->nr_vms++;
	}
	free(ids);
	return 0;
}

static void write_all(const struct scrape *scrape)
{
	write_info(scrape);
	write_host(scrape);
	write_refused(scrape);
	write_losses(scrape);
	write_vms(scrape);
	write_rules(scrape);
	write_gates(scrape);
	write_costs(scrape);
	write_states(scrape);
	write_conversions(scrape);
	if (scrape->format == METRICS_OPENMETRICS)
		fputs("# EOF\n", scrape->f);
}

int metrics_write(FILE *f, const struct lp_core *core, enum metrics_format format, bool names)
{
	struct scrape scrape = {.f = f, .format = format, .names = names};
	int r;

	r = take(core, &scrape);
	if (r == 0)
		write_all(&scrape);
	free(scrape.vms);
	free(scrape.rules);
	if (r < 0)
		return r;
	return ferror(f) ? -EIO : 0;
}
