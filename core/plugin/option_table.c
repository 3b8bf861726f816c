/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A group of the configuration, or text, against an option table. */
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
		if (row->type >> 8 && (type != CTS_OPT_LIST ||
				       cts_option_item_type(row) >= CTS_OPT_LIST))
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

struct parse {
	struct cts_options *opt;
	struct cts_report *report;
	const char *ignore;
	bool failed;
};

static void parse_error(struct parse *ps, const char *name, unsigned int line, const char *why)
{
	const struct cts_options *opt = ps->opt;

	ps->failed = true;
	cts_report_error(ps->report, opt->file, line ? line : opt->line, "%s%s%s: %s",
			 opt->subject, *opt->subject ? "." : "", name, why);
}

/* One more of the names that are allowed. */
static void add_name(char *why, size_t size, const char *name, size_t len)
{
	size_t used = strlen(why);

	snprintf(why + used, size - used, "%s%.*s", why[used - 1] == ' ' ? "" : ", ", (int)len,
		 name);
}

static void parse_unknown(struct parse *ps, const char *name, unsigned int line)
{
	char why[CTS_OPTION_WHY_MAX] = "unknown option, allowed: ";

	for (const char *word = ps->ignore; word && *word; word += strspn(word, " ")) {
		add_name(why, sizeof(why), word, strcspn(word, " "));
		word += strcspn(word, " ");
	}
	for (size_t i = 0; i < ps->opt->n; i++)
		add_name(why, sizeof(why), ps->opt->table[i].name,
			 strlen(ps->opt->table[i].name));
	if (!ps->ignore && !ps->opt->n)
		add_name(why, sizeof(why), "none", 4);
	parse_error(ps, name, line, why);
}

/* -- libconfig -- */

static unsigned int setting_line(const config_setting_t *s)
{
	return (unsigned int)config_setting_source_line(s);
}

static const char *type_name(int type)
{
	switch (type) {
	case CONFIG_TYPE_GROUP:
		return "a group";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "an integer";
	case CONFIG_TYPE_FLOAT:
		return "a number with a fraction";
	case CONFIG_TYPE_STRING:
		return "a string";
	case CONFIG_TYPE_BOOL:
		return "a truth value";
	default:
		return "a list";
	}
}

static int wrong_type(const struct cts_option *row, const config_setting_t *s, char *why,
		      size_t size)
{
	char allowed[CTS_OPTION_WHY_MAX - 64];

	cts_option_allowed(row, allowed, sizeof(allowed));
	snprintf(why, size, "is %s, allowed: %s", type_name(config_setting_type(s)), allowed);
	return -1;
}

static bool setting_is_int(const config_setting_t *s)
{
	int type = config_setting_type(s);

	return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
}

/* One item of a list: a string, or a number written without quotes. */
static int take_item(const struct cts_option *row, const config_setting_t *s,
		     struct option_value *v, char *why, size_t size)
{
	char number[32];

	if (config_setting_type(s) == CONFIG_TYPE_STRING)
		return cts_option_value_item(row, config_setting_get_string(s), setting_line(s), v,
					     why, size);
	if (!setting_is_int(s))
		return wrong_type(row, s, why, size);
	snprintf(number, sizeof(number), "%lld", config_setting_get_int64(s));
	return cts_option_value_item(row, number, setting_line(s), v, why, size);
}

/* Every wrong item of a list is reported, up to a sensible number. */
static void take_list(struct parse *ps, const struct cts_option *row, const config_setting_t *s,
		      struct option_value *v)
{
	char why[CTS_OPTION_WHY_MAX];
	int type = config_setting_type(s);
	int n = config_setting_length(s), wrong = 0;

	if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY) {
		if (type == CONFIG_TYPE_GROUP ? wrong_type(row, s, why, sizeof(why)) < 0
					      : take_item(row, s, v, why, sizeof(why)) < 0)
			parse_error(ps, row->name, setting_line(s), why);
		return;
	}
	for (int i = 0; i < n && wrong < 20; i++) {
		const config_setting_t *item = config_setting_get_elem(s, (unsigned int)i);

		if (take_item(row, item, v, why, sizeof(why)) < 0) {
			parse_error(ps, row->name, setting_line(item), why);
			wrong++;
		}
	}
}

static int take_scalar(const struct cts_option *row, const config_setting_t *s,
		       struct option_value *v, char *why, size_t size)
{
	int type = config_setting_type(s);

