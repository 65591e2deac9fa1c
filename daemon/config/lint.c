// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules that do nothing: what they match cannot be, or is taken by an earlier rule. */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <linux/kvm_lpage.h>
#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#include "daemon/config/errors.h"
#include "daemon/config/value.h"

struct lint {
	const struct config *config;
	struct config_errors *errors;
	size_t rule;
	int error; /* -ENOMEM */
};

/* @place, key and @value: of a term of the rule, or of the rule itself with NULL. */
static void __attribute__((format(printf, 5, 6)))
warn(struct lint *l, const struct config_place *place, const char *key, const char *value,
     const char *format, ...)
{
	char path[64], text[256];
	const struct config_complaint complaint = {
		.path = l->config->files[place->file],
		.line = place->line,
		.column = place->column,
		.key = path,
		.value = value,
	};
	va_list ap;

	snprintf(path, sizeof(path), key ? "rules[%zu].match.%s" : "rules[%zu]", l->rule, key);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (config_errors_add(l->errors, &complaint, "%s", text) < 0)
		l->error = -ENOMEM;
}

/* ---- globs that match nothing ---- */

/* The end of the class, such as "[:digit:]", at @p; @p itself for a "[" that begins none. */
static const char *class_end(const char *p)
{
	const char end[] = {p[1], ']', '\0'};
	const char *at = p[1] && strchr(":.=", p[1]) ? strstr(p + 2, end) : NULL;

	return at ? at + 1 : p;
}

/* The end of the set "[...]" at @p, NULL for one that is not closed. */
static const char *set_end(const char *p)
{
	p++;
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p; p++) {
		if (*p == ']')
			return p;
		if (*p == '[')
			p = class_end(p);
		else if (*p == '\\' && p[1])
			p++;
	}
	return NULL;
}

static const char *unclosed(const char *glob)
{
	for (const char *p = glob; *p; p++) {
		if (*p == '\\') {
			if (!*++p)
				return "ends in a backslash that quotes nothing";
		} else if (*p == '[') {
			p = set_end(p);
			if (!p)
				return "has a [ without a ], and would match the [ itself";
		}
	}
	return NULL;
}

/* What the texts are made of that a glob is compared with. */
static bool is_slice_char(char c)
{
	return c != '/';
}

static bool is_path_char(char c)
{
	(void)c;
	return true;
}

/* What a glob can match: of closed sets, without a backslash at its end. */
struct glob_facts {
	size_t least;	 /* the length of the shortest text */
	char other;	 /* the first literal that no text has, or NUL */
	const char *set; /* the first set without a character that a text has, or NULL */
	int set_len;
};

static bool set_has(const char *set, size_t len, bool (*is_char)(char c))
{
	char glob[CONFIG_GLOB_MAX + 1];

	snprintf(glob, sizeof(glob), "%.*s", (int)len, set);
	for (int c = 1; c <= UCHAR_MAX; c++) {
		const char text[] = {(char)c, '\0'};

		if (is_char((char)c) && fnmatch(glob, text, 0) == 0)
			return true;
	}
	return false;
}

static struct glob_facts look_at(const char *glob, bool (*is_char)(char c))
{
	struct glob_facts facts = {.least = 0};

	for (const char *p = glob; *p; p++) {
		const char *start = p;

		if (*p == '*')
			continue;
		facts.least++;
		if (*p == '[') {
			p = set_end(p);
			if (!facts.set && !set_has(start, (size_t)(p + 1 - start), is_char)) {
				facts.set = start;
				facts.set_len = (int)(p + 1 - start);
			}
			continue;
		}
		if (*p == '\\')
			p++;
		if ((*p != '?' || p != start) && !facts.other && !is_char(*p))
			facts.other = *p;
	}
	return facts;
}

static void lint_set(struct lint *l, const char *key, const struct config_term *term,
		     const struct glob_facts *facts, const char *what)
{
	warn(l, &term->place, key, term->text, "matches nothing: %.*s has no character of a %s",
	     facts->set_len > 64 ? 64 : facts->set_len, facts->set, what);
}

/* Names are made of these characters (daemon/core/vm_names.h), so others match nothing. */
static void lint_name(struct lint *l, const char *key, const struct config_term *term)
{
	const struct glob_facts facts = look_at(term->text, text_is_name_char);

	if (facts.other && (unsigned char)facts.other < 0x80)
		warn(l, &term->place, key, term->text,
		     "matches nothing: a name has _ in place of \"%c\"", facts.other);
	else if (facts.other)
		warn(l, &term->place, key, term->text,
		     "matches nothing: a name has _ in place of each byte that is not ASCII");
	else if (facts.set)
		lint_set(l, key, term, &facts, "name");
	else if (facts.least > KVM_LPAGE_NAME_MAX)
		warn(l, &term->place, key, term->text,
		     "matches nothing: a name has at most %d characters, and a longer one is cut",
		     KVM_LPAGE_NAME_MAX);
}

/* Can @glob match something that ends in ".slice"? Only its literal end is looked at. */
static bool may_end_in(const char *glob, const char *suffix)
{
	size_t nr = strlen(glob), want = strlen(suffix);

	while (nr && want) {
		char c = glob[--nr];

		if (c == '*' || c == ']')
			return true;
		want--;
		if (c != '?' && c != suffix[want])
			return false;
	}
	return want == 0;
}

static void lint_slice(struct lint *l, const char *key, const struct config_term *term)
{
	const struct glob_facts facts = look_at(term->text, is_slice_char);

	if (!may_end_in(term->text, ".slice"))
		warn(l, &term->place, key, term->text,
		     "matches nothing: the name of a slice ends in .slice");
	else if (facts.other)
		warn(l, &term->place, key, term->text,
		     "matches nothing: the name of a slice has no /");
	else if (facts.set)
		lint_set(l, key, term, &facts, "slice's name");
}

