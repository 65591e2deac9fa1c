// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/ctl/call.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#define INT JSON_INTEGER_FORMAT

/* When the event arrived, which is when it happened: the journal's time, to compare with it. */
static void print_time(const struct ctl *ctl)
{
	struct timespec now = {.tv_sec = (time_t)(ctl->env.wall_us / US_PER_S),
			       .tv_nsec = (long)(ctl->env.wall_us % US_PER_S * NS_PER_US)};
	struct tm local;
	char text[32];

	if (!ctl->env.wall_us)
		clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(text, sizeof(text), "%F %T", &local);
	fprintf(ctl->out, "%s.%03ld ", text, now.tv_nsec / 1000000);
}

static void print_event(struct ctl *ctl, const json_t *event)
{
	const json_t *vm = json_object_get(event, "vm"), *name = json_object_get(event, "name");
	char word[TEXT_NAME_MAX];

	print_time(ctl);
	if (json_is_integer(vm))
		fprintf(ctl->out, "VM %" INT " ", json_integer_value(vm));
	if (json_is_string(name))
		fprintf(ctl->out, "%s ", json_string_value(name));
	fprintf(ctl->out, "%s: %s\n", text_kebab(get_text(event, "kind"), word),
		get_text(event, "text"));
}

static int show_event(struct ctl *ctl, json_t *reply)
{
	json_t *event = json_object_get(reply, "event");
	int r = ctl_check_reply(ctl, "Watch", reply);

	if (r == CTL_OK && ctl->json)
		r = ctl_print_json(ctl, json_incref(event));
	else if (r == CTL_OK)
		print_event(ctl, event);
	json_decref(reply);
	return r == CTL_OK ? ctl_flush(ctl) : r;
}

int verb_watch(struct ctl *ctl)
{
	json_t *params = ctl->nr_args ? json_pack("{s:s}", "vm", ctl->args[0]) : json_object();
	unsigned long left = ULONG_MAX;
	json_t *reply;
	int r = ctl_number(ctl, "--limit", 1, 1000000000, &left), error = 0;

	if (r == CTL_OK)
		r = ctl_connect_to_wait(ctl);
	if (r == CTL_OK)
		error = ctl_client_send(ctl->client, "Watch", params, true);
	json_decref(params);
	if (error < 0)
		r = ctl_lost(ctl, error);
	while (r == CTL_OK && left--) {
		r = ctl_receive(ctl, -1, &reply);
		if (r == CTL_OK)
			r = show_event(ctl, reply);
	}
	return r;
}

/* ---- wait ---- */

struct goal {
	double percent;
	uint64_t timeout_us; /* UINT64_MAX: none */
};

static int parse_goal(struct ctl *ctl, struct goal *goal)
{
	uint32_t ppm = 950000;
	int r = ctl_percent(ctl, "--coverage", &ppm);

	if (r != CTL_OK)
		return r;
	goal->percent = (double)ppm / 10000;
	goal->timeout_us = UINT64_MAX;
	return ctl_duration(ctl, "--timeout", "0s", "24h", &goal->timeout_us);
}

/* What was found out last. */
struct progress {
	double percent; /* negative while nothing is mapped, or nothing is known */
	char why[192];	/* why nothing is known, "" when something is */
};

/* While the daemon cannot reach the kernel there is no figure; it may yet come. */
static int ask_degraded(struct ctl *ctl, struct progress *progress)
{
	json_t *reply, *host;
	int r = ctl_call(ctl, "Status", NULL, &reply);

	if (r != CTL_OK)
		return r;
	host = json_object_get(reply, "host");
	progress->why[0] = '\0';
	if (get_bool(host, "degraded"))
		snprintf(progress->why, sizeof(progress->why), "%s",
			 get_text(host, "degraded_why"));
	json_decref(reply);
	return CTL_OK;
}

/* It may yet start, or start again. */
static int set_absent(const struct ctl *ctl, struct progress *progress)
{
	snprintf(progress->why, sizeof(progress->why), "no VM has the id or name \"%.64s\"",
		 ctl->args[0]);
	return CTL_OK;
}

static int ask_coverage(struct ctl *ctl, struct progress *progress)
{
	json_t *params, *reply, *object, *percent;
	bool vm = ctl->nr_args > 0;
	int r = ask_degraded(ctl, progress);

	progress->percent = -1;
	if (r != CTL_OK || *progress->why)
		return r;
	params = json_pack("{s:b}", "fresh", 1);
	if (vm)
		json_object_set_new(params, "vm", json_string(ctl->args[0]));
	ctl->expected_error = "NoSuchVm";
	r = ctl_call(ctl, vm ? "ShowVm" : "Status", params, &reply);
	ctl->expected_error = NULL;
	if (r == CTL_EXPECTED)
		return set_absent(ctl, progress);
	if (r != CTL_OK)
		return r;
	object = json_object_get(reply, vm ? "vm" : "host");
	percent = json_object_get(object, "coverage_percent");
	if (json_is_number(percent))
		progress->percent = json_number_value(percent);
	if (!vm && get_int(object, "vms") == 0)
		progress->percent = 100;
	json_decref(reply);
	return CTL_OK;
}

static uint64_t now_us(void)
{
	return monotonic_ns() / NS_PER_US;
}

static int report_wait(struct ctl *ctl, bool reached, const struct progress *progress)
{
	json_t *value = progress->percent < 0 ? json_null() : json_real(progress->percent);
	char text[FORMAT_MAX];

	if (ctl->json) {
		ctl_print_json(ctl,
			       json_pack("{s:b, s:o, s:s?}", "reached", reached, "coverage_percent",
					 value, "why", *progress->why ? progress->why : NULL));
		return reached ? CTL_OK : CTL_FAILED;
	}
	format_percent(value, text);
	json_decref(value);
	if (reached)
		fprintf(ctl->out, "coverage is %s\n", text);
	else if (*progress->why)
		return ctl_failure(ctl, "timed out: %s", progress->why);
	else
		return ctl_failure(ctl, "timed out: coverage is %s", text);
	return CTL_OK;
}

/* A call may not outlast the wait; a daemon that is busy gets a second more than there is. */
static void bound_call(struct ctl *ctl, uint64_t left_us)
{
	if (left_us / 1000 + 1000 < (uint64_t)ctl->timeout_ms)
		ctl->timeout_ms = (int)(left_us / 1000) + 1000;
}

int verb_wait(struct ctl *ctl)
{
	uint64_t start_us = now_us();
	struct progress progress;
	struct goal goal;
	int r = parse_goal(ctl, &goal);

	while (r == CTL_OK) {
		uint64_t spent_us = now_us() - start_us, pause_us;

		bound_call(ctl, spent_us < goal.timeout_us ? goal.timeout_us - spent_us : 0);
		r = ask_coverage(ctl, &progress);
		if (r != CTL_OK)
			break;
		spent_us = now_us() - start_us;
		if (progress.percent >= goal.percent || spent_us >= goal.timeout_us)
			return report_wait(ctl, progress.percent >= goal.percent, &progress);
		/* Half a second, or what is left. */
		pause_us = goal.timeout_us - spent_us;
		if (pause_us > 500000)
			pause_us = 500000;
		nanosleep(&(struct timespec){.tv_nsec = (long)pause_us * 1000}, NULL);
	}
	return r;
}
