/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An expectation as text and as XML: libnetfilter_conntrack's forms to the byte, but for
 * text that is not escaped there. tests/unit/test_expect.c compares. */
#include "config.h"

#include <errno.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include <ctsync/expect.h>
#include <ctsync/text.h>

#include "core/flow/text.h"

static const struct {
	uint32_t flag;
	const char *word, *element;
} flag_words[] = {
	{ NF_CT_EXPECT_PERMANENT, "PERMANENT", "<permanent/>" },
	{ NF_CT_EXPECT_INACTIVE, "INACTIVE", "<inactive/>" },
	{ NF_CT_EXPECT_USERSPACE, "USERSPACE", "<userspace/>" },
};
#define N_FLAG_WORDS (sizeof(flag_words) / sizeof(flag_words[0]))

static const struct cts_tuple none;

static const struct cts_tuple *tuple_of(const struct cts_expect *exp, enum cts_expect_attr attr)
{
	if (!cts_expect_has(exp, attr))
		return &none;
	return attr == CTS_EXPECT_EXPECTED ? &exp->expected
	       : attr == CTS_EXPECT_MASK   ? &exp->mask
					   : &exp->master;
}

static void put_tuple(struct cts_line *l, const struct cts_expect *exp, enum cts_expect_attr attr,
		      const char *prefix)
{
	const struct cts_tuple *t = tuple_of(exp, attr);

	if (!cts_expect_has(exp, attr))
		return;
	cts_line_str(l, prefix);
	cts_line_put(l, "src=");
	cts_line_addr(l, t->family, &t->src);
	cts_line_put(l, " ");
	cts_line_str(l, prefix);
	cts_line_put(l, "dst=");
	cts_line_addr(l, t->family, &t->dst);
	cts_line_put(l, " ");
	cts_text_layer4(l, t);
}

static void put_flags(struct cts_line *l, uint32_t flags)
{
	const char *comma = "";

	for (size_t i = 0; i < N_FLAG_WORDS; i++) {
		if (!(flags & flag_words[i].flag))
			continue;
		cts_line_str(l, comma);
		cts_line_str(l, flag_words[i].word);
		comma = ",";
	}
	if (*comma)
		cts_line_put(l, " ");
}

/* The line's length without the blank that its last field ends in. */
static size_t finish(struct cts_line *l, char *buf, size_t blank)
{
	if (l->full) {
		errno = ENOSPC;
		return 0;
	}
	l->at -= blank;
	*l->at = '\0';
	return (size_t)(l->at - buf);
}

size_t cts_expect_format(const struct cts_expect *exp, char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = size ? buf + size - 1 : buf, .full = !size };

	if (cts_expect_has(exp, CTS_EXPECT_TIMEOUT)) {
		cts_line_number(&l, exp->timeout);
		cts_line_put(&l, " ");
	}
	put_field(&l, "proto", tuple_of(exp, CTS_EXPECT_EXPECTED)->proto);
	put_tuple(&l, exp, CTS_EXPECT_EXPECTED, "");
	put_tuple(&l, exp, CTS_EXPECT_MASK, "mask-");
	put_tuple(&l, exp, CTS_EXPECT_MASTER, "master-");
	if (cts_expect_has(exp, CTS_EXPECT_ZONE))
		put_field(&l, "zone", exp->zone);
	if (cts_expect_has(exp, CTS_EXPECT_FLAGS))
		put_flags(&l, exp->flags);
	if (cts_expect_has(exp, CTS_EXPECT_CLASS))
		put_field(&l, "class", exp->class_id);
	if (cts_expect_has(exp, CTS_EXPECT_HELPER)) {
		cts_line_put(&l, "helper=");
		cts_line_text(&l, exp->helper, exp->helper_len);
		cts_line_put(&l, " ");
	}
	return finish(&l, buf, 1);
}

/* -- XML -- */

static const struct {
	enum cts_expect_attr attr;
	const char *open, *close;
} xml_tuples[] = {
	{ CTS_EXPECT_EXPECTED, "<expected>", "</expected>" },
	{ CTS_EXPECT_MASK, "<mask>", "</mask>" },
	{ CTS_EXPECT_MASTER, "<master>", "</master>" },
};
#define N_XML_TUPLES (sizeof(xml_tuples) / sizeof(xml_tuples[0]))

static void put_addresses(struct cts_line *l, const struct cts_tuple *t)
{
	cts_line_put(l, "<src>");
	if (t->family)
		cts_line_addr(l, t->family, &t->src);
	cts_line_put(l, "</src><dst>");
	if (t->family)
		cts_line_addr(l, t->family, &t->dst);
	cts_line_put(l, "</dst>");
}

static void put_layers(struct cts_line *l, const struct cts_expect *exp)
{
	const struct cts_tuple *expected = tuple_of(exp, CTS_EXPECT_EXPECTED);

	cts_line_put(l, "<layer3");
	cts_xml_layer3_name(l, expected->family);
	for (size_t i = 0; i < N_XML_TUPLES; i++) {
		cts_line_str(l, xml_tuples[i].open);
		put_addresses(l, tuple_of(exp, xml_tuples[i].attr));
		cts_line_str(l, xml_tuples[i].close);
	}
	cts_line_put(l, "</layer3><layer4");
	cts_xml_layer4_name(l, expected->proto);
	for (size_t i = 0; i < N_XML_TUPLES; i++) {
		cts_line_str(l, xml_tuples[i].open);
		cts_xml_layer4(l, tuple_of(exp, xml_tuples[i].attr));
		cts_line_str(l, xml_tuples[i].close);
	}
	cts_line_put(l, "</layer4>");
}

static void put_meta(struct cts_line *l, const struct cts_expect *exp, unsigned int flags,
		     uint64_t now_ns)
{
	cts_line_put(l, "<meta>");
	if (cts_expect_has(exp, CTS_EXPECT_HELPER)) {
		cts_line_put(l, "<helper-name>");
		cts_xml_escaped(l, exp->helper, exp->helper_len);
		cts_line_put(l, "</helper-name>");
	}
	if (cts_expect_has(exp, CTS_EXPECT_TIMEOUT))
		put_element(l, "timeout", exp->timeout);
	if (cts_expect_has(exp, CTS_EXPECT_CLASS))
		put_element(l, "class", exp->class_id);
	if (cts_expect_has(exp, CTS_EXPECT_ZONE))
		put_element(l, "zone", exp->zone);
	if (flags & CTS_FORMAT_WHEN)
		cts_xml_when(l, now_ns);
	for (size_t i = 0; cts_expect_has(exp, CTS_EXPECT_FLAGS) && i < N_FLAG_WORDS; i++)
		if (exp->flags & flag_words[i].flag)
			cts_line_str(l, flag_words[i].element);
	cts_line_put(l, "</meta>");
}

size_t cts_expect_format_xml(const struct cts_expect *exp, int type, unsigned int flags,
			     uint64_t now_ns, char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = size ? buf + size - 1 : buf, .full = !size };

	cts_xml_type(&l, type);
	put_layers(&l, exp);
	put_meta(&l, exp, flags, now_ns);
	cts_line_put(&l, "</flow>");
	return finish(&l, buf, 0);
}
