/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each option sets in a command line: a table of setters. */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "cli/conntrack/question.h"

struct setting {
	/* Put arg (NULL: the option stands alone) where the row says. */
	void (*set)(struct cmdline *cl, const struct setting *how, const char *arg);
	const char *name;            /* what messages call it */
	size_t at;                   /* in struct cmdline */
	size_t mask, masked;         /* of networks; 0: it takes no length */
	uint64_t max;                /* of numbers */
	enum option_id mask_option;  /* a length is as good as this one */
};

static void *place_of(struct cmdline *cl, size_t at)
{
	return (char *)cl + at;
}

static void set_nothing(struct cmdline *cl, const struct setting *how, const char *arg)
{
	(void)cl;
	(void)how;
	(void)arg;
}

/* -- families and addresses -- */

static void set_family(struct cmdline *cl, int family)
{
	if (cl->family != AF_UNSPEC && cl->family != family)
		die_at(&cl->at, EXIT_PARAMETER, "mismatched address family");
	cl->family = family;
}

static void set_family_word(struct cmdline *cl, const struct setting *how, const char *arg)
{
	(void)how;
	if (!strcmp(arg, "ipv4"))
		set_family(cl, AF_INET);
	else if (!strcmp(arg, "ipv6"))
		set_family(cl, AF_INET6);
	else
		die_at(&cl->at, EXIT_PARAMETER, "`%s' unsupported protocol", arg);
}

/* A length counts like a mask, whichever of the two stands first. */
static void set_address(struct cmdline *cl, const struct setting *how, const char *arg)
{
	union cts_addr mask;
	bool masked;

	set_family(cl, parse_network(&cl->at, arg, how->mask != 0, place_of(cl, how->at), &mask,
				     &masked, how->name));
	if (!masked)
		return;
	*(union cts_addr *)place_of(cl, how->mask) = mask;
	*(bool *)place_of(cl, how->masked) = true;
	cl->given |= OPT_BIT(how->mask_option);
}

/* A length behind an expected address means nothing. */
static void set_expected(struct cmdline *cl, const struct setting *how, const char *arg)
{
	union cts_addr unused;
	bool masked;

	set_family(cl, parse_network(&cl->at, arg, true, place_of(cl, how->at), &unused, &masked,
				     how->name));
}

static void set_mask(struct cmdline *cl, const struct setting *how, const char *arg)
{
	union cts_addr *mask = place_of(cl, how->mask);
	bool unused;

	set_family(cl, parse_network(&cl->at, arg, false, mask, mask, &unused, how->name));
	*(bool *)place_of(cl, how->masked) = true;
}

static void set_nat(struct cmdline *cl, const struct setting *how, const char *arg)
{
	struct nat_arg *nat = place_of(cl, how->at);

	if (!arg)
		return;
	parse_nat(&cl->at, arg, nat, how->name);
	set_family(cl, nat->family);
}

/* -- numbers -- */

static void set_timeout(struct cmdline *cl, const struct setting *how, const char *arg)
{
	struct cts_flow *f = &cl->store.flow;

	f->timeout = (uint32_t)parse_number(&cl->at, arg, how->max, how->name);
	f->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
}

static void set_size(struct cmdline *cl, const struct setting *how, const char *arg)
{
	*(uint64_t *)place_of(cl, how->at) = parse_number(&cl->at, arg, how->max, how->name);
}

static void set_u32(struct cmdline *cl, const struct setting *how, const char *arg)
{
	*(uint32_t *)place_of(cl, how->at) = parse_any_base(&cl->at, arg, how->name);
}

static void set_zone(struct cmdline *cl, const struct setting *how, const char *arg)
{
	*(uint16_t *)place_of(cl, how->at) = parse_zone(&cl->at, arg, how->name);
}

static void set_mark(struct cmdline *cl, const struct setting *how, const char *arg)
{
	(void)how;
	parse_mark(&cl->at, arg, &cl->mark, &cl->mark_mask);
}

/* -- words -- */

static void set_proto(struct cmdline *cl, const struct setting *how, const char *arg)
{
	struct cts_flow *f = &cl->store.flow;

	(void)how;
	f->orig.proto = f->reply.proto = parse_protocol(&cl->at, arg);
}

static void set_status(struct cmdline *cl, const struct setting *how, const char *arg)
{
	(void)how;
	parse_status(&cl->at, arg, &cl->status_set, &cl->status_clear);
}

static void set_events(struct cmdline *cl, const struct setting *how, const char *arg)
{
	(void)how;
	cl->events |= parse_events(&cl->at, arg);
}

static void set_output(struct cmdline *cl, const struct setting *how, const char *arg)
{
	(void)how;
	cl->output |= parse_output(&cl->at, arg);
	check_output_words(&cl->at, cl->output);
}

static void set_label(struct cmdline *cl, const struct setting *how, const char *arg)
{
	uint32_t *words = place_of(cl, how->at);

	if (arg)
		labels_note(cl, arg, words);
	else
		cl->label_del_all = true;
}

