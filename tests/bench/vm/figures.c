// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs on the patched kernel, in an emulated machine: what do 2 MiB mappings cost and give, one guest at a time? Prints a JSON
 * object per figure.
 *   figures count        for a machine whose clock counts instructions, one per ns: they are exact
 *   figures time         for two processors; what is compared within one run means something
 *   figures vms N MODE   N guests of 4 MiB at rest, until standard input ends
 */
#include "machine.h"

#include <err.h>
#include <errno.h>
#include <linux/kvm_lpage.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REGIONS	   128ull
#define PAGES	   (REGIONS * REGION_PAGES)
#define BYTES	   (REGIONS * REGION_BYTES)
#define RUNS	   7
#define TIB	   (1ull << 40)
#define SPARSE_GIB 128ull

/* enum kvm_lpage_mode */
static const char *const mode_names[] = {"off", "managed", "fault"};

/* ---- KVM_LPAGE ---- */

static void lpage(struct machine *m, struct kvm_lpage *request, uint32_t cmd)
{
	request->cmd = cmd;
	call(m->vm, KVM_LPAGE, request, "KVM_LPAGE");
}

static void set_mode(struct machine *m, uint32_t mode)
{
	struct kvm_lpage request = {
		.policy = {.valid = KVM_LPAGE_POLICY_FIELD_MODE, .mode = mode},
	};

	lpage(m, &request, KVM_LPAGE_SET_POLICY);
}

static void set_batch(struct machine *m, uint32_t regions)
{
	struct kvm_lpage request = {
		.policy = {.valid = KVM_LPAGE_POLICY_FIELD_BATCH, .batch = regions},
	};

	lpage(m, &request, KVM_LPAGE_SET_POLICY);
}

/* Of the whole slot; every region must be done. */
static struct kvm_lpage_range all(struct machine *m, uint32_t cmd)
{
	struct kvm_lpage request = {
		.range = {.gpa = m->base, .size = m->bytes, .level = KVM_LPAGE_LEVEL_2M},
	};

	lpage(m, &request, cmd);
	if (request.range.refused)
		errx(1, "command %u: %u regions refused, the first for reason %u", cmd,
		     request.range.refused, request.range.reason);
	return request.range;
}

static struct kvm_lpage_vm figures_of(struct machine *m)
{
	struct kvm_lpage request = {0};

	lpage(m, &request, KVM_LPAGE_GET_VM);
	return request.vm;
}

/* ---- the host ---- */

/* A line "NAME VALUE" of a file. */
static uint64_t line_of(const char *file, const char *name)
{
	FILE *f = fopen(file, "re");
	char line[256];
	size_t n = strlen(name);

	if (!f)
		err(1, "%s", file);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, n) == 0 && line[n] == ' ') {
			fclose(f);
			return strtoull(line + n, NULL, 10);
		}
	}
	errx(1, "%s has no %s", file, name);
}

/* Counters of each processor are added up only now and then, unless one asks. */
static void refresh_vmstat(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "we");

	if (!f || fputs("1\n", f) == EOF || fclose(f) == EOF)
		err(1, "/proc/sys/vm/stat_refresh");
}

static uint64_t vmstat(const char *name)
{
	refresh_vmstat();
	return line_of("/proc/vmstat", name);
}

static uint64_t free_bytes(void)
{
	return vmstat("nr_free_pages") * PAGE_BYTES;
}

/* Memory of guest_memfds is page cache. */
static uint64_t file_bytes(void)
{
	return vmstat("nr_file_pages") * PAGE_BYTES;
}

static uint64_t slab_bytes(void)
{
	return vmstat("nr_slab_unreclaimable") * PAGE_BYTES;
}

/* ---- first touch ---- */

static void print_touch(const char *mapping, struct machine *m, uint64_t ns, uint64_t exits,
			uint64_t tables)
{
	printf("{\"figure\":\"first-touch\",\"mapping\":\"%s\",\"memory_mib\":%llu,\"instructions\":%llu,\"exits\":%llu,\"page_table_pages\":%llu}\n",
	       mapping, (unsigned long long)(m->bytes >> 20), (unsigned long long)ns,
	       (unsigned long long)exits, (unsigned long long)tables);
}

