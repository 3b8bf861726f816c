/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the words of a command line, argv or a line of a file, to a checked one. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/question.h"
#include "cli/conntrack/saved.h"
#include "cli/conntrack/scan.h"

/* What the scanner calls commands, options and a protocol's options. */
enum { VAL_COMMAND = 0, VAL_OPTION = 0x100, VAL_PROTO = 0x200 };

struct parser {
	struct scan_table fixed;       /* commands, options */
	struct scan_table proto;       /* options of a protocol */
	uint8_t proto_made;            /* of this one */
	struct label_maps maps;
	bool warned;                   /* of what is deprecated, once */
};

struct parser *parser_create(void)
{
	struct parser *p = calloc(1, sizeof(*p));
	int i;

	if (!p)
		return NULL;
	for (i = 0; i < CMD_TOP; i++)
		scan_table_add(&p->fixed, commands[i].letter, commands[i].name,
			       i == CMD_LOAD ? required_argument | SCAN_LATER : no_argument,
			       VAL_COMMAND + i);
	/* As --counter, and of the option --count too: take_count(). */
	scan_table_add(&p->fixed, 0, "count", optional_argument, VAL_COMMAND + CMD_COUNT);
	for (i = 0; i < OPT_INTERVALS; i++) {
		const struct option_row *row = &option_rows[i];

		scan_table_add(&p->fixed, row->letter, row->name, row->arg | row->since,
			       VAL_OPTION + i);
		if (row->aliases)
			scan_table_add(&p->fixed, 0, row->aliases, row->arg | row->since,
				       VAL_OPTION + i);
	}
	return p;
}

void parser_destroy(struct parser *p)
{
	if (p)
		label_maps_fini(&p->maps);
	free(p);
}

/* Dashes that word processors and web pages put in the place of a hyphen. */
static const char *dash_name(const char *word)
{
	static const struct { const char *bytes, *name; } dashes[] = {
		{ "\xe2\x80\x90", "a hyphen that is no minus sign" },
		{ "\xe2\x80\x91", "a non-breaking hyphen" },
		{ "\xe2\x80\x92", "a figure dash" }, { "\xe2\x80\x93", "an en dash" },
		{ "\xe2\x80\x94", "an em dash" }, { "\xe2\x80\x95", "a horizontal bar" },
		{ "\xe2\x88\x92", "a mathematical minus" },
		{ "\x96", "an en dash" }, { "\x97", "an em dash" },
	};

	for (size_t i = 0; i < sizeof(dashes) / sizeof(dashes[0]); i++)
		if (!strncmp(word, dashes[i].bytes, strlen(dashes[i].bytes)))
			return dashes[i].name;
	return NULL;
}

/* A word that belongs to no option. Passed over, it would widen what is selected. */
static void stray_word(const struct cmdline *cl, const char *word)
{
	const char *dash = dash_name(word);
	union cts_addr addr;

	if (dash)
		die_at(&cl->at, EXIT_PARAMETER, "stray word `%s': it begins with %s, options "
		       "with `-'", word, dash);
	if (!*word)
		die_at(&cl->at, EXIT_PARAMETER, "stray word `': it is empty");
	if (parse_address(word, &addr) != AF_UNSPEC && strpbrk(word, ".:"))
		die_at(&cl->at, EXIT_PARAMETER, "stray word `%s': an address needs an option in "
		       "front, such as -s or -d", word);
	die_at(&cl->at, EXIT_PARAMETER, "stray word `%s': it belongs to no option", word);
}

static void parse_table(struct cmdline *cl, const char *word)
{
	static const char *const names[] = {
		[CTS_TABLE_CONNTRACK] = "conntrack", [CTS_TABLE_DYING] = "dying",
		[CTS_TABLE_UNCONFIRMED] = "unconfirmed", [CTS_TABLE_EXPECT] = "expect",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(names[i], word, strlen(word)) || !*word)
			continue;
		cl->table = (enum cts_dump_table)i;
		return;
	}
	if (dash_name(word))
		stray_word(cl, word);
	die_at(&cl->at, EXIT_PARAMETER, "unknown type `%s'", word);
}

static void set_command(struct cmdline *cl, const struct command *c, struct scan *s)
{
	const char *word;

	if (cl->command)
		die_at(&cl->at, EXIT_PARAMETER, "Invalid commands combination");
	cl->command = c;
	if (c->id == CMD_LOAD) {
		cl->path = s->arg;
		return;
	}
	/* Every command takes the word: a table that it cannot work on must be
	 * refused (check_table()), never be passed over as a stray word. While letters
	 * of a cluster are left, the word belongs to one of them: `-Lp tcp'. */
	word = s->cluster ? NULL : scan_word(s);
	if (word)
		parse_table(cl, word);
}

static void check_table(const struct cmdline *cl)
{
	const struct command *c = cl->command;

	if (c->tables & 1u << cl->table)
		return;
	if (cl->table == CTS_TABLE_EXPECT)
		die_at(&cl->at, EXIT_PARAMETER, "Can't do --%s on expectations", c->name);
	die_at(&cl->at, EXIT_PARAMETER,
	       "Can't do that command with tables `dying' and `unconfirmed'");
}

/* -p brings its protocol's options in. */
static void add_proto_options(const struct cmdline *cl, struct parser *p, struct scan *s)
{
	uint8_t proto = cl->store.flow.orig.proto;

	if (p->proto_made != proto) {
		scan_table_clear(&p->proto);
		proto_options_add(proto, &p->proto, VAL_PROTO);
		p->proto_made = proto;
	}
	s->extra = &p->proto;
}

