/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries in the order of fields: --sort. Each is kept once, as the bytes that the kernel
 * sent; with a limit only those that may still be among the first are.
 */
#ifndef CONNTRACK_SORTED_H
#define CONNTRACK_SORTED_H

#include "cli/conntrack/question.h"

struct sorted;
/* Whether these are fields to sort by; a bad one is reported and ends the program. */
void sorted_check(const struct place *at, const char *fields);
/* fields as of --by, or packets, bytes: the largest first. Keeps the first limit. Reports a
 * bad field with its place and ends the program. NULL: not enough memory. */
struct sorted *sorted_create(const struct place *at, const char *fields, size_t limit);
void sorted_destroy(struct sorted *s);       /* takes NULL */
struct cts_consumer *sorted_consumer(struct sorted *s);
/* Hand on all that was kept, in order; equal ones as they came. 0, or -1 and errno: what
 * could not be kept for lack of memory. */
int sorted_run(struct sorted *s, cts_batch_fn fn, void *ctx);

#endif
