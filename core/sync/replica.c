/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver: one replica for each other node, its stream applied strictly in
 * number order (rules R1 to R5, E1, E2).
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/sync/engine_int.h"

int replica_init(struct cts_engine *e, struct node *n)
{
	n->cache = cts_cache_create(e->conf.cache_limit, e->hash_key);
	n->hold_ns = n->ack_ns = NEVER;
	return n->cache ? 0 : -1;
}

static void hold_clear(struct node *n)
{
	unsigned int i;

	for (i = 0; i < HOLD_MAX; i++) {
		free(n->hold[i].msg);
		n->hold[i].msg = NULL;
	}
	n->hold_ns = NEVER;
}

void replica_fini(struct node *n)
{
	hold_clear(n);
	cts_cache_destroy(n->cache);
	n->cache = NULL;
}

bool replica_orphan(const struct node *n, const struct cts_entry *entry)
{
	return n->orphaned || entry->aux <= n->orphan_gen;
}

/* -- applied() is told in lists -- */

static void applied_flush(struct cts_engine *e)
{
	if (e->n_applied && e->ops.applied)
		e->ops.applied(e->ctx, e->applied_node->id, e->applied, e->n_applied);
	e->n_applied = 0;
}

static void applied_note(struct cts_engine *e, struct node *n, uint32_t ref, bool gone,
			 const uint8_t *packed, size_t len)
{
	if (e->n_applied == sizeof(e->applied) / sizeof(e->applied[0]))
		applied_flush(e);
	e->applied_node = n;
	e->applied[e->n_applied++] = (struct cts_applied){ .ref = ref, .gone = gone,
							   .len = (uint8_t)len, .packed = packed };
}

/* -- entries -- */

/* A record, and of entries the key with its hash in the node's cache. */
struct keyed {
	struct cts_record rec;
	size_t key_len;              /* 0: no key */
	uint32_t hash;
};

/* Take the entry out of the counts and the digest it is in. */
static void entry_uncount(struct node *n, const struct cts_entry *entry, uint64_t hash)
{
	if (entry->aux == n->gen) {
		digest_sub(n->sums, hash, entry->seq);
		n->n_live--;
	} else if (entry->aux <= n->orphan_gen) {
		n->n_orphan--;
	} else {
		n->n_stale--;
	}
}

static uint64_t packed_hash(const struct node *n, const uint8_t *packed, size_t len)
{
	return digest_hash(n->digest_key, packed, cts_packed_key_len(packed, len));
}

void replica_forget(struct cts_engine *e, struct node *n, uint32_t ref)
{
	uint8_t key[CTS_PACK_KEY_MAX];
	const uint8_t *packed;
	size_t len;

	packed = cts_cache_data(n->cache, ref, &len);
	if (!packed)
		return;
	len = cts_packed_key_len(packed, len);
	memcpy(key, packed, len);
	entry_uncount(n, cts_cache_entry(n->cache, ref), packed_hash(n, key, len));
	cts_cache_remove(n->cache, ref);
	applied_note(e, n, 0, true, key, len);
	applied_flush(e);
}

void replica_clear(struct cts_engine *e, struct node *n)
{
	(void)e;
	cts_cache_clear(n->cache);
	memset(n->sums, 0, sizeof(n->sums));
	memset(n->refused_map, 0, sizeof(n->refused_map));
	n->n_live = n->n_stale = n->n_orphan = n->refused = 0;
	n->sweep_cursor = n->stale_cursor = n->purge_cursor = n->expire_cursor = 0;
	n->equal_at = 0;
}

static void state_refused(struct cts_engine *e, struct node *n, uint64_t hash)
{
	cts_bitmap_set(n->refused_map, digest_bucket(hash));
	n->refused++;
	e->st.refused_full++;
}

