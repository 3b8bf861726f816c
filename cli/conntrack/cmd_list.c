/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -L: dump -> selection -> printer, with --sort what sorts between them. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cli/conntrack/sorted.h"

struct listing {
	struct printer *printer;     /* owned */
	struct sorted *sorted;       /* owned; NULL: as the kernel has them */
	uint64_t left;               /* of --limit */
	struct cts_consumer consumer;
};

static void list_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

/* What --limit leaves of a batch goes on. */
static int limited_consume(void *ctx, const struct cts_batch *batch)
{
	struct listing *l = ctx;
	struct cts_consumer *out = printer_consumer(l->printer);

	for (size_t i = 0; i < batch->n; i++) {
		if (cts_batch_dropped(batch, i))
			continue;
		if (l->left)
			l->left--;
		else
			cts_batch_drop(batch, i);
	}
	return out->consume(out->ctx, batch);
}

static void list_open(struct listing *l, const struct cmdline *cl)
{
	uint64_t limit = cmdline_has(cl, OPT_LIMIT) ? cl->question.limit : UINT64_MAX;

	*l = (struct listing){ .printer = printer_open(cl), .left = limit,
			       .consumer = { .name = "limit", .ctx = l,
					     .consume = limited_consume } };
	if (!cmdline_has(cl, OPT_SORT))
		return;
	l->sorted = sorted_create(&cl->at, cl->question.sort, limit < SIZE_MAX ? limit : SIZE_MAX);
	if (!l->sorted)
		die(EXIT_OTHER, "not enough memory");
	l->left = UINT64_MAX;        /* all have to be seen */
}

static struct cts_consumer *list_consumer(struct listing *l, const struct cmdline *cl)
{
	if (l->sorted)
		return sorted_consumer(l->sorted);
	return cmdline_has(cl, OPT_LIMIT) ? &l->consumer : printer_consumer(l->printer);
}

static void print_sorted(void *ctx, const struct cts_event *const *ev, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printer_event(ctx, ev[i]);
}

/* All of the table, or up to the limit. 0, or -1 and errno. */
static int list_read(struct listing *l, struct cmdline *cl, bool *torn)
{
	/* Counters that are read and not shown would be lost. */
	struct cts_dump_conf conf = { .table = cl->table,
				      .zero_counters = cmdline_has(cl, OPT_ZERO),
				      .read_ahead = !cmdline_has(cl, OPT_ZERO) };
	struct cts_pipeline *pipe = assemble(cl, list_consumer(l, cl));
	struct cts_flow pushed;
	struct cts_dump *dump;
	int more = -1, saved;

	select_push(cl, &conf, &pushed);
	dump = cts_dump_open(&conf);
	while (dump && l->left && (more = cts_dump_step(dump, list_push, pipe)) > 0)
		;
	saved = errno;
	*torn = more < 0 && dump && saved == EINTR;
	cts_dump_close(dump);
	cts_pipeline_destroy(pipe);
	errno = saved;
	return more < 0 && !*torn && l->left ? -1 : 0;
}

static int list_flows(struct cmdline *cl)
{
	struct listing l;
	int status = EXIT_OK;
	bool torn;

	list_open(&l, cl);
	if (list_read(&l, cl, &torn) < 0 ||
	    (l.sorted && sorted_run(l.sorted, print_sorted, l.printer) < 0))
		status = report_failure(cl->command, errno);
	if (torn)
		report("the table changed while it was read: entries may be missing");
	if (printer_flush(l.printer) < 0) {
		report("standard output: %s", strerror(errno));
		status = EXIT_OTHER;
	}
	if (status == EXIT_OK)
		report_count(printer_shown(l.printer), "shown");
	printer_close(l.printer);
	sorted_destroy(l.sorted);
	return status;
}

int cmd_list(struct cmdline *cl)
{
	return cmdline_has(cl, OPT_BY) ? cmd_groups(cl) : list_flows(cl);
}
