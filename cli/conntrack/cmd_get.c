/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -G: one entry by one of its tuples. */
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

	(void)cookie;
	if (!select_matches(g->cl, flow))
		return;
	printer_flow(g->printer, CTS_EVENT_NEW, flow);
	g->shown++;
}

static void get_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct getter *g = ctx;

	(void)cookie;
	(void)cls;
	g->error = err;
}

/* The kernel finds an entry by either of its tuples. Whether the answer is what was
 * asked for, with all that was given, is looked at afterwards. */
static void get_key(struct cmdline *cl)
{
	struct cts_flow *f = &cl->store.flow;

	entry_key(cl);
	if (!cmdline_has(cl, OPT_ORIG_SRC) || !cmdline_has(cl, OPT_ORIG_DST))
		f->orig = f->reply;
}

int cmd_get(struct cmdline *cl)
{
	struct getter g = { .cl = cl, .printer = printer_open(cl), .error = EIO };
	const struct cts_writer_conf conf = { .ctx = &g, .done = get_done, .found = get_found };
	struct cts_writer *w = cts_writer_open(&conf);
	int print_error;

	get_key(cl);
	if (!w || cts_writer_add(w, CTS_OP_GET, &cl->store.flow, 0) < 0 ||
	    cts_writer_flush(w) < 0)
		g.error = errno;
	if (w)
		cts_writer_close(w);
	print_error = printer_flush(g.printer) < 0 ? errno : 0;
	printer_close(g.printer);
	if (g.error)
		return report_failure(cl->command, g.error);
	report_count(g.shown, "shown");
	report_print_error(print_error);
	return g.shown && !print_error ? EXIT_OK : EXIT_OTHER;
}
