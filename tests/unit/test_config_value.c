// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/config/value.h"

/* Every row: a type, a text, the result and the number it holds. */
struct row {
	enum config_type type;
	const char *text;
	int result;
	uint64_t value;
};

static const struct row rows[] = {
	{CONFIG_TYPE_BOOL, "true", 0, 1},
	{CONFIG_TYPE_BOOL, "off", 0, 0},
	{CONFIG_TYPE_BOOL, "True", -EINVAL, 0},
	{CONFIG_TYPE_BOOL, "1", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, "0", 0, 0},
	{CONFIG_TYPE_COUNT, "4294967295", 0, UINT32_MAX},
	{CONFIG_TYPE_COUNT, "12x", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, "-1", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, "+1", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, " 1", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, "", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, "1.5", -EINVAL, 0},
	{CONFIG_TYPE_COUNT, "1.0", 0, 1},
	{CONFIG_TYPE_COUNT, "9999999999999999", -ERANGE, 0},
	{CONFIG_TYPE_RATE, "10/s", 0, 10},
	{CONFIG_TYPE_RATE, "10", -EINVAL, 0},
	{CONFIG_TYPE_RATE, "10/m", -EINVAL, 0},
	{CONFIG_TYPE_PERCENT, "0.5%", 0, 5000},
	{CONFIG_TYPE_PERCENT, "100%", 0, 1000000},
	{CONFIG_TYPE_PERCENT, "0.00001%", -EINVAL, 0}, /* finer than we keep */
	{CONFIG_TYPE_PERCENT, "5", -EINVAL, 0},
	{CONFIG_TYPE_OPT_PERCENT, "false", 0, 0},
	{CONFIG_TYPE_OPT_PERCENT, "12.5%", 0, 125000},
	{CONFIG_TYPE_OPT_PERCENT, "12.5", -EINVAL, 0},
	{CONFIG_TYPE_DURATION, "5s", 0, 5000000000},
	{CONFIG_TYPE_DURATION, "1.5ms", 0, 1500000},
	{CONFIG_TYPE_DURATION, "1ns", 0, 1},
	{CONFIG_TYPE_DURATION, "0.5ns", -EINVAL, 0},
	{CONFIG_TYPE_DURATION, "2min", 0, 120000000000},
	{CONFIG_TYPE_DURATION, "2m", 0, 120000000000},
	{CONFIG_TYPE_DURATION, "1h", 0, 3600000000000},
	{CONFIG_TYPE_DURATION, "1d", -EINVAL, 0},
	{CONFIG_TYPE_DURATION, "5 s", -EINVAL, 0},
	{CONFIG_TYPE_DURATION, "1.s", -EINVAL, 0},
	{CONFIG_TYPE_DURATION, ".5s", -EINVAL, 0},
	{CONFIG_TYPE_DURATION, "999999999999999h", -ERANGE, 0},
	{CONFIG_TYPE_DURATION, "off", -EINVAL, 0},
	{CONFIG_TYPE_OPT_DURATION, "off", 0, 0},
	{CONFIG_TYPE_OPT_DURATION, "1s", 0, 1000000000},
	{CONFIG_TYPE_COST, "12us/s", 0, 12000},
	{CONFIG_TYPE_COST, "12us", -EINVAL, 0},
	{CONFIG_TYPE_MODE, "fault", 0, CONFIG_MODE_FAULT},
	{CONFIG_TYPE_POLICY, "eager", 0, CONFIG_POLICY_EAGER},
	{CONFIG_TYPE_LOG_LEVEL, "warning", 0, 4},
};

static uint64_t number(enum config_type type, const void *p)
{
	switch (type) {
	case CONFIG_TYPE_BOOL:
		return *(const bool *)p;
	case CONFIG_TYPE_DURATION:
	case CONFIG_TYPE_OPT_DURATION:
	case CONFIG_TYPE_COST:
		return *(const uint64_t *)p;
	default:
		return *(const uint32_t *)p;
	}
}

