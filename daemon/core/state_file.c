// SPDX-License-Identifier: GPL-2.0-or-later
/* The file "switches": state.h describes it. */
#include "daemon/core/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>
#include <tdx-lpage/text.h>

#define FILE_NAME     "switches"
#define TEMP_NAME     "switches.new"
#define BAD_NAME      "switches.bad"
#define FILE_MAX_SIZE (256 + LP_STATE_PAUSED_MAX * 80 + LP_STATE_HOLDS_MAX * 112)

/* Reads a number without sign or leading zeros, and the blank or end after it. */
static int parse_number(char **text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (**text < '0' || **text > '9' || (**text == '0' && (*text)[1] >= '0'))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(*text, &end, 10);
	if (errno || *ret > max || (*end && *end != ' '))
		return -EINVAL;
	*text = end + (*end == ' ' && end[1]);
	return 0;
}

/* "ID PID START-NS", and a blank when more follows. */
static int parse_key(char **text, struct lp_vm_key *ret)
{
	uint64_t id, pid, start_ns;
	int r = parse_number(text, UINT32_MAX, &id);

	if (r == 0 && **text)
		r = parse_number(text, UINT32_MAX, &pid);
	else
		r = -EINVAL;
	if (r == 0 && **text)
		r = parse_number(text, UINT64_MAX, &start_ns);
	else
		r = -EINVAL;
	if (r < 0 || !id)
		return -EINVAL;
	*ret = (struct lp_vm_key){(uint32_t)id, (uint32_t)pid, start_ns};
	return 0;
}

/* "UNTIL-NS", up to the end of the line. */
static int parse_end(char *text, uint64_t *ret_ns)
{
	int r = parse_number(&text, UINT64_MAX, ret_ns);

	return r < 0 || *text || !*ret_ns ? -EINVAL : 0;
}

/* "ID PID START-NS [UNTIL-NS]" */
static int parse_paused_vm(char *text, struct lp_state *ret)
{
	struct lp_vm_key vm;
	uint64_t until_ns = 0;
	int r = parse_key(&text, &vm);

	if (r == 0 && *text)
		r = parse_end(text, &until_ns);
	return r < 0 ? r : lp_state_pause_vm(ret, &vm, until_ns);
}

static bool is_owner(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		if (!text_is_name_char(text[i]))
			return false;
	}
	return len >= 1 && len <= LP_HOLD_OWNER_MAX;
}

/* "ID PID START-NS UNTIL-NS OWNER" */
static int parse_hold(char *text, struct lp_state *ret)
{
	struct lp_hold hold = {.until_ns = 0};
	int r = parse_key(&text, &hold.vm);

	if (r == 0)
		r = parse_number(&text, UINT64_MAX, &hold.until_ns);
	if (r < 0 || !hold.until_ns || !is_owner(text))
		return -EINVAL;
	memcpy(hold.owner, text, strlen(text));
	return lp_state_add_hold(ret, &hold);
}

static int parse_paused_until(char *text, struct lp_state *ret)
{
	ret->paused = true;
	return parse_end(text, &ret->paused_until_ns);
}

/* What the lines said so far. */
struct parse {
	struct lp_state *state;
	bool other_boot; /* VMs of another boot are gone */
	bool ended;
};

static int parse_boot(char *text, struct parse *p)
{
	p->other_boot = p->state->boot_id[0] && strcmp(text, p->state->boot_id) != 0;
	return 0;
}

/* Lines that go on after their first word. */
static int parse_words(char *line, struct parse *p)
{
	static const struct {
		const char *word;
		int (*parse)(char *text, struct lp_state *state);
	} words[] = {
		{"paused ", parse_paused_until},
		{"paused-vm ", parse_paused_vm},
		{"hold ", parse_hold},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i].word);

		if (!strncmp(line, words[i].word, len))
			return words[i].parse(line + len, p->state);
	}
	return -EINVAL;
}

static int parse_line(char *line, struct parse *p)
{
	static const char boot_word[] = "boot ";

	if (p->ended)
		return -EINVAL;
	if (!strncmp(line, boot_word, strlen(boot_word)))
		return parse_boot(line + strlen(boot_word), p);
	if (!strcmp(line, "paused"))
		p->state->paused = true;
	else if (!strcmp(line, "dry-run"))
		p->state->dry_run = true;
	else if (!strcmp(line, "end"))
		p->ended = true;
	else
		return parse_words(line, p);
	return 0;
}

/* Its VMs are gone, and its clock is another one. */
static void forget_boot(struct lp_state *state)
{
	state->nr_paused_vms = 0;
	state->nr_holds = 0;
	if (state->paused_until_ns)
		state->paused = false;
	state->paused_until_ns = 0;
}

