/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -R: a file of command lines. The first pass looks at every line, so that a mistake
 * in the last one leaves the table as it is; the second one acts. Entries to create
 * gather in the batched writer, what is to be deleted and updated in gather.c; each waits
 * until the other is done, so that all seems to happen in order.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/conntrack/entry.h"
#include "cli/conntrack/gather.h"
#include "cli/conntrack/load_check.h"
#include "core/kernel/behind.h"
#include "core/kernel/table.h"

struct load {
	const char *file;            /* what messages call it */
	struct parser *parser;       /* owned */
	struct lines *lines;         /* owned */
	struct cts_behind *writer;   /* owned: -I and -A */
	struct gather gather;        /* -D and -U */
	struct progress progress;
	bool keep_going;
	bool stop;                   /* after a failure */
	bool helpers;                /* a line has named one */
	struct load_counts checked;
	uint64_t failures;
	int error;                   /* errno of the first one to create */
};

/* Lines are numbered by the cookie, its last bit is set for -A. */
static void load_created(void *ctx, uint64_t cookie, enum cts_write_class cls, int err,
			 uint64_t last)
{
	struct load *ld = ctx;
	const struct place at = { .file = ld->file, .line = cookie >> 1 };

	(void)cls;
	if (!err)
		return;
	progress_clear(&ld->progress);
	report_failure_at(&at, &commands[cookie & 1 ? CMD_ADD : CMD_CREATE], err);
	if (!ld->error)
		ld->error = err;
	if (!ld->failures++ && !ld->keep_going && last > cookie)
		report("the lines up to %" PRIu64 " were under way already", last >> 1);
	ld->stop = !ld->keep_going;
}

/* The kernel would take it for something else. What failed before it is said before. */
static int load_impossible(struct load *ld, uint64_t cookie)
{
	if (!ld->keep_going && cts_behind_flush(ld->writer) < 0)
		return -1;
	if (!ld->stop)
		load_created(ld, cookie, CTS_WRITE_FAILED, EINVAL, cookie);
	return 0;
}

static int load_create(struct load *ld, struct cmdline *cl)
{
	const uint64_t zones = OPT_BIT(OPT_ZONE) | OPT_BIT(OPT_ORIG_ZONE) | OPT_BIT(OPT_REPLY_ZONE);
	bool add = cl->command->id == CMD_ADD;
	uint64_t cookie = cl->at.line << 1 | add;

	ld->gather.zones |= (cl->given & zones) != 0;
	ld->helpers |= cmdline_has(cl, OPT_HELPER);
	entry_key(cl);
	entry_values(cl);
	if (!entry_is_possible(cl))
		return load_impossible(ld, cookie);
	return cts_behind_add(ld->writer, add ? CTS_OP_ADD : CTS_OP_CREATE, &cl->store.flow,
			      cookie);
}

/* -- -D and -U -- */

/* Do what the gathered lines say; entries to create come first. */
static int load_run(struct load *ld)
{
	uint64_t failures = ld->failures;
	int ret;

	if (cts_behind_flush(ld->writer) < 0)
		return -1;
	if (ld->stop)
		return 0;
	ret = gather_run(&ld->gather, &ld->failures);
	ld->stop = ld->failures != failures && !ld->keep_going;
	return ret;
}

static int load_gather(struct load *ld, const struct cmdline *cl)
{
	if (gather_must_run(&ld->gather, cl) && load_run(ld) < 0)
		return -1;
	return ld->stop ? 0 : gather_add(&ld->gather, cl);
}

/* -- lines -- */

static int load_flush(struct load *ld, const struct cmdline *cl)
{
	if (cts_behind_flush(ld->writer) < 0 || cts_table_flush(cl->family) < 0)
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
	if ((id == CMD_FLUSH || gather_waits(&ld->gather)) && load_run(ld) < 0)
		return -1;
	if (ld->stop)
		return 0;
	return id == CMD_FLUSH ? load_flush(ld, cl) : load_create(ld, cl);
}

/* Read to the end and act. 0, or -1 and errno. */
static int load_pass(struct load *ld)
{
	struct cmdline cl;
	int argc, more = 0;
	char **argv;

	while (!ld->stop && (more = lines_next(ld->lines, &argc, &argv)) > 0) {
		progress_show(&ld->progress, "%s: line %" PRIu64, ld->file,
			      lines_place(ld->lines)->line);
		load_parse(ld->lines, ld->parser, &cl, argc, argv);
		if (load_line(ld, &cl) < 0)
			return -1;
	}
	return ld->stop ? 0 : more;
}

static int load_act(struct load *ld, const struct command *command)
{
	const struct cts_behind_conf conf = { .keep_going = ld->keep_going, .ctx = ld,
					      .done = load_created };
	int ret;

	ld->writer = cts_behind_open(&conf);
	if (!ld->writer)
		return report_failure(command, errno);
	progress_start(&ld->progress);
	lines_rewind(ld->lines);
	ret = load_pass(ld) < 0 ? -1 : 0;
	if (!ret && !ld->stop)
		ret = load_run(ld);
	progress_clear(&ld->progress);
	if (ret < 0) {
		ld->error = errno;
		ld->failures++;
		report_failure_at(lines_place(ld->lines), command, errno);
	}
	if (ld->error)
		advise(command, ld->error);
	if (ld->error == EOPNOTSUPP && ld->helpers)
		advise_helper();
	report_print_error(gather_print_error(&ld->gather));
	return ld->failures || gather_print_error(&ld->gather) ? EXIT_OTHER : EXIT_OK;
}

static void load_close(struct load *ld)
{
	gather_fini(&ld->gather);
	cts_behind_close(ld->writer);
	lines_close(ld->lines);
	parser_destroy(ld->parser);
}

int cmd_load(struct cmdline *cl)
{
	struct load ld = { .lines = lines_open(cl->path), .parser = parser_create(),
			   .keep_going = cmdline_has(cl, OPT_KEEP_GOING) };
	int status = EXIT_OK;

	if (!ld.lines)
		die(EXIT_PARAMETER, "Failed to open file %s for reading: %s", cl->path,
		    strerror(errno));
	if (!ld.parser || gather_init(&ld.gather, ld.keep_going) < 0)
		die(EXIT_OTHER, "not enough memory");
	ld.file = lines_place(ld.lines)->file;
	if (load_check(ld.lines, ld.parser, &ld.checked) < 0)
		die(EXIT_OTHER, "%s: %s", ld.file, strerror(errno));
	if (ld.checked.swapped)
		report("%s: %" PRIu64 " lines have SCTP verification tags as conntrack-tools saves "
		       "them, with their bytes swapped: they are put right", ld.file, ld.checked.swapped);
	if (cmdline_has(cl, OPT_DRY_RUN))
		report("%" PRIu64 " lines are in order, nothing has been done.", ld.checked.lines);
	else
		status = load_act(&ld, cl->command);
	load_close(&ld);
	return status;
}
