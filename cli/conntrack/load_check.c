/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines of a file are checked before anything is done, of a large one both halves at
 * once. The second half is on trial: what would have to be said, or must not be done beside
 * another thread, ends the trial in silence, and the half is read again in its turn.
 */
#include "config.h"

#include <string.h>

#include "cli/conntrack/load_check.h"
#include "cli/conntrack/saved.h"
#include "core/runtime/thread.h"

struct check {
	struct lines *lines;
	struct parser *parser;
	struct load_counts counts;
	unsigned int outputs;   /* words of -o that can be printed */
};

static void check_line(const struct cmdline *cl)
{
	const enum command_id id = cl->command->id;

	if (id != CMD_CREATE && id != CMD_ADD && id != CMD_UPDATE && id != CMD_DELETE &&
	    id != CMD_FLUSH)
		die_at(&cl->at, EXIT_PARAMETER, "Cannot use command `-%c' with --load-file",
		       cl->command->letter);
	if (cl->table != CTS_TABLE_CONNTRACK)
		die_at(&cl->at, EXIT_PARAMETER, "Cannot use this table with --load-file");
	if (cmdline_has(cl, OPT_DRY_RUN) || cmdline_has(cl, OPT_FILTER_FILE))
		die_at(&cl->at, EXIT_PARAMETER, "Illegal option `--%s' with --load-file",
		       option_rows[cmdline_has(cl, OPT_DRY_RUN) ? OPT_DRY_RUN :
								   OPT_FILTER_FILE].name);
}

bool load_parse(struct lines *lines, struct parser *parser, struct cmdline *cl, int argc,
		char *argv[])
{
	cmdline_parse(parser, cl, lines_place(lines), argc, argv);
	check_line(cl);
	saved_take(cl, lines_saved(lines));
	return saved_swap_tags(cl, lines_saved(lines));
}

/* An output that cannot be opened is reported before anything is done. */
static void check_output(struct check *c, const struct cmdline *cl)
{
	if (!(cl->output & ~c->outputs))
		return;
	place_alone(&cl->at);   /* modules are opened */
	printer_close(printer_open(cl));
	c->outputs |= cl->output;
}

/* To the end of the lines. 0, or -1 and errno. */
static int check_run(struct check *c)
{
	struct cmdline cl;
	int argc, more;
	char **argv;

	while ((more = lines_next(c->lines, &argc, &argv)) > 0) {
		c->counts.swapped += load_parse(c->lines, c->parser, &cl, argc, argv);
		check_output(c, &cl);
		c->counts.lines++;
	}
	return more;
}

/* -- the second half -- */

struct trial {
	struct check check;     /* lines and parser are owned */
	jmp_buf end;
	bool passed;
};

static void *trial_run(void *ctx)
{
	struct trial *t = ctx;

	lines_on_trial(t->check.lines, &t->end);
	if (setjmp(t->end) == 0)
		t->passed = check_run(&t->check) == 0;
	return NULL;
}

static void trial_fini(struct trial *t)
{
	lines_close(t->check.lines);
	parser_destroy(t->check.parser);
}

/* Both halves at once. 0, or -1 and errno. */
static int check_halves(struct check *first, struct trial *t)
{
	pthread_t thread;
	int ret;

	if (cts_thread_start(&thread, trial_run, t)) {
		lines_join(first->lines, NULL);
		return check_run(first);
	}
	ret = check_run(first);
	pthread_join(thread, NULL);
	lines_join(first->lines, t->passed ? t->check.lines : NULL);
	if (ret < 0)
		return ret;
	if (!t->passed)
		return check_run(first);
	first->counts.lines += t->check.counts.lines;
	first->counts.swapped += t->check.counts.swapped;
	return 0;
}

int load_check(struct lines *lines, struct parser *parser, struct load_counts *counts)
{
	struct check first = { .lines = lines, .parser = parser };
	struct trial t = { .check = { .lines = lines_halve(lines) } };
	int ret;

	if (t.check.lines)
		t.check.parser = parser_create();
	if (t.check.parser) {
		ret = check_halves(&first, &t);
	} else {
		if (t.check.lines)
			lines_join(lines, NULL);
		ret = check_run(&first);
	}
	*counts = first.counts;
	trial_fini(&t);
	return ret;
}
