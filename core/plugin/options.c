/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The getters of ctsync/options.h: what plugins see of their checked options. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <ctsync/log.h>

#include "core/plugin/option_value.h"
#include "core/plugin/options.h"

static const struct option_value *options_get(const struct cts_options *opt, const char *name,
					      unsigned int type)
{
	const struct cts_option *row = cts_option_find(opt->table, name);

	if (!row || (type && cts_option_type(row) != type)) {
		cts_err("%s.%s: asked for as an option that it is not", opt->subject, name);
		abort();
	}
	return &opt->values[row - opt->table];
}

bool cts_options_bool(const struct cts_options *opt, const char *name)
{
	return options_get(opt, name, CTS_OPT_BOOL)->flag;
}

int64_t cts_options_int(const struct cts_options *opt, const char *name)
{
	return options_get(opt, name, CTS_OPT_INT)->number;
}

const char *cts_options_string(const struct cts_options *opt, const char *name)
{
	return options_get(opt, name, 0)->text;
}

size_t cts_options_count(const struct cts_options *opt, const char *name)
{
	return options_get(opt, name, CTS_OPT_LIST)->n_items;
}

const char *cts_options_item(const struct cts_options *opt, const char *name, size_t i)
{
	const struct option_value *v = options_get(opt, name, CTS_OPT_LIST);

	return i < v->n_items ? v->items[i] : NULL;
}

bool cts_options_is_set(const struct cts_options *opt, const char *name)
{
	return options_get(opt, name, 0)->set;
}

void cts_options_error(const struct cts_options *opt, const char *name, int item, const char *fmt,
		       ...)
{
	const struct option_value *v = options_get(opt, name, 0);
	unsigned int line = v->line ? v->line : opt->line;
	char what[CTS_OPTION_WHY_MAX];
	va_list ap;

	if (item >= 0 && (size_t)item < v->n_items && v->lines[item])
		line = v->lines[item];
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	cts_report_error(NULL, opt->file, line, "%s.%s: %s", opt->subject, name, what);
}