static void apply_state(struct cts_engine *e, struct node *n, uint64_t number,
			const struct keyed *k)
{
	const struct cts_record *rec = &k->rec;
	struct cts_flow_store store;
	unsigned int unknown = 0;
	struct cts_entry *entry;
	uint64_t hash;
	uint32_t ref;

	if (!k->key_len || cts_flow_unpack(rec->data, rec->len, &store, &unknown) < 0) {
		e->st.bad_record++;
		return;
	}
	e->st.unknown_attributes += unknown;
	hash = digest_hash(n->digest_key, rec->data, k->key_len);
	ref = cts_cache_find_hashed(n->cache, k->hash, rec->data, k->key_len);
	if (ref) {
		entry = cts_cache_entry(n->cache, ref);
		entry_uncount(n, entry, hash);
		if (cts_cache_replace(n->cache, ref, rec->data, rec->len) < 0) {
			cts_cache_remove(n->cache, ref);  /* better none than an old one */
			state_refused(e, n, hash);
			return;
		}
	} else {
		ref = cts_cache_insert_hashed(n->cache, k->hash, rec->data, rec->len,
					      engine_age(e->now));
		if (!ref) {
			state_refused(e, n, hash);
			return;
		}
		entry = cts_cache_entry(n->cache, ref);
	}
	entry->aux = n->gen;
	entry->seq = number;
	entry->next = engine_age(e->now);  /* when it was last told of */
	digest_add(n->sums, hash, number);
	n->n_live++;
	e->st.recv_state++;
	applied_note(e, n, ref, false, rec->data, rec->len);
}

static void apply_gone(struct cts_engine *e, struct node *n, const struct keyed *k)
{
	const struct cts_record *rec = &k->rec;
	uint32_t ref;

	if (!k->key_len || k->key_len != rec->len) {
		e->st.bad_record++;
		return;
	}
	e->st.recv_gone++;
	ref = cts_cache_find_hashed(n->cache, k->hash, rec->data, rec->len);
	if (!ref)
		return;
	entry_uncount(n, cts_cache_entry(n->cache, ref), packed_hash(n, rec->data, rec->len));
	cts_cache_remove(n->cache, ref);
	applied_note(e, n, 0, true, rec->data, rec->len);
}

/* -- gaps -- */

/* What was skipped may have told of live entries: an END that counts on it must
 * not sweep (D3). The next digest decides. */
static void ends_drop(struct node *n, uint64_t join)
{
	unsigned int i, kept = 0;

	for (i = 0; i < n->n_ends; i++) {
		if (n->ends[i].begin + 1 >= join)
			n->ends[kept++] = n->ends[i];
		else if (!i)
			n->sweep_cursor = 0;
	}
	n->n_ends = kept;
}

static void gap_open(struct cts_engine *e, struct node *n, uint64_t from, uint64_t to)
{
	e->st.gaps_opened++;
	n->gaps_opened++;
	e->st.lost_messages += to - from + 1;
	if (!engine_reliable(e)) {
		n->lost = to;
		return;
	}
	if (n->n_gaps == CTS_GAPS_MAX) {  /* start over: the owner is told */
		n->overflow = true;
		n->joined = false;
		n->n_gaps = 0;
		hold_clear(n);
		ends_drop(n, NEVER);
	} else {
		n->gaps[n->n_gaps++] = (struct cts_range){ from, to };
	}
	n->ack_ns = e->now;
}

static void gap_remove(struct node *n, unsigned int i)
{
	memmove(&n->gaps[i], &n->gaps[i + 1], (n->n_gaps - i - 1) * sizeof(n->gaps[0]));
	n->n_gaps--;
}

static void gaps_close(struct cts_engine *e, struct node *n, uint64_t from, uint64_t to)
{
	unsigned int i = 0;

	while (i < n->n_gaps) {
		struct cts_range *g = &n->gaps[i];

		if (g->to < from || g->from > to) {
			i++;
		} else if (g->from < from && g->to > to) {
			if (n->n_gaps == CTS_GAPS_MAX)
				return;  /* no room for two parts: REPAIRED comes again */
			memmove(g + 2, g + 1, (n->n_gaps - i - 1) * sizeof(*g));
			g[1] = (struct cts_range){ to + 1, g->to };
			g->to = from - 1;
			n->n_gaps++;
			i += 2;
		} else if (g->from < from) {
			g->to = from - 1;
			i++;
		} else if (g->to > to) {
			g->from = to + 1;
			i++;
		} else {
			gap_remove(n, i);
			e->st.gaps_closed++;
		}
	}
	n->ack_ns = e->now;
}

