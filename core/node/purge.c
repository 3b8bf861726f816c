/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "core/node/purge.h"

#define NEVER_NS UINT64_MAX

void purge_init(struct purge *p)
{
	memset(p, 0, sizeof(*p));
	p->due_ns = NEVER_NS;
}

void purge_begin(struct purge *p, bool handover)
{
	p->ref = 0;
	p->handover = handover;
}

bool purge_step(struct purge *p, struct work *w, struct cts_takeover_result *res)
{
	struct cts_cache *cache = cts_engine_internal(w->conf.engine);
	unsigned int ops = 0, look = 0;

	while (ops < STEP_ENTRIES && look++ < STEP_LOOK) {
		const uint8_t *data;
		size_t len, key_len;

		p->ref = cts_cache_next(cache, p->ref);
		if (!p->ref)
			break;
		data = cts_cache_data(cache, p->ref, &len);
		key_len = cts_packed_key_len(data, len);
		if (cts_engine_find(w->conf.engine, data, key_len) != p->ref)
			continue; /* a tombstone */
		if (p->handover && !cts_engine_replica_exists(w->conf.engine, data, key_len)) {
			res->kept++;
			continue;
		}
		res->entries++;
		if (work_unpack(w, cache, p->ref))
			ops += work_write(w, CTS_OP_DELETE, cookie(FOR_PURGE, 0, p->ref));
	}
	work_flush(w);
	return p->ref;
}

void purge_written(struct work *w, uint64_t cookie, enum cts_write_class cls)
{
	if (cls == CTS_WRITE_DELETED || cls == CTS_WRITE_ABSENT)
		cts_engine_gone(w->conf.engine, (uint32_t)cookie, w->now);
}

static void purge_after(struct purge *p, const struct work *w, uint32_t seconds)
{
	p->due_ns = w->now + (uint64_t)seconds * 1000000000u;
}

void purge_handover(struct purge *p, const struct work *w)
{
	purge_cancel(p);
	p->wait_s = 0;
	p->left_s = w->conf.purge_timeout_s;
}

void purge_plan(struct purge *p, const struct work *w)
{
	p->left_s = 0;
	purge_after(p, w, w->conf.purge_timeout_s);
}

void purge_cancel(struct purge *p)
{
	p->due_ns = NEVER_NS;
}

void purge_ended(struct purge *p, const struct work *w, const struct cts_takeover_result *res)
{
	if (!p->handover || !res->kept)
		return;
	p->wait_s = p->wait_s ? p->wait_s * 2 : 1;
	if (p->wait_s > p->left_s)
		p->wait_s = p->left_s;
	p->left_s -= p->wait_s;
	purge_after(p, w, p->wait_s);
}
