// SPDX-License-Identifier: GPL-2.0-or-later
/* record: streams from the daemon to a trace. */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm_lpage.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <tdx-lpage/text.h>

#include "daemon/ctl/call.h"
#include "daemon/ctl/client.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/numbers.h"
#include "daemon/ctl/range.h"
#include "daemon/ctl/verbs.h"
#include "daemon/rebuild/trace_file.h"
#include "tdx-lpage/reasons.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/protocol.h>

#define MAX_BYTES (UINT64_C(100) << 20)
#define PASS_MS	  1000 /* how often progress is shown */

enum end { END_NONE, BY_SIGNAL, BY_TIME, BY_SIZE, BY_DAEMON, BY_ERROR };

static const char *const end_names[] = {
	[END_NONE] = "",    [BY_SIGNAL] = "signal", [BY_TIME] = "duration",
	[BY_SIZE] = "size", [BY_DAEMON] = "daemon", [BY_ERROR] = "error",
};

struct record {
	struct ctl *ctl;
	const char *path;
	bool to_pipe; /* to standard output */
	bool raw;
	uint64_t max_bytes;
	uint64_t duration_us; /* UINT64_MAX: none */
	int signals;	      /* a signalfd */
	struct trace_file file;
	struct rebuild *rebuild; /* once the stream has begun */
	uint64_t began_us;	 /* our clock */
	uint64_t speed;
	uint64_t stream_ns; /* the stream's time */
	bool waits;	    /* reported that no VM matches yet */
	enum end end;
	int error; /* of the file, negative errno */
	int exit;  /* exit code after an error message */
};

static uint64_t now_us(void)
{
	return monotonic_ns() / NS_PER_US;
}

/*
 * The stream's time: extrapolated, never behind the last record. Only to say when a recording ended:
 * what the daemon has not sent yet is older than this.
 */
static uint64_t stream_now(const struct record *rec)
{
	uint64_t ns = (now_us() - rec->began_us) * NS_PER_US * rec->speed;

	return ns > rec->stream_ns ? ns : rec->stream_ns;
}

/* Ends the run when writing failed or the file is full. */
static void note_result(struct record *rec, int result)
{
	if (result == 0 || rec->end)
		return;
	rec->end = result == TRACE_FILE_FULL ? BY_SIZE : BY_ERROR;
	rec->error = result < 0 ? result : 0;
}

/* ---- records of the stream ---- */

static int64_t get_stamp(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? json_integer_value(value) : REBUILD_NEVER;
}

static uint64_t get_count(const json_t *object, const char *name)
{
	json_int_t value = get_int(object, name);

	return value > 0 ? (uint64_t)value : 0;
}

static uint32_t get_op(const json_t *object)
{
	return strcmp(get_text(object, "last_op"), lpage_op_name(KVM_LPAGE_OP_MERGE)) ?
		       KVM_LPAGE_OP_NONE :
		       KVM_LPAGE_OP_MERGE;
}

/* Only two reasons matter to the reconstruction. */
static uint32_t get_reason(const json_t *object)
{
	static const uint32_t reasons[] = {KVM_LPAGE_REASON_NOT_ACCEPTED,
					   KVM_LPAGE_REASON_NOT_MAPPED};
	const char *text = get_text(object, "last_reason");
	char name[TEXT_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (strcmp(text, text_snake(lpage_reason_name(reasons[i]), name)) == 0)
			return reasons[i];
	}
	return KVM_LPAGE_REASON_NONE;
}

