/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiving side of one node's stream: its messages in order of their sequence
 * numbers, what is missing, when to acknowledge, and the replica that comes of it.
 */
#ifndef CTS_SYNC_RECEIVER_H
#define CTS_SYNC_RECEIVER_H

#include "core/sync/recv/compare.h"
#include "core/sync/recv/gaps.h"
#include "core/sync/recv/reorder.h"
#include "core/sync/recv/replica.h"

#define REORDER_NS (10 * MS)         /* so long is waited for what is missing... */
#ifndef REORDER_MESSAGES             /* the simulation also takes few */
#define REORDER_MESSAGES 16u         /* ... or until so many have overtaken it */
#endif
#ifndef ACK_EVERY
#define ACK_EVERY 32u                /* messages */
#endif
#define ACK_NS (20 * MS)
#define ACK_GAPS_NS (50 * MS)        /* again, while gaps are open */
#ifndef AHEAD_MAX
#define AHEAD_MAX 4096u              /* no window is so far ahead of what was acknowledged */
#endif
#define AHEAD_LOSSY_MAX (1u << 20)   /* ... and without acknowledgements no outage is so long */
#define CHECKS 1024u                 /* messages whose checksums are remembered */

struct receiver {
	struct replica replica;
	struct compare compare;
	struct reorder reorder;
	struct gaps gaps;
	uint64_t start;              /* start sequence that the owner named; 0: none */
	uint64_t high;               /* applied, but for gaps */
	uint64_t moved;              /* the last message that settled gaps */
	uint64_t known_last;         /* without acknowledgements: the highest that was sent */
	uint64_t reorder_ns;         /* deadline of what is missing; NEVER: nothing is */
	unsigned int unacked;
	uint64_t ack_ns;             /* deadline; NEVER: nothing to acknowledge */
	struct cts_wire_in digest;   /* of the message that is being applied */
	uint64_t equal_at;           /* digests were equal here; 0: not since start */
	bool differs;                /* a digest was not equal since */
	uint64_t differs_ns;
	bool complete;               /* an equal digest was complete, in this epoch */
	bool lossy;                  /* messages were lost, and nobody repairs that */
	bool detached;               /* the owner does not wait for us now */
	bool pulls;                  /* differences are pulled (startup_resync, or asked for) */
	bool forked;                 /* two messages of one number: the owner was reverted, or copied */
	struct { uint32_t seq, sum; } check[CHECKS];   /* of what came last; seq 0: none */
	uint64_t gaps_opened;
};

int receiver_init(struct receiver *r, struct base *b, uint32_t node, struct applied *a);
void receiver_fini(struct receiver *r);
/* The owner is in a new epoch: nothing of its stream is known. */
void receiver_epoch(struct receiver *r, struct base *b, uint64_t epoch, bool lost);
/* The owner's window counts us in from start on; 0: it does not count us in now. What
 * comes is applied all the same, but what gets lost is not repaired. */
void receiver_start(struct receiver *r, struct base *b, uint64_t start);
/* The owner was reverted, or copied: it has to begin a new epoch. */
void receiver_fork(struct receiver *r, struct base *b);
/* A DATA message; sum: the checksum of all of it. */
void receiver_data(struct receiver *r, struct base *b, uint64_t seq, bool ack_now, uint32_t sum,
		   const uint8_t *body, size_t len);
/* A HELLO says what was sent last. */
void receiver_last(struct receiver *r, struct base *b, uint64_t last);
/* Do what is due. true: again at once. */
bool receiver_run(struct receiver *r, struct base *b);
/* An acknowledgement was sent. */
void receiver_acked(struct receiver *r, const struct base *b);
static inline bool receiver_ack_due(const struct receiver *r, const struct base *b)
{
	return r->ack_ns <= b->now;
}
/* Compare now, whatever digests say. */
void receiver_resync(struct receiver *r, const struct base *b);
/* Nothing is known to be missing here. */
bool receiver_holds(const struct receiver *r);

#endif
