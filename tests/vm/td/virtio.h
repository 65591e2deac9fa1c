/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on PCI. Its registers are in a BAR of ports, which exit as in any guest, but the configuration of the device
 * is in a BAR of memory: for that, a TD gets #VE and asks by VMCALL. Virtio 1.2, sections 4.1 (PCI), 2.7 (split virtqueues).
 */
#ifndef TD_VIRTIO_H
#define TD_VIRTIO_H

#include "td.h"

#include <linux/virtio_ring.h>

#define VIRTIO_MAX_QUEUES 2

struct virtio;

/* What makes a device of it. */
struct virtio_kind {
	uint16_t device_id; /* of virtio, e.g. VIRTIO_ID_BLOCK */
	uint16_t pci_class;
	uint64_t features; /* beyond those that every device here has */
	unsigned int nr_queues;
	unsigned int irq;
	uint16_t ports; /* where its BARs are at first */
	uint32_t mmio;
	/* The driver has put something into that queue. */
	void (*notified)(struct virtio *virtio, unsigned int queue);
};

struct virtio_queue {
	uint16_t size, enabled, last_avail;
	uint64_t desc, driver, device;
};

struct virtio {
	struct td *td;
	const struct virtio_kind *kind;
	uint8_t device_config[16];

	uint8_t config[256]; /* PCI configuration space */
	bool sizing[2];	     /* that BAR was written with all ones */

	uint32_t feature_select, driver_feature_select;
	uint64_t driver_features;
	uint8_t status, isr;
	uint16_t queue_select;
	struct virtio_queue queues[VIRTIO_MAX_QUEUES];
	uint64_t mmio_reads;
};

/* @device_config, @bytes: what the device says of itself, at most 16 bytes */
void virtio_init(struct virtio *virtio, struct td *td, const struct virtio_kind *kind,
		 const void *device_config, size_t bytes);

/* ---- the guest's accesses ---- */

uint32_t virtio_config_read(const struct virtio *virtio, unsigned int offset, unsigned int size);
void virtio_config_write(struct virtio *virtio, unsigned int offset, uint32_t value,
			 unsigned int size);

/* Is that port in its BAR? */
bool virtio_has_port(const struct virtio *virtio, unsigned int port);
uint32_t virtio_read(struct virtio *virtio, unsigned int port);
void virtio_write(struct virtio *virtio, unsigned int port, uint32_t value);

/* Is that address in its other BAR? */
bool virtio_has_mmio(const struct virtio *virtio, uint64_t gpa);
/* All ones where it has nothing. */
uint64_t virtio_mmio_read(struct virtio *virtio, uint64_t gpa, unsigned int size);

/* ---- queues ---- */

/* A chain of descriptors. Circles end. */
struct virtio_chain {
	const struct vring_desc *table;
	uint16_t head, size, next, left;
};

/* Takes the next chain that the driver has made available. False: there is none. */
bool virtio_take(struct virtio *virtio, unsigned int queue, struct virtio_chain *chain);
/* Its next descriptor, NULL at its end. */
const struct vring_desc *virtio_next(struct virtio_chain *chain);
/* Gives it back, with that many bytes written to it. */
void virtio_give(struct virtio *virtio, unsigned int queue, const struct virtio_chain *chain,
		 uint32_t written);
/* After all that was given back. */
void virtio_interrupt(struct virtio *virtio, unsigned int queue);

#endif
