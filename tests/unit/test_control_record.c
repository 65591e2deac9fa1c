// SPDX-License-Identifier: GPL-2.0-or-later
/* The stream of Record: what it tells, whom, and what it does with a client that is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/call.h"
#include "tests/lib/control_peer.h"

#define SECOND 1000000000ULL

static void record(struct peer *peer, const char *params)
{
	char frame[512];

	snprintf(frame, sizeof(frame),
		 "{\"method\":\"org.tdxlpage.Control.Record\",\"parameters\":%s,\"more\":true}",
		 params);
	assert_int_equal(peer_feed(peer, frame), 0);
}

/* Takes the oldest record; its kind has to be @kind. */
static json_t *next(struct peer *peer, const char *kind)
{
	json_t *frame = json_array_get(peer->frames, 0), *record;

	assert_non_null(frame);
	record = json_incref(json_object_get(json_object_get(frame, "parameters"), "record"));
	if (!record || strcmp(json_string_value(json_object_get(record, "kind")), kind) != 0)
		json_dumpf(frame, stderr, 0);
	assert_string_equal(json_string_value(json_object_get(record, "kind")), kind);
	json_array_remove(peer->frames, 0);
	return record;
}

static void drop(struct peer *peer, const char *kind)
{
	json_decref(next(peer, kind));
}

static json_int_t number(const json_t *record, const char *name)
{
	return json_integer_value(json_object_get(record, name));
}

static void tell(struct peer *peer, enum lp_record_kind kind, uint32_t vm_id,
		 const struct lp_region *regions, size_t nr)
{
	fake_core_record(&peer->fake, &(struct lp_record_event){
					      .kind = kind,
					      .now_ns = 1001 * SECOND,
					      .vm_id = vm_id,
					      .regions = regions,
					      .nr_regions = nr,
				      });
}

/* All that is known: begin, each VM with its regions, synced. */
static void drop_known(struct peer *peer, int vms)
{
	for (int i = 0; i < vms; i++) {
		drop(peer, "vm");
		drop(peer, "regions");
	}
	drop(peer, "synced");
}

static void all_that_is_known_comes_first(void **state)
{
	json_t *record_, *region;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	record(&p, "{}");
	record_ = next(&p, "begin");
	assert_int_equal(number(record_, "time_ns"), 0);
	assert_int_equal(number(record_, "speed"), 1);
	assert_int_equal(number(json_object_get(record_, "costs"), "merge_ns"), 30000);
	json_decref(record_);
	record_ = next(&p, "vm");
	assert_int_equal(number(record_, "vm"), 1);
	assert_int_equal(number(record_, "memory_bytes"), 8LL << 30);
	assert_int_equal(number(record_, "known_regions"), 96);
	json_decref(record_);
	record_ = next(&p, "regions");
	assert_int_equal(json_array_size(json_object_get(record_, "regions")), 3);
	region = json_array_get(json_object_get(record_, "regions"), 0);
	assert_int_equal(number(region, "to_shared_events"), 3);
	assert_int_equal(number(region, "to_shared_ns"), -10LL * (json_int_t)SECOND);
	assert_string_equal(json_string_value(json_object_get(region, "last_reason")),
			    "not_accepted");
	region = json_array_get(json_object_get(record_, "regions"), 2);
	assert_true(json_is_null(json_object_get(region, "to_shared_ns")));
	json_decref(record_);
	drop(&p, "vm");
	drop(&p, "regions");
	drop(&p, "synced");
	assert_int_equal(json_array_size(p.frames), 0);
	peer_close(&p);
	assert_string_equal(p.fake.calls[p.fake.nr_calls - 1], "unrecord");
}

static void what_happens_follows(void **state)
{
	const struct lp_region region = {
		.rfn = 77, .state = KVM_LPAGE_STATE_TABLE, .last_to_shared_ns = 1000 * SECOND + 5};
	json_t *record_;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	record(&p, "{}");
	drop(&p, "begin");
	drop_known(&p, 2);
	tell(&p, LP_RECORD_REGIONS, 7, &region, 1);
	record_ = next(&p, "regions");
	assert_int_equal(number(record_, "vm"), 7);
	assert_int_equal(number(record_, "time_ns"), (json_int_t)SECOND);
	assert_int_equal(
		number(json_array_get(json_object_get(record_, "regions"), 0), "to_shared_ns"), 5);
	json_decref(record_);
	tell(&p, LP_RECORD_LOSS, 0, NULL, 0);
	drop(&p, "loss");
	tell(&p, LP_RECORD_VM_GONE, 7, NULL, 0);
	drop(&p, "gone");
	/* Of a VM that is gone, or never was told of, nothing is told. */
	tell(&p, LP_RECORD_REGIONS, 7, &region, 1);
	tell(&p, LP_RECORD_VM_GONE, 7, NULL, 0);
	tell(&p, LP_RECORD_REGIONS, 8, &region, 1);
	assert_int_equal(json_array_size(p.frames), 0);
	peer_close(&p);
}

