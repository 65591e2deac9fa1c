/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real tdx-lpaged on a simulated host, attacked while a trace plays. The host scores what the
 * daemon did, so that a run under attack can be compared with one without.
 */
#ifndef TDX_LPAGE_TESTS_ATTACK_HOST_H
#define TDX_LPAGE_TESTS_ATTACK_HOST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/daemon_host.h"

struct ctl_client;

#define ATTACK_CONFIG "version: 1\ndefaults: {policy: threshold, quiet-time: 5s}\n"

/* Names of the trace's VMs. */
#define ATTACK_VM	"web-1"
#define ATTACK_OTHER_VM "idle-2"

#define ATTACK_ANSWER_MS 20000 /* a limit for what hangs, not a measure */

/* In the trace's time nothing is due to be merged here. */
#define ATTACK_CALM_BEGIN_S 34
#define ATTACK_CALM_END_S   54

#define ATTACK_SPEED 20 /* the trace takes 100 s of the host's time */

/* What a run came to. */
struct attack_score {
	double ratio;
	uint64_t merges;
	uint64_t splits;
	unsigned long peak_kib; /* resident set */
	unsigned int pings;	/* that were answered meanwhile */
};

/* What the attackers achieved, written by another process. */
struct attack_counts {
	uint64_t connections;
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint64_t ended; /* connections that the daemon closed */
	uint64_t calls; /* that were answered */
};

struct attack_host {
	struct daemon_host *daemon;
	char score_path[80];
	char ctl_log[80];
	char spec[256]; /* --link= */
	uint64_t started_ns;
	struct ctl_client *client; /* of the control socket */
	struct attack_counts *counts;
	pid_t attacker; /* 0: none */
};

typedef void attack_fn(const struct attack_host *host);

int attack_host_setup(void **state);
int attack_host_teardown(void **state);

/*
 * Starts the daemon, of the normal build: the resident set of a sanitized one says nothing. Connects
 * host->client, and waits for the VMs of the trace.
 */
void attack_host_start(struct attack_host *host);

/* SIGTERM, which ends it with exit status 0. */
void attack_host_stop(struct attack_host *host);

/* SIGKILL, then the same as attack_host_start(). */
void attack_host_kill(struct attack_host *host);

/* Runs @attack in another process until attack_host_relieve(), which fails if it ended by itself. */
void attack_host_attack(struct attack_host *host, attack_fn *attack);
void attack_host_relieve(struct attack_host *host);

/* Plays the trace without an attack, to compare with. */
void attack_host_undisturbed(struct attack_host *host, struct attack_score *ret);

struct attack {
	attack_fn *clients; /* for begin(); NULL: none */
	/* Called when the trace has begun. */
	void (*begin)(struct attack_host *host, const struct attack *attack);
	/* When it has ended, while the daemon still runs; may be NULL. */
	void (*end)(struct attack_host *host, const struct attack *attack);
	unsigned long growth_kib; /* of the resident set, at most */
};

/*
 * Plays the trace under attack. The daemon must answer all along, and come to the same as @want,
 * within 2 %. What stops the whole machine, such as its hypervisor, can only make a run worse: the best
 * of three counts.
 */
void attack_host_withstand(struct attack_host *host, const struct attack *attack,
			   const struct attack_score *want);

/* Waits until @trace_s of the trace, or a little later. */
void attack_host_until(const struct attack_host *host, unsigned int trace_s);

/* Calls a method of the interface; @params as in json_pack() text with single quotes, NULL: none. */
json_t *attack_host_call(struct ctl_client *client, const char *method, const char *params);

/* The same; the answer is no error. */
void attack_host_ask(struct ctl_client *client, const char *method, const char *params);

/* A new connection to the socket @name, waiting for a place there. */
struct ctl_client *attack_host_dial(const struct attack_host *host, const char *name);

/* The exit status of tdx-lpctl with these arguments, up to a NULL. Its output goes to host->ctl_log. */
int attack_host_ctl(const struct attack_host *host, const char *const *args);

#define ATTACK_TEST(f) cmocka_unit_test_setup_teardown(f, attack_host_setup, attack_host_teardown)

#endif
