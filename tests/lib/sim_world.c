// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/sim_world.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/actions.h"
#include "daemon/core/context.h"
#include "daemon/core/shadow.h"
#include "daemon/core/summary.h"
#include "daemon/core/sync.h"

static int write_trace(const struct sim_world *world, const char *trace, size_t len)
{
	int fd = openat(world->dir_fd, "trace", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t done = fd < 0 ? -1 : write(fd, trace, len);

	if (fd >= 0)
		close(fd);
	return done == (ssize_t)len ? 0 : -EIO;
}

static int open_dir(struct sim_world *world)
{
	strcpy(world->dir, "/tmp/sim_world.XXXXXX");
	if (!mkdtemp(world->dir))
		return -errno;
	world->dir_fd = open(world->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return world->dir_fd < 0 ? -errno : 0;
}

static int open_link(struct sim_world *world, const char *options)
{
	char error[256] = "";
	char spec[256];
	int err;

	world->base = event_base_new();
	if (!world->base)
		return -ENOMEM;
	snprintf(spec, sizeof(spec), "%s/trace,virtual,decisions=%s/decisions%s", world->dir,
		 world->dir, options);
	err = lp_sim_new(world->base, spec, &world->link, error, sizeof(error));
	if (err)
		fprintf(stderr, "%s\n", error);
	return err;
}

static int open_manager(struct sim_world *world, const char *config)
{
	struct lp_manager_options options = {
		.base = world->base,
		.link = world->link,
		.log = &world->log,
		.config_path = "config",
		.procfs = world->dir,
		.runtime_dir_fd = world->dir_fd,
	};
	struct config_errors errors = {0};
	int err = config_parse_buffer("config", config, strlen(config), &options.config, &errors);

	config_errors_print(stderr, &errors);
	config_errors_done(&errors);
	if (!err)
		err = lp_manager_new(&options, &world->manager);
	if (err)
		return err;
	world->core = lp_manager_core(world->manager);
	return lp_manager_start(world->manager);
}

int sim_world_open(struct sim_world *world, const char *trace, size_t len, const char *options,
		   const char *config)
{
	int err;

	*world = (struct sim_world){.dir_fd = -1};
	world->log.file = open_memstream(&world->log_text, &world->log_size);
	world->log.max_priority = LOG_INFO;
	err = world->log.file ? open_dir(world) : -ENOMEM;
	if (!err)
		err = write_trace(world, trace, len);
	if (!err)
		err = open_link(world, options);
	if (!err)
		err = open_manager(world, config);
	if (err)
		sim_world_close(world);
	else
		event_base_loop(world->base, EVLOOP_NONBLOCK);
	return err;
}

void sim_world_close(struct sim_world *world)
{
	lp_manager_free(world->manager);
	if (world->link)
		world->link->ops->free(world->link);
	if (world->base)
		event_base_free(world->base);
	if (world->log.file)
		fclose(world->log.file);
	free(world->log_text);
	if (world->dir_fd >= 0) {
		(void)unlinkat(world->dir_fd, "trace", 0);
		(void)unlinkat(world->dir_fd, "decisions", 0);
		close(world->dir_fd);
		(void)rmdir(world->dir);
	}
	*world = (struct sim_world){.dir_fd = -1};
}

uint64_t sim_world_now_ns(const struct sim_world *world)
{
	return world->link->ops->now_ns(world->link);
}

const struct sim_host *sim_world_host(const struct sim_world *world)
{
	return lp_sim_host(world->link);
}

static uint64_t manager_deadline_ns(const struct lp_manager *m)
{
	uint64_t due_ns = earliest(sync_deadline_ns(m), actions_deadline_ns(m));

	return earliest(earliest(due_ns, shadow_deadline_ns(m)), summary_deadline_ns(m));
}

/* What was asked is answered, and what that brings is done, until nobody has a word to say. */
static void settle(struct sim_world *world)
{
	do {
		event_base_loop(world->base, EVLOOP_NONBLOCK);
		world->turns++;
	} while (lp_sim_next_ns(world->link) == 0);
}

void sim_world_run(struct sim_world *world, uint64_t until_ns)
{
	uint64_t now_ns = sim_world_now_ns(world);

	settle(world);
	while (now_ns < until_ns) {
		uint64_t due_ns = manager_deadline_ns(world->manager);
		uint64_t next_ns;

		/* The manager's timer has a resolution of a ms. */
		if (due_ns <= now_ns) {
			due_ns = now_ns + NS_PER_MS;
			world->spins++;
		}
		next_ns = earliest(earliest(lp_sim_next_ns(world->link), due_ns), until_ns);
		lp_sim_advance(world->link, next_ns);
		now_ns = sim_world_now_ns(world);
		if (due_ns <= now_ns)
			manager_wake(world->manager);
		settle(world);
	}
}

void sim_world_run_trace(struct sim_world *world)
{
	const struct sim_host *host = sim_world_host(world);

	while (host->next.op != TRACE_END)
		sim_world_run(world, sim_host_next_ns(host));
	sim_world_run(world, sim_host_next_ns(host) - 1);
}
