// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/metrics/scrapes.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <tdx-lpage/base.h>

#include "daemon/metrics/exposition.h"
#include "daemon/metrics/metrics.h"

/* Of what a client sends while it is being answered. */
#define INPUT_MAX_SIZE 16384

struct scrape {
	TAILQ_ENTRY(scrape) entry; /* while .waits */
	struct metrics_scrapes *all;
	struct evhttp_request *request;
	struct metrics_exposition *exposition;
	struct event *deadline;
	bool waits; /* for its turn; else the client has not taken all */
	bool begun; /* the client has got the head of the answer */
};

TAILQ_HEAD(scrape_list, scrape);

struct metrics_scrapes {
	struct event_base *base;
	const struct lp_core *core;
	struct event *turn;
	struct scrape_list waiting;
	size_t nr;
	struct timeval allowed; /* for each */
	bool names;
};

static void take_turn(struct metrics_scrapes *scrapes)
{
	static const struct timeval now = {0, 0};

	event_add(scrapes->turn, &now);
}

static void wait_for_turn(struct scrape *scrape)
{
	scrape->waits = true;
	TAILQ_INSERT_TAIL(&scrape->all->waiting, scrape, entry);
	take_turn(scrape->all);
}

static void scrape_free(struct scrape *scrape)
{
	if (scrape->waits)
		TAILQ_REMOVE(&scrape->all->waiting, scrape, entry);
	scrape->all->nr--;
	if (scrape->deadline)
		event_free(scrape->deadline);
	metrics_exposition_free(scrape->exposition);
	free(scrape);
}

/* ---- the end ---- */

/* The client has gone, or is dropped. */
static void on_close(struct evhttp_connection *connection, void *ctx)
{
	struct scrape *scrape = ctx;

	(void)connection;
	/* What is cut off from its connection is no longer freed with it. */
	if (!evhttp_request_get_connection(scrape->request))
		evhttp_request_free(scrape->request);
	scrape_free(scrape);
}

static void drop(struct scrape *scrape)
{
	/* Calls on_close(). */
	evhttp_connection_free(evhttp_request_get_connection(scrape->request));
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	drop(ctx);
}

/* The request is no longer the scrape's. */
static struct evhttp_request *let_go(struct scrape *scrape)
{
	struct evhttp_request *request = scrape->request;

	evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
	scrape_free(scrape);
	return request;
}

/* Half an answer must not look like a whole one. */
static void fail(struct scrape *scrape)
{
	if (scrape->begun)
		drop(scrape);
	else
		evhttp_send_error(let_go(scrape), HTTP_INTERNAL, NULL);
}

/* ---- slices ---- */

static void on_taken(struct evhttp_connection *connection, void *ctx)
{
	struct scrape *scrape = ctx;

	(void)connection;
	if (!scrape->waits)
		wait_for_turn(scrape);
}

/* Without chunks, before HTTP 1.1, the end of the answer is that of the connection. */
static void begin_answer(struct scrape *scrape)
{
	struct evhttp_request *request = scrape->request;

	if (request->major == 1 && request->minor == 0)
		evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");
	evhttp_send_reply_start(request, HTTP_OK, NULL);
	scrape->begun = true;
}

static void free_text(const void *text, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	free((void *)text);
}

/* Takes the text over. */
static int send_text(struct scrape *scrape, char *text, size_t size)
{
	struct evbuffer *out = evbuffer_new();

	if (!out || evbuffer_add_reference(out, text, size, free_text, NULL) < 0) {
		free(text);
		if (out)
			evbuffer_free(out);
		return -ENOMEM;
	}
	if (!scrape->begun)
		begin_answer(scrape);
	evhttp_send_reply_chunk_with_cb(scrape->request, out, on_taken, scrape);
	evbuffer_free(out);
	return 0;
}

/* Returns whether there is more, or negative errno; *@ret_text is NULL if nothing was written. */
static int render(struct scrape *scrape, char **ret_text, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		return -ENOMEM;
	r = metrics_exposition_go_on(scrape->exposition, f);
	if (fclose(f) != 0 && r >= 0)
		r = -ENOMEM;
	if (r < 0 || !size) {
		free(text);
		text = NULL;
	}
	*ret_text = text;
	*ret_size = size;
	return r;
}

static void go_on(struct scrape *scrape)
{
	char *text = NULL;
	size_t size = 0;
	int more = render(scrape, &text, &size);
	int r = more < 0 ? more : text ? send_text(scrape, text, size) : 0;

	if (r < 0)
		fail(scrape);
	else if (!more)
		evhttp_send_reply_end(let_go(scrape));
	else if (!text)
		wait_for_turn(scrape);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct metrics_scrapes *scrapes = ctx;
	struct scrape *scrape = TAILQ_FIRST(&scrapes->waiting);

	(void)fd;
	(void)what;
	if (!scrape)
		return;
	TAILQ_REMOVE(&scrapes->waiting, scrape, entry);
	scrape->waits = false;
	if (!TAILQ_EMPTY(&scrapes->waiting))
		take_turn(scrapes);
	go_on(scrape);
}

/* ---- the beginning ---- */

static int set_up(struct scrape *scrape, enum metrics_format format)
{
	struct metrics_scrapes *all = scrape->all;

	scrape->exposition = metrics_exposition_new(all->core, format, all->names);
	scrape->deadline = evtimer_new(all->base, on_deadline, scrape);
	if (!scrape->exposition || !scrape->deadline)
		return -ENOMEM;
	return event_add(scrape->deadline, &all->allowed) < 0 ? -ENOMEM : 0;
}

/* A slice does not wait for the client's word that it has the one before, and the client cannot fill the memory. */
static void set_up_connection(struct evhttp_connection *connection)
{
	struct bufferevent *buffer = evhttp_connection_get_bufferevent(connection);
	int one = 1;

	(void)setsockopt(bufferevent_getfd(buffer), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	bufferevent_setwatermark(buffer, EV_READ, 0, INPUT_MAX_SIZE);
}

void metrics_scrapes_begin(struct metrics_scrapes *scrapes, struct evhttp_request *request,
			   enum metrics_format format)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct scrape *scrape = scrapes->nr < METRICS_SCRAPES_MAX ? calloc(1, sizeof(*scrape)) :
								    NULL;

	if (!scrape) {
		evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	scrape->all = scrapes;
	scrape->request = request;
	scrapes->nr++;
	evhttp_connection_set_closecb(connection, on_close, scrape);
	set_up_connection(connection);
	if (set_up(scrape, format) < 0)
		fail(scrape);
	else
		wait_for_turn(scrape);
}

struct metrics_scrapes *metrics_scrapes_new(const struct metrics_options *options)
{
	struct metrics_scrapes *scrapes = calloc(1, sizeof(*scrapes));
	uint32_t allowed_ms = options->scrape_ms ? options->scrape_ms : METRICS_SCRAPE_MS;

	if (!scrapes)
		return NULL;
	scrapes->base = options->base;
	scrapes->core = options->core;
	scrapes->names = options->names;
	scrapes->allowed.tv_sec = allowed_ms / 1000;
	scrapes->allowed.tv_usec = allowed_ms % 1000 * 1000;
	TAILQ_INIT(&scrapes->waiting);
	scrapes->turn = evtimer_new(scrapes->base, on_turn, scrapes);
	return scrapes->turn ? scrapes : metrics_scrapes_free(scrapes);
}

struct metrics_scrapes *metrics_scrapes_free(struct metrics_scrapes *scrapes)
{
	if (!scrapes)
		return NULL;
	if (scrapes->turn)
		event_free(scrapes->turn);
	free(scrapes);
	return NULL;
}
