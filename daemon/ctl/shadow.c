// SPDX-License-Identifier: GPL-2.0-or-later
/* status --shadow: two configurations on the same events. */
#include <stdlib.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/show.h"

#define INT JSON_INTEGER_FORMAT

/* Less than nothing is less than in force. */
struct figures {
	json_int_t merges, refusals, splits, cost_us, saved_us, net_us, regrets, regret_us;
};

static struct figures figures_of(const json_t *ledger)
{
	return (struct figures){
		.merges = get_int(ledger, "merges"),
		.refusals = get_int(ledger, "refusals"),
		.splits = get_int(ledger, "splits"),
		.cost_us = get_int(ledger, "spent_us") + get_int(ledger, "split_us"),
		.saved_us = get_int(ledger, "walk_saved_us"),
		.net_us = get_int(ledger, "net_us"),
		.regrets = get_int(ledger, "regrets"),
		.regret_us = get_int(ledger, "regret_us"),
	};
}

static struct figures difference(const struct figures *a, const struct figures *b)
{
	return (struct figures){
		.merges = a->merges - b->merges,
		.refusals = a->refusals - b->refusals,
		.splits = a->splits - b->splits,
		.cost_us = a->cost_us - b->cost_us,
		.saved_us = a->saved_us - b->saved_us,
		.net_us = a->net_us - b->net_us,
		.regrets = a->regrets - b->regrets,
		.regret_us = a->regret_us - b->regret_us,
	};
}

static void add(struct table *table, const char *name, const struct figures *figures)
{
	char text[FORMAT_MAX];

	table_add(table, "%s", name);
	table_add(table, "%" INT, figures->merges);
	table_add(table, "%" INT, figures->refusals);
	table_add(table, "%" INT, figures->splits);
	table_add(table, "%s", format_cost_us(figures->cost_us, text));
	table_add(table, "%s", format_cost_us(figures->saved_us, text));
	table_add(table, "%s", format_cost_us(figures->net_us, text));
	table_add(table, "%" INT, figures->regrets);
	table_add(table, "%s", format_cost_us(figures->regret_us, text));
}

static void print_table(struct ctl *ctl, const json_t *shadow)
{
	static const char *const heads[] = {
		"<",	   "MERGES", "1REFUSED", "2SPLITS", "6SPENT",
		"5SAVED*", "NET*",   "4REGRETS", "3LOST*",  NULL,
	};
	struct figures active = figures_of(json_object_get(shadow, "active"));
	struct figures other = figures_of(json_object_get(shadow, "shadow"));
	struct figures more = difference(&other, &active);
	struct table *table = table_new(heads);

	add(table, "in force", &active);
	add(table, "shadow", &other);
	add(table, "difference", &more);
	table_print(table, ctl->out, ctl->env.colour, ctl->env.columns);
}

static void print_shadow(struct ctl *ctl, const json_t *shadow)
{
	const char *settings = get_text(shadow, "settings");
	char age[FORMAT_MAX], own[FORMAT_MAX], more[FORMAT_MAX];

	fprintf(ctl->out, "shadow: %s; %" INT " VM%s, compared for %s\n\n",
		*settings ? settings : "the same settings", get_int(shadow, "vms"),
		plural(get_int(shadow, "vms")), format_us(json_object_get(shadow, "age_us"), age));
	print_table(ctl, shadow);
	fprintf(ctl->out,
		"* estimated\n"
		"The shadow merges nothing: %" INT " of its tries are assumed to succeed, %" INT
		" were taken back when the kernel refused the region later.\n",
		get_int(shadow, "assumed"), get_int(shadow, "disproved"));
	fprintf(ctl->out, "Memory of the policies: %s in force, %s shadow.\n",
		format_bytes((uint64_t)get_int(shadow, "active_bytes"), own),
		format_bytes((uint64_t)get_int(shadow, "shadow_bytes"), more));
}

int show_shadow(struct ctl *ctl)
{
	json_t *reply;
	int r = ctl_call(ctl, "GetShadow", NULL, &reply);

	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_print_json(ctl, reply);
	if (json_is_object(json_object_get(reply, "shadow")))
		print_shadow(ctl, json_object_get(reply, "shadow"));
	else
		fputs("the configuration has no shadow; see tdx-lpage.yaml(5)\n", ctl->out);
	json_decref(reply);
	return CTL_OK;
}
