// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/link/netlink.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <tdx-lpage/base.h>

#include "daemon/link/netlink_proto.h"

/* The kernel makes dump messages as long as the buffer of the last read, up to 32 KiB. */
#define BUFFER_SIZE (64 * 1024)

/* Reads per wake-up: a long dump must not keep the loop from its other work. */
#define READS_MAX 8

#define REQUEST_RCVBUF (1024 * 1024)
#define EVENT_RCVBUF   (8 * 1024 * 1024)

struct netlink {
	struct lp_link link;
	struct lp_proto proto;
	struct nl_sock *request;
	struct nl_sock *events;
	struct event *request_event;
	struct event *events_event;
	struct event *pump_timer;
	struct event *wake; /* apart from the timer: arming a timer would undo a wake-up */
	int64_t clock_offset_ns;
	uint64_t armed_ns; /* when pump_timer fires, UINT64_MAX: it does not */
	union {
		char bytes[BUFFER_SIZE];
		struct nlmsghdr align;
	} buffer;
};

static struct netlink *netlink_of(struct lp_link *link)
{
	return (struct netlink *)link;
}

static struct event *event_free_null(struct event *event)
{
	if (event)
		event_free(event);
	return NULL;
}

/*
 * Reads one datagram. Returns its length, 0 when there is none, -ENOBUFS when some were lost,
 * -EMSGSIZE when it did not fit, another negative errno. What does not come from the kernel is
 * passed over.
 */
static ssize_t receive(struct netlink *netlink, struct nl_sock *sock)
{
	struct sockaddr_nl from;
	struct iovec iov = {netlink->buffer.bytes, sizeof(netlink->buffer.bytes)};
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t len;

	for (;;) {
		msg.msg_namelen = sizeof(from);
		len = recvmsg(nl_socket_get_fd(sock), &msg, MSG_DONTWAIT);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
			continue;
		return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : len;
	}
}

static enum lp_loss loss_of(ssize_t error)
{
	return error == -EMSGSIZE ? LP_LOSS_TRUNCATED : LP_LOSS_OVERRUN;
}

/* Has pump called when the next deadline is due. */
static void arm(struct netlink *netlink)
{
	uint64_t due_ns = lp_proto_deadline_ns(&netlink->proto);
	uint64_t now_ns, left_ns;
	struct timeval left;

	if (due_ns == netlink->armed_ns)
		return;
	netlink->armed_ns = due_ns;
	if (due_ns == UINT64_MAX) {
		event_del(netlink->pump_timer);
		return;
	}
	now_ns = monotonic_ns();
	left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	left.tv_sec = (time_t)(left_ns / NS_PER_S);
	left.tv_usec = (suseconds_t)(left_ns % NS_PER_S / 1000 + 1);
	event_add(netlink->pump_timer, &left);
}

static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
	struct netlink *netlink = ctx;

	(void)fd;
	(void)what;
	if (!event_pending(netlink->pump_timer, EV_TIMEOUT, NULL))
		netlink->armed_ns = UINT64_MAX;
	lp_proto_pump(&netlink->proto);
	arm(netlink);
}

/* One datagram off the request socket; returns false when there is none. */
static bool read_request(struct netlink *netlink)
{
	ssize_t len = receive(netlink, netlink->request);

	if (len > 0)
		lp_proto_input(&netlink->proto, netlink->buffer.bytes, (size_t)len);
	else if (len < 0)
		lp_proto_input_loss(&netlink->proto, loss_of(len));
	return len > 0;
}

/* Replies to requests come before the events that they cause. */
static void settle(struct netlink *netlink)
{
	while (lp_proto_calls_open(&netlink->proto) && read_request(netlink))
		;
}

static void on_request(evutil_socket_t fd, short what, void *ctx)
{
	struct netlink *netlink = ctx;

	(void)fd;
	(void)what;
	for (int i = 0; i < READS_MAX && read_request(netlink); i++)
		;
	arm(netlink);
}

