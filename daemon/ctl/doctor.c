// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks at everything that has to be right, in the order in which things depend on each other. */
#include <errno.h>
#include <inttypes.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/kvm_lpage.h>

#include <tdx-lpage/text.h>

#include "daemon/ctl/client.h"
#include "daemon/ctl/display.h"
#include "daemon/ctl/lists.h"
#include "daemon/ctl/show.h"
#include "daemon/ctl/verbs.h"
#include <tdx-lpage/base.h>
#include <tdx-lpage/procfs.h>
#include <tdx-lpage/protocol.h>

enum verdict { GOOD, NOTE, BAD };

static const char *const verdicts[] = {"ok", "warning", "failed"};

/* What can be done about each of a VM's incapable flags. */
static const struct {
	const char *name;
	const char *why;
	const char *remedy;
} incapables[] = {
	{"memfd_4k", "a guest_memfd was created without the 2M flag",
	 "load kvm with gmem_2m=1, or configure the VMM to set GUEST_MEMFD_FLAG_HUGE_2M; then restart the VM"},
	{"memfd_mmap", "a guest_memfd can be mapped by user space, which keeps it at 4 KiB",
	 "configure the VMM to create it without GUEST_MEMFD_FLAG_MMAP"},
	{"align_gfn", "a slot's base_gfn and its offset in the guest_memfd differ modulo 2 MiB",
	 "configure the VMM to align the offset like the guest-physical address"},
	{"align_hva", "a slot's base_gfn and userspace_addr differ modulo 2 MiB",
	 "configure the VMM to align its mapping of guest memory to 2 MiB"},
	{"vendor", "this VM type supports 4 KiB private mappings only", ""},
	{"host", "two-dimensional paging or large pages are turned off on this host",
	 "load kvm_intel with ept=1, or kvm_amd with npt=1"},
};

static enum verdict verdict_of(const char *text)
{
	for (int i = GOOD; i <= BAD; i++) {
		if (strcmp(text, verdicts[i]) == 0)
			return (enum verdict)i;
	}
	return BAD;
}

static void add(json_t *checks, enum verdict verdict, const char *name, const char *remedy,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

static void add(json_t *checks, enum verdict verdict, const char *name, const char *remedy,
		const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s*}", "name", name, "verdict",
						verdicts[verdict], "text", text, "remedy", remedy));
}

/* Reads the first line of a file below the system's root. Returns NULL when there is none. */
static const char *read_line(const struct ctl *ctl, const char *path, char *ret, size_t size)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", ctl->env.sysroot, path);
	f = fopen(full, "re");
	if (!f)
		return NULL;
	if (!fgets(ret, (int)size, f))
		*ret = '\0';
	fclose(f);
	ret[strcspn(ret, "\n")] = '\0';
	return ret;
}

static const char *kvm_param(const struct ctl *ctl, const char *module, const char *name, char *ret,
			     size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	return read_line(ctl, path, ret, size);
}

static void check_kernel(const struct ctl *ctl, json_t *checks)
{
	struct utsname uts;
	char text[64];

	if (!*ctl->env.sysroot && uname(&uts) == 0)
		add(checks, GOOD, "kernel", NULL, "%s", uts.release);
	if (!kvm_param(ctl, "kvm", "tdp_mmu", text, sizeof(text))) {
		add(checks, BAD, "kvm", "modprobe kvm_intel (or kvm_amd)", "kvm is not loaded");
		return;
	}
	if (strcmp(text, "Y") != 0)
		add(checks, BAD, "kvm.tdp_mmu", "load kvm with tdp_mmu=1", "the TDP MMU is off");
	if (kvm_param(ctl, "kvm", "lpage_mode", text, sizeof(text)))
		add(checks, GOOD, "kvm.lpage_mode", NULL, "new VMs start in mode %s", text);
	else
		add(checks, BAD, "kvm.lpage_mode",
		    "boot a kernel with the kvm-lpage patches (make -C kernel deb)",
		    "this kernel does not have the kvm-lpage patches");
}

