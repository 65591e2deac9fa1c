// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "disk.h"
#include "serial.h"
#include "shim.h"
#include "td.h"

#include <stdlib.h>
#include <string.h>

#define PORT_CMOS_INDEX	 0x70
#define PORT_CMOS_DATA	 0x71
#define PORT_KEYBOARD	 0x64
#define KEYBOARD_RESET	 0xfe
#define PORT_SERIAL	 0x3f8
#define SERIAL_IRQ	 4
#define PORT_PCI_ADDRESS 0xcf8
#define PORT_PCI_DATA	 0xcfc
#define PCI_ENABLE	 0x80000000U
#define DISK_DEVFN	 (1 << 3)

struct td_devices {
	struct td *td;
	struct serial serial;
	struct disk *disk;
	uint32_t pci_address;
	uint64_t failed_status;
};

struct td_devices *td_devices_new(struct td *td, const char *disk)
{
	struct td_devices *devices = calloc(1, sizeof(*devices));

	if (!devices)
		die("out of memory");
	devices->td = td;
	if (disk) {
		devices->disk = calloc(1, sizeof(*devices->disk));
		if (!devices->disk)
			die("out of memory");
		disk_open(devices->disk, td, disk);
	}
	return devices;
}

/* ---- PCI: one bus, the host bridge is left out, the disk is device 1 ---- */

static bool selects_disk(const struct td_devices *devices)
{
	return devices->disk && devices->pci_address & PCI_ENABLE &&
	       (devices->pci_address >> 8 & 0xffff) == DISK_DEVFN;
}

static uint32_t pci_read(struct td_devices *devices, unsigned int port, unsigned int size)
{
	if (!selects_disk(devices))
		return ~0U;
	return disk_config_read(devices->disk, (devices->pci_address & 0xfc) + port - PORT_PCI_DATA,
				size);
}

static void pci_write(struct td_devices *devices, unsigned int port, uint32_t value,
		      unsigned int size)
{
	if (selects_disk(devices))
		disk_config_write(devices->disk,
				  (devices->pci_address & 0xfc) + port - PORT_PCI_DATA, value,
				  size);
}

/* ---- dispatch ---- */

static uint32_t in(struct td_devices *devices, unsigned int port, unsigned int size)
{
	if (port - PORT_SERIAL < SERIAL_PORTS)
		return serial_read(&devices->serial, port - PORT_SERIAL);
	if (port == PORT_CMOS_DATA || port == PORT_KEYBOARD)
		return 0;
	if (port == PORT_PCI_ADDRESS && size == 4)
		return devices->pci_address;
	if (port - PORT_PCI_DATA < 4)
		return pci_read(devices, port, size);
	if (devices->disk && disk_has_port(devices->disk, port))
		return disk_read(devices->disk, port);
	return ~0U;
}

static bool out(struct td_devices *devices, unsigned int port, uint32_t value, unsigned int size)
{
	if (port - PORT_SERIAL < SERIAL_PORTS)
		serial_write(&devices->serial, port - PORT_SERIAL, (uint8_t)value);
	else if (port == PORT_KEYBOARD)
		return value != KEYBOARD_RESET;
	else if (port == PORT_PCI_ADDRESS && size == 4)
		devices->pci_address = value;
	else if (port - PORT_PCI_DATA < 4)
		pci_write(devices, port, value, size);
	else if (devices->disk && disk_has_port(devices->disk, port))
		disk_write(devices->disk, port, value);
	else if (port == TD_SHIM_FAILED_PORT && !devices->failed_status)
		devices->failed_status = value;
	else if (port == TD_SHIM_FAILED_PORT)
		die("the guest cannot accept page 0x%x: status 0x%llx", value,
		    (unsigned long long)devices->failed_status << 32);
	return true;
}

void td_mmio(struct td_devices *devices, struct kvm_run *run)
{
	uint64_t value = ~0ULL;

	if (run->mmio.is_write)
		return;
	if (devices->disk)
		value = disk_mmio_read(devices->disk, run->mmio.phys_addr, run->mmio.len);
	memcpy(run->mmio.data, &value, run->mmio.len);
}

uint64_t td_mmio_reads(const struct td_devices *devices)
{
	return devices->disk ? devices->disk->mmio_reads : 0;
}

bool td_port_io(struct td_devices *devices, const struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)(uintptr_t)run + run->io.data_offset;
	bool goes_on = true;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_IN) {
			value = in(devices, run->io.port, run->io.size);
			memcpy(data, &value, run->io.size);
		} else {
			memcpy(&value, data, run->io.size);
			goes_on = out(devices, run->io.port, value, run->io.size) && goes_on;
		}
	}
	if (run->io.port - PORT_SERIAL < SERIAL_PORTS)
		td_irq(devices->td, SERIAL_IRQ, serial_interrupt(&devices->serial));
	return goes_on;
}