static void set_helper(struct cmdline *cl, const struct setting *how, const char *arg)
{
	size_t len = strlen(arg);

	(void)how;
	if (!len || len > HELPER_NAME_MAX)
		die_at(&cl->at, EXIT_PARAMETER, "`%s' is no name of a helper", arg);
	memcpy(cl->store.helper, arg, len + 1);
}

static void set_path(struct cmdline *cl, const struct setting *how, const char *arg)
{
	const char **path = place_of(cl, how->at);

	if (*path)
		die_at(&cl->at, EXIT_PARAMETER, "option `--%s' can only be specified once",
		       how->name);
	*path = arg;
}

#define AT(member) .at = offsetof(struct cmdline, member)
#define FLOW(member) .at = offsetof(struct cmdline, store.flow.member)
#define NET(end) .mask = offsetof(struct cmdline, end##_mask), \
		 .masked = offsetof(struct cmdline, end##_masked)

static const struct setting settings[OPT_MAX];

static void set_question(struct cmdline *cl, const struct setting *how, const char *arg)
{
	question_option(cl, (enum option_id)(how - settings), arg);
}

static const struct setting settings[OPT_MAX] = {
	[OPT_ORIG_SRC] = { set_address, "src", FLOW(orig.src), NET(src),
			   .mask_option = OPT_MASK_SRC },
	[OPT_ORIG_DST] = { set_address, "dst", FLOW(orig.dst), NET(dst),
			   .mask_option = OPT_MASK_DST },
	[OPT_REPLY_SRC] = { set_address, "reply-src", FLOW(reply.src) },
	[OPT_REPLY_DST] = { set_address, "reply-dst", FLOW(reply.dst) },
	[OPT_MASK_SRC] = { set_mask, "mask-src", NET(src) },
	[OPT_MASK_DST] = { set_mask, "mask-dst", NET(dst) },
	[OPT_TUPLE_SRC] = { set_expected, "tuple-src", AT(expected.src) },
	[OPT_TUPLE_DST] = { set_expected, "tuple-dst", AT(expected.dst) },
	[OPT_SRC_NAT] = { set_nat, "src-nat", AT(snat) },
	[OPT_DST_NAT] = { set_nat, "dst-nat", AT(dnat) },
	[OPT_ANY_NAT] = { set_nat, "any-nat", AT(anynat) },
	[OPT_FAMILY] = { set_family_word, "family" },
	[OPT_PROTO] = { set_proto, "protonum" },
	[OPT_TIMEOUT] = { set_timeout, "timeout", .max = UINT32_MAX },
	[OPT_STATUS] = { set_status, "status" },
	[OPT_EVENT_MASK] = { set_events, "event-mask" },
	[OPT_MARK] = { set_mark, "mark" },
	[OPT_SECMARK] = { set_u32, "-c", FLOW(secmark) },
	[OPT_ID] = { set_u32, "-i", FLOW(id) },
	[OPT_OUTPUT] = { set_output, "output" },
	[OPT_BUFFER_SIZE] = { set_size, "buffer-size", AT(buffer_size), .max = UINT32_MAX },
	[OPT_ZONE] = { set_zone, "-w", FLOW(zone) },
	[OPT_ORIG_ZONE] = { set_zone, "--orig-zone", FLOW(zone_dir[CTS_DIR_ORIG]) },
	[OPT_REPLY_ZONE] = { set_zone, "--reply-zone", FLOW(zone_dir[CTS_DIR_REPLY]) },
	[OPT_LABEL] = { set_label, "label", AT(labels) },
	[OPT_LABEL_ADD] = { set_label, "label-add", AT(label_add) },
	[OPT_LABEL_DEL] = { set_label, "label-del", AT(label_del) },
	[OPT_LABELMAP] = { set_path, "labelmap", AT(labelmap_path) },
	[OPT_FILTER_FILE] = { set_path, "filter-file", AT(filter_path) },
	[OPT_HELPER] = { set_helper, "helper" },
	[OPT_BY] = { set_question, "by" },
	[OPT_TOP] = { set_question, "top" },
	[OPT_SORT] = { set_question, "sort" },
	[OPT_LIMIT] = { set_question, "limit" },
	[OPT_EVERY] = { set_question, "every" },
	[OPT_INTERVALS] = { set_question, "count" },
	[OPT_NAT_RANGE] = { set_nothing, "nat-range" },
	[OPT_ZERO] = { set_nothing, "zero" },
	[OPT_KEEP_GOING] = { set_nothing, "keep-going" },
	[OPT_DRY_RUN] = { set_nothing, "dry-run" },
	[OPT_RESYNC] = { set_nothing, "resync" },
};

void option_set(struct cmdline *cl, enum option_id id, const char *arg)
{
	const struct setting *how = &settings[id];

	cl->given |= OPT_BIT(id);
	how->set(cl, how, arg);
}
