// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/config/value.h"
#include "tests/lib/config_text.h"

/* Returns what is wrong with @text as it would be printed; the caller frees it. */
static char *parse_errors(const char *text, size_t len)
{
	struct config_errors errors = {0};
	struct config *config = NULL;
	char *buf = NULL;
	size_t size;
	FILE *f = open_memstream(&buf, &size);

	assert_non_null(f);
	assert_int_equal(config_parse_buffer("f", text, len, &config, &errors), -EINVAL);
	assert_null(config);
	config_errors_print(f, &errors);
	config_errors_done(&errors);
	fclose(f);
	return buf;
}

static const char *const wrong[][2] = {
	/* structure */
	{"", "f:1:1: the key \"version\" is missing; write version: 1\n"},
	{"# nothing\n", "f:1:1: the key \"version\" is missing; write version: 1\n"},
	{"global: {}\n", "f:1:1: the key \"version\" is missing; write version: 1\n"},
	{"version: 2\n", "f:1:10: version: \"2\": unknown version of the format (allowed: 1)\n"},
	{"version: \"1\"\n", "f:1:10: version: \"1\": must not be quoted (allowed: 1)\n"},
	{"version: 1\nglobal: {metrics: \"127.0.0.1:99999\"}\n",
	 "f:2:19: global.metrics: \"127.0.0.1:99999\": must be false, or a numeric ADDRESS:PORT such as "
	 "127.0.0.1:9477 or [::1]:9477\n"},
	{"version: [1]\n", "f:1:10: version: must be 1, the version of this format\n"},
	{"- version\n", "f:1:1: must be a mapping, KEY: VALUE\n"
			"f:1:1: the key \"version\" is missing; write version: 1\n"},
	{"version: 1\nglobals: {dry-run: true}\n",
	 "f:2:1: globals: unknown key; did you mean \"global\"? (allowed: version, global, defaults, rules, shadow)\n"},
	{"version: 1\nversion: 1\n", "f:2:1: version: given twice, first in line 1\n"},
	{"version: 1\ndefaults: {batch: 1, batch: 2}\n",
	 "f:2:22: defaults.batch: given twice, first in line 2\n"},
	{"version: 1\nrules: []\nglobal: {}\nrules: [{name: a}]\n",
	 "f:4:1: rules: given twice, first in line 2\n"},
	{"version: 1\ndefaults: &a {batch: 1}\n",
	 "f:2:11: defaults: anchors (&name) are not supported; quote a value that starts with "
	 "&\n"},
	{"version: &a 1\nglobal: *a\n",
	 "f:1:10: version: anchors (&name) are not supported; quote a value "
	 "that starts with &\n"
	 "f:2:9: global: aliases (*name) are not supported; quote a value "
	 "that starts with *\n"},
	{"version: 1\ndefaults: {batch: !!int 3}\n",
	 "f:2:19: defaults.batch: tags (!name) are not supported; quote a value that starts with !\n"},
	{"version: 1\n---\nversion: 1\n",
	 "f:2:1: a second document starts here; only one is supported\n"},
	{"version: 1\nrules: [[[[[[[[[[1]]]]]]]]]]\n",
	 "f:2:9: rules[0]: must be a mapping, KEY: VALUE\n"
	 "f:2:15: rules[0]: nested too deeply\n"},
	{"version: 1\ndefaults:\n\tbatch: 1\n", "f:3:1: a tab in the indentation; use spaces\n"},
	{"version: 1\ndefaults:\n  \tbatch: 1\n\n \tmode: off\n",
	 "f:3:3: a tab in the indentation; use spaces\n"
	 "f:5:2: a tab in the indentation; use spaces\n"},
	{"version: 1\ndefaults: {batch: 1\n",
	 "f:3:1: not YAML: while parsing a flow mapping, did not find expected ',' or '}'\n"},
	{"version: 1\ndefaults:\n  batch: 1\n mode: off\n",
	 "f:4:2: not YAML: while parsing a block mapping, did not find expected key\n"},
	{"version: 1\n# \xff\n", "f:2:3: not YAML: invalid leading UTF-8 octet\n"},
	{"version: 1\n? [a, b]\n: 1\n", "f:2:3: a key must be a word\n"},
	{"version: 1\n? {a: {b: [c]}}\n: {d: [e]}\nrules: 1\n",
	 "f:2:3: a key must be a word\n"
	 "f:4:8: rules: must be a list of rules, each after a \"- \"\n"},
	{"version: 1\nglobal: [1, {a: b}]\n", "f:2:9: global: must be a mapping, KEY: VALUE\n"},
	{"version: 1\nglobal: yes\n", "f:2:9: global: must be a mapping, KEY: VALUE\n"},
	{"version: 1\n\"ver\\0sion\": 1\n",
	 "f:2:1: ver: unknown key (allowed: version, global, defaults, rules, shadow)\n"},
	/* values */
	{"version: 1\nglobal: {dry-run: 1}\n",
	 "f:2:19: global.dry-run: \"1\": must be true or false (or on, off, yes, no), without "
	 "quotes\n"},
	{"version: 1\nglobal: {dry-run: 'true'}\n",
	 "f:2:19: global.dry-run: \"true\": must be true or false (or on, off, yes, no), without "
	 "quotes\n"},
	{"version: 1\nglobal: {dry-run: [true]}\n",
	 "f:2:19: global.dry-run: must be true or false (or on, off, yes, no), without quotes\n"},
	{"version: 1\nglobal:\n  dry-run:\n",
	 "f:3:11: global.dry-run: has no value; must be true or false (or on, off, yes, no), without "
	 "quotes\n"},
	{"version: 1\nglobal: {cpu-budget: 1001%}\n",
	 "f:2:22: global.cpu-budget: \"1001%\": out of range (allowed: 0.1% to 1000%)\n"},
	{"version: 1\ndefaults:\n  min-quiet: 3700s\n",
	 "f:3:14: defaults.min-quiet: \"3700s\": out of range (allowed: 0s to 1h)\n"},
	{"version: 1\ndefaults:\n  quiet-time: 5\n",
	 "f:3:15: defaults.quiet-time: \"5\": must be a duration with its unit (ns, us, ms, s, m, h) "
	 "such as 2ms or 5s (allowed: 0s to 24h)\n"},
	{"version: 1\ndefaults: {mode: managd}\n",
	 "f:2:18: defaults.mode: \"managd\": must be one of the names, without quotes (allowed: off, "
	 "managed, fault)\n"},
	{"version: 1\ndefaults: {hold-after: 3}\n",
	 "f:2:24: defaults.hold-after: \"3\": must be false, or NUMBER/DURATION such as 3/60s "
	 "(allowed: 1/1s to 1000/1h)\n"},
	{"version: 1\ndefaults:\n  mode: |\n    off\n",
	 "f:3:9: defaults.mode: block scalars (| and >) are not supported; quote a value that starts "
	 "with one of them\n"},
	{"version: 1\ndefaults: {mode: \"o\\0ff\"}\n",
	 "f:2:18: defaults.mode: holds a NUL character\n"},
	{"version: 1\ndefaults: {mode: \"\\e[31mred\"}\n",
	 "f:2:18: defaults.mode: \"?[31mred\": must be one of the names, without quotes (allowed: "
	 "off, managed, fault)\n"},
	{"version: 1\nglobal: {metrics: localhost:80}\n",
	 "f:2:19: global.metrics: \"localhost:80\": must be false, or a numeric ADDRESS:PORT such as "
	 "127.0.0.1:9477 or [::1]:9477\n"},
	/* rules */
	{"version: 1\nrules:\n  - match: {uid: 1}\n", "f:3:5: rules[0]: the rule has no name\n"},
	{"version: 1\nrules:\n  -\n", "f:3:4: rules[0]: the rule has no name\n"},
	{"version: 1\nrules:\n  - a\n", "f:3:5: rules[0]: must be a mapping, KEY: VALUE\n"},
	{"version: 1\nrules:\n  - {name: a, match: {uid: 1}}\n  - {name: a}\n",
	 "f:4:12: rules[1].name: \"a\": another rule has this name\n"},
	{"version: 1\nrules:\n  - {name: a b}\n",
	 "f:3:12: rules[0].name: \"a b\": not a name (allowed: 1 to 63 characters out of A-Z a-z "
	 "0-9 . _ : @ + -)\n"},
	{"version: 1\nrules:\n  - {name: a, match: {vm-nam: x}}\n",
	 "f:3:23: rules[0].match.vm-nam: unknown key; did you mean \"vm-name\"? (allowed: vm-name, uuid, uid, slice, "
	 "cgroup, vmm, memory, type)\n"},
	{"version: 1\nrules:\n  - {name: a, match: {uid: root}}\n",
	 "f:3:28: rules[0].match.uid: \"root\": must be a user id from 0 to 4294967294, without "
	 "quotes\n"},
	{"version: 1\nrules:\n  - {name: a, match: {uid: [1, 4294967295, -1]}}\n",
	 "f:3:32: rules[0].match.uid[1]: \"4294967295\": must be a user id from 0 to 4294967294, "
	 "without quotes\n"
	 "f:3:44: rules[0].match.uid[2]: \"-1\": must be a user id from 0 to 4294967294, without "
	 "quotes\n"},
	{"version: 1\nrules:\n  - {name: a, match: {memory: 16G}}\n",
	 "f:3:31: rules[0].match.memory: \"16G\": must be a comparison with a size such as \">=16G\" "
	 "(<, <=, =, >=, >; K, M, G, T)\n"},
	{"version: 1\nrules:\n  - name: a\n    match:\n      memory: >=16G\n",
	 "f:5:15: rules[0].match.memory: \">=16G\": quote this value: YAML gives > at its start a "
	 "meaning\n"},
	{"version: 1\nrules:\n  - name: a\n    match:\n      memory: [ >16G , <1M]\n",
	 "f:5:17: rules[0].match.memory: \">16G\": quote this value: YAML gives > at its start a "
	 "meaning\n"},
	{"version: 1\nrules:\n  - name: a\n    match:\n      vm-name: *.web # all\n",
	 "f:5:16: rules[0].match.vm-name: \"*.web\": quote this value: YAML gives * at its start a "
	 "meaning\n"},
	{"version: 1\nrules:\n  - name: a\n    match: {vm-name: *-web}\n",
	 "f:4:22: rules[0].match.vm-name: aliases (*name) are not supported; quote a value that "
	 "starts with *\n"},
	{"version: 1\nrules:\n  - name: a\n    match:\n      vm-name: [ab]-web\n",
	 "f:5:20: not YAML: while parsing a block mapping, did not find expected key; quote a value "
	 "that starts with [ or {\n"},
	{"version: 1\nrules:\n  - name: @a\n",
	 "f:3:11: rules[0].name: \"@a\": quote this value: YAML gives @ at its start a meaning\n"},
	{"version: 1\nrules:\n  - {name: a, match: {vm-name: '\"db-*\"'}}\n",
	 "f:3:32: rules[0].match.vm-name: \"\"db-*\"\": must be a glob of 1 to 255 characters, "
	 "without quotes inside it\n"},
	{"version: 1\nrules:\n  - {name: a, match: {type: td}}\n",
	 "f:3:29: rules[0].match.type: \"td\": must be tdx, snp, sev-es, sev, sw-protected or "
	 "default\n"},
	{"version: 1\nrules:\n  - {name: a, match: {type: []}}\n",
	 "f:3:30: rules[0].match.type: an empty list matches nothing\n"},
	{"version: 1\nrules:\n  - {name: all}\n  - {name: b, match: {uid: 1}}\n",
	 "f:3:5: rules[0]: matches every VM, so later rules are never reached; give it a match, or "
	 "put it last\n"},
	{"version: 1\ndefaults:\n  policy: threshold\n  quiet-time: 1s\n  min-quiet: 6s\n"
	 "rules:\n  - {name: a, min-quiet: 1s, match: {uid: 1}}\n  - {name: b, batch: 1}\n",
	 "f:5:3: defaults.min-quiet: \"6s\": min-quiet is longer than quiet-time: the kernel would "
	 "refuse every merge of policy threshold\n"},
	{"version: 1\ndefaults: {min-quiet: 6s}\nrules:\n  - name: a\n    policy: threshold\n",
	 "f:5:5: rules[0].policy: \"threshold\": min-quiet is longer than quiet-time: the kernel "
	 "would refuse every merge of policy threshold\n"},
	{"version: 1\nrules:\n  - {name: a, policy: threshold, min-quiet: 6s}\n",
	 "f:3:34: rules[0].min-quiet: \"6s\": min-quiet is longer than quiet-time: the kernel would refuse every merge "
	 "of policy threshold\n"},
	/* names that are nearly right */
	{"version: 1\ndefaults: {quiet_time: 1s}\n",
	 "f:2:12: defaults.quiet_time: unknown key; did you mean \"quiet-time\"? (allowed: mode, "
	 "policy, dry-run, min-quiet, quiet-time, merge-rate, batch, max-stall, notify-interval, "
	 "walk-cost, merge-cost, split-cost, fail-cost, learn-costs, hold-after, hold-for)\n"},
	{"version: 1\nrules:\n  - {Nmae: a}\n",
	 "f:3:6: rules[0].Nmae: unknown key; did you mean \"name\"? (allowed: name, match, mode, "
	 "policy, dry-run, min-quiet, quiet-time, merge-rate, batch, max-stall, notify-interval, "
	 "walk-cost, merge-cost, split-cost, fail-cost, learn-costs, hold-after, hold-for)\n"
	 "f:3:5: rules[0]: the rule has no name\n"},
	/* nothing where a value should be */
	{"version: 1\ndefaults:\n  mode:\n  batch:\n",
	 "f:3:8: defaults.mode: has no value; must be one of the names, without quotes (allowed: off, "
	 "managed, fault)\n"
	 "f:4:9: defaults.batch: has no value; must be a whole number, without quotes (allowed: 1 to "
	 "64)\n"},
	{"version: 1\ndefaults: {mode: [off]}\nrules:\n  - name:\n    match: {type: }\n",
	 "f:2:18: defaults.mode: must be one of the names, without quotes (allowed: off, managed, "
	 "fault)\n"
	 "f:4:10: rules[0].name: has no value; must be 1 to 63 characters out of A-Z a-z 0-9 . _ : @ "
	 "+ -\n"
	 "f:5:19: rules[0].match.type: has no value; must be tdx, snp, sev-es, sev, sw-protected or "
	 "default\n"},
	/* what is eight to some */
	{"version: 1\ndefaults: {batch: 010, hold-after: 3/060s, walk-cost: 1.05us/s, min-quiet: "
	 "00s}\n"
	 "global: {metrics: \"127.0.0.1:0080\"}\n",
	 "f:2:19: defaults.batch: \"010\": must be a whole number, without quotes; a number has no "
	 "leading zeros (allowed: 1 to 64)\n"
	 "f:2:36: defaults.hold-after: \"3/060s\": must be false, or NUMBER/DURATION such as 3/60s; a "
	 "number has no leading zeros (allowed: 1/1s to 1000/1h)\n"
	 "f:2:76: defaults.min-quiet: \"00s\": must be a duration with its unit (ns, us, ms, s, m, h) "
	 "such as 2ms or 5s; a number has no leading zeros (allowed: 0s to 1h)\n"
	 "f:3:19: global.metrics: \"127.0.0.1:0080\": must be false, or a numeric ADDRESS:PORT such as "
	 "127.0.0.1:9477 or [::1]:9477; a number has no leading zeros\n"},
	{"version: 1\nrules: [{name: a, match: {uid: 007, memory: \">=016G\"}}]\n",
	 "f:2:32: rules[0].match.uid: \"007\": must be a user id from 0 to 4294967294, without quotes; "
	 "a number has no leading zeros\n"
	 "f:2:45: rules[0].match.memory: \">=016G\": must be a comparison with a size such as "
	 "\">=16G\" (<, <=, =, >=, >; K, M, G, T); a number has no leading zeros\n"},
	/* what must not reach a terminal or a log: controls, line separators, reordering, half characters */
	{"version: 1\n\"a\\e[31m\\nf:1:1: forged\\u009b\\u2028\\u202eb\": 1\n",
	 "f:2:1: a?[31m?f:1:1: forged???b: unknown key (allowed: version, global, defaults, rules, shadow)\n"},
	{"version: 1\ndefaults: {mode: \"\\x9b31m\\u2066\"}\n",
	 "f:2:18: defaults.mode: \"?31m?\": must be one of the names, without quotes (allowed: off, "
	 "managed, fault)\n"},
	{"version: 1\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\u00e9\u00e9: 1\n",
	 "f:2:1: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: unknown key "
	 "(allowed: version, global, defaults, rules, shadow)\n"},
	/* shadow */
	{"version: 1\nshadow: {batch: 8}\n",
	 "f:2:10: shadow.batch: unknown key (allowed: policy, min-quiet, quiet-time, hold-after, "
	 "hold-for)\n"},
	{"version: 1\nshadow: eager\n", "f:2:9: shadow: must be a mapping, KEY: VALUE\n"},
	{"version: 1\nshadow: {policy: threshold, min-quiet: 6s}\n",
	 "f:2:10: shadow: min-quiet is longer than quiet-time with these defaults\n"},
	{"version: 1\nshadow: {policy: threshold, quiet-time: 1s}\n"
	 "rules:\n  - {name: slow, match: {uid: 1}, min-quiet: 2s}\n",
	 "f:2:10: shadow: min-quiet is longer than quiet-time for one of the rules\n"},
	/* a byte order mark is no character of the first line */
	{"\xef\xbb\xbfversion: 2\n",
	 "f:1:10: version: \"2\": unknown version of the format (allowed: 1)\n"},
	{"\xff\xfev\0e\0", "f:1:1: not YAML: invalid leading UTF-8 octet\n"},
	/* all of them, not only the first */
	{"version: 3\nglobal: {dry-run: maybe, foo: {a: [b]}}\ndefaults: {batch: 65}\n"
	 "rules:\n  - {name: '', batch: x}\n",
	 "f:1:10: version: \"3\": unknown version of the format (allowed: 1)\n"
	 "f:2:19: global.dry-run: \"maybe\": must be true or false (or on, off, yes, no), without "
	 "quotes\n"
	 "f:2:26: global.foo: unknown key (allowed: dry-run, cpu-budget, merge-rate, memory-pressure-limit, cpu-pressure-limit, metrics, "
	 "metrics-names, log-level, log-interval)\n"
	 "f:3:19: defaults.batch: \"65\": out of range (allowed: 1 to 64)\n"
	 "f:5:12: rules[0].name: \"\": not a name (allowed: 1 to 63 characters out of A-Z a-z 0-9 . "
	 "_ : @ + -)\n"
	 "f:5:23: rules[0].batch: \"x\": must be a whole number, without quotes (allowed: 1 to 64)\n"},
};