static void check_memory_params(const struct ctl *ctl, json_t *checks)
{
	char text[64];
	const char *ept;

	if (kvm_param(ctl, "kvm", "gmem_2m", text, sizeof(text))) {
		bool on = *text == 'Y' || *text == '1';

		add(checks, on ? GOOD : NOTE, "kvm.gmem_2m",
		    on ? NULL :
			 "options kvm gmem_2m=1 in /etc/modprobe.d/tdx-lpage.conf; immediately, for "
			 "new VMs: echo Y >/sys/module/kvm/parameters/gmem_2m",
		    on ? "guest_memfd uses 2 MiB pages" :
			 "off: private memory is mapped at 4 KiB unless the VMM asks for 2 MiB");
	}
	ept = kvm_param(ctl, "kvm_intel", "ept", text, sizeof(text));
	if (!ept)
		ept = kvm_param(ctl, "kvm_amd", "npt", text, sizeof(text));
	if (ept)
		add(checks, *ept == 'Y' || *ept == '1' ? GOOD : BAD, "two-dimensional paging",
		    *ept == 'Y' || *ept == '1' ? NULL :
						 "load kvm_intel with ept=1, or kvm_amd with npt=1",
		    "%s", *ept == 'Y' || *ept == '1' ? "on" : "off");
}

/* What tells whether TDX guests can run, have large pages, and have them split at any time. */
static void check_tdx_params(const struct ctl *ctl, json_t *checks)
{
	char text[64];
	bool on;

	if (!kvm_param(ctl, "kvm_intel", "tdx", text, sizeof(text)))
		return;
	on = *text == 'Y';
	add(checks, on ? GOOD : NOTE, "kvm_intel.tdx",
	    on ? NULL :
		 "enable TDX in the firmware, boot with nohibernate, and load kvm_intel with tdx=1",
	    "%s", on ? "on" : "off: no TDX guest can run");
	if (kvm_param(ctl, "kvm_intel", "tdx_huge_pages", text, sizeof(text)) && *text != 'Y')
		add(checks, NOTE, "kvm_intel.tdx_huge_pages",
		    "echo Y >/sys/module/kvm_intel/parameters/tdx_huge_pages",
		    "off: private memory of TDX guests is mapped at 4 KiB");
	/* kvm_gmem_max_mapping_level() */
	if (on && kvm_param(ctl, "kvm", "nx_huge_pages", text, sizeof(text)) && *text == 'Y')
		add(checks, NOTE, "kvm.nx_huge_pages",
		    "load kvm with nx_huge_pages=off, on CPUs that are not affected",
		    "on: private memory of TDX guests is mapped at 4 KiB");
	/* Bit 51 of TDX_FEATURES0. */
	if (on && kvm_param(ctl, "kvm_intel", "tdx_demote_uninterrupted", text, sizeof(text)))
		add(checks, GOOD, "TDX module", NULL, "%s",
		    *text == 'Y' ?
			    "splits are never interrupted" :
			    "splits can be interrupted; KVM tries again, and may refuse one");
}

static void check_free_memory(const struct ctl *ctl, json_t *checks)
{
	uint64_t blocks;
	char procfs[512];

	snprintf(procfs, sizeof(procfs), "%s/proc", ctl->env.sysroot);
	if (procfs_free_huge_blocks(procfs, &blocks) < 0)
		return;
	add(checks, blocks ? GOOD : NOTE, "free memory",
	    blocks ? NULL :
		     "free or compact memory before starting VMs (sysctl vm.compact_memory=1)",
	    "%" PRIu64 " free block%s of 2 MiB", blocks, plural((json_int_t)blocks));
}

static void check_family(const struct ctl *ctl, json_t *checks)
{
	struct nl_sock *sock;
	int r = -NLE_NOMEM;

	if (*ctl->env.sysroot)
		return;
	sock = nl_socket_alloc();
	if (sock && (r = genl_connect(sock)) == 0)
		r = genl_ctrl_resolve(sock, KVM_LPAGE_FAMILY_NAME);
	nl_socket_free(sock);
	if (r >= 0)
		add(checks, GOOD, "netlink family", NULL, "%s found", KVM_LPAGE_FAMILY_NAME);
	else
		add(checks, BAD, "netlink family",
		    "boot a kernel with the kvm-lpage patches; load kvm", "%s: %s",
		    KVM_LPAGE_FAMILY_NAME, nl_geterror(r));
}

