// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/control/admission.h"
#include "daemon/control/control.h"
#include "daemon/control/session.h"
#include "daemon/control/sockets.h"

/* Above this nothing more is taken from the client; far above it the client is dropped. */
#define OUTPUT_BUSY_BYTES (256u << 10)
#define OUTPUT_MAX_BYTES  (2u << 20)

/* All clients together may keep the event loop busy for so long per turn of it, and one call longer. */
#define TURN_NS (4 * NS_PER_MS)

/*
 * A client that sends a frame in small pieces is read again after a pause. Higher: a frame in pieces
 * takes longer; lower: whoever sends single bytes makes the daemon wake up for each.
 */
#define PAUSE_NS	(10 * NS_PER_MS)
#define PIECE_MIN_BYTES 4096

#define FIRST_CALL_MS 10000

struct client {
	LIST_ENTRY(client) entry;
	TAILQ_ENTRY(client) waiting_entry;
	struct door *door;
	struct bufferevent *bev;
	struct control_session *session;
	struct event *silent; /* until the first call: the client goes */
	struct event *pause;  /* ends a pause of reading */
	uid_t uid;
	size_t had_bytes; /* of an incomplete frame, when it was read last */
	bool waits;	  /* in control->waiting */
	bool dropped;
	bool more;  /* frames may be left that it was not the turn of */
	bool ended; /* sends no more, but may still read what it asked for */
};

TAILQ_HEAD(client_queue, client);

/* One of the two sockets. */
struct door {
	struct control *control;
	const char *name;
	bool write;
	bool ours; /* made by us, to be removed */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct evconnlistener *listener;
	struct event *retry; /* listens again after there was no descriptor for a client */
	LIST_HEAD(, client) clients;
	size_t nr_clients;
	struct refusals refusals;
};

struct control {
	struct control_options options;
	struct door doors[2];
	struct client_queue waiting; /* for their turn */
	struct event *turn;
};

