// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR	     512ULL
#define QUEUE_SIZE   64
#define CAPABILITIES 0x40

/* Offsets in the BAR of ports. */
enum { AT_COMMON = 0, AT_NOTIFY = 0x40, AT_ISR = 0x50 };

#define FEATURES                                                                                   \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM | 1ULL << VIRTIO_BLK_F_FLUSH)

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

/* ---- PCI configuration space ---- */

static void add_capability(struct disk *disk, unsigned int nr, uint8_t type, uint8_t bar,
			   uint32_t offset, uint32_t length)
{
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

	memcpy(disk->config + CAPABILITIES + nr * sizeof(cap), &cap, sizeof(cap));
}

static void fill_config(struct disk *disk)
{
	uint8_t *config = disk->config;

	put(config + PCI_VENDOR_ID, 0x1af4, 2);
	put(config + PCI_DEVICE_ID, 0x1042, 2); /* virtio 1.x, block */
	put(config + PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(config + PCI_REVISION_ID, 1, 1);
	put(config + PCI_CLASS_DEVICE, 0x0180, 2); /* mass storage, other */
	put(config + PCI_BASE_ADDRESS_0, 0xc000 | PCI_BASE_ADDRESS_SPACE_IO, 4);
	put(config + PCI_BASE_ADDRESS_1, 0xd0000000, 4);
	put(config + PCI_SUBSYSTEM_VENDOR_ID, 0x1af4, 2);
	put(config + PCI_SUBSYSTEM_ID, 0x1042, 2);
	put(config + PCI_CAPABILITY_LIST, CAPABILITIES, 1);
	put(config + PCI_INTERRUPT_LINE, DISK_IRQ, 1);
	put(config + PCI_INTERRUPT_PIN, 1, 1);
	add_capability(disk, 0, VIRTIO_PCI_CAP_COMMON_CFG, 0, AT_COMMON,
		       sizeof(struct virtio_pci_common_cfg));
	add_capability(disk, 1, VIRTIO_PCI_CAP_NOTIFY_CFG, 0, AT_NOTIFY, 4);
	add_capability(disk, 2, VIRTIO_PCI_CAP_ISR_CFG, 0, AT_ISR, 1);
	add_capability(disk, 3, VIRTIO_PCI_CAP_DEVICE_CFG, 1, 0, 8);
}

void disk_open(struct disk *disk, struct td *td, const char *path)
{
	struct stat st;

	*disk = (struct disk){
		.td = td, .fd = open(path, O_RDWR | O_CLOEXEC), .queue_size = QUEUE_SIZE};
	if (disk->fd < 0 || fstat(disk->fd, &st) < 0)
		die("%s: %s", path, strerror(errno));
	disk->sectors = (uint64_t)st.st_size / SECTOR;
	fill_config(disk);
}

/* The two BARs: size, and the bits that say what they are. */
static const struct {
	uint32_t size, kind, space;
} bars[] = {
	{DISK_PORTS, PCI_BASE_ADDRESS_SPACE_IO, 0xffff},
	{DISK_MMIO_SIZE, PCI_BASE_ADDRESS_SPACE_MEMORY, ~0U},
};

/* Its number, or -1. */
static int bar_at(unsigned int offset)
{
	return offset == PCI_BASE_ADDRESS_0 ? 0 : offset == PCI_BASE_ADDRESS_1 ? 1 : -1;
}

static uint32_t bar(const struct disk *disk, int nr)
{
	return get(disk->config + PCI_BASE_ADDRESS_0 + 4 * nr, 4) & ~(bars[nr].size - 1);
}

uint32_t disk_config_read(const struct disk *disk, unsigned int offset, unsigned int size)
{
	int nr = bar_at(offset);

	if (nr >= 0 && disk->sizing[nr])
		return ~(bars[nr].size - 1) | bars[nr].kind;
	return offset + size <= sizeof(disk->config) ? get(disk->config + offset, size) : ~0U;
}

/* Only what the guest's PCI code has to change can be changed. */
void disk_config_write(struct disk *disk, unsigned int offset, uint32_t value, unsigned int size)
{
	int nr = bar_at(offset);

	if (nr >= 0 && size == 4) {
		disk->sizing[nr] = value == ~0U;
		if (!disk->sizing[nr])
			put(disk->config + offset,
			    (value & bars[nr].space & ~(bars[nr].size - 1)) | bars[nr].kind, 4);
	} else if ((offset == PCI_COMMAND && size == 2) ||
		   (offset == PCI_INTERRUPT_LINE && size == 1)) {
		put(disk->config + offset, value, size);
	}
}

bool disk_has_port(const struct disk *disk, unsigned int port)
{
	return get(disk->config + PCI_COMMAND, 2) & PCI_COMMAND_IO &&
	       port - bar(disk, 0) < DISK_PORTS;
}

/* ---- requests ---- */

static void interrupt(struct disk *disk)
{
	disk->isr |= 1;
	td_irq(disk->td, DISK_IRQ, true);
}

/* The sum of what was moved; negative errno. */
static int64_t transfer(struct disk *disk, const struct vring_desc *desc, bool write,
			uint64_t offset)
{
	void *data = td_shared(disk->td, desc->addr, desc->len);
	ssize_t r;

	if (!data)
		return -EFAULT;
	if (offset > disk->sectors * SECTOR || desc->len > disk->sectors * SECTOR - offset)
		return -ERANGE;
	r = write ? pwrite(disk->fd, data, desc->len, (off_t)offset) :
		    pread(disk->fd, data, desc->len, (off_t)offset);
	return r < 0 ? -errno : r;
}

struct chain {
	const struct vring_desc *table;
	uint16_t size, next, left; /* of descriptors, so that a circle ends */
};

static const struct vring_desc *next_desc(struct chain *chain)
{
	const struct vring_desc *desc;

	if (!chain->left || chain->next >= chain->size)
		return NULL;
	desc = &chain->table[chain->next];
	chain->left = desc->flags & VRING_DESC_F_NEXT ? chain->left - 1 : 0;
	chain->next = desc->next;
	return desc;
}

/* Head, data, status. Returns the bytes that were written to the guest. */
static uint32_t serve(struct disk *disk, struct chain *chain)
{
	const struct vring_desc *desc = next_desc(chain);
	struct virtio_blk_outhdr *head = desc ? td_shared(disk->td, desc->addr, sizeof(*head)) :
						NULL;
	uint8_t result = VIRTIO_BLK_S_OK, *status;
	uint64_t offset;
	uint32_t written = 0;

	if (!head || desc->len < sizeof(*head))
		return 0;
	offset = head->sector * SECTOR;
	while ((desc = next_desc(chain)) && chain->left) {
		int64_t r = transfer(disk, desc, head->type == VIRTIO_BLK_T_OUT, offset);

		if (r < 0)
			result = VIRTIO_BLK_S_IOERR;
		offset += desc->len;
		written += desc->flags & VRING_DESC_F_WRITE ? desc->len : 0;
	}
	if (head->type == VIRTIO_BLK_T_FLUSH)
		result = fdatasync(disk->fd) < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	else if (head->type != VIRTIO_BLK_T_IN && head->type != VIRTIO_BLK_T_OUT)
		result = VIRTIO_BLK_S_UNSUPP;
	status = desc ? td_shared(disk->td, desc->addr, 1) : NULL;
	if (!status)
		return written;
	*status = result;
	return written + 1;
}

static void run_queue(struct disk *disk)
{
	uint16_t size = disk->queue_size;
	struct vring_desc *table = td_shared(disk->td, disk->desc, size * sizeof(*table));
	struct vring_avail *avail =
		td_shared(disk->td, disk->driver, sizeof(*avail) + size * sizeof(avail->ring[0]));
	struct vring_used *used =
		td_shared(disk->td, disk->device, sizeof(*used) + size * sizeof(used->ring[0]));
	bool any = false;

	if (!disk->queue_enabled || !table || !avail || !used)
		return;
	for (; disk->last_avail != __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
	     disk->last_avail++) {
		struct chain chain = {table, size, avail->ring[disk->last_avail % size], size};
		struct vring_used_elem *elem = &used->ring[used->idx % size];

		elem->id = chain.next;
		elem->len = serve(disk, &chain);
		__atomic_store_n(&used->idx, (uint16_t)(used->idx + 1), __ATOMIC_RELEASE);
		any = true;
	}
	if (any && !(avail->flags & VRING_AVAIL_F_NO_INTERRUPT))
		interrupt(disk);
}

/* ---- registers ---- */

static void reset(struct disk *disk)
{
	disk->feature_select = disk->driver_feature_select = 0;
	disk->driver_features = 0;
	disk->isr = 0;
	disk->queue_size = QUEUE_SIZE;
	disk->queue_enabled = disk->last_avail = 0;
	disk->desc = disk->driver = disk->device = 0;
	td_irq(disk->td, DISK_IRQ, false);
}

static uint32_t read_common(const struct disk *disk, unsigned int offset)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return disk->feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return disk->feature_select < 2 ?
			       (uint32_t)(FEATURES >> 32 * disk->feature_select) :
			       0;
	case VIRTIO_PCI_COMMON_GFSELECT:
		return disk->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return disk->driver_feature_select < 2 ?
			       (uint32_t)(disk->driver_features >>
					  32 * disk->driver_feature_select) :
			       0;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return VIRTIO_MSI_NO_VECTOR;
	case VIRTIO_PCI_COMMON_NUMQ:
		return 1;
	case VIRTIO_PCI_COMMON_STATUS:
		return disk->status;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return disk->queue_size;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return disk->queue_enabled;
	default:
		return 0; /* the queue's number, its notification offset, the generation */
	}
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
	*value = high ? (*value & 0xffffffffULL) | (uint64_t)half << 32 :
			(*value & ~0xffffffffULL) | half;
}

