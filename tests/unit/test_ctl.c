// SPDX-License-Identifier: GPL-2.0-or-later
/* What tdx-lpctl asks, shows and returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/ctl/ctl.h"
#include "tests/lib/ctl_host.h"

static const struct {
	const char *name;
	const char *line;
} goldens[] = {
	{"status", ""},
	{"status.json", "-o json status --fresh"},
	{"vm-list", "vm list"},
	{"vm-list.json", "vm list -o json"},
	{"vm-show", "vm show web-1"},
	{"vm-show-unreadable", "vm show 7"},
	{"vm-show.json", "-o json vm show db"},
	{"vm-show-none", "vm show nobody"},
	{"region-list", "region list web-1"},
	{"region-list.json",
	 "region list web-1 --state table,mixed --range 0-1G --limit 1 -o json"},
	{"region-list-none", "region list 1 --range 1G"},
	{"region-list-state", "region list 1 --state tabel"},
	{"region-list-range", "region list 1 --range 1G-1G"},
	{"region-list-limit", "region list 1 --limit 0"},
	{"region-map", "region map web-1"},
	{"region-map-range", "region map web-1 --range 0-64M --width 8 --height 1"},
	{"region-map.json", "region map web-1 --range 0+32M -o json --width 8 --height 1"},
	{"region-map-age", "region map web-1 --by age --width 16"},
	{"region-map-reason", "region map web-1 --by reason --range 0-64M"},
	{"region-map-by.json",
	 "region map web-1 --by reason --range 0+32M -o json --width 8 --height 1"},
	{"region-map-histogram", "region map web-1 --histogram"},
	{"region-map-histogram-age", "region map web-1 --histogram --by age"},
	{"region-map-by", "region map web-1 --by colour"},
	{"region-map-width", "region map web-1 --width 7"},
	{"words-too-many", "help status help"},
	{"words-not-text", "vm show w\xff"},
	{"words-control", "vm sh\033[31mow"},
	{"words-owner", "hold web-1 --owner a/b"},
	{"top", "top"},
	{"top.json-no", "top -o json"},
	{"explain", "explain web-1 0x1fffff"},
	{"explain-vm", "explain web-1"},
	{"explain-vm.json", "explain web-1 -o json"},
	{"explain.json", "explain web-1 0x1fffff -o json"},
	{"explain-outside", "explain web-1 16G"},
	{"explain-not-a-number", "explain web-1 12X"},
	{"plan", "plan"},
	{"plan-vm", "plan web-1 --coverage 98.53%"},
	{"plan-vm-beyond", "plan web-1 --coverage 100%"},
	{"plan-vm.json", "-o json plan web-1"},
	{"plan.json", "plan --coverage 99% -o json"},
	{"plan-coverage", "plan --coverage 101%"},
	{"merge", "merge web-1 2G-3G 4G+2M 0"},
	{"merge.json", "-o json merge web-1 2M"},
	{"merge-unaligned", "merge web-1 3M-5M"},
	{"hold", "hold web-1 0 --for 5m"},
	{"hold-too-long", "hold web-1 0 --for 2h"},
	{"hold-vm", "hold web-1 --for 30s --owner libvirt"},
	{"hold-vm.json", "-o json hold db"},
	{"hold-owner-of-range", "hold web-1 0 --owner libvirt"},
	{"release-vm", "release web-1 --owner libvirt"},
	{"release-vm.json", "-o json release web-1 --all"},
	{"release-all-of-one", "release web-1 --all --owner libvirt"},
	{"release-all-of-range", "release web-1 0 --all"},
	{"probe", "probe web-1 0-12M 2G"},
	{"probe.json", "probe web-1 0-4M --window 250ms -o json"},
	{"probe-hot", "probe web-1 0-12M --hot"},
	{"probe-cold.json", "-o json probe web-1 0-12M --cold"},
	{"probe-listed", "probe web-1"},
	{"probe-windows", "probe web-1 0-256M --hot --window 10us"},
	{"probe-both", "probe web-1 0 --hot --cold"},
	{"probe-window", "probe web-1 0 --window 11s"},
	{"probe-unaligned", "probe web-1 1M"},
	{"pause", "pause"},
	{"pause.json", "pause db -o json"},
	{"dry-run", "dry-run maybe"},
	{"reload", "reload"},
	{"reload.json", "reload -o json"},
	{"config-show", "config show"},
	{"config-show.json", "config show -o json"},
	{"config-show-effective", "config show --effective"},
	{"config-show-effective.json", "config show --effective -o json"},
	{"wait", "wait --coverage 97%"},
	{"wait.json", "-o json wait web-1 --coverage 98.5%"},
	{"wait-timeout", "wait --coverage 99% --timeout 0s"},
	{"wait-bad", "wait --coverage 101%"},
	{"wait-absent", "wait nobody --timeout 0s"},
	{"verb-half", "vm"},
	{"verb-short", "v l"},
	{"verb-ambiguous", "re"},
	{"verb-second", "config chekc"},
	{"verb-unknown", "frobnicate"},
	{"verb-near", "stauts"},
	{"verb-near-two", "vmlist"},
	{"help-group", "vm --help"},
	{"help-group-verb", "help region"},
	{"output-joined", "-ojson pause"},
	{"help", "help"},
	{"help-hold", "help hold"},
	{"help-probe", "help probe"},
	{"help-region-list", "region list --help"},
};

static void output_matches_the_golden_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		struct ctl_host *host = ctl_host_new();

		ctl_host_start(host);
		ctl_host_compare(host, goldens[i].name, ctl_host_run(host, goldens[i].line));
		ctl_host_free(host);
	}
}

/* Every line of JSON output is one object with the schema's version. */
static void json_output_is_one_object(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		struct ctl_host *host;
		json_t *json;

		const char *dot = strchr(goldens[i].name, '.');

		if (!dot || strcmp(dot, ".json") != 0)
			continue;
		host = ctl_host_new();
		ctl_host_start(host);
		assert_int_equal(ctl_host_run(host, goldens[i].line), 0);
		json = json_loads(host->out, 0, NULL);
		assert_true(json_is_object(json));
		assert_int_equal(json_integer_value(json_object_get(json, "schema")), CTL_SCHEMA);
		json_decref(json);
		ctl_host_free(host);
	}
}

