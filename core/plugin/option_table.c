/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text against an option table, and what groups of the configuration (option_group.c) have in
 * common with it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plugin/options.h"

static size_t table_rows(const struct cts_option *table)
{
	size_t n = 0;

	while (table && n < CTS_OPTION_ROWS_MAX && table[n].name)
		n++;
	return n;
}

const char *cts_option_table_check(const struct cts_option *table)
{
	size_t n = table_rows(table);

	if (n == CTS_OPTION_ROWS_MAX)
		return "the option table has no end";
	for (size_t i = 0; i < n; i++) {
		const struct cts_option *row = &table[i];
		unsigned int type = cts_option_type(row);

		if (type == CTS_OPT_END || type >= CTS_OPT_TYPE_MAX || row->type >> 16)
			return "the option table has a type that the core does not know";
		if (row->type >> 8 &&
		    (type != CTS_OPT_LIST || cts_option_item_type(row) >= CTS_OPT_LIST))
			return "the option table has a list of something that is no item";
		if (type == CTS_OPT_CHOICE && !row->choices)
			return "the option table has a choice without choices";
		if (row->min > row->max || !row->help)
			return "the option table has a row without help or with min > max";
		if (cts_option_find(table, row->name) != row)
			return "the option table has a name twice";
	}
	return NULL;
}

/* -- reports -- */

void cts_parse_error(struct cts_parse *ps, const char *name, unsigned int line, const char *why)
{
	const struct cts_options *opt = ps->opt;

	ps->failed = true;
	cts_report_error(ps->report, opt->file, line ? line : opt->line, "%s%s%s: %s", opt->subject,
			 *opt->subject ? "." : "", name, why);
}

/* One more of the names that are allowed. */
static void add_name(char *why, size_t size, const char *name, size_t len)
{
	size_t used = strlen(why);

	snprintf(why + used, size - used, "%s%.*s", why[used - 1] == ' ' ? "" : ", ", (int)len,
		 name);
}

void cts_parse_unknown(struct cts_parse *ps, const char *name, unsigned int line)
{
	char why[CTS_OPTION_WHY_MAX] = "unknown option, allowed: ";

	for (const char *word = ps->ignore; word && *word; word += strspn(word, " ")) {
		add_name(why, sizeof(why), word, strcspn(word, " "));
		word += strcspn(word, " ");
	}
	for (size_t i = 0; i < ps->opt->n; i++)
		add_name(why, sizeof(why), ps->opt->table[i].name, strlen(ps->opt->table[i].name));
	if (!ps->ignore && !ps->opt->n)
		add_name(why, sizeof(why), "none", 4);
	cts_parse_error(ps, name, line, why);
}

/* -- values of all rows -- */

void cts_options_free(struct cts_options *opt)
{
	if (!opt)
		return;
	for (size_t i = 0; i < opt->n; i++)
		cts_option_value_fini(&opt->values[i]);
	free(opt->subject);
	free(opt->file);
	free(opt);
}

static struct cts_options *options_alloc(const struct cts_option *table, const char *subject,
					 const char *file)
{
	size_t n = table_rows(table);
	struct cts_options *opt = calloc(1, sizeof(*opt) + n * sizeof(opt->values[0]));

	if (!opt)
		return NULL;
	opt->table = table;
	opt->n = n;
	opt->subject = strdup(subject);
	opt->file = file ? strdup(file) : NULL;
	if (!opt->subject || (file && !opt->file)) {
		cts_options_free(opt);
		return NULL;
	}
	return opt;
}

static void take_defaults(struct cts_parse *ps)
{
	for (size_t i = 0; i < ps->opt->n; i++) {
		const struct cts_option *row = &ps->opt->table[i];
		struct option_value *v = &ps->opt->values[i];
		char why[CTS_OPTION_WHY_MAX], allowed[CTS_OPTION_WHY_MAX - 64];

		if (v->set)
			continue;
		if (row->flags & CTS_OPT_REQUIRED) {
			cts_option_allowed(row, allowed, sizeof(allowed));
			snprintf(why, sizeof(why), "is missing, required: %s", allowed);
			cts_parse_error(ps, row->name, 0, why);
		} else if (row->def &&
			   cts_option_value_text(row, row->def, ' ', v, why, sizeof(why)) < 0) {
			cts_parse_error(ps, row->name, 0, why);
		}
	}
}

struct cts_options *cts_parse_end(struct cts_parse *ps)
{
	take_defaults(ps);
	if (!ps->failed)
		return ps->opt;
	cts_options_free(ps->opt);
	errno = EINVAL;
	return NULL;
}

int cts_parse_begin(struct cts_parse *ps, const struct cts_option *table, const char *subject,
		    const char *file)
{
	const char *flaw = cts_option_table_check(table);

	ps->opt = flaw ? NULL : options_alloc(table, subject, file);
	if (ps->opt)
		return 0;
	cts_report_error(ps->report, file, 0, "%s: %s", subject, flaw ? flaw : "out of memory");
	errno = flaw ? EINVAL : ENOMEM;
	return -1;
}

/* -- text -- */

/* Cut "name=value" at the next comma that no backslash protects; *text moves on. */
static char *cut_pair(char **text)
{
	char *begin = *text, *p = begin;

	while (*p && *p != ',')
		p += *p == '\\' && p[1] ? 2 : 1;
	*text = *p ? p + 1 : NULL;
	*p = '\0';
	return begin;
}

static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (*text == '\\' && text[1])
			text++;
		*out++ = *text;
	}
	*out = '\0';
}

static void take_pair(struct cts_parse *ps, char *pair)
{
	char *value = strchr(pair, '=');
	char why[CTS_OPTION_WHY_MAX];
	const struct cts_option *row;
	struct option_value *v;

	if (value)
		*value++ = '\0';
	row = cts_option_find(ps->opt->table, pair);
	if (!row) {
		cts_parse_unknown(ps, pair, 0);
		return;
	}
	if (!value && cts_option_type(row) != CTS_OPT_BOOL) {
		cts_parse_error(ps, pair, 0, "needs a value");
		return;
	}
	v = &ps->opt->values[row - ps->opt->table];
	if (v->set) {
		cts_parse_error(ps, pair, 0, "is given twice");
		return;
	}
	v->set = true;
	if (value && cts_option_type(row) != CTS_OPT_LIST)
		unescape(value);
	if (cts_option_value_text(row, value ? value : "true", '+', v, why, sizeof(why)) < 0)
		cts_parse_error(ps, pair, 0, why);
}

struct cts_options *cts_options_parse_text(const struct cts_option *table, const char *text,
					   const char *subject, struct cts_report *report)
{
	struct cts_parse ps = { .report = report };
	char *copy = NULL, *next;

	if (cts_parse_begin(&ps, table, subject, NULL) < 0)
		return NULL;
	if (text && *text) {
		copy = strdup(text);
		if (!copy)
			cts_parse_error(&ps, "", 0, "out of memory");
	}
	next = copy;
	while (next)
		take_pair(&ps, cut_pair(&next));
	free(copy);
	return cts_parse_end(&ps);
}
