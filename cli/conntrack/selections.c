/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An index over selections: one hash table for each shape of them. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/selections.h"

#define NONE UINT32_MAX
#define SHAPE_SLOTS_MIN 8u

struct selection {
	struct cmdline cl;
	uint32_t next;                   /* of the same hash in its shape, added before it */
	uint64_t hash;
};

/* The fields and masks that selections have in common: a tuple-space search class. */
struct shape {
	struct cts_condition by[CONDITIONS_MAX];   /* only fields and masks count */
	unsigned int n;
	uint32_t *slot;                  /* owned: newest selection of each hash, NONE: free */
	size_t n_slots, n_taken;         /* n_slots is a power of 2 */
};

struct selections {
	struct selection *sel;           /* owned; in the order of adding */
	size_t n, room;
	struct shape *shape;             /* owned */
	size_t n_shapes, shape_room;
	const struct cmdline **found;    /* owned; room for all */
	size_t found_room;
};

struct selections *selections_create(void)
{
	return calloc(1, sizeof(struct selections));
}

void selections_clear(struct selections *s)
{
	size_t i;

	for (i = 0; i < s->n_shapes; i++)
		free(s->shape[i].slot);
	s->n = s->n_shapes = 0;
}

void selections_destroy(struct selections *s)
{
	if (!s)
		return;
	selections_clear(s);
	free(s->shape);
	free(s->sel);
	free(s->found);
	free(s);
}

size_t selections_count(const struct selections *s)
{
	return s->n;
}

const struct cmdline *selections_get(const struct selections *s, size_t i)
{
	return &s->sel[i].cl;
}

/* -- hashes -- */

