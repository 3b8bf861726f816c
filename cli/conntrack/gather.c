/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of -D and -U, done together. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/conntrack/gather.h"
#include "core/flow/tuple.h"

#define PASS_MAX 2048u        /* lines of a pass */
#define LOOKUP_MAX 64u        /* lines that are looked up together */
#define ZONES_KNOWN_MS 5000u  /* how long what a look at all zones found is believed */

/* In the place of a command that no line has had yet. */
static int nothing_to_do(void *ctx, const struct cts_batch *batch)
{
	(void)ctx;
	(void)batch;
	return 0;
}

int gather_init(struct gather *g, bool keep_going)
{
	memset(g, 0, sizeof(*g));
	g->keep_going = keep_going;
	g->change[0].consumer.consume = g->change[1].consumer.consume = nothing_to_do;
	g->lines = selections_create();
	g->pipe = cts_pipeline_create();
	if (!g->lines || !g->pipe)
		return -1;
	if (cts_pipeline_add_filter(g->pipe, &selections_filter, g->lines) < 0 ||
	    cts_pipeline_add_consumer(g->pipe, &g->change[0].consumer) < 0)
		return -1;
	return cts_pipeline_add_consumer(g->pipe, &g->change[1].consumer);
}

static void gather_close(struct gather *g, unsigned int i)
{
	if (!g->print_error)
		g->print_error = g->change[i].print_error;
	if (g->change[i].printer)
		change_close(&g->change[i]);
	free(g->labelmap[i]);
	g->labelmap[i] = NULL;
}

int gather_print_error(const struct gather *g)
{
	for (int i = 0; i < 2; i++)
		if (g->change[i].print_error)
			return g->change[i].print_error;
	return g->print_error;
}

void gather_fini(struct gather *g)
{
	gather_close(g, 0);
	gather_close(g, 1);
	cts_writer_close(g->getter);
	cts_pipeline_destroy(g->pipe);
	selections_destroy(g->lines);
}

/* -- which lines go together -- */

static unsigned int which(const struct cmdline *cl)
{
	return cl->command->id == CMD_UPDATE;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What the line's command prints is printed as for the lines before it. */
static bool prints_alike(const struct gather *g, const struct cmdline *cl)
{
	unsigned int i = which(cl);

	return g->change[i].printer && g->output[i] == cl->output &&
	       same_text(g->labelmap[i], cl->labelmap_path);
}

/* A delete that an update before it could make fit, or no longer fit. */
static bool looks_at_values(const struct cmdline *cl)
{
	uint64_t values = OPT_BIT(OPT_MARK) | OPT_BIT(OPT_STATUS) | OPT_BIT(OPT_TIMEOUT);

	return cl->given & values || cl->proto_given & PO_BIT(PO_STATE);
}

/* The line selects by one whole original tuple, in any zone or in that of -w. */
static bool names_tuple(const struct cmdline *cl)
{
	const uint64_t needed = OPT_BIT(OPT_ORIG_SRC) | OPT_BIT(OPT_ORIG_DST) | OPT_BIT(OPT_PROTO);
	const uint64_t zones = OPT_BIT(OPT_ORIG_ZONE) | OPT_BIT(OPT_REPLY_ZONE);
	uint32_t ports;

	if ((cl->given & needed) != needed || cl->given & zones || cl->src_masked ||
	    cl->dst_masked)
		return false;
	switch (cts_l4_kind(cl->store.flow.orig.proto)) {
	case CTS_L4_PORTS:
		ports = PO_BIT(PO_SPORT) | PO_BIT(PO_DPORT);
		break;
	case CTS_L4_ICMP:
		ports = PO_BIT(PO_ICMP_TYPE) | PO_BIT(PO_ICMP_CODE) | PO_BIT(PO_ICMP_ID);
		break;
	default:
		ports = 0;
		break;
	}
	return (cl->proto_given & ports) == ports;
}

static bool named_before(const struct gather *g, const struct cmdline *cl)
{
	size_t i;

	for (i = 0; i < selections_count(g->lines); i++)
		if (!memcmp(&selections_get(g->lines, i)->store.flow.orig, &cl->store.flow.orig,
			    sizeof(cl->store.flow.orig)))
			return true;
	return false;
}

bool gather_must_run(const struct gather *g, const struct cmdline *cl)
{
	size_t n = selections_count(g->lines);

	if (!n)
		return false;
	if (n == PASS_MAX || !prints_alike(g, cl))
		return true;
	if (g->whole && (n == LOOKUP_MAX || (names_tuple(cl) && named_before(g, cl))))
		return true;
	/* Values are all that an update can both change and a line look at. */
	if (g->labels_change && cmdline_has(cl, OPT_LABEL))
		return true;
	return g->values_change && cl->command->id == CMD_DELETE && looks_at_values(cl);
}

static int gather_open(struct gather *g, const struct cmdline *cl)
{
	unsigned int i = which(cl);

	gather_close(g, i);
	g->change[i] = (struct change){ .lines = g->lines, .keep_going = g->keep_going };
	g->output[i] = cl->output;
	if (cl->labelmap_path) {
		g->labelmap[i] = strdup(cl->labelmap_path);
		if (!g->labelmap[i])
			return -1;
	}
	return change_open(&g->change[i], cl);
}

int gather_add(struct gather *g, const struct cmdline *cl)
{
	if (!prints_alike(g, cl) && gather_open(g, cl) < 0)
		return -1;
	g->whole = (!selections_count(g->lines) || g->whole) && names_tuple(cl);
	g->labels_change |= cmdline_has(cl, OPT_LABEL_ADD) || cmdline_has(cl, OPT_LABEL_DEL);
	g->values_change |= cl->command->id == CMD_UPDATE;
	return selections_add(g->lines, cl);
}

/* -- a pass -- */

static unsigned int at_work(struct gather *g, struct change *c[2])
{
	unsigned int i, n = 0;

	for (i = 0; i < 2; i++)
		if (g->change[i].printer)
			c[n++] = &g->change[i];
	return n;
}

static int gather_pass(struct gather *g)
{
	struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK, .read_ahead = true };
	struct cts_flow pushed;
	struct change *c[2];
	unsigned int n = at_work(g, c);

	if (selections_count(g->lines) == 1)
		select_push(selections_get(g->lines, 0), &conf, &pushed);
	g->passes++;
	return change_pass(c, n, &conf, g->pipe);
}

