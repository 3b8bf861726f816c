/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --top shows: one pass over the table makes the groups, the largest flows of the
 * group that is looked into, and the rates of both. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/conntrack/top/top.h"
#include "core/kernel/table.h"
#include "core/kernel/writer.h"

#define EVERY_DEFAULT_MS 2000u
#define NS_PER_S UINT64_C(1000000000)

static int top_consume(void *ctx, const struct cts_batch *batch);

int top_init(struct top *t, struct cmdline *cl, struct parser *parser)
{
	*t = (struct top){ .cl = cl, .parser = parser, .every_ms = cl->question.every_ms,
			   .consumer = { .name = "top", .ctx = t, .consume = top_consume } };
	if (!t->every_ms)
		t->every_ms = EVERY_DEFAULT_MS;
	snprintf(t->by_text, sizeof(t->by_text), "%s", cl->question.by ? cl->question.by : "src");
	group_by_parse(&t->by, &cl->at, t->by_text, "by");
	t->labels = cts_labelmap_load(cl->labelmap_path);
	t->groups = groups_create(GROUPS_LIMIT);
	t->flow = calloc(TOP_ROWS_MAX, sizeof(*t->flow));
	if (!t->groups || !t->flow || counters_init(&t->counters[0], TOP_FLOWS_MAX) < 0 ||
	    counters_init(&t->counters[1], TOP_FLOWS_MAX) < 0)
		return -1;
	return 0;
}

void top_fini(struct top *t)
{
	selections_destroy(t->filter);
	groups_destroy(t->groups);
	free(t->group);
	free(t->flow);
	counters_fini(&t->counters[0]);
	counters_fini(&t->counters[1]);
	cts_labelmap_free(t->labels);
}

void top_forget_rates(struct top *t)
{
	t->read_ns = 0;
}

/* -- flows -- */

static void flow_copy(struct top_flow *to, const struct cts_flow *f, const uint64_t *sum)
{
	memset(&to->store, 0, sizeof(to->store));
	cts_flow_merge(&to->store, f);
	memcpy(to->sum, sum, sizeof(to->sum));
}

/* The largest ones so far, in order: nearly all flows end at the first comparison. */
static void flow_add(struct top *t, const struct cts_flow *f, const uint64_t *sum)
{
	size_t at = t->n_flows;

	if (at == TOP_ROWS_MAX && sum[t->sort] <= t->flow[at - 1].sum[t->sort])
		return;
	if (at < TOP_ROWS_MAX)
		t->n_flows++;
	else
		at--;
	for (; at > 0 && sum[t->sort] > t->flow[at - 1].sum[t->sort]; at--)
		flow_copy(&t->flow[at], &t->flow[at - 1].store.flow, t->flow[at - 1].sum);
	flow_copy(&t->flow[at], f, sum);
}

static bool is_chosen(const struct top *t, const struct cts_flow *f)
{
	const struct cts_flow *chosen = &t->chosen.store.flow;

	return f->id == chosen->id && memcmp(&f->orig, &chosen->orig, sizeof(f->orig)) == 0 &&
	       cts_flow_key_zone(f) == cts_flow_key_zone(chosen);
}

static void look_into(struct top *t, const struct cts_flow *f, const uint8_t *key, size_t len,
		      const uint64_t *sum)
{
	if (t->view == TOP_FLOW && is_chosen(t, f)) {
		flow_copy(&t->chosen, f, sum);
		t->chosen_gone = false;
	}
	if (t->view == TOP_GROUPS ||
	    (t->in_group && (len != t->group_len || memcmp(key, t->group_key, len) != 0)))
		return;
	t->flows_seen++;
	flow_add(t, f, sum);
}

/* -- a pass -- */

/* Bytes since the table was read before; a flow that was not there then has all now. */
static uint64_t bytes_since(struct top *t, const struct cts_flow *f, uint64_t bytes)
{
	const struct counters *before = &t->counters[!t->now];
	uint64_t had;

	counters_put(&t->counters[t->now], f->id, bytes);
	if (!t->rates)
		return 0;
	if (!counters_get(before, f->id, &had))
		return before->full ? 0 : bytes;
	return bytes >= had ? bytes - had : bytes;
}

