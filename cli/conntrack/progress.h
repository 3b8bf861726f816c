/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far long work is: one line on standard error, if that is a terminal, not more
 * often than twice a second. */
#ifndef CONNTRACK_PROGRESS_H
#define CONNTRACK_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;          /* somebody looks at it */
	bool shown;       /* a line is there */
	uint64_t next_ms;
};

void progress_start(struct progress *p);
/* Show it if it is time. */
void progress_show(struct progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Take the line away: something else is to be said, or the work is done. */
void progress_clear(struct progress *p);

#endif
