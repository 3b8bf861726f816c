/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first pass over a file of command lines: a mistake in the last one leaves the
 * table as it is.
 */
#ifndef CONNTRACK_LOAD_CHECK_H
#define CONNTRACK_LOAD_CHECK_H

#include "cli/conntrack/lines.h"

struct load_counts {
	uint64_t lines;
	uint64_t swapped;       /* with tags of SCTP that had their bytes swapped */
};

/* All lines, in two threads if they are many. The first mistake is reported and ends the
 * program. 0, or -1 and errno: the file cannot be read. */
int load_check(struct lines *lines, struct parser *parser, struct load_counts *counts);
/* The line that was read last, checked. Returns whether its tags were swapped. */
bool load_parse(struct lines *lines, struct parser *parser, struct cmdline *cl, int argc,
		char *argv[]);

#endif
