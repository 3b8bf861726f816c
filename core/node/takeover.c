/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ctsync/log.h>

#include "core/flow/pack.h"

#include "core/node/takeover.h"

#define STEP_ENTRIES 512u          /* kernel operations a step: 1 to 2 ms */
#define STEP_LOOK 8192u            /* entries a step that need no operation */
#define QUEUE_MAX 65536u           /* changes that wait to be injected */
#define COMMIT_AHEAD 8u            /* entries that are fetched before they are looked at */
#define HUSH_ENTRIES 4096u         /* a commit of so many is worth a dump after it */
#define TIMEOUT_MIN_S 60u          /* of a committed flow... */
#define TIMEOUT_MIN_OPENING_S 10u  /* ... of a TCP connection that is not established */
#define REARM_EVERY_NS UINT64_C(10000000000)
#define REARM_SOON_S 60u           /* timeouts shorter than this: in each round, */
#define REARM_LATER_S 600u         /* than this: in every sixth; others: in every 36th */

enum job_kind { JOB_NONE, JOB_COMMIT, JOB_PURGE };

/* A change of a replica that the kernel is to hear of. */
struct change {
	uint32_t node;
	uint32_t ref;              /* 0: gone, key says what */
	uint8_t key_len;
	uint8_t key[CTS_PACK_KEY_MAX];
};

/* A walk through external caches. */
struct walk {
	struct cts_node_info node[CTS_NODES_MAX + 1];
	size_t n, at;
	uint32_t ref;
};

struct cts_node_takeover {
	struct cts_node_takeover_conf conf;
	struct cts_writer *writer;          /* owned */
	struct cts_timer *purge_timer;      /* owned */
	struct cts_timer *rearm_timer;      /* owned; inject only */
	struct cts_flow_store store;
	int role;                           /* -1: standby, 0: unknown, 1: active */
	bool handover;                      /* JOB_PURGE: only what another node has */
	uint32_t purge_wait_s;              /* until the next purge */
	uint32_t purge_left_s;              /* until the one of everything */
	uint64_t kernel_flushes;

	/* the job */
	enum job_kind kind;
	struct walk walk;
	unsigned int pass;                  /* commit: 0 masters, 1 related flows */
	uint64_t begun_ns;
	bool hushed;                        /* conf.hush(true) was called */
	struct cts_node_takeover_result result;
	void (*done)(void *ctx, const struct cts_node_takeover_result *res);
	void *done_ctx;

	/* injection */
	struct change *queue;               /* owned; ring of QUEUE_MAX */
	uint32_t queue_at, queue_len;
	struct walk rearm;
	bool rearming;
	unsigned int rearm_round;
};

/* Cookies say what an operation was for. */
#define COOKIE_COMMIT UINT64_C(0)
#define COOKIE_PURGE UINT64_C(1)
#define COOKIE_INJECT UINT64_C(2)

static uint64_t cookie(uint64_t kind, size_t node, uint32_t ref)
{
	return kind << 60 | (uint64_t)node << 32 | ref;
}

static uint64_t now_ns(const struct cts_node_takeover *t)
{
	return cts_loop_now_ns(t->conf.loop);
}

/* Not the loop's: a job that takes one turn takes time, too. */
static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* -- what the kernel answered -- */

static bool in_kernel(enum cts_write_class cls)
{
	return cls == CTS_WRITE_CREATED || cls == CTS_WRITE_UPDATED ||
	       cls == CTS_WRITE_NO_MASTER || cls == CTS_WRITE_NO_HELPER ||
	       cls == CTS_WRITE_NO_STATUS;
}

static void written(void *ctx, uint64_t c, enum cts_write_class cls, int err)
{
	struct cts_node_takeover *t = ctx;
	uint64_t kind = c >> 60;
	size_t node = c >> 32 & 0xfffffff;
	uint32_t ref = (uint32_t)c;

	if (kind == COOKIE_INJECT)
		return;
	t->result.by_class[cls]++;
	if (cls == CTS_WRITE_TABLE_FULL)
		t->result.full = true;
	if (kind == COOKIE_COMMIT && in_kernel(cls))
		cts_engine_adopt(t->conf.engine, t->walk.node[node].id, ref, now_ns(t));
	if (kind == COOKIE_PURGE && (cls == CTS_WRITE_DELETED || cls == CTS_WRITE_ABSENT))
		cts_engine_gone(t->conf.engine, ref, now_ns(t));
}