static void on_events(evutil_socket_t fd, short what, void *ctx)
{
	struct netlink *netlink = ctx;
	ssize_t len = 0;

	(void)fd;
	(void)what;
	/* Before each event: one of them may have led to calls. */
	for (int i = 0; i < READS_MAX; i++) {
		settle(netlink);
		len = receive(netlink, netlink->events);
		if (len <= 0)
			break;
		lp_proto_event(&netlink->proto, netlink->buffer.bytes, (size_t)len);
	}
	if (len < 0)
		lp_proto_event_loss(&netlink->proto, loss_of(len));
	arm(netlink);
}

static int io_send(void *ctx, struct nl_msg *msg, uint32_t seq)
{
	struct netlink *netlink = ctx;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	ssize_t len;

	hdr->nlmsg_seq = seq;
	hdr->nlmsg_pid = nl_socket_get_local_port(netlink->request);
	hdr->nlmsg_flags |= NLM_F_REQUEST;
	do
		len = send(nl_socket_get_fd(netlink->request), hdr, hdr->nlmsg_len, MSG_DONTWAIT);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : 0;
}

static int io_join(void *ctx, uint32_t group)
{
	struct netlink *netlink = ctx;
	int fd = nl_socket_get_fd(netlink->events);

	/* As nl_socket_add_membership(), which does not distinguish EPERM from other errors. */
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	return 0;
}

static void io_wake(void *ctx)
{
	struct netlink *netlink = ctx;

	event_active(netlink->wake, EV_TIMEOUT, 0);
}

static uint64_t io_now_ns(void *ctx)
{
	(void)ctx;
	return monotonic_ns();
}

static void set_option(int fd, int level, int name, int value)
{
	/* An older kernel may not know it; then the answers carry less text. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* Opens a generic netlink socket. Returns 0 or negative errno. */
static int open_socket(struct nl_sock **ret, int rcvbuf)
{
	struct nl_sock *sock = nl_socket_alloc();
	int fd, r;

	if (!sock)
		return -ENOMEM;
	errno = 0;
	r = genl_connect(sock);
	if (r < 0) {
		r = errno ? -errno : -ENOBUFS;
		nl_socket_free(sock);
		return r;
	}
	nl_socket_set_nonblocking(sock);
	fd = nl_socket_get_fd(sock);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* libnl 3.7 sets none of these. */
	set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)) < 0)
		set_option(fd, SOL_SOCKET, SO_RCVBUF, rcvbuf);
	*ret = sock;
	return 0;
}

static int listen_on(struct netlink *netlink, struct nl_sock *sock, event_callback_fn fn,
		     struct event **ret)
{
	struct event *event;

	event = event_new(netlink->link.base, nl_socket_get_fd(sock), EV_READ | EV_PERSIST, fn,
			  netlink);
	if (!event || event_add(event, NULL) < 0) {
		event_free_null(event);
		return -ENOMEM;
	}
	*ret = event;
	return 0;
}

static int open_request(struct netlink *netlink)
{
	int r;

	r = open_socket(&netlink->request, REQUEST_RCVBUF);
	if (r < 0)
		return r;
	return listen_on(netlink, netlink->request, on_request, &netlink->request_event);
}

static int open_events(struct netlink *netlink)
{
	int r;

	r = open_socket(&netlink->events, EVENT_RCVBUF);
	if (r < 0)
		return r;
	nl_socket_disable_seq_check(netlink->events);
	return listen_on(netlink, netlink->events, on_events, &netlink->events_event);
}

static void close_socket(struct nl_sock **sock, struct event **event)
{
	*event = event_free_null(*event);
	nl_socket_free(*sock);
	*sock = NULL;
}

static int io_reopen(void *ctx)
{
	struct netlink *netlink = ctx;
	struct nl_sock *old = netlink->request;
	struct event *old_event = netlink->request_event;
	int r;

	/* The old one stays when there is no new one. */
	netlink->request = NULL;
	netlink->request_event = NULL;
	r = open_request(netlink);
	if (r < 0) {
		close_socket(&netlink->request, &netlink->request_event);
		netlink->request = old;
		netlink->request_event = old_event;
		return r;
	}
	close_socket(&old, &old_event);
	return 0;
}

