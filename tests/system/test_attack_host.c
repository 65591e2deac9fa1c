// SPDX-License-Identifier: GPL-2.0-or-later
/* Hosts that fail: reload storms, kills and stops, no descriptors, no memory, no disk. What was acknowledged holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tdx-lpage/base.h>

#include "daemon/control/admission.h"
#include "daemon/ctl/client.h"
#include "tests/lib/attack_clients.h"

#define SLACK_KIB 2048ul
#define FRAME_KIB 1024ul
#define KILLS	  20
#define SWITCHES  4
#define OTHER_VM  "{'vm': '" ATTACK_OTHER_VM "'}"

static struct attack_score undisturbed; /* measured by the first test */

static void an_undisturbed_daemon_merges_what_rests(void **state)
{
	attack_host_undisturbed(*state, &undisturbed);
}

/* ---- what clients are told ---- */

/* A flag of what Status, or with @vm ShowVm of the other VM, answers. */
static bool flag(struct attack_host *host, bool vm, const char *name)
{
	json_t *reply =
		attack_host_call(host->client, vm ? "ShowVm" : "Status", vm ? OTHER_VM : NULL);
	json_t *value = json_object_get(
		json_object_get(json_object_get(reply, "parameters"), vm ? "vm" : "host"), name);
	bool on = json_is_true(value);

	assert_true(json_is_boolean(value));
	json_decref(reply);
	return on;
}

/* A call that may fail, but says so. Returns whether it was carried out. */
static bool done_or_refused(struct attack_host *host, const char *method, const char *params)
{
	json_t *reply = attack_host_call(host->client, method, params);
	const char *error = json_string_value(json_object_get(reply, "error"));
	json_t *details = json_object_get(reply, "parameters");

	if (error && !strcmp(error, "org.tdxlpage.Control.Failed"))
		assert_true(json_string_length(json_object_get(details, "text")) > 0);
	else if (error)
		assert_string_equal(error, "org.tdxlpage.Control.BadConfig");
	json_decref(reply);
	return !error;
}

/* Pauses all or resumes them: what is answered is what holds. */
static void turn_pause(struct attack_host *host)
{
	bool before = flag(host, false, "paused");
	bool done = done_or_refused(host, before ? "Resume" : "Pause", NULL);

	assert_int_equal(flag(host, false, "paused"), done ? !before : before);
	/* As it was. A resume that was refused is tried again when there is room. */
	if (done)
		(void)done_or_refused(host, before ? "Pause" : "Resume", NULL);
}

static void use(struct attack_host *host)
{
	turn_pause(host);
	(void)done_or_refused(host, "Reload", NULL);
	attack_host_ask(host->client, "Ping", NULL);
}

/* ---- reload ---- */

/* At no time is there half a file. */
static void write_config(const struct attack_host *host, const char *text)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.new", host->daemon->config);
	daemon_host_write(path, text);
	assert_int_equal(rename(path, host->daemon->config), 0);
}

/* Files that are valid and not, by signal and by call. */
static void reload_storm(const struct attack_host *host)
{
	struct ctl_client *client = attack_host_dial(host, "control");

	for (unsigned int i = 0;; i++) {
		write_config(host, i % 3 ? ATTACK_CONFIG : "version: 1\nbroken\n");
		kill(host->daemon->pid, SIGHUP);
		json_decref(attack_host_call(client, "Reload", NULL));
		host->counts->calls++;
		usleep(1000);
	}
}

static void set_on(struct attack_host *host, const struct attack *attack)
{
	attack_host_attack(host, attack->clients);
}

static void read_config(struct attack_host *host, const struct attack *attack)
{
	json_t *reply;

	(void)attack;
	attack_host_relieve(host);
	assert_true(host->counts->calls > 100);
	/* The last one is in force. */
	write_config(host, ATTACK_CONFIG "global: {log-interval: 77s}\n");
	attack_host_ask(host->client, "Reload", NULL);
	reply = attack_host_call(host->client, "GetConfig", NULL);
	assert_non_null(strstr(
		json_string_value(json_object_get(json_object_get(reply, "parameters"), "text")),
		"log-interval: 77s"));
	json_decref(reply);
	write_config(host, ATTACK_CONFIG);
}

static void a_reload_storm_changes_nothing(void **state)
{
	const struct attack attack = {.clients = reload_storm,
				      .begin = set_on,
				      .end = read_config,
				      .growth_kib = SLACK_KIB};

	attack_host_withstand(*state, &attack, &undisturbed);
}

/* ---- kill, stop ---- */

