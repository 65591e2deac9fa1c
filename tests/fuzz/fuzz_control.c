// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes from a client of the control socket. The first byte says who it is: bit 0, may write;
 * bit 1, the core answers late. Every frame that is sent back has to be one object.
 */
#include <event2/buffer.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/control/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/fake_core.h"

static int take(void *ctx, const char *frame, size_t len)
{
	json_t *json = json_loadb(frame, len, 0, NULL);

	(void)ctx;
	if (!json_is_object(json))
		abort();
	json_decref(json);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_core fake;
	struct control_session_options options = {.core = &fake.core, .send = take};
	struct control_session *session;
	struct evbuffer *input;
	int r;

	if (size == 0)
		return 0;
	fake_core_init(&fake);
	fake.answer_at_once = !(data[0] & 2);
	options.write = data[0] & 1;
	session = control_session_new(&options);
	input = evbuffer_new();
	if (!session || !input)
		abort();
	evbuffer_add(input, data + 1, size - 1);
	r = control_session_input(session, input);
	/* Late answers let what follows go on. */
	while (r == 0 && (fake.op_cb || fake.refresh_cb)) {
		fake_core_answer(&fake, 0);
		r = control_session_input(session, input);
	}
	fake_core_record(&fake, &(struct lp_record_event){.kind = LP_RECORD_VM, .vm_id = 1});
	control_session_drained(session);
	control_session_free(session);
	if (fake.op_cb || fake.refresh_cb || fake.watch_cb || fake.record_cb)
		abort();
	evbuffer_free(input);
	fake_core_done(&fake);
	return 0;
}
