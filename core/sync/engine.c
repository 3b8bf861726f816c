/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's public face: its parts in order, views and commands. */
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/sync/health.h"
#include "core/sync/inspect.h"

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

/* -- making -- */

static int base_init(struct base *b, const struct cts_engine_conf *conf,
		     const struct cts_engine_ops *ops, void *ctx, uint64_t now_ns)
{
	if (strlen(conf->node_name) > CTS_NAME_MAX || !*conf->node_name ||
	    conf->n_nodes > CTS_NODES_MAX) {
		errno = EINVAL;
		return -1;
	}
	b->conf = *conf;
	if (!b->conf.attrs)
		b->conf.attrs = CTS_PACK_ATTRS;
	b->ops = *ops;
	b->ctx = ctx;
	b->now = now_ns;
	b->id = cts_node_id(conf->node_name);
	b->cluster = name_hash(conf->cluster);
	ops->random(ctx, &b->epoch, sizeof(b->epoch));
	ops->random(ctx, b->hash_key, sizeof(b->hash_key));
	b->epoch |= 1;  /* never 0 */
	return 0;
}

struct cts_engine *cts_engine_create(const struct cts_engine_conf *conf,
				     const struct cts_engine_ops *ops, void *ctx, uint64_t now_ns)
{
	struct cts_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->peers.base = &e->base;
	e->peers.sender = &e->sender;
	if (base_init(&e->base, conf, ops, ctx, now_ns) < 0 ||
	    sender_init(&e->sender, &e->base) < 0 ||
	    session_init(&e->session, &e->base, &e->sender, &e->peers) < 0) {
		cts_engine_destroy(e);
		return NULL;
	}
	return e;
}

void cts_engine_destroy(struct cts_engine *e)
{
	if (!e)
		return;
	session_fini(&e->session);
	peers_fini(&e->peers);
	sender_fini(&e->sender);
	free(e);
}

uint64_t cts_engine_attrs(const struct cts_engine *e)
{
	return e->base.conf.attrs;
}

void cts_engine_break(struct cts_engine *e, const struct cts_faults *f)
{
	e->base.faults = f;
}

/* -- local changes -- */

struct cts_cache *cts_engine_internal(struct cts_engine *e)
{
	return e->sender.table.cache;
}

bool cts_engine_live(struct cts_engine *e, uint32_t ref)
{
	return table_is_live(&e->sender.table, ref);
}

uint32_t cts_engine_find(struct cts_engine *e, const uint8_t *key, size_t key_len)
{
	uint32_t ref = cts_cache_find(e->sender.table.cache, key, key_len);

	return cts_engine_live(e, ref) ? ref : 0;
}

uint32_t cts_engine_own_version(struct cts_engine *e, const uint8_t *key, size_t key_len)
{
	uint32_t ref = cts_engine_find(e, key, key_len);

	return ref ? table_version(&e->sender.table, ref) : 0;
}

/* A new entry may follow one that another node had: its version goes on from there. */
static uint32_t version_elsewhere(struct cts_engine *e, uint32_t hash, const uint8_t *packed,
				  size_t len)
{
	uint32_t ref, version;

	peers_newest(&e->peers, hash, packed, cts_packed_key_len(packed, len), &ref, &version);
	return version;
}

uint32_t cts_engine_set(struct cts_engine *e, uint32_t ref, uint32_t hash, const uint8_t *packed,
			size_t len, bool replicate, uint64_t now_ns)
{
	uint32_t above = ref ? 0 : version_elsewhere(e, hash, packed, len);

	e->base.now = now_ns;
	return table_set(&e->sender.table, &e->base, ref, hash, packed, len, replicate, above);
}

static uint32_t put(struct cts_engine *e, const uint8_t *packed, size_t len, bool replicate,
		    uint32_t above, uint64_t now_ns)
{
	size_t key_len = cts_packed_key_len(packed, len);
	struct table *t = &e->sender.table;
	uint32_t hash, ref, elsewhere = 0;

	if (!key_len) {
		errno = EINVAL;
		return 0;
	}
	e->base.now = now_ns;
	len = cts_packed_body_len(packed, len);
	hash = cts_cache_hash(t->cache, packed, key_len);
	ref = cts_cache_find_hashed(t->cache, hash, packed, key_len);
	if (!ref)
		elsewhere = version_elsewhere(e, hash, packed, len);
	return table_set(t, &e->base, ref, hash, packed, len, replicate,
			 above > elsewhere ? above : elsewhere);
}

uint32_t cts_engine_put(struct cts_engine *e, const uint8_t *packed, size_t len, bool replicate,
			uint64_t now_ns)
{
	return put(e, packed, len, replicate, 0, now_ns);
}

uint32_t cts_engine_put_above(struct cts_engine *e, const uint8_t *packed, size_t len,
			      uint32_t above, uint64_t now_ns)
{
	return put(e, packed, len, true, above, now_ns);
}

