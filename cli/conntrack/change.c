/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passes over the table that change it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/conntrack/change.h"

static const char *what_of(const struct change *c)
{
	return c->command->id == CMD_DELETE ? "deleted" : "updated";
}

void change_refused(struct change *c, const struct place *at, int err)
{
	report_failure_at(at, c->command, err);
	c->failures++;
	if (!c->error && !c->keep_going)
		c->error = err;
}

/* The kernel refused entry i: of which line, if there are many, is said at once. */
static void change_failed(struct change *c, size_t i, int err)
{
	const struct cmdline *const *lines;

	if (c->lines && change_lines(c, c->batch.ev[i]->flow, &lines))
		change_refused(c, &lines[0]->at, err);
	else if (!c->error && !c->keep_going)
		c->error = err;
}

static void change_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct change *c = ctx;

	if (cls == CTS_WRITE_DELETED || cls == CTS_WRITE_UPDATED) {
		c->done++;
		return;
	}
	cts_batch_drop(&c->batch, cookie);
	/* ENOSPC: no room for labels, which is no failure and never was. */
	if (cls != CTS_WRITE_ABSENT && !(err == ENOSPC && c->command->id == CMD_UPDATE))
		change_failed(c, cookie, err ? err : EIO);
}

static void change_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct change *c = ctx;

	(void)cookie;
	printer_flow(c->printer, CTS_EVENT_UPDATE, flow);
}

int change_open(struct change *c, const struct cmdline *cl)
{
	const struct cts_writer_conf wconf = { .ctx = c, .done = change_done };
	const struct cts_writer_conf rconf = { .ctx = c, .found = change_found };
	bool delete = cl->command->id == CMD_DELETE;

	c->command = cl->command;
	c->consumer = (struct cts_consumer){ .name = cl->command->name, .ctx = c,
					     .consume = delete ? delete_consume : update_consume };
	c->printer = printer_open(cl);
	c->writer = cts_writer_open(&wconf);
	if (!delete && c->writer)
		c->reader = cts_writer_open(&rconf);
	return c->writer && (delete || c->reader) ? 0 : -1;
}

void change_close(struct change *c)
{
	cts_writer_close(c->writer);
	cts_writer_close(c->reader);
	printer_close(c->printer);
	c->writer = c->reader = NULL;
	c->printer = NULL;
}

void change_begin(struct change *c, const struct cts_batch *batch)
{
	c->batch = *batch;
	c->batch.drop = c->drop;
	memcpy(c->drop, batch->drop, (batch->n + 63) / 64 * sizeof(*c->drop));
	c->seen += batch->n;
}

size_t change_lines(struct change *c, const struct cts_flow *flow,
		    const struct cmdline *const **lines)
{
	size_t i, n;

	*lines = &c->cl;
	if (!c->lines)
		return 1;
	n = selections_find(c->lines, flow, lines);
	for (i = 0; i < n; i++) {
		if ((*lines)[i]->command->id != CMD_DELETE)
			continue;
		*lines += i;
		return c->command->id == CMD_DELETE;
	}
	return c->command->id == CMD_DELETE ? 0 : n;
}

int change_write(struct change *c, enum cts_write_op op, const struct cts_flow *flow, size_t i)
{
	if (c->dry_run) {
		c->done++;
		return 0;
	}
	return cts_writer_add(c->writer, op, flow, i) < 0 ? change_broken(c) : 0;
}

int change_settle(struct change *c)
{
	return !c->dry_run && cts_writer_flush(c->writer) < 0 ? change_broken(c) : 0;
}

int change_broken(struct change *c)
{
	if (!c->error)
		c->error = errno;
	return -1;
}

static void change_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

static int first_error(struct change *const *c, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (c[i]->error)
			return c[i]->error;
	return 0;
}

int change_finish(struct change *const *c, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (printer_flush(c[i]->printer) < 0 && !c[i]->print_error)
			c[i]->print_error = errno;
	errno = first_error(c, n);
	return errno ? -1 : 0;
}

int change_pass(struct change *const *c, unsigned int n, const struct cts_dump_conf *conf,
		struct cts_pipeline *pipe)
{
	struct cts_dump *dump = cts_dump_open(conf);
	int more = dump ? 0 : -1;
	unsigned int i;

	while (dump && !first_error(c, n) && (more = cts_dump_step(dump, change_push, pipe)) > 0)
		for (i = 0; i < n; i++)
			progress_show(&c[i]->progress, "%" PRIu64 " entries read, %" PRIu64 " %s",
				      c[i]->seen, c[i]->done, what_of(c[i]));
	if (more < 0 && errno != EINTR && !c[0]->error)
		c[0]->error = errno;
	cts_dump_close(dump);
	return change_finish(c, n);
}

int change_command(struct change *c, struct cmdline *cl)
{
	struct cts_dump_conf conf = { .table = cl->table, .read_ahead = true };
	struct cts_pipeline *pipe;
	struct cts_flow pushed;

	c->cl = cl;
	c->dry_run = cmdline_has(cl, OPT_DRY_RUN);
	if (change_open(c, cl) < 0) {
		report_failure(cl->command, errno);
		change_close(c);
		return EXIT_OTHER;
	}
	pipe = assemble(cl, &c->consumer);
	select_push(cl, &conf, &pushed);
	progress_start(&c->progress);
	change_pass(&c, 1, &conf, pipe);
	progress_clear(&c->progress);
	cts_pipeline_destroy(pipe);
	change_close(c);
	if (c->error)
		report_failure(cl->command, c->error);
	if (c->dry_run && !c->error)
		report("%" PRIu64 " flow entries would have been %s.", c->done, what_of(c));
	else if (!c->error || c->done)
		report_count(c->done, what_of(c));
	report_print_error(c->print_error);
	return c->done && !c->error && !c->print_error ? EXIT_OK : EXIT_OTHER;
}
