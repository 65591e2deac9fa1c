// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libyaml's events to a configuration. libyaml accepts aliases, any nesting, tags, duplicate keys
 * and several documents; none of them has a use here, and some have a cost, so they are refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include <tdx-lpage/text.h>

#include "daemon/config/errors.h"
#include "daemon/config/reader.h"

#define DEPTH_MAX     8	 /* rules, rule, match, list make 5 with the document */
#define KEY_SHOWN_MAX 64 /* of a key in a path; a longer one is none of ours */

/* A byte order mark; some editors put one in front of UTF-8. */
#define BOM	 "\xef\xbb\xbf"
#define BOM_SIZE 3

struct config_place reader_place(const struct reader *r, yaml_mark_t mark)
{
	return (struct config_place){
		.file = r->file,
		.line = (unsigned int)mark.line + 1,
		.column = (unsigned int)mark.column + 1,
	};
}

void reader_complain_at(struct reader *r, yaml_mark_t mark, const char *value, const char *allowed,
			const char *message)
{
	struct config_complaint complaint = {
		.path = r->config->files[r->file],
		.line = (unsigned int)mark.line + 1,
		.column = (unsigned int)mark.column + 1,
		.key = r->path,
		.value = value,
		.allowed = allowed,
	};

	if (config_errors_add(r->errors, &complaint, "%s", message) < 0)
		r->error = -ENOMEM;
}

void reader_complain(struct reader *r, const char *message)
{
	reader_complain_at(r, r->event.start_mark, NULL, NULL, message);
}

void reader_complain_fatal(struct reader *r, const char *message)
{
	reader_complain(r, message);
	if (!r->error)
		r->error = -EINVAL;
}

/* Appends to the path of the current key; the result goes to reader_pop(). */
size_t reader_push(struct reader *r, const char *name)
{
	size_t len = strlen(r->path);

	snprintf(r->path + len, sizeof(r->path) - len, "%s%.*s", len ? "." : "",
		 (int)text_cut(name, KEY_SHOWN_MAX), name);
	return len;
}

size_t reader_push_index(struct reader *r, size_t index)
{
	size_t len = strlen(r->path);

	snprintf(r->path + len, sizeof(r->path) - len, "[%zu]", index);
	return len;
}

void reader_pop(struct reader *r, size_t len)
{
	r->path[len] = '\0';
}