static void write_common(struct disk *disk, unsigned int offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		disk->feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		disk->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (disk->driver_feature_select < 2)
			set_half(&disk->driver_features, disk->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		disk->status = (uint8_t)value;
		if (!value)
			reset(disk);
		else if (value & VIRTIO_CONFIG_S_FEATURES_OK && disk->driver_features & ~FEATURES)
			disk->status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
		break;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (value && value <= QUEUE_SIZE)
			disk->queue_size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		disk->queue_enabled = value == 1;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&disk->desc, offset == VIRTIO_PCI_COMMON_Q_DESCHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&disk->driver, offset == VIRTIO_PCI_COMMON_Q_AVAILHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&disk->device, offset == VIRTIO_PCI_COMMON_Q_USEDHI, value);
		break;
	default:
		break;
	}
}

static uint32_t read_isr(struct disk *disk)
{
	uint8_t isr = disk->isr;

	disk->isr = 0;
	td_irq(disk->td, DISK_IRQ, false);
	return isr;
}

uint32_t disk_read(struct disk *disk, unsigned int port)
{
	unsigned int offset = port - bar(disk, 0);

	if (offset < sizeof(struct virtio_pci_common_cfg))
		return read_common(disk, offset);
	return offset == AT_ISR ? read_isr(disk) : 0;
}

uint64_t disk_mmio_read(struct disk *disk, uint64_t gpa, unsigned int size)
{
	uint64_t offset = gpa - bar(disk, 1), value = 0;
	uint8_t capacity[8];

	if (!(get(disk->config + PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) || offset >= DISK_MMIO_SIZE)
		return ~0ULL;
	disk->mmio_reads++;
	put(capacity, disk->sectors, sizeof(capacity));
	if (offset + size <= sizeof(capacity))
		memcpy(&value, capacity + offset, size);
	return value;
}

void disk_write(struct disk *disk, unsigned int port, uint32_t value)
{
	unsigned int offset = port - bar(disk, 0);

	if (offset < sizeof(struct virtio_pci_common_cfg))
		write_common(disk, offset, value);
	else if (offset == AT_NOTIFY)
		run_queue(disk);
}
