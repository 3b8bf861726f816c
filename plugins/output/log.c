/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log: a line of text for each event or entry, as `conntrack -E` and `-L` print it;
 * they print through it. See ctsync-log(5).
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <ctsync/labelmap.h>
#include <ctsync/log.h>
#include <ctsync/output.h>
#include <ctsync/text.h>

#include "plugins/output/lines.h"
#include "plugins/output/progname.h"
#include "plugins/output/save.h"

#define FACILITIES "daemon local0 local1 local2 local3 local4 local5 local6 local7"

static const struct cts_option log_options[] = {
	{ .name = "file",
	  .type = CTS_OPT_PATH,
	  .choices = "- syslog",
	  .def = "-",
	  .help = "where the lines go; \"-\" is the standard output" },
	{ .name = "format",
	  .type = CTS_OPT_CHOICE,
	  .choices = "plain extended save",
	  .def = "plain",
	  .help = "extended: layer 3 protocol in front; save: command lines for conntrack -R" },
	{ .name = "removed",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "save: entries that are no events were removed (-D lines)" },
	{ .name = "events",
	  .type = CTS_OPT_LIST,
	  .choices = "new update destroy",
	  .def = "new update destroy",
	  .help = "which events make a line" },
	{ .name = "timestamp",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "seconds and microseconds in front of an event" },
	{ .name = "id",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "the kernel's id of the flow" },
	{ .name = "ktimestamp",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "when the flow began and ended, if the kernel keeps it" },
	{ .name = "labels", .type = CTS_OPT_BOOL, .def = "false", .help = "names of the labels" },
	{ .name = "labelmap",
	  .type = CTS_OPT_PATH,
	  .help = "names of label bits, else the system's file" },
	{ .name = "userspace",
	  .type = CTS_OPT_CHOICE,
	  .choices = "no id name",
	  .def = "id",
	  .help = "who caused an event, if a program did; name: search for it in /proc" },
	{ .name = "full",
	  .type = CTS_OPT_CHOICE,
	  .choices = "drop wait",
	  .def = "drop",
	  .help = "when nobody takes the lines: drop and count them, or wait" },
	{ .name = "facility",
	  .type = CTS_OPT_CHOICE,
	  .choices = FACILITIES,
	  .def = "daemon",
	  .help = "facility of lines to syslog" },
	{ .name = NULL }
};

/* Around the flow: time, event, and program with its id. */
#define LOG_EXTRA 192u

struct log {
	struct lines lines;
	struct cts_labelmap *labelmap; /* owned, or NULL */
	unsigned int format;           /* enum cts_format_flags */
	bool timestamp, userspace, name;
	bool removed; /* save: entries are written because they were removed */
	bool save;    /* lines that are read back: nothing else in them */
	struct progname programs;
};

static void log_destroy(void *priv)
{
	struct log *l = priv;

	lines_close(&l->lines);
	cts_labelmap_free(l->labelmap);
	free(l);
}

static unsigned int format_bits(const struct cts_options *opt)
{
	unsigned int bits = 0;

	if (strcmp(cts_options_string(opt, "format"), "extended") == 0)
		bits |= CTS_FORMAT_LAYER3;
	if (cts_options_bool(opt, "id"))
		bits |= CTS_FORMAT_ID;
	if (cts_options_bool(opt, "ktimestamp"))
		bits |= CTS_FORMAT_TIMESTAMP;
	return bits;
}

static void load_labels(struct log *l, const struct cts_options *opt)
{
	const char *path = cts_options_string(opt, "labelmap");

	if (!cts_options_bool(opt, "labels") && !l->save)
		return;
	l->labelmap = cts_labelmap_load(path);
	if (!l->labelmap && !l->save)
		cts_warn("log: no names of labels: %s: %s", path ? path : "the system's file",
			 strerror(errno));
}

static void *log_create(const struct cts_options *opt)
{
	const char *userspace = cts_options_string(opt, "userspace");
	struct log *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (lines_open(&l->lines, opt, log_options, CTS_LINE_MAX + LOG_EXTRA) < 0) {
		int saved = errno;

		free(l);
		errno = saved;
		return NULL;
	}
	l->format = format_bits(opt);
	l->timestamp = cts_options_bool(opt, "timestamp");
	l->userspace = strcmp(userspace, "no") != 0;
	l->name = strcmp(userspace, "name") == 0;
	l->removed = cts_options_bool(opt, "removed");
	l->save = strcmp(cts_options_string(opt, "format"), "save") == 0;
	load_labels(l, opt);
	return l;
}

