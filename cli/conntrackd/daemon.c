/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "core/log/log.h"

#include "cli/conntrackd/daemon.h"

/* -- traffic: what destroyed flows had carried -- */

static int traffic_consume(void *ctx, const struct cts_batch *batch)
{
	struct daemon *d = ctx;
	const struct cts_event *ev;
	size_t i;

	for (i = 0; i < batch->n; i++)
		d->filtered += cts_batch_dropped(batch, i) &&
			       batch->ev[i]->origin == CTS_ORIGIN_KERNEL;
	cts_batch_for_each (i, ev, batch) {
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

/* -- the turn -- */

static bool daemon_turn(void *ctx)
{
	struct daemon *d = ctx;
	bool more = cts_node_turn(d->node);

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

static int create_node(struct daemon *d)
{
	const struct cts_node_conf conf = {
		.config = d->conf,
		.loop = d->loop,
		.pipeline = d->pipeline,
		.table_id = env_table_id(),
	};

	d->node = cts_node_create(&conf);
	if (!d->node)
		return -1;
	d->engine = cts_node_engine(d->node);
	d->links = cts_node_links(d->node);
	d->takeover = cts_node_takeover(d->node);
	return 0;
}

/* Entries that filters let pass may be refused now. */
static void verdicts_changed(void *ctx)
{
	struct daemon *d = ctx;

	if (d->reader)
		cts_node_reader_reconcile(d->reader);
}

/* The node's own filter comes first, its mirror last. */
static int create_pipeline(struct daemon *d)
{
	d->pipeline = cts_pipeline_create();
	if (!d->pipeline || create_node(d) < 0)
		return -1;
	d->traffic = (struct cts_consumer){
		.name = "traffic",
		.origins = 1u << CTS_ORIGIN_KERNEL,
		.ctx = d,
		.consume = traffic_consume,
	};
	if (cts_pipeline_add_consumer(d->pipeline, &d->traffic) < 0)
		return -1;
	d->instances = instances_create(d->conf, d->loop, d->pipeline, verdicts_changed, d);
	if (!d->instances || cts_node_start(d->node, instances_push(d->instances),
					    instances_outputs(d->instances) > 0) < 0)
		return -1;
	d->reader = cts_node_reader(d->node);
	return 0;
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
	instances_rotate(d->instances);
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
	if (create_signals(d) < 0 || create_pipeline(d) < 0 || create_control(d) < 0)
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
	cts_node_bye(d->node);
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
	cts_pipeline_destroy(d->pipeline);
	cts_node_destroy(d->node);
	instances_destroy(d->instances);
	cts_timer_destroy(d->watchdog);
	cts_signal_destroy(d->sigterm);
	cts_signal_destroy(d->sigint);
	cts_signal_destroy(d->sighup);
	cts_loop_destroy(d->loop);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d);
}
