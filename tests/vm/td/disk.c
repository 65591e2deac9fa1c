// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512ULL

/* The sum of what was moved; negative errno. */
static int64_t transfer(struct disk *disk, const struct vring_desc *desc, bool write,
			uint64_t offset)
{
	void *data = td_shared(disk->virtio.td, desc->addr, desc->len);
	ssize_t r;

	if (!data)
		return -EFAULT;
	if (offset > disk->sectors * SECTOR || desc->len > disk->sectors * SECTOR - offset)
		return -ERANGE;
	r = write ? pwrite(disk->fd, data, desc->len, (off_t)offset) :
		    pread(disk->fd, data, desc->len, (off_t)offset);
	return r < 0 ? -errno : r;
}

/* Head, data, status. Returns the bytes that were written to the guest. */
static uint32_t serve(struct disk *disk, struct virtio_chain *chain)
{
	struct td *td = disk->virtio.td;
	const struct vring_desc *desc = virtio_next(chain);
	struct virtio_blk_outhdr *head = desc ? td_shared(td, desc->addr, sizeof(*head)) : NULL;
	uint8_t result = VIRTIO_BLK_S_OK, *status;
	uint64_t offset;
	uint32_t written = 0;

	if (!head || desc->len < sizeof(*head))
		return 0;
	offset = head->sector * SECTOR;
	while ((desc = virtio_next(chain)) && chain->left) {
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
	status = desc ? td_shared(td, desc->addr, 1) : NULL;
	if (!status)
		return written;
	*status = result;
	return written + 1;
}

static void notified(struct virtio *virtio, unsigned int queue)
{
	struct virtio_chain chain;
	bool any = false;

	for (; virtio_take(virtio, queue, &chain); any = true)
		virtio_give(virtio, queue, &chain, serve((struct disk *)virtio, &chain));
	if (any)
		virtio_interrupt(virtio, queue);
}

static const struct virtio_kind kind = {
	.device_id = VIRTIO_ID_BLOCK,
	.pci_class = 0x0180, /* mass storage, other */
	.features = 1ULL << VIRTIO_BLK_F_FLUSH,
	.nr_queues = 1,
	.irq = 10,
	.ports = 0xc000,
	.mmio = 0xd0000000,
	.notified = notified,
};

void disk_open(struct disk *disk, struct td *td, const char *path)
{
	struct stat st;

	disk->fd = open(path, O_RDWR | O_CLOEXEC);
	if (disk->fd < 0 || fstat(disk->fd, &st) < 0)
		die("%s: %s", path, strerror(errno));
	disk->sectors = (uint64_t)st.st_size / SECTOR;
	virtio_init(&disk->virtio, td, &kind, &disk->sectors, sizeof(disk->sectors));
}
