/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -U: dump -> selection -> updater. Entries that are already as they should be count as
 * updated, but nothing is written. What is printed is the entry as the kernel has it afterwards. Of several lines of a
 * file that select an entry, the later ones find what the earlier ones have made.
 */
#include "config.h"

#include <string.h>

#include "cli/conntrack/change.h"
#include "core/flow/codec.h"

/* What an entry becomes. */
struct update {
	struct cts_flow flow;            /* points at labels and mask */
	uint64_t set;                    /* attributes that lines name */
	uint32_t labels[LABEL_WORDS], mask[LABEL_WORDS];
};

static void update_begin(struct update *up, const struct cts_flow *have)
{
	unsigned int i;

	up->flow = *have;
	up->set = 0;
	if (!cts_flow_has(have, CTS_FLOW_MARK))
		up->flow.mark = 0;
	for (i = 0; i < LABEL_WORDS; i++)
		up->labels[i] = cts_flow_has(have, CTS_FLOW_LABELS) && i < have->labels_len / 4u ?
				have->labels[i] : 0;
	memset(up->mask, 0xff, sizeof(up->mask));
}

static void update_labels(const struct cmdline *cl, struct update *up)
{
	unsigned int i;

	for (i = 0; i < LABEL_WORDS; i++) {
		up->labels[i] |= cl->label_add[i];
		up->labels[i] &= cl->label_del_all ? 0 : ~cl->label_del[i];
	}
	up->flow.labels = up->labels;
	up->flow.labels_mask = up->mask;
	up->flow.labels_len = up->flow.labels_mask_len = sizeof(up->labels);
	up->set |= CTS_FLOW_BIT(CTS_FLOW_LABELS) | CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK);
}

static void update_apply(const struct cmdline *cl, struct update *up)
{
	const struct cts_flow *set = &cl->store.flow;

	if (cmdline_has(cl, OPT_MARK)) {
		up->flow.mark = (up->flow.mark & ~cl->mark_mask) ^ cl->mark;
		up->set |= CTS_FLOW_BIT(CTS_FLOW_MARK);
	}
	if (cmdline_has(cl, OPT_STATUS)) {
		up->flow.status |= cl->status_set;
		up->set |= CTS_FLOW_BIT(CTS_FLOW_STATUS);
	}
	if (cmdline_has(cl, OPT_TIMEOUT)) {
		up->flow.timeout = set->timeout;
		up->set |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
	}
	if (cl->proto_given & PO_BIT(PO_STATE) && cts_flow_has(set, CTS_FLOW_TCP_STATE)) {
		up->flow.tcp_state = set->tcp_state;
		up->set |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	}
	if (cmdline_has(cl, OPT_LABEL_ADD) || cmdline_has(cl, OPT_LABEL_DEL))
		update_labels(cl, up);
}

static bool labels_change(const struct update *up, const struct cts_flow *have)
{
	struct update before;

	update_begin(&before, have);
	return memcmp(before.labels, up->labels, sizeof(up->labels)) != 0;
}

static bool update_changes(const struct update *up, const struct cts_flow *have)
{
	const struct cts_flow *f = &up->flow;

	return f->mark != (cts_flow_has(have, CTS_FLOW_MARK) ? have->mark : 0) ||
	       f->status != have->status || f->timeout != have->timeout ||
	       f->tcp_state != have->tcp_state || labels_change(up, have);
}

/* What the command or the lines that select the entry make of it; false: there are none. */
static bool update_make(struct change *c, const struct cts_flow *have, struct update *up)
{
	const struct cmdline *const *lines;
	size_t n = change_lines(c, have, &lines);

	update_begin(up, have);
	for (size_t i = 0; i < n; i++)
		update_apply(lines[i], up);
	return n != 0;
}

static int update_write(struct change *c, const struct cts_event *ev, struct update *up, size_t i)
{
	if (c->dry_run) {
		up->flow.present |= up->set & ~CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK);
		printer_flow(c->printer, CTS_EVENT_UPDATE, &up->flow);
	} else if (!update_changes(up, ev->flow)) {
		c->done++;
		return 0;
	} else {
		up->flow.present = (ev->flow->present & CTS_FLOW_KEY_ATTRS) | up->set;
	}
	return change_write(c, CTS_OP_UPDATE, &up->flow, i);
}

int update_consume(void *ctx, const struct cts_batch *batch)
{
	struct change *c = ctx;
	const struct cts_event *ev;
	struct update up;
	size_t i;

	change_begin(c, batch);
	/* The results are asked for when the writes of the whole batch are done. */
	cts_batch_for_each(i, ev, &c->batch) {
		if (c->error || !update_make(c, ev->flow, &up))
			cts_batch_drop(&c->batch, i);
		else if (update_write(c, ev, &up, i) < 0)
			return -1;
	}
	if (c->dry_run)
		return 0;
	if (change_settle(c) < 0)
		return -1;
	cts_batch_for_each(i, ev, &c->batch)
		if (cts_writer_add(c->reader, CTS_OP_GET, ev->flow, 0) < 0)
			return change_broken(c);
	return cts_writer_flush(c->reader) < 0 ? change_broken(c) : 0;
}

int cmd_update(struct cmdline *cl)
{
	struct change c = { .error = 0 };

	return change_command(&c, cl);
}