static void apply_repaired(struct cts_engine *e, struct node *n, const struct cts_record *rec)
{
	struct cts_wire_in in = { .buf = rec->data, .len = rec->len };
	uint64_t from = cts_get_u64(&in), to = cts_get_u64(&in);

	if (in.bad || from > to)
		e->st.bad_record++;
	else
		gaps_close(e, n, from, to);
}

static void apply_digest(struct cts_engine *e, struct node *n, uint64_t number,
			 const struct cts_record *rec)
{
	struct cts_wire_in in = { .buf = rec->data, .len = rec->len };
	uint64_t count = cts_get_u64(&in), sum = cts_get_u64(&in);

	if (in.bad)
		e->st.bad_record++;
	else
		digest_received(e, n, number, count, sum);
}

/* -- messages -- */

static void apply_record(struct cts_engine *e, struct node *n, uint64_t number,
			 const struct keyed *k)
{
	const struct cts_record *rec = &k->rec;

	switch (rec->type) {
	case CTS_REC_STATE:
		apply_state(e, n, number, k);
		break;
	case CTS_REC_GONE:
		apply_gone(e, n, k);
		break;
	case CTS_REC_REPAIRED:
		apply_repaired(e, n, rec);
		break;
	case CTS_REC_DIGEST:
		apply_digest(e, n, number, rec);
		break;
	case CTS_REC_SUMS:
		digest_sums_received(n, rec);
		break;
	case CTS_REC_END:
		digest_end_received(e, n, rec);
		break;
	default:
		e->st.unknown_attributes++;
		break;
	}
}

static void record_key(const struct node *n, struct keyed *k)
{
	bool entry = k->rec.type == CTS_REC_STATE || k->rec.type == CTS_REC_GONE;

	k->key_len = entry ? cts_packed_key_len(k->rec.data, k->rec.len) : 0;
	if (!k->key_len)
		return;
	k->hash = cts_cache_hash(n->cache, k->rec.data, k->key_len);
	cts_cache_prefetch_bucket(n->cache, k->hash);
}

/* The next records, and what they will look up on its way to the CPU's cache. */
static size_t records_read(const struct node *n, struct cts_wire_in *in, struct keyed *k, int *more)
{
	size_t count = 0, i;

	while (count < CTS_CACHE_GROUP && (*more = cts_record_next(in, &k[count].rec)) > 0)
		record_key(n, &k[count++]);
	for (i = 0; i < count; i++)
		if (k[i].key_len)
			cts_cache_prefetch_head(n->cache, k[i].hash);
	for (i = 0; i < count; i++)
		if (k[i].key_len)
			cts_cache_prefetch_data(n->cache, k[i].hash);
	return count;
}

static void apply_message(struct cts_engine *e, struct node *n, uint64_t number,
			  const uint8_t *body, size_t len)
{
	struct cts_wire_in in = { .buf = body, .len = len };
	struct keyed group[CTS_CACHE_GROUP];
	size_t count, i;
	int more;

	do {
		count = records_read(n, &in, group, &more);
		e->st.recv_records += count;
		for (i = 0; i < count; i++)
			apply_record(e, n, number, &group[i]);
	} while (more > 0);
	if (more < 0)
		e->st.bad_record++;
	applied_flush(e);
	if (number > n->high)
		n->high = number;
	if (++n->unacked >= ACK_EVERY)
		n->ack_ns = e->now;
	else if (n->ack_ns == NEVER)
		n->ack_ns = e->now + ACK_NS;
}

static struct held *hold_find(struct node *n, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < HOLD_MAX; i++)
		if (n->hold[i].msg && n->hold[i].number == number)
			return &n->hold[i];
	return NULL;
}

static struct held *hold_lowest(struct node *n)
{
	struct held *lowest = NULL;
	unsigned int i;

	for (i = 0; i < HOLD_MAX; i++)
		if (n->hold[i].msg && (!lowest || n->hold[i].number < lowest->number))
			lowest = &n->hold[i];
	return lowest;
}