static void every_mistake_is_named(void **state)
{
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char *text = parse_errors(wrong[i][0], strlen(wrong[i][0]));

		if (strcmp(text, wrong[i][1]) != 0) {
			print_error("for:\n%s\nwant:\n%s\ngot:\n%s\n", wrong[i][0], wrong[i][1],
				    text);
			failed++;
		}
		free(text);
	}
	assert_int_equal(failed, 0);
}

static void a_byte_order_mark_is_accepted(void **state)
{
	struct config *c = config_test_parse("\xef\xbb\xbfversion: 1\ndefaults:\n  batch: 3\n");

	(void)state;
	assert_int_equal(c->defaults.batch, 3);
	config_free(c);
}

static void twenty_errors_and_a_count(void **state)
{
	struct config_errors errors;
	struct config *config;
	char text[4096] = "version: 1\ndefaults:\n";
	char *printed;

	(void)state;
	for (int i = 0; i < 25; i++)
		sprintf(text + strlen(text), "  x%d: 1\n", i);
	assert_int_equal(config_parse_buffer("f", text, strlen(text), &config, &errors), -EINVAL);
	assert_int_equal(errors.nr, CONFIG_ERRORS_MAX);
	assert_int_equal(errors.suppressed, 5);
	config_errors_done(&errors);
	printed = parse_errors(text, strlen(text));
	assert_non_null(strstr(printed, "\nf: 5 more errors\n"));
	free(printed);
}