/* -- walking -- */

static void walk_begin(struct cts_node_takeover *t, struct walk *w)
{
	memset(w, 0, sizeof(*w));
	w->n = cts_engine_nodes(t->conf.engine, w->node, CTS_NODES_MAX + 1, now_ns(t));
}

/* The next replica; NULL: this was all. The entry is w->ref of node w->at. */
static struct cts_cache *walk_next(struct cts_node_takeover *t, struct walk *w)
{
	for (; w->at < w->n; w->at++, w->ref = 0) {
		struct cts_cache *cache = w->node[w->at].self
			? NULL : cts_engine_external(t->conf.engine, w->node[w->at].id);

		w->ref = cache ? cts_cache_next(cache, w->ref) : 0;
		if (w->ref)
			return cache;
	}
	return NULL;
}

static bool unpack(struct cts_node_takeover *t, struct cts_cache *cache, uint32_t ref)
{
	size_t len;
	const uint8_t *data = cts_cache_data(cache, ref, &len);

	return data && cts_flow_unpack(data, len, &t->store, NULL) == 0;
}

/* An owner's silence about a flow means that it lives: its age counts only from
 * when the owner itself was last heard. */
static void set_timeout(struct cts_node_takeover *t, const struct cts_node_info *owner)
{
	struct cts_flow *f = &t->store.flow;
	uint64_t now = now_ns(t);
	uint64_t absent_s = owner->last_heard_ns && now > owner->last_heard_ns
				    ? (now - owner->last_heard_ns) / 1000000000u : 0;
	bool opening = f->orig.proto == IPPROTO_TCP && cts_flow_has(f, CTS_FLOW_TCP_STATE) &&
		       f->tcp_state != TCP_CONNTRACK_ESTABLISHED;
	uint32_t least = opening ? TIMEOUT_MIN_OPENING_S : TIMEOUT_MIN_S;

	if (!cts_flow_has(f, CTS_FLOW_TIMEOUT)) {
		if (!t->conf.commit_timeout_s)
			return; /* the writer knows the protocol's default */
		f->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
		f->timeout = t->conf.commit_timeout_s;
	}
	if (t->conf.commit_timeout_s && f->timeout > t->conf.commit_timeout_s)
		f->timeout = t->conf.commit_timeout_s;
	f->timeout = f->timeout > absent_s ? f->timeout - (uint32_t)absent_s : 0;
	if (f->timeout < least)
		f->timeout = least;
}

/* -- the job: commit or purge -- */

/* After 1, 2, 4... seconds: whoever takes over may be about to. */
static void purge_again(struct cts_node_takeover *t)
{
	t->purge_wait_s = t->purge_wait_s ? t->purge_wait_s * 2 : 1;
	if (t->purge_wait_s > t->purge_left_s)
		t->purge_wait_s = t->purge_left_s;
	t->purge_left_s -= t->purge_wait_s;
	cts_timer_arm_us(t->purge_timer, (uint64_t)t->purge_wait_s * 1000000u);
}

static void job_end(struct cts_node_takeover *t)
{
	void (*done)(void *ctx, const struct cts_node_takeover_result *res) = t->done;

	t->result.ns = clock_ns() - t->begun_ns;
	if (t->hushed)
		t->conf.hush(t->conf.ctx, false);
	t->hushed = false;
	if (t->kind == JOB_PURGE)
		t->kernel_flushes++;
	if (t->kind == JOB_PURGE && t->handover && t->result.kept)
		purge_again(t);
	t->kind = JOB_NONE;
	t->done = NULL;
	if (done)
		done(t->done_ctx, &t->result);
}

static int job_begin(struct cts_node_takeover *t, enum job_kind kind,
		     void (*done)(void *ctx, const struct cts_node_takeover_result *res), void *ctx)
{
	if (t->kind != JOB_NONE) {
		errno = EBUSY;
		return -1;
	}
	t->kind = kind;
	t->done = done;
	t->done_ctx = ctx;
	t->pass = 0;
	t->begun_ns = clock_ns();
	memset(&t->result, 0, sizeof(t->result));
	walk_begin(t, &t->walk);
	return 0;
}

