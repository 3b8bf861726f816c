/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -S: the kernel's counters, a line for each CPU. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/conntrack/conntrack.h"
#include "core/kernel/stats.h"

static void stats_row(void *ctx, const struct cts_cpu_stats *st)
{
	unsigned int i;

	(void)ctx;
	printf("cpu=%-4u\t", st->cpu);
	for (i = 0; i < st->n; i++)
		printf("%s=%" PRIu32 " ", st->v[i].name, st->v[i].value);
	putchar('\n');
}

/* Names are those of a table in the core: nothing to escape. */
static void stats_object(void *ctx, const struct cts_cpu_stats *st)
{
	unsigned int i;

	(void)ctx;
	printf("{\"cpu\":%u", st->cpu);
	for (i = 0; i < st->n; i++)
		printf(",\"%s\":%" PRIu32, st->v[i].name, st->v[i].value);
	puts("}");
}

int cmd_stats(struct cmdline *cl)
{
	bool expect = cl->table == CTS_TABLE_EXPECT;

	if (cts_stats_cpu(expect, cl->output & OUT_JSON ? stats_object : stats_row, NULL) < 0)
		return report_failure(cl->command, errno);
	return EXIT_OK;
}
