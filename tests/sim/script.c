/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripts: made from a seed, run, and made shorter. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define QUIET_MS 20000u      /* convergence takes less than this */
#define ROUNDS 3u
#define SHRINK_RUNS 4000u

static const char *const kind_names[STEP_KINDS] = {
	"change", "delete", "burst", "clear", "lose-event", "reconcile", "faults", "cut", "heal",
	"crash", "reboot", "bye", "start", "block", "strain", "jump", "resync", "bulk", "promote",
	"away", "quiet",
};

static uint32_t below(uint64_t *r, uint32_t n)
{
	*r = *r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return n ? (uint32_t)(*r >> 33) % n : 0;
}

static void add(struct script *s, struct step step)
{
	if (s->n_steps < SIM_STEPS)
		s->step[s->n_steps++] = step;
}

/* Traffic most of the time, a fault now and then. */
static struct step any_step(uint64_t *r, const struct script *s)
{
	struct step step = { .node = below(r, s->n_nodes), .a = below(r, SIM_KEYS) };
	uint32_t what = below(r, 1000);

	if (what < 548) {
		step.kind = STEP_CHANGE;
	} else if (what < 556) {
		step.kind = STEP_PROMOTE;
	} else if (what < 560) {
		step.kind = STEP_AWAY;
		step.a = 4000 + below(r, 3000);
		step.b = below(r, 3);
	} else if (what < 800) {
		step.kind = STEP_DELETE;
	} else if (what < 850) {
		step.kind = STEP_BURST;
	} else if (what < 855) {
		step.kind = STEP_CLEAR;
	} else if (what < 875) {
		step.kind = STEP_LOSE_EVENT;
		step.b = below(r, 2);
	} else if (what < 880) {
		step.kind = STEP_RECONCILE;
	} else if (what < 905) {
		step.kind = STEP_FAULTS;
		step.a = below(r, 3) ? below(r, 300) : 0;
		step.b = below(r, 200);
		step.c = below(r, 3) ? below(r, 40000) : below(r, 500);
	} else if (what < 930) {
		step.kind = STEP_CUT;
		step.a = below(r, s->n_nodes);
		step.b = below(r, 2);
	} else if (what < 955) {
		step.kind = STEP_HEAL;
	} else if (what < 962) {
		step.kind = STEP_CRASH;
	} else if (what < 965) {
		step.kind = STEP_REBOOT;
	} else if (what < 968) {
		step.kind = STEP_BYE;
	} else if (what < 978) {
		step.kind = STEP_START;
	} else if (what < 988) {
		step.kind = STEP_BLOCK;
		step.a = below(r, 1500);
	} else if (what < 992) {
		step.kind = STEP_JUMP;
		step.a = below(r, 4000);
	} else if (what < 996) {
		step.kind = STEP_RESYNC;
	} else {
		step.kind = STEP_BULK;
	}
	return step;
}

void script_make(struct script *s, uint64_t seed, unsigned int n_nodes)
{
	uint64_t r = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	unsigned int round, i, n;

	below(&r, 1);
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	n = 2 + below(&r, 4);
	s->n_nodes = n_nodes ? n_nodes : n == 5 && below(&r, 2) ? 2 : n;
	s->max_message = 512 + below(&r, 961);
	s->small_limit = below(&r, 8) ? 0 : 30;
	s->mirror = seed % 3 == 0;
	/* One of five without acknowledgements; lists are independent of that. */
	s->mode = seed % 10 == 4 ? CTS_MODE_ALARM : seed % 10 == 9 ? CTS_MODE_NOTRACK : CTS_MODE_FTFW;
	s->listed = seed % 4 == 1;
	s->stranger = seed % 8 == 1 && s->n_nodes > 2;
	s->min_age_ms = seed % 7 ? 0 : 300 + seed % 5 * 250;
	for (i = 0; i < s->n_nodes; i++)
		add(s, (struct step){ .kind = STEP_BURST, .node = i, .a = below(&r, SIM_KEYS) });
	if (below(&r, 2))
		add(s, (struct step){ .kind = STEP_QUIET });
	for (round = 0; round < ROUNDS; round++) {
		/* Dense rounds fill rings, slow ones meet time-outs. */
		uint32_t pace = below(&r, 3) ? 20000 : 2000;

		for (i = 20 + below(&r, 300); i; i--) {
			struct step step = any_step(&r, s);

			step.wait_us = below(&r, pace);
			if (!below(&r, 200))
				step.wait_us += 1000 * below(&r, 4000);
			add(s, step);
		}
		if (!below(&r, 4))
			add(s, (struct step){ .kind = STEP_STRAIN, .node = below(&r, s->n_nodes),
					      .a = 2000 + below(&r, 12000), .b = 5 + below(&r, 80) });
		add(s, (struct step){ .kind = STEP_QUIET });
	}
}

