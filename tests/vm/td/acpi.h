/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables of a guest: its processors, and how it wakes them up, as firmware of TDs tells it (ACPI 6.4, 5.2.12.19). Linux
 * reads them with acpi=noirq, i.e. has its interrupts from the PIC.
 */
#ifndef TD_ACPI_H
#define TD_ACPI_H

#include <stdint.h>

/* The PM1 registers, which a machine with a PIC has to have: status, enable, control, of two bytes each. Nothing ever happens there. */
#define ACPI_PM_PORT  0x600
#define ACPI_PM_PORTS 6

struct acpi_pm {
	uint8_t regs[ACPI_PM_PORTS];
};

void acpi_pm_init(struct acpi_pm *pm);
/* @reg: 0 to ACPI_PM_PORTS - 1; what is beyond reads as 0, and writes there are lost */
uint32_t acpi_pm_read(const struct acpi_pm *pm, unsigned int reg, unsigned int size);
void acpi_pm_write(struct acpi_pm *pm, unsigned int reg, uint32_t value, unsigned int size);

/* Room for tables of as many processors as a guest can have. */
#define ACPI_BYTES 0x1000

/*
 * Writes the tables as they are at @gpa, the RSDP first.
 * @mailbox_gpa: page for the mailbox; @reset_gpa: where processors go back to; @cpus: their number, with APIC ids from 0 on
 */
void acpi_build(uint8_t tables[ACPI_BYTES], uint64_t gpa, uint64_t mailbox_gpa, uint64_t reset_gpa,
		unsigned int cpus);

#endif
