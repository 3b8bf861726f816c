/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <ctsync/log.h>

void cts_log(enum cts_log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (level == CTS_LOG_DEBUG)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	errno = saved;
}