static void names_are_for_the_control_socket(void **state)
{
	json_t *record_;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	record(&p, "{\"raw\":true}");
	peer_expect_error(&p, "org.varlink.service.PermissionDenied");
	assert_int_equal(p.fake.nr_calls, 0);
	record(&p, "{}");
	drop(&p, "begin");
	record_ = next(&p, "vm");
	assert_null(json_object_get(record_, "name"));
	json_decref(record_);
	peer_close(&p);

	peer_open(&p, true);
	record(&p, "{\"raw\":true}");
	drop(&p, "begin");
	record_ = next(&p, "vm");
	assert_string_equal(json_string_value(json_object_get(record_, "name")), "web-1");
	json_decref(record_);
	peer_close(&p);
}

static void only_some_vms(void **state)
{
	json_t *record_;
	struct peer p;

	(void)state;
	peer_open(&p, false);
	record(&p, "{\"vms\":[\"12\"]}");
	peer_expect_error(&p, "org.tdxlpage.Control.NoSuchVm");
	record(&p, "{\"vms\":[]}");
	peer_expect_error(&p, "org.tdxlpage.Control.BadValue");
	record(&p, "{\"vms\":[\"7\",\"later\"]}");
	drop(&p, "begin");
	record_ = next(&p, "vm");
	assert_int_equal(number(record_, "vm"), 7);
	json_decref(record_);
	drop(&p, "regions");
	drop(&p, "synced");
	tell(&p, LP_RECORD_VM, 1, NULL, 0);
	assert_int_equal(json_array_size(p.frames), 0);
	/* It gets its name when it has regions already: they are told too. */
	strcpy(p.fake.vms[0].identity.name, "later");
	tell(&p, LP_RECORD_VM, 1, NULL, 0);
	record_ = next(&p, "vm");
	assert_int_equal(number(record_, "vm"), 1);
	json_decref(record_);
	drop_known(&p, 2);
	assert_int_equal(json_array_size(p.frames), 0);
	peer_close(&p);
}

/* Nothing is kept for a client that does not read; it is told how much it missed, then all anew. */
static void a_slow_client_loses(void **state)
{
	struct lp_region regions[100] = {0};
	unsigned int nr = 0;
	json_t *record_;
	struct peer p;
	size_t before;

	(void)state;
	peer_open(&p, false);
	record(&p, "{}");
	drop(&p, "begin");
	drop_known(&p, 2);
	p.stuck = true;
	for (unsigned int i = 0; i < 100; i++)
		regions[i] = (struct lp_region){.rfn = i, .state = KVM_LPAGE_STATE_TABLE};
	do {
		before = json_array_size(p.frames);
		tell(&p, LP_RECORD_REGIONS, 1, regions, 100);
	} while (json_array_size(p.frames) > before && ++nr < 1000);
	/* About 1 MiB; the server drops a client at 2 MiB. */
	assert_true(p.sent > 1000000 && p.sent < 1500000);
	tell(&p, LP_RECORD_REGIONS, 1, regions, 50);
	tell(&p, LP_RECORD_VM_GONE, 1, NULL, 0);
	assert_int_equal(json_array_size(p.frames), before);
	memmove(&p.fake.vms[0], &p.fake.vms[1], sizeof(p.fake.vms[0]));
	p.fake.nr_vms = 1;
	json_array_clear(p.frames);
	p.stuck = false;
	control_session_drained(p.session);
	record_ = next(&p, "lost");
	assert_int_equal(number(record_, "lost"), 150);
	json_decref(record_);
	record_ = next(&p, "gone");
	assert_int_equal(number(record_, "vm"), 1);
	json_decref(record_);
	drop_known(&p, 1);
	assert_int_equal(json_array_size(p.frames), 0);
	/* Once is enough. */
	control_session_drained(p.session);
	assert_int_equal(json_array_size(p.frames), 0);
	peer_close(&p);
}