/* More than the daemon gives out in one part; a range keeps its end in every part. */
static void long_lists_are_fetched_completely(void **state)
{
	struct ctl_host *host = ctl_host_new();
	json_t *json, *regions;

	(void)state;
	host->fake.nr_generated = 5000;
	ctl_host_start(host);
	assert_int_equal(ctl_host_run(host, "-o json region list 1 --range 2M+4004M"), 0);
	json = json_loads(host->out, 0, NULL);
	regions = json_object_get(json, "regions");
	assert_int_equal(json_array_size(regions), 2002);
	for (size_t i = 0; i < 2002; i++)
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(regions, i), "rfn")),
			i + 1);
	json_decref(json);
	assert_int_equal(ctl_host_run(host, "-o json region list 1 --limit 1500"), 0);
	json = json_loads(host->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "regions")), 1500);
	json_decref(json);
	ctl_host_free(host);
}

static void status_shows_the_problems_of_a_host(void **state)
{
	struct ctl_host *host = ctl_host_new();
	struct lp_status *s = &host->fake.status;

	(void)state;
	s->degraded = true;
	strcpy(s->degraded_why, "the kernel has no kvm-lpage family");
	strcpy(s->config_error, "/etc/tdx-lpage.yaml:3:1: unknown key");
	s->paused = true;
	s->pause_left_ns = 1790 * NS_PER_S;
	s->dry_run = true;
	s->nr_vms = 0;
	s->coverage_ppm = UINT64_MAX;
	host->fake.nr_vms = 0;
	host->fake.config->missing = true;
	ctl_host_start(host);
	ctl_host_compare(host, "status-degraded", ctl_host_run(host, "status"));
	ctl_host_compare(host, "vm-list-degraded", ctl_host_run(host, "vm list"));
	assert_int_equal(ctl_host_run(host, "plan"), CTL_OK);
	assert_non_null(strstr(host->out, "the list of VMs is not known"));
	ctl_host_compare(host, "vm-list-empty.json", ctl_host_run(host, "vm list -o json"));
	ctl_host_compare(host, "wait-degraded", ctl_host_run(host, "wait --timeout 0s"));
	ctl_host_free(host);
	host = ctl_host_new();
	host->fake.status.nr_vms = 0;
	host->fake.status.coverage_ppm = UINT64_MAX;
	ctl_host_start(host);
	ctl_host_compare(host, "wait-no-vm", ctl_host_run(host, "wait"));
	ctl_host_free(host);
}

