/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers to receivers that compare: sums of the nodes that they pulled, and what the
 * lists they sent show to differ. The walk over the table that lists need goes in
 * steps.
 */
#ifndef CTS_SYNC_ANSWER_H
#define CTS_SYNC_ANSWER_H

#include "core/sync/messages.h"
#include "core/sync/send/table.h"

#define LISTS_MAX 131072u            /* entries of lists that are worked on at once */
#define LISTS_WAIT_NS (20 * MS)      /* the last part of a list may be lost */

/* A listed entry: leaf, key part, low 24 bits of its sequence number. */
#define LISTED(leaf, key, seq) ((uint64_t)(leaf) << 48 | (uint64_t)(key) << 24 | ((seq) & 0xffffff))

enum lists_state { LISTS_NONE, LISTS_COMING, LISTS_WALK };

struct lists {
	enum lists_state state;
	uint64_t *item;              /* owned; sorted when the walk begins */
	uint32_t n, max;
	uint8_t *found;              /* owned; a bit for each item: it exists here */
	uint8_t leaves[CTS_SUMS_LEAVES / 8];   /* that were listed */
	uint64_t high;               /* highest sequence number that the lists know of */
	uint64_t due_ns;             /* the walk begins at the latest */
	uint32_t cursor;
};

struct answer {
	bool top;                    /* level 1 is wanted, all of it */
	unsigned int top_next;
	uint8_t below1[256 / 8];     /* level 2 is wanted below these nodes of level 1 */
	uint8_t below2[4096 / 8];    /* level 3 ... of level 2 */
	unsigned int below_n;        /* bits in both */
	struct lists lists;
	uint64_t *drop;              /* owned: LISTED(leaf, key, 0) of what does not exist */
	uint32_t drop_n, drop_max;
};

void answer_fini(struct answer *a);
void answer_reset(struct answer *a);
/* A PULL of sums or lists; in is what follows its fixed part. false: it is damaged. */
bool answer_pull(struct answer *a, const struct pull *p, struct cts_wire_in *in, uint64_t now);

/* Something is to be put into the next message. */
static inline bool answer_waiting(const struct answer *a)
{
	return a->top || a->below_n || a->drop_n;
}
static inline bool answer_busy(const struct answer *a)
{
	return a->lists.state != LISTS_NONE || a->drop_n;
}
void answer_put(struct answer *a, const struct table *t, struct base *b,
		struct cts_wire_out *out);
/* A step of the walk. true: at once again. */
bool answer_step(struct answer *a, struct table *t, struct base *b);
uint64_t answer_deadline(const struct answer *a);

#endif