void cts_engine_gone(struct cts_engine *e, uint32_t ref, uint64_t now_ns)
{
	e->base.now = now_ns;
	table_delete(&e->sender.table, &e->base, ref);
}

void cts_engine_table_ready(struct cts_engine *e, uint64_t now_ns)
{
	e->base.now = now_ns;
	sender_ready(&e->sender);
	e->session.hello_due = true;
}

void cts_engine_set_limit(struct cts_engine *e, size_t limit)
{
	const struct peer *p;

	e->base.conf.cache_limit = limit;
	table_set_limit(&e->sender.table, limit);
	peers_for_each(p, &e->peers)
		cts_cache_set_limit(p->recv.replica.cache, limit);
}

void cts_engine_set_lacking(struct cts_engine *e, uint64_t n)
{
	e->session.lacking = n;
}

/* -- network and time -- */

void cts_engine_receive(struct cts_engine *e, unsigned int link, uint32_t peer,
			const struct iovec *msg, unsigned int n, uint64_t now_ns)
{
	e->base.now = now_ns;
	for (unsigned int i = 0; i < n; i++)
		session_receive(&e->session, link, peer, msg[i].iov_base, msg[i].iov_len);
}

void cts_engine_greet(struct cts_engine *e)
{
	e->session.hello_due = true;
}

void cts_engine_peer_down(struct cts_engine *e, uint32_t node, uint64_t now_ns)
{
	struct peer *p = peers_find(&e->peers, node);

	e->base.now = now_ns;
	if (p)
		peer_event(&e->peers, p, PEER_LEAVES, "the transport lost it");
}

/* Send. Receivers that kept the others waiting fall out of step, and the others go on. */
static bool run_sender(struct cts_engine *e)
{
	uint64_t lagging = 0;
	bool more;

	if (e->session.out)
		return false;
	more = sender_run(&e->sender, &lagging);
	if (!lagging)
		return more;
	for (unsigned int i = 0; i < e->peers.n; i++)
		if (lagging >> i & 1)
			peer_event(&e->peers, e->peers.list[i], PEER_LAGS, "it does not keep up");
	lagging = 0;
	return sender_run(&e->sender, &lagging) || lagging;
}

void cts_engine_writable(struct cts_engine *e, uint64_t now_ns)
{
	e->base.now = now_ns;
	session_writable(&e->session);
	run_sender(e);
}

uint64_t cts_engine_run(struct cts_engine *e, uint64_t now_ns)
{
	uint64_t t, next;
	bool more = false;
	struct peer *p;

	e->base.now = now_ns;
	peers_for_each(p, &e->peers)
		more |= receiver_run(&p->recv, &e->base);
	session_run(&e->session);
	more |= run_sender(e);
	if (more)
		return now_ns;
	next = session_deadline(&e->session);
	t = e->session.out ? NEVER : sender_deadline(&e->sender);
	return t < next ? t : next;
}

/* -- views -- */

static void info_lag(const struct cts_engine *e, const struct peer *p, struct cts_node_info *info)
{
	const struct base *b = &e->base;
	uint64_t since;

	if (!peer_present(p)) {
		info->gone = true;
		info->gone_ms = p->gone_ns ? (b->now - p->gone_ns) / MS : 0;
		info->lag_ms = p->last_received_ns ? (b->now - p->last_received_ns) / MS : 0;
		return;
	}
	since = window_unacked_since(&e->sender.window, peer_index(&e->peers, p),
				     &info->lag_messages, &info->lag_records);
	info->lag_ms = since ? (b->now - since) / MS : 0;
	info->lag_records += e->sender.table.dirty.len;
}

static void info_fill(const struct cts_engine *e, const struct peer *p, struct cts_node_info *info)
{
	const struct receiver_view *v = &e->sender.window.view[peer_index(&e->peers, p)];
	const struct receiver *r = &p->recv;

	*info = (struct cts_node_info){
		.id = p->id, .epoch = p->epoch, .table_id = p->table_id,
		.last_received_ns = p->last_received_ns, .differs = p->differs,
		.entries = cts_cache_count(r->replica.cache), .orphans = r->replica.orphans,
		.refused = r->replica.refused, .complete = r->complete, .open_gaps = r->gaps.n,
		.gaps_opened = r->gaps_opened, .retransmitted = v->retransmitted,
		.resets = p->resets, .sent_messages = p->sent_messages + e->sender.sent_messages,
		.sent_bytes = p->sent_bytes + e->sender.sent_bytes,
		.recv_messages = p->recv_messages, .recv_bytes = p->recv_bytes, .link = p->link,
		.rtt_us = (uint32_t)(v->pace.srtt_ns / 1000),
		.window_bytes = (uint32_t)v->pace.window,
		.holds_mine = health_holds_mine(&e->base, &e->sender, &e->peers, p),
		.held_here = health_held_here(&e->base, p, e->session.lacking),
	};
	memcpy(info->name, p->name, sizeof(info->name));
	info_lag(e, p, info);
	info->in_sync = !info->holds_mine && !info->held_here;
	info->state = info->gone ? CTS_PEER_DOWN : info->in_sync ? CTS_PEER_SYNCED
								 : CTS_PEER_JOINING;
}

