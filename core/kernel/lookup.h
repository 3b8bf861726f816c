/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exact questions about single entries, gathered and asked in batches. The kernel
 * finds an entry by its reply tuple, too; here only the entry that was asked for
 * counts, everything else is absent.
 */
#ifndef CTS_KERNEL_LOOKUP_H
#define CTS_KERNEL_LOOKUP_H

#include "core/kernel/events.h"

struct cts_lookup_conf {
	size_t max; /* keys that may wait */
	void *ctx;
	/* The entry, as an event with origin DUMP and type UPDATE: it is newer than any
	 * event that was read, whereas what a dump says (NEW) may be older. Lent. */
	cts_batch_fn found;
	void (*absent)(void *ctx, const struct cts_flow *key);
	/* The kernel did not answer for one, or refused to. May be NULL. */
	void (*failed)(void *ctx, int err);
};

struct cts_lookup;
struct cts_lookup *cts_lookup_open(const struct cts_lookup_conf *conf); /* NULL, errno */
void cts_lookup_close(struct cts_lookup *l);                            /* takes NULL */
uint32_t cts_lookup_portid(const struct cts_lookup *l);

/* Original tuple and zones of key are copied. 0, or -1 and errno: ENOBUFS, conf.max
 * wait already and a dump is cheaper; ENOMEM; EINVAL, it has no original tuple. */
int cts_lookup_add(struct cts_lookup *l, const struct cts_flow *key);
/* Ask for at most max of those that wait; all callbacks come from here, and they may
 * add() more. 1: some wait still, 0: none, -1 and errno: these got no answer. */
int cts_lookup_run(struct cts_lookup *l, size_t max);
/* Answers so far, of either kind. */
uint64_t cts_lookup_answers(const struct cts_lookup *l);

#endif
