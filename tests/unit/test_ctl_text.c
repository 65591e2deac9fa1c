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

#include "daemon/ctl/display.h"
#include "daemon/ctl/range.h"

static void addresses_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t gpa;
	} rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"0x80000000", 0, 0x80000000},
		{"0X1f", 0, 31},
		{"2G", 0, 2ULL << 30},
		{"2g", 0, 2ULL << 30},
		{"0x2K", 0, 2048},
		{"4095T", 0, 4095ULL << 40},
		{"0xfffffffffffff", 0, (1ULL << 52) - 1},
		{"4096T", -ERANGE, 0},
		{"0x10000000000000", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999G", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"2GB", -EINVAL, 0},
		{"2Q", -EINVAL, 0},
		{"1-2", -EINVAL, 0},
		{"G", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t gpa = 0;
		int r = range_parse_gpa(rows[i].text, &gpa);

		if (r != rows[i].result)
			print_error("for \"%s\"\n", rows[i].text);
		assert_int_equal(r, rows[i].result);
		if (r == 0)
			assert_int_equal(gpa, rows[i].gpa);
	}
}

static void ranges_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t start_rfn, nr_regions;
	} rows[] = {
		{"0", 0, 0, 1},
		{"2M", 0, 1, 1},
		{"0-4M", 0, 0, 2},
		{"2M-4M", 0, 1, 1},
		{"2M+2M", 0, 1, 1},
		{"1G+1G", 0, 512, 512},
		{"0x40000000-0x80000000", 0, 512, 512},
		{"4094T+2T", 0, 4094ULL << 19, 2ULL << 19},
		/* Rounded outwards. */
		{"1", -EDOM, 0, 2},
		{"3M-5M", -EDOM, 1, 2},
		{"2M-5M", -EDOM, 1, 2},
		{"1M+2M", -EDOM, 0, 2},
		{"4M-4M", -ERANGE, 0, 0},
		{"4M-2M", -ERANGE, 0, 0},
		{"4M+0", -ERANGE, 0, 0},
		{"4094T+3T", -ERANGE, 0, 0},
		{"4M-", -EINVAL, 0, 0},
		{"-4M", -EINVAL, 0, 0},
		{"0-2M-4M", -EINVAL, 0, 0},
		{"0:4M", -EINVAL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct range range = {0};
		int r = range_parse(rows[i].text, &range);

		if (r != rows[i].result || range.start_rfn != rows[i].start_rfn ||
		    range.nr_regions != rows[i].nr_regions)
			print_error("for \"%s\"\n", rows[i].text);
		assert_int_equal(r, rows[i].result);
		assert_int_equal(range.start_rfn, rows[i].start_rfn);
		assert_int_equal(range.nr_regions, rows[i].nr_regions);
	}
}

static void durations_are_formatted(void **state)
{
	static const struct {
		json_int_t us;
		const char *text;
	} rows[] = {
		{0, "0us"},	      {999, "999us"},	   {1000, "1ms"},
		{999999, "999ms"},    {1000000, "1s"},	   {59999999, "59s"},
		{60000000, "1m"},     {61000000, "1m1s"},  {3600000000, "1h"},
		{3660000000, "1h1m"}, {86400000000, "1d"}, {90000000000, "1d1h"},
	};
	char text[FORMAT_MAX];
	json_t *null = json_null();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *us = json_integer(rows[i].us);

		assert_string_equal(format_us(us, text), rows[i].text);
		json_decref(us);
	}
	assert_string_equal(format_us(null, text), "-");
	assert_string_equal(format_us(NULL, text), "-");
}

static void costs_have_three_digits_and_a_sign(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {{0, "0us"},
		    {7, "7us"},
		    {-273, "-273us"},
		    {1000, "1.00ms"},
		    {9270, "9.27ms"},
		    {-36940, "-36.9ms"},
		    {664110, "664ms"},
		    {98765000, "98.8s"},
		    {INT64_C(5400) * 1000000, "1.50h"},
		    {INT64_C(864000) * 1000000, "10.0d"}};
	char text[FORMAT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format_cost_us(rows[i].us, text), rows[i].text);
}

