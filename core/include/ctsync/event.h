/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events and batches: what flows from sources through filters to consumers. */
#ifndef CTS_EVENT_H
#define CTS_EVENT_H

#include <ctsync/expect.h>
#include <ctsync/flow.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cts_event_type { CTS_EVENT_NEW, CTS_EVENT_UPDATE, CTS_EVENT_DESTROY, CTS_EVENT_TYPE_MAX };

enum cts_origin {
	CTS_ORIGIN_KERNEL,  /* a kernel event; flows may be partial: absent = unchanged */
	CTS_ORIGIN_DUMP,    /* an entry of a kernel dump, whole */
	CTS_ORIGIN_PEER,    /* received from the node `node` */
	CTS_ORIGIN_COMMAND, /* typed or loaded by a user */
	CTS_ORIGIN_MAX
};

/* Allocated by the core, read-only for plugins, grows only at the end. */
struct cts_event {
	uint8_t type;   /* enum cts_event_type */
	uint8_t origin; /* enum cts_origin */
	uint16_t reserved;
	uint32_t portid;                 /* netlink port of who caused it, 0: the kernel itself */
	uint32_t node;                   /* CTS_ORIGIN_PEER: id of the node */
	uint32_t raw_len;                /* bytes of raw */
	uint64_t time_ns;                /* CLOCK_REALTIME when it was read; one reading a batch */
	const struct cts_flow *flow;     /* lent; NULL for an expectation */
	const struct cts_expect *expect; /* lent; NULL for a flow */
	const void *raw;                 /* the netlink message (struct nlmsghdr), or NULL; lent */
};

/*
 * A batch lends n events for one call. Filters set bits in drop, consumers skip
 * events whose bit is set. Batches hold at most CTS_BATCH_MAX events.
 */
#define CTS_BATCH_MAX 1024u

struct cts_batch {
	size_t size; /* of this struct, in bytes */
	size_t n;
	const struct cts_event *const *ev; /* n pointers */
	uint64_t *drop;                    /* (n + 63) / 64 words; bit i: refused */
};

static inline bool cts_batch_dropped(const struct cts_batch *b, size_t i)
{
	return b->drop[i / 64] >> (i % 64) & 1;
}

static inline void cts_batch_drop(const struct cts_batch *b, size_t i)
{
	b->drop[i / 64] |= UINT64_C(1) << (i % 64);
}

/* for each event that no filter refused */
#define cts_batch_for_each(i, event, batch)                                     \
	for ((i) = 0; (i) < (batch)->n && ((event) = (batch)->ev[i], 1); (i)++) \
		if (!cts_batch_dropped(batch, i))

#ifdef __cplusplus
}
#endif
#endif /* CTS_EVENT_H */
