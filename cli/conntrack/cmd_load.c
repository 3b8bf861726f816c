/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -R: a file of command lines. The first pass looks at every line, so that a mistake
 * in the last one leaves the table as it is; the second one acts. Entries to create
 * gather in the batched writer, -D and -U lines in a row in one pass over the table; what
 * is of another kind waits until they are done, so that all seems to happen in order.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/change.h"
#include "cli/conntrack/entry.h"
#include "cli/conntrack/lines.h"

#define GATHER_MAX 2048u

/* Lines of -D and -U in a row, for one pass over the table. */
struct gather {
	struct selections *lines;    /* owned */
	struct cts_pipeline *pipe;   /* owned */
	struct change change[2];     /* -D, -U; open when there is a printer */
	unsigned int output[2];      /* that they print */
	char *labelmap[2];           /* owned; that they print with */
	bool labels_change, values_change;   /* by one of the lines */
};

struct load {
	const char *file;            /* what messages call it */
	struct parser *parser;       /* owned */
	struct lines *lines;         /* owned */
	struct cts_writer *writer;   /* owned: -I and -A */
	struct gather gather;        /* -D and -U */
	struct progress progress;
	bool keep_going;
	bool stop;                   /* after a failure */
	uint64_t n_lines, failures;
	uint64_t last;               /* line that was given to the writer last */
};

/* Lines are numbered by the cookie, its last bit is set for -A. */
static void load_created(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct load *ld = ctx;
	const struct place at = { ld->file, cookie >> 1 };

	(void)cls;
	if (!err)
		return;
	progress_clear(&ld->progress);
	report_failure_at(&at, &commands[cookie & 1 ? CMD_ADD : CMD_CREATE], err);
	if (!ld->failures++ && !ld->keep_going && ld->last > at.line)
		report("the lines up to %" PRIu64 " were under way already", ld->last);
	ld->stop = !ld->keep_going;
}

static int load_create(struct load *ld, struct cmdline *cl)
{
	bool add = cl->command->id == CMD_ADD;

	entry_key(cl);
	entry_values(cl);
	ld->last = cl->at.line;
	return cts_writer_add(ld->writer, add ? CTS_OP_ADD : CTS_OP_CREATE, &cl->store.flow,
			      cl->at.line << 1 | add);
}

/* -- -D and -U -- */

/* A delete that an update before it could make fit, or no longer fit. */
static bool looks_at_values(const struct cmdline *cl)
{
	uint64_t values = OPT_BIT(OPT_MARK) | OPT_BIT(OPT_STATUS) | OPT_BIT(OPT_TIMEOUT);

	return cl->given & values || cl->proto_given & PO_BIT(PO_STATE);
}

static struct change *gather_change(struct gather *g, const struct command *command)
{
	return command->id == CMD_DELETE ? &g->change[0] : &g->change[1];
}

static int gather_pass(struct gather *g)
{
	struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK };
	struct change *at_work[2];
	struct cts_flow pushed;
	unsigned int i, n = 0;

	for (i = 0; i < 2; i++)
		if (g->change[i].printer)
			at_work[n++] = &g->change[i];
	if (selections_count(g->lines) == 1)
		select_push(selections_get(g->lines, 0), &conf, &pushed);
	return change_pass(at_work, n, &conf, g->pipe);
}

