// SPDX-License-Identifier: GPL-2.0-or-later
/* plan: what the policy is about to do, at which cost, and when a coverage is reached. */
#include <string.h>

#include "daemon/config/value.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/text.h>

#define INT JSON_INTEGER_FORMAT

#define GOAL_PPM 950000

static int ask(struct ctl *ctl, json_t *vm, uint32_t goal_ppm, json_t **ret)
{
	json_t *params = ctl_fresh(ctl);

	json_object_set_new(params, "vm", vm);
	json_object_set_new(params, "goal_ppm", json_integer(goal_ppm));
	return ctl_call(ctl, "PlanVm", params, ret);
}

/* "in 2m", "already" for what needs no time, "not by these merges" */
static const char *when(const json_t *us, char ret[static FORMAT_MAX])
{
	char text[FORMAT_MAX];

	if (!json_is_integer(us))
		snprintf(ret, FORMAT_MAX, "not by these merges");
	else if (json_integer_value(us) == 0)
		snprintf(ret, FORMAT_MAX, "already");
	else
		snprintf(ret, FORMAT_MAX, "in %.24s", format_us(us, text));
	return ret;
}

/* ---- one VM ---- */

static void print_merges(struct ctl *ctl, const json_t *plan)
{
	json_int_t merges = get_int(plan, "merges");
	char work[FORMAT_MAX], stall[FORMAT_MAX], word[TEXT_NAME_MAX], done[FORMAT_MAX];
	const char *limit = get_text(plan, "limit");

	if (!merges) {
		fputs("no merge is expected\n", ctl->out);
		return;
	}
	fprintf(ctl->out, "%" INT " merge%s expected, %" INT " of them due now; done %s\n", merges,
		plural(merges), get_int(plan, "due_now"),
		when(json_object_get(plan, "done_us"), done));
	fprintf(ctl->out, "%s of kernel time, stalls of a vCPU up to %s",
		format_cost_us(get_int(plan, "work_us"), work),
		format_cost_us(get_int(plan, "stall_us"), stall));
	if (strcmp(limit, "none") != 0)
		fprintf(ctl->out, "; at most %" INT " merges/s (%s)", get_int(plan, "merges_per_s"),
			text_kebab(limit, word));
	fputc('\n', ctl->out);
}

static void print_plan(struct ctl *ctl, const json_t *reply)
{
	const json_t *plan = json_object_get(reply, "plan");
	bool reached = json_is_integer(json_object_get(plan, "goal_us"));
	char now[FORMAT_MAX], after[FORMAT_MAX], goal[FORMAT_MAX], in[FORMAT_MAX];
	char text[FORMAT_MAX + 16];

	snprintf(text, sizeof(text), "reached %s", when(json_object_get(plan, "goal_us"), in));
	fprintf(ctl->out, "VM %" INT ": coverage %s, %s after the merges; %s is %s\n",
		get_int(reply, "vm"),
		format_percent(json_object_get(plan, "coverage_percent"), now),
		format_percent(json_object_get(plan, "coverage_after_percent"), after),
		format_percent(json_object_get(plan, "goal_percent"), goal),
		reached ? text : "not reached by these merges");
	print_merges(ctl, plan);
	if (get_bool(reply, "cut"))
		fputs("(only the first 512 GiB were examined)\n", ctl->out);
	if (!json_array_size(json_object_get(reply, "gates")))
		return;
	fputc('\n', ctl->out);
	ctl_print_gates(ctl, json_object_get(reply, "gates"));
}

static int plan_vm(struct ctl *ctl, uint32_t goal_ppm)
{
	json_t *reply;
	int r = ask(ctl, json_string(ctl->args[0]), goal_ppm, &reply);

	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	print_plan(ctl, reply);
	json_decref(reply);
	return CTL_OK;
}

/* ---- all of them ---- */

static void add_row(struct table *table, const json_t *vm, const json_t *plan)
{
	char text[FORMAT_MAX];

	table_add(table, "%" INT, get_int(vm, "id"));
	table_add(table, "%s", *get_text(vm, "name") ? get_text(vm, "name") : "-");
	table_add(table, "%s", format_percent(json_object_get(plan, "coverage_percent"), text));
	table_add(table, "%" INT, get_int(plan, "table"));
	table_add(table, "%" INT, get_int(plan, "merges"));
	table_add(table, "%" INT, get_int(plan, "due_now"));
	table_add(table, "%s", format_cost_us(get_int(plan, "work_us"), text));
	table_add(table, "%s", format_cost_us(get_int(plan, "stall_us"), text));
	table_add(table, "%s", format_us(json_object_get(plan, "done_us"), text));
	table_add(table, "%s",
		  format_percent(json_object_get(plan, "coverage_after_percent"), text));
	table_add(table, "%s", when(json_object_get(plan, "goal_us"), text));
}

static void print_plans(struct ctl *ctl, const json_t *vms, const json_t *plans, uint32_t goal_ppm)
{
	static const char *const heads[] = {
		"ID",	 "<NAME",  "7COVERAGE", "5TABLE", "8MERGES", "1DUE-NOW",
		"2WORK", "3STALL", "DONE-IN",	"6AFTER", "<GOAL",   NULL,
	};
	struct table *table = table_new(heads);
	size_t i;
	json_t *vm;

	fprintf(ctl->out,
		"goal: a coverage of %g %%; each VM as if it had the budgets for itself\n\n",
		goal_ppm / 10000.0);
	json_array_foreach(vms, i, vm)
		add_row(table, vm, json_object_get(json_array_get(plans, i), "plan"));
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

static int collect(struct ctl *ctl, uint32_t goal_ppm, json_t *vms, json_t *plans)
{
	for (size_t i = 0; i < json_array_size(vms); i++) {
		json_t *reply;
		char id[24];
		int r;

		snprintf(id, sizeof(id), "id:%" INT, get_int(json_array_get(vms, i), "id"));
		r = ask(ctl, json_string(id), goal_ppm, &reply);
		if (r != CTL_OK)
			return r;
		json_array_append_new(plans, reply);
	}
	return CTL_OK;
}

static int plan_all(struct ctl *ctl, uint32_t goal_ppm)
{
	json_t *plans, *vms;
	int r = ctl_list_vms(ctl, NULL, &vms);

	if (r != CTL_OK)
		return r;
	plans = json_array();
	r = collect(ctl, goal_ppm, vms, plans);
	if (r == CTL_OK && ctl->json)
		r = ctl_print_json(ctl, json_pack("{s:O}", "plans", plans));
	else if (r == CTL_OK && json_array_size(vms))
		print_plans(ctl, vms, plans, goal_ppm);
	else if (r == CTL_OK)
		r = ctl_say_no_vms(ctl);
	json_decref(plans);
	json_decref(vms);
	return r;
}

int verb_plan(struct ctl *ctl)
{
	uint32_t goal_ppm = GOAL_PPM;
	int r = ctl_percent(ctl, "--coverage", &goal_ppm);

	if (r != CTL_OK)
		return r;
	return ctl->nr_args ? plan_vm(ctl, goal_ppm) : plan_all(ctl, goal_ppm);
}
