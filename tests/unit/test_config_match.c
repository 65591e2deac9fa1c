// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/kvm_lpage.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"

_Static_assert((int)CONFIG_MODE_OFF == (int)KVM_LPAGE_MODE_OFF &&
		       (int)CONFIG_MODE_MANAGED == (int)KVM_LPAGE_MODE_MANAGED &&
		       (int)CONFIG_MODE_FAULT == (int)KVM_LPAGE_MODE_FAULT,
	       "the modes are not the kernel's");

static const struct config_identity web = {
	.vm_name = "web-1",
	.cgroup = "/machine.slice/machine-qemu.slice/machine-qemu\\x2d1\\x2dweb.scope",
	.vmm = "qemu-system-x86_64",
	.uid = 107,
	.type = 5,
	.memory_bytes = 16ULL << 30,
};
static const struct config_identity nobody = {.uid = -1, .type = -1};

/* Tries one `match: {...}`, with a catch-all behind it. */
static enum config_match_result try_match(const char *match, const struct config_identity *id,
					  struct config_selected *ret)
{
	struct config_errors errors;
	struct config *config;
	enum config_match_result result;
	char text[512];

	snprintf(text, sizeof(text),
		 "version: 1\nrules:\n  - {name: first, batch: 1, match: {%s}}\n"
		 "  - {name: second, batch: 2}\n",
		 match);
	if (config_parse_buffer("f", text, strlen(text), &config, &errors) < 0)
		config_errors_print(stderr, &errors);
	assert_int_equal(errors.nr, 0);
	result = config_match(config, id, ret);
	assert_int_equal(ret->settings->batch, ret->rule + 1);
	config_errors_done(&errors);
	config_free(config);
	return result;
}

static void yes(const char *match)
{
	struct config_selected got;

	assert_int_equal(try_match(match, &web, &got), CONFIG_MATCH_YES);
	if (got.rule != 0)
		print_error("%s\n", match);
	assert_int_equal(got.rule, 0);
	assert_int_equal(got.unknown_rule, -1);
}

static void no(const char *match)
{
	struct config_selected got;

	assert_int_equal(try_match(match, &web, &got), CONFIG_MATCH_YES);
	if (got.rule != 1)
		print_error("%s\n", match);
	assert_int_equal(got.rule, 1);
	assert_int_equal(got.unknown_rule, -1);
}

static void each_key_matches_and_does_not(void **state)
{
	(void)state;
	yes("vm-name: web-1");
	yes("vm-name: 'web-*'");
	yes("vm-name: [db, 'w?b-[0-9]']");
	no("vm-name: web");
	no("vm-name: 'WEB-*'");
	yes("uid: 107");
	yes("uid: [1, 107]");
	no("uid: 0");
	yes("slice: machine.slice");
	yes("slice: machine-qemu.slice");
	yes("slice: 'machine*.slice'");
	no("slice: achine.slice");
	no("slice: user.slice");
	no("slice: '*.scope'");
	yes("cgroup: '/machine.slice/*'");
	no("cgroup: machine.slice");
	yes("vmm: 'qemu-*'");
	no("vmm: cloud-hypervisor");
	yes("memory: '>=16G'");
	yes("memory: '<=16G'");
	yes("memory: '=16G'");
	no("memory: '>16G'");
	no("memory: '<16G'");
	yes("memory: ['<1G', '>15G']");
	yes("type: tdx");
	no("type: [snp, sw-protected]");
}

static void all_keys_have_to_match(void **state)
{
	(void)state;
	yes("vm-name: 'web-*', uid: 107, type: tdx, memory: '>1G', slice: machine.slice");
	no("vm-name: 'web-*', uid: 108");
	no("vm-name: 'web-*', type: snp");
}

static void unknown_never_matches_and_is_reported(void **state)
{
	static const char *const matches[] = {
		"vm-name: '*'", "uid: 107",	 "slice: '*'", "cgroup: '*'",
		"vmm: '*'",	"memory: '>=0'", "type: tdx",
	};
	struct config_selected got;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		assert_int_equal(try_match(matches[i], &nobody, &got), CONFIG_MATCH_UNKNOWN);
		assert_int_equal(got.rule, 1);
		assert_int_equal(got.unknown_rule, 0);
	}
}

static void a_no_decides_over_an_unknown(void **state)
{
	struct config_identity id = nobody;
	struct config_selected got;

	(void)state;
	id.uid = 5;
	assert_int_equal(try_match("uid: 6, vm-name: '*'", &id, &got), CONFIG_MATCH_YES);
	assert_int_equal(got.unknown_rule, -1);
	assert_int_equal(try_match("uid: 5, vm-name: '*'", &id, &got), CONFIG_MATCH_UNKNOWN);
}

static void no_name_is_not_unknown(void **state)
{
	struct config_identity id = nobody;
	struct config_selected got;

	(void)state;
	id.vm_name = "";
	assert_int_equal(try_match("vm-name: 'a*'", &id, &got), CONFIG_MATCH_YES);
	assert_int_equal(got.rule, 1);
}

static void without_rules_the_defaults_hold(void **state)
{
	struct config *config;
	struct config_selected got;

	(void)state;
	assert_int_equal(config_new_defaults("f", &config), 0);
	assert_int_equal(config_match(config, &web, &got), CONFIG_MATCH_NO);
	assert_int_equal(got.rule, -1);
	assert_ptr_equal(got.settings, &config->defaults);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_matches_and_does_not),
		cmocka_unit_test(all_keys_have_to_match),
		cmocka_unit_test(unknown_never_matches_and_is_reported),
		cmocka_unit_test(a_no_decides_over_an_unknown),
		cmocka_unit_test(no_name_is_not_unknown),
		cmocka_unit_test(without_rules_the_defaults_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
