// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/recorders.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/context.h"

struct recorder {
	TAILQ_ENTRY(recorder) entry;
	lp_record_cb cb;
	void *ctx;
};

static void notify(struct lp_manager *m, const struct lp_record_event *event)
{
	struct recorder *recorder, *next;

	for (recorder = TAILQ_FIRST(&m->recorders); recorder; recorder = next) {
		next = TAILQ_NEXT(recorder, entry);
		recorder->cb(recorder->ctx, event);
	}
}

void recorders_notify_vm(struct lp_manager *m, uint32_t vm_id, enum lp_record_kind kind)
{
	notify(m,
	       &(struct lp_record_event){.kind = kind, .now_ns = manager_now(m), .vm_id = vm_id});
}

void recorders_notify_regions(struct lp_manager *m, const struct lp_region_chunk *chunk)
{
	notify(m, &(struct lp_record_event){
			  .kind = LP_RECORD_REGIONS,
			  .now_ns = manager_now(m),
			  .vm_id = chunk->vm_id,
			  .regions = chunk->regions,
			  .nr_regions = chunk->nr_regions,
		  });
}

void recorders_notify_loss(struct lp_manager *m)
{
	notify(m, &(struct lp_record_event){.kind = LP_RECORD_LOSS, .now_ns = manager_now(m)});
}

int recorders_add(struct lp_core *core, lp_record_cb cb, void *ctx)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));

	if (!recorder)
		return -ENOMEM;
	recorder->cb = cb;
	recorder->ctx = ctx;
	TAILQ_INSERT_TAIL(&manager_of(core)->recorders, recorder, entry);
	return 0;
}

void recorders_remove(struct lp_core *core, lp_record_cb cb, void *ctx)
{
	struct lp_manager *m = manager_of(core);
	struct recorder *recorder, *next;

	for (recorder = TAILQ_FIRST(&m->recorders); recorder; recorder = next) {
		next = TAILQ_NEXT(recorder, entry);
		if (recorder->cb != cb || recorder->ctx != ctx)
			continue;
		TAILQ_REMOVE(&m->recorders, recorder, entry);
		free(recorder);
	}
}

void recorders_drop_all(struct lp_manager *m)
{
	struct recorder *recorder;

	while ((recorder = TAILQ_FIRST(&m->recorders))) {
		TAILQ_REMOVE(&m->recorders, recorder, entry);
		free(recorder);
	}
}
