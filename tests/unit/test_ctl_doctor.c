// SPDX-License-Identifier: GPL-2.0-or-later
/* tdx-lpctl doctor, on a system of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/ctl_host.h"

static void put(const char *root, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(full, 0700) < 0)
			assert_int_equal(errno, EEXIST);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void remove_root(const char *root)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -r %s", root);
	assert_int_equal(system(line), 0);
}

static void doctor_suggests_settings(void **state)
{
	struct ctl_host *host = ctl_host_new();
	char root[] = "/tmp/test_ctl_root.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(root));
	ctl_host_compare(host, "doctor-nothing", ctl_host_run_in(host, root, "doctor"));
	put(root, "/sys/module/kvm/parameters/tdp_mmu", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/ept", "N\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx", "N\n");
	ctl_host_compare(host, "doctor-unpatched", ctl_host_run_in(host, root, "doctor"));
	put(root, "/sys/module/kvm_intel/parameters/ept", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx_huge_pages", "N\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx_demote_uninterrupted", "N\n");
	put(root, "/sys/module/kvm/parameters/nx_huge_pages", "Y\n");
	put(root, "/sys/module/kvm/parameters/lpage_mode", "managed\n");
	put(root, "/sys/module/kvm/parameters/gmem_2m", "N\n");
	put(root, "/proc/buddyinfo",
	    "Node 0, zone    DMA      1 1 1 1 1 1 1 1 1 1 3\n"
	    "Node 0, zone Normal      1 1 1 1 1 1 1 1 1 4 0\n");
	ctl_host_compare(host, "doctor-tdx", ctl_host_run_in(host, root, "doctor"));
	put(root, "/sys/module/kvm_intel/parameters/tdx_huge_pages", "Y\n");
	put(root, "/sys/module/kvm_intel/parameters/tdx_demote_uninterrupted", "Y\n");
	put(root, "/sys/module/kvm/parameters/nx_huge_pages", "N\n");
	host->fake.status.link = "netlink";
	ctl_host_start(host);
	ctl_host_compare(host, "doctor", ctl_host_run_in(host, root, "doctor"));
	ctl_host_compare(host, "doctor.json", ctl_host_run_in(host, root, "-o json doctor"));
	ctl_host_free(host);
	remove_root(root);
}

/* A simulated host needs nothing of this machine, and only what was asked for is looked at. */
static void doctor_is_content_with_a_simulated_host(void **state)
{
	struct ctl_host *host = ctl_host_new();
	char root[] = "/tmp/test_ctl_root.XXXXXX", line[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	ctl_host_start(host);
	snprintf(line, sizeof(line), "--socket %s/read doctor", host->dir);
	assert_int_equal(ctl_host_run_in(host, root, line), 0);
	assert_non_null(strstr(host->out, "host: simulated by the daemon"));
	assert_non_null(strstr(host->out, "--socket: "));
	assert_null(strstr(host->out, "control: "));
	assert_null(strstr(host->out, "failed"));
	snprintf(line, sizeof(line), "--socket %s/nobody doctor", host->dir);
	assert_int_equal(ctl_host_run_in(host, root, line), 1);
	assert_non_null(strstr(host->out, "nobody: No such file"));
	ctl_host_free(host);
	remove_root(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doctor_suggests_settings),
		cmocka_unit_test(doctor_is_content_with_a_simulated_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