static uint64_t replicas(const struct cts_node_takeover *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->walk.n; i++)
		n += t->walk.node[i].self ? 0 : t->walk.node[i].entries;
	return n;
}

int cts_node_takeover_commit(struct cts_node_takeover *t, void (*done)(void *ctx, const struct cts_node_takeover_result *res),
		    void *ctx)
{
	if (job_begin(t, JOB_COMMIT, done, ctx) < 0)
		return -1;
	t->hushed = t->conf.hush && replicas(t) >= HUSH_ENTRIES;
	if (t->hushed)
		t->conf.hush(t->conf.ctx, true);
	return 0;
}

int cts_node_takeover_purge(struct cts_node_takeover *t, void (*done)(void *ctx, const struct cts_node_takeover_result *res),
		   void *ctx)
{
	if (t->kind == JOB_NONE) /* else a demote goes on */
		t->handover = false;
	return job_begin(t, JOB_PURGE, done, ctx);
}

void cts_node_takeover_forget(struct cts_node_takeover *t, void *ctx)
{
	if (t->done_ctx == ctx)
		t->done = NULL;
}

/* One replica. true: an operation was made of it. */
static bool commit_entry(struct cts_node_takeover *t, struct cts_cache *cache)
{
	const struct cts_node_info *owner = &t->walk.node[t->walk.at];
	size_t len;
	const uint8_t *data = cts_cache_data(cache, t->walk.ref, &len);

	if (!unpack(t, cache, t->walk.ref) ||
	    cts_flow_has(&t->store.flow, CTS_FLOW_MASTER) != (t->pass == 1))
		return false;
	if (!cts_engine_newest(t->conf.engine, owner->id, t->walk.ref))
		return false;
	t->result.entries++;
	if (cts_engine_find(t->conf.engine, data, cts_packed_key_len(data, len))) {
		t->result.by_class[CTS_WRITE_UPDATED]++; /* the kernel has it already */
		return false;
	}
	t->result.unconfirmed += !owner->in_sync;
	set_timeout(t, owner);
	return cts_writer_add(t->writer, CTS_OP_RESTORE, &t->store.flow,
			      cookie(COOKIE_COMMIT, t->walk.at, t->walk.ref)) == 0;
}

/* What the entries that follow will look up, in both caches. */
static void commit_prefetch(struct cts_node_takeover *t, struct cts_cache *cache)
{
	struct cts_cache *internal = cts_engine_internal(t->conf.engine);
	uint32_t ahead = t->walk.ref + COMMIT_AHEAD;
	const struct cts_entry *entry = cts_cache_entry(cache, ahead);
	const uint8_t *data;
	size_t len;

	if (!entry)
		return;
	data = cts_cache_data(cache, ahead, &len);
	cts_cache_prefetch_bucket(cache, entry->hash);
	cts_cache_prefetch_bucket(internal, cts_cache_hash(internal, data,
							   cts_packed_key_len(data, len)));
}

static void commit_step(struct cts_node_takeover *t)
{
	unsigned int ops = 0, look = 0;

	while (ops < STEP_ENTRIES && look++ < STEP_LOOK && !t->result.full) {
		struct cts_cache *cache = walk_next(t, &t->walk);

		if (cache) {
			commit_prefetch(t, cache);
			ops += commit_entry(t, cache);
			continue;
		}
		if (t->pass == 1)
			break;
		cts_writer_flush(t->writer); /* masters before what is related to them */
		t->pass = 1;
		t->walk.at = 0;
		t->walk.ref = 0;
	}
	cts_writer_flush(t->writer);
	if (t->result.full || (t->pass == 1 && t->walk.at >= t->walk.n))
		job_end(t);
}

static void purge_step(struct cts_node_takeover *t)
{
	struct cts_cache *cache = cts_engine_internal(t->conf.engine);
	unsigned int ops = 0, look = 0;

	while (ops < STEP_ENTRIES && look++ < STEP_LOOK) {
		const uint8_t *data;
		size_t len;

		t->walk.ref = cts_cache_next(cache, t->walk.ref);
		if (!t->walk.ref)
			break;
		data = cts_cache_data(cache, t->walk.ref, &len);
		if (cts_engine_find(t->conf.engine, data, cts_packed_key_len(data, len)) !=
		    t->walk.ref)
			continue; /* waits for its GONE to be heard */
		if (t->handover && !cts_engine_replica_exists(t->conf.engine, data,
							      cts_packed_key_len(data, len))) {
			t->result.kept++;
			continue;
		}
		t->result.entries++;
		if (unpack(t, cache, t->walk.ref) &&
		    cts_writer_add(t->writer, CTS_OP_DELETE, &t->store.flow,
				   cookie(COOKIE_PURGE, 0, t->walk.ref)) == 0)
			ops++;
	}
	cts_writer_flush(t->writer);
	if (!t->walk.ref)
		job_end(t);
}

