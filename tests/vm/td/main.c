// SPDX-License-Identifier: GPL-2.0-or-later
/* td-linux: boots Linux as a software TD, with its console on stdout, until it resets. */
#define _GNU_SOURCE
#include "td.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static const char usage[] =
	"Usage: td-linux --kernel BZIMAGE --initrd FILE [OPTION...]\n"
	"Boots Linux as a software TD (host: CONFIG_KVM_SW_TD, kvm_intel.sw_td=1) until it resets.\n"
	"  -k, --kernel FILE    a bzImage with CONFIG_INTEL_TDX_GUEST\n"
	"  -i, --initrd FILE    its initramfs\n"
	"  -a, --append TEXT    more of the kernel's command line\n"
	"  -d, --disk FILE      raw image, a virtio disk\n"
	"  -e, --net            a virtio network card, whose peer echoes UDP datagrams\n"
	"  -m, --memory MIB     RAM, 128 to 3072, even (default: 256)\n"
	"  -n, --name NAME      what KVM calls the VM (default: its process does)\n"
	"  -h, --help\n"
	"Exit status: 0 the guest reset itself, 1 it could not run or ended otherwise.\n";

/* No ACPI, no APIC: the guest has a PIC, a PIT and ports. */
#define COMMAND_LINE "console=ttyS0 acpi=off nolapic noapic pci=conf1 reboot=k panic=-1 "

_Noreturn void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("td-linux: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void hypercall(struct td *td)
{
	struct kvm_run *run = td->run;
	uint64_t pages = run->hypercall.args[1];
	bool to_private = run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED;
	int r;

	if (run->hypercall.nr != KVM_HC_MAP_GPA_RANGE)
		die("hypercall %llu", (unsigned long long)run->hypercall.nr);
	r = td_convert(td, run->hypercall.args[0], pages * PAGE_4K, to_private);
	if (r == 0)
		*(to_private ? &td->counts.to_private_pages : &td->counts.to_shared_pages) += pages;
	run->hypercall.ret = r == -EAGAIN ? EAGAIN : r ? EINVAL : 0;
}

/* The guest uses memory as what it is not: between the two steps of a conversion it may. */
static void memory_fault(struct td *td)
{
	const struct kvm_run *run = td->run;
	bool to_private = run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE;
	int r = td_convert(td, run->memory_fault.gpa, run->memory_fault.size, to_private);

	td->counts.faults++;
	if (r)
		die("the guest uses 0x%llx, which it does not have, as %s memory",
		    (unsigned long long)run->memory_fault.gpa, to_private ? "private" : "shared");
}

static void fatal_error(const struct kvm_run *run)
{
	char message[9 * 8] = "";

	if (run->system_event.type != KVM_SYSTEM_EVENT_TDX_FATAL)
		die("system event %u", run->system_event.type);
	/* R14, R15, RBX, RDI, RSI, R8, R9, RDX hold the text (GHCI, ReportFatalError). */
	static const int order[] = {14, 15, 3, 7, 6, 8, 9, 2};
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		memcpy(message + i * 8, (const void *)&run->system_event.data[order[i]], 8);
	die("the guest gave up: %s (0x%llx)", message,
	    (unsigned long long)run->system_event.data[12]);
}

/* Returns when the guest resets. */
static void run_guest(struct td *td, struct td_devices *devices)
{
	struct kvm_run *run = td->run;

	for (;;) {
		run->exit_reason = KVM_EXIT_UNKNOWN;
		if (ioctl(td->vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			if (errno != EFAULT || run->exit_reason != KVM_EXIT_MEMORY_FAULT)
				die("KVM_RUN: %s", strerror(errno));
		}
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			if (!td_port_io(devices, run))
				return;
			break;
		case KVM_EXIT_MMIO:
			td_mmio(devices, run);
			break;
		case KVM_EXIT_HYPERCALL:
			hypercall(td);
			break;
		case KVM_EXIT_MEMORY_FAULT:
			memory_fault(td);
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			fatal_error(run);
			break;
		case KVM_EXIT_INTR:
			break;
		default:
			die("exit reason %u", run->exit_reason);
		}
	}
}

static uint64_t parse_memory(const char *text)
{
	char *end;
	unsigned long mib = strtoul(text, &end, 10);

	if (*end || mib < 128 || mib > 3072 || mib % 2)
		die("--memory: \"%s\" must be an even number of MiB, 128 to 3072", text);
	return mib << 20;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"kernel", required_argument, NULL, 'k'},
		{"initrd", required_argument, NULL, 'i'},
		{"append", required_argument, NULL, 'a'},
		{"disk", required_argument, NULL, 'd'},
		{"memory", required_argument, NULL, 'm'},
		{"name", required_argument, NULL, 'n'},
		{"net", no_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct td_boot boot = {0};
	const char *append = "", *disk = NULL, *name = NULL;
	char command_line[2048];
	uint64_t memory = 256 << 20;
	struct td_devices *devices;
	bool net = false;
	struct td td;
	int c;

	while ((c = getopt_long(argc, argv, "k:i:a:d:em:n:h", options, NULL)) != -1) {
		switch (c) {
		case 'k':
			boot.kernel = optarg;
			break;
		case 'i':
			boot.initrd = optarg;
			break;
		case 'a':
			append = optarg;
			break;
		case 'd':
			disk = optarg;
			break;
		case 'e':
			net = true;
			break;
		case 'm':
			memory = parse_memory(optarg);
			break;
		case 'n':
			name = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 1;
		}
	}
	if (!boot.kernel || !boot.initrd || optind < argc) {
		fputs(usage, stderr);
		return 1;
	}
	if (snprintf(command_line, sizeof(command_line), COMMAND_LINE "%s", append) >=
	    (int)sizeof(command_line))
		die("--append: at most %zu bytes", sizeof(command_line) - sizeof(COMMAND_LINE));
	boot.command_line = command_line;
	td_create(&td, memory, td_boot_size(&boot));
	if (name)
		td_set_name(&td, name);
	td_boot_load(&td, &boot);
	devices = td_devices_new(&td, disk, net);
	run_guest(&td, devices);
	printf("td-linux: reset; MapGPA of %llu pages to shared, %llu to private; %llu conversions on access; %llu MMIO reads; %llu datagrams echoed\n",
	       (unsigned long long)td.counts.to_shared_pages,
	       (unsigned long long)td.counts.to_private_pages, (unsigned long long)td.counts.faults,
	       (unsigned long long)td_mmio_reads(devices), (unsigned long long)td_echoed(devices));
	return 0;
}
