/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sorting entries without holding them twice. */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/sorted.h"
#include "cli/conntrack/groups.h"
#include "core/flow/codec.h"

#define LIMITED_SLACK 1024u   /* more than the limit is kept until sorting pays */
#define ALIGNMENT 8u

struct item {
	uint64_t place;       /* of key and message in bytes; also the order of coming */
	uint64_t time_ns;
	uint32_t len;         /* of the message, which follows the key */
};

struct sorted {
	struct cts_consumer consumer;
	struct group_by by;
	unsigned int counter; /* 0: fields; else 1 + its index: packets, bytes */
	size_t key_len;
	size_t limit;
	struct item *item;    /* owned */
	size_t n, room;
	uint8_t *bytes;       /* owned */
	size_t used, size;
	int error;            /* errno of what could not be kept */
};

static const char *const counters[] = { "packets", "bytes" };

static void item_key(const struct sorted *s, const struct cts_flow *f, uint8_t *key)
{
	uint64_t sum;

	if (!s->counter) {
		group_key(&s->by, f, key);
		return;
	}
	sum = 0;
	if (cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG))
		sum += s->counter == 1 ? f->packets[0] : f->bytes[0];
	if (cts_flow_has(f, CTS_FLOW_COUNTERS_REPLY))
		sum += s->counter == 1 ? f->packets[1] : f->bytes[1];
	sum = htobe64(~sum);
	memcpy(key, &sum, sizeof(sum));
}

static int item_compare(const void *a, const void *b, void *ctx)
{
	const struct item *x = a, *y = b;
	const struct sorted *s = ctx;
	int order = memcmp(s->bytes + x->place, s->bytes + y->place, s->key_len);

	return order ? order : x->place < y->place ? -1 : x->place > y->place;
}

/* -- keeping -- */

static size_t item_size(const struct sorted *s, const struct item *item)
{
	return (s->key_len + item->len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int by_place(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

/* Let go of what is behind the limit; what stays keeps its order of coming. */
static void cut(struct sorted *s)
{
	size_t used = 0;

	qsort_r(s->item, s->n, sizeof(*s->item), item_compare, s);
	s->n = s->limit;
	qsort(s->item, s->n, sizeof(*s->item), by_place);
	for (size_t i = 0; i < s->n; i++) {
		size_t size = item_size(s, &s->item[i]);

		memmove(s->bytes + used, s->bytes + s->item[i].place, size);
		s->item[i].place = used;
		used += size;
	}
	s->used = used;
}

/* Twice as much room when there is too little. */
static int make_room(void **at, size_t *room, size_t need, size_t size)
{
	size_t grown = *room ? *room : 4096;
	void *p;

	if (need <= *room)
		return 0;
	while (grown < need)
		grown *= 2;
	p = reallocarray(*at, grown, size);
	if (!p)
		return -1;
	*at = p;
	*room = grown;
	return 0;
}

static int keep(struct sorted *s, const struct cts_event *ev)
{
	struct item item = { .place = s->used, .time_ns = ev->time_ns, .len = ev->raw_len };
	size_t size = item_size(s, &item);

	if (make_room((void **)&s->item, &s->room, s->n + 1, sizeof(*s->item)) < 0 ||
	    make_room((void **)&s->bytes, &s->size, s->used + size, 1) < 0)
		return -1;
	item_key(s, ev->flow, s->bytes + item.place);
	memcpy(s->bytes + item.place + s->key_len, ev->raw, ev->raw_len);
	s->item[s->n++] = item;
	s->used += size;
	if (s->limit < SIZE_MAX / 2 && s->n >= 2 * s->limit + LIMITED_SLACK)
		cut(s);
	return 0;
}

static int sorted_consume(void *ctx, const struct cts_batch *batch)
{
	const struct cts_event *ev;
	struct sorted *s = ctx;
	size_t i;

	cts_batch_for_each(i, ev, batch) {
		if (!s->error && keep(s, ev) < 0)
			s->error = errno;
	}
	return s->error ? -1 : 0;
}

/* -- the whole -- */

/* 1 + the index of the counter, 0: fields, which by is then. */
static unsigned int parse_order(const struct place *at, const char *fields, struct group_by *by)
{
	for (unsigned int i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (strcmp(fields, counters[i]) == 0)
			return i + 1;
	group_by_parse(by, at, fields, "sort");
	return 0;
}

void sorted_check(const struct place *at, const char *fields)
{
	struct group_by by;

	parse_order(at, fields, &by);
}

struct sorted *sorted_create(const struct place *at, const char *fields, size_t limit)
{
	struct group_by by = { .n = 0 };
	unsigned int counter = parse_order(at, fields, &by);
	struct sorted *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->limit = limit;
	s->consumer = (struct cts_consumer){ .name = "sort", .ctx = s, .consume = sorted_consume };
	s->counter = counter;
	s->by = by;
	s->key_len = counter ? sizeof(uint64_t) : by.n * sizeof(struct cts_field_value);
	return s;
}

void sorted_destroy(struct sorted *s)
{
	if (!s)
		return;
	free(s->item);
	free(s->bytes);
	free(s);
}

struct cts_consumer *sorted_consumer(struct sorted *s)
{
	return &s->consumer;
}

int sorted_run(struct sorted *s, cts_batch_fn fn, void *ctx)
{
	struct cts_flow flow;
	struct cts_event ev = { .type = CTS_EVENT_NEW, .origin = CTS_ORIGIN_DUMP, .flow = &flow };
	const struct cts_event *const list = &ev;

	if (s->n)
		qsort_r(s->item, s->n, sizeof(*s->item), item_compare, s);
	for (size_t i = 0; i < s->n && i < s->limit; i++) {
		ev.raw = s->bytes + s->item[i].place + s->key_len;
		ev.raw_len = s->item[i].len;
		ev.time_ns = s->item[i].time_ns;
		if (cts_flow_decode(ev.raw, &flow) == 0)
			fn(ctx, &list, 1);
	}
	errno = s->error;
	return s->error ? -1 : 0;
}
