/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all parts of the engine share: configuration, callbacks, time, counters,
 * constants. It knows no part. doc/WIRE.md gives the reasons for the numbers.
 */
#ifndef CTS_SYNC_BASE_H
#define CTS_SYNC_BASE_H

#include "core/sync/types.h"

#define MS UINT64_C(1000000)         /* nanoseconds */
#define SECOND (1000 * MS)
#define NEVER UINT64_MAX

/* Numbers that the simulation also takes small ones of, so that they are met. */
#ifndef STEP_ENTRIES
#define STEP_ENTRIES 4096u           /* entries that one step looks at: below a millisecond */
#endif

#define SEQUENCE_MAX (UINT64_C(1) << 48)   /* entries have 48 bits for it */

struct base {
	struct cts_engine_conf conf;
	struct cts_engine_ops ops;
	void *ctx;
	uint64_t now;
	uint64_t epoch;              /* this node's, never 0 */
	uint32_t id, cluster;
	uint8_t hash_key[16];        /* of the caches' tables */
	struct cts_engine_stats st;
	const struct cts_faults *faults;   /* NULL but in the simulation */
};

static inline bool base_reliable(const struct base *b)
{
	return b->conf.mode == CTS_MODE_FTFW;
}

#endif
