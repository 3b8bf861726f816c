/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expectation record: one entry of the kernel's expectation table, decoded: a
 * connection that a helper foresees, because a master connection announced it.
 *
 * Expectations are allocated by the core, read-only for plugins, and grow only at the
 * end. Byte order is that of ctsync/flow.h. Numbers come from nfnetlink_conntrack.h
 * (enum ctattr_expect) and nf_conntrack_common.h (NF_CT_EXPECT_*).
 */
#ifndef CTS_EXPECT_H
#define CTS_EXPECT_H

#include <ctsync/flow.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is present: one bit each in struct cts_expect.present. */
enum cts_expect_attr {
	CTS_EXPECT_EXPECTED, /* expected */
	CTS_EXPECT_MASK,     /* mask */
	CTS_EXPECT_MASTER,   /* master */
	CTS_EXPECT_TIMEOUT,
	CTS_EXPECT_ZONE,
	CTS_EXPECT_FLAGS,
	CTS_EXPECT_CLASS,
	CTS_EXPECT_ID,
	CTS_EXPECT_HELPER,
	CTS_EXPECT_NAT, /* nat, nat_dir */
	CTS_EXPECT_FN,
	CTS_EXPECT_ATTR_MAX
};

struct cts_expect {
	uint64_t present;          /* CTS_EXPECT_BIT() of each attribute that is there */
	struct cts_tuple expected; /* the connection that is foreseen */
	struct cts_tuple mask;     /* which bits of it count */
	struct cts_tuple master;   /* original tuple of the connection that announced it */
	struct cts_tuple nat;      /* what the expected one is translated to */
	uint32_t nat_dir;          /* enum cts_dir */
	uint32_t timeout;          /* seconds left */
	uint32_t flags;            /* NF_CT_EXPECT_* */
	uint32_t class_id;         /* of the helper's classes */
	uint32_t id;
	uint16_t zone;
	uint16_t helper_len; /* without the NUL */
	uint16_t fn_len;
	const char *helper; /* lent, valid as long as the record */
	const char *fn;     /* the function that the kernel calls; the same */
};
#define CTS_EXPECT_BIT(attr) (UINT64_C(1) << (attr))

static inline bool cts_expect_has(const struct cts_expect *exp, enum cts_expect_attr attr)
{
	return exp->present & CTS_EXPECT_BIT(attr);
}

#ifdef __cplusplus
}
#endif
#endif /* CTS_EXPECT_H */