static void texts_become_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct config_key key = {.name = "k", .type = rows[i].type};
		uint64_t value = 0, untouched = 0;
		int r = config_value_parse(&key, rows[i].text, true, &value);

		if (r != rows[i].result)
			print_error("for \"%s\"\n", rows[i].text);
		assert_int_equal(r, rows[i].result);
		if (r == 0)
			assert_int_equal(number(rows[i].type, &value), rows[i].value);
		else
			assert_memory_equal(&value, &untouched, sizeof(value));
	}
}

static int listen_on(const char *text, struct config_listen *ret)
{
	const struct config_key key = {.type = CONFIG_TYPE_LISTEN};

	return config_value_parse(&key, text, true, ret);
}

static void addresses(void **state)
{
	struct config_listen listen = {.text = "x"};

	(void)state;
	assert_int_equal(listen_on("localhost:1", &listen), -EINVAL);
	assert_int_equal(listen_on("127.0.0.1", &listen), -EINVAL);
	assert_int_equal(listen_on("127.0.0.1:", &listen), -EINVAL);
	assert_int_equal(listen_on("127.0.0.1:0", &listen), -ERANGE);
	assert_int_equal(listen_on("127.0.0.1:65536", &listen), -ERANGE);
	assert_int_equal(listen_on("[127.0.0.1]:1", &listen), -EINVAL);
	assert_int_equal(listen_on("::1:80", &listen), -EINVAL);
	assert_int_equal(listen_on("[::1]:x", &listen), -EINVAL);
	assert_string_equal(listen.text, "x");
	assert_int_equal(listen_on("127.0.0.1:9477", &listen), 0);
	assert_string_equal(listen.text, "127.0.0.1:9477");
	assert_int_equal(listen_on("[fe80::1]:65535", &listen), 0);
	assert_string_equal(listen.text, "[fe80::1]:65535");
	assert_int_equal(listen_on("off", &listen), 0);
	assert_string_equal(listen.text, "");
}

/* Each key's limits and default are values of it, and each limit is the last good one. */
static void table_is_sound(const struct config_keys *keys, size_t size)
{
	char allowed[CONFIG_TEXT_MAX], text[CONFIG_TEXT_MAX];
	_Alignas(8) char value[sizeof(struct config_settings)] = {0};

	for (size_t i = 0; i < keys->nr; i++) {
		const struct config_key *key = &keys->keys[i];

		assert_true(key->offset < size);
		assert_int_equal(config_value_parse(key, key->def, true, value), 0);
		config_value_format(key->type, value, text);
		assert_string_equal(text, key->def);
		config_key_allowed(key, allowed);
		if (!key->min)
			continue;
		assert_int_equal(config_value_parse(key, key->min, true, value), 0);
		assert_int_equal(config_value_parse(key, key->max, true, value), 0);
		assert_non_null(strstr(allowed, key->max));
		assert_int_equal(key->doc[strlen(key->doc) - 1], '.');
	}
}

static void the_tables_are_sound(void **state)
{
	(void)state;
	table_is_sound(&config_global_keys, sizeof(struct config_global));
	table_is_sound(&config_setting_keys, sizeof(struct config_settings));
	assert_true(config_setting_keys.nr <= 64); /* bits of config_rule.set */
}

static void limits_hold(void **state)
{
	const struct config_key *batch = &config_setting_keys.keys[CONFIG_SETTING_batch];
	const struct config_key *hold = &config_setting_keys.keys[CONFIG_SETTING_hold_after];
	struct config_count_per per = {.count = 9};
	uint32_t value = 9;

	(void)state;
	assert_int_equal(config_value_parse(batch, "0", true, &value), -ERANGE);
	assert_int_equal(config_value_parse(batch, "65", true, &value), -ERANGE);
	assert_int_equal(value, 9);
	assert_int_equal(config_value_parse(hold, "0/1s", true, &per), -ERANGE);
	assert_int_equal(config_value_parse(hold, "1001/1s", true, &per), -ERANGE);
	assert_int_equal(config_value_parse(hold, "1/999ms", true, &per), -ERANGE);
	assert_int_equal(config_value_parse(hold, "1/61m", true, &per), -ERANGE);
	assert_int_equal(config_value_parse(hold, "1/", true, &per), -EINVAL);
	assert_int_equal(config_value_parse(hold, "/1s", true, &per), -EINVAL);
	assert_int_equal(per.count, 9);
	assert_int_equal(config_value_parse(hold, "off", true, &per), 0);
	assert_int_equal(per.count, 0);
}

