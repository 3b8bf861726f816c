/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows into groups: the last stage of the pipeline for --by. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/question.h"

/* What the sums of a group are. */
enum { SUM_COUNT, SUM_PACKETS, SUM_BYTES };
enum { SUM_NEW, SUM_DESTROYED };

/* Flows that are looked up side by side. */
#define TOGETHER 16u

struct looked_up {
	const struct cts_flow *flow;
	uint32_t hash, len;
	uint8_t key[GROUP_KEY_MAX];
};

/* What cannot be added is in the totals, and reported at the end. */
static void tally_add(struct tally *t, const struct cts_flow *f, const uint64_t *sum)
{
	uint8_t key[GROUP_KEY_MAX];

	groups_add(t->groups, key, group_key(&t->by, f, key), sum);
}

static void entry_add(struct tally *t, const struct looked_up *l)
{
	const uint64_t counters = CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG) |
				  CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY);
	const struct cts_flow *f = l->flow;
	uint64_t sum[GROUP_SUMS] = { [SUM_COUNT] = 1 };

	if (f->present & counters) {
		t->accounted = true;
		sum[SUM_PACKETS] = f->packets[0] + f->packets[1];
		sum[SUM_BYTES] = f->bytes[0] + f->bytes[1];
	}
	groups_add_hashed(t->groups, l->hash, l->key, l->len, sum);
}

static void entries_add(struct tally *t, const struct looked_up *l, unsigned int n)
{
	for (unsigned int k = 0; k < n; k++)
		groups_prefetch_group(t->groups, l[k].hash);
	for (unsigned int k = 0; k < n; k++)
		entry_add(t, &l[k]);
}

static int entries_consume(void *ctx, const struct cts_batch *batch)
{
	struct looked_up together[TOGETHER];
	const struct cts_event *ev;
	struct tally *t = ctx;
	unsigned int n = 0;
	size_t i;

	cts_batch_for_each(i, ev, batch) {
		struct looked_up *l = &together[n++];

		l->flow = ev->flow;
		l->len = (uint32_t)group_key(&t->by, ev->flow, l->key);
		l->hash = groups_hash(t->groups, l->key, l->len);
		groups_prefetch(t->groups, l->hash);
		if (n < TOGETHER)
			continue;
		entries_add(t, together, n);
		n = 0;
	}
	entries_add(t, together, n);
	return 0;
}

static int events_consume(void *ctx, const struct cts_batch *batch)
{
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each(i, ev, batch) {
		const uint64_t sum[GROUP_SUMS] = { [SUM_NEW] = ev->type == CTS_EVENT_NEW,
						   [SUM_DESTROYED] = ev->type == CTS_EVENT_DESTROY };

		if (ev->flow && ev->type != CTS_EVENT_UPDATE)
			tally_add(ctx, ev->flow, sum);
	}
	return 0;
}

static void tally_open(struct tally *t, const struct cmdline *cl,
		       int (*consume)(void *, const struct cts_batch *))
{
	*t = (struct tally){ .consumer = { .name = "groups", .ctx = t, .consume = consume } };
	group_by_parse(&t->by, &cl->at, cl->question.by, "by");
	t->groups = groups_create(GROUPS_LIMIT);
	if (!t->groups)
		die(EXIT_OTHER, "not enough memory");
	/* Without a map bits go by their numbers. */
	if (group_by_labels(&t->by))
		t->labels = cts_labelmap_load(cl->labelmap_path);
}

void tally_open_entries(struct tally *t, const struct cmdline *cl)
{
	tally_open(t, cl, entries_consume);
}

void tally_open_events(struct tally *t, const struct cmdline *cl)
{
	tally_open(t, cl, events_consume);
}

void tally_close(struct tally *t)
{
	groups_destroy(t->groups);
	cts_labelmap_free(t->labels);
}

void tally_report_refused(const struct tally *t)
{
	const uint64_t *refused = groups_refused(t->groups);

	if (refused[0] || refused[1])
		report("%" PRIu64 " flow entries belong to groups beyond the %u that are kept, "
		       "and are not shown", refused[0], GROUPS_LIMIT);
}

enum group_form tally_form(const struct cmdline *cl)
{
	return cl->output & OUT_JSON ? GROUP_JSON : cl->output & OUT_CSV ? GROUP_CSV : GROUP_TEXT;
}

unsigned int tally_sort(const struct cmdline *cl)
{
	static const char *const entries[] = { "count", "packets", "bytes" };
	static const char *const events[] = { "new", "destroyed" };
	bool of_events = cl->command->id == CMD_EVENT;
	const char *const *names = of_events ? events : entries;
	unsigned int n = of_events ? 2 : 3;

	if (!cl->question.sort)
		return 0;
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(names[i], cl->question.sort) == 0)
			return i;
	die_at(&cl->at, EXIT_PARAMETER, "bad value `%s' for `--sort': groups are sorted by %s",
	       cl->question.sort, of_events ? "new or destroyed" : "count, packets or bytes");
}

size_t tally_print(const struct tally *t, const struct cmdline *cl,
		   const struct group_listing *gl)
{
	size_t n = cmdline_has(cl, OPT_TOP) ? cl->question.top : SIZE_MAX;
	const struct group **list = groups_top(t->groups, tally_sort(cl), &n);

	if (!list)
		die(EXIT_OTHER, "not enough memory");
	group_print(gl, list, n, stdout);
	free(list);
	return n;
}