/* -- injection -- */

static void inject(struct cts_node_takeover *t, const struct change *c)
{
	struct cts_cache *cache = cts_engine_external(t->conf.engine, c->node);

	if (c->ref) {
		/* As the replica is now; what it was in between does not matter. */
		if (cache && unpack(t, cache, c->ref))
			cts_writer_add(t->writer, CTS_OP_RESTORE, &t->store.flow,
				       cookie(COOKIE_INJECT, 0, 0));
		return;
	}
	/* Not if it is ours by now, or another node has it too. */
	if (cts_engine_find(t->conf.engine, c->key, c->key_len) ||
	    cts_engine_replica_exists(t->conf.engine, c->key, c->key_len))
		return;
	if (cts_flow_unpack(c->key, c->key_len, &t->store, NULL) == 0)
		cts_writer_add(t->writer, CTS_OP_DELETE, &t->store.flow,
			       cookie(COOKIE_INJECT, 0, 0));
}

static void inject_step(struct cts_node_takeover *t)
{
	for (unsigned int i = 0; i < STEP_ENTRIES && t->queue_len; i++) {
		inject(t, &t->queue[t->queue_at]);
		t->queue_at = (t->queue_at + 1) % QUEUE_MAX;
		t->queue_len--;
	}
	cts_writer_flush(t->writer);
}

void cts_node_takeover_applied(struct cts_node_takeover *t, uint32_t node, const struct cts_applied *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct change *c;

		while (t->queue_len == QUEUE_MAX)
			inject_step(t);
		c = &t->queue[(t->queue_at + t->queue_len++) % QUEUE_MAX];
		c->node = node;
		c->ref = list[i].gone ? 0 : list[i].ref;
		c->key_len = 0;
		if (list[i].gone) {
			size_t len = cts_packed_key_len(list[i].packed, list[i].len);

			c->key_len = (uint8_t)len;
			memcpy(c->key, list[i].packed, len);
		}
	}
}

bool cts_node_takeover_foreign(struct cts_node_takeover *t, const uint8_t *key, size_t key_len)
{
	return t->conf.inject && cts_engine_replica_exists(t->conf.engine, key, key_len);
}

/* The owner's kernel keeps a flow alive without an event: here it would run out. */
static bool rearm_due(const struct cts_node_takeover *t)
{
	const struct cts_flow *f = &t->store.flow;
	uint32_t timeout = cts_flow_has(f, CTS_FLOW_TIMEOUT) ? f->timeout : 0;

	return timeout < REARM_SOON_S || (timeout < REARM_LATER_S && t->rearm_round % 6 == 0) ||
	       t->rearm_round % 36 == 0;
}

static void rearm_step(struct cts_node_takeover *t)
{
	unsigned int ops = 0, look = 0;

	while (ops < STEP_ENTRIES && look++ < STEP_LOOK) {
		struct cts_cache *cache = walk_next(t, &t->rearm);

		if (!cache) {
			t->rearming = false;
			break;
		}
		if (!t->rearm.node[t->rearm.at].in_sync || !unpack(t, cache, t->rearm.ref) ||
		    !rearm_due(t))
			continue;
		ops++;
		cts_writer_add(t->writer, CTS_OP_RESTORE, &t->store.flow,
			       cookie(COOKIE_INJECT, 0, 0));
	}
	cts_writer_flush(t->writer);
}

static void rearm_fired(void *ctx)
{
	struct cts_node_takeover *t = ctx;

	if (!t->rearming) {
		t->rearming = true;
		t->rearm_round++;
		walk_begin(t, &t->rearm);
	}
	cts_timer_arm_us(t->rearm_timer, REARM_EVERY_NS / 1000u);
}

/* -- steps -- */