/* -- looking up -- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void zones_push(void *ctx, const struct cts_event *const *ev, size_t n)
{
	const uint64_t zone = CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) |
			      CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY);
	struct gather *g = ctx;
	size_t i;

	for (i = 0; i < n; i++)
		g->zones |= (ev[i]->flow->present & zone) != 0;
}

/* Without -w a line means entries of all zones, but a lookup finds one zone's. */
static int look_at_zones(struct gather *g)
{
	struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK, .read_ahead = true };
	struct cts_dump *dump;
	int ret;

	if (g->zones || now_ms() < g->zones_known_ms)
		return 0;
	dump = cts_dump_open(&conf);
	if (!dump)
		return -1;
	ret = cts_dump_run(dump, zones_push, g);
	if (ret < 0)
		g->zones = true;  /* perhaps: it was not read whole */
	cts_dump_close(dump);
	g->zones_known_ms = now_ms() + ZONES_KNOWN_MS;
	return 0;
}

static bool all_in_one_zone(const struct gather *g)
{
	size_t i;

	for (i = 0; g->zones && i < selections_count(g->lines); i++)
		if (!cmdline_has(selections_get(g->lines, i), OPT_ZONE))
			return false;
	return true;
}

static void lookup_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	const struct cts_event ev = { .type = CTS_EVENT_NEW, .origin = CTS_ORIGIN_DUMP,
				      .flow = flow, .time_ns = time_now_ns() };
	const struct cts_event *const list = &ev;
	struct gather *g = ctx;

	(void)cookie;
	cts_pipeline_push(g->pipe, &list, 1);
}

static void lookup_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct gather *g = ctx;

	if (cls == CTS_WRITE_UPDATED || cls == CTS_WRITE_ABSENT)
		return;
	change_refused(&g->change[which(selections_get(g->lines, cookie))],
		       &selections_get(g->lines, cookie)->at, err ? err : EIO);
}

static int getter_open(struct gather *g)
{
	const struct cts_writer_conf conf = { .ctx = g, .done = lookup_done,
					      .found = lookup_found };

	if (!g->getter)
		g->getter = cts_writer_open(&conf);
	return g->getter ? 0 : -1;
}

static int gather_lookup(struct gather *g)
{
	struct change *c[2];
	unsigned int n = at_work(g, c);
	size_t i;

	if (getter_open(g) < 0)
		return -1;
	for (i = 0; i < selections_count(g->lines); i++) {
		struct cts_flow key = selections_get(g->lines, i)->store.flow;

		key.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) |
			      (key.present & CTS_FLOW_BIT(CTS_FLOW_ZONE));
		if (cts_writer_add(g->getter, CTS_OP_GET, &key, i) < 0)
			return -1;
	}
	g->lookups += selections_count(g->lines);
	if (cts_writer_flush(g->getter) < 0)
		return -1;
	return change_finish(c, n);
}

int gather_run(struct gather *g, uint64_t *refused)
{
	bool lookup = g->whole;
	uint64_t said;
	int ret;

	if (!selections_count(g->lines))
		return 0;
	if (lookup && look_at_zones(g) < 0)
		return -1;
	ret = lookup && all_in_one_zone(g) ? gather_lookup(g) : gather_pass(g);
	selections_clear(g->lines);
	g->whole = g->labels_change = g->values_change = false;
	said = g->change[0].failures + g->change[1].failures;
	g->change[0].failures = g->change[1].failures = 0;
	*refused += said;
	return said ? 0 : ret;
}