static void read_observation(const json_t *object, struct rebuild_observation *ret)
{
	int state = lpage_state_from_name(get_text(object, "state"));

	*ret = (struct rebuild_observation){
		.rfn = get_count(object, "rfn"),
		.state = state < 0 ? KVM_LPAGE_STATE_UNMAPPED : (uint32_t)state,
		.shared = get_bool(object, "shared"),
		.to_shared_pages = (uint32_t)get_count(object, "to_shared_pages"),
		.to_private_pages = (uint32_t)get_count(object, "to_private_pages"),
		.to_shared_events = (uint32_t)get_count(object, "to_shared_events"),
		.to_private_events = (uint32_t)get_count(object, "to_private_events"),
		.to_shared_ns = get_stamp(object, "to_shared_ns"),
		.to_private_ns = get_stamp(object, "to_private_ns"),
		.last_op = get_op(object),
		.last_reason = get_reason(object),
		.last_op_ns = get_stamp(object, "last_op_ns"),
	};
}

static void on_begin(struct record *rec, const json_t *record)
{
	const json_t *costs = json_object_get(record, "costs");
	const struct trace_costs numbers = {get_count(costs, "merge_ns"),
					    get_count(costs, "split_ns"),
					    get_count(costs, "fail_ns")};
	const struct rebuild_options options = {
		.raw = rec->raw,
		.speed = get_count(record, "speed"),
		.write = trace_file_write,
		.widen = trace_file_widen,
		.ctx = &rec->file,
	};

	if (rec->rebuild)
		return;
	rec->began_us = now_us();
	rec->speed = options.speed ? options.speed : 1;
	rec->rebuild = rebuild_new(&options);
	note_result(rec,
		    rec->rebuild ? trace_file_header(&rec->file, &numbers, rec->raw) : -ENOMEM);
}

static void on_vm(struct record *rec, const json_t *record)
{
	const struct rebuild_vm vm = {
		.id = (uint32_t)get_count(record, "vm"),
		.name = json_string_value(json_object_get(record, "name")),
		.memory_bytes = get_count(record, "memory_bytes"),
		.walk_ns_per_s = get_count(record, "walk_ns_per_s"),
		.notify_interval_ns = get_count(record, "notify_interval_us") * NS_PER_US,
		.is_new = get_count(record, "known_regions") == 0,
	};

	note_result(rec, rebuild_vm(rec->rebuild, rec->stream_ns, &vm));
}

static void on_gone(struct record *rec, const json_t *record)
{
	note_result(rec, rebuild_vm_gone(rec->rebuild, rec->stream_ns,
					 (uint32_t)get_count(record, "vm")));
}

static void on_regions(struct record *rec, const json_t *record)
{
	uint32_t vm = (uint32_t)get_count(record, "vm");
	struct rebuild_observation obs;
	const json_t *region;
	size_t i;

	json_array_foreach(json_object_get(record, "regions"), i, region) {
		read_observation(region, &obs);
		note_result(rec, rebuild_observe(rec->rebuild, rec->stream_ns, vm, &obs, 1));
	}
}

static void on_synced(struct record *rec)
{
	rebuild_synced(rec->rebuild);
	if (!ctl_option(rec->ctl, "--vm") || rebuild_stats(rec->rebuild)->vms || rec->waits)
		return;
	rec->waits = true;
	/* At once, whatever becomes of the rest. */
	fprintf(rec->ctl->env.err, "tdx-lpctl: no such VM yet, waiting for it to start\n");
}

static void on_observations_lost(struct record *rec, const json_t *record)
{
	note_result(rec, rebuild_gap(rec->rebuild, rec->stream_ns, REBUILD_OBSERVATIONS_LOST,
				     get_count(record, "lost")));
}

static void on_events_lost(struct record *rec)
{
	note_result(rec, rebuild_gap(rec->rebuild, rec->stream_ns, REBUILD_EVENTS_LOST, 0));
}

