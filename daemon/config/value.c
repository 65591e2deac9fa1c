// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/tables.h"
#include "daemon/config/value.h"

bool config_has_leading_zero(const char *text)
{
	char before = '\0';

	for (; *text; before = *text++) {
		if (text[0] == '0' && text[1] >= '0' && text[1] <= '9' && before != '.' &&
		    !(before >= '0' && before <= '9'))
			return true;
	}
	return false;
}

/* Reads digits; at most 15, so that any unit's factor can be applied without overflow checks. */
static int parse_digits(const char **text, uint64_t *ret, unsigned int *ret_nr)
{
	const char *p = *text;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (p - *text == 15)
			return -ERANGE;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if (p == *text)
		return -EINVAL;
	*ret_nr = (unsigned int)(p - *text);
	*ret = n;
	*text = p;
	return 0;
}

/* Reads "12", "1.5ms": a decimal number and one of @units, exactly representable. */
static int parse_number(const char *text, const struct config_unit *units, uint64_t *ret)
{
	uint64_t whole, fraction = 0, scale = 1;
	unsigned __int128 value;
	unsigned int nr;
	int r;

	/* 010 is eight to some. */
	if (config_has_leading_zero(text))
		return -EINVAL;
	r = parse_digits(&text, &whole, &nr);
	if (r < 0)
		return r;
	if (*text == '.') {
		text++;
		r = parse_digits(&text, &fraction, &nr);
		if (r < 0)
			return r;
		while (nr--)
			scale *= 10;
	}
	for (; units->name; units++) {
		if (strcmp(text, units->name) == 0)
			break;
	}
	if (!units->name)
		return -EINVAL;
	value = (unsigned __int128)fraction * units->factor;
	if (value % scale)
		return -EINVAL;
	value = value / scale + (unsigned __int128)whole * units->factor;
	if (value > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

static int parse_name(const char *text, const struct config_name *names, uint64_t *ret)
{
	for (; names->name; names++) {
		if (strcmp(text, names->name) == 0) {
			*ret = names->value;
			return 0;
		}
	}
	return -EINVAL;
}

static bool is_off(const char *text)
{
	uint64_t value;

	return parse_name(text, config_bool_names, &value) == 0 && value == 0;
}

/* "3/60s" */
static int parse_count_per(const char *text, struct config_count_per *ret)
{
	const char *slash = strchr(text, '/');
	char count[16];
	uint64_t n;
	int r;

	*ret = (struct config_count_per){0};
	if (is_off(text))
		return 0;
	if (!slash || (size_t)(slash - text) >= sizeof(count))
		return -EINVAL;
	memcpy(count, text, (size_t)(slash - text));
	count[slash - text] = '\0';
	r = parse_number(count, config_no_units, &n);
	if (r < 0)
		return r;
	if (n == 0 || n > UINT32_MAX)
		return -ERANGE;
	ret->count = (uint32_t)n;
	return parse_number(slash + 1, config_duration_units, &ret->ns);
}

static int parse_port(const char *text)
{
	uint64_t port;
	int r = parse_number(text, config_no_units, &port);

	if (r < 0)
		return r;
	return port >= 1 && port <= 65535 ? 0 : -ERANGE;
}

static int parse_listen(const char *text, struct config_listen *ret)
{
	const char *colon = strrchr(text, ':');
	unsigned char address[sizeof(struct in6_addr)];
	char host[sizeof(ret->text)];
	int family = AF_INET;
	size_t len;

	*ret = (struct config_listen){0};
	if (is_off(text))
		return 0;
	if (!colon || strlen(text) >= sizeof(ret->text))
		return -EINVAL;
	len = (size_t)(colon - text);
	if (text[0] == '[' && len > 2 && text[len - 1] == ']') {
		family = AF_INET6;
		text++;
		len -= 2;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(family, host, address) != 1)
		return -EINVAL;
	snprintf(ret->text, sizeof(ret->text), family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		 colon + 1);
	return parse_port(colon + 1);
}

/* A value of any type that is one number or one of some names. */
static int parse_scalar(enum config_type type, const char *text, uint64_t *ret)
{
	switch (type) {
	case CONFIG_TYPE_BOOL:
		return parse_name(text, config_bool_names, ret);
	case CONFIG_TYPE_MODE:
		return parse_name(text, config_mode_names, ret);
	case CONFIG_TYPE_POLICY:
		return parse_name(text, config_policy_names, ret);
	case CONFIG_TYPE_LOG_LEVEL:
		return parse_name(text, config_log_level_names, ret);
	case CONFIG_TYPE_COUNT:
		return parse_number(text, config_no_units, ret);
	case CONFIG_TYPE_RATE:
		return parse_number(text, config_rate_units, ret);
	case CONFIG_TYPE_PERCENT:
		return parse_number(text, config_percent_units, ret);
	case CONFIG_TYPE_OPT_PERCENT:
		if (is_off(text)) {
			*ret = 0;
			return 0;
		}
		return parse_number(text, config_percent_units, ret);
	case CONFIG_TYPE_COST:
		return parse_number(text, config_cost_units, ret);
	case CONFIG_TYPE_OPT_DURATION:
		if (is_off(text)) {
			*ret = 0;
			return 0;
		}
		/* fall through */
	case CONFIG_TYPE_DURATION:
		return parse_number(text, config_duration_units, ret);
	default:
		return -EINVAL;
	}
}

static int in_range(const struct config_key *key, const char *text, uint64_t value)
{
	uint64_t min, max;

	bool may_be_off = key->type == CONFIG_TYPE_OPT_DURATION ||
			  key->type == CONFIG_TYPE_OPT_PERCENT;

	if (!key->min || (may_be_off && is_off(text)))
		return 0;
	if (parse_scalar(key->type, key->min, &min) < 0 ||
	    parse_scalar(key->type, key->max, &max) < 0)
		return -EINVAL;
	return value >= min && value <= max ? 0 : -ERANGE;
}

static int count_per_in_range(const struct config_key *key, const struct config_count_per *value)
{
	struct config_count_per min, max;

	if (value->count == 0)
		return 0;
	if (parse_count_per(key->min, &min) < 0 || parse_count_per(key->max, &max) < 0)
		return -EINVAL;
	if (value->count < min.count || value->count > max.count)
		return -ERANGE;
	return value->ns >= min.ns && value->ns <= max.ns ? 0 : -ERANGE;
}

/* The field's C type follows from the key's type (CONFIG_TYPES). */
static void store(enum config_type type, uint64_t value, void *ret)
{
	switch (type) {
	case CONFIG_TYPE_BOOL:
		*(bool *)ret = value;
		break;
	case CONFIG_TYPE_MODE:
		*(enum config_mode *)ret = (enum config_mode)value;
		break;
	case CONFIG_TYPE_POLICY:
		*(enum config_policy *)ret = (enum config_policy)value;
		break;
	case CONFIG_TYPE_LOG_LEVEL:
		*(enum config_log_level *)ret = (enum config_log_level)value;
		break;
	case CONFIG_TYPE_COUNT:
	case CONFIG_TYPE_RATE:
	case CONFIG_TYPE_PERCENT:
	case CONFIG_TYPE_OPT_PERCENT:
		*(uint32_t *)ret = (uint32_t)value;
		break;
	default:
		*(uint64_t *)ret = value;
	}
}

static bool wants_plain(enum config_type type)
{
	return type != CONFIG_TYPE_LISTEN;
}

static int parse_count_per_value(const struct config_key *key, const char *text, void *ret)
{
	struct config_count_per value;
	int r = parse_count_per(text, &value);

	if (r == 0)
		r = count_per_in_range(key, &value);
	if (r == 0)
		*(struct config_count_per *)ret = value;
	return r;
}

int config_value_parse(const struct config_key *key, const char *text, bool plain, void *ret)
{
	struct config_listen listen;
	uint64_t value;
	int r;

	if (!plain && wants_plain(key->type))
		return -EINVAL;
	if (key->type == CONFIG_TYPE_COUNT_PER)
		return parse_count_per_value(key, text, ret);
	if (key->type == CONFIG_TYPE_LISTEN) {
		r = parse_listen(text, &listen);
		if (r == 0)
			*(struct config_listen *)ret = listen;
		return r;
	}
	r = parse_scalar(key->type, text, &value);
	if (r == 0)
		r = in_range(key, text, value);
	if (r == 0)
		store(key->type, value, ret);
	return r;
}

static int parse_compare(const char *text, struct config_term *term)
{
	static const struct config_name operators[] = {
		{"<=", CONFIG_LE}, {">=", CONFIG_GE}, {"==", CONFIG_EQ}, {"<", CONFIG_LT},
		{">", CONFIG_GT},  {"=", CONFIG_EQ},  {NULL, 0},
	};
	const struct config_name *op = operators;

	while (op->name && strncmp(text, op->name, strlen(op->name)) != 0)
		op++;
	if (!op->name)
		return -EINVAL;
	term->compare = (enum config_compare)op->value;
	text += strlen(op->name);
	return parse_number(text + strspn(text, " "), config_size_units, &term->value);
}

/* Quotes that became part of a pattern are a well-known way to have a rule that never matches. */
static int check_glob(const char *text)
{
	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '"' || *p == '\'')
			return -EINVAL;
	}
	return strlen(text) <= CONFIG_GLOB_MAX ? 0 : -ERANGE;
}

