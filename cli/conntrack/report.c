/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said on standard error, and the exit statuses that go with it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"

/* The package name in the prefix is what scripts look for. */
#define PREFIX "conntrack v" PACKAGE_VERSION " (conntrack-tools): "

static void report_v(const struct place *at, const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs(PREFIX, stderr);
	if (at && at->file)
		fprintf(stderr, "%s:%" PRIu64 ": ", at->file, at->line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void report(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_v(NULL, fmt, ap);
	va_end(ap);
}

void report_at(const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_v(at, fmt, ap);
	va_end(ap);
}

static void leave(int status) __attribute__((noreturn));
static void leave(int status)
{
	if (status == EXIT_PARAMETER)
		fputs("Try `conntrack -h' or 'conntrack --help' for more information.\n", stderr);
	exit(status);
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_v(NULL, fmt, ap);
	va_end(ap);
	leave(status);
}

void die_at(const struct place *at, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_v(at, fmt, ap);
	va_end(ap);
	leave(status);
}

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

void report_count(uint64_t n, const char *what)
{
	report("%" PRIu64 " flow entries have been %s.", n, what);
}
