// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods that pause and hold whole VMs, until a time or for a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/control/call.h"
#include "tests/lib/control_peer.h"

static void a_pause_may_have_an_end(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "Pause", "{\"for_us\":1800000000}");
	peer_calls(&p, "set_paused 0 1 for 1800000000000");
	peer_expect(&p, "{'parameters':{}}");
	peer_call(&p, OWN "Pause", "{\"vm\":\"7\",\"for_us\":null}");
	peer_calls(&p, "set_paused 7 1");
	json_array_clear(p.frames);
	peer_call(&p, OWN "Pause", "{\"for_us\":999999}");
	peer_expect(&p, "{'error':'" OWN "BadValue','parameters':{'parameter':'for_us',"
			"'value':999999,'allowed':'1000000 to 604800000000'}}");
	peer_close(&p);
}

static void whole_vms_are_held_and_released(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "HoldVm", "{\"vm\":\"db\",\"owner\":\"libvirt\",\"for_us\":30000000}");
	peer_calls(&p, "hold_vm 7 libvirt for 30000000000");
	peer_expect(&p, "{'parameters':{'vm':7,'owner':'libvirt'}}");
	p.fake.result = 2;
	peer_call(&p, OWN "ReleaseVm", "{\"vm\":\"7\"}");
	peer_calls(&p, "release_vm 7 (all)");
	peer_expect(&p, "{'parameters':{'vm':7,'released':2}}");
	p.fake.result = 0;
	peer_call(&p, OWN "ReleaseVm", "{\"vm\":\"7\",\"owner\":\"a.b_c:d@e+f-9\"}");
	peer_calls(&p, "release_vm 7 a.b_c:d@e+f-9");
	peer_expect(&p, "{'parameters':{'vm':7,'released':0}}");
	p.fake.result = -E2BIG;
	peer_call(&p, OWN "HoldVm", "{\"vm\":\"db\",\"owner\":\"libvirt\",\"for_us\":30000000}");
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'E2BIG',"
			"'text':'too many holds'}}");
	peer_call(&p, OWN "Pause", "{\"vm\":\"7\"}");
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'E2BIG',"
			"'text':'too many VMs are paused'}}");
	/* A full disk is no full list. */
	p.fake.result = -ENOSPC;
	peer_call(&p, OWN "HoldVm", "{\"vm\":\"db\",\"owner\":\"libvirt\",\"for_us\":30000000}");
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'ENOSPC',"
			"'text':'cannot write the state file: No space left on device'}}");
	peer_call(&p, OWN "Pause", "{\"vm\":\"7\"}");
	peer_expect(&p, "{'error':'" OWN "Failed','parameters':{'errno':'ENOSPC',"
			"'text':'cannot write the state file: No space left on device'}}");
	peer_close(&p);
}

/* It is in the state file and the log: neither may be forged. */
static void an_owner_is_a_plain_name(void **state)
{
	static const char *const owners[] = {
		"", "a b", "a\\nend", "123456789012345678901234567890123", "\u00e9",
	};
	struct peer p;

	(void)state;
	peer_open(&p, true);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		char params[128];

		snprintf(params, sizeof(params),
			 "{\"vm\":\"7\",\"owner\":\"%s\",\"for_us\":1000000}", owners[i]);
		peer_call(&p, OWN "HoldVm", params);
		peer_expect_error(&p, OWN "BadValue");
	}
	assert_int_equal(p.fake.nr_calls, 0);
	peer_close(&p);
}

static void an_attached_hold_tells_of_its_begin_and_end(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p, true);
	peer_call(&p, OWN "HoldVmAttached", "{\"vm\":\"7\",\"owner\":\"libvirt\"}");
	peer_expect(&p, "{'error':'org.varlink.service.ExpectedMore','parameters':{}}");
	peer_feed(&p, "{\"method\":\"" OWN "HoldVmAttached\",\"more\":true,\"parameters\":"
		      "{\"vm\":\"7\",\"owner\":\"libvirt\",\"for_us\":1000000}}");
	peer_calls(&p, "hold_vm 7 libvirt for 1000000000, attached");
	peer_expect(&p, "{'parameters':{'vm':7,'owner':'libvirt','ended':null},'continues':true}");
	fake_core_end_hold(&p.fake, "released");
	peer_expect(&p, "{'parameters':{'vm':7,'owner':'libvirt','ended':'released'}}");
	/* The connection goes on. */
	peer_call(&p, OWN "Ping", "{}");
	peer_expect(&p, "{'parameters':{}}");
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_may_have_an_end),
		cmocka_unit_test(whole_vms_are_held_and_released),
		cmocka_unit_test(an_owner_is_a_plain_name),
		cmocka_unit_test(an_attached_hold_tells_of_its_begin_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
