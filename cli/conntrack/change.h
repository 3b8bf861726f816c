/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What -D, -U and the lines of a file that do the same have in common: passes over
 * the table whose selected entries go to the kernel in batches and are printed when
 * it has done what was asked.
 */
#ifndef CONNTRACK_CHANGE_H
#define CONNTRACK_CHANGE_H

#include "cli/conntrack/conntrack.h"
#include "cli/conntrack/progress.h"
#include "cli/conntrack/selections.h"
#include "core/kernel/writer.h"

struct change {
	const struct command *command;
	const struct cmdline *cl;        /* lent: what is done; NULL: what lines say */
	struct selections *lines;        /* lent: of a file, of either command; NULL: only cl */
	bool dry_run, keep_going;
	struct cts_consumer consumer;    /* of the pass's pipeline */
	struct printer *printer;         /* owned */
	struct cts_writer *writer;       /* owned */
	struct cts_writer *reader;       /* owned: -U asks it for the result */
	struct progress progress;
	struct cts_batch batch;          /* at work, with drop bits of its own */
	uint64_t drop[CTS_BATCH_MAX / 64];
	uint64_t seen, done;             /* entries */
	uint64_t failures;               /* said already: of lines */
	int error;                       /* errno of what ended it */
	int print_error;                 /* errno of standard output: the work goes on */
};

/* Open what is needed, with the output that cl asks for. 0, or -1 and errno. */
int change_open(struct change *c, const struct cmdline *cl);
void change_close(struct change *c);
/* One pass: the dump's entries go through pipe, whose consumers are those of c[0..n).
 * 0, or -1 and errno, which is the error of one of them. */
int change_pass(struct change *const *c, unsigned int n, const struct cts_dump_conf *conf,
		struct cts_pipeline *pipe);
/* What is printed goes out; if it cannot, print_error says why. 0, or -1 and errno as
 * change_pass(). */
int change_finish(struct change *const *c, unsigned int n);
/* The kernel refused what the line at this place says. */
void change_refused(struct change *c, const struct place *at, int err);
/* -D or -U as a command: a pass for cl, the summary and the exit status. */
int change_command(struct change *c, struct cmdline *cl);

/* -- for consumers -- */

/* A batch begins. */
void change_begin(struct change *c, const struct cts_batch *batch);
/* Lines of a file that entry i fulfils; none if it is the other command's: the last
 * word on an entry has the first line that deletes it. Else c->cl alone. */
size_t change_lines(struct change *c, const struct cts_flow *flow,
		    const struct cmdline *const **lines);
/* What is done with entry i of the batch; a dry run does nothing. 0, or -1 and errno. */
int change_write(struct change *c, enum cts_write_op op, const struct cts_flow *flow, size_t i);
/* Finish the batch: what was not done is dropped from it. 0, or -1 and errno. */
int change_settle(struct change *c);

/* A socket failed: that ends it. -1 */
int change_broken(struct change *c);

int delete_consume(void *ctx, const struct cts_batch *batch);
int update_consume(void *ctx, const struct cts_batch *batch);

#endif
