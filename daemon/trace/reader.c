// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/trace.h"

#define BUFFER_BYTES  (256 * 1024)
#define REGION_PAGES  512
#define ERROR_BYTES   512
#define QUOTE_BYTES   40
#define VALUE_MAX     UINT64_MAX
#define WHITE(c)      ((c) == ' ' || (c) == '\t')
#define KEYS_PER_LINE 3

/* A VM that has been named, and whether it is still there. */
struct known_vm {
	uint32_t id;
	bool gone;
	uint64_t regions;
};

struct trace_reader {
	FILE *f; /* NULL: a buffer */
	char *name;
	char *buffer;	  /* own, when reading a file */
	const char *next; /* unread text */
	const char *limit;
	bool eof;
	uint64_t line_nr;
	struct trace_costs costs;
	bool timed; /* the header is over */
	bool ended;
	uint64_t last_ns;
	struct known_vm *vms; /* sorted by id */
	size_t nr_vms;
	size_t room_vms;
	struct known_vm *last_vm;
	char error[ERROR_BYTES];
};

/* The rest of a line that is being taken apart. */
struct cursor {
	const char *at;
	const char *end;
};

struct key {
	const char *name;
	uint64_t *value; /* NULL: a VM name, to record->name */
	uint64_t min;
	uint64_t max;
};

