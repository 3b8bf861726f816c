/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>

#include "core/node/timeout.h"

#define TIMEOUT_MIN_S 60u         /* what a flow has left at least... */
#define TIMEOUT_MIN_OPENING_S 10u /* ... or a TCP connection that is not established */

uint64_t owner_absent_ms(const struct cts_node_info *owner, uint64_t now_ns)
{
	return owner->last_received_ns && now_ns > owner->last_received_ns
		       ? (now_ns - owner->last_received_ns) / 1000000u
		       : 0;
}

void taken_over_timeout(struct work *w, uint64_t absent_ms)
{
	struct cts_flow *f = &w->store.flow;
	uint64_t absent_s = absent_ms / 1000u;
	bool opening = f->orig.proto == IPPROTO_TCP && cts_flow_has(f, CTS_FLOW_TCP_STATE) &&
		       f->tcp_state != TCP_CONNTRACK_ESTABLISHED;
	uint32_t least = opening ? TIMEOUT_MIN_OPENING_S : TIMEOUT_MIN_S;

	if (w->conf.commit_timeout_s && least > w->conf.commit_timeout_s)
		least = w->conf.commit_timeout_s;
	if (!cts_flow_has(f, CTS_FLOW_TIMEOUT)) {
		if (!w->conf.commit_timeout_s)
			return; /* the writer knows the protocol's default */
		f->present |= CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
		f->timeout = w->conf.commit_timeout_s;
	}
	if (w->conf.commit_timeout_s && f->timeout > w->conf.commit_timeout_s)
		f->timeout = w->conf.commit_timeout_s;
	f->timeout = f->timeout > absent_s ? f->timeout - (uint32_t)absent_s : 0;
	if (f->timeout < least)
		f->timeout = least;
}
