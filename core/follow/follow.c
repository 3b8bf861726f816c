/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invariant I0. entry.aux tells what the running dump means for an entry: SEEN in
 * it, or TOUCHED by events since it began that tell all of it (then they stand), or
 * only PARTLY: what the event did not tell may be what was lost, and a chunk may be
 * older than the event, so the kernel is asked where they differ. Keys that died
 * meanwhile leave a tombstone, so that an older chunk cannot bring them back.
 */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>

#include "core/follow/follow.h"

#define SCAN_MAX 4096u /* entries that one step of verifying looks at */
#define STORE_ATTR 24u /* packed attributes from here on are the store's own */

struct cts_follow {
	struct cts_follow_conf conf;
	struct cts_cache *tombs; /* owned; keys alone, aux: the id of what was there */
	uint32_t gen;            /* of the last dump; aux is 4 * gen + a mark */
	bool dumping, verifying;
	uint32_t cursor;
	uint64_t now_ns;
	size_t n;
	struct cts_change change[CTS_CACHE_GROUP];
	struct cts_flow_store merged[CTS_CACHE_GROUP]; /* change[i].flow may be merged[i] */
	struct cts_follow_stats st;
};

static uint32_t mark_seen(const struct cts_follow *f)
{
	return f->gen * 4;
}

static uint32_t mark_touched(const struct cts_follow *f)
{
	return f->gen * 4 + 1;
}

static uint32_t mark_partly(const struct cts_follow *f)
{
	return f->gen * 4 + 2;
}

/* All of it is known since the dump began. */
static bool is_settled(const struct cts_follow *f, uint32_t aux)
{
	return aux == mark_seen(f) || aux == mark_touched(f);
}

struct cts_follow *cts_follow_create(const struct cts_follow_conf *conf)
{
	static const uint8_t zero_key[16];
	struct cts_follow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conf = *conf;
	f->gen = 1;
	/* Tombstones live for one dump; who floods them gains an incomplete dump. */
	f->tombs = cts_cache_create(cts_cache_limit(conf->cache), zero_key);
	if (!f->tombs) {
		free(f);
		return NULL;
	}
	return f;
}

void cts_follow_destroy(struct cts_follow *f)
{
	if (!f)
		return;
	cts_cache_destroy(f->tombs);
	free(f);
}

/* -- one entry -- */

struct item {
	const struct cts_event *ev;
	const struct cts_flow *flow;
	uint8_t key[CTS_PACK_KEY_MAX];
	size_t key_len; /* 0: not to be looked at */
	uint32_t hash;  /* of the key, in the store's cache */
	uint32_t any;   /* ref of the entry, dead or alive; 0: none */
	uint32_t ref;   /* the same when it is alive, else 0 */
};

static bool item_init(struct cts_follow *f, struct item *it, const struct cts_flow *flow)
{
	it->flow = flow;
	it->key_len = cts_flow_pack_key(flow, it->key);
	if (it->key_len)
		it->hash = cts_cache_hash(f->conf.cache, it->key, it->key_len);
	return it->key_len;
}

static void item_find(struct cts_follow *f, struct item *it)
{
	it->any = cts_cache_find_hashed(f->conf.cache, it->hash, it->key, it->key_len);
	it->ref = it->any;
	if (f->conf.store->drop_dead)
		f->conf.store->drop_dead(f->conf.store_ctx, &it->ref, 1);
}

static void tomb_add(struct cts_follow *f, const struct item *it)
{
	uint32_t ref;

	if (!f->dumping || cts_cache_find(f->tombs, it->key, it->key_len))
		return;
	ref = cts_cache_insert(f->tombs, it->key, it->key_len, 0);
	if (ref && cts_flow_has(it->flow, CTS_FLOW_ID))
		cts_cache_entry(f->tombs, ref)->aux = it->flow->id;
}

static uint32_t tomb_find(const struct cts_follow *f, const struct item *it)
{
	return f->dumping && cts_cache_count(f->tombs)
		       ? cts_cache_find(f->tombs, it->key, it->key_len)
		       : 0;
}

static void tomb_del(struct cts_follow *f, const struct item *it)
{
	if (f->dumping && cts_cache_count(f->tombs))
		cts_cache_remove(f->tombs, cts_cache_find(f->tombs, it->key, it->key_len));
}

/* -- changes, a group of them in one call -- */

