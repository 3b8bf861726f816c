/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the words of a command line, argv or a line of a file, to a checked one. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/question.h"
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
			       i == CMD_LOAD ? required_argument : no_argument, VAL_COMMAND + i);
	/* As --counter, and of the option --count too: take_count(). */
	scan_table_add(&p->fixed, 0, "count", optional_argument, VAL_COMMAND + CMD_COUNT);
	for (i = 0; i < OPT_INTERVALS; i++) {
		const struct option_row *row = &option_rows[i];

		scan_table_add(&p->fixed, row->letter, row->name, row->arg, VAL_OPTION + i);
		if (row->aliases)
			scan_table_add(&p->fixed, 0, row->aliases, row->arg, VAL_OPTION + i);
	}
	return p;
}

void parser_destroy(struct parser *p)
{
	if (p)
		label_maps_fini(&p->maps);
	free(p);
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
	die_at(&cl->at, EXIT_PARAMETER, "unknown type `%s'", word);
}

static void set_command(struct cmdline *cl, const struct command *c, struct scan *s)
{
	const char *word;

	if (cl->command && c->id == CMD_HELP && !cl->selection_only)
		return;
	if (cl->command && (cl->command->id != CMD_HELP || cl->selection_only))
		die_at(&cl->at, EXIT_PARAMETER, "Invalid commands combination");
	cl->command = c;
	if (c->id == CMD_LOAD) {
		cl->path = s->arg;
		return;
	}
	/* Every command takes the word: a table that it cannot work on must be
	 * refused (check_table()), never be passed over as a stray word. */
	word = scan_word(s);
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

static void set_family(struct cmdline *cl, int family)
{
	if (cl->family != AF_UNSPEC && cl->family != family)
		die_at(&cl->at, EXIT_PARAMETER, "mismatched address family");
	cl->family = family;
}

static void parse_family(struct cmdline *cl, const char *arg)
{
	if (!strcmp(arg, "ipv4"))
		set_family(cl, AF_INET);
	else if (!strcmp(arg, "ipv6"))
		set_family(cl, AF_INET6);
	else
		die_at(&cl->at, EXIT_PARAMETER, "`%s' unsupported protocol", arg);
}

static void parse_flow_address(struct cmdline *cl, enum option_id id, const char *arg)
{
	struct cts_flow *f = &cl->store.flow;
	union cts_addr unused;
	bool masked = false;

	switch (id) {
	case OPT_ORIG_SRC:
		set_family(cl, parse_network(&cl->at, arg, true, &f->orig.src, &cl->src_mask,
					     &cl->src_masked, "src"));
		break;
	case OPT_ORIG_DST:
		set_family(cl, parse_network(&cl->at, arg, true, &f->orig.dst, &cl->dst_mask,
					     &cl->dst_masked, "dst"));
		break;
	case OPT_REPLY_SRC:
		set_family(cl, parse_network(&cl->at, arg, false, &f->reply.src, &unused, &masked,
					     "reply-src"));
		break;
	default:
		set_family(cl, parse_network(&cl->at, arg, false, &f->reply.dst, &unused, &masked,
					     "reply-dst"));
		break;
	}
}

/* --tuple-src and --tuple-dst; a length behind the address means nothing there. */
static void parse_expected(struct cmdline *cl, const char *arg, union cts_addr *addr,
			   const char *name)
{
	union cts_addr unused;
	bool masked;

	set_family(cl, parse_network(&cl->at, arg, true, addr, &unused, &masked, name));
}

static void parse_mask(struct cmdline *cl, const char *arg, union cts_addr *mask, bool *masked,
		       const char *name)
{
	bool nothing;

	set_family(cl, parse_network(&cl->at, arg, false, mask, mask, &nothing, name));
	*masked = true;
}

static void parse_nat_option(struct cmdline *cl, struct nat_arg *nat, const char *arg,
			     const char *name)
{
	if (!arg)
		return;
	parse_nat(&cl->at, arg, nat, name);
	set_family(cl, nat->family);
}

static void parse_helper(struct cmdline *cl, const char *arg)
{
	size_t len = strlen(arg);

	if (!len || len > HELPER_NAME_MAX)
		die_at(&cl->at, EXIT_PARAMETER, "`%s' is no name of a helper", arg);
	memcpy(cl->store.helper, arg, len + 1);
}

static void set_option(struct cmdline *cl, enum option_id id, const char *arg)
{
	struct cts_flow *f = &cl->store.flow;

	cl->given |= OPT_BIT(id);
	switch (id) {
	case OPT_ORIG_SRC: case OPT_ORIG_DST: case OPT_REPLY_SRC: case OPT_REPLY_DST:
		parse_flow_address(cl, id, arg);
		break;
	case OPT_MASK_SRC:
		parse_mask(cl, arg, &cl->src_mask, &cl->src_masked, "mask-src");
		break;
	case OPT_MASK_DST:
		parse_mask(cl, arg, &cl->dst_mask, &cl->dst_masked, "mask-dst");
		break;
	case OPT_PROTO:
		f->orig.proto = f->reply.proto = parse_protocol(&cl->at, arg);
		break;
	case OPT_TIMEOUT:
		f->timeout = (uint32_t)parse_number(&cl->at, arg, UINT32_MAX, "timeout");
		f->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
		break;
	case OPT_STATUS:
		parse_status(&cl->at, arg, &cl->status_set, &cl->status_clear);
		break;
	case OPT_EVENT_MASK:
		cl->events |= parse_events(&cl->at, arg);
		break;
	case OPT_MARK:
		parse_mark(&cl->at, arg, &cl->mark, &cl->mark_mask);
		break;
	case OPT_SECMARK:
		f->secmark = parse_setting_number(&cl->at, arg, UINT32_MAX, "-c");
		break;
	case OPT_ID:
		f->id = parse_setting_number(&cl->at, arg, UINT32_MAX, "-i");
		break;
	case OPT_FAMILY:
		parse_family(cl, arg);
		break;
	case OPT_SRC_NAT:
		parse_nat_option(cl, &cl->snat, arg, "src-nat");
		break;
	case OPT_DST_NAT:
		parse_nat_option(cl, &cl->dnat, arg, "dst-nat");
		break;
	case OPT_ANY_NAT:
		parse_nat_option(cl, &cl->anynat, arg, "any-nat");
		break;
	case OPT_OUTPUT:
		cl->output |= parse_output(&cl->at, arg);
		break;
	case OPT_BUFFER_SIZE:
		cl->buffer_size = parse_number(&cl->at, arg, UINT32_MAX, "buffer-size");
		break;
	case OPT_ZONE:
		f->zone = (uint16_t)parse_setting_number(&cl->at, arg, UINT16_MAX, "-w");
		break;
	case OPT_ORIG_ZONE:
		f->zone_dir[CTS_DIR_ORIG] =
			(uint16_t)parse_setting_number(&cl->at, arg, UINT16_MAX, "--orig-zone");
		break;
	case OPT_REPLY_ZONE:
		f->zone_dir[CTS_DIR_REPLY] =
			(uint16_t)parse_setting_number(&cl->at, arg, UINT16_MAX, "--reply-zone");
		break;
	case OPT_LABEL:
		parse_labels(cl, arg, cl->labels);
		break;
	case OPT_LABEL_ADD:
		parse_labels(cl, arg, cl->label_add);
		break;
	case OPT_LABEL_DEL:
		if (arg)
			parse_labels(cl, arg, cl->label_del);
		else
			cl->label_del_all = true;
		break;
	case OPT_LABELMAP:
		if (cl->labels_named || cl->labelmap_path)
			die_at(&cl->at, EXIT_PARAMETER,
			       "--labelmap must stand once, before labels are named");
		cl->labelmap_path = arg;
		break;
	case OPT_HELPER:
		parse_helper(cl, arg);
		break;
	case OPT_FILTER_FILE:
		if (cl->filter_path)
			die_at(&cl->at, EXIT_PARAMETER, "--filter-file must stand once");
		cl->filter_path = arg;
		break;
	case OPT_TUPLE_SRC:
		parse_expected(cl, arg, &cl->expected.src, "tuple-src");
		break;
	case OPT_TUPLE_DST:
		parse_expected(cl, arg, &cl->expected.dst, "tuple-dst");
		break;
	case OPT_BY: case OPT_TOP: case OPT_SORT: case OPT_LIMIT: case OPT_EVERY: case OPT_INTERVALS:
		question_option(cl, id, arg);
		break;
	case OPT_NAT_RANGE: case OPT_ZERO:
	case OPT_KEEP_GOING: case OPT_DRY_RUN: case OPT_RESYNC: case OPT_MAX:
		break;
	}
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
		set_option(cl, OPT_INTERVALS, word);
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
	set_option(cl, id, s->arg);
	if (id == OPT_NAT_RANGE && !p->warned) {
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
		       argument_missing ? "option `%.*s' requires an argument" :
					  "unknown option `%.*s'",
		       (int)strcspn(s->word, "="), s->word);
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
	if (!cl->events)
		cl->events = parse_events(&cl->at, "ALL");
}

static void check_zero(const struct cmdline *cl)
{
	uint64_t filters = ~(OPT_BIT(OPT_ZERO) | OPT_BIT(OPT_OUTPUT) | OPT_BIT(OPT_FAMILY) |
			     OPT_BIT(OPT_LABELMAP) | OPT_BIT(OPT_NAT_RANGE) |
			     OPT_BIT(OPT_BY) | OPT_BIT(OPT_TOP) | OPT_BIT(OPT_SORT));

	if (cmdline_has(cl, OPT_ZERO) && (cl->given & filters || cl->proto_given))
		die_at(&cl->at, EXIT_PARAMETER, "Can't use -z with filtering parameters");
}

static void cmdline_init(struct cmdline *cl, struct parser *p, const struct place *at)
{
	memset(cl, 0, sizeof(*cl));
	cl->at = *at;
	cl->maps = &p->maps;
}

static void take_words(struct parser *p, struct cmdline *cl, int argc, char *argv[])
{
	struct scan s;
	int val;

	scan_init(&s, &p->fixed, argc, argv);
	while ((val = scan_next(&s)) != SCAN_END) {
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
	if (!cl->command) {
		options_refuse(cl);
		cl->command = &commands[CMD_HELP];
	}
	if (cl->command->id == CMD_HELP && !cl->given)
		return;
	check_table(cl);
	options_check(cl);
	if (cl->command->id != CMD_HELP)
		proto_options_check(cl);
	check_zero(cl);
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
	proto_options_check(cl);
	complete_flow(cl);
}
