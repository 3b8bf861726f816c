/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ctsync/log.h>

#include "core/flow/pack.h"
#include "core/kernel/dump.h"
#include "core/kernel/writer.h"

#include "core/node/reader.h"

#define READ_ROUNDS 8u              /* recvmmsg a turn: others want their turn */
#define GATHER_EACH_NS 50000u       /* events may wait this long for each one of the last read */
#define GATHER_MAX_NS 250000u       /* and no longer */
#define GATHER_WITHIN_NS 3000000u   /* reads that follow so closely are load */
#define LOSS_CHECK_NS 10000000u     /* how often at least it is asked for while events come */
#define READ_FULL 64                /* fewer messages than this: the socket is empty */
#define SETTLE_PER_TURN 256u
#define GETS_PER_TURN 64u
#define GETS_MAX 65536u             /* more than these: a dump is cheaper */
#define RECONCILE_SHARE 100u        /* a dump's CPU time is at most 1/100 of what follows */
#define LOSS_DELAY_MS 100u          /* after a loss: first read what is left */
#define START_DELAY_MS 5u           /* peers first: they send while the table is read */

/* A key that the mirror asked for. */
struct get {
	uint8_t len;
	uint8_t key[CTS_PACK_KEY_MAX];
};

struct cts_node_reader {
	struct cts_node_reader_conf conf;
	struct cts_events *events;       /* owned */
	struct cts_watch *watch;         /* owned; on events */
	struct cts_timer *timer;         /* owned; the next reconciliation */
	struct cts_writer *query;        /* owned */
	struct cts_dump *dump;           /* owned; one in progress, or NULL */
	struct cts_mirror *mirror;       /* lent */
	void (*ready)(void *ctx);
	void *ready_ctx;
	struct get *gets;                /* owned; [gets_done, n_gets) wait */
	size_t n_gets, gets_size, gets_done;
	struct cts_flow_store key;       /* of the get in progress */
	uint64_t last_read_ns;
	uint64_t loss_check_ns;          /* of the last one */
	bool loss_unchecked;             /* events were read since */
	unsigned int last_read;          /* events of the last turn that read some */
	uint64_t lost, losses, reconciliations, broken, got, malformed;
	uint64_t dump_cpu_ns;            /* of the one in progress */
	uint64_t due_ns;                 /* of the next one; 0: not planned */
	bool wanted;                     /* a dump as soon as possible */
	bool settling, is_ready, readable;
	bool undrained;                  /* what was told before a loss may still be unread */
	bool hushed;                     /* not told of new flows; a dump follows */
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void push_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct cts_node_reader *r = ctx;

	cts_pipeline_push(r->conf.pipeline, ev, n);
}

/* -- events -- */

/*
 * System calls are dear, and who reads while others write gets one event a call.
 * So under load a readable socket is left alone for a moment, the longer the more
 * the last read brought: a quiet link keeps its latency, a busy one its CPU. The
 * first event after a pause is read at once. The rest is taken here, not by a
 * timer, which would cost more calls than it saves.
 */
static void events_readable(void *ctx, unsigned int flags)
{
	struct cts_node_reader *r = ctx;
	uint64_t rest = (uint64_t)r->last_read * GATHER_EACH_NS;
	struct timespec ts = {
		.tv_nsec = (long)(rest < GATHER_MAX_NS ? rest : GATHER_MAX_NS),
	};

	if (cts_loop_now_ns(r->conf.loop) - r->last_read_ns < GATHER_WITHIN_NS)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	r->readable = true;
}

static bool read_events(struct cts_node_reader *r)
{
	bool more = true;

	r->readable = false;
	r->last_read = 0;
	for (unsigned int i = 0; i < READ_ROUNDS && more; i++) {
		int n = cts_events_read(r->events, push_batch, r);

		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			cts_err("events: cannot read: %s", strerror(errno));
		if (n > 0)
			r->last_read += (unsigned int)n;
		more = n >= READ_FULL;
	}
	r->last_read_ns = cts_loop_now_ns(r->conf.loop);
	r->loss_unchecked = true;
	r->readable = more;
	r->undrained &= more;
	return more;
}

static void plan(struct cts_node_reader *r, uint64_t after_ms)
{
	r->due_ns = cts_loop_now_ns(r->conf.loop) + after_ms * 1000000u;
	cts_timer_arm_us(r->timer, after_ms * 1000u);
}

/* What was lost was lost before something could be read. To ask is a system call:
 * not after every few events, but always within a moment. */
static void check_loss(struct cts_node_reader *r)
{
	uint64_t now = cts_loop_now_ns(r->conf.loop), lost;

	if (!r->loss_unchecked ||
	    (r->last_read < READ_FULL && now - r->loss_check_ns < LOSS_CHECK_NS))
		return;
	r->loss_unchecked = false;
	r->loss_check_ns = now;
	lost = cts_events_lost(r->events);
	if (lost == r->lost)
		return;
	cts_warn("events: %llu lost, %llu in all; the kernel's table is read again",
		 (unsigned long long)(lost - r->lost), (unsigned long long)lost);
	r->lost = lost;
	r->losses++;
	r->undrained = true;
	plan(r, LOSS_DELAY_MS);
}

