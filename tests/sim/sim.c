/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim [--seeds A-B] [--nodes N] [--seed S [--trace]] [--break RULE] [--jobs N]
 *     [--time S] [--scenario NAME]
 * Exit status: 0 all invariants held (with --break: the broken rule was found),
 * 1 not so, 2 wrong use.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

struct options {
	unsigned long long first, last, seconds;
	unsigned int nodes, jobs;
	bool trace;
	const char *rule, *scenario;
	struct cts_faults faults;
};

static int usage(void)
{
	fputs("usage: sim [--seeds A-B] [--nodes N] [--seed S [--trace]] [--jobs N] [--time S]\n"
	      "           [--break late|settle|count|blindly|keep|digest|forget|start]\n"
	      "           [--scenario NAME|list]\n", stderr);
	return 2;
}

static bool number(const char *text, char **end, unsigned long long *value)
{
	*value = strtoull(text, end, 10);
	return *end != text;
}

static bool set_break(struct options *o, const char *rule)
{
	const struct { const char *name; bool *fault; } rules[] = {
		{ "late", &o->faults.apply_late }, { "settle", &o->faults.settle_early },
		{ "count", &o->faults.equal_by_count }, { "blindly", &o->faults.confirm_blindly },
		{ "keep", &o->faults.never_withdraw }, { "digest", &o->faults.wrong_digest },
		{ "forget", &o->faults.forget_deleted }, { "start", &o->faults.any_start },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (strcmp(rule, rules[i].name))
			continue;
		o->rule = rule;
		*rules[i].fault = true;
		return true;
	}
	return false;
}

static bool parse_number(struct options *o, int c)
{
	unsigned long long v;
	char *end;

	if (!number(optarg, &end, &v) || *end)
		return false;
	switch (c) {
	case 's':
		o->first = o->last = v;
		return true;
	case 'n':
		o->nodes = (unsigned int)v;
		return v >= 2 && v <= SIM_NODES;
	case 'j':
		o->jobs = (unsigned int)v;
		return v >= 1 && v <= 64;
	default:
		o->seconds = v;
		return v > 0;
	}
}

static bool parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seeds", required_argument, NULL, 'r' }, { "seed", required_argument, NULL, 's' },
		{ "nodes", required_argument, NULL, 'n' }, { "jobs", required_argument, NULL, 'j' },
		{ "time", required_argument, NULL, 'T' }, { "break", required_argument, NULL, 'b' },
		{ "scenario", required_argument, NULL, 'c' }, { "trace", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			if (!number(optarg, &end, &o->first) || *end != '-' ||
			    !number(end + 1, &end, &o->last) || *end)
				return false;
			break;
		case 's': case 'n': case 'j': case 'T':
			if (!parse_number(o, c))
				return false;
			break;
		case 'b':
			if (!set_break(o, optarg))
				return false;
			break;
		case 'c':
			o->scenario = optarg;
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

static void shrink_and_print(struct script *s, const struct cts_faults *faults, bool trace)
{
	char failure[FAILURE_LEN];

	fflush(stdout);
	script_shrink(s, faults);
	script_run(s, faults, trace, failure);
	printf("shortest: %s\n", failure);
	script_print(s);
	fflush(stdout);
}

struct result {
	unsigned long long run, failed;
};

/* Every jobs-th seed, as long as there is time. With a broken rule one failure is enough. */
static struct result run_seeds(const struct options *o, unsigned int job)
{
	const struct cts_faults *faults = o->rule ? &o->faults : NULL;
	struct script *s = malloc(sizeof(*s));
	struct result r = { 0, 0 };
	unsigned long long seed;
	char failure[FAILURE_LEN];
	time_t end = time(NULL) + (time_t)o->seconds;

	if (!s)
		abort();
	for (seed = o->first + job; seed <= o->last; seed += o->jobs) {
		if (o->seconds && time(NULL) >= end)
			break;
		r.run++;
		script_make(s, seed, o->nodes);
		if (!script_run(s, faults, false, failure))
			continue;
		r.failed++;
		printf("seed %llu: %s\n", seed, failure);
		if (o->rule)
			break;
		if (r.failed == 1)
			shrink_and_print(s, faults, o->trace);
	}
	free(s);
	return r;
}

static struct result run_jobs(const struct options *o)
{
	struct result all = { 0, 0 }, one;
	unsigned int job;
	int fd[2];

	if (o->jobs == 1)
		return run_seeds(o, 0);
	if (pipe(fd) < 0)
		abort();
	fflush(stdout);
	for (job = 0; job < o->jobs; job++)
		if (!fork()) {
			one = run_seeds(o, job);
			fflush(stdout);
			_exit(write(fd[1], &one, sizeof(one)) != sizeof(one));
		}
	close(fd[1]);
	for (job = 0; job < o->jobs; job++) {
		if (read(fd[0], &one, sizeof(one)) != sizeof(one))
			one = (struct result){ 0, 1 };  /* it crashed */
		all.run += one.run;
		all.failed += one.failed;
	}
	close(fd[0]);
	while (wait(NULL) > 0)
		;
	return all;
}

int main(int argc, char **argv)
{
	struct options o = { .first = 1, .last = 200, .jobs = 1 };
	struct result r;
	time_t began = time(NULL);

	if (!parse(&o, argc, argv))
		return usage();
	if (o.scenario)
		return scenario_run(o.scenario, &o.faults, o.trace);
	r = run_jobs(&o);
	if (o.rule) {
		printf("broken rule %s: %s after %llu seeds\n", o.rule, r.failed ? "found" : "NOT found",
		       r.run);
		return !r.failed;
	}
	printf("%s: %llu seeds in %ld s, %llu failed\n", SIM_FLAVOUR, r.run,
	       (long)(time(NULL) - began), r.failed);
	return r.failed || !r.run;
}
