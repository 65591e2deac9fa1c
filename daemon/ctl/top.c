// SPDX-License-Identifier: GPL-2.0-or-later
/* top: the host and its VMs with their rates, full-screen and updated continuously. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/top_rows.h"
#include "daemon/ctl/verbs.h"

#define INT JSON_INTEGER_FORMAT

#define FILTER_MAX 64

struct top {
	SCREEN *screen;
	int interval_ms;
	struct top_order order;
	char filter[FILTER_MAX];
	bool asking; /* the filter is being typed */
	struct top_history history;
	size_t first;  /* row at the top */
	size_t height; /* rows that fit */
	size_t nr;     /* rows that pass the filter */
};

/* ---- text ---- */

static const char *format_rate(double per_s, char ret[static FORMAT_MAX])
{
	if (isnan(per_s))
		return strcpy(ret, "-");
	snprintf(ret, FORMAT_MAX, per_s < 9.95 ? "%.1f" : "%.0f", per_s);
	return ret;
}

static void add_row(struct table *table, const json_t *host, const struct top_row *row)
{
	const json_t *regions = json_object_get(row->vm, "regions");
	char text[FORMAT_MAX], state[TEXT_NAME_MAX];
	const char *name = get_text(row->vm, "name");

	table_add(table, "%" INT, get_int(row->vm, "id"));
	table_add(table, "%s", *name ? name : "-");
	table_add(table, "%s", format_percent(json_object_get(row->vm, "coverage_percent"), text));
	table_add(table, "%" INT, get_int(regions, "large"));
	table_add(table, "%" INT, get_int(regions, "table"));
	table_add(table, "%" INT, get_int(regions, "mixed"));
	table_add(table, "%s", format_rate(row->merges_per_s, text));
	table_add(table, "%s", format_rate(row->refusals_per_s, text));
	table_add(table, "%s", format_rate(row->splits_per_s, text));
	table_add(table, "%" INT, get_int(row->vm, "merges"));
	table_add(table, "%s", show_vm_state(host, row->vm, state));
	table_add(table, "%s", format_us(json_object_get(row->vm, "stats_age_us"), text));
}

static void print_rows(struct ctl *ctl, const json_t *host, const struct top_rows *rows,
		       size_t first, size_t height)
{
	static const char *const heads[] = {
		"ID",	      "<NAME",	   "COVERAGE", "6LARGE", "7TABLE", "1MIXED", "8MERGES/s",
		"2REFUSED/s", "3SPLITS/s", "4MERGES",  "<STATE", "5AGE",   NULL,
	};
	struct table *table = table_new(heads);

	for (size_t i = first; i < rows->nr && i < first + height; i++)
		add_row(table, host, &rows->rows[i]);
	table_print(table, ctl->out, false, ctl->env.columns);
}

/* Lines that the host takes; the rest of the screen but the last line is for VMs and their header. */
static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static char *host_text(const struct ctl *ctl, const json_t *host)
{
	struct ctl painter = *ctl;
	char *text = NULL;
	size_t size;

	painter.out = open_memstream(&text, &size);
	painter.env.colour = false;
	painter.env.columns = COLS;
	if (!painter.out)
		return NULL;
	show_host(&painter, host);
	fclose(painter.out);
	return text;
}

static char *rows_text(const struct ctl *ctl, const json_t *host, const struct top_rows *rows,
		       const struct top *top)
{
	struct ctl painter = *ctl;
	char *text = NULL;
	size_t size;

	painter.out = open_memstream(&text, &size);
	painter.env.colour = false;
	painter.env.columns = COLS;
	if (!painter.out)
		return NULL;
	print_rows(&painter, host, rows, top->first, top->height);
	fclose(painter.out);
	return text;
}

/* ---- screen ---- */

/* Writes lines from @row on. Returns the row after them. */
static int paint_lines(char *text, int row, bool has_head)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line && row < LINES - 1;
	     line = strtok_r(NULL, "\n", &save), row++) {
		attrset(has_head ? A_REVERSE : A_NORMAL);
		mvaddnstr(row, 0, line, COLS);
		has_head = false;
	}
	return row;
}

static void paint_footer(const struct top *top)
{
	attrset(A_DIM);
	if (top->asking) {
		mvprintw(LINES - 1, 0, "filter: %s_  enter keeps it", top->filter);
		attrset(A_NORMAL);
		return;
	}
	mvaddnstr(LINES - 1, 0,
		  "q quit  / filter  R reverse  sort: i id n name c coverage t 4 KiB m r s rates",
		  COLS);
	if (*top->filter)
		printw("  filter: %s", top->filter);
	if (top->nr > top->height)
		printw("  %zu-%zu of %zu", top->first + 1, top->first + top->height, top->nr);
	attrset(A_NORMAL);
}

static void paint(struct ctl *ctl, struct top *top, const json_t *host, const struct top_rows *rows)
{
	CLEANUP(freep) char *head = host_text(ctl, host);
	CLEANUP(freep) char *body = NULL;
	size_t used = head ? lines_of(head) + 3 :
			     0; /* an empty line, the table's header, the footer */
	int row;

	if (!head)
		return;
	top->height = (size_t)LINES > used ? (size_t)LINES - used : 1;
	top->nr = rows->nr;
	top->first = top_scroll(top->first, 0, rows->nr, top->height);
	body = rows_text(ctl, host, rows, top);
	erase();
	row = paint_lines(head, 0, false);
	if (body)
		paint_lines(body, row + 1, true);
	paint_footer(top);
	refresh();
}

