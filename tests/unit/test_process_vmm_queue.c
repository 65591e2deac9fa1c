// SPDX-License-Identifier: GPL-2.0-or-later
/* Which command line is read next, and when it is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/process/vmm_queue.h"

enum { UID_A = 107, UID_B = 1000 };

static int setup(void **state)
{
	struct vmm_queue *queue = calloc(1, sizeof(*queue));

	vmm_queue_init(queue);
	*state = queue;
	return 0;
}

static int teardown(void **state)
{
	vmm_queue_done(*state);
	free(*state);
	return 0;
}

static void add(struct vmm_queue *queue, uint32_t vm_id, uint32_t uid, uint64_t now_ns)
{
	const struct lp_vmm_query query = {.vm_id = vm_id, .pid = 100 + vm_id, .uid = uid};

	assert_int_equal(vmm_queue_add(queue, &query, now_ns), 0);
}

/* Sends the next one. Returns its VM, 0: there is none. */
static uint32_t send_next(struct vmm_queue *queue, struct vmm_reply *ret)
{
	struct vmm_request request;

	if (!vmm_queue_next(queue, &request))
		return 0;
	*ret = (struct vmm_reply){.tag = request.tag, .args = {.command = "qemu"}};
	return request.query.vm_id;
}

static int answer(struct vmm_queue *queue, const struct vmm_reply *reply)
{
	struct lp_vmm_query query;

	return vmm_queue_answer(queue, reply, sizeof(*reply), &query);
}

static void one_is_read_at_a_time_in_order(void **state)
{
	struct vmm_reply reply, none;
	struct lp_vmm_query query;

	assert_int_equal(send_next(*state, &reply), 0);
	add(*state, 1, UID_A, 0);
	add(*state, 2, UID_B, 0);
	assert_int_equal(send_next(*state, &reply), 1);
	assert_int_equal(send_next(*state, &none), 0);
	assert_int_equal(vmm_queue_answer(*state, &reply, sizeof(reply), &query), 0);
	assert_int_equal(query.vm_id, 1);
	assert_int_equal(query.pid, 101);
	assert_int_equal(send_next(*state, &reply), 2);
	assert_int_equal(answer(*state, &reply), 0);
	assert_int_equal(vmm_queue_deadline_ns(*state), UINT64_MAX);
}

/* The process that answers has read what an untrusted process wrote. */
static void what_is_no_answer_is_refused(void **state)
{
	struct vmm_reply reply, bad;
	struct lp_vmm_query query;

	add(*state, 1, UID_A, 0);
	send_next(*state, &reply);
	assert_int_equal(vmm_queue_answer(*state, &reply, sizeof(reply) - 1, &query), -EBADMSG);
	bad = reply;
	bad.tag++;
	assert_int_equal(answer(*state, &bad), -EBADMSG);
	bad = reply;
	bad.error = 1;
	assert_int_equal(answer(*state, &bad), -EBADMSG);
	bad = reply;
	memset(bad.args.name, 'x', sizeof(bad.args.name));
	assert_int_equal(answer(*state, &bad), -EBADMSG);
	bad = reply;
	memset(bad.args.command, 'x', sizeof(bad.args.command));
	assert_int_equal(answer(*state, &bad), -EBADMSG);
	bad = reply;
	memset(bad.args.uuid, 'x', sizeof(bad.args.uuid));
	assert_int_equal(answer(*state, &bad), -EBADMSG);
	assert_int_equal(answer(*state, &reply), 0);
	/* Once only. */
	assert_int_equal(answer(*state, &reply), -EBADMSG);
}

static void a_user_who_was_slow_comes_last(void **state)
{
	static const uint32_t order[] = {4, 6, 2, 3, 5};
	struct vmm_reply reply;

	for (uint32_t id = 1; id <= 4; id++)
		add(*state, id, id == 4 ? UID_B : UID_A, 0);
	assert_int_equal(send_next(*state, &reply), 1);
	reply.error = -ETIMEDOUT;
	assert_int_equal(answer(*state, &reply), 0);
	add(*state, 5, UID_A, 0);
	add(*state, 6, UID_B, 0);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(send_next(*state, &reply), order[i]);
		assert_int_equal(answer(*state, &reply), 0);
	}
}

static void slow_users_are_forgiven_when_others_are_slower(void **state)
{
	struct vmm_reply reply;

	for (uint32_t uid = 0; uid <= VMM_QUEUE_SLOW_MAX; uid++) {
		add(*state, 1, uid, 0);
		send_next(*state, &reply);
		reply.error = -ETIMEDOUT;
		assert_int_equal(answer(*state, &reply), 0);
	}
	add(*state, 1, 1, 0);
	add(*state, 2, 0, 0);
	add(*state, 3, VMM_QUEUE_SLOW_MAX, 0);
	assert_int_equal(send_next(*state, &reply), 2);
}

static void what_takes_too_long_is_given_up(void **state)
{
	struct vmm_queue *queue = *state;
	struct vmm_reply reply, none;
	struct lp_vmm_query query;

	add(queue, 1, UID_A, 100);
	add(queue, 2, UID_B, 200);
	send_next(queue, &reply);
	assert_int_equal(vmm_queue_deadline_ns(queue), 100 + VMM_QUEUE_DEADLINE_NS);
	assert_false(vmm_queue_expire(queue, 99 + VMM_QUEUE_DEADLINE_NS, false, &query));
	assert_true(vmm_queue_expire(queue, 100 + VMM_QUEUE_DEADLINE_NS, false, &query));
	assert_int_equal(query.vm_id, 1);
	assert_true(vmm_queue_stuck(queue));
	assert_false(vmm_queue_expire(queue, 100 + VMM_QUEUE_DEADLINE_NS, false, &query));
	assert_int_equal(vmm_queue_deadline_ns(queue), 200 + VMM_QUEUE_DEADLINE_NS);
	/* Nothing is sent to who does not answer; what it says at last is of no use. */
	assert_int_equal(send_next(queue, &none), 0);
	assert_int_equal(answer(queue, &reply), -EAGAIN);
	assert_false(vmm_queue_stuck(queue));
	assert_int_equal(send_next(queue, &reply), 2);
	vmm_queue_unsend(queue);
	assert_int_equal(vmm_queue_deadline_ns(queue), UINT64_MAX);
}

#define QUEUE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		QUEUE_TEST(one_is_read_at_a_time_in_order),
		QUEUE_TEST(what_is_no_answer_is_refused),
		QUEUE_TEST(a_user_who_was_slow_comes_last),
		QUEUE_TEST(slow_users_are_forgiven_when_others_are_slower),
		QUEUE_TEST(what_takes_too_long_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
