/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict reader of YAML: libyaml's events one by one, complaints with their place, and mappings
 * whose keys come from a list. The current event is always the first of the node to be read.
 */
#ifndef TDX_LPAGE_CONFIG_READER_H
#define TDX_LPAGE_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "daemon/config/config.h"

#define KEY_PATH_MAX 256
#define KEYS_MAX     64 /* of one mapping */

struct reader {
	yaml_parser_t yaml;
	yaml_event_t event; /* current one */
	bool has_event;
	unsigned int depth;
	const char *text;
	const char *end;
	unsigned int file;	 /* index into config->files */
	char path[KEY_PATH_MAX]; /* of the value being read */
	struct config_place key; /* where its key stands */
	struct config *config;
	struct config_errors *errors;
	int error; /* once set, nothing more is read: -EINVAL, -ENOMEM */
};

/* One mapping's keys: how they are found by name and what reads their values. */
struct mapping {
	int (*find)(const char *name); /* index below KEYS_MAX, or -1 */
	void (*read)(struct reader *r, int key, void *ctx);
	const char *const *names; /* for complaints; NULL-terminated */
};

/*
 * Reads the text of the last of @config's files. Returns 0 or r->error; reader_close() is due in
 * either case. The arguments are borrowed.
 */
int reader_open(struct reader *r, const char *text, size_t len, struct config *config,
		struct config_errors *errors);
void reader_close(struct reader *r);

/* Reads the next event into r->event. Returns false once nothing more can be read. */
bool reader_next(struct reader *r);

/* Complaints about r->path; @value and @allowed may be NULL. The last one ends the reading. */
void reader_complain_at(struct reader *r, yaml_mark_t mark, const char *value, const char *allowed,
			const char *message);
void reader_complain(struct reader *r, const char *message);
void reader_complain_fatal(struct reader *r, const char *message);

/* Appends to r->path; the result goes to reader_pop(). */
size_t reader_push(struct reader *r, const char *name);
size_t reader_push_index(struct reader *r, size_t index);
void reader_pop(struct reader *r, size_t len);

/* Is there nothing at all after the colon, as if a section were not there? */
bool reader_is_empty(const struct reader *r);

/* The place of a mark in the text that is read. */
struct config_place reader_place(const struct reader *r, yaml_mark_t mark);

/* Is the current event a value on one line? Else complains and passes over it. */
bool reader_want_scalar(struct reader *r, const char *wants, const char *allowed);
const char *reader_scalar(const struct reader *r);
bool reader_scalar_is_plain(const struct reader *r);

/* Does a collection of @type begin here? Else complains, unless there is nothing, and passes. */
bool reader_want_start(struct reader *r, yaml_event_type_t type, const char *message);

/* Reads a mapping. @places: KEYS_MAX zeroes, which become the places of the keys. */
void reader_mapping(struct reader *r, const struct mapping *m, struct config_place *places,
		    void *ctx);

#endif
