// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <string.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/text.h>

#define INT JSON_INTEGER_FORMAT

static void say_if(struct ctl *ctl, bool condition, const char *word, const char *text)
{
	if (!condition)
		return;
	fprintf(ctl->out, ctl->env.colour ? "\033[1;31m%s\033[0m" : "%s", word);
	fprintf(ctl->out, "%s%s\n", *text ? ": " : "", text);
}

static void print_pause(struct ctl *ctl, const json_t *host)
{
	const json_t *left = json_object_get(host, "pause_left_us");
	char text[64] = "decisions are not carried out", us[FORMAT_MAX];

	if (json_is_integer(left))
		snprintf(text, sizeof(text), "decisions are not carried out for %s more",
			 format_us(left, us));
	say_if(ctl, get_bool(host, "paused"), "PAUSED", text);
}

static bool is_of_memory(const json_t *host)
{
	return !strcmp(get_text(host, "pressure"), "memory_pressure");
}

const char *show_pressure(const json_t *host, char ret[static SHOW_PRESSURE_MAX])
{
	bool memory = is_of_memory(host);
	const char *what = memory ? "memory" : "a CPU";
	json_t *now =
		json_object_get(host, memory ? "memory_pressure_percent" : "cpu_pressure_percent");
	char percent[FORMAT_MAX];

	snprintf(ret, SHOW_PRESSURE_MAX, "tasks waited for %s for %s of the last 10s", what,
		 format_percent(now, percent));
	return ret;
}

const char *show_pressure_remedy(const json_t *host)
{
	return is_of_memory(host) ? "free memory, or raise memory-pressure-limit" :
				    "wait, or raise cpu-pressure-limit";
}

static void print_pressure(struct ctl *ctl, const json_t *host)
{
	char text[SHOW_PRESSURE_MAX];

	if (*get_text(host, "pressure"))
		say_if(ctl, true, is_of_memory(host) ? "MEMORY PRESSURE" : "CPU PRESSURE",
		       show_pressure(host, text));
}

/* Of the host's memory, for guests to come. */
static void print_free_blocks(struct ctl *ctl, const json_t *host)
{
	const json_t *blocks = json_object_get(host, "free_huge_blocks");

	if (json_is_integer(blocks))
		fprintf(ctl->out, "; %" INT " free block%s of 2 MiB", json_integer_value(blocks),
			plural(json_integer_value(blocks)));
}

static void print_host(struct ctl *ctl, const json_t *host)
{
	const json_t *regions = json_object_get(host, "regions");
	char up[FORMAT_MAX], age[FORMAT_MAX], percent[FORMAT_MAX];

	fprintf(ctl->out, "tdx-lpaged %s, link %s, up %s\n", get_text(host, "version"),
		get_text(host, "link"), format_us(json_object_get(host, "uptime_us"), up));
	if (get_bool(host, "config_missing"))
		fprintf(ctl->out, "%s does not exist; using the defaults\n",
			get_text(host, "config_file"));
	else
		fprintf(ctl->out, "%s, %" INT " rule%s, loaded %s ago\n",
			get_text(host, "config_file"), get_int(host, "rules"),
			plural(get_int(host, "rules")),
			format_us(json_object_get(host, "config_age_us"), age));
	say_if(ctl, get_bool(host, "degraded"), "DEGRADED", get_text(host, "degraded_why"));
	say_if(ctl, *get_text(host, "config_error"), "LAST RELOAD FAILED",
	       get_text(host, "config_error"));
	print_pause(ctl, host);
	print_pressure(ctl, host);
	say_if(ctl, get_bool(host, "pid_namespace"), "PID NAMESPACE", SHOW_PID_NAMESPACE);
	say_if(ctl, get_bool(host, "dry_run"), "DRY-RUN", "no requests are sent to the kernel");
	fprintf(ctl->out,
		"coverage %s: %" INT " large, %" INT " table; %" INT " mixed, %" INT
		" unmapped, %" INT " held; %" INT " merges/s",
		format_percent(json_object_get(host, "coverage_percent"), percent),
		get_int(regions, "large"), get_int(regions, "table"), get_int(regions, "mixed"),
		get_int(regions, "unmapped"), get_int(regions, "held"),
		get_int(host, "merges_per_s"));
	print_free_blocks(ctl, host);
	fputc('\n', ctl->out);
}

