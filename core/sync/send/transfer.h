/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of the table that are sent once more because a receiver pulled them: all of
 * it, or subtrees of the sums. A walk that yields entries when there is nothing more
 * urgent to send; nothing is queued. In ALARM mode also: everything, from time to time.
 */
#ifndef CTS_SYNC_TRANSFER_H
#define CTS_SYNC_TRANSFER_H

#include "core/sync/send/table.h"

#define TRANSFER_LEVEL 2u            /* of the subtrees */
#define TRANSFER_MAP (4096u / 8u)

struct selection {
	bool any, all;
	uint8_t map[TRANSFER_MAP];   /* without all: subtrees */
};

struct transfer {
	struct selection now, later; /* later: pulled while a walk was under way */
	uint64_t begin;              /* what was sent after it need not go again */
	uint32_t cursor;
	uint32_t candidate;          /* that the walk stands at; 0: go on */
	uint32_t refresh_cursor;     /* ALARM */
	uint64_t refresh_ns;
};

/* map NULL: all. last: the highest sequence number. */
void transfer_pull(struct transfer *x, const uint8_t *map, uint64_t last);
static inline bool transfer_active(const struct transfer *x)
{
	return x->now.any;
}
/* The next entry; 0: none in this step. *looked is raised by the entries looked at;
 * at most STEP_ENTRIES for each turn. last: the highest sequence number. */
uint32_t transfer_next(struct transfer *x, struct table *t, uint64_t last,
		       unsigned int *looked);
static inline void transfer_taken(struct transfer *x)
{
	x->candidate = 0;
}
void transfer_reset(struct transfer *x);
/* ALARM: every entry again within conf.refresh_s. */
void transfer_refresh(struct transfer *x, struct table *t, struct base *b);

#endif