static uint64_t hash_start(void)
{
	return UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_words(uint64_t hash, const uint64_t word[2], const uint64_t mask[2])
{
	for (int i = 0; i < 2; i++) {
		hash = (hash ^ (word[i] & mask[i])) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	return hash;
}

static void shape_of(const struct cmdline *cl, struct shape *sh)
{
	memset(sh, 0, sizeof(*sh));
	for (unsigned int i = 0; i < cl->n_conditions; i++)
		if (cl->condition[i].field->hashed)
			sh->by[sh->n++] = cl->condition[i];
}

static bool shape_equal(const struct shape *a, const struct shape *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (a->by[i].field != b->by[i].field ||
		    memcmp(a->by[i].mask, b->by[i].mask, sizeof(a->by[i].mask)))
			return false;
	return true;
}

/* Of a selection that has this shape. */
static uint64_t hash_wanted(const struct shape *sh)
{
	uint64_t hash = hash_start();

	for (unsigned int i = 0; i < sh->n; i++)
		hash = hash_words(hash, sh->by[i].want, sh->by[i].mask);
	return hash;
}

/* Of the entries that it could select. */
static uint64_t hash_flow(const struct shape *sh, const struct cts_flow *flow)
{
	uint64_t hash = hash_start();
	struct cts_field_value v;

	for (unsigned int i = 0; i < sh->n; i++) {
		cts_field_read(sh->by[i].field, flow, &v);
		hash = hash_words(hash, v.bits.word, sh->by[i].mask);
	}
	return hash;
}

/* -- tables -- */

static uint32_t *shape_slot(const struct selections *s, const struct shape *sh, uint64_t hash)
{
	size_t i = hash & (sh->n_slots - 1);

	while (sh->slot[i] != NONE && s->sel[sh->slot[i]].hash != hash)
		i = (i + 1) & (sh->n_slots - 1);
	return &sh->slot[i];
}

static int shape_grow(const struct selections *s, struct shape *sh)
{
	struct shape grown = *sh;
	size_t i;

	grown.n_slots = sh->n_slots ? sh->n_slots * 2 : SHAPE_SLOTS_MIN;
	grown.slot = malloc(grown.n_slots * sizeof(*grown.slot));
	if (!grown.slot)
		return -1;
	memset(grown.slot, 0xff, grown.n_slots * sizeof(*grown.slot));
	for (i = 0; i < sh->n_slots; i++)
		if (sh->slot[i] != NONE)
			*shape_slot(s, &grown, s->sel[sh->slot[i]].hash) = sh->slot[i];
	free(sh->slot);
	*sh = grown;
	return 0;
}

/* array with room for more than n elements; NULL: not enough memory. */
static void *with_room(void *array, size_t *room, size_t n, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *grown;

	if (n < *room)
		return array;
	grown = reallocarray(array, more, size);
	if (grown)
		*room = more;
	return grown;
}

static int make_room(struct selections *s)
{
	struct selection *sel = with_room(s->sel, &s->room, s->n, sizeof(*sel));
	const struct cmdline **found;

	if (!sel)
		return -1;
	s->sel = sel;
	found = with_room(s->found, &s->found_room, s->n, sizeof(*found));
	if (!found)
		return -1;
	s->found = found;
	return 0;
}

static struct shape *shape_get(struct selections *s, const struct shape *like)
{
	struct shape *sh, *grown;
	size_t i;

	for (i = 0; i < s->n_shapes; i++)
		if (shape_equal(&s->shape[i], like))
			return &s->shape[i];
	grown = with_room(s->shape, &s->shape_room, s->n_shapes, sizeof(*grown));
	if (!grown)
		return NULL;
	s->shape = grown;
	sh = &s->shape[s->n_shapes];
	*sh = *like;
	if (shape_grow(s, sh) < 0)
		return NULL;
	s->n_shapes++;
	return sh;
}

int selections_add(struct selections *s, const struct cmdline *cl)
{
	struct selection *sel;
	struct shape like, *sh;
	uint32_t *slot;

	if (s->n >= NONE) {
		errno = ENOMEM;
		return -1;
	}
	shape_of(cl, &like);
	if (make_room(s) < 0)
		return -1;
	sh = shape_get(s, &like);
	if (!sh || (2 * (sh->n_taken + 1) > sh->n_slots && shape_grow(s, sh) < 0))
		return -1;
	sel = &s->sel[s->n];
	sel->cl = *cl;
	sel->hash = hash_wanted(&like);
	slot = shape_slot(s, sh, sel->hash);
	sh->n_taken += *slot == NONE;
	sel->next = *slot;
	*slot = (uint32_t)s->n++;
	return 0;
}

/* -- looking up -- */

/* Where selections of the shape begin that could fit the entry, or NONE. */
static uint32_t shape_first(const struct selections *s, const struct shape *sh,
			    const struct cts_flow *flow)
{
	return *shape_slot(s, sh, hash_flow(sh, flow));
}

/* The first from `at` on that the entry fulfils, or NONE. */
static uint32_t fulfilled(const struct selections *s, uint32_t at, const struct cts_flow *flow)
{
	for (; at != NONE; at = s->sel[at].next)
		if (select_matches(&s->sel[at].cl, flow))
			break;
	return at;
}

bool selections_match(const struct selections *s, const struct cts_flow *flow)
{
	size_t i;

	for (i = 0; i < s->n_shapes; i++)
		if (fulfilled(s, shape_first(s, &s->shape[i], flow), flow) != NONE)
			return true;
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct cmdline *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

size_t selections_find(struct selections *s, const struct cts_flow *flow,
		       const struct cmdline *const **list)
{
	size_t i, n = 0;

	for (i = 0; i < s->n_shapes; i++) {
		uint32_t at = shape_first(s, &s->shape[i], flow);

		while ((at = fulfilled(s, at, flow)) != NONE) {
			s->found[n++] = &s->sel[at].cl;
			at = s->sel[at].next;
		}
	}
	if (n > 1)
		qsort(s->found, n, sizeof(*s->found), by_address);
	*list = s->found;
	return n;
}

/* -- as a filter -- */

static void selections_apply(void *priv, const struct cts_batch *batch)
{
	const struct selections *s = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each(i, ev, batch)
		if (!ev->flow || !selections_match(s, ev->flow))
			cts_batch_drop(batch, i);
}

static void *selections_new(const struct cts_options *opt)
{
	(void)opt;
	return selections_create();
}

static void selections_delete(void *priv)
{
	selections_destroy(priv);
}

const struct cts_filter_ops selections_filter = {
	.plugin = CTS_PLUGIN(CTS_KIND_FILTER, struct cts_filter_ops, "selections", PACKAGE_VERSION,
			     "many selections, any of which is enough", NULL),
	.create = selections_new,
	.destroy = selections_delete,
	.apply = selections_apply,
};
