/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -D: dump -> selection -> deleter. Selection is never left to the kernel: older
 * ones ignore parts of it and delete more. Each delete names tuple, zone and id,
 * so that an entry made since is left alone where the kernel can tell.
 */
#include "config.h"

#include "cli/conntrack/change.h"

int delete_consume(void *ctx, const struct cts_batch *batch)
{
	struct change *c = ctx;
	struct cts_consumer *out = printer_consumer(c->printer);
	const struct cmdline *const *lines;
	const struct cts_event *ev;
	size_t i;

	change_begin(c, batch);
	cts_batch_for_each(i, ev, &c->batch) {
		if (c->error || !change_lines(c, ev->flow, &lines))
			cts_batch_drop(&c->batch, i);
		else if (change_write(c, CTS_OP_DELETE, ev->flow, i) < 0)
			return -1;
	}
	if (change_settle(c) < 0)
		return -1;
	return out->consume(out->ctx, &c->batch);
}

int cmd_delete(struct cmdline *cl)
{
	struct change c = { .error = 0 };

	return change_command(&c, cl);
}
