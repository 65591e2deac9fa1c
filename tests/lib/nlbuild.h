/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink messages as the kernel would send them, built in memory. */
#ifndef TDX_LPAGE_TESTS_NLBUILD_H
#define TDX_LPAGE_TESTS_NLBUILD_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

struct nlbuild {
	union {
		char bytes[16384];
		struct nlmsghdr hdr;
	};
};

/* A generic netlink message of @type with command @cmd and no attribute yet. */
void nlb_start(struct nlbuild *b, uint16_t type, uint8_t cmd, uint32_t seq);
void nlb_raw(struct nlbuild *b, uint16_t type, const void *data, size_t len);
void nlb_u16(struct nlbuild *b, uint16_t type, uint16_t value);
void nlb_u32(struct nlbuild *b, uint16_t type, uint32_t value);
void nlb_u64(struct nlbuild *b, uint16_t type, uint64_t value);
void nlb_flag(struct nlbuild *b, uint16_t type);
void nlb_string(struct nlbuild *b, uint16_t type, const char *value);
/* Opens a nest; give the result to nlb_end(). */
size_t nlb_nest(struct nlbuild *b, uint16_t type);
void nlb_end(struct nlbuild *b, size_t nest);

/* NLMSG_ERROR (error 0: an ACK) with an extended ACK's text unless NULL. */
void nlb_error(struct nlbuild *b, uint32_t seq, int error, const char *text);
/* NLMSG_DONE. */
void nlb_done(struct nlbuild *b, uint32_t seq, int error);

/* nlctrl's description of a family, as answer or as event. @group_name NULL: no groups. */
void nlb_family(struct nlbuild *b, uint8_t cmd, uint32_t seq, uint16_t id, const char *name,
		const char *group_name, uint32_t group);

#endif
