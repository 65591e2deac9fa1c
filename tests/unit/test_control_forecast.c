// SPDX-License-Identifier: GPL-2.0-or-later
/* When merges are done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tdx-lpage/base.h>

#include "daemon/control/forecast.h"

/* What a bin may be late by. */
static void assert_about(uint64_t ns, uint64_t want_ns)
{
	assert_in_range(ns, want_ns, want_ns + want_ns / 5 + NS_PER_MS);
}

static void the_rate_spaces_what_is_due(void **state)
{
	struct forecast_arrivals arrivals = {.nr = 0};

	(void)state;
	for (int i = 0; i < 500; i++)
		forecast_add(&arrivals, 0);
	assert_int_equal(forecast_done_ns(&arrivals, 0, 100), 0);
	assert_int_equal(forecast_done_ns(&arrivals, 500, 100), 5 * NS_PER_S);
	assert_int_equal(forecast_done_ns(&arrivals, 250, 100), 2500 * NS_PER_MS);
	assert_int_equal(forecast_done_ns(&arrivals, 501, 100), UINT64_MAX);
	/* Without a limit. */
	assert_int_equal(forecast_done_ns(&arrivals, 500, 0), 0);
}

static void what_is_not_due_waits(void **state)
{
	struct forecast_arrivals arrivals = {.nr = 0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		forecast_add(&arrivals, 10 * NS_PER_S);
		forecast_add(&arrivals, 0);
		forecast_add(&arrivals, 3600 * NS_PER_S);
	}
	/* The first are long done, and nobody works ahead. */
	assert_int_equal(forecast_done_ns(&arrivals, 100, 100), NS_PER_S);
	assert_about(forecast_done_ns(&arrivals, 101, 100), 10 * NS_PER_S);
	assert_about(forecast_done_ns(&arrivals, 200, 100), 11 * NS_PER_S);
	assert_about(forecast_done_ns(&arrivals, 300, 100), 3601 * NS_PER_S);
	/* When the budget is too small, waiting is over long before. */
	assert_about(forecast_done_ns(&arrivals, 200, 1), 200 * NS_PER_S);
}

static void any_wait_has_a_bin(void **state)
{
	static const uint64_t waits_ns[] = {1, NS_PER_MS - 1, NS_PER_MS, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(waits_ns); i++) {
		struct forecast_arrivals arrivals = {.nr = 0};

		forecast_add(&arrivals, waits_ns[i]);
		assert_true(forecast_done_ns(&arrivals, 1, 0) >= NS_PER_MS);
		assert_true(forecast_done_ns(&arrivals, 1, 0) < UINT64_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_spaces_what_is_due),
		cmocka_unit_test(what_is_not_due_waits),
		cmocka_unit_test(any_wait_has_a_bin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
