/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ctsync/log.h>

#include "core/kernel/table.h"
#include "core/node/node.h"
#include "core/node/own_flows.h"
#include "core/node/mirror.h"

#define CACHE_LIMIT_DEFAULT 262144u /* where nf_conntrack_max cannot be read */
#define LIMIT_EVERY_US 3000000u     /* how often it is read again */

struct cts_node {
	struct cts_node_conf conf;
	struct cts_node_own_flows own_flows;
	struct cts_node_reader *reader; /* owned, as all that follows */
	/* NULL without a sync group */
	bool table_read; /* since the start, or the last flush of the cache */
	bool started;    /* the table was read once */
	struct cts_links *links;
	struct cts_engine *engine;
	struct cts_mirror *mirror;
	struct cts_writer *writer;
	struct cts_takeover *takeover;
	struct cts_timer *timer;
	struct cts_timer *limit_timer;
	size_t limit; /* of the caches */
	struct cts_consumer sync;
	uint64_t due_ns;     /* that timer is armed for */
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	bool events;         /* somebody but the mirror wants each of them */
};

uint64_t cts_node_now_ns(const struct cts_node *n)
{
	return cts_loop_now_ns(n->conf.loop);
}

/* -- the engine's side -- */

static int engine_send(void *ctx, const struct iovec *msg, unsigned int n_msg, uint32_t to_node)
{
	struct cts_node *n = ctx;

	return cts_links_send(n->links, msg, n_msg, to_node);
}

static size_t engine_max_message(void *ctx)
{
	struct cts_node *n = ctx;

	return cts_links_max_message(n->links);
}

static void engine_random(void *ctx, void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

static void engine_undelivered(void *ctx)
{
	struct cts_node *n = ctx;

	cts_links_undelivered(n->links);
}

static void engine_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	struct cts_node *n = ctx;

	cts_links_received(n->links, link, peer, node);
}

static void engine_applied(void *ctx, uint32_t node, const struct cts_applied *list, size_t len)
{
	struct cts_node *n = ctx;

	cts_takeover_applied(n->takeover, node, list, len, cts_node_now_ns(n));
}

static const char *node_name(struct cts_node *n, uint32_t node, struct cts_node_info *info)
{
	struct cts_node_info all[CTS_NODES_MAX + 1];
	size_t len = cts_engine_nodes(n->engine, all, CTS_NODES_MAX + 1, cts_node_now_ns(n));

	for (size_t i = 0; i < len; i++) {
		if (all[i].id != node)
			continue;
		*info = all[i];
		return info->name[0] ? info->name : "(unnamed)";
	}
	return "(unknown)";
}

static void engine_peer_state(void *ctx, uint32_t node, enum cts_peer_state state, const char *why)
{
	static const char *const names[] = { "is down", "joins", "is in sync" };
	struct cts_node *n = ctx;
	struct cts_node_info info;

	cts_info("sync: node %s (%08x) %s: %s", node_name(n, node, &info), node, names[state],
		 why ? why : "");
	cts_takeover_peer_state(n->takeover, node, state, cts_node_now_ns(n));
}

/* What the engine says at most once a minute. */
static void engine_report(void *ctx, enum cts_sync_report what, uint32_t node, unsigned int link,
			  uint32_t peer, const char *text)
{
	struct cts_node *n = ctx;
	struct cts_node_info info;
	char from[CTS_LINK_PEER_LEN] = "", name[128] = "";

	if (peer)
		cts_links_peer(n->links, link, peer, from);
	if (node)
		snprintf(name, sizeof(name), "node %s (%08x)", node_name(n, node, &info), node);
	cts_warn("sync: %s%s%s%s%s", name, *from ? " at " : "", from, *name || *from ? ": " : "",
		 text);
}

static struct cts_engine_ops engine_ops(bool inject)
{
	return (struct cts_engine_ops){
		.send = engine_send,
		.max_message = engine_max_message,
		.random = engine_random,
		.received = engine_received,
		/* replicas go into the kernel at once */
		.applied = inject ? engine_applied : NULL,
		.peer_state = engine_peer_state,
		.undelivered = engine_undelivered,
		.report = engine_report,
	};
}

/* -- the links' side -- */

static void links_received(void *ctx, unsigned int link, uint32_t peer, const struct iovec *msg,
			   unsigned int n_msg)
{
	struct cts_node *n = ctx;

	cts_engine_receive(n->engine, link, peer, msg, n_msg, cts_node_now_ns(n));
}

