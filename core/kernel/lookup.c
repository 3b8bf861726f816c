/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/flow/pack.h"
#include "core/kernel/lookup.h"
#include "core/kernel/writer.h"

#define KEYS_FIRST 256u

struct lookup_key {
	uint8_t len;
	uint8_t key[CTS_PACK_KEY_MAX];
};

struct cts_lookup {
	struct cts_lookup_conf conf;
	struct cts_writer *writer; /* owned */
	struct lookup_key *keys;   /* owned; [done, n) wait */
	size_t n, size, done;
	uint64_t answers;
};

static void absent(struct cts_lookup *l, const struct lookup_key *k)
{
	struct cts_flow_store key;

	if (cts_flow_unpack(k->key, k->len, &key, NULL) == 0)
		l->conf.absent(l->conf.ctx, &key.flow);
}

static void lookup_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct cts_lookup *l = ctx;
	const struct lookup_key *k = &l->keys[cookie];
	struct cts_event ev = {
		.type = CTS_EVENT_UPDATE,
		.origin = CTS_ORIGIN_DUMP,
		.flow = flow,
	};
	const struct cts_event *list[1] = { &ev };
	uint8_t key[CTS_PACK_KEY_MAX];
	struct timespec ts;

	if (cts_flow_pack_key(flow, key) != k->len || memcmp(key, k->key, k->len) != 0) {
		absent(l, k);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	ev.time_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	l->conf.found(l->conf.ctx, list, 1);
}

static void lookup_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct cts_lookup *l = ctx;

	l->answers++;
	if (cls == CTS_WRITE_ABSENT)
		absent(l, &l->keys[cookie]);
	else if (cls != CTS_WRITE_UPDATED && l->conf.failed)
		l->conf.failed(l->conf.ctx, err ? err : EIO);
}

struct cts_lookup *cts_lookup_open(const struct cts_lookup_conf *conf)
{
	struct cts_lookup *l = calloc(1, sizeof(*l));
	struct cts_writer_conf writer = { .ctx = l, .done = lookup_done, .found = lookup_found };
	int saved;

	if (!l)
		return NULL;
	l->conf = *conf;
	l->writer = cts_writer_open(&writer);
	if (l->writer)
		return l;
	saved = errno;
	cts_lookup_close(l);
	errno = saved;
	return NULL;
}

void cts_lookup_close(struct cts_lookup *l)
{
	if (!l)
		return;
	cts_writer_close(l->writer);
	free(l->keys);
	free(l);
}

uint32_t cts_lookup_portid(const struct cts_lookup *l)
{
	return cts_writer_portid(l->writer);
}

uint64_t cts_lookup_answers(const struct cts_lookup *l)
{
	return l->answers;
}

static int keys_grow(struct cts_lookup *l)
{
	size_t size = l->size ? l->size * 2 : KEYS_FIRST;
	struct lookup_key *keys = reallocarray(l->keys, size, sizeof(*keys));

	if (!keys)
		return -1;
	l->keys = keys;
	l->size = size;
	return 0;
}

int cts_lookup_add(struct cts_lookup *l, const struct cts_flow *key)
{
	struct lookup_key *k;

	if (l->n - l->done >= l->conf.max) {
		errno = ENOBUFS;
		return -1;
	}
	if (l->n == l->size && keys_grow(l) < 0)
		return -1;
	k = &l->keys[l->n];
	k->len = (uint8_t)cts_flow_pack_key(key, k->key);
	if (!k->len)
		return -1;
	l->n++;
	return 0;
}

int cts_lookup_run(struct cts_lookup *l, size_t max)
{
	size_t end = l->n - l->done > max ? l->done + max : l->n;
	struct cts_flow_store key;
	int err = 0;

	if (l->done == end)
		return 0;
	for (size_t i = l->done; i < end; i++)
		if (cts_flow_unpack(l->keys[i].key, l->keys[i].len, &key, NULL) == 0 &&
		    cts_writer_add(l->writer, CTS_OP_GET, &key.flow, i) < 0 && !err)
			err = errno;
	if (cts_writer_flush(l->writer) < 0 && !err)
		err = errno;
	l->done = end;
	/* Answers may have asked for more, behind those that are done. */
	if (l->done >= l->n - l->done) {
		memmove(l->keys, l->keys + l->done, (l->n - l->done) * sizeof(l->keys[0]));
		l->n -= l->done;
		l->done = 0;
	}
	errno = err;
	return err ? -1 : l->n > l->done;
}
