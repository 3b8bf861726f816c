/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -I and -A: one entry into the kernel. */
#include "config.h"

#include <errno.h>

#include "cli/conntrack/entry.h"
#include "core/kernel/writer.h"

static void create_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	int *error = ctx;

	(void)cookie;
	(void)cls;
	*error = err;
}

int cmd_create(struct cmdline *cl)
{
	int error = EIO;
	const struct cts_writer_conf conf = { .ctx = &error, .done = create_done };
	bool add = cl->command->id == CMD_ADD;
	struct cts_writer *w = cts_writer_open(&conf);

	entry_key(cl);
	entry_values(cl);
	if (!entry_is_possible(cl))
		error = EINVAL;
	else if (!w || cts_writer_add(w, add ? CTS_OP_ADD : CTS_OP_CREATE, &cl->store.flow, 0) < 0 ||
	    cts_writer_flush(w) < 0)
		error = errno;
	if (w)
		cts_writer_close(w);
	if (error) {
		report_failure(cl->command, error);
		if (error == EOPNOTSUPP && cmdline_has(cl, OPT_HELPER))
			advise_helper();
		return EXIT_OTHER;
	}
	report_count(1, add ? "added" : "created");
	return EXIT_OK;
}
