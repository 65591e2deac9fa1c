// SPDX-License-Identifier: GPL-2.0-or-later
/* td-linux: boots Linux as a software TD, with its console on stdout, until it resets. */
#define _GNU_SOURCE
#include "td.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
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
	"  -c, --cpus N         processors, 1 to 4 (default: 1)\n"
	"  -m, --memory MIB     RAM, 128 to 3072, even (default: 256)\n"
	"  -n, --name NAME      what KVM calls the VM (default: its process does)\n"
	"  -h, --help\n"
	"Exit status: 0 the guest reset itself, 1 it could not run or ended otherwise.\n";

/*
 * The guest has local APICs, a PIC, a PIT and ports. ACPI tells it of processors only: lastbus makes it look for PCI devices
 * by itself.
 */
#define COMMAND_LINE "console=ttyS0 noapic pci=conf1,lastbus=1 reboot=k panic=-1 "

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

static void hypercall(struct td *td, struct kvm_run *run)
{
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
static void memory_fault(struct td *td, const struct kvm_run *run)
{
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

/* A guest and its vCPUs, each of which is a thread. */
struct machine {
	struct td td;
	struct td_devices *devices;
	/* Devices and counts, and the order of conversions and device accesses */
	pthread_mutex_t lock;
	pthread_cond_t reset_done;
	bool reset;
};

struct vcpu_thread {
	struct machine *machine;
	struct td_vcpu *vcpu;
};

static void handle_exit(struct machine *machine, struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		if (!td_port_io(machine->devices, run)) {
			machine->reset = true;
			pthread_cond_signal(&machine->reset_done);
		}
		break;
	case KVM_EXIT_MMIO:
		td_mmio(machine->devices, run);
		break;
	case KVM_EXIT_HYPERCALL:
		hypercall(&machine->td, run);
		break;
	case KVM_EXIT_MEMORY_FAULT:
		memory_fault(&machine->td, run);
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

static void *run_vcpu(void *arg)
{
	const struct vcpu_thread *thread = arg;
	struct machine *machine = thread->machine;
	struct kvm_run *run = thread->vcpu->run;

	for (;;) {
		run->exit_reason = KVM_EXIT_UNKNOWN;
		if (ioctl(thread->vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			if (errno != EFAULT || run->exit_reason != KVM_EXIT_MEMORY_FAULT)
				die("KVM_RUN: %s", strerror(errno));
		}
		pthread_mutex_lock(&machine->lock);
		if (!machine->reset)
			handle_exit(machine, run);
		pthread_mutex_unlock(&machine->lock);
	}
	return NULL;
}

/* Returns with the lock held when the guest resets; what its vCPUs do then waits for ever. */
static void run_guest(struct machine *machine)
{
	static struct vcpu_thread threads[TD_MAX_CPUS];
	pthread_t id;
	int error;

	for (unsigned int i = 0; i < machine->td.nr_cpus; i++) {
		threads[i] = (struct vcpu_thread){machine, &machine->td.cpus[i]};
		error = pthread_create(&id, NULL, run_vcpu, &threads[i]);
		if (error)
			die("thread of vCPU %u: %s", i, strerror(error));
	}
	pthread_mutex_lock(&machine->lock);
	while (!machine->reset)
		pthread_cond_wait(&machine->reset_done, &machine->lock);
}

static uint64_t parse_memory(const char *text)
{
	char *end;
	unsigned long mib = strtoul(text, &end, 10);

	if (*end || mib < 128 || mib > 3072 || mib % 2)
		die("--memory: \"%s\" must be an even number of MiB, 128 to 3072", text);
	return mib << 20;
}

static unsigned int parse_cpus(const char *text)
{
	char *end;
	unsigned long cpus = strtoul(text, &end, 10);

	if (*end || cpus < 1 || cpus > TD_MAX_CPUS)
		die("--cpus: \"%s\" must be 1 to %d", text, TD_MAX_CPUS);
	return (unsigned int)cpus;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"kernel", required_argument, NULL, 'k'}, {"initrd", required_argument, NULL, 'i'},
		{"append", required_argument, NULL, 'a'}, {"disk", required_argument, NULL, 'd'},
		{"cpus", required_argument, NULL, 'c'},	  {"memory", required_argument, NULL, 'm'},
		{"name", required_argument, NULL, 'n'},	  {"net", no_argument, NULL, 'e'},
		{"help", no_argument, NULL, 'h'},	  {0},
	};
	struct td_boot boot = {0};
	const char *append = "", *disk = NULL, *name = NULL;
	char command_line[2048];
	uint64_t memory = 256 << 20;
	static struct machine machine = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.reset_done = PTHREAD_COND_INITIALIZER,
	};
	struct td *td = &machine.td;
	unsigned int cpus = 1;
	bool net = false;
	int c;

	while ((c = getopt_long(argc, argv, "k:i:a:d:ec:m:n:h", options, NULL)) != -1) {
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
		case 'c':
			cpus = parse_cpus(optarg);
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
	td_create(td, memory, td_boot_size(&boot), cpus);
	if (name)
		td_set_name(td, name);
	td_boot_load(td, &boot);
	machine.devices = td_devices_new(td, disk, net);
	run_guest(&machine);
	printf("td-linux: reset; MapGPA of %llu pages to shared, %llu to private; %llu conversions on access; %llu MMIO reads; %llu datagrams echoed\n",
	       (unsigned long long)td->counts.to_shared_pages,
	       (unsigned long long)td->counts.to_private_pages,
	       (unsigned long long)td->counts.faults,
	       (unsigned long long)td_mmio_reads(machine.devices),
	       (unsigned long long)td_echoed(machine.devices));
	return 0;
}
