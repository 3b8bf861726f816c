/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/flow/pack.h"
#include "core/sync/peer.h"

/* From each state, by event; PEER_FREE: the event changes nothing. */
static const uint8_t transitions[PEER_STATES][PEER_EVENTS] = {
	[PEER_GONE] = {
		[PEER_ACCEPTED] = PEER_KNOWN,
		[PEER_RECEIVED] = PEER_KNOWN,
		[PEER_NAMES_US] = PEER_STARTING,
	},
	[PEER_KNOWN] = {
		[PEER_ACCEPTED] = PEER_KNOWN,
		[PEER_NAMES_US] = PEER_STARTING,
		[PEER_LEAVES] = PEER_GONE,
	},
	[PEER_RESTING] = {
		[PEER_ACCEPTED] = PEER_KNOWN,
		[PEER_RESTED] = PEER_STARTING,
		[PEER_LEAVES] = PEER_GONE,
		[PEER_RENEWED] = PEER_KNOWN,
	},
	[PEER_STARTING] = {
		[PEER_ACCEPTED] = PEER_KNOWN,
		[PEER_CONFIRMS] = PEER_FOLLOWING,
		[PEER_LAGS] = PEER_RESTING,
		[PEER_SILENT] = PEER_RESTING,
		[PEER_LEAVES] = PEER_GONE,
		[PEER_RENEWED] = PEER_KNOWN,
	},
	[PEER_FOLLOWING] = {
		[PEER_ACCEPTED] = PEER_KNOWN,
		[PEER_RESTARTS] = PEER_STARTING,
		[PEER_LAGS] = PEER_RESTING,
		[PEER_SILENT] = PEER_RESTING,
		[PEER_LEAVES] = PEER_GONE,
		[PEER_RENEWED] = PEER_KNOWN,
	},
};

const char *peer_state_name(enum peer_state s)
{
	static const char *const names[] = { "free", "gone", "known", "resting", "starting",
					     "following" };

	return names[s];
}

unsigned int peer_index(const struct peers *ps, const struct peer *p)
{
	unsigned int i;

	for (i = 0; i < ps->n && ps->list[i] != p; i++)
		;
	return i;
}

/* -- entering a state -- */

static uint64_t window_bytes(const struct sender *s)
{
	return (uint64_t)(WINDOW_MESSAGES - WINDOW_RESERVE) * (s->out_size + PACE_OVERHEAD);
}

static void enter_starting(struct peers *ps, struct peer *p)
{
	struct sender *s = ps->sender;
	unsigned int i = peer_index(ps, p);

	window_leave(&s->window, &s->table, i);
	p->given = window_enter(&s->window, i, window_bytes(s), ps->base->now);
	p->start_ns = p->in_step_ns = ps->base->now;
	s->digest_wanted = true;
	s->digest_ns = ps->base->now;
}

/* Each time it is out of step again it rests for longer; when it kept up for long
 * enough in between, the next time counts as the first. */
static void enter_resting(struct peers *ps, struct peer *p)
{
	uint64_t now = ps->base->now;

	if (!p->penalty_ns || now - p->in_step_ns > 20 * p->penalty_ns)
		p->penalty_ns = PENALTY_MIN_NS;
	else if (p->penalty_ns < PENALTY_MAX_NS)
		p->penalty_ns *= 2;
	p->rest_until_ns = now + p->penalty_ns;
	p->resets++;
	ps->base->st.resets++;
}

static void show(struct peers *ps, struct peer *p, enum cts_peer_state state, const char *why)
{
	struct base *b = ps->base;

	if (p->shown == state)
		return;
	p->shown = state;
	if (b->ops.peer_state)
		b->ops.peer_state(b->ctx, p->id, state, why);
}

void peer_event(struct peers *ps, struct peer *p, enum peer_event event, const char *why)
{
	struct sender *s = ps->sender;
	enum peer_state from = p->state, to = transitions[from][event];

	if (event == PEER_RENEWED)
		p->given = 0;
	if (to == PEER_FREE)
		return;
	p->state = to;
	if (peer_in_window(p) ? event == PEER_RESTARTS : from >= PEER_STARTING)
		window_leave(&s->window, &s->table, peer_index(ps, p));
	if (to == PEER_STARTING)
		enter_starting(ps, p);
	if (event == PEER_CONFIRMS) {  /* now it can judge one */
		s->digest_wanted = true;
		s->digest_ns = ps->base->now;
	}
	if (to == PEER_RESTING)
		enter_resting(ps, p);
	if (to == PEER_GONE)
		p->gone_ns = ps->base->now;
	else
		p->gone_ns = 0;
	if (to <= PEER_STARTING) {
		memset(&p->report, 0, sizeof(p->report));
		p->held_ns = 0;
		p->mismatches = 0;
	}
	if (to == PEER_GONE)
		show(ps, p, CTS_PEER_DOWN, why);
	else if (to == PEER_STARTING || (to == PEER_RESTING && p->shown == CTS_PEER_SYNCED))
		show(ps, p, CTS_PEER_JOINING, why);
}

