// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/call.h"
#include "daemon/control/fields.h"

/* VMs that a client is told of when their name does not say which one it means. */
#define CANDIDATES_MAX 64

/* "1 to 5" and the like, for complaints. */
static void allowed_text(const struct param *param, char *ret, size_t size)
{
	switch (param->type) {
	case PARAM_STRING:
		snprintf(ret, size, "a string of %" PRId64 " to %" PRId64 " bytes", param->min,
			 param->max);
		break;
	case PARAM_BOOL:
		snprintf(ret, size, "true or false");
		break;
	case PARAM_INT:
		snprintf(ret, size, "%" PRId64 " to %" PRId64, param->min, param->max);
		break;
	case PARAM_RANGES:
		snprintf(ret, size,
			 "1 to %d objects of start_rfn (0 to %" PRId64 ") and nr_regions (at least "
			 "1, all together at most %d)",
			 CONTROL_RANGES_MAX, CONTROL_RFN_MAX - 1, CONTROL_REGIONS_MAX);
		break;
	case PARAM_STATES:
		snprintf(ret, size, "a list of unmapped, large, table, mixed");
		break;
	case PARAM_NAMES:
		snprintf(ret, size, "a list of 1 to %d strings of %" PRId64 " to %" PRId64 " bytes",
			 CONTROL_NAMES_MAX, param->min, param->max);
		break;
	}
}

static bool int_in(const json_t *value, int64_t min, int64_t max)
{
	return json_is_integer(value) && json_integer_value(value) >= min &&
	       json_integer_value(value) <= max;
}

static bool ranges_are_good(const json_t *list)
{
	int64_t start, nr, total = 0;
	size_t i;
	json_t *range;

	if (json_array_size(list) < 1 || json_array_size(list) > CONTROL_RANGES_MAX)
		return false;
	json_array_foreach(list, i, range) {
		const json_t *first = json_object_get(range, "start_rfn");
		const json_t *count = json_object_get(range, "nr_regions");

		if (json_object_size(range) != 2 || !int_in(first, 0, CONTROL_RFN_MAX - 1) ||
		    !int_in(count, 1, CONTROL_REGIONS_MAX))
			return false;
		start = json_integer_value(first);
		nr = json_integer_value(count);
		total += nr;
		if (start + nr > CONTROL_RFN_MAX || total > CONTROL_REGIONS_MAX)
			return false;
	}
	return true;
}

static bool states_are_good(const json_t *list)
{
	size_t i;
	json_t *state;

	if (!json_is_array(list) || json_array_size(list) > 4)
		return false;
	json_array_foreach(list, i, state) {
		if (!json_is_string(state) || lpage_state_from_name(json_string_value(state)) < 0)
			return false;
	}
	return true;
}

static bool names_are_good(const struct param *param, const json_t *list)
{
	size_t i;
	json_t *name;

	if (json_array_size(list) < 1 || json_array_size(list) > CONTROL_NAMES_MAX)
		return false;
	json_array_foreach(list, i, name) {
		if (!json_is_string(name) || json_string_length(name) < (size_t)param->min ||
		    json_string_length(name) > (size_t)param->max)
			return false;
	}
	return true;
}

static bool is_good(const struct param *param, const json_t *value)
{
	switch (param->type) {
	case PARAM_STRING:
		return json_is_string(value) && json_string_length(value) >= (size_t)param->min &&
		       json_string_length(value) <= (size_t)param->max;
	case PARAM_BOOL:
		return json_is_boolean(value);
	case PARAM_INT:
		return int_in(value, param->min, param->max);
	case PARAM_RANGES:
		return ranges_are_good(value);
	case PARAM_STATES:
		return states_are_good(value);
	case PARAM_NAMES:
		return names_are_good(param, value);
	}
	return false;
}