static void values_arrive_in_their_units(void **state)
{
	struct config *c = config_test_parse(
		"version: 1\n"
		"global: {dry-run: on, cpu-budget: 0.5%, merge-rate: 10/s,\n"
		"  metrics: \"[::1]:9477\", log-interval: off, log-level: debug}\n"
		"defaults: {mode: off, policy: never, min-quiet: 1.5s,\n"
		"  quiet-time: 2m, batch: 64, max-stall: 500us,\n"
		"  walk-cost: 0.5ms/s, merge-cost: 1us, hold-after: 3/60s,\n"
		"  hold-for: 1h, learn-costs: no}\n");

	(void)state;
	assert_true(c->global.dry_run);
	assert_int_equal(c->global.cpu_budget_ppm, 5000);
	assert_int_equal(c->global.merge_rate_per_s, 10);
	assert_string_equal(c->global.metrics.text, "[::1]:9477");
	assert_int_equal(c->global.log_interval_ns, 0);
	assert_int_equal(c->global.log_level, CONFIG_LOG_DEBUG);
	assert_int_equal(c->defaults.mode, CONFIG_MODE_OFF);
	assert_int_equal(c->defaults.policy, CONFIG_POLICY_NEVER);
	assert_int_equal(c->defaults.min_quiet_ns, 1500000000);
	assert_int_equal(c->defaults.quiet_time_ns, 120 * 1000000000ULL);
	assert_int_equal(c->defaults.batch, 64);
	assert_int_equal(c->defaults.max_stall_ns, 500000);
	assert_int_equal(c->defaults.walk_cost_ns_per_s, 500000);
	assert_int_equal(c->defaults.merge_cost_ns, 1000);
	assert_int_equal(c->defaults.hold_after.count, 3);
	assert_int_equal(c->defaults.hold_after.ns, 60 * 1000000000ULL);
	assert_int_equal(c->defaults.hold_for_ns, 3600 * 1000000000ULL);
	assert_false(c->defaults.learn_costs);
	assert_int_equal(c->defaults.split_cost_ns, 45000); /* not given */
	config_free(c);
}

