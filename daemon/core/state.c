// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#define FILE_NAME     "switches"
#define TEMP_NAME     "switches.new"
#define FILE_MAX_SIZE (LP_STATE_PAUSED_MAX * 24)

void lp_state_done(struct lp_state *state)
{
	free(state->paused_vms);
	*state = (struct lp_state){0};
}

static int is_before(const void *id, const void *vm_id)
{
	return *(const uint32_t *)id < *(const uint32_t *)vm_id;
}

/* The index of @vm_id, or the one at which to insert it. */
static size_t find(const struct lp_state *state, uint32_t vm_id)
{
	return lower_bound(state->paused_vms, state->nr_paused_vms, sizeof(*state->paused_vms),
			   &vm_id, is_before);
}

bool lp_state_vm_paused(const struct lp_state *state, uint32_t vm_id)
{
	size_t i = find(state, vm_id);

	return i < state->nr_paused_vms && state->paused_vms[i] == vm_id;
}

static int insert(struct lp_state *state, size_t at, uint32_t vm_id)
{
	uint32_t *place;

	if (state->nr_paused_vms >= LP_STATE_PAUSED_MAX)
		return -ENOSPC;
	if (array_reserve(&state->paused_vms, &state->capacity, state->nr_paused_vms + 1,
			  sizeof(*place)) < 0)
		return -ENOMEM;
	place = array_open(state->paused_vms, state->nr_paused_vms++, at, sizeof(*place));
	*place = vm_id;
	return 0;
}

int lp_state_pause_vm(struct lp_state *state, uint32_t vm_id, bool paused)
{
	size_t at = find(state, vm_id);
	bool there = at < state->nr_paused_vms && state->paused_vms[at] == vm_id;

	if (there == paused)
		return 0;
	if (paused)
		return insert(state, at, vm_id);
	array_close(state->paused_vms, state->nr_paused_vms--, at, sizeof(*state->paused_vms));
	return 0;
}

static int parse_line(char *line, struct lp_state *ret)
{
	static const char vm_word[] = "paused-vm ";
	unsigned long id;
	char *end;

	if (!strcmp(line, "paused")) {
		ret->paused = true;
		return 0;
	}
	if (!strcmp(line, "dry-run")) {
		ret->dry_run = true;
		return 0;
	}
	if (strncmp(line, vm_word, strlen(vm_word)) != 0)
		return -EINVAL;
	line += strlen(vm_word);
	if (*line < '1' || *line > '9')
		return -EINVAL;
	errno = 0;
	id = strtoul(line, &end, 10);
	if (errno || *end || id > UINT32_MAX)
		return -EINVAL;
	return lp_state_pause_vm(ret, (uint32_t)id, true);
}

int lp_state_parse(const char *text, struct lp_state *ret, unsigned int *ret_line)
{
	unsigned int number = 0;
	char line[64];
	int r = 0;

	for (const char *end; *text && r == 0; text = *end ? end + 1 : end) {
		number++;
		end = strchrnul(text, '\n');
		if ((size_t)(end - text) >= sizeof(line)) {
			r = -EINVAL;
			break;
		}
		memcpy(line, text, (size_t)(end - text));
		line[end - text] = '\0';
		r = parse_line(line, ret);
	}
	if (r < 0) {
		*ret_line = number;
		lp_state_done(ret);
	}
	return r;
}

static int read_all(int fd, char **ret)
{
	char *text = malloc(FILE_MAX_SIZE + 1);
	size_t have = 0;
	ssize_t len;

	if (!text)
		return -ENOMEM;
	while ((len = read(fd, text + have, FILE_MAX_SIZE + 1 - have)) > 0) {
		have += (size_t)len;
		if (have > FILE_MAX_SIZE) {
			free(text);
			return -EFBIG;
		}
	}
	if (len < 0) {
		free(text);
		return -errno;
	}
	text[have] = '\0';
	*ret = text;
	return 0;
}

int lp_state_load(int dir_fd, struct lp_state *ret, unsigned int *ret_line)
{
	int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *text = NULL;
	int r;

	*ret_line = 0;
	*ret = (struct lp_state){0};
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = read_all(fd, &text);
	close(fd);
	if (r < 0)
		return r;
	r = lp_state_parse(text, ret, ret_line);
	free(text);
	return r;
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
	if (state->paused)
		fputs("paused\n", f);
	if (state->dry_run)
		fputs("dry-run\n", f);
	for (size_t i = 0; i < state->nr_paused_vms; i++)
		fprintf(f, "paused-vm %u\n", state->paused_vms[i]);
	if (ferror(f))
		r = -EIO;
	errno = 0;
	if (fclose(f) != 0)
		r = errno ? -errno : -EIO;
	return r;
}

int lp_state_save(int dir_fd, const struct lp_state *state)
{
	int fd = openat(dir_fd, TEMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
			0644);
	int r;

	if (fd < 0)
		return -errno;
	r = print(fd, state);
	if (r == 0 && renameat(dir_fd, TEMP_NAME, dir_fd, FILE_NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir_fd, TEMP_NAME, 0);
	return r;
}
