// SPDX-License-Identifier: GPL-2.0-or-later
/* Parts of the manager that need none: switches file, ranges, region store, triage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/core/ranges.h"
#include "daemon/core/regions.h"
#include "daemon/core/state.h"
#include "daemon/core/triage.h"

/* ---- a directory ---- */

struct dir_fixture {
	char path[40];
	int fd;
};

static int dir_fixture_setup(void **state)
{
	struct dir_fixture *dir = calloc(1, sizeof(*dir));

	strcpy(dir->path, "/tmp/test_parts.XXXXXX");
	assert_non_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY);
	*state = dir;
	return 0;
}

static int dir_fixture_teardown(void **state)
{
	struct dir_fixture *dir = *state;

	(void)unlinkat(dir->fd, "switches", 0);
	close(dir->fd);
	/* Nothing else was left behind. */
	assert_int_equal(rmdir(dir->path), 0);
	free(dir);
	return 0;
}

/* ---- switches ---- */

#define BOOT  "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"

static struct lp_vm_key vm(uint32_t id)
{
	return (struct lp_vm_key){.id = id, .pid = 100 + id, .start_ns = 1000000 + id};
}

static int pause_id(struct lp_state *state, uint32_t id, bool paused)
{
	struct lp_vm_key key = vm(id);

	if (paused)
		return lp_state_pause_vm(state, &key, 0);
	lp_state_resume_vm(state, &key);
	return 0;
}

static bool is_paused(const struct lp_state *state, uint32_t id, uint32_t pid, uint64_t start_ns)
{
	return lp_state_vm_pause(state, &(struct lp_vm_key){id, pid, start_ns});
}

static void switches_survive_a_restart(void **state)
{
	struct lp_state before = {.paused = true, .boot_id = BOOT}, after;
	struct dir_fixture *dir = *state;
	unsigned int line;

	assert_int_equal(lp_state_load(dir->fd, BOOT, &after, &line), 0);
	assert_false(after.paused);
	for (uint32_t id = 9; id < 10; id -= 2)
		assert_int_equal(pause_id(&before, id, true), 0);
	assert_int_equal(pause_id(&before, 5, false), 0);
	assert_int_equal(pause_id(&before, 5, false), 0);
	assert_int_equal(pause_id(&before, 7, true), 0);
	/* What a kill left behind is none of the file, and a FIFO does not block. */
	assert_int_equal(mkfifoat(dir->fd, "switches.new", 0600), 0);
	assert_int_equal(lp_state_save(dir->fd, &before), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &after, &line), 0);
	assert_true(after.paused);
	assert_false(after.dry_run);
	assert_string_equal(after.boot_id, BOOT);
	assert_int_equal(after.nr_paused_vms, 4);
	for (uint32_t id = 0; id < 11; id++) {
		struct lp_vm_key key = vm(id);

		assert_int_equal(lp_state_vm_pause(&after, &key) != NULL,
				 id == 1 || id == 3 || id == 7 || id == 9);
	}
	lp_state_done(&before);
	lp_state_done(&after);
}

static void a_pause_is_of_a_vm_and_its_creator(void **state)
{
	struct dir_fixture *dir = *state;
	struct lp_state before = {.boot_id = BOOT}, after;
	struct lp_vm_key other = {7, 1, 2};
	unsigned int line;

	assert_int_equal(pause_id(&before, 7, true), 0);
	assert_int_equal(lp_state_save(dir->fd, &before), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &after, &line), 0);
	assert_true(is_paused(&after, 7, 107, 1000007));
	/* kvm was loaded again: the number is another VM's. */
	assert_false(is_paused(&after, 7, 107, 1000008));
	assert_false(is_paused(&after, 7, 108, 1000007));
	/* Where the kernel does not tell, better paused than not. */
	assert_true(is_paused(&after, 7, 0, 0));
	assert_true(is_paused(&after, 7, 0, 1000007));
	/* A pause of the other one replaces that of the first, and a resume ends neither by mistake. */
	assert_int_equal(lp_state_pause_vm(&after, &other, 0), 0);
	assert_int_equal(after.nr_paused_vms, 1);
	assert_true(lp_state_vm_pause(&after, &other));
	lp_state_done(&after);
	/* Another boot: VMs are gone, the host's switches stay. */
	before.paused = true;
	assert_int_equal(lp_state_save(dir->fd, &before), 0);
	assert_int_equal(lp_state_load(dir->fd, OTHER, &after, &line), 0);
	assert_true(after.paused);
	assert_int_equal(after.nr_paused_vms, 0);
	assert_string_equal(after.boot_id, OTHER);
	lp_state_done(&before);
	lp_state_done(&after);
}

