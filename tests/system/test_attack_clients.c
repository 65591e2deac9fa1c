// SPDX-License-Identifier: GPL-2.0-or-later
/* Clients that misbehave, 64 at a time, on the read socket: the daemon does its work as without them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/control/admission.h"
#include "daemon/ctl/client.h"
#include "tests/lib/attack_clients.h"

/* What one client may make the daemon keep: a frame of 1 MiB, and 2 MiB of answers. */
#define FRAME_KIB  1024ul
#define OUTPUT_KIB 2048ul
#define SLACK_KIB  2048ul

static struct attack_score undisturbed; /* measured by the first test */

static void set_on(struct attack_host *host, const struct attack *attack)
{
	attack_host_attack(host, attack->clients);
	attack_host_until(host, 20);
	assert_int_equal(attack_host_ctl(host, ARGS("status")), 0);
}

static void call_off(struct attack_host *host, const struct attack *attack)
{
	(void)attack;
	attack_host_relieve(host);
	/* Their places are free again. */
	ctl_client_close(attack_host_dial(host, "read"));
}

/* Returns what the attackers achieved. */
static struct attack_counts withstand(struct attack_host *host, attack_fn *clients,
				      unsigned long growth_kib)
{
	const struct attack attack = {
		.clients = clients, .begin = set_on, .end = call_off, .growth_kib = growth_kib};

	attack_host_withstand(host, &attack, &undisturbed);
	return *host->counts;
}

static void an_undisturbed_daemon_merges_what_rests(void **state)
{
	attack_host_undisturbed(*state, &undisturbed);
}

static void silent_clients_change_nothing(void **state)
{
	const struct attack_counts counts = withstand(*state, attack_silent, SLACK_KIB);
	/* More than one user's share of places is refused. */
	assert_true(counts.ended >= 64 - ADMISSION_PER_UID);
}

static void half_frames_change_nothing(void **state)
{
	const struct attack_counts counts =
		withstand(*state, attack_half, 2 * ADMISSION_PER_UID * FRAME_KIB + SLACK_KIB);
	assert_true(counts.bytes_sent >= ADMISSION_PER_UID * 1000000);
	assert_int_equal(counts.bytes_received, 0);
}

static void trickling_clients_change_nothing(void **state)
{
	const struct attack_counts counts = withstand(*state, attack_trickle, SLACK_KIB);
	assert_true(counts.bytes_received > 0);
}

static void pipelining_clients_change_nothing(void **state)
{
	const struct attack_counts counts = withstand(
		*state, attack_pipeline, ADMISSION_PER_UID * (2 * FRAME_KIB + OUTPUT_KIB));
	assert_true(counts.bytes_received > 1 << 20);
}

static void clients_that_never_read_change_nothing(void **state)
{
	const struct attack_counts counts = withstand(
		*state, attack_never_read, ADMISSION_PER_UID * (2 * FRAME_KIB + OUTPUT_KIB));
	assert_true(counts.bytes_sent > 1 << 20);
}

static void oversized_frames_change_nothing(void **state)
{
	const struct attack_counts counts =
		withstand(*state, attack_oversized, 2 * ADMISSION_PER_UID * FRAME_KIB + SLACK_KIB);
	/* Each frame ends its connection. */
	assert_true(counts.bytes_sent > 64 << 20);
	assert_int_equal(counts.bytes_received, 0);
}

static void garbage_changes_nothing(void **state)
{
	const struct attack_counts counts = withstand(*state, attack_garbage, SLACK_KIB);
	assert_true(counts.ended > 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTACK_TEST(an_undisturbed_daemon_merges_what_rests),
		ATTACK_TEST(silent_clients_change_nothing),
		ATTACK_TEST(half_frames_change_nothing),
		ATTACK_TEST(trickling_clients_change_nothing),
		ATTACK_TEST(pipelining_clients_change_nothing),
		ATTACK_TEST(clients_that_never_read_change_nothing),
		ATTACK_TEST(oversized_frames_change_nothing),
		ATTACK_TEST(garbage_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
