/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim [--seeds A-B] [--nodes N] [--seed S [--trace]] [--break RULE] [--jobs N]
 * Exit status: 0 all invariants held (with --break: the broken rule was found),
 * 1 not so, 2 wrong use.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/sim.h"

struct options {
	unsigned long long first, last;
	unsigned int nodes, jobs;
	bool trace;
	const char *rule;
	struct cts_engine_breaks breaks;
};

static int usage(void)
{
	fputs("usage: sim [--seeds A-B] [--nodes N] [--seed S [--trace]] [--jobs N]\n"
	      "           [--break late|sweep|digest]\n", stderr);
	return 2;
}

static bool number(const char *text, char **end, unsigned long long *value)
{
	*value = strtoull(text, end, 10);
	return *end != text;
}

static bool set_break(struct options *o, const char *rule)
{
	o->rule = rule;
	if (!strcmp(rule, "late"))
		o->breaks.apply_late = true;
	else if (!strcmp(rule, "sweep"))
		o->breaks.sweep_open_gap = true;
	else if (!strcmp(rule, "digest"))
		o->breaks.digest_content = true;
	else
		return false;
	return true;
}

static bool parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seeds", required_argument, NULL, 'r' }, { "seed", required_argument, NULL, 's' },
		{ "nodes", required_argument, NULL, 'n' }, { "jobs", required_argument, NULL, 'j' },
		{ "break", required_argument, NULL, 'b' }, { "trace", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long long v;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			if (!number(optarg, &end, &o->first) || *end != '-' ||
			    !number(end + 1, &end, &o->last) || *end)
				return false;
			break;
		case 's':
			if (!number(optarg, &end, &o->first) || *end)
				return false;
			o->last = o->first;
			break;
		case 'n':
			if (!number(optarg, &end, &v) || *end || v < 2 || v > SIM_NODES)
				return false;
			o->nodes = (unsigned int)v;
			break;
		case 'j':
			if (!number(optarg, &end, &v) || *end || v < 1 || v > 64)
				return false;
			o->jobs = (unsigned int)v;
			break;
		case 'b':
			if (!set_break(o, optarg))
				return false;
			break;
		case 't':
			o->trace = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc && o->first <= o->last;
}

/* Every jobs-th seed. Returns the number of failures; with a broken rule one is
 * enough. */
static unsigned int run_seeds(const struct options *o, unsigned int job)
{
	const struct cts_engine_breaks *breaks = o->rule ? &o->breaks : NULL;
	struct script *s = malloc(sizeof(*s));
	unsigned int failures = 0;
	unsigned long long seed;
	char failure[256];

	if (!s)
		abort();
	for (seed = o->first + job; seed <= o->last; seed += o->jobs) {
		script_make(s, seed, o->nodes);
		if (!script_run(s, breaks, o->trace, failure))
			continue;
		failures++;
		printf("seed %llu: %s\n", seed, failure);
		if (o->rule)
			break;
		if (failures > 1 || o->trace)
			continue;
		script_shrink(s, breaks);
		script_run(s, breaks, false, failure);
		printf("shortest: %s\n", failure);
		script_print(s);
		fflush(stdout);
	}
	free(s);
	return failures;
}

static unsigned int run_jobs(const struct options *o)
{
	unsigned int job, failures = 0;
	int status;

	if (o->jobs == 1)
		return run_seeds(o, 0);
	for (job = 0; job < o->jobs; job++)
		if (!fork()) {
			failures = run_seeds(o, job);
			exit(failures > 255 ? 255 : (int)failures);
		}
	while (wait(&status) > 0)
		failures += WIFEXITED(status) ? (unsigned int)WEXITSTATUS(status) : 1;
	return failures;
}

int main(int argc, char **argv)
{
	struct options o = { .first = 1, .last = 200, .jobs = 1 };
	unsigned int failures;

	if (!parse(&o, argc, argv))
		return usage();
	failures = run_jobs(&o);
	if (o.rule) {
		printf("broken rule %s: %s\n", o.rule, failures ? "found" : "NOT found");
		return !failures;
	}
	printf("%llu seeds, %u failed\n", o.last - o.first + 1, failures);
	return failures != 0;
}