static void on_ended(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;
}

static void a_bad_switches_file_is_refused_as_a_whole(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int error;
		unsigned int line;
	} bad[] = {
#define ROW(text, error, line) {text, sizeof(text) - 1, error, line}
		ROW("pause\nend\n", -EINVAL, 1),
		ROW("paused\nparsed\nend\n", -EINVAL, 2),
		ROW("paused-vm\nend\n", -EINVAL, 1),
		ROW("paused-vm 7\nend\n", -EINVAL, 1),
		ROW("paused-vm 7 1\nend\n", -EINVAL, 1),
		ROW("paused-vm 0 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm -1 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm 4294967296 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm 1x 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm 01 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm  1 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm 1 1 1 \nend\n", -EINVAL, 1),
		ROW("paused-vm 1 1 1 1 1\nend\n", -EINVAL, 1),
		ROW("paused-vm 1 1 1 0\nend\n", -EINVAL, 1),
		ROW("paused 0\nend\n", -EINVAL, 1),
		ROW("paused x\nend\n", -EINVAL, 1),
		ROW("paused \nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 5\nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 5 \nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 0 a\nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 a\nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 5 a b\nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 5 a/b\nend\n", -EINVAL, 1),
		ROW("hold 1 1 1 5 123456789012345678901234567890123\nend\n", -EINVAL, 1),
		ROW("paused-vm 1 1 18446744073709551616\nend\n", -EINVAL, 1),
		ROW("dry-run \nend\n", -EINVAL, 1),
		ROW("paused\n\nend\n", -EINVAL, 2),
		ROW("end\npaused\n", -EINVAL, 2),
		/* a NUL, behind which nothing was read */
		ROW("dry-run\n\0paused\nend\n", -EINVAL, 2),
		ROW("dry-run\0\nend\n", -EINVAL, 1),
		/* cut off: in a number, between lines, at the very start */
		ROW("paused-vm 12 34 5", -ENODATA, 1),
		ROW("dry-run\npaused-vm 1 1 1\n", -ENODATA, 2),
		ROW("paused\nend", -ENODATA, 2),
		ROW("", -ENODATA, 0),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lp_state parsed = {0};
		unsigned int line = 0;

		assert_int_equal(lp_state_parse(bad[i].text, bad[i].len, &parsed, &line),
				 bad[i].error);
		assert_int_equal(line, bad[i].line);
		/* Nothing is left of the lines before. */
		assert_false(parsed.paused || parsed.dry_run);
		assert_int_equal(parsed.nr_paused_vms, 0);
	}
}