static void links_writable(void *ctx)
{
	struct cts_node *n = ctx;

	cts_engine_writable(n->engine, cts_node_now_ns(n));
}

static void links_node_down(void *ctx, uint32_t node)
{
	struct cts_node *n = ctx;

	cts_engine_peer_down(n->engine, node, cts_node_now_ns(n));
}

static void links_greet(void *ctx)
{
	struct cts_node *n = ctx;

	cts_engine_greet(n->engine);
}

static const struct cts_links_ops links_ops = {
	.received = links_received,
	.writable = links_writable,
	.node_down = links_node_down,
	.announce = links_greet,
};

/* -- the kernel's side -- */

static void mirror_get(void *ctx, const struct cts_flow *key)
{
	struct cts_node *n = ctx;

	cts_node_reader_get(n->reader, key);
}

static bool mirror_foreign(void *ctx, const uint8_t *key, size_t key_len,
			   const struct cts_flow *flow)
{
	struct cts_node *n = ctx;

	/* What is in the kernel when this daemon starts was its own before, as far as
	 * anybody knows: a node that took it over meanwhile gives it back. */
	return n->started && cts_takeover_foreign(n->takeover, key, key_len, flow);
}

static size_t mirror_join(void *ctx, const uint8_t *packed, size_t len,
			  uint8_t joined[CTS_PACK_MAX], uint32_t *above)
{
	struct cts_node *n = ctx;

	return cts_takeover_join(n->takeover, packed, len, joined, above);
}

static const struct cts_follow_ops mirror_ops = { .get = mirror_get, .foreign = mirror_foreign };

static int sync_consume(void *ctx, const struct cts_batch *batch)
{
	struct cts_node *n = ctx;

	cts_follow_consume(cts_mirror_follow(n->mirror), batch, cts_node_now_ns(n));
	return 0;
}

static void table_ready(void *ctx)
{
	struct cts_node *n = ctx;

	if (!n->table_read)
		cts_info("sync: the kernel's table is read: %zu flows",
			 cts_cache_count(cts_engine_internal(n->engine)));
	n->table_read = n->started = true;
	cts_engine_table_ready(n->engine, cts_node_now_ns(n));
}

static int kernel_add(void *ctx, enum cts_write_op op, const struct cts_flow *flow, uint64_t cookie)
{
	struct cts_node *n = ctx;

	return cts_writer_add(n->writer, op, flow, cookie);
}

static int kernel_flush(void *ctx)
{
	struct cts_node *n = ctx;

	return cts_writer_flush(n->writer);
}

static uint64_t kernel_room(void *ctx)
{
	int64_t max = cts_table_max(), count = cts_table_count();

	if (max < 0 || count < 0)
		return UINT64_MAX;
	return max > count ? (uint64_t)(max - count) : 0;
}

static const struct cts_node_kernel kernel = {
	.add = kernel_add,
	.flush = kernel_flush,
	.room = kernel_room,
};

static void writer_done(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct cts_node *n = ctx;

	cts_takeover_written(n->takeover, cookie, cls, err);
}

/* -- the turn -- */

static void timer_fired(void *ctx)
{
	struct cts_node *n = ctx;

	/* The turn that this wakes runs the engine, which must arm the timer again
	 * even when its deadline is still the same. */
	n->due_ns = 0;
}

static void run_engine(struct cts_node *n)
{
	uint64_t now = cts_node_now_ns(n);
	uint64_t next = cts_engine_run(n->engine, now);
	uint64_t job = cts_takeover_deadline(n->takeover);

	next = job < next ? job : next;
	cts_loop_wake_by(n->conf.loop, next);
	if (next == n->due_ns)
		return;
	n->due_ns = next;
	if (next == UINT64_MAX)
		cts_timer_disarm(n->timer);
	else
		cts_timer_arm_us(n->timer, next > now ? (next - now + 999) / 1000 : 0);
}

bool cts_node_turn(struct cts_node *n)
{
	bool more = cts_node_reader_turn(n->reader);

	if (!n->engine)
		return more;
	more |= cts_takeover_step(n->takeover, cts_node_now_ns(n));
	run_engine(n);
	return more;
}

const uint64_t *cts_node_written(const struct cts_node *n)
{
	return cts_writer_counters(n->writer);
}

void cts_node_flush_internal(struct cts_node *n)
{
	if (!n->engine)
		return;
	n->table_read = false;
	cts_engine_flush_internal(n->engine, cts_node_now_ns(n));
	cts_node_reader_restart(n->reader);
}

void cts_node_bye(struct cts_node *n)
{
	if (n->engine)
		cts_engine_bye(n->engine, cts_node_now_ns(n));
}

