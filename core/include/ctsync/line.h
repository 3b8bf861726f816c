/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of text under construction, for outputs: a listing of a million flows is
 * mostly this. What does not fit is refused as a whole and remembered in full.
 */
#ifndef CTS_LINE_H
#define CTS_LINE_H

#include <arpa/inet.h>
#include <string.h>

#include <ctsync/flow.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cts_line {
	char *at;  /* where the next byte goes */
	char *end; /* one behind the last that may be written */
	bool full;
};

static inline bool cts_line_room(struct cts_line *l, size_t n)
{
	if ((size_t)(l->end - l->at) >= n)
		return true;
	l->full = true;
	return false;
}

static inline void cts_line_text(struct cts_line *l, const char *text, size_t len)
{
	if (!cts_line_room(l, len))
		return;
	memcpy(l->at, text, len);
	l->at += len;
}

/* A string constant. */
#define cts_line_put(l, text) cts_line_text(l, "" text, sizeof(text) - 1)

static inline void cts_line_str(struct cts_line *l, const char *text)
{
	cts_line_text(l, text, strlen(text));
}

static const char cts_line_pairs[]
	__attribute__((unused)) = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

/* Decimal digits of v, right-aligned before end; gives the first. */
static inline char *cts_line_digits(char *end, uint64_t v)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, cts_line_pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, cts_line_pairs + v * 2, 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

static inline void cts_line_number(struct cts_line *l, uint64_t v)
{
	char buf[20], *first = cts_line_digits(buf + sizeof(buf), v);

	cts_line_text(l, first, (size_t)(buf + sizeof(buf) - first));
}

static inline void cts_line_hex(struct cts_line *l, uint32_t v)
{
	char buf[8], *first = buf + sizeof(buf);

	do {
		*--first = "0123456789abcdef"[v % 16];
		v /= 16;
	} while (v);
	cts_line_text(l, first, (size_t)(buf + sizeof(buf) - first));
}

static inline void cts_line_ipv4(struct cts_line *l, const uint8_t byte[4])
{
	char buf[15], *at = buf;

	for (int i = 0; i < 4; i++) {
		unsigned int v = byte[i];

		if (i)
			*at++ = '.';
		if (v >= 100) {
			*at++ = (char)('0' + v / 100);
			v %= 100;
			memcpy(at, cts_line_pairs + v * 2, 2);
			at += 2;
		} else if (v >= 10) {
			memcpy(at, cts_line_pairs + v * 2, 2);
			at += 2;
		} else {
			*at++ = (char)('0' + v);
		}
	}
	cts_line_text(l, buf, (size_t)(at - buf));
}

/* AF_INET, else AF_INET6. */
static inline void cts_line_addr(struct cts_line *l, uint8_t family, const union cts_addr *addr)
{
	char buf[INET6_ADDRSTRLEN];

	if (family == AF_INET)
		cts_line_ipv4(l, addr->bytes);
	else
		cts_line_str(l, inet_ntop(AF_INET6, addr, buf, sizeof(buf)));
}

/* A string of JSON in its quotes. */
void cts_line_json(struct cts_line *l, const char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif /* CTS_LINE_H */