static void say(const struct control *control, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(const struct control *control, int priority, const char *format, ...)
{
	char line[256];
	va_list ap;

	if (!control->options.log)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	control->options.log(control->options.log_ctx, priority, line);
}

/* ---- clients ---- */

static void client_free(struct client *client)
{
	LIST_REMOVE(client, entry);
	client->door->nr_clients--;
	if (client->waits)
		TAILQ_REMOVE(&client->door->control->waiting, client, waiting_entry);
	control_session_free(client->session);
	if (client->silent)
		event_free(client->silent);
	if (client->pause)
		event_free(client->pause);
	if (client->bev)
		bufferevent_free(client->bev);
	free(client);
}

/* By a timer, so that the loop looks at everything else first. */
static void arm_turn(struct control *control)
{
	static const struct timeval now = {0, 0};

	event_add(control->turn, &now);
}

/* Outside of callbacks, and when its turn has come: goes on with the input, or drops the client. */
static void soon(struct client *client)
{
	struct control *control = client->door->control;

	if (client->waits)
		return;
	if (TAILQ_EMPTY(&control->waiting))
		arm_turn(control);
	client->waits = true;
	TAILQ_INSERT_TAIL(&control->waiting, client, waiting_entry);
}

/* Callers may be deep in a method: the client goes when the loop is back. */
static void drop(struct client *client, const char *why)
{
	if (client->dropped)
		return;
	client->dropped = true;
	say(client->door->control, LOG_DEBUG, "disconnected a client of the %s socket: %s",
	    client->door->name, why);
	soon(client);
}

static bool output_above(const struct client *client, size_t bytes)
{
	return evbuffer_get_length(bufferevent_get_output(client->bev)) > bytes;
}

/* Whoever gets no answer, or half of one, is not left waiting for it. */
static int client_send(void *ctx, const char *frame, size_t len)
{
	struct client *client = ctx;

	if (client->dropped)
		return -ENOBUFS;
	if (bufferevent_write(client->bev, frame, len) < 0 ||
	    bufferevent_write(client->bev, "", 1) < 0)
		drop(client, "there is no memory for its answer");
	else if (output_above(client, OUTPUT_MAX_BYTES))
		drop(client, "it reads too slowly");
	return client->dropped ? -ENOBUFS : 0;
}

static size_t client_pending(void *ctx)
{
	struct client *client = ctx;

	return evbuffer_get_length(bufferevent_get_output(client->bev));
}

/* One call at a time: a long line of them must keep neither the loop nor others waiting. */
static bool client_enough(void *ctx)
{
	struct client *client = ctx;

	client->more = true;
	client->had_bytes = 0;
	event_del(client->silent);
	return true;
}

/* It has said all that it will, and heard all that it asked for. */
static bool client_finished(const struct client *client)
{
	return client->ended && !client->dropped && client_pending((void *)client) == 0 &&
	       !control_session_owes(client->session, bufferevent_get_input(client->bev));
}

/* Reads no more for a moment, if the client sends a frame in small pieces. */
static void pause_if_in_pieces(struct client *client)
{
	static const struct timeval pause = {0, PAUSE_NS / NS_PER_US};
	size_t has = evbuffer_get_length(bufferevent_get_input(client->bev));

	if (!has || client->more || client->ended)
		return;
	if (has - client->had_bytes < PIECE_MIN_BYTES) {
		bufferevent_disable(client->bev, EV_READ);
		event_add(client->pause, &pause);
	}
	client->had_bytes = has;
}

static void on_pause_over(evutil_socket_t fd, short what, void *ctx)
{
	struct client *client = ctx;

	(void)fd;
	(void)what;
	bufferevent_enable(client->bev, EV_READ);
}

/* Takes the client's next call. The client may be gone afterwards. */
static void client_input(struct client *client)
{
	int r = 0;

	client->more = false;
	if (!client->dropped && !output_above(client, OUTPUT_BUSY_BYTES))
		r = control_session_input(client->session, bufferevent_get_input(client->bev));
	if (r == -EMSGSIZE)
		drop(client, "a frame is longer than 1 MiB");
	else if (r == -ENOMEM)
		drop(client, "there is no memory for its call");
	else if (r < 0)
		drop(client, "a frame is not a Varlink call");
	else if (client->more)
		soon(client);
	if (client_finished(client))
		client_free(client);
	else if (!client->dropped)
		pause_if_in_pieces(client);
}

static void client_resume(void *ctx)
{
	soon(ctx);
}

static void take_turn(struct control *control)
{
	struct client *client = TAILQ_FIRST(&control->waiting);

	TAILQ_REMOVE(&control->waiting, client, waiting_entry);
	client->waits = false;
	if (client->dropped)
		client_free(client);
	else
		client_input(client);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct control *control = ctx;
	uint64_t until_ns = monotonic_ns() + TURN_NS;

	(void)fd;
	(void)what;
	while (!TAILQ_EMPTY(&control->waiting) && monotonic_ns() < until_ns)
		take_turn(control);
	if (!TAILQ_EMPTY(&control->waiting))
		arm_turn(control);
}

static void on_silent(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	drop(ctx, "it called nothing");
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	(void)bev;
	soon(ctx);
}

static void on_written(struct bufferevent *bev, void *ctx)
{
	struct client *client = ctx;

	(void)bev;
	if (!client->dropped)
		control_session_drained(client->session);
	/* It may have asked for more than was taken at once. */
	soon(client);
}

/* Has the client closed its socket, rather than only said that it sends no more? */
static bool hung_up(struct bufferevent *bev)
{
	struct pollfd pfd = {.fd = bufferevent_getfd(bev)};

	return poll(&pfd, 1, 0) < 0 || (pfd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void on_end(struct bufferevent *bev, short what, void *ctx)
{
	struct client *client = ctx;

	if (!(what & BEV_EVENT_EOF) || hung_up(bev)) {
		client_free(client);
		return;
	}
	client->ended = true;
	bufferevent_setwatermark(bev, EV_WRITE, 0, 0);
	if (client_finished(client))
		client_free(client);
}

static uid_t uid_of(evutil_socket_t fd)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t len = sizeof(who);

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	return who.uid;
}

static struct client *client_new(struct door *door, evutil_socket_t fd)
{
	struct event_base *base = door->control->options.base;
	struct client *client = calloc(1, sizeof(*client));
	const struct control_session_options options = {
		.core = door->control->options.core,
		.write = door->write,
		.send = client_send,
		.resume = client_resume,
		.enough = client_enough,
		.pending = client_pending,
		.ctx = client,
	};

	if (!client)
		return NULL;
	client->door = door;
	LIST_INSERT_HEAD(&door->clients, client, entry);
	door->nr_clients++;
	client->uid = uid_of(fd);
	client->silent = event_new(base, -1, 0, on_silent, client);
	client->pause = event_new(base, -1, 0, on_pause_over, client);
	client->session = control_session_new(&options);
	client->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	return client;
}

/* Why the client behind @fd may not connect, NULL: it may. */
static const char *refuses(const struct door *door, evutil_socket_t fd)
{
	uid_t uids[CONTROL_CLIENTS_MAX];
	const struct client *client;
	size_t nr = 0;

	LIST_FOREACH(client, &door->clients, entry)
		uids[nr++] = client->uid;
	return admission_refuses(uids, nr, uid_of(fd));
}

static void log_refusal(struct door *door, const char *why)
{
	unsigned int nr = refusals_count(&door->refusals, monotonic_ns());

	if (nr)
		say(door->control, LOG_WARNING, "refused %u client%s of the %s socket: %s", nr,
		    nr == 1 ? "" : "s", door->name, why);
}

static bool is_complete(const struct client *client)
{
	return client->bev && client->session && client->silent && client->pause;
}

static void wait_for_first_call(struct client *client)
{
	unsigned int ms = client->door->control->options.first_call_ms;
	struct timeval wait;

	if (!ms)
		ms = FIRST_CALL_MS;
	wait = (struct timeval){(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	event_add(client->silent, &wait);
}

static void on_connect(struct evconnlistener *listener, evutil_socket_t fd,
		       struct sockaddr *address, int len, void *ctx)
{
	struct door *door = ctx;
	const char *why = refuses(door, fd);
	struct client *client;

	(void)listener;
	(void)address;
	(void)len;
	if (why) {
		log_refusal(door, why);
		close(fd);
		return;
	}
	client = client_new(door, fd);
	if (!client || !is_complete(client)) {
		if (!client || !client->bev)
			close(fd);
		if (client)
			client_free(client);
		return;
	}
	bufferevent_setcb(client->bev, on_read, on_written, on_end, client);
	/* A full frame and its NUL have to fit, or it could never be seen whole. */
	bufferevent_setwatermark(client->bev, EV_READ, 0, CONTROL_FRAME_MAX_BYTES + 2);
	bufferevent_setwatermark(client->bev, EV_WRITE, OUTPUT_BUSY_BYTES / 4, 0);
	if (bufferevent_enable(client->bev, EV_READ | EV_WRITE) < 0)
		client_free(client);
	else
		wait_for_first_call(client);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct door *door = ctx;

	(void)fd;
	(void)what;
	evconnlistener_enable(door->listener);
}

/* The client stays in the kernel's queue: without a pause the loop would try, and fail, for ever. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
	static const struct timeval pause = {1, 0};
	struct door *door = ctx;

	say(door->control, LOG_WARNING, "cannot accept a client of the %s socket: %s", door->name,
	    strerror(errno));
	evconnlistener_disable(listener);
	event_add(door->retry, &pause);
}

/* ---- doors ---- */

/* Returns a listening socket in the runtime directory. */
static int make_socket(struct door *door)
{
	int fd;

	if ((size_t)snprintf(door->path, sizeof(door->path), "%s/%s",
			     door->control->options.runtime_dir, door->name) >= sizeof(door->path))
		return -ENAMETOOLONG;
	fd = control_socket_make(door->path);
	door->ours = fd >= 0;
	return fd;
}

static int door_open(struct door *door)
{
	int fd = control_socket_passed(door->name);

	if (fd == -ENOENT)
		fd = make_socket(door);
	if (fd == -ENOTSOCK) {
		say(door->control, LOG_ERR,
		    "what systemd passes as \"%s\" is not a listening Unix stream socket",
		    door->name);
		return fd;
	}
	if (fd < 0) {
		say(door->control, LOG_ERR, "cannot listen on %s: %s",
		    *door->path ? door->path : door->name,
		    fd == -EADDRINUSE ? "another daemon answers there" : strerror(-fd));
		return fd;
	}
	door->listener = evconnlistener_new(door->control->options.base, on_connect, door,
					    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!door->listener) {
		close(fd);
		return -ENOMEM;
	}
	door->retry = evtimer_new(door->control->options.base, on_retry, door);
	if (!door->retry)
		return -ENOMEM;
	evconnlistener_set_error_cb(door->listener, on_accept_error);
	return 0;
}

static void door_close(struct door *door)
{
	while (!LIST_EMPTY(&door->clients))
		client_free(LIST_FIRST(&door->clients));
	if (door->retry)
		event_free(door->retry);
	if (door->listener)
		evconnlistener_free(door->listener);
	if (door->ours)
		unlink(door->path);
}

int control_new(const struct control_options *options, struct control **ret)
{
	static const char *const names[2] = {CONTROL_SOCKET, CONTROL_READ_SOCKET};
	struct control *control = calloc(1, sizeof(*control));
	int r = 0;

	if (!control)
		return -ENOMEM;
	control->options = *options;
	TAILQ_INIT(&control->waiting);
	control->turn = event_new(options->base, -1, 0, on_turn, control);
	r = control->turn ? 0 : -ENOMEM;
	for (size_t i = 0; i < 2; i++) {
		control->doors[i].control = control;
		control->doors[i].name = names[i];
		control->doors[i].write = i == 0;
		LIST_INIT(&control->doors[i].clients);
	}
	for (size_t i = 0; i < 2 && r == 0; i++)
		r = door_open(&control->doors[i]);
	if (r < 0) {
		control_free(control);
		return r;
	}
	*ret = control;
	return 0;
}

struct control *control_free(struct control *control)
{
	if (!control)
		return NULL;
	for (size_t i = 0; i < 2; i++)
		door_close(&control->doors[i]);
	if (control->turn)
		event_free(control->turn);
	free(control);
	return NULL;
}

size_t control_nr_clients(const struct control *control)
{
	return control->doors[0].nr_clients + control->doors[1].nr_clients;
}
