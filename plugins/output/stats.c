/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stats: counts events by protocol, state and kind. See ctsync-stats(5). */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>
#include <ctsync/output.h>
#include <ctsync/text.h>

#define STATES 16u /* more than TCP or SCTP have; the last one counts what is beyond */

static const struct cts_option stats_options[] = { { .name = NULL } };

struct stats {
	uint64_t events[256][CTS_EVENT_TYPE_MAX]; /* by protocol */
	uint64_t packets[256], bytes[256];        /* of flows that ended, both directions */
	uint64_t tcp[STATES], sctp[STATES];       /* how often a state was seen */
	uint64_t families[2];                     /* new flows: IPv4, IPv6 */
	uint64_t userspace;                       /* events that a program caused */
	uint64_t expectations;
	uint64_t entries; /* of dumps */
};

static void *stats_create(const struct cts_options *opt)
{
	struct stats *s = calloc(1, sizeof(*s));

	if (!s)
		cts_err("stats: out of memory");
	return s;
}

static void stats_destroy(void *priv)
{
	free(priv);
}

static unsigned int state_index(uint8_t state)
{
	return state < STATES ? state : STATES - 1;
}

static void count_traffic(struct stats *s, const struct cts_flow *flow, uint8_t proto)
{
	for (unsigned int dir = 0; dir < CTS_DIR_MAX; dir++) {
		if (!cts_flow_has(flow, CTS_FLOW_COUNTERS_ORIG + dir))
			continue;
		s->packets[proto] += flow->packets[dir];
		s->bytes[proto] += flow->bytes[dir];
	}
}

static void count_flow(struct stats *s, const struct cts_event *ev)
{
	const struct cts_flow *flow = ev->flow;
	uint8_t proto = cts_flow_has(flow, CTS_FLOW_ORIG) ? flow->orig.proto : 0;

	s->events[proto][ev->type]++;
	s->userspace += ev->portid != 0;
	if (ev->type == CTS_EVENT_NEW && cts_flow_has(flow, CTS_FLOW_ORIG))
		s->families[flow->orig.family == AF_INET6]++;
	if (ev->type == CTS_EVENT_DESTROY)
		count_traffic(s, flow, proto);
	else if (cts_flow_has(flow, CTS_FLOW_TCP_STATE))
		s->tcp[state_index(flow->tcp_state)]++;
	else if (cts_flow_has(flow, CTS_FLOW_SCTP_STATE))
		s->sctp[state_index(flow->sctp_state)]++;
}

static int stats_consume(void *priv, const struct cts_batch *batch)
{
	struct stats *s = priv;
	const struct cts_event *ev;
	size_t i;

	cts_batch_for_each (i, ev, batch) {
		if (ev->origin == CTS_ORIGIN_DUMP)
			s->entries++;
		else if (!ev->flow)
			s->expectations++;
		else if (ev->type < CTS_EVENT_TYPE_MAX)
			count_flow(s, ev);
	}
	return 0;
}

static void show_protocols(const struct stats *s, FILE *fp)
{
	fprintf(fp, "%-12s %14s %14s %14s %18s %20s\n", "protocol", "new", "update", "destroy",
		"packets", "bytes");
	for (unsigned int p = 0; p < 256; p++) {
		const uint64_t *e = s->events[p];

		if (!e[CTS_EVENT_NEW] && !e[CTS_EVENT_UPDATE] && !e[CTS_EVENT_DESTROY])
			continue;
		fprintf(fp,
			"%-8s %3u %14" PRIu64 " %14" PRIu64 " %14" PRIu64 " %18" PRIu64
			" %20" PRIu64 "\n",
			cts_proto_name((uint8_t)p), p, e[CTS_EVENT_NEW], e[CTS_EVENT_UPDATE],
			e[CTS_EVENT_DESTROY], s->packets[p], s->bytes[p]);
	}
}

static void show_states(const char *proto, const uint64_t *count,
			const char *(*name)(uint8_t state), FILE *fp)
{
	for (unsigned int i = 0; i < STATES; i++) {
		const char *text = i == STATES - 1 ? NULL : name((uint8_t)i);

		if (count[i])
			fprintf(fp, "%s state %-18s %14" PRIu64 "\n", proto,
				text ? text : "unknown", count[i]);
	}
}

static void stats_snapshot(void *priv, FILE *fp)
{
	const struct stats *s = priv;

	show_protocols(s, fp);
	show_states("tcp", s->tcp, cts_tcp_state_name, fp);
	show_states("sctp", s->sctp, cts_sctp_state_name, fp);
	fprintf(fp, "%-28s %14" PRIu64 "\n", "new IPv4 flows", s->families[0]);
	fprintf(fp, "%-28s %14" PRIu64 "\n", "new IPv6 flows", s->families[1]);
	fprintf(fp, "%-28s %14" PRIu64 "\n", "caused by programs", s->userspace);
	fprintf(fp, "%-28s %14" PRIu64 "\n", "expectation events", s->expectations);
	fprintf(fp, "%-28s %14" PRIu64 "\n", "entries of dumps", s->entries);
}

extern const struct cts_output_ops stats_LTX_cts_plugin;
const struct cts_output_ops stats_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_OUTPUT, struct cts_output_ops, "stats", PACKAGE_VERSION,
			     "counts events by protocol, state and kind", stats_options),
	.create = stats_create,
	.destroy = stats_destroy,
	.consume = stats_consume,
	.snapshot = stats_snapshot,
};
