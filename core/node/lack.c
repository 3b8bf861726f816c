/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <sodium.h>

#include <ctsync/log.h>

#include "core/node/lack.h"

#define LACK_WAIT_NS UINT64_C(1000000000)      /* after an attempt that brought something */
#define LACK_WAIT_MAX_NS UINT64_C(64000000000) /* after many that did not */
#define LACK_CACHES 4u                         /* keys: so many times a cache's limit */

void lack_fini(struct lack *l)
{
	cts_cache_destroy(l->keys);
}

size_t lack_count(const struct lack *l)
{
	return l->keys ? cts_cache_count(l->keys) : 0;
}

void lack_add(struct lack *l, const struct work *w, const uint8_t *key, size_t key_len)
{
	uint8_t hash_key[16];

	if (!l->keys) {
		randombytes_buf(hash_key, sizeof(hash_key));
		l->keys = cts_cache_create(
			LACK_CACHES * cts_cache_limit(cts_engine_internal(w->conf.engine)),
			hash_key);
		if (!l->keys)
			return;
	}
	if (!lack_count(l)) {
		l->wait_ns = LACK_WAIT_NS;
		l->try_ns = w->now + l->wait_ns;
	}
	if (!cts_cache_find(l->keys, key, key_len))
		cts_cache_insert(l->keys, key, key_len, 0);
}

void lack_remove(struct lack *l, const uint8_t *key, size_t key_len)
{
	uint32_t ref = lack_count(l) ? cts_cache_find(l->keys, key, key_len) : 0;

	if (ref)
		cts_cache_remove(l->keys, ref);
}

static uint64_t room(const struct work *w)
{
	return w->conf.kernel->room ? w->conf.kernel->room(w->conf.ctx) : UINT64_MAX;
}

static void lack_plan(struct lack *l, const struct work *w)
{
	if (lack_count(l) < l->before)
		l->wait_ns = LACK_WAIT_NS;
	else if (l->wait_ns < LACK_WAIT_MAX_NS)
		l->wait_ns *= 2;
	l->try_ns = w->now + l->wait_ns;
}

/* true: an operation was made of it. */
static bool lack_try(struct lack *l, struct work *w, struct slots *s,
		     bool (*adopt)(void *ctx, uint32_t node), void *ctx)
{
	size_t len;
	const uint8_t *key = cts_cache_data(l->keys, l->at, &len);
	struct slot slot = { 0 };
	struct cts_cache *cache;

	slot.node = cts_engine_newest_replica(w->conf.engine, key, len, &slot.ref, NULL);
	cache = slot.node ? cts_engine_external(w->conf.engine, slot.node) : NULL;
	if (!cache || !work_unpack(w, cache, slot.ref) ||
	    cts_engine_find(w->conf.engine, key, len)) {
		cts_cache_remove(l->keys, l->at);
		return false;
	}
	slot.adopt = adopt(ctx, slot.node);
	return slots_write(s, w, CTS_OP_RESTORE, slot);
}

bool lack_step(struct lack *l, struct work *w, struct slots *s,
	       bool (*adopt)(void *ctx, uint32_t node), void *ctx)
{
	uint64_t free = 0;
	unsigned int ops = 0, look = 0;

	if (!lack_count(l)) {
		l->trying = false;
		return false;
	}
	if (!l->trying && w->now < l->try_ns)
		return false;
	free = room(w);
	if (!l->trying) {
		l->at = 0;
		l->before = lack_count(l);
		l->trying = free > 0;
	}
	while (l->trying && ops < STEP_ENTRIES && ops < free && look++ < STEP_LOOK) {
		l->at = cts_cache_next(l->keys, l->at);
		if (l->at)
			ops += lack_try(l, w, s, adopt, ctx);
		else
			l->trying = false;
	}
	slots_flush(s, w);
	l->trying &= free > 0;
	if (!l->trying)
		lack_plan(l, w);
	return l->trying;
}

void lack_tell(struct lack *l, struct work *w)
{
	uint64_t n = lack_count(l);

	if (n == l->said)
		return;
	if (!l->said)
		cts_warn("inject: the kernel does not take all entries of other nodes: the table "
			 "is full, or others are in the way; they are tried again");
	else if (!n)
		cts_info("inject: the kernel holds all entries of other nodes again");
	l->said = n;
	cts_engine_set_lacking(w->conf.engine, n);
}

uint64_t lack_deadline(const struct lack *l)
{
	return lack_count(l) ? l->try_ns : UINT64_MAX;
}
