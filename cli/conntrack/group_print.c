/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups as text that is aligned for people, as CSV (RFC 4180, but lines end as those of
 * a text file do), as an object of JSON a line. */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/conntrack/group_print.h"

#define GAP 2u                       /* blanks between columns of text */
#define NUMBER_MAX 32u
#define NS_PER_S UINT64_C(1000000000)

static size_t format_number(const struct group_listing *gl, const struct group_column *c,
			    const uint64_t *sum, char buf[NUMBER_MAX])
{
	double all = (double)gl->total[c->sum];
	int n = 0;

	buf[0] = '\0';
	switch (c->kind) {
	case COLUMN_UNKNOWN:
		break;
	case COLUMN_SUM:
		n = snprintf(buf, NUMBER_MAX, "%" PRIu64, sum[c->sum]);
		break;
	case COLUMN_RATE:
		n = snprintf(buf, NUMBER_MAX, "%.1f", (double)sum[c->sum] / gl->seconds);
		break;
	case COLUMN_PERCENT:
		n = snprintf(buf, NUMBER_MAX, "%.1f",
			     all > 0 ? (double)sum[c->sum] * 100 / all : 0);
		break;
	}
	return (size_t)n;
}

/* A value of a key; what would be too long is cut, which no value of 128 names is. */
static size_t format_value(const struct group_listing *gl, unsigned int i, const uint8_t *key,
			   char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = buf + size };

	group_key_value(gl->by, i, key, gl->form, gl->labels, &l);
	return (size_t)(l.at - buf);
}

/* -- text -- */

struct widths {
	size_t field[GROUP_FIELDS_MAX], number[GROUP_COLUMNS_MAX];
};

static void widen(size_t *width, size_t len)
{
	if (len > *width)
		*width = len;
}

static void measure(const struct group_listing *gl, const struct group *const *list, size_t n,
		    struct widths *w)
{
	char buf[GROUP_VALUE_MAX];

	memset(w, 0, sizeof(*w));
	for (unsigned int k = 0; k < gl->by->n; k++)
		widen(&w->field[k], strlen(gl->by->field[k].name));
	for (unsigned int k = 0; k < gl->n_columns; k++)
		widen(&w->number[k], strlen(gl->column[k].name));
	for (size_t i = 0; i < n; i++) {
		for (unsigned int k = 0; k < gl->by->n; k++)
			widen(&w->field[k], format_value(gl, k, list[i]->key, buf, sizeof(buf)));
		for (unsigned int k = 0; k < gl->n_columns; k++)
			widen(&w->number[k], format_number(gl, &gl->column[k], list[i]->sum, buf));
	}
}

static void text_head(const struct group_listing *gl, const struct widths *w, FILE *fp)
{
	for (unsigned int k = 0; k < gl->by->n; k++)
		fprintf(fp, "%-*s", (int)(w->field[k] + (k + 1 < gl->by->n ? GAP : 0)),
			gl->by->field[k].name);
	for (unsigned int k = 0; k < gl->n_columns; k++)
		fprintf(fp, "%*s", (int)(w->number[k] + GAP), gl->column[k].name);
	putc('\n', fp);
}

static void text_row(const struct group_listing *gl, const struct widths *w,
		     const struct group *g, FILE *fp)
{
	char buf[GROUP_VALUE_MAX];

	for (unsigned int k = 0; k < gl->by->n; k++) {
		size_t len = format_value(gl, k, g->key, buf, sizeof(buf));

		fprintf(fp, "%-*.*s", (int)(w->field[k] + (k + 1 < gl->by->n ? GAP : 0)),
			(int)len, buf);
	}
	for (unsigned int k = 0; k < gl->n_columns; k++) {
		format_number(gl, &gl->column[k], g->sum, buf);
		fprintf(fp, "%*s", (int)(w->number[k] + GAP), buf);
	}
	putc('\n', fp);
}

static void text_moment(const struct group_listing *gl, FILE *fp)
{
	time_t when = (time_t)(gl->time_ns / NS_PER_S);
	char text[32], number[NUMBER_MAX];
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(text, sizeof(text), "%F %T", &tm))
		return;
	fprintf(fp, "%s, %.1f s:", text, gl->seconds);
	for (unsigned int k = 0; k < gl->n_columns; k++) {
		format_number(gl, &gl->column[k], gl->total, number);
		fprintf(fp, "%s %s %s", k ? "," : "", number, gl->column[k].name);
	}
	putc('\n', fp);
}

static void print_text(const struct group_listing *gl, const struct group *const *list, size_t n,
		       FILE *fp)
{
	struct widths w;

	measure(gl, list, n, &w);
	if (gl->time_ns)
		text_moment(gl, fp);
	text_head(gl, &w, fp);
	for (size_t i = 0; i < n; i++)
		text_row(gl, &w, list[i], fp);
	if (gl->time_ns)
		putc('\n', fp);
}

/* -- CSV -- */

static void csv_head(const struct group_listing *gl, FILE *fp)
{
	if (gl->time_ns)
		fputs("time_ns,seconds,", fp);
	for (unsigned int k = 0; k < gl->by->n; k++)
		fprintf(fp, "%s%s", k ? "," : "", gl->by->field[k].name);
	for (unsigned int k = 0; k < gl->n_columns; k++)
		fprintf(fp, ",%s", gl->column[k].name);
	putc('\n', fp);
}

static void csv_row(const struct group_listing *gl, const struct group *g, FILE *fp)
{
	char buf[GROUP_VALUE_MAX];

	if (gl->time_ns)
		fprintf(fp, "%" PRIu64 ",%.6f,", gl->time_ns, gl->seconds);
	for (unsigned int k = 0; k < gl->by->n; k++) {
		size_t len = format_value(gl, k, g->key, buf, sizeof(buf));

		fprintf(fp, "%s%.*s", k ? "," : "", (int)len, buf);
	}
	for (unsigned int k = 0; k < gl->n_columns; k++) {
		format_number(gl, &gl->column[k], g->sum, buf);
		fprintf(fp, ",%s", buf);
	}
	putc('\n', fp);
}

/* -- JSON -- */

static void json_row(const struct group_listing *gl, const struct group *g, FILE *fp)
{
	char buf[GROUP_VALUE_MAX];

	fputs("{\"table\":\"groups\"", fp);
	if (gl->time_ns)
		fprintf(fp, ",\"time_ns\":%" PRIu64 ",\"seconds\":%.6f", gl->time_ns, gl->seconds);
	fputs(",\"by\":{", fp);
	for (unsigned int k = 0; k < gl->by->n; k++) {
		size_t len = format_value(gl, k, g->key, buf, sizeof(buf));

		fprintf(fp, "%s\"%s\":%.*s", k ? "," : "", gl->by->field[k].name, (int)len, buf);
	}
	putc('}', fp);
	for (unsigned int k = 0; k < gl->n_columns; k++) {
		format_number(gl, &gl->column[k], g->sum, buf);
		fprintf(fp, ",\"%s\":%s", gl->column[k].name, buf);
	}
	fputs("}\n", fp);
}

void group_print(const struct group_listing *gl, const struct group *const *list, size_t n,
		 FILE *fp)
{
	if (gl->form == GROUP_TEXT) {
		print_text(gl, list, n, fp);
		return;
	}
	if (gl->form == GROUP_CSV && gl->head)
		csv_head(gl, fp);
	for (size_t i = 0; i < n; i++)
		(gl->form == GROUP_CSV ? csv_row : json_row)(gl, list[i], fp);
}
