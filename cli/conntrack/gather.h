/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -D and -U lines of a file that follow each other are done together. Lines that name
 * an entry by its whole original tuple are looked up, 64 in a batch; others share one
 * pass over the table, which costs milliseconds even if it finds nothing.
 */
#ifndef CONNTRACK_GATHER_H
#define CONNTRACK_GATHER_H

#include "cli/conntrack/change.h"

struct gather {
	struct selections *lines;    /* owned */
	struct cts_pipeline *pipe;   /* owned */
	struct change change[2];     /* -D, -U; open when there is a printer */
	unsigned int output[2];      /* that they print */
	char *labelmap[2];           /* owned; that they print with */
	struct cts_writer *getter;   /* owned: looks up */
	bool keep_going;
	bool whole;                  /* all lines name a whole tuple, no two the same */
	bool labels_change, values_change;   /* by one of the lines */
	bool zones;                  /* some entry may have one */
	uint64_t zones_known_ms;     /* until then that is so */
	int print_error;                 /* errno of outputs that are closed already */
	uint64_t passes, lookups;    /* done so far */
};

/* 0, or -1: not enough memory. */
int gather_init(struct gather *g, bool keep_going);
void gather_fini(struct gather *g);
/* errno of standard output, 0: all was printed. */
int gather_print_error(const struct gather *g);
static inline bool gather_waits(const struct gather *g)
{
	return selections_count(g->lines) > 0;
}
/* The line cannot join those that are there: they have to run first. */
bool gather_must_run(const struct gather *g, const struct cmdline *cl);
/* cl is copied. 0, or -1 and errno. */
int gather_add(struct gather *g, const struct cmdline *cl);
/* Do what the lines say, and forget them. *refused counts lines that the kernel
 * refused, which is said. 0, or -1 and errno. */
int gather_run(struct gather *g, uint64_t *refused);

#endif