/* @hold: no 2 MiB mappings in spite of 2 MiB folios. Leaves the machine open. */
static void first_touch(struct machine *m, const char *mapping, uint64_t gmem_flags, bool hold)
{
	machine_open(m, BYTES, gmem_flags);
	set_mode(m, KVM_LPAGE_MODE_MANAGED);
	machine_convert(m, 0, PAGES, true);
	if (hold)
		all(m, KVM_LPAGE_HOLD);
	/* What runs, and the upper levels of the page table, are not counted. */
	machine_touch(m, TOUCH_WRITE, 1);

	uint64_t tables = vmstat("nr_sec_page_table_pages");
	uint64_t exits = kvm_stat(m->vcpu, "exits");
	uint64_t begin = now_ns();
	machine_touch(m, TOUCH_WRITE, PAGES);
	uint64_t ns = now_ns() - begin;
	print_touch(mapping, m, ns, kvm_stat(m->vcpu, "exits") - exits,
		    vmstat("nr_sec_page_table_pages") - tables);
}

static void measure_touch(void)
{
	struct machine m;

	first_touch(&m, "4K-folios", 0, false);
	machine_close(&m);
	first_touch(&m, "2M", GUEST_MEMFD_FLAG_HUGE_2M, false);
	machine_close(&m);
	first_touch(&m, "4K-held", GUEST_MEMFD_FLAG_HUGE_2M, true);
	machine_close(&m);
}

/* ---- conversions ---- */

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *values, uint64_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* One page of every region. Prints the median of the calls, and what the guest's next touch of all its memory costs. */
static void convert_each(struct machine *m, const char *mode, bool to_private)
{
	static uint64_t ns[REGIONS];

	for (uint64_t i = 0; i < REGIONS; i++) {
		uint64_t begin = now_ns();

		machine_convert(m, i * REGION_PAGES + 7, 1, to_private);
		ns[i] = now_ns() - begin;
	}
	uint64_t exits = kvm_stat(m->vcpu, "exits");
	uint64_t begin = now_ns();
	machine_touch(m, TOUCH_WRITE, PAGES);
	uint64_t touch_ns = now_ns() - begin;
	printf("{\"figure\":\"conversion\",\"mode\":\"%s\",\"to\":\"%s\",\"instructions\":%llu,\"exits_after\":%llu,\"instructions_after\":%llu,\"page_table_pages\":%llu}\n",
	       mode, to_private ? "private" : "shared", (unsigned long long)median(ns, REGIONS),
	       (unsigned long long)((kvm_stat(m->vcpu, "exits") - exits) / REGIONS),
	       (unsigned long long)(touch_ns / REGIONS),
	       (unsigned long long)vmstat("nr_sec_page_table_pages"));
}

/* A page of each region, all mapped at 2 MiB, becomes shared and private again. */
static void measure_conversions(void)
{
	struct machine m;

	for (uint32_t mode = KVM_LPAGE_MODE_OFF; mode <= KVM_LPAGE_MODE_FAULT; mode++) {
		machine_open(&m, BYTES, GUEST_MEMFD_FLAG_HUGE_2M);
		set_mode(&m, mode);
		machine_convert(&m, 0, PAGES, true);
		machine_touch(&m, TOUCH_WRITE, PAGES);
		convert_each(&m, mode_names[mode], false);
		convert_each(&m, mode_names[mode], true);
		machine_close(&m);
	}
}

/* ---- a walk over memory ---- */

static uint64_t fastest_walk(struct machine *m)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < RUNS; i++) {
		uint64_t begin = now_ns();

		machine_touch(m, TOUCH_READ, PAGES);
		uint64_t ns = now_ns() - begin;
		least = ns < least ? ns : least;
	}
	return least;
}

static void print_walk(struct machine *m)
{
	struct kvm_lpage_vm vm = figures_of(m);

	printf("{\"figure\":\"walk\",\"coverage_percent\":%llu,\"pages\":%llu,\"ns\":%llu}\n",
	       (unsigned long long)(100 * vm.large / REGIONS), PAGES,
	       (unsigned long long)fastest_walk(m));
}

