/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio disk. Virtio 1.2, section 5.2. */
#ifndef TD_DISK_H
#define TD_DISK_H

#include "virtio.h"

struct disk {
	struct virtio virtio; /* the first member */
	int fd;
	uint64_t sectors;
};

/* @path: a file of whole sectors. */
void disk_open(struct disk *disk, struct td *td, const char *path);

#endif
