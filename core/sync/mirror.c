/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invariant I0. entry.aux tells what the running dump means for an entry: SEEN in
 * it, or TOUCHED by events since it began that tell all of it (then their word stands),
 * or only PARTLY: what the event did not tell may be what was lost, and a chunk may be
 * older than the event, so the kernel is asked where they differ. Keys that died
 * meanwhile leave a stub, so that an older chunk cannot bring them back.
 */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync/mirror.h"

#define SCAN_MAX 4096u   /* entries that one settle step looks at */

/* Bits that say nothing to another node, or do harm there. */
#define STATUS_LOCAL (IPS_DYING | IPS_TEMPLATE | IPS_HELPER | IPS_OFFLOAD | IPS_HW_OFFLOAD)

struct cts_mirror {
	struct cts_engine *engine;
	struct cts_mirror_ops ops;
	void *ctx;
	struct cts_cache *internal;  /* the engine's */
	struct cts_cache *stubs;     /* owned; keys alone */
	uint64_t attrs;
	uint32_t gen;                /* of the last dump; aux is 4 * gen + a mark */
	bool dumping, settling;
	uint32_t cursor;
	struct cts_mirror_stats st;
};

static uint32_t mark_seen(const struct cts_mirror *m)
{
	return m->gen * 4;
}

static uint32_t mark_touched(const struct cts_mirror *m)
{
	return m->gen * 4 + 1;
}

static uint32_t mark_partly(const struct cts_mirror *m)
{
	return m->gen * 4 + 2;
}

/* All of it was told since the dump began. */
static bool is_settled(const struct cts_mirror *m, uint32_t aux)
{
	return aux == mark_seen(m) || aux == mark_touched(m);
}

struct cts_mirror *cts_mirror_create(struct cts_engine *engine, const struct cts_mirror_ops *ops,
				     void *ctx)
{
	static const uint8_t zero_key[16];
	struct cts_mirror *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->engine = engine;
	m->ops = *ops;
	m->ctx = ctx;
	m->internal = cts_engine_internal(engine);
	m->attrs = cts_engine_attrs(engine);
	m->gen = 1;
	/* Stubs live for one dump; who floods them gains an incomplete dump. */
	m->stubs = cts_cache_create(cts_cache_limit(m->internal), zero_key);
	if (!m->stubs) {
		free(m);
		return NULL;
	}
	return m;
}

void cts_mirror_destroy(struct cts_mirror *m)
{
	if (!m)
		return;
	cts_cache_destroy(m->stubs);
	free(m);
}

/* -- one entry -- */

struct item {
	const struct cts_flow *flow;
	uint8_t key[CTS_PACK_KEY_MAX];
	size_t key_len;      /* 0: the flow has no key */
	uint32_t hash;       /* of the key, in the internal cache */
	uint32_t any;        /* ref of the entry, dead or alive; 0: none */
	uint32_t ref;        /* the same when it is alive, else 0 */
	uint64_t now;
};

static bool item_init(struct cts_mirror *m, struct item *it, const struct cts_flow *flow)
{
	it->flow = flow;
	it->key_len = cts_flow_pack_key(flow, it->key);
	if (it->key_len)
		it->hash = cts_cache_hash(m->internal, it->key, it->key_len);
	return it->key_len;
}

static void item_find(struct cts_mirror *m, struct item *it, uint64_t now)
{
	it->now = now;
	it->any = cts_cache_find_hashed(m->internal, it->hash, it->key, it->key_len);
	it->ref = cts_engine_live(m->engine, it->any) ? it->any : 0;
}

static void stub_add(struct cts_mirror *m, const struct item *it)
{
	if (m->dumping && !cts_cache_find(m->stubs, it->key, it->key_len))
		cts_cache_insert(m->stubs, it->key, it->key_len, 0);
}

static bool stub_has(const struct cts_mirror *m, const struct item *it)
{
	return m->dumping && cts_cache_count(m->stubs) &&
	       cts_cache_find(m->stubs, it->key, it->key_len);
}

static void stub_del(struct cts_mirror *m, const struct item *it)
{
	if (m->dumping && cts_cache_count(m->stubs))
		cts_cache_remove(m->stubs, cts_cache_find(m->stubs, it->key, it->key_len));
}

static void item_gone(struct cts_mirror *m, const struct item *it)
{
	if (it->ref)
		cts_engine_gone(m->engine, it->ref, it->now);
}

/* Does a peer have to know of this timeout? It runs down by itself everywhere. */
static bool timeout_news(uint32_t old, uint32_t now)
{
	return now > old + old / 8 + 10 || now < old / 2;
}