static void on_record(struct record *rec, const json_t *record)
{
	const char *kind = get_text(record, "kind");
	uint64_t t_ns = get_count(record, "time_ns");

	if (t_ns > rec->stream_ns)
		rec->stream_ns = t_ns;
	if (strcmp(kind, "begin") == 0)
		on_begin(rec, record);
	else if (!rec->rebuild)
		return;
	else if (strcmp(kind, "vm") == 0)
		on_vm(rec, record);
	else if (strcmp(kind, "gone") == 0)
		on_gone(rec, record);
	else if (strcmp(kind, "regions") == 0)
		on_regions(rec, record);
	else if (strcmp(kind, "synced") == 0)
		on_synced(rec);
	else if (strcmp(kind, "lost") == 0)
		on_observations_lost(rec, record);
	else if (strcmp(kind, "loss") == 0)
		on_events_lost(rec);
	/* Records of a newer daemon that are not known here are skipped. */
}

static void take_reply(struct record *rec)
{
	json_t *reply, *params;
	int r = ctl_client_receive(rec->ctl->client, 0, &reply);

	if (r == -ETIMEDOUT)
		return;
	if (r < 0) {
		rec->end = BY_DAEMON;
		rec->error = r;
		return;
	}
	params = json_object_get(reply, "parameters");
	rec->exit = json_object_get(reply, "error") ? ctl_complain(rec->ctl, reply) :
						      ctl_check_reply(rec->ctl, "Record", params);
	if (rec->exit == CTL_OK)
		on_record(rec, json_object_get(params, "record"));
	else
		rec->end = BY_ERROR;
	json_decref(reply);
}

/* ---- the run ---- */

static void show_progress(const struct record *rec, bool last)
{
	FILE *err = rec->ctl->err;
	char bytes[FORMAT_MAX];

	if (!rec->rebuild || !isatty(fileno(err)))
		return;
	fprintf(err, "\r%" PRIu64 " s, %" PRIu64 " VMs, %" PRIu64 " records, %s \033[K%s",
		(now_us() - rec->began_us) / US_PER_S, rebuild_stats(rec->rebuild)->vms,
		rebuild_stats(rec->rebuild)->records, format_bytes(rec->file.bytes, bytes),
		last ? "\n" : "");
	fflush(err);
}

static int wait_ms(const struct record *rec)
{
	uint64_t spent_us = now_us() - rec->began_us, left_us;

	if (rec->duration_us == UINT64_MAX)
		return PASS_MS;
	left_us = rec->duration_us > spent_us ? rec->duration_us - spent_us : 0;
	return left_us / 1000 < PASS_MS ? (int)(left_us / 1000) + 1 : PASS_MS;
}

static void run_once(struct record *rec)
{
	int r = ctl_client_wait(rec->ctl->client, rec->signals, wait_ms(rec));
	struct signalfd_siginfo info;

	if (r == CTL_CLIENT_OTHER && read(rec->signals, &info, sizeof(info)) > 0)
		rec->end = BY_SIGNAL;
	else if (r == CTL_CLIENT_READABLE)
		take_reply(rec);
	else if (r < 0)
		rec->end = BY_DAEMON;
	if (!rec->end && now_us() - rec->began_us >= rec->duration_us)
		rec->end = BY_TIME;
}

static void run(struct record *rec)
{
	uint64_t shown_us = now_us();

	rec->began_us = shown_us;
	while (!rec->end) {
		run_once(rec);
		if (now_us() - shown_us < PASS_MS * UINT64_C(1000))
			continue;
		shown_us = now_us();
		show_progress(rec, false);
	}
	show_progress(rec, true);
}

/* Writes pending records and the end. Returns 0 or a negative errno. */
static int finish(struct record *rec)
{
	uint64_t end_ns = stream_now(rec);
	int err = 0;

	if (!rec->rebuild)
		return 0;
	if (rec->end != BY_SIZE)
		err = rebuild_end(rec->rebuild, end_ns);
	if (err == TRACE_FILE_FULL)
		rec->end = BY_SIZE;
	if (rec->end == BY_SIZE)
		end_ns = rebuild_reached_ns(rec->rebuild);
	if (err >= 0)
		err = trace_file_end(&rec->file, end_ns, rebuild_stats(rec->rebuild));
	rec->stream_ns = end_ns;
	return err;
}

/* ---- the report ---- */

