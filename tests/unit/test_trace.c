// SPDX-License-Identifier: GPL-2.0-or-later
/* Traces: reading, writing, and the model that scores tries. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/trace/model.h"
#include "daemon/trace/trace.h"
#include "tests/lib/tracegen.h"

#define HEADER "lptrace 1\ncost merge_ns=30000 split_ns=45000 fail_ns=12000\n"
#define VM1    "vm 1 name=a regions=8 walk_ns_per_s=12000\n"

/* Reads all of @text; returns the last result of trace_next(), and the error's text. */
static int read_all(const char *text, size_t len, char *error, size_t room)
{
	struct trace_reader *reader;
	struct trace_record record;
	int more = trace_open_buffer("T", text, len, &reader);

	while (more == 0) {
		int next = trace_next(reader, &record);

		if (next <= 0) {
			more = next;
			break;
		}
	}
	snprintf(error, room, "%s", trace_error(reader));
	trace_close(reader);
	return more;
}

static void expect_error(const char *text, const char *message)
{
	char error[512];

	assert_int_equal(read_all(text, strlen(text), error, sizeof(error)), -EINVAL);
	assert_string_equal(error, message);
}

static void errors_name_the_line(void **state)
{
	(void)state;
	expect_error("", "T:1: not a trace: the first line is not \"lptrace 1\"");
	expect_error("lptrace 2\n", "T:1: unsupported version of lptrace; only 1 is supported");
	expect_error("# c\n\nlptrace 1\nvm\n",
		     "T:4: expected \"cost merge_ns=.. split_ns=.. fail_ns=..\"");
	expect_error("lptrace 1\ncost merge_ns=1 split_ns=2\n", "T:2: fail_ns= is missing");
	expect_error("lptrace 1\ncost merge_ns=1 merge_ns=2 fail_ns=3\n",
		     "T:2: merge_ns= is given twice");
	expect_error("lptrace 1\ncost merge_ns=-1 split_ns=2 fail_ns=3\n",
		     "T:2: merge_ns \"-1\" is not a number from 0 to 1000000000000");
	expect_error(HEADER VM1, "T:4: the trace has no \"end\": is it truncated?");
	expect_error(HEADER VM1 VM1, "T:4: VM 1 already exists; ids are never reused");
	expect_error(HEADER "vm 1 name=a/b regions=8 walk_ns_per_s=0\n",
		     "T:3: name \"a/b\" is not 1 to 63 of A-Z a-z 0-9 . _ : @ + -");
	expect_error(HEADER VM1 "5 S 2 0 1\n", "T:4: there is no VM 2");
	expect_error(HEADER VM1 "5 S 1 4095 2\n", "T:4: npages \"2\" is not a number from 1 to 1");
	expect_error(HEADER VM1 "5 S 1 4096 1\n",
		     "T:4: gfn \"4096\" is not a number from 0 to 4095");
	expect_error(HEADER VM1 "5 S 1 0\n", "T:4: npages is missing");
	expect_error(HEADER VM1 "5 S 1 0 1 1\n", "T:4: unexpected \"1\"");
	expect_error(HEADER VM1 "5 Q 1 0 1\n", "T:4: \"Q\" must be one of S P A W N X");
	expect_error(HEADER VM1 "5 SS 1 0 1\n", "T:4: \"SS\" must be one of S P A W N X");
	expect_error(HEADER VM1 "5 S 1 0 1\n4 P 1 0 1\n",
		     "T:5: time 4 is before that of an earlier record, 5");
	expect_error(HEADER VM1 "5 X 1\n5 S 1 0 1\n", "T:5: VM 1 is gone");
	expect_error(HEADER VM1 "5 S 1 0 1\nvm 2 name=b regions=1 walk_ns_per_s=0\n",
		     "T:5: \"vm\" belongs before the first record with a time; use N");
	expect_error(HEADER VM1 "end 5\n6 S 1 0 1\n", "T:5: unexpected \"6\" after \"end\"");
	expect_error(HEADER VM1 "5\tS 1 0 99999999999999999999\n",
		     "T:4: npages \"99999999999999999999\" is not a number from 1 to 4096");
	expect_error(HEADER VM1 "5 W 1 8 1\n", "T:4: rfn \"8\" is not a number from 0 to 7");
	expect_error(HEADER "hello\n", "T:3: \"hello\" must be a time, vm or end");
}

static void long_lines_are_an_error(void **state)
{
	static const char head[] = HEADER "#";
	char error[512];
	char *text = malloc(10000);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 10000);
	memcpy(text, head, sizeof(head) - 1);
	assert_int_equal(read_all(text, 10000, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "T:3: line is longer than 4096 bytes");
	free(text);
}

static void a_missing_file_is_an_error(void **state)
{
	struct trace_reader *reader;

	(void)state;
	assert_int_equal(trace_open("/nonexistent/trace", &reader), -ENOENT);
	assert_string_equal(trace_error(reader), "/nonexistent/trace: No such file or directory");
	trace_close(reader);
}

