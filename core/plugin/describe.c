/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `--plugins [NAME]` prints. */
#include "config.h"

#include <string.h>

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

static void describe_option(const struct cts_option *row, FILE *fp)
{
	char allowed[512];

	cts_option_allowed(row, allowed, sizeof(allowed));
	fprintf(fp, "  %-20s %s\n", row->name, row->help);
	fprintf(fp, "  %-20s %s", "", allowed);
	if (row->flags & CTS_OPT_REQUIRED)
		fputs("; required", fp);
	else if (row->def && *row->def)
		fprintf(fp, "; default: %s", row->def);
	fputc('\n', fp);
}

static void describe_plugin(const char *path, const struct cts_plugin *p, FILE *fp)
{
	fprintf(fp, "%s: %s %s, %s\n", p->name, cts_kind_name(p->kind), p->version, p->summary);
	fprintf(fp, "  module %s, plugin ABI %u\n", path, p->abi);
	fputs(p->options && p->options->name ? "options:\n" : "no options\n", fp);
	for (const struct cts_option *row = p->options; row && row->name; row++)
		describe_option(row, fp);
}

struct describe {
	const char *name; /* NULL: all of them, a line each */
	FILE *fp;
	int found;
};

static bool path_is(const char *path, const char *name)
{
	const char *base = strrchr(path, '/');
	size_t len = strlen(name);

	base = base ? base + 1 : path;
	return strncmp(base, name, len) == 0 && strcmp(base + len, ".so") == 0;
}

static void describe_one(void *ctx, const char *path, const struct cts_plugin *p, const char *error)
{
	struct describe *d = ctx;

	if (d->name && !path_is(path, d->name))
		return;
	d->found++;
	if (!p)
		fprintf(d->fp, "cannot be used: %s\n", error);
	else if (d->name)
		describe_plugin(path, p, d->fp);
	else
		fprintf(d->fp, "%-12s %-10s %-8s %s\n", p->name, cts_kind_name(p->kind), p->version,
			p->summary);
}

int cts_loader_describe(struct cts_loader *l, const char *name, FILE *fp)
{
	struct describe d = { .name = name, .fp = fp };

	cts_loader_each(l, describe_one, &d);
	return d.found || !name ? 0 : -1;
}
