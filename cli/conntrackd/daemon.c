/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "core/kernel/table.h"
#include "core/log/log.h"

#include "cli/conntrackd/daemon.h"

#define CACHE_LIMIT_DEFAULT 262144u   /* where nf_conntrack_max cannot be read */

/* -- traffic: what destroyed flows had carried -- */

static int traffic_consume(void *ctx, const struct cts_batch *batch)
{
	struct daemon *d = ctx;
	const struct cts_event *ev;
	size_t i;

	for (i = 0; i < batch->n; i++)
		d->filtered += cts_batch_dropped(batch, i) &&
			       batch->ev[i]->origin == CTS_ORIGIN_KERNEL;
	cts_batch_for_each(i, ev, batch) {
		if (!ev->flow || ev->type == CTS_EVENT_UPDATE)
			continue;
		if (ev->type == CTS_EVENT_NEW) {
			d->created++;
			continue;
		}
		d->destroyed++;
		if (cts_flow_has(ev->flow, CTS_FLOW_COUNTERS_ORIG)) {
			d->traffic_packets += ev->flow->packets[CTS_DIR_ORIG];
			d->traffic_bytes += ev->flow->bytes[CTS_DIR_ORIG];
		}
		if (cts_flow_has(ev->flow, CTS_FLOW_COUNTERS_REPLY)) {
			d->traffic_packets += ev->flow->packets[CTS_DIR_REPLY];
			d->traffic_bytes += ev->flow->bytes[CTS_DIR_REPLY];
		}
	}
	return 0;
}

/* -- the engine's side -- */

static int engine_send(void *ctx, const struct iovec *msg, unsigned int n, uint32_t to_node)
{
	struct daemon *d = ctx;

	return cts_links_send(d->links, msg, n, to_node);
}

static size_t engine_max_message(void *ctx)
{
	struct daemon *d = ctx;

	return cts_links_max_message(d->links);
}

