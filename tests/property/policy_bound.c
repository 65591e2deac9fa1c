// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bound of docs/policy.md, tried by an adversary that sees when the policy will merge: what a
 * region costs stays below twice the optimum plus K, whatever was learnt before.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/adaptive.h"
#include "daemon/policy/policy.h"

#define MS    UINT64_C(1000000)
#define S     (1000 * MS)
#define VM    1
#define MERGE 30000
#define SPLIT 45000
#define FAIL  12000
#define WALK  12000
#define EVEN  ((MERGE + SPLIT) * S / WALK)
/* Times are in ticks of about 1 ms: what an interval can cost more by that. */
#define TICK_SLACK (4 * (1 << TICK_SHIFT) * (double)WALK / (double)S)

static const struct config_global global = {
	.cpu_budget_ppm = 10000000,
	.merge_rate_per_s = 1000000,
};

static const struct config_settings settings = {
	.mode = CONFIG_MODE_MANAGED,
	.policy = CONFIG_POLICY_ADAPTIVE,
	.merge_rate_per_s = 1000000,
	.batch = 32,
	.max_stall_ns = 2 * MS,
	.walk_cost_ns_per_s = WALK,
	.merge_cost_ns = MERGE,
	.split_cost_ns = SPLIT,
	.fail_cost_ns = FAIL,
};

struct game {
	struct policy *policy;
	struct policy_observation obs;
	uint64_t rng;
	uint64_t now_ns;
	uint64_t start_ns;
	bool merged;
	uint64_t merged_ns;
	double cost;
	double best;
	double worst; /* largest cost - 2 * best so far */
	uint64_t intervals;
};

static double unit(struct game *game)
{
	game->rng = game->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(game->rng >> 11) * 0x1p-53;
}

static double walk_ns(uint64_t span_ns)
{
	return (double)span_ns * WALK / (double)S;
}

/* Lets the policy act until @until_ns, or until it merges. */
static void play_until(struct game *game, uint64_t until_ns)
{
	struct policy_batch batch;

	while (!game->merged) {
		uint64_t next = policy_next_deadline(game->policy);

		if (next > until_ns)
			break;
		game->now_ns = next > game->now_ns ? next : game->now_ns;
		while (policy_next_batch(game->policy, game->now_ns, &batch)) {
			assert_int_equal(batch.nr, 1);
			assert_int_equal(batch.actions[0].rfn, game->obs.rfn);
			game->merged = true;
			game->merged_ns = game->now_ns;
			policy_outcome(game->policy, VM, game->obs.rfn, LPAGE_REASON_NONE, MERGE,
				       game->now_ns);
		}
	}
	if (!game->merged)
		game->now_ns = until_ns;
}

static void start_interval(struct game *game)
{
	game->obs.to_private_pages++;
	game->obs.last_to_private_ns = game->start_ns = game->now_ns;
	game->merged = false;
	assert_int_equal(policy_observe(game->policy, VM, &game->obs, game->now_ns), 0);
}

static void end_interval(struct game *game)
{
	double walk = walk_ns(game->now_ns - game->start_ns);

	game->intervals++;
	game->best += fmin(walk, MERGE + SPLIT);
	game->cost += game->merged ? walk_ns(game->merged_ns - game->start_ns) + MERGE + SPLIT :
				     walk;
	game->worst = fmax(game->worst,
			   game->cost - 2 * game->best - (double)game->intervals * TICK_SLACK);
	game->obs.to_shared_pages++;
	game->obs.last_to_shared_ns = game->now_ns;
	assert_int_equal(policy_observe(game->policy, VM, &game->obs, game->now_ns), 0);
	game->now_ns += 2 * MS;
}

/* When would the policy merge, if the region stayed private? */
static uint64_t planned_ns(struct game *game)
{
	struct policy_explanation why;

	assert_int_equal(policy_explain(game->policy, VM, game->obs.rfn, game->now_ns, &why), 0);
	return game->start_ns + why.numbers.threshold_ns;
}

