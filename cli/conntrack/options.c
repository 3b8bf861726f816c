/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options, and which of them go with which command. */
#include "config.h"

#include <getopt.h>
#include <stddef.h>

#include "cli/conntrack/conntrack.h"
#include "cli/conntrack/scan.h"

#define NO no_argument
#define ARG required_argument
#define OPTIONAL optional_argument
#define LATER SCAN_LATER

const struct option_row option_rows[OPT_MAX] = {
	/*                                                           LIAUDGEFh xLIDGE */
	[OPT_ORIG_SRC]    = { 's', "src", "orig-src", ARG, 0,      "o33oo3o.." ".RRR." },
	[OPT_ORIG_DST]    = { 'd', "dst", "orig-dst", ARG, 0,      "o33oo3o.." ".RRR." },
	[OPT_REPLY_SRC]   = { 'r', "reply-src", NULL, ARG, 0,      "o33oo3o.." ".ooo." },
	[OPT_REPLY_DST]   = { 'q', "reply-dst", NULL, ARG, 0,      "o33oo3o.." ".ooo." },
	[OPT_PROTO]       = { 'p', "protonum", NULL, ARG, 0,       "oRRooRo.o" ".RRR." },
	[OPT_TIMEOUT]     = { 't', "timeout", NULL, ARG, 0,        ".RRoo...." ".R..." },
	[OPT_STATUS]      = { 'u', "status", NULL, ARG, 0,         "ooooo...." ".o..." },
	[OPT_ZERO]        = { 'z', "zero", NULL, NO, 0,            "o........" "....." },
	[OPT_EVENT_MASK]  = { 'e', "event-mask", NULL, ARG, 0,     "......o.." "....." },
	[OPT_TUPLE_SRC]   = { 0, "tuple-src", NULL, ARG, 0,        "........." ".R..." },
	[OPT_TUPLE_DST]   = { 0, "tuple-dst", NULL, ARG, 0,        "........." ".R..." },
	[OPT_MASK_SRC]    = { 0, "mask-src", NULL, ARG, 0,         "o..oo.o.." ".R..." },
	[OPT_MASK_DST]    = { 0, "mask-dst", NULL, ARG, 0,         "o..oo.o.." ".R..." },
	[OPT_NAT_RANGE]   = { 'a', "nat-range", NULL, ARG, 0,      "ooooooooo" "ooooo" },
	[OPT_MARK]        = { 'm', "mark", NULL, ARG, 0,           "ooooo.o.." "....." },
	[OPT_SECMARK]     = { 'c', "secmark", NULL, ARG, 0,        "o.....o.." "....." },
	[OPT_ID]          = { 'i', "id", NULL, ARG, 0,             "...ooo..." "....." },
	[OPT_FAMILY]      = { 'f', "family", NULL, ARG, 0,         "o..oo.oo." "o...." },
	[OPT_SRC_NAT]     = { 'n', "src-nat", NULL, OPTIONAL, 0,   "ooooo.o.." "....." },
	[OPT_DST_NAT]     = { 'g', "dst-nat", NULL, OPTIONAL, 0,   "ooooo.o.." "....." },
	[OPT_ANY_NAT]     = { 'j', "any-nat", NULL, OPTIONAL, 0,   "o.....o.." "....." },
	[OPT_OUTPUT]      = { 'o', "output", NULL, ARG, 0,         "o..oooo.." "o...o" },
	[OPT_BUFFER_SIZE] = { 'b', "buffer-size", NULL, ARG, 0,    "......o.." "....." },
	[OPT_ZONE]        = { 'w', "zone", NULL, ARG, 0,           "ooo.o.o.." "....." },
	[OPT_LABEL]       = { 'l', "label", NULL, ARG, 0,          "o..oooo.." "....." },
	[OPT_LABEL_ADD]   = { 0, "label-add", NULL, ARG, 0,        ".ooo....." "....." },
	[OPT_LABEL_DEL]   = { 0, "label-del", NULL, OPTIONAL, 0,   "...o....." "....." },
	[OPT_ORIG_ZONE]   = { 0, "orig-zone", NULL, ARG, 0,        "ooo.o.o.." "....." },
	[OPT_REPLY_ZONE]  = { 0, "reply-zone", NULL, ARG, 0,       "ooo.o.o.." "....." },
	[OPT_KEEP_GOING]  = { 0, "keep-going", NULL, NO, LATER,    "........." "....." },
	[OPT_FILTER_FILE] = { 0, "filter-file", NULL, ARG, LATER,  "o..oo.o.." "....." },
	[OPT_DRY_RUN]     = { 0, "dry-run", NULL, NO, LATER,       "...oo...." "....." },
	[OPT_HELPER]      = { 0, "helper", NULL, ARG, LATER,       "ooooo...." "....." },
	[OPT_RESYNC]      = { 0, "resync", NULL, NO, LATER,        "......o.." "....." },
	[OPT_BY]          = { 0, "by", NULL, ARG, LATER,           "o.....o.." "....." },
	[OPT_TOP]         = { 0, "top", NULL, OPTIONAL, LATER,     "o.....o.." "....." },
	[OPT_SORT]        = { 0, "sort", NULL, ARG, LATER,         "o.....o.." "....." },
	[OPT_LIMIT]       = { 0, "limit", NULL, ARG, LATER,        "o........" "....." },
	[OPT_EVERY]       = { 0, "every", NULL, ARG, LATER,        "......o.." "....." },
	[OPT_INTERVALS]   = { 0, "count", NULL, ARG, LATER,        "......o.." "....." },
	[OPT_LABELMAP]    = { 'M', "labelmap", NULL, ARG, LATER,   "o..oo.o.." "....." },
};

