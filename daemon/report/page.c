// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/report/page.h"

#include <string.h>

#include "daemon/report/units.h"

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* The policy forbids scripts and external resources: the page needs neither. */
static void print_head(FILE *f, const struct report_page *page)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta http-equiv=\"Content-Security-Policy\" "
	      "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
	      "<meta name=\"generator\" content=\"tdx-lpctl " TDX_LPAGE_VERSION "\"/>\n"
	      "<title>",
	      f);
	report_printf(f, "%s: %s, simulated", last_part(page->trace), page->asked->policy);
	fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", report_style);
}

static void begin_section(FILE *f, const char *title, const char *about)
{
	fprintf(f, "<section>\n<h2>%s</h2>\n<p class=\"about\">%s</p>\n", title, about);
}

static void end_section(FILE *f)
{
	fputs("</section>\n", f);
}

static void print_charts(FILE *f, const struct report_page *page)
{
	fputs("<div class=\"charts\">\n", f);
	begin_section(
		f, "Coverage over time",
		"Large regions as a share of large regions and those mapped at 4 KiB. Each name "
		"is followed by the average.");
	report_draw_coverage(f, page);
	end_section(f);
	begin_section(
		f, "Cost by part",
		"The offline optimum knows the future: it merges a region immediately if that "
		"pays off, and never otherwise.");
	report_draw_costs(f, page);
	end_section(f);
	begin_section(
		f, "Interval lengths",
		"An interval starts when a region is private and accepted again, and ends with "
		"its next conversion. Beyond break-even it is worth a merge and the later "
		"split.");
	report_draw_intervals(f, page);
	end_section(f);
	begin_section(
		f, "Sources of regret",
		"Cost of each policy above the optimum. Wasted: merges that were split before "
		"they paid off. Late: page walks before a merge that paid off. Missed: page "
		"walks beyond the cost of a merge that was not done. Refused: refused merge "
		"attempts.");
	report_print_regrets(f, page);
	end_section(f);
	fputs("</div>\n", f);
}

void report_print(FILE *f, const struct report_page *page)
{
	print_head(f, page);
	fputs("<header>\n<h1>", f);
	report_printf(f, "Simulation of %s", last_part(page->trace));
	fputs("</h1>\n", f);
	report_print_stats(f, page);
	report_print_facts(f, page);
	fputs("</header>\n<main>\n", f);
	begin_section(f, "Scores",
		      "Cost of every policy on this trace. The requested run is highlighted. First "
		      "splits are included in neither cost nor optimum.");
	report_print_scores(f, page);
	end_section(f);
	print_charts(f, page);
	begin_section(
		f, "Worst regions",
		"Regions of the requested run with the highest cost above their optimum, with "
		"each cause that makes up a fifth of it or more: merges undone by a "
		"conversion before they paid off, page walks before a merge that paid off, "
		"missed merges that would have paid off, and refused merge attempts.");
	report_print_worst(f, page);
	end_section(f);
	fputs("</main>\n</body>\n</html>\n", f);
}
