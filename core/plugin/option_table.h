/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks a libconfig group against an option table. All mistakes are reported,
 * not only the first one, as `file:line: subject.option: what is wrong, what is
 * allowed`. Plugins and the daemon's own groups use the same tables.
 */
#ifndef CTS_OPTION_TABLE_H
#define CTS_OPTION_TABLE_H

#include <libconfig.h>

#include <ctsync/options.h>

/* Where reports go: one line without line feed each, control characters masked. */
struct cts_report {
	void (*line)(void *ctx, const char *text); /* NULL: to the log, as errors */
	void *ctx;
	unsigned int errors;
	const char *file; /* lent; stands for settings that name no file, may be NULL */
};
/* file NULL: nothing in front; line 0: the file alone. */
void cts_report_error(struct cts_report *r, const char *file, unsigned int line, const char *fmt,
		      ...) __attribute__((format(printf, 4, 5)));

/*
 * group may be NULL (all defaults). ignore: names in the group that are somebody
 * else's, split by spaces ("plugin"), or NULL. subject: what messages call the
 * group. NULL when anything was wrong (reported).
 */
struct cts_options *cts_options_parse(const struct cts_option *table, const config_setting_t *group,
				      const char *subject, const char *ignore,
				      struct cts_report *report);
/*
 * The same from "name=value,name=value" text, as the command line gives it (NULL:
 * all defaults). A name alone is true for a CTS_OPT_BOOL, items of a list are split
 * by '+', and a backslash takes the special meaning from the next character.
 */
struct cts_options *cts_options_parse_text(const struct cts_option *table, const char *text,
					   const char *subject, struct cts_report *report);
void cts_options_free(struct cts_options *opt); /* takes NULL */

/* The row of that name, or NULL. table may be NULL. */
const struct cts_option *cts_option_find(const struct cts_option *table, const char *name);
/* Is word one of the words that list has, split by spaces? list may be NULL. */
bool cts_option_word_in(const char *list, const char *word, size_t len);
/* What the row allows, in words: "an integer from 1 to 65535". */
void cts_option_allowed(const struct cts_option *row, char *buf, size_t size);
/* A mistake of the table's author, in words; NULL: the table is in order. */
const char *cts_option_table_check(const struct cts_option *table);

#endif