static json_t *summary_json(const struct record *rec)
{
	const struct rebuild_stats *stats = rebuild_stats(rec->rebuild);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"duration_us", rec->stream_ns / NS_PER_US},
		{"bytes", rec->file.bytes},
		{"vms", stats->vms},
		{"records", stats->records},
		{"accepts_assumed", stats->accepts_assumed},
		{"accepts_tried", stats->accepts_tried},
		{"accepts_contradicted", stats->accepts_contradicted},
		{"initial_regions", stats->initial},
		{"hidden", stats->hidden},
		{"left_out", stats->left_out},
		{"late", stats->late},
		{"lost", stats->lost},
	};
	json_t *object = json_pack("{s:s, s:s, s:b}", "file", rec->path, "ended",
				   end_names[rec->end], "raw", rec->raw);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		json_object_set_new(object, numbers[i].name,
				    json_integer((json_int_t)numbers[i].value));
	return object;
}

static void print_summary(const struct record *rec)
{
	const struct rebuild_stats *stats = rebuild_stats(rec->rebuild);
	json_t *us = json_integer((json_int_t)(rec->stream_ns / NS_PER_US));
	char duration[FORMAT_MAX], bytes[FORMAT_MAX];
	/* Standard output has the trace. */
	FILE *out = rec->to_pipe ? rec->ctl->err : rec->ctl->out;

	fprintf(out, "%s: %s of %" PRIu64 " VM%s, %" PRIu64 " records, %s%s\n", rec->path,
		format_us(us, duration), stats->vms, plural((json_int_t)stats->vms), stats->records,
		format_bytes(rec->file.bytes, bytes),
		rec->end == BY_SIZE ? "; truncated at --max-size" : "");
	fprintf(out,
		"%" PRIu64 " regions were mapped at 4 KiB or shared at the start; %" PRIu64
		" conversions between observations were reconstructed\n",
		stats->initial, stats->hidden + stats->left_out);
	fprintf(out,
		"acceptance by the guest: %" PRIu64 " assumed, %" PRIu64
		" inferred from refusals, %" PRIu64 " contradicted later\n",
		stats->accepts_assumed, stats->accepts_tried, stats->accepts_contradicted);
	if (stats->lost || stats->late)
		fprintf(out, "%" PRIu64 " observations were lost, %" PRIu64 " arrived late\n",
			stats->lost, stats->late);
	json_decref(us);
}

static int report(struct record *rec)
{
	int r = CTL_OK;

	if (rec->end == BY_ERROR && rec->error)
		return ctl_failure(rec->ctl, "%s: %s; the recording is cut off%s", rec->path,
				   strerror(-rec->error),
				   rec->to_pipe ? "" : ": tdx-lpctl record --salvage completes it");
	if (rec->end == BY_ERROR)
		return rec->exit;
	if (rec->rebuild && rec->ctl->json && !rec->to_pipe)
		r = ctl_print_json(rec->ctl, summary_json(rec));
	else if (rec->rebuild)
		print_summary(rec);
	if (rec->end == BY_DAEMON && rec->rebuild)
		fprintf(rec->ctl->err, "tdx-lpctl: tdx-lpaged exited; the recording is complete up "
				       "to that point\n");
	return rec->end == BY_DAEMON ? ctl_lost(rec->ctl, rec->error) : r;
}

/* ---- setting up ---- */

static int parse_options(struct record *rec)
{
	const char *size = ctl_option(rec->ctl, "--max-size");

	rec->path = rec->ctl->args[0];
	rec->to_pipe = strcmp(rec->path, "-") == 0;
	rec->raw = ctl_option(rec->ctl, "--raw") != NULL;
	rec->ctl->write = rec->raw;
	rec->max_bytes = MAX_BYTES;
	rec->duration_us = UINT64_MAX;
	if (size &&
	    (range_parse_gpa(size, &rec->max_bytes) < 0 || rec->max_bytes < TRACE_FILE_MIN_BYTES))
		return ctl_usage_error(rec->ctl,
				       "--max-size %s: must be a size such as 100M (allowed: 4K to "
				       "4095T)",
				       size);
	return ctl_duration(rec->ctl, "--duration", "1s", "168h", &rec->duration_us);
}

