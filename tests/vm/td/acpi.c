// SPDX-License-Identifier: GPL-2.0-or-later
#include "acpi.h"

#include <string.h>

#define PACKED __attribute__((packed))

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} PACKED;

struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the 20 bytes of version 1 */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t whole_checksum, reserved[3];
} PACKED;

struct xsdt {
	struct header header;
	uint64_t fadt, madt;
} PACKED;

/* Of revision 3; what is left out here is 0. */
struct fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t model, profile;
	uint16_t sci_irq;
	uint32_t smi_command;
	uint8_t enable, disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0,
		gpe1;
	uint8_t pm1_event_length, pm1_control_length, others[19];
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	uint8_t rest[244 - 116];
} PACKED;

struct local_apic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} PACKED;

struct wakeup {
	uint8_t type, length;
	uint16_t version;
	uint32_t reserved;
	uint64_t mailbox, reset_vector;
} PACKED;

struct madt {
	struct header header;
	uint32_t local_apic, flags;
	struct wakeup wakeup;
	struct local_apic cpus[];
} PACKED;

_Static_assert(sizeof(struct header) == 36 && sizeof(struct rsdp) == 36, "headers of tables");
_Static_assert(sizeof(struct fadt) == 244, "FADT of revision 3");

enum { AT_RSDP = 0, AT_XSDT = 0x40, AT_FADT = 0x80, AT_DSDT = 0x180, AT_MADT = 0x1c0 };
enum { SCI_IRQ = 9, MADT_LOCAL_APIC = 0, MADT_WAKEUP = 16, LOCAL_APIC_ENABLED = 1, HAS_PIC = 1 };

enum { PM1_STATUS = 0, PM1_ENABLE = 2, PM1_CONTROL = 4, PM1_SCI_ENABLED = 1 };

void acpi_pm_init(struct acpi_pm *pm)
{
	*pm = (struct acpi_pm){.regs[PM1_CONTROL] = PM1_SCI_ENABLED};
}

uint32_t acpi_pm_read(const struct acpi_pm *pm, unsigned int reg, unsigned int size)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < size && reg + i < ACPI_PM_PORTS; i++)
		value |= (uint32_t)pm->regs[reg + i] << 8 * i;
	return value;
}

void acpi_pm_write(struct acpi_pm *pm, unsigned int reg, uint32_t value, unsigned int size)
{
	for (unsigned int i = 0; i < size && reg + i < ACPI_PM_PORTS; i++) {
		/* Bits of the status are cleared by a write, and are never set. */
		if (reg + i >= PM1_ENABLE)
			pm->regs[reg + i] = (uint8_t)(value >> 8 * i);
	}
}

static uint8_t checksum(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (bytes--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static void finish(struct header *header, const char *signature, uint8_t revision, size_t bytes)
{
	memcpy(header->signature, signature, sizeof(header->signature));
	memcpy(header->oem_id, "LPAGE ", sizeof(header->oem_id));
	memcpy(header->oem_table_id, "TD LINUX", sizeof(header->oem_table_id));
	memcpy(header->creator, "LPGE", sizeof(header->creator));
	header->length = (uint32_t)bytes;
	header->revision = revision;
	header->checksum = checksum(header, bytes);
}

static void build_madt(struct madt *madt, uint64_t mailbox_gpa, uint64_t reset_gpa,
		       unsigned int cpus)
{
	madt->local_apic = 0xfee00000;
	madt->flags = HAS_PIC;
	madt->wakeup = (struct wakeup){
		.type = MADT_WAKEUP,
		.length = sizeof(madt->wakeup),
		.version = 1,
		.mailbox = mailbox_gpa,
		.reset_vector = reset_gpa,
	};
	for (unsigned int i = 0; i < cpus; i++)
		madt->cpus[i] = (struct local_apic){
			.type = MADT_LOCAL_APIC,
			.length = sizeof(madt->cpus[i]),
			.uid = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = LOCAL_APIC_ENABLED,
		};
	finish(&madt->header, "APIC", 5, sizeof(*madt) + cpus * sizeof(madt->cpus[0]));
}

void acpi_build(uint8_t tables[ACPI_BYTES], uint64_t gpa, uint64_t mailbox_gpa, uint64_t reset_gpa,
		unsigned int cpus)
{
	struct rsdp *rsdp = (void *)(tables + AT_RSDP);
	struct xsdt *xsdt = (void *)(tables + AT_XSDT);
	struct fadt *fadt = (void *)(tables + AT_FADT);

	memset(tables, 0, ACPI_BYTES);
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, "LPAGE ", sizeof(rsdp->oem_id));
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = gpa + AT_XSDT;
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->whole_checksum = checksum(rsdp, sizeof(*rsdp));

	xsdt->fadt = gpa + AT_FADT;
	xsdt->madt = gpa + AT_MADT;
	finish(&xsdt->header, "XSDT", 1, sizeof(*xsdt));

	fadt->dsdt = (uint32_t)gpa + AT_DSDT;
	fadt->sci_irq = SCI_IRQ;
	fadt->pm1a_event = ACPI_PM_PORT + PM1_STATUS;
	fadt->pm1_event_length = 4;
	fadt->pm1a_control = ACPI_PM_PORT + PM1_CONTROL;
	fadt->pm1_control_length = 2;
	finish(&fadt->header, "FACP", 3, sizeof(*fadt));

	/* A namespace without anything in it */
	finish((struct header *)(tables + AT_DSDT), "DSDT", 2, sizeof(struct header));
	build_madt((struct madt *)(tables + AT_MADT), mailbox_gpa, reset_gpa, cpus);
}