static void hold_apply(struct cts_engine *e, struct node *n, struct held *h)
{
	uint8_t *msg = h->msg;

	h->msg = NULL;
	if (h->number > n->high)
		apply_message(e, n, h->number, msg, h->len);
	free(msg);
}

/* What follows at once on what was applied. */
static void hold_drain(struct cts_engine *e, struct node *n)
{
	struct held *h;

	if (n->hold_ns == NEVER)
		return;
	while ((h = hold_find(n, n->high + 1)))
		hold_apply(e, n, h);
	if (!hold_lowest(n) && n->known_last <= n->high)
		n->hold_ns = NEVER;
}

/* R2: what has not come by now is missing. */
static void hold_expire(struct cts_engine *e, struct node *n)
{
	struct held *h;

	n->hold_ns = NEVER;
	while (n->joined && (h = hold_lowest(n))) {
		if (h->number > n->high + 1) {
			gap_open(e, n, n->high + 1, h->number - 1);
			if (!n->joined)
				return;
		}
		hold_apply(e, n, h);
	}
	if (n->joined && n->known_last > n->high) {
		gap_open(e, n, n->high + 1, n->known_last);
		n->high = n->known_last;
	}
}

static void hold_message(struct cts_engine *e, struct node *n, uint64_t number,
			 const uint8_t *body, size_t len)
{
	unsigned int i;

	if (hold_find(n, number)) {
		e->st.duplicates++;
		return;
	}
	for (i = 0; i < HOLD_MAX && n->hold[i].msg; i++)
		;
	if (i == HOLD_MAX) {
		e->st.hold_overflow++;
		hold_expire(e, n);
		if (!n->joined)
			return;
		if (number == n->high + 1) {
			apply_message(e, n, number, body, len);
			return;
		}
		i = 0;
	}
	n->hold[i].msg = malloc(len ? len : 1);
	if (!n->hold[i].msg)
		return;  /* as if it was lost */
	memcpy(n->hold[i].msg, body, len);
	n->hold[i].len = len;
	n->hold[i].number = number;
	e->st.held_messages++;
	if (n->hold_ns == NEVER)
		n->hold_ns = e->now + HOLD_NS;
}

void replica_data(struct cts_engine *e, struct node *n, uint64_t number, const uint8_t *body,
		  size_t len)
{
	if (!n->joined)
		return;  /* the digest decides */
	if (number <= n->high) {
		e->st.duplicates++;
		if (e->breaks && e->breaks->apply_late)
			apply_message(e, n, number, body, len);
		return;
	}
	if (number > n->high + 1) {
		/* A number far beyond what a ring can hold is damage or malice. */
		if (engine_reliable(e) && number - n->high > 4 * RING_SIZE && !n->n_gaps)
			n->overflow = true;
		hold_message(e, n, number, body, len);
		return;
	}
	apply_message(e, n, number, body, len);
	hold_drain(e, n);
}

/* HELLO tells the last number: what is missing at the end is a gap as well. */
void replica_last(struct cts_engine *e, struct node *n, uint64_t last)
{
	if (last > n->known_last)
		n->known_last = last;
	if (n->joined && n->known_last > n->high && n->hold_ns == NEVER)
		n->hold_ns = e->now + HOLD_NS;
}

/* -- epochs and joins -- */

static void stream_reset(struct node *n)
{
	hold_clear(n);
	n->joined = n->overflow = false;
	n->high = n->known_last = n->my_join = n->lost = 0;
	n->n_gaps = n->unacked = n->n_ends = 0;
	n->ack_ns = NEVER;
	n->need = NEED_NONE;
	n->equal_at = 0;
	n->equal_due = false;
	n->sweep_cursor = n->stale_cursor = 0;
	n->refused = 0;
	memset(n->refused_map, 0, sizeof(n->refused_map));
	memset(n->sums, 0, sizeof(n->sums));
}

