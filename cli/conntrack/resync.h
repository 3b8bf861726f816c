/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -E --resync: what events that were lost would have said is read from the table. */
#ifndef CONNTRACK_RESYNC_H
#define CONNTRACK_RESYNC_H

#include "core/kernel/events.h"

struct resync;
/* Read the table as it is. Events of src that come meanwhile go to fn, as do events
 * made of what they did not say. NULL and errno. */
struct resync *resync_open(struct cts_events *src, cts_batch_fn fn, void *ctx);
void resync_close(struct resync *r);   /* takes NULL */

/* Read what src has, as cts_events_read(). */
int resync_read(struct resync *r);
/* Hold the table against what is known if events were lost since it was last done,
 * at once or when it is time again. 1: done, 0: no need yet, -1 and errno. */
int resync_run(struct resync *r, bool at_once);
/* What that found. */
void resync_say(const struct resync *r);
/* Milliseconds until it has to be called again; -1: when there are events. */
int resync_wait_ms(const struct resync *r);

#endif
