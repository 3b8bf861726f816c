/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of command lines, read twice in constant memory: once to check it, once to
 * act. Words are split at blanks; a word in double quotes ends with them, and a
 * backslash inside them takes away what the next character means. Empty lines and
 * those that begin with # are passed over.
 */
#ifndef CONNTRACK_LINES_H
#define CONNTRACK_LINES_H

#include "cli/conntrack/conntrack.h"

#define LINES_BYTES_MAX 65536u   /* of a line, line feed included */
#define LINES_WORDS_MAX 1024u

struct lines;

/* What `-o save' writes into a comment behind a line: ` # labels=0,5 helper=ftp'. */
struct saved_words {
	const char *labels, *helper;    /* lent, as argv; NULL: not there */
	bool tags;                      /* SCTP's verification tags are as packets carry them */
};

/* path `-': standard input. What cannot be read twice is copied into a temporary
 * file that has no name. NULL and errno. */
struct lines *lines_open(const char *path);
void lines_close(struct lines *l);   /* takes NULL */
/* The next command line: argv[0] stands for the program's name, argv[*argc] is NULL;
 * both last until the next call. 1: there is one, 0: no more, -1 and errno: cannot be
 * read. Mistakes of quoting and length are reported and end the program. */
int lines_next(struct lines *l, int *argc, char ***argv);
/* Where the line that was read last stands. */
const struct place *lines_place(const struct lines *l);
/* From the first line again, no further than was read before. */
void lines_rewind(struct lines *l);

/* The second half of a large file, whose lines come from it and no longer from l. NULL: it
 * is not worth it, or there is no memory. */
struct lines *lines_halve(struct lines *l);
/* The two are one again: second was read to its end; NULL: its lines come from l. */
void lines_join(struct lines *l, const struct lines *second);
/* Mistakes end in silence, there. */
void lines_on_trial(struct lines *l, jmp_buf *end);

/* Of the line that came last. */
const struct saved_words *lines_saved(const struct lines *l);

#endif
