/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model of the kernel's side as the mirror sees it: events that come late, are
 * partial, change places or are lost; dumps in chunks that are older than events
 * read meanwhile; answers to single questions.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/node/mirror.h"
#include "tests/sim/sim.h"

#define CHUNK 8u

void kernel_flow(const struct sim_node *n, unsigned int key, uint32_t version, struct cts_flow *f)
{
	memset(f, 0, sizeof(*f));
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
		     CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
		     CTS_FLOW_BIT(CTS_FLOW_MARK);
	f->orig.family = AF_INET;
	f->orig.proto = IPPROTO_UDP;
	/* Even keys are the same on all nodes: (owner, key) must keep them apart. */
	f->orig.src.v4 = htonl(0x0a000000u + (key % 2 ? (uint32_t)n->index << 8 : 0));
	f->orig.dst.v4 = htonl(0xc0a80001);
	f->orig.sport = htons((uint16_t)(1024 + key));
	f->orig.dport = htons(53);
	cts_tuple_invert(&f->orig, &f->reply);
	f->status = 0x18a;
	f->timeout = 180;
	f->mark = version;
}

unsigned int kernel_key(const struct cts_flow *f)
{
	return ntohs(f->orig.sport) - 1024u;
}

/* Who asks for an entry: answered in the next turn. */
static void kernel_get(void *ctx, const struct cts_flow *flow)
{
	struct sim_node *n = ctx;
	unsigned int key = kernel_key(flow);

	if (key < SIM_KEYS)
		n->asked[key] = true;
}

void kernel_start(struct sim_node *n, uint64_t now)
{
	static const struct cts_follow_ops ops = { .get = kernel_get };

	n->mirror = cts_mirror_create(n->engine, &ops, n);
	if (!n->mirror)
		abort();
	n->n_events = 0;
	n->ready = n->doubt = false;
	memset(n->asked, 0, sizeof(n->asked));
	n->chunk_n = 0;
	n->dump_next = 0;
	cts_follow_dump_begin(cts_mirror_follow(n->mirror));
}

void kernel_again(struct sim_node *n, uint64_t now)
{
	cts_mirror_destroy(n->mirror);
	kernel_start(n, now);
}

void kernel_stop(struct sim_node *n)
{
	cts_mirror_destroy(n->mirror);
	n->mirror = NULL;
	n->n_events = 0;
}

void kernel_dump(struct sim_node *n, uint64_t now)
{
	if (!n->mirror || cts_follow_busy(cts_mirror_follow(n->mirror)))
		return;
	n->dump_next = 0;
	n->chunk_n = 0;
	n->doubt = false;
	cts_follow_dump_begin(cts_mirror_follow(n->mirror));
}

void kernel_event(struct world *w, struct sim_node *n, unsigned int key, enum cts_event_type type)
{
	struct kernel_event ev = { .type = type, .key = key, .version = n->kernel[key].version };
	unsigned int at = n->n_events;

	if (!n->mirror)
		return;
	if (n->n_events == SIM_EVENTS) {  /* a full buffer */
		n->doubt = true;
		return;
	}
	ev.time = w->now + world_below(w, 500) * UINT64_C(1000);
	if (at && ev.time < n->events[at - 1].time)
		ev.time = n->events[at - 1].time;
	ev.partial = type == CTS_EVENT_UPDATE && world_below(w, 2);
	n->n_events++;
	/* Two may change places, on several CPUs. */
	if (at && !world_below(w, 50)) {
		n->doubt = true;
		ev.time = n->events[at - 1].time;
		n->events[at] = n->events[at - 1];
		at--;
	}
	n->events[at] = ev;
}

static void report(struct world *w, struct sim_node *n, unsigned int key, uint32_t version,
		 enum cts_event_type type, enum cts_origin origin, bool partial)
{
	struct cts_event ev = { .type = (uint8_t)type, .origin = (uint8_t)origin };
	const struct cts_event *list = &ev;
	struct cts_flow flow;
	uint64_t drop = 0;
	struct cts_batch batch = { .size = sizeof(batch), .n = 1, .ev = &list, .drop = &drop };

	kernel_flow(n, key, version, &flow);
	if (partial)
		flow.present &= ~(CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT));
	ev.flow = &flow;
	if (n->kernel[key].refused)
		drop = 1;  /* a filter did */
	cts_follow_consume(cts_mirror_follow(n->mirror), &batch, w->now);
	truth_note(w, n, key);
}

static void answers(struct world *w, struct sim_node *n)
{
	struct cts_flow flow;
	unsigned int key;

	for (key = 0; key < SIM_KEYS; key++) {
		if (!n->asked[key])
			continue;
		n->asked[key] = false;
		kernel_flow(n, key, n->kernel[key].version, &flow);
		if (n->kernel[key].exists)
			report(w, n, key, n->kernel[key].version, CTS_EVENT_UPDATE, CTS_ORIGIN_DUMP, false);
		else
			cts_follow_absent(cts_mirror_follow(n->mirror), &flow, w->now);
		truth_note(w, n, key);
	}
}

/* Give the chunk that was fetched in an earlier turn, fetch the next one. */
static void dump_turn(struct world *w, struct sim_node *n)
{
	unsigned int i;

	for (i = 0; i < n->chunk_n; i++)
		report(w, n, n->chunk[i].key, n->chunk[i].version, CTS_EVENT_NEW, CTS_ORIGIN_DUMP, false);
	n->chunk_n = 0;
	if (n->dump_next == SIM_KEYS) {
		n->dump_next++;
		cts_follow_dump_end(cts_mirror_follow(n->mirror));
	}
	for (i = 0; i < CHUNK && n->dump_next < SIM_KEYS; i++, n->dump_next++) {
		if (!n->kernel[n->dump_next].exists)
			continue;
		n->chunk[n->chunk_n].key = n->dump_next;
		n->chunk[n->chunk_n++].version = n->kernel[n->dump_next].version;
	}
}

static void settle(struct world *w, struct sim_node *n)
{
	unsigned int key;

	cts_follow_verify(cts_mirror_follow(n->mirror), CHUNK);
	for (key = 0; key < SIM_KEYS; key++)
		truth_note(w, n, key);
}

void kernel_turn(struct world *w, struct sim_node *n)
{
	unsigned int i;
	bool waiting = false;

	for (i = 0; i < n->n_events && n->events[i].time <= w->now; i++)
		report(w, n, n->events[i].key, n->events[i].version, n->events[i].type,
		     CTS_ORIGIN_KERNEL, n->events[i].partial);
	n->n_events -= i;
	memmove(n->events, n->events + i, n->n_events * sizeof(n->events[0]));
	answers(w, n);
	if (n->dump_next <= SIM_KEYS)
		dump_turn(w, n);
	else if (cts_follow_busy(cts_mirror_follow(n->mirror)))
		settle(w, n);
	for (i = 0; i < SIM_KEYS; i++)
		waiting |= n->asked[i];
	n->ready &= !cts_follow_busy(cts_mirror_follow(n->mirror));
	if (!n->ready && !waiting && !cts_follow_busy(cts_mirror_follow(n->mirror))) {
		n->ready = true;
		cts_engine_table_ready(n->engine, w->now);
	}
}

bool kernel_busy(const struct sim_node *n)
{
	unsigned int i;

	for (i = 0; i < SIM_KEYS; i++)
		if (n->asked[i])
			return true;
	return n->n_events || cts_follow_busy(cts_mirror_follow(n->mirror));
}