static int parse_uid(const char *text, uint64_t *ret)
{
	int r = parse_number(text, config_no_units, ret);

	/* The last one means "no change" to chown() and is nobody's. */
	return r == 0 && *ret >= UINT32_MAX ? -ERANGE : r;
}

static int check_uuid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(text) != strlen(form))
		return -EINVAL;
	for (size_t i = 0; form[i]; i++) {
		if (form[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return -EINVAL;
	}
	return 0;
}

int config_term_parse(enum config_match_type type, const char *text, bool plain,
		      struct config_term *ret)
{
	struct config_term term = {0};
	int r = -EINVAL;

	switch (type) {
	case CONFIG_MATCH_GLOB:
		r = check_glob(text);
		break;
	case CONFIG_MATCH_UID:
		r = plain ? parse_uid(text, &term.value) : -EINVAL;
		break;
	case CONFIG_MATCH_SIZE_COMPARE:
		r = parse_compare(text, &term);
		break;
	case CONFIG_MATCH_VM_TYPE:
		r = parse_name(text, config_vm_type_names, &term.value);
		break;
	case CONFIG_MATCH_UUID:
		r = check_uuid(text);
		break;
	}
	if (r < 0)
		return r;
	term.text = strdup(text);
	if (!term.text)
		return -ENOMEM;
	*ret = term;
	return 0;
}

void config_set_defaults(const struct config_keys *keys, void *base)
{
	for (size_t i = 0; i < keys->nr; i++) {
		const struct config_key *key = &keys->keys[i];
		int r = config_value_parse(key, key->def, true, (char *)base + key->offset);

		assert(r == 0); /* the table is wrong; tests/unit/test_config_value.c */
		(void)r;
	}
}

int config_policy_from_name(const char *name, enum config_policy *ret)
{
	uint64_t value;
	int r = parse_name(name, config_policy_names, &value);

	if (r == 0)
		*ret = (enum config_policy)value;
	return r;
}
