// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/lines.h"
#include "daemon/trace/trace.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

/* A VM that has been named, and whether it is still there. */
struct known_vm {
	uint32_t id;
	bool gone;
	uint64_t regions;
};

struct trace_reader {
	struct lines lines;
	struct trace_costs costs;
	bool timed; /* the header is over */
	bool ended;
	bool salvage;
	char cut[512];	      /* what was cut off, "" for nothing */
	uint64_t whole_bytes; /* up to the last whole line */
	uint64_t last_ns;
	struct known_vm *vms; /* sorted by id */
	size_t nr_vms;
	size_t vms_capacity;
	struct known_vm *last_vm;
};

bool trace_name_ok(const char *name, size_t len)
{
	if (len < 1 || len > TRACE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!text_is_name_char(name[i]))
			return false;
	}
	return true;
}

/* ---- VMs ---- */

static int is_before(const void *element, const void *vm_id)
{
	const struct known_vm *vm = element;

	return vm->id < *(const uint32_t *)vm_id;
}

static size_t vm_index(const struct trace_reader *reader, uint32_t id)
{
	return lower_bound(reader->vms, reader->nr_vms, sizeof(*reader->vms), &id, is_before);
}

static struct known_vm *vm_find(const struct trace_reader *reader, uint32_t id)
{
	size_t i = vm_index(reader, id);

	return i < reader->nr_vms && reader->vms[i].id == id ? &reader->vms[i] : NULL;
}

static int vm_add(struct trace_reader *reader, uint32_t id, uint64_t regions)
{
	size_t at = vm_index(reader, id);
	struct known_vm *vm;

	if (vm_find(reader, id))
		return lines_fail(&reader->lines,
				  "VM %" PRIu32 " already exists; ids are never reused", id);
	if (array_reserve(&reader->vms, &reader->vms_capacity, reader->nr_vms + 1,
			  sizeof(*reader->vms)) < 0)
		return -ENOMEM;
	vm = array_open(reader->vms, reader->nr_vms++, at, sizeof(*reader->vms));
	*vm = (struct known_vm){id, false, regions};
	reader->last_vm = NULL;
	return 0;
}

static int take_vm_id(struct trace_reader *reader, struct cursor *line, uint32_t *ret)
{
	uint64_t id = 0;
	int err = lines_take_number(&reader->lines, line, "VM id", 0, UINT32_MAX, &id);

	*ret = (uint32_t)id;
	return err;
}

/* Takes the id of a VM that is there. */
static int take_vm(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	int err = take_vm_id(reader, line, &record->vm_id);

	if (err)
		return err;
	if (!reader->last_vm || reader->last_vm->id != record->vm_id)
		reader->last_vm = vm_find(reader, record->vm_id);
	if (!reader->last_vm)
		return lines_fail(&reader->lines, "there is no VM %" PRIu32, record->vm_id);
	if (reader->last_vm->gone)
		return lines_fail(&reader->lines, "VM %" PRIu32 " is gone", record->vm_id);
	return 0;
}

/* ---- records ---- */

static int take_conversion(struct trace_reader *reader, struct cursor *line,
			   struct trace_record *record)
{
	uint64_t pages;
	int err = take_vm(reader, line, record);

	if (err)
		return err;
	pages = REGION_PAGES * reader->last_vm->regions;
	err = lines_take_number(&reader->lines, line, "gfn", 0, pages - 1, &record->gfn);
	if (!err)
		err = lines_take_number(&reader->lines, line, "npages", 1, pages - record->gfn,
					&record->npages);
	return err ? err : lines_take_end(&reader->lines, line);
}

static int take_walk(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	int err = take_vm(reader, line, record);

	if (!err)
		err = lines_take_number(&reader->lines, line, "rfn", 0,
					reader->last_vm->regions - 1, &record->rfn);
	if (!err)
		err = lines_take_number(&reader->lines, line, "ns_per_s", 0, TRACE_COST_MAX,
					&record->walk_ns_per_s);
	return err ? err : lines_take_end(&reader->lines, line);
}