static void status_and_doctor_say_that_the_host_is_short_of_something(void **state)
{
	struct ctl_host *host = ctl_host_new();

	(void)state;
	host->fake.status.pressure = LPAGE_REASON_MEMORY_PRESSURE;
	host->fake.status.memory_pressure_ppm = 343200;
	host->fake.status.free_huge_blocks = 1;
	ctl_host_start(host);
	ctl_host_compare(host, "status-pressure", ctl_host_run(host, "status"));
	ctl_host_run(host, "doctor");
	assert_non_null(strstr(host->out,
			       "no merges are begun: tasks waited for memory for 34.32% of "
			       "the last 10s\n         -> free memory, or raise "
			       "memory-pressure-limit\n"));
	ctl_host_free(host);
}

static void status_compares_the_shadow(void **state)
{
	struct ctl_host *host = ctl_host_new();

	(void)state;
	ctl_host_start(host);
	ctl_host_compare(host, "status-no-shadow", ctl_host_run(host, "status --shadow"));
	ctl_host_free(host);
	host = ctl_host_new();
	host->fake.shadow = (struct lp_shadow_snapshot){
		.settings = "policy threshold, quiet-time 10s",
		.age_ns = 7500 * NS_PER_S,
		.nr_vms = 2,
		.active = host->fake.status.ledger,
		.shadow = {.merges = 350,
			   .refusals = 4,
			   .splits = 40,
			   .spent_ns = 10548000,
			   .split_ns = 1800000,
			   .walk_saved_ns = 98123000000,
			   .regrets = 1,
			   .regret_ns = 31000},
		.assumed = 321,
		.disproved = 4,
		.active_bytes = 411648,
		.shadow_bytes = 409600,
	};
	ctl_host_start(host);
	ctl_host_compare(host, "status-shadow", ctl_host_run(host, "status --shadow"));
	ctl_host_compare(host, "status-shadow.json", ctl_host_run(host, "-o json status --shadow"));
	ctl_host_free(host);
}

static void send_later(evutil_socket_t fd, short what, void *ctx)
{
	struct ctl_host *host = ctx;
	const struct lp_watch_event events[] = {
		{.kind = LP_WATCH_VM,
		 .now_ns = 12345678901,
		 .vm_id = 7,
		 .vm_name = "db",
		 .text = host->event_text},
		{.kind = LP_WATCH_LOSS, .now_ns = 12345679000, .text = "events were lost"},
	};

	(void)fd;
	(void)what;
	for (size_t i = 0; i < 2; i++)
		fake_core_event(&host->fake, &events[i]);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	static const char *const lines[] = {"status", "vm list", "vm show 1", "watch --limit 1"};
	const struct timeval soon = {.tv_usec = 1000};
	struct ctl_host *host = ctl_host_new();
	struct event *timer = event_new(host->base, -1, EV_PERSIST, send_later, host);

	(void)state;
	event_add(timer, &soon);
	strcpy(host->fake.vms[0].identity.name, "a\033[31mb\xc2\x9b"
						"1mc");
	strcpy(host->fake.vms[0].identity.command, "qemu\r\x7f");
	host->event_text = "\033]0;title\a";
	ctl_host_start(host);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(ctl_host_run(host, lines[i]), 0);
		for (const char *p = host->out; *p; p++)
			assert_true((unsigned char)*p >= ' ' || *p == '\n');
		assert_null(strpbrk(host->out, "\x7f\x9b"));
	}
	ctl_host_stop(host);
	event_free(timer);
	ctl_host_free(host);
}

static void operations_reach_the_core(void **state)
{
	static const char *const lines[] = {
		"hold web-1 2G-3G --for 1500ms",
		"release 1 2M",
		"split db 0+4M",
		"pause web-1",
		"pause --for 30m",
		"hold db",
		"hold db --owner libvirt --for 2h",
		"release db",
		"release db --all",
		"resume",
		"dry-run on",
		"reload",
	};
	static const char *const calls[] = {
		"op 3 vm 1: 1 ranges, 512 regions from 1024, ttl 1500000000",
		"op 4 vm 1: 1 ranges, 1 regions from 1, ttl 0",
		"op 2 vm 7: 1 ranges, 2 regions from 0, ttl 0",
		"set_paused 1 1",
		"set_paused 0 1 for 1800000000000",
		"hold_vm 7 admin for 60000000000",
		"hold_vm 7 libvirt for 7200000000000",
		"release_vm 7 admin",
		"release_vm 7 (all)",
		"set_paused 0 0",
		"set_dry_run 1",
		"reload",
	};
	struct ctl_host *host = ctl_host_new();

	(void)state;
	ctl_host_start(host);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(ctl_host_run(host, lines[i]), 0);
	ctl_host_stop(host);
	assert_int_equal(host->fake.nr_calls, ARRAY_SIZE(calls));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_string_equal(host->fake.calls[i], calls[i]);
	ctl_host_free(host);
}

