/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries are packed; aux is the kernel's id, seq the dump that has seen them. While
 * a dump runs, a second cache holds what events said since it began: a chunk may be
 * older than they are. It has the key and the attributes that were told, which win
 * over those of the chunk; what was told whole, or is gone, wins over all of it.
 */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli/conntrack/snapshot.h"
#include "core/sync/cache.h"

#define SHOW_MAX 64u

/* What makes an entry another one for its reader. */
#define MIRROR_ATTRS                                                            \
	(CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |           \
	 CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_MARK) |          \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) |       \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY) | CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | \
	 CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) | \
	 CTS_FLOW_BIT(CTS_FLOW_LABELS) | CTS_FLOW_BIT(CTS_FLOW_HELPER))

/* Events do not have them; -E prints them of nobody. */
#define UNTOLD (CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG) | CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY) | \
		CTS_FLOW_BIT(CTS_FLOW_USE))

/* Bits that change without an event and say nothing of the flow. */
#define STATUS_INNER ((uint32_t)(IPS_DYING | IPS_TEMPLATE | IPS_HELPER | IPS_CONFIRMED))

/* Of an entry of `told`. */
enum told_flag {
	TOLD_WHOLE = 1 << 0,
	TOLD_GONE = 1 << 1,
	TOLD_ASK = 1 << 2,      /* the dump has another entry with this key */
};

#define QUESTION_TOLD (UINT64_C(1) << 32)   /* the ref is one of `told` */

struct mirror {
	cts_batch_fn show;
	void *ctx;
	struct cts_cache *known;      /* owned */
	struct cts_cache *told;       /* owned; empty unless a dump runs */
	uint64_t gen;                 /* of the last dump */
	bool dumping, quiet;
	uint64_t question;            /* the last one */
	struct mirror_counts counts;
	int error;
	uint64_t now_ns;              /* of the events that are made */
	size_t n;                     /* of them */
	struct cts_event event[SHOW_MAX];
	const struct cts_event *list[SHOW_MAX];
	struct cts_flow_store store[SHOW_MAX];
};

struct mirror *mirror_create(cts_batch_fn show, void *ctx)
{
	struct mirror *m = calloc(1, sizeof(*m));
	uint8_t key[16];
	size_t i;

	if (!m)
		return NULL;
	m->show = show;
	m->ctx = ctx;
	for (i = 0; i < SHOW_MAX; i++)
		m->list[i] = &m->event[i];
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		goto err;
	m->known = cts_cache_create(SIZE_MAX, key);
	m->told = cts_cache_create(SIZE_MAX, key);
	if (m->known && m->told)
		return m;
err:
	mirror_destroy(m);
	return NULL;
}

void mirror_destroy(struct mirror *m)
{
	if (!m)
		return;
	if (m->known)
		cts_cache_destroy(m->known);
	if (m->told)
		cts_cache_destroy(m->told);
	free(m);
}

const struct mirror_counts *mirror_counts(const struct mirror *m)
{
	return &m->counts;
}

int mirror_error(const struct mirror *m)
{
	return m->error;
}

/* -- packed flows -- */

struct packed {
	uint8_t bytes[CTS_PACK_MAX];
	size_t len;
};

static bool labels_empty(const struct cts_flow *f)
{
	unsigned int i;

	for (i = 0; i < f->labels_len / 4u; i++)
		if (f->labels[i])
			return false;
	return true;
}

/* A whole flow: what is 0 is the same as what is absent. */
static void pack_whole(const struct cts_flow *flow, struct packed *p)
{
	struct cts_flow f = *flow;
	uint64_t attrs = MIRROR_ATTRS;

	f.status &= ~STATUS_INNER;
	if (!f.mark)
		attrs &= ~CTS_FLOW_BIT(CTS_FLOW_MARK);
	if (cts_flow_has(&f, CTS_FLOW_LABELS) && labels_empty(&f))
		attrs &= ~CTS_FLOW_BIT(CTS_FLOW_LABELS);
	p->len = cts_flow_pack(&f, attrs, p->bytes, sizeof(p->bytes));
}

/* What cache has under ref; false: nothing that can be used. */
static bool unpack(const struct cts_cache *cache, uint32_t ref, struct cts_flow_store *store)
{
	size_t len;
	const uint8_t *bytes = cts_cache_data(cache, ref, &len);

	return bytes && cts_flow_unpack(bytes, len, store, NULL) == 0;
}

/* One entry, new or changed. Its ref, or 0. */
static uint32_t put(struct mirror *m, struct cts_cache *cache, uint32_t ref,
		    const struct packed *p, const struct cts_flow *flow)
{
	struct cts_entry *e;

	if (!p->len)
		return 0;
	if (ref && cts_cache_replace(cache, ref, p->bytes, p->len) < 0)
		ref = 0;
	else if (!ref)
		ref = cts_cache_insert(cache, p->bytes, p->len, 0);
	if (!ref) {
		m->error = m->error ? m->error : errno;
		return 0;
	}
	e = cts_cache_entry(cache, ref);
	if (cts_flow_has(flow, CTS_FLOW_ID))
		e->aux = flow->id;
	return ref;
}

