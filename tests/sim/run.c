/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripts are run: faults and traffic, then silence in which all must agree. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sync/inspect.h"
#include "tests/sim/sim.h"

#define QUIET_MS 25000u              /* convergence takes less than this... */
#define QUIET_FULL_MS 90000u         /* ... and so long where a cache was full: it tries seldom */
#define IDLE_MS 6000u

/* A dump and live events at once; where no event was lost no other dump is needed. */
static void dump_under_traffic(struct world *w)
{
	unsigned int i, turn;
	char why[FAILURE_LEN];

	world_run(w, w->now + 300 * MS);
	for (i = 0; i < w->n_nodes; i++)
		node_reconcile(w, &w->node[i]);
	for (turn = 0; turn < 40 && !*w->failure; turn++) {
		for (i = 0; i < w->n_nodes; i++) {
			unsigned int key = world_below(w, SIM_KEYS);

			if (world_below(w, 2))
				node_change(w, &w->node[i], key, true);
			else
				node_delete(w, &w->node[i], key, true);
		}
		world_run(w, w->now + 200000);
	}
	world_run(w, w->now + 300 * MS);
	for (i = 0; i < w->n_nodes && !w->limited; i++)
		if (!w->node[i].doubt && !mirror_right(w, &w->node[i], why))
			world_fail(w, "after a dump under traffic: %s", why);
}

/* Who took another's name gets its own again. */
static void end_twins(struct world *w)
{
	unsigned int i;
	char name[16];

	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		snprintf(name, sizeof(name), "n%u", i);
		if (n->twin && strcmp(n->name, name) && n->alias)
			node_rename(w, n, name);
		n->alias = false;
	}
}

/* What was sent under a name by two is not held against who has it by right. */
static void forget_twins(struct world *w)
{
	unsigned int i, j;

	for (i = 0; i < w->n_nodes; i++) {
		for (j = 0; j < w->n_nodes && w->node[i].twin; j++)
			if (i != j)
				truth_look(w, &w->node[j], &w->node[i]);
		w->node[i].twin = false;
	}
}

static void all_well(struct world *w)
{
	unsigned int i, key;

	net_heal(&w->net);
	end_twins(w);
	for (i = 0; i < w->n_nodes; i++) {
		struct sim_node *n = &w->node[i];

		n->stopped_until = 0;
		n->blocked_until = n->gap_us = 0;
		node_start(w, n);
		if (n->limit_changed)
			cts_engine_set_limit(n->engine, n->limit);
		n->limit_changed = false;
		for (key = 0; key < SIM_KEYS; key++)
			node_filter(w, n, key, false);
	}
}

static void reconcile_all(struct world *w)
{
	unsigned int i;

	for (i = 0; i < w->n_nodes; i++)
		node_reconcile(w, &w->node[i]);
}

static bool await_agreement(struct world *w)
{
	uint64_t end = w->now + (w->limited ? QUIET_FULL_MS : QUIET_MS) * MS;
	char why[FAILURE_LEN] = "";
	unsigned int i, turn;

	for (turn = 0; !*w->failure && !converged(w, why); turn++) {
		if (w->now >= end) {
			world_fail(w, "%s", why);
			return false;
		}
		if (w->limited)  /* a full cache refuses, the mirror tries again */
			reconcile_all(w);
		if (w->mode == CTS_MODE_NOTRACK && turn % 4 == 3)  /* nothing else repairs it */
			for (i = 0; i < w->n_nodes; i++)
				cts_engine_bulk(w->node[i].engine, w->now);
		world_run(w, w->now + 250 * MS);
	}
	return !*w->failure;
}

/* Faults and traffic end; everything must agree in time, and stay so. */
void world_quiet(struct world *w)
{
	char why[FAILURE_LEN] = "";
	unsigned int i, key;
	uint64_t began;

	all_well(w);
	if (w->mirror)
		dump_under_traffic(w);
	world_run(w, w->now + 100 * MS);
	for (i = 0; i < w->n_nodes && w->small_limit; i++)
		for (key = 20; key < SIM_KEYS; key++)
			node_delete(w, &w->node[i], key, true);
	world_run(w, w->now + 300 * MS);  /* dumps that run come to their end */
	reconcile_all(w);
	if (!await_agreement(w))
		return;
	w->asked = false;
	w->limited = w->small_limit != 0;
	forget_twins(w);
	/* What is late says what was, and names that nobody has any more are given up. */
	if (w->net.late_until > w->now)
		world_run(w, w->net.late_until);
	if (w->renamed)
		world_run(w, w->now + SIM_DEAD_MS * MS);
	world_run(w, w->now + 1000 * MS);
	idle_begin(w);
	began = w->now;
	world_run(w, w->now + IDLE_MS * MS);
	if (!*w->failure && !converged(w, why))
		world_fail(w, "after it agreed: %s", why);
	if (w->mode == CTS_MODE_FTFW)
		idle_end(w, began);
	for (i = 0; i < w->n_nodes && w->mode == CTS_MODE_ALARM && !w->small_limit; i++)
		check_refresh(w, &w->node[i]);
}

