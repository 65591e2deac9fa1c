// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst), with a detour: KVM cannot put data into private memory of
 * a software TD, so all of it lies in the shared staging area, and a shim in the guest accepts the memory and copies it.
 */
#define _GNU_SOURCE
#include "acpi.h"
#include "shim.h"
#include "td.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Private memory below 1 MiB. */
#define BOOT_PARAMS_GPA	 0x10000ULL
#define COMMAND_LINE_GPA 0x20000ULL
#define PAGE_TABLES_GPA	 0x30000ULL /* one for 512 GiB, one for 1 GiB each, up to four */
#define KERNEL_GPA	 0x1000000ULL

/* Staging area: shim, page tables of the shim, boot data, then the files. */
#define STAGING_TABLES	       0x2000ULL
#define STAGING_PRIVATE_TABLES 0x10000ULL
#define STAGING_PARAMS	       0x20000ULL
#define STAGING_COMMAND_LINE   0x21000ULL
#define STAGING_GDT	       0x22000ULL
#define STAGING_ACPI	       0x23000ULL
#define STAGING_FILES	       0x100000ULL

_Static_assert(TD_SHIM_CR3 == (TD_SHARED_BIT | (STAGING_GPA + STAGING_TABLES)), "CR3 of the shim");

#define TABLE_PAGES 6 /* PML4, PDPT, four PDs */
#define PTE_PRESENT 0x3ULL
#define PTE_LARGE   0x80ULL
#define GIB	    (1ULL << 30)

struct file {
	uint8_t *data;
	uint64_t size;
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static struct file map_file(const char *path)
{
	struct file file = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die("%s: %s", path, strerror(errno));
	file.size = (uint64_t)st.st_size;
	file.data = mmap(NULL, file.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file.data == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return file;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		die("%s: %s", path, strerror(errno));
	return (uint64_t)st.st_size;
}

uint64_t td_boot_size(const struct td_boot *boot)
{
	return round_up(STAGING_FILES + round_up(size_of(boot->kernel), PAGE_4K) +
				size_of(boot->initrd),
			PAGE_2M);
}

/*
 * Identity maps the RAM with private GPAs by pages of 2 MiB, and, if @staging, the staging area with shared ones.
 * @tables: TABLE_PAGES pages, at GPA @gpa; @table_bits: of entries that lead to tables
 */
static void fill_tables(const struct td *td, uint64_t *tables, uint64_t gpa, uint64_t table_bits,
			bool staging)
{
	uint64_t *pml4 = tables, *pdpt = tables + 512, *pd = tables + 1024;
	uint64_t page;

	pml4[0] = (gpa + PAGE_4K) | PTE_PRESENT | table_bits;
	for (page = 0; page < td->memory / PAGE_2M; page++) {
		if (page % 512 == 0)
			pdpt[page / 512] = (gpa + (2 + page / 512) * PAGE_4K) | PTE_PRESENT |
					   table_bits;
		pd[page] = page * PAGE_2M | PTE_PRESENT | PTE_LARGE;
	}
	if (!staging)
		return;
	pdpt[STAGING_GPA / GIB] = (gpa + (2 + 3) * PAGE_4K) | PTE_PRESENT | table_bits;
	pd += 3ULL * 512;
	for (page = 0; page < td->staging_size / PAGE_2M; page++)
		pd[page] = (STAGING_GPA + page * PAGE_2M) | PTE_PRESENT | PTE_LARGE | TD_SHARED_BIT;
}

static void add_range(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = start,
		.size = end - start,
		.type = type,
	};
}

/* Returns the offset of the 64-bit kernel in the file. */
static uint64_t fill_params(struct td *td, const struct td_boot *boot, const struct file *kernel,
			    uint64_t initrd_gpa, uint64_t initrd_size)
{
	enum { RAM = 1, ACPI_TABLES = 3, ACPI_NVS = 4 };
	struct boot_params *params = (void *)(td->staging + STAGING_PARAMS);
	const struct setup_header *header = (const void *)(kernel->data + 0x1f1);

	if (kernel->size < 0x1000 || memcmp(&header->header, "HdrS", 4) || header->version < 0x20c)
		die("%s is not a bzImage with boot protocol 2.12 or later", boot->kernel);
	if (!(header->xloadflags & XLF_KERNEL_64))
		die("%s has no 64-bit entry", boot->kernel);
	if (initrd_size > td->memory || KERNEL_GPA + header->init_size > initrd_gpa)
		die("--memory: the kernel needs %u bytes at 16M, and the initrd is at 0x%llx",
		    header->init_size, (unsigned long long)initrd_gpa);
	params->hdr = *header;
	params->hdr.type_of_loader = 0xff;
	params->hdr.cmd_line_ptr = COMMAND_LINE_GPA;
	params->hdr.ramdisk_image = (uint32_t)initrd_gpa;
	params->hdr.ramdisk_size = (uint32_t)initrd_size;
	params->acpi_rsdp_addr = TD_ACPI_GPA;
	add_range(params, 0, TD_ACPI_GPA, RAM);
	add_range(params, TD_ACPI_GPA, TD_MAILBOX_GPA, ACPI_TABLES);
	add_range(params, TD_MAILBOX_GPA, TD_WAIT_GPA + PAGE_4K, ACPI_NVS);
	add_range(params, 0x100000, td->memory, RAM);
	if (strlen(boot->command_line) >= PAGE_4K)
		die("the command line has more than %llu bytes", PAGE_4K - 1);
	strcpy((char *)td->staging + STAGING_COMMAND_LINE, boot->command_line);
	return (uint64_t)(header->setup_sects ? header->setup_sects : 4) * 512 + 512;
}

static void add_copy(struct td_shim *shim, uint64_t to, uint64_t staging, uint64_t bytes)
{
	if (shim->nr_copies == TD_SHIM_COPIES)
		die("more copies than the shim takes");
	shim->copies[shim->nr_copies++] = (struct td_shim_copy){to, STAGING_GPA + staging, bytes};
}

void td_boot_load(struct td *td, const struct td_boot *boot)
{
	static const uint64_t gdt[4] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};
	struct td_shim *shim = (void *)(td->staging + TD_SHIM_ARGUMENT);
	struct file kernel = map_file(boot->kernel), initrd = map_file(boot->initrd);
	uint64_t initrd_gpa = (td->memory - initrd.size) / PAGE_2M * PAGE_2M;
	uint64_t setup = fill_params(td, boot, &kernel, initrd_gpa, initrd.size);
	uint64_t initrd_offset = STAGING_FILES + round_up(kernel.size, PAGE_4K);