/* --count is the command -C to all who know it; with a number it is how many intervals. */
static bool take_count(struct cmdline *cl, struct scan *s)
{
	const char *word = s->arg;

	if (!word && !s->letter && s->next < s->argc && *s->argv[s->next] >= '0' &&
	    *s->argv[s->next] <= '9')
		word = scan_word(s);
	if (word)
		option_set(cl, OPT_INTERVALS, word);
	return word;
}

static void take_option(struct cmdline *cl, struct parser *p, struct scan *s, int val)
{
	enum option_id id = (enum option_id)(val - VAL_OPTION);

	if (val == VAL_COMMAND + CMD_COUNT && take_count(cl, s))
		return;
	if (val < VAL_OPTION) {
		set_command(cl, &commands[val - VAL_COMMAND], s);
		return;
	}
	if (val >= VAL_PROTO) {
		proto_option_parse(cl, (enum proto_option_id)(val - VAL_PROTO), s->name, s->arg);
		return;
	}
	if (!s->arg && option_rows[id].arg == optional_argument)
		s->arg = scan_word(s);
	option_set(cl, id, s->arg);
	if (id == OPT_NAT_RANGE && !p->warned) {
		place_alone(&cl->at);
		fputs("WARNING: ignoring -a, deprecated option.\n", stderr);
		p->warned = true;
	}
	if (id == OPT_PROTO)
		add_proto_options(cl, p, s);
}

static void bad_option(const struct cmdline *cl, const struct scan *s, bool argument_missing)
{
	if (!s->letter)
		die_at(&cl->at, EXIT_PARAMETER,
		       argument_missing ? "option `%s' requires an argument" :
					  "unknown option `%s'", s->word);
	die_at(&cl->at, EXIT_PARAMETER,
	       argument_missing ? "option `-%c' requires an argument" :
				  "unknown option `-%c'", s->letter);
}

/* What belongs together is said in one place: presence bits, family, inversion. */
static void complete_flow(struct cmdline *cl)
{
	struct cts_flow *f = &cl->store.flow;

	if (cmdline_has(cl, OPT_ZONE))
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE);
	if (cmdline_has(cl, OPT_ORIG_ZONE))
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG);
	if (cmdline_has(cl, OPT_REPLY_ZONE))
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY);
	f->orig.family = f->reply.family = (uint8_t)cl->family;
	if (!cl->events && cl->command->id == CMD_EVENT)
		cl->events = parse_events(&cl->at, "ALL");
	labels_resolve(cl);
	/* What creates an entry selects nothing: most lines of a file. */
	if (cl->command->id != CMD_CREATE && cl->command->id != CMD_ADD)
		select_compile(cl);
}

static void check_zero(const struct cmdline *cl)
{
	/* Translations may be chosen, as ever, though the counters of all go to zero. A mask
	 * goes with its address. */
	uint64_t filters = ~(OPT_BIT(OPT_SRC_NAT) | OPT_BIT(OPT_DST_NAT) | OPT_BIT(OPT_ANY_NAT) |
			     OPT_BIT(OPT_MASK_SRC) | OPT_BIT(OPT_MASK_DST) | OPT_BIT(OPT_ZERO) |
			     OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_FAMILY) | OPT_BIT(OPT_LABELMAP) |
			     OPT_BIT(OPT_NAT_RANGE) | OPT_BIT(OPT_BY) | OPT_BIT(OPT_TOP) |
			     OPT_BIT(OPT_SORT));

	if (cmdline_has(cl, OPT_ZERO) && (cl->given & filters || cl->proto_given))
		die_at(&cl->at, EXIT_PARAMETER, "Can't use -z with filtering parameters");
}

static void cmdline_init(struct cmdline *cl, struct parser *p, const struct place *at)
{
	memset(cl, 0, offsetof(struct cmdline, condition));
	cl->at = *at;
	cl->maps = &p->maps;
}

static void take_words(struct parser *p, struct cmdline *cl, int argc, char *argv[])
{
	struct scan s;
	int val;

	scan_init(&s, &p->fixed, argc, argv);
	while ((val = scan_next(&s)) != SCAN_END) {
		if (val == SCAN_STRAY)
			stray_word(cl, s.word);
		if (val < 0)
			bad_option(cl, &s, val == SCAN_NO_ARGUMENT);
		take_option(cl, p, &s, val);
	}
}

void cmdline_parse(struct parser *p, struct cmdline *cl, const struct place *at, int argc,
		   char *argv[])
{
	cmdline_init(cl, p, at);
	take_words(p, cl, argc, argv);
	cl->argv = argv;
	if (!cl->command && cmdline_has(cl, OPT_TOP))
		cl->command = &commands[CMD_TOP];
	if (!cl->command) {
		options_refuse(cl);
		cl->command = &commands[CMD_HELP];
	}
	if (cl->command->id == CMD_HELP && !cl->given)
		return;
	check_table(cl);
	cl->saved = saved_is(cl, argc, argv);
	if (cl->saved)
		saved_ignore(cl);
	options_check(cl);
	if (cl->command->id != CMD_HELP)
		proto_options_check(cl);
	check_zero(cl);
	options_check_masks(cl);
	question_check(cl);
	complete_flow(cl);
}

void cmdline_parse_selection(struct parser *p, struct cmdline *cl, const struct cmdline *of,
			     const struct place *at, int argc, char *argv[])
{
	cmdline_init(cl, p, at);
	cl->command = of->command;
	cl->table = of->table;
	cl->selection_only = true;
	take_words(p, cl, argc, argv);
	options_check(cl);
	options_check_masks(cl);
	proto_options_check(cl);
	complete_flow(cl);
}