/* -- what is shown -- */

static void show_all(struct mirror *m)
{
	if (m->n)
		m->show(m->ctx, m->list, m->n);
	m->n = 0;
}

static void show(struct mirror *m, enum cts_event_type type, const struct cts_flow *flow,
		 uint64_t *count)
{
	struct cts_flow_store *store = &m->store[m->n];

	++*count;
	memset(store, 0, sizeof(*store));
	cts_flow_merge(store, flow);
	store->flow.present &= ~UNTOLD;
	if (cts_flow_has(flow, CTS_FLOW_SECCTX)) {
		store->flow.secctx = flow->secctx;
		store->flow.secctx_len = flow->secctx_len;
		store->flow.present |= CTS_FLOW_BIT(CTS_FLOW_SECCTX);
	}
	m->event[m->n] = (struct cts_event){ .type = (uint8_t)type, .origin = CTS_ORIGIN_KERNEL,
					     .time_ns = m->now_ns, .flow = &store->flow };
	if (++m->n == SHOW_MAX)
		show_all(m);
}

/* -- events -- */

struct item {
	const struct cts_flow *flow;
	uint8_t key[CTS_PACK_KEY_MAX];
	size_t key_len;
	uint32_t known, told;        /* refs, 0: none */
};

static bool item_find(const struct mirror *m, struct item *it, const struct cts_flow *flow)
{
	it->flow = flow;
	it->key_len = flow ? cts_flow_pack_key(flow, it->key) : 0;
	if (!it->key_len)
		return false;
	it->known = cts_cache_find(m->known, it->key, it->key_len);
	it->told = m->dumping ? cts_cache_find(m->told, it->key, it->key_len) : 0;
	return true;
}

/* The dump that runs has to mind it. */
static void told_put(struct mirror *m, struct item *it, const struct cts_flow *flow,
		     unsigned int flags)
{
	struct packed p;

	if (!m->dumping)
		return;
	p.len = cts_flow_pack(flow, MIRROR_ATTRS, p.bytes, sizeof(p.bytes));
	it->told = put(m, m->told, it->told, &p, flow);
	if (it->told)
		cts_cache_entry(m->told, it->told)->flags = flags;
}

static void known_put(struct mirror *m, struct item *it, const struct cts_flow *flow)
{
	struct packed p;

	pack_whole(flow, &p);
	it->known = put(m, m->known, it->known, &p, flow);
	if (it->known)
		cts_cache_entry(m->known, it->known)->seq = m->gen;
}

static void known_remove(struct mirror *m, struct item *it)
{
	if (it->known)
		cts_cache_remove(m->known, it->known);
	it->known = 0;
}

/* Onto what is known; unseen by the dump it remains. */
static void known_merge(struct mirror *m, struct item *it)
{
	struct cts_flow_store store;
	uint64_t seen;

	if (!unpack(m->known, it->known, &store))
		return;
	seen = cts_cache_entry(m->known, it->known)->seq;
	cts_flow_merge(&store, it->flow);
	known_put(m, it, &store.flow);
	if (it->known)
		cts_cache_entry(m->known, it->known)->seq = seen;
}

static void told_merge(struct mirror *m, struct item *it)
{
	struct cts_flow_store store;
	unsigned int flags = it->told ? cts_cache_entry(m->told, it->told)->flags : 0;

	if (flags & TOLD_WHOLE)
		return;
	if (!it->told || flags & TOLD_GONE || !unpack(m->told, it->told, &store)) {
		told_put(m, it, it->flow, flags & TOLD_ASK);
		return;
	}
	cts_flow_merge(&store, it->flow);
	told_put(m, it, &store.flow, flags);
}

static void event_update(struct mirror *m, struct item *it)
{
	if (it->known)
		known_merge(m, it);
	else if (!m->dumping)
		known_put(m, it, it->flow);
	if (m->dumping)
		told_merge(m, it);
}

void mirror_events(struct mirror *m, const struct cts_event *const *ev, size_t n)
{
	struct item it;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!item_find(m, &it, ev[i]->flow))
			continue;
		switch (ev[i]->type) {
		case CTS_EVENT_DESTROY:
			known_remove(m, &it);
			told_put(m, &it, it.flow, TOLD_GONE);
			break;
		case CTS_EVENT_NEW:
			known_put(m, &it, it.flow);
			told_put(m, &it, it.flow, TOLD_WHOLE);
			break;
		default:
			event_update(m, &it);
			break;
		}
	}
}

/* -- dumps -- */

void mirror_begin(struct mirror *m, bool quiet)
{
	cts_cache_clear(m->told);
	m->counts = (struct mirror_counts){ 0 };
	m->gen++;
	m->dumping = true;
	m->quiet = quiet;
	m->question = 0;
}

static bool same_id(struct cts_cache *cache, uint32_t ref, const struct cts_flow *flow)
{
	const struct cts_entry *e = cts_cache_entry(cache, ref);

	return !e->aux || !cts_flow_has(flow, CTS_FLOW_ID) || e->aux == flow->id;
}