static void rules_take_the_rest_from_defaults_wherever_those_stand(void **state)
{
	struct config *c = config_test_parse("version: 1\n"
					     "rules:\n"
					     "  - name: a\n"
					     "    match: {uid: 1}\n"
					     "    min-quiet: 2s\n"
					     "  - name: b\n"
					     "defaults: {batch: 7, min-quiet: 1s}\n");

	(void)state;
	assert_int_equal(c->nr_rules, 2);
	assert_string_equal(c->rules[0].name, "a");
	assert_int_equal(c->rules[0].place.line, 3);
	assert_int_equal(c->rules[0].set, 1 << CONFIG_SETTING_min_quiet_ns);
	assert_int_equal(c->rules[0].settings.min_quiet_ns, 2000000000);
	assert_int_equal(c->rules[0].settings.batch, 7);
	assert_int_equal(c->rules[1].settings.min_quiet_ns, 1000000000);
	config_free(c);
}

static void empty_sections_are_defaults(void **state)
{
	struct config *c = config_test_parse("version: 1\nglobal:\ndefaults:\nrules:\n");
	struct config *d;

	(void)state;
	assert_int_equal(config_new_defaults("f", &d), 0);
	assert_memory_equal(&c->defaults, &d->defaults, sizeof(c->defaults));
	assert_memory_equal(&c->global, &d->global, sizeof(c->global));
	assert_int_equal(c->nr_rules, 0);
	config_free(c);
	config_free(d);
}

