/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that ask of many flows at once: --by, --top, --sort, --limit, --every, --count. */
#ifndef CONNTRACK_QUESTION_H
#define CONNTRACK_QUESTION_H

#include "cli/conntrack/conntrack.h"
#include "cli/conntrack/group_key.h"
#include "cli/conntrack/group_print.h"

/* One of those options. */
void question_option(struct cmdline *cl, enum option_id id, const char *arg);
/* Which go together; mistakes are reported and end the program. */
void question_check(const struct cmdline *cl);

/* Groups that are counted: a consumer of the pipeline. */
#define GROUPS_LIMIT (UINT32_C(1) << 20)

struct tally {
	struct group_by by;
	struct groups *groups;           /* owned */
	struct cts_labelmap *labels;     /* owned; NULL: by number */
	struct cts_consumer consumer;
	bool accounted;                  /* a flow had counters */
};
/* Entries of a table: sums are entries, packets, bytes. Reports and exits. */
void tally_open_entries(struct tally *t, const struct cmdline *cl);
/* Events: sums are new ones, destroyed ones. */
void tally_open_events(struct tally *t, const struct cmdline *cl);
void tally_close(struct tally *t);
/* Say what no group could be made for. */
void tally_report_refused(const struct tally *t);
enum group_form tally_form(const struct cmdline *cl);
/* The index of the sum that --sort names. */
unsigned int tally_sort(const struct cmdline *cl);
/* Print the groups that --top leaves; gl says all but them. Returns their number. */
size_t tally_print(const struct tally *t, const struct cmdline *cl,
		   const struct group_listing *gl);

/* Run the table through the selection into consumer. Returns the exit status, all
 * failures reported. */
int table_read(struct cmdline *cl, struct cts_consumer *consumer);

/* -- commands with --by -- */

int cmd_groups(struct cmdline *cl);      /* -L, -C */
int cmd_rates(struct cmdline *cl);       /* -E */

#endif
