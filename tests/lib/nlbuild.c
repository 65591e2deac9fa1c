// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lib/nlbuild.h"

#include <assert.h>
#include <linux/genetlink.h>
#include <string.h>

static void *extend(struct nlbuild *b, size_t len)
{
	void *at = b->bytes + b->hdr.nlmsg_len;

	assert(b->hdr.nlmsg_len + len <= sizeof(b->bytes));
	memset(at, 0, len);
	b->hdr.nlmsg_len += (uint32_t)len;
	return at;
}

void nlb_start(struct nlbuild *b, uint16_t type, uint8_t cmd, uint32_t seq)
{
	struct genlmsghdr *genl;

	memset(b, 0, sizeof(*b));
	b->hdr = (struct nlmsghdr){.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_seq = seq};
	genl = extend(b, GENL_HDRLEN);
	genl->cmd = cmd;
	genl->version = 1;
}

void nlb_raw(struct nlbuild *b, uint16_t type, const void *data, size_t len)
{
	struct nlattr *attr = extend(b, NLA_ALIGN(NLA_HDRLEN + len));

	attr->nla_type = type;
	attr->nla_len = (uint16_t)(NLA_HDRLEN + len);
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
}

void nlb_u16(struct nlbuild *b, uint16_t type, uint16_t value)
{
	nlb_raw(b, type, &value, sizeof(value));
}

void nlb_u32(struct nlbuild *b, uint16_t type, uint32_t value)
{
	nlb_raw(b, type, &value, sizeof(value));
}

void nlb_u64(struct nlbuild *b, uint16_t type, uint64_t value)
{
	nlb_raw(b, type, &value, sizeof(value));
}

void nlb_flag(struct nlbuild *b, uint16_t type)
{
	nlb_raw(b, type, NULL, 0);
}

void nlb_string(struct nlbuild *b, uint16_t type, const char *value)
{
	nlb_raw(b, type, value, strlen(value) + 1);
}

size_t nlb_nest(struct nlbuild *b, uint16_t type)
{
	size_t at = b->hdr.nlmsg_len;

	nlb_raw(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nlb_end(struct nlbuild *b, size_t nest)
{
	struct nlattr *attr = (void *)(b->bytes + nest);

	attr->nla_len = (uint16_t)(b->hdr.nlmsg_len - nest);
}

void nlb_error(struct nlbuild *b, uint32_t seq, int error, const char *text)
{
	struct nlmsgerr *err;

	memset(b, 0, sizeof(*b));
	b->hdr = (struct nlmsghdr){.nlmsg_len = NLMSG_HDRLEN,
				   .nlmsg_type = NLMSG_ERROR,
				   .nlmsg_flags = NLM_F_CAPPED,
				   .nlmsg_seq = seq};
	err = extend(b, sizeof(*err));
	err->error = error;
	err->msg.nlmsg_len = 64;
	if (!text)
		return;
	b->hdr.nlmsg_flags |= NLM_F_ACK_TLVS;
	nlb_string(b, NLMSGERR_ATTR_MSG, text);
}

void nlb_done(struct nlbuild *b, uint32_t seq, int error)
{
	memset(b, 0, sizeof(*b));
	b->hdr = (struct nlmsghdr){
		.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = NLMSG_DONE, .nlmsg_seq = seq};
	*(int *)extend(b, sizeof(int)) = error;
}

void nlb_family(struct nlbuild *b, uint8_t cmd, uint32_t seq, uint16_t id, const char *name,
		const char *group_name, uint32_t group)
{
	size_t groups, nest;

	nlb_start(b, GENL_ID_CTRL, cmd, seq);
	nlb_string(b, CTRL_ATTR_FAMILY_NAME, name);
	nlb_u16(b, CTRL_ATTR_FAMILY_ID, id);
	nlb_u32(b, CTRL_ATTR_VERSION, 1);
	if (!group_name)
		return;
	groups = nlb_nest(b, CTRL_ATTR_MCAST_GROUPS);
	nest = nlb_nest(b, 1);
	nlb_u32(b, CTRL_ATTR_MCAST_GRP_ID, group);
	nlb_string(b, CTRL_ATTR_MCAST_GRP_NAME, group_name);
	nlb_end(b, nest);
	nlb_end(b, groups);
}