static void term(enum config_match_type type, const char *text, int want, uint64_t value,
		 enum config_compare compare)
{
	struct config_term got = {0};

	assert_int_equal(config_term_parse(type, text, true, &got), want);
	if (want == 0) {
		assert_string_equal(got.text, text);
		assert_int_equal(got.value, value);
		assert_int_equal(got.compare, compare);
	}
	free(got.text);
}

static void terms(void **state)
{
	char longest[CONFIG_GLOB_MAX + 2];

	(void)state;
	term(CONFIG_MATCH_UID, "0", 0, 0, CONFIG_EQ);
	term(CONFIG_MATCH_UID, "4294967295", -ERANGE, 0, CONFIG_EQ);
	term(CONFIG_MATCH_SIZE_COMPARE, ">=16G", 0, 16ULL << 30, CONFIG_GE);
	term(CONFIG_MATCH_SIZE_COMPARE, "< 512MiB", 0, 512ULL << 20, CONFIG_LT);
	term(CONFIG_MATCH_SIZE_COMPARE, "=1T", 0, 1ULL << 40, CONFIG_EQ);
	term(CONFIG_MATCH_SIZE_COMPARE, "==4096", 0, 4096, CONFIG_EQ);
	term(CONFIG_MATCH_SIZE_COMPARE, "<=1.5K", 0, 1536, CONFIG_LE);
	term(CONFIG_MATCH_SIZE_COMPARE, "16G", -EINVAL, 0, CONFIG_EQ);
	term(CONFIG_MATCH_SIZE_COMPARE, ">=", -EINVAL, 0, CONFIG_EQ);
	term(CONFIG_MATCH_SIZE_COMPARE, "=>1G", -EINVAL, 0, CONFIG_EQ);
	term(CONFIG_MATCH_VM_TYPE, "tdx", 0, 5, CONFIG_EQ);
	term(CONFIG_MATCH_VM_TYPE, "TDX", -EINVAL, 0, CONFIG_EQ);
	memset(longest, 'x', sizeof(longest));
	longest[CONFIG_GLOB_MAX] = '\0';
	term(CONFIG_MATCH_GLOB, longest, 0, 0, CONFIG_EQ);
	longest[CONFIG_GLOB_MAX] = 'x';
	longest[CONFIG_GLOB_MAX + 1] = '\0';
	term(CONFIG_MATCH_GLOB, longest, -ERANGE, 0, CONFIG_EQ);
	term(CONFIG_MATCH_GLOB, "", -EINVAL, 0, CONFIG_EQ);
	term(CONFIG_MATCH_GLOB, "a'b", -EINVAL, 0, CONFIG_EQ);
	term(CONFIG_MATCH_GLOB, "a\nb", -EINVAL, 0, CONFIG_EQ);
}

static void names(void **state)
{
	enum config_policy policy = CONFIG_POLICY_EAGER;

	(void)state;
	assert_string_equal(config_mode_name(CONFIG_MODE_MANAGED), "managed");
	assert_string_equal(config_mode_name(77), "unknown");
	assert_string_equal(config_policy_name(CONFIG_POLICY_ADAPTIVE), "adaptive");
	assert_string_equal(config_vm_type_name(5), "tdx");
	assert_string_equal(config_vm_type_name(-1), "unknown");
	assert_int_equal(config_policy_from_name("lazy", &policy), -EINVAL);
	assert_int_equal(policy, CONFIG_POLICY_EAGER);
	assert_int_equal(config_policy_from_name("never", &policy), 0);
	assert_int_equal(policy, CONFIG_POLICY_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_become_numbers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(the_tables_are_sound),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(terms),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