static void measure_walk(void)
{
	struct machine m;

	machine_open(&m, BYTES, GUEST_MEMFD_FLAG_HUGE_2M);
	set_mode(&m, KVM_LPAGE_MODE_MANAGED);
	machine_convert(&m, 0, PAGES, true);
	machine_touch(&m, TOUCH_WRITE, PAGES);
	print_walk(&m);
	all(&m, KVM_LPAGE_SPLIT);
	print_walk(&m);
	machine_close(&m);
}

/* ---- batches ---- */

struct runner {
	struct machine *m;
	atomic_bool stop;
};

static void *run_guest(void *arg)
{
	struct runner *r = arg;

	while (!atomic_load(&r->stop))
		machine_touch(r->m, TOUCH_WRITE, PAGES);
	return NULL;
}

/* Merges all regions beneath the running guest. */
static struct kvm_lpage_range merge_once(struct machine *m)
{
	struct runner runner = {.m = m};
	pthread_t thread;

	all(m, KVM_LPAGE_SPLIT);
	machine_touch(m, TOUCH_WRITE, PAGES);
	if (pthread_create(&thread, NULL, run_guest, &runner))
		errx(1, "pthread_create");
	struct kvm_lpage_range r = all(m, KVM_LPAGE_MERGE);
	atomic_store(&runner.stop, true);
	pthread_join(thread, NULL);
	return r;
}

/* The best of some runs: others need the processors, too. */
static void merge_in_batches(struct machine *m, uint32_t batch)
{
	uint64_t ns = UINT64_MAX, stall_ns = UINT64_MAX;

	set_batch(m, batch);
	for (int i = 0; i < RUNS; i++) {
		struct kvm_lpage_range r = merge_once(m);

		ns = r.ns < ns ? r.ns : ns;
		stall_ns = r.stall_ns < stall_ns ? r.stall_ns : stall_ns;
	}
	printf("{\"figure\":\"batch\",\"batch\":%u,\"merges\":%llu,\"ns\":%llu,\"longest_stall_ns\":%llu}\n",
	       batch, REGIONS, (unsigned long long)ns, (unsigned long long)stall_ns);
}

static void measure_batches(void)
{
	static const uint32_t batches[] = {1, 8, 32, 64};
	struct machine m;

	machine_open(&m, BYTES, GUEST_MEMFD_FLAG_HUGE_2M);
	set_mode(&m, KVM_LPAGE_MODE_MANAGED);
	machine_convert(&m, 0, PAGES, true);
	machine_touch(&m, TOUCH_WRITE, PAGES);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		merge_in_batches(&m, batches[i]);
	machine_close(&m);
}

/* ---- holes ---- */

/* What does the host get back of scattered holes of 4 KiB, one in each region? */
static void measure_holes(const char *folios, uint64_t gmem_flags)
{
	struct machine m;

	machine_open(&m, BYTES, gmem_flags);
	set_mode(&m, KVM_LPAGE_MODE_MANAGED);
	machine_convert(&m, 0, PAGES, true);
	machine_touch(&m, TOUCH_WRITE, PAGES);

	uint64_t before = file_bytes();
	for (uint64_t i = 0; i < REGIONS; i++) {
		machine_convert(&m, i * REGION_PAGES + 7, 1, false);
		machine_punch(&m, i * REGION_PAGES + 7, 1);
	}
	int64_t freed = (int64_t)(before - file_bytes());
	struct kvm_lpage_vm vm = figures_of(&m);
	printf("{\"figure\":\"holes\",\"folios\":\"%s\",\"punched_bytes\":%llu,\"freed_bytes\":%lld,\"retained_bytes\":%llu}\n",
	       folios, REGIONS * PAGE_BYTES, (long long)freed,
	       (unsigned long long)vm.retained_bytes);
	machine_close(&m);
}

/* ---- a slot of a TiB ---- */

/* Reads all regions there are anything to tell of. */
static void dump(struct machine *m, uint64_t *ret_calls, uint64_t *ret_longest_ns,
		 uint64_t *ret_regions)
{
	static struct kvm_lpage_region regions[KVM_LPAGE_RANGE_REGIONS_MAX];
	struct kvm_lpage request = {
		.regions =
			{
				.gpa = m->base,
				.size = m->bytes,
				.regions = (uintptr_t)regions,
				.stride = sizeof(regions[0]),
				.level = KVM_LPAGE_LEVEL_2M,
			},
	};

	*ret_calls = *ret_longest_ns = *ret_regions = 0;
	while (request.regions.size) {
		request.regions.nr = KVM_LPAGE_RANGE_REGIONS_MAX;
		uint64_t begin = now_ns();
		lpage(m, &request, KVM_LPAGE_GET_REGIONS);
		uint64_t ns = now_ns() - begin;
		*ret_longest_ns = ns > *ret_longest_ns ? ns : *ret_longest_ns;
		*ret_regions += request.regions.nr;
		++*ret_calls;
	}
}

