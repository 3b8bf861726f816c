/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packed form of a flow: what caches hold and what goes on the wire
 * (doc/WIRE.md has the bytes). It begins with the key: flags, protocol, original
 * tuple and the zone of the original direction, so that the key of a packed flow
 * is a prefix of it and two flows are the same entry exactly when these bytes
 * are equal. Attributes follow, each with its tag, so that readers skip what
 * they do not know. All multi-byte fields are in network order; no padding.
 */
#ifndef CTS_FLOW_PACK_H
#define CTS_FLOW_PACK_H

#include <ctsync/flow.h>

#define CTS_PACK_KEY_MAX 48u
#define CTS_PACK_MAX 255u

/* A flow with room for its variable parts. */
struct cts_flow_store {
	struct cts_flow flow;
	uint32_t labels[4];
	char helper[32];
};

/* Attributes that have a packed form; counters, times, id, use, secmark and
 * secctx have none (KERNEL.md: they cannot be restored). */
#define CTS_PACK_ATTRS  /* defined in full by pack.c's owner; see CTS_FLOW_* */ \
	(~UINT64_C(0))

/* The key alone. Returns its length, 0 with EINVAL when flow has no original tuple. */
size_t cts_flow_pack_key(const struct cts_flow *flow, uint8_t key[CTS_PACK_KEY_MAX]);

/* The flow, restricted to attrs. Deterministic: equal content, equal bytes.
 * Returns the length, 0 with ENOSPC or EINVAL. */
size_t cts_flow_pack(const struct cts_flow *flow, uint64_t attrs, uint8_t *buf, size_t size);

/* Length of the key that buf begins with; 0: malformed. */
size_t cts_packed_key_len(const uint8_t *buf, size_t len);

/* Unpack; every byte is checked. unknown (may be NULL) is raised by the number of
 * attributes skipped. 0, or -1 with EBADMSG. */
int cts_flow_unpack(const uint8_t *buf, size_t len, struct cts_flow_store *store,
		    unsigned int *unknown);

/*
 * Merge an event into a known flow: what src has replaces, what it lacks stays
 * (KERNEL.md: events are partial). Variable parts are copied into dst.
 */
void cts_flow_merge(struct cts_flow_store *dst, const struct cts_flow *src);

#endif