/* Column of the matrix, -1: the command takes nothing at all. */
static int options_column(const struct cmdline *cl)
{
	static const signed char expect[CMD_MAX] = {
		[CMD_LIST] = 9, [CMD_CREATE] = 10, [CMD_ADD] = -1, [CMD_UPDATE] = -1,
		[CMD_DELETE] = 11, [CMD_GET] = 12, [CMD_EVENT] = 13, [CMD_FLUSH] = -1,
		[CMD_HELP] = 8, [CMD_COUNT] = -1, [CMD_STATS] = -1, [CMD_VERSION] = -1,
		[CMD_LOAD] = -1,
	};
	enum command_id id = cl->command->id;

	if (cl->table == CTS_TABLE_EXPECT)
		return expect[id];
	return id <= CMD_HELP ? (int)id : -1;
}

/* -C and --top look at what -L would list. */
static bool asks_table(const struct cmdline *cl)
{
	return cl->table != CTS_TABLE_EXPECT &&
	       (cl->command->id == CMD_COUNT || cl->command->id == CMD_TOP);
}

static char asked_of_table(const struct cmdline *cl, enum option_id id)
{
	if (id == OPT_ZERO || id == OPT_LIMIT)
		return '.';
	if (id == OPT_OUTPUT)
		return cl->command->id == CMD_COUNT && !(cl->output & ~(unsigned int)(OUT_JSON | OUT_CSV)) ?
			'o' : '.';
	if (id == OPT_EVERY && cl->command->id == CMD_TOP)
		return 'o';
	return option_rows[id].matrix[CMD_LIST];
}

static char options_rule(const struct cmdline *cl, enum option_id id, int column)
{
	const uint64_t no_selection = OPT_BIT(OPT_ZERO) | OPT_BIT(OPT_EVENT_MASK) |
		OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_BUFFER_SIZE) | OPT_BIT(OPT_LABEL_ADD) |
		OPT_BIT(OPT_LABEL_DEL) | OPT_BIT(OPT_FILTER_FILE) | OPT_BIT(OPT_DRY_RUN) |
		OPT_BIT(OPT_RESYNC) | OPT_BIT(OPT_BY) | OPT_BIT(OPT_TOP) | OPT_BIT(OPT_SORT) |
		OPT_BIT(OPT_LIMIT) | OPT_BIT(OPT_EVERY) | OPT_BIT(OPT_INTERVALS);

	const uint64_t zones = OPT_BIT(OPT_ZONE) | OPT_BIT(OPT_ORIG_ZONE) | OPT_BIT(OPT_REPLY_ZONE);

	if (id == OPT_NAT_RANGE)
		return 'o';
	if (cl->selection_only && (no_selection & OPT_BIT(id) || select_is_value(cl, id, PO_MAX)))
		return '.';
	if (cl->command->id == CMD_LOAD)
		return id == OPT_KEEP_GOING || id == OPT_DRY_RUN ? 'o' : '.';
	if (id == OPT_OUTPUT && cl->output == OUT_JSON &&
	    (cl->command->id == CMD_STATS || cl->command->id == CMD_COUNT))
		return 'o';
	if (asks_table(cl))
		return asked_of_table(cl, id);
	if (cl->saved && zones & OPT_BIT(id))   /* of an update: part of the entry's name */
		return 'o';
	return column < 0 ? '.' : option_rows[id].matrix[column];
}