static void engine_random(void *ctx, void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

static void engine_stalled(void *ctx)
{
	struct daemon *d = ctx;

	cts_links_stalled(d->links);
}

static void engine_heard(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	struct daemon *d = ctx;

	cts_links_heard(d->links, link, peer, node);
}

static void engine_applied(void *ctx, uint32_t node, const struct cts_applied *list, size_t n)
{
	struct daemon *d = ctx;

	cts_node_takeover_applied(d->takeover, node, list, n);
}

static const char *node_name(struct daemon *d, uint32_t node, struct cts_node_info *info)
{
	struct cts_node_info all[CTS_NODES_MAX + 1];
	size_t n = cts_engine_nodes(d->engine, all, CTS_NODES_MAX + 1,
				    cts_loop_now_ns(d->loop));

	for (size_t i = 0; i < n; i++) {
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
	struct daemon *d = ctx;
	struct cts_node_info info;

	cts_info("sync: node %s (%08x) %s: %s", node_name(d, node, &info), node, names[state],
		 why ? why : "");
}

static const struct cts_engine_ops engine_ops = {
	.send = engine_send,
	.max_message = engine_max_message,
	.random = engine_random,
	.heard = engine_heard,
	.peer_state = engine_peer_state,
	.stalled = engine_stalled,
};

/* ... and with replicas that go into the kernel at once. */
static const struct cts_engine_ops engine_inject_ops = {
	.send = engine_send,
	.max_message = engine_max_message,
	.random = engine_random,
	.heard = engine_heard,
	.applied = engine_applied,
	.peer_state = engine_peer_state,
	.stalled = engine_stalled,
};

static void links_received(void *ctx, unsigned int link, uint32_t peer, const struct iovec *msg,
			   unsigned int n)
{
	struct daemon *d = ctx;

	cts_engine_receive(d->engine, link, peer, msg, n, cts_loop_now_ns(d->loop));
}

static void links_writable(void *ctx)
{
	struct daemon *d = ctx;

	cts_engine_writable(d->engine, cts_loop_now_ns(d->loop));
}

static void links_node_down(void *ctx, uint32_t node)
{
	struct daemon *d = ctx;

	cts_engine_peer_down(d->engine, node, cts_loop_now_ns(d->loop));
}

static void links_greet(void *ctx)
{
	struct daemon *d = ctx;

	cts_engine_greet(d->engine);
}

static const struct cts_links_ops links_ops = {
	.received = links_received,
	.writable = links_writable,
	.node_down = links_node_down,
	.greet = links_greet,
};

static void mirror_get(void *ctx, const struct cts_flow *key)
{
	struct daemon *d = ctx;

	cts_node_reader_get(d->reader, key);
}

static bool mirror_foreign(void *ctx, const uint8_t *key, size_t key_len)
{
	struct daemon *d = ctx;

	return cts_node_takeover_foreign(d->takeover, key, key_len);
}

static const struct cts_mirror_ops mirror_ops = { .get = mirror_get, .foreign = mirror_foreign };

static int sync_consume(void *ctx, const struct cts_batch *batch)
{
	struct daemon *d = ctx;

	cts_mirror_consume(d->mirror, batch, cts_loop_now_ns(d->loop));
	return 0;
}

static void engine_timer_fired(void *ctx)
{
	struct daemon *d = ctx;

	/* The turn that this wakes runs the engine, which must arm the timer again
	 * even when its deadline is still the same. */
	d->engine_due_ns = 0;
}

static void table_ready(void *ctx)
{
	struct daemon *d = ctx;

	cts_info("sync: the kernel's table is read: %zu flows",
		 cts_cache_count(cts_engine_internal(d->engine)));
	cts_engine_table_ready(d->engine, cts_loop_now_ns(d->loop));
}

/* -- the turn -- */

static void run_engine(struct daemon *d)
{
	uint64_t now = cts_loop_now_ns(d->loop);
	uint64_t next = cts_engine_run(d->engine, now);

	if (next == d->engine_due_ns)
		return;
	d->engine_due_ns = next;
	if (next == UINT64_MAX)
		cts_timer_disarm(d->engine_timer);
	else
		cts_timer_arm_us(d->engine_timer, next > now ? (next - now + 999) / 1000 : 0);
}

static bool daemon_turn(void *ctx)
{
	struct daemon *d = ctx;
	bool more = cts_node_reader_turn(d->reader);

	if (d->engine) {
		more |= cts_node_takeover_step(d->takeover);
		run_engine(d);
	}
	cts_pipeline_flush(d->pipeline);
	more |= cts_control_step(d->control);
	return more;
}

static void watchdog_fired(void *ctx)
{
	struct daemon *d = ctx;

	env_notify("WATCHDOG=1");
	cts_timer_arm_us(d->watchdog, d->watchdog_us / 2);
}

/* -- assembly -- */

static size_t cache_limit(const struct daemon *d)
{
	int64_t limit = cts_options_int(d->conf->cache, "limit");

	if (!limit)
		limit = cts_table_max();
	return limit > 0 ? (size_t)limit : CACHE_LIMIT_DEFAULT;
}

static enum cts_sync_mode sync_mode(const struct cts_options *sync)
{
	const char *mode = cts_options_string(sync, "mode");

	return strcmp(mode, "alarm") == 0     ? CTS_MODE_ALARM
	       : strcmp(mode, "notrack") == 0 ? CTS_MODE_NOTRACK
					      : CTS_MODE_FTFW;
}

static int create_links(struct daemon *d)
{
	unsigned int dead_after = (unsigned int)cts_options_int(d->conf->sync, "dead_after_ms");

	d->links = cts_links_create(d->loop, d->conf->transports, d->conf->n_transports,
				    dead_after / 2, &links_ops, d);
	if (!d->links)
		return -1;
	d->own_flows.n = cts_links_own_flows(d->links, d->own_flows.pattern, CTS_NODE_OWN_FLOWS_MAX);
	return 0;
}

static int create_engine(struct daemon *d)
{
	const struct cts_options *sync = d->conf->sync;
	uint32_t nodes[CTS_NODES_MAX];
	size_t n = cts_options_count(sync, "nodes");
	const struct cts_engine_conf conf = {
		.mode = sync_mode(sync),
		.cluster = cts_options_string(sync, "cluster"),
		.node_name = d->conf->node,
		.nodes = n ? nodes : NULL,
		.n_nodes = n,
		.table_id = env_table_id(),
		.cache_limit = cache_limit(d),
		.attrs = cts_config_attributes(d->conf),
		.dead_after_ms = (uint32_t)cts_options_int(sync, "dead_after_ms"),
		.purge_timeout_s = (uint32_t)cts_options_int(sync, "purge_timeout"),
		.refresh_s = (uint32_t)cts_options_int(sync, "refresh_time"),
		.expire_s = (uint32_t)cts_options_int(sync, "expire_time"),
		.min_age_ms = (uint32_t)cts_options_int(sync, "min_age_ms"),
		.startup_resync = cts_options_bool(sync, "startup_resync"),
		.membership = cts_links_membership(d->links),
	};
	bool inject = !cts_options_bool(sync, "external_cache");

	for (size_t i = 0; i < n && i < CTS_NODES_MAX; i++)
		nodes[i] = cts_node_id(cts_options_item(sync, "nodes", i));
	d->engine = cts_engine_create(&conf, inject ? &engine_inject_ops : &engine_ops, d,
				      cts_loop_now_ns(d->loop));
	d->engine_timer = cts_timer_create(d->loop, engine_timer_fired, d);
	if (!d->engine || !d->engine_timer)
		return -1;
	d->mirror = cts_mirror_create(d->engine, &mirror_ops, d);
	return d->mirror ? 0 : -1;
}

/* Outputs are to hear of every flow; the caches alone can do with a dump. */
static void takeover_hush(void *ctx, bool on)
{
	struct daemon *d = ctx;

	if (!d->n_outputs)
		cts_node_reader_hush(d->reader, on);
}

static int create_takeover(struct daemon *d)
{
	const struct cts_options *sync = d->conf->sync;
	const struct cts_node_takeover_conf conf = {
		.loop = d->loop,
		.engine = d->engine,
		.inject = !cts_options_bool(sync, "external_cache"),
		.commit_timeout_s = (uint32_t)cts_options_int(sync, "commit_timeout"),
		.purge_timeout_s = (uint32_t)cts_options_int(sync, "purge_timeout"),
		.tcp_window_tracking = cts_options_bool(sync, "tcp_window_tracking"),
		.collision_replace = strcmp(cts_options_string(d->conf->kernel, "collision"),
					    "replace") == 0,
		.ctx = d,
		.hush = takeover_hush,
	};

	d->takeover = cts_node_takeover_create(&conf);
	return d->takeover ? 0 : -1;
}

static enum cts_coalesce_mode coalesce_mode(const struct cts_options *kernel)
{
	const char *mode = cts_options_string(kernel, "coalesce");

	return strcmp(mode, "never") == 0    ? CTS_COALESCE_NEVER
	       : strcmp(mode, "always") == 0 ? CTS_COALESCE_ALWAYS
					     : CTS_COALESCE_ADAPTIVE;
}

static int create_reader(struct daemon *d)
{
	const struct cts_options *k = d->conf->kernel;
	uint32_t own[1];
	struct cts_node_reader_conf conf = {
		.loop = d->loop,
		.pipeline = d->pipeline,
		.push = d->n_filters ? d->push : NULL,
		.own_portids = own,
		.event_buffer = (size_t)cts_options_int(k, "event_buffer"),
		.reliable = cts_options_bool(k, "reliable_events"),
		.poll_s = (unsigned int)cts_options_int(k, "poll_interval"),
		.reconcile_s = (unsigned int)cts_options_int(k, "reconcile_interval"),
		.coalesce = coalesce_mode(k),
	};

	if (d->takeover)
		own[conf.n_own_portids++] = cts_node_takeover_portid(d->takeover);
	d->reader = cts_node_reader_create(&conf);
	if (!d->reader)
		return -1;
	if (d->mirror)
		cts_node_reader_set_mirror(d->reader, d->mirror, table_ready, d);
	return 0;
}

static int create_pipeline(struct daemon *d)
{
	d->pipeline = cts_pipeline_create();
	if (!d->pipeline)
		return -1;
	d->traffic = (struct cts_consumer){
		.name = "traffic", .origins = 1u << CTS_ORIGIN_KERNEL, .ctx = d,
		.consume = traffic_consume,
	};
	d->sync = (struct cts_consumer){
		.name = "sync", .origins = 1u << CTS_ORIGIN_KERNEL | 1u << CTS_ORIGIN_DUMP,
		.ctx = d, .consume = sync_consume,
	};
	if (cts_pipeline_add_filter(d->pipeline, &cts_node_own_flows_filter, &d->own_flows) < 0 ||
	    cts_pipeline_add_consumer(d->pipeline, &d->traffic) < 0 || instances_create(d) < 0)
		return -1;
	/* The last: it also looks at what filters refused. */
	return d->conf->sync ? cts_pipeline_add_consumer(d->pipeline, &d->sync) : 0;
}

static int create_control(struct daemon *d)
{
	const char *path = cts_options_string(d->conf->control, "socket");

	d->control = cts_control_create(d->loop, path, cts_config_socket_mode(d->conf),
					daemon_commands, d);
	if (d->control)
		return 0;
	cts_err("control: cannot listen at %s: %s", path, strerror(errno));
	return -1;
}

static void on_signal(void *ctx, int signo)
{
	struct daemon *d = ctx;

	if (signo != SIGHUP) {
		daemon_stop(d);
		return;
	}
	if (cts_log_reopen() < 0)
		cts_warn("log: cannot open the file again: %s", strerror(errno));
	instances_rotate(d);
	cts_info("files are open again");
}

static int create_signals(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	d->sigterm = cts_signal_create(d->loop, SIGTERM, on_signal, d);
	d->sigint = cts_signal_create(d->loop, SIGINT, on_signal, d);
	d->sighup = cts_signal_create(d->loop, SIGHUP, on_signal, d);
	d->watchdog_us = env_watchdog_us();
	d->watchdog = cts_timer_create(d->loop, watchdog_fired, d);
	if (!d->sigterm || !d->sigint || !d->sighup || !d->watchdog)
		return -1;
	return d->watchdog_us ? cts_timer_arm_us(d->watchdog, d->watchdog_us / 2) : 0;
}

static int create_sync(struct daemon *d)
{
	if (!d->conf->sync)
		return 0;
	return create_links(d) < 0 || create_engine(d) < 0 || create_takeover(d) < 0 ? -1 : 0;
}

struct daemon *daemon_create(struct cts_config *conf)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->conf = conf;
	d->lock_fd = env_lock(cts_options_string(conf->top, "lock"));
	if (d->lock_fd < 0)
		goto err;
	d->loop = cts_loop_create();
	if (!d->loop)
		goto err;
	d->started_ns = cts_loop_now_ns(d->loop);
	if (cts_options_bool(conf->kernel, "events_sysctl"))
		env_events_sysctl();
	if (create_signals(d) < 0 || create_sync(d) < 0 || create_pipeline(d) < 0 ||
	    create_reader(d) < 0 || create_control(d) < 0)
		goto err;
	cts_loop_on_turn(d->loop, daemon_turn, d);
	return d;
err:
	cts_err("cannot start");
	daemon_destroy(d);
	return NULL;
}

int daemon_run(struct daemon *d)
{
	int ret;

	cts_info("conntrackd " PACKAGE_VERSION " runs, node %s, %s", d->conf->node,
		 d->conf->sync ? cts_options_string(d->conf->sync, "mode") : "statistics");
	/* Events wait for less than a millisecond; by default the kernel adds 50 us. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	env_notify("READY=1");
	ret = cts_loop_run(d->loop);
	env_notify("STOPPING=1");
	if (d->engine)
		cts_engine_bye(d->engine, cts_loop_now_ns(d->loop));
	cts_pipeline_flush(d->pipeline);
	cts_control_drain(d->control);
	cts_info("stopped");
	return ret;
}

void daemon_stop(struct daemon *d)
{
	cts_loop_stop(d->loop);
}

void daemon_destroy(struct daemon *d)
{
	if (!d)
		return;
	cts_control_destroy(d->control);
	cts_node_reader_destroy(d->reader);
	cts_node_takeover_destroy(d->takeover);
	cts_pipeline_destroy(d->pipeline);
	instances_destroy(d);
	cts_mirror_destroy(d->mirror);
	cts_engine_destroy(d->engine);
	cts_links_destroy(d->links);
	cts_timer_destroy(d->engine_timer);
	cts_timer_destroy(d->watchdog);
	cts_signal_destroy(d->sigterm);
	cts_signal_destroy(d->sigint);
	cts_signal_destroy(d->sighup);
	cts_loop_destroy(d->loop);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d);
}
