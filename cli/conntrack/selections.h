/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many selections at once: which of them an entry fulfils is found without trying
 * each. Selections that look at the same fields, under the same masks, share a hash
 * table over what they want there, so that the cost for an entry is that of the
 * different shapes of selections, not of their number. What has no place in a hash
 * (status, labels, states) is compared for those that are found.
 */
#ifndef CONNTRACK_SELECTIONS_H
#define CONNTRACK_SELECTIONS_H

#include "cli/conntrack/conntrack.h"

struct selections;

struct selections *selections_create(void);           /* NULL: not enough memory */
void selections_destroy(struct selections *s);         /* takes NULL */
/* cl is copied, but what it borrows is not looked at later. 0, or -1 and errno. */
int selections_add(struct selections *s, const struct cmdline *cl);
void selections_clear(struct selections *s);
size_t selections_count(const struct selections *s);
const struct cmdline *selections_get(const struct selections *s, size_t i);
bool selections_match(const struct selections *s, const struct cts_flow *flow);
/* Those that the entry fulfils, in the order in which they were added; *list lasts
 * until the next call. Returns their number. */
size_t selections_find(struct selections *s, const struct cts_flow *flow,
		       const struct cmdline *const **list);

/* Refuses what fulfils none; priv is the struct selections. */
extern const struct cts_filter_ops selections_filter;

#endif
