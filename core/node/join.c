/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#include "core/node/join.h"

/* What another kernel's word may set here: restore.c takes the same. */
#define STATUS_JOINED ((uint32_t)(IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT))
#define TCP_FLAGS_JOINED \
	(IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM | IP_CT_TCP_FLAG_CLOSE_INIT)

#define TCP_RANKS 10u
#define SCTP_ESTABLISHED 4u /* above: it is closed, and the two heartbeat states */
#define SCTP_HEARTBEAT 8u

struct join {
	struct cts_flow *f; /* what it is put onto */
	const struct cts_flow *o;
	int order;
	bool learned;
	bool advanced; /* f's state is o's now: the timeout, too */
};

/* How far a connection has come; it never goes back. */
static unsigned int tcp_rank(uint8_t state)
{
	static const uint8_t rank[TCP_RANKS] = {
		[TCP_CONNTRACK_NONE] = 0,        [TCP_CONNTRACK_SYN_SENT] = 1,
		[TCP_CONNTRACK_SYN_SENT2] = 2,   [TCP_CONNTRACK_SYN_RECV] = 3,
		[TCP_CONNTRACK_ESTABLISHED] = 4, [TCP_CONNTRACK_FIN_WAIT] = 5,
		[TCP_CONNTRACK_CLOSE_WAIT] = 6,  [TCP_CONNTRACK_LAST_ACK] = 7,
		[TCP_CONNTRACK_TIME_WAIT] = 8,   [TCP_CONNTRACK_CLOSE] = 9,
	};

	return state < TCP_RANKS ? rank[state] : 0;
}

/* Is a the beginning of a connection, and b the end of an earlier one with its key? */
static bool tcp_reopened(uint8_t a, uint8_t b)
{
	return tcp_rank(a) && tcp_rank(a) <= tcp_rank(TCP_CONNTRACK_SYN_RECV) &&
	       tcp_rank(b) >= tcp_rank(TCP_CONNTRACK_TIME_WAIT);
}

/* Heartbeats on an unconfirmed path say less than an established association. */
static unsigned int sctp_rank(uint8_t state)
{
	return state >= SCTP_HEARTBEAT ? 2 : state ? state * 2u - (state < SCTP_ESTABLISHED) : 0;
}

/* Does o's word count where f says otherwise and neither contains the other? */
static bool prefer(const struct join *j, const void *o, const void *f, size_t len)
{
	int differ = memcmp(o, f, len);

	return differ && (j->order > 0 || (j->order == 0 && differ > 0));
}

static void take(struct join *j, enum cts_flow_attr attr)
{
	j->f->present |= CTS_FLOW_BIT(attr);
	j->learned = true;
}

static bool has(const struct join *j, enum cts_flow_attr attr)
{
	return cts_flow_has(j->f, attr);
}

static void join_tcp(struct join *j)
{
	bool further = tcp_rank(j->o->tcp_state) > tcp_rank(j->f->tcp_state);

	if (!cts_flow_has(j->o, CTS_FLOW_TCP_STATE))
		return;
	if (has(j, CTS_FLOW_TCP_STATE)) {
		if (j->order > 0 && tcp_reopened(j->o->tcp_state, j->f->tcp_state))
			further = true;
		if (j->order < 0 && tcp_reopened(j->f->tcp_state, j->o->tcp_state))
			further = false;
	}
	if (has(j, CTS_FLOW_TCP_STATE) && !further)
		return;
	j->f->tcp_state = j->o->tcp_state;
	j->advanced = true;
	take(j, CTS_FLOW_TCP_STATE);
}

static void join_tcp_options(struct join *j)
{
	for (unsigned int d = 0; d < CTS_DIR_MAX; d++) {
		uint8_t flags = j->o->tcp_flags[d] & TCP_FLAGS_JOINED;
		uint8_t had = has(j, CTS_FLOW_TCP_FLAGS) ? j->f->tcp_flags[d] : 0;

		if (!cts_flow_has(j->o, CTS_FLOW_TCP_FLAGS) || !(flags & ~had))
			continue;
		if (!has(j, CTS_FLOW_TCP_FLAGS))
			memset(j->f->tcp_flags, 0, sizeof(j->f->tcp_flags));
		j->f->tcp_flags[d] = had | flags;
		take(j, CTS_FLOW_TCP_FLAGS);
	}
	for (unsigned int d = 0; d < CTS_DIR_MAX; d++) {
		uint8_t had = has(j, CTS_FLOW_TCP_WSCALE) ? j->f->tcp_wscale[d] : 0;

		if (!cts_flow_has(j->o, CTS_FLOW_TCP_WSCALE) || had || !j->o->tcp_wscale[d])
			continue;
		if (!has(j, CTS_FLOW_TCP_WSCALE))
			memset(j->f->tcp_wscale, 0, sizeof(j->f->tcp_wscale));
		j->f->tcp_wscale[d] = j->o->tcp_wscale[d];
		take(j, CTS_FLOW_TCP_WSCALE);
	}
}