/* The complaint above lists them. */
static void a_shadow_takes_the_keys_that_tune_tries(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_setting_keys.nr; i++) {
		const struct config_key *key = &config_setting_keys.keys[i];
		struct config_errors errors;
		struct config *config = NULL;
		char text[128];
		int r;

		snprintf(text, sizeof(text), "version: 1\nshadow: {%s: %s}\n", key->name, key->def);
		r = config_parse_buffer("f", text, strlen(text), &config, &errors);
		assert_int_equal(r, key->tune ? 0 : -EINVAL);
		if (r == 0)
			assert_int_equal(config->shadow.set, UINT64_C(1) << i);
		config_errors_done(&errors);
		config_free(config);
	}
}

static void a_shadow_overrides_what_a_rule_gives(void **state)
{
	struct config *c = config_test_parse("version: 1\n"
					     "defaults: {dry-run: true, quiet-time: 9s, batch: 7}\n"
					     "shadow: {policy: eager, quiet-time: 3s}\n");
	struct config_settings settings = c->defaults;

	(void)state;
	assert_true(c->shadow.given);
	config_shadow_apply(c, &settings);
	assert_int_equal(settings.policy, CONFIG_POLICY_EAGER);
	assert_int_equal(settings.quiet_time_ns, 3000000000);
	assert_int_equal(settings.batch, 7);
	/* It merges nothing in any case. */
	assert_false(settings.dry_run);
	config_free(c);
	c = config_test_parse("version: 1\nshadow:\n");
	assert_false(c->shadow.given);
	config_free(c);
	c = config_test_parse("version: 1\nshadow: {}\n");
	assert_true(c->shadow.given);
	config_free(c);
}

