/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --status: role, peers, in-sync or lag; exit status 0 in sync, 1 degraded, 2 not. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel/table.h"
#include "core/node/health.h"

#include "cli/conntrackd/daemon.h"

typedef unsigned long long ull;

static const char *peer_state_name(enum cts_peer_state s)
{
	static const char *const names[] = { "down", "joining", "synced" };

	return names[s];
}

/* What a peer is configured in another way than this node. */
static const struct {
	uint32_t bit;
	const char *name;
} differences[] = {
	{ CTS_DIFFERS_MODE, "mode" },
	{ CTS_DIFFERS_ATTRS, "attributes" },
	{ CTS_DIFFERS_LIMIT, "limit" },
	{ CTS_DIFFERS_VERSION, "version" },
};
#define N_DIFFERENCES (sizeof(differences) / sizeof(differences[0]))

static void print_presence(struct cts_request *r, const struct cts_node_info *n, uint64_t now)
{
	if (n->gone)
		cts_request_printf(r, ", gone for %llu s", (ull)n->gone_ms / 1000);
	if (n->orphans)
		cts_request_printf(r, ", %llu of a table that it lost", (ull)n->orphans);
	if (n->last_received_ns)
		cts_request_printf(r, ", last received from %llu ms ago",
				   (ull)((now - n->last_received_ns) / 1000000u));
	cts_request_printf(r, "\n");
}

static void print_differences(struct cts_request *r, const struct cts_node_info *n)
{
	const char *comma = "";

	if (!n->differs)
		return;
	cts_request_printf(r, "\tconfigured in another way: ");
	for (size_t i = 0; i < N_DIFFERENCES; i++) {
		if (!(n->differs & differences[i].bit))
			continue;
		cts_request_printf(r, "%s%s", comma, differences[i].name);
		comma = ", ";
	}
	cts_request_printf(r, "\n");
}

static void print_peer(struct cts_request *r, const struct cts_node_info *n, uint64_t now)
{
	cts_request_printf(r, "peer %s (%08x): %s%s, %llu flows",
			   n->name[0] ? n->name : "(unnamed)", n->id, peer_state_name(n->state),
			   n->in_sync ? ", in sync" : "", (ull)n->entries);
	print_presence(r, n, now);
	cts_request_printf(r,
			   "\tit holds this node's flows: %s%s; lag %llu records, %llu ms\n"
			   "\tthis node holds its flows: %s%s\n",
			   n->holds_mine ? "not confirmed, " : "yes",
			   n->holds_mine ? n->holds_mine : "", (ull)n->lag_records, (ull)n->lag_ms,
			   n->held_here ? "not confirmed, " : "yes",
			   n->held_here ? n->held_here : "");
	print_differences(r, n);
	cts_request_printf(r,
			   "\tsent %llu messages, %llu bytes; received %llu messages, %llu bytes\n"
			   "\tretransmitted %llu entries, fell behind %llu times; %u gaps open, "
			   "%llu so far; refused %llu\n",
			   (ull)n->sent_messages, (ull)n->sent_bytes, (ull)n->recv_messages,
			   (ull)n->recv_bytes, (ull)n->retransmitted, (ull)n->resets, n->open_gaps,
			   (ull)n->gaps_opened, (ull)n->refused);
}

void status_print_peers(struct daemon *d, struct cts_request *r)
{
	struct cts_node_info node[CTS_NODES_MAX + 1];
	uint64_t now = cts_loop_now_ns(d->loop);
	size_t n = cts_engine_nodes(d->engine, node, CTS_NODES_MAX + 1, now);

	for (size_t i = 0; i < n; i++)
		if (!node[i].self)
			print_peer(r, &node[i], now);
}

static void print_text(struct daemon *d, struct cts_request *r, const struct cts_node_health *st)
{
	cts_request_printf(r, "node %s: %s, role %s\n", d->conf->node, st->state, st->role);
	if (!d->engine)
		return;
	cts_request_printf(r, "flows: %zu own, kernel table %s; %s to take over\n",
			   cts_cache_count(cts_engine_internal(d->engine)),
			   st->reader.ready ? "read" : "not read yet",
			   st->why_not ? "not ready" : "ready");
	if (cts_takeover_lacking(d->takeover))
		cts_request_printf(r, "%llu flows of other nodes are refused by the kernel\n",
				   (ull)cts_takeover_lacking(d->takeover));
	status_print_peers(d, r);
	if (st->missing)
		cts_request_printf(r, "%zu of sync.nodes were never received from\n", st->missing);
	for (size_t i = 0; i < cts_links_count(d->links); i++) {
		struct cts_link_info l;

		cts_links_info(d->links, i, &l);
		cts_request_printf(r, "link %s %s: %s, %s%s\n", l.plugin, l.status.device,
				   l.status.up        ? "up"
				   : l.status.carrier ? "down"
						      : "no carrier",
				   l.active ? "active" : "standby",
				   l.received ? ", nodes are received on it" : "");
	}
}

