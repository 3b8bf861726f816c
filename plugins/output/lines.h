/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What outputs have in common that write a line for each event: options "file",
 * "full" and, where they have it, "facility" and "events"; a sink; a second try for
 * lines that are longer than any but those with many long labels.
 */
#ifndef CTS_OUTPUT_LINES_H
#define CTS_OUTPUT_LINES_H

#include <errno.h>
#include <stdio.h>

#include <ctsync/output.h>

#include "plugins/output/sink.h"

#define LINES_LONG (64u << 10) /* with a thousand labels of any length */

struct lines {
	struct sink *sink;  /* owned */
	size_t size;        /* suffices for a line but for many long labels */
	unsigned int types; /* bits 1 << CTS_EVENT_* of events that make a line */
	uint64_t too_long;  /* lines that did not fit into LINES_LONG either */
};

/* rows: the output's option table. 0, or -1 and errno: logged. */
int lines_open(struct lines *l, const struct cts_options *opt, const struct cts_option *rows,
	       size_t size);
void lines_close(struct lines *l); /* of one that was not opened, too */
int lines_flush(struct lines *l);
int lines_rotate(struct lines *l);
/* What `conntrackd -s` shows of the output. */
void lines_snapshot(const struct lines *l, const char *name, FILE *fp);
/* A fixed text. 0, or -1 and errno. */
int lines_put(struct lines *l, const char *text);

/* Entries of a dump and answers to a command are no events. */
static inline bool lines_is_event(const struct cts_event *ev)
{
	return ev->origin == CTS_ORIGIN_KERNEL || ev->origin == CTS_ORIGIN_PEER;
}

/* Does the event make a line at all? */
static inline bool lines_wanted(const struct lines *l, const struct cts_event *ev)
{
	return (ev->flow || ev->expect) && (!lines_is_event(ev) || l->types >> ev->type & 1);
}

/*
 * One line, as format() makes it: its length with the line feed, 0 when size does not
 * suffice. Inlined with format, which is a constant: no indirect call for each event.
 * 0, or -1 and errno.
 */
static inline __attribute__((always_inline)) int
lines_write(struct lines *l, const struct cts_event *ev,
	    size_t (*format)(void *ctx, const struct cts_event *ev, char *buf, size_t size),
	    void *ctx)
{
	for (size_t size = l->size;; size = LINES_LONG) {
		char *buf = sink_reserve(l->sink, size);
		size_t len;

		if (!buf)
			return errno == ENOBUFS ? 0 : -1;
		len = format(ctx, ev, buf, size);
		if (len) {
			sink_commit(l->sink, len);
			return 0;
		}
		if (size == LINES_LONG)
			break;
	}
	l->too_long++;
	return 0;
}

#endif
