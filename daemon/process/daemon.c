// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/process/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>

#include "daemon/config/config.h"
#include "daemon/control/control.h"
#include "daemon/core/log.h"
#include "daemon/core/manager.h"
#include "daemon/link/netlink.h"
#include "daemon/link/sim.h"
#include "daemon/metrics/metrics.h"
#include "daemon/process/notify.h"
#include "daemon/process/runtime.h"
#include "daemon/process/vmm_reader.h"

#define PROCFS "/proc"

#define NR_SIGNALS 3

struct daemon {
	const struct lp_options *options;
	struct lp_log log;
	struct lp_log_cap log_cap;
	struct config *config; /* until the manager owns it */
	struct runtime runtime;
	struct event_base *base;
	struct lp_link *link;
	struct lp_manager *manager;
	struct control *control;
	struct metrics *metrics;
	struct config_listen metrics_listen; /* the address of .metrics, "": none */
	bool metrics_names;
	struct event *signals[NR_SIGNALS];
	struct lp_notify notify;
	struct procfs_namespaces namespaces;
	struct vmm_reader *reader; /* NULL: command lines are not read */
	struct event *watchdog;
};

/* ---- configuration ---- */

/* Warns of what is valid but does nothing. */
static void warn_config(struct daemon *d)
{
	struct config_errors warnings;

	if (config_lint(d->config, &warnings) == 0 && d->options->check_config)
		config_warnings_print(stderr, &warnings);
	else
		lp_log_config(&d->log, LOG_WARNING, NULL, &warnings);
	config_errors_done(&warnings);
}

static int load_config(struct daemon *d)
{
	const struct lp_options *options = d->options;
	struct config_errors errors = {0};
	int r;

	r = config_load(options->config_path, options->config_given, &d->config, &errors);
	if (r < 0 && options->check_config && errors.nr)
		config_errors_print(stderr, &errors);
	else if (r < 0 && errors.nr)
		lp_log_config(&d->log, LOG_ERR, NULL, &errors);
	else if (r < 0)
		lp_log(&d->log, LOG_ERR, NULL, "%s: %s", options->config_path, strerror(-r));
	config_errors_done(&errors);
	if (r < 0)
		return r == -ENOMEM ? LP_EXIT_FAILURE : LP_EXIT_CONFIG;
	d->log.max_priority = (int)d->config->global.log_level;
	warn_config(d);
	return LP_EXIT_OK;
}

/* Says what `tdx-lpctl config check` says, also by the exit status. */
static int check_config(struct daemon *d)
{
	int status = load_config(d);

	if (status == LP_EXIT_OK)
		config_good_print(stdout, d->options->config_path, d->config);
	return status == LP_EXIT_OK ? LP_EXIT_OK : LP_EXIT_FAILURE;
}

/* ---- service manager ---- */

static void on_ready(void *ctx)
{
	struct daemon *d = ctx;
	char text[192];

	lp_manager_status_text(d->manager, text, sizeof(text));
	lp_log(&d->log, LOG_NOTICE, &(struct lp_log_about){.message = LP_MESSAGE_STARTED},
	       "tdx-lpaged %s is up: %s", TDX_LPAGE_VERSION, text);
	lp_notify_ready(&d->notify, text);
}

static void on_status(void *ctx, const char *text)
{
	struct daemon *d = ctx;

	lp_notify_status(&d->notify, text);
}

static void on_reload_begins(void *ctx)
{
	struct daemon *d = ctx;

	lp_notify_reloading(&d->notify);
}

static void on_reload_ended(void *ctx)
{
	struct daemon *d = ctx;
	char text[192];

	lp_manager_status_text(d->manager, text, sizeof(text));
	lp_notify_ready(&d->notify, text);
}

static int start_metrics(struct daemon *d, const char *listen, bool names)
{
	const struct metrics_options options = {
		.base = d->base,
		.core = lp_manager_core(d->manager),
		.listen = listen,
		.names = names,
	};

	return listen[0] ? metrics_new(&options, &d->metrics) : 0;
}