static int take_new_vm(struct trace_reader *reader, struct cursor *line,
		       struct trace_record *record)
{
	const struct key keys[LINES_KEYS_PER_LINE] = {
		{"name", NULL, 0, 0},
		{"regions", &record->regions, 1, TRACE_REGIONS_MAX},
		{"walk_ns_per_s", &record->walk_ns_per_s, 0, TRACE_COST_MAX},
	};
	int err = take_vm_id(reader, line, &record->vm_id);

	record->op = TRACE_VM;
	record->rfn = 0;
	if (!err)
		err = lines_take_keys(&reader->lines, line, keys, record->name);
	return err ? err : vm_add(reader, record->vm_id, record->regions);
}

static int take_vm_gone(struct trace_reader *reader, struct cursor *line,
			struct trace_record *record)
{
	int err = take_vm(reader, line, record);

	if (!err)
		err = lines_take_end(&reader->lines, line);
	if (!err)
		reader->last_vm->gone = true;
	return err;
}

static int take_time(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	int err = lines_take_number(&reader->lines, line, "time", 0, TRACE_TIME_MAX, &record->t_ns);

	if (err)
		return err;
	if (record->t_ns < reader->last_ns)
		return lines_fail(&reader->lines,
				  "time %" PRIu64 " is before that of an earlier record, %" PRIu64,
				  record->t_ns, reader->last_ns);
	reader->last_ns = record->t_ns;
	reader->timed = true;
	return 0;
}

static int take_end_record(struct trace_reader *reader, struct cursor *line,
			   struct trace_record *record)
{
	int err = take_time(reader, line, record);

	record->op = TRACE_END;
	reader->ended = true;
	return err ? err : lines_take_end(&reader->lines, line);
}

static int take_timed(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	char text[LINES_QUOTE_BYTES];
	char op;
	int err = take_time(reader, line, record);

	if (err)
		return err;
	lines_skip_white(line);
	if (line->at == line->end)
		return lines_fail(&reader->lines, "the kind of record is missing");
	op = *line->at;
	if (line->end - line->at > 1 && line->at[1] != ' ' && line->at[1] != '\t')
		op = 0;
	line->at++;
	switch (op) {
	case 'S':
		record->op = TRACE_TO_SHARED;
		return take_conversion(reader, line, record);
	case 'P':
		record->op = TRACE_TO_PRIVATE;
		return take_conversion(reader, line, record);
	case 'A':
		record->op = TRACE_ACCEPT;
		return take_conversion(reader, line, record);
	case 'W':
		record->op = TRACE_WALK;
		return take_walk(reader, line, record);
	case 'N':
		return take_new_vm(reader, line, record);
	case 'X':
		record->op = TRACE_VM_GONE;
		return take_vm_gone(reader, line, record);
	default:
		line->at--;
		return lines_fail(&reader->lines, "\"%s\" must be one of S P A W N X",
				  lines_quote(line, text));
	}
}

static int take_header_vm(struct trace_reader *reader, struct cursor *line,
			  struct trace_record *record)
{
	if (reader->timed)
		return lines_fail(&reader->lines,
				  "\"vm\" belongs before the first record with a time; use N");
	record->t_ns = 0;
	return take_new_vm(reader, line, record);
}

/* Ends a trace that was cut off. */
static int end_here(struct trace_reader *reader, struct trace_record *ret)
{
	struct lines *lines = &reader->lines;

	lines->line_nr += !lines->cut;
	if (!reader->salvage || !reader->whole_bytes)
		return lines_fail(lines, "the trace has no \"end\": is it truncated?");
	snprintf(reader->cut, sizeof(reader->cut),
		 "%s:%" PRIu64 ": the trace is cut off; it is read up to its last whole record",
		 lines->name, lines->line_nr);
	*ret = (struct trace_record){.t_ns = reader->last_ns, .op = TRACE_END};
	reader->ended = true;
	return 1;
}

void trace_salvage(struct trace_reader *reader)
{
	reader->salvage = true;
}

const char *trace_cut(const struct trace_reader *reader)
{
	return reader ? reader->cut : "";
}

uint64_t trace_whole_bytes(const struct trace_reader *reader, uint64_t *ret_last_ns)
{
	*ret_last_ns = reader->last_ns;
	return reader->whole_bytes;
}