/* The same entry, but for a timeout that merely ran on? */
static bool item_unchanged(const struct cts_mirror *m, const struct item *it,
			   struct cts_flow *flow)
{
	struct cts_flow_store have;
	uint8_t buf[CTS_PACK_MAX];
	const uint8_t *packed;
	uint32_t timeout;
	size_t len, n;

	packed = cts_cache_data(m->internal, it->ref, &len);
	if (cts_flow_unpack(packed, len, &have, NULL) < 0 ||
	    !cts_flow_has(&have.flow, CTS_FLOW_TIMEOUT) ||
	    !cts_flow_has(flow, CTS_FLOW_TIMEOUT) ||
	    timeout_news(have.flow.timeout, flow->timeout))
		return false;
	timeout = flow->timeout;
	flow->timeout = have.flow.timeout;
	n = cts_flow_pack(flow, m->attrs, buf, sizeof(buf));
	flow->timeout = timeout;
	return n == len && !memcmp(buf, packed, len);
}

/* The entry is as flow says, whole. */
static void item_put(struct cts_mirror *m, struct item *it, struct cts_flow *flow, uint32_t aux)
{
	uint8_t packed[CTS_PACK_MAX];
	size_t len;

	flow->status &= ~(uint32_t)STATUS_LOCAL;
	if (it->ref && item_unchanged(m, it, flow)) {
		m->st.unchanged++;
	} else {
		len = cts_flow_pack(flow, m->attrs, packed, sizeof(packed));
		if (!len)
			return;
		it->ref = cts_engine_set(m->engine, it->any, it->hash, packed, len, true, it->now);
		m->st.merged++;
	}
	if (it->ref)
		cts_cache_entry(m->internal, it->ref)->aux = aux;
}

/* A partial flow onto what is known. */
static void item_merge(struct cts_mirror *m, struct item *it, uint32_t aux)
{
	struct cts_flow_store store;
	const uint8_t *packed;
	size_t len;

	packed = cts_cache_data(m->internal, it->ref, &len);
	if (cts_flow_unpack(packed, len, &store, NULL) < 0)
		return;
	cts_flow_merge(&store, it->flow);
	item_put(m, it, &store.flow, aux);
}

static void item_replace(struct cts_mirror *m, struct item *it, uint32_t aux)
{
	struct cts_flow flow = *it->flow;

	item_put(m, it, &flow, aux);
}

static bool offloaded(const struct cts_flow *flow)
{
	return flow->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD);
}

/* -- kernel events -- */

static void event_destroy(struct cts_mirror *m, struct item *it)
{
	m->st.unknown_destroy += !it->ref;
	item_gone(m, it);
	stub_add(m, it);
}

static void event_refused(struct cts_mirror *m, struct item *it)
{
	m->st.refused++;
	item_gone(m, it);
	stub_add(m, it);  /* an older chunk of the dump may know it as one that passes */
}

static void mirror_event(struct cts_mirror *m, const struct cts_event *ev, struct item *it,
			 bool refused)
{
	m->st.events++;
	if (ev->type == CTS_EVENT_DESTROY) {
		event_destroy(m, it);
	} else if (refused) {
		event_refused(m, it);
	} else if (ev->type == CTS_EVENT_NEW) {
		stub_del(m, it);
		item_replace(m, it, mark_touched(m));
	} else if (it->ref) {
		uint32_t aux = cts_cache_entry(m->internal, it->ref)->aux;

		item_merge(m, it, is_settled(m, aux) ? mark_touched(m) : mark_partly(m));
	} else {
		m->st.gets++;  /* it says too little of an entry that is not known */
		m->ops.get(m->ctx, ev->flow);
	}
}

/* -- dumps -- */

/* An entry that an event told in part: true: the chunk adds nothing. */
static bool partly_told(struct cts_mirror *m, const struct item *it, bool refused)
{
	struct cts_entry *e = it->ref ? cts_cache_entry(m->internal, it->ref) : NULL;
	struct cts_flow flow = *it->flow;

	if (!e || e->aux != mark_partly(m))
		return false;
	flow.status &= ~(uint32_t)STATUS_LOCAL;
	if (!refused && item_unchanged(m, it, &flow))
		e->aux = mark_touched(m);
	return true;
}

static void mirror_dumped(struct cts_mirror *m, const struct cts_event *ev, struct item *it,
			  bool refused)
{
	bool answer = ev->type == CTS_EVENT_UPDATE;  /* to a get: newer than any event read */
	uint32_t aux = answer ? mark_touched(m) : mark_seen(m);

	if (!answer && (stub_has(m, it) ||
			(it->ref && cts_cache_entry(m->internal, it->ref)->aux == mark_touched(m))))
		return;
	if (!answer && partly_told(m, it, refused))
		return;
	if (refused) {
		m->st.refused++;
		item_gone(m, it);
		return;
	}
	if (!it->ref && m->ops.foreign && m->ops.foreign(m->ctx, it->key, it->key_len))
		return;
	if (!it->ref)
		m->st.repaired_missing++;
	if (answer)
		stub_del(m, it);
	if (it->ref && offloaded(ev->flow))
		item_merge(m, it, aux);  /* dumped without timeout and protocol state */
	else
		item_replace(m, it, aux);
}

