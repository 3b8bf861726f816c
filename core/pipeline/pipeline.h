/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source -> filters -> consumers, in batches. Sources push; each filter gets the
 * whole batch and refuses events by their drop bits; each consumer gets the batch
 * with the bits. The sync engine looks at refused events too (an entry that
 * peers have and a filter now refuses is taken back), all others skip them.
 */
#ifndef CTS_PIPELINE_H
#define CTS_PIPELINE_H

#include <ctsync/event.h>
#include <ctsync/filter.h>

struct cts_consumer {
	const char *name;     /* lent */
	unsigned int origins; /* bits 1 << CTS_ORIGIN_*: whose events it wants; 0: all */
	void *ctx;
	int (*consume)(void *ctx, const struct cts_batch *batch); /* 0, or -1 and errno */
	int (*flush)(void *ctx);                                  /* may be NULL */
	uint64_t failures;                                        /* counted by the pipeline */
};

struct cts_pipeline;
struct cts_pipeline *cts_pipeline_create(void);
void cts_pipeline_destroy(struct cts_pipeline *p); /* not its filters and consumers */
/* ops and priv are lent and must outlive p. 0, or -1 and errno. */
int cts_pipeline_add_filter(struct cts_pipeline *p, const struct cts_filter_ops *ops, void *priv);
int cts_pipeline_add_consumer(struct cts_pipeline *p, struct cts_consumer *c);
/* Every event of one call has the same origin; any n, split as needed. */
void cts_pipeline_push(struct cts_pipeline *p, const struct cts_event *const *ev, size_t n);
/* End of a loop turn. */
void cts_pipeline_flush(struct cts_pipeline *p);

#endif