static const struct lp_proto_io netlink_io = {
	.send = io_send,
	.join = io_join,
	.reopen = io_reopen,
	.wake = io_wake,
	.now_ns = io_now_ns,
};

static void netlink_stop(struct lp_link *link)
{
	struct netlink *netlink = netlink_of(link);

	lp_proto_done(&netlink->proto);
	close_socket(&netlink->request, &netlink->request_event);
	close_socket(&netlink->events, &netlink->events_event);
	netlink->pump_timer = event_free_null(netlink->pump_timer);
	netlink->wake = event_free_null(netlink->wake);
}

static int netlink_start(struct lp_link *link)
{
	struct netlink *netlink = netlink_of(link);
	int r;

	lp_proto_init(&netlink->proto, link, &netlink_io, netlink);
	netlink->armed_ns = UINT64_MAX;
	netlink->pump_timer = evtimer_new(link->base, on_pump, netlink);
	netlink->wake = evtimer_new(link->base, on_pump, netlink);
	r = netlink->pump_timer && netlink->wake ? open_request(netlink) : -ENOMEM;
	if (r == 0)
		r = open_events(netlink);
	if (r == 0)
		r = lp_proto_start(&netlink->proto);
	if (r < 0)
		netlink_stop(link);
	return r;
}

static void netlink_free(struct lp_link *link)
{
	netlink_stop(link);
	free(netlink_of(link));
}

static uint64_t netlink_now_ns(const struct lp_link *link)
{
	return monotonic_ns() - (uint64_t)((const struct netlink *)link)->clock_offset_ns;
}

static int netlink_dump_vms(struct lp_link *link, uint32_t vm_id, uint64_t *ret_tag)
{
	return lp_proto_dump_vms(&netlink_of(link)->proto, vm_id, ret_tag);
}

static int netlink_dump_regions(struct lp_link *link, const struct lp_region_query *query,
				uint64_t *ret_tag)
{
	return lp_proto_dump_regions(&netlink_of(link)->proto, query, ret_tag);
}

static int netlink_set_policy(struct lp_link *link, uint32_t vm_id, const struct lp_limits *limits,
			      uint64_t lease_ns, uint64_t *ret_tag)
{
	return lp_proto_set_policy(&netlink_of(link)->proto, vm_id, limits, lease_ns, ret_tag);
}

static int netlink_range_op(struct lp_link *link, uint32_t vm_id, uint32_t op,
			    const struct lp_range *ranges, size_t nr_ranges, uint64_t ttl_ns,
			    uint64_t *ret_tag)
{
	return lp_proto_range_op(&netlink_of(link)->proto, vm_id, op, ranges, nr_ranges, ttl_ns,
				 ret_tag);
}

static void netlink_stats(const struct lp_link *link, struct lp_link_stats *ret)
{
	*ret = ((const struct netlink *)link)->proto.stats;
}

static const struct lp_link_ops netlink_ops = {
	.name = "netlink",
	.start = netlink_start,
	.stop = netlink_stop,
	.free = netlink_free,
	.now_ns = netlink_now_ns,
	.dump_vms = netlink_dump_vms,
	.dump_regions = netlink_dump_regions,
	.set_policy = netlink_set_policy,
	.range_op = netlink_range_op,
	.stats = netlink_stats,
};

struct lp_link *lp_netlink_new(struct event_base *base, int64_t clock_offset_ns)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));

	if (!netlink)
		return NULL;
	netlink->clock_offset_ns = clock_offset_ns;
	netlink->link = (struct lp_link){.ops = &netlink_ops, .base = base, .speed = 1};
	lp_proto_init(&netlink->proto, &netlink->link, &netlink_io, netlink);
	return &netlink->link;
}