static void lint_path(struct lint *l, const char *key, const struct config_term *term)
{
	const struct glob_facts facts = look_at(term->text, is_path_char);

	if (!strchr("/*?[", *term->text))
		warn(l, &term->place, key, term->text, "matches nothing: a path begins with /");
	else if (facts.set)
		lint_set(l, key, term, &facts, "path");
}

static void lint_glob(struct lint *l, const char *key, const struct config_term *term)
{
	const char *why = unclosed(term->text);

	if (why)
		warn(l, &term->place, key, term->text, "%s", why);
	else if (strcmp(key, "slice") == 0)
		lint_slice(l, key, term);
	else if (strcmp(key, "cgroup") == 0)
		lint_path(l, key, term);
	else
		lint_name(l, key, term);
}

static void lint_memory(struct lint *l, const char *key, const struct config_term *term)
{
	if ((term->compare == CONFIG_LT && term->value <= 1) ||
	    (term->compare == CONFIG_LE && term->value == 0) ||
	    (term->compare == CONFIG_EQ && term->value == 0))
		warn(l, &term->place, key, term->text,
		     "matches nothing: a VM without memory is not decided on");
}

static void lint_term(struct lint *l, const struct config_match_key *key,
		      const struct config_term *term)
{
	if (key->type == CONFIG_MATCH_GLOB)
		lint_glob(l, key->name, term);
	else if (key->type == CONFIG_MATCH_SIZE_COMPARE)
		lint_memory(l, key->name, term);
}

/* ---- shadowed rules ---- */

/* The least and the greatest size that a comparison is true for. */
static void interval(const struct config_term *term, uint64_t *ret_low, uint64_t *ret_high)
{
	*ret_low = 0;
	*ret_high = UINT64_MAX;
	if (term->compare == CONFIG_EQ || term->compare == CONFIG_GE)
		*ret_low = term->value;
	if (term->compare == CONFIG_GT)
		*ret_low = term->value + 1;
	if (term->compare == CONFIG_EQ || term->compare == CONFIG_LE)
		*ret_high = term->value;
	if (term->compare == CONFIG_LT)
		*ret_high = term->value - 1;
}

static bool glob_covers(const char *a, const char *b)
{
	if (strcmp(a, b) == 0)
		return true;
	/* A "*" of @a takes any text, wildcards of @b included; nothing else does. */
	if (!strpbrk(b, "*?[\\"))
		return fnmatch(a, b, 0) == 0;
	return !strpbrk(a, "?[\\") && fnmatch(a, b, 0) == 0;
}

/* Does @a match whatever @b matches? false where in doubt. */
static bool term_covers(enum config_match_type type, const struct config_term *a,
			const struct config_term *b)
{
	uint64_t low[2], high[2];

	if (type == CONFIG_MATCH_GLOB)
		return glob_covers(a->text, b->text);
	if (type == CONFIG_MATCH_UUID)
		return strcasecmp(a->text, b->text) == 0;
	if (type != CONFIG_MATCH_SIZE_COMPARE)
		return a->value == b->value;
	interval(a, &low[0], &high[0]);
	interval(b, &low[1], &high[1]);
	return low[0] <= low[1] && high[0] >= high[1];
}

static bool terms_cover(enum config_match_type type, const struct config_terms *a,
			const struct config_terms *b)
{
	for (size_t i = 0; i < b->nr; i++) {
		bool covered = false;

		for (size_t j = 0; j < a->nr && !covered; j++)
			covered = term_covers(type, &a->terms[j], &b->terms[i]);
		if (!covered)
			return false;
	}
	return b->nr || !a->nr;
}

static bool match_covers(const struct config_match *a, const struct config_match *b)
{
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);

	for (size_t i = 0; i < nr; i++) {
		const struct config_terms *terms = config_match_terms(a, &keys[i]);

		if (terms->nr && !terms_cover(keys[i].type, terms, config_match_terms(b, &keys[i])))
			return false;
	}
	return true;
}

/* A rule passed over for what is unknown lets the later one match; that is no plan. */
static void lint_shadow(struct lint *l)
{
	const struct config_rule *rule = &l->config->rules[l->rule];

	for (size_t i = 0; i < l->rule; i++) {
		const struct config_rule *earlier = &l->config->rules[i];

		if (!match_covers(&earlier->match, &rule->match))
			continue;
		warn(l, &rule->place, NULL, rule->name,
		     "never reached: rule \"%s\" (%s:%u) matches every VM that it matches",
		     earlier->name, l->config->files[earlier->place.file], earlier->place.line);
		return;
	}
}

static void lint_rule(struct lint *l)
{
	size_t nr;
	const struct config_match_key *keys = config_match_keys(&nr);

	for (size_t i = 0; i < nr; i++) {
		const struct config_terms *terms =
			config_match_terms(&l->config->rules[l->rule].match, &keys[i]);

		for (size_t j = 0; j < terms->nr; j++)
			lint_term(l, &keys[i], &terms->terms[j]);
	}
	lint_shadow(l);
}

int config_lint(const struct config *config, struct config_errors *ret)
{
	struct lint l = {.config = config, .errors = ret};

	*ret = (struct config_errors){.path = strdup(config->path)};
	if (!ret->path)
		return -ENOMEM;
	for (; l.rule < config->nr_rules && l.error == 0; l.rule++)
		lint_rule(&l);
	return l.error;
}
