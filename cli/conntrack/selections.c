/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An index over selections: one hash table for each shape of them. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/selections.h"

/* What selections can be looked up by, as words: both tuples, then the rest. */
#define TUPLE_WORDS (sizeof(struct cts_tuple) / sizeof(uint64_t))
#define KEY_WORDS (2 * TUPLE_WORDS + 2)

union key {
	struct {
		struct cts_tuple orig, reply;
		uint32_t mark, id;
		uint16_t zone, zone_dir[2];
		uint16_t unused;
	} field;
	uint64_t word[KEY_WORDS];
};
static_assert(sizeof(union key) == KEY_WORDS * sizeof(uint64_t), "a key has no padding");

#define NONE UINT32_MAX
#define SHAPE_SLOTS_MIN 8u

struct selection {
	struct cmdline cl;
	uint32_t next;                   /* of the same hash in its shape, added before it */
	uint64_t hash;
};

struct shape {
	union key mask;
	uint8_t used[KEY_WORDS];         /* words of mask that are not 0 */
	unsigned int n_used;
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

/* -- keys -- */

/* Exactly the fields that select.c compares, as it sees them. */
static void key_of_flow(const struct cts_flow *f, union key *k)
{
	memset(k, 0, sizeof(*k));
	k->field.orig = f->orig;
	k->field.reply = f->reply;
	k->field.mark = cts_flow_has(f, CTS_FLOW_MARK) ? f->mark : 0;
	k->field.id = cts_flow_has(f, CTS_FLOW_ID) ? f->id : 0;
	k->field.zone = cts_flow_has(f, CTS_FLOW_ZONE) ? f->zone : 0;
	if (cts_flow_has(f, CTS_FLOW_ZONE_ORIG))
		k->field.zone_dir[CTS_DIR_ORIG] = f->zone_dir[CTS_DIR_ORIG];
	if (cts_flow_has(f, CTS_FLOW_ZONE_REPLY))
		k->field.zone_dir[CTS_DIR_REPLY] = f->zone_dir[CTS_DIR_REPLY];
}

#define WANT(member, value)                                                       \
	do {                                                                      \
		want->field.member = (value);                                     \
		memset(&mask->field.member, 0xff, sizeof(mask->field.member));    \
	} while (0)

static void want_network(union cts_addr *want, union cts_addr *mask, const union cts_addr *addr,
			 const union cts_addr *bits, bool masked)
{
	unsigned int i;

	memset(mask, 0xff, sizeof(*mask));
	for (i = 0; i < 4; i++) {
		if (masked)
			mask->v6[i] = bits->v6[i];
		want->v6[i] = addr->v6[i] & mask->v6[i];
	}
}

static void want_tuples(const struct cmdline *cl, union key *want, union key *mask)
{
	const struct cts_flow *f = &cl->store.flow;

	if (cl->family != AF_UNSPEC)
		WANT(orig.family, (uint8_t)cl->family);
	if (cmdline_has(cl, OPT_ORIG_SRC))
		want_network(&want->field.orig.src, &mask->field.orig.src, &f->orig.src,
			     &cl->src_mask, cl->src_masked);
	if (cmdline_has(cl, OPT_ORIG_DST))
		want_network(&want->field.orig.dst, &mask->field.orig.dst, &f->orig.dst,
			     &cl->dst_mask, cl->dst_masked);
	if (cmdline_has(cl, OPT_REPLY_SRC))
		WANT(reply.src, f->reply.src);
	else if (cmdline_has(cl, OPT_DST_NAT) && cl->dnat.has_addr)
		WANT(reply.src, cl->dnat.addr);
	if (cmdline_has(cl, OPT_REPLY_DST))
		WANT(reply.dst, f->reply.dst);
	else if (cmdline_has(cl, OPT_SRC_NAT) && cl->snat.has_addr)
		WANT(reply.dst, cl->snat.addr);
}

static void want_proto(const struct cmdline *cl, union key *want, union key *mask)
{
	const struct cts_flow *f = &cl->store.flow;
	uint32_t given = cl->proto_given;

	if (!cmdline_has(cl, OPT_PROTO))
		return;
	WANT(orig.proto, f->orig.proto);
	if (given & (PO_BIT(PO_SPORT) | PO_BIT(PO_ICMP_ID)))
		WANT(orig.sport, f->orig.sport);
	if (given & PO_BIT(PO_DPORT))
		WANT(orig.dport, f->orig.dport);
	if (given & PO_BIT(PO_REPLY_SPORT))
		WANT(reply.sport, f->reply.sport);
	if (given & PO_BIT(PO_REPLY_DPORT))
		WANT(reply.dport, f->reply.dport);
	if (given & PO_BIT(PO_ICMP_TYPE))
		WANT(orig.icmp_type, f->orig.icmp_type);
	if (given & PO_BIT(PO_ICMP_CODE))
		WANT(orig.icmp_code, f->orig.icmp_code);
}

static void want_rest(const struct cmdline *cl, union key *want, union key *mask)
{
	const struct cts_flow *f = &cl->store.flow;

	if (cmdline_has(cl, OPT_ID))
		WANT(id, f->id);
	if (cmdline_has(cl, OPT_ZONE))
		WANT(zone, f->zone);
	if (cmdline_has(cl, OPT_ORIG_ZONE))
		WANT(zone_dir[CTS_DIR_ORIG], f->zone_dir[CTS_DIR_ORIG]);
	if (cmdline_has(cl, OPT_REPLY_ZONE))
		WANT(zone_dir[CTS_DIR_REPLY], f->zone_dir[CTS_DIR_REPLY]);
	if (cmdline_has(cl, OPT_MARK) && cl->command->id != CMD_UPDATE) {
		want->field.mark = cl->mark & cl->mark_mask;
		mask->field.mark = cl->mark_mask;
	}
}

static void key_of_selection(const struct cmdline *cl, union key *want, union key *mask)
{
	memset(want, 0, sizeof(*want));
	memset(mask, 0, sizeof(*mask));
	want_tuples(cl, want, mask);
	want_proto(cl, want, mask);
	want_rest(cl, want, mask);
}

static uint64_t shape_hash(const struct shape *sh, const union key *k)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
	unsigned int i;