/* Returns true when somebody answers on it. */
static bool check_socket(const struct ctl *ctl, json_t *checks, const char *name, const char *path)
{
	struct ctl_client *client = NULL;
	int r;

	r = ctl_client_connect(path, ctl->timeout_ms, &client);
	if (r == 0)
		r = ctl_client_ping(client, ctl->timeout_ms);
	ctl_client_close(client);
	if (r == 0)
		add(checks, GOOD, name, NULL, "%s answers", path);
	else if (r == -EACCES)
		add(checks, NOTE, name, "run as root or as a member of the socket's group",
		    "%s: permission denied for uid %u", path, geteuid());
	else if (r == -ETIMEDOUT)
		add(checks, BAD, name, "systemctl restart tdx-lpaged", "%s: does not respond",
		    path);
	else if (r == -ECONNRESET)
		add(checks, BAD, name, "end some of them", "%s: takes no more clients of this user",
		    path);
	else
		add(checks, BAD, name, "systemctl enable --now tdx-lpaged", "%s: %s", path,
		    strerror(-r));
	return r == 0;
}

static bool check_own_socket(const struct ctl *ctl, json_t *checks, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", ctl->env.runtime_dir, name);
	return check_socket(ctl, checks, name, path);
}

static bool check_sockets(const struct ctl *ctl, json_t *checks)
{
	bool control;

	if (ctl->socket)
		return check_socket(ctl, checks, "--socket", ctl->socket);
	control = check_own_socket(ctl, checks, CONTROL_SOCKET);
	return check_own_socket(ctl, checks, CONTROL_READ_SOCKET) || control;
}

static void check_daemon(json_t *checks, const json_t *host)
{
	const json_t *link = json_object_get(host, "link_stats");
	char text[SHOW_PRESSURE_MAX];

	if (get_bool(host, "degraded"))
		add(checks, BAD, "daemon", NULL, "degraded: %s", get_text(host, "degraded_why"));
	else
		add(checks, GOOD, "daemon", NULL, "%s, link %s", get_text(host, "version"),
		    get_text(host, "link"));
	if (strcmp(get_text(host, "version"), TDX_LPAGE_VERSION) != 0)
		add(checks, NOTE, "daemon", "systemctl restart tdx-lpaged",
		    "it is version %s, tdx-lpctl is %s", get_text(host, "version"),
		    TDX_LPAGE_VERSION);
	if (*get_text(host, "config_error"))
		add(checks, BAD, "configuration", "fix it, then run tdx-lpctl reload", "%s",
		    get_text(host, "config_error"));
	if (get_bool(host, "paused"))
		add(checks, NOTE, "daemon", "tdx-lpctl resume", "paused");
	if (*get_text(host, "pressure"))
		add(checks, NOTE, "daemon", show_pressure_remedy(host), "no merges are begun: %s",
		    show_pressure(host, text));
	if (get_bool(host, "pid_namespace"))
		add(checks, NOTE, "daemon",
		    "run it in the host's pid namespace; in a container: hostPID, --pid=host",
		    "in a pid namespace: %s", SHOW_PID_NAMESPACE);
	if (get_bool(host, "time_namespace"))
		add(checks, GOOD, "daemon", NULL,
		    "in a time namespace, whose offset is taken into account");
	if (get_bool(host, "dry_run"))
		add(checks, NOTE, "daemon", "tdx-lpctl dry-run off, and dry-run: false",
		    "dry-run: no requests are sent to the kernel");
	if (get_int(link, "lost_malformed"))
		add(checks, BAD, "daemon", "use a daemon and a kernel of the same release",
		    "%" JSON_INTEGER_FORMAT " messages from the kernel were malformed",
		    get_int(link, "lost_malformed"));
}

static void add_incapable(json_t *checks, const char *vm, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(incapables); i++) {
		if (strcmp(name, incapables[i].name) == 0) {
			add(checks, NOTE, vm, *incapables[i].remedy ? incapables[i].remedy : NULL,
			    "%s", incapables[i].why);
			return;
		}
	}
	add(checks, NOTE, vm, NULL, "not capable: %s", name);
}

