/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters and outputs: made as configured and put into the pipeline. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "cli/conntrackd/instances.h"
#include "core/node/local_addrs.h"

/* A filter or output of the configuration. */
struct instance {
	const void *ops;              /* lent by the loader */
	void *priv;                   /* owned */
	struct cts_consumer consumer; /* outputs */
};

struct instances {
	struct cts_pipeline *pipeline; /* lent */
	void (*changed)(void *ctx);
	void *ctx;
	bool complete;
	struct instance *filters, *outputs; /* owned */
	size_t n_filters, n_outputs;
	struct cts_node_local_addrs *local_addrs; /* owned; NULL: no filter asks for them */
	struct cts_push *push;                    /* owned */
};

/* -- this node's own addresses -- */

/* Filters look at entries: those that they let pass before may be refused now. */
static void local_changed(void *ctx, const struct cts_address *list, size_t n)
{
	struct instances *in = ctx;

	for (size_t i = 0; i < in->n_filters; i++) {
		const struct cts_filter_ops *ops = in->filters[i].ops;

		if (ops->local_addresses)
			ops->local_addresses(in->filters[i].priv, list, n);
	}
	if (in->complete)
		in->changed(in->ctx);
}

static int follow_local_addresses(struct instances *in, struct cts_loop *loop)
{
	bool wanted = false;

	for (size_t i = 0; i < in->n_filters; i++) {
		const struct cts_filter_ops *ops = in->filters[i].ops;

		wanted |= ops->local_addresses != NULL;
	}
	if (!wanted)
		return 0;
	in->local_addrs = cts_node_local_addrs_create(loop, local_changed, in);
	if (!in->local_addrs)
		cts_err("local addresses: cannot follow them: %s", strerror(errno));
	return in->local_addrs ? 0 : -1;
}

/* -- filters -- */

static int create_filter(struct instances *in, const struct cts_config_block *b)
{
	const struct cts_filter_ops *ops = b->ops;
	struct instance *f = &in->filters[in->n_filters];

	f->ops = ops;
	f->priv = ops->create(b->options);
	if (!f->priv) {
		cts_err("filter %s: cannot be made: %s", b->plugin, strerror(errno));
		return -1;
	}
	in->n_filters++;
	return cts_pipeline_add_filter(in->pipeline, ops, f->priv);
}

static void declare_push(struct instances *in)
{
	for (size_t i = 0; i < in->n_filters; i++) {
		const struct cts_filter_ops *ops = in->filters[i].ops;

		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set with the instance */
		if (ops->push && ops->push(in->filters[i].priv, in->push) < 0)
			cts_debug("filter %s: too much for the kernel's side: %s", ops->plugin.name,
				  strerror(errno));
	}
}

/* -- outputs -- */

static int create_output(struct instances *in, const struct cts_config_block *b)
{
	const struct cts_output_ops *ops = b->ops;
	struct instance *o = &in->outputs[in->n_outputs];

	o->ops = ops;
	o->priv = ops->create(b->options);
	if (!o->priv) {
		cts_err("output %s: cannot be made: %s", b->plugin, strerror(errno));
		return -1;
	}
	in->n_outputs++;
	o->consumer = (struct cts_consumer){
		.name = b->plugin,
		.origins = 1u << CTS_ORIGIN_KERNEL, /* a dump's entries are no events */
		.ctx = o->priv,
		.consume = ops->consume,
		.flush = ops->flush,
	};
	return cts_pipeline_add_consumer(in->pipeline, &o->consumer);
}

static int create_all(struct instances *in, const struct cts_config *c, struct cts_loop *loop)
{
	in->filters = calloc(c->n_filters + 1, sizeof(*in->filters));
	in->outputs = calloc(c->n_outputs + 1, sizeof(*in->outputs));
	in->push = cts_push_create();
	if (!in->filters || !in->outputs || !in->push) {
		cts_err("filters and outputs: out of memory");
		return -1;
	}
	for (size_t i = 0; i < c->n_filters; i++)
		if (create_filter(in, &c->filters[i]) < 0)
			return -1;
	for (size_t i = 0; i < c->n_outputs; i++)
		if (create_output(in, &c->outputs[i]) < 0)
			return -1;
	declare_push(in);
	return follow_local_addresses(in, loop);
}

struct instances *instances_create(const struct cts_config *conf, struct cts_loop *loop,
				   struct cts_pipeline *pipeline, void (*changed)(void *ctx),
				   void *ctx)
{
	struct instances *in = calloc(1, sizeof(*in));

	if (!in) {
		cts_err("filters and outputs: out of memory");
		return NULL;
	}
	in->pipeline = pipeline;
	in->changed = changed;
	in->ctx = ctx;
	if (create_all(in, conf, loop) < 0) {
		instances_destroy(in);
		return NULL;
	}
	in->complete = true;
	return in;
}

void instances_destroy(struct instances *in)
{
	if (!in)
		return;
	cts_node_local_addrs_destroy(in->local_addrs);
	for (size_t i = 0; i < in->n_filters; i++)
		((const struct cts_filter_ops *)in->filters[i].ops)->destroy(in->filters[i].priv);
	for (size_t i = 0; i < in->n_outputs; i++)
		((const struct cts_output_ops *)in->outputs[i].ops)->destroy(in->outputs[i].priv);
	cts_push_destroy(in->push);
	free(in->filters);
	free(in->outputs);
	free(in);
}

/* -- what others ask -- */

void instances_rotate(struct instances *in)
{
	for (size_t i = 0; i < in->n_outputs; i++) {
		const struct cts_output_ops *ops = in->outputs[i].ops;

		if (ops->rotate && ops->rotate(in->outputs[i].priv) < 0)
			cts_warn("output %s: cannot open its file again: %s", ops->plugin.name,
				 strerror(errno));
	}
}

const struct cts_push *instances_push(const struct instances *in)
{
	return in->n_filters ? in->push : NULL;
}

size_t instances_outputs(const struct instances *in)
{
	return in->n_outputs;
}

bool instances_snapshot(const struct instances *in, size_t i, FILE *fp)
{
	const struct cts_output_ops *ops = in->outputs[i].ops;

	if (!ops->snapshot)
		return false;
	ops->snapshot(in->outputs[i].priv, fp);
	return true;
}