/* -- dumps -- */

static void dump_begin(struct cts_node_reader *r)
{
	struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK };

	r->wanted = false;
	r->due_ns = 0;
	r->dump_cpu_ns = 0;
	cts_mirror_dump_begin(r->mirror, cts_loop_now_ns(r->conf.loop));
	r->dump = cts_dump_open(&conf);
	if (r->dump)
		return;
	cts_err("dump: cannot begin: %s", strerror(errno));
	cts_mirror_dump_end(r->mirror, false, cts_loop_now_ns(r->conf.loop));
	r->broken++;
	plan(r, 1000);
}

static void dump_step(struct cts_node_reader *r)
{
	uint64_t before = cpu_ns();
	int ret = cts_dump_step(r->dump, push_batch, r);

	r->dump_cpu_ns += cpu_ns() - before;
	if (ret > 0)
		return;
	if (ret < 0 && errno != EINTR)
		cts_warn("dump: broke off: %s", strerror(errno));
	if (ret < 0)
		r->broken++;
	r->malformed += cts_dump_malformed(r->dump);
	cts_dump_close(r->dump);
	r->dump = NULL;
	cts_mirror_dump_end(r->mirror, ret == 0, cts_loop_now_ns(r->conf.loop));
	r->settling = true;
	/* EINTR: the table was resized and entries may be missing, which the
	 * mirror asks for one by one; a dump that broke off tells too little. */
	if (ret < 0 && errno != EINTR)
		plan(r, 1000);
}

/* The dump and all it asked for are through. */
static void dump_done(struct cts_node_reader *r)
{
	unsigned int interval = r->conf.poll_s ? r->conf.poll_s : r->conf.reconcile_s;
	uint64_t ms = (uint64_t)interval * 1000u;
	uint64_t stretched = r->dump_cpu_ns * RECONCILE_SHARE / 1000000u;

	r->reconciliations++;
	if (!r->is_ready) {
		r->is_ready = true;
		r->ready(r->ready_ctx);
	}
	if (interval && !r->due_ns)
		plan(r, ms > stretched || r->conf.poll_s ? ms : stretched);
}

static void timer_fired(void *ctx)
{
	struct cts_node_reader *r = ctx;

	r->wanted = true;
}

/* -- single entries -- */

void cts_node_reader_get(void *ctx, const struct cts_flow *key)
{
	struct cts_node_reader *r = ctx;
	struct get *g;

	if (r->hushed)
		return;
	if (r->n_gets == r->gets_size) {
		size_t size = r->gets_size ? r->gets_size * 2 : 256;

		g = size <= GETS_MAX ? realloc(r->gets, size * sizeof(*g)) : NULL;
		if (!g) {
			cts_node_reader_reconcile(r);
			return;
		}
		r->gets = g;
		r->gets_size = size;
	}
	g = &r->gets[r->n_gets];
	g->len = (uint8_t)cts_flow_pack_key(key, g->key);
	if (g->len)
		r->n_gets++;
}

static void get_found(void *ctx, uint64_t cookie, const struct cts_flow *flow)
{
	struct cts_node_reader *r = ctx;
	struct timespec ts;
	struct cts_event ev = {
		.type = CTS_EVENT_NEW, .origin = CTS_ORIGIN_DUMP, .flow = flow,
	};
	const struct cts_event *list[1] = { &ev };
	const struct get *g = &r->gets[cookie];
	uint8_t key[CTS_PACK_KEY_MAX];

	/* The kernel finds either direction: the reverse is another entry. */
	if (cts_flow_pack_key(flow, key) != g->len || memcmp(key, g->key, g->len) != 0) {
		if (cts_flow_unpack(g->key, g->len, &r->key, NULL) == 0)
			cts_mirror_absent(r->mirror, &r->key.flow, cts_loop_now_ns(r->conf.loop));
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	ev.time_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	cts_pipeline_push(r->conf.pipeline, list, 1);
}

static void get_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct cts_node_reader *r = ctx;
	const struct get *g = &r->gets[cookie];

	r->got++;
	if (cls == CTS_WRITE_ABSENT && cts_flow_unpack(g->key, g->len, &r->key, NULL) == 0)
		cts_mirror_absent(r->mirror, &r->key.flow, cts_loop_now_ns(r->conf.loop));
}

/* true: more wait. */
static bool run_gets(struct cts_node_reader *r)
{
	size_t end = r->n_gets - r->gets_done > GETS_PER_TURN ? r->gets_done + GETS_PER_TURN
							      : r->n_gets;

	if (r->gets_done == end)
		return false;
	for (size_t i = r->gets_done; i < end; i++)
		if (cts_flow_unpack(r->gets[i].key, r->gets[i].len, &r->key, NULL) == 0)
			cts_writer_add(r->query, CTS_OP_GET, &r->key.flow, i);
	if (cts_writer_flush(r->query) < 0)
		cts_warn("kernel: cannot ask for entries: %s", strerror(errno));
	r->gets_done = end;
	/* Answers may have asked for more, behind those that are done. */
	if (r->gets_done == r->n_gets)
		r->gets_done = r->n_gets = 0;
	return r->n_gets > 0;
}

