/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries are packed; aux is the follower's mark, seq the kernel's id. */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/conntrack/snapshot.h"

/* What makes an entry another one for its reader. */
#define SNAPSHOT_ATTRS                                                          \
	(CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |           \
	 CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_MARK) |          \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) |       \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | \
	 CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) | \
	 CTS_FLOW_BIT(CTS_FLOW_LABELS) | CTS_FLOW_BIT(CTS_FLOW_HELPER))

/* Events do not have them, so -E prints them of no entry. */
#define NOT_IN_EVENTS (CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG) | \
		       CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY) | CTS_FLOW_BIT(CTS_FLOW_USE))

/* Bits that change without an event and say nothing of the flow. */
#define STATUS_INNER ((uint32_t)(IPS_DYING | IPS_TEMPLATE | IPS_HELPER | IPS_CONFIRMED))

#define SHOW_MAX (2 * CTS_CACHE_GROUP)   /* an entry that replaced another is two events */

struct snapshot {
	struct snapshot_conf conf;
	struct cts_follow_ops ops;
	struct cts_cache *cache;      /* owned */
	struct cts_follow *follow;    /* owned */
	bool quiet;
	struct snapshot_counts counts;
	int error;
	uint64_t now_ns;              /* of the events that are made */
	size_t n;                     /* of them */
	struct cts_event event[SHOW_MAX];
	const struct cts_event *list[SHOW_MAX];
	struct cts_flow_store store[SHOW_MAX];
};

/* -- what is shown -- */

static void show(struct snapshot *s, enum cts_event_type type, const struct cts_flow *flow,
		 uint64_t *count)
{
	struct cts_flow_store *store = &s->store[s->n];

	++*count;
	memset(store, 0, sizeof(*store));
	cts_flow_merge(store, flow);
	store->flow.present &= ~NOT_IN_EVENTS;
	if (cts_flow_has(flow, CTS_FLOW_SECCTX)) {
		store->flow.secctx = flow->secctx;
		store->flow.secctx_len = flow->secctx_len;
		store->flow.present |= CTS_FLOW_BIT(CTS_FLOW_SECCTX);
	}
	s->event[s->n] = (struct cts_event){ .type = (uint8_t)type, .origin = CTS_ORIGIN_KERNEL,
					     .time_ns = s->now_ns, .flow = &store->flow };
	s->list[s->n] = &s->event[s->n];
	s->n++;
}

/* An entry goes of which no event said so. */
static void show_gone(struct snapshot *s, uint32_t ref)
{
	struct cts_flow_store store;
	size_t len;
	const uint8_t *bytes = cts_cache_data(s->cache, ref, &len);

	if (cts_flow_unpack(bytes, len, &store, NULL) < 0)
		return;
	store.flow.id = (uint32_t)cts_cache_entry(s->cache, ref)->seq;
	if (store.flow.id)
		store.flow.present |= CTS_FLOW_BIT(CTS_FLOW_ID);
	show(s, CTS_EVENT_DESTROY, &store.flow, &s->counts.gone);
}

/* -- the follower's store -- */

static bool id_differs(const struct snapshot *s, uint32_t ref, const struct cts_flow *flow)
{
	uint64_t id = cts_cache_entry(s->cache, ref)->seq;

	return id && cts_flow_has(flow, CTS_FLOW_ID) && flow->id != id;
}

static void put(struct snapshot *s, uint32_t ref, const struct cts_change *c)
{
	struct cts_entry *e;

	if (!ref)
		ref = cts_cache_insert_hashed(s->cache, c->hash, c->packed, c->len, 0);
	else if (cts_cache_replace(s->cache, ref, c->packed, c->len) < 0)
		ref = 0;
	if (!ref) {
		s->error = s->error ? s->error : errno;
		return;
	}
	e = cts_cache_entry(s->cache, ref);
	e->aux = c->mark;
	if (cts_flow_has(c->flow, CTS_FLOW_ID))
		e->seq = c->flow->id;
}

/* The kernel's table has this, and no event said so. Returns the ref that is left. */
static uint32_t show_difference(struct snapshot *s, const struct cts_change *c)
{
	uint32_t ref = c->ref;

	if (ref && id_differs(s, ref, c->flow)) {
		show_gone(s, ref);
		cts_cache_remove(s->cache, ref);
		ref = 0;
	}
	if (ref)
		show(s, CTS_EVENT_UPDATE, c->flow, &s->counts.changed);
	else if (c->ref || !s->quiet)
		show(s, CTS_EVENT_NEW, c->flow, &s->counts.created);
	return ref;
}

static void snapshot_apply(void *ctx, const struct cts_change *list, size_t n, uint64_t now_ns)
{
	struct snapshot *s = ctx;

	for (size_t i = 0; i < n; i++) {
		const struct cts_change *c = &list[i];
		bool said = c->ev && c->ev->origin == CTS_ORIGIN_KERNEL;

		if (c->ev)
			s->now_ns = c->ev->time_ns;
		if (c->len) {
			put(s, said ? c->ref : show_difference(s, c), c);
			continue;
		}
		if (!said)
			show_gone(s, c->ref);
		cts_cache_remove(s->cache, c->ref);
	}
	if (s->n)
		s->conf.show(s->conf.ctx, s->list, s->n);
	s->n = 0;
}

static const struct cts_store_ops snapshot_store = { .apply = snapshot_apply };

struct snapshot *snapshot_create(const struct snapshot_conf *conf)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	uint8_t key[16];

	if (!s)
		return NULL;
	s->conf = *conf;
	s->ops.get = conf->get;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		goto err;
	s->cache = cts_cache_create(SIZE_MAX, key);
	if (!s->cache)
		goto err;
	s->follow = cts_follow_create(&(struct cts_follow_conf){
		.cache = s->cache,
		.store = &snapshot_store,
		.store_ctx = s,
		.ops = &s->ops,
		.ctx = conf->ctx,
		.attrs = SNAPSHOT_ATTRS,
		.status_local = STATUS_INNER,
		.zero_is_absent = true,
		.ids = true,
	});
	if (s->follow)
		return s;
err:
	snapshot_destroy(s);
	return NULL;
}

void snapshot_destroy(struct snapshot *s)
{
	if (!s)
		return;
	cts_follow_destroy(s->follow);
	if (s->cache)
		cts_cache_destroy(s->cache);
	free(s);
}

struct cts_follow *snapshot_follow(struct snapshot *s)
{
	return s->follow;
}

void snapshot_consume(struct snapshot *s, const struct cts_event *const *ev, size_t n)
{
	uint64_t drop[CTS_BATCH_MAX / 64] = { 0 };
	struct cts_batch batch = { .size = sizeof(batch), .n = n, .ev = ev, .drop = drop };

	cts_follow_consume(s->follow, &batch, 0);
}

void snapshot_begin(struct snapshot *s, bool quiet)
{
	s->counts = (struct snapshot_counts){ 0 };
	s->quiet = quiet;
}

void snapshot_end(struct snapshot *s)
{
	s->quiet = false;
}

const struct snapshot_counts *snapshot_counts(const struct snapshot *s)
{
	return &s->counts;
}

int snapshot_error(const struct snapshot *s)
{
	return s->error;
}
