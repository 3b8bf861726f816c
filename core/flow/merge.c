/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Merging of partial events into a whole flow: absent means unchanged. */
#include "config.h"

#include <string.h>

#include "core/flow/pack.h"

#define ZONE_ATTRS                                                        \
	(CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) | \
	 CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY))
/* What a store has no room for. */
#define UNSTORED (CTS_FLOW_BIT(CTS_FLOW_SECCTX) | CTS_FLOW_BIT(CTS_FLOW_LABELS_MASK))

#define MERGE(attr, member)                                                  \
	do {                                                                 \
		if (cts_flow_has(src, attr))                                 \
			memcpy(&f->member, &src->member, sizeof(f->member)); \
	} while (0)

static void merge_states(struct cts_flow *f, const struct cts_flow *src)
{
	MERGE(CTS_FLOW_STATUS, status);
	MERGE(CTS_FLOW_TIMEOUT, timeout);
	MERGE(CTS_FLOW_MARK, mark);
	MERGE(CTS_FLOW_TCP_STATE, tcp_state);
	MERGE(CTS_FLOW_TCP_FLAGS, tcp_flags);
	MERGE(CTS_FLOW_TCP_FLAGS, tcp_flags_mask);
	MERGE(CTS_FLOW_TCP_WSCALE, tcp_wscale);
	MERGE(CTS_FLOW_SCTP_STATE, sctp_state);
	MERGE(CTS_FLOW_SCTP_VTAG, sctp_vtag);
	MERGE(CTS_FLOW_DCCP_STATE, dccp_state);
	MERGE(CTS_FLOW_DCCP_ROLE, dccp_role);
	MERGE(CTS_FLOW_DCCP_SEQ, dccp_seq);
}

static void merge_directions(struct cts_flow *f, const struct cts_flow *src)
{
	for (int dir = 0; dir < CTS_DIR_MAX; dir++) {
		MERGE(CTS_FLOW_ZONE_ORIG + dir, zone_dir[dir]);
		MERGE(CTS_FLOW_COUNTERS_ORIG + dir, packets[dir]);
		MERGE(CTS_FLOW_COUNTERS_ORIG + dir, bytes[dir]);
		MERGE(CTS_FLOW_SEQADJ_ORIG + dir, seqadj_pos[dir]);
		MERGE(CTS_FLOW_SEQADJ_ORIG + dir, seqadj_before[dir]);
		MERGE(CTS_FLOW_SEQADJ_ORIG + dir, seqadj_after[dir]);
	}
}

static void merge_rest(struct cts_flow *f, const struct cts_flow *src)
{
	MERGE(CTS_FLOW_MASTER, master);
	MERGE(CTS_FLOW_ZONE, zone);
	MERGE(CTS_FLOW_START, start_ns);
	MERGE(CTS_FLOW_STOP, stop_ns);
	MERGE(CTS_FLOW_EVENT_TIME, event_ns);
	MERGE(CTS_FLOW_SYNPROXY, synproxy_isn);
	MERGE(CTS_FLOW_SYNPROXY, synproxy_its);
	MERGE(CTS_FLOW_SYNPROXY, synproxy_tsoff);
	MERGE(CTS_FLOW_SECMARK, secmark);
	MERGE(CTS_FLOW_ID, id);
	MERGE(CTS_FLOW_USE, use);
}

static void merge_nat(struct cts_flow *f, const struct cts_flow *src)
{
	if (cts_flow_has(src, CTS_FLOW_SNAT) || cts_flow_has(src, CTS_FLOW_DNAT)) {
		f->nat.family = src->nat.family;
		f->nat.proto = src->nat.proto;
	}
	MERGE(CTS_FLOW_SNAT, nat.src);
	MERGE(CTS_FLOW_SNAT, nat.sport);
	MERGE(CTS_FLOW_DNAT, nat.dst);
	MERGE(CTS_FLOW_DNAT, nat.dport);
}

static void merge_variable(struct cts_flow_store *dst, const struct cts_flow *src)
{
	struct cts_flow *f = &dst->flow;

	if (cts_flow_has(src, CTS_FLOW_LABELS)) {
		size_t len = src->labels_len;

		if (len > sizeof(dst->labels))
			len = sizeof(dst->labels);
		memset(dst->labels, 0, sizeof(dst->labels));
		memcpy(dst->labels, src->labels, len);
		f->labels = dst->labels;
		f->labels_len = sizeof(dst->labels);
	}
	if (cts_flow_has(src, CTS_FLOW_HELPER)) {
		size_t len = src->helper_len;

		if (len > sizeof(dst->helper) - 1)
			len = sizeof(dst->helper) - 1;
		memcpy(dst->helper, src->helper, len);
		dst->helper[len] = '\0';
		f->helper = dst->helper;
		f->helper_len = (uint16_t)len;
	}
}

void cts_flow_merge(struct cts_flow_store *dst, const struct cts_flow *src)
{
	struct cts_flow *f = &dst->flow;

	MERGE(CTS_FLOW_ORIG, orig);
	MERGE(CTS_FLOW_REPLY, reply);
	merge_states(f, src);
	merge_directions(f, src);
	merge_rest(f, src);
	merge_nat(f, src);
	merge_variable(dst, src);
	if (src->present & ZONE_ATTRS)
		f->present &= ~ZONE_ATTRS;
	f->present |= src->present & ~UNSTORED;
}
