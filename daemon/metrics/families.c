// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/metrics/families.h"

#define HOST_FAMILY(name, type, unit, help, value)	{#name, METRICS_##type, unit, help, ""},
#define VM_FAMILY(name, type, unit, help, value)	{#name, METRICS_##type, unit, help, "vm"},
#define RULE_FAMILY(name, type, unit, help, value)	{#name, METRICS_##type, unit, help, "rule"},
#define LABELLED_FAMILY(name, type, unit, help, labels) {#name, METRICS_##type, unit, help, labels},
const struct metrics_family metrics_families[METRICS_NR] = {METRICS_HOST(HOST_FAMILY) METRICS_VM(
	VM_FAMILY) METRICS_RULE(RULE_FAMILY) METRICS_LABELLED(LABELLED_FAMILY)};

static const char page_head[] =
	"# Metrics\n"
	"\n"
	"`tdx-lpaged` serves these metrics at `http://ADDRESS:PORT/metrics` if the configuration key `metrics` gives an\n"
	"address; see tdx-lpage.yaml(5). A scrape reads what the daemon knows already and sends no request to the kernel. A metric with the\n"
	"label `vm` (the id) also has the label `name` if `metrics-names` is on. Counters start at 0 with the daemon, those\n"
	"of a VM with the VM. The label `rule` is the name of a rule that matched a VM, `(defaults)` where none did, or `(removed)` for all\n"
	"rules that are no longer in the configuration. What to do with them: [monitoring.md](monitoring.md).\n"
	"\n"
	"The format is OpenMetrics 1.0, or Prometheus' text format 0.0.4 for clients that prefer `text/plain`. There a metric of\n"
	"type info is a gauge. What is called estimated rests on `walk-cost` and `split-cost` of the configuration.\n"
	"\n"
	"This page is generated from `daemon/metrics/table.h`: `TDX_LPAGE_UPDATE=1 make check T=test_metrics` writes it.\n"
	"\n"
	"| metric | type | labels | meaning |\n"
	"| --- | --- | --- | --- |\n";

const char *metrics_type_name(enum metrics_type type)
{
	static const char *const names[] = {
		[METRICS_GAUGE] = "gauge",
		[METRICS_COUNTER] = "counter",
		[METRICS_INFO] = "info",
	};

	return names[type];
}

const char *metrics_suffix(enum metrics_type type)
{
	return type == METRICS_COUNTER ? "_total" : type == METRICS_INFO ? "_info" : "";
}

void metrics_print_page(FILE *f)
{
	fputs(page_head, f);
	for (size_t i = 0; i < METRICS_NR; i++) {
		const struct metrics_family *family = &metrics_families[i];

		fprintf(f, "| `" METRICS_PREFIX "%s%s` | %s | %s | %s |\n", family->name,
			metrics_suffix(family->type), metrics_type_name(family->type),
			family->labels, family->help);
	}
}
