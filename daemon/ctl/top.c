// SPDX-License-Identifier: GPL-2.0-or-later
/* top: the status, full-screen and updated continuously. */
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/base.h>

struct top {
	SCREEN *screen;
	int interval_ms;
	int sort; /* the key that chose it */
};

static double sort_value(const json_t *vm, int sort)
{
	const json_t *percent = json_object_get(vm, "coverage_percent");

	switch (sort) {
	case 'c':
		return json_is_number(percent) ? json_number_value(percent) : 101;
	case 'm':
		return -(double)get_int(vm, "merges");
	case 't':
		return -(double)get_int(json_object_get(vm, "regions"), "table");
	default:
		return (double)get_int(vm, "id");
	}
}

/* Insertion sort: a host has few VMs, and their order hardly changes. */
static void sort_vms(json_t *vms, int sort)
{
	for (size_t i = 1; i < json_array_size(vms); i++) {
		json_t *vm = json_incref(json_array_get(vms, i));
		size_t to = i;

		while (to && sort_value(json_array_get(vms, to - 1), sort) > sort_value(vm, sort))
			to--;
		json_array_remove(vms, i);
		json_array_insert_new(vms, to, vm);
	}
}

/* Queries the daemon. Returns the status as text; NULL after an error message. */
static char *picture(struct ctl *ctl, int sort, int *ret)
{
	struct ctl painter = *ctl;
	json_t *status, *vms;
	char *text = NULL;
	size_t size;

	*ret = ctl_call(ctl, "Status", NULL, &status);
	if (*ret != CTL_OK)
		return NULL;
	*ret = ctl_list_vms(ctl, NULL, &vms);
	if (*ret == CTL_OK) {
		sort_vms(vms, sort);
		painter.out = open_memstream(&text, &size);
		painter.env.colour = false;
		painter.env.columns = COLS;
		if (painter.out) {
			show_status(&painter, json_object_get(status, "host"), NULL, vms);
			fclose(painter.out);
		}
		json_decref(vms);
	}
	json_decref(status);
	return text;
}

/* The table's header is the line after the empty one. */
static void paint(char *text)
{
	char *save = NULL;
	bool head = false;
	int row = 0, hidden = 0;

	erase();
	for (char *p = text; (p = strstr(p, "\n\n")); p++)
		p[1] = '\f';
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), row++) {
		head = line[0] == '\f';
		line += head;
		row += head;
		if (row >= LINES - 1) {
			hidden++;
			continue;
		}
		attrset(head ? A_REVERSE : A_NORMAL);
		mvaddnstr(row, 0, line, COLS);
	}
	attrset(A_DIM);
	mvaddnstr(LINES - 1, 0, "q quit  sort by: i id  c coverage  t 4 KiB  m merges", COLS);
	if (hidden)
		printw("; %d more lines", hidden);
	attrset(A_NORMAL);
	refresh();
}

static int run(struct ctl *ctl, struct top *top)
{
	int r = CTL_OK;

	for (;;) {
		char *text = picture(ctl, top->sort, &r);
		int key;

		if (!text)
			return r;
		paint(text);
		free(text);
		timeout(top->interval_ms);
		key = getch();
		if (key == 'q')
			return CTL_OK;
		if (key != ERR && strchr("icmt", key))
			top->sort = key;
	}
}

int verb_top(struct ctl *ctl)
{
	struct top top = {.sort = 'i'};
	uint64_t interval_us = US_PER_S;
	FILE *err = ctl->err;
	char *said = NULL;
	size_t size;
	int r = ctl_duration(ctl, "--interval", "100ms", "1h", &interval_us);

	if (r != CTL_OK)
		return r;
	if (ctl->json)
		return ctl_usage_error(
			ctl, "top is interactive; programs should use status -o json or watch -o "
			     "json");
	if (!ctl->env.in || !isatty(fileno(ctl->env.in)) || !isatty(fileno(ctl->out)))
		return ctl_usage_error(ctl, "top requires a terminal");
	top.interval_ms = (int)(interval_us / 1000);
	top.screen = newterm(NULL, ctl->out, ctl->env.in);
	if (!top.screen)
		return ctl_failure(ctl, "unknown terminal type; set TERM");
	cbreak();
	noecho();
	curs_set(0);
	/* Messages are held back until the screen is restored. */
	ctl->err = open_memstream(&said, &size);
	r = ctl->err ? run(ctl, &top) : CTL_FAILED;
	if (ctl->err)
		fclose(ctl->err);
	ctl->err = err;
	endwin();
	delscreen(top.screen);
	fputs(said ? said : "", ctl->err);
	free(said);
	return r;
}