void replica_epoch(struct cts_engine *e, struct node *n, uint64_t epoch, uint64_t table_id)
{
	bool lost = n->epoch && n->table_id != table_id;

	stream_reset(n);
	if (lost) {  /* E2: nobody will tell of these any more */
		n->n_orphan += n->n_live + n->n_stale;
		n->n_stale = 0;
		n->orphan_gen = n->gen;
		n->orphan_ns = e->now;
	} else {
		n->n_stale += n->n_live;
	}
	n->n_live = 0;
	n->gen++;
	n->orphaned = false;
	n->epoch = epoch;
	n->table_id = table_id;
	digest_key(epoch, n->digest_key);
	e->st.epochs_accepted++;
}

void replica_join(struct cts_engine *e, struct node *n, uint64_t join)
{
	if (!join || (n->joined && join <= n->my_join) || (!n->joined && join < n->my_join))
		return;
	if (!n->joined && join == n->my_join && n->overflow)
		return;  /* the same number that was given up */
	n->my_join = join;
	ends_drop(n, join);
	n->joined = true;
	n->overflow = false;
	while (n->n_gaps && n->gaps[0].to < join)
		gap_remove(n, 0);
	if (n->n_gaps && n->gaps[0].from < join)
		n->gaps[0].from = join;
	if (n->high < join - 1) {
		hold_clear(n);
		n->high = join - 1;
	}
	n->ack_ns = e->now;
}

/* BYE, silence, or the transport's word. */
void replica_left(struct cts_engine *e, struct node *n, const char *why)
{
	if (n->state != CTS_PEER_DOWN) {
		ring_peer_leaves(e, n);
		session_peer_state(e, n, CTS_PEER_DOWN, why);
	}
	if (n->cache && !n->orphaned) {
		n->orphaned = true;
		n->left_ns = e->now;
	}
}

/* E2: dropped purge_timeout after the owner left. One that left because it did not
 * answer may be heard still: it is alive, and so are its flows. */
static bool purge_step(struct cts_engine *e, struct node *n)
{
	uint64_t wait = e->conf.purge_timeout_s * 1000 * MS;
	uint64_t since = n->left_ns > n->last_heard_ns ? n->left_ns : n->last_heard_ns;
	unsigned int i;

	if (n->orphaned && e->now - since >= wait) {
		if (cts_cache_count(n->cache))
			replica_clear(e, n);
		return false;
	}
	if (!n->n_orphan || e->now - n->orphan_ns < wait)
		return false;
	for (i = 0; i < STEP_ENTRIES; i++) {
		n->purge_cursor = cts_cache_next(n->cache, n->purge_cursor);
		if (!n->purge_cursor)
			return false;
		if (cts_cache_entry(n->cache, n->purge_cursor)->aux > n->orphan_gen)
			continue;
		cts_cache_remove(n->cache, n->purge_cursor);
		n->n_orphan--;
	}
	return true;
}

/* ALARM: what was not told again is gone. */
static void expire_step(struct cts_engine *e, struct node *n)
{
	uint32_t now = engine_age(e->now);
	unsigned int i;

	if (e->conf.mode != CTS_MODE_ALARM || !e->conf.expire_s || n->orphaned)
		return;
	for (i = 0; i < STEP_ENTRIES; i++) {
		const struct cts_entry *entry;

		n->expire_cursor = cts_cache_next(n->cache, n->expire_cursor);
		if (!n->expire_cursor)
			return;
		entry = cts_cache_entry(n->cache, n->expire_cursor);
		if (now - entry->next > e->conf.expire_s * CTS_AGE_HZ)
			replica_forget(e, n, n->expire_cursor);
	}
}

void replica_run(struct cts_engine *e, struct node *n)
{
	if (!n->cache)
		return;
	if (n->hold_ns <= e->now)
		hold_expire(e, n);
	if (digest_step(e, n) || purge_step(e, n))
		e->check_ns = e->now;  /* once more, in the next turn */
	expire_step(e, n);
	if (n->ack_ns <= e->now && engine_reliable(e) && n->epoch)
		session_ack(e, n);
}

uint64_t replica_deadline(const struct cts_engine *e, const struct node *n)
{
	uint64_t t = n->hold_ns;

	if (!n->cache)
		return NEVER;
	if (engine_reliable(e) && n->ack_ns < t)
		t = n->ack_ns;
	if (n->need != NEED_NONE && n->need_ns < t)
		t = n->need_ns;
	return t;
}