static void sizes_and_percentages_are_formatted(void **state)
{
	static const struct {
		double percent;
		const char *text;
	} rows[] = {{0, "0.00%"},
		    {97.959, "97.96%"},
		    {99.994, "99.99%"},
		    {99.9999, "99.99%"},
		    {100, "100.00%"}};
	char text[FORMAT_MAX];

	(void)state;
	assert_string_equal(format_bytes(0, text), "0B");
	assert_string_equal(format_bytes(1023, text), "1023B");
	assert_string_equal(format_bytes(1024, text), "1K");
	assert_string_equal(format_bytes(1536, text), "1.5K");
	assert_string_equal(format_bytes(8ULL << 30, text), "8G");
	assert_string_equal(format_bytes(UINT64_MAX, text), "15.9E");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *percent = json_real(rows[i].percent);

		assert_string_equal(format_percent(percent, text), rows[i].text);
		json_decref(percent);
	}
	assert_string_equal(format_percent(NULL, text), "-");
}

static void columns_align_by_characters(void **state)
{
	static const char *const heads[] = {"N", "<NAME", "<LAST", NULL};
	struct table *table = table_new(heads);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	table_add(table, "%d", 1);
	table_add(table, "%s", "\xc3\xa4\xc3\xb6");
	table_add(table, "%s", "x");
	table_add(table, "%d", 100);
	table_add(table, "%s", "abcdef");
	table_add(table, "%s", "longer");
	table_print(table, f, false, 0);
	fclose(f);
	assert_string_equal(text, "  N  NAME    LAST\n"
				  "  1  \xc3\xa4\xc3\xb6      x\n"
				  "100  abcdef  longer\n");
	free(text);
}

/* The same table, @width characters wide. */
static void assert_table(int width, const char *wanted)
{
	static const char *const heads[] = {"ID", "<NAME", "2MORE", "1<LESS", "<WHY", NULL};
	static const char *const cells[] = {
		"1", "web",  "12", "x", "-",
		"2", "base", "3",  "y", "the guest has to accept every page"};
	struct table *table = table_new(heads);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		table_add(table, "%s", cells[i]);
	table_print(table, f, false, width);
	fclose(f);
	assert_string_equal(text, wanted);
	free(text);
}

static void a_narrow_terminal_omits_columns(void **state)
{
	(void)state;
	assert_table(0, "ID  NAME  MORE  LESS  WHY\n"
			" 1  web     12  x     -\n"
			" 2  base     3  y     the guest has to accept every page\n");
	assert_table(56, "ID  NAME  MORE  LESS  WHY\n"
			 " 1  web     12  x     -\n"
			 " 2  base     3  y     the guest has to accept every page\n");
	assert_table(55, "ID  NAME  MORE  WHY\n"
			 " 1  web     12  -\n"
			 " 2  base     3  the guest has to accept every page\n"
			 "columns omitted: LESS\n");
	assert_table(32, "ID  NAME  WHY\n"
			 " 1  web   -\n"
			 " 2  base  the guest has to\n"
			 "          accept every page\n"
			 "columns omitted: MORE, LESS\n");
	/* Nothing sensible fits. */
	assert_table(8, "ID  NAME  WHY\n"
			" 1  web   -\n"
			" 2  base  the guest has to accept every page\n"
			"columns\nomitted:\nMORE,\nLESS\n");
}

/* What stays fits, whatever names there are. */
static void long_names_are_cut(void **state)
{
	static const char *const heads[] = {"ID", "<NAME", "COVERAGE", "5LARGE", "<STATE", NULL};
	static const char *const cells[] = {"1",      "a-name-of-many-\xc3\xa4\xc3\xb6-characters",
					    "99.99%", "1",
					    "active", "2",
					    "b",      "-",
					    "2",      "memory-pressure"};
	struct table *table = table_new(heads);
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		table_add(table, "%s", cells[i]);
	table_print(table, f, false, 40);
	fclose(f);
	assert_string_equal(text, "ID  NAME       COVERAGE  STATE\n"
				  " 1  a-name-o~    99.99%  active\n"
				  " 2  b                 -  memory-pressure\n"
				  "columns omitted: LARGE\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(costs_have_three_digits_and_a_sign),
		cmocka_unit_test(addresses_are_parsed),
		cmocka_unit_test(ranges_are_parsed),
		cmocka_unit_test(durations_are_formatted),
		cmocka_unit_test(sizes_and_percentages_are_formatted),
		cmocka_unit_test(columns_align_by_characters),
		cmocka_unit_test(a_narrow_terminal_omits_columns),
		cmocka_unit_test(long_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
