/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's public face: its parts in order, views and commands. */
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/sync/engine_int.h"

/* 32 bits of a keyed hash with a fixed key: names, not secrets. */
static uint32_t name_hash(const char *text)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = "ctsync names v1";
	uint8_t out[crypto_shorthash_BYTES];

	crypto_shorthash(out, (const uint8_t *)text, strlen(text), key);
	return (uint32_t)out[0] << 24 | (uint32_t)out[1] << 16 | (uint32_t)out[2] << 8 | out[3];
}

uint32_t cts_node_id(const char *name)
{
	uint32_t id = name_hash(name);

	return id ? id : 1;  /* 0 is everybody */
}

static int engine_configure(struct cts_engine *e, const struct cts_engine_conf *conf)
{
	size_t i;

	if (strlen(conf->node_name) > CTS_NAME_MAX || !*conf->node_name ||
	    conf->n_nodes > CTS_NODES_MAX) {
		errno = EINVAL;
		return -1;
	}
	e->conf = *conf;
	memcpy(e->name, conf->node_name, strlen(conf->node_name) + 1);
	e->id = cts_node_id(conf->node_name);
	e->cluster = name_hash(conf->cluster);
	if (!conf->n_nodes)
		return 0;
	e->list = calloc(conf->n_nodes, sizeof(*e->list));
	if (!e->list)
		return -1;
	for (i = 0; i < conf->n_nodes; i++)
		e->list[i] = conf->nodes[i];
	return 0;
}

struct cts_engine *cts_engine_create(const struct cts_engine_conf *conf,
				     const struct cts_engine_ops *ops, void *ctx, uint64_t now_ns)
{
	struct cts_engine *e = calloc(1, sizeof(*e));
	size_t size;

	if (!e)
		return NULL;
	e->ops = *ops;
	e->ctx = ctx;
	e->now = now_ns;
	e->hello_ns = e->check_ns = now_ns;
	ops->random(ctx, &e->epoch, sizeof(e->epoch));
	ops->random(ctx, e->hash_key, sizeof(e->hash_key));
	e->epoch |= 1;  /* never 0 */
	size = ops->max_message(ctx);
	e->out_size = size < CTS_WIRE_MIN_MAX ? CTS_WIRE_MIN_MAX :
		      size > CTS_WIRE_MAX ? CTS_WIRE_MAX : size;
	e->out = malloc(SEND_BATCH * e->out_size);
	if (!e->out || engine_configure(e, conf) < 0 || owner_init(e) < 0) {
		cts_engine_destroy(e);
		return NULL;
	}
	return e;
}

void cts_engine_destroy(struct cts_engine *e)
{
	unsigned int i;

	if (!e)
		return;
	for (i = 0; i < e->n_nodes; i++)
		replica_fini(&e->nodes[i]);
	owner_fini(e);
	free(e->list);
	free(e->out);
	free(e);
}

uint64_t cts_engine_attrs(const struct cts_engine *e)
{
	return e->conf.attrs ? e->conf.attrs : CTS_PACK_ATTRS;
}

void cts_engine_break(struct cts_engine *e, const struct cts_engine_breaks *b)
{
	e->breaks = b;
}

void cts_engine_receive(struct cts_engine *e, unsigned int link, uint32_t peer,
			const struct iovec *msg, unsigned int n, uint64_t now_ns)
{
	unsigned int i;

	e->now = now_ns;
	for (i = 0; i < n; i++)
		session_receive(e, link, peer, msg[i].iov_base, msg[i].iov_len);
}

void cts_engine_greet(struct cts_engine *e)
{
	e->hello_due = true;
}

void cts_engine_peer_down(struct cts_engine *e, uint32_t node, uint64_t now_ns)
{
	struct node *n = engine_node(e, node);

	e->now = now_ns;
	if (n && n->epoch)
		replica_left(e, n, "the transport lost it");
}

void cts_engine_writable(struct cts_engine *e, uint64_t now_ns)
{
	e->now = now_ns;
	stream_run(e);
}

uint64_t cts_engine_run(struct cts_engine *e, uint64_t now_ns)
{
	uint64_t t, next;
	unsigned int i;

	e->now = now_ns;
	for (i = 0; i < e->n_nodes; i++)
		replica_run(e, &e->nodes[i]);
	session_run(e);
	stream_run(e);
	next = session_deadline(e);
	t = stream_deadline(e);
	next = t < next ? t : next;
	for (i = 0; i < e->n_nodes; i++) {
		t = replica_deadline(e, &e->nodes[i]);
		next = t < next ? t : next;
	}
	return next;
}

/* -- views -- */

static void node_lag(const struct cts_engine *e, const struct node *n, struct cts_node_info *info)
{
	const struct owner *o = &e->own;
	uint16_t bit = (uint16_t)(1u << (n - e->nodes));
	uint64_t s, oldest = e->now;

	if (n->state == CTS_PEER_DOWN) {
		info->lag_ms = n->last_heard_ns ? (e->now - n->last_heard_ns) / MS : 0;
		return;
	}
	info->lag_messages = o->last - n->acked;
	info->lag_records = o->dirty.len;
	for (s = o->lowest; s <= o->last; s++) {
		const struct slot *slot = &o->ring[s % RING_SIZE];

		if (slot->number != s || !(slot->owing & bit))
			continue;
		info->lag_records += slot->n;
		oldest = slot->built_ns < oldest ? slot->built_ns : oldest;
	}
	info->lag_ms = (e->now - oldest) / MS;
}