static void release_later(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	fake_core_end_hold(&((struct ctl_host *)ctx)->fake, "released");
}

static void an_attached_hold_runs_until_it_ends(void **state)
{
	static const char *const lines[] = {
		"hold db --attached",
		"hold db --attached --for 5m --owner libvirt",
		"hold db --attached -o json",
	};
	static const char *const names[] = {"hold-attached", "hold-attached-for",
					    "hold-attached-json"};
	const struct timeval soon = {.tv_usec = 1000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct ctl_host *host = ctl_host_new();
		struct event *timer = event_new(host->base, -1, EV_PERSIST, release_later, host);

		event_add(timer, &soon);
		ctl_host_start(host);
		ctl_host_compare(host, names[i], ctl_host_run(host, lines[i]));
		ctl_host_stop(host);
		event_free(timer);
		ctl_host_free(host);
	}
}

/* More regions than can be probed at once take more windows, neighbours sharing one. */
static void long_probes_take_several_windows(void **state)
{
	struct ctl_host *host = ctl_host_new();
	json_t *json, *batches;

	(void)state;
	ctl_host_start(host);
	assert_int_equal(
		ctl_host_run(host, "probe web-1 0-250M 250M-254M 1G --window 20us -o json"), 0);
	json = json_loads(host->out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(json, "regions")), 128);
	assert_int_equal(json_integer_value(json_object_get(json, "touched")), 85);
	assert_int_equal(json_integer_value(json_object_get(json, "untouched")), 43);
	batches = json_object_get(json, "batches");
	assert_int_equal(json_integer_value(json_object_get(batches, "count")), 2);
	assert_int_equal(json_integer_value(json_object_get(batches, "regions_us")), 1280);
	assert_int_equal(json_integer_value(json_object_get(batches, "stall_max_us")), 700);
	json_decref(json);
	ctl_host_stop(host);
	assert_int_equal(host->fake.nr_calls, 2);
	assert_string_equal(host->fake.calls[0],
			    "op 5 vm 1: 1 ranges, 64 regions from 0, ttl 20000");
	assert_string_equal(host->fake.calls[1],
			    "op 5 vm 1: 2 ranges, 64 regions from 64, ttl 20000");
	ctl_host_free(host);
}

static void refusals_and_errors_set_the_exit_code(void **state)
{
	struct ctl_host *host = ctl_host_new();

	(void)state;
	strcpy(host->fake.vms[1].identity.name, "web-1");
	host->fake.refuse_reason = LPAGE_REASON_HELD;
	ctl_host_start(host);
	ctl_host_compare(host, "merge-refused", ctl_host_run(host, "merge 1 0-4M 1G"));
	ctl_host_compare(host, "probe-refused", ctl_host_run(host, "probe 1 0-4M 1G"));
	ctl_host_compare(host, "pause-ambiguous", ctl_host_run(host, "pause web-1"));
	ctl_host_free(host);

	host = ctl_host_new();
	strcpy(host->fake.vms[1].identity.name, "1");
	ctl_host_start(host);
	ctl_host_compare(host, "pause-id-or-name", ctl_host_run(host, "pause 1"));
	ctl_host_free(host);

	host = ctl_host_new();
	host->fake.result = -EINVAL;
	host->fake.reload_text = "/etc/tdx-lpage.yaml:2:1: globals: unknown key\n"
				 "/etc/tdx-lpage.yaml:9:3: rules[0].batch: \"65\": out of range\n";
	ctl_host_start(host);
	ctl_host_compare(host, "reload-bad", ctl_host_run(host, "reload"));
	ctl_host_free(host);

	host = ctl_host_new();
	host->fake.result = -EPERM;
	ctl_host_start(host);
	ctl_host_compare(host, "merge-dry-run", ctl_host_run(host, "merge 1 0"));
	ctl_host_free(host);
}