/* -- making -- */

static size_t cache_limit(const struct cts_node *n)
{
	int64_t limit = cts_options_int(n->conf.config->cache, "limit");

	if (!limit)
		limit = cts_table_max();
	return limit > 0 ? (size_t)limit : CACHE_LIMIT_DEFAULT;
}

/* Whoever raises nf_conntrack_max means the caches, too. */
static void limit_fired(void *ctx)
{
	struct cts_node *n = ctx;
	size_t limit = cache_limit(n);

	cts_timer_arm_us(n->limit_timer, LIMIT_EVERY_US);
	if (limit == n->limit)
		return;
	cts_info("cache: the limit follows nf_conntrack_max: %zu entries, was %zu", limit,
		 n->limit);
	n->limit = limit;
	cts_engine_set_limit(n->engine, limit);
}

static enum cts_sync_mode sync_mode(const struct cts_options *sync)
{
	const char *mode = cts_options_string(sync, "mode");

	return strcmp(mode, "alarm") == 0     ? CTS_MODE_ALARM
	       : strcmp(mode, "notrack") == 0 ? CTS_MODE_NOTRACK
					      : CTS_MODE_FTFW;
}

static int create_links(struct cts_node *n)
{
	const struct cts_config *c = n->conf.config;
	unsigned int dead_after = (unsigned int)cts_options_int(c->sync, "dead_after_ms");

	n->links = cts_links_create(n->conf.loop, c->transports, c->n_transports, dead_after / 2,
				    &links_ops, n);
	if (!n->links)
		return -1;
	n->own_flows.n = cts_links_own_flows(n->links, n->own_flows.pattern,
					     CTS_NODE_OWN_FLOWS_MAX);
	return 0;
}

static int create_engine(struct cts_node *n)
{
	const struct cts_config *c = n->conf.config;
	const struct cts_options *sync = c->sync;
	const size_t limit = n->limit = cache_limit(n);
	uint32_t nodes[CTS_NODES_MAX];
	size_t n_nodes = cts_options_count(sync, "nodes");
	const struct cts_engine_ops ops = engine_ops(!cts_options_bool(sync, "external_cache"));
	const struct cts_engine_conf conf = {
		.mode = sync_mode(sync),
		.cluster = cts_options_string(sync, "cluster"),
		.node_name = c->node,
		.nodes = n_nodes ? nodes : NULL,
		.n_nodes = n_nodes,
		.table_id = n->conf.table_id,
		.cache_limit = limit,
		.attrs = cts_config_attributes(c),
		.dead_after_ms = (uint32_t)cts_options_int(sync, "dead_after_ms"),
		.purge_timeout_s = (uint32_t)cts_options_int(sync, "purge_timeout"),
		.refresh_s = (uint32_t)cts_options_int(sync, "refresh_time"),
		.expire_s = (uint32_t)cts_options_int(sync, "expire_time"),
		.min_age_ms = (uint32_t)cts_options_int(sync, "min_age_ms"),
		.startup_resync = cts_options_bool(sync, "startup_resync"),
		.membership = cts_links_membership(n->links),
	};

	for (size_t i = 0; i < n_nodes && i < CTS_NODES_MAX; i++)
		nodes[i] = cts_node_id(cts_options_item(sync, "nodes", i));
	n->engine = cts_engine_create(&conf, &ops, n, cts_node_now_ns(n));
	n->timer = cts_timer_create(n->conf.loop, timer_fired, n);
	n->limit_timer = cts_timer_create(n->conf.loop, limit_fired, n);
	if (!n->engine || !n->timer || !n->limit_timer)
		return -1;
	if (!cts_options_int(c->cache, "limit"))
		cts_timer_arm_us(n->limit_timer, LIMIT_EVERY_US);
	n->mirror = cts_mirror_create(n->engine, &mirror_ops, n);
	if (!n->mirror)
		return -1;
	if (!cts_options_bool(sync, "external_cache"))
		cts_mirror_set_join(n->mirror, mirror_join, n);
	return 0;
}

/* Outputs need an event for every flow; the caches alone can do with a dump. */
static void takeover_suppress_new(void *ctx, bool on)
{
	struct cts_node *n = ctx;

	if (!n->events)
		cts_node_reader_suppress_new(n->reader, on);
}

