// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/rebuild/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reserved for a comment, a record and the end. */
#define RESERVE_BYTES 1024

/* Opens an existing file and empties it. */
static int open_again(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -ENOTSUP;
	else if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int trace_file_open(struct trace_file *file, const char *path, FILE *out, bool force,
		    uint64_t max_bytes)
{
	int fd;

	*file = (struct trace_file){.max_bytes = max_bytes, .header = true};
	/* Sizes of VMs are written once they are known, and a pipe cannot go back. */
	if (strcmp(path, "-") == 0) {
		file->out = out;
		file->f = tmpfile();
		return file->f ? 0 : -errno;
	}
	if (force)
		fd = open_again(path);
	else
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return force ? fd : -errno;
	file->f = fdopen(fd, "r+");
	if (!file->f) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

static int written(struct trace_file *file)
{
	long at = ftell(file->f);

	if (at < 0 || ferror(file->f))
		return -(errno ? errno : EIO);
	file->bytes = (uint64_t)at;
	return 0;
}

int trace_file_header(struct trace_file *file, const struct trace_costs *costs, bool raw)
{
	int err = trace_write_header(file->f, costs);

	if (err)
		return err;
	fputs("# Recorded from a running host. S and P have the kernel's timestamps unless marked "
	      "as\n"
	      "# reconstructed; pages are counted from the start of the region. A is not visible to "
	      "the\n"
	      "# kernel: it is assumed to follow P immediately, unless marked.\n",
	      file->f);
	fputs(raw ? "# Raw: names and region numbers are those of the host.\n" :
		    "# Anonymous: VMs and regions are numbered in order of appearance.\n",
	      file->f);
	return written(file);
}

/* ---- records ---- */

static void write_comment(FILE *f, const struct rebuild_out *out)
{
	const struct trace_record *record = &out->record;

	if (out->mark == REBUILD_VM)
		fprintf(f, "# VM %" PRIu32 " is the host's VM %" PRIu64 "\n", record->vm_id,
			out->number);
	if (out->mark == REBUILD_OBSERVATIONS_LOST)
		fprintf(f,
			"# lost: %" PRIu64 " observations before %" PRIu64
			", the client was too slow; resynchronized after that\n",
			out->number, record->t_ns);
	if (out->mark == REBUILD_EVENTS_LOST)
		fprintf(f, "# loss: kernel events were lost before %" PRIu64 "\n", record->t_ns);
	if (out->mark < REBUILD_WAS_TABLE || out->mark > REBUILD_TRIED)
		return;
	fprintf(f, "# reconstructed: VM %" PRIu32 " region %" PRIu64 " ", record->vm_id, out->rfn);
	if (out->mark == REBUILD_WAS_TABLE)
		fputs("was mapped at 4 KiB at the start\n", f);
	else if (out->mark == REBUILD_WAS_SHARED)
		fputs("was shared at the start\n", f);
	else if (out->mark == REBUILD_BECAME_TABLE)
		fputs("was split without a conversion\n", f);
	else if (out->mark == REBUILD_HIDDEN)
		fprintf(f,
			"has %" PRIu64 " conversions between two observations, spread evenly up to "
			"%" PRIu64 "\n",
			out->number, out->until_ns);
	else
		fprintf(f, "accepted after the refusal at %" PRIu64 "\n", out->until_ns);
}

static int write_vm(struct trace_file *file, const struct rebuild_out *out, bool header)
{
	uint32_t id = out->record.vm_id;

	if (id >= file->nr_vms) {
		size_t nr = 2 * (size_t)id + 16;
		long *vms = reallocarray(file->vms, nr, sizeof(*vms));

		if (!vms)
			return -ENOMEM;
		file->vms = vms;
		file->nr_vms = nr;
	}
	return trace_write_vm(file->f, &out->record, header, &file->vms[id]);
}

int trace_file_write(void *ctx, const struct rebuild_out *out)
{
	struct trace_file *file = ctx;
	bool header = file->header && !out->record.t_ns;
	int err = 0;

	/* There is always space for the end record. */
	if (out->record.op == TRACE_END && !out->only_mark)
		return 0;
	if (file->full || file->bytes + RESERVE_BYTES > file->max_bytes) {
		file->full = true;
		return TRACE_FILE_FULL;
	}
	write_comment(file->f, out);
	if (out->only_mark)
		return written(file);
	if (out->record.op == TRACE_VM)
		err = write_vm(file, out, header);
	else
		err = trace_write_record(file->f, &out->record, false);
	file->header = header && out->record.op == TRACE_VM;
	return err ? err : written(file);
}

int trace_file_widen(void *ctx, uint32_t trace_vm, uint64_t regions)
{
	struct trace_file *file = ctx;

	return trace_raise_regions(file->f, file->vms[trace_vm], regions);
}

int trace_file_end(struct trace_file *file, uint64_t end_ns, const struct rebuild_stats *stats)
{
	const struct trace_record end = {.t_ns = end_ns, .op = TRACE_END};
	int err;

	if (file->full)
		fputs("# truncated: the size limit is reached\n", file->f);
	fprintf(file->f,
		"# accepted: %" PRIu64 " assumed, %" PRIu64 " inferred from refusals, %" PRIu64
		" contradicted later\n"
		"# hidden: %" PRIu64 " conversions spread, %" PRIu64 " left out; late: %" PRIu64
		" records; lost: %" PRIu64 " observations\n",
		stats->accepts_assumed, stats->accepts_tried, stats->accepts_contradicted,
		stats->hidden, stats->left_out, stats->late, stats->lost);
	err = trace_write_record(file->f, &end, false);
	return err ? err : written(file);
}

static int copy_out(struct trace_file *file)
{
	char buffer[16384];
	size_t len;

	rewind(file->f);
	while ((len = fread(buffer, 1, sizeof(buffer), file->f)) > 0) {
		if (fwrite(buffer, 1, len, file->out) != len)
			return errno ? -errno : -EIO;
	}
	if (ferror(file->f) || fflush(file->out) == EOF)
		return errno ? -errno : -EIO;
	return 0;
}

int trace_file_close(struct trace_file *file)
{
	int err = 0;

	if (!file->f)
		return 0;
	if (fflush(file->f) == EOF || (!file->out && fsync(fileno(file->f)) < 0))
		err = -errno;
	if (file->out && !err)
		err = copy_out(file);
	if (fclose(file->f) == EOF && !err)
		err = -errno;
	free(file->vms);
	file->f = NULL;
	file->vms = NULL;
	return err;
}

/* Reads all of a trace. Returns 0 when it is cut off, and where its last whole record ends. */
static int find_cut(const char *path, uint64_t *ret_bytes, uint64_t *ret_last_ns, char *error,
		    size_t size)
{
	struct trace_reader *reader = NULL;
	struct trace_record record;
	int more = trace_open(path, &reader);

	if (more >= 0)
		trace_salvage(reader);
	while (more >= 0 && (more = trace_next(reader, &record)) > 0)
		;
	if (more == 0)
		*ret_bytes = trace_whole_bytes(reader, ret_last_ns);
	if (more == 0 && !*trace_cut(reader))
		more = -EALREADY;
	snprintf(error, size, "%s", more < 0 ? trace_error(reader) : trace_cut(reader));
	trace_close(reader);
	return more;
}

int trace_file_salvage(const char *path, uint64_t *ret_bytes, char *error, size_t size)
{
	struct trace_record at = {.op = TRACE_END};
	uint64_t bytes;
	FILE *f;
	int err = find_cut(path, &bytes, &at.t_ns, error, size);

	if (err)
		return err;
	f = fopen(path, "r+e");
	if (!f)
		return -errno;
	if (ftruncate(fileno(f), (off_t)bytes) < 0 || fseek(f, 0, SEEK_END) < 0)
		err = -errno;
	if (!err)
		fputs("# truncated: it was cut off here, and completed later\n", f);
	if (!err)
		err = trace_write_record(f, &at, false);
	*ret_bytes = bytes;
	if (!err && (fflush(f) == EOF || fsync(fileno(f)) < 0))
		err = -errno;
	if (fclose(f) == EOF && !err)
		err = -errno;
	return err;
}
