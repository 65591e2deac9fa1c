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
	.uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
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

static void a_uuid_matches_in_either_case(void **state)
{
	struct config_selected got;

	(void)state;
	assert_int_equal(try_match("uuid: [00000000-0000-0000-0000-000000000000, "
				   "4DEA22B3-1D52-D8F3-2516-782E98AB3FA0]",
				   &web, &got),
			 CONFIG_MATCH_YES);
	assert_int_equal(got.rule, 0);
	(void)try_match("uuid: 4dea22b3-1d52-d8f3-2516-782e98ab3fa1", &web, &got);
	assert_int_equal(got.rule, 1);
	assert_int_equal(try_match("uuid: 4dea22b3-1d52-d8f3-2516-782e98ab3fa0", &nobody, &got),
			 CONFIG_MATCH_UNKNOWN);
}

/* The rules of a file with `match: {...}` and, if wanted, of one before it; and what is warned of. */
static const struct {
	const char *before, *match, *warning; /* "": none */
} lint_rows[] = {
	/* what no VM is */
	{NULL, "vm-name: 'web prod*'",
	 "f:4:32: rules[0].match.vm-name: \"web prod*\": matches nothing: a name has _ in place of "
	 "\" \""},
	{NULL, "vm-name: 'w\u00e9b*'",
	 "f:4:32: rules[0].match.vm-name: \"w\u00e9b*\": matches nothing: a name has _ in place of "
	 "each byte that is not ASCII"},
	{NULL, "vm-name: [ok, 'a[bc', 'x\\']",
	 "f:4:37: rules[0].match.vm-name: \"a[bc\": has a [ without a ], and would match the [ "
	 "itself\n"
	 "warning: f:4:45: rules[0].match.vm-name: \"x\\\": ends in a backslash that quotes "
	 "nothing"},
	{NULL, "vm-name: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff????*",
	 "f:4:32: rules[0].match.vm-name: "
	 "\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff...\": matches nothing: a name "
	 "has at most 63 characters, and a longer one is cut"},
	{NULL, "vmm: /usr/bin/qemu*",
	 "f:4:28: rules[0].match.vmm: \"/usr/bin/qemu*\": matches nothing: a name has _ in place of "
	 "\"/\""},
	{NULL, "slice: machine",
	 "f:4:30: rules[0].match.slice: \"machine\": matches nothing: the name of a slice ends in "
	 ".slice"},
	{NULL, "cgroup: machine.slice/*",
	 "f:4:31: rules[0].match.cgroup: \"machine.slice/*\": matches nothing: a path begins with /"},
	{NULL, "vm-name: 'web[9-1]'",
	 "f:4:32: rules[0].match.vm-name: \"web[9-1]\": matches nothing: [9-1] has no character of a "
	 "name"},
	{NULL, "vm-name: ['a[[:space:]]', 'a[[:digit:]\\]]b', 'a]'], cgroup: '/[b-a]'",
	 "f:4:33: rules[0].match.vm-name: \"a[[:space:]]\": matches nothing: [[:space:]] has no "
	 "character of a name\n"
	 "warning: f:4:68: rules[0].match.vm-name: \"a]\": matches nothing: a name has _ in place of "
	 "\"]\"\n"
	 "warning: f:4:83: rules[0].match.cgroup: \"/[b-a]\": matches nothing: [b-a] has no character "
	 "of a path"},
	{NULL, "slice: [/machine.slice, machine.slice]",
	 "f:4:31: rules[0].match.slice: \"/machine.slice\": matches nothing: the name of a slice has no "
	 "/"},
	{NULL, "memory: '<1'",
	 "f:4:31: rules[0].match.memory: \"<1\": matches nothing: a VM without memory is not decided "
	 "on"},
	{NULL,
	 "vm-name: ['web-*', '[!a-c]?', 'a\\*b', '[]x]', 'é*'], slice: ['*', m?.slice, 'a*'],"
	 " cgroup: [/x, '*x', '[/]'], memory: '>=1', vmm: 'qemu-*'",
	 "f:4:53: rules[0].match.vm-name: \"a\\*b\": matches nothing: a name has _ in place of \"*\"\n"
	 "warning: f:4:69: rules[0].match.vm-name: \"é*\": matches nothing: a name has _ in place of each "
	 "byte that is not ASCII"},
	/* what an earlier rule takes */
	{"vm-name: 'web-*'", "vm-name: 'web-1*', uid: 7",
	 "f:4:5: rules[1]: \"r\": never reached: rule \"before\" (f:3) matches every VM that it "
	 "matches"},
	{"vm-name: ['db', 'web-*'], memory: '>1G'", "vm-name: [web-1, db], memory: ['=2G', '>=4G']",
	 "f:4:5: rules[1]: \"r\": never reached: rule \"before\" (f:3) matches every VM that it "
	 "matches"},
	{"type: [tdx, snp]", "type: tdx",
	 "f:4:5: rules[1]: \"r\": never reached: rule \"before\" (f:3) matches every VM that it "
	 "matches"},
	{"vm-name: 'web-?'", "vm-name: 'web-*'", ""},
	{"vm-name: 'web-?'", "vm-name: 'web-[12]'", ""},
	{"vm-name: 'web-1*'", "vm-name: 'web-*'", ""},
	{"memory: '>2G'", "memory: '>=2G'", ""},
	{"uid: 1", "vm-name: 'a*'", ""},
	{"uid: 1, vm-name: 'a*'", "uid: 1", ""},
};

static void rules_that_do_nothing_are_warned_of(void **state)
{
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lint_rows); i++) {
		CLEANUP(freep) char *got = NULL;
		struct config_errors errors, warnings;
		struct config *config = NULL;
		char text[1024], want[512] = "";
		size_t size;
		FILE *f = open_memstream(&got, &size);

		assert_non_null(f);
		snprintf(text, sizeof(text),
			 "version: 1\nrules:\n%s%s%s  - {name: r, match: {%s}}\n",
			 lint_rows[i].before ? "  - {name: before, match: {" : "  #",
			 lint_rows[i].before ? lint_rows[i].before : "",
			 lint_rows[i].before ? "}}\n" : "\n", lint_rows[i].match);
		if (*lint_rows[i].warning)
			snprintf(want, sizeof(want), "warning: %s\n", lint_rows[i].warning);
		if (config_parse_buffer("f", text, strlen(text), &config, &errors) < 0)
			config_errors_print(stderr, &errors);
		assert_non_null(config);
		assert_int_equal(config_lint(config, &warnings), 0);
		config_warnings_print(f, &warnings);
		fclose(f);
		if (strcmp(got, want) != 0) {
			print_error("for %s:\nwant: %s\ngot: %s\n", lint_rows[i].match, want, got);
			failed++;
		}
		config_errors_done(&errors);
		config_errors_done(&warnings);
		config_free(config);
	}
	assert_int_equal(failed, 0);
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
		cmocka_unit_test(a_uuid_matches_in_either_case),
		cmocka_unit_test(rules_that_do_nothing_are_warned_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
