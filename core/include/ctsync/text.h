/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows and expectations as text: the line that `conntrack -L` prints, its XML, and the
 * names of numbers. */
#ifndef CTS_TEXT_H
#define CTS_TEXT_H

#include <ctsync/expect.h>
#include <ctsync/flow.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a line of text may carry beside the flow: see cts_flow_format(). */
enum cts_format_flags {
	CTS_FORMAT_LAYER3 = 1 << 0,     /* "ipv4     2 " in front */
	CTS_FORMAT_ID = 1 << 1,         /* id=N */
	CTS_FORMAT_TIMESTAMP = 1 << 2,  /* [start=...] [stop=...] */
	CTS_FORMAT_NO_TIMEOUT = 1 << 3, /* a cache's copy: its timeout means nothing */
	CTS_FORMAT_WHEN = 1 << 4,       /* XML: <when>, the time of the event */
};

struct cts_labelmap; /* names of label bits: ctsync/labelmap.h */

/* Longest line that cts_flow_format() can make without a label map. */
#define CTS_LINE_MAX 2048

/*
 * The text line of a flow as `conntrack -L` prints it, without line feed, NUL
 * terminated. now_ns (CLOCK_REALTIME) is what delta-time counts to.
 * Returns its length, or 0 with errno ENOSPC when size does not suffice.
 */
size_t cts_flow_format(const struct cts_flow *flow, unsigned int flags, uint64_t now_ns,
		       const struct cts_labelmap *labels, char *buf, size_t size);

/* The same as an XML element `<flow ...>...</flow>`. type: an enum cts_event_type, or
 * -1 for an entry. */
size_t cts_flow_format_xml(const struct cts_flow *flow, int type, unsigned int flags,
			   uint64_t now_ns, const struct cts_labelmap *labels, char *buf,
			   size_t size);

/* The name of a layer 4 protocol ("tcp") or "unknown"; of a state of TCP, SCTP, DCCP or
 * NULL; of a status bit by its number ("ASSURED") or NULL. */
const char *cts_proto_name(uint8_t proto);
const char *cts_tcp_state_name(uint8_t state);
const char *cts_sctp_state_name(uint8_t state);
const char *cts_dccp_state_name(uint8_t state);
const char *cts_status_name(unsigned int bit);

/* The line of an expectation as `conntrack -L expect` prints it, without line feed, NUL
 * terminated. Returns its length, or 0 with errno ENOSPC. */
size_t cts_expect_format(const struct cts_expect *exp, char *buf, size_t size);

/* The same as an XML element; type, flags (CTS_FORMAT_WHEN alone counts) and now_ns as
 * for cts_flow_format_xml(). */
size_t cts_expect_format_xml(const struct cts_expect *exp, int type, unsigned int flags,
			     uint64_t now_ns, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif /* CTS_TEXT_H */
