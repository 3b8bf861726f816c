/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A group of the configuration against an option table. In a file of its own: who has no
 * configuration does not open libconfig. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/plugin/options.h"

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
static void take_list(struct cts_parse *ps, const struct cts_option *row, const config_setting_t *s,
		      struct option_value *v)
{
	char why[CTS_OPTION_WHY_MAX];
	int type = config_setting_type(s);
	int n = config_setting_length(s), wrong = 0;

	if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY) {
		if (type == CONFIG_TYPE_GROUP ? wrong_type(row, s, why, sizeof(why)) < 0
					      : take_item(row, s, v, why, sizeof(why)) < 0)
			cts_parse_error(ps, row->name, setting_line(s), why);
		return;
	}
	for (int i = 0; i < n && wrong < 20; i++) {
		const config_setting_t *item = config_setting_get_elem(s, (unsigned int)i);

		if (take_item(row, item, v, why, sizeof(why)) < 0) {
			cts_parse_error(ps, row->name, setting_line(item), why);
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

static void take_setting(struct cts_parse *ps, const config_setting_t *s)
{
	const char *name = config_setting_name(s);
	const struct cts_option *row = cts_option_find(ps->opt->table, name);
	char why[CTS_OPTION_WHY_MAX];
	struct option_value *v;

	if (!row) {
		cts_parse_unknown(ps, name, setting_line(s));
		return;
	}
	v = &ps->opt->values[row - ps->opt->table];
	v->set = true;
	v->line = setting_line(s);
	if (cts_option_type(row) == CTS_OPT_LIST)
		take_list(ps, row, s, v);
	else if (take_scalar(row, s, v, why, sizeof(why)) < 0)
		cts_parse_error(ps, name, v->line, why);
}

struct cts_options *cts_options_parse(const struct cts_option *table, const config_setting_t *group,
				      const char *subject, const char *ignore,
				      struct cts_report *report)
{
	struct cts_parse ps = { .report = report, .ignore = ignore };
	const char *file = group ? config_setting_source_file(group) : NULL;

	if (!file && report)
		file = report->file;
	if (cts_parse_begin(&ps, table, subject, file) < 0)
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
	return cts_parse_end(&ps);
}