static void step_print(const struct step *s)
{
	printf("  +%u us %s n%u %u %u %u\n", s->wait_us, kind_names[s->kind], s->node, s->a, s->b,
	       s->c);
}

void script_print(const struct script *s)
{
	unsigned int i;

	static const char *const modes[] = { "ftfw", "alarm", "notrack" };

	printf("seed %llu: %s, %u nodes%s, messages of %zu bytes, limit %zu, %s, %u steps\n",
	       (unsigned long long)s->seed, modes[s->mode], s->n_nodes,
	       s->stranger ? " with a stranger" : s->listed ? " on a list" : "", s->max_message,
	       s->small_limit, s->mirror ? "mirrors" : "plain tables", s->n_steps);
	for (i = 0; i < s->n_steps; i++)
		step_print(&s->step[i]);
}

/* -- running -- */

static void heal(struct world *w)
{
	memset(w->cut, 0, sizeof(w->cut));
	w->loss = w->repeat = w->damage = w->stale = 0;
	w->delay_us = 0;
}

/* A dump and live events at once; where no event was lost no other dump is needed. */
static void dump_under_traffic(struct world *w)
{
	unsigned int i, turn;
	char why[256];

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
	for (i = 0; i < w->n_nodes && !w->small_limit; i++)
		if (!w->node[i].doubt && !mirror_right(w, &w->node[i], why))
			world_fail(w, "after a dump under traffic: %s", why);
}

/* Faults and traffic end; everything must agree in time, and stay so. */
static void quiet(struct world *w)
{
	uint64_t end = w->now + QUIET_MS * MS;
	char why[256] = "";
	unsigned int i, turn;

	heal(w);
	for (i = 0; i < w->n_nodes; i++)
		node_start(w, &w->node[i]);
	for (i = 0; i < w->n_nodes; i++)
		w->node[i].blocked_until = 0;
	if (w->mirror)
		dump_under_traffic(w);
	world_run(w, w->now + 100 * MS);
	for (i = 0; i < w->n_nodes && w->small_limit; i++)
		for (unsigned int key = 20; key < SIM_KEYS; key++)
			node_delete(w, &w->node[i], key, true);
	world_run(w, w->now + 300 * MS);  /* dumps that run come to their end */
	for (i = 0; i < w->n_nodes; i++)
		node_reconcile(w, &w->node[i]);
	for (turn = 0; !*w->failure && !converged(w, why); turn++) {
		if (w->now >= end) {
			world_fail(w, "%s", why);
			return;
		}
		if (w->small_limit)  /* a full cache refuses, the mirror tries again */
			for (i = 0; i < w->n_nodes; i++)
				node_reconcile(w, &w->node[i]);
		if (w->mode == CTS_MODE_NOTRACK && turn % 4 == 3)  /* nothing else repairs it */
			for (i = 0; i < w->n_nodes; i++)
				cts_engine_bulk(w->node[i].engine, w->now);
		world_run(w, w->now + 250 * MS);
	}
	w->asked = false;
	world_run(w, w->now + 6000 * MS);
	if (!*w->failure && !converged(w, why))
		world_fail(w, "after it agreed: %s", why);
	for (i = 0; i < w->n_nodes && w->mode == CTS_MODE_ALARM && !w->small_limit; i++)
		check_refresh(w, &w->node[i]);
}