/* Takes the comments out of @text, and returns what is left of @len. */
static size_t strip_comments(char *text, size_t len)
{
	char *to = text;

	for (size_t i = 0; i < len;) {
		const char *newline = memchr(text + i, '\n', len - i);
		size_t line;

		assert_non_null(newline);
		line = (size_t)(newline - text) + 1 - i;
		if (text[i] != '#') {
			memmove(to, text + i, line);
			to += line;
		}
		i += line;
	}
	return (size_t)(to - text);
}

/* Every generated kind reads, and comes out as it went in, but for comments. */
static void what_is_written_reads_the_same(void **state)
{
	(void)state;
	for (int kind = 0; kind < TRACEGEN_KINDS_END; kind++) {
		struct trace_reader *reader;
		struct trace_record record;
		char *in = NULL;
		char *out = NULL;
		size_t in_len;
		size_t out_len;
		FILE *f = open_memstream(&out, &out_len);
		int more;

		assert_int_equal(tracegen_buffer((enum tracegen_kind)kind, 1, 0.02, &in, &in_len),
				 0);
		assert_int_equal(trace_open_buffer("T", in, in_len, &reader), 0);
		trace_write_header(f, trace_costs(reader));
		while ((more = trace_next(reader, &record)) > 0)
			trace_write_record(f, &record, record.op == TRACE_VM && !record.t_ns);
		assert_int_equal(more, 0);
		fclose(f);
		trace_close(reader);
		in_len = strip_comments(in, in_len);
		assert_int_equal(in_len, out_len);
		assert_memory_equal(in, out, in_len);
		free(in);
		free(out);
	}
}

/* The same seed gives the same trace, another seed another one. */
static void the_generator_repeats_with_its_seed(void **state)
{
	char *a = NULL;
	char *b = NULL;
	char *c = NULL;
	size_t a_len;
	size_t b_len;
	size_t c_len;

	(void)state;
	tracegen_buffer(TRACEGEN_BURSTS, 5, 0.05, &a, &a_len);
	tracegen_buffer(TRACEGEN_BURSTS, 5, 0.05, &b, &b_len);
	tracegen_buffer(TRACEGEN_BURSTS, 6, 0.05, &c, &c_len);
	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
	assert_true(a_len != c_len || memcmp(a, c, a_len) != 0);
	free(a);
	free(b);
	free(c);
}

/* ---- the model ---- */

struct try_at {
	uint64_t t_ns;
	uint32_t vm_id;
	uint64_t rfn;
};

static void lines_may_end_in_cr_lf(void **state)
{
	static const char text[] = "lptrace 1\r\ncost merge_ns=1 split_ns=2 fail_ns=3\r\n\r\n"
				   "# c\r\nvm 1 name=a regions=8 walk_ns_per_s=0\r\n"
				   "5 S 1 0 1\r\nend 6\r\n";
	char error[512];

	(void)state;
	assert_int_equal(read_all(text, sizeof(text) - 1, error, sizeof(error)), 0);
	assert_string_equal(error, "");
	expect_error(HEADER VM1 "5 S 1 0 1\r1\n",
		     "T:4: npages \"1?1\" is not a number from 1 to 4096");
}

/* Cuts a trace after each of its bytes: what is whole is read, and an end is added. */
static void a_cut_trace_is_read_up_to_its_last_whole_record(void **state)
{
	static const char text[] = HEADER VM1 "5 S 1 0 10\n7 P 1 0 10\nend 9\n";
	const size_t header = sizeof(HEADER) - 1;
	struct trace_reader *reader;
	struct trace_record record;
	uint64_t last_ns;

	(void)state;
	for (size_t len = header; len < sizeof(text); len++) {
		size_t nr = 0, lines = 0, whole = header;
		int more;

		for (size_t i = header; i < len; i++) {
			lines += text[i] == '\n';
			whole = text[i] == '\n' ? i + 1 : whole;
		}
		assert_int_equal(trace_open_buffer("T", text, len, &reader), 0);
		trace_salvage(reader);
		while ((more = trace_next(reader, &record)) > 0)
			nr++;
		assert_int_equal(more, 0);
		assert_int_equal(record.op, TRACE_END);
		if (len + 2 < sizeof(text)) {
			assert_non_null(strstr(trace_cut(reader), ": the trace is cut off"));
			assert_int_equal(nr, lines + 1);
			assert_int_equal(record.t_ns, lines < 2 ? 0 : lines == 2 ? 5 : 7);
			assert_int_equal(trace_whole_bytes(reader, &last_ns), whole);
			assert_int_equal(last_ns, record.t_ns);
		} else {
			/* The LF of the end may lack. */
			assert_string_equal(trace_cut(reader), "");
			assert_int_equal(record.t_ns, 9);
		}
		trace_close(reader);
	}
	/* Without being asked to, or for what is no record, it is an error. */
	expect_error(HEADER VM1 "5 S 1 0 1\n", "T:5: the trace has no \"end\": is it truncated?");
	assert_int_equal(trace_open_buffer("T", HEADER VM1 "5 Q 1 0 1\n", sizeof(HEADER VM1) + 9,
					   &reader),
			 0);
	trace_salvage(reader);
	assert_int_equal(trace_next(reader, &record), 1);
	assert_int_equal(trace_next(reader, &record), -EINVAL);
	trace_close(reader);
}