/* Is the other VM held? */
static bool is_held(struct attack_host *host)
{
	json_t *reply = attack_host_call(host->client, "ShowVm", OTHER_VM);
	json_t *vm = json_object_get(json_object_get(reply, "parameters"), "vm");
	json_t *holds = json_object_get(vm, "holds");
	bool held = json_array_size(holds) > 0;

	assert_true(json_is_array(holds));
	json_decref(reply);
	return held;
}

/* The switches that outlive the daemon, turned one after the other. */
static void turn(struct attack_host *host, unsigned int nr, bool on)
{
	if (nr == 0)
		attack_host_ask(host->client, on ? "Pause" : "Resume", NULL);
	else if (nr == 1)
		attack_host_ask(host->client, on ? "Pause" : "Resume", OTHER_VM);
	else if (nr == 2)
		attack_host_ask(host->client, on ? "HoldVm" : "ReleaseVm",
				on ? "{'vm': '" ATTACK_OTHER_VM
				     "', 'owner': 'test', 'for_us': 3600000000}" :
				     "{'vm': '" ATTACK_OTHER_VM "', 'owner': 'test'}");
	else
		attack_host_ask(host->client, "SetDryRun", on ? "{'on': true}" : "{'on': false}");
}

static void check_switches(struct attack_host *host, const bool *on)
{
	assert_int_equal(flag(host, false, "paused"), on[0]);
	assert_int_equal(flag(host, true, "paused"), on[1]);
	assert_int_equal(is_held(host), on[2]);
	assert_int_equal(flag(host, false, "dry_run"), on[3]);
}

/* Each kill follows an answer at once. */
static void what_was_acknowledged_outlives_kill_9(void **state)
{
	struct attack_host *host = *state;
	bool on[SWITCHES] = {0};

	/* A hold ends with its VM: it has to be there when the daemon is. */
	strcat(host->spec, ",at-once");
	attack_host_start(host);
	for (unsigned int i = 0; i < KILLS; i++) {
		on[i % SWITCHES] = !on[i % SWITCHES];
		turn(host, i % SWITCHES, on[i % SWITCHES]);
		attack_host_kill(host);
		check_switches(host, on);
	}
	attack_host_stop(host);
}

static void kill_thrice(struct attack_host *host, const struct attack *attack)
{
	(void)attack;
	for (unsigned int i = 0; i < 3; i++)
		attack_host_kill(host);
}

static void a_daemon_that_was_killed_works_as_before(void **state)
{
	const struct attack attack = {.begin = kill_thrice, .growth_kib = SLACK_KIB};

	attack_host_withstand(*state, &attack, &undisturbed);
}

/* For as long as nothing is due; conversions go on. */
static void stop_and_continue(struct attack_host *host, const struct attack *attack)
{
	(void)attack;
	attack_host_until(host, ATTACK_CALM_BEGIN_S);
	assert_int_equal(kill(host->daemon->pid, SIGSTOP), 0);
	attack_host_until(host, ATTACK_CALM_END_S);
	assert_int_equal(kill(host->daemon->pid, SIGCONT), 0);
}

static void a_daemon_that_was_stopped_catches_up(void **state)
{
	const struct attack attack = {.begin = stop_and_continue, .growth_kib = SLACK_KIB};

	attack_host_withstand(*state, &attack, &undisturbed);
}

/* ---- descriptors ---- */

static struct rlimit set_limit(pid_t pid, int what, rlim_t limit)
{
	struct rlimit old, limits;

	assert_int_equal(prlimit(pid, what, NULL, &old), 0);
	limits = (struct rlimit){limit, old.rlim_max};
	assert_int_equal(prlimit(pid, what, &limits, NULL), 0);
	return old;
}

/* The one that the process would get next. */
static rlim_t free_descriptor(pid_t pid)
{
	char path[64];
	rlim_t fd = 0;

	do
		snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, (unsigned int)fd++);
	while (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	return fd - 1;
}

static struct ctl_client *connect_unanswered(const struct attack_host *host, const char *name)
{
	struct ctl_client *client = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", host->daemon->run, name);
	assert_int_equal(ctl_client_connect(path, ATTACK_ANSWER_MS, &client), 0);
	return client;
}

static off_t log_size(const struct attack_host *host)
{
	struct stat st;

	assert_int_equal(stat(host->daemon->log, &st), 0);
	return st.st_size;
}