static void what_is_printed_parses_to_the_same(void **state)
{
	struct config *c = config_test_parse(
		"version: 1\n"
		"global: {cpu-budget: 12.34%, metrics: \"[::1]:9\"}\n"
		"defaults: {hold-after: 3/50m, walk-cost: 1500ns/s, max-stall: 3ms}\n"
		"rules:\n"
		"  - name: a\n"
		"    match: {vm-name: ['db-*', \"[a-c]\\\\*\"], uid: [0, 7],\n"
		"            memory: ['>=16G', <1M], type: tdx}\n"
		"    mode: off\n"
		"shadow: {hold-after: 3/2s, policy: eager}\n");
	char *once = config_test_print(config_print, c), *twice;
	struct config *d = config_test_parse(once);

	(void)state;
	twice = config_test_print(config_print, d);
	assert_string_equal(once, twice);
	assert_non_null(strstr(once, "cpu-budget: 12.34%\n"));
	assert_non_null(strstr(once, "hold-after: 3/50m\n"));
	assert_non_null(strstr(once, "walk-cost: 1500ns/s\n"));
	assert_non_null(strstr(once, "max-stall: 3ms\n"));
	assert_non_null(strstr(once, "vm-name: ['db-*', '[a-c]\\*']\n"));
	assert_int_equal(d->rules[0].set, c->rules[0].set);
	assert_int_equal(d->shadow.set, c->shadow.set);
	assert_non_null(strstr(once, "shadow:\n  policy: eager\n  hold-after: 3/2s\n"));
	free(once);
	free(twice);
	config_free(c);
	config_free(d);
}

