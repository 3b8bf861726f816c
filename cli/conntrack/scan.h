/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options among words, by the rules of getopt_long(3): long names may be shortened as
 * long as they stay unambiguous, values may be attached, `--' ends options. Other words
 * are mistakes.
 * Unlike it, there is no state outside, and names are found by a hash: files of
 * command lines have millions of options.
 */
#ifndef CONNTRACK_SCAN_H
#define CONNTRACK_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#define SCAN_ROWS_MAX 128u   /* options of a table */
#define SCAN_SLOTS 256u

struct scan_row {
	const char *name;            /* lent */
	int arg;                     /* no_argument, required_argument, optional_argument */
	bool later;
	int val;
};

struct scan_table {
	unsigned int n;
	struct scan_row row[SCAN_ROWS_MAX];
	uint8_t slot[SCAN_SLOTS];    /* rows by name, plus 1; 0: free */
	uint8_t letter[128];         /* rows by letter, plus 1; 0: none */
};

void scan_table_clear(struct scan_table *t);
/* Beside an option's kind of argument: scripts were written before it came, so it makes
 * no shortened name of the others ambiguous. */
#define SCAN_LATER 0x100
/* letter 0: long only. Aborts when the table is full: all rows are ours. */
void scan_table_add(struct scan_table *t, char letter, const char *name, int arg, int val);

enum { SCAN_END = -1, SCAN_UNKNOWN = -2, SCAN_NO_ARGUMENT = -3, SCAN_STRAY = -4 };

struct scan {
	const struct scan_table *table;
	const struct scan_table *extra;  /* more long names, or NULL */
	int argc;
	char **argv;
	int next;                        /* of argv: the word after the current one */
	const char *cluster;             /* letters that are left of a word, or NULL */
	const char *arg;                 /* of the option, or NULL */
	const char *name;                /* long name of the option */
	const char *word;                /* that is wrong */
	bool ended;                      /* by `--' */
	char letter;                     /* that is wrong, if the word is no long name */
};

void scan_init(struct scan *s, const struct scan_table *table, int argc, char *argv[]);
/* val of the next option, or SCAN_*. */
int scan_next(struct scan *s);
/* The word that follows, taken, if it is no option: a table, a value left apart. */
const char *scan_word(struct scan *s);

#endif