static json_t *differs_json(uint32_t differs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < N_DIFFERENCES; i++)
		if (differs & differences[i].bit)
			json_array_append_new(list, json_string(differences[i].name));
	return list;
}

/* What was confirmed: null where it is so, else why not. */
static json_t *health_json(const struct cts_node_info *n, uint64_t now)
{
	return json_pack("{s:s?, s:s?, s:b, s:b, s:I, s:o, s:I}", "holds_mine_why_not",
			 n->holds_mine, "held_here_why_not", n->held_here, "complete", n->complete,
			 "gone", n->gone, "gone_ms",
			 n->gone ? (json_int_t)n->gone_ms : (json_int_t)0, "differs",
			 differs_json(n->differs), "received_ms_ago",
			 n->last_received_ns ? (json_int_t)((now - n->last_received_ns) / 1000000u)
					     : (json_int_t)-1);
}

static json_t *peer_json(const struct cts_node_info *n, uint64_t now)
{
	json_t *peer = json_pack(
		"{s:s, s:I, s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "name", n->name,
		"id", (json_int_t)n->id, "state", peer_state_name(n->state), "in_sync", n->in_sync,
		"holds_mine", !n->holds_mine, "held_here", !n->held_here, "flows",
		(json_int_t)n->entries, "orphans", (json_int_t)n->orphans, "refused",
		(json_int_t)n->refused, "lag_ms", (json_int_t)n->lag_ms, "lag_messages",
		(json_int_t)n->lag_messages, "lag_records", (json_int_t)n->lag_records);
	json_t *traffic = json_pack(
		"{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "gaps", (int)n->open_gaps,
		"gaps_opened", (json_int_t)n->gaps_opened, "retransmitted",
		(json_int_t)n->retransmitted, "resets", (json_int_t)n->resets, "rtt_us",
		(json_int_t)n->rtt_us, "window_bytes", (json_int_t)n->window_bytes, "sent_messages",
		(json_int_t)n->sent_messages, "sent_bytes", (json_int_t)n->sent_bytes,
		"recv_messages", (json_int_t)n->recv_messages, "recv_bytes",
		(json_int_t)n->recv_bytes);
	json_t *health = health_json(n, now);

	json_object_update(peer, health);
	json_object_update(peer, traffic);
	json_decref(health);
	json_decref(traffic);
	return peer;
}

static json_t *link_json(const struct cts_link_info *l)
{
	const struct cts_transport_status *s = &l->status;

	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "plugin", l->plugin, "device", s->device, "up", s->up, "carrier",
			 s->carrier, "active", l->active, "received", l->received, "sent_bytes",
			 (json_int_t)l->sent_bytes, "sent_messages", (json_int_t)l->sent_messages,
			 "sent_errors", (json_int_t)s->sent_errors, "recv_bytes",
			 (json_int_t)l->recv_bytes, "recv_messages", (json_int_t)l->recv_messages,
			 "recv_dropped", (json_int_t)s->recv_dropped, "refused",
			 (json_int_t)s->refused);
}

static void print_json(struct daemon *d, struct cts_request *r, const struct cts_node_health *st)
{
	uint64_t now = cts_loop_now_ns(d->loop);
	json_t *peers = json_array(), *links = json_array(), *all;
	char *text;

	for (size_t i = 0; i < st->n; i++)
		if (!st->node[i].self)
			json_array_append_new(peers, peer_json(&st->node[i], now));
	for (size_t i = 0; d->links && i < cts_links_count(d->links); i++) {
		struct cts_link_info l;

		cts_links_info(d->links, i, &l);
		json_array_append_new(links, link_json(&l));
	}
	all = json_pack("{s:s, s:s, s:s, s:i, s:b, s:b, s:s?, s:I, s:I, s:I, s:I, s:o, s:o}",
			"node", d->conf->node, "role", st->role, "state", st->state, "code",
			st->code, "ready", d->engine ? st->reader.ready : true, "eligible",
			d->engine && !st->why_not, "eligible_why_not", st->why_not, "lacking",
			d->takeover ? (json_int_t)cts_takeover_lacking(d->takeover) : (json_int_t)0,
			"flows",
			d->engine ? (json_int_t)cts_cache_count(cts_engine_internal(d->engine))
				  : (json_int_t)cts_table_count(),
			"events_lost", (json_int_t)st->reader.lost, "uptime_s",
			(json_int_t)((now - d->started_ns) / 1000000000u), "peers", peers, "links",
			links);
	text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
	if (text)
		cts_request_printf(r, "%s\n", text);
	free(text);
	json_decref(all);
}

/* status [json|eligible] */
void cmd_status(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;
	struct cts_node_health st;

	cts_node_get_health(d->node, &st);
	if (argc > 1 && strcmp(argv[1], "eligible") == 0) {
		cts_request_finish(r, st.why_not != NULL,
				   st.why_not ? "not eligible: %s\n" : "%.0s",
				   st.why_not ? st.why_not : "");
		return;
	}
	if (argc > 1 && strcmp(argv[1], "json") == 0)
		print_json(d, r, &st);
	else
		print_text(d, r, &st);
	cts_request_finish(r, st.code, NULL);
}