static void join_sctp(struct join *j)
{
	if (cts_flow_has(j->o, CTS_FLOW_SCTP_STATE) &&
	    (!has(j, CTS_FLOW_SCTP_STATE) ||
	     sctp_rank(j->o->sctp_state) > sctp_rank(j->f->sctp_state))) {
		j->f->sctp_state = j->o->sctp_state;
		j->advanced = true;
		take(j, CTS_FLOW_SCTP_STATE);
	}
	for (unsigned int d = 0; d < CTS_DIR_MAX; d++) {
		uint32_t had = has(j, CTS_FLOW_SCTP_VTAG) ? j->f->sctp_vtag[d] : 0;

		if (!cts_flow_has(j->o, CTS_FLOW_SCTP_VTAG) || had || !j->o->sctp_vtag[d])
			continue;
		if (!has(j, CTS_FLOW_SCTP_VTAG))
			memset(j->f->sctp_vtag, 0, sizeof(j->f->sctp_vtag));
		j->f->sctp_vtag[d] = j->o->sctp_vtag[d];
		take(j, CTS_FLOW_SCTP_VTAG);
	}
}

static void join_status(struct join *j)
{
	uint32_t status = cts_flow_has(j->o, CTS_FLOW_STATUS) ? j->o->status & STATUS_JOINED : 0;
	uint32_t had = has(j, CTS_FLOW_STATUS) ? j->f->status : 0;

	if (!(status & ~had))
		return;
	j->f->status = had | status;
	j->advanced |= (status & ~had & IPS_ASSURED) != 0;
	take(j, CTS_FLOW_STATUS);
}

/* The kernel says nothing of a mark that is 0. */
static void join_mark(struct join *j)
{
	uint32_t o = cts_flow_has(j->o, CTS_FLOW_MARK) ? j->o->mark : 0;
	uint32_t f = has(j, CTS_FLOW_MARK) ? j->f->mark : 0;

	if (!o || !(j->order > 0 ? o != f : j->order == 0 ? o > f : !f))
		return;
	j->f->mark = o;
	take(j, CTS_FLOW_MARK);
}

/* Labels are set one by one and seldom taken back. */
static void join_labels(struct join *j, struct cts_flow_store *into)
{
	size_t n = cts_flow_has(j->o, CTS_FLOW_LABELS) ? j->o->labels_len / 4u : 0;

	for (size_t i = 0; i < n && i < 4; i++) {
		uint32_t had = has(j, CTS_FLOW_LABELS) ? into->labels[i] : 0;

		if (!(j->o->labels[i] & ~had))
			continue;
		if (!has(j, CTS_FLOW_LABELS))
			memset(into->labels, 0, sizeof(into->labels));
		into->labels[i] = had | j->o->labels[i];
		into->flow.labels = into->labels;
		into->flow.labels_len = sizeof(into->labels);
		take(j, CTS_FLOW_LABELS);
	}
}

static void join_seqadj(struct join *j, unsigned int d)
{
	const uint32_t o[] = { j->o->seqadj_pos[d], j->o->seqadj_before[d], j->o->seqadj_after[d] };
	const uint32_t f[] = { j->f->seqadj_pos[d], j->f->seqadj_before[d], j->f->seqadj_after[d] };
	enum cts_flow_attr attr = (enum cts_flow_attr)(CTS_FLOW_SEQADJ_ORIG + d);

	if (!cts_flow_has(j->o, attr) || (has(j, attr) && !prefer(j, o, f, sizeof(o))))
		return;
	j->f->seqadj_pos[d] = o[0];
	j->f->seqadj_before[d] = o[1];
	j->f->seqadj_after[d] = o[2];
	take(j, attr);
}

static void join_synproxy(struct join *j)
{
	const uint32_t o[] = { j->o->synproxy_isn, j->o->synproxy_its, j->o->synproxy_tsoff };
	const uint32_t f[] = { j->f->synproxy_isn, j->f->synproxy_its, j->f->synproxy_tsoff };

	if (!cts_flow_has(j->o, CTS_FLOW_SYNPROXY) ||
	    (has(j, CTS_FLOW_SYNPROXY) && !prefer(j, o, f, sizeof(o))))
		return;
	j->f->synproxy_isn = o[0];
	j->f->synproxy_its = o[1];
	j->f->synproxy_tsoff = o[2];
	take(j, CTS_FLOW_SYNPROXY);
}

static void join_timeout(struct join *j)
{
	bool late = j->advanced || !has(j, CTS_FLOW_TIMEOUT);

	if (!cts_flow_has(j->o, CTS_FLOW_TIMEOUT) || !late)
		return;
	j->f->timeout = j->o->timeout;
	j->f->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
}

bool join_flows(struct cts_flow_store *into, const struct cts_flow *other, int order)
{
	struct join j = { .f = &into->flow, .o = other, .order = order };

	join_tcp(&j);
	join_tcp_options(&j);
	join_sctp(&j);
	join_status(&j);
	join_mark(&j);
	join_labels(&j, into);
	for (unsigned int d = 0; d < CTS_DIR_MAX; d++)
		join_seqadj(&j, d);
	join_synproxy(&j);
	join_timeout(&j);
	return j.learned;
}