/* Errors of encoding come with an offset in bytes instead of a mark. */
static yaml_mark_t mark_of_offset(const struct reader *r, size_t offset)
{
	yaml_mark_t mark = {.index = offset};

	for (size_t i = 0; i < offset; i++) {
		unsigned char c = (unsigned char)r->text[i];

		if (c == '\n') {
			mark.line++;
			mark.column = 0;
		} else if ((c & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

/* The text from a mark of libyaml on, which counts characters; up to the end of the line. */
static const char *text_at(const struct reader *r, yaml_mark_t mark, size_t *ret_len)
{
	const char *p = r->text;

	for (size_t line = 0; line < mark.line; line++) {
		p = memchr(p, '\n', (size_t)(r->end - p));
		if (!p)
			p = r->end;
		else
			p++;
	}
	for (size_t column = 0; column < mark.column && p < r->end && *p != '\n'; column++) {
		for (p++; p < r->end && ((unsigned char)*p & 0xc0) == 0x80; p++)
			;
	}
	*ret_len = 0;
	while (p + *ret_len < r->end && p[*ret_len] != '\n' && p[*ret_len] != '\r')
		++*ret_len;
	return p;
}

/* Is the problem that a value begins with a character that YAML gives a meaning? Then says so. */
static bool complain_unquoted(struct reader *r)
{
	const yaml_parser_t *yaml = &r->yaml;
	yaml_mark_t mark = yaml->context ? yaml->context_mark : yaml->problem_mark;
	char value[KEY_SHOWN_MAX + 1], text[64];
	const char *p;
	size_t len;

	if (yaml->error != YAML_SCANNER_ERROR)
		return false;
	p = text_at(r, mark, &len);
	if (!len || !*p || !strchr(">|*&!%@`", *p))
		return false;
	while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	for (size_t i = 0; i < len; i++) {
		if (strchr(" ,]}", p[i]))
			len = i;
	}
	snprintf(value, sizeof(value), "%.*s", (int)len, p);
	snprintf(text, sizeof(text), "quote this value: YAML gives %c at its start a meaning", *p);
	reader_complain_at(r, mark, value, NULL, text);
	return true;
}

static const char *yaml_hint(const struct reader *r)
{
	const yaml_parser_t *yaml = &r->yaml;
	const char *p;
	size_t len;

	if (yaml->error != YAML_PARSER_ERROR)
		return "";
	p = text_at(r, yaml->problem_mark, &len);
	/* vm-name: [ab]-web */
	if (p > r->text && (p[-1] == ']' || p[-1] == '}'))
		return "; quote a value that starts with [ or {";
	return "";
}

static void complain_yaml(struct reader *r)
{
	const yaml_parser_t *yaml = &r->yaml;
	yaml_mark_t mark = yaml->problem_mark;
	char text[256];

	if (yaml->error == YAML_MEMORY_ERROR) {
		r->error = -ENOMEM;
		return;
	}
	if (complain_unquoted(r)) {
		r->error = r->error ? r->error : -EINVAL;
		return;
	}
	if (yaml->error == YAML_READER_ERROR)
		mark = mark_of_offset(r, yaml->problem_offset);
	snprintf(text, sizeof(text), "not YAML: %s%s%s%s", yaml->context ? yaml->context : "",
		 yaml->context ? ", " : "", yaml->problem ? yaml->problem : "unknown problem",
		 yaml_hint(r));
	r->path[0] = '\0';
	reader_complain_at(r, mark, NULL, NULL, text);
	if (!r->error)
		r->error = -EINVAL;
}

static const yaml_char_t *event_anchor(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static const yaml_char_t *event_tag(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.tag;
	default:
		return NULL;
	}
}

static void check_event(struct reader *r)
{
	switch (r->event.type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++r->depth > DEPTH_MAX)
			reader_complain_fatal(r, "nested too deeply");
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		break;
	case YAML_ALIAS_EVENT:
		reader_complain(
			r, "aliases (*name) are not supported; quote a value that starts with *");
		break;
	default:
		break;
	}
	if (event_anchor(&r->event))
		reader_complain(
			r, "anchors (&name) are not supported; quote a value that starts with &");
	if (event_tag(&r->event))
		reader_complain(r,
				"tags (!name) are not supported; quote a value that starts with !");
}

bool reader_next(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = false;
	if (r->error)
		return false;
	if (!yaml_parser_parse(&r->yaml, &r->event)) {
		complain_yaml(r);
		return false;
	}
	r->has_event = true;
	check_event(r);
	return !r->error;
}

static bool is_start(const yaml_event_t *e)
{
	return e->type == YAML_SEQUENCE_START_EVENT || e->type == YAML_MAPPING_START_EVENT;
}

static bool is_end(const yaml_event_t *e)
{
	return e->type == YAML_SEQUENCE_END_EVENT || e->type == YAML_MAPPING_END_EVENT;
}

/* Passes over the rest of the node whose first event is the current one. */
static void skip(struct reader *r)
{
	unsigned int nesting = is_start(&r->event) ? 1 : 0;

	while (nesting && reader_next(r)) {
		if (is_start(&r->event))
			nesting++;
		else if (is_end(&r->event))
			nesting--;
	}
}

const char *reader_scalar(const struct reader *r)
{
	return (const char *)r->event.data.scalar.value;
}

bool reader_scalar_is_plain(const struct reader *r)
{
	return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool reader_is_empty(const struct reader *r)
{
	return r->event.type == YAML_SCALAR_EVENT && reader_scalar_is_plain(r) &&
	       !*reader_scalar(r);
}

bool reader_want_scalar(struct reader *r, const char *wants, const char *allowed)
{
	bool empty = reader_is_empty(r);
	char text[224];

	snprintf(text, sizeof(text), "%smust be %s", empty ? "has no value; " : "", wants);
	if (r->event.type == YAML_ALIAS_EVENT)
		return false;
	if (r->event.type != YAML_SCALAR_EVENT || empty) {
		reader_complain_at(r, r->event.start_mark, NULL, allowed, text);
		skip(r);
		return false;
	}
	if (strlen(reader_scalar(r)) != r->event.data.scalar.length) {
		reader_complain(r, "holds a NUL character");
		return false;
	}
	if (r->event.data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
	    r->event.data.scalar.style == YAML_FOLDED_SCALAR_STYLE) {
		reader_complain(
			r, "block scalars (| and >) are not supported; quote a value that starts "
			   "with one of them");
		return false;
	}
	return true;
}

bool reader_want_start(struct reader *r, yaml_event_type_t type, const char *message)
{
	if (r->event.type == type)
		return true;
	if (r->event.type != YAML_ALIAS_EVENT && !reader_is_empty(r)) {
		reader_complain(r, message);
		skip(r);
	}
	return false;
}

static void list_keys(const char *const *names, char *ret, size_t size)
{
	size_t len = 0;

	*ret = '\0';
	for (size_t i = 0; names[i] && len < size; i++)
		len += (size_t)snprintf(ret + len, size - len, "%s%s", i ? ", " : "", names[i]);
}

static void complain_unknown(struct reader *r, const struct mapping *m)
{
	const char *nearest = text_nearest(reader_scalar(r), m->names);
	char allowed[512], text[128] = "unknown key";

	list_keys(m->names, allowed, sizeof(allowed));
	if (nearest)
		snprintf(text, sizeof(text), "unknown key; did you mean \"%s\"?", nearest);
	reader_complain_at(r, r->event.start_mark, NULL, allowed, text);
}

/* A key that means nothing, or whose value shall not count. */
static void refuse_key(struct reader *r, const struct mapping *m, unsigned int first_line)
{
	char text[64];

	if (first_line) {
		snprintf(text, sizeof(text), "given twice, first in line %u", first_line);
		reader_complain(r, text);
	} else {
		complain_unknown(r, m);
	}
	if (reader_next(r))
		skip(r);
}

/* The current event is a key. */
static void read_pair(struct reader *r, const struct mapping *m, struct config_place *places,
		      void *ctx)
{
	size_t len;
	int key;

	if (r->event.type != YAML_SCALAR_EVENT) {
		if (r->event.type != YAML_ALIAS_EVENT)
			reader_complain(r, "a key must be a word");
		skip(r);
		if (reader_next(r))
			skip(r);
		return;
	}
	key = strlen(reader_scalar(r)) == r->event.data.scalar.length ? m->find(reader_scalar(r)) :
									-1;
	len = reader_push(r, reader_scalar(r));
	if (key < 0 || places[key].line) {
		refuse_key(r, m, key < 0 ? 0 : places[key].line);
	} else {
		places[key] = r->key = reader_place(r, r->event.start_mark);
		if (reader_next(r))
			m->read(r, key, ctx);
	}
	reader_pop(r, len);
}

void reader_mapping(struct reader *r, const struct mapping *m, struct config_place *places,
		    void *ctx)
{
	if (!reader_want_start(r, YAML_MAPPING_START_EVENT, "must be a mapping, KEY: VALUE"))
		return;
	while (reader_next(r) && r->event.type != YAML_MAPPING_END_EVENT)
		read_pair(r, m, places, ctx);
}

/* libyaml's message on a tab in an indentation names no tab. */
static void check_tabs(struct reader *r, size_t len)
{
	const char *text = r->text, *end = text + len;
	yaml_mark_t mark = {0};

	for (; text < end; mark.line++) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t indent = 0, tab = SIZE_MAX;

		eol = eol ? eol : end;
		for (; text + indent < eol && (text[indent] == ' ' || text[indent] == '\t');
		     indent++) {
			if (text[indent] == '\t' && tab == SIZE_MAX)
				tab = indent;
		}
		if (tab != SIZE_MAX && text + indent < eol && text[indent] != '#') {
			mark.column = tab;
			reader_complain_at(r, mark, NULL, NULL,
					   "a tab in the indentation; use spaces");
			r->error = r->error ? r->error : -EINVAL;
		}
		text = eol + 1;
	}
}

int reader_open(struct reader *r, const char *text, size_t len, struct config *config,
		struct config_errors *errors)
{
	if (len >= BOM_SIZE && memcmp(text, BOM, BOM_SIZE) == 0) {
		text += BOM_SIZE;
		len -= BOM_SIZE;
	}
	*r = (struct reader){
		.text = text,
		.end = text + len,
		.config = config,
		.errors = errors,
		.file = (unsigned int)config->nr_files - 1,
	};
	if (!yaml_parser_initialize(&r->yaml)) {
		r->error = -ENOMEM;
		return r->error;
	}
	yaml_parser_set_encoding(&r->yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->yaml, (const unsigned char *)text, len);
	check_tabs(r, len);
	return r->error;
}

void reader_close(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	yaml_parser_delete(&r->yaml);
}
