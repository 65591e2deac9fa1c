// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as a trace: an error with its line, or records that write and score. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/trace/model.h"
#include "daemon/trace/trace.h"
#include "tests/fuzz/fuzz.h"

/* Keeps a hostile trace from asking the model for all memory. */
#define REGIONS_MAX 4096
#define PAGES_MAX   (1 << 20)

static bool affordable(const struct trace_record *record)
{
	if (record->op == TRACE_VM)
		return record->regions <= REGIONS_MAX;
	return record->op > TRACE_ACCEPT || record->npages <= PAGES_MAX;
}

/* Reads to the end; returns the last result. */
static int read_all(struct trace_reader *reader, struct model *model, FILE *copy)
{
	struct trace_record record;
	bool score = true;
	int more;

	while ((more = trace_next(reader, &record)) > 0) {
		if (trace_write_record(copy, &record, false))
			abort();
		score = score && affordable(&record);
		if (score && model_apply(model, &record) != 0)
			abort();
		if (score && record.op == TRACE_ACCEPT)
			model_try(model, record.vm_id, record.gfn / 512, record.t_ns);
	}
	return more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace_reader *reader;
	struct model model = {0};
	char *text = NULL;
	size_t len;
	FILE *copy = open_memstream(&text, &len);
	int err = trace_open_buffer("fuzz", (const char *)data, size, &reader);

	if (!copy || !reader)
		abort();
	if (!err) {
		model_init(&model, trace_costs(reader));
		err = read_all(reader, &model, copy);
	}
	if (err && strncmp(trace_error(reader), "fuzz:", 5) != 0)
		abort();
	if (!err && *trace_error(reader))
		abort();
	if (!err && model_cost_ns(&model) < model_walk_ns(&model))
		abort();
	model_done(&model);
	trace_close(reader);
	fclose(copy);
	free(text);
	return 0;
}
