// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/replay/tune_split.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/trace.h"

#define VMS_MIN	    4	  /* for a split by VMs */
#define RECORDS_MIN 20000 /* for levels */

enum which_vms { ALL_VMS, EVEN_VMS, ODD_VMS };

/* Result of the first pass. */
struct census {
	uint64_t records;
	uint64_t end_ns;
	uint32_t *vms; /* those that convert, in the order of their first conversions */
	unsigned int nr_vms;
};

static int complain(const char *path, const struct trace_reader *reader, int err, char *error,
		    size_t size)
{
	if (*trace_error(reader))
		snprintf(error, size, "%s", trace_error(reader));
	else
		snprintf(error, size, "tdx-lpctl: %s: %s", path, strerror(-err));
	return err;
}

static unsigned int rank(const struct census *census, uint32_t vm_id)
{
	unsigned int i = 0;

	while (i < census->nr_vms && census->vms[i] != vm_id)
		i++;
	return i;
}

static int take(struct census *census, const struct trace_record *record)
{
	uint32_t *vms;

	census->records++;
	census->end_ns = record->t_ns;
	if (record->op != TRACE_TO_SHARED || rank(census, record->vm_id) < census->nr_vms)
		return 0;
	vms = reallocarray(census->vms, census->nr_vms + 1, sizeof(*vms));
	if (!vms)
		return -ENOMEM;
	census->vms = vms;
	census->vms[census->nr_vms++] = record->vm_id;
	return 0;
}

static int count(const char *path, struct census *census, char *error, size_t size)
{
	struct trace_reader *reader;
	struct trace_record record;
	int more = trace_open(path, &reader);

	if (more >= 0)
		trace_salvage(reader);
	while (more >= 0 && (more = trace_next(reader, &record)) > 0)
		more = take(census, &record);
	if (more < 0)
		complain(path, reader, more, error, size);
	else
		snprintf(error, size, "%s", trace_cut(reader));
	trace_close(reader);
	return more;
}

/* Is the VM among those that are wanted? One that converts nothing is in neither half. */
static bool is_chosen(const struct census *census, enum which_vms which, uint32_t vm_id)
{
	unsigned int i = rank(census, vm_id);

	return which == ALL_VMS || (i < census->nr_vms && i % 2 == (which == ODD_VMS));
}

static int copy(FILE *f, struct trace_reader *reader, const struct census *census,
		enum which_vms which, uint64_t end_ns)
{
	struct trace_record record;
	bool header = true;
	int more = trace_write_header(f, trace_costs(reader));

	while (!more && (more = trace_next(reader, &record)) > 0) {
		if (record.t_ns >= end_ns)
			record = (struct trace_record){.t_ns = end_ns, .op = TRACE_END};
		header &= record.op == TRACE_VM && !record.t_ns;
		more = 0;
		if (record.op == TRACE_END || is_chosen(census, which, record.vm_id))
			more = trace_write_record(f, &record, header);
		if (record.op == TRACE_END)
			break;
	}
	return more < 0 ? more : 0;
}

static int cut(const char *path, const struct census *census, enum which_vms which, uint64_t end_ns,
	       struct tune_part *ret)
{
	struct trace_reader *reader = NULL;
	FILE *f = open_memstream(&ret->text, &ret->len);
	int err = f ? trace_open(path, &reader) : -ENOMEM;

	if (!err) {
		trace_salvage(reader);
		err = copy(f, reader, census, which, end_ns);
	}
	if (f && fclose(f) == EOF && !err)
		err = -ENOMEM;
	trace_close(reader);
	return err;
}

static int cut_all(struct tune_split *split, const char *path, const struct census *census)
{
	enum which_vms fit = split->by_vms ? EVEN_VMS : ALL_VMS;
	int err = 0;

	for (unsigned int i = 0; i < split->nr_levels && !err; i++)
		err = cut(path, census, fit, split->fit_end_ns >> (split->nr_levels - 1 - i),
			  &split->levels[i]);
	if (!err)
		err = cut(path, census, split->by_vms ? ODD_VMS : ALL_VMS, split->end_ns,
			  &split->held);
	return err;
}

int tune_split_read(struct tune_split *split, const char *path, char *error, size_t size)
{
	struct census census = {0};
	int err = 0;

	*split = (struct tune_split){0};
	if (strcmp(path, "-") == 0) {
		snprintf(error, size,
			 "tdx-lpctl: tune reads the trace several times and needs a file");
		return -EINVAL;
	}
	err = count(path, &census, error, size);
	if (err) {
		free(census.vms);
		return err;
	}
	split->by_vms = census.nr_vms >= VMS_MIN;
	split->nr_held_vms = census.nr_vms / 2;
	split->nr_fit_vms = census.nr_vms - split->nr_held_vms;
	split->end_ns = census.end_ns;
	split->fit_end_ns = split->by_vms ? census.end_ns : census.end_ns / 5 * 3;
	split->nr_levels = census.records >= RECORDS_MIN ? TUNE_LEVELS_MAX : 1;
	err = cut_all(split, path, &census);
	free(census.vms);
	if (err)
		snprintf(error, size, "tdx-lpctl: %s: %s", path, strerror(-err));
	return err;
}

void tune_split_done(struct tune_split *split)
{
	for (unsigned int i = 0; i < TUNE_LEVELS_MAX; i++)
		free(split->levels[i].text);
	free(split->held.text);
}