/* -- steps -- */

static void faults(struct world *w, const struct step *s)
{
	struct sim_path model = { .loss = s->a % 3 ? s->a : 0, .repeat = s->b, .damage = s->b / 4,
				  .late = s->b / 8, .delay_us = s->c % 3 ? s->c / 2 : s->c % 500 };

	model.jitter_us = model.delay_us;
	net_set_all(&w->net, &model);
}

/* One direction between two nodes gets bad in one way. */
static void path(struct world *w, const struct step *s)
{
	struct sim_path *p = net_path(&w->net, s->c % w->net.n_links, s->node, s->a);

	switch (s->b) {
	case 0:
		p->rate = 2000 + s->c * 500;
		p->queue = 1500 + s->c * 64;
		break;
	case 1:
		p->burst_begins = 1 + s->c % 50;
		p->burst_ends = 20 + s->c % 300;
		break;
	case 2:
		p->hole = 700 + s->c % 600;
		break;
	case 3:
		p->delay_us = s->c * 100;
		break;
	case 4:
		p->jitter_us = s->c * 20;
		break;
	default:
		p->loss = s->c % 600;
		break;
	}
}

static void cut(struct world *w, const struct step *s)
{
	unsigned int link = s->c % w->net.n_links;

	net_path(&w->net, link, s->node, s->a)->cut = true;
	if (s->b || w->membership)
		net_path(&w->net, link, s->a, s->node)->cut = true;
}

/* More changes than the transport can take, for a long time. */
static void strain(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];
	uint64_t end = w->now + s->a * MS;
	unsigned int i;

	n->gap_us = s->b * 1000;
	while (w->now < end && !*w->failure) {
		for (i = 0; i < SIM_KEYS; i++)
			node_change(w, n, i, true);
		world_run(w, w->now + 100 * MS);
	}
	n->gap_us = 0;
}

/* Gone for longer than its replicas wait, mostly; another takes over what it had. */
static void away(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];
	uint64_t half = (4000 + s->a) / 2 * MS;

	node_stop(n);
	if (s->b == 2)
		node_lose_table(w, n);
	world_run(w, w->now + half);
	if (s->b)
		node_promote(w, &w->node[(s->node + 1) % w->n_nodes]);
	world_run(w, w->now + half);
	node_start(w, n);
}

/* The last node gets the name of another, and with b its random numbers, too: a clone. */
static void twin(struct world *w, const struct step *s)
{
	struct sim_node *other = &w->node[s->a], *n = &w->node[w->n_nodes - 1];

	if (w->n_nodes < 3 || n == other || w->listed || n->twin || other->twin || !other->engine)
		return;
	node_rename(w, n, other->name);
	n->twin = other->twin = n->alias = true;
	if (s->b) {
		n->table_id = other->table_id;
		node_revert(w, n, other->born_rng);
	}
	node_start(w, n);
}

static void rename_node(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];
	char name[16];

	if (w->listed || n->twin)
		return;
	snprintf(name, sizeof(name), "m%u-%u", s->node, s->a);
	node_rename(w, n, name);
	node_start(w, n);
}

static void flush(struct world *w, struct sim_node *n, bool external)
{
	unsigned int i, key;

	if (!node_running(w, n))
		return;
	w->asked = true;
	n->touched = true;
	if (external) {
		cts_engine_flush_external(n->engine, w->now);
		for (i = 0; i < w->n_nodes; i++)
			for (key = 0; key < SIM_KEYS; key++)
				truth_shown(w, n, &n->seen[i], key, 0);
		return;
	}
	cts_engine_flush_internal(n->engine, w->now);
	for (key = 0; key < SIM_KEYS; key++)
		truth_note(w, n, key);
	n->dump_next = 0;
	n->ready = false;
	if (w->mirror)
		kernel_again(n, w->now);
}

static void limit(struct world *w, struct sim_node *n, uint32_t to)
{
	if (!node_running(w, n))
		return;
	w->limited = n->limit_changed = true;
	cts_engine_set_limit(n->engine, 10 + to);
	n->touched = true;
}

