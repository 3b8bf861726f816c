/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctnetlink message -> expectation record and back. */
#include "config.h"

#include <errno.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "core/flow/build.h"
#include "core/flow/expect.h"
#include "core/flow/walk.h"

static bool decode_nat(struct payload p, struct cts_expect *exp)
{
	struct walk w = walk_payload(p);
	bool ok = true, tuple = false;
	int type;

	exp->nat_dir = CTS_DIR_ORIG;
	while (ok && (type = walk_next(&w)) >= 0) {
		if (type == CTA_EXPECT_NAT_DIR)
			ok = get_u32(w.payload, &exp->nat_dir);
		else if (type == CTA_EXPECT_NAT_TUPLE)
			tuple = ok = cts_tuple_decode(w.payload, &exp->nat, NULL, NULL);
	}
	return ok && tuple && !w.bad;
}

/* One attribute; gives its bit, -1: damaged, CTS_EXPECT_ATTR_MAX: none of ours. */
static int decode_attr(int type, struct payload p, struct cts_expect *exp)
{
	switch (type) {
	case CTA_EXPECT_TUPLE:
		return cts_tuple_decode(p, &exp->expected, NULL, NULL) ? CTS_EXPECT_EXPECTED : -1;
	case CTA_EXPECT_MASK:
		return cts_tuple_decode(p, &exp->mask, NULL, NULL) ? CTS_EXPECT_MASK : -1;
	case CTA_EXPECT_MASTER:
		return cts_tuple_decode(p, &exp->master, NULL, NULL) ? CTS_EXPECT_MASTER : -1;
	case CTA_EXPECT_TIMEOUT:
		return get_u32(p, &exp->timeout) ? CTS_EXPECT_TIMEOUT : -1;
	case CTA_EXPECT_ZONE:
		return get_u16(p, &exp->zone) ? CTS_EXPECT_ZONE : -1;
	case CTA_EXPECT_FLAGS:
		return get_u32(p, &exp->flags) ? CTS_EXPECT_FLAGS : -1;
	case CTA_EXPECT_CLASS:
		return get_u32(p, &exp->class_id) ? CTS_EXPECT_CLASS : -1;
	case CTA_EXPECT_ID:
		return get_u32(p, &exp->id) ? CTS_EXPECT_ID : -1;
	case CTA_EXPECT_HELP_NAME:
		return get_string(p, &exp->helper, &exp->helper_len) ? CTS_EXPECT_HELPER : -1;
	case CTA_EXPECT_NAT:
		return decode_nat(p, exp) ? CTS_EXPECT_NAT : -1;
	case CTA_EXPECT_FN:
		return get_string(p, &exp->fn, &exp->fn_len) ? CTS_EXPECT_FN : -1;
	default:
		return CTS_EXPECT_ATTR_MAX;
	}
}

int cts_expect_decode(const struct nlmsghdr *nlh, struct cts_expect *exp)
{
	const size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	uint64_t present = 0;
	struct walk w;
	int type, bit;

	exp->present = 0;
	if (nlh->nlmsg_len < fixed)
		goto bad;
	w = walk_payload((struct payload){ (const uint8_t *)nlh + fixed, nlh->nlmsg_len - fixed });
	while ((type = walk_next(&w)) >= 0) {
		bit = decode_attr(type, w.payload, exp);
		if (bit < 0)
			goto bad;
		if (bit < CTS_EXPECT_ATTR_MAX)
			present |= CTS_EXPECT_BIT(bit);
	}
	if (w.bad)
		goto bad;
	exp->present = present;
	return 0;
bad:
	errno = EBADMSG;
	return -1;
}

static void put_numbers(struct build *b, const struct cts_expect *exp, uint64_t attrs)
{
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_TIMEOUT))
		put_u32(b, CTA_EXPECT_TIMEOUT, exp->timeout);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_ID))
		put_u32(b, CTA_EXPECT_ID, exp->id);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_ZONE))
		put_u16(b, CTA_EXPECT_ZONE, exp->zone);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_FLAGS))
		put_u32(b, CTA_EXPECT_FLAGS, exp->flags);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_CLASS))
		put_u32(b, CTA_EXPECT_CLASS, exp->class_id);
}

static void put_nat(struct build *b, const struct cts_expect *exp)
{
	size_t nest = nest_open(b, CTA_EXPECT_NAT);

	put_u32(b, CTA_EXPECT_NAT_DIR, exp->nat_dir);
	cts_tuple_encode(b, CTA_EXPECT_NAT_TUPLE, &exp->nat, NULL);
	nest_close(b, nest);
}

int cts_expect_encode(struct nlmsghdr *nlh, size_t size, const struct cts_expect *exp,
		      uint64_t attrs)
{
	struct build b = { .base = (uint8_t *)nlh, .len = nlh->nlmsg_len, .size = size };

	if (b.len > size)
		goto full;
	attrs &= exp->present;
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_MASTER))
		cts_tuple_encode(&b, CTA_EXPECT_MASTER, &exp->master, NULL);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_EXPECTED))
		cts_tuple_encode(&b, CTA_EXPECT_TUPLE, &exp->expected, NULL);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_MASK))
		cts_tuple_encode(&b, CTA_EXPECT_MASK, &exp->mask, NULL);
	put_numbers(&b, exp, attrs);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_HELPER))
		put_string(&b, CTA_EXPECT_HELP_NAME, exp->helper, exp->helper_len);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_NAT))
		put_nat(&b, exp);
	if (attrs & CTS_EXPECT_BIT(CTS_EXPECT_FN))
		put_string(&b, CTA_EXPECT_FN, exp->fn, exp->fn_len);
	if (b.full)
		goto full;
	nlh->nlmsg_len = (uint32_t)b.len;
	return 0;
full:
	errno = ENOSPC;
	return -1;
}