/* Every line of the file has what it had. */
static void ends_and_holds_survive_a_restart(void **state)
{
	static const char text[] = "boot " BOOT "\n"
				   "paused 90000000000\n"
				   "paused-vm 3 103 1000003\n"
				   "paused-vm 7 107 1000007 95000000000\n"
				   "hold 3 103 1000003 97000000000 backup\n"
				   "hold 7 107 1000007 99000000000 libvirt:a@b\n"
				   "hold 7 107 1000007 80000000000 backup\n"
				   "end\n";
	struct dir_fixture *dir = *state;
	struct lp_state before = {.boot_id = BOOT}, after;
	struct lp_vm_key seven = vm(7);
	char file[sizeof(text)] = "";
	unsigned int line;
	size_t nr;
	int fd;

	assert_int_equal(lp_state_parse(text, strlen(text), &before, &line), 0);
	/* That of a connection is not kept. */
	assert_int_equal(
		lp_state_add_hold(&before, &(struct lp_hold){.vm = vm(7), .ended = on_ended}), 0);
	assert_int_equal(lp_state_save(dir->fd, &before), 0);
	fd = openat(dir->fd, "switches", O_RDONLY);
	assert_int_equal(read(fd, file, sizeof(file)), strlen(text));
	close(fd);
	assert_string_equal(file, text);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &after, &line), 0);
	assert_int_equal(after.paused_until_ns, 90000000000);
	assert_int_equal(lp_state_vm_pause(&after, &seven)->until_ns, 95000000000);
	assert_string_equal(lp_state_vm_holds(&after, &seven, &nr)->owner, "libvirt:a@b");
	assert_int_equal(nr, 2);
	assert_int_equal(lp_state_next_end_ns(&after), 80000000000);
	lp_state_done(&after);
	/* Another boot has another clock: what had an end is over. */
	assert_int_equal(lp_state_load(dir->fd, OTHER, &after, &line), 0);
	assert_false(after.paused);
	assert_int_equal(after.nr_paused_vms, 0);
	assert_int_equal(after.nr_holds, 0);
	assert_int_equal(lp_state_next_end_ns(&after), UINT64_MAX);
	lp_state_done(&before);
	lp_state_done(&after);
}

static void a_hold_is_of_a_vm_and_its_creator(void **state)
{
	struct lp_state held = {.paused = false};
	struct lp_vm_key other = {7, 1, 2}, seven = vm(7);
	size_t nr;

	(void)state;
	assert_int_equal(lp_state_add_hold(&held, &(struct lp_hold){.vm = vm(7)}), 0);
	assert_int_equal(lp_state_add_hold(&held, &(struct lp_hold){.vm = vm(5)}), 0);
	assert_null(lp_state_vm_holds(&held, &other, &nr));
	assert_int_equal(nr, 0);
	assert_int_equal(lp_state_add_hold(&held, &(struct lp_hold){.vm = other}), 0);
	assert_null(lp_state_vm_holds(&held, &seven, &nr));
	assert_non_null(lp_state_vm_holds(&held, &other, &nr));
	assert_int_equal(nr, 1);
	assert_int_equal(held.nr_holds, 2);
	lp_state_done(&held);
}

static void the_number_of_holds_is_bounded(void **state)
{
	struct lp_hold widest = {.vm = {UINT32_MAX, UINT32_MAX, UINT64_MAX},
				 .until_ns = UINT64_MAX};
	struct lp_state full = {.boot_id = BOOT}, after;
	struct dir_fixture *dir = *state;
	unsigned int line;

	memset(widest.owner, 'o', LP_HOLD_OWNER_MAX);
	for (uint32_t i = 0; i < LP_STATE_HOLDS_MAX; i++) {
		widest.vm.id = UINT32_MAX - i;
		assert_int_equal(lp_state_add_hold(&full, &widest), 0);
	}
	widest.vm.id = 1;
	assert_int_equal(lp_state_add_hold(&full, &widest), -E2BIG);
	/* Whatever fits can be read again. */
	assert_int_equal(lp_state_save(dir->fd, &full), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &after, &line), 0);
	assert_int_equal(after.nr_holds, LP_STATE_HOLDS_MAX);
	lp_state_done(&full);
	lp_state_done(&after);
}

