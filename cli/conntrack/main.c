/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conntrack(8): list, get, create, update, delete, flush, count and watch flows. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"

int main(int argc, char *argv[])
{
	struct cmdline cl;
	int status;

	cmdline_parse(&cl, argc, argv);
	status = cl.command->run(&cl);
	cmdline_fini(&cl);
	if (fflush(stdout) && !status) {
		report("standard output: %s", strerror(errno));
		status = EXIT_OTHER;
	}
	return status;
}
