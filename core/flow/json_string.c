/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A string of JSON (RFC 8259). */
#include "config.h"

#include <ctsync/line.h>

/* The length of the character of UTF-8 that text begins with, 0 if it is none: cut short,
 * longer than need be, a surrogate or beyond U+10FFFF (RFC 3629). */
static size_t utf8_length(const char *text, size_t len)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t need = c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

	if (!need || need > len)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return need;
}

/* UTF-8 stays as it is. Control characters, and bytes that belong to no character, stand
 * as code points of their own number, so that the line is valid whatever the text is. */
void cts_line_json(struct cts_line *l, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	cts_line_put(l, "\"");
	while (len) {
		unsigned char c = (unsigned char)*text;
		char code[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
		size_t n = c >= 0x20 && c < 0x7f ? 1 : utf8_length(text, len);

		if (c == '"' || c == '\\')
			cts_line_put(l, "\\");
		if (n)
			cts_line_text(l, text, n);
		else
			cts_line_text(l, code, sizeof(code));
		text += n ? n : 1;
		len -= n ? n : 1;
	}
	cts_line_put(l, "\"");
}
