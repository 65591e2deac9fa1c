// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/metrics/metrics.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/metrics/format.h"
#include "daemon/metrics/scrapes.h"

#define TIMEOUT_S	 10
#define HEADERS_MAX_SIZE 8192
#define BACKLOG		 16

struct metrics {
	struct evhttp *http;
	struct evconnlistener *listener; /* of http, which frees it */
	struct event *gate;		 /* runs before the listener accepts */
	struct event *retry;
	struct metrics_scrapes *scrapes;
};

static void on_metrics(struct evhttp_request *request, void *ctx)
{
	struct metrics *metrics = ctx;
	const char *accept =
		evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
	enum metrics_format format = metrics_format_for(accept);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "Content-Type", metrics_content_type(format));
	evhttp_add_header(headers, "Vary", "Accept");
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
		evhttp_send_reply(request, HTTP_OK, NULL, NULL);
	else
		metrics_scrapes_begin(metrics->scrapes, request, format);
}

static void on_other(struct evhttp_request *request, void *ctx)
{
	(void)ctx;
	evhttp_send_error(request, HTTP_NOTFOUND, NULL);
}

/* With port 0 the kernel would choose one, and nobody would know which. */
static bool has_port(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ((const struct sockaddr_in6 *)address)->sin6_port != 0;
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

/* A listening socket, or negative errno. */
static int listen_on(const char *text)
{
	struct sockaddr_storage address;
	int len = sizeof(address), one = 1;
	int fd, r;

	memset(&address, 0, sizeof(address));
	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&address, &len) < 0 ||
	    !has_port(&address))
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, (socklen_t)len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* ---- leave file descriptors for the rest of the daemon ---- */

/* The kernel hands out the lowest free number, so all below it are in use. */
static bool descriptors_are_short(int fd)
{
	struct rlimit limit;
	int lowest = dup(fd);

	if (lowest < 0)
		return true;
	close(lowest);
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)lowest >= limit.rlim_cur / 2;
}

/*
 * evhttp accepts every connection, and spins if it cannot. Half of the descriptors are reserved: the daemon
 * reads /proc and serves its control sockets, too.
 */
static void on_client(evutil_socket_t fd, short what, void *ctx)
{
	static const struct timeval pause = {1, 0};
	struct metrics *metrics = ctx;

	(void)what;
	if (!descriptors_are_short(fd))
		return;
	evconnlistener_disable(metrics->listener);
	event_del(metrics->gate);
	event_add(metrics->retry, &pause);
}

static void on_retry(evutil_socket_t fd, short what, void *ctx)
{
	struct metrics *metrics = ctx;

	(void)fd;
	(void)what;
	evconnlistener_enable(metrics->listener);
	/* After the listener: libevent calls the event added last first. */
	event_add(metrics->gate, NULL);
}

static int set_up_gate(struct metrics *metrics, struct event_base *base, int fd)
{
	metrics->gate = event_new(base, fd, EV_READ | EV_PERSIST, on_client, metrics);
	metrics->retry = evtimer_new(base, on_retry, metrics);
	if (!metrics->gate || !metrics->retry || event_add(metrics->gate, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static int set_up(struct metrics *metrics, const struct metrics_options *options)
{
	struct evhttp_bound_socket *bound;
	int fd;

	metrics->scrapes = metrics_scrapes_new(options);
	metrics->http = evhttp_new(options->base);
	if (!metrics->scrapes || !metrics->http)
		return -ENOMEM;
	evhttp_set_timeout(metrics->http, TIMEOUT_S);
	evhttp_set_max_headers_size(metrics->http, HEADERS_MAX_SIZE);
	evhttp_set_max_body_size(metrics->http, 0);
	evhttp_set_allowed_methods(metrics->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_gencb(metrics->http, on_other, NULL);
	if (evhttp_set_cb(metrics->http, "/metrics", on_metrics, metrics) < 0)
		return -ENOMEM;
	fd = listen_on(options->listen);
	if (fd < 0)
		return fd;
	bound = evhttp_accept_socket_with_handle(metrics->http, fd);
	if (!bound) {
		close(fd);
		return -ENOMEM;
	}
	metrics->listener = evhttp_bound_socket_get_listener(bound);
	return set_up_gate(metrics, options->base, fd);
}

int metrics_new(const struct metrics_options *options, struct metrics **ret)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	int r;

	if (!metrics)
		return -ENOMEM;
	r = set_up(metrics, options);
	if (r < 0) {
		metrics_free(metrics);
		return r;
	}
	*ret = metrics;
	return 0;
}

struct metrics *metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return NULL;
	if (metrics->gate)
		event_free(metrics->gate);
	if (metrics->retry)
		event_free(metrics->retry);
	if (metrics->http)
		evhttp_free(metrics->http);
	metrics_scrapes_free(metrics->scrapes);
	free(metrics);
	return NULL;
}
