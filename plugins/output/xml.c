/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xml: a document with one element a line for each flow. See ctsync-xml(5). */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/labelmap.h>
#include <ctsync/output.h>
#include <ctsync/text.h>

#include "plugins/output/sink.h"

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
#define XML_LINE 4096u              /* suffices but for many long labels */
#define XML_LINE_MAX (64u << 10)

static const struct cts_option xml_options[] = {
	{ .name = "file", .type = CTS_OPT_PATH, .choices = "-", .def = "-",
	  .help = "where it goes; \"-\" is the standard output" },
	{ .name = "document", .type = CTS_OPT_BOOL, .def = "true",
	  .help = "head and root element around the flows" },
	{ .name = "when", .type = CTS_OPT_BOOL, .def = "false", .help = "time of each event" },
	{ .name = "ktimestamp", .type = CTS_OPT_BOOL, .def = "false",
	  .help = "when the flow began and ended, if the kernel keeps it" },
	{ .name = "labels", .type = CTS_OPT_BOOL, .def = "false", .help = "names of the labels" },
	{ .name = "labelmap", .type = CTS_OPT_PATH,
	  .help = "names of label bits, else the system's file" },
	{ .name = "full", .type = CTS_OPT_CHOICE, .choices = "drop wait", .def = "drop",
	  .help = "when nobody takes the lines: drop and count them, or wait" },
	{ .name = NULL }
};

struct xml {
	struct sink *sink;             /* owned */
	struct cts_labelmap *labelmap; /* owned, or NULL */
	unsigned int format;           /* enum cts_format_flags */
	bool document, begun;
	bool expect;                   /* the root element of what has begun is <expect> */
	uint64_t too_long;
};

static void *xml_create(const struct cts_options *opt)
{
	struct sink_conf conf = {
		.file = cts_options_string(opt, "file"),
		.wait = strcmp(cts_options_string(opt, "full"), "wait") == 0,
	};
	struct xml *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->sink = sink_create(&conf);
	if (!x->sink) {
		int saved = errno;

		free(x);
		errno = saved;
		return NULL;
	}
	x->document = cts_options_bool(opt, "document");
	if (cts_options_bool(opt, "when"))
		x->format |= CTS_FORMAT_WHEN;
	if (cts_options_bool(opt, "ktimestamp"))
		x->format |= CTS_FORMAT_TIMESTAMP;
	if (cts_options_bool(opt, "labels"))
		x->labelmap = cts_labelmap_load(cts_options_string(opt, "labelmap"));
	return x;
}

static int put_fixed(struct xml *x, const char *text)
{
	size_t len = strlen(text);
	char *buf = sink_reserve(x->sink, len);

	if (!buf)
		return errno == ENOBUFS ? 0 : -1;
	memcpy(buf, text, len);
	sink_commit(x->sink, len);
	return 0;
}

/* The root element goes by the first entry; tables are not mixed. */
static int put_head(struct xml *x, const struct cts_event *ev)
{
	x->begun = true;
	x->expect = !ev->flow;
	return put_fixed(x, x->expect ? XML_HEAD "<expect>\n" : XML_HEAD "<conntrack>\n");
}

static int put_tail(struct xml *x)
{
	x->begun = false;
	return put_fixed(x, x->expect ? "</expect>\n" : "</conntrack>\n");
}

static void xml_destroy(void *priv)
{
	struct xml *x = priv;

	if (x->begun)
		put_tail(x);
	sink_destroy(x->sink);
	cts_labelmap_free(x->labelmap);
	free(x);
}

static size_t format_element(const struct xml *x, const struct cts_event *ev, int type, char *buf,
			     size_t size)
{
	if (ev->flow)
		return cts_flow_format_xml(ev->flow, type, x->format, ev->time_ns, x->labelmap, buf,
					   size);
	return cts_expect_format_xml(ev->expect, type, x->format, ev->time_ns, buf, size);
}

static int write_element(struct xml *x, const struct cts_event *ev)
{
	static const size_t sizes[] = { XML_LINE, XML_LINE_MAX };
	bool event = ev->origin == CTS_ORIGIN_KERNEL || ev->origin == CTS_ORIGIN_PEER;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *buf = sink_reserve(x->sink, sizes[i]);
		size_t len;

		if (!buf)
			return errno == ENOBUFS ? 0 : -1;
		len = format_element(x, ev, event ? ev->type : -1, buf, sizes[i] - 1);
		if (len) {
			buf[len] = '\n';
			sink_commit(x->sink, len + 1);
			return 0;
		}
	}
	x->too_long++;
	return 0;
}

static int xml_consume(void *priv, const struct cts_batch *batch)
{
	const struct cts_event *ev;
	struct xml *x = priv;
	size_t i;

	cts_batch_for_each(i, ev, batch) {
		if (!ev->flow && !ev->expect)
			continue;
		if (x->document && !x->begun && put_head(x, ev) < 0)
			return -1;
		if (write_element(x, ev) < 0)
			return -1;
	}
	return 0;
}

static int xml_flush(void *priv)
{
	struct xml *x = priv;

	return sink_flush(x->sink);
}

/* Each file is a document of its own. */
static int xml_rotate(void *priv)
{
	struct xml *x = priv;

	if (x->begun && put_tail(x) < 0)
		return -1;
	return sink_rotate(x->sink);
}

static void xml_snapshot(void *priv, FILE *fp)
{
	struct xml *x = priv;
	struct sink_stats st;

	sink_get_stats(x->sink, &st);
	fprintf(fp, "xml output:\n\tlines:\t\t\t%20llu\n\tbytes:\t\t\t%20llu\n"
		    "\tdropped lines:\t\t%20llu\n",
		(unsigned long long)st.lines, (unsigned long long)st.bytes,
		(unsigned long long)(st.dropped + x->too_long));
}

extern const struct cts_output_ops xml_LTX_cts_plugin;
const struct cts_output_ops xml_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_OUTPUT, struct cts_output_ops, "xml", PACKAGE_VERSION,
			     "an XML element for each event", xml_options),
	.create = xml_create,
	.destroy = xml_destroy,
	.consume = xml_consume,
	.flush = xml_flush,
	.rotate = xml_rotate,
	.snapshot = xml_snapshot,
};
