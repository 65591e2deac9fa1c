/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the bytes of a netlink message to the structs of link.h. Pure: no socket, no clock, no log.
 *
 * The kernel's message is not trusted: every attribute is checked for type, length and range, one
 * that may be there once must not be there twice, and nothing may be left over. Attributes that
 * are not known are skipped, a newer kernel may send them. Functions return 0 or -EBADMSG, and
 * -ENOMEM where they allocate; what they fill in is unspecified after an error.
 */
#ifndef TDX_LPAGE_NETLINK_PARSE_H
#define TDX_LPAGE_NETLINK_PARSE_H

#include <linux/netlink.h>

#include "daemon/link/link.h"

/* Room for the parts of a message of which there are many; grows, freed by lp_nl_scratch_free(). */
struct lp_nl_scratch {
	struct lp_region *regions;
	struct lp_result *results;
	struct lp_batch *batches;
	struct lp_probed *probed;
	size_t regions_room;
	size_t results_room;
	size_t batches_room;
	size_t probed_room;
};

void lp_nl_scratch_free(struct lp_nl_scratch *scratch);

/* What a message of the family's own says of its VM. */
struct lp_nl_changed {
	uint32_t vm_id;
	uint64_t generation;
};

/* What the answer to an operation says. */
struct lp_nl_reply {
	uint64_t cookie;
};

/* A generic netlink family as nlctrl describes it. */
struct lp_nl_family {
	uint16_t id;
	uint32_t version;
	char name[32];
	uint32_t group; /* id of the wanted multicast group, 0: the family has none of that name */
};

/* How a request ended: the payload of NLMSG_ERROR or NLMSG_DONE. */
struct lp_nl_end {
	int error;	/* 0 or negative errno */
	char text[160]; /* the extended ACK's words, "" for none */
};

/* Messages of the family: @hdr with its generic netlink header and attributes. */
int lp_nl_parse_vm(const struct nlmsghdr *hdr, struct lp_vm *ret);
int lp_nl_parse_vm_gone(const struct nlmsghdr *hdr, uint32_t *ret_vm_id);
int lp_nl_parse_changed(const struct nlmsghdr *hdr, struct lp_nl_changed *ret);
int lp_nl_parse_reply(const struct nlmsghdr *hdr, struct lp_nl_reply *ret);
int lp_nl_parse_policy_change(const struct nlmsghdr *hdr, struct lp_policy_change *ret);
/* The arrays in *@ret lie in @scratch, until its next use. */
int lp_nl_parse_regions(const struct nlmsghdr *hdr, struct lp_nl_scratch *scratch,
			struct lp_region_chunk *ret);
int lp_nl_parse_done(const struct nlmsghdr *hdr, struct lp_nl_scratch *scratch,
		     struct lp_done *ret);

/* A message of nlctrl; @group is the name of the multicast group whose id is wanted. */
int lp_nl_parse_family(const struct nlmsghdr *hdr, const char *group, struct lp_nl_family *ret);

/* NLMSG_ERROR, or NLMSG_DONE. */
int lp_nl_parse_end(const struct nlmsghdr *hdr, struct lp_nl_end *ret);

/* The command in the generic netlink header, or -EBADMSG when the message is too short. */
int lp_nl_command(const struct nlmsghdr *hdr);

/* A table of the decoder, and what of the family's specification it decodes. */
struct lp_nl_decoder {
	const char *set; /* the attribute set */
	const char *
		operation; /* whose reply or event it is; NULL: a nest, in which any attribute of the set can be */
	const struct lp_attr_table *table;
};

/* All of them, for the check against the specification; ends with a row without a set. */
extern const struct lp_nl_decoder lp_nl_decoders[];

#endif