static void the_number_of_paused_vms_is_bounded(void **state)
{
	struct lp_state full = {.boot_id = BOOT}, after;
	struct dir_fixture *dir = *state;
	unsigned int line;

	for (uint32_t id = 1; id <= LP_STATE_PAUSED_MAX; id++) {
		struct lp_vm_key widest = {UINT32_MAX - id, UINT32_MAX, UINT64_MAX};

		assert_int_equal(lp_state_pause_vm(&full, &widest, UINT64_MAX), 0);
	}
	assert_int_equal(pause_id(&full, LP_STATE_PAUSED_MAX + 1, true), -E2BIG);
	/* All of them fit in the file. */
	assert_int_equal(lp_state_save(dir->fd, &full), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &after, &line), 0);
	assert_int_equal(after.nr_paused_vms, LP_STATE_PAUSED_MAX);
	lp_state_done(&full);
	lp_state_done(&after);
}

static void what_is_no_file_is_an_error(void **state)
{
	struct lp_state loaded;
	struct dir_fixture *dir = *state;
	unsigned int line;

	assert_int_equal(symlinkat("/etc/passwd", dir->fd, "switches"), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &loaded, &line), -ELOOP);
	assert_string_equal(lp_state_strerror(-ELOOP), "not a regular file");
	assert_int_equal(unlinkat(dir->fd, "switches", 0), 0);
	/* It has no writer, and reads as empty. */
	assert_int_equal(mkfifoat(dir->fd, "switches", 0600), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &loaded, &line), -EMEDIUMTYPE);
}

static void a_bad_file_is_set_aside_and_replaced(void **state)
{
	struct lp_state paused = {.paused = true}, loaded;
	struct dir_fixture *dir = *state;
	unsigned int line;
	int fd = openat(dir->fd, "switches", O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "pau", 3), 3);
	close(fd);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &loaded, &line), -ENODATA);
	assert_int_equal(lp_state_set_aside(dir->fd, &paused), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &loaded, &line), 0);
	assert_true(loaded.paused);
	/* The old file is kept, whatever it is. */
	assert_int_equal(unlinkat(dir->fd, "switches.bad", 0), 0);
	assert_int_equal(unlinkat(dir->fd, "switches", 0), 0);
	assert_int_equal(mkfifoat(dir->fd, "switches", 0600), 0);
	assert_int_equal(lp_state_set_aside(dir->fd, &paused), 0);
	assert_int_equal(lp_state_load(dir->fd, BOOT, &loaded, &line), 0);
	assert_true(loaded.paused);
	assert_int_equal(unlinkat(dir->fd, "switches.bad", 0), 0);
}

/* ---- ranges ---- */

static void neighbours_become_one_range(void **state)
{
	uint64_t rfns[] = {9, 4, 6, 5, 4, 1ULL << 40};
	uint64_t far[KVM_LPAGE_RANGES_MAX + 1];
	struct lp_range ranges[KVM_LPAGE_RANGES_MAX];
	uint64_t many[600];

	(void)state;
	assert_int_equal(lp_ranges_build(rfns, 6, ranges), 3);
	assert_int_equal(ranges[0].start_rfn, 4);
	assert_int_equal(ranges[0].nr_regions, 3);
	assert_int_equal(ranges[1].start_rfn, 9);
	assert_int_equal(ranges[1].nr_regions, 1);
	assert_int_equal(ranges[2].start_rfn, 1ULL << 40);
	/* A range has at most KVM_LPAGE_RANGE_REGIONS_MAX regions. */
	for (size_t i = 0; i < 600; i++)
		many[i] = i;
	assert_int_equal(lp_ranges_build(many, 600, ranges), 2);
	assert_int_equal(ranges[0].nr_regions, 512);
	assert_int_equal(ranges[1].start_rfn, 512);
	assert_int_equal(ranges[1].nr_regions, 88);
	for (size_t i = 0; i < KVM_LPAGE_RANGES_MAX + 1; i++)
		far[i] = 2 * i;
	assert_int_equal(lp_ranges_build(far, KVM_LPAGE_RANGES_MAX, ranges), KVM_LPAGE_RANGES_MAX);
	assert_int_equal(lp_ranges_build(far, KVM_LPAGE_RANGES_MAX + 1, ranges), -E2BIG);
	assert_int_equal(lp_ranges_build(far, 0, ranges), 0);
}