static void check_vm(json_t *checks, const json_t *vm)
{
	const json_t *flags = json_object_get(vm, "incapable");
	char name[96], holds[SHOW_HOLDS_MAX];

	snprintf(name, sizeof(name), "VM %" JSON_INTEGER_FORMAT "%s%s", get_int(vm, "id"),
		 *get_text(vm, "name") ? " " : "", get_text(vm, "name"));
	for (size_t i = 0; i < json_array_size(flags); i++)
		add_incapable(checks, name, json_string_value(json_array_get(flags, i)));
	if (*show_holds(vm, holds))
		add(checks, NOTE, name, "tdx-lpctl release VM --all, if its owner is gone",
		    "held by %s", holds);
	if (strcmp(get_text(vm, "mode"), "off") == 0)
		add(checks, NOTE, name, "check the rule, and whether the VMM turned merging off",
		    "the mode in force is off");
	if (*get_text(vm, "rule_passed_over"))
		add(checks, NOTE, name,
		    "allow the daemon to read the VMM's /proc (ProtectProc=default)",
		    "rule %s was skipped: what it matches on could not be read",
		    get_text(vm, "rule_passed_over"));
}

/* Sets @ret_simulated when the daemon's host is not this machine. */
static void check_running(struct ctl *ctl, json_t *checks, bool *ret_simulated)
{
	json_t *status, *vms, *vm;
	size_t i;

	if (ctl_call(ctl, "Status", NULL, &status) != CTL_OK)
		return;
	*ret_simulated = strcmp(get_text(json_object_get(status, "host"), "link"), "sim") == 0;
	check_daemon(checks, json_object_get(status, "host"));
	json_decref(status);
	if (ctl_list_vms(ctl, NULL, &vms) != CTL_OK)
		return;
	json_array_foreach(vms, i, vm)
		check_vm(checks, vm);
	json_decref(vms);
}

static const char *colour_of(const struct ctl *ctl, enum verdict verdict)
{
	static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};

	return ctl->env.colour ? colours[verdict] : "";
}

static void print_checks(struct ctl *ctl, const json_t *checks)
{
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check) {
		const char *verdict = get_text(check, "verdict");

		fprintf(ctl->out, "%s%-7s%s  %s: %s\n", colour_of(ctl, verdict_of(verdict)),
			verdict, ctl->env.colour ? "\033[0m" : "", get_text(check, "name"),
			get_text(check, "text"));
		if (*get_text(check, "remedy"))
			fprintf(ctl->out, "         -> %s\n", get_text(check, "remedy"));
	}
}

static bool any_bad(const json_t *checks)
{
	size_t i;
	json_t *check;

	json_array_foreach(checks, i, check) {
		if (verdict_of(get_text(check, "verdict")) == BAD)
			return true;
	}
	return false;
}

/* The daemon first: what matters depends on its host. */
static json_t *look_at_everything(struct ctl *ctl)
{
	json_t *checks = json_array(), *daemon = json_array();
	bool simulated = false;

	if (check_sockets(ctl, daemon))
		check_running(ctl, daemon, &simulated);
	if (simulated) {
		add(checks, GOOD, "host", NULL,
		    "simulated by the daemon; the kernel of this machine does not matter");
	} else {
		check_kernel(ctl, checks);
		check_memory_params(ctl, checks);
		check_tdx_params(ctl, checks);
		check_free_memory(ctl, checks);
		check_family(ctl, checks);
	}
	json_array_extend(checks, daemon);
	json_decref(daemon);
	return checks;
}

int verb_doctor(struct ctl *ctl)
{
	json_t *checks = look_at_everything(ctl);
	bool bad = any_bad(checks);

	if (ctl->json) {
		ctl_print_json(ctl, json_pack("{s:b, s:o}", "good", !bad, "checks", checks));
	} else {
		print_checks(ctl, checks);
		json_decref(checks);
	}
	return bad ? CTL_FAILED : CTL_OK;
}
