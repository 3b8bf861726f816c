/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scripts: made from a seed, and printed. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

#define ROUNDS 3u

static const char *const kind_names[STEP_KINDS] = {
	"change", "delete", "burst", "clear", "lose-event", "reconcile", "faults", "path", "cut",
	"heal", "crash", "reboot", "bye", "start", "block", "strain", "jump", "resync", "bulk",
	"promote", "away", "pause", "revert", "clone", "rename", "limit", "filter", "flush",
	"hours", "quiet",
};

const char *step_name(enum step_kind kind)
{
	return kind_names[kind];
}

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

/* How often of 1000, and what a, b and c are below; a of 0: below n_nodes. */
static const struct {
	enum step_kind kind;
	uint32_t weight, a, b, c;
} choices[] = {
	{ STEP_CHANGE, 530, SIM_KEYS, 1, 1 },
	{ STEP_DELETE, 225, SIM_KEYS, 1, 1 },
	{ STEP_FILTER, 12, SIM_KEYS, 2, 1 },
	{ STEP_BURST, 50, SIM_KEYS, 1, 1 },
	{ STEP_CLEAR, 5, 1, 1, 1 },
	{ STEP_LOSE_EVENT, 20, SIM_KEYS, 2, 1 },
	{ STEP_RECONCILE, 5, 1, 1, 1 },
	{ STEP_FAULTS, 20, 300, 200, 40000 },
	{ STEP_PATH, 20, 0, 6, 1000 },
	{ STEP_CUT, 20, 0, 2, SIM_LINKS },
	{ STEP_HEAL, 20, 1, 1, 1 },
	{ STEP_CRASH, 6, 1, 1, 1 },
	{ STEP_REBOOT, 3, 1, 1, 1 },
	{ STEP_BYE, 3, 1, 1, 1 },
	{ STEP_START, 12, 1, 1, 1 },
	{ STEP_BLOCK, 10, 1500, 1, 1 },
	{ STEP_JUMP, 3, 4000, 1, 1 },
	{ STEP_PAUSE, 6, 5000, 1, 1 },
	{ STEP_REVERT, 2, 1, 1, 1 },
	{ STEP_CLONE, 1, 0, 2, 1 },
	{ STEP_RENAME, 1, 1000, 1, 1 },
	{ STEP_LIMIT, 2, 300, 1, 1 },
	{ STEP_FLUSH, 3, 2, 1, 1 },
	{ STEP_RESYNC, 3, 1, 1, 1 },
	{ STEP_BULK, 4, 1, 1, 1 },
	{ STEP_PROMOTE, 10, 1, 1, 1 },
	{ STEP_AWAY, 4, 3000, 3, 1 },
};

/* Traffic most of the time, a fault now and then. */
static struct step any_step(uint64_t *r, const struct script *s)
{
	uint32_t what = below(r, 1000);
	unsigned int i;

	for (i = 0; i + 1 < sizeof(choices) / sizeof(choices[0]) && what >= choices[i].weight; i++)
		what -= choices[i].weight;
	return (struct step){ .kind = choices[i].kind, .node = below(r, s->n_nodes),
			      .a = below(r, choices[i].a ? choices[i].a : s->n_nodes),
			      .b = below(r, choices[i].b), .c = below(r, choices[i].c) };
}

static void make_world(struct script *s, uint64_t *r, unsigned int n_nodes)
{
	uint64_t seed = s->seed;
	unsigned int n = 2 + below(r, 4);

	s->n_nodes = n_nodes ? n_nodes : n == 5 && below(r, 2) ? 2 : n;
	if (!n_nodes && seed % 97 == 11)
		s->n_nodes = 6 + below(r, SIM_NODES - 5);
	s->n_links = 1 + (seed % 5 == 2);
	s->membership = seed % 9 == 4;
	s->max_message = 512 + below(r, 961);
	s->small_limit = below(r, 8) ? 0 : 30;
	s->mirror = seed % 3 == 0;
	/* One of five without acknowledgements; lists are independent of that. */
	s->mode = seed % 10 == 4 ? CTS_MODE_ALARM : seed % 10 == 9 ? CTS_MODE_NOTRACK : CTS_MODE_FTFW;
	s->listed = seed % 4 == 1;
	s->stranger = seed % 8 == 1 && s->n_nodes > 2;
	s->differ = seed % 11 == 7;
	s->min_age_ms = seed % 7 ? 0 : 300 + seed % 5 * 250;
}

static void make_round(struct script *s, uint64_t *r)
{
	/* Dense rounds fill windows, slow ones meet time-outs. */
	uint32_t pace = below(r, 3) ? 20000 : 2000;
	unsigned int i, n = 20 + below(r, s->n_nodes > 8 ? 60 : 300);

	for (i = 0; i < n; i++) {
		struct step step = any_step(r, s);

		step.wait_us = below(r, pace);
		if (!below(r, 200))
			step.wait_us += 1000 * below(r, 4000);
		add(s, step);
	}
	if (!below(r, 4))
		add(s, (struct step){ .kind = STEP_STRAIN, .node = below(r, s->n_nodes),
				      .a = 2000 + below(r, 12000), .b = 5 + below(r, 80) });
	add(s, (struct step){ .kind = STEP_QUIET });
}

void script_make(struct script *s, uint64_t seed, unsigned int n_nodes)
{
	uint64_t r = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	unsigned int round, i;

	below(&r, 1);
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	make_world(s, &r, n_nodes);
	for (i = 0; i < s->n_nodes; i++)
		add(s, (struct step){ .kind = STEP_BURST, .node = i, .a = below(&r, SIM_KEYS) });
	if (below(&r, 2))
		add(s, (struct step){ .kind = STEP_QUIET });
	for (round = 0; round < (s->n_nodes > 8 ? 1 : ROUNDS); round++)
		make_round(s, &r);
	if (seed % 101 == 50 && s->n_nodes < 4) {
		add(s, (struct step){ .kind = STEP_HOURS, .a = 1 + below(&r, 3) });
		add(s, (struct step){ .kind = STEP_QUIET });
	}
}

void script_print(const struct script *s)
{
	static const char *const modes[] = { "ftfw", "alarm", "notrack" };
	unsigned int i;

	printf("seed %llu: %s, %s, %u nodes%s%s, %u links%s, messages of %zu bytes, limit %zu, "
	       "minimum age %u ms, %s, %u steps\n",
	       (unsigned long long)s->seed, SIM_FLAVOUR, modes[s->mode], s->n_nodes,
	       s->stranger ? " with a stranger" : s->listed ? " on a list" : "",
	       s->differ ? ", one differs" : "", s->n_links, s->membership ? " with membership" : "",
	       s->max_message, s->small_limit, s->min_age_ms, s->mirror ? "mirrors" : "plain tables",
	       s->n_steps);
	for (i = 0; i < s->n_steps; i++) {
		const struct step *step = &s->step[i];

		printf("  +%u us %s n%u %u %u %u\n", step->wait_us, step_name(step->kind), step->node,
		       step->a, step->b, step->c);
	}
}