static uint64_t hash_bit(uint32_t hash)
{
	return UINT64_C(1) << (hash & 63);
}

static void changes_apply(struct cts_follow *f)
{
	if (f->n)
		f->conf.store->apply(f->conf.store_ctx, f->change, f->n, f->now_ns);
	f->n = 0;
}

static struct cts_change *change_add(struct cts_follow *f, const struct item *it)
{
	struct cts_change *c = &f->change[f->n++];

	c->ref = it->any;
	c->hash = it->hash;
	c->ev = it->ev;
	c->flow = it->flow;
	c->len = 0;
	return c;
}

static void item_gone(struct cts_follow *f, const struct item *it)
{
	if (it->ref)
		change_add(f, it);
}

/* Does who reads the store have to know of this timeout? It runs down by itself. */
static bool timeout_news(uint32_t old, uint32_t now)
{
	return now > old + old / 8 + 10 || now < old / 2;
}

static bool labels_empty(const struct cts_flow *flow)
{
	for (unsigned int i = 0; i < flow->labels_len / 4u; i++)
		if (flow->labels[i])
			return false;
	return true;
}

static size_t pack(const struct cts_follow *f, const struct cts_flow *flow,
		   uint8_t packed[CTS_PACK_MAX])
{
	uint64_t attrs = f->conf.attrs;

	if (f->conf.zero_is_absent && !flow->mark)
		attrs &= ~CTS_FLOW_BIT(CTS_FLOW_MARK);
	if (f->conf.zero_is_absent && cts_flow_has(flow, CTS_FLOW_LABELS) && labels_empty(flow))
		attrs &= ~CTS_FLOW_BIT(CTS_FLOW_LABELS);
	return cts_flow_pack(flow, attrs, packed, CTS_PACK_MAX);
}

/* The same, whatever the store added behind it? Types of attributes ascend. */
static bool same_bytes(const uint8_t *ours, size_t n, const uint8_t *theirs, size_t len)
{
	return n && n <= len && !memcmp(ours, theirs, n) &&
	       (n == len || theirs[n] >> 3 >= STORE_ATTR);
}

/* Is flow a later entry with the same key? */
static bool id_differs(const struct cts_follow *f, uint32_t ref, const struct cts_flow *flow)
{
	uint64_t id = f->conf.ids ? cts_cache_entry(f->conf.cache, ref)->seq : 0;

	return id && cts_flow_has(flow, CTS_FLOW_ID) && flow->id != id;
}

/* The same entry, but for a timeout that merely ran on? */
static bool item_unchanged(const struct cts_follow *f, const struct item *it, struct cts_flow *flow)
{
	struct cts_flow_store have;
	uint8_t buf[CTS_PACK_MAX];
	const uint8_t *packed;
	uint32_t timeout = flow->timeout;
	size_t len, n;

	if (id_differs(f, it->ref, flow))
		return false;
	packed = cts_cache_data(f->conf.cache, it->ref, &len);
	if (f->conf.attrs & CTS_FLOW_BIT(CTS_FLOW_TIMEOUT)) {
		if (cts_flow_unpack(packed, len, &have, NULL) < 0 ||
		    !cts_flow_has(&have.flow, CTS_FLOW_TIMEOUT) ||
		    !cts_flow_has(flow, CTS_FLOW_TIMEOUT) ||
		    timeout_news(have.flow.timeout, flow->timeout))
			return false;
		flow->timeout = have.flow.timeout;
	}
	n = pack(f, flow, buf);
	flow->timeout = timeout;
	return same_bytes(buf, n, packed, len);
}

/* The entry is as flow says, whole. flow is lent until changes_apply(). */
static void item_put(struct cts_follow *f, struct item *it, struct cts_flow *flow, uint32_t mark)
{
	uint32_t status = flow->status;
	struct cts_change *c;

	flow->status &= ~f->conf.status_local;
	if (it->ref && item_unchanged(f, it, flow)) {
		cts_cache_entry(f->conf.cache, it->ref)->aux = mark;
		f->st.unchanged++;
		return;
	}
	c = change_add(f, it);
	c->flow = flow;
	c->mark = mark;
	c->len = (uint8_t)pack(f, flow, c->packed);
	flow->status = status;
	if (c->len)
		f->st.merged++;
	else
		f->n--; /* it has no packed form */
}

