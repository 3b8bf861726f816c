/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>
#include <syslog.h>

#include "plugins/output/lines.h"

static bool has_option(const struct cts_option *rows, const char *name)
{
	for (; rows->name; rows++)
		if (strcmp(rows->name, name) == 0)
			return true;
	return false;
}

static int facility(const struct cts_options *opt)
{
	const char *name = cts_options_string(opt, "facility");

	return strcmp(name, "daemon") == 0 ? LOG_DAEMON : LOG_LOCAL0 + ((name[5] - '0') << 3);
}

static unsigned int event_types(const struct cts_options *opt)
{
	static const char *const name[CTS_EVENT_TYPE_MAX] = { "new", "update", "destroy" };
	unsigned int bits = 0;

	for (size_t i = 0; i < cts_options_count(opt, "events"); i++)
		for (unsigned int t = 0; t < CTS_EVENT_TYPE_MAX; t++)
			if (strcmp(cts_options_item(opt, "events", i), name[t]) == 0)
				bits |= 1u << t;
	return bits;
}

int lines_open(struct lines *l, const struct cts_options *opt, const struct cts_option *rows,
	       size_t size)
{
	struct sink_conf conf = {
		.file = cts_options_string(opt, "file"),
		.wait = strcmp(cts_options_string(opt, "full"), "wait") == 0,
		.facility = has_option(rows, "facility") ? facility(opt) : LOG_DAEMON,
	};

	l->size = size;
	l->types = has_option(rows, "events") ? event_types(opt) : ~0u;
	l->sink = sink_create(&conf);
	return l->sink ? 0 : -1;
}

void lines_close(struct lines *l)
{
	sink_destroy(l->sink);
}

int lines_flush(struct lines *l)
{
	return sink_flush(l->sink);
}

int lines_rotate(struct lines *l)
{
	return sink_rotate(l->sink);
}

void lines_snapshot(const struct lines *l, const char *name, FILE *fp)
{
	struct sink_stats st;

	sink_get_stats(l->sink, &st);
	fprintf(fp,
		"%s output:\n\tlines:\t\t\t%20llu\n\tbytes:\t\t\t%20llu\n"
		"\tdropped lines:\t\t%20llu\n",
		name, (unsigned long long)st.lines, (unsigned long long)st.bytes,
		(unsigned long long)(st.dropped + l->too_long));
}

int lines_put(struct lines *l, const char *text)
{
	size_t len = strlen(text);
	char *buf = sink_reserve(l->sink, len);

	if (!buf)
		return errno == ENOBUFS ? 0 : -1;
	memcpy(buf, text, len);
	sink_commit(l->sink, len);
	return 0;
}
