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
	assert_int_equal(trace_file_open(&file, path, NULL, false, 1 << 20), 0);
	assert_int_equal(trace_file_close(&file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(trace_file_open(&file, path, NULL, false, 1 << 20), -EEXIST);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(trace_file_open(&file, path, NULL, true, 1 << 20), 0);
	assert_int_equal(trace_file_close(&file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Nothing else is written to, by force or not. */
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(trace_file_open(&file, other, NULL, true, 1 << 20), -ELOOP);
	assert_int_equal(trace_file_open(&file, "/dev/null", NULL, true, 1 << 20), -ENOTSUP);
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

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void a_file_that_was_cut_off_is_completed(void **state)
{
#define TRACE                                                                                      \
	"lptrace 1\ncost merge_ns=1 split_ns=2 fail_ns=3\n"                                        \
	"vm 1 name=a regions=8 walk_ns_per_s=0\n5 S 1 0 10\n"
	uint64_t regions = 0, end_ns = 0, bytes;
	char dir[32], path[64], error[512];

	(void)state;
	make_dir(dir, path, sizeof(path));
	put(path, TRACE "7 P 1 0 1");
	assert_int_equal(trace_file_salvage(path, &bytes, error, sizeof(error)), 0);
	assert_int_equal(bytes, strlen(TRACE));
	assert_int_equal(read_file(path, &regions, &end_ns), 1);
	assert_int_equal(end_ns, 5);
	/* It is whole now, and nothing else is changed. */
	assert_int_equal(trace_file_salvage(path, &bytes, error, sizeof(error)), -EALREADY);
	put(path, TRACE "7 Q\n");
	assert_int_equal(trace_file_salvage(path, &bytes, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, ":5: \"Q\" must be one of"));
	put(path, "lptrace 1\ncost merge_ns=1 split_ns=2 fail_ns=3");
	assert_int_equal(trace_file_salvage(path, &bytes, error, sizeof(error)), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static const struct rebuild_out one_vm = {
	.record = {
		.op = TRACE_VM, .vm_id = 1, .name = "vm-1", .regions = 2, .walk_ns_per_s = 12000}};

/* The sizes of VMs are written late, and are in a pipe all the same. */
static void a_recording_goes_to_a_pipe_once_it_is_complete(void **state)
{
	const struct rebuild_stats none = {0};
	struct trace_file file;
	char text[4096] = "";
	int fds[2];
	FILE *pipe_end;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pipe_end = fdopen(fds[1], "w");
	assert_non_null(pipe_end);
	assert_int_equal(trace_file_open(&file, "-", pipe_end, false, 1 << 20), 0);
	assert_int_equal(trace_file_header(&file, &(struct trace_costs){1, 2, 3}, false), 0);
	assert_int_equal(trace_file_write(&file, &one_vm), 0);
	assert_int_equal(trace_file_widen(&file, 1, 77), 0);
	assert_int_equal(trace_file_end(&file, 9, &none), 0);
	assert_int_equal(trace_file_close(&file), 0);
	assert_int_equal(fclose(pipe_end), 0);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	assert_non_null(strstr(text, "77\n"));
	assert_non_null(strstr(text, "\nend 9\n"));
}

static void a_full_file_is_complete(void **state)
{
	struct rebuild_out out = one_vm;
	const struct rebuild_stats none = {0};
	uint64_t regions = 0, end_ns = 0;
	unsigned int nr = 0;
	struct trace_file file;
	char dir[32], path[64];
	struct stat st;
	int r = 0;

	(void)state;
	make_dir(dir, path, sizeof(path));
	assert_int_equal(trace_file_open(&file, path, NULL, false, 8192), 0);
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
		cmocka_unit_test(a_file_that_was_cut_off_is_completed),
		cmocka_unit_test(a_recording_goes_to_a_pipe_once_it_is_complete),
		cmocka_unit_test(a_full_file_is_complete),
		cmocka_unit_test(a_full_disk_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
