// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bound of docs/policy.md, tried by an adversary that sees when the policy will merge: what a
 * region costs stays below twice the optimum plus K, whatever was learnt before, at whatever costs. Where the
 * guest accepts late or never, the optimum is that of a guest that accepts at once.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <tdx-lpage/base.h>

#include "daemon/policy/adaptive.h"
#include "daemon/policy/policy.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define VM 1
/* Times are in ticks of about 1 ms: what an interval can cost more by that. */
#define SLACK_TICKS 4

static const struct config_global global = {
	.cpu_budget_ppm = 10000000,
	.merge_rate_per_s = 1000000,
};

struct costs {
	uint64_t merge;
	uint64_t split;
	uint64_t fail;
	uint64_t walk; /* per s */
};

static const struct costs defaults = {30000, 45000, 12000, 12000};
static const struct costs all_costs[] = {
	{30000, 45000, 12000, 12000},  {30000, 3000, 12000, 12000},
	{30000, 300000, 12000, 12000}, {30000, 45000, 3000, 12000},
	{30000, 45000, 300000, 12000}, {30000, 45000, 12000, 120},
	{30000, 45000, 12000, 120000}, {30000, 45000, 300000, 120000},
};

struct game {
	struct policy *policy;
	struct costs costs;
	uint64_t even_ns; /* break-even time */
	bool refuses;	  /* nothing is accepted */
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

static double walk_ns(const struct game *game, uint64_t span_ns)
{
	return (double)span_ns * (double)game->costs.walk / (double)S;
}

static double change_ns(const struct game *game)
{
	return (double)(game->costs.merge + game->costs.split);
}

/* Carries out a try. */
static void try_merge(struct game *game)
{
	enum lpage_reason reason = LPAGE_REASON_NONE;

	if (game->refuses) {
		reason = LPAGE_REASON_NOT_ACCEPTED;
		game->cost += (double)game->costs.fail;
	} else {
		game->merged = true;
		game->merged_ns = game->now_ns;
	}
	policy_outcome(game->policy, VM, game->obs.rfn, reason,
		       game->refuses ? game->costs.fail : game->costs.merge, game->now_ns);
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
			try_merge(game);
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

/*
 * The walk of an interval in which nothing is accepted is none, but what was refused beyond the
 * break-even time is no part of the bound: once per octave.
 */
static double cost_ns(struct game *game, uint64_t span_ns)
{
	if (game->merged)
		return walk_ns(game, game->merged_ns - game->start_ns) + change_ns(game);
	if (!game->refuses)
		return walk_ns(game, span_ns);
	return span_ns < game->even_ns ?
		       0 :
		       -(double)game->costs.fail *
			       (2 + log2((double)span_ns / (double)game->even_ns));
}

static void end_interval(struct game *game)
{
	uint64_t span_ns = game->now_ns - game->start_ns;
	double slack = walk_ns(game, SLACK_TICKS << TICK_SHIFT);

	game->intervals++;
	game->best += fmin(walk_ns(game, span_ns), change_ns(game));
	game->cost += cost_ns(game, span_ns);
	game->worst =
		fmax(game->worst, game->cost - 2 * game->best - (double)game->intervals * slack);
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
	play_until(game, game->start_ns + 100 * game->even_ns);
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
	if (planned > game->start_ns + 100 * game->even_ns)
		planned = game->start_ns + 100 * game->even_ns;
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

static void game_begin(struct game *game, uint64_t seed, const struct costs *costs)
{
	const struct config_settings settings = {
		.mode = CONFIG_MODE_MANAGED,
		.policy = CONFIG_POLICY_ADAPTIVE,
		.merge_rate_per_s = 1000000,
		.batch = 32,
		.max_stall_ns = 2 * MS,
		.walk_cost_ns_per_s = costs->walk,
		.merge_cost_ns = costs->merge,
		.split_cost_ns = costs->split,
		.fail_cost_ns = costs->fail,
	};

	*game = (struct game){.rng = seed, .now_ns = S, .costs = *costs};
	game->even_ns = (costs->merge + costs->split) * S / costs->walk;
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
	double bound = (double)RENTAL_DEBT_MAX *
		       (double)(game->costs.merge + game->costs.split + game->costs.fail);

	if (game->worst > bound)
		print_error("cost - 2 * optimum reached %.0f, K is %.0f\n", game->worst, bound);
	assert_true(game->worst <= bound);
	policy_free(game->policy);
}

static void the_bound_holds_if_the_adversary_always_strikes(void **state)
{
	struct game game;

	(void)state;
	game_begin(&game, 1, &defaults);
	for (int i = 0; i < 3000; i++)
		strike(&game);
	game_end(&game);
}

static void the_bound_holds_if_the_adversary_always_dodges(void **state)
{
	struct game game;

	(void)state;
	game_begin(&game, 1, &defaults);
	for (int i = 0; i < 1000; i++)
		dodge(&game);
	game_end(&game);
}

/* Teaches one behaviour, strikes with another one, again and again. */
static void the_bound_holds_if_the_adversary_teaches_and_betrays(void **state)
{
	const uint64_t even = 6250 * MS;
	const uint64_t lengths[] = {20 * MS,	   500 * MS,	   2 * S,  even / 2,
				    even * 9 / 10, even * 11 / 10, 20 * S, 300 * S};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct game game;

		game_begin(&game, i, &defaults);
		for (int round = 0; round < 30; round++) {
			for (int n = 0; n < 20; n++)
				last(&game, lengths[i]);
			for (int n = 0; n < 10; n++)
				strike(&game);
			for (int n = 0; n < 3; n++)
				last(&game, even * 3);
		}
		game_end(&game);
	}
}

/* Whatever comes to mind; in some of the games some intervals are never accepted. */
static void play_random(uint64_t seed, const struct costs *costs, bool may_refuse)
{
	struct game game;
	double strikes;
	double dodges;
	double refusals;

	game_begin(&game, seed, costs);
	strikes = unit(&game);
	dodges = unit(&game) * (1 - strikes);
	refusals = may_refuse ? unit(&game) : 0;
	for (int i = 0; i < 400; i++) {
		double what = unit(&game);
		double span = (double)game.even_ns * pow(10, 4 * unit(&game) - 3);

		game.refuses = unit(&game) < refusals;
		if (game.refuses || what >= strikes + dodges)
			last(&game, (uint64_t)span);
		else if (what < strikes)
			strike(&game);
		else
			dodge(&game);
	}
	game_end(&game);
}

static void the_bound_holds_against_random_adversaries(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++)
		play_random(seed, &defaults, false);
}

static void the_bound_holds_at_other_costs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_costs); i++)
		for (uint64_t seed = 1; seed <= 20; seed++)
			play_random(seed, &all_costs[i], false);
}

static void the_bound_holds_if_the_guest_does_not_accept(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_costs); i++)
		for (uint64_t seed = 1; seed <= 20; seed++)
			play_random(seed, &all_costs[i], true);
}

/* Less than the break-even time, again and again: refusals end. */
static void refusals_before_the_break_even_time_are_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_costs); i++) {
		struct game game;

		game_begin(&game, i, &all_costs[i]);
		game.refuses = true;
		for (int n = 0; n < 400; n++)
			last(&game, (uint64_t)((double)game.even_ns * 0.01 * (1 + n % 5)));
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
		cmocka_unit_test(the_bound_holds_at_other_costs),
		cmocka_unit_test(the_bound_holds_if_the_guest_does_not_accept),
		cmocka_unit_test(refusals_before_the_break_even_time_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
