/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's refusal of a command is called. Scripts know these texts. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"

#define ENOTSUPP_KERNEL 524 /* linux/errno.h in the kernel, not exported */

static const struct failure {
	unsigned int commands;   /* bits 1 << enum command_id; 0: all */
	int err;
	const char *text;
} failures[] = {
	{ 0, EPERM, "sorry, you must be root or get CAP_NET_ADMIN capability to do this" },
	{ 1 << CMD_LIST, ENOTSUPP_KERNEL, "function not implemented" },
	{ 1 << CMD_CREATE | 1 << CMD_GET | 1 << CMD_DELETE | 1 << CMD_ADD, ENOENT,
	  "such conntrack doesn't exist" },
	{ 1 << CMD_CREATE, EEXIST, "Such conntrack exists, try -U to update" },
	{ 1 << CMD_GET, EAFNOSUPPORT, "protocol not supported" },
	{ 1 << CMD_CREATE | 1 << CMD_ADD, ETIME, "conntrack has expired" },
	{ 0, EINVAL, "invalid parameters" },
	{ 0, ENOMEM, "not enough memory" },
};

int report_failure(const struct command *command, int err)
{
	report_failure_at(NULL, command, err);
	advise(command, err);
	return EXIT_OTHER;
}

int report_failure_at(const struct place *at, const struct command *command, int err)
{
	size_t i;

	for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		const struct failure *f = &failures[i];

		if (f->err == err && (!f->commands || f->commands & 1u << command->id)) {
			report_at(at, "Operation failed: %s", f->text);
			return EXIT_OTHER;
		}
	}
	report_at(at, "Operation failed: %s", strerror(err));
	return EXIT_OTHER;
}