/* Queries the daemon and paints. Returns an exit code, after an error message. */
static int update(struct ctl *ctl, struct top *top)
{
	struct top_rows rows = {.rows = NULL};
	json_t *status, *vms;
	int r = ctl_call(ctl, "Status", NULL, &status);

	if (r != CTL_OK)
		return r;
	r = ctl_list_vms(ctl, NULL, &vms);
	if (r == CTL_OK) {
		top->order.filter = top->filter;
		if (top_rows_make(&top->history, vms, monotonic_ns(), &top->order, &rows) < 0)
			r = ctl_failure(ctl, "%s", strerror(ENOMEM));
		else
			paint(ctl, top, json_object_get(status, "host"), &rows);
		top_rows_done(&rows);
		json_decref(vms);
	}
	json_decref(status);
	return r;
}

/* ---- keys ---- */

static void type_filter(struct top *top, int key)
{
	size_t len = strlen(top->filter);

	if (key == '\n' || key == KEY_ENTER || key == 27)
		top->asking = false;
	else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len)
		top->filter[len - 1] = '\0';
	else if (key > ' ' && key < 127 && len + 1 < FILTER_MAX)
		top->filter[len] = (char)key;
}

static void scroll_by(struct top *top, long by)
{
	top->first = top_scroll(top->first, by, top->nr, top->height);
}

static void move_by_key(struct top *top, int key)
{
	switch (key) {
	case KEY_UP:
		scroll_by(top, -1);
		break;
	case KEY_DOWN:
		scroll_by(top, 1);
		break;
	case KEY_PPAGE:
		scroll_by(top, -(long)top->height);
		break;
	case KEY_NPAGE:
		scroll_by(top, (long)top->height);
		break;
	case KEY_HOME:
		top->first = 0;
		break;
	case KEY_END:
		scroll_by(top, INT_MAX);
		break;
	default:
		break;
	}
}

/* False: quit. */
static bool take_key(struct top *top, int key)
{
	if (key == ERR)
		return true;
	if (top->asking) {
		type_filter(top, key);
	} else if (key == '/') {
		top->asking = true;
		memset(top->filter, 0, sizeof(top->filter));
	} else if (key == 'R') {
		top->order.reverse = !top->order.reverse;
	} else if (key > 0 && key < 128 && strchr(TOP_SORT_KEYS, key)) {
		top->order.key = (char)key;
	} else {
		move_by_key(top, key);
	}
	return top->asking || key != 'q';
}

static int run(struct ctl *ctl, struct top *top)
{
	for (;;) {
		int r = update(ctl, top);

		if (r != CTL_OK)
			return r;
		timeout(top->interval_ms);
		if (!take_key(top, getch()))
			return CTL_OK;
	}
}

/* ---- the verb ---- */

static int take_options(struct ctl *ctl, struct top *top)
{
	const char *sort = ctl_option(ctl, "--sort"), *filter = ctl_option(ctl, "--filter");
	uint64_t interval_us = US_PER_S;
	int r = ctl_duration(ctl, "--interval", "100ms", "1h", &interval_us);

	if (r != CTL_OK)
		return r;
	top->interval_ms = (int)(interval_us / US_PER_MS);
	if (sort && (strlen(sort) != 1 || !strchr(TOP_SORT_KEYS, *sort)))
		return ctl_usage_error(ctl, "--sort: %s is none of i, n, c, t, m, r, s", sort);
	if (sort)
		top->order.key = *sort;
	if (filter && strlen(filter) >= FILTER_MAX)
		return ctl_usage_error(ctl, "--filter: at most %d characters", FILTER_MAX - 1);
	if (filter)
		strcpy(top->filter, filter);
	return CTL_OK;
}

static int check_terminal(struct ctl *ctl)
{
	if (ctl->json)
		return ctl_usage_error(
			ctl, "top is interactive; programs should use status -o json or watch -o "
			     "json");
	if (!ctl->env.in || !isatty(fileno(ctl->env.in)) || !isatty(fileno(ctl->out)))
		return ctl_usage_error(ctl, "top requires a terminal");
	return CTL_OK;
}

/* Messages are held back until the screen is restored. */
static int run_on_screen(struct ctl *ctl, struct top *top)
{
	FILE *err = ctl->err;
	char *said = NULL;
	size_t size;
	int r;

	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	ctl->err = open_memstream(&said, &size);
	r = ctl->err ? run(ctl, top) : CTL_FAILED;
	if (ctl->err)
		fclose(ctl->err);
	ctl->err = err;
	endwin();
	delscreen(top->screen);
	fputs(said ? said : "", ctl->err);
	free(said);
	return r;
}

int verb_top(struct ctl *ctl)
{
	struct top top = {.order = {.key = 'i'}};
	int r = take_options(ctl, &top);

	if (r == CTL_OK)
		r = check_terminal(ctl);
	if (r != CTL_OK)
		return r;
	top.screen = newterm(NULL, ctl->out, ctl->env.in);
	if (!top.screen)
		return ctl_failure(ctl, "unknown terminal type; set TERM");
	r = run_on_screen(ctl, &top);
	top_history_done(&top.history);
	return r;
}