static void a_result_gives_a_verdict_for_each_region(void **state)
{
	struct lp_result all = {.start_rfn = 4, .nr_regions = 3, .done = 3};
	struct lp_result none = {.start_rfn = 4, .nr_regions = 3, .refused = 3, .reason_rfn = 4};
	struct lp_result one = {
		.start_rfn = 4, .nr_regions = 3, .done = 2, .refused = 1, .reason_rfn = 5};
	struct lp_result two = {
		.start_rfn = 4, .nr_regions = 3, .done = 1, .refused = 2, .reason_rfn = 5};
	struct lp_result nothing = {.start_rfn = 4, .nr_regions = 3};

	(void)state;
	for (uint64_t rfn = 4; rfn < 7; rfn++) {
		assert_int_equal(lp_result_verdict(&all, rfn), LP_VERDICT_DONE);
		assert_int_equal(lp_result_verdict(&none, rfn), LP_VERDICT_REFUSED);
		assert_int_equal(lp_result_verdict(&nothing, rfn), LP_VERDICT_UNKNOWN);
		assert_int_equal(lp_result_verdict(&one, rfn),
				 rfn == 5 ? LP_VERDICT_REFUSED : LP_VERDICT_DONE);
		assert_int_equal(lp_result_verdict(&two, rfn),
				 rfn == 5 ? LP_VERDICT_REFUSED : LP_VERDICT_UNKNOWN);
	}
}

/* ---- region store ---- */

static int sum_rfns(void *ctx, const struct lp_region_record *record)
{
	*(uint64_t *)ctx = *(uint64_t *)ctx * 10 + record->region.rfn % 10;
	return 0;
}

static int count_record(void *ctx, const struct lp_region_record *record)
{
	(void)record;
	++*(uint64_t *)ctx;
	return 0;
}

static void keep_gone(void *ctx, uint64_t rfn)
{
	(void)rfn;
	++*(uint64_t *)ctx;
}

/* Walks and sweeps of a large guest are cut: the event loop has more to do. */
static void walks_over_regions_are_cut_in_slices(void **state)
{
	const uint64_t chunks = 3 * LP_REGIONS_SLICE + 1;
	uint64_t next = 0, nr = 0, gone = 0, slices = 0;
	struct blocks blocks = {0};
	struct lp_regions regions = {.blocks = &blocks};

	(void)state;
	for (uint64_t i = 0; i < chunks; i++) {
		struct lp_region region = {.rfn = i * 512 + 7};

		assert_int_equal(lp_regions_put(&regions, &region, 100, i % 2 ? 1 : 2), 0);
	}
	for (; next != LP_REGIONS_END; slices++) {
		uint64_t before = nr;

		assert_int_equal(lp_regions_walk(&regions, next, count_record, &nr, &next), 0);
		assert_true(nr - before <= LP_REGIONS_SLICE);
	}
	assert_int_equal(nr, chunks);
	assert_int_equal(slices, 4);
	for (next = 0; next != LP_REGIONS_END; slices++) {
		uint64_t before = gone;

		next = lp_regions_drop_others(&regions, next, 2, keep_gone, &gone);
		assert_true(gone - before <= LP_REGIONS_SLICE);
	}
	assert_int_equal(gone, chunks / 2);
	assert_int_equal(regions.count, chunks - chunks / 2);
	assert_int_equal(slices, 8);
	lp_regions_done(&regions);
	assert_int_equal(blocks.used_bytes, 0);
	blocks_done(&blocks);
}

static void count_gone(void *ctx, uint64_t rfn)
{
	*(uint64_t *)ctx += rfn;
}