static void cut(struct world *w, const struct step *s)
{
	w->cut[s->node][s->a] = true;
	if (s->b)
		w->cut[s->a][s->node] = true;
}

/* More changes than the transport can take, for a long time. */
static void strain(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];
	uint64_t end = w->now + s->a * MS;
	unsigned int i;

	n->gap_ms = s->b;
	while (w->now < end && !*w->failure) {
		for (i = 0; i < SIM_KEYS; i++)
			node_change(w, n, i, true);
		world_run(w, w->now + 100 * MS);
	}
	n->gap_ms = 0;
}

/* Gone for longer than its replicas wait, mostly; another takes over what it had. */
static void away(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];

	node_stop(n);
	if (s->b == 2)
		node_lose_table(w, n);
	world_run(w, w->now + s->a / 2 * MS);
	if (s->b)
		node_promote(w, &w->node[(s->node + 1) % w->n_nodes]);
	world_run(w, w->now + s->a / 2 * MS);
	node_start(w, n);
}

static void step_run(struct world *w, const struct step *s)
{
	struct sim_node *n = &w->node[s->node];
	unsigned int i;

	switch (s->kind) {
	case STEP_CHANGE:
		node_change(w, n, s->a, true);
		break;
	case STEP_DELETE:
		node_delete(w, n, s->a, true);
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
	case STEP_FAULTS:
		w->loss = s->a;
		w->repeat = s->b;
		w->damage = s->b / 4;
		w->stale = s->b / 8;
		w->delay_us = s->c;
		break;
	case STEP_CUT:
		cut(w, s);
		break;
	case STEP_HEAL:
		heal(w);
		break;
	case STEP_CRASH:
		node_stop(n);
		break;
	case STEP_REBOOT:
		node_stop(n);
		node_lose_table(w, n);
		break;
	case STEP_BYE:
		if (n->engine)
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
		break;
	case STEP_RESYNC:
	case STEP_BULK:
		w->asked = true;
		if (n->engine)
			(s->kind == STEP_BULK ? cts_engine_bulk : cts_engine_resync)(n->engine, w->now);
		n->touched = true;
		break;
	case STEP_PROMOTE:
		node_promote(w, n);
		break;
	case STEP_AWAY:
		away(w, s);
		break;
	case STEP_QUIET:
		quiet(w);
		break;
	default:
		break;
	}
}

int script_run(const struct script *s, const struct cts_engine_breaks *breaks, bool trace,
	       char failure[256])
{
	struct world *w = malloc(sizeof(*w));
	unsigned int i;
	int failed;

	if (!w)
		abort();
	world_init(w, s);
	w->breaks = breaks;
	w->trace = trace;
	for (i = 0; i < w->n_nodes; i++)
		node_start(w, &w->node[i]);
	for (i = 0; i < s->n_steps && !*w->failure; i++) {
		world_run(w, w->now + s->step[i].wait_us * UINT64_C(1000));
		if (trace) {
			printf("%10.3f ms", (double)w->now / 1e6);
			step_print(&s->step[i]);
		}
		step_run(w, &s->step[i]);
	}
	failed = *w->failure != '\0';
	memcpy(failure, w->failure, sizeof(w->failure));
	world_fini(w);
	free(w);
	return failed;
}

/* Take out pieces, from half of the script down to single steps. */
void script_shrink(struct script *s, const struct cts_engine_breaks *breaks)
{
	struct script *less = malloc(sizeof(*less));
	unsigned int runs = 0, size, at, before;
	char failure[256];

	if (!less)
		abort();
	do {
		before = s->n_steps;
		for (size = before / 2; size; size /= 2)
			for (at = 0; at + size <= s->n_steps && runs < SHRINK_RUNS; runs++) {
				*less = *s;
				memmove(&less->step[at], &less->step[at + size],
					(s->n_steps - at - size) * sizeof(s->step[0]));
				less->n_steps -= size;
				if (script_run(less, breaks, false, failure))
					*s = *less;
				else
					at += size;
			}
	} while (s->n_steps < before && runs < SHRINK_RUNS);
	free(less);
}