/* -- the turn -- */

bool cts_node_reader_turn(struct cts_node_reader *r)
{
	bool more = false;

	if (r->events) {
		if (r->readable)
			more |= read_events(r);
		check_loss(r);
	}
	if (!r->mirror)
		return more;
	if (r->dump)
		dump_step(r);
	else if (r->settling && !cts_mirror_settle(r->mirror, SETTLE_PER_TURN,
						   cts_loop_now_ns(r->conf.loop))) {
		r->settling = false;
		dump_done(r);
	} else if (r->wanted && !r->settling && !r->hushed) {
		if (r->undrained)
			more |= read_events(r);
		if (!r->undrained)
			dump_begin(r);
		more |= r->undrained;
	}
	more |= run_gets(r);
	return more || r->dump || r->settling;
}

void cts_node_reader_reconcile(struct cts_node_reader *r)
{
	r->wanted = true;
	cts_timer_arm_us(r->timer, 0); /* wakes the loop */
}

void cts_node_reader_hush(struct cts_node_reader *r, bool on)
{
	if (!r->events || !r->mirror || on == r->hushed)
		return;
	if (cts_events_hear_new(r->events, !on) < 0) {
		cts_warn("events: cannot %s new flows: %s", on ? "leave out" : "hear of",
			 strerror(errno));
		return;
	}
	r->hushed = on;
	r->undrained = true;
	if (!on)
		cts_node_reader_reconcile(r);
}

/* -- making -- */

static int open_events(struct cts_node_reader *r)
{
	const struct cts_node_reader_conf *c = &r->conf;
	struct cts_events_conf conf;
	uint32_t own[8];
	unsigned int n = c->n_own_portids < 7 ? c->n_own_portids : 7;

	memcpy(own, c->own_portids, n * sizeof(own[0]));
	own[n++] = cts_writer_portid(r->query);
	conf = (struct cts_events_conf){
		.receive_buffer = c->event_buffer,
		.reliable = c->reliable,
		.own_portids = own,
		.n_own_portids = n,
		.push = c->push,
	};
	r->events = cts_events_open(&conf);
	if (!r->events) {
		cts_err("events: cannot open: %s", strerror(errno));
		return -1;
	}
	r->watch = cts_watch_create(c->loop, cts_events_fd(r->events), CTS_WATCH_READ,
				    events_readable, r);
	return r->watch ? 0 : -1;
}

struct cts_node_reader *cts_node_reader_create(const struct cts_node_reader_conf *conf)
{
	struct cts_node_reader *r = calloc(1, sizeof(*r));
	struct cts_writer_conf query = { .ctx = r, .done = get_done, .found = get_found };

	if (!r)
		return NULL;
	r->conf = *conf;
	r->query = cts_writer_open(&query);
	if (!r->query) {
		cts_err("kernel: cannot open a netlink socket: %s", strerror(errno));
		goto err;
	}
	r->timer = cts_timer_create(conf->loop, timer_fired, r);
	if (!r->timer || (!conf->poll_s && open_events(r) < 0))
		goto err;
	return r;
err:
	cts_node_reader_destroy(r);
	return NULL;
}

void cts_node_reader_destroy(struct cts_node_reader *r)
{
	if (!r)
		return;
	cts_watch_destroy(r->watch);
	cts_timer_destroy(r->timer);
	cts_events_close(r->events);
	cts_dump_close(r->dump);
	cts_writer_close(r->query);
	free(r->gets);
	free(r);
}

void cts_node_reader_set_mirror(struct cts_node_reader *r, struct cts_mirror *m, void (*ready)(void *ctx), void *ctx)
{
	r->mirror = m;
	r->ready = ready;
	r->ready_ctx = ctx;
	plan(r, START_DELAY_MS);
}

uint32_t cts_node_reader_portid(const struct cts_node_reader *r)
{
	return cts_writer_portid(r->query);
}

void cts_node_reader_get_stats(struct cts_node_reader *r, struct cts_node_reader_stats *st)
{
	uint64_t now = cts_loop_now_ns(r->conf.loop);

	*st = (struct cts_node_reader_stats){
		.lost = r->lost, .losses = r->losses, .reconciliations = r->reconciliations,
		.broken_dumps = r->broken, .gets = r->got, .malformed_dump = r->malformed,
		.dumping = r->dump || r->settling, .ready = r->is_ready,
		.next_ms = r->due_ns > now ? (r->due_ns - now) / 1000000u : 0,
	};
	if (!r->events)
		return;
	cts_events_get_stats(r->events, &st->events);
	st->buffer_size = cts_events_buffer_size(r->events);
}
