// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#include "daemon/core/ranges.h"

/* What the VM gained since it was charged last. Sets @ret_now to all that it has gained. */
static struct policy_ledger open_ledger(const struct lp_manager *m, const struct vm_entry *vm,
					struct policy_ledger *ret_now)
{
	struct policy_ledger gained;

	*ret_now = vm->charged;
	(void)policy_vm_ledger(m->policy, vm->vm.id, manager_now(m), ret_now);
	gained = *ret_now;
	policy_ledger_since(&gained, &vm->charged);
	return gained;
}

void accounts_init(struct accounts *accounts)
{
	snprintf(accounts->defaults.rule, sizeof(accounts->defaults.rule), LP_RULE_DEFAULTS);
	snprintf(accounts->removed.rule, sizeof(accounts->removed.rule), LP_RULE_REMOVED);
}

void accounts_charge(const struct lp_manager *m, struct vm_entry *vm)
{
	struct policy_ledger gained, now;

	if (!vm->account)
		return;
	gained = open_ledger(m, vm, &now);
	/* Figures of now are those of VMs. */
	gained.tracked_regions = gained.waiting_regions = 0;
	gained.large_regions = gained.queued_regions = 0;
	policy_ledger_add(&vm->account->ledger, &gained);
	vm->charged = now;
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

	if (account == vm->account)
		return;
	accounts_charge(m, vm);
	vm->account = account;
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

		policy_ledger_add(&accounts->removed.ledger, &account->ledger);
		accounts->any_removed = true;
		free(account);
	}
}

static void add_vm(const struct lp_manager *m, const struct vm_entry *vm,
		   struct lp_rule_snapshot *rule)
{
	struct policy_ledger now, ledger = open_ledger(m, vm, &now);

	policy_ledger_add(&rule->ledger, &ledger);
	rule->nr_vms++;
	rule->large += vm->vm.large;
	rule->table += vm->vm.table;
}

/* The @i-th of those that are shown. */
static const struct account *shown(const struct accounts *accounts, size_t i)
{
	if (i < accounts->nr)
		return accounts->list[i];
	return i == accounts->nr ? &accounts->defaults : &accounts->removed;
}

static size_t find_shown(const struct accounts *accounts, const struct account *account)
{
	size_t i = 0;

	while (i <= accounts->nr && shown(accounts, i) != account)
		i++;
	return i;
}

size_t accounts_view(const struct lp_core *core, struct lp_rule_snapshot *ret, size_t capacity)
{
	const struct lp_manager *m = manager_of_const(core);
	const struct accounts *accounts = &m->accounts;
	size_t nr = accounts->nr + 1 + accounts->any_removed;

	capacity = capacity < nr ? capacity : nr;
	for (size_t i = 0; i < capacity; i++)
		ret[i] = (struct lp_rule_snapshot){
			.rule = shown(accounts, i)->rule,
			.ledger = shown(accounts, i)->ledger,
		};
	for (size_t i = 0; capacity && i < m->nr_vms; i++) {
		size_t at = find_shown(accounts, m->vms[i]->account);

		if (at < capacity)
			add_vm(m, m->vms[i], &ret[at]);
	}
	for (size_t i = 0; i < capacity; i++)
		ret[i].coverage_ppm = lp_coverage_ppm(ret[i].large, ret[i].table);
	return nr;
}

void accounts_done(struct lp_manager *m)
{
	for (size_t i = 0; i < m->accounts.nr; i++)
		free(m->accounts.list[i]);
	free(m->accounts.list);
}
