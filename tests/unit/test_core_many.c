// SPDX-License-Identifier: GPL-2.0-or-later
/* More guests at once than a link takes requests: what each costs, and what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/many_vms.h"

#define NR_VMS	  1500 /* the simulated host takes 1024 requests */
#define SECONDS	  25   /* two log intervals */
#define INTERVALS 2
#define BYTES_MAX 30000

static struct many_counts run(unsigned int nr_vms, uint64_t regions)
{
	const struct many_vms vms = {.nr_vms = nr_vms, .regions = regions, .seconds = SECONDS};
	struct many_counts counts;

	assert_int_equal(many_vms_run(&vms, &counts), 0);
	print_message(
		"# %u guests of %llu regions: %llu bytes each, %llu requests, %llu lines, %llu turns\n",
		nr_vms, (unsigned long long)regions, (unsigned long long)counts.bytes / nr_vms,
		(unsigned long long)counts.requests, (unsigned long long)counts.lines,
		(unsigned long long)counts.turns);
	return counts;
}

static void guests_that_start_together_are_all_known_without_a_warning(void **state)
{
	struct many_counts counts = run(NR_VMS, 4096);

	(void)state;
	assert_int_equal(counts.known, NR_VMS);
	assert_int_equal(counts.failed_requests, 0);
	assert_int_equal(counts.lost, 0);
	assert_int_equal(counts.warnings, 0);
	/* One that it is there, and one per interval; some of the host. */
	assert_true(counts.lines <= NR_VMS * (1 + INTERVALS) + 10);
	assert_true(counts.bytes <= (uint64_t)NR_VMS * BYTES_MAX);
}

static void a_guest_costs_the_same_whatever_its_size(void **state)
{
	struct many_counts small = run(100, 512), big = run(100, 4 << 20);

	(void)state;
	assert_true(big.bytes <= small.bytes + small.bytes / 50);
	assert_int_equal(big.requests, small.requests);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guests_that_start_together_are_all_known_without_a_warning),
		cmocka_unit_test(a_guest_costs_the_same_whatever_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
