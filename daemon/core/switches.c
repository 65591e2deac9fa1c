// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/core/switches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/value.h"
#include "daemon/core/accounts.h"
#include "daemon/core/pressure.h"
#include "daemon/core/shadow.h"
#include "daemon/core/vms.h"
#include "daemon/core/walks.h"
#include "daemon/core/watchers.h"

static const struct lp_log_about about_pause = {.message = LP_MESSAGE_PAUSE};
static const struct lp_log_about about_reload = {.message = LP_MESSAGE_RELOAD};

/* The end of a sentence: for how long. */
static const char *for_text(uint64_t for_ns, char ret[static 8 + CONFIG_TEXT_MAX])
{
	char text[CONFIG_TEXT_MAX];

	ret[0] = '\0';
	if (for_ns) {
		config_value_format(CONFIG_TYPE_DURATION, &for_ns, text);
		snprintf(ret, 8 + CONFIG_TEXT_MAX, " for %s", text);
	}
	return ret;
}

static void take_pause_of_host(struct lp_manager *m, const char *what, const char *why)
{
	manager_pause_policy(m);
	shadow_set_paused(m);
	lp_log(m->log, LOG_NOTICE, &about_pause, "all VMs %s%s", what, why);
	watchers_notify_text(m, LP_WATCH_PAUSE, "all VMs %s%s", what, why);
}

static int pause_host(struct lp_manager *m, bool paused, uint64_t for_ns)
{
	bool before = m->state.paused;
	uint64_t before_ns = m->state.paused_until_ns;
	char text[8 + CONFIG_TEXT_MAX];
	int r;

	if (before == paused && !before_ns && !for_ns)
		return 0;
	m->state.paused = paused;
	m->state.paused_until_ns = paused ? manager_end_ns(m, for_ns) : 0;
	r = manager_save_state(m);
	if (r < 0) {
		m->state.paused = before;
		m->state.paused_until_ns = before_ns;
		return r;
	}
	take_pause_of_host(m, paused ? "paused" : "resumed", for_text(for_ns, text));
	return 0;
}

/* VMs that are gone must not fill the list. */
static void forget_gone(struct lp_manager *m)
{
	for (size_t i = m->state.nr_paused_vms; m->listing.done && i-- > 0;) {
		struct lp_vm_key paused = m->state.paused_vms[i].vm;
		struct vm_entry *vm = vm_find(m, paused.id);

		if (!vm || !vm_pause(m, vm))
			lp_state_resume_vm(&m->state, &paused);
	}
}

static void take_pause_of_vm(struct lp_manager *m, struct vm_entry *vm, const char *what,
			     const char *why)
{
	vm_set_gate(m, vm);
	vm_log(m, LOG_NOTICE, LP_MESSAGE_PAUSE, vm, "%s%s", what, why);
	watchers_notify_vm(m, LP_WATCH_PAUSE, vm, "%s%s", what, why);
}

static int set_pause(struct lp_state *state, const struct lp_vm_key *vm, bool paused,
		     uint64_t until_ns)
{
	if (paused)
		return lp_state_pause_vm(state, vm, until_ns);
	lp_state_resume_vm(state, vm);
	return 0;
}

static int pause_vm(struct lp_manager *m, struct vm_entry *vm, bool paused, uint64_t for_ns)
{
	const struct lp_paused_vm *pause = vm_pause(m, vm);
	uint64_t before_ns = pause ? pause->until_ns : 0;
	struct lp_vm_key self = vm_key(vm);
	char text[8 + CONFIG_TEXT_MAX];
	bool before = pause;
	int r;

	if (before == paused && !before_ns && !for_ns)
		return 0;
	forget_gone(m);
	r = set_pause(&m->state, &self, paused, manager_end_ns(m, for_ns));
	if (r == 0)
		r = manager_save_state(m);
	if (r < 0) {
		(void)set_pause(&m->state, &self, before, before_ns);
		return r;
	}
	take_pause_of_vm(m, vm, paused ? "paused" : "resumed", for_text(for_ns, text));
	return 0;
}

int switches_set_paused(struct lp_core *core, uint32_t vm_id, bool paused, uint64_t for_ns)
{
	struct lp_manager *m = manager_of(core);
	struct vm_entry *vm = vm_id ? vm_find(m, vm_id) : NULL;
	int r;

	if (vm_id && !vm)
		return -ESRCH;
	r = vm ? pause_vm(m, vm, paused, for_ns) : pause_host(m, paused, for_ns);
	if (r == 0)
		manager_ends_changed(m);
	return r;
}

/* ---- pauses that end by themselves ---- */

static const char over[] = ", the time of the pause is over";

static bool is_over(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns && until_ns <= now_ns;
}

static void end_pause_of_vm(struct lp_manager *m, size_t i)
{
	struct lp_vm_key key = m->state.paused_vms[i].vm;
	struct vm_entry *vm = vm_find(m, key.id);
	bool is_ours = vm && vm_pause(m, vm);

	lp_state_resume_vm(&m->state, &key);
	if (is_ours)
		take_pause_of_vm(m, vm, "resumed", over);
}

static bool end_pause_of_host(struct lp_manager *m, uint64_t now_ns)
{
	if (!m->state.paused || !is_over(m->state.paused_until_ns, now_ns))
		return false;
	m->state.paused = false;
	m->state.paused_until_ns = 0;
	take_pause_of_host(m, "resumed", over);
	return true;
}