/* -- one line -- */

static char *put(char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

/* Decimal, at least digits wide with zeros in front. */
static char *put_number(char *p, uint64_t n, unsigned int digits)
{
	char tmp[20];
	unsigned int len = 0;

	for (; n || len < digits; n /= 10)
		tmp[len++] = (char)('0' + n % 10);
	while (len)
		*p++ = tmp[--len];
	return p;
}

static char *put_time(const struct cts_event *ev, char *p)
{
	bool own = ev->flow && cts_flow_has(ev->flow, CTS_FLOW_EVENT_TIME);
	uint64_t ns = own ? ev->flow->event_ns : ev->time_ns;

	*p++ = '[';
	p = put_number(p, ns / 1000000000, 8);
	*p++ = '.';
	p = put_number(p, ns % 1000000000 / 1000, 6);
	return put(p, "]\t");
}

static char *put_prefix(const struct log *l, const struct cts_event *ev, char *p)
{
	static const char event[CTS_EVENT_TYPE_MAX][11] = { "    [NEW] ", " [UPDATE] ",
							    "[DESTROY] " };

	if (l->timestamp)
		p = put_time(ev, p);
	return lines_is_event(ev) ? put(p, event[ev->type]) : p;
}

static char *put_userspace(struct log *l, const struct cts_event *ev, char *p)
{
	const char *name;

	p = put(p, " [USERSPACE] portid=");
	p = put_number(p, ev->portid, 1);
	name = l->name ? progname_get(&l->programs, ev->portid, ev->time_ns) : "";
	if (*name) {
		p = put(p, " progname=");
		p = put(p, name);
	}
	return p;
}

static size_t format_save(const struct log *l, const struct cts_event *ev, char *buf, size_t size)
{
	static const char command[CTS_EVENT_TYPE_MAX] = { 'A', 'U', 'D' };
	bool gone = l->removed && !lines_is_event(ev);
	size_t len = save_format(ev->flow,
				 lines_is_event(ev) ? command[ev->type]
				 : gone             ? 'D'
						    : 'A',
				 l->labelmap, buf, size - 1);

	if (len)
		buf[len++] = '\n';
	return len;
}

/* 0: the flow does not fit into size. */
static size_t format_line(struct log *l, const struct cts_event *ev, char *buf, size_t size)
{
	bool event = lines_is_event(ev);
	char *p = event ? put_prefix(l, ev, buf) : buf;
	size_t len = cts_flow_format(ev->flow, l->format, ev->time_ns, l->labelmap, p,
				     size - LOG_EXTRA);

	if (!len)
		return 0;
	p += len;
	if (event && ev->portid && l->userspace && ev->origin == CTS_ORIGIN_KERNEL)
		p = put_userspace(l, ev, p);
	*p++ = '\n';
	return (size_t)(p - buf);
}

/* Expectations have one form, and a moment in listings as well. */
static size_t format_expect(const struct log *l, const struct cts_event *ev, char *buf, size_t size)
{
	char *p = put_prefix(l, ev, buf);
	size_t len = cts_expect_format(ev->expect, p, size - LOG_EXTRA);

	if (!len)
		return 0;
	p[len++] = '\n';
	return (size_t)(p - buf) + len;
}

static size_t format_event(void *ctx, const struct cts_event *ev, char *buf, size_t size)
{
	struct log *l = ctx;

	if (!ev->flow)
		return format_expect(l, ev, buf, size);
	return l->save ? format_save(l, ev, buf, size) : format_line(l, ev, buf, size);
}

static int log_consume(void *priv, const struct cts_batch *batch)
{
	struct log *l = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		if (lines_wanted(&l->lines, ev) && lines_write(&l->lines, ev, format_event, l) < 0)
			return -1;
	}
	return 0;
}

static int log_flush(void *priv)
{
	struct log *l = priv;

	return lines_flush(&l->lines);
}

static int log_rotate(void *priv)
{
	struct log *l = priv;

	return lines_rotate(&l->lines);
}

static void log_snapshot(void *priv, FILE *fp)
{
	const struct log *l = priv;

	lines_snapshot(&l->lines, "log", fp);
}

extern const struct cts_output_ops log_LTX_cts_plugin;
const struct cts_output_ops log_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_OUTPUT, struct cts_output_ops, "log", PACKAGE_VERSION,
			     "a line of text for each event", log_options),
	.create = log_create,
	.destroy = log_destroy,
	.consume = log_consume,
	.flush = log_flush,
	.rotate = log_rotate,
	.snapshot = log_snapshot,
};
