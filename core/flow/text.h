/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of text that flows and expectations have in common. */
#ifndef CTS_FLOW_TEXT_H
#define CTS_FLOW_TEXT_H

#include <ctsync/line.h>

/* "name=value " */
#define put_field(l, name, v)              \
	do {                               \
		cts_line_put(l, name "="); \
		cts_line_number(l, v);     \
		cts_line_put(l, " ");      \
	} while (0)

/* <name>v</name> */
#define put_element(l, name, v)                 \
	do {                                    \
		cts_line_put(l, "<" name ">");  \
		cts_line_number(l, v);          \
		cts_line_put(l, "</" name ">"); \
	} while (0)

/* Ports, keys, or ICMP's type, code and id, each "name=value ". */
void cts_text_layer4(struct cts_line *l, const struct cts_tuple *t);

/* In XML: <sport>, <dport>, or keys; ICMP has none. */
void cts_xml_layer4(struct cts_line *l, const struct cts_tuple *t);
/* protonum="N" protoname="NAME" of a layer, and the end of the tag. */
void cts_xml_layer3_name(struct cts_line *l, uint8_t family);
void cts_xml_layer4_name(struct cts_line *l, uint8_t proto);
/* <flow>, or <flow type="...">. */
void cts_xml_type(struct cts_line *l, int type);
/* <when>: a moment in local time. */
void cts_xml_when(struct cts_line *l, uint64_t ns);
/* Text with what has a meaning in XML escaped. */
void cts_xml_escaped(struct cts_line *l, const char *text, size_t len);

#endif
