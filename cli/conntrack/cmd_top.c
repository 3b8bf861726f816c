/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --top: the view on a terminal is a program of its own, as nothing else needs ncurses. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/conntrack/conntrack.h"

/* Returns when it is not in that folder. */
static void try_folder(const char *dir, size_t len, char *const argv[])
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%.*s/conntrack-top", (int)len, dir);

	if (len && n > 0 && (size_t)n < sizeof(path))
		execv(path, argv);
}

int cmd_top(struct cmdline *cl)
{
	const char *dirs = secure_getenv("CTS_PLUGIN_PATH");

	fflush(stdout);
	while (dirs && *dirs) {
		size_t len = strcspn(dirs, ":");

		try_folder(dirs, len, cl->argv);
		dirs += len + (dirs[len] == ':');
	}
	try_folder(CTS_LIBEXEC_DIR, strlen(CTS_LIBEXEC_DIR), cl->argv);
	if (errno == ENOENT)
		report("--top is not here: %s/conntrack-top comes with a build that has ncurses; "
		       "-L --by shows the same once", CTS_LIBEXEC_DIR);
	else
		report("%s/conntrack-top: %s", CTS_LIBEXEC_DIR, strerror(errno));
	return EXIT_OTHER;
}
