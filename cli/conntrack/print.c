/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Printing: an output plugin, loaded as the daemon loads it, at the pipeline's end. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/conntrack/selections.h"
#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

struct printer {
	struct cts_loader *loader;         /* owned */
	struct cts_options *options;       /* owned */
	const struct cts_output_ops *ops;  /* the loader's */
	void *priv;                        /* owned: the plugin's instance */
	struct cts_consumer consumer;
	uint64_t shown;
	int error;                         /* errno of the first failed write */
};

static void option_line(void *ctx, const char *text)
{
	(void)ctx;
	report("%s", text);
}

/* A value inside options text: ',' and '\\' lose their meaning. */
static void put_escaped(FILE *fp, const char *value)
{
	for (; *value; value++) {
		if (*value == ',' || *value == '\\')
			fputc('\\', fp);
		fputc(*value, fp);
	}
}

static void put_labelmap(FILE *fp, const struct cmdline *cl)
{
	if (!cl->labelmap_path)
		return;
	fputs(",labelmap=", fp);
	put_escaped(fp, cl->labelmap_path);
}

/* Flows that are printed because they were deleted. */
static bool tells_removed(const struct cmdline *cl)
{
	return cl->command->id == CMD_DELETE;
}

static void log_text(FILE *fp, const struct cmdline *cl, bool events)
{
	bool expect = cl->table == CTS_TABLE_EXPECT;   /* one form, and moments in lists too */
	bool save = cl->output & OUT_SAVE && !expect;

	fprintf(fp, ",format=%s,userspace=%s",
		save ? "save" : cl->output & OUT_EXTENDED ? "extended" : "plain",
		events ? "name" : "no");
	if (cl->output & OUT_TIMESTAMP && (events || expect))
		fputs(",timestamp", fp);
	if (cl->output & OUT_ID)
		fputs(",id", fp);
	if (cl->output & OUT_KTIMESTAMP)
		fputs(",ktimestamp", fp);
	if (cl->output & OUT_LABELS && !save)
		fputs(",labels", fp);
	if (save && tells_removed(cl))
		fputs(",removed", fp);
	if (cl->output & OUT_LABELS || save)
		put_labelmap(fp, cl);
}

/* What -D and -U print are elements alone, as ever. */
static void xml_text(FILE *fp, const struct cmdline *cl, bool events)
{
	bool bare = cl->command->id == CMD_DELETE || cl->command->id == CMD_UPDATE;

	fprintf(fp, ",document=%s", bare ? "false" : "true");
	if (cl->output & OUT_TIMESTAMP && (events || cl->table == CTS_TABLE_EXPECT))
		fputs(",when", fp);
	if (cl->output & OUT_KTIMESTAMP)
		fputs(",ktimestamp", fp);
	if (!(cl->output & OUT_LABELS))
		return;
	fputs(",labels", fp);
	put_labelmap(fp, cl);
}

/* All that there is; words that ask for more of a text line change nothing. */
static void json_text(FILE *fp, const struct cmdline *cl, bool events)
{
	fprintf(fp, ",userspace=%s", events ? "name" : "no");
	put_labelmap(fp, cl);
}

/* -o words as options of the plugin, in a new string. */
static char *options_text(const struct cmdline *cl)
{
	bool events = cl->command->id == CMD_EVENT;
	char *text = NULL;
	size_t size;
	FILE *fp = open_memstream(&text, &size);

	if (!fp)
		return NULL;
	fputs("file=-,full=wait", fp);
	(cl->output & OUT_XML ? xml_text : cl->output & OUT_JSON ? json_text : log_text)
		(fp, cl, events);
	if (fclose(fp)) {
		free(text);
		return NULL;
	}
	return text;
}

static int printer_consume(void *ctx, const struct cts_batch *batch)
{
	struct printer *p = ctx;
	size_t i;

	for (i = 0; i < batch->n; i++)
		p->shown += !cts_batch_dropped(batch, i);
	if (p->ops->consume(p->priv, batch) < 0 && !p->error)
		p->error = errno;
	return 0;
}

static int printer_consumer_flush(void *ctx)
{
	return printer_flush(ctx);
}

struct printer *printer_open(const struct cmdline *cl)
{
	const char *name = cl->output & OUT_XML ? "xml" : cl->output & OUT_JSON ? "json" : "log";
	struct cts_report report_to = { .line = option_line };
	struct printer *p = calloc(1, sizeof(*p));
	char *text = options_text(cl);

	if (!p || !text || !(p->loader = cts_loader_create(NULL, 0)))
		die(EXIT_OTHER, "not enough memory");
	p->ops = cts_loader_get(p->loader, CTS_KIND_OUTPUT, name);
	if (!p->ops)
		die(EXIT_OTHER, "%s", cts_loader_error(p->loader));
	p->options = cts_options_parse_text(p->ops->plugin.options, text, name, &report_to);
	free(text);
	if (!p->options)
		exit(EXIT_PARAMETER);
	p->priv = p->ops->create(p->options);
	if (!p->priv)
		die(EXIT_OTHER, "output %s: %s", name, strerror(errno));
	p->consumer = (struct cts_consumer){ .name = name, .ctx = p, .consume = printer_consume,
					     .flush = printer_consumer_flush };
	return p;
}

struct cts_consumer *printer_consumer(struct printer *p)
{
	return &p->consumer;
}

uint64_t printer_shown(const struct printer *p)
{
	return p->shown;
}

uint64_t time_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

void printer_event(struct printer *p, const struct cts_event *ev)
{
	uint64_t drop = 0;
	const struct cts_batch batch = { .size = sizeof(batch), .n = 1, .ev = &ev, .drop = &drop };

	printer_consume(p, &batch);
}

void printer_flow(struct printer *p, enum cts_event_type type, const struct cts_flow *flow)
{
	const struct cts_event ev = { .type = type, .origin = CTS_ORIGIN_DUMP, .flow = flow,
				      .time_ns = time_now_ns() };

	printer_event(p, &ev);
}

int printer_flush(struct printer *p)
{
	if (p->ops->flush && p->ops->flush(p->priv) < 0 && !p->error)
		p->error = errno;
	errno = p->error;
	return p->error ? -1 : 0;
}

void printer_close(struct printer *p)
{
	if (!p)
		return;
	p->ops->destroy(p->priv);
	cts_options_free(p->options);
	cts_loader_destroy(p->loader);
	free(p);
}

struct cts_pipeline *assemble(struct cmdline *cl, struct cts_consumer *consumer)
{
	struct cts_pipeline *pipe = cts_pipeline_create();

	if (!pipe || cts_pipeline_add_filter(pipe, &select_filter, cl) < 0 ||
	    (cl->any_of && cts_pipeline_add_filter(pipe, &selections_filter, cl->any_of) < 0) ||
	    cts_pipeline_add_consumer(pipe, consumer) < 0)
		die(EXIT_OTHER, "not enough memory");
	return pipe;
}