static void print_losses(struct ctl *ctl, const json_t *host)
{
	const json_t *link = json_object_get(host, "link_stats");
	json_int_t lost = get_int(link, "lost_overrun") + get_int(link, "lost_truncated") +
			  get_int(link, "lost_malformed");
	char age[FORMAT_MAX];

	if (lost)
		fprintf(ctl->out,
			"lost %" INT " kernel event%s; resynchronized %" INT
			" time%s, last %s ago\n",
			lost, plural(lost), get_int(host, "resyncs"),
			plural(get_int(host, "resyncs")),
			format_us(json_object_get(host, "resync_age_us"), age));
}

#define REGRETS_MAX 96

/* "", or the end of a line. */
static const char *format_regrets(const json_t *ledger, char ret[static REGRETS_MAX])
{
	char lost[FORMAT_MAX];

	ret[0] = '\0';
	if (get_int(ledger, "regrets"))
		snprintf(ret, REGRETS_MAX, "; %" INT " of %" INT " merges did not pay and lost %s",
			 get_int(ledger, "regrets"), get_int(ledger, "merges"),
			 format_cost_us(get_int(ledger, "regret_us"), lost));
	return ret;
}

/* What the merges of the daemon are worth. */
static void print_host_ledger(struct ctl *ctl, const json_t *ledger)
{
	json_int_t cost_us = get_int(ledger, "spent_us") + get_int(ledger, "split_us");
	json_int_t saved_us = get_int(ledger, "walk_saved_us");
	char cost[FORMAT_MAX], saved[FORMAT_MAX], net[FORMAT_MAX], regrets[REGRETS_MAX];

	if (cost_us)
		fprintf(ctl->out, "saved %s of page walks (estimated), spent %s: net %s%s\n",
			format_cost_us(saved_us, saved), format_cost_us(cost_us, cost),
			format_cost_us(saved_us - cost_us, net), format_regrets(ledger, regrets));
}

/* One word for the state of a VM; the strongest reason wins. */
const char *show_vm_state(const json_t *host, const json_t *vm, char gate[static TEXT_NAME_MAX])
{
	if (get_bool(host, "degraded"))
		return "degraded";
	if (get_bool(vm, "paused") || get_bool(host, "paused"))
		return "paused";
	if (get_bool(vm, "stale"))
		return "stale";
	if (*get_text(vm, "gate") && strcmp(get_text(vm, "gate"), "none") != 0)
		return text_kebab(get_text(vm, "gate"), gate);
	if (get_bool(vm, "dry_run"))
		return "dry-run";
	if (json_array_size(json_object_get(vm, "incapable")))
		return "incapable";
	return "active";
}

static const char *vm_name(const json_t *vm)
{
	return *get_text(vm, "name") ? get_text(vm, "name") : "-";
}

