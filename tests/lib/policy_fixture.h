/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A policy with one VM, and regions of it that are converted, for cmocka tests. */
#ifndef TDX_LPAGE_TESTS_POLICY_FIXTURE_H
#define TDX_LPAGE_TESTS_POLICY_FIXTURE_H

#include "daemon/policy/policy.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define VM 7

extern const struct config_global policy_fixture_global;

/* Policy threshold, quiet-time 5 s. */
extern const struct config_settings policy_fixture_settings;

/* One region of the host as a link would report it. */
struct fake_region {
	struct policy_observation obs;
};

/* A policy with VM at time 0. */
struct policy *fixture_engine(const struct config_settings *settings);

struct fake_region fixture_fake(uint64_t rfn);

/* Conversions of so many pages at @now_ns, which the policy observes. */
void fixture_to_shared(struct policy *policy, struct fake_region *region, uint32_t pages,
		       uint64_t now_ns);
void fixture_to_private(struct policy *policy, struct fake_region *region, uint32_t pages,
			uint64_t now_ns);

/* A page of region @rfn goes to shared and back at @now_ns. */
struct fake_region fixture_convert(struct policy *policy, uint64_t rfn, uint64_t now_ns);

/* The time at which the next batch comes out when nothing else happens; fills @ret. */
uint64_t fixture_until_batch(struct policy *policy, uint64_t now_ns, struct policy_batch *ret);

#endif