	memcpy(td->staging, td_shim_start, (size_t)(td_shim_end - td_shim_start));
	memcpy(td->staging + STAGING_GDT, gdt, sizeof(gdt));
	acpi_build(td->staging + STAGING_ACPI, TD_ACPI_GPA, TD_MAILBOX_GPA, TD_WAIT_GPA,
		   td->nr_cpus);
	memcpy(td->staging + STAGING_FILES, kernel.data, kernel.size);
	memcpy(td->staging + initrd_offset, initrd.data, initrd.size);
	fill_tables(td, (uint64_t *)(td->staging + STAGING_TABLES), STAGING_GPA + STAGING_TABLES,
		    TD_SHARED_BIT, true);
	fill_tables(td, (uint64_t *)(td->staging + STAGING_PRIVATE_TABLES), PAGE_TABLES_GPA, 0,
		    false);

	*shim = (struct td_shim){
		.memory = td->memory,
		.cr3 = PAGE_TABLES_GPA,
		.entry = KERNEL_GPA + 0x200,
		.boot_params = BOOT_PARAMS_GPA,
		.switch_to = TD_SWITCH_GPA,
	};
	add_copy(shim, TD_SWITCH_GPA, (uint64_t)(td_shim_switch - td_shim_start),
		 (uint64_t)(td_shim_end - td_shim_switch));
	add_copy(shim, TD_WAIT_GPA, (uint64_t)(td_shim_wait - td_shim_start),
		 (uint64_t)(td_shim_switch - td_shim_wait));
	add_copy(shim, TD_ACPI_GPA, STAGING_ACPI, ACPI_BYTES);
	add_copy(shim, TD_GDT_GPA, STAGING_GDT, sizeof(gdt));
	add_copy(shim, BOOT_PARAMS_GPA, STAGING_PARAMS, sizeof(struct boot_params));
	add_copy(shim, COMMAND_LINE_GPA, STAGING_COMMAND_LINE, strlen(boot->command_line) + 1);
	add_copy(shim, PAGE_TABLES_GPA, STAGING_PRIVATE_TABLES, TABLE_PAGES * PAGE_4K);
	add_copy(shim, KERNEL_GPA, STAGING_FILES + setup, kernel.size - setup);
	add_copy(shim, initrd_gpa, initrd_offset, initrd.size);
	munmap(kernel.data, kernel.size);
	munmap(initrd.data, initrd.size);

	for (unsigned int i = 0; i < td->nr_cpus; i++)
		td_create_vcpu(td, i,
			       STAGING_GPA +
				       (i ? (uint64_t)(td_shim_secondary - td_shim_start) : 0),
			       STAGING_GPA + TD_SHIM_ARGUMENT, TD_SHIM_CR3);
}