static void usage_errors_exit_with_2(void **state)
{
	static const char *const lines[] = {
		"frobnicate",
		"vm",
		"vm frob",
		"status extra",
		"vm show",
		"vm show a b",
		"--frob",
		"-o",
		"-o xml",
		"status --limit 3",
		"vm show --state x",
		"hold",
		"hold 1 --for 169h",
		"hold 1 0 --attached",
		"pause --for 500ms",
		"release 1 --all --owner x",
		"hold 1 0 --for",
		"status --fresh=1",
		"help frob",
		"region list 1 --range x",
	};
	struct ctl_host *host = ctl_host_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int code = ctl_host_run(host, lines[i]);

		if (code != CTL_USAGE)
			print_error("for: %s\n", lines[i]);
		assert_int_equal(code, CTL_USAGE);
		assert_int_equal(strncmp(host->err, "tdx-lpctl: ", 11), 0);
		assert_non_null(strstr(host->err, "\nTry: tdx-lpctl "));
		assert_string_equal(host->out, "");
	}
	ctl_host_free(host);
}

static void wait_waits_for_a_vm_that_does_not_exist_yet(void **state)
{
	struct ctl_host *host = ctl_host_new();

	(void)state;
	host->fake.nr_late = host->fake.nr_vms;
	host->fake.nr_vms = 0;
	host->fake.nr_absent = 2;
	ctl_host_start(host);
	assert_int_equal(ctl_host_run(host, "wait web-1 --coverage 98%"), CTL_OK);
	assert_string_equal(host->out, "coverage is 98.52%\n");
	assert_int_equal(host->fake.nr_absent, 0);
	ctl_host_free(host);
}

static void watch_prints_a_line_per_event(void **state)
{
	static const char *const lines[] = {"watch --limit 2", "watch --limit 2 -o json"};
	static const char *const names[] = {"watch", "watch.json"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct timeval soon = {.tv_usec = 1000};
		struct ctl_host *host = ctl_host_new();
		struct event *timer = event_new(host->base, -1, EV_PERSIST, send_later, host);

		event_add(timer, &soon); /* until somebody watches, nothing is sent */
		ctl_host_start(host);
		ctl_host_compare(host, names[i], ctl_host_run(host, lines[i]));
		ctl_host_stop(host);
		event_free(timer);
		ctl_host_free(host);
	}
}

/* A daemon that never answers does not make wait outlast its time. */
static void wait_keeps_its_timeout(void **state)
{
	struct ctl_host *host = ctl_host_new();

	(void)state;
	host->fake.answer_at_once = false;
	ctl_host_start(host);
	ctl_host_compare(host, "wait-no-answer", ctl_host_run(host, "wait --timeout 0s"));
	ctl_host_free(host);
}

static void config_check_needs_no_daemon(void **state)
{
	struct ctl_host *host = ctl_host_new();
	char path[64], line[128];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/c.yaml", host->dir);
	f = fopen(path, "w");
	fputs("version: 1\ndefaults: {batch: 65}\nrules: 1\n", f);
	fclose(f);
	snprintf(line, sizeof(line), "config check %s", path);
	ctl_host_compare(host, "config-check-bad", ctl_host_run(host, line));
	snprintf(line, sizeof(line), "-o json config check %s", path);
	ctl_host_compare(host, "config-check-bad.json", ctl_host_run(host, line));
	f = fopen(path, "w");
	fputs("version: 1\nrules: [{name: a}]\n", f);
	fclose(f);
	snprintf(line, sizeof(line), "config check %s", path);
	ctl_host_compare(host, "config-check", ctl_host_run(host, line));
	f = fopen(path, "w");
	fputs("version: 1\nrules: [{name: a, match: {vm-name: w w}}]\n", f);
	fclose(f);
	ctl_host_compare(host, "config-check-warns", ctl_host_run(host, line));
	assert_int_equal(unlink(path), 0);
	ctl_host_compare(host, "config-check-none", ctl_host_run(host, line));
	ctl_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_matches_the_golden_files),
		cmocka_unit_test(json_output_is_one_object),
		cmocka_unit_test(long_lists_are_fetched_completely),
		cmocka_unit_test(status_shows_the_problems_of_a_host),
		cmocka_unit_test(status_and_doctor_say_that_the_host_is_short_of_something),
		cmocka_unit_test(status_compares_the_shadow),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(operations_reach_the_core),
		cmocka_unit_test(an_attached_hold_runs_until_it_ends),
		cmocka_unit_test(long_probes_take_several_windows),
		cmocka_unit_test(refusals_and_errors_set_the_exit_code),
		cmocka_unit_test(usage_errors_exit_with_2),
		cmocka_unit_test(wait_waits_for_a_vm_that_does_not_exist_yet),
		cmocka_unit_test(watch_prints_a_line_per_event),
		cmocka_unit_test(wait_keeps_its_timeout),
		cmocka_unit_test(config_check_needs_no_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
