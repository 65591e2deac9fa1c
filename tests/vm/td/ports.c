// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "acpi.h"
#include "disk.h"
#include "net.h"
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
#define MAX_CARDS	 2

struct td_devices {
	struct td *td;
	struct serial serial;
	struct acpi_pm pm;
	struct disk disk;
	struct net net;
	struct virtio *cards[MAX_CARDS]; /* in their slots; NULL: empty */
	uint32_t pci_address;
	uint64_t failed_status;
};

struct td_devices *td_devices_new(struct td *td, const char *disk, bool net)
{
	struct td_devices *devices = calloc(1, sizeof(*devices));

	if (!devices)
		die("out of memory");
	devices->td = td;
	acpi_pm_init(&devices->pm);
	if (disk) {
		disk_open(&devices->disk, td, disk);
		devices->cards[0] = &devices->disk.virtio;
	}
	if (net) {
		net_open(&devices->net, td);
		devices->cards[1] = &devices->net.virtio;
	}
	return devices;
}

/* ---- PCI: one bus, the host bridge is left out, slots are devices from 1 on ---- */

/* The card that the guest has selected, or NULL. */
static struct virtio *selected(const struct td_devices *devices)
{
	unsigned int devfn = devices->pci_address >> 8 & 0xffff, slot = (devfn >> 3) - 1;

	return devices->pci_address & PCI_ENABLE && !(devfn & 7) && slot < MAX_CARDS ?
		       devices->cards[slot] :
		       NULL;
}

static uint32_t pci_read(struct td_devices *devices, unsigned int port, unsigned int size)
{
	struct virtio *card = selected(devices);

	return card ? virtio_config_read(card, (devices->pci_address & 0xfc) + port - PORT_PCI_DATA,
					 size) :
		      ~0U;
}

static void pci_write(struct td_devices *devices, unsigned int port, uint32_t value,
		      unsigned int size)
{
	struct virtio *card = selected(devices);

	if (card)
		virtio_config_write(card, (devices->pci_address & 0xfc) + port - PORT_PCI_DATA,
				    value, size);
}

/* The card that has that port, or NULL. */
static struct virtio *card_at_port(const struct td_devices *devices, unsigned int port)
{
	for (int i = 0; i < MAX_CARDS; i++) {
		if (devices->cards[i] && virtio_has_port(devices->cards[i], port))
			return devices->cards[i];
	}
	return NULL;
}

/* ---- dispatch ---- */

static uint32_t in(struct td_devices *devices, unsigned int port, unsigned int size)
{
	if (port - PORT_SERIAL < SERIAL_PORTS)
		return serial_read(&devices->serial, port - PORT_SERIAL);
	if (port == PORT_CMOS_DATA || port == PORT_KEYBOARD)
		return 0;
	if (port - ACPI_PM_PORT < ACPI_PM_PORTS)
		return acpi_pm_read(&devices->pm, port - ACPI_PM_PORT, size);
	if (port == PORT_PCI_ADDRESS && size == 4)
		return devices->pci_address;
	if (port - PORT_PCI_DATA < 4)
		return pci_read(devices, port, size);
	if (card_at_port(devices, port))
		return virtio_read(card_at_port(devices, port), port);
	return ~0U;
}

static bool out(struct td_devices *devices, unsigned int port, uint32_t value, unsigned int size)
{
	if (port - PORT_SERIAL < SERIAL_PORTS)
		serial_write(&devices->serial, port - PORT_SERIAL, (uint8_t)value);
	else if (port == PORT_KEYBOARD)
		return value != KEYBOARD_RESET;
	else if (port - ACPI_PM_PORT < ACPI_PM_PORTS)
		acpi_pm_write(&devices->pm, port - ACPI_PM_PORT, value, size);
	else if (port == PORT_PCI_ADDRESS && size == 4)
		devices->pci_address = value;
	else if (port - PORT_PCI_DATA < 4)
		pci_write(devices, port, value, size);
	else if (card_at_port(devices, port))
		virtio_write(card_at_port(devices, port), port, value);
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
	for (int i = 0; i < MAX_CARDS; i++) {
		if (devices->cards[i] && virtio_has_mmio(devices->cards[i], run->mmio.phys_addr))
			value = virtio_mmio_read(devices->cards[i], run->mmio.phys_addr,
						 run->mmio.len);
	}
	memcpy(run->mmio.data, &value, run->mmio.len);
}

uint64_t td_mmio_reads(const struct td_devices *devices)
{
	return devices->disk.virtio.mmio_reads + devices->net.virtio.mmio_reads;
}

uint64_t td_echoed(const struct td_devices *devices)
{
	return devices->net.echoed;
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
