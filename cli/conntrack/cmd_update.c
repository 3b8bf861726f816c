/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -U: dump -> selection -> updater. Entries that would not change are skipped. What
 * is printed is the entry as the kernel has it afterwards.
 */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"
#include "core/flow/codec.h"
#include "core/kernel/writer.h"

struct updater {
	struct cmdline *cl;
	struct cts_writer *writer;   /* updates */
	struct cts_writer *reader;   /* asks for the result */
	struct printer *printer;
	uint64_t updated;
	int error;
};

static void updater_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct updater *u = ctx;
	const struct cts_event ev = { .type = CTS_EVENT_UPDATE, .origin = CTS_ORIGIN_DUMP,
				      .flow = flow };

	(void)cookie;
	printer_flow(u->printer, &ev);
}

static void updater_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct updater *u = ctx;

	(void)cookie;
	if (cls == CTS_WRITE_UPDATED)
		u->updated++;
	else if (cls != CTS_WRITE_ABSENT && err != ENOSPC && !u->error)
		u->error = err ? err : EIO;  /* ENOSPC: no room for labels, skipped */
}

static bool labels_change(const struct cmdline *cl, const struct cts_flow *have,
			  uint32_t labels[LABEL_WORDS], uint32_t mask[LABEL_WORDS])
{
	bool change = false;
	unsigned int i;

	for (i = 0; i < LABEL_WORDS; i++) {
		uint32_t word = i < have->labels_len / 4u && cts_flow_has(have, CTS_FLOW_LABELS) ?
				have->labels[i] : 0;
		uint32_t del = cl->label_del_all ? UINT32_MAX : cl->label_del[i];

		labels[i] = (word | cl->label_add[i]) & ~del;
		mask[i] = UINT32_MAX;
		change |= labels[i] != word;
	}
	return change;
}

/* The entry's key and what is to change; false: nothing would. */
static bool update_make(const struct cmdline *cl, const struct cts_flow *have,
			struct cts_flow *want, uint32_t labels[LABEL_WORDS],
			uint32_t mask[LABEL_WORDS])
{
	const struct cts_flow *set = &cl->store.flow;
	uint64_t key = have->present & CTS_FLOW_KEY_ATTRS;
	bool change = false;

	*want = *have;
	want->present = key;
	if (cmdline_has(cl, OPT_MARK)) {
		want->mark = (have->mark & ~cl->mark_mask) ^ cl->mark;
		want->present |= CTS_FLOW_BIT(CTS_FLOW_MARK);
		change |= want->mark != (cts_flow_has(have, CTS_FLOW_MARK) ? have->mark : 0);
	}
	if (cmdline_has(cl, OPT_STATUS)) {
		want->status = have->status | cl->status_set;
		want->present |= CTS_FLOW_BIT(CTS_FLOW_STATUS);
		change |= want->status != have->status;
	}
	if (cmdline_has(cl, OPT_TIMEOUT)) {
		want->timeout = set->timeout;
		want->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
		change |= want->timeout != have->timeout;
	}
	if (cl->proto_given & PO_BIT(PO_STATE) && cts_flow_has(set, CTS_FLOW_TCP_STATE)) {
		want->tcp_state = set->tcp_state;
		want->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
		change |= want->tcp_state != have->tcp_state;
	}
	if (cmdline_has(cl, OPT_LABEL_ADD) || cmdline_has(cl, OPT_LABEL_DEL)) {
		change |= labels_change(cl, have, labels, mask);
		want->labels = labels;
		want->labels_mask = mask;
		want->labels_len = want->labels_mask_len = LABEL_WORDS * sizeof(uint32_t);
		want->present |= CTS_FLOW_BIT(CTS_FLOW_LABELS) | CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK);
	}
	return change;
}

static int updater_consume(void *ctx, const struct cts_batch *batch)
{
	uint32_t labels[LABEL_WORDS], mask[LABEL_WORDS];
	struct updater *u = ctx;
	const struct cts_event *ev;
	struct cts_flow want;
	size_t i;

	/* The results are asked for when the writes of the whole batch are done. */
	cts_batch_for_each(i, ev, batch) {
		if (!update_make(u->cl, ev->flow, &want, labels, mask)) {
			cts_batch_drop(batch, i);
			continue;
		}
		if (u->error || cts_writer_add(u->writer, CTS_OP_UPDATE, &want, 0) < 0)
			return -1;
	}
	if (cts_writer_flush(u->writer) < 0)
		return -1;
	cts_batch_for_each(i, ev, batch)
		if (cts_writer_add(u->reader, CTS_OP_GET, ev->flow, 0) < 0)
			return -1;
	return cts_writer_flush(u->reader);
}

static void update_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

int cmd_update(struct cmdline *cl)
{
	struct updater u = { .cl = cl, .printer = printer_open(cl) };
	const struct cts_writer_conf wconf = { .ctx = &u, .done = updater_done };
	const struct cts_writer_conf rconf = { .ctx = &u, .found = updater_found };
	struct cts_consumer consumer = { .name = "update", .ctx = &u, .consume = updater_consume };
	struct cts_pipeline *pipe = assemble(cl, &consumer);
	struct cts_dump_conf conf = { .table = cl->table };
	struct cts_dump *dump;
	int more = 0;

	select_push(cl, &conf);
	u.writer = cts_writer_open(&wconf);
	u.reader = cts_writer_open(&rconf);
	dump = u.writer && u.reader ? cts_dump_open(&conf) : NULL;
	if (!dump)
		return report_failure(cl->command, errno);
	while (!u.error && (more = cts_dump_step(dump, update_push, pipe)) > 0)
		;
	if (more < 0 && errno != EINTR)
		u.error = errno;
	cts_dump_close(dump);
	cts_writer_close(u.writer);
	cts_writer_close(u.reader);
	cts_pipeline_destroy(pipe);
	if (printer_flush(u.printer) < 0 && !u.error)
		u.error = errno;
	printer_close(u.printer);
	if (u.error)
		report_failure(cl->command, u.error);
	if (!u.error || u.updated)
		report_count(u.updated, "updated");
	return u.updated && !u.error ? EXIT_OK : EXIT_OTHER;
}