static void hours(struct world *w, const struct step *s)
{
	unsigned int i, turn;

	all_well(w);
	for (turn = 0; turn < s->a * 12 && !*w->failure; turn++) {
		for (i = 0; i < w->n_nodes; i++)
			node_change(w, &w->node[i], world_below(w, SIM_KEYS), true);
		world_run(w, w->now + 300 * SECOND);
	}
}

/* What is done to the table, or by a command. */
static void step_table(struct world *w, struct sim_node *n, const struct step *s)
{
	unsigned int i;

	switch (s->kind) {
	case STEP_CHANGE:
		node_change(w, n, s->a, true);
		break;
	case STEP_DELETE:
		node_delete(w, n, s->a, true);
		break;
	case STEP_FILTER:
		node_filter(w, n, s->a, s->b);
		break;
	case STEP_BURST:
		for (i = 0; i <= s->a; i++)
			node_change(w, n, i, true);
		break;
	case STEP_CLEAR:
		for (i = 0; i < SIM_KEYS; i++)
			node_delete(w, n, i, true);
		break;
	case STEP_LOSE_EVENT:
		if (s->b)
			node_change(w, n, s->a, false);
		else
			node_delete(w, n, s->a, false);
		break;
	case STEP_RECONCILE:
		node_reconcile(w, n);
		break;
	case STEP_LIMIT:
		limit(w, n, s->a);
		break;
	case STEP_FLUSH:
		flush(w, n, s->a);
		break;
	case STEP_RESYNC:
	case STEP_BULK:
		w->asked = true;
		if (node_running(w, n))
			(s->kind == STEP_BULK ? cts_engine_bulk : cts_engine_resync)(n->engine, w->now);
		n->touched = true;
		break;
	case STEP_PROMOTE:
		node_promote(w, n);
		break;
	default:
		break;
	}
}

void step_run(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];

	switch (s->kind) {
	case STEP_FAULTS:
		faults(w, s);
		break;
	case STEP_PATH:
		path(w, s);
		break;
	case STEP_CUT:
		cut(w, s);
		break;
	case STEP_HEAL:
		net_heal(&w->net);
		break;
	case STEP_CRASH:
		node_stop(n);
		break;
	case STEP_REBOOT:
		node_stop(n);
		node_lose_table(w, n);
		break;
	case STEP_BYE:
		if (node_running(w, n))
			cts_engine_bye(n->engine, w->now);
		node_stop(n);
		break;
	case STEP_START:
		node_start(w, n);
		break;
	case STEP_BLOCK:
		n->blocked_until = w->now + s->a * MS;
		break;
	case STEP_STRAIN:
		strain(w, s);
		break;
	case STEP_JUMP:
		w->now += s->a * MS;
		w->tolerant_until = w->now + SECOND;  /* what is read now was sent before */
		break;
	case STEP_PAUSE:
		if (n->stopped_until < w->now + s->a * MS)
			n->stopped_until = w->now + s->a * MS;
		n->excused_until = n->stopped_until + SECOND;
		break;
	case STEP_REVERT:
		if (n->engine && !n->twin)
			node_revert(w, n, n->born_rng);
		break;
	case STEP_CLONE:
		twin(w, s);
		break;
	case STEP_RENAME:
		rename_node(w, s);
		break;
	case STEP_AWAY:
		away(w, s);
		break;
	case STEP_HOURS:
		hours(w, s);
		break;
	case STEP_QUIET:
		world_quiet(w);
		break;
	default:
		step_table(w, n, s);
		break;
	}
}

int script_run(const struct script *s, const struct cts_faults *faults, bool trace,
	       char failure[FAILURE_LEN])
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i;
	int failed;

	if (!w)
		abort();
	world_init(w, s);
	w->faults = faults;
	w->trace = trace;
	for (i = 0; i < w->n_nodes; i++)
		node_start(w, &w->node[i]);
	for (i = 0; i < s->n_steps && !*w->failure; i++) {
		world_run(w, w->now + s->step[i].wait_us * UINT64_C(1000));
		if (trace)
			printf("%10.3f ms  %s n%u %u %u %u\n", (double)w->now / 1e6,
			       step_name(s->step[i].kind), s->step[i].node, s->step[i].a, s->step[i].b,
			       s->step[i].c);
		step_run(w, &s->step[i]);
	}
	failed = *w->failure != '\0';
	memcpy(failure, w->failure, sizeof(w->failure));
	world_fini(w);
	free(w);
	return failed;
}