/* Applies a trace with tries, which come after the records of the same time. */
static void run_model(struct model *model, const char *text, const struct try_at *tries, size_t nr)
{
	struct trace_reader *reader;
	struct trace_record record;
	size_t done = 0;

	assert_int_equal(trace_open_buffer("T", text, strlen(text), &reader), 0);
	model_init(model, trace_costs(reader));
	while (trace_next(reader, &record) > 0) {
		for (; done < nr && tries[done].t_ns < record.t_ns; done++)
			model_try(model, tries[done].vm_id, tries[done].rfn, tries[done].t_ns);
		assert_int_equal(model_apply(model, &record), 0);
	}
	assert_string_equal(trace_error(reader), "");
	for (; done < nr; done++)
		model_try(model, tries[done].vm_id, tries[done].rfn, tries[done].t_ns);
	trace_close(reader);
}

/* The worked example of the format's description. */
static void the_worked_example_scores_as_documented(void **state)
{
	static const char text[] = HEADER VM1
		"0 S 1 0 1\n"
		"500 P 1 0 1\n"
		"1000 A 1 0 1\n"
		"5000000000 W 1 0 0\n"
		"6000000000 N 2 name=b regions=1 walk_ns_per_s=12000\n"
		"7000000000 S 2 0 512\n"
		"7000001000 P 2 0 512\n"
		"7000002000 A 2 0 512\n"
		"8000000000 S 2 3 1\n"
		"8000001000 P 2 3 1\n"
		"8000002000 A 2 3 1\n"
		"12000000000 X 2\n"
		"end 20000000000\n";
	static const struct try_at tries[] = {
		{1, 1, 0},
		{6000000000, 1, 5},
		{9000000000, 2, 0},
		{13000000000, 2, 0},
	};
	struct model model;

	(void)state;
	run_model(&model, text, tries, 4);
	assert_int_equal(model_cost_ns(&model), 137999);
	assert_int_equal(model_opt_ns(&model), 60000);
	assert_int_equal(model.score.merges, 1);
	assert_int_equal(model.score.splits, 0);
	assert_int_equal(model.score.refusals, 3);
	assert_int_equal(model.score.forced_splits * 45000, 90000);
	model_done(&model);
}

static void events_precede_tries_and_second_tries_fail(void **state)
{
	static const char text[] = HEADER VM1 "0 S 1 0 1\n"
					      "0 P 1 0 1\n"
					      "1000 A 1 0 1\n"
					      "2000000000 S 1 0 1\n"
					      "end 3000000000\n";
	/* At 1000 the page is accepted, at 2 s it is shared already. */
	static const struct try_at tries[] = {
		{1000, 1, 0}, {2000, 1, 0}, {2000000000, 1, 0}, {3000000000, 1, 0}};
	struct model model;

	(void)state;
	run_model(&model, text, tries, 4);
	assert_int_equal(model.score.merges, 1);
	assert_int_equal(model.score.splits, 1);
	assert_int_equal(model.score.refusals, 3);
	assert_int_equal(model_cost_ns(&model), 30000 + 45000 + 3 * 12000);
	assert_int_equal(model_opt_ns(&model), 23999);
	model_done(&model);
}

/* A whole conversion ends an interval without a split, for us and for the optimum. */
static void a_whole_conversion_ends_an_interval(void **state)
{
	static const char text[] = HEADER VM1 "0 S 1 512 7\n"
					      "0 P 1 510 20\n"
					      "0 A 1 512 7\n"
					      "5000000000 S 1 0 2048\n"
					      "6000000000 P 1 0 2048\n"
					      "6000000000 A 1 0 2048\n"
					      "end 9000000000\n";
	static const struct try_at tries[] = {{1000000000, 1, 1}, {7000000000, 1, 1}};
	struct model model;

	(void)state;
	run_model(&model, text, tries, 2);
	assert_int_equal(model.score.merges, 1);
	assert_int_equal(model.score.splits, 0);
	assert_int_equal(model.score.refusals, 1);
	assert_int_equal(model.score.forced_splits, 1);
	assert_int_equal(model.score.intervals, 1);
	assert_int_equal(model_opt_ns(&model), 30000);
	assert_int_equal(model_cost_ns(&model), 12000 + 30000 + 12000);
	model_done(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_may_end_in_cr_lf),
		cmocka_unit_test(a_cut_trace_is_read_up_to_its_last_whole_record),
		cmocka_unit_test(errors_name_the_line),
		cmocka_unit_test(long_lines_are_an_error),
		cmocka_unit_test(a_missing_file_is_an_error),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(the_generator_repeats_with_its_seed),
		cmocka_unit_test(the_worked_example_scores_as_documented),
		cmocka_unit_test(events_precede_tries_and_second_tries_fail),
		cmocka_unit_test(a_whole_conversion_ends_an_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