static void regions_are_kept_in_order(void **state)
{
	static const uint64_t rfns[] = {1025, 3, 512, 511, (1ULL << 43) - 1, 3};
	struct blocks blocks = {0};
	struct lp_regions regions = {.blocks = &blocks};
	uint64_t order = 0, gone = 0, next = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct lp_region region = {.rfn = rfns[i], .to_shared_pages = (uint32_t)i};

		assert_int_equal(lp_regions_put(&regions, &region, 100, i < 3 ? 1 : 2), 0);
	}
	assert_int_equal(regions.count, 5);
	assert_int_equal(lp_regions_get(&regions, 3)->region.to_shared_pages, 5);
	assert_null(lp_regions_get(&regions, 4));
	assert_null(lp_regions_get(&regions, 99999));
	assert_int_equal(lp_regions_walk(&regions, 0, sum_rfns, &order, &next), 0);
	assert_int_equal(next, LP_REGIONS_END);
	assert_int_equal(order, 31257); /* 3, 511, 512, 1025, ...2207 */
	order = 0;
	assert_int_equal(lp_regions_walk(&regions, 512, sum_rfns, &order, &next), 0);
	assert_int_equal(order, 257);
	assert_int_equal(lp_regions_drop_others(&regions, 0, 2, count_gone, &gone), LP_REGIONS_END);
	assert_int_equal(gone, 1025 + 512);
	assert_int_equal(regions.count, 3);
	assert_null(lp_regions_get(&regions, 512));
	assert_int_equal(regions.nr_chunks, 2);
	lp_regions_done(&regions);
	assert_int_equal(blocks.used_bytes, 0);
	blocks_done(&blocks);
}

/* ---- triage ---- */

static void each_error_has_its_class_and_delay(void **state)
{
	(void)state;
	assert_int_equal(lp_triage(-EBUSY), LP_TRIAGE_TRANSIENT);
	assert_int_equal(lp_triage(-EAGAIN), LP_TRIAGE_NOT_RUN);
	assert_int_equal(lp_triage(-ESRCH), LP_TRIAGE_VM_GONE);
	assert_int_equal(lp_triage(-ENODEV), LP_TRIAGE_VM_GONE);
	assert_int_equal(lp_triage(-EINVAL), LP_TRIAGE_VM_FAULT);
	assert_int_equal(lp_triage(-EPERM), LP_TRIAGE_HOST);
	/* An error without an entry is transient: it must not last for ever. */
	assert_int_equal(lp_triage(-EXFULL), LP_TRIAGE_TRANSIENT);
	assert_int_equal(lp_triage_reason(LP_TRIAGE_NOT_RUN), LPAGE_REASON_NOT_RUNNING);
	assert_int_equal(lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, 1), 100000000);
	assert_int_equal(lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, 2), 200000000);
	assert_int_equal(lp_triage_delay_ns(LP_TRIAGE_TRANSIENT, 1000000), 30000000000);
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, dir_fixture_setup, dir_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(switches_survive_a_restart),
		DIR_TEST(a_pause_is_of_a_vm_and_its_creator),
		cmocka_unit_test(a_bad_switches_file_is_refused_as_a_whole),
		DIR_TEST(the_number_of_paused_vms_is_bounded),
		DIR_TEST(ends_and_holds_survive_a_restart),
		cmocka_unit_test(a_hold_is_of_a_vm_and_its_creator),
		DIR_TEST(the_number_of_holds_is_bounded),
		DIR_TEST(what_is_no_file_is_an_error),
		DIR_TEST(a_bad_file_is_set_aside_and_replaced),
		cmocka_unit_test(neighbours_become_one_range),
		cmocka_unit_test(a_result_gives_a_verdict_for_each_region),
		cmocka_unit_test(regions_are_kept_in_order),
		cmocka_unit_test(walks_over_regions_are_cut_in_slices),
		cmocka_unit_test(each_error_has_its_class_and_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
