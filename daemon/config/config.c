// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/config/config.h"
#include "daemon/config/errors.h"
#include "daemon/config/parse.h"
#include "daemon/config/value.h"

static void terms_done(struct config_terms *terms)
{
	for (size_t i = 0; i < terms->nr; i++)
		free(terms->terms[i].text);
	free(terms->terms);
}

static void rule_done(struct config_rule *rule)
{
#define X(field, key, type, doc) terms_done(&rule->match.field);
	CONFIG_MATCH_KEYS(X)
#undef X
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	for (size_t i = 0; i < config->nr_rules; i++)
		rule_done(&config->rules[i]);
	free(config->rules);
	for (size_t i = 0; i < config->nr_files; i++)
		free(config->files[i]);
	free(config->files);
	free(config->path);
	free(config);
	return NULL;
}

int config_new_defaults(const char *name, struct config **ret)
{
	CLEANUP(config_freep) struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	config->path = strdup(name);
	if (!config->path)
		return -ENOMEM;
	config_set_defaults(&config_global_keys, &config->global);
	config_set_defaults(&config_setting_keys, &config->defaults);
	*ret = config;
	config = NULL;
	return 0;
}

static int name_errors(struct config_errors *errors, const char *name)
{
	*errors = (struct config_errors){.path = strdup(name)};
	return errors->path ? 0 : -ENOMEM;
}

static int add_file(struct config *config, const char *path)
{
	char **files = reallocarray(config->files, config->nr_files + 1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	config->files = files;
	files[config->nr_files] = strdup(path);
	if (!files[config->nr_files])
		return -ENOMEM;
	config->nr_files++;
	return 0;
}

int config_parse_buffer(const char *name, const char *text, size_t len, struct config **ret,
			struct config_errors *errors)
{
	CLEANUP(config_freep) struct config *config = NULL;
	int r = name_errors(errors, name);

	if (r == 0)
		r = config_new_defaults(name, &config);
	if (r == 0)
		r = add_file(config, name);
	if (r == 0)
		r = config_read(text, len, config, errors);
	if (r == 0)
		r = config_finish(config, errors);
	if (r == 0) {
		*ret = config;
		config = NULL;
	}
	return r;
}

static int read_all(int fd, char *text, size_t capacity, size_t *ret_len)
{
	size_t len = 0;

	while (len < capacity) {
		ssize_t n = read(fd, text + len, capacity - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

/* -EFBIG: too long, -EMEDIUMTYPE: not a file. */
static int read_file(const char *path, char **ret, size_t *ret_len)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	CLEANUP(freep) char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	text = malloc(CONFIG_FILE_MAX_BYTES + 1);
	if (!text)
		return -ENOMEM;
	r = read_all(fd, text, CONFIG_FILE_MAX_BYTES + 1, ret_len);
	if (r < 0)
		return r;
	if (*ret_len > CONFIG_FILE_MAX_BYTES)
		return -EFBIG;
	*ret = text;
	text = NULL;
	return 0;
}

/* Returns @error, or -ENOMEM. */
static int complain_file(const char *path, int error, struct config_errors *errors)
{
	const struct config_complaint nowhere = {.path = path};
	int r;

	if (error == -ENOMEM)
		return error;
	if (error == -EFBIG)
		r = config_errors_add(errors, &nowhere, "larger than 1 MiB");
	else if (error == -EMEDIUMTYPE)
		r = config_errors_add(errors, &nowhere, "not a regular file");
	else if (error == -E2BIG)
		r = config_errors_add(errors, &nowhere, "more than %d files", CONFIG_FILES_MAX);
	else
		r = config_errors_add(errors, &nowhere, "cannot read: %s", strerror(-error));
	return r < 0 ? r : error;
}

/* Reads one file. 0 and -EINVAL: further files may be read, for what is wrong in them. */
static int load_file(const char *path, struct config *config, struct config_errors *errors)
{
	CLEANUP(freep) char *text = NULL;
	size_t len = 0;
	int r;

	r = read_file(path, &text, &len);
	if (r < 0)
		return complain_file(path, r, errors);
	r = add_file(config, path);
	return r < 0 ? r : config_read(text, len, config, errors);
}

static int load_main(const char *path, bool must_exist, struct config *config,
		     struct config_errors *errors)
{
	if (!must_exist && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return load_file(path, config, errors);
}

/* The directory of drop-ins. NULL: no memory. */
static char *drop_in_dir(const char *path)
{
	size_t len = strlen(path);
	char *dir;

	if (len > 5 && strcmp(path + len - 5, ".yaml") == 0)
		len -= 5;
	return asprintf(&dir, "%.*s.d", (int)len, path) < 0 ? NULL : dir;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The first errno that is not about the contents goes first. */
static int worse(int a, int b)
{
	return a == 0 || (a == -EINVAL && b < 0) || b == -ENOMEM ? b : a;
}

static int load_entries(const char *dir, struct dirent **entries, int nr, struct config *config,
			struct config_errors *errors)
{
	int r = 0;

	if (nr > CONFIG_FILES_MAX)
		return complain_file(dir, -E2BIG, errors);
	for (int i = 0; i < nr && r != -ENOMEM; i++) {
		CLEANUP(freep) char *path = NULL;

		if (asprintf(&path, "%s/%s", dir, entries[i]->d_name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = worse(r, load_file(path, config, errors));
	}
	return r;
}

static int load_drop_ins(const char *path, struct config *config, struct config_errors *errors)
{
	CLEANUP(freep) char *dir = drop_in_dir(path);
	struct dirent **entries;
	int r, nr;

	if (!dir)
		return -ENOMEM;
	nr = scandir(dir, &entries, is_drop_in, by_name);
	if (nr < 0)
		return errno == ENOENT ? 0 : complain_file(dir, -errno, errors);
	r = load_entries(dir, entries, nr, config, errors);
	while (nr--)
		free(entries[nr]);
	free(entries);
	return r;
}

int config_load(const char *path, bool must_exist, struct config **ret,
		struct config_errors *errors)
{
	CLEANUP(config_freep) struct config *config = NULL;
	int r = name_errors(errors, path);

	if (r == 0)
		r = config_new_defaults(path, &config);
	if (r < 0)
		return r;
	r = load_main(path, must_exist, config, errors);
	if (r != -ENOMEM)
		r = worse(r, load_drop_ins(path, config, errors));
	if (r == 0)
		r = config_finish(config, errors);
	if (r < 0)
		return r;
	config->missing = config->nr_files == 0;
	*ret = config;
	config = NULL;
	return 0;
}