void switches_run(struct lp_manager *m)
{
	uint64_t now_ns;
	bool ended;

	if (m->next_end_ns == NS_NEVER)
		return;
	now_ns = manager_clock(m);
	if (m->next_end_ns > now_ns)
		return;
	ended = end_pause_of_host(m, now_ns);
	for (size_t i = m->state.nr_paused_vms; i-- > 0;) {
		if (!is_over(m->state.paused_vms[i].until_ns, now_ns))
			continue;
		end_pause_of_vm(m, i);
		ended = true;
	}
	if (!ended)
		return;
	manager_ends_changed(m);
	(void)manager_save_state(m);
}

static void apply_to_vm(struct lp_manager *m, struct vm_entry *vm)
{
	vm->limits.foreign = false;
	vms_apply_rule(m, vm);
}

static void apply_to_all(struct lp_manager *m)
{
	vms_set_global(m);
	walk_begin(m, WALK_RULES, apply_to_vm, accounts_reorder);
	manager_status_soon(m);
	manager_wake(m);
}

int switches_set_dry_run(struct lp_core *core, bool dry_run)
{
	struct lp_manager *m = manager_of(core);
	bool before = m->state.dry_run;
	int r;

	if (before == dry_run)
		return 0;
	m->state.dry_run = dry_run;
	r = manager_save_state(m);
	if (r < 0) {
		m->state.dry_run = before;
		return r;
	}
	lp_log(m->log, LOG_NOTICE, &about_pause, "dry-run turned %s%s", dry_run ? "on" : "off",
	       manager_dry_run(m) && !dry_run ?
		       ", but remains on by command line or configuration" :
		       "");
	watchers_notify_text(m, LP_WATCH_PAUSE, "dry-run turned %s", dry_run ? "on" : "off");
	apply_to_all(m);
	return 0;
}

/* Logs every error; the first one is shown in the status. */
static void log_errors(struct lp_manager *m, const char *text)
{
	size_t len = strcspn(text, "\n");

	snprintf(m->config_error, sizeof(m->config_error), "%.*s", (int)len, text);
	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		lp_log(m->log, LOG_ERR, &about_reload, "%.*s", (int)len, text);
	}
	lp_log(m->log, LOG_ERR, &about_reload,
	       "reload failed, the old configuration remains in force");
	watchers_notify_text(m, LP_WATCH_RELOAD, "reload failed: %s", m->config_error);
}

/* @why: what is wrong, when the file itself is fine. */
static int errors_text(const struct config_errors *errors, const char *why, const char *path,
		       char **ret)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return -ENOMEM;
	if (errors->nr)
		config_errors_print(f, errors);
	else
		fprintf(f, "%s: %s\n", path, why);
	if (fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}

/* Warns of what is valid but does nothing. */
static void warn_config(struct lp_manager *m)
{
	struct config_errors warnings;

	if (config_lint(m->config, &warnings) == 0)
		lp_log_config(m->log, LOG_WARNING, &about_reload, &warnings);
	config_errors_done(&warnings);
}

static void take_config(struct lp_manager *m, struct config *config)
{
	struct config *old = m->config;

	m->config = config;
	m->config_ns = manager_now(m);
	m->config_error[0] = '\0';
	m->options.log->max_priority = (int)config->global.log_level;
	apply_to_all(m);
	pressure_apply_config(m);
	shadow_apply_config(m);
	config_free(old);
	lp_log(m->log, LOG_NOTICE, &about_reload, "configuration reloaded: %zu rule%s, %zu VM%s",
	       config->nr_rules, config->nr_rules == 1 ? "" : "s", vms_there(m),
	       vms_there(m) == 1 ? "" : "s");
	warn_config(m);
	watchers_notify_text(m, LP_WATCH_RELOAD, "configuration reloaded");
}

static int reload(struct lp_manager *m, char **ret_text)
{
	struct config_errors errors = {0};
	struct config *config = NULL;
	char why[MANAGER_WHY_MAX];
	char *text = NULL;
	int r;

	r = config_load(m->options.config_path, m->options.config_must_exist, &config, &errors);
	if (r < 0)
		snprintf(why, sizeof(why), "%s", strerror(-r));
	else
		r = manager_configure(m, config, why);
	if (r == 0) {
		take_config(m, config);
	} else {
		config_free(config);
		if (errors_text(&errors, why, m->options.config_path, &text) == 0)
			log_errors(m, text);
		else
			log_errors(m, strerror(ENOMEM));
	}
	config_errors_done(&errors);
	if (ret_text)
		*ret_text = text;
	else
		free(text);
	return r;
}

int switches_reload(struct lp_core *core, char **ret_text)
{
	struct lp_manager *m = manager_of(core);
	/* READY=1 after a reload would end the start early. */
	const struct lp_manager_hooks *hooks = m->ready ? m->options.hooks : NULL;
	int r;

	if (hooks && hooks->reload_begins)
		hooks->reload_begins(m->options.hooks_ctx);
	r = reload(m, ret_text);
	manager_status_soon(m);
	manager_wake(m);
	if (hooks && hooks->reload_ended)
		hooks->reload_ended(m->options.hooks_ctx);
	return r;
}
