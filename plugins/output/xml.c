/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xml: a document with one element a line for each flow. See ctsync-xml(5). */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/labelmap.h>
#include <ctsync/text.h>

#include "plugins/output/lines.h"

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
#define XML_LINE 4096u /* suffices but for many long labels */

static const struct cts_option xml_options[] = {
	{ .name = "file",
	  .type = CTS_OPT_PATH,
	  .choices = "-",
	  .def = "-",
	  .help = "where it goes; \"-\" is the standard output" },
	{ .name = "document",
	  .type = CTS_OPT_BOOL,
	  .def = "true",
	  .help = "head and root element around the flows" },
	{ .name = "when", .type = CTS_OPT_BOOL, .def = "false", .help = "time of each event" },
	{ .name = "ktimestamp",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "when the flow began and ended, if the kernel keeps it" },
	{ .name = "labels", .type = CTS_OPT_BOOL, .def = "false", .help = "names of the labels" },
	{ .name = "labelmap",
	  .type = CTS_OPT_PATH,
	  .help = "names of label bits, else the system's file" },
	{ .name = "full",
	  .type = CTS_OPT_CHOICE,
	  .choices = "drop wait",
	  .def = "drop",
	  .help = "when nobody takes the lines: drop and count them, or wait" },
	{ .name = NULL }
};

struct xml {
	struct lines lines;
	struct cts_labelmap *labelmap; /* owned, or NULL */
	unsigned int format;           /* enum cts_format_flags */
	bool document, begun;
	bool expect; /* the root element of what has begun is <expect> */
};

static void *xml_create(const struct cts_options *opt)
{
	struct xml *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	if (lines_open(&x->lines, opt, xml_options, XML_LINE) < 0) {
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

/* The root element goes by the first entry; tables are not mixed. */
static int put_head(struct xml *x, const struct cts_event *ev)
{
	x->begun = true;
	x->expect = !ev->flow;
	return lines_put(&x->lines, x->expect ? XML_HEAD "<expect>\n" : XML_HEAD "<conntrack>\n");
}

static int put_tail(struct xml *x)
{
	x->begun = false;
	return lines_put(&x->lines, x->expect ? "</expect>\n" : "</conntrack>\n");
}

static void xml_destroy(void *priv)
{
	struct xml *x = priv;

	if (x->begun)
		put_tail(x);
	lines_close(&x->lines);
	cts_labelmap_free(x->labelmap);
	free(x);
}

static size_t format_element(void *ctx, const struct cts_event *ev, char *buf, size_t size)
{
	const struct xml *x = ctx;
	int type = lines_is_event(ev) ? ev->type : -1;
	size_t len;

	if (ev->flow)
		len = cts_flow_format_xml(ev->flow, type, x->format, ev->time_ns, x->labelmap, buf,
					  size - 1);
	else
		len = cts_expect_format_xml(ev->expect, type, x->format, ev->time_ns, buf,
					    size - 1);
	if (len)
		buf[len++] = '\n';
	return len;
}

static int xml_consume(void *priv, const struct cts_batch *batch)
{
	const struct cts_event *ev;
	struct xml *x = priv;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		if (!lines_wanted(&x->lines, ev))
			continue;
		if (x->document && !x->begun && put_head(x, ev) < 0)
			return -1;
		if (lines_write(&x->lines, ev, format_element, x) < 0)
			return -1;
	}
	return 0;
}

static int xml_flush(void *priv)
{
	struct xml *x = priv;

	return lines_flush(&x->lines);
}

/* Each file is a document of its own. */
static int xml_rotate(void *priv)
{
	struct xml *x = priv;

	if (x->begun && put_tail(x) < 0)
		return -1;
	return lines_rotate(&x->lines);
}

static void xml_snapshot(void *priv, FILE *fp)
{
	const struct xml *x = priv;

	lines_snapshot(&x->lines, "xml", fp);
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
