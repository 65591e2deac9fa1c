// SPDX-License-Identifier: GPL-2.0-or-later
/* Many guests that start at once and rest: what the manager spends on them. */
#include <stdio.h>

#include <tdx-lpage/base.h>

#include "tests/bench/bench.h"
#include "tests/lib/many_vms.h"

#define SECONDS 25

static int measure(json_t *ret, const struct many_vms *vms)
{
	double begin_s = bench_cpu_s();
	struct many_counts counts;
	char name[32];
	int err;

	snprintf(name, sizeof(name), "%u_of_%llu_gib", vms->nr_vms,
		 (unsigned long long)vms->regions * 2 / 1024);
	bench_progress("many: %s", name);
	err = many_vms_run(vms, &counts);
	if (err)
		return err;
	printf("%6u %8llu %9llu %9llu %9llu %9llu %6llu %7llu %9.1f %10.1f %10.1f\n", vms->nr_vms,
	       (unsigned long long)vms->regions * 2 / 1024, (unsigned long long)counts.known,
	       (unsigned long long)counts.bytes / vms->nr_vms, (unsigned long long)counts.requests,
	       (unsigned long long)counts.warnings, (unsigned long long)counts.lost,
	       (unsigned long long)counts.lines, (bench_cpu_s() - begin_s) * 1000,
	       (double)counts.status_ns / 1000, (double)counts.behind_ns / 1000);
	json_object_set_new(ret, name,
			    json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:I}", "known",
				      counts.known, "bytes_per_vm", counts.bytes / vms->nr_vms,
				      "requests", counts.requests, "warnings", counts.warnings,
				      "lost", counts.lost, "lines", counts.lines, "cpu_s",
				      bench_cpu_s() - begin_s, "status_ns", counts.status_ns,
				      "behind_ns", counts.behind_ns));
	return 0;
}

static int run(json_t *ret)
{
	static const struct many_vms rows[] = {
		{.nr_vms = 100, .regions = 4096, .seconds = SECONDS},
		{.nr_vms = 1000, .regions = 4096, .seconds = SECONDS},
		{.nr_vms = 3000, .regions = 4096, .seconds = SECONDS},
		{.nr_vms = 3000, .regions = 262144, .seconds = SECONDS},
	};
	int err = 0;

	printf("%6s %8s %9s %9s %9s %9s %6s %7s %9s %10s %10s\n", "VMs", "GiB each", "known",
	       "bytes/VM", "requests", "warnings", "lost", "lines", "CPU ms", "status us",
	       "behind us");
	for (size_t i = 0; i < ARRAY_SIZE(rows) && !err; i++)
		err = measure(ret, &rows[i]);
	return err;
}

const struct bench bench_many = {
	.name = "many",
	.doc = "3000 guests that start at once: memory, requests, log",
	.run = run,
};