int lp_state_parse(const char *text, size_t len, struct lp_state *ret, unsigned int *ret_line)
{
	struct parse p = {.state = ret};
	const char *end = text + len;
	unsigned int number = 0;
	char line[128];
	int r = 0;

	for (const char *eol; text < end && r == 0; text = eol + 1) {
		number++;
		eol = memchr(text, '\n', (size_t)(end - text));
		if (!eol || (size_t)(eol - text) >= sizeof(line) ||
		    memchr(text, '\0', (size_t)(eol - text))) {
			r = eol ? -EINVAL : -ENODATA;
			break;
		}
		memcpy(line, text, (size_t)(eol - text));
		line[eol - text] = '\0';
		r = parse_line(line, &p);
	}
	if (r == 0 && !p.ended)
		r = -ENODATA;
	if (r < 0) {
		*ret_line = number;
		lp_state_done(ret);
	} else if (p.other_boot) {
		forget_boot(ret);
	}
	return r;
}

static int read_all(int fd, char **ret, size_t *ret_len)
{
	CLEANUP(freep) char *text = malloc(FILE_MAX_SIZE + 1);
	size_t have = 0;
	ssize_t len;

	if (!text)
		return -ENOMEM;
	while ((len = read(fd, text + have, FILE_MAX_SIZE + 1 - have)) > 0) {
		have += (size_t)len;
		if (have > FILE_MAX_SIZE)
			return -EFBIG;
	}
	if (len < 0)
		return -errno;
	*ret = text;
	*ret_len = have;
	text = NULL;
	return 0;
}

int lp_state_load(int dir_fd, const char *boot_id, struct lp_state *ret, unsigned int *ret_line)
{
	CLEANUP(closep)
	int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	CLEANUP(freep) char *text = NULL;
	struct stat st;
	size_t len = 0;
	int r;

	*ret_line = 0;
	*ret = (struct lp_state){0};
	snprintf(ret->boot_id, sizeof(ret->boot_id), "%s", boot_id);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	r = read_all(fd, &text, &len);
	return r < 0 ? r : lp_state_parse(text, len, ret, ret_line);
}

const char *lp_state_strerror(int error)
{
	switch (error) {
	case -EINVAL:
		return "not a switch";
	case -ENODATA:
		return "the file is cut off";
	case -EMEDIUMTYPE:
	case -ELOOP: /* a symbolic link */
		return "not a regular file";
	default:
		return strerror(-error);
	}
}

/* The end of a line: that of a pause, when it has one. */
static void print_end(FILE *f, uint64_t until_ns)
{
	if (until_ns)
		fprintf(f, " %" PRIu64, until_ns);
	fputc('\n', f);
}

static void print_lists(FILE *f, const struct lp_state *state)
{
	for (size_t i = 0; i < state->nr_paused_vms; i++) {
		const struct lp_paused_vm *paused = &state->paused_vms[i];

		fprintf(f, "paused-vm %u %u %" PRIu64, paused->vm.id, paused->vm.pid,
			paused->vm.start_ns);
		print_end(f, paused->until_ns);
	}
	for (size_t i = 0; i < state->nr_holds; i++) {
		const struct lp_hold *hold = &state->holds[i];

		/* After a restart its connection is gone. */
		if (!hold->ended)
			fprintf(f, "hold %u %u %" PRIu64 " %" PRIu64 " %s\n", hold->vm.id,
				hold->vm.pid, hold->vm.start_ns, hold->until_ns, hold->owner);
	}
}

static int print(int fd, const struct lp_state *state)
{
	FILE *f = fdopen(fd, "w");
	int r = 0;

	if (!f) {
		r = -errno;
		close(fd);
		return r;
	}
	if (state->boot_id[0])
		fprintf(f, "boot %s\n", state->boot_id);
	if (state->paused) {
		fputs("paused", f);
		print_end(f, state->paused_until_ns);
	}
	if (state->dry_run)
		fputs("dry-run\n", f);
	print_lists(f, state);
	fputs("end\n", f);
	if (ferror(f))
		r = -EIO;
	errno = 0;
	if (fclose(f) != 0)
		r = errno ? -errno : -EIO;
	return r;
}

static int write_temp(int dir_fd, const struct lp_state *state)
{
	int fd, r;

	/* Whatever it is, it is none of ours: opening a FIFO would block. */
	if (unlinkat(dir_fd, TEMP_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, TEMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = print(fd, state);
	if (r < 0)
		(void)unlinkat(dir_fd, TEMP_NAME, 0);
	return r;
}

static int rename_temp(int dir_fd, const char *name)
{
	int r = renameat(dir_fd, TEMP_NAME, dir_fd, name) < 0 ? -errno : 0;

	if (r < 0)
		(void)unlinkat(dir_fd, TEMP_NAME, 0);
	return r;
}

int lp_state_save(int dir_fd, const struct lp_state *state)
{
	int r = write_temp(dir_fd, state);

	return r < 0 ? r : rename_temp(dir_fd, FILE_NAME);
}

int lp_state_set_aside(int dir_fd, const struct lp_state *state)
{
	int r = write_temp(dir_fd, state);

	if (r < 0)
		return r;
	/* At no time is there no file, which would say that nothing is paused. */
	if (renameat2(dir_fd, TEMP_NAME, dir_fd, FILE_NAME, RENAME_EXCHANGE) < 0) {
		r = -errno;
		(void)unlinkat(dir_fd, TEMP_NAME, 0);
		return r;
	}
	return renameat(dir_fd, TEMP_NAME, dir_fd, BAD_NAME) < 0 ? -errno : 0;
}
