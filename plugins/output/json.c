/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json: an object a line for each event or entry, with every field that it has.
 * doc/JSON.md is the schema; names and meanings there stay.
 */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/labelmap.h>
#include <ctsync/line.h>
#include <ctsync/text.h>

#include "plugins/output/lines.h"
#include "plugins/output/progname.h"

#define JSON_LINE 4096u /* suffices but for many long labels or texts */

static const struct cts_option json_options[] = {
	{ .name = "file",
	  .type = CTS_OPT_PATH,
	  .choices = "-",
	  .def = "-",
	  .help = "where the lines go; \"-\" is the standard output" },
	{ .name = "events",
	  .type = CTS_OPT_LIST,
	  .choices = "new update destroy",
	  .def = "new update destroy",
	  .help = "which events make a line" },
	{ .name = "labelmap",
	  .type = CTS_OPT_PATH,
	  .help = "names of label bits, else the system's file" },
	{ .name = "userspace",
	  .type = CTS_OPT_CHOICE,
	  .choices = "no id name",
	  .def = "id",
	  .help = "who caused an event, if a program did; name: search for it in /proc" },
	{ .name = "full",
	  .type = CTS_OPT_CHOICE,
	  .choices = "drop wait",
	  .def = "drop",
	  .help = "when nobody takes the lines: drop and count them, or wait" },
	{ .name = NULL }
};

struct json {
	struct lines lines;
	struct cts_labelmap *labelmap; /* owned; NULL: labels by number */
	bool userspace, name;
	struct progname programs;
};

static const char *const event_names[CTS_EVENT_TYPE_MAX] = { "new", "update", "destroy" };

static void *json_create(const struct cts_options *opt)
{
	const char *userspace = cts_options_string(opt, "userspace");
	struct json *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	if (lines_open(&j->lines, opt, json_options, JSON_LINE) < 0) {
		int saved = errno;

		free(j);
		errno = saved;
		return NULL;
	}
	j->userspace = strcmp(userspace, "no") != 0;
	j->name = strcmp(userspace, "name") == 0;
	j->labelmap = cts_labelmap_load(cts_options_string(opt, "labelmap"));
	return j;
}

static void json_destroy(void *priv)
{
	struct json *j = priv;

	lines_close(&j->lines);
	cts_labelmap_free(j->labelmap);
	free(j);
}

/* -- values -- */

/* Every member ends in a comma; the last one of an object is taken back. */
#define put_name(l, name) cts_line_put(l, "\"" name "\":")

#define put_member(l, name, v)         \
	do {                           \
		put_name(l, name);     \
		cts_line_number(l, v); \
		cts_line_put(l, ",");  \
	} while (0)

static void close_with(struct cts_line *l, const char *bracket)
{
	if (l->at[-1] == ',')
		l->at--;
	cts_line_text(l, bracket, 1);
	cts_line_put(l, ",");
}

static void put_string(struct cts_line *l, const char *text, size_t len)
{
	cts_line_json(l, text, len);
	cts_line_put(l, ",");
}

static void put_word(struct cts_line *l, const char *word)
{
	cts_line_put(l, "\"");
	cts_line_str(l, word);
	cts_line_put(l, "\",");
}

static void put_addr(struct cts_line *l, uint8_t family, const union cts_addr *addr)
{
	cts_line_put(l, "\"");
	cts_line_addr(l, family, addr);
	cts_line_put(l, "\",");
}

static void put_tuple(struct cts_line *l, const struct cts_tuple *t)
{
	put_name(l, "src");
	put_addr(l, t->family, &t->src);
	put_name(l, "dst");
	put_addr(l, t->family, &t->dst);
	switch (t->proto) {
	case IPPROTO_GRE:
		put_member(l, "srckey", ntohs(t->sport));
		put_member(l, "dstkey", ntohs(t->dport));
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put_member(l, "type", t->icmp_type);
		put_member(l, "code", t->icmp_code);
		put_member(l, "id", ntohs(t->sport));
		break;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		put_member(l, "sport", ntohs(t->sport));
		put_member(l, "dport", ntohs(t->dport));
		break;
	}
}