static void top_add(struct top *t, const struct cts_flow *f)
{
	const uint64_t counters = CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG) |
				  CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY);
	uint64_t sum[GROUP_SUMS] = { [TOP_COUNT] = 1 };
	uint8_t key[GROUP_KEY_MAX];
	size_t len = group_key(&t->by, f, key);

	if (f->present & counters) {
		t->accounted = true;
		sum[TOP_PACKETS] = f->packets[0] + f->packets[1];
		sum[TOP_BYTES] = f->bytes[0] + f->bytes[1];
		sum[TOP_RATE] = bytes_since(t, f, sum[TOP_BYTES]);
	}
	groups_add(t->groups, key, len, sum);
	look_into(t, f, key, len, sum);
}

static int top_consume(void *ctx, const struct cts_batch *batch)
{
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each(i, ev, batch)
		top_add(ctx, ev->flow);
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void pass_begin(struct top *t)
{
	uint64_t now = now_ns();

	t->rates = t->read_ns != 0;
	t->seconds = (double)(now - t->read_ns) / (double)NS_PER_S;
	t->read_ns = now;
	t->now = !t->now;
	counters_clear(&t->counters[t->now]);
	free(t->group);
	t->group = NULL;
	t->n_groups = t->n_flows = 0;
	t->flows_seen = 0;
	t->chosen_gone = true;
	t->accounted = false;
	groups_clear(t->groups);
}

static void push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	cts_pipeline_push(ctx, ev, n);
}

static int pass(struct top *t)
{
	struct cts_dump_conf conf = { .table = t->cl->table, .read_ahead = true };
	struct cts_pipeline *pipe = assemble(t->cl, &t->consumer);
	struct cts_dump *dump = NULL;
	struct cts_flow pushed;
	int ret = -1, saved;

	select_push(t->cl, &conf, &pushed);
	if (!t->filter || cts_pipeline_add_filter(pipe, &selections_filter, t->filter) == 0)
		dump = cts_dump_open(&conf);
	if (dump)
		ret = cts_dump_run(dump, push, pipe);
	/* A table that changes while it is read is what is looked at here. */
	if (ret < 0 && dump && errno == EINTR)
		ret = 0;
	saved = errno;
	cts_dump_close(dump);
	cts_pipeline_destroy(pipe);
	errno = saved;
	return ret;
}

int top_refresh(struct top *t)
{
	pass_begin(t);
	if (pass(t) < 0)
		return -1;
	t->table_max = cts_table_max();
	t->n_groups = TOP_ROWS_MAX;
	t->group = groups_top(t->groups, t->sort, &t->n_groups);
	if (!t->group)
		return -1;
	if (t->cursor >= top_rows(t))
		t->cursor = top_rows(t) ? top_rows(t) - 1 : 0;
	return 0;
}

size_t top_rows(const struct top *t)
{
	return t->view == TOP_GROUPS ? t->n_groups : t->view == TOP_FLOWS ? t->n_flows : 0;
}

const struct top_flow *top_flow_chosen(const struct top *t)
{
	if (t->view == TOP_FLOW)
		return t->chosen_gone ? NULL : &t->chosen;
	return t->view == TOP_FLOWS && t->cursor < t->n_flows ? &t->flow[t->cursor] : NULL;
}

/* -- deleting -- */

static void deleted(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct top *t = ctx;

	(void)cookie;
	if (cls == CTS_WRITE_DELETED)
		snprintf(t->message, sizeof(t->message), "deleted");
	else if (cls == CTS_WRITE_ABSENT)
		snprintf(t->message, sizeof(t->message), "it was gone already");
	else
		snprintf(t->message, sizeof(t->message), "not deleted: %s", strerror(err));
}

void top_delete(struct top *t, const struct top_flow *flow)
{
	const struct cts_writer_conf conf = { .ctx = t, .done = deleted };
	struct cts_writer *w = cts_writer_open(&conf);

	if (!w || cts_writer_add(w, CTS_OP_DELETE, &flow->store.flow, 0) < 0 ||
	    cts_writer_flush(w) < 0)
		snprintf(t->message, sizeof(t->message), "not deleted: %s", strerror(errno));
	cts_writer_close(w);
}
