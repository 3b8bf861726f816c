/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of questions, and which of them go together. */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "cli/conntrack/sorted.h"

#define EVERY_MIN_MS 100u
#define EVERY_MAX_S 86400u
#define TOP_DEFAULT 10u

/* Seconds with up to three decimals, as milliseconds. */
static bool seconds_read(const char *text, uint64_t *ms)
{
	uint64_t value = 0, scale = 1000;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && value <= EVERY_MAX_S; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	value *= 1000;
	if (p > text && *p == '.' && p[1])
		for (p++; *p >= '0' && *p <= '9' && scale > 1; p++)
			value += (uint64_t)(*p - '0') * (scale /= 10);
	*ms = value;
	return p > text && !*p && value >= EVERY_MIN_MS && value <= EVERY_MAX_S * 1000u;
}

void question_option(struct cmdline *cl, enum option_id id, const char *arg)
{
	struct question *q = &cl->question;

	switch (id) {
	case OPT_BY:
		q->by = arg;
		break;
	case OPT_SORT:
		q->sort = arg;
		break;
	case OPT_TOP:
		q->top = arg ? parse_number(&cl->at, arg, UINT32_MAX, "top") : TOP_DEFAULT;
		q->top_number = arg;
		break;
	case OPT_LIMIT:
		q->limit = parse_number(&cl->at, arg, UINT32_MAX, "limit");
		break;
	case OPT_INTERVALS:
		q->intervals = parse_number(&cl->at, arg, UINT32_MAX, "count");
		break;
	default:
		if (!seconds_read(arg, &q->every_ms))
			die_at(&cl->at, EXIT_PARAMETER, "bad value `%s' for `--every': seconds "
			       "from 0.1 to %u are needed", arg, EVERY_MAX_S);
		break;
	}
}

static void needs_by(const struct cmdline *cl, enum option_id id)
{
	if (cmdline_has(cl, id) && !cmdline_has(cl, OPT_BY))
		die_at(&cl->at, EXIT_PARAMETER, "Can't use --%s without --by",
		       option_rows[id].name);
}

static void not_with_by(const struct cmdline *cl, enum option_id id)
{
	if (cmdline_has(cl, id))
		die_at(&cl->at, EXIT_PARAMETER, "Can't use --%s with --by", option_rows[id].name);
}

static void check_output(const struct cmdline *cl)
{
	if (cl->output & (OUT_XML | OUT_SAVE))
		die_at(&cl->at, EXIT_PARAMETER, "groups are shown as text, csv or json");
	if (cl->output & OUT_CSV && cl->output & OUT_JSON)
		die_at(&cl->at, EXIT_PARAMETER, "cannot combine csv and json output");
}

/* The fields of an order are looked at before the table is. */
static void check_order(const struct cmdline *cl)
{
	if (cmdline_has(cl, OPT_SORT))
		sorted_check(&cl->at, cl->question.sort);
}

void question_check(const struct cmdline *cl)
{
	struct group_by by;

	if (cl->output & OUT_CSV && !cmdline_has(cl, OPT_BY))
		die_at(&cl->at, EXIT_PARAMETER, "csv is a form of groups: Can't use it without --by");
	if (cl->command->id == CMD_TOP) {
		if (cl->question.top_number)
			die_at(&cl->at, EXIT_PARAMETER, "`--top %" PRIu64 "' goes with -L, -C or -E "
			       "and --by; --top alone is a view on the terminal", cl->question.top);
		if (cmdline_has(cl, OPT_BY))
			group_by_parse(&by, &cl->at, cl->question.by, "by");
		tally_sort(cl);
		return;
	}
	needs_by(cl, OPT_TOP);
	needs_by(cl, OPT_EVERY);
	needs_by(cl, OPT_INTERVALS);
	if (cl->command->id != CMD_LIST)
		needs_by(cl, OPT_SORT);
	if (!cmdline_has(cl, OPT_BY)) {
		check_order(cl);
		return;
	}
	not_with_by(cl, OPT_LIMIT);
	not_with_by(cl, OPT_RESYNC);
	check_output(cl);
	group_by_parse(&by, &cl->at, cl->question.by, "by");
	tally_sort(cl);
}