static void measure_sparse(void)
{
	const uint64_t stride = (TIB >> 30) / SPARSE_GIB * (1ull << 30) / PAGE_BYTES;
	uint64_t calls, longest, regions, slab;
	struct machine m;

	machine_open(&m, TIB, GUEST_MEMFD_FLAG_HUGE_2M);
	set_mode(&m, KVM_LPAGE_MODE_MANAGED);
	for (uint64_t i = 0; i < SPARSE_GIB; i++) {
		machine_convert(&m, i * stride, REGION_PAGES, true);
		machine_fault(&m, i * stride);
	}
	/* What the first conversion of a page costs in records of its chunk. */
	slab = slab_bytes();
	for (uint64_t i = 0; i < SPARSE_GIB; i++) {
		machine_convert(&m, i * stride, 1, false);
		machine_convert(&m, i * stride, 1, true);
	}
	slab = slab_bytes() - slab;
	uint64_t begin = now_ns();
	dump(&m, &calls, &longest, &regions);
	uint64_t dump_ns = now_ns() - begin;
	begin = now_ns();
	struct kvm_lpage_vm vm = figures_of(&m);
	printf("{\"figure\":\"sparse\",\"slot_gib\":%llu,\"regions\":%llu,\"chunks\":%llu,\"slab_bytes\":%llu,\"dump_instructions\":%llu,\"dump_calls\":%llu,\"longest_call_instructions\":%llu,\"get_vm_instructions\":%llu}\n",
	       TIB >> 30, (unsigned long long)regions, (unsigned long long)vm.chunks,
	       (unsigned long long)slab, (unsigned long long)dump_ns, (unsigned long long)calls,
	       (unsigned long long)longest, (unsigned long long)(now_ns() - begin));
	machine_close(&m);
}

/* ---- many guests ---- */

static void hold_vms(unsigned int n, uint32_t mode)
{
	const uint64_t memory = 2 * REGION_BYTES;
	struct machine *vms = calloc(n, sizeof(*vms));
	char byte;

	if (!vms)
		err(1, "calloc");
	uint64_t before = free_bytes();
	for (unsigned int i = 0; i < n; i++) {
		machine_open(&vms[i], memory, GUEST_MEMFD_FLAG_HUGE_2M);
		set_mode(&vms[i], mode);
		machine_convert(&vms[i], 0, memory / PAGE_BYTES, true);
		machine_touch(&vms[i], TOUCH_WRITE, 2);
	}
	printf("{\"figure\":\"vms\",\"vms\":%u,\"mode\":\"%s\",\"bytes_each_besides_memory\":%llu}\n",
	       n, mode_names[mode], (unsigned long long)((before - free_bytes()) / n - memory));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	/* The kernel closes them. */
	free(vms);
}

static int usage(void)
{
	fputs("Usage: figures count | time | vms N MODE\n", stderr);
	return 2;
}

static int many_vms(const char *number, const char *mode)
{
	unsigned long n = strtoul(number, NULL, 10);

	for (uint32_t i = 0; i < sizeof(mode_names) / sizeof(mode_names[0]); i++) {
		if (strcmp(mode, mode_names[i]) == 0 && n > 0 && n <= 1000) {
			hold_vms((unsigned int)n, i);
			return 0;
		}
	}
	return usage();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "count") == 0) {
		measure_touch();
		measure_conversions();
		measure_holes("4K", 0);
		measure_holes("2M", GUEST_MEMFD_FLAG_HUGE_2M);
		measure_sparse();
	} else if (argc == 2 && strcmp(argv[1], "time") == 0) {
		measure_walk();
		measure_batches();
	} else if (argc == 4 && strcmp(argv[1], "vms") == 0) {
		return many_vms(argv[2], argv[3]);
	} else {
		return usage();
	}
	return 0;
}