size_t cts_engine_nodes(struct cts_engine *e, struct cts_node_info *info, size_t max,
			uint64_t now_ns)
{
	const struct peer *p;
	size_t n = 0;

	e->base.now = now_ns;
	if (!max)
		return 0;
	info[n] = (struct cts_node_info){
		.id = e->base.id, .self = true, .epoch = e->base.epoch,
		.table_id = e->base.conf.table_id, .last_received_ns = now_ns,
		.entries = table_live(&e->sender.table), .state = CTS_PEER_SYNCED, .in_sync = true,
	};
	if (e->session.out) {
		info[n].held_here = "another node has this node's name and was there first";
		info[n].state = CTS_PEER_DOWN;
		info[n].in_sync = false;
	}
	memcpy(info[n++].name, e->session.name, sizeof(info->name));
	peers_for_each(p, &e->peers)
		if (n < max)
			info_fill(e, p, &info[n++]);
	return n;
}

struct cts_cache *cts_engine_external(struct cts_engine *e, uint32_t node)
{
	const struct peer *p = peers_find(&e->peers, node);

	return p ? p->recv.replica.cache : NULL;
}

bool cts_engine_replica_exists(struct cts_engine *e, const uint8_t *key, size_t key_len)
{
	return cts_engine_newest_replica(e, key, key_len, NULL, NULL);
}

uint32_t cts_engine_newest_replica(struct cts_engine *e, const uint8_t *key, size_t key_len,
				   uint32_t *ref, uint32_t *version)
{
	uint32_t hash = cts_cache_hash(e->sender.table.cache, key, key_len), at, v;
	const struct peer *p = peers_newest(&e->peers, hash, key, key_len, &at, &v);

	if (ref)
		*ref = at;
	if (version)
		*version = v;
	return p ? p->id : 0;
}

bool cts_engine_newest(struct cts_engine *e, uint32_t node, uint32_t ref)
{
	struct cts_cache *cache = cts_engine_external(e, node);
	const uint8_t *packed;
	size_t len;

	packed = cache ? cts_cache_data(cache, ref, &len) : NULL;
	return packed && cts_engine_newest_replica(e, packed, cts_packed_key_len(packed, len), NULL,
						   NULL) == node;
}

int cts_engine_adopt(struct cts_engine *e, uint32_t node, uint32_t ref, uint64_t now_ns)
{
	struct peer *p = peers_find(&e->peers, node);
	const uint8_t *data = NULL;
	uint8_t packed[CTS_PACK_MAX];
	const struct cts_entry *entry;
	size_t len;

	if (p)
		data = cts_cache_data(p->recv.replica.cache, ref, &len);
	if (!data) {
		errno = ENOENT;
		return -1;
	}
	memcpy(packed, data, len);
	if (!cts_engine_put_above(e, packed, len, cts_packed_version(packed, len), now_ns))
		return -1;
	/* A live owner's replica stays: nobody but the owner changes it. */
	entry = cts_cache_entry(p->recv.replica.cache, ref);
	if (!peer_present(p) || replica_is_orphan(&p->recv.replica, entry))
		replica_trim(&p->recv.replica, &e->base, ref);
	return 0;
}

/* -- commands -- */

void cts_engine_resync(struct cts_engine *e, uint64_t now_ns)
{
	struct peer *p;

	e->base.now = now_ns;
	peers_for_each(p, &e->peers)
		receiver_resync(&p->recv, &e->base);
}

void cts_engine_bulk(struct cts_engine *e, uint64_t now_ns)
{
	e->base.now = now_ns;
	transfer_pull(&e->sender.transfer, NULL, e->sender.window.last);
}

void cts_engine_flush_internal(struct cts_engine *e, uint64_t now_ns)
{
	e->base.now = now_ns;
	session_renew(&e->session, true);
}

void cts_engine_flush_external(struct cts_engine *e, uint64_t now_ns)
{
	struct peer *p;

	e->base.now = now_ns;
	peers_for_each(p, &e->peers)
		replica_clear(&p->recv.replica);
}

void cts_engine_bye(struct cts_engine *e, uint64_t now_ns)
{
	e->base.now = now_ns;
	session_bye(&e->session);
}

void cts_engine_get_stats(const struct cts_engine *e, struct cts_engine_stats *st)
{
	const struct sender *s = &e->sender;

	*st = e->base.st;
	st->sent_messages += s->sent_messages;
	st->sent_bytes += s->sent_bytes;
	st->sent_records = st->sent_upserts + st->sent_deletes;
	st->dirty_queue_len = s->table.dirty.len;
	st->window_len = window_len(&s->window);
	st->tombstones = s->table.tombstones;
}