/* A partial flow onto what is known. */
static void item_merge(struct cts_follow *f, struct item *it, uint32_t mark)
{
	struct cts_flow_store *store = &f->merged[f->n];
	const uint8_t *packed;
	size_t len;

	packed = cts_cache_data(f->conf.cache, it->ref, &len);
	if (cts_flow_unpack(packed, len, store, NULL) < 0)
		return;
	cts_flow_merge(store, it->flow);
	item_put(f, it, &store->flow, mark);
}

static void item_replace(struct cts_follow *f, struct item *it, uint32_t mark)
{
	struct cts_flow *flow = &f->merged[f->n].flow;

	*flow = *it->flow; /* its variable parts are the event's */
	item_put(f, it, flow, mark);
}

static bool offloaded(const struct cts_flow *flow)
{
	return flow->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD);
}

static void ask(struct cts_follow *f, const struct cts_flow *key)
{
	f->st.gets++;
	f->conf.ops->get(f->conf.ctx, key);
}

/* -- kernel events -- */

static void event_destroy(struct cts_follow *f, struct item *it)
{
	f->st.unknown_destroy += !it->ref;
	item_gone(f, it);
	tomb_add(f, it);
}

static void event_refused(struct cts_follow *f, struct item *it)
{
	f->st.refused++;
	item_gone(f, it);
	tomb_add(f, it); /* an older chunk of the dump may know it as one that passes */
}

static void follow_event(struct cts_follow *f, struct item *it, bool refused)
{
	f->st.events++;
	if (it->ev->type == CTS_EVENT_DESTROY) {
		event_destroy(f, it);
	} else if (refused) {
		event_refused(f, it);
	} else if (it->ev->type == CTS_EVENT_NEW) {
		tomb_del(f, it);
		item_replace(f, it, mark_touched(f));
	} else if (it->ref) {
		uint32_t aux = cts_cache_entry(f->conf.cache, it->ref)->aux;

		item_merge(f, it, is_settled(f, aux) ? mark_touched(f) : mark_partly(f));
	} else {
		ask(f, it->flow); /* it says too little of an entry that is not known */
	}
}

/* -- dumps -- */

/* Are events since the dump began the last word on this key? */
static bool events_win(struct cts_follow *f, const struct item *it, bool refused)
{
	uint32_t tomb = tomb_find(f, it);
	struct cts_flow flow = *it->flow;
	struct cts_entry *e;

	if (tomb) {
		uint32_t id = cts_cache_entry(f->tombs, tomb)->aux;

		if (id && cts_flow_has(&flow, CTS_FLOW_ID) && flow.id != id)
			ask(f, it->flow); /* another entry, before or after that one */
		return true;
	}
	e = it->ref ? cts_cache_entry(f->conf.cache, it->ref) : NULL;
	if (!e || (e->aux != mark_touched(f) && e->aux != mark_partly(f)))
		return false;
	if (e->aux == mark_touched(f)) {
		if (id_differs(f, it->ref, &flow))
			e->aux = mark_partly(f); /* so that the kernel is asked */
		return true;
	}
	flow.status &= ~f->conf.status_local;
	if (!refused && item_unchanged(f, it, &flow))
		e->aux = mark_touched(f);
	return true;
}

static void follow_dumped(struct cts_follow *f, struct item *it, bool refused)
{
	bool answer = it->ev->type == CTS_EVENT_UPDATE; /* newer than any event read */
	uint32_t mark = answer ? mark_touched(f) : mark_seen(f);

	if (!answer && events_win(f, it, refused))
		return;
	if (refused) {
		f->st.refused++;
		item_gone(f, it);
		return;
	}
	if (!it->ref && f->conf.ops->foreign &&
	    f->conf.ops->foreign(f->conf.ctx, it->key, it->key_len, it->flow))
		return;
	if (!it->ref)
		f->st.repaired_missing++;
	if (answer)
		tomb_del(f, it);
	if (it->ref && offloaded(it->flow))
		item_merge(f, it, mark); /* dumped without timeout and protocol state */
	else
		item_replace(f, it, mark);
}

/* -- batches -- */

static bool followed(const struct cts_event *ev)
{
	return ev->flow && (ev->origin == CTS_ORIGIN_KERNEL || ev->origin == CTS_ORIGIN_DUMP);
}

/* Look the group's keys up side by side: the table is larger than any CPU cache. */
static void group_find(struct cts_follow *f, const struct cts_event *const *ev, size_t n,
		       struct item *items)
{
	uint32_t refs[CTS_CACHE_GROUP];
	size_t i;

