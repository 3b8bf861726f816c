/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -C: how many entries the table has; with a selection, how many it selects. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/conntrack/question.h"
#include "core/kernel/table.h"

static int count_consume(void *ctx, const struct cts_batch *batch)
{
	uint64_t *n = ctx;

	for (size_t i = 0; i < batch->n; i++)
		*n += !cts_batch_dropped(batch, i);
	return 0;
}

static int print_count(const struct cmdline *cl, uint64_t n)
{
	printf(cl->output & OUT_JSON ? "{\"entries\":%" PRIu64 "}\n" : "%" PRIu64 "\n", n);
	return EXIT_OK;
}

static int count_selected(struct cmdline *cl)
{
	uint64_t n = 0;
	struct cts_consumer c = { .name = "count", .ctx = &n, .consume = count_consume };
	int status = table_read(cl, &c);

	return status == EXIT_OK ? print_count(cl, n) : status;
}

int cmd_count(struct cmdline *cl)
{
	const uint64_t other = OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_NAT_RANGE) | OPT_BIT(OPT_LABELMAP);
	int64_t n;

	if (cmdline_has(cl, OPT_BY))
		return cmd_groups(cl);
	if (cl->given & ~other)
		return count_selected(cl);
	n = cts_table_count();
	return n < 0 ? report_failure(cl->command, errno) : print_count(cl, (uint64_t)n);
}