/* Splits right after the merge, wherever it comes. */
static void strike(struct game *game)
{
	start_interval(game);
	play_until(game, game->start_ns + 100000 * S);
	assert_true(game->merged);
	game->now_ns += 2 * MS;
	end_interval(game);
}

/* Ends just before the merge that is planned now. */
static void dodge(struct game *game)
{
	uint64_t planned;

	start_interval(game);
	planned = planned_ns(game);
	if (planned > game->start_ns + 50000 * S)
		planned = game->start_ns + 50000 * S;
	if (planned > game->now_ns + 6 * MS)
		play_until(game, planned - 3 * MS);
	else
		game->now_ns += 2 * MS;
	end_interval(game);
}

static void last(struct game *game, uint64_t span_ns)
{
	start_interval(game);
	play_until(game, game->start_ns + span_ns);
	if (game->now_ns < game->start_ns + span_ns)
		game->now_ns = game->start_ns + span_ns;
	end_interval(game);
}

static void game_begin(struct game *game, uint64_t seed)
{
	*game = (struct game){.rng = seed, .now_ns = S};
	game->policy = policy_new(&global, 0);
	assert_non_null(game->policy);
	assert_int_equal(policy_vm_add(game->policy, VM, &settings, 0), 0);
	game->obs = (struct policy_observation){.rfn = 5, .state = POLICY_STATE_UNKNOWN};
	game->obs.to_shared_pages = 1;
	game->obs.last_to_shared_ns = game->now_ns;
	assert_int_equal(policy_observe(game->policy, VM, &game->obs, game->now_ns), 0);
	game->now_ns += 2 * MS;
}

static void game_end(struct game *game)
{
	double bound = (double)RENTAL_DEBT_MAX * (MERGE + SPLIT + FAIL);

	if (game->worst > bound)
		print_error("cost - 2 * optimum reached %.0f, K is %.0f\n", game->worst, bound);
	assert_true(game->worst <= bound);
	policy_free(game->policy);
}

static void the_bound_holds_if_the_adversary_always_strikes(void **state)
{
	struct game game;

	(void)state;
	game_begin(&game, 1);
	for (int i = 0; i < 3000; i++)
		strike(&game);
	game_end(&game);
}

static void the_bound_holds_if_the_adversary_always_dodges(void **state)
{
	struct game game;

	(void)state;
	game_begin(&game, 1);
	for (int i = 0; i < 1000; i++)
		dodge(&game);
	game_end(&game);
}

/* Teaches one behaviour, strikes with another one, again and again. */
static void the_bound_holds_if_the_adversary_teaches_and_betrays(void **state)
{
	static const uint64_t lengths[] = {20 * MS,	  500 * MS,	  2 * S,  EVEN / 2,
					   EVEN * 9 / 10, EVEN * 11 / 10, 20 * S, 300 * S};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct game game;

		game_begin(&game, i);
		for (int round = 0; round < 30; round++) {
			for (int n = 0; n < 20; n++)
				last(&game, lengths[i]);
			for (int n = 0; n < 10; n++)
				strike(&game);
			for (int n = 0; n < 3; n++)
				last(&game, EVEN * 3);
		}
		game_end(&game);
	}
}

/* Whatever comes to mind. */
static void the_bound_holds_against_random_adversaries(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct game game;
		double strikes;
		double dodges;

		game_begin(&game, seed);
		strikes = unit(&game);
		dodges = unit(&game) * (1 - strikes);
		for (int i = 0; i < 400; i++) {
			double what = unit(&game);

			if (what < strikes)
				strike(&game);
			else if (what < strikes + dodges)
				dodge(&game);
			else
				last(&game,
				     (uint64_t)((double)EVEN * pow(10, 4 * unit(&game) - 3)));
		}
		game_end(&game);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bound_holds_if_the_adversary_always_strikes),
		cmocka_unit_test(the_bound_holds_if_the_adversary_always_dodges),
		cmocka_unit_test(the_bound_holds_if_the_adversary_teaches_and_betrays),
		cmocka_unit_test(the_bound_holds_against_random_adversaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
