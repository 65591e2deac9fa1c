// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "virtio.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#define QUEUE_SIZE   64
#define CAPABILITIES 0x40
#define PORTS	     0x100
#define MMIO_SIZE    0x1000

/* Offsets in the BAR of ports. */
enum { AT_COMMON = 0, AT_NOTIFY = 0x40, AT_ISR = 0x50 };

#define FEATURES (1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM)

static void put(uint8_t *bytes, uint64_t value, unsigned int size)
{
	memcpy(bytes, &value, size); /* little endian, as the guest */
}

static uint32_t get(const uint8_t *bytes, unsigned int size)
{
	uint32_t value = 0;

	memcpy(&value, bytes, size);
	return value;
}

static uint64_t features(const struct virtio *virtio)
{
	return FEATURES | virtio->kind->features;
}

/* ---- PCI configuration space ---- */

static void add_capability(struct virtio *virtio, unsigned int nr, uint8_t type, uint8_t bar,
			   uint32_t offset, uint32_t length)
{
	/* That of notifications is the longest; its multiplier is 0: one address for all queues. */
	struct virtio_pci_notify_cap cap = {
		.cap =
			{
				.cap_vndr = PCI_CAP_ID_VNDR,
				.cap_next =
					type == VIRTIO_PCI_CAP_DEVICE_CFG ?
						0 :
						(uint8_t)(CAPABILITIES + (nr + 1) * sizeof(cap)),
				.cap_len = sizeof(cap),
				.cfg_type = type,
				.bar = bar,
				.offset = offset,
				.length = length,
			},
	};

	memcpy(virtio->config + CAPABILITIES + nr * sizeof(cap), &cap, sizeof(cap));
}

