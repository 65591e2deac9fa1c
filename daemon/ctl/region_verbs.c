// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/text.h>

#define INT JSON_INTEGER_FORMAT

/* "table,mixed" to a list; the daemon knows which words are states. */
static json_t *split_states(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t len = strcspn(text, ",");

		json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return list;
}

static const char *hold_text(const json_t *region, char ret[static 2 * FORMAT_MAX])
{
	char left[FORMAT_MAX];
	bool admin = get_bool(region, "held_by_admin"), vmm = get_bool(region, "held_by_vmm");
	const json_t *us =
		json_object_get(region, admin ? "hold_admin_left_us" : "hold_vmm_left_us");

	if (!admin && !vmm)
		return "-";
	snprintf(ret, 2 * FORMAT_MAX, "%s %s",
		 admin && vmm ? "both" :
		 admin	      ? "admin" :
				"vmm",
		 json_is_null(us) ? "for good" : format_us(us, left));
	return ret;
}

/* The younger of the two stamps: since when the region has been quiet. */
static const json_t *quiet_us(const json_t *region)
{
	const json_t *shared = json_object_get(region, "to_shared_age_us");
	const json_t *private = json_object_get(region, "to_private_age_us");

	if (!json_is_integer(shared) ||
	    (json_is_integer(private) && json_integer_value(private) < json_integer_value(shared)))
		return private;
	return shared;
}

static void print_regions(struct ctl *ctl, const json_t *regions)
{
	static const char *const heads[] = {
		"GPA",	  "<STATE",    "2TO-SHARED", "1TO-PRIVATE", "7QUIET",
		"5<HOLD", "4<LAST-OP", "<REASON",    "3AGO",	    NULL,
	};
	struct table *table = table_new(heads);
	char text[FORMAT_MAX], hold[2 * FORMAT_MAX], word[TEXT_NAME_MAX];
	size_t i;
	json_t *region;

	json_array_foreach(regions, i, region) {
		bool none = strcmp(get_text(region, "last_op"), "none") == 0;

		table_add(table, "0x%" PRIx64, (uint64_t)get_int(region, "gpa"));
		table_add(table, "%s%s", get_text(region, "state"),
			  get_bool(region, "inhibited") ? ",inhibited" : "");
		table_add(table, "%" INT, get_int(region, "to_shared_events"));
		table_add(table, "%" INT, get_int(region, "to_private_events"));
		table_add(table, "%s", format_us(quiet_us(region), text));
		table_add(table, "%s", hold_text(region, hold));
		table_add(table, "%s", none ? "-" : get_text(region, "last_op"));
		table_add(table, "%s",
			  none ? "-" : text_kebab(get_text(region, "last_reason"), word));
		table_add(table, "%s", format_us(json_object_get(region, "last_op_age_us"), text));
	}
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

int verb_region_list(struct ctl *ctl)
{
	json_t *params = ctl_fresh(ctl), *regions;
	json_int_t vm;
	unsigned long limit = ULONG_MAX;
	int r;

	json_object_set_new(params, "vm", json_string(ctl->args[0]));
	if (ctl_option(ctl, "--state"))
		json_object_set_new(params, "states", split_states(ctl_option(ctl, "--state")));
	r = ctl_range_param(ctl, params);
	if (r == CTL_OK)
		r = ctl_number(ctl, "--limit", 1, 1000000000, &limit);
	if (r != CTL_OK) {
		json_decref(params);
		return r;
	}
	r = ctl_list_regions(ctl, params, limit, &vm, &regions);
	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, json_pack("{s:I, s:o}", "vm", vm, "regions", regions));
	if (json_array_size(regions))
		print_regions(ctl, regions);
	else
		fputs("no matching region; regions that have always been large are not listed\n",
		      ctl->out);
	json_decref(regions);
	return CTL_OK;
}

static void print_explanation(struct ctl *ctl, const json_t *reply)
{
	const json_t *e = json_object_get(reply, "explanation");
	const json_t *region = json_object_get(reply, "region");
	char word[TEXT_NAME_MAX], text[FORMAT_MAX];

	fprintf(ctl->out, "region 0x%" PRIx64 " of VM %" INT, (uint64_t)get_int(e, "gpa"),
		get_int(e, "vm"));
	if (json_is_object(region))
		fprintf(ctl->out, ": %s, quiet for %s", get_text(region, "state"),
			format_us(quiet_us(region), text));
	fprintf(ctl->out, "\n%s: %s\n", text_kebab(get_text(e, "reason"), word),
		get_text(e, "why"));
	if (*get_text(e, "text"))
		fprintf(ctl->out, "  %s%s\n", get_text(e, "text"),
			get_bool(e, "estimated") ? " (estimated)" : "");
	if (json_is_integer(json_object_get(e, "wait_us")))
		fprintf(ctl->out, "  clears by itself in %s\n",
			format_us(json_object_get(e, "wait_us"), text));
	if (*get_text(e, "remedy"))
		fprintf(ctl->out, "  fix: %s\n", get_text(e, "remedy"));
}

void ctl_print_gates(struct ctl *ctl, const json_t *gates)
{
	static const char *const heads[] = {"REGIONS", "<REASON", "6WAIT", "5FIRST", "<WHY", NULL};
	struct table *table = table_new(heads);
	char text[FORMAT_MAX], word[TEXT_NAME_MAX];
	size_t i;
	json_t *gate;

	json_array_foreach(gates, i, gate) {
		table_add(table, "%" INT, get_int(gate, "regions"));
		table_add(table, "%s", text_kebab(get_text(gate, "reason"), word));
		table_add(table, "%s", format_us(json_object_get(gate, "wait_us"), text));
		table_add(table, "0x%" PRIx64, (uint64_t)get_int(gate, "first_gpa"));
		table_add(table, "%s%s%s", get_text(gate, "why"),
			  *get_text(gate, "remedy") ? "; fix: " : "", get_text(gate, "remedy"));
	}
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

static int explain_vm(struct ctl *ctl)
{
	json_t *params = ctl_fresh(ctl), *reply;
	int r;

	json_object_set_new(params, "vm", json_string(ctl->args[0]));
	r = ctl_call(ctl, "ExplainVm", params, &reply);
	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	if (json_array_size(json_object_get(reply, "gates")))
		ctl_print_gates(ctl, json_object_get(reply, "gates"));
	else
		fputs("no region of this VM is mapped at 4 KiB or mixed\n", ctl->out);
	if (get_bool(reply, "cut"))
		fputs("(only the first 512 GiB were examined)\n", ctl->out);
	json_decref(reply);
	return CTL_OK;
}

int verb_explain(struct ctl *ctl)
{
	json_t *params, *reply;
	uint64_t gpa;
	int r;

	if (ctl->nr_args == 1)
		return explain_vm(ctl);
	if (range_parse_gpa(ctl->args[1], &gpa) < 0)
		return ctl_usage_error(ctl,
				       "\"%s\": must be an address below 2^52, such as 0x80000000 "
				       "or 2G",
				       ctl->args[1]);
	params = ctl_fresh(ctl);
	json_object_set_new(params, "vm", json_string(ctl->args[0]));
	json_object_set_new(params, "gpa", json_integer((json_int_t)gpa));
	r = ctl_call(ctl, "Explain", params, &reply);
	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	print_explanation(ctl, reply);
	json_decref(reply);
	return CTL_OK;
}
