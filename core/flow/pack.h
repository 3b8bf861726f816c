/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packed form of a flow: what caches hold and what goes on the wire. It
 * begins with the key, so that the key of a packed flow is a prefix of it, and
 * two flows are the same entry exactly when these bytes are equal. Attributes
 * follow, each with its tag, so that readers skip what they do not know. All
 * multi-byte fields are in network order; no padding, no alignment.
 *
 *   key        u8 flags    bit 0: IPv6; bit 1: a zone follows; others 0
 *              u8 protocol
 *              source, destination address: 4 or 16 bytes each
 *              l4:  tcp udp udplite sctp dccp   u16 sport, u16 dport
 *                   gre                         u16 source key, u16 destination key
 *                   icmp icmpv6                 u16 id, u8 type, u8 code
 *                   any other                   nothing
 *              u16 zone of the original direction, if flagged; never 0
 *
 *   attribute  u8 tag = type << 3 | class
 *              class 0..6: 0, 1, 2, 3, 4, 6 or 8 bytes of data follow;
 *              class 7: u8 length (none of these), then the data
 *
 * Types ascend, each at most once. An "int" is stored without its leading zero
 * bytes, in the smallest class that holds it (0 has no bytes).
 *
 *    1 status        int, at most 4 bytes      IPS_*
 *    2 timeout       int, 4                    seconds
 *    3 mark          int, 4
 *    4 tcp state     int, 1                    enum tcp_conntrack
 *    5 tcp flags     u8 original, u8 reply [, u8 mask original, u8 mask reply]
 *                    the masks only if one of them is not 0
 *    6 tcp wscale    u8 original, u8 reply
 *    7 sctp state    int, 1                    enum sctp_conntrack
 *    8 sctp vtag     u32 original, u32 reply
 *    9 dccp state    int, 1
 *   10 dccp role     int, 1
 *   11 dccp seq      int, 8
 *   12 reply source  what differs from the inverse of the original tuple:
 *                    [address] [u16 port, GRE key or ICMP id], at least one
 *   13 reply dest.   the same; the port of the destination (none with ICMP)
 *   14 reply icmp    u8 type, u8 code, where they are not those of the inverse
 *   15 no reply      nothing: the reply tuple is not known. Without 12 to 15 it
 *                    is the inverse of the original tuple
 *   16 zone kind     nothing: the key's zone is that of the original direction
 *                    alone. Without it, it is the zone of both
 *   17 reply zone    int, 2, not 0             zone of the reply direction alone
 *   18 labels        1 byte for 8 labels, label 0 is bit 0 of the first byte;
 *                    at most 16 bytes, zero bytes at the end left out
 *   19 helper        1 to 31 bytes, no NUL
 *   20 seqadj orig.  u32 position, u32 offset before, u32 offset after; no bytes
 *                    when all are 0
 *   21 seqadj reply  the same
 *   22 synproxy      u32 isn, u32 its, u32 tsoff; no bytes when all are 0
 *   23 master        the original tuple of the master, as a key without zone
 *   24 version       int, 4; never 0, and 1 is not stored: how often the entry was
 *                    changed or adopted, the newest wins. It belongs to the entry,
 *                    not to the flow: cts_flow_pack() does not write it, unpacking
 *                    checks and skips it, cts_packed_set_version() sets it. Nothing
 *                    that this version of the program knows follows it
 *   25..30 later     31 reserved for a longer form of the type
 *
 * Whatever a kernel can hold fits into CTS_PACK_MAX with a version: the longest is
 * TCP over IPv6 with everything, 242 bytes and 5.
 */
#ifndef CTS_FLOW_PACK_H
#define CTS_FLOW_PACK_H

#include <ctsync/flow.h>

#define CTS_PACK_KEY_MAX 48u
#define CTS_PACK_MAX 255u

/* A flow with room for its variable parts. It points into itself: do not copy
 * it by assignment. */
struct cts_flow_store {
	struct cts_flow flow;
	uint32_t labels[4];
	char helper[32];
};

/* Attributes that have a packed form; counters, times, id, use, secmark and
 * secctx have none (they cannot be restored), NAT ranges are in the reply. */
#define CTS_PACK_ATTRS                                                          \
	(CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |           \
	 CTS_FLOW_BIT(CTS_FLOW_MASTER) | CTS_FLOW_BIT(CTS_FLOW_STATUS) |        \
	 CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) | CTS_FLOW_BIT(CTS_FLOW_MARK) |         \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) |       \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | \
	 CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) | CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE) | \
	 CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) | CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG) | \
	 CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE) | \
	 CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ) | CTS_FLOW_BIT(CTS_FLOW_LABELS) |      \
	 CTS_FLOW_BIT(CTS_FLOW_HELPER) | CTS_FLOW_BIT(CTS_FLOW_SEQADJ_ORIG) |   \
	 CTS_FLOW_BIT(CTS_FLOW_SEQADJ_REPLY) | CTS_FLOW_BIT(CTS_FLOW_SYNPROXY))

/* The key alone. Returns its length, 0 with EINVAL when flow has no original tuple. */
size_t cts_flow_pack_key(const struct cts_flow *flow, uint8_t key[CTS_PACK_KEY_MAX]);

/* The flow, restricted to attrs; the original tuple and the zones are identity
 * and always in. Deterministic: equal content, equal bytes. A zone of 0 is the
 * same as none, labels are padded to 128. Returns the length, 0 with ENOSPC, or
 * EINVAL: no original tuple, or something that has no packed form. */
size_t cts_flow_pack(const struct cts_flow *flow, uint64_t attrs, uint8_t *buf, size_t size);

/* Length of the key that buf begins with; 0: malformed. */
size_t cts_packed_key_len(const uint8_t *buf, size_t len);

/* Unpack; every byte is checked, and only the one form that cts_flow_pack() makes
 * is accepted. A key alone is a flow whose reply is the inverse. unknown (may be
 * NULL) is raised by the number of attributes skipped. 0, or -1 with EBADMSG. */
int cts_flow_unpack(const uint8_t *buf, size_t len, struct cts_flow_store *store,
		    unsigned int *unknown);

/*
 * The version of an entry. The three read only tags and lengths, as they run on
 * every event; buf is what packing made or unpacking accepted (other bytes give a
 * result without meaning, but nothing beyond len is read).
 */
/* 1 when none is stored. */
uint32_t cts_packed_version(const uint8_t *buf, size_t len);
/* Length of what comes before the version: two entries have equal content when
 * these bytes are equal. Unknown attributes follow the version and do not count. */
size_t cts_packed_body_len(const uint8_t *buf, size_t len);
/* Replace the version, or add it. Returns the new length, 0 with ENOSPC, or EINVAL:
 * there is no version 0. */
size_t cts_packed_set_version(uint8_t *buf, size_t len, size_t size, uint32_t version);

/*
 * Merge an event into a known flow: what src has replaces, what it lacks stays
 * (kernel events are partial: absent = unchanged). The zones are one thing.
 * Variable parts are copied into dst; what dst has no room for (secctx, label
 * masks) is left out.
 */
void cts_flow_merge(struct cts_flow_store *dst, const struct cts_flow *src);

#endif