/* Do what the gathered lines say: one pass over the table for all of them. */
static int gather_run(struct load *ld)
{
	struct gather *g = &ld->gather;
	uint64_t said;
	int ret = 0;

	if (!selections_count(g->lines))
		return 0;
	if (cts_writer_flush(ld->writer) < 0)
		return -1;
	if (!ld->stop)
		ret = gather_pass(g);
	selections_clear(g->lines);
	g->labels_change = g->values_change = false;
	said = g->change[0].failures + g->change[1].failures;
	ld->failures += said;
	g->change[0].failures = g->change[1].failures = 0;
	if (ret < 0 && said) {
		ld->stop = true;
		return 0;
	}
	return ret;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What the line's command prints is printed as for the lines before it. */
static bool gather_fits(const struct gather *g, const struct change *c, const struct cmdline *cl)
{
	size_t i = (size_t)(c - g->change);

	return c->printer && g->output[i] == cl->output &&
	       same_text(g->labelmap[i], cl->labelmap_path);
}

static void gather_close(struct gather *g, struct change *c)
{
	size_t i = (size_t)(c - g->change);

	if (c->printer)
		change_close(c);
	free(g->labelmap[i]);
	g->labelmap[i] = NULL;
}

static int gather_open(struct load *ld, struct change *c, const struct cmdline *cl)
{
	struct gather *g = &ld->gather;
	size_t i = (size_t)(c - g->change);

	gather_close(g, c);
	*c = (struct change){ .lines = g->lines, .keep_going = ld->keep_going };
	g->output[i] = cl->output;
	if (cl->labelmap_path) {
		g->labelmap[i] = strdup(cl->labelmap_path);
		if (!g->labelmap[i])
			return -1;
	}
	return change_open(c, cl);
}

static int load_gather(struct load *ld, const struct cmdline *cl)
{
	struct gather *g = &ld->gather;
	struct change *c = gather_change(g, cl->command);
	bool full = selections_count(g->lines) == GATHER_MAX;

	/* Values are all that an update can both change and a line look at. */
	full |= g->labels_change && cmdline_has(cl, OPT_LABEL);
	full |= g->values_change && cl->command->id == CMD_DELETE && looks_at_values(cl);
	if ((full || !gather_fits(g, c, cl)) && gather_run(ld) < 0)
		return -1;
	if (ld->stop)
		return 0;
	if (!gather_fits(g, c, cl) && gather_open(ld, c, cl) < 0)
		return -1;
	g->labels_change |= cmdline_has(cl, OPT_LABEL_ADD) || cmdline_has(cl, OPT_LABEL_DEL);
	g->values_change |= cl->command->id == CMD_UPDATE;
	return selections_add(g->lines, cl);
}

/* -- lines -- */

static int load_flush(struct load *ld, const struct cmdline *cl)
{
	if (cts_writer_flush(ld->writer) < 0)
		return -1;
	if (ld->stop)
		return 0;
	if (cts_writer_flush_table(ld->writer, cl->family) < 0)
		return -1;
	report("connection tracking table has been emptied.");
	return 0;
}

/* One line. What has to come before it is done first. */
static int load_line(struct load *ld, struct cmdline *cl)
{
	enum command_id id = cl->command->id;

	if (id == CMD_DELETE || id == CMD_UPDATE)
		return load_gather(ld, cl);
	if (gather_run(ld) < 0)
		return -1;
	if (ld->stop)
		return 0;
	return id == CMD_FLUSH ? load_flush(ld, cl) : load_create(ld, cl);
}

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

/* Read to the end; act tells which pass this is. 0, or -1 and errno. */
static int load_pass(struct load *ld, bool act)
{
	struct cmdline cl;
	int argc, more;
	char **argv;

	while (!ld->stop && (more = lines_next(ld->lines, &argc, &argv)) > 0) {
		if (act)
			progress_show(&ld->progress, "%s: line %" PRIu64, ld->file,
				      lines_place(ld->lines)->line);
		cmdline_parse(ld->parser, &cl, lines_place(ld->lines), argc, argv);
		check_line(&cl);
		if (!act)
			ld->n_lines++;
		else if (load_line(ld, &cl) < 0)
			return -1;
	}
	return ld->stop ? 0 : more;
}

static int load_act(struct load *ld, const struct command *command)
{
	const struct cts_writer_conf conf = { .ctx = ld, .done = load_created };

	int ret;

	ld->writer = cts_writer_open(&conf);
	if (!ld->writer)
		return report_failure(command, errno);
	progress_start(&ld->progress);
	ret = lines_rewind(ld->lines) < 0 || load_pass(ld, true) < 0 ? -1 : 0;
	if (!ret && !ld->stop)
		ret = gather_run(ld);
	if (!ret && !ld->stop)
		ret = cts_writer_flush(ld->writer);
	progress_clear(&ld->progress);
	if (ret < 0)
		return report_failure_at(lines_place(ld->lines), command, errno);
	return ld->failures ? EXIT_OTHER : EXIT_OK;
}

/* In the place of a command that no line has had yet. */
static int nothing_to_do(void *ctx, const struct cts_batch *batch)
{
	(void)ctx;
	(void)batch;
	return 0;
}

static int load_open(struct load *ld, const struct cmdline *cl)
{
	struct gather *g = &ld->gather;

	ld->keep_going = cmdline_has(cl, OPT_KEEP_GOING);
	g->change[0].consumer.consume = g->change[1].consumer.consume = nothing_to_do;
	ld->parser = parser_create();
	g->lines = selections_create();
	g->pipe = cts_pipeline_create();
	if (!ld->parser || !g->lines || !g->pipe)
		return -1;
	if (cts_pipeline_add_filter(g->pipe, &selections_filter, g->lines) < 0 ||
	    cts_pipeline_add_consumer(g->pipe, &g->change[0].consumer) < 0)
		return -1;
	return cts_pipeline_add_consumer(g->pipe, &g->change[1].consumer);
}

static void load_close(struct load *ld)
{
	gather_close(&ld->gather, &ld->gather.change[0]);
	gather_close(&ld->gather, &ld->gather.change[1]);
	cts_pipeline_destroy(ld->gather.pipe);
	selections_destroy(ld->gather.lines);
	cts_writer_close(ld->writer);
	lines_close(ld->lines);
	parser_destroy(ld->parser);
}

int cmd_load(struct cmdline *cl)
{
	struct load ld = { .lines = lines_open(cl->path) };
	int status = EXIT_OK;

	if (!ld.lines)
		die(EXIT_PARAMETER, "Failed to open file %s for reading: %s", cl->path,
		    strerror(errno));
	if (load_open(&ld, cl) < 0)
		die(EXIT_OTHER, "not enough memory");
	ld.file = lines_place(ld.lines)->file;
	if (load_pass(&ld, false) < 0)
		die(EXIT_OTHER, "%s: %s", ld.file, strerror(errno));
	if (cmdline_has(cl, OPT_DRY_RUN))
		report("%" PRIu64 " lines are in order, nothing has been done.", ld.n_lines);
	else
		status = load_act(&ld, cl->command);
	load_close(&ld);
	return status;
}