/* -- slots -- */

struct peer *peers_find(const struct peers *ps, uint32_t id)
{
	struct peer *p;

	peers_for_each(p, ps)
		if (p->id == id)
			return p;
	return NULL;
}

static void peer_free(struct peer *p)
{
	receiver_fini(&p->recv);
	free(p);
}

/* The one that is gone for longest and of which nothing is kept; where all slots are
 * taken by such that something is kept of, there is no room. */
static int slot_to_reuse(const struct peers *ps)
{
	int best = -1;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = ps->list[i];

		if (!p)
			return (int)i;
		if (peer_present(p) || cts_cache_count(p->recv.replica.cache))
			continue;
		if (best < 0 || p->gone_ns < ps->list[best]->gone_ns)
			best = (int)i;
	}
	return best;
}

struct peer *peers_add(struct peers *ps, uint32_t id)
{
	int slot = slot_to_reuse(ps);
	struct peer *p;

	if (slot < 0)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->id = id;
	p->state = PEER_GONE;
	if (receiver_init(&p->recv, ps->base, id, &ps->applied) < 0) {
		peer_free(p);
		return NULL;
	}
	if (ps->list[slot])
		peer_free(ps->list[slot]);
	ps->list[slot] = p;
	if (ps->n < (unsigned int)slot + 1)
		ps->n = (unsigned int)slot + 1;
	return p;
}

void peers_fini(struct peers *ps)
{
	struct peer *p;

	peers_for_each(p, ps)
		peer_free(p);
}

/* -- the newest of several replicas -- */

/* Is a replica of p to be preferred to one of best? best NULL: yes. */
static bool peer_is_newer(const struct peer *p, uint32_t version, const struct peer *best,
			  uint32_t best_version)
{
	if (!best || version != best_version)
		return !best || version > best_version;
	if (peer_present(p) != peer_present(best))
		return peer_present(p);
	return p->id < best->id;
}

static uint32_t version_at(const struct cts_cache *cache, uint32_t ref)
{
	size_t len;
	const uint8_t *packed = cts_cache_data(cache, ref, &len);

	return packed ? cts_packed_version(packed, len) : 0;
}

const struct peer *peers_newest(const struct peers *ps, uint32_t hash, const uint8_t *key,
				size_t key_len, uint32_t *ref, uint32_t *version)
{
	const struct peer *best = NULL, *p;

	*ref = *version = 0;
	peers_for_each(p, ps) {
		const struct cts_cache *cache = p->recv.replica.cache;
		uint32_t at, v;

		if (!cts_cache_count(cache))
			continue;
		at = cts_cache_find_hashed(cache, hash, key, key_len);
		v = at ? version_at(cache, at) : 0;
		if (!at || !peer_is_newer(p, v, best, *version))
			continue;
		best = p;
		*ref = at;
		*version = v;
	}
	return best;
}

static bool is_superseded(const struct peers *ps, const struct peer *p, uint32_t at)
{
	const struct cts_cache *cache = p->recv.replica.cache;
	const struct table *t = &ps->sender->table;
	size_t len;
	const uint8_t *packed = cts_cache_data(cache, at, &len);
	size_t key_len = cts_packed_key_len(packed, len);
	uint32_t hash = cts_cache_hash(cache, packed, key_len), ref, version;
	uint32_t own = cts_cache_find_hashed(t->cache, hash, packed, key_len);

	if (table_is_live(t, own) && table_version(t, own) > version_at(cache, at))
		return true;
	return peers_newest(ps, hash, packed, key_len, &ref, &version) != p;
}

void peer_drop_superseded(struct peers *ps, struct peer *p)
{
	struct replica *r = &p->recv.replica;

	for (unsigned int i = 0; i < STEP_ENTRIES; i++) {
		p->superseded_cursor = cts_cache_next(r->cache, p->superseded_cursor);
		if (!p->superseded_cursor)
			return;
		if (is_superseded(ps, p, p->superseded_cursor))
			replica_trim(r, ps->base, p->superseded_cursor);
	}
}
