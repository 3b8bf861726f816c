/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Health is what was confirmed: of each peer and direction by itself, with a reason
 * where it is not so. Nothing here is remembered but what was shown last.
 */
#ifndef CTS_SYNC_HEALTH_H
#define CTS_SYNC_HEALTH_H

#include "core/sync/engine.h"     /* CTS_DIFFERS_* */
#include "core/sync/peer.h"

#define CONFIRMED_NS (700 * MS)      /* older confirmations count for nothing */

/* NULL: the peer holds what this node owns; else why that is not sure. */
const char *health_holds_mine(const struct base *b, const struct sender *s,
			      const struct peers *ps, const struct peer *p);
/* NULL: this node holds what the peer owns. lacking: entries that its kernel lacks. */
const char *health_held_here(const struct base *b, const struct peer *p, uint64_t lacking);
/* Log a change of it. */
void health_show(struct base *b, const struct sender *s, const struct peers *ps, struct peer *p,
		 uint64_t lacking);
uint32_t health_differs(const struct base *b, const struct sender *s, const struct hello *h);
const char *health_differs_text(uint32_t differs);

#endif
