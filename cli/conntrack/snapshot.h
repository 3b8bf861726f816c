/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a reader of -E knows of the table: the entries with what of them is printed,
 * but for what runs on by itself. Events change it; a dump that is held against it
 * tells what the reader was not told. No socket inside.
 */
#ifndef CONNTRACK_SNAPSHOT_H
#define CONNTRACK_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include <ctsync/event.h>

#include "core/flow/pack.h"
#include "core/kernel/events.h"

struct mirror_counts {
	uint64_t created, changed, gone;   /* that were not told by events */
};

struct mirror;
/* show is given what was not told, as whole flows in events of the kernel's kind.
 * NULL and errno. */
struct mirror *mirror_create(cts_batch_fn show, void *ctx);
void mirror_destroy(struct mirror *m);   /* takes NULL */

/* Events of the kernel, all of them and in order. */
void mirror_events(struct mirror *m, const struct cts_event *const *ev, size_t n);

/*
 * A dump of the whole table: begin before it is asked for, when all is read that the
 * kernel told before. Events that come between its chunks go to mirror_events().
 * quiet: the first; entries that no event has told of are not shown.
 */
void mirror_begin(struct mirror *m, bool quiet);
void mirror_dumped(struct mirror *m, const struct cts_event *const *ev, size_t n);

/* After its end: the next key that the kernel has to be asked for by itself, with
 * the number of the question. false: none is left, the dump is over. */
bool mirror_ask(struct mirror *m, struct cts_flow_store *key, uint64_t *question);
/* What the kernel answers now; NULL: it has no such entry. */
void mirror_answer(struct mirror *m, uint64_t question, const struct cts_flow *flow);

/* Of the last dump. */
const struct mirror_counts *mirror_counts(const struct mirror *m);
/* errno of the first entry that found no room, else 0. */
int mirror_error(const struct mirror *m);

#endif