static void without_descriptors(struct attack_host *host, const struct attack *attack)
{
	pid_t pid = host->daemon->pid;
	struct rlimit old = set_limit(pid, RLIMIT_NOFILE, free_descriptor(pid));
	struct ctl_client *waiting[2];
	off_t logged = log_size(host);

	(void)attack;
	assert_false(done_or_refused(host, "Pause", NULL));
	assert_false(done_or_refused(host, "Reload", NULL));
	/* Who comes now waits for a place, and keeps nobody else waiting. */
	waiting[0] = connect_unanswered(host, "control");
	waiting[1] = connect_unanswered(host, "read");
	for (unsigned int s = 10; s <= 80; s += 10) {
		use(host);
		attack_host_until(host, s);
	}
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &old, NULL), 0);
	for (int i = 0; i < 2; i++) {
		attack_host_ask(waiting[i], "Ping", NULL);
		ctl_client_close(waiting[i]);
	}
	attack_host_ask(host->client, "Reload", NULL);
	/* A loop that does nothing but fail to accept would have logged megabytes. */
	assert_true(log_size(host) - logged < 64 << 10);
}

static void a_daemon_without_descriptors_works_and_answers(void **state)
{
	const struct attack attack = {.begin = without_descriptors, .growth_kib = SLACK_KIB};

	attack_host_withstand(*state, &attack, &undisturbed);
}

/* ---- memory ---- */

enum outcome { DONE, REFUSED, CUT_OFF };

/* A call that may end in any way but one: that nobody says how. */
static enum outcome attempt(struct attack_host *host, const char *method)
{
	json_t *reply = NULL;
	enum outcome outcome;
	int r;

	if (!host->client)
		host->client = connect_unanswered(host, "control");
	r = ctl_client_send(host->client, method, NULL, false);
	if (r == 0)
		r = ctl_client_receive(host->client, ATTACK_ANSWER_MS, &reply);
	if (r < 0) {
		assert_true(r == -EPIPE || r == -ECONNRESET);
		host->client = ctl_client_close(host->client);
		return CUT_OFF;
	}
	outcome = json_object_get(reply, "error") ? REFUSED : DONE;
	json_decref(reply);
	return outcome;
}

/* What the calls of a daemon without memory came to. */
struct tries {
	bool paused; /* by an answer */
	bool unsure;
	unsigned int nr_failed;
};

static void try_calls(struct attack_host *host, struct tries *tries)
{
	static const char *const methods[] = {"Pause", "Reload", "ListVms", "Status", "Resume"};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		enum outcome outcome = attempt(host, methods[i]);
		bool turns = i == 0 || i == ARRAY_SIZE(methods) - 1;

		tries->nr_failed += outcome != DONE;
		if (turns && outcome == DONE)
			tries->paused = i == 0;
		if (turns && outcome != REFUSED)
			tries->unsure = outcome == CUT_OFF;
	}
}

/* Clients take what is left of the address space, for as long as nothing is due. */
static void without_memory(struct attack_host *host, const struct attack *attack)
{
	pid_t pid = host->daemon->pid;
	struct tries tries = {0};
	struct rlimit old;

	attack_host_until(host, ATTACK_CALM_BEGIN_S);
	old = set_limit(pid, RLIMIT_AS, daemon_host_status(pid, "VmSize") * 1024);
	attack_host_attack(host, attack->clients);
	for (unsigned int s = ATTACK_CALM_BEGIN_S; s < ATTACK_CALM_END_S; s++) {
		try_calls(host, &tries);
		attack_host_until(host, s);
	}
	attack_host_relieve(host);
	assert_int_equal(prlimit(pid, RLIMIT_AS, &old, NULL), 0);
	print_message("# %u calls failed\n", tries.nr_failed);
	assert_true(tries.nr_failed > 0);
	ctl_client_close(host->client);
	host->client = attack_host_dial(host, "control");
	if (!tries.unsure)
		assert_int_equal(flag(host, false, "paused"), tries.paused);
	attack_host_ask(host->client, "Reload", NULL);
	attack_host_ask(host->client, "Resume", NULL);
}

static void a_daemon_without_memory_works_and_answers(void **state)
{
	const struct attack attack = {
		.clients = attack_half, .begin = without_memory, .growth_kib = SLACK_KIB};

	attack_host_withstand(*state, &attack, &undisturbed);
}

/* ---- disk ---- */

/* A file system of its own, of which so much is full that nothing fits. */
struct disk {
	char fill[96];
	bool mounted; /* else files may not grow, which needs no privileges */
	struct rlimit old;
};

static void disk_fill(struct attack_host *host, struct disk *disk, off_t room)
{
	char block[512] = "";
	int fd;

	if (!disk->mounted) {
		disk->old = set_limit(host->daemon->pid, RLIMIT_FSIZE, 0);
		return;
	}
	fd = open(disk->fill, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - room), 0);
	close(fd);
}

