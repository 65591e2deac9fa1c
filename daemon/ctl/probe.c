// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * probe: a call takes at most PROBE_REGIONS regions and one window; more regions are probed in
 * consecutive windows.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#define INT	      JSON_INTEGER_FORMAT
#define PROBE_REGIONS 64

/* The request, and its results so far. */
struct probe {
	uint64_t window_us;
	json_t *ranges;
	json_int_t nr_regions;
	json_t *sum; /* the first reply, with the later ones added */
};

/* The regions to probe when no range is given. */
static int listed_ranges(struct ctl *ctl, json_t *ranges)
{
	json_t *params =
		       json_pack("{s:s, s:[s, s]}", "vm", ctl->args[0], "states", "large", "table"),
	       *regions, *region;
	json_int_t vm;
	size_t i;
	int r = ctl_list_regions(ctl, params, ULONG_MAX, &vm, &regions);

	if (r != CTL_OK)
		return r;
	json_array_foreach(regions, i, region)
		ctl_add_range(ranges, (uint64_t)get_int(region, "rfn"), 1);
	json_decref(regions);
	if (!json_array_size(ranges))
		return ctl_failure(ctl, "no region of VM %s is known to be mapped; specify a RANGE",
				   ctl->args[0]);
	return CTL_OK;
}

static json_int_t count_regions(const json_t *ranges)
{
	json_int_t nr = 0;
	json_t *range;
	size_t i;

	json_array_foreach(ranges, i, range)
		nr += get_int(range, "nr_regions");
	return nr;
}

/* Takes the regions of the next window off the list and joins adjacent ones. */
static json_t *cut(json_t *ranges)
{
	uint64_t left = PROBE_REGIONS, start, end = UINT64_MAX;
	json_t *part = json_array(), *first, *last = NULL;

	while (left && (first = json_array_get(ranges, 0))) {
		uint64_t nr = (uint64_t)get_int(first, "nr_regions");
		uint64_t take = nr < left ? nr : left;

		start = (uint64_t)get_int(first, "start_rfn");
		if (start == end)
			json_object_set_new(
				last, "nr_regions",
				json_integer(get_int(last, "nr_regions") + (json_int_t)take));
		else
			last = ctl_add_range(part, start, take);
		end = start + take;
		left -= take;
		json_object_set_new(first, "start_rfn", json_integer((json_int_t)end));
		json_object_set_new(first, "nr_regions", json_integer((json_int_t)(nr - take)));
		if (take == nr)
			json_array_remove(ranges, 0);
	}
	return part;
}

/* Adds the numbers of @part to those of @sum. */
static void add_numbers(json_t *sum, const json_t *part, const char *const *names)
{
	for (; *names; names++)
		json_object_set_new(sum, *names,
				    json_integer(get_int(sum, *names) + get_int(part, *names)));
}

/* Takes the reference to @reply. */
static void add_reply(struct probe *probe, json_t *reply)
{
	static const char *const counts[] = {"touched", "untouched", "unknown", NULL};
	static const char *const costs[] = {"count",	"regions",    "merged", "kicked",
					    "fixed_us", "regions_us", NULL};
	json_t *sum, *part = json_object_get(reply, "batches");

	if (!probe->sum) {
		probe->sum = reply;
		return;
	}
	add_numbers(probe->sum, reply, counts);
	json_array_extend(json_object_get(probe->sum, "regions"),
			  json_object_get(reply, "regions"));
	sum = json_object_get(probe->sum, "batches");
	add_numbers(sum, part, costs);
	if (get_int(part, "stall_max_us") > get_int(sum, "stall_max_us"))
		json_object_set(sum, "stall_max_us", json_object_get(part, "stall_max_us"));
	json_decref(reply);
}

/* A progress line on a terminal, cleared at the end. */
static void show_progress(struct ctl *ctl, const struct probe *probe, json_int_t done)
{
	json_t *us = json_integer((json_int_t)probe->window_us);
	json_int_t windows = (probe->nr_regions + PROBE_REGIONS - 1) / PROBE_REGIONS;
	char window[FORMAT_MAX];

	if (!ctl->json && isatty(fileno(ctl->err))) {
		fputs("\r\033[K", ctl->err);
		if (done < probe->nr_regions)
			fprintf(ctl->err, "probing: window %" INT " of %" INT ", %s each ...",
				done / PROBE_REGIONS + 1, windows, format_us(us, window));
		fflush(ctl->err);
	}
	json_decref(us);
}

