/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A failing script is made shorter while it still fails. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/sim.h"

#define SHRINK_RUNS 4000u
#define SHRINK_S 15                  /* of real time */

#define SAME 4u                      /* so many letters say which invariant it is */

struct shrink {
	const struct cts_faults *faults;
	char failure[FAILURE_LEN];   /* the first one */
	unsigned int runs;
	time_t end;
};

/* In the same way: another failure may be another fault. */
static bool still_fails(const struct script *s, const struct shrink *k)
{
	char failure[FAILURE_LEN];

	return script_run(s, k->faults, false, failure) && !strncmp(failure, k->failure, SAME);
}

/* Take out pieces of this size. */
static void shrink_by(struct script *s, struct script *less, struct shrink *k, unsigned int size)
{
	unsigned int at = 0;

	while (at + size <= s->n_steps && k->runs < SHRINK_RUNS && time(NULL) < k->end) {
		k->runs++;
		*less = *s;
		memmove(&less->step[at], &less->step[at + size],
			(s->n_steps - at - size) * sizeof(s->step[0]));
		less->n_steps -= size;
		if (still_fails(less, k))
			*s = *less;
		else
			at += size;
	}
}

/* From half of the script down to single steps. */
void script_shrink(struct script *s, const struct cts_faults *faults)
{
	struct script *less = malloc(sizeof(*less));
	struct shrink k = { .faults = faults, .end = time(NULL) + SHRINK_S };
	unsigned int size, before;

	if (!less)
		abort();
	script_run(s, faults, false, k.failure);
	do {
		before = s->n_steps;
		for (size = before / 2; size; size /= 2)
			shrink_by(s, less, &k, size);
	} while (s->n_steps < before && k.runs < SHRINK_RUNS && time(NULL) < k.end);
	free(less);
}
