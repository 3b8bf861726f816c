/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -D: dump -> selection -> deleter. Selection is never left to the kernel: older
 * ones ignore parts of it and delete more. Each delete names tuple, zone and id,
 * so that an entry made since is left alone where the kernel can tell.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/writer.h"

struct deleter {
	struct cts_writer *writer;
	struct printer *printer;
	uint64_t deleted;
	int error;              /* errno of the first failure that is one */
};

static void deleter_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct deleter *d = ctx;

	(void)cookie;
	if (cls == CTS_WRITE_DELETED)
		d->deleted++;
	else if (cls != CTS_WRITE_ABSENT && !d->error)
		d->error = err ? err : EIO;
}

static int deleter_consume(void *ctx, const struct cts_batch *batch)
{
	struct deleter *d = ctx;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each(i, ev, batch) {
		if (d->error || cts_writer_add(d->writer, CTS_OP_DELETE, ev->flow, 0) < 0)
			return -1;
		printer_flow(d->printer, ev);
	}
	return 0;
}

static void delete_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

int cmd_delete(struct cmdline *cl)
{
	struct deleter d = { .printer = printer_open(cl) };
	const struct cts_writer_conf wconf = { .ctx = &d, .done = deleter_done };
	struct cts_consumer consumer = { .name = "delete", .ctx = &d, .consume = deleter_consume };
	struct cts_pipeline *pipe = assemble(cl, &consumer);
	struct cts_dump_conf conf = { .table = cl->table };
	struct cts_dump *dump;
	int more = 0;

	select_push(cl, &conf);
	d.writer = cts_writer_open(&wconf);
	dump = d.writer ? cts_dump_open(&conf) : NULL;
	if (!dump)
		return report_failure(cl->command, errno);
	while (!d.error && (more = cts_dump_step(dump, delete_push, pipe)) > 0)
		;
	if (more < 0 && errno != EINTR)
		d.error = errno;
	if (cts_writer_flush(d.writer) < 0 && !d.error)
		d.error = errno;
	cts_dump_close(dump);
	cts_writer_close(d.writer);
	cts_pipeline_destroy(pipe);
	if (printer_flush(d.printer) < 0 && !d.error)
		d.error = errno;
	printer_close(d.printer);
	if (d.error)
		report_failure(cl->command, d.error);
	if (!d.error || d.deleted)
		report_count(d.deleted, "deleted");
	return d.deleted && !d.error ? EXIT_OK : EXIT_OTHER;
}