static int run_windows(struct ctl *ctl, struct probe *probe)
{
	int r = CTL_OK, timeout_ms = ctl->timeout_ms;
	json_int_t done = 0;

	/* The reply comes at the end of the window. */
	ctl->timeout_ms += (int)(probe->window_us / 1000);
	while (r == CTL_OK && json_array_size(probe->ranges)) {
		json_t *part = cut(probe->ranges), *reply;
		json_int_t nr = count_regions(part);

		show_progress(ctl, probe, done);
		r = ctl_call(ctl, "Probe",
			     json_pack("{s:s, s:o, s:I}", "vm", ctl->args[0], "ranges", part,
				       "window_us", (json_int_t)probe->window_us),
			     &reply);
		if (r == CTL_OK)
			add_reply(probe, reply);
		done += nr;
	}
	show_progress(ctl, probe, probe->nr_regions);
	ctl->timeout_ms = timeout_ms;
	return r;
}

static bool wanted(const struct ctl *ctl, const json_t *region)
{
	bool touched = get_bool(region, "touched");

	if (ctl_option(ctl, "--hot"))
		return touched;
	if (ctl_option(ctl, "--cold"))
		return !touched && strcmp(get_text(region, "reason"), "none") == 0;
	return true;
}

static void filter(const struct ctl *ctl, json_t *regions)
{
	for (size_t i = json_array_size(regions); i > 0; i--) {
		if (!wanted(ctl, json_array_get(regions, i - 1)))
			json_array_remove(regions, i - 1);
	}
}

static void print_regions(struct ctl *ctl, const json_t *regions)
{
	static const char *const heads[] = {"GPA", "<TOUCHED", "5FIRST-TOUCH", "<REASON", NULL};
	struct table *table = table_new(heads);
	char ago[FORMAT_MAX], word[TEXT_NAME_MAX];
	json_t *region;
	size_t i;

	json_array_foreach(regions, i, region) {
		const json_t *us = json_object_get(region, "first_touch_age_us");
		bool none = strcmp(get_text(region, "reason"), "none") == 0;

		table_add(table, "0x%" PRIx64, (uint64_t)get_int(region, "gpa"));
		table_add(table, "%s", get_bool(region, "touched") ? "yes" : none ? "no" : "?");
		table_add(table, "%s%s", format_us(us, ago), json_is_integer(us) ? " ago" : "");
		table_add(table, "%s", none ? "-" : text_kebab(get_text(region, "reason"), word));
	}
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

static void print_probe(struct ctl *ctl, const json_t *sum)
{
	const json_t *regions = json_object_get(sum, "regions");
	const json_t *batches = json_object_get(sum, "batches");
	char window[FORMAT_MAX], stall[FORMAT_MAX];

	if (json_array_size(regions))
		print_regions(ctl, regions);
	fprintf(ctl->out,
		"%" INT " region%s touched within %s, %" INT " not, %" INT
		" unknown; longest stall %s\n",
		get_int(sum, "touched"), plural(get_int(sum, "touched")),
		format_us(json_object_get(sum, "window_us"), window), get_int(sum, "untouched"),
		get_int(sum, "unknown"),
		format_us(json_object_get(batches, "stall_max_us"), stall));
}

static int finish(struct ctl *ctl, json_t *sum)
{
	bool any = get_int(sum, "touched") || get_int(sum, "untouched");
	int r = CTL_OK;

	filter(ctl, json_object_get(sum, "regions"));
	if (ctl->json) {
		r = ctl_print_json(ctl, sum);
	} else {
		print_probe(ctl, sum);
		json_decref(sum);
	}
	return any ? r : CTL_FAILED;
}

int verb_probe(struct ctl *ctl)
{
	struct probe probe = {.window_us = US_PER_S};
	int r;

	if (ctl_option(ctl, "--hot") && ctl_option(ctl, "--cold"))
		return ctl_usage_error(ctl, "--hot and --cold are mutually exclusive");
	r = ctl_duration(ctl, "--window", "10us", "10s", &probe.window_us);
	if (r != CTL_OK)
		return r;
	probe.ranges = json_array();
	r = ctl->nr_args > 1 ? ctl_parse_ranges(ctl, probe.ranges) :
			       listed_ranges(ctl, probe.ranges);
	probe.nr_regions = count_regions(probe.ranges);
	if (r == CTL_OK)
		r = run_windows(ctl, &probe);
	json_decref(probe.ranges);
	if (r != CTL_OK) {
		json_decref(probe.sum);
		return r;
	}
	return finish(ctl, probe.sum);
}
