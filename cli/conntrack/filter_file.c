/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --filter-file: the selections of many command lines, any of which is enough. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cli/conntrack/lines.h"
#include "cli/conntrack/selections.h"

void filter_file_load(struct parser *p, struct cmdline *cl)
{
	struct selections *s = selections_create();
	struct lines *l = lines_open(cl->filter_path);
	struct cmdline sel;
	int argc, more;
	char **argv;

	if (!l)
		die(EXIT_PARAMETER, "Failed to open file %s for reading: %s", cl->filter_path,
		    strerror(errno));
	if (!s)
		die(EXIT_OTHER, "not enough memory");
	while ((more = lines_next(l, &argc, &argv)) > 0) {
		cmdline_parse_selection(p, &sel, cl, lines_place(l), argc, argv);
		if (selections_add(s, &sel) < 0)
			die(EXIT_OTHER, "not enough memory");
	}
	if (more < 0)
		die(EXIT_OTHER, "%s: %s", lines_place(l)->file, strerror(errno));
	lines_close(l);
	cl->any_of = s;
}