/* A host with many regions is told in pieces, as the client reads. */
static void many_regions_wait_for_the_client(void **state)
{
	size_t most = 0, rounds = 0, regions = 0;
	struct peer p;
	bool synced = false;

	(void)state;
	peer_open(&p, false);
	p.fake.nr_generated = 20000;
	p.stuck = true;
	record(&p, "{}");
	drop(&p, "begin");
	while (!synced && ++rounds < 1000) {
		size_t i;
		json_t *frame;

		most = p.sent > most ? p.sent : most;
		json_array_foreach(p.frames, i, frame) {
			const json_t *r =
				json_object_get(json_object_get(frame, "parameters"), "record");

			regions += json_array_size(json_object_get(r, "regions"));
			synced |= !strcmp(json_string_value(json_object_get(r, "kind")), "synced");
		}
		json_array_clear(p.frames);
		p.sent = 0;
		control_session_drained(p.session);
	}
	assert_true(synced);
	assert_int_equal(regions, 2 * 20000);
	assert_true(rounds > 10);
	assert_true(most < 600000);
	peer_close(&p);
}

#define MANY	 3000
#define PER_TURN 70 /* VMs that are looked at */

/* A host of many VMs with one name. */
struct crowd {
	struct peer peer; /* first */
	struct lp_core_ops ops;
	bool gone;
	unsigned int looks;
};

static size_t crowd_ids(const struct lp_core *core, uint32_t first, uint32_t *ids, size_t capacity)
{
	const struct crowd *crowd = (const struct crowd *)core;
	uint32_t last = crowd->gone ? 0 : MANY;
	size_t nr = 0;

	for (uint32_t id = first ? first : 1; id <= last && nr < capacity; id++)
		ids[nr++] = id;
	return first <= last ? last - first + 1 : 0;
}

static int crowd_vm(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret)
{
	struct crowd *crowd = (struct crowd *)(uintptr_t)core;

	crowd->looks++;
	if (crowd->gone)
		return -ESRCH;
	*ret = crowd->peer.fake.vms[0];
	ret->vm.id = vm_id;
	return 0;
}

static void crowd_open(struct crowd *crowd)
{
	peer_open(&crowd->peer, false);
	crowd->ops = fake_core_ops;
	crowd->ops.vm_ids = crowd_ids;
	crowd->ops.vm = crowd_vm;
	crowd->peer.fake.core.ops = &crowd->ops;
	crowd->gone = false;
	crowd->looks = 0;
}

/* Turn by turn, until nothing wants another one. Returns their number. */
static unsigned int turns(struct crowd *crowd)
{
	unsigned int nr = 1;

	for (;; nr++) {
		assert_true(crowd->looks <= PER_TURN);
		if (!crowd->peer.resumed)
			return nr;
		crowd->peer.resumed = 0;
		crowd->looks = 0;
		assert_int_equal(control_session_input(crowd->peer.session, crowd->peer.input), 0);
	}
}

static void a_turn_looks_at_some_of_many_other_vms(void **state)
{
	struct crowd crowd;

	(void)state;
	crowd_open(&crowd);
	record(&crowd.peer, "{\"vms\":[\"later\"]}");
	assert_true(turns(&crowd) >= MANY / PER_TURN);
	drop(&crowd.peer, "begin");
	drop(&crowd.peer, "synced");
	assert_int_equal(json_array_size(crowd.peer.frames), 0);
	peer_close(&crowd.peer);
}

static void a_turn_finds_out_of_some_vms_that_they_went_unseen(void **state)
{
	struct crowd crowd;
	size_t nr_gone = 0;

	(void)state;
	crowd_open(&crowd);
	crowd.peer.fake.nr_regions = 0;
	record(&crowd.peer, "{}");
	turns(&crowd);
	crowd.peer.sent = 2 << 20;
	crowd.peer.stuck = true;
	tell(&crowd.peer, LP_RECORD_LOSS, 0, NULL, 0);
	crowd.gone = true;
	crowd.peer.stuck = false;
	json_array_clear(crowd.peer.frames);
	crowd.looks = 0;
	control_session_drained(crowd.peer.session);
	assert_true(turns(&crowd) >= MANY / PER_TURN);
	drop(&crowd.peer, "lost");
	for (; json_array_size(crowd.peer.frames) > 1; nr_gone++)
		drop(&crowd.peer, "gone");
	drop(&crowd.peer, "synced");
	assert_int_equal(nr_gone, MANY);
	peer_close(&crowd.peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_known_comes_first),
		cmocka_unit_test(what_happens_follows),
		cmocka_unit_test(names_are_for_the_control_socket),
		cmocka_unit_test(only_some_vms),
		cmocka_unit_test(a_slow_client_loses),
		cmocka_unit_test(many_regions_wait_for_the_client),
		cmocka_unit_test(a_turn_looks_at_some_of_many_other_vms),
		cmocka_unit_test(a_turn_finds_out_of_some_vms_that_they_went_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