/* Restarts the metrics server if its settings changed. On failure the old one keeps running. */
static int on_configure(void *ctx, const struct config *config, char *why, size_t size)
{
	struct daemon *d = ctx;
	const char *listen = config->global.metrics.text;
	bool names = config->global.metrics_names;
	int r;

	if (!strcmp(listen, d->metrics_listen.text) && names == d->metrics_names)
		return 0;
	/* The new address may overlap with the old one. */
	d->metrics = metrics_free(d->metrics);
	r = start_metrics(d, listen, names);
	if (r < 0) {
		snprintf(why, size, "metrics: cannot listen on %s: %s%s", listen, strerror(-r),
			 r == -EAFNOSUPPORT ? "; the unit needs a drop-in, see tdx-lpaged(8)" : "");
		if (start_metrics(d, d->metrics_listen.text, d->metrics_names) < 0)
			d->metrics_listen.text[0] = '\0';
		return r;
	}
	d->metrics_listen = config->global.metrics;
	d->metrics_names = names;
	if (listen[0])
		lp_log(&d->log, LOG_INFO, NULL, "serving metrics on http://%s/metrics", listen);
	return 0;
}

static int on_ask_args(void *ctx, const struct lp_vmm_query *query)
{
	struct daemon *d = ctx;

	return d->reader ? vmm_reader_ask(d->reader, query) : -ENOTCONN;
}

static void on_args(void *ctx, const struct lp_vmm_query *query, int error,
		    const struct lp_vmm_args *args)
{
	struct daemon *d = ctx;

	lp_manager_vmm_args(d->manager, query, error, args);
}

/*
 * By itself the heap shrinks only at its end, which something small always outlives. All of it in one turn: what grows
 * with the guests does not lie there.
 */
static void on_give_back(void *ctx)
{
	(void)ctx;
	(void)malloc_trim(0);
}

static const struct lp_manager_hooks hooks = {
	.ready = on_ready,
	.status = on_status,
	.reload_begins = on_reload_begins,
	.reload_ended = on_reload_ended,
	.configure = on_configure,
	.ask_args = on_ask_args,
	.give_back = on_give_back,
};

static void on_watchdog(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)fd;
	(void)what;
	lp_notify_watchdog(&d->notify);
}

/* What the service manager does not hear of does not keep the daemon from its work. */
static void open_notify(struct daemon *d)
{
	int r = lp_notify_open(&d->notify, d->base);

	if (r < 0)
		lp_log(&d->log, LOG_WARNING, NULL, "cannot notify the service manager: %s",
		       strerror(-r));
}

/* Without it, names come from KVM and from scopes only. */
static void open_reader(struct daemon *d)
{
	int r = vmm_reader_new(d->base, PROCFS, &d->log, on_args, d, &d->reader);

	if (r < 0)
		lp_log(&d->log, LOG_WARNING, NULL, "cannot read command lines of VMMs: %s",
		       strerror(-r));
}

static int start_watchdog(struct daemon *d)
{
	uint64_t us = lp_notify_watchdog_interval_us();
	struct timeval interval = {(time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S)};

	if (!us)
		return 0;
	d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
	return d->watchdog && event_add(d->watchdog, &interval) == 0 ? 0 : -ENOMEM;
}

/* ---- signals ---- */

static void on_stop(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)what;
	lp_log(&d->log, LOG_INFO, NULL, "stopping: SIG%s", sigabbrev_np((int)signal));
	event_base_loopbreak(d->base);
}

static void on_hangup(evutil_socket_t signal, short what, void *ctx)
{
	struct daemon *d = ctx;
	struct lp_core *core = lp_manager_core(d->manager);

	(void)signal;
	(void)what;
	/* Errors have been logged; there is no client to answer. */
	(void)core->ops->reload(core, NULL);
}

