// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/ranges.h"

void accounts_init(struct accounts *accounts)
{
	snprintf(accounts->defaults.rule, sizeof(accounts->defaults.rule), LP_RULE_DEFAULTS);
	snprintf(accounts->removed.rule, sizeof(accounts->removed.rule), LP_RULE_REMOVED);
}

static void add(struct region_sums *sums, const struct lp_vm *vm)
{
	sums->capable += vm->capable;
	sums->large += vm->large;
	sums->table += vm->table;
	sums->mixed += vm->mixed;
	sums->unmapped += vm->unmapped;
	sums->held += vm->held;
}

static void take(struct region_sums *sums, const struct lp_vm *vm)
{
	sums->capable -= vm->capable;
	sums->large -= vm->large;
	sums->table -= vm->table;
	sums->mixed -= vm->mixed;
	sums->unmapped -= vm->unmapped;
	sums->held -= vm->held;
}

void accounts_describe(struct lp_manager *m, struct vm_entry *vm, const struct lp_vm *now)
{
	take(&m->regions, &vm->vm);
	add(&m->regions, now);
	if (vm->account) {
		take(&vm->account->regions, &vm->vm);
		add(&vm->account->regions, now);
	}
	vm->vm = *now;
}

static void move_vm(struct lp_manager *m, struct vm_entry *vm, struct account *account)
{
	if (vm->account) {
		vm->account->nr_vms--;
		take(&vm->account->regions, &vm->vm);
	}
	vm->account = account;
	if (account) {
		account->nr_vms++;
		add(&account->regions, &vm->vm);
	}
	(void)policy_vm_group(m->policy, vm->vm.id, account ? &account->group : NULL,
			      manager_now(m));
}

static void lose(struct lp_manager *m, struct account *account)
{
	account->nr_vms = 0;
	account->regions = (struct region_sums){0};
	policy_group_clear(m->policy, &account->group, manager_now(m));
}

void accounts_lose_all(struct lp_manager *m)
{
	m->regions = (struct region_sums){0};
	for (size_t i = 0; i < m->accounts.nr; i++)
		lose(m, m->accounts.list[i]);
	lose(m, &m->accounts.defaults);
	lose(m, &m->accounts.removed);
}

void accounts_remove(struct lp_manager *m, struct vm_entry *vm)
{
	if (vm_is_lost(m, vm))
		return;
	move_vm(m, vm, NULL);
	take(&m->regions, &vm->vm);
}

static struct account *find(const struct accounts *accounts, const char *rule)
{
	for (size_t i = 0; i < accounts->nr; i++) {
		if (!strcmp(accounts->list[i]->rule, rule))
			return accounts->list[i];
	}
	return NULL;
}

static struct account *open_account(struct accounts *accounts, const char *rule)
{
	struct account *account;

	if (array_reserve(&accounts->list, &accounts->capacity, accounts->nr + 1,
			  sizeof(*accounts->list)) < 0)
		return NULL;
	account = calloc(1, sizeof(*account));
	if (!account)
		return NULL;
	snprintf(account->rule, sizeof(account->rule), "%s", rule);
	accounts->list[accounts->nr++] = account;
	return account;
}

/* Without memory, the account of what has none of its own. */
static struct account *account_of(struct accounts *accounts, const char *rule)
{
	struct account *account;

	if (!rule[0])
		return &accounts->defaults;
	account = find(accounts, rule);
	if (!account)
		account = open_account(accounts, rule);
	if (account)
		return account;
	accounts->any_removed = true;
	return &accounts->removed;
}

void accounts_assign(struct lp_manager *m, struct vm_entry *vm)
{
	struct account *account = account_of(&m->accounts, vm->rule);

	if (account != vm->account)
		move_vm(m, vm, account);
}

/* Moves the account of @rule to @at. False: there is none. */
static bool move(struct accounts *accounts, const char *rule, size_t at)
{
	for (size_t i = at; i < accounts->nr; i++) {
		struct account *account = accounts->list[i];

		if (strcmp(account->rule, rule) != 0)
			continue;
		accounts->list[i] = accounts->list[at];
		accounts->list[at] = account;
		return true;
	}
	return false;
}

void accounts_reorder(struct lp_manager *m)
{
	struct accounts *accounts = &m->accounts;
	size_t kept = 0;

	for (size_t i = 0; i < m->config->nr_rules; i++)
		kept += move(accounts, m->config->rules[i].name, kept);
	while (accounts->nr > kept) {
		struct account *account = accounts->list[--accounts->nr];

		policy_ledger_add(&accounts->removed.group.ledger, &account->group.ledger);
		accounts->any_removed = true;
		free(account);
	}
}

/* The @i-th of those that are shown. */
static const struct account *shown(const struct accounts *accounts, size_t i)
{
	if (i < accounts->nr)
		return accounts->list[i];
	return i == accounts->nr ? &accounts->defaults : &accounts->removed;
}

static struct lp_rule_snapshot view(const struct lp_manager *m, const struct account *account)
{
	struct lp_rule_snapshot ret = {
		.rule = account->rule,
		.nr_vms = account->nr_vms,
		.large = account->regions.large,
		.table = account->regions.table,
		.coverage_ppm = lp_coverage_ppm(account->regions.large, account->regions.table),
	};

	policy_group_ledger(m->policy, &account->group, manager_now(m), &ret.ledger);
	return ret;
}

size_t accounts_view(const struct lp_core *core, struct lp_rule_snapshot *ret, size_t capacity)
{
	const struct lp_manager *m = manager_of_const(core);
	size_t nr = m->accounts.nr + 1 + m->accounts.any_removed;

	for (size_t i = 0; i < nr && i < capacity; i++)
		ret[i] = view(m, shown(&m->accounts, i));
	return nr;
}

void accounts_done(struct lp_manager *m)
{
	for (size_t i = 0; i < m->accounts.nr; i++)
		free(m->accounts.list[i]);
	free(m->accounts.list);
}