static void disk_free(struct attack_host *host, struct disk *disk)
{
	if (disk->mounted)
		assert_int_equal(unlink(disk->fill), 0);
	else
		assert_int_equal(prlimit(host->daemon->pid, RLIMIT_FSIZE, &disk->old, NULL), 0);
}

/* The old switches hold, before and after a restart; with room, new ones do. */
static void check_switches_without_room(struct attack_host *host, struct disk *disk)
{
	attack_host_start(host);
	turn(host, 1, true);
	disk_fill(host, disk, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_false(done_or_refused(host, i == 1 ? "SetDryRun" : "Pause",
					     i == 1 ? "{'on': true}" : NULL));
	assert_false(done_or_refused(host, "Resume", OTHER_VM));
	check_switches(host, (bool[SWITCHES]){[1] = true});
	attack_host_ask(host->client, "Reload", NULL);
	attack_host_kill(host);
	check_switches(host, (bool[SWITCHES]){[1] = true});
	if (!disk->mounted)
		disk_fill(host, disk, 0);
	assert_false(done_or_refused(host, "Pause", NULL));
	disk_free(host, disk);
	turn(host, 0, true);
	turn(host, 1, false);
	attack_host_kill(host);
	check_switches(host, (bool[SWITCHES]){[0] = true});
	turn(host, 0, false);
}

static void a_switch_that_cannot_be_kept_is_refused(void **state)
{
	struct attack_host *host = *state;
	struct disk disk = {.mounted = false};

	check_switches_without_room(host, &disk);
	attack_host_stop(host);
}

/* Goes to namespaces of its own, where it may mount. */
static bool enter_namespaces(void)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool may_mount;

static void mount_disk(const struct attack_host *host, struct disk *ret)
{
	*ret = (struct disk){.mounted = true};
	snprintf(ret->fill, sizeof(ret->fill), "%s/fill", host->daemon->run);
	assert_int_equal(mkdir(host->daemon->run, 0755), 0);
	assert_int_equal(mount("lpage", host->daemon->run, "tmpfs", 0, "size=128k"), 0);
}

/* What was recorded before the disk was full is kept. */
static void check_recording(struct attack_host *host, struct disk *disk)
{
	char path[96], text[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", host->daemon->run);
	disk_fill(host, disk, 3 * 4096);
	assert_int_equal(attack_host_ctl(host, ARGS("record", path)), 1);
	f = fopen(host->ctl_log, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(strstr(text, "No space left on device; the recording is cut off"));
	assert_int_equal(attack_host_ctl(host, ARGS("simulate", "--trace", path)), 0);
	disk_free(host, disk);
	assert_int_equal(attack_host_ctl(host, ARGS("record", "--salvage", path)), 0);
	assert_int_equal(attack_host_ctl(host, ARGS("simulate", "--trace", path)), 0);
	assert_int_equal(unlink(path), 0);
}

static void use_full_disk(struct attack_host *host, const struct attack *attack)
{
	(void)attack;
	for (unsigned int s = 10; s <= 80; s += 10) {
		use(host);
		assert_false(flag(host, false, "paused"));
		attack_host_until(host, s);
	}
}

static void a_full_disk_changes_nothing(void **state)
{
	const struct attack attack = {.begin = use_full_disk, .growth_kib = SLACK_KIB};
	struct attack_host *host = *state;
	struct disk disk;

	if (!may_mount)
		skip();
	mount_disk(host, &disk);
	check_switches_without_room(host, &disk);
	check_recording(host, &disk);
	attack_host_stop(host);
	disk_fill(host, &disk, 0);
	attack_host_withstand(host, &attack, &undisturbed);
	assert_int_equal(umount2(host->daemon->run, MNT_DETACH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTACK_TEST(an_undisturbed_daemon_merges_what_rests),
		ATTACK_TEST(a_reload_storm_changes_nothing),
		ATTACK_TEST(what_was_acknowledged_outlives_kill_9),
		ATTACK_TEST(a_daemon_that_was_killed_works_as_before),
		ATTACK_TEST(a_daemon_that_was_stopped_catches_up),
		ATTACK_TEST(a_daemon_without_descriptors_works_and_answers),
		ATTACK_TEST(a_daemon_without_memory_works_and_answers),
		ATTACK_TEST(a_switch_that_cannot_be_kept_is_refused),
		ATTACK_TEST(a_full_disk_changes_nothing),
	};

	may_mount = enter_namespaces();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
