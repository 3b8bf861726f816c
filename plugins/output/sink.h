/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where lines go: a descriptor or syslog, through one big buffer. */
#ifndef CTS_OUTPUT_LOG_SINK_H
#define CTS_OUTPUT_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink_conf {
	const char *file; /* path, "-" or "syslog"; lent for the sink's life */
	bool wait;        /* a slow reader stops us; else lines are dropped */
	int facility;     /* LOG_DAEMON...: syslog alone */
};

struct sink;
struct sink *sink_create(const struct sink_conf *conf); /* NULL, errno: logged */
void sink_destroy(struct sink *s);                      /* takes NULL; drains first */

/*
 * Room for a line of at most size bytes: NULL when it was dropped for want of room
 * (counted), or errno is that of a failed write in wait mode. Write the line there
 * and say with sink_commit() how long it became, line feed included.
 */
char *sink_reserve(struct sink *s, size_t size);
void sink_commit(struct sink *s, size_t len);

/* Hand on what is buffered, as far as it goes without blocking (without wait). */
int sink_flush(struct sink *s);
/* Open the file again. 0, or -1 and errno: goes on with the old one. */
int sink_rotate(struct sink *s);

struct sink_stats {
	uint64_t lines, bytes, dropped;
};
void sink_get_stats(const struct sink *s, struct sink_stats *st);

#endif
