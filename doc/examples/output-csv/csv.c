/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csv: an example of an output. A line of comma separated values for each event:
 *
 *   outputs = ( { plugin = "csv"; file = "/var/log/flows.csv"; header = true; } );
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>
#include <ctsync/output.h>
#include <ctsync/text.h>

static const struct cts_option csv_options[] = {
	{ .name = "file",
	  .type = CTS_OPT_PATH,
	  .flags = CTS_OPT_REQUIRED,
	  .help = "where the lines go" },
	{ .name = "header",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "names of the columns in the first line" },
	{ .name = NULL }
};

struct csv {
	FILE *fp;         /* owned */
	const char *path; /* lent: options live as long as the instance */
	uint64_t lines;
};

static FILE *csv_open(const char *path)
{
	FILE *fp = fopen(path, "ae");

	if (!fp)
		cts_err("csv: cannot open %s: %s", path, strerror(errno));
	return fp;
}

static void *csv_create(const struct cts_options *opt)
{
	struct csv *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->path = cts_options_string(opt, "file");
	c->fp = csv_open(c->path);
	if (!c->fp) {
		int saved = errno;

		free(c);
		errno = saved;
		return NULL;
	}
	if (cts_options_bool(opt, "header"))
		fputs("event,protocol,source,sport,destination,dport\n", c->fp);
	return c;
}

static void csv_destroy(void *priv)
{
	struct csv *c = priv;

	fclose(c->fp);
	free(c);
}

static void csv_line(struct csv *c, const char *event, const struct cts_tuple *t)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	inet_ntop(t->family, &t->src, src, sizeof(src));
	inet_ntop(t->family, &t->dst, dst, sizeof(dst));
	fprintf(c->fp, "%s,%s,%s,%u,%s,%u\n", event, cts_proto_name(t->proto), src, ntohs(t->sport),
		dst, ntohs(t->dport));
	c->lines++;
}

/* The batch is lent for the call: copy what you want to keep. */
static int csv_consume(void *priv, const struct cts_batch *batch)
{
	static const char *const name[CTS_EVENT_TYPE_MAX] = { "new", "update", "destroy" };
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch)
		if (ev->flow && cts_flow_has(ev->flow, CTS_FLOW_ORIG) &&
		    ev->type < CTS_EVENT_TYPE_MAX)
			csv_line(priv, name[ev->type], &ev->flow->orig);
	return 0;
}

static int csv_flush(void *priv)
{
	struct csv *c = priv;

	return fflush(c->fp) ? -1 : 0;
}

/* Whoever moved the file away wants a new one; if that fails, go on with the old. */
static int csv_rotate(void *priv)
{
	struct csv *c = priv;
	FILE *fp = csv_open(c->path);

	if (!fp)
		return -1;
	fclose(c->fp);
	c->fp = fp;
	return 0;
}

static void csv_snapshot(void *priv, FILE *fp)
{
	struct csv *c = priv;

	fprintf(fp, "csv: %llu lines\n", (unsigned long long)c->lines);
}

extern const struct cts_output_ops csv_LTX_cts_plugin;
const struct cts_output_ops csv_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_OUTPUT, struct cts_output_ops, "csv", "1.0",
			     "comma separated values, a line for each event", csv_options),
	.create = csv_create,
	.destroy = csv_destroy,
	.consume = csv_consume,
	.flush = csv_flush,
	.rotate = csv_rotate,
	.snapshot = csv_snapshot,
};
