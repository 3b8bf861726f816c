/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line that says how far the work is. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/conntrack/progress.h"

#define INTERVAL_MS 500u
#define ERASE "\r\033[K"

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void progress_start(struct progress *p)
{
	p->on = isatty(STDERR_FILENO);
	p->shown = false;
	p->next_ms = p->on ? now_ms() + INTERVAL_MS : 0;
}

void progress_show(struct progress *p, const char *fmt, ...)
{
	uint64_t now;
	va_list ap;

	if (!p->on)
		return;
	now = now_ms();
	if (now < p->next_ms)
		return;
	p->next_ms = now + INTERVAL_MS;
	p->shown = true;
	fputs(ERASE, stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs(ERASE, stderr);
	p->shown = false;
}
