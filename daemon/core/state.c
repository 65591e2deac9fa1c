// SPDX-License-Identifier: GPL-2.0-or-later
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

#define FILE_NAME     "switches"
#define TEMP_NAME     "switches.new"
#define BAD_NAME      "switches.bad"
#define FILE_MAX_SIZE (256 + LP_STATE_PAUSED_MAX * 56)

void lp_state_done(struct lp_state *state)
{
	free(state->paused_vms);
	*state = (struct lp_state){0};
}

static int is_before(const void *vm, const void *vm_id)
{
	return ((const struct lp_paused_vm *)vm)->id < *(const uint32_t *)vm_id;
}

/* The index of @vm_id, or the one at which to insert it. */
static size_t find(const struct lp_state *state, uint32_t vm_id)
{
	return lower_bound(state->paused_vms, state->nr_paused_vms, sizeof(*state->paused_vms),
			   &vm_id, is_before);
}

/* Where it is not known who created a VM, its id has to do: better paused than not. */
static bool same_vm(const struct lp_paused_vm *a, const struct lp_paused_vm *b)
{
	if (a->id != b->id)
		return false;
	if (a->start_ns && b->start_ns && a->start_ns != b->start_ns)
		return false;
	return !a->pid || !b->pid || a->pid == b->pid;
}

bool lp_state_vm_paused(const struct lp_state *state, const struct lp_paused_vm *vm)
{
	size_t i = find(state, vm->id);

	return i < state->nr_paused_vms && same_vm(&state->paused_vms[i], vm);
}

static int insert(struct lp_state *state, size_t at, const struct lp_paused_vm *vm)
{
	struct lp_paused_vm *place;

	if (state->nr_paused_vms >= LP_STATE_PAUSED_MAX)
		return -ENOSPC;
	if (array_reserve(&state->paused_vms, &state->capacity, state->nr_paused_vms + 1,
			  sizeof(*place)) < 0)
		return -ENOMEM;
	place = array_open(state->paused_vms, state->nr_paused_vms++, at, sizeof(*place));
	*place = *vm;
	return 0;
}

int lp_state_pause_vm(struct lp_state *state, const struct lp_paused_vm *vm, bool paused)
{
	size_t at = find(state, vm->id);
	bool there = at < state->nr_paused_vms && state->paused_vms[at].id == vm->id;

	/* An id that was another VM's. */
	if (there && !same_vm(&state->paused_vms[at], vm)) {
		array_close(state->paused_vms, state->nr_paused_vms--, at,
			    sizeof(*state->paused_vms));
		there = false;
	}
	if (there == paused)
		return 0;
	if (paused)
		return insert(state, at, vm);
	array_close(state->paused_vms, state->nr_paused_vms--, at, sizeof(*state->paused_vms));
	return 0;
}

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

/* "ID PID START-NS" */
static int parse_vm(char *text, struct lp_state *ret)
{
	struct lp_paused_vm vm;
	uint64_t id, pid;
	int r = parse_number(&text, UINT32_MAX, &id);

	if (r == 0 && *text)
		r = parse_number(&text, UINT32_MAX, &pid);
	if (r == 0 && *text)
		r = parse_number(&text, UINT64_MAX, &vm.start_ns);
	else
		r = -EINVAL;
	if (r < 0 || !id || *text)
		return -EINVAL;
	vm.id = (uint32_t)id;
	vm.pid = (uint32_t)pid;
	return lp_state_pause_vm(ret, &vm, true);
}

/* What the lines said so far. */
struct parse {
	struct lp_state *state;
	bool other_boot; /* VMs of another boot are gone */
	bool ended;
};

static int parse_line(char *line, struct parse *p)
{
	static const char vm_word[] = "paused-vm ", boot_word[] = "boot ";

	if (p->ended)
		return -EINVAL;
	if (!strcmp(line, "paused"))
		p->state->paused = true;
	else if (!strcmp(line, "dry-run"))
		p->state->dry_run = true;
	else if (!strcmp(line, "end"))
		p->ended = true;
	else if (!strncmp(line, boot_word, strlen(boot_word)))
		p->other_boot = p->state->boot_id[0] &&
				strcmp(line + strlen(boot_word), p->state->boot_id) != 0;
	else if (!strncmp(line, vm_word, strlen(vm_word)))
		return parse_vm(line + strlen(vm_word), p->state);
	else
		return -EINVAL;
	return 0;
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
		ret->nr_paused_vms = 0;
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
		return "not a regular file";
	default:
		return strerror(-error);
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
	if (state->paused)
		fputs("paused\n", f);
	if (state->dry_run)
		fputs("dry-run\n", f);
	for (size_t i = 0; i < state->nr_paused_vms; i++)
		fprintf(f, "paused-vm %u %u %" PRIu64 "\n", state->paused_vms[i].id,
			state->paused_vms[i].pid, state->paused_vms[i].start_ns);
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
