// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/kvm_lpage.h>
#include <string.h>

#include "tdx-lpage/reasons.h"
#include <tdx-lpage/text.h>

#define X(id, name, why, remedy)                                                                   \
	_Static_assert((int)LPAGE_REASON_##id == (int)KVM_LPAGE_REASON_##id, #id);
LPAGE_KERNEL_REASONS(X)
#undef X
_Static_assert((int)LPAGE_REASON_KERNEL_END == (int)KVM_LPAGE_REASON_MAX + 1,
	       "a kernel reason is missing");

static void every_reason_has_texts(void **state)
{
	char snake[TEXT_NAME_MAX];
	int n = 0;

	(void)state;
	for (int i = lpage_reason_next(-1); i >= 0; i = lpage_reason_next(i), n++) {
		const struct lpage_reason_info *info = lpage_reason_info(i);

		assert_non_null(info);
		assert_true(strlen(info->why) > 10);
		assert_int_not_equal(info->why[strlen(info->why) - 1], '.');
		assert_string_equal(info->name, lpage_reason_name(i));
		assert_int_equal(strspn(info->name, "abcdefghijklmnopqrstuvwxyz-"),
				 strlen(info->name));
		assert_int_equal(lpage_reason_from_name(info->name), i);
		assert_int_equal(lpage_reason_from_name(text_snake(info->name, snake)), i);
	}
	assert_int_equal(n, LPAGE_REASON_KERNEL_END + LPAGE_REASON_END - LPAGE_REASON_DAEMON_BASE);
}

static void unknown_values_are_named_unknown(void **state)
{
	(void)state;
	assert_null(lpage_reason_info(LPAGE_REASON_KERNEL_END));
	assert_null(lpage_reason_info(LPAGE_REASON_END));
	assert_null(lpage_reason_info(~0u));
	assert_string_equal(lpage_reason_name(LPAGE_REASON_KERNEL_END), "unknown");
	assert_int_equal(lpage_reason_from_name("no-such-reason"), -ENOENT);
	assert_int_equal(lpage_reason_from_name(""), -ENOENT);
	assert_int_equal(lpage_reason_from_name("held-up"), -ENOENT);
}

static void reasons_of_a_newer_kernel_become_other(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < LPAGE_REASON_KERNEL_END; i++)
		assert_int_equal(lpage_reason_from_kernel(i), i);
	for (unsigned int i = LPAGE_REASON_KERNEL_END; i < 2 * LPAGE_REASON_END; i++)
		assert_int_equal(lpage_reason_from_kernel(i), LPAGE_REASON_OTHER);
	assert_int_equal(lpage_reason_from_kernel(~0u), LPAGE_REASON_OTHER);
}

static void names_translate_both_ways(void **state)
{
	char snake[TEXT_NAME_MAX], kebab[TEXT_NAME_MAX];
	char longer[2 * TEXT_NAME_MAX];

	(void)state;
	assert_string_equal(text_snake("a-b-c", snake), "a_b_c");
	assert_string_equal(text_kebab(snake, kebab), "a-b-c");
	memset(longer, '-', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(strlen(text_snake(longer, snake)), TEXT_NAME_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_texts),
		cmocka_unit_test(unknown_values_are_named_unknown),
		cmocka_unit_test(reasons_of_a_newer_kernel_become_other),
		cmocka_unit_test(names_translate_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
