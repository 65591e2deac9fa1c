/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second configuration on the same events: a policy of its own that gets the same observations as the policy in force, and
 * whose merges are not carried out. Their outcome is derived from the region: it is large by now, or a merge since its last
 * conversion was refused. Otherwise the merge is assumed to succeed, until a later refusal shows that it could not.
 *
 * It takes as much memory again as the policy in force, and hands out as many batches per turn of the event loop.
 * Without `shadow:` in the configuration, everything here returns at once.
 */
#ifndef TDX_LPAGE_CORE_SHADOW_H
#define TDX_LPAGE_CORE_SHADOW_H

#include "daemon/core/context.h"
#include "daemon/core/vm.h"

/*
 * After a change of the configuration: starts or stops the shadow, or restarts it if its settings changed. Without memory
 * there is no shadow, which is logged.
 */
void shadow_apply_config(struct lp_manager *m);

/* Pass on what the policy in force was given. To be called after it, but shadow_observe() before it. */
void shadow_set_global(struct lp_manager *m);
void shadow_set_paused(struct lp_manager *m);
void shadow_add_vm(struct lp_manager *m, const struct vm_entry *vm,
		   const struct config_settings *settings);
void shadow_configure_vm(struct lp_manager *m, const struct vm_entry *vm);
void shadow_remove_vm(struct lp_manager *m, const struct vm_entry *vm);
void shadow_lose_all(struct lp_manager *m);
void shadow_observe(struct lp_manager *m, uint32_t vm_id, const struct policy_observation *obs,
		    size_t nr);
void shadow_forget(struct lp_manager *m, uint32_t vm_id, uint64_t rfn);
void shadow_batch_cost(struct lp_manager *m, uint32_t vm_id, const struct policy_batch_cost *cost);
void shadow_split_cost(struct lp_manager *m, uint32_t vm_id, uint64_t splits, uint64_t ns);

/* The outcome of a try that was carried out: may disprove what was assumed. */
void shadow_outcome(struct lp_manager *m, uint32_t vm_id, uint64_t rfn, enum lpage_reason reason);

/* Lets it decide on what is due, as much as one turn of the event loop may take. */
void shadow_run(struct lp_manager *m);
uint64_t shadow_deadline_ns(const struct lp_manager *m);

/* struct lp_core_ops */
int shadow_view(const struct lp_core *core, struct lp_shadow_snapshot *ret);

#endif