	for (i = 0; i < sh->n_used; i++) {
		unsigned int w = sh->used[i];

		hash = (hash ^ (k->word[w] & sh->mask.word[w])) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
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

static struct shape *shape_get(struct selections *s, const union key *mask)
{
	struct shape *sh, *grown;
	size_t i;

	for (i = 0; i < s->n_shapes; i++)
		if (!memcmp(&s->shape[i].mask, mask, sizeof(*mask)))
			return &s->shape[i];
	grown = with_room(s->shape, &s->shape_room, s->n_shapes, sizeof(*grown));
	if (!grown)
		return NULL;
	s->shape = grown;
	sh = &s->shape[s->n_shapes];
	memset(sh, 0, sizeof(*sh));
	sh->mask = *mask;
	for (i = 0; i < KEY_WORDS; i++)
		if (mask->word[i])
			sh->used[sh->n_used++] = (uint8_t)i;
	if (shape_grow(s, sh) < 0)
		return NULL;
	s->n_shapes++;
	return sh;
}

int selections_add(struct selections *s, const struct cmdline *cl)
{
	union key want, mask;
	struct selection *sel;
	struct shape *sh;
	uint32_t *slot;

	if (s->n >= NONE) {
		errno = ENOMEM;
		return -1;
	}
	key_of_selection(cl, &want, &mask);
	if (make_room(s) < 0)
		return -1;
	sh = shape_get(s, &mask);
	if (!sh || (2 * (sh->n_taken + 1) > sh->n_slots && shape_grow(s, sh) < 0))
		return -1;
	sel = &s->sel[s->n];
	sel->cl = *cl;
	sel->hash = shape_hash(sh, &want);
	slot = shape_slot(s, sh, sel->hash);
	sh->n_taken += *slot == NONE;
	sel->next = *slot;
	*slot = (uint32_t)s->n++;
	return 0;
}

/* -- looking up -- */

/* Where selections of the shape begin that could fit the key, or NONE. */
static uint32_t shape_first(const struct selections *s, const struct shape *sh,
			    const union key *k)
{
	return *shape_slot(s, sh, shape_hash(sh, k));
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
	union key k;
	size_t i;

	key_of_flow(flow, &k);
	for (i = 0; i < s->n_shapes; i++)
		if (fulfilled(s, shape_first(s, &s->shape[i], &k), flow) != NONE)
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
	union key k;

	key_of_flow(flow, &k);
	for (i = 0; i < s->n_shapes; i++) {
		uint32_t at = shape_first(s, &s->shape[i], &k);

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
