// SPDX-License-Identifier: GPL-2.0-or-later
/* The file that record writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/rebuild/trace_file.h"

static const struct trace_costs costs = {30000, 45000, 12000};

static void make_dir(char *dir, char *path, size_t size)
{
	strcpy(dir, "/tmp/test_record.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, size, "%s/t", dir);
}

static void the_file_is_new_and_private(void **state)
{
	char dir[32], path[64], other[64];
	struct trace_file file;
	struct stat st;
	mode_t mask = umask(0);

	(void)state;
	make_dir(dir, path, sizeof(path));
	snprintf(other, sizeof(other), "%s/link", dir);
	assert_int_equal(trace_file_open(&file, path, false, 1 << 20), 0);
	assert_int_equal(trace_file_close(&file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(trace_file_open(&file, path, false, 1 << 20), -EEXIST);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(trace_file_open(&file, path, true, 1 << 20), 0);
	assert_int_equal(trace_file_close(&file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Nothing else is written to, by force or not. */
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(trace_file_open(&file, other, true, 1 << 20), -ELOOP);
	assert_int_equal(trace_file_open(&file, "/dev/null", true, 1 << 20), -ENOTSUP);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	umask(mask);
}

/* Reads it to its end; returns how many conversions it has. */
static unsigned int read_file(const char *path, uint64_t *ret_regions, uint64_t *ret_end_ns)
{
	struct trace_reader *reader;
	struct trace_record record;
	unsigned int nr = 0;
	int more = 0;

	assert_int_equal(trace_open(path, &reader), 0);
	while ((more = trace_next(reader, &record)) > 0) {
		nr += record.op <= TRACE_ACCEPT;
		if (record.op == TRACE_VM)
			*ret_regions = record.regions;
		if (record.op == TRACE_END)
			*ret_end_ns = record.t_ns;
	}
	if (more < 0)
		print_error("%s\n", trace_error(reader));
	assert_int_equal(more, 0);
	trace_close(reader);
	return nr;
}

static void a_full_file_is_complete(void **state)
{
	struct rebuild_out out = {.record = {.op = TRACE_VM,
					     .vm_id = 1,
					     .name = "vm-1",
					     .regions = 2,
					     .walk_ns_per_s = 12000}};
	const struct rebuild_stats none = {0};
	uint64_t regions = 0, end_ns = 0;
	unsigned int nr = 0;
	struct trace_file file;
	char dir[32], path[64];
	struct stat st;
	int r = 0;

	(void)state;
	make_dir(dir, path, sizeof(path));
	assert_int_equal(trace_file_open(&file, path, false, 8192), 0);
	assert_int_equal(trace_file_header(&file, &costs, false), 0);
	assert_int_equal(trace_file_write(&file, &out), 0);
	out.mark = REBUILD_HIDDEN;
	for (; r == 0; nr++) {
		out.record = (struct trace_record){
			.t_ns = nr, .op = TRACE_TO_SHARED, .vm_id = 1, .gfn = 5, .npages = 1};
		r = trace_file_write(&file, &out);
		if (nr == 3)
			assert_int_equal(trace_file_widen(&file, 1, 4000), 0);
	}
	assert_int_equal(r, TRACE_FILE_FULL);
	assert_int_equal(trace_file_end(&file, nr, &none), 0);
	assert_int_equal(trace_file_close(&file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 7000 && st.st_size <= 8192);
	assert_int_equal(read_file(path, &regions, &end_ns), nr - 1);
	assert_int_equal(regions, 4000);
	assert_int_equal(end_ns, nr);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_full_disk_is_reported(void **state)
{
	const struct rebuild_stats none = {0};
	struct trace_file file = {.max_bytes = 1 << 20, .f = fopen("/dev/full", "w")};

	(void)state;
	assert_non_null(file.f);
	(void)trace_file_header(&file, &costs, false);
	(void)trace_file_end(&file, 5, &none);
	assert_int_equal(trace_file_close(&file), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_is_new_and_private),
		cmocka_unit_test(a_full_file_is_complete),
		cmocka_unit_test(a_full_disk_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