__attribute__((format(printf, 2, 3))) static int fail(struct trace_reader *reader, const char *fmt,
						      ...)
{
	int n = snprintf(reader->error, sizeof(reader->error), "%s:%" PRIu64 ": ", reader->name,
			 reader->line_nr);
	va_list args;

	if (n < 0 || (size_t)n >= sizeof(reader->error))
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(reader->error + n, sizeof(reader->error) - (size_t)n, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* ---- lines ---- */

/* Moves the unread text to the front and reads more. */
static int refill(struct trace_reader *reader)
{
	size_t have = (size_t)(reader->limit - reader->next);
	size_t got;

	if (!reader->f) {
		reader->eof = true;
		return 0;
	}
	memmove(reader->buffer, reader->next, have);
	got = fread(reader->buffer + have, 1, BUFFER_BYTES - have, reader->f);
	if (!got && ferror(reader->f)) {
		snprintf(reader->error, sizeof(reader->error), "%s: %s", reader->name,
			 strerror(errno));
		return errno ? -errno : -EIO;
	}
	reader->eof = got == 0;
	reader->next = reader->buffer;
	reader->limit = reader->buffer + have + got;
	return 0;
}

/* Cuts the next line, without its LF, to @ret. Returns 1, 0 at the end, or an error. */
static int next_line(struct trace_reader *reader, struct cursor *ret)
{
	const char *lf;

	while (!(lf = memchr(reader->next, '\n', (size_t)(reader->limit - reader->next)))) {
		int err;

		if (reader->limit - reader->next > TRACE_LINE_MAX)
			break;
		if (reader->eof)
			break;
		err = refill(reader);
		if (err)
			return err;
	}
	if (!lf && reader->next == reader->limit)
		return 0;
	reader->line_nr++;
	if (!lf)
		lf = reader->limit;
	if (lf - reader->next > TRACE_LINE_MAX)
		return fail(reader, "line is longer than %d bytes", TRACE_LINE_MAX);
	*ret = (struct cursor){reader->next, lf};
	reader->next = lf == reader->limit ? lf : lf + 1;
	return 1;
}

static void skip_white(struct cursor *line)
{
	while (line->at < line->end && WHITE(*line->at))
		line->at++;
}

/* Cuts the next line that says something. */
static int next_statement(struct trace_reader *reader, struct cursor *ret)
{
	for (;;) {
		int more = next_line(reader, ret);

		if (more <= 0)
			return more;
		if (ret->at < ret->end && *ret->at == '#')
			continue;
		skip_white(ret);
		if (ret->at < ret->end)
			return 1;
	}
}

/* ---- words ---- */

/* Printable start of a word, for messages. */
static const char *quote(const struct cursor *word, char out[static QUOTE_BYTES])
{
	size_t n = 0;

	for (const char *p = word->at; p < word->end && !WHITE(*p) && n < QUOTE_BYTES - 4; p++)
		out[n++] = *p >= 0x21 && *p < 0x7f ? *p : '?';
	out[n] = 0;
	if (n == QUOTE_BYTES - 4)
		strcpy(out + n, "...");
	return out;
}

/* Reads a decimal number that ends at white space or the end of the line. */
static bool number(struct cursor *line, uint64_t max, uint64_t *ret)
{
	const char *p = line->at;
	uint64_t value = 0;

	while (p < line->end && *p >= '0' && *p <= '9') {
		unsigned int digit = (unsigned int)(*p++ - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (p == line->at || (p < line->end && !WHITE(*p)) || value > max)
		return false;
	line->at = p;
	*ret = value;
	return true;
}

static int take_number(struct trace_reader *reader, struct cursor *line, const char *what,
		       uint64_t min, uint64_t max, uint64_t *ret)
{
	char text[QUOTE_BYTES];

	skip_white(line);
	if (line->at == line->end)
		return fail(reader, "%s is missing", what);
	if (!number(line, max, ret) || *ret < min)
		return fail(reader, "%s \"%s\" is not a number from %" PRIu64 " to %" PRIu64, what,
			    quote(line, text), min, max);
	return 0;
}

static int take_end(struct trace_reader *reader, struct cursor *line)
{
	char text[QUOTE_BYTES];

	skip_white(line);
	if (line->at < line->end)
		return fail(reader, "unexpected \"%s\"", quote(line, text));
	return 0;
}

/* Is the next word @word? Takes it then. */
static bool take_word(struct cursor *line, const char *word)
{
	size_t len = strlen(word);
	size_t have = (size_t)(line->end - line->at);

	if (have < len || memcmp(line->at, word, len) != 0 || (have > len && !WHITE(line->at[len])))
		return false;
	line->at += len;
	return true;
}

bool trace_name_ok(const char *name, size_t len)
{
	static const char extra[] = "._:@+-";

	if (len < 1 || len > TRACE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z');

		if (!alnum && (!c || !strchr(extra, c)))
			return false;
	}
	return true;
}

static int take_name(struct trace_reader *reader, struct cursor *line, char *ret)
{
	const char *end = line->at;
	char text[QUOTE_BYTES];

	while (end < line->end && !WHITE(*end))
		end++;
	if (!trace_name_ok(line->at, (size_t)(end - line->at)))
		return fail(reader, "name \"%s\" is not 1 to %d of A-Z a-z 0-9 . _ : @ + -",
			    quote(line, text), TRACE_NAME_MAX);
	memcpy(ret, line->at, (size_t)(end - line->at));
	ret[end - line->at] = 0;
	line->at = end;
	return 0;
}

/* Takes "key=" of one of @keys; returns its index, or -1. */
static int take_key(struct cursor *line, const struct key keys[static KEYS_PER_LINE])
{
	for (int i = 0; i < KEYS_PER_LINE; i++) {
		size_t len = strlen(keys[i].name);

		if ((size_t)(line->end - line->at) > len && line->at[len] == '=' &&
		    memcmp(line->at, keys[i].name, len) == 0) {
			line->at += len + 1;
			return i;
		}
	}
	return -1;
}

/* Takes all of @keys, in any order, each once; then the end of the line. */
static int take_keys(struct trace_reader *reader, struct cursor *line,
		     const struct key keys[static KEYS_PER_LINE], char *name)
{
	bool seen[KEYS_PER_LINE] = {false};
	char text[QUOTE_BYTES];
	int err;

	for (skip_white(line); line->at < line->end; skip_white(line)) {
		int i = take_key(line, keys);

		if (i < 0)
			return fail(reader, "unexpected \"%s\" (%s=, %s= and %s= are known here)",
				    quote(line, text), keys[0].name, keys[1].name, keys[2].name);
		if (seen[i])
			return fail(reader, "%s= is given twice", keys[i].name);
		seen[i] = true;
		err = keys[i].value ? take_number(reader, line, keys[i].name, keys[i].min,
						  keys[i].max, keys[i].value) :
				      take_name(reader, line, name);
		if (err)
			return err;
	}
	for (int i = 0; i < KEYS_PER_LINE; i++)
		if (!seen[i])
			return fail(reader, "%s= is missing", keys[i].name);
	return 0;
}

/* ---- VMs ---- */

static size_t vm_index(const struct trace_reader *reader, uint32_t id)
{
	size_t low = 0;
	size_t high = reader->nr_vms;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (reader->vms[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct known_vm *vm_find(const struct trace_reader *reader, uint32_t id)
{
	size_t i = vm_index(reader, id);

	return i < reader->nr_vms && reader->vms[i].id == id ? &reader->vms[i] : NULL;
}

static int vm_add(struct trace_reader *reader, uint32_t id, uint64_t regions)
{
	size_t at = vm_index(reader, id);

	if (vm_find(reader, id))
		return fail(reader, "VM %" PRIu32 " is there already; ids are never reused", id);
	if (reader->nr_vms == reader->room_vms) {
		size_t room = reader->room_vms ? 2 * reader->room_vms : 16;
		struct known_vm *vms = realloc(reader->vms, room * sizeof(*vms));

		if (!vms)
			return -ENOMEM;
		reader->vms = vms;
		reader->room_vms = room;
	}
	memmove(reader->vms + at + 1, reader->vms + at,
		(reader->nr_vms - at) * sizeof(*reader->vms));
	reader->vms[at] = (struct known_vm){id, false, regions};
	reader->nr_vms++;
	reader->last_vm = NULL;
	return 0;
}

static int take_vm_id(struct trace_reader *reader, struct cursor *line, uint32_t *ret)
{
	uint64_t id = 0;
	int err = take_number(reader, line, "VM id", 0, UINT32_MAX, &id);

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
		return fail(reader, "there is no VM %" PRIu32, record->vm_id);
	if (reader->last_vm->gone)
		return fail(reader, "VM %" PRIu32 " is gone", record->vm_id);
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
	err = take_number(reader, line, "gfn", 0, pages - 1, &record->gfn);
	if (!err)
		err = take_number(reader, line, "npages", 1, pages - record->gfn, &record->npages);
	return err ? err : take_end(reader, line);
}

static int take_walk(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	int err = take_vm(reader, line, record);

	if (!err)
		err = take_number(reader, line, "rfn", 0, reader->last_vm->regions - 1,
				  &record->rfn);
	if (!err)
		err = take_number(reader, line, "ns_per_s", 0, TRACE_COST_MAX,
				  &record->walk_ns_per_s);
	return err ? err : take_end(reader, line);
}

static int take_new_vm(struct trace_reader *reader, struct cursor *line,
		       struct trace_record *record)
{
	const struct key keys[KEYS_PER_LINE] = {
		{"name", NULL, 0, 0},
		{"regions", &record->regions, 1, TRACE_REGIONS_MAX},
		{"walk_ns_per_s", &record->walk_ns_per_s, 0, TRACE_COST_MAX},
	};
	int err = take_vm_id(reader, line, &record->vm_id);

	record->op = TRACE_VM;
	record->rfn = 0;
	if (!err)
		err = take_keys(reader, line, keys, record->name);
	return err ? err : vm_add(reader, record->vm_id, record->regions);
}

static int take_vm_gone(struct trace_reader *reader, struct cursor *line,
			struct trace_record *record)
{
	int err = take_vm(reader, line, record);

	if (!err)
		err = take_end(reader, line);
	if (!err)
		reader->last_vm->gone = true;
	return err;
}

static int take_time(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	int err = take_number(reader, line, "time", 0, TRACE_TIME_MAX, &record->t_ns);

	if (err)
		return err;
	if (record->t_ns < reader->last_ns)
		return fail(reader,
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
	return err ? err : take_end(reader, line);
}

static int take_timed(struct trace_reader *reader, struct cursor *line, struct trace_record *record)
{
	char text[QUOTE_BYTES];
	char op;
	int err = take_time(reader, line, record);

	if (err)
		return err;
	skip_white(line);
	if (line->at == line->end)
		return fail(reader, "the kind of record is missing");
	op = *line->at;
	if (line->end - line->at > 1 && !WHITE(line->at[1]))
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
		return fail(reader, "\"%s\" is not one of S P A W N X", quote(line, text));
	}
}

static int take_header_vm(struct trace_reader *reader, struct cursor *line,
			  struct trace_record *record)
{
	if (reader->timed)
		return fail(reader, "\"vm\" belongs before the first record with a time; use N");
	record->t_ns = 0;
	return take_new_vm(reader, line, record);
}

int trace_next(struct trace_reader *reader, struct trace_record *ret)
{
	struct cursor line;
	char text[QUOTE_BYTES];
	int more = reader->error[0] ? -EINVAL : next_statement(reader, &line);

	if (more < 0)
		return more;
	if (!more && !reader->ended) {
		reader->line_nr++;
		return fail(reader, "the trace has no \"end\": is it cut short?");
	}
	if (!more)
		return 0;
	if (reader->ended)
		return fail(reader, "unexpected \"%s\" after \"end\"", quote(&line, text));
	if (*line.at >= '0' && *line.at <= '9')
		more = take_timed(reader, &line, ret);
	else if (take_word(&line, "vm"))
		more = take_header_vm(reader, &line, ret);
	else if (take_word(&line, "end"))
		more = take_end_record(reader, &line, ret);
	else
		more = fail(reader, "\"%s\" is neither a time nor one of vm, end",
			    quote(&line, text));
	return more ? more : 1;
}

/* ---- opening ---- */

static int read_header(struct trace_reader *reader)
{
	const struct key keys[KEYS_PER_LINE] = {
		{"merge_ns", &reader->costs.merge_ns, 0, TRACE_COST_MAX},
		{"split_ns", &reader->costs.split_ns, 0, TRACE_COST_MAX},
		{"fail_ns", &reader->costs.fail_ns, 0, TRACE_COST_MAX},
	};
	struct cursor line = {0};
	int more = next_statement(reader, &line);

	if (more < 0)
		return more;
	if (!more || !take_word(&line, "lptrace")) {
		reader->line_nr += !more;
		return fail(reader, "not a trace: the first line is not \"lptrace 1\"");
	}
	skip_white(&line);
	if (!take_word(&line, "1"))
		return fail(reader, "this version of lptrace is not known; 1 is");
	more = take_end(reader, &line);
	if (more)
		return more;
	more = next_statement(reader, &line);
	if (more < 0)
		return more;
	if (!more || !take_word(&line, "cost")) {
		reader->line_nr += !more;
		return fail(reader, "expected \"cost merge_ns=.. split_ns=.. fail_ns=..\"");
	}
	return take_keys(reader, &line, keys, NULL);
}

static struct trace_reader *reader_new(const char *name)
{
	struct trace_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->name = strdup(name);
	return reader->name ? reader : trace_close(reader);
}

int trace_open(const char *path, struct trace_reader **ret)
{
	bool standard_input = strcmp(path, "-") == 0;
	struct trace_reader *reader = reader_new(standard_input ? "<stdin>" : path);

	*ret = reader;
	if (!reader)
		return -ENOMEM;
	reader->buffer = malloc(BUFFER_BYTES);
	if (!reader->buffer)
		return -ENOMEM;
	reader->next = reader->limit = reader->buffer;
	reader->f = standard_input ? stdin : fopen(path, "re");
	if (!reader->f) {
		int err = -errno;

		snprintf(reader->error, sizeof(reader->error), "%s: %s", path, strerror(-err));
		return err;
	}
	return read_header(reader);
}

int trace_open_buffer(const char *name, const char *text, size_t len, struct trace_reader **ret)
{
	struct trace_reader *reader = reader_new(name);

	*ret = reader;
	if (!reader)
		return -ENOMEM;
	reader->next = text;
	reader->limit = text + len;
	return read_header(reader);
}

struct trace_reader *trace_close(struct trace_reader *reader)
{
	if (!reader)
		return NULL;
	if (reader->f && reader->f != stdin)
		fclose(reader->f);
	free(reader->buffer);
	free(reader->name);
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
	return reader ? reader->error : "";
}
