/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACK_SAVED_H
#define CONNTRACK_SAVED_H

#include "cli/conntrack/lines.h"

/* In a file: was the line written by `-o save', whatever its command is now? */
bool saved_is(const struct cmdline *cl, int argc, char *argv[]);
/* What the command of such a line cannot use, or what only tells how the entry was. */
void saved_ignore(struct cmdline *cl);
/* The established tool saves SCTP's verification tags with their bytes swapped. Put them
 * right if the line is its; returns whether it was. */
bool saved_swap_tags(struct cmdline *cl, const struct saved_words *words);
/* What stands behind the line, where the established tool does not look. */
void saved_take(struct cmdline *cl, const struct saved_words *words);

#endif