static void fill_config(struct virtio *virtio)
{
	const struct virtio_kind *kind = virtio->kind;
	uint8_t *config = virtio->config;

	put(config + PCI_VENDOR_ID, 0x1af4, 2);
	put(config + PCI_DEVICE_ID, 0x1040U + kind->device_id, 2); /* virtio 1.x */
	put(config + PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(config + PCI_REVISION_ID, 1, 1);
	put(config + PCI_CLASS_DEVICE, kind->pci_class, 2);
	put(config + PCI_BASE_ADDRESS_0, kind->ports | PCI_BASE_ADDRESS_SPACE_IO, 4);
	put(config + PCI_BASE_ADDRESS_1, kind->mmio, 4);
	put(config + PCI_SUBSYSTEM_VENDOR_ID, 0x1af4, 2);
	put(config + PCI_SUBSYSTEM_ID, 0x1040U + kind->device_id, 2);
	put(config + PCI_CAPABILITY_LIST, CAPABILITIES, 1);
	put(config + PCI_INTERRUPT_LINE, kind->irq, 1);
	put(config + PCI_INTERRUPT_PIN, 1, 1);
	add_capability(virtio, 0, VIRTIO_PCI_CAP_COMMON_CFG, 0, AT_COMMON,
		       sizeof(struct virtio_pci_common_cfg));
	add_capability(virtio, 1, VIRTIO_PCI_CAP_NOTIFY_CFG, 0, AT_NOTIFY, 4);
	add_capability(virtio, 2, VIRTIO_PCI_CAP_ISR_CFG, 0, AT_ISR, 1);
	add_capability(virtio, 3, VIRTIO_PCI_CAP_DEVICE_CFG, 1, 0, sizeof(virtio->device_config));
}

/* The two BARs: size, and the bits that say what they are. */
static const struct {
	uint32_t size, kind, space;
} bars[] = {
	{PORTS, PCI_BASE_ADDRESS_SPACE_IO, 0xffff},
	{MMIO_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY, ~0U},
};

/* Its number, or -1. */
static int bar_at(unsigned int offset)
{
	return offset == PCI_BASE_ADDRESS_0 ? 0 : offset == PCI_BASE_ADDRESS_1 ? 1 : -1;
}

static uint32_t bar(const struct virtio *virtio, int nr)
{
	return get(virtio->config + PCI_BASE_ADDRESS_0 + 4 * nr, 4) & ~(bars[nr].size - 1);
}

uint32_t virtio_config_read(const struct virtio *virtio, unsigned int offset, unsigned int size)
{
	int nr = bar_at(offset);

	if (nr >= 0 && virtio->sizing[nr])
		return ~(bars[nr].size - 1) | bars[nr].kind;
	return offset + size <= sizeof(virtio->config) ? get(virtio->config + offset, size) : ~0U;
}

/* Only what the guest's PCI code has to change can be changed. */
void virtio_config_write(struct virtio *virtio, unsigned int offset, uint32_t value,
			 unsigned int size)
{
	int nr = bar_at(offset);

	if (nr >= 0 && size == 4) {
		virtio->sizing[nr] = value == ~0U;
		if (!virtio->sizing[nr])
			put(virtio->config + offset,
			    (value & bars[nr].space & ~(bars[nr].size - 1)) | bars[nr].kind, 4);
	} else if ((offset == PCI_COMMAND && size == 2) ||
		   (offset == PCI_INTERRUPT_LINE && size == 1)) {
		put(virtio->config + offset, value, size);
	}
}

bool virtio_has_port(const struct virtio *virtio, unsigned int port)
{
	return get(virtio->config + PCI_COMMAND, 2) & PCI_COMMAND_IO &&
	       port - bar(virtio, 0) < PORTS;
}

bool virtio_has_mmio(const struct virtio *virtio, uint64_t gpa)
{
	return get(virtio->config + PCI_COMMAND, 2) & PCI_COMMAND_MEMORY &&
	       gpa - bar(virtio, 1) < MMIO_SIZE;
}

/* ---- queues ---- */

/* The parts of a queue in the guest's memory. False: the guest has not set it up, or not in its memory. */
struct rings {
	struct vring_desc *table;
	struct vring_avail *avail;
	struct vring_used *used;
};

static bool find_rings(struct virtio *virtio, const struct virtio_queue *q, struct rings *rings)
{
	struct td *td = virtio->td;
	uint16_t size = q->size;

	if (!q->enabled)
		return false;
	rings->table = td_shared(td, q->desc, size * sizeof(*rings->table));
	rings->avail = td_shared(td, q->driver,
				 sizeof(*rings->avail) + size * sizeof(rings->avail->ring[0]));
	rings->used = td_shared(td, q->device,
				sizeof(*rings->used) + size * sizeof(rings->used->ring[0]));
	return rings->table && rings->avail && rings->used;
}

bool virtio_take(struct virtio *virtio, unsigned int queue, struct virtio_chain *chain)
{
	struct virtio_queue *q = &virtio->queues[queue];
	struct rings rings;
	uint16_t head;

	if (!find_rings(virtio, q, &rings) ||
	    q->last_avail == __atomic_load_n(&rings.avail->idx, __ATOMIC_ACQUIRE))
		return false;
	head = rings.avail->ring[q->last_avail++ % q->size];
	*chain = (struct virtio_chain){rings.table, head, q->size, head, q->size};
	return true;
}

const struct vring_desc *virtio_next(struct virtio_chain *chain)
{
	const struct vring_desc *desc;

	if (!chain->left || chain->next >= chain->size)
		return NULL;
	desc = &chain->table[chain->next];
	chain->left = desc->flags & VRING_DESC_F_NEXT ? chain->left - 1 : 0;
	chain->next = desc->next;
	return desc;
}

void virtio_give(struct virtio *virtio, unsigned int queue, const struct virtio_chain *chain,
		 uint32_t written)
{
	struct virtio_queue *q = &virtio->queues[queue];
	struct vring_used_elem *elem;
	struct rings rings;

	if (!find_rings(virtio, q, &rings))
		return;
	elem = &rings.used->ring[rings.used->idx % q->size];
	elem->id = chain->head;
	elem->len = written;
	__atomic_store_n(&rings.used->idx, (uint16_t)(rings.used->idx + 1), __ATOMIC_RELEASE);
}

void virtio_interrupt(struct virtio *virtio, unsigned int queue)
{
	struct rings rings;

	if (!find_rings(virtio, &virtio->queues[queue], &rings) ||
	    rings.avail->flags & VRING_AVAIL_F_NO_INTERRUPT)
		return;
	virtio->isr |= 1;
	td_irq(virtio->td, virtio->kind->irq, true);
}

/* ---- registers ---- */

static void reset(struct virtio *virtio)
{
	virtio->feature_select = virtio->driver_feature_select = 0;
	virtio->driver_features = 0;
	virtio->isr = 0;
	virtio->queue_select = 0;
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++)
		virtio->queues[i] = (struct virtio_queue){.size = QUEUE_SIZE};
	td_irq(virtio->td, virtio->kind->irq, false);
}

