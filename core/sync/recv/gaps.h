/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges of sequence numbers that are missing from a stream. When there are more
 * than can be listed, the two closest neighbours become one range: what lies
 * between them is sent once more, which does no harm.
 */
#ifndef CTS_SYNC_GAPS_H
#define CTS_SYNC_GAPS_H

#include <stdbool.h>
#include <stdint.h>

#ifndef GAPS_MAX                     /* the simulation also runs with few */
#define GAPS_MAX 64u
#endif

struct cts_range {
	uint64_t from, to;           /* both inclusive */
};

struct gaps {
	struct cts_range range[GAPS_MAX];   /* ascending, never touching */
	unsigned int n;
	uint64_t since_ns;           /* when there was none the last time; valid while n */
};

/* from..to is missing; from is above every range that is there. Returns false when
 * ranges had to be merged. */
bool gaps_open(struct gaps *g, uint64_t from, uint64_t to, uint64_t now_ns);
/* Everything below floor is settled. Returns how many ranges that closed. */
unsigned int gaps_settle(struct gaps *g, uint64_t floor);
void gaps_clear(struct gaps *g);

#endif