/* The VMs given by --vm. NULL: all. */
static json_t *vms_param(struct ctl *ctl)
{
	const char *text = ctl_option(ctl, "--vm");
	json_t *list = text ? json_array() : NULL;

	while (text && *text) {
		size_t len = strcspn(text, ",");

		if (len)
			json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return list;
}

static int begin_stream(struct record *rec)
{
	json_t *vms = vms_param(rec->ctl), *params;
	int r = ctl_connect_to_wait(rec->ctl), err = 0;

	params = json_pack("{s:b, s:o*}", "raw", rec->raw, "vms", vms);
	if (r == CTL_OK)
		err = ctl_client_send(rec->ctl->client, "Record", params, true);
	json_decref(params);
	return err < 0 ? ctl_lost(rec->ctl, err) : r;
}

static int make_file(struct record *rec)
{
	int err = trace_file_open(&rec->file, rec->path, rec->ctl->out,
				  ctl_option(rec->ctl, "--force") != NULL, rec->max_bytes);

	if (err == -EEXIST)
		return ctl_failure(rec->ctl, "%s exists; use --force to overwrite it", rec->path);
	if (err == -ENOTSUP)
		return ctl_failure(rec->ctl, "%s is not a regular file", rec->path);
	return err ? ctl_failure(rec->ctl, "%s: %s", rec->path, strerror(-err)) : CTL_OK;
}

static int record(struct record *rec)
{
	int r = begin_stream(rec), err;

	if (r == CTL_OK)
		r = make_file(rec);
	if (r != CTL_OK)
		return r;
	run(rec);
	err = finish(rec);
	if (err == 0)
		err = trace_file_close(&rec->file);
	else
		(void)trace_file_close(&rec->file);
	if (err < 0 && rec->end != BY_ERROR) {
		rec->end = BY_ERROR;
		rec->error = err;
	}
	/* Nothing was recorded: remove the empty file. */
	if (!rec->rebuild && !rec->to_pipe)
		unlink(rec->path);
	return report(rec);
}

/* Completes a recording that was cut off. */
static int salvage(struct ctl *ctl)
{
	const char *path = ctl->args[0];
	char error[512], size[FORMAT_MAX];
	uint64_t bytes;
	int err;

	if (strcmp(path, "-") == 0)
		return ctl_usage_error(ctl, "--salvage requires a file");
	err = trace_file_salvage(path, &bytes, error, sizeof(error));
	if (err < 0 && err != -EALREADY)
		return *error ? ctl_failure(ctl, "%s", error) :
				ctl_failure(ctl, "%s: %s", path, strerror(-err));
	if (ctl->json)
		return ctl_print_json(ctl, json_pack("{s:s, s:b}", "file", path, "was_complete",
						     err == -EALREADY));
	if (err == -EALREADY)
		fprintf(ctl->out, "%s is complete\n", path);
	else
		fprintf(ctl->out, "%s: kept %s, and wrote the end\n", path,
			format_bytes(bytes, size));
	return CTL_OK;
}

int verb_record(struct ctl *ctl)
{
	struct record rec = {.ctl = ctl, .signals = -1, .speed = 1};
	sigset_t signals, before;
	int r = parse_options(&rec);

	if (r != CTL_OK)
		return r;
	if (ctl_option(ctl, "--salvage"))
		return salvage(ctl);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	rec.signals = signalfd(-1, &signals, SFD_CLOEXEC);
	r = rec.signals < 0 ? ctl_failure(ctl, "%s", strerror(errno)) : record(&rec);
	if (rec.signals >= 0)
		close(rec.signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	rebuild_free(rec.rebuild);
	return r;
}
