/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a reader of -E knows of the table: the entries with what of them is printed,
 * but for what runs on by itself. Events change it; where a dump or an answer of the
 * kernel differs, the reader is shown what no event said. It is the store of a table
 * follower (core/follow/follow.h). No socket inside.
 */
#ifndef CONNTRACK_SNAPSHOT_H
#define CONNTRACK_SNAPSHOT_H

#include "core/follow/follow.h"
#include "core/kernel/events.h"

struct snapshot_counts {
	uint64_t created, changed, gone;   /* of which no event said so */
};

struct snapshot_conf {
	/* Is given what no event said, as whole flows in events of the kernel's kind. */
	cts_batch_fn show;
	/* The follower's question. */
	void (*get)(void *ctx, const struct cts_flow *key);
	void *ctx;
};

struct snapshot;
struct snapshot *snapshot_create(const struct snapshot_conf *conf);   /* NULL, errno */
void snapshot_destroy(struct snapshot *s);                            /* takes NULL */
struct cts_follow *snapshot_follow(struct snapshot *s);

/* Events of the kernel, all of them and in order, and what dumps and answers say. */
void snapshot_consume(struct snapshot *s, const struct cts_event *const *ev, size_t n);

/* The counters start over. quiet: entries that are not known are not shown: the first
 * dump, until it is over. */
void snapshot_begin(struct snapshot *s, bool quiet);
void snapshot_end(struct snapshot *s);

/* Since it was last begun. */
const struct snapshot_counts *snapshot_counts(const struct snapshot *s);
/* errno of the first entry that found no room, else 0. */
int snapshot_error(const struct snapshot *s);

#endif