static void node_info(struct cts_engine *e, struct node *n, struct cts_node_info *info)
{
	*info = (struct cts_node_info){
		.id = n->id, .state = n->state, .orphaned = n->orphaned, .epoch = n->epoch,
		.table_id = n->table_id, .last_heard_ns = n->last_heard_ns,
		.entries = n->cache ? cts_cache_count(n->cache) : 0, .refused = n->refused,
		.open_gaps = n->n_gaps, .gaps_opened = n->gaps_opened, .link = n->link,
		.complete = n->equal_at, .retransmitted = n->retransmitted,
		.sent_messages = n->sent_messages, .sent_bytes = n->sent_bytes,
		.recv_messages = n->recv_messages, .recv_bytes = n->recv_bytes,
	};
	memcpy(info->name, n->name, sizeof(n->name));
	node_lag(e, n, info);
	info->in_sync = n->state == CTS_PEER_SYNCED && n->equal_at && !n->n_gaps && !n->refused &&
			(e->conf.membership || e->now - n->last_heard_ns <= IN_SYNC_NS);
}

size_t cts_engine_nodes(struct cts_engine *e, struct cts_node_info *info, size_t max,
			uint64_t now_ns)
{
	size_t n = 0;
	unsigned int i;

	e->now = now_ns;
	if (!max)
		return 0;
	info[n] = (struct cts_node_info){ .id = e->id, .self = true, .state = CTS_PEER_SYNCED,
					  .in_sync = true, .epoch = e->epoch,
					  .table_id = e->conf.table_id, .last_heard_ns = now_ns,
					  .entries = cts_cache_count(e->own.cache) - e->own.dead };
	memcpy(info[n++].name, e->name, sizeof(e->name));
	for (i = 0; i < e->n_nodes && n < max; i++)
		if (e->nodes[i].epoch)
			node_info(e, &e->nodes[i], &info[n++]);
	return n;
}

struct cts_cache *cts_engine_external(struct cts_engine *e, uint32_t node)
{
	struct node *n = engine_node(e, node);

	return n ? n->cache : NULL;
}

bool cts_engine_replica_exists(struct cts_engine *e, const uint8_t *key, size_t key_len)
{
	unsigned int i;

	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].cache && cts_cache_find(e->nodes[i].cache, key, key_len))
			return true;
	return false;
}

bool cts_engine_newest(struct cts_engine *e, uint32_t node, uint32_t ref)
{
	struct node *n = engine_node(e, node);
	const struct cts_entry *entry = n && n->cache ? cts_cache_entry(n->cache, ref) : NULL;
	const uint8_t *packed;
	size_t len, key_len;
	unsigned int i;

	if (!entry)
		return false;
	packed = cts_cache_data(n->cache, ref, &len);
	key_len = cts_packed_key_len(packed, len);
	for (i = 0; i < e->n_nodes; i++) {
		struct node *other = &e->nodes[i];
		uint32_t at;

		if (other == n || !other->cache || !cts_cache_count(other->cache))
			continue;
		at = cts_cache_find(other->cache, packed, key_len);
		if (at && (int32_t)(cts_cache_entry(other->cache, at)->next - entry->next) >
				  (other < n ? -1 : 0))
			return false;
	}
	return true;
}

int cts_engine_adopt(struct cts_engine *e, uint32_t node, uint32_t ref, uint64_t now_ns)
{
	struct node *n = engine_node(e, node);
	const struct cts_entry *entry = n && n->cache ? cts_cache_entry(n->cache, ref) : NULL;
	uint8_t packed[CTS_PACK_MAX];
	size_t len;

	if (!entry) {
		errno = ENOENT;
		return -1;
	}
	memcpy(packed, cts_cache_data(n->cache, ref, &len), entry->len);
	if (!cts_engine_put(e, packed, entry->len, true, now_ns))
		return -1;
	/* A live owner's replica stays: nobody but the owner changes it (E3). */
	if (replica_orphan(n, entry))
		replica_forget(e, n, ref);
	return 0;
}

/* -- commands -- */

void cts_engine_resync(struct cts_engine *e, uint64_t now_ns)
{
	unsigned int i;

	e->now = now_ns;
	for (i = 0; i < e->n_nodes; i++) {
		struct node *n = &e->nodes[i];

		if (!n->epoch || n->need != NEED_NONE)
			continue;
		memset(n->need_map, 0, sizeof(n->need_map));
		n->need = NEED_SUMS;
		n->need_ns = now_ns;
	}
}

void cts_engine_bulk(struct cts_engine *e, uint64_t now_ns)
{
	uint8_t all[CTS_BITMAP_BYTES];

	e->now = now_ns;
	memset(all, 0xff, sizeof(all));
	transfer_need(e, all);
}

void cts_engine_flush_internal(struct cts_engine *e, uint64_t now_ns)
{
	uint32_t ref = 0;

	while ((ref = cts_cache_next(e->own.cache, ref)))
		cts_engine_gone(e, ref, now_ns);
}

void cts_engine_flush_external(struct cts_engine *e, uint64_t now_ns)
{
	unsigned int i;

	e->now = now_ns;
	for (i = 0; i < e->n_nodes; i++)
		if (e->nodes[i].cache)
			replica_clear(e, &e->nodes[i]);
}

void cts_engine_bye(struct cts_engine *e, uint64_t now_ns)
{
	uint8_t buf[CTS_WIRE_HEADER];
	struct cts_wire_out o;

	e->now = now_ns;
	cts_wire_begin(&o, buf, sizeof(buf));
	engine_send(e, &o, CTS_MSG_BYE, CTS_NODE_ALL);
}

void cts_engine_get_stats(const struct cts_engine *e, struct cts_engine_stats *st)
{
	*st = e->st;
	st->sent_records = st->sent_state + st->sent_gone;
	st->dirty_queue_len = e->own.dirty.len;
	st->ring_len = e->own.last + 1 - e->own.lowest;
	st->dead_entries = e->own.dead;
}