/* Is it an "end" that may have all its digits? */
static bool is_whole_end(const struct trace_reader *reader, const struct cursor *line)
{
	struct cursor copy = *line;
	struct lines scratch = {.name = reader->lines.name};
	uint64_t t_ns;

	return lines_take_word(&copy, "end") &&
	       lines_take_number(&scratch, &copy, "time", reader->last_ns, TRACE_TIME_MAX, &t_ns) ==
		       0;
}

int trace_next(struct trace_reader *reader, struct trace_record *ret)
{
	struct cursor line;
	char text[LINES_QUOTE_BYTES];
	int more = reader->lines.error[0] ? -EINVAL : lines_next(&reader->lines, &line);

	if (more < 0)
		return more;
	/* A line without its LF may lack digits. */
	if (!reader->ended &&
	    (!more || (reader->salvage && reader->lines.cut && !is_whole_end(reader, &line))))
		return end_here(reader, ret);
	if (!more)
		return 0;
	if (!reader->lines.cut)
		reader->whole_bytes = reader->lines.offset;
	if (reader->ended)
		return lines_fail(&reader->lines, "unexpected \"%s\" after \"end\"",
				  lines_quote(&line, text));
	if (*line.at >= '0' && *line.at <= '9')
		more = take_timed(reader, &line, ret);
	else if (lines_take_word(&line, "vm"))
		more = take_header_vm(reader, &line, ret);
	else if (lines_take_word(&line, "end"))
		more = take_end_record(reader, &line, ret);
	else
		more = lines_fail(&reader->lines, "\"%s\" must be a time, vm or end",
				  lines_quote(&line, text));
	return more ? more : 1;
}

/* ---- opening ---- */

static int read_header(struct trace_reader *reader)
{
	const struct key keys[LINES_KEYS_PER_LINE] = {
		{"merge_ns", &reader->costs.merge_ns, 0, TRACE_COST_MAX},
		{"split_ns", &reader->costs.split_ns, 0, TRACE_COST_MAX},
		{"fail_ns", &reader->costs.fail_ns, 0, TRACE_COST_MAX},
	};
	struct cursor line = {0};
	int more = lines_next(&reader->lines, &line);

	if (more < 0)
		return more;
	if (!more || !lines_take_word(&line, "lptrace")) {
		reader->lines.line_nr += !more;
		return lines_fail(&reader->lines,
				  "not a trace: the first line is not \"lptrace 1\"");
	}
	lines_skip_white(&line);
	if (!lines_take_word(&line, "1"))
		return lines_fail(&reader->lines,
				  "unsupported version of lptrace; only 1 is supported");
	more = lines_take_end(&reader->lines, &line);
	if (more)
		return more;
	more = lines_next(&reader->lines, &line);
	if (more < 0)
		return more;
	if (!more || !lines_take_word(&line, "cost")) {
		reader->lines.line_nr += !more;
		return lines_fail(&reader->lines,
				  "expected \"cost merge_ns=.. split_ns=.. fail_ns=..\"");
	}
	more = lines_take_keys(&reader->lines, &line, keys, NULL);
	reader->whole_bytes = reader->lines.cut ? 0 : reader->lines.offset;
	return more;
}

int trace_open(const char *path, struct trace_reader **ret)
{
	struct trace_reader *reader = calloc(1, sizeof(*reader));
	int err;

	*ret = reader;
	if (!reader)
		return -ENOMEM;
	err = lines_open(&reader->lines, path);
	return err ? err : read_header(reader);
}

int trace_open_buffer(const char *name, const char *text, size_t len, struct trace_reader **ret)
{
	struct trace_reader *reader = calloc(1, sizeof(*reader));
	int err;

	*ret = reader;
	if (!reader)
		return -ENOMEM;
	err = lines_open_buffer(&reader->lines, name, text, len);
	return err ? err : read_header(reader);
}

struct trace_reader *trace_close(struct trace_reader *reader)
{
	if (!reader)
		return NULL;
	lines_close(&reader->lines);
	free(reader->vms);
	free(reader);
	return NULL;
}

const struct trace_costs *trace_costs(const struct trace_reader *reader)
{
	return &reader->costs;
}

const char *trace_error(const struct trace_reader *reader)
{
	return reader ? reader->lines.error : "";
}
