/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters and outputs: made as configured and put into the pipeline. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "cli/conntrackd/daemon.h"

/* -- this node's own addresses -- */

/* Filters look at entries: those that they let pass before may be refused now. */
static void local_changed(void *ctx, const struct cts_address *list, size_t n)
{
	struct daemon *d = ctx;

	for (size_t i = 0; i < d->n_filters; i++) {
		const struct cts_filter_ops *ops = d->filters[i].ops;

		if (ops->local_addresses)
			ops->local_addresses(d->filters[i].priv, list, n);
	}
	if (d->reader)
		cts_node_reader_reconcile(d->reader);
}

static int follow_local_addresses(struct daemon *d)
{
	bool wanted = false;

	for (size_t i = 0; i < d->n_filters; i++) {
		const struct cts_filter_ops *ops = d->filters[i].ops;

		wanted |= ops->local_addresses != NULL;
	}
	if (!wanted)
		return 0;
	d->local_addrs = local_addrs_create(d->loop, local_changed, d);
	if (!d->local_addrs)
		cts_err("local addresses: cannot follow them: %s", strerror(errno));
	return d->local_addrs ? 0 : -1;
}

/* -- filters -- */

static int create_filter(struct daemon *d, const struct cts_config_block *b)
{
	const struct cts_filter_ops *ops = b->ops;
	struct instance *in = &d->filters[d->n_filters];

	in->ops = ops;
	in->priv = ops->create(b->options);
	if (!in->priv) {
		cts_err("filter %s: cannot be made: %s", b->plugin, strerror(errno));
		return -1;
	}
	d->n_filters++;
	return cts_pipeline_add_filter(d->pipeline, ops, in->priv);
}

static void declare_push(struct daemon *d)
{
	for (size_t i = 0; i < d->n_filters; i++) {
		const struct cts_filter_ops *ops = d->filters[i].ops;

		if (ops->push && ops->push(d->filters[i].priv, d->push) < 0)
			cts_debug("filter %s: too much for the kernel's side: %s", ops->plugin.name,
				  strerror(errno));
	}
}

/* -- outputs -- */

static int create_output(struct daemon *d, const struct cts_config_block *b)
{
	const struct cts_output_ops *ops = b->ops;
	struct instance *in = &d->outputs[d->n_outputs];

	in->ops = ops;
	in->priv = ops->create(b->options);
	if (!in->priv) {
		cts_err("output %s: cannot be made: %s", b->plugin, strerror(errno));
		return -1;
	}
	d->n_outputs++;
	in->consumer = (struct cts_consumer){
		.name = b->plugin,
		.origins = 1u << CTS_ORIGIN_KERNEL, /* a dump's entries are no events */
		.ctx = in->priv,
		.consume = ops->consume,
		.flush = ops->flush,
	};
	return cts_pipeline_add_consumer(d->pipeline, &in->consumer);
}

int instances_create(struct daemon *d)
{
	const struct cts_config *c = d->conf;

	d->filters = calloc(c->n_filters + 1, sizeof(*d->filters));
	d->outputs = calloc(c->n_outputs + 1, sizeof(*d->outputs));
	d->push = cts_push_create();
	if (!d->filters || !d->outputs || !d->push)
		return -1;
	for (size_t i = 0; i < c->n_filters; i++)
		if (create_filter(d, &c->filters[i]) < 0)
			return -1;
	for (size_t i = 0; i < c->n_outputs; i++)
		if (create_output(d, &c->outputs[i]) < 0)
			return -1;
	declare_push(d);
	return follow_local_addresses(d);
}

void instances_destroy(struct daemon *d)
{
	local_addrs_destroy(d->local_addrs);
	for (size_t i = 0; i < d->n_filters; i++)
		((const struct cts_filter_ops *)d->filters[i].ops)->destroy(d->filters[i].priv);
	for (size_t i = 0; i < d->n_outputs; i++)
		((const struct cts_output_ops *)d->outputs[i].ops)->destroy(d->outputs[i].priv);
	cts_push_destroy(d->push);
	free(d->filters);
	free(d->outputs);
}

void instances_rotate(struct daemon *d)
{
	for (size_t i = 0; i < d->n_outputs; i++) {
		const struct cts_output_ops *ops = d->outputs[i].ops;

		if (ops->rotate && ops->rotate(d->outputs[i].priv) < 0)
			cts_warn("output %s: cannot open its file again: %s", ops->plugin.name,
				 strerror(errno));
	}
}