	for (i = 0; i < n; i++) {
		items[i].ev = ev[i];
		if (!followed(ev[i]) || !item_init(f, &items[i], ev[i]->flow))
			items[i].key_len = 0;
		else
			cts_cache_prefetch_bucket(f->conf.cache, items[i].hash);
	}
	for (i = 0; i < n; i++)
		if (items[i].key_len)
			cts_cache_prefetch_head(f->conf.cache, items[i].hash);
	for (i = 0; i < n; i++)
		if (items[i].key_len)
			cts_cache_prefetch_data(f->conf.cache, items[i].hash);
	for (i = 0; i < n; i++)
		refs[i] = items[i].any = items[i].key_len ? cts_cache_find_hashed(
								    f->conf.cache, items[i].hash,
								    items[i].key, items[i].key_len)
							  : 0;
	if (f->conf.store->drop_dead)
		f->conf.store->drop_dead(f->conf.store_ctx, refs, n);
	for (i = 0; i < n; i++)
		items[i].ref = refs[i];
}

static void consume_group(struct cts_follow *f, const struct cts_batch *batch, size_t first,
			  size_t n)
{
	struct item items[CTS_CACHE_GROUP];
	uint64_t seen = 0;

	group_find(f, batch->ev + first, n, items);
	for (size_t i = 0; i < n; i++) {
		bool refused = cts_batch_dropped(batch, first + i);

		if (!items[i].key_len)
			continue;
		/* The key may have come before in this group. */
		if (seen & hash_bit(items[i].hash)) {
			changes_apply(f);
			item_find(f, &items[i]);
		}
		seen |= hash_bit(items[i].hash);
		if (items[i].ev->origin == CTS_ORIGIN_KERNEL)
			follow_event(f, &items[i], refused);
		else
			follow_dumped(f, &items[i], refused);
	}
	changes_apply(f);
}

void cts_follow_consume(struct cts_follow *f, const struct cts_batch *batch, uint64_t now_ns)
{
	f->now_ns = now_ns;
	for (size_t first = 0, n; first < batch->n; first += n) {
		n = batch->n - first < CTS_CACHE_GROUP ? batch->n - first : CTS_CACHE_GROUP;
		consume_group(f, batch, first, n);
	}
}

void cts_follow_absent(struct cts_follow *f, const struct cts_flow *key, uint64_t now_ns)
{
	struct item it = { .ev = NULL };

	f->now_ns = now_ns;
	if (!item_init(f, &it, key))
		return;
	item_find(f, &it);
	if (!it.ref)
		return;
	f->st.repaired_stale++;
	item_gone(f, &it);
	changes_apply(f);
}

void cts_follow_dump_begin(struct cts_follow *f)
{
	if (++f->gen > UINT32_MAX / 4 - 1)
		f->gen = 1;
	cts_cache_clear(f->tombs);
	f->dumping = true;
	f->verifying = false;
	f->st.dumps++;
}

void cts_follow_dump_end(struct cts_follow *f)
{
	cts_cache_clear(f->tombs);
	f->dumping = false;
	f->verifying = true;
	f->cursor = 0;
}

bool cts_follow_verify(struct cts_follow *f, unsigned int max)
{
	unsigned int asked = 0;

	for (unsigned int scanned = 0; f->verifying && scanned < SCAN_MAX && asked < max;
	     scanned++) {
		struct cts_flow_store store;
		const uint8_t *packed;
		uint32_t ref;
		size_t len;

		ref = f->cursor = cts_cache_next(f->conf.cache, f->cursor);
		if (!ref) {
			f->verifying = false;
			break;
		}
		if (is_settled(f, cts_cache_entry(f->conf.cache, ref)->aux))
			continue;
		if (f->conf.store->drop_dead)
			f->conf.store->drop_dead(f->conf.store_ctx, &ref, 1);
		packed = ref ? cts_cache_data(f->conf.cache, ref, &len) : NULL;
		if (!packed || cts_flow_unpack(packed, len, &store, NULL) < 0)
			continue;
		asked++;
		ask(f, &store.flow);
	}
	return f->verifying;
}

bool cts_follow_busy(const struct cts_follow *f)
{
	return f->dumping || f->verifying;
}

const struct cts_follow_stats *cts_follow_stats(const struct cts_follow *f)
{
	return &f->st;
}