static uint64_t takeover_clock_ns(void *ctx)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int create_takeover(struct cts_node *n)
{
	const struct cts_config *c = n->conf.config;
	const struct cts_takeover_conf conf = {
		.engine = n->engine,
		.kernel = &kernel,
		.ctx = n,
		.clock_ns = takeover_clock_ns,
		.suppress_new = takeover_suppress_new,
		.inject = !cts_options_bool(c->sync, "external_cache"),
		.commit_timeout_s = (uint32_t)cts_options_int(c->sync, "commit_timeout"),
		.purge_timeout_s = (uint32_t)cts_options_int(c->sync, "purge_timeout"),
	};
	const struct cts_writer_conf w = {
		.collision_replace = strcmp(cts_options_string(c->kernel, "collision"),
					    "replace") == 0,
		.tcp_window_tracking = cts_options_bool(c->sync, "tcp_window_tracking"),
		.ctx = n,
		.done = writer_done,
	};

	n->writer = cts_writer_open(&w);
	if (!n->writer) {
		cts_err("kernel: cannot open a netlink socket: %s", strerror(errno));
		return -1;
	}
	n->takeover = cts_takeover_create(&conf);
	return n->takeover ? 0 : -1;
}

struct cts_node *cts_node_create(const struct cts_node_conf *conf)
{
	struct cts_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->conf = *conf;
	n->started_ns = cts_node_now_ns(n);
	if (conf->config->sync &&
	    (create_links(n) < 0 || create_engine(n) < 0 || create_takeover(n) < 0))
		goto err;
	if (cts_pipeline_add_filter(conf->pipeline, &cts_node_own_flows_filter, &n->own_flows) < 0)
		goto err;
	return n;
err:
	cts_node_destroy(n);
	return NULL;
}

static enum cts_coalesce_mode coalesce_mode(const struct cts_options *k)
{
	const char *mode = cts_options_string(k, "coalesce");

	return strcmp(mode, "never") == 0    ? CTS_COALESCE_NEVER
	       : strcmp(mode, "always") == 0 ? CTS_COALESCE_ALWAYS
					     : CTS_COALESCE_ADAPTIVE;
}

static int create_reader(struct cts_node *n, const struct cts_push *push)
{
	const struct cts_options *k = n->conf.config->kernel;
	uint32_t own[1];
	struct cts_node_reader_conf conf = {
		.loop = n->conf.loop,
		.pipeline = n->conf.pipeline,
		.push = push,
		.own_portids = own,
		.event_buffer = (size_t)cts_options_int(k, "event_buffer"),
		.reliable = cts_options_bool(k, "reliable_events"),
		.poll_s = (unsigned int)cts_options_int(k, "poll_interval"),
		.reconcile_s = (unsigned int)cts_options_int(k, "reconcile_interval"),
		.coalesce = coalesce_mode(k),
	};

	if (n->writer)
		own[conf.n_own_portids++] = cts_writer_portid(n->writer);
	n->reader = cts_node_reader_create(&conf);
	return n->reader ? 0 : -1;
}

int cts_node_start(struct cts_node *n, const struct cts_push *push, bool events)
{
	n->events = events;
	if (create_reader(n, push) < 0)
		return -1;
	if (!n->engine)
		return 0;
	cts_node_reader_set_mirror(n->reader, n->mirror, table_ready, n);
	n->sync = (struct cts_consumer){
		.name = "sync",
		.origins = 1u << CTS_ORIGIN_KERNEL | 1u << CTS_ORIGIN_DUMP,
		.ctx = n,
		.consume = sync_consume,
	};
	/* The last: it also looks at what filters refused. */
	return cts_pipeline_add_consumer(n->conf.pipeline, &n->sync);
}

void cts_node_destroy(struct cts_node *n)
{
	if (!n)
		return;
	cts_node_reader_destroy(n->reader);
	cts_takeover_destroy(n->takeover);
	cts_writer_close(n->writer);
	cts_mirror_destroy(n->mirror);
	cts_engine_destroy(n->engine);
	cts_links_destroy(n->links);
	cts_timer_destroy(n->timer);
	cts_timer_destroy(n->limit_timer);
	free(n);
}

/* -- the parts -- */

struct cts_engine *cts_node_engine(struct cts_node *n)
{
	return n->engine;
}

struct cts_links *cts_node_links(struct cts_node *n)
{
	return n->links;
}

struct cts_takeover *cts_node_takeover(struct cts_node *n)
{
	return n->takeover;
}

struct cts_node_reader *cts_node_reader(struct cts_node *n)
{
	return n->reader;
}

const struct cts_config *cts_node_config(const struct cts_node *n)
{
	return n->conf.config;
}

uint64_t cts_node_started_ns(const struct cts_node *n)
{
	return n->started_ns;
}
