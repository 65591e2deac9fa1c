/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio disk on PCI. Its registers are in a BAR of ports, which exit as in any guest, but the configuration of the device
 * is in a BAR of memory: for that, a TD gets #VE and asks by VMCALL. Virtio 1.2, sections 4.1 (PCI), 2.7 (split virtqueues),
 * 5.2 (block device).
 */
#ifndef TD_DISK_H
#define TD_DISK_H

#include "td.h"

#define DISK_IRQ       10
#define DISK_PORTS     0x100
#define DISK_MMIO_SIZE 0x1000

struct disk {
	struct td *td;
	int fd;
	uint64_t sectors;

	uint8_t config[256]; /* PCI configuration space */
	bool sizing[2];	     /* that BAR was written with all ones */

	uint32_t feature_select, driver_feature_select;
	uint64_t driver_features;
	uint8_t status, isr;

	/* its one queue */
	uint16_t queue_size, queue_enabled, last_avail;
	uint64_t desc, driver, device;
	uint64_t mmio_reads;
};

/* @path: a file of whole sectors. */
void disk_open(struct disk *disk, struct td *td, const char *path);

uint32_t disk_config_read(const struct disk *disk, unsigned int offset, unsigned int size);
void disk_config_write(struct disk *disk, unsigned int offset, uint32_t value, unsigned int size);

/* Is that port in its BAR? */
bool disk_has_port(const struct disk *disk, unsigned int port);
uint32_t disk_read(struct disk *disk, unsigned int port);
void disk_write(struct disk *disk, unsigned int port, uint32_t value);

/* All ones where it has nothing. */
uint64_t disk_mmio_read(struct disk *disk, uint64_t gpa, unsigned int size);

#endif