static const struct param *find_param(const struct method *method, const char *name)
{
	for (const struct param *p = method->params; p->name; p++) {
		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

bool control_check_params(struct control_call *call)
{
	char allowed[192];
	const char *name;
	json_t *value;

	json_object_foreach(call->params, name, value) {
		if (!find_param(call->method, name)) {
			control_error(call, "org.varlink.service.InvalidParameter",
				      json_pack("{s:s}", "parameter", name));
			return false;
		}
	}
	for (const struct param *p = call->method->params; p->name; p++) {
		value = json_object_get(call->params, p->name);
		if (json_is_null(value) && !p->required) {
			json_object_del(call->params, p->name);
			continue;
		}
		if (value ? is_good(p, value) : !p->required)
			continue;
		allowed_text(p, allowed, sizeof(allowed));
		control_bad_value(call, p->name, value, allowed);
		return false;
	}
	return true;
}

int64_t control_param_int(const struct control_call *call, const char *name, int64_t otherwise)
{
	const json_t *value = json_object_get(call->params, name);

	return value ? json_integer_value(value) : otherwise;
}

bool control_param_bool(const struct control_call *call, const char *name)
{
	return json_is_true(json_object_get(call->params, name));
}

/* Only digits make an id; 0 is none. */
static uint32_t parse_id(const char *text)
{
	unsigned long long id;

	if (!*text || text[strspn(text, "0123456789")])
		return 0;
	errno = 0;
	id = strtoull(text, NULL, 10);
	return errno || id > UINT32_MAX ? 0 : (uint32_t)id;
}

void control_parse_word(const char *text, struct control_word *ret)
{
	*ret = (struct control_word){.id = parse_id(text), .name = text};
	if (strncmp(text, "id:", 3) == 0)
		*ret = (struct control_word){.id = parse_id(text + 3)};
	else if (strncmp(text, "name:", 5) == 0)
		*ret = (struct control_word){.name = text + 5};
}

/* Enters an id among ascending ones, unless it is there. Returns their number. */
static size_t enter_id(uint32_t *ids, size_t nr, uint32_t id)
{
	size_t at = 0;

	while (at < nr && ids[at] < id)
		at++;
	if (at < nr && ids[at] == id)
		return nr;
	array_open(ids, nr, at, sizeof(*ids));
	ids[at] = id;
	return nr + 1;
}

/* The ids of the VMs that the word may mean, some of them where they are many; in ascending order. */
static json_t *ids_of_word(struct lp_core *core, const struct control_word *word)
{
	uint32_t ids[CANDIDATES_MAX + 1], id;
	size_t nr = word->name ? core->ops->vms_named(core, word->name, ids, CANDIDATES_MAX) : 0;
	json_t *found = json_array();

	if (word->id && core->ops->vm_ids(core, word->id, &id, 1) && id == word->id)
		nr = enter_id(ids, nr, id);
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(found, json_integer(ids[i]));
	return found;
}

bool control_find_vm(struct control_call *call, const char *text, uint32_t *ret)
{
	struct control_word word;
	json_t *ids;

	control_parse_word(text, &word);
	ids = ids_of_word(call->core, &word);
	*ret = (uint32_t)json_integer_value(json_array_get(ids, 0));
	/* The number of a VM that is gone must not become the name of another. */
	if (json_array_size(ids) == 1 && (!word.id || *ret == word.id)) {
		json_decref(ids);
		return true;
	}
	if (!ids) {
		control_failed(call, -ENOMEM, NULL);
	} else if (json_array_size(ids) == 0) {
		json_decref(ids);
		*ret = 0;
		control_error(call, "NoSuchVm", json_pack("{s:s}", "vm", text));
	} else {
		control_error(call, "AmbiguousName",
			      json_pack("{s:s, s:o}", "vm", text, "candidates", ids));
	}
	return false;
}

bool control_param_vm(struct control_call *call, uint32_t *ret)
{
	const char *vm = json_string_value(json_object_get(call->params, "vm"));

	*ret = 0;
	return !vm || control_find_vm(call, vm, ret);
}