bool cts_node_takeover_step(struct cts_node_takeover *t)
{
	if (t->queue_len)
		inject_step(t);
	else if (t->rearming)
		rearm_step(t);
	if (t->kind == JOB_COMMIT)
		commit_step(t);
	else if (t->kind == JOB_PURGE)
		purge_step(t);
	return t->queue_len || t->rearming || t->kind != JOB_NONE;
}

bool cts_node_takeover_busy(const struct cts_node_takeover *t)
{
	return t->kind != JOB_NONE;
}

/* -- a purge later -- */

static void planned_done(void *ctx, const struct cts_node_takeover_result *res)
{
	cts_info("purge: %llu flows removed from the kernel",
		 (unsigned long long)res->by_class[CTS_WRITE_DELETED]);
}

static void purge_fired(void *ctx)
{
	struct cts_node_takeover *t = ctx;
	bool handover = t->purge_left_s > 0;

	if (cts_node_takeover_purge(t, planned_done, t) == 0)
		t->handover = handover;
	else
		cts_warn("purge: left out, a commit is in progress");
}

int cts_node_takeover_demote(struct cts_node_takeover *t, void (*done)(void *ctx, const struct cts_node_takeover_result *res),
		    void *ctx)
{
	t->role = -1;
	if (cts_node_takeover_purge(t, done, ctx) < 0)
		return -1;
	cts_timer_disarm(t->purge_timer);
	t->handover = true;
	t->purge_wait_s = 0;
	t->purge_left_s = t->conf.purge_timeout_s;
	return 0;
}

void cts_node_takeover_plan_purge(struct cts_node_takeover *t)
{
	t->purge_left_s = 0;
	cts_timer_arm_us(t->purge_timer, (uint64_t)t->conf.purge_timeout_s * 1000000u);
}

void cts_node_takeover_cancel_purge(struct cts_node_takeover *t)
{
	cts_timer_disarm(t->purge_timer);
}

/* -- making -- */

struct cts_node_takeover *cts_node_takeover_create(const struct cts_node_takeover_conf *conf)
{
	struct cts_node_takeover *t = calloc(1, sizeof(*t));
	const struct cts_writer_conf w = {
		.collision_replace = conf->collision_replace,
		.tcp_window_tracking = conf->tcp_window_tracking,
		.ctx = t,
		.done = written,
	};

	if (!t)
		return NULL;
	t->conf = *conf;
	t->writer = cts_writer_open(&w);
	if (!t->writer) {
		cts_err("kernel: cannot open a netlink socket: %s", strerror(errno));
		goto err;
	}
	t->purge_timer = cts_timer_create(conf->loop, purge_fired, t);
	t->rearm_timer = cts_timer_create(conf->loop, rearm_fired, t);
	if (!t->purge_timer || !t->rearm_timer)
		goto err;
	if (!conf->inject)
		return t;
	/* Not calloc: pages are made when they are first used. */
	t->queue = malloc(QUEUE_MAX * sizeof(*t->queue));
	if (!t->queue || cts_timer_arm_us(t->rearm_timer, REARM_EVERY_NS / 1000u) < 0)
		goto err;
	return t;
err:
	cts_node_takeover_destroy(t);
	return NULL;
}

void cts_node_takeover_destroy(struct cts_node_takeover *t)
{
	if (!t)
		return;
	cts_writer_close(t->writer);
	cts_timer_destroy(t->purge_timer);
	cts_timer_destroy(t->rearm_timer);
	free(t->queue);
	free(t);
}

uint32_t cts_node_takeover_portid(const struct cts_node_takeover *t)
{
	return cts_writer_portid(t->writer);
}

const char *cts_node_takeover_role(const struct cts_node_takeover *t)
{
	return t->role > 0 ? "active" : t->role < 0 ? "standby" : "unknown";
}

void cts_node_takeover_set_role(struct cts_node_takeover *t, bool active)
{
	t->role = active ? 1 : -1;
}

uint64_t cts_node_takeover_kernel_flushes(const struct cts_node_takeover *t)
{
	return t->kernel_flushes;
}

void cts_node_takeover_counters(const struct cts_node_takeover *t, uint64_t by_class[CTS_WRITE_CLASS_MAX])
{
	memcpy(by_class, cts_writer_counters(t->writer),
	       CTS_WRITE_CLASS_MAX * sizeof(by_class[0]));
}