static void put_direction(struct cts_line *l, const struct cts_flow *f, enum cts_dir dir)
{
	bool orig = dir == CTS_DIR_ORIG;

	if (!cts_flow_has(f, orig ? CTS_FLOW_ORIG : CTS_FLOW_REPLY) &&
	    !cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG + dir))
		return;
	cts_line_str(l, orig ? "\"orig\":{" : "\"reply\":{");
	if (cts_flow_has(f, orig ? CTS_FLOW_ORIG : CTS_FLOW_REPLY))
		put_tuple(l, orig ? &f->orig : &f->reply);
	if (cts_flow_has(f, orig ? CTS_FLOW_ZONE_ORIG : CTS_FLOW_ZONE_REPLY))
		put_member(l, "zone", f->zone_dir[dir]);
	if (cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG + dir)) {
		put_member(l, "packets", f->packets[dir]);
		put_member(l, "bytes", f->bytes[dir]);
	}
	close_with(l, "}");
}

/* -- protocols -- */

static void put_state(struct cts_line *l, const char *name)
{
	put_name(l, "state");
	put_word(l, name ? name : "NONE");
}

static void put_pair(struct cts_line *l, uint64_t orig, uint64_t reply)
{
	cts_line_put(l, "[");
	cts_line_number(l, orig);
	cts_line_put(l, ",");
	cts_line_number(l, reply);
	cts_line_put(l, "],");
}

static void put_tcp(struct cts_line *l, const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_TCP_STATE))
		put_state(l, cts_tcp_state_name(f->tcp_state));
	if (!(f->present & (CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) | CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE))))
		return;
	cts_line_put(l, "\"tcp\":{");
	if (cts_flow_has(f, CTS_FLOW_TCP_FLAGS)) {
		put_name(l, "flags");
		put_pair(l, f->tcp_flags[0], f->tcp_flags[1]);
	}
	if (cts_flow_has(f, CTS_FLOW_TCP_WSCALE)) {
		put_name(l, "wscale");
		put_pair(l, f->tcp_wscale[0], f->tcp_wscale[1]);
	}
	close_with(l, "}");
}

static void put_sctp(struct cts_line *l, const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_SCTP_STATE))
		put_state(l, cts_sctp_state_name(f->sctp_state));
	if (!cts_flow_has(f, CTS_FLOW_SCTP_VTAG))
		return;
	cts_line_put(l, "\"sctp\":{\"vtag\":");
	put_pair(l, f->sctp_vtag[0], f->sctp_vtag[1]);
	close_with(l, "}");
}

static void put_dccp(struct cts_line *l, const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_DCCP_STATE))
		put_state(l, cts_dccp_state_name(f->dccp_state));
	if (!(f->present & (CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ))))
		return;
	cts_line_put(l, "\"dccp\":{");
	if (cts_flow_has(f, CTS_FLOW_DCCP_ROLE)) {
		put_name(l, "role");
		put_word(l, f->dccp_role ? "server" : "client");
	}
	if (cts_flow_has(f, CTS_FLOW_DCCP_SEQ))
		put_member(l, "handshake_seq", f->dccp_seq);
	close_with(l, "}");
}

static void put_seqadj(struct cts_line *l, const struct cts_flow *f)
{
	bool orig = cts_flow_has(f, CTS_FLOW_SEQADJ_ORIG);
	bool reply = cts_flow_has(f, CTS_FLOW_SEQADJ_REPLY);

	if (!orig && !reply)
		return;
	cts_line_put(l, "\"seqadj\":{");
	for (int d = 0; d < 2; d++) {
		if (!(d ? reply : orig))
			continue;
		cts_line_str(l, d ? "\"reply\":{" : "\"orig\":{");
		put_member(l, "pos", f->seqadj_pos[d]);
		put_member(l, "before", f->seqadj_before[d]);
		put_member(l, "after", f->seqadj_after[d]);
		close_with(l, "}");
	}
	close_with(l, "}");
}

static void put_synproxy(struct cts_line *l, const struct cts_flow *f)
{
	if (!cts_flow_has(f, CTS_FLOW_SYNPROXY))
		return;
	cts_line_put(l, "\"synproxy\":{");
	put_member(l, "isn", f->synproxy_isn);
	put_member(l, "its", f->synproxy_its);
	put_member(l, "tsoff", f->synproxy_tsoff);
	close_with(l, "}");
}

/* -- the rest -- */

static void put_status(struct cts_line *l, uint32_t status)
{
	cts_line_put(l, "\"status\":[");
	for (unsigned int bit = 0; bit < 32; bit++) {
		const char *name = cts_status_name(bit);

		if (!(status >> bit & 1))
			continue;
		if (name)
			put_word(l, name);
		else
			cts_line_number(l, bit), cts_line_put(l, ",");
	}
	close_with(l, "]");
}

