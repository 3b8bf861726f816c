/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said on standard error, and the exit statuses that go with it. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

	place_alone(at);
	va_start(ap, fmt);
	report_v(at, fmt, ap);
	va_end(ap);
	leave(status);
}

void report_count(uint64_t n, const char *what)
{
	report("%" PRIu64 " flow entries have been %s.", n, what);
}

void report_print_error(int err)
{
	if (err)
		report("standard output: %s", strerror(err));
}
