// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/metrics/exposition.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <tdx-lpage/base.h>

#include "daemon/core/snapshot.h"
#include "daemon/metrics/samples.h"

/* A slice ends after the block of samples with which it has so many. */
#define SAMPLES_SLICE 256

struct block {
	TAILQ_ENTRY(block) entry;
	size_t nr;
	struct metrics_subject subjects[METRICS_SLICE];
};

TAILQ_HEAD(block_list, block);

/* The samples of all VMs, or of all rules: row by row, so that a family's are together. */
struct part {
	const struct metrics_rows *rows;
	struct block_list blocks;
	size_t row;	  /* to be written next ... */
	struct block *at; /* ... of these subjects, NULL: it has not begun */
};

struct metrics_exposition {
	const struct lp_core *core;
	enum metrics_format format;
	bool names;
	bool begun;
	uint64_t next_id; /* VMs with this id or a higher one are to be taken, above UINT32_MAX: none */
	struct part vms;
	struct part rules;
};

/* ---- lines ---- */

/* In the text format a family has the name of its samples, and there are neither units nor infos. */
static void write_head(FILE *f, enum metrics_format format, const struct metrics_family *family)
{
	bool text = format == METRICS_TEXT;
	const char *suffix = text ? metrics_suffix(family->type) : "";
	enum metrics_type type = text && family->type == METRICS_INFO ? METRICS_GAUGE :
									family->type;

	fprintf(f, "# TYPE " METRICS_PREFIX "%s%s %s\n", family->name, suffix,
		metrics_type_name(type));
	if (!text && family->unit[0])
		fprintf(f, "# UNIT " METRICS_PREFIX "%s %s\n", family->name, family->unit);
	fprintf(f, "# HELP " METRICS_PREFIX "%s%s %s\n", family->name, suffix, family->help);
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

/* @labels of the subject, "" for the host, and one more unless @label is NULL. */
static void write_sample(FILE *f, const struct metrics_family *family, const char *labels,
			 const char *label, const char *label_value, double value)
{
	fprintf(f, METRICS_PREFIX "%s%s", family->name, metrics_suffix(family->type));
	if (*labels || label)
		fprintf(f, "{%s", labels);
	if (label)
		fprintf(f, "%s%s=\"%s\"", *labels ? "," : "", label, label_value);
	if (*labels || label)
		fputc('}', f);
	write_value(f, value);
}

/* ---- the host ---- */

static void write_info(FILE *f, enum metrics_format format, const struct lp_status *s)
{
	write_head(f, format, &metrics_families[METRICS_ID_build]);
	fprintf(f, METRICS_PREFIX "build_info{version=\"%s\",link=\"%s\"} 1\n", s->version,
		s->link);
}

static void write_figures(FILE *f, enum metrics_format format, const struct lp_status *s)
{
#define X(name, type, unit, help, value)                                                           \
	write_head(f, format, &metrics_families[METRICS_ID_##name]);                               \
	write_sample(f, &metrics_families[METRICS_ID_##name], "", NULL, NULL, (double)(value));
	METRICS_HOST(X)
#undef X
}

static void write_refused(FILE *f, enum metrics_format format, const struct lp_status *s)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_refused_regions];

	write_head(f, format, family);
	for (int i = lpage_reason_next(LPAGE_REASON_NONE); i >= 0; i = lpage_reason_next(i)) {
		if (s->tally.refused[i])
			write_sample(f, family, "", "reason", lpage_reason_name((unsigned int)i),
				     (double)s->tally.refused[i]);
	}
}

static void write_losses(FILE *f, enum metrics_format format, const struct lp_status *s)
{
	const struct metrics_family *family = &metrics_families[METRICS_ID_lost_events];
	static const char *const kinds[LP_LOSS_MAX] = {
		[LP_LOSS_OVERRUN] = "overrun",
		[LP_LOSS_TRUNCATED] = "truncated",
		[LP_LOSS_MALFORMED] = "malformed",
	};

	write_head(f, format, family);
	for (int i = 0; i < LP_LOSS_MAX; i++)
		write_sample(f, family, "", "cause", kinds[i], (double)s->link_stats.lost[i]);
}

static void write_host(const struct metrics_exposition *exposition, FILE *f)
{
	struct lp_status status;

	exposition->core->ops->status(exposition->core, &status);
	write_info(f, exposition->format, &status);
	write_figures(f, exposition->format, &status);
	write_refused(f, exposition->format, &status);
	write_losses(f, exposition->format, &status);
}

/* ---- VMs and rules ---- */

static struct metrics_subject *add_subject(struct part *part)
{
	struct block *block = TAILQ_LAST(&part->blocks, block_list);

	if (!block || block->nr == METRICS_SLICE) {
		block = malloc(sizeof(*block));
		if (!block)
			return NULL;
		block->nr = 0;
		TAILQ_INSERT_TAIL(&part->blocks, block, entry);
	}
	return &block->subjects[block->nr++];
}

/* All of them: they are as many as the administrator has written. */
static int take_rules(struct metrics_exposition *exposition)
{
	const struct lp_core *core = exposition->core;
	size_t nr = core->ops->rules(core, NULL, 0);
	CLEANUP(freep) struct lp_rule_snapshot *rules = calloc(nr + 1, sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	(void)core->ops->rules(core, rules, nr);
	for (size_t i = 0; i < nr; i++) {
		struct metrics_subject *subject = add_subject(&exposition->rules);

		if (!subject)
			return -ENOMEM;
		metrics_take_rule(&rules[i], subject);
	}
	return 0;
}

static int take_vm(struct metrics_exposition *exposition, uint32_t vm_id)
{
	struct metrics_subject *subject;
	struct lp_vm_snapshot vm;

	if (exposition->core->ops->vm(exposition->core, vm_id, &vm) < 0)
		return 0;
	subject = add_subject(&exposition->vms);
	if (!subject)
		return -ENOMEM;
	metrics_take_vm(&vm, exposition->names, subject);
	return 0;
}

/* The next VMs in the order of their ids, so that none is taken twice. */
static int take_vms(struct metrics_exposition *exposition)
{
	const struct lp_core *core = exposition->core;
	uint32_t ids[METRICS_SLICE];
	size_t nr = core->ops->vm_ids(core, (uint32_t)exposition->next_id, ids, METRICS_SLICE);
	bool last = nr <= METRICS_SLICE;
	int r = 0;

	for (size_t i = 0; i < nr && i < METRICS_SLICE && r == 0; i++)
		r = take_vm(exposition, ids[i]);
	exposition->next_id = last ? UINT64_MAX : (uint64_t)ids[METRICS_SLICE - 1] + 1;
	return r;
}

/* ---- their samples ---- */

static bool begins_family(const struct part *part)
{
	const struct metrics_row *row = &part->rows->rows[part->row];

	return !part->at && (part->row == 0 || row[-1].family != row->family);
}

static void write_block(FILE *f, const struct metrics_row *row, size_t value,
			const struct block *block)
{
	const struct metrics_family *family = &metrics_families[row->family];

	for (size_t i = 0; i < block->nr; i++) {
		const struct metrics_subject *subject = &block->subjects[i];

		write_sample(f, family, subject->labels, row->label,
			     row->value ? row->value : subject->word, subject->values[value]);
	}
}

/* Writes a row of one block; returns how many lines at most that were. */
static size_t write_step(const struct metrics_exposition *exposition, struct part *part, FILE *f)
{
	const struct metrics_row *row = &part->rows->rows[part->row];
	struct block *block = part->at ? part->at : TAILQ_FIRST(&part->blocks);

	if (begins_family(part))
		write_head(f, exposition->format, &metrics_families[row->family]);
	if (block)
		write_block(f, row, part->row, block);
	part->at = block ? TAILQ_NEXT(block, entry) : NULL;
	part->row += !part->at;
	return 1 + (block ? block->nr : 0);
}

static struct part *next_part(struct metrics_exposition *exposition)
{
	if (exposition->vms.row < exposition->vms.rows->nr)
		return &exposition->vms;
	return exposition->rules.row < exposition->rules.rows->nr ? &exposition->rules : NULL;
}

/* Returns whether there is more. */
static bool write_samples(struct metrics_exposition *exposition, FILE *f)
{
	struct part *part;

	for (size_t nr = 0; (part = next_part(exposition));) {
		if (nr >= SAMPLES_SLICE)
			return true;
		nr += write_step(exposition, part, f);
	}
	if (exposition->format == METRICS_OPENMETRICS)
		fputs("# EOF\n", f);
	return false;
}

/* ---- all of it ---- */

int metrics_exposition_go_on(struct metrics_exposition *exposition, FILE *f)
{
	int r = 1;

	if (!exposition->begun) {
		exposition->begun = true;
		write_host(exposition, f);
		r = take_rules(exposition);
	} else if (exposition->next_id <= UINT32_MAX) {
		r = take_vms(exposition);
	} else if (!write_samples(exposition, f)) {
		return ferror(f) ? -EIO : 0;
	}
	if (r < 0)
		return r;
	return ferror(f) ? -EIO : 1;
}

struct metrics_exposition *metrics_exposition_new(const struct lp_core *core,
						  enum metrics_format format, bool names)
{
	struct metrics_exposition *exposition = calloc(1, sizeof(*exposition));

	if (!exposition)
		return NULL;
	exposition->core = core;
	exposition->format = format;
	exposition->names = names;
	exposition->vms.rows = &metrics_vm_rows;
	exposition->rules.rows = &metrics_rule_rows;
	TAILQ_INIT(&exposition->vms.blocks);
	TAILQ_INIT(&exposition->rules.blocks);
	return exposition;
}

static void free_blocks(struct block_list *list)
{
	struct block *block;

	while ((block = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, block, entry);
		free(block);
	}
}

struct metrics_exposition *metrics_exposition_free(struct metrics_exposition *exposition)
{
	if (!exposition)
		return NULL;
	free_blocks(&exposition->vms.blocks);
	free_blocks(&exposition->rules.blocks);
	free(exposition);
	return NULL;
}
