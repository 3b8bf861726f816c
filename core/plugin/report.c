/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports: where a mistake in a configuration stands and what it is. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include <ctsync/log.h>

#include "core/plugin/option_table.h"

#define REPORT_LINE_MAX 2048

/* Values come from a file that anyone may have written: no escape sequences. */
static void mask_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void cts_report_error(struct cts_report *r, const char *file, unsigned int line, const char *fmt,
		      ...)
{
	char text[REPORT_LINE_MAX];
	size_t len = 0;
	va_list ap;
	int n = 0;

	if (file && line)
		n = snprintf(text, sizeof(text), "%s:%u: ", file, line);
	else if (file)
		n = snprintf(text, sizeof(text), "%s: ", file);
	if (n > 0)
		len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;

	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);

	mask_controls(text);
	if (r)
		r->errors++;
	if (r && r->line)
		r->line(r->ctx, text);
	else
		cts_err("%s", text);
}
