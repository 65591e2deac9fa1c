// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/core/log_output.h"

static const char *const message_ids[] = {
#define X(name, id, what) [LP_MESSAGE_##name] = id,
	LP_MESSAGES(X)
#undef X
};

/* $JOURNAL_STREAM has device and inode of the journal's socket, systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void lp_log_init(struct lp_log *log, int max_priority)
{
	*log = (struct lp_log){
		.file = stderr, .journal = stderr_is_journal(), .max_priority = max_priority};
	log->tty = isatty(STDERR_FILENO);
	log->fd = log_output_open(STDERR_FILENO);
	if (log->journal)
		log->journal_fd = log_output_open_journal();
	log->journal = log->journal && log->journal_fd >= 0;
}

/* Fields of one entry, each "NAME=value". */
struct entry {
	char text[6][768];
	struct iovec iov[6];
	int nr;
};

static void add(struct entry *entry, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct entry *entry, const char *format, ...)
{
	char *text = entry->text[entry->nr];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(entry->text[0]), format, args);
	va_end(args);
	/* It would begin another field. */
	for (char *p = strchr(text, '\n'); p; p = strchr(p, '\n'))
		*p = ' ';
	entry->iov[entry->nr++] = (struct iovec){text, strlen(text)};
}

static int to_journal(const struct lp_log *log, int priority, const struct lp_log_about *about,
		      const char *line)
{
	struct entry entry = {0};

	add(&entry, "MESSAGE=%s", line);
	add(&entry, "PRIORITY=%d", priority);
	add(&entry, "SYSLOG_IDENTIFIER=tdx-lpaged");
	if (about && about->message)
		add(&entry, "MESSAGE_ID=%s", message_ids[about->message]);
	if (about && about->vm_id)
		add(&entry, "TDX_LPAGE_VM=%u", about->vm_id);
	if (about && about->vm_name && about->vm_name[0])
		add(&entry, "TDX_LPAGE_VM_NAME=%s", about->vm_name);
	return log_output_send(log->journal_fd, LOG_JOURNAL_PATH, entry.iov, entry.nr);
}

static int to_stderr(const struct lp_log *log, int priority, const char *line)
{
	char text[768];
	int len;

	if (log->tty)
		len = snprintf(text, sizeof(text), "tdx-lpaged: %s\n", line);
	else
		len = snprintf(text, sizeof(text), "<%d>%s\n", priority, line);
	if (log->fd)
		return log_output_write(log->fd, text, (size_t)len);
	fputs(text, log->file);
	fflush(log->file);
	return 0;
}

static int write_line(const struct lp_log *log, int priority, const struct lp_log_about *about,
		      const char *line)
{
	int r = log->journal ? to_journal(log, priority, about, line) : -ENOTCONN;

	/* Without a journal, or one that is being restarted. */
	return r == 0 || r == -EAGAIN ? r : to_stderr(log, priority, line);
}

/* Returns whether lines are taken. */
static bool say_dropped(const struct lp_log *log)
{
	char line[96];

	if (!log->cap || !log->cap->dropped)
		return true;
	snprintf(line, sizeof(line), "%u lines are missing here: nobody read them",
		 log->cap->dropped);
	if (write_line(log, LOG_WARNING, NULL, line) == -EAGAIN)
		return false;
	log->cap->dropped = 0;
	return true;
}

/* Does not wait for whoever reads the log: the line is counted, and the next one that is read says so. */
static void put_line(const struct lp_log *log, int priority, const struct lp_log_about *about,
		     const char *line)
{
	if (say_dropped(log) && write_line(log, priority, about, line) != -EAGAIN)
		return;
	if (log->cap)
		log->cap->dropped++;
}

static void say_suppressed(const struct lp_log *log)
{
	char line[96];

	if (!log->cap->suppressed)
		return;
	snprintf(line, sizeof(line), "%u more lines were suppressed, above %u in a second",
		 log->cap->suppressed, LP_LOG_LINES_PER_S);
	log->cap->suppressed = 0;
	put_line(log, LOG_WARNING, NULL, line);
}

/* Is there room for a line in this second? */
static bool is_within_cap(const struct lp_log *log, int priority)
{
	struct lp_log_cap *cap = log->cap;
	uint64_t second;

	if (!cap)
		return true;
	second = monotonic_ns() / NS_PER_S;
	if (second != cap->second) {
		say_suppressed(log);
		cap->second = second;
		cap->lines = 0;
	}
	if (priority <= LOG_ERR || cap->lines++ < LP_LOG_LINES_PER_S)
		return true;
	cap->suppressed++;
	return false;
}

void lp_log(const struct lp_log *log, int priority, const struct lp_log_about *about,
	    const char *format, ...)
{
	char line[640];
	va_list args;

	if (priority > log->max_priority || !is_within_cap(log, priority))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	put_line(log, priority, about, line);
}

void lp_log_config(const struct lp_log *log, int priority, const struct lp_log_about *about,
		   const struct config_errors *errors)
{
	CLEANUP(freep) char *text = NULL;
	char *line, *rest;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	config_errors_print(f, errors);
	fclose(f);
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			lp_log(log, priority, about, "%s", line);
	}
}
