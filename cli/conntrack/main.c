/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conntrack(8): list, get, create, update, delete, flush, count and watch flows. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/conntrack/selections.h"

/* A standard descriptor that is closed would become the next socket's, and the kernel
 * would read what is meant for people. What stands in its place fails in use instead. */
static void reserve_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_PATH);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char *argv[])
{
	const struct place at = { .file = NULL };
	struct parser *p = parser_create();
	struct cmdline cl;
	int status;

	reserve_descriptors();
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
