/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -G: one entry by its tuple. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cli/conntrack/entry.h"
#include "core/kernel/writer.h"

struct getter {
	struct cmdline *cl;
	struct printer *printer;
	uint64_t shown;
	int error;
};

static void get_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct getter *g = ctx;
	const struct cts_event ev = { .type = CTS_EVENT_NEW, .origin = CTS_ORIGIN_DUMP,
				      .flow = flow };

	(void)cookie;
	if (cmdline_has(g->cl, OPT_ID) && flow->id != g->cl->store.flow.id)
		return;
	printer_flow(g->printer, &ev);
	g->shown++;
}

static void get_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct getter *g = ctx;

	(void)cookie;
	(void)cls;
	g->error = err;
}

int cmd_get(struct cmdline *cl)
{
	struct getter g = { .cl = cl, .printer = printer_open(cl), .error = EIO };
	const struct cts_writer_conf conf = { .ctx = &g, .done = get_done, .found = get_found };
	struct cts_writer *w = cts_writer_open(&conf);

	entry_key(cl);
	if (!w || cts_writer_add(w, CTS_OP_GET, &cl->store.flow, 0) < 0 ||
	    cts_writer_flush(w) < 0)
		g.error = errno;
	if (w)
		cts_writer_close(w);
	if (printer_flush(g.printer) < 0 && !g.error)
		g.error = errno;
	printer_close(g.printer);
	if (g.error)
		return report_failure(cl->command, g.error);
	report_count(g.shown, "shown");
	return g.shown ? EXIT_OK : EXIT_OTHER;
}
