// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/replay/tune_search.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/value.h"

#define WORDS_MAX  16
#define PASSES_MAX 4
#define BETTER	   1e-4 /* minimum relative gain of a step */
#define PRUNE	   1e-3 /* a key with less relative gain is reverted */

/* A completed run. */
struct run {
	struct config_settings settings;
	unsigned int level;
	double cost;
};

struct search {
	const struct tune_options *options;
	struct run *runs;
	unsigned int nr_runs;
	double base_cost;
	double best_cost;
	bool cut;
	int error;
};

struct point {
	struct config_settings settings;
	double cost;
};

/* ---- values ---- */

static size_t size_of(enum config_type type)
{
	static const size_t sizes[] = {
#define X(name, ctype) [CONFIG_TYPE_##name] = sizeof(ctype),
		CONFIG_TYPES(X)
#undef X
	};

	return sizes[type];
}

void *tune_field(struct config_settings *settings, const struct config_key *key)
{
	return (char *)settings + key->offset;
}

bool tune_same(const struct config_settings *a, const struct config_settings *b,
	       const struct config_key *key)
{
	char left[CONFIG_TEXT_MAX], right[CONFIG_TEXT_MAX];

	config_value_format(key->type, (const char *)a + key->offset, left);
	config_value_format(key->type, (const char *)b + key->offset, right);
	return strcmp(left, right) == 0;
}

void tune_copy(struct config_settings *to, const struct config_settings *from,
	       const struct config_key *key)
{
	memcpy(tune_field(to, key), (const char *)from + key->offset, size_of(key->type));
}

static bool same(const struct config_settings *a, const struct config_settings *b)
{
	for (size_t i = 0; i < config_setting_keys.nr; i++) {
		if (!tune_same(a, b, &config_setting_keys.keys[i]))
			return false;
	}
	return true;
}

/* Sets @key to the nth value of its list. Returns false behind the end. */
static bool set_word(struct config_settings *settings, const struct config_key *key, unsigned int n)
{
	const char *p = key->tune;
	char word[CONFIG_TEXT_MAX];

	for (; n > 0 && *p; n--) {
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	if (!*p)
		return false;
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(p, " "), p);
	return config_value_parse(key, word, true, tune_field(settings, key)) == 0;
}

static const struct config_key *find_key(const char *name)
{
	for (size_t i = 0; i < config_setting_keys.nr; i++) {
		if (strcmp(config_setting_keys.keys[i].name, name) == 0)
			return &config_setting_keys.keys[i];
	}
	return NULL;
}

/* ---- runs ---- */

static double gain(const struct search *s)
{
	return s->base_cost > 0 ? 1 - s->best_cost / s->base_cost : 0;
}

/* What @settings cost at @level; infinity when no run is left. */
static double cost_of(struct search *s, const struct config_settings *settings, unsigned int level)
{
	const struct tune_options *options = s->options;
	struct run *run;

	for (unsigned int i = 0; i < s->nr_runs; i++) {
		if (s->runs[i].level == level && same(&s->runs[i].settings, settings))
			return s->runs[i].cost;
	}
	if (s->nr_runs == options->max_runs ||
	    (options->go_on && s->nr_runs && !options->go_on(options->ctx, s->nr_runs, gain(s))))
		s->cut = true;
	if (s->cut || s->error)
		return INFINITY;
	run = &s->runs[s->nr_runs];
	*run = (struct run){.settings = *settings, .level = level};
	s->error = options->cost(options->ctx, settings, level, &run->cost);
	if (s->error)
		return INFINITY;
	s->nr_runs++;
	if (level + 1 == options->nr_levels && run->cost < s->best_cost)
		s->best_cost = run->cost;
	return run->cost;
}

/* ---- starting points ---- */

static void add_point(struct point *points, unsigned int *nr,
		      const struct config_settings *settings)
{
	for (unsigned int i = 0; i < *nr; i++) {
		if (same(&points[i].settings, settings))
			return;
	}
	if (*nr < TUNE_POINTS_MAX)
		points[(*nr)++].settings = *settings;
}

/* The base comes first. */
static unsigned int make_points(const struct config_settings *base, struct point *points)
{
	const struct config_key *policy = find_key("policy"), *quiet = find_key("quiet-time");
	struct config_settings settings = *base;
	unsigned int nr = 0;

	add_point(points, &nr, base);
	for (unsigned int p = 0; set_word(&settings, policy, p); p++) {
		add_point(points, &nr, &settings);
		if (settings.policy != CONFIG_POLICY_THRESHOLD)
			continue;
		for (unsigned int q = 0; set_word(&settings, quiet, q); q++)
			add_point(points, &nr, &settings);
		tune_copy(&settings, base, quiet);
	}
	return nr;
}

static int by_cost(const void *a, const void *b)
{
	double x = ((const struct point *)a)->cost, y = ((const struct point *)b)->cost;

	return x < y ? -1 : x > y;
}

