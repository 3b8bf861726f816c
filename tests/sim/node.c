/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A node's life, and the table of its model kernel. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync/inspect.h"
#include "tests/sim/sim.h"

/* -- the engine's callbacks -- */

static size_t sim_max_message(void *ctx)
{
	return ((const struct sim_node *)ctx)->w->max_message;
}

static void sim_random(void *ctx, void *buf, size_t len)
{
	struct sim_node *n = ctx;
	uint8_t *p = buf;

	while (len--)
		*p++ = (uint8_t)rng_next(&n->rng);
}

static void sim_received(void *ctx, unsigned int link, uint32_t peer, uint32_t node)
{
	(void)peer;
	transport_received(ctx, link, node);
}

static void sim_applied(void *ctx, uint32_t owner, const struct cts_applied *list, size_t len)
{
	struct sim_node *n = ctx;

	if (n->w->applied)
		n->w->applied(n->w, n, world_node(n->w, owner), list, len);
	else if (!n->w->bulk)
		check_applied(n->w, n, owner, list, len);
}

static void sim_undelivered(void *ctx)
{
	transport_undelivered(ctx);
}

static void sim_peer_state(void *ctx, uint32_t node, enum cts_peer_state state, const char *why)
{
	static const char *const names[] = { "down", "joining", "synced" };
	const struct sim_node *n = ctx;

	if (n->w->trace)
		printf("%10.3f ms  %s: peer %08x is %s: %s\n", (double)n->w->now / 1e6, n->name,
		       node, names[state], why);
}

static void sim_report(void *ctx, enum cts_sync_report what, uint32_t node, unsigned int link,
		       uint32_t peer, const char *text)
{
	struct sim_node *n = ctx;

	n->reports[what]++;
	if (n->w->trace)
		printf("%10.3f ms  %s reports %d of %08x, link %u from %u: %s\n",
		       (double)n->w->now / 1e6, n->name, what, node, link, peer, text);
}

/* -- the kernel's table, and what the engine learns of it -- */

/* Tell the engine what the kernel has. */
static void key_tell(struct world *w, struct sim_node *n, unsigned int key)
{
	struct model_key *k = &n->kernel[key];
	uint8_t buf[CTS_PACK_MAX];
	struct cts_flow f;
	uint32_t ref;
	size_t len;

	if (!n->engine)
		return;
	if (n->stopped_until > w->now) {  /* it reads all of it later */
		n->dump_next = 0;
		return;
	}
	kernel_flow(n, key, k->version, &f);
	len = cts_flow_pack(&f, CTS_PACK_ATTRS, buf, sizeof(buf));
	n->touched = true;
	ref = cts_engine_find(n->engine, buf, cts_packed_key_len(buf, len));
	if (k->exists && !k->refused)
		cts_engine_put(n->engine, buf, len, true, w->now);
	else if (ref)
		cts_engine_gone(n->engine, ref, w->now);
	truth_note(w, n, key);
}

static void key_changed(struct world *w, struct sim_node *n, unsigned int key,
			enum cts_event_type type, bool reported)
{
	if (reported && w->mirror)
		kernel_event(w, n, key, type);
	else if (reported)
		key_tell(w, n, key);
	else
		n->doubt = true;
}

void node_change(struct world *w, struct sim_node *n, unsigned int key, bool reported)
{
	struct model_key *k = &n->kernel[key];
	bool known = k->exists;

	if (k->version + 2 >= SIM_VERSIONS)
		return;
	k->version++;
	k->exists = true;
	key_changed(w, n, key, known ? CTS_EVENT_UPDATE : CTS_EVENT_NEW, reported);
}

static void mark_deleted(struct model_key *k)
{
	k->version++;
	k->deleted[k->version / 8] |= (uint8_t)(1u << k->version % 8);
}

void node_delete(struct world *w, struct sim_node *n, unsigned int key, bool reported)
{
	struct model_key *k = &n->kernel[key];

	if (!k->exists)
		return;
	mark_deleted(k);
	k->exists = false;
	key_changed(w, n, key, CTS_EVENT_DESTROY, reported);
}

/* The same entry is refused by a filter now, or not any more. To peers it is as if it was
 * deleted, or made. */
void node_filter(struct world *w, struct sim_node *n, unsigned int key, bool refuse)
{
	struct model_key *k = &n->kernel[key];

	if (k->refused == refuse || k->version + 2 >= SIM_VERSIONS)
		return;
	k->refused = refuse;
	if (!k->exists)
		return;
	if (refuse)
		mark_deleted(k);
	else
		k->version++;
	key_changed(w, n, key, CTS_EVENT_UPDATE, true);
}

void node_reconcile(struct world *w, struct sim_node *n)
{
	unsigned int key;

	if (w->mirror)
		kernel_dump(n, w->now);
	for (key = 0; key < SIM_KEYS && !w->mirror; key++)
		key_tell(w, n, key);
	if (!w->mirror && n->ready && node_running(w, n))
		cts_engine_table_ready(n->engine, w->now);
}

void node_lose_table(struct world *w, struct sim_node *n)
{
	unsigned int key;

	for (key = 0; key < SIM_KEYS; key++)
		node_delete(w, n, key, false);
	n->table_id = w->next_table++;
}

void node_dump_step(struct world *w, struct sim_node *n)
{
	unsigned int i;

	if (n->dump_next >= SIM_KEYS)
		return;
	for (i = 0; i < 8; i++)
		key_tell(w, n, n->dump_next++);
	if (n->dump_next < SIM_KEYS || n->ready)
		return;
	n->ready = true;
	cts_engine_table_ready(n->engine, w->now);
}

/* -- takeover -- */

