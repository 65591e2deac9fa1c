// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/report/page.h"

#include <string.h>

#include "daemon/report/units.h"

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* No script and nothing from elsewhere: the page says so itself. */
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
	begin_section(f, "Coverage over time",
		      "Large regions by large ones and those with a page table; the average stands "
		      "beside each name.");
	report_draw_coverage(f, page);
	end_section(f);
	begin_section(f, "Cost by part",
		      "The optimum knows the future: it merges at once where that pays, or never.");
	report_draw_costs(f, page);
	end_section(f);
	begin_section(f, "How long intervals last",
		      "From the moment a region is private and accepted again to its next "
		      "conversion. Those beyond break-even are worth a merge and the split after "
		      "it.");
	report_draw_intervals(f, page);
	end_section(f);
	begin_section(f, "Where the regret comes from",
		      "What each policy cost beyond the optimum. In vain: split again before it "
		      "paid. Late: page walks before a merge that paid. Not merged: page walks "
		      "beyond the price of a merge. Refused: tries.");
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
		      "What every policy costs over this trace. The run that was asked for is set "
		      "off. First splits are in neither cost nor optimum.");
	report_print_scores(f, page);
	end_section(f);
	print_charts(f, page);
	begin_section(f, "Worst regions",
		      "Of the run that was asked for: the regions that cost most beyond their "
		      "optimum, and what made up a fifth of that or more: merges undone by a "
		      "conversion before they paid, page walks before a merge that paid, intervals "
		      "worth a merge that got none, refused tries.");
	report_print_worst(f, page);
	end_section(f);
	fputs("</main>\n</body>\n</html>\n", f);
}