static void show_known(struct mirror *m, const struct item *it)
{
	struct cts_flow_store store;

	if (!unpack(m->known, it->known, &store))
		return;
	store.flow.id = cts_cache_entry(m->known, it->known)->aux;
	if (store.flow.id)
		store.flow.present |= CTS_FLOW_BIT(CTS_FLOW_ID);
	show(m, CTS_EVENT_DESTROY, &store.flow, &m->counts.gone);
}

static void truth_gone(struct mirror *m, struct item *it)
{
	if (it->known)
		show_known(m, it);
	known_remove(m, it);
}

static void truth_changed(struct mirror *m, struct item *it, const struct cts_flow *flow)
{
	struct packed p;
	const uint8_t *bytes;
	size_t len;

	pack_whole(flow, &p);
	bytes = cts_cache_data(m->known, it->known, &len);
	if (p.len != len || memcmp(p.bytes, bytes, len))
		show(m, CTS_EVENT_UPDATE, flow, &m->counts.changed);
	known_put(m, it, flow);
}

/* What the kernel has, whole; but an offloaded flow is dumped without its state. */
static void truth(struct mirror *m, struct item *it, const struct cts_flow *flow)
{
	struct cts_flow_store store;
	bool quiet = m->quiet && !it->known;

	if (it->known && !same_id(m->known, it->known, flow))
		truth_gone(m, it);
	if (!it->known) {
		if (!quiet)
			show(m, CTS_EVENT_NEW, flow, &m->counts.created);
		known_put(m, it, flow);
	} else if (flow->status & (IPS_OFFLOAD | IPS_HW_OFFLOAD) &&
		   unpack(m->known, it->known, &store)) {
		cts_flow_merge(&store, flow);
		truth_changed(m, it, &store.flow);
	} else {
		truth_changed(m, it, flow);
	}
}

/* Events since the dump began have spoken of it: true: theirs is the last word. */
static bool told_wins(struct mirror *m, const struct item *it)
{
	struct cts_entry *e = cts_cache_entry(m->told, it->told);

	if (!same_id(m->told, it->told, it->flow))
		e->flags |= TOLD_ASK;
	return e->flags;
}

static void mirror_entry(struct mirror *m, struct item *it)
{
	struct cts_flow_store store, part;

	if (!it->told) {
		truth(m, it, it->flow);
		return;
	}
	if (told_wins(m, it) || !unpack(m->told, it->told, &part))
		return;
	memset(&store, 0, sizeof(store));
	cts_flow_merge(&store, it->flow);
	cts_flow_merge(&store, &part.flow);
	truth(m, it, &store.flow);
}

void mirror_dumped(struct mirror *m, const struct cts_event *const *ev, size_t n)
{
	struct item it;
	size_t i;

	for (i = 0; i < n; i++) {
		m->now_ns = ev[i]->time_ns;
		if (item_find(m, &it, ev[i]->flow))
			mirror_entry(m, &it);
	}
	show_all(m);
}

/* -- what the dump left open -- */

static bool known_open(const struct mirror *m, uint32_t ref)
{
	return cts_cache_entry(m->known, ref)->seq != m->gen;
}

/* Told in part of an entry that the dump does not have, or of another one. */
static bool told_open(const struct mirror *m, uint32_t ref)
{
	const struct cts_entry *e = cts_cache_entry(m->told, ref);
	const uint8_t *bytes;
	size_t len;

	if (e->flags & TOLD_ASK)
		return true;
	if (e->flags)
		return false;
	bytes = cts_cache_data(m->told, ref, &len);
	return !cts_cache_find(m->known, bytes, cts_packed_key_len(bytes, len));
}

/* The open entry after the one that was asked for last; 0: none. */
static uint64_t next_question(const struct mirror *m)
{
	bool told = m->question & QUESTION_TOLD;
	uint32_t ref = (uint32_t)m->question;

	if (!told) {
		while ((ref = cts_cache_next(m->known, ref)) && !known_open(m, ref))
			;
		if (ref)
			return ref;
	}
	while ((ref = cts_cache_next(m->told, ref)) && !told_open(m, ref))
		;
	return ref ? ref | QUESTION_TOLD : 0;
}

static bool unpack_asked(const struct mirror *m, uint64_t question, struct cts_flow_store *store)
{
	return unpack(question & QUESTION_TOLD ? m->told : m->known, (uint32_t)question, store);
}

bool mirror_ask(struct mirror *m, struct cts_flow_store *key, uint64_t *question)
{
	while ((m->question = next_question(m)))
		if (unpack_asked(m, m->question, key)) {
			*question = m->question;
			return true;
		}
	m->dumping = false;
	cts_cache_clear(m->told);
	return false;
}

void mirror_answer(struct mirror *m, uint64_t question, const struct cts_flow *flow)
{
	struct cts_flow_store asked;
	struct item it, have;

	if (!unpack_asked(m, question, &asked) || !item_find(m, &it, &asked.flow))
		return;
	/* The kernel finds by the reply tuple too. */
	if (flow && item_find(m, &have, flow) && have.key_len == it.key_len &&
	    !memcmp(have.key, it.key, it.key_len))
		truth(m, &it, flow);
	else
		truth_gone(m, &it);
	show_all(m);
}