/* Keeps the best points, sorted by cost at the last level. Returns their number. */
static unsigned int halve(struct search *s, struct point *points, unsigned int nr)
{
	for (unsigned int level = 0; level < s->options->nr_levels; level++) {
		for (unsigned int i = 0; i < nr; i++)
			points[i].cost = cost_of(s, &points[i].settings, level);
		/* Stable insertion sort, so that ties are resolved alike everywhere. */
		for (unsigned int i = 1; i < nr; i++) {
			struct point point = points[i];
			unsigned int k = i;

			for (; k > 0 && by_cost(&point, &points[k - 1]) < 0; k--)
				points[k] = points[k - 1];
			points[k] = point;
		}
		if (level + 1 < s->options->nr_levels)
			nr = nr > 4 ? (nr + 1) / 2 : nr;
	}
	return nr;
}

/* ---- one key after the other ---- */

static bool take_if_better(struct search *s, struct point *point,
			   const struct config_settings *settings)
{
	double cost = cost_of(s, settings, s->options->nr_levels - 1);

	if (!(cost < point->cost * (1 - BETTER)))
		return false;
	*point = (struct point){*settings, cost};
	return true;
}

/* Rounds to two significant digits. */
static uint64_t rounded(double ns)
{
	double unit = ns > 0 ? pow(10, floor(log10(ns)) - 1) : 1;

	return (uint64_t)(floor(ns / unit + 0.5) * unit);
}

/* Tries a duration between the point's and each of its neighbours in the list. */
static bool refine(struct search *s, struct point *point, const struct config_key *key)
{
	struct config_settings settings = point->settings;
	uint64_t at, below = 0, above = 0, value;
	bool better = false;

	memcpy(&at, tune_field(&settings, key), sizeof(at));
	for (unsigned int i = 0; set_word(&settings, key, i); i++) {
		memcpy(&value, tune_field(&settings, key), sizeof(value));
		if (value < at && value > below)
			below = value;
		if (value > at && (!above || value < above))
			above = value;
	}
	for (int i = 0; i < 2; i++) {
		uint64_t other = i ? above : below;

		if (!at || !other)
			continue;
		value = rounded(sqrt((double)at * (double)other));
		memcpy(tune_field(&settings, key), &value, sizeof(value));
		better |= take_if_better(s, point, &settings);
	}
	return better;
}

static bool move_key(struct search *s, struct point *point, const struct config_key *key)
{
	struct config_settings settings = point->settings;
	bool better = false;

	for (unsigned int i = 0; set_word(&settings, key, i); i++)
		better |= take_if_better(s, point, &settings);
	if (key->type == CONFIG_TYPE_DURATION)
		better |= refine(s, point, key);
	return better;
}

static void descend(struct search *s, struct point *point)
{
	bool better = true;

	for (int pass = 0; pass < PASSES_MAX && better && !s->cut; pass++) {
		better = false;
		for (size_t i = 0; i < config_setting_keys.nr; i++) {
			if (config_setting_keys.keys[i].tune)
				better |= move_key(s, point, &config_setting_keys.keys[i]);
		}
	}
}

/* Reverts keys without gain. */
static void prune(struct search *s, struct point *point)
{
	for (size_t i = 0; i < config_setting_keys.nr; i++) {
		const struct config_key *key = &config_setting_keys.keys[i];
		struct config_settings settings = point->settings;
		double cost;

		if (!key->tune || tune_same(&settings, &s->options->base, key))
			continue;
		tune_copy(&settings, &s->options->base, key);
		cost = cost_of(s, &settings, s->options->nr_levels - 1);
		if (cost <= point->cost + PRUNE * s->base_cost)
			*point = (struct point){settings, cost};
	}
}

static void search(struct search *s, struct point *best)
{
	static const unsigned int BEGIN_FROM = 2;
	struct point points[TUNE_POINTS_MAX];
	unsigned int nr = make_points(&s->options->base, points);

	nr = halve(s, points, nr);
	for (unsigned int i = 0; i < nr && i < BEGIN_FROM; i++) {
		if (points[i].cost == INFINITY)
			continue;
		descend(s, &points[i]);
		if (points[i].cost < best->cost)
			*best = points[i];
	}
	prune(s, best);
}

int tune_search(const struct tune_options *options, struct tune_result *ret)
{
	struct search s = {.options = options, .best_cost = INFINITY};
	struct point best = {.settings = options->base};

	s.runs = calloc(options->max_runs ? options->max_runs : 1, sizeof(*s.runs));
	if (!s.runs)
		return -ENOMEM;
	/* The base is always run, whatever the budget. */
	best.cost = cost_of(&s, &options->base, options->nr_levels - 1);
	s.base_cost = best.cost;
	if (!s.cut && !s.error)
		search(&s, &best);
	*ret = (struct tune_result){
		.best = best.settings,
		.base_cost = s.base_cost,
		.best_cost = best.cost,
		.runs = s.nr_runs,
		.cut = s.cut,
	};
	free(s.runs);
	return s.error;
}