/* The rows of the matrix with an R or a 3: looked at on each line of a file. */
#define OPTIONS_NEEDED (OPT_BIT(OPT_ORIG_SRC) | OPT_BIT(OPT_ORIG_DST) | OPT_BIT(OPT_REPLY_SRC) | \
			OPT_BIT(OPT_REPLY_DST) | OPT_BIT(OPT_PROTO) | OPT_BIT(OPT_TIMEOUT) | \
			OPT_BIT(OPT_TUPLE_SRC) | OPT_BIT(OPT_TUPLE_DST) | OPT_BIT(OPT_MASK_SRC) | \
			OPT_BIT(OPT_MASK_DST))

static void pair_check(const struct cmdline *cl)
{
	bool src = cmdline_has(cl, OPT_ORIG_SRC), dst = cmdline_has(cl, OPT_ORIG_DST);
	bool rsrc = cmdline_has(cl, OPT_REPLY_SRC), rdst = cmdline_has(cl, OPT_REPLY_DST);

	if ((src && dst) || (rsrc && rdst))
		return;
	if (rsrc || rdst)
		die_at(&cl->at, EXIT_PARAMETER,
		       "you have to specify `--reply-src' and `--reply-dst'");
	die_at(&cl->at, EXIT_PARAMETER, "you have to specify `--src' and `--dst'");
}

void options_refuse(const struct cmdline *cl)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (cmdline_has(cl, i) && i != OPT_NAT_RANGE)
			die_at(&cl->at, EXIT_PARAMETER, "Illegal option `--%s' with this command",
			       option_rows[i].name);
}

void options_check(const struct cmdline *cl)
{
	uint64_t left = cl->given | OPTIONS_NEEDED;
	int i, column = options_column(cl);
	bool pair = false;

	/* Said before an option that the command does not take. */
	if (cmdline_has(cl, OPT_ANY_NAT) &&
	    (cmdline_has(cl, OPT_SRC_NAT) || cmdline_has(cl, OPT_DST_NAT)))
		die_at(&cl->at, EXIT_PARAMETER,
		       "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'");
	for (; left; left &= left - 1) {
		bool given;
		char rule;

		i = __builtin_ctzll(left);
		given = cmdline_has(cl, i);
		rule = options_rule(cl, i, column);
		if (given && rule == '.')
			die_at(&cl->at, EXIT_PARAMETER, "Illegal option `--%s' with this command",
			       option_rows[i].name);
		if (!given && rule == 'R')
			die_at(&cl->at, EXIT_PARAMETER,
			       "You need to supply the `--%s' option for this command",
			       option_rows[i].name);
		pair |= rule == '3';
	}
	if (pair)
		pair_check(cl);
	if (cmdline_has(cl, OPT_LABEL_ADD) && cmdline_has(cl, OPT_LABEL_DEL))
		die_at(&cl->at, EXIT_OTHER,
		       "cannot use --label-add and --label-del at the same time");
}

void options_check_masks(const struct cmdline *cl)
{
	if (cmdline_has(cl, OPT_MASK_SRC) && !cmdline_has(cl, OPT_ORIG_SRC))
		die_at(&cl->at, EXIT_PARAMETER, "Can't use --mask-src without --src");
	if (cmdline_has(cl, OPT_MASK_DST) && !cmdline_has(cl, OPT_ORIG_DST))
		die_at(&cl->at, EXIT_PARAMETER, "Can't use --mask-dst without --dst");
}
