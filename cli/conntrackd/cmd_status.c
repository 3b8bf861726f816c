/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --status: role, peers, in-sync or lag; exit status 0 in sync, 1 degraded, 2 not. */
#include "config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel/dump.h"

#include "cli/conntrackd/daemon.h"

struct status {
	struct cts_node_info node[CTS_NODES_MAX + 1];
	size_t n;
	size_t peers, in_sync, missing;   /* missing: listed in sync.nodes, never heard */
	struct reader_stats reader;
	const char *role, *state;
	int code;
	bool link_up;
};

static const char *peer_state_name(enum cts_peer_state s)
{
	static const char *const names[] = { "down", "joining", "synced" };

	return names[s];
}


static size_t count_missing(const struct daemon *d, const struct status *st)
{
	size_t n = cts_options_count(d->conf->sync, "nodes"), missing = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t id = cts_node_id(cts_options_item(d->conf->sync, "nodes", i));
		bool known = false;

		for (size_t k = 0; k < st->n; k++)
			known |= st->node[k].id == id;
		missing += !known;
	}
	return missing;
}

static void collect_links(const struct daemon *d, struct status *st)
{
	for (size_t i = 0; i < cts_links_count(d->links); i++) {
		struct cts_link_info info;

		cts_links_info(d->links, i, &info);
		st->link_up |= info.status.up;
	}
}

static void collect(struct daemon *d, struct status *st)
{
	memset(st, 0, sizeof(*st));
	reader_get_stats(d->reader, &st->reader);
	if (!d->engine) {
		st->role = "statistics";
		st->state = "running";
		return;
	}
	st->n = cts_engine_nodes(d->engine, st->node, CTS_NODES_MAX + 1, cts_loop_now_ns(d->loop));
	for (size_t i = 0; i < st->n; i++) {
		if (st->node[i].self)
			continue;
		st->peers++;
		st->in_sync += st->node[i].in_sync;
	}
	st->missing = count_missing(d, st);
	collect_links(d, st);
	st->role = takeover_role(d->takeover);
	if (!st->peers || !st->in_sync || !st->reader.ready)
		st->code = 2;
	else if (st->in_sync < st->peers || st->missing || !st->link_up)
		st->code = 1;
	st->state = st->code == 0 ? "in sync" : st->code == 1 ? "degraded" : "not in sync";
}

static void print_text(struct daemon *d, struct cts_request *r, const struct status *st)
{
	uint64_t now = cts_loop_now_ns(d->loop);

	cts_request_printf(r, "node %s: %s, role %s\n", d->conf->node, st->state, st->role);
	if (!d->engine)
		return;
	cts_request_printf(r, "flows: %zu own, kernel table %s\n",
			   cts_cache_count(cts_engine_internal(d->engine)),
			   st->reader.ready ? "read" : "not read yet");
	for (size_t i = 0; i < st->n; i++) {
		const struct cts_node_info *n = &st->node[i];

		if (n->self)
			continue;
		cts_request_printf(r, "peer %s (%08x): %s%s%s, %llu flows, lag %llu ms",
				   n->name[0] ? n->name : "(unnamed)", n->id,
				   peer_state_name(n->state), n->in_sync ? ", in sync" : "",
				   n->orphaned ? ", orphaned" : "", (unsigned long long)n->entries,
				   (unsigned long long)n->lag_ms);
		if (n->last_heard_ns)
			cts_request_printf(r, ", heard %llu ms ago",
					   (unsigned long long)((now - n->last_heard_ns) / 1000000u));
		if (n->open_gaps || n->refused)
			cts_request_printf(r, ", %u gaps, %llu refused", n->open_gaps,
					   (unsigned long long)n->refused);
		cts_request_printf(r, "\n");
	}
	if (st->missing)
		cts_request_printf(r, "%zu of sync.nodes were never heard\n", st->missing);
	for (size_t i = 0; i < cts_links_count(d->links); i++) {
		struct cts_link_info l;

		cts_links_info(d->links, i, &l);
		cts_request_printf(r, "link %s %s: %s, %s%s\n", l.plugin, l.status.device,
				   l.status.up ? "up" : l.status.carrier ? "down" : "no carrier",
				   l.active ? "active" : "standby", l.heard ? ", heard" : "");
	}
}

static json_t *peer_json(const struct cts_node_info *n, uint64_t now)
{
	return json_pack("{s:s, s:I, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:i, s:I}",
			 "name", n->name, "id", (json_int_t)n->id,
			 "state", peer_state_name(n->state), "in_sync", n->in_sync,
			 "orphaned", n->orphaned, "flows", (json_int_t)n->entries,
			 "refused", (json_int_t)n->refused, "lag_ms", (json_int_t)n->lag_ms,
			 "lag_messages", (json_int_t)n->lag_messages, "gaps", (int)n->open_gaps,
			 "heard_ms_ago",
			 n->last_heard_ns ? (json_int_t)((now - n->last_heard_ns) / 1000000u)
					  : (json_int_t)-1);
}

static json_t *link_json(const struct cts_link_info *l)
{
	const struct cts_transport_status *s = &l->status;

	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "plugin", l->plugin, "device", s->device, "up", s->up,
			 "carrier", s->carrier, "active", l->active, "heard", l->heard,
			 "sent_bytes", (json_int_t)s->sent_bytes,
			 "sent_messages", (json_int_t)s->sent_messages,
			 "sent_errors", (json_int_t)s->sent_errors,
			 "recv_bytes", (json_int_t)s->recv_bytes,
			 "recv_messages", (json_int_t)s->recv_messages,
			 "recv_dropped", (json_int_t)s->recv_dropped,
			 "refused", (json_int_t)s->refused);
}

static void print_json(struct daemon *d, struct cts_request *r, const struct status *st)
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
	all = json_pack("{s:s, s:s, s:s, s:i, s:b, s:I, s:I, s:I, s:o, s:o}", "node", d->conf->node,
			"role", st->role, "state", st->state, "code", st->code,
			"ready", d->engine ? st->reader.ready : true,
			"flows", d->engine
				? (json_int_t)cts_cache_count(cts_engine_internal(d->engine))
				: (json_int_t)cts_table_count(),
			"events_lost", (json_int_t)st->reader.lost,
			"uptime_s", (json_int_t)((now - d->started_ns) / 1000000000u),
			"peers", peers, "links", links);
	text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
	if (text)
		cts_request_printf(r, "%s\n", text);
	free(text);
	json_decref(all);
}

/* status [json] */
void cmd_status(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;
	struct status st;

	collect(d, &st);
	if (argc > 1 && strcmp(argv[1], "json") == 0)
		print_json(d, r, &st);
	else
		print_text(d, r, &st);
	cts_request_finish(r, st.code, NULL);
}