static void put_labels(struct cts_line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	cts_line_put(l, "\"labels\":[");
	for (unsigned int bit = 0; bit < f->labels_len * 8u; bit++) {
		const char *name;

		if (!(f->labels[bit / 32] >> bit % 32 & 1))
			continue;
		name = map ? cts_labelmap_name(map, bit) : NULL;
		if (name && *name)
			put_string(l, name, strlen(name));
		else
			cts_line_number(l, bit), cts_line_put(l, ",");
	}
	close_with(l, "]");
}

static void put_numbers(struct cts_line *l, const struct cts_flow *f)
{
	if (cts_flow_has(f, CTS_FLOW_STATUS))
		put_status(l, f->status);
	if (cts_flow_has(f, CTS_FLOW_MARK))
		put_member(l, "mark", f->mark);
	if (cts_flow_has(f, CTS_FLOW_SECMARK))
		put_member(l, "secmark", f->secmark);
	if (cts_flow_has(f, CTS_FLOW_ZONE))
		put_member(l, "zone", f->zone);
	if (cts_flow_has(f, CTS_FLOW_USE))
		put_member(l, "use", f->use);
	if (cts_flow_has(f, CTS_FLOW_ID))
		put_member(l, "id", f->id);
	if (cts_flow_has(f, CTS_FLOW_START))
		put_member(l, "start_ns", f->start_ns);
	if (cts_flow_has(f, CTS_FLOW_STOP))
		put_member(l, "stop_ns", f->stop_ns);
}

static void put_texts(struct cts_line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	if (cts_flow_has(f, CTS_FLOW_SECCTX)) {
		put_name(l, "secctx");
		put_string(l, f->secctx, f->secctx_len);
	}
	if (cts_flow_has(f, CTS_FLOW_HELPER)) {
		put_name(l, "helper");
		put_string(l, f->helper, f->helper_len);
	}
	if (cts_flow_has(f, CTS_FLOW_LABELS))
		put_labels(l, f, map);
	if (cts_flow_has(f, CTS_FLOW_MASTER)) {
		cts_line_put(l, "\"master\":{");
		put_name(l, "protocol");
		put_word(l, cts_proto_name(f->master.proto));
		put_tuple(l, &f->master);
		close_with(l, "}");
	}
}

static void put_flow(struct cts_line *l, const struct cts_flow *f, const struct cts_labelmap *map)
{
	const struct cts_tuple *t = cts_flow_has(f, CTS_FLOW_ORIG) ? &f->orig : &f->reply;

	put_name(l, "family");
	put_word(l, t->family == AF_INET6 ? "ipv6" : "ipv4");
	put_name(l, "protocol");
	put_word(l, cts_proto_name(t->proto));
	put_member(l, "protonum", t->proto);
	if (cts_flow_has(f, CTS_FLOW_TIMEOUT))
		put_member(l, "timeout", f->timeout);
	put_tcp(l, f);
	put_sctp(l, f);
	put_dccp(l, f);
	put_direction(l, f, CTS_DIR_ORIG);
	put_direction(l, f, CTS_DIR_REPLY);
	put_numbers(l, f);
	put_texts(l, f, map);
	put_seqadj(l, f);
	put_synproxy(l, f);
}

/* -- expectations -- */

static void put_named_tuple(struct cts_line *l, const char *name, const struct cts_tuple *t)
{
	cts_line_put(l, "\"");
	cts_line_str(l, name);
	cts_line_put(l, "\":{");
	put_tuple(l, t);
	close_with(l, "}");
}

static void put_expect_flags(struct cts_line *l, uint32_t flags)
{
	static const char *const names[] = { "PERMANENT", "INACTIVE", "USERSPACE" };

	cts_line_put(l, "\"flags\":[");
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (!(flags >> bit & 1))
			continue;
		if (bit < sizeof(names) / sizeof(names[0]))
			put_word(l, names[bit]);
		else
			cts_line_number(l, bit), cts_line_put(l, ",");
	}
	close_with(l, "]");
}

static void put_expect_nat(struct cts_line *l, const struct cts_expect *e)
{
	cts_line_put(l, "\"nat\":{");
	put_name(l, "direction");
	put_word(l, e->nat_dir == CTS_DIR_ORIG ? "orig" : "reply");
	put_tuple(l, &e->nat);
	close_with(l, "}");
}