static void load(const char *path, bool must_exist, int want, const char *message)
{
	struct config_errors errors = {0};
	struct config *config = NULL;
	int r = config_load(path, must_exist, &config, &errors);

	assert_int_equal(r, want);
	if (message) {
		assert_int_equal(errors.nr, 1);
		assert_string_equal(errors.errors[0].message, message);
	}
	if (r == 0)
		assert_true(config->missing);
	config_free(config);
	config_errors_done(&errors);
}

static void files_that_are_none(void **state)
{
	char dir[] = "/tmp/test_config.XXXXXX";
	char path[64];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/none.yaml", dir);
	load(path, false, 0, NULL);
	load(path, true, -ENOENT, "cannot read: No such file or directory");
	load(dir, false, -EMEDIUMTYPE, "not a regular file");
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), CONFIG_FILE_MAX_BYTES + 1), 0);
	fclose(f);
	load(path, false, -EFBIG, "larger than 1 MiB");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	load(path, false, -EMEDIUMTYPE, "not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_is_named),
		cmocka_unit_test(a_byte_order_mark_is_accepted),
		cmocka_unit_test(twenty_errors_and_a_count),
		cmocka_unit_test(values_arrive_in_their_units),
		cmocka_unit_test(rules_take_the_rest_from_defaults_wherever_those_stand),
		cmocka_unit_test(empty_sections_are_defaults),
		cmocka_unit_test(a_shadow_takes_the_keys_that_tune_tries),
		cmocka_unit_test(a_shadow_overrides_what_a_rule_gives),
		cmocka_unit_test(what_is_printed_parses_to_the_same),
		cmocka_unit_test(files_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
