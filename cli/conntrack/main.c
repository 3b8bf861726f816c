/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conntrack(8): list, get, create, update, delete, flush, count and watch flows. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/conntrack/selections.h"

int main(int argc, char *argv[])
{
	const struct place at = { NULL, 0 };
	struct parser *p = parser_create();
	struct cmdline cl;
	int status;

	if (!p)
		die(EXIT_OTHER, "not enough memory");
	cmdline_parse(p, &cl, &at, argc, argv);
	if (cl.filter_path)
		filter_file_load(p, &cl);
	status = cl.table == CTS_TABLE_EXPECT ? cl.command->run_expect(&cl) : cl.command->run(&cl);
	selections_destroy(cl.any_of);
	parser_destroy(p);
	if (fflush(stdout) && !status) {
		report("standard output: %s", strerror(errno));
		status = EXIT_OTHER;
	}
	return status;
}