static void put_expect(struct cts_line *l, const struct cts_expect *e)
{
	const struct cts_tuple *t = &e->expected;

	put_name(l, "table");
	put_word(l, "expect");
	if (cts_expect_has(e, CTS_EXPECT_EXPECTED)) {
		put_name(l, "family");
		put_word(l, t->family == AF_INET6 ? "ipv6" : "ipv4");
		put_name(l, "protocol");
		put_word(l, cts_proto_name(t->proto));
		put_member(l, "protonum", t->proto);
	}
	if (cts_expect_has(e, CTS_EXPECT_TIMEOUT))
		put_member(l, "timeout", e->timeout);
	if (cts_expect_has(e, CTS_EXPECT_EXPECTED))
		put_named_tuple(l, "expected", t);
	if (cts_expect_has(e, CTS_EXPECT_MASK))
		put_named_tuple(l, "mask", &e->mask);
	if (cts_expect_has(e, CTS_EXPECT_MASTER))
		put_named_tuple(l, "master", &e->master);
	if (cts_expect_has(e, CTS_EXPECT_ZONE))
		put_member(l, "zone", e->zone);
	if (cts_expect_has(e, CTS_EXPECT_FLAGS))
		put_expect_flags(l, e->flags);
	if (cts_expect_has(e, CTS_EXPECT_CLASS))
		put_member(l, "class", e->class_id);
	if (cts_expect_has(e, CTS_EXPECT_ID))
		put_member(l, "id", e->id);
	if (cts_expect_has(e, CTS_EXPECT_NAT))
		put_expect_nat(l, e);
	if (cts_expect_has(e, CTS_EXPECT_HELPER)) {
		put_name(l, "helper");
		put_string(l, e->helper, e->helper_len);
	}
	if (cts_expect_has(e, CTS_EXPECT_FN)) {
		put_name(l, "fn");
		put_string(l, e->fn, e->fn_len);
	}
}

/* -- a line -- */

static void put_event(struct json *j, struct cts_line *l, const struct cts_event *ev)
{
	const char *name;

	put_name(l, "event");
	put_word(l, event_names[ev->type]);
	put_member(l, "time_ns",
		   ev->flow && cts_flow_has(ev->flow, CTS_FLOW_EVENT_TIME) ? ev->flow->event_ns
									   : ev->time_ns);
	if (ev->origin == CTS_ORIGIN_PEER)
		put_member(l, "node", ev->node);
	if (!ev->portid || !j->userspace || ev->origin != CTS_ORIGIN_KERNEL)
		return;
	put_member(l, "portid", ev->portid);
	name = j->name ? progname_get(&j->programs, ev->portid, ev->time_ns) : "";
	if (*name) {
		put_name(l, "progname");
		put_string(l, name, strlen(name));
	}
}

static size_t format_line(void *ctx, const struct cts_event *ev, char *buf, size_t size)
{
	struct json *j = ctx;
	struct cts_line l = { .at = buf, .end = buf + size };

	cts_line_put(&l, "{");
	if (lines_is_event(ev))
		put_event(j, &l, ev);
	if (ev->flow)
		put_flow(&l, ev->flow, j->labelmap);
	else
		put_expect(&l, ev->expect);
	close_with(&l, "}");
	if (l.full)
		return 0;
	l.at[-1] = '\n';
	return (size_t)(l.at - buf);
}

static int json_consume(void *priv, const struct cts_batch *batch)
{
	const struct cts_event *ev;
	struct json *j = priv;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		if (lines_wanted(&j->lines, ev) && lines_write(&j->lines, ev, format_line, j) < 0)
			return -1;
	}
	return 0;
}

static int json_flush(void *priv)
{
	struct json *j = priv;

	return lines_flush(&j->lines);
}

static int json_rotate(void *priv)
{
	struct json *j = priv;

	return lines_rotate(&j->lines);
}

static void json_snapshot(void *priv, FILE *fp)
{
	const struct json *j = priv;

	lines_snapshot(&j->lines, "json", fp);
}

extern const struct cts_output_ops json_LTX_cts_plugin;
const struct cts_output_ops json_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_OUTPUT, struct cts_output_ops, "json", PACKAGE_VERSION,
			     "a JSON object for each event", json_options),
	.create = json_create,
	.destroy = json_destroy,
	.consume = json_consume,
	.flush = json_flush,
	.rotate = json_rotate,
	.snapshot = json_snapshot,
};