	if (cts_option_type(row) == CTS_OPT_INT && setting_is_int(s))
		return cts_option_value_number(row, config_setting_get_int64(s), v, why, size);
	if (cts_option_type(row) == CTS_OPT_BOOL && type == CONFIG_TYPE_BOOL) {
		v->flag = config_setting_get_bool(s);
		return 0;
	}
	if (cts_option_type(row) == CTS_OPT_INT || cts_option_type(row) == CTS_OPT_BOOL ||
	    type != CONFIG_TYPE_STRING)
		return wrong_type(row, s, why, size);
	return cts_option_value_scalar(row, cts_option_type(row), config_setting_get_string(s), v,
				       why, size);
}

static void take_setting(struct parse *ps, const config_setting_t *s)
{
	const char *name = config_setting_name(s);
	const struct cts_option *row = cts_option_find(ps->opt->table, name);
	char why[CTS_OPTION_WHY_MAX];
	struct option_value *v;

	if (!row) {
		parse_unknown(ps, name, setting_line(s));
		return;
	}
	v = &ps->opt->values[row - ps->opt->table];
	v->set = true;
	v->line = setting_line(s);
	if (cts_option_type(row) == CTS_OPT_LIST)
		take_list(ps, row, s, v);
	else if (take_scalar(row, s, v, why, sizeof(why)) < 0)
		parse_error(ps, name, v->line, why);
}

/* -- both -- */

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

static void take_defaults(struct parse *ps)
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
			parse_error(ps, row->name, 0, why);
		} else if (row->def &&
			   cts_option_value_text(row, row->def, ' ', v, why, sizeof(why)) < 0) {
			parse_error(ps, row->name, 0, why);
		}
	}
}

static struct cts_options *parse_end(struct parse *ps)
{
	take_defaults(ps);
	if (!ps->failed)
		return ps->opt;
	cts_options_free(ps->opt);
	errno = EINVAL;
	return NULL;
}

static int parse_begin(struct parse *ps, const struct cts_option *table, const char *subject,
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

struct cts_options *cts_options_parse(const struct cts_option *table, const config_setting_t *group,
				      const char *subject, const char *ignore,
				      struct cts_report *report)
{
	struct parse ps = { .report = report, .ignore = ignore };
	const char *file = group ? config_setting_source_file(group) : NULL;

	if (!file && report)
		file = report->file;
	if (parse_begin(&ps, table, subject, file) < 0)
		return NULL;
	if (group) {
		int n = config_setting_length(group);

		ps.opt->line = setting_line(group);
		for (int i = 0; i < n; i++) {
			const config_setting_t *s = config_setting_get_elem(group, (unsigned int)i);
			const char *name = config_setting_name(s);

			if (!cts_option_word_in(ignore, name, strlen(name)))
				take_setting(&ps, s);
		}
	}
	return parse_end(&ps);
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

static void take_pair(struct parse *ps, char *pair)
{
	char *value = strchr(pair, '=');
	char why[CTS_OPTION_WHY_MAX];
	const struct cts_option *row;
	struct option_value *v;

	if (value)
		*value++ = '\0';
	row = cts_option_find(ps->opt->table, pair);
	if (!row) {
		parse_unknown(ps, pair, 0);
		return;
	}
	if (!value && cts_option_type(row) != CTS_OPT_BOOL) {
		parse_error(ps, pair, 0, "needs a value");
		return;
	}
	v = &ps->opt->values[row - ps->opt->table];
	if (v->set) {
		parse_error(ps, pair, 0, "is given twice");
		return;
	}
	v->set = true;
	if (value && cts_option_type(row) != CTS_OPT_LIST)
		unescape(value);
	if (cts_option_value_text(row, value ? value : "true", '+', v, why, sizeof(why)) < 0)
		parse_error(ps, pair, 0, why);
}

struct cts_options *cts_options_parse_text(const struct cts_option *table, const char *text,
					   const char *subject, struct cts_report *report)
{
	struct parse ps = { .report = report };
	char *copy = NULL, *next;

	if (parse_begin(&ps, table, subject, NULL) < 0)
		return NULL;
	if (text && *text) {
		copy = strdup(text);
		if (!copy)
			parse_error(&ps, "", 0, "out of memory");
	}
	next = copy;
	while (next)
		take_pair(&ps, cut_pair(&next));
	free(copy);
	return parse_end(&ps);
}
