/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A failing script is made shorter while it still fails. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/sim.h"

#define SHRINK_RUNS 4000u
#define SHRINK_S 15                  /* of real time */

struct shrink {
	const struct cts_faults *faults;
	char sort[FAILURE_LEN];      /* of the first failure */
	unsigned int runs;
	time_t end;
};

/* Numbers and what follows in brackets do not tell one fault from another. */
static void sort_of(const char *failure, char sort[FAILURE_LEN])
{
	for (; *failure && *failure != '('; failure++)
		if (*failure < '0' || *failure > '9')
			*sort++ = *failure;
	*sort = '\0';
}

/* In the same way: another failure may be another fault. */
static bool still_fails(const struct script *s, const struct shrink *k)
{
	char failure[FAILURE_LEN], sort[FAILURE_LEN];

	if (!script_run(s, k->faults, false, failure))
		return false;
	sort_of(failure, sort);
	return !strcmp(sort, k->sort);
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
	char failure[FAILURE_LEN];
	unsigned int size, before;

	if (!less)
		abort();
	script_run(s, faults, false, failure);
	sort_of(failure, k.sort);
	do {
		before = s->n_steps;
		for (size = before / 2; size; size /= 2)
			shrink_by(s, less, &k, size);
	} while (s->n_steps < before && k.runs < SHRINK_RUNS && time(NULL) < k.end);
	free(less);
}