static void print_vms(struct ctl *ctl, const json_t *host, const json_t *vms)
{
	static const char *const heads[] = {
		"ID",	   "<NAME",	"COVERAGE", "9LARGE",  "9TABLE",
		"6MIXED",  "1UNMAPPED", "2HELD",    "8MERGES", "5REFUSED",
		"4SPLITS", "3<MODE",	"<STATE",   "7AGE",    NULL,
	};
	struct table *table = table_new(heads);
	char text[FORMAT_MAX], gate[TEXT_NAME_MAX], mode[TEXT_NAME_MAX];
	size_t i;
	json_t *vm;

	json_array_foreach(vms, i, vm) {
		const json_t *regions = json_object_get(vm, "regions");

		table_add(table, "%" INT, get_int(vm, "id"));
		table_add(table, "%s", vm_name(vm));
		table_add(table, "%s",
			  format_percent(json_object_get(vm, "coverage_percent"), text));
		table_add(table, "%" INT, get_int(regions, "large"));
		table_add(table, "%" INT, get_int(regions, "table"));
		table_add(table, "%" INT, get_int(regions, "mixed"));
		table_add(table, "%" INT, get_int(regions, "unmapped"));
		table_add(table, "%" INT, get_int(regions, "held"));
		table_add(table, "%" INT, get_int(vm, "merges"));
		table_add(table, "%" INT, get_int(vm, "refusals"));
		table_add(table, "%" INT, get_int(vm, "splits"));
		table_add(table, "%s", text_kebab(get_text(vm, "mode"), mode));
		table_add(table, "%s", show_vm_state(host, vm, gate));
		table_add(table, "%s", format_us(json_object_get(vm, "stats_age_us"), text));
	}
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

/* A rule that could not be matched must not be skipped silently. */
static void print_skipped_rules(struct ctl *ctl, const json_t *vms)
{
	size_t i;
	json_t *vm;

	json_array_foreach(vms, i, vm) {
		if (*get_text(vm, "rule_passed_over"))
			fprintf(ctl->out,
				"VM %" INT
				": rule %s was skipped: what it matches on could not be read\n",
				get_int(vm, "id"), get_text(vm, "rule_passed_over"));
	}
}

const char *show_holds(const json_t *vm, char ret[static SHOW_HOLDS_MAX])
{
	const json_t *holds = json_object_get(vm, "holds");
	size_t len = 0, i;
	json_t *hold;

	ret[0] = '\0';
	json_array_foreach(holds, i, hold) {
		json_t *left = json_object_get(hold, "left_us");
		char us[FORMAT_MAX];

		if (len >= SHOW_HOLDS_MAX)
			break;
		len += (size_t)snprintf(
			ret + len, SHOW_HOLDS_MAX - len, "%s%s (%s%s%s)", i ? ", " : "",
			get_text(hold, "owner"), get_bool(hold, "attached") ? "attached" : "",
			get_bool(hold, "attached") && json_is_integer(left) ? ", " : "",
			json_is_integer(left) ? format_us(left, us) : "");
	}
	return ret;
}

/* What ends by itself. */
static void print_leases(struct ctl *ctl, const json_t *vms)
{
	char holds[SHOW_HOLDS_MAX], us[FORMAT_MAX];
	size_t i;
	json_t *vm;

	json_array_foreach(vms, i, vm) {
		const json_t *left = json_object_get(vm, "pause_left_us");

		if (json_is_integer(left))
			fprintf(ctl->out, "VM %" INT " is paused for %s more\n", get_int(vm, "id"),
				format_us(left, us));
		if (*show_holds(vm, holds))
			fprintf(ctl->out, "VM %" INT " is held by %s\n", get_int(vm, "id"), holds);
	}
}

void show_host(struct ctl *ctl, const json_t *host)
{
	print_host(ctl, host);
	print_host_ledger(ctl, json_object_get(host, "ledger"));
	print_losses(ctl, host);
}

/* Nothing to tell apart: the host's ledger says it all. */
static bool is_one_rule(const json_t *rules)
{
	return json_array_size(rules) < 2;
}

static void add_rule(struct table *table, const json_t *rule)
{
	const json_t *ledger = json_object_get(rule, "ledger");
	json_int_t cost_us = get_int(ledger, "spent_us") + get_int(ledger, "split_us");
	char text[FORMAT_MAX];

	table_add(table, "%s", get_text(rule, "rule"));
	table_add(table, "%" INT, get_int(rule, "vms"));
	table_add(table, "%s", format_percent(json_object_get(rule, "coverage_percent"), text));
	table_add(table, "%" INT, get_int(ledger, "merges"));
	table_add(table, "%" INT, get_int(ledger, "refusals"));
	table_add(table, "%" INT, get_int(ledger, "splits"));
	table_add(table, "%s", format_cost_us(cost_us, text));
	table_add(table, "%s", format_cost_us(get_int(ledger, "walk_saved_us"), text));
	table_add(table, "%s", format_cost_us(get_int(ledger, "net_us"), text));
	table_add(table, "%" INT, get_int(ledger, "regrets"));
	table_add(table, "%s", format_cost_us(get_int(ledger, "regret_us"), text));
}

static void print_rules(struct ctl *ctl, const json_t *rules)
{
	static const char *const heads[] = {
		"<RULE",  "VMS",     "COVERAGE", "7MERGES",  "2REFUSED", "1SPLITS",
		"5SPENT", "6SAVED*", "NET*",	 "4REGRETS", "3LOST*",	 NULL,
	};
	struct table *table;
	size_t i;
	json_t *rule;

	if (is_one_rule(rules))
		return;
	table = table_new(heads);
	json_array_foreach(rules, i, rule)
		add_rule(table, rule);
	fputc('\n', ctl->out);
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
	fputs("* estimated\n", ctl->out);
}

void show_status(struct ctl *ctl, const json_t *host, const json_t *rules, const json_t *vms)
{
	show_host(ctl, host);
	fputc('\n', ctl->out);
	if (json_array_size(vms))
		print_vms(ctl, host, vms);
	else
		ctl_print_no_vms(ctl, host);
	print_leases(ctl, vms);
	print_skipped_rules(ctl, vms);
	print_rules(ctl, rules);
}

int verb_status(struct ctl *ctl)
{
	json_t *status, *vms;
	int r;

	if (ctl_option(ctl, "--shadow"))
		return show_shadow(ctl);
	r = ctl_call(ctl, "Status", ctl_fresh(ctl), &status);
	if (r != CTL_OK)
		return r;
	r = ctl_list_vms(ctl, NULL, &vms);
	if (r == CTL_OK && ctl->json) {
		r = ctl_print_json(ctl, json_pack("{s:O, s:O, s:o}", "host",
						  json_object_get(status, "host"), "rules",
						  json_object_get(status, "rules"), "vms", vms));
	} else if (r == CTL_OK) {
		show_status(ctl, json_object_get(status, "host"), json_object_get(status, "rules"),
			    vms);
		json_decref(vms);
	}
	json_decref(status);
	return r;
}

static void print_vm_list(struct ctl *ctl, const json_t *vms)
{
	static const char *const heads[] = {
		"ID",	   "<NAME", "1<FROM",	"3PID",	  "4<TYPE",
		"6MEMORY", "<RULE", "5<POLICY", "2<MODE", NULL,
	};
	struct table *table = table_new(heads);
	char text[FORMAT_MAX], word[TEXT_NAME_MAX];
	size_t i;
	json_t *vm;

	json_array_foreach(vms, i, vm) {
		table_add(table, "%" INT, get_int(vm, "id"));
		table_add(table, "%s", vm_name(vm));
		table_add(table, "%s", get_text(vm, "name_source"));
		table_add(table, "%" INT, get_int(vm, "pid"));
		table_add(table, "%s", text_kebab(get_text(vm, "type"), word));
		table_add(table, "%s", format_bytes((uint64_t)get_int(vm, "memory_bytes"), text));
		table_add(table, "%s", *get_text(vm, "rule") ? get_text(vm, "rule") : "(defaults)");
		table_add(table, "%s", get_text(vm, "policy"));
		table_add(table, "%s", text_kebab(get_text(vm, "mode"), word));
	}
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

int verb_vm_list(struct ctl *ctl)
{
	json_t *vms;
	int r = ctl_list_vms(ctl, ctl_fresh(ctl), &vms);

	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, json_pack("{s:o}", "vms", vms));
	if (json_array_size(vms))
		print_vm_list(ctl, vms);
	else
		r = ctl_say_no_vms(ctl);
	json_decref(vms);
	return r;
}

static void line(struct ctl *ctl, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void line(struct ctl *ctl, const char *name, const char *format, ...)
{
	va_list ap;

	fprintf(ctl->out, "%-12s ", name);
	va_start(ap, format);
	vfprintf(ctl->out, format, ap);
	va_end(ap);
	fputc('\n', ctl->out);
}

static const char *known(const json_t *vm, const char *name, const char *known_name)
{
	if (!get_bool(vm, known_name))
		return "unknown (unreadable)";
	return *get_text(vm, name) ? get_text(vm, name) : "-";
}

static void print_identity(struct ctl *ctl, const json_t *vm)
{
	char memory[FORMAT_MAX], word[TEXT_NAME_MAX];

	line(ctl, "VM", "%" INT " %s (name from %s)", get_int(vm, "id"),
	     known(vm, "name", "name_known"), get_text(vm, "name_source"));
	line(ctl, "type", "%s, %s, %" INT " vCPUs, %s", text_kebab(get_text(vm, "type"), word),
	     format_bytes((uint64_t)get_int(vm, "memory_bytes"), memory), get_int(vm, "vcpus"),
	     get_bool(vm, "running") ? "running" : "has not run yet");
	if (*get_text(vm, "uuid"))
		line(ctl, "uuid", "%s", get_text(vm, "uuid"));
	if (get_bool(vm, "uid_known"))
		line(ctl, "process", "%" INT " %s, uid %" INT, get_int(vm, "pid"),
		     known(vm, "command", "command_known"), get_int(vm, "uid"));
	else
		line(ctl, "process", "%" INT " %s, uid unknown", get_int(vm, "pid"),
		     known(vm, "command", "command_known"));
	line(ctl, "cgroup", "%s", known(vm, "cgroup", "cgroup_known"));
}

static const char *number_or_dash(const json_t *object, const char *name, const char *unit,
				  char ret[static FORMAT_MAX])
{
	if (json_is_integer(json_object_get(object, name)))
		snprintf(ret, FORMAT_MAX, "%" INT "%s", get_int(object, name), unit);
	else
		strcpy(ret, "-");
	return ret;
}

static void print_limits(struct ctl *ctl, const char *name, const json_t *limits)
{
	char quiet[FORMAT_MAX], stall[FORMAT_MAX], notify[FORMAT_MAX];
	char rate[FORMAT_MAX], batch[FORMAT_MAX];

	line(ctl, name,
	     "mode %s, min-quiet %s, merge-rate %s, batch %s, max-stall %s, notify-interval %s",
	     *get_text(limits, "mode") ? get_text(limits, "mode") : "-",
	     format_us(json_object_get(limits, "min_quiet_us"), quiet),
	     number_or_dash(limits, "merge_rate", "/s", rate),
	     number_or_dash(limits, "batch", "", batch),
	     format_us(json_object_get(limits, "max_stall_us"), stall),
	     format_us(json_object_get(limits, "notify_interval_us"), notify));
}

static void print_rule(struct ctl *ctl, const json_t *vm)
{
	char word[TEXT_NAME_MAX], holds[SHOW_HOLDS_MAX], us[FORMAT_MAX];

	line(ctl, "rule", "%s, policy %s",
	     *get_text(vm, "rule") ? get_text(vm, "rule") : "(defaults)", get_text(vm, "policy"));
	if (*get_text(vm, "rule_passed_over"))
		line(ctl, "", "rule %s was skipped: what it matches on could not be read",
		     get_text(vm, "rule_passed_over"));
	line(ctl, "state", "%s%s%s", show_vm_state(NULL, vm, word),
	     get_bool(vm, "dry_run") ? "; dry-run" : "",
	     get_bool(vm, "stale") ? "; events were lost, resynchronizing" : "");
	if (json_is_integer(json_object_get(vm, "pause_left_us")))
		line(ctl, "paused for", "%s more",
		     format_us(json_object_get(vm, "pause_left_us"), us));
	if (*show_holds(vm, holds))
		line(ctl, "held by", "%s", holds);
	print_limits(ctl, "limits", json_object_get(vm, "limits"));
	if (json_is_integer(json_object_get(vm, "limits_lease_left_us")))
		line(ctl, "lease", "the host's limits end in %s, unless tdx-lpaged renews them",
		     format_us(json_object_get(vm, "limits_lease_left_us"), us));
	for (size_t i = 0; i < json_array_size(json_object_get(vm, "incapable")); i++)
		line(ctl, i ? "" : "not capable", "%s (see tdx-lpctl doctor)",
		     text_kebab(
			     json_string_value(json_array_get(json_object_get(vm, "incapable"), i)),
			     word));
}

static void print_stats(struct ctl *ctl, const json_t *vm)
{
	const json_t *regions = json_object_get(vm, "regions");
	char percent[FORMAT_MAX], age[FORMAT_MAX], huge[FORMAT_MAX], kept[FORMAT_MAX];

	line(ctl, "coverage", "%s (%s old)",
	     format_percent(json_object_get(vm, "coverage_percent"), percent),
	     format_us(json_object_get(vm, "stats_age_us"), age));
	line(ctl, "regions",
	     "%" INT " large, %" INT " table, %" INT " mixed, %" INT " unmapped; %" INT
	     " held, %" INT " capable",
	     get_int(regions, "large"), get_int(regions, "table"), get_int(regions, "mixed"),
	     get_int(regions, "unmapped"), get_int(regions, "held"), get_int(regions, "capable"));
	line(ctl, "operations",
	     "%" INT " merges, %" INT " splits, %" INT " refusals, %" INT " queued",
	     get_int(vm, "merges"), get_int(vm, "splits"), get_int(vm, "refusals"),
	     get_int(vm, "queued"));
	line(ctl, "last merge", "%s", format_us(json_object_get(vm, "last_merge_age_us"), age));
	line(ctl, "conversions",
	     "%" INT " pages to shared in %" INT " events, %" INT " to private in %" INT,
	     get_int(vm, "to_shared_pages"), get_int(vm, "to_shared_events"),
	     get_int(vm, "to_private_pages"), get_int(vm, "to_private_events"));
	line(ctl, "memory", "%s in 2 MiB pages, %s retained",
	     format_bytes((uint64_t)get_int(vm, "huge_bytes"), huge),
	     format_bytes((uint64_t)get_int(vm, "retained_bytes"), kept));
}

static void print_vm_ledger(struct ctl *ctl, const json_t *ledger)
{
	json_int_t spent_us = get_int(ledger, "spent_us"), split_us = get_int(ledger, "split_us");
	json_int_t saved_us = get_int(ledger, "walk_saved_us");
	char spent[FORMAT_MAX], split[FORMAT_MAX], saved[FORMAT_MAX], net[FORMAT_MAX];
	char regrets[REGRETS_MAX];

	if (!spent_us)
		return;
	line(ctl, "saved", "%s of page walks (estimated)", format_cost_us(saved_us, saved));
	line(ctl, "spent",
	     "%s on %" INT " merges and %" INT " refusals, %s on %" INT " splits of merged regions",
	     format_cost_us(spent_us, spent), get_int(ledger, "merges"),
	     get_int(ledger, "refusals"), format_cost_us(split_us, split),
	     get_int(ledger, "splits"));
	line(ctl, "net", "%s%s", format_cost_us(get_int(ledger, "net_us"), net),
	     format_regrets(ledger, regrets));
}

/* The rule as a whole: of all VMs that it has been in force for. */
static void print_rule_ledger(struct ctl *ctl, const json_t *rule)
{
	const json_t *ledger = json_object_get(rule, "ledger");
	char net[FORMAT_MAX], regrets[REGRETS_MAX];

	if (get_int(ledger, "spent_us"))
		line(ctl, "of its rule", "net %s, %" INT " VM%s now%s",
		     format_cost_us(get_int(ledger, "net_us"), net), get_int(rule, "vms"),
		     plural(get_int(rule, "vms")), format_regrets(ledger, regrets));
}

static void print_refusals(struct ctl *ctl, const json_t *vm)
{
	const char *name, *head = "refusals";
	char word[TEXT_NAME_MAX];
	json_t *count;

	json_object_foreach(json_object_get(json_object_get(vm, "tally"), "refused_by_reason"),
			    name, count) {
		line(ctl, head, "%" INT " %s", json_integer_value(count), text_kebab(name, word));
		head = "";
	}
	if (*get_text(vm, "last_error"))
		line(ctl, "last error", "%s: %s", get_text(vm, "last_error"),
		     get_text(vm, "last_error_text"));
}

int verb_vm_show(struct ctl *ctl)
{
	json_t *params = ctl_fresh(ctl), *reply;
	const json_t *vm;
	int r;

	json_object_set_new(params, "vm", json_string(ctl->args[0]));
	r = ctl_call(ctl, "ShowVm", params, &reply);
	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	vm = json_object_get(reply, "vm");
	print_identity(ctl, vm);
	print_rule(ctl, vm);
	print_stats(ctl, vm);
	print_vm_ledger(ctl, json_object_get(vm, "ledger"));
	print_rule_ledger(ctl, json_object_get(reply, "rule"));
	print_refusals(ctl, vm);
	json_decref(reply);
	return CTL_OK;
}