static bool mirrored(const struct cts_event *ev)
{
	return ev->flow && (ev->origin == CTS_ORIGIN_KERNEL || ev->origin == CTS_ORIGIN_DUMP);
}

/* What the group will look up, side by side: the table is larger than any cache. */
static void group_prepare(struct cts_mirror *m, const struct cts_event *const *ev, size_t n,
			  struct item *items)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!mirrored(ev[i]) || !item_init(m, &items[i], ev[i]->flow))
			items[i].key_len = 0;
		else
			cts_cache_prefetch_bucket(m->internal, items[i].hash);
	for (i = 0; i < n; i++)
		if (items[i].key_len)
			cts_cache_prefetch_head(m->internal, items[i].hash);
	for (i = 0; i < n; i++)
		if (items[i].key_len)
			cts_cache_prefetch_data(m->internal, items[i].hash);
}

static void consume_group(struct cts_mirror *m, const struct cts_batch *batch, size_t first,
			  size_t n, uint64_t now)
{
	const struct cts_event *const *ev = batch->ev + first;
	struct item items[CTS_CACHE_GROUP];
	size_t i;

	group_prepare(m, ev, n, items);
	for (i = 0; i < n; i++) {
		bool refused = cts_batch_dropped(batch, first + i);

		if (!items[i].key_len)
			continue;
		item_find(m, &items[i], now);
		if (ev[i]->origin == CTS_ORIGIN_KERNEL)
			mirror_event(m, ev[i], &items[i], refused);
		else
			mirror_dumped(m, ev[i], &items[i], refused);
	}
}

void cts_mirror_consume(struct cts_mirror *m, const struct cts_batch *batch, uint64_t now_ns)
{
	size_t first, n;

	for (first = 0; first < batch->n; first += n) {
		n = batch->n - first < CTS_CACHE_GROUP ? batch->n - first : CTS_CACHE_GROUP;
		consume_group(m, batch, first, n, now_ns);
	}
}

void cts_mirror_absent(struct cts_mirror *m, const struct cts_flow *key, uint64_t now_ns)
{
	struct item it;

	if (!item_init(m, &it, key))
		return;
	item_find(m, &it, now_ns);
	if (!it.ref)
		return;
	m->st.repaired_stale++;
	item_gone(m, &it);
}

void cts_mirror_dump_begin(struct cts_mirror *m, uint64_t now_ns)
{
	(void)now_ns;
	if (++m->gen > UINT32_MAX / 4 - 1)
		m->gen = 1;
	m->dumping = true;
	m->settling = false;
	m->st.dumps++;
}

void cts_mirror_dump_end(struct cts_mirror *m, bool complete, uint64_t now_ns)
{
	(void)now_ns;
	cts_cache_clear(m->stubs);
	m->dumping = false;
	/* An incomplete dump proves nothing about what it lacks, but every missing
	 * key is asked for one by one, so it is safe all the same: only slower. */
	(void)complete;
	m->settling = true;
	m->cursor = 0;
}

bool cts_mirror_settle(struct cts_mirror *m, unsigned int max, uint64_t now_ns)
{
	unsigned int scanned, asked = 0;

	(void)now_ns;
	for (scanned = 0; m->settling && scanned < SCAN_MAX && asked < max; scanned++) {
		struct cts_flow_store store;
		const uint8_t *packed;
		uint32_t aux;
		size_t len;

		m->cursor = cts_cache_next(m->internal, m->cursor);
		if (!m->cursor) {
			m->settling = false;
			break;
		}
		aux = cts_cache_entry(m->internal, m->cursor)->aux;
		if (is_settled(m, aux))
			continue;
		packed = cts_cache_data(m->internal, m->cursor, &len);
		if (!cts_engine_find(m->engine, packed, cts_packed_key_len(packed, len)) ||
		    cts_flow_unpack(packed, len, &store, NULL) < 0)
			continue;  /* dead already */
		m->st.gets++;
		asked++;
		m->ops.get(m->ctx, &store.flow);
	}
	return m->settling;
}

bool cts_mirror_busy(const struct cts_mirror *m)
{
	return m->dumping || m->settling;
}

void cts_mirror_get_stats(const struct cts_mirror *m, struct cts_mirror_stats *st)
{
	*st = m->st;
}