/* The kernel takes the flow as the replica has it; the engine learns it, and so does the
 * mirror, by the kernel's event. Versions of a key only go up in this model, so an older
 * one is left. */
static void key_adopt(struct world *w, struct sim_node *n, unsigned int owner, uint32_t ref,
		      const struct cts_flow *f, unsigned int key)
{
	struct model_key *k = &n->kernel[key];
	struct cts_cache *cache = cts_engine_external(n->engine, w->node[owner].id);

	if (k->exists || k->refused || f->mark <= k->version || f->mark + 2 >= SIM_VERSIONS)
		return;
	k->exists = true;
	k->version = f->mark;
	n->adopting = true;
	cts_engine_adopt(n->engine, w->node[owner].id, ref, w->now);
	n->adopting = false;
	n->touched = true;
	truth_note(w, n, key);
	if (!cts_cache_entry(cache, ref))
		truth_shown(w, n, &n->seen[owner], key, 0);
	if (w->mirror)
		kernel_event(w, n, key, CTS_EVENT_NEW);
}

/* Even keys are those that any node's kernel may have. */
static void adopt_all(struct world *w, struct sim_node *n, unsigned int owner)
{
	struct cts_cache *cache = cts_engine_external(n->engine, w->node[owner].id);
	struct cts_flow_store s;
	const uint8_t *packed;
	uint32_t ref = 0;
	unsigned int key;
	size_t len;

	while (cache && (ref = cts_cache_next(cache, ref))) {
		packed = cts_cache_data(cache, ref, &len);
		if (cts_flow_unpack(packed, len, &s, NULL) < 0)
			continue;  /* complained of where it was applied */
		key = kernel_key(&s.flow);
		if (key % 2 == 0 && key < SIM_KEYS &&
		    cts_engine_newest(n->engine, w->node[owner].id, ref))
			key_adopt(w, n, owner, ref, &s.flow, key);
	}
}

void node_promote(struct world *w, struct sim_node *n)
{
	unsigned int i;

	if (!node_running(w, n))
		return;
	check_newest(w, n);
	for (i = 0; i < w->n_nodes; i++)
		if (&w->node[i] != n && !w->node[i].twin)
			adopt_all(w, n, i);
}

/* -- life -- */

static struct cts_engine_conf node_conf(struct world *w, struct sim_node *n,
					uint32_t list[SIM_NODES])
{
	struct cts_engine_conf conf = {
		.mode = w->mode, .cluster = "sim", .node_name = n->name,
		.table_id = n->table_id, .cache_limit = n->limit, .dead_after_ms = SIM_DEAD_MS,
		.purge_timeout_s = SIM_PURGE_S, .attrs = CTS_PACK_ATTRS,
		.min_age_ms = w->min_age_ms, .refresh_s = SIM_REFRESH_S, .expire_s = SIM_EXPIRE_S,
		.startup_resync = true, .membership = w->membership,
	};
	unsigned int i;

	if (w->bulk) {
		conf.purge_timeout_s = 60;
		conf.refresh_s = 60;
		conf.expire_s = 180;
	}
	if (w->small_limit && n->index == w->n_nodes - 1)
		conf.cache_limit = w->small_limit;
	if (w->differ && n->index == w->n_nodes - 1)
		conf.attrs &= ~CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
	for (i = 0; i < w->n_nodes; i++)
		if (node_known(w, i))
			list[conf.n_nodes++] = w->node[i].id;
	conf.nodes = w->listed ? list : NULL;
	conf.n_nodes = w->listed && node_known(w, n->index) ? conf.n_nodes : 0;
	return conf;
}

static void start(struct world *w, struct sim_node *n)
{
	static const struct cts_engine_ops ops = {
		.send = transport_send, .max_message = sim_max_message, .random = sim_random,
		.received = sim_received, .applied = sim_applied, .undelivered = sim_undelivered,
		.peer_state = sim_peer_state, .report = sim_report,
	};
	uint32_t list[SIM_NODES];
	struct cts_engine_conf conf = node_conf(w, n, list);

	transport_stop(w, n);  /* of its former life, should nobody have missed it yet */
	n->born_rng = n->rng.state;
	n->engine = cts_engine_create(&conf, &ops, n, w->now);
	if (!n->engine)
		abort();
	cts_engine_break(n->engine, w->faults);
	n->started = w->now;
	n->dump_next = w->bulk ? SIM_KEYS : 0;
	n->ready = false;
	n->stopped_until = 0;
	n->backlog = 0;
	memset(n->reports, 0, sizeof(n->reports));
	transport_start(w, n);
	truth_restart(w, n);
	if (w->mirror)
		kernel_start(n, w->now);
	n->deadline = w->now;
}

void node_start(struct world *w, struct sim_node *n)
{
	if (!n->engine)
		start(w, n);
}

void node_stop(struct sim_node *n)
{
	if (!n->engine)
		return;
	kernel_stop(n);
	cts_engine_destroy(n->engine);
	n->engine = NULL;
	n->stopped = n->w->now;
	n->stopped_until = 0;
}

void node_rename(struct world *w, struct sim_node *n, const char *name)
{
	unsigned int i;

	node_stop(n);
	transport_stop(w, n);
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->id = cts_node_id(n->name);
	n->table_id = w->next_table++;
	w->renamed = true;
	for (i = 0; i < w->n_nodes && !w->bulk; i++)  /* nobody has anything of the new name */
		truth_forget(w, &w->node[i].seen[n->index]);
}

void node_revert(struct world *w, struct sim_node *n, uint64_t born_rng)
{
	node_stop(n);
	n->rng.state = born_rng;
	start(w, n);
	n->reused_epoch = n->engine->base.epoch;
}
