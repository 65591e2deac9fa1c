// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include "net.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>

enum { RECEIVE, TRANSMIT };

#define HEAD	  sizeof(struct virtio_net_hdr_v1)
#define MAX_FRAME 1514 /* MTU 1500 */

/* Locally administered. */
static const uint8_t guest_mac[ETH_ALEN] = {0x52, 0x54, 0, 0, 0, 2};
static const uint8_t peer_mac[ETH_ALEN] = {0x52, 0x54, 0, 0, 0, 1};

struct frame {
	uint8_t bytes[HEAD + MAX_FRAME];
	size_t size; /* with the header of virtio */
};

static void swap(void *a, void *b, size_t size)
{
	uint8_t tmp[16];

	memcpy(tmp, a, size);
	memcpy(a, b, size);
	memcpy(b, tmp, size);
}

/* Makes the answer of a request for an address. */
static bool answer_arp(uint8_t *packet, size_t size)
{
	struct ether_arp *arp = (struct ether_arp *)packet;

	if (size < sizeof(*arp) || arp->ea_hdr.ar_op != htons(ARPOP_REQUEST))
		return false;
	arp->ea_hdr.ar_op = htons(ARPOP_REPLY);
	memcpy(arp->arp_tha, arp->arp_sha, ETH_ALEN);
	memcpy(arp->arp_sha, peer_mac, ETH_ALEN);
	swap(arp->arp_spa, arp->arp_tpa, sizeof(arp->arp_spa));
	return true;
}

/* Turns a datagram around. Its checksums stay what they are. */
static bool answer_ip(struct net *net, uint8_t *packet, size_t size)
{
	struct iphdr *ip = (struct iphdr *)packet;
	struct udphdr *udp = (struct udphdr *)(packet + sizeof(*ip));

	if (size < sizeof(*ip) + sizeof(*udp) || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return false;
	swap(&ip->saddr, &ip->daddr, sizeof(ip->saddr));
	swap(&udp->source, &udp->dest, sizeof(udp->source));
	net->echoed++;
	return true;
}

/* What the peer sends when it gets that frame; false: nothing. */
static bool answer(struct net *net, struct frame *frame)
{
	struct ethhdr *ethernet = (struct ethhdr *)(frame->bytes + HEAD);
	uint8_t *packet = (uint8_t *)(ethernet + 1);
	size_t size = frame->size - HEAD - sizeof(*ethernet);

	if (frame->size < HEAD + sizeof(*ethernet))
		return false;
	memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	memcpy(ethernet->h_source, peer_mac, ETH_ALEN);
	switch (ntohs(ethernet->h_proto)) {
	case ETH_P_ARP:
		return answer_arp(packet, size);
	case ETH_P_IP:
		return answer_ip(net, packet, size);
	default:
		return false;
	}
}

/* What the guest sends; too much of it is cut. */
static void collect(struct td *td, struct virtio_chain *chain, struct frame *frame)
{
	const struct vring_desc *desc;

	frame->size = 0;
	while ((desc = virtio_next(chain))) {
		size_t room = sizeof(frame->bytes) - frame->size;
		size_t size = desc->len < room ? desc->len : room;
		const void *data = td_shared(td, desc->addr, size);

		if (!data)
			return;
		memcpy(frame->bytes + frame->size, data, size);
		frame->size += size;
	}
}

/* Without a buffer of the guest, the frame is lost, as on any network. */
static void deliver(struct net *net, struct frame *frame)
{
	struct virtio_net_hdr_v1 head = {.num_buffers = 1};
	const struct vring_desc *desc;
	struct virtio_chain chain;
	size_t done = 0;

	if (!virtio_take(&net->virtio, RECEIVE, &chain))
		return;
	memcpy(frame->bytes, &head, sizeof(head));
	while (done < frame->size && (desc = virtio_next(&chain))) {
		size_t left = frame->size - done, size = desc->len < left ? desc->len : left;
		void *data = td_shared(net->virtio.td, desc->addr, size);

		if (!data)
			break;
		memcpy(data, frame->bytes + done, size);
		done += size;
	}
	virtio_give(&net->virtio, RECEIVE, &chain, (uint32_t)done);
	virtio_interrupt(&net->virtio, RECEIVE);
}

static void notified(struct virtio *virtio, unsigned int queue)
{
	struct net *net = (struct net *)virtio;
	struct virtio_chain chain;
	struct frame frame;
	bool any = false;

	if (queue != TRANSMIT)
		return;
	for (; virtio_take(virtio, TRANSMIT, &chain); any = true) {
		collect(virtio->td, &chain, &frame);
		virtio_give(virtio, TRANSMIT, &chain, 0);
		if (answer(net, &frame))
			deliver(net, &frame);
	}
	if (any)
		virtio_interrupt(virtio, TRANSMIT);
}

static const struct virtio_kind kind = {
	.device_id = VIRTIO_ID_NET,
	.pci_class = 0x0200, /* Ethernet */
	.features = 1ULL << VIRTIO_NET_F_MAC,
	.nr_queues = 2,
	.irq = 11,
	.ports = 0xc100,
	.mmio = 0xd0001000,
	.notified = notified,
};

void net_open(struct net *net, struct td *td)
{
	virtio_init(&net->virtio, td, &kind, guest_mac, sizeof(guest_mac));
}
