// SPDX-License-Identifier: GPL-2.0-or-later
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

int config_parse_buffer(const char *name, const char *text, size_t len, struct config **ret,
			struct config_errors *errors)
{
	CLEANUP(config_freep) struct config *config = NULL;
	int r = name_errors(errors, name);

	if (r == 0)
		r = config_new_defaults(name, &config);
	if (r == 0)
		r = config_read(text, len, config, errors);
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

static int complain_file(const char *path, int error, struct config_errors *errors)
{
	const struct config_complaint nowhere = {0};
	int r = name_errors(errors, path);

	if (r < 0 || error == -ENOMEM)
		return -ENOMEM;
	if (error == -EFBIG)
		r = config_errors_add(errors, &nowhere, "larger than 1 MiB");
	else if (error == -EMEDIUMTYPE)
		r = config_errors_add(errors, &nowhere, "not a regular file");
	else
		r = config_errors_add(errors, &nowhere, "cannot read: %s", strerror(-error));
	return r < 0 ? r : error;
}

int config_load(const char *path, bool must_exist, struct config **ret,
		struct config_errors *errors)
{
	CLEANUP(freep) char *text = NULL;
	size_t len = 0;
	int r;

	r = read_file(path, &text, &len);
	if (r == -ENOENT && !must_exist) {
		r = name_errors(errors, path);
		if (r == 0)
			r = config_new_defaults(path, ret);
		if (r == 0)
			(*ret)->missing = true;
		return r;
	}
	if (r < 0)
		return complain_file(path, r, errors);
	return config_parse_buffer(path, text, len, ret, errors);
}
