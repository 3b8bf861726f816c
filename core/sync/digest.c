/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Digests: sums over what was sent, compared at the same number of the stream.
 * They are the one mechanism for join, bulk transfer and the constant self-check
 * (rules D1 to D5).
 */
#include "config.h"

#include <endian.h>
#include <sodium.h>

#include "core/sync/engine_int.h"

void digest_key(uint64_t epoch, uint8_t key[16])
{
	uint64_t half[2] = { htobe64(epoch), htobe64(~epoch) };

	memcpy(key, half, sizeof(half));
}

uint64_t digest_hash(const uint8_t key[16], const uint8_t *packed, size_t key_len)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash;

	crypto_shorthash(out, packed, key_len, key);
	memcpy(&hash, out, sizeof(hash));
	return le64toh(hash);
}

uint64_t digest_mix(uint64_t hash, uint64_t seq)
{
	uint64_t x = hash + seq * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void digest_add(struct sum *sums, uint64_t hash, uint64_t seq)
{
	struct sum *s = &sums[digest_bucket(hash)];

	s->count++;
	s->sum += digest_mix(hash, seq);
}

void digest_sub(struct sum *sums, uint64_t hash, uint64_t seq)
{
	struct sum *s = &sums[digest_bucket(hash)];

	s->count--;
	s->sum -= digest_mix(hash, seq);
}

/* The broken rule of the simulation: what entries say instead of their numbers. */
static struct cts_digest content_total(struct cts_cache *cache)
{
	static const uint8_t key[16];
	struct cts_digest d = { 0, 0 };
	uint32_t ref = 0;

	while ((ref = cts_cache_next(cache, ref))) {
		size_t len;
		const uint8_t *packed = cts_cache_data(cache, ref, &len);

		if (cts_cache_entry(cache, ref)->flags & F_DEAD)
			continue;
		d.count++;
		d.sum += digest_hash(key, packed, len);
	}
	return d;
}

struct cts_digest digest_total(const struct cts_engine *e, const struct sum *sums,
			       struct cts_cache *cache)
{
	struct cts_digest d = { 0, 0 };
	unsigned int b;

	if (e->breaks && e->breaks->digest_content)
		return content_total(cache);
	for (b = 0; b < CTS_BUCKETS; b++) {
		d.count += sums[b].count;
		d.sum += sums[b].sum;
	}
	return d;
}

/* -- receiver's side -- */

static void need_begin(struct cts_engine *e, struct node *n, enum need need)
{
	n->need = need;
	n->need_ns = e->now;
	n->stale_cursor = 0;
	if (need != NEED_BUCKETS)
		memset(n->need_map, 0, sizeof(n->need_map));
}

/* A place for refused entries again: ask for their buckets (D4). */
static bool need_refused(struct cts_engine *e, struct node *n)
{
	if (!n->refused || cts_cache_count(n->cache) * 100 >= cts_cache_limit(n->cache) * 95)
		return false;
	memcpy(n->need_map, n->refused_map, sizeof(n->need_map));
	memset(n->refused_map, 0, sizeof(n->refused_map));
	n->refused = 0;
	need_begin(e, n, NEED_BUCKETS);
	return true;
}

void digest_received(struct cts_engine *e, struct node *n, uint64_t number, uint64_t count,
		     uint64_t sum)
{
	struct cts_digest mine = digest_total(e, n->sums, n->cache);

	if (n->n_gaps)
		return;
	if (n->need != NEED_NONE && n->need_ns < e->now + NEED_NS)
		return;  /* being repaired already */
	if (mine.count == count && mine.sum == sum && !n->n_stale) {
		e->st.digests_equal++;
		n->equal_at = number;
		n->equal_due = true;
		n->ack_ns = e->now;
		return;
	}
	e->st.digests_differ++;
	if (need_refused(e, n))
		return;
	if (!mine.count && !n->n_stale) {
		memset(n->need_map, 0xff, sizeof(n->need_map));
		need_begin(e, n, NEED_BUCKETS);
		return;
	}
	need_begin(e, n, NEED_SUMS);
}

void digest_sums_received(struct node *n, const struct cts_record *rec)
{
	struct cts_wire_in in = { .buf = rec->data, .len = rec->len };
	unsigned int b = cts_get_u16(&in);

	if (n->need != NEED_SUMS || n->n_gaps)
		return;
	for (; cts_wire_left(&in) >= 12 && b < CTS_BUCKETS; b++) {
		uint32_t count = cts_get_u32(&in);
		uint64_t sum = cts_get_u64(&in);

		if (n->sums[b].count != count || n->sums[b].sum != sum)
			if (!cts_bitmap_get(n->refused_map, b))
				cts_bitmap_set(n->need_map, b);
	}
	if (b == CTS_BUCKETS) {
		n->need = NEED_STALE;
		n->stale_cursor = 0;
	}
}

/* Buckets of what a former epoch told and this one did not repeat. */
static bool stale_step(struct cts_engine *e, struct node *n)
{
	static const uint8_t none[CTS_BITMAP_BYTES];
	unsigned int i;

	for (i = 0; n->n_stale && i < STEP_ENTRIES; i++) {
		const struct cts_entry *entry;
		const uint8_t *packed;
		size_t len;

		n->stale_cursor = cts_cache_next(n->cache, n->stale_cursor);
		if (!n->stale_cursor)
			break;
		entry = cts_cache_entry(n->cache, n->stale_cursor);
		if (entry->aux == n->gen || entry->aux <= n->orphan_gen)
			continue;
		packed = cts_cache_data(n->cache, n->stale_cursor, &len);
		cts_bitmap_set(n->need_map, digest_bucket(digest_hash(n->digest_key, packed,
						cts_packed_key_len(packed, len))));
	}
	if (n->n_stale && n->stale_cursor)
		return true;
	n->need = memcmp(n->need_map, none, sizeof(none)) ? NEED_BUCKETS : NEED_NONE;
	n->need_ns = e->now;
	return false;
}

void digest_end_received(struct cts_engine *e, struct node *n, const struct cts_record *rec)
{
	struct cts_wire_in in = { .buf = rec->data, .len = rec->len };
	struct end end;
	const uint8_t *map;

	end.begin = cts_get_u64(&in);
	map = cts_get_bytes(&in, CTS_BITMAP_BYTES);
	if (!map || cts_wire_left(&in)) {
		e->st.bad_record++;
		return;
	}
	memcpy(end.bitmap, map, CTS_BITMAP_BYTES);
	/* One that began before our join counts on messages that we may never have
	 * seen; the next digest asks again, as it does when there are too many. Where
	 * nothing is repaired the same holds for one that lost messages of its own. */
	if (end.begin + 1 >= n->my_join && end.begin >= n->lost && n->n_ends < ENDS_MAX)
		n->ends[n->n_ends++] = end;
	n->need = NEED_NONE;
}

/* D3: is anything missing that could have told of a live entry? */
static bool end_waits(const struct cts_engine *e, const struct node *n, const struct end *end)
{
	unsigned int i;

	if (e->breaks && e->breaks->sweep_open_gap)
		return false;
	for (i = 0; i < n->n_gaps; i++)
		if (n->gaps[i].to > end->begin)
			return true;
	return false;
}

static void end_done(struct cts_engine *e, struct node *n)
{
	memmove(&n->ends[0], &n->ends[1], (n->n_ends - 1) * sizeof(n->ends[0]));
	n->n_ends--;
	n->sweep_cursor = 0;
	e->st.sweeps++;
}

static bool sweep_step(struct cts_engine *e, struct node *n)
{
	const struct end *end = &n->ends[0];
	unsigned int i;

	if (!n->n_ends || end_waits(e, n, end))
		return false;
	for (i = 0; i < STEP_ENTRIES; i++) {
		const struct cts_entry *entry;
		const uint8_t *packed;
		uint64_t hash;
		size_t len;

		n->sweep_cursor = cts_cache_next(n->cache, n->sweep_cursor);
		if (!n->sweep_cursor) {
			end_done(e, n);
			return n->n_ends;
		}
		entry = cts_cache_entry(n->cache, n->sweep_cursor);
		if (replica_orphan(n, entry) || (entry->aux == n->gen && entry->seq > end->begin))
			continue;
		packed = cts_cache_data(n->cache, n->sweep_cursor, &len);
		hash = digest_hash(n->digest_key, packed, cts_packed_key_len(packed, len));
		if (!cts_bitmap_get(end->bitmap, digest_bucket(hash)))
			continue;
		replica_forget(e, n, n->sweep_cursor);
		e->st.swept++;
	}
	return true;
}

bool digest_step(struct cts_engine *e, struct node *n)
{
	bool more = false;

	if (n->need == NEED_STALE)
		more = stale_step(e, n);
	if ((n->need == NEED_SUMS || n->need == NEED_BUCKETS) && n->need_ns <= e->now) {
		session_need(e, n);
		n->need_ns = e->now + NEED_NS;
	}
	return sweep_step(e, n) || more;
}
