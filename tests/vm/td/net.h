/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio network card, at the other end of whose cable there is one host: it has every IPv4 address that is asked for, and
 * sends UDP datagrams back as they are. Virtio 1.2, section 5.1.
 */
#ifndef TD_NET_H
#define TD_NET_H

#include "virtio.h"

struct net {
	struct virtio virtio; /* the first member */
	uint64_t echoed;      /* datagrams */
};

void net_open(struct net *net, struct td *td);

#endif
