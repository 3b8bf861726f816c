/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the kernel, in the order that keeps the mirror right: each turn first the
 * events that are there, then one chunk of a dump, then single entries that the
 * mirror asks for. Dumps are made at start, after each loss of events and from
 * time to time, so that they never cost more than 1 % of a core.
 */
#ifndef CTS_NODE_READER_H
#define CTS_NODE_READER_H

#include "core/kernel/coalesce.h"
#include "core/kernel/events.h"
#include "core/pipeline/pipeline.h"
#include "core/runtime/loop.h"
#include "core/node/mirror.h"

struct cts_node_reader_conf {
	struct cts_loop *loop;         /* lent */
	struct cts_pipeline *pipeline; /* lent; gets all that is read */
	const struct cts_push *push;   /* lent, or NULL */
	const uint32_t *own_portids;   /* writers whose events are left out */
	unsigned int n_own_portids;
	size_t event_buffer; /* bytes */
	bool reliable;
	unsigned int poll_s;      /* dumps instead of events; 0: events */
	unsigned int reconcile_s; /* 0: only at start and after a loss */
	enum cts_coalesce_mode coalesce;
};

struct cts_node_reader;
struct cts_node_reader *
cts_node_reader_create(const struct cts_node_reader_conf *conf); /* NULL: logged */
void cts_node_reader_destroy(struct cts_node_reader *r);         /* takes NULL */

/* The mirror that dumps and gets are made for. Without one nothing is dumped. ready()
 * is called each time a whole reading of the table is over. */
void cts_node_reader_set_mirror(struct cts_node_reader *r, struct cts_mirror *m,
				void (*ready)(void *ctx), void *ctx);
/* An operation of the mirror: ask the kernel for one entry. ctx is the reader. */
void cts_node_reader_get(void *ctx, const struct cts_flow *key);

/* One turn. true: more to do at once. */
bool cts_node_reader_turn(struct cts_node_reader *r);
/* Compare with the kernel's table as soon as possible. */
void cts_node_reader_reconcile(struct cts_node_reader *r);
/* The mirror was emptied: read the whole table as at the start; ready() follows again. */
void cts_node_reader_restart(struct cts_node_reader *r);

/* While a commit creates entries: suppress NEW events, which is a third of the
 * kernel's work for each; what is missed comes with the dump that follows. */
void cts_node_reader_suppress_new(struct cts_node_reader *r, bool on);

struct cts_node_reader_stats {
	struct cts_events_stats events;
	uint64_t lost;   /* events, exact */
	uint64_t losses; /* times that some were lost */
	uint64_t reconciliations, broken_dumps, gets;
	uint64_t malformed_dump;
	size_t buffer_size;
	struct cts_follow_stats follow;
	bool dumping, ready;
	uint64_t next_ms; /* until the next reconciliation */
};
void cts_node_reader_get_stats(struct cts_node_reader *r, struct cts_node_reader_stats *st);

#endif
