/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manopts plugin NAME | group NAME: the options of a plugin or of a group of the
 * daemon's configuration as they stand in its manual page, from the option table.
 * update.sh puts them there, and a test sees that they are there.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/plugin/loader.h"
#include "core/config/conf.h"

static void roff(const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

static void print_row(const struct cts_option *row)
{
	char allowed[512];

	cts_option_allowed(row, allowed, sizeof(allowed));
	printf(".TP\n\\fB%s\\fR = ", row->name);
	roff(allowed);
	putchar('\n');
	roff(row->help);
	if (row->flags & CTS_OPT_REQUIRED) {
		printf(". Required");
	} else if (row->def && *row->def) {
		printf(". Default: ");
		roff(row->def);
	}
	printf(".\n");
}

static void print_table(const struct cts_option *row)
{
	if (!row || !row->name)
		printf("None.\n");
	for (; row && row->name; row++)
		print_row(row);
}

static int print_plugin(const char *name)
{
	struct cts_loader *l = cts_loader_create(NULL, 0);
	const struct cts_plugin *p = NULL;

	for (unsigned int kind = CTS_KIND_TRANSPORT; l && !p && kind <= CTS_KIND_FILTER; kind++)
		p = cts_loader_get(l, kind, name);
	if (p)
		print_table(p->options);
	else
		fprintf(stderr, "manopts: %s\n", l ? cts_loader_error(l) : "out of memory");
	cts_loader_destroy(l);
	return p ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct cts_option *table;

	if (argc == 3 && strcmp(argv[1], "plugin") == 0)
		return print_plugin(argv[2]);
	table = argc == 3 && strcmp(argv[1], "group") == 0
			? cts_config_table(strcmp(argv[2], "top") == 0 ? "" : argv[2])
			: NULL;
	if (!table) {
		fprintf(stderr, "usage: manopts plugin NAME | group NAME\n");
		return 2;
	}
	print_table(table);
	return 0;
}
