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

/* Where reports go: one line without line feed each. */
struct cts_report {
	void (*line)(void *ctx, const char *text);
	void *ctx;
	unsigned int errors;
};
void cts_report_error(struct cts_report *r, const char *file, unsigned int line,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * group may be NULL (all defaults). ignore: names in the group that are somebody
 * else's, split by spaces ("plugin"), or NULL. subject: what messages call the
 * group. NULL when anything was wrong (reported).
 */
struct cts_options *cts_options_parse(const struct cts_option *table, const config_setting_t *group,
				      const char *subject, const char *ignore,
				      struct cts_report *report);
/* The same from "name=value,name=value" text, as `conntrack -o` gives it. */
struct cts_options *cts_options_parse_text(const struct cts_option *table, const char *text,
					   const char *subject, struct cts_report *report);
void cts_options_free(struct cts_options *opt);

#endif