void virtio_init(struct virtio *virtio, struct td *td, const struct virtio_kind *kind,
		 const void *device_config, size_t bytes)
{
	*virtio = (struct virtio){.td = td, .kind = kind};
	memcpy(virtio->device_config, device_config, bytes);
	fill_config(virtio);
	reset(virtio);
}

/* The one that the driver has selected; NULL: the device does not have it. */
static struct virtio_queue *selected(const struct virtio *virtio)
{
	return virtio->queue_select < virtio->kind->nr_queues ?
		       (struct virtio_queue *)&virtio->queues[virtio->queue_select] :
		       NULL;
}

static uint32_t half_of(uint64_t value, uint32_t nr)
{
	return nr < 2 ? (uint32_t)(value >> 32 * nr) : 0;
}

static uint32_t read_common(const struct virtio *virtio, unsigned int offset)
{
	const struct virtio_queue *q = selected(virtio);

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return virtio->feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return half_of(features(virtio), virtio->feature_select);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return virtio->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return half_of(virtio->driver_features, virtio->driver_feature_select);
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return VIRTIO_MSI_NO_VECTOR;
	case VIRTIO_PCI_COMMON_NUMQ:
		return virtio->kind->nr_queues;
	case VIRTIO_PCI_COMMON_STATUS:
		return virtio->status;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return virtio->queue_select;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return q ? q->size : 0;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return q ? q->enabled : 0;
	default:
		return 0; /* the notification offset, the generation */
	}
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
	*value = high ? (*value & 0xffffffffULL) | (uint64_t)half << 32 :
			(*value & ~0xffffffffULL) | half;
}

static void write_queue(struct virtio_queue *q, unsigned int offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (value && value <= QUEUE_SIZE)
			q->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		q->enabled = value == 1;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&q->desc, offset == VIRTIO_PCI_COMMON_Q_DESCHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&q->driver, offset == VIRTIO_PCI_COMMON_Q_AVAILHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&q->device, offset == VIRTIO_PCI_COMMON_Q_USEDHI, value);
		break;
	default:
		break;
	}
}

static void write_status(struct virtio *virtio, uint8_t value)
{
	virtio->status = value;
	if (!value)
		reset(virtio);
	else if (value & VIRTIO_CONFIG_S_FEATURES_OK && virtio->driver_features & ~features(virtio))
		virtio->status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
}

static void write_common(struct virtio *virtio, unsigned int offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		virtio->feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		virtio->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (virtio->driver_feature_select < 2)
			set_half(&virtio->driver_features, virtio->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		write_status(virtio, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		virtio->queue_select = (uint16_t)value;
		break;
	default:
		if (selected(virtio))
			write_queue(selected(virtio), offset, value);
	}
}

static uint32_t read_isr(struct virtio *virtio)
{
	uint8_t isr = virtio->isr;

	virtio->isr = 0;
	td_irq(virtio->td, virtio->kind->irq, false);
	return isr;
}

uint32_t virtio_read(struct virtio *virtio, unsigned int port)
{
	unsigned int offset = port - bar(virtio, 0);

	if (offset < sizeof(struct virtio_pci_common_cfg))
		return read_common(virtio, offset);
	return offset == AT_ISR ? read_isr(virtio) : 0;
}

void virtio_write(struct virtio *virtio, unsigned int port, uint32_t value)
{
	unsigned int offset = port - bar(virtio, 0);

	if (offset < sizeof(struct virtio_pci_common_cfg))
		write_common(virtio, offset, value);
	else if (offset == AT_NOTIFY && value < virtio->kind->nr_queues)
		virtio->kind->notified(virtio, value);
}

uint64_t virtio_mmio_read(struct virtio *virtio, uint64_t gpa, unsigned int size)
{
	uint64_t offset = gpa - bar(virtio, 1), value = 0;

	virtio->mmio_reads++;
	if (offset + size <= sizeof(virtio->device_config))
		memcpy(&value, virtio->device_config + offset, size);
	return value;
}