static int catch_signals(struct daemon *d)
{
	static const struct {
		int signal;
		event_callback_fn fn;
	} table[NR_SIGNALS] = {{SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_hangup}};

	/* Writing to a client that left returns EPIPE, to a file that may not grow EFBIG. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < NR_SIGNALS; i++) {
		d->signals[i] = evsignal_new(d->base, table[i].signal, table[i].fn, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- timers ---- */

/* More than there are ever at once: of clients, of the manager, of the link. */
#define TIMERS_MAX (2 * 2 * CONTROL_CLIENTS_MAX + 64)

static void on_nothing(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

/*
 * Room for all timers, which libevent keeps: without memory for one more, nobody would come back to
 * what it is set for.
 */
static int reserve_timers(struct daemon *d)
{
	static const struct timeval never = {3600, 0};
	struct event *timers[TIMERS_MAX] = {0};
	int r = 0;

	for (size_t i = 0; i < TIMERS_MAX && r == 0; i++) {
		timers[i] = evtimer_new(d->base, on_nothing, NULL);
		r = timers[i] && event_add(timers[i], &never) == 0 ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < TIMERS_MAX && timers[i]; i++)
		event_free(timers[i]);
	return r;
}

/* ---- start and end ---- */

static int open_link(struct daemon *d)
{
	static const char sim[] = "sim:";
	char error[256] = "";
	int r;

	if (!strncmp(d->options->link, sim, strlen(sim))) {
		r = lp_sim_new(d->base, d->options->link + strlen(sim), &d->link, error,
			       sizeof(error));
		if (r < 0)
			lp_log(&d->log, LOG_ERR, NULL, "--link: %s", error);
		return r;
	}
	d->link = lp_netlink_new(d->base, d->namespaces.monotonic_ns);
	return d->link ? 0 : -ENOMEM;
}

/* That of the kernel, also in a time namespace: ends of pauses are kept over restarts. */
static uint64_t clock_ns(void *ctx)
{
	const struct daemon *d = ctx;

	return monotonic_ns() - (uint64_t)d->namespaces.monotonic_ns;
}

static int make_manager(struct daemon *d)
{
	struct lp_manager_options options = {
		.base = d->base,
		.link = d->link,
		.log = &d->log,
		.config = d->config,
		.config_path = d->options->config_path,
		.config_must_exist = d->options->config_given,
		.procfs = PROCFS,
		.runtime_dir_fd = d->runtime.state_dir_fd,
		.state = &d->runtime.state,
		.dry_run = d->options->dry_run,
		.hooks = &hooks,
		.hooks_ctx = d,
		.clock_ns = clock_ns,
	};

	d->config = NULL;
	return lp_manager_new(&options, &d->manager);
}

static void control_log(void *ctx, int priority, const char *line)
{
	struct daemon *d = ctx;

	lp_log(&d->log, priority, NULL, "%s", line);
}

static int open_control(struct daemon *d)
{
	struct control_options options = {
		.base = d->base,
		.core = lp_manager_core(d->manager),
		.runtime_dir = d->options->runtime_dir,
		.log = control_log,
		.log_ctx = d,
	};

	return control_new(&options, &d->control);
}

/* libevent's usual clock is the kernel's tick: on a busy host, timers would fire early, and have to wait once more. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static int start(struct daemon *d)
{
	int r;

	procfs_namespaces(PROCFS, &d->namespaces);
	d->base = new_base();
	r = d->base ? catch_signals(d) : -ENOMEM;
	if (r == 0)
		r = reserve_timers(d);
	if (r == 0) {
		open_reader(d);
		open_notify(d);
	}
	if (r == 0)
		r = open_link(d);
	if (r == 0)
		r = make_manager(d);
	if (r == 0)
		r = open_control(d);
	if (r == 0)
		r = start_watchdog(d);
	if (r == 0)
		r = lp_manager_start(d->manager);
	return r;
}

static int run(struct daemon *d)
{
	int r;

	r = start(d);
	if (r == 0)
		r = event_base_dispatch(d->base) < 0 ? -EIO : 0;
	if (r < 0)
		lp_log(&d->log, LOG_ERR, NULL, "fatal: %s", strerror(-r));
	lp_notify_stopping(&d->notify);
	return r < 0 ? LP_EXIT_FAILURE : LP_EXIT_OK;
}

static void clean_up(struct daemon *d)
{
	d->control = control_free(d->control);
	d->reader = vmm_reader_free(d->reader);
	d->metrics = metrics_free(d->metrics);
	d->manager = lp_manager_free(d->manager);
	if (d->link)
		d->link->ops->free(d->link);
	for (int i = 0; i < NR_SIGNALS; i++) {
		if (d->signals[i])
			event_free(d->signals[i]);
	}
	if (d->watchdog)
		event_free(d->watchdog);
	lp_notify_close(&d->notify);
	if (d->base)
		event_base_free(d->base);
	config_free(d->config);
	runtime_close(&d->runtime);
	libevent_global_shutdown();
}

int lp_daemon_run(const struct lp_options *options)
{
	struct daemon d = {.options = options, .runtime = RUNTIME_NONE, .notify = {.fd = -1}};
	int status;

	lp_log_init(&d.log, LOG_INFO);
	d.log.cap = &d.log_cap;
	/*
	 * Without this, the heap would take over the arenas of blocks.h once one was freed, and large
	 * blocks that are mostly untouched would come zeroed from it.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	if (options->check_config) {
		status = check_config(&d);
	} else {
		status = load_config(&d);
		if (status == LP_EXIT_OK)
			status = runtime_open(&d.runtime, options, &d.log);
		if (status == LP_EXIT_OK)
			status = run(&d);
	}
	clean_up(&d);
	return status;
}
