/* SPDX-License-Identifier: GPL-2.0-or-later */
/* source -> filters -> consumers: one indirect call for each of them and batch. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline/pipeline.h"

struct stage {
	const struct cts_filter_ops *ops; /* lent */
	void *priv;                       /* lent */
};

struct cts_pipeline {
	struct stage *filters;           /* owned */
	struct cts_consumer **consumers; /* owned; what they point at is lent */
	size_t n_filters, n_consumers;
};

struct cts_pipeline *cts_pipeline_create(void)
{
	return calloc(1, sizeof(struct cts_pipeline));
}

void cts_pipeline_destroy(struct cts_pipeline *p)
{
	if (!p)
		return;
	free(p->filters);
	free(p->consumers);
	free(p);
}

int cts_pipeline_add_filter(struct cts_pipeline *p, const struct cts_filter_ops *ops, void *priv)
{
	struct stage *grown = reallocarray(p->filters, p->n_filters + 1, sizeof(*grown));

	if (!grown)
		return -1;
	p->filters = grown;
	grown[p->n_filters++] = (struct stage){ .ops = ops, .priv = priv };
	return 0;
}

int cts_pipeline_add_consumer(struct cts_pipeline *p, struct cts_consumer *c)
{
	struct cts_consumer **grown = reallocarray(p->consumers, p->n_consumers + 1,
						   sizeof(*grown));

	if (!grown)
		return -1;
	p->consumers = grown;
	grown[p->n_consumers++] = c;
	return 0;
}

static void pipeline_run(struct cts_pipeline *p, const struct cts_batch *batch)
{
	unsigned int origin = 1u << batch->ev[0]->origin;

	for (size_t i = 0; i < p->n_filters; i++)
		p->filters[i].ops->apply(p->filters[i].priv, batch);

	for (size_t i = 0; i < p->n_consumers; i++) {
		struct cts_consumer *c = p->consumers[i];

		if (c->origins && !(c->origins & origin))
			continue;
		if (c->consume(c->ctx, batch) < 0)
			c->failures++;
	}
}

void cts_pipeline_push(struct cts_pipeline *p, const struct cts_event *const *ev, size_t n)
{
	uint64_t drop[CTS_BATCH_MAX / 64];

	while (n) {
		struct cts_batch batch = {
			.size = sizeof(batch),
			.n = n < CTS_BATCH_MAX ? n : CTS_BATCH_MAX,
			.ev = ev,
			.drop = drop,
		};

		memset(drop, 0, (batch.n + 63) / 64 * sizeof(*drop));
		pipeline_run(p, &batch);
		ev += batch.n;
		n -= batch.n;
	}
}

void cts_pipeline_flush(struct cts_pipeline *p)
{
	for (size_t i = 0; i < p->n_consumers; i++) {
		struct cts_consumer *c = p->consumers[i];

		if (c->flush && c->flush(c->ctx) < 0)
			c->failures++;
	}
}
