/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random but reproducible flows, for property tests and fuzzers. */
#ifndef TESTS_FLOW_GEN_H
#define TESTS_FLOW_GEN_H

#include <netinet/in.h>
#include <string.h>

#include "core/flow/pack.h"
#include "core/flow/tuple.h"

/* A small generator with a state of its own (xorshift64*). */
struct rng {
	uint64_t s;
};

static inline uint64_t rng_next(struct rng *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return r->s * UINT64_C(2685821657736338717);
}

static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(rng_next(r) >> 33) % n;
}

/* Numbers of all magnitudes, 0 and all ones included. */
static inline uint64_t rng_number(struct rng *r, unsigned int bits)
{
	uint64_t v = rng_next(r) >> (64 - bits);
	unsigned int kind = rng_below(r, 8);

	return kind == 0 ? 0 : kind == 1 ? UINT64_MAX >> (64 - bits) : v >> rng_below(r, bits);
}

static inline void gen_addr(struct rng *r, uint8_t family, union cts_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	for (size_t i = 0; i < cts_addr_len(family); i++)
		addr->bytes[i] = (uint8_t)rng_number(r, 8);
}

static inline void gen_l4(struct rng *r, struct cts_tuple *t)
{
	switch (cts_l4_kind(t->proto)) {
	case CTS_L4_PORTS:
		t->sport = (uint16_t)rng_number(r, 16);
		t->dport = (uint16_t)rng_number(r, 16);
		break;
	case CTS_L4_ICMP:
		t->sport = (uint16_t)rng_number(r, 16);
		t->icmp_type = rng_below(r, 2) ? (t->proto == IPPROTO_ICMP ? 8 : 128) :
			       (uint8_t)rng_number(r, 8);
		t->icmp_code = (uint8_t)rng_number(r, 8);
		break;
	case CTS_L4_NONE:
		break;
	}
}

static inline void gen_tuple(struct rng *r, struct cts_tuple *t)
{
	static const uint8_t protos[] = {
		IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP,
		IPPROTO_DCCP, IPPROTO_GRE, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_ESP, 0, 200, 255,
	};

	memset(t, 0, sizeof(*t));
	t->family = rng_below(r, 3) ? AF_INET : AF_INET6;
	t->proto = protos[rng_below(r, sizeof(protos))];
	gen_addr(r, t->family, &t->src);
	gen_addr(r, t->family, &t->dst);
	gen_l4(r, t);
}

/* The reply, translated in some of the flows. */
static inline void gen_reply(struct rng *r, struct cts_flow *f)
{
	cts_tuple_invert(&f->orig, &f->reply);
	if (rng_below(r, 2))
		return;
	if (rng_below(r, 2))
		gen_addr(r, f->orig.family, &f->reply.src);
	if (rng_below(r, 2))
		gen_addr(r, f->orig.family, &f->reply.dst);
	if (rng_below(r, 4) == 0)
		gen_l4(r, &f->reply);
	if (cts_l4_kind(f->orig.proto) == CTS_L4_PORTS && rng_below(r, 2))
		f->reply.dport = (uint16_t)rng_number(r, 16);
}

static inline bool gen_has(struct rng *r, struct cts_flow *f, enum cts_flow_attr attr,
			   unsigned int one_in)
{
	if (rng_below(r, one_in))
		return false;
	f->present |= CTS_FLOW_BIT(attr);
	return true;
}

static inline void gen_zones(struct rng *r, struct cts_flow *f)
{
	if (gen_has(r, f, CTS_FLOW_ZONE, 4)) {
		f->zone = (uint16_t)(1 + rng_below(r, 65535));
		return;
	}
	if (gen_has(r, f, CTS_FLOW_ZONE_ORIG, 4))
		f->zone_dir[0] = (uint16_t)(1 + rng_below(r, 65535));
	if (gen_has(r, f, CTS_FLOW_ZONE_REPLY, 4))
		f->zone_dir[1] = (uint16_t)(1 + rng_below(r, 65535));
}

static inline void gen_protoinfo(struct rng *r, struct cts_flow *f)
{
	if (f->orig.proto == IPPROTO_TCP) {
		if (gen_has(r, f, CTS_FLOW_TCP_STATE, 1))
			f->tcp_state = (uint8_t)rng_below(r, 16);
		if (gen_has(r, f, CTS_FLOW_TCP_FLAGS, 2)) {
			f->tcp_flags[0] = (uint8_t)rng_number(r, 8);
			f->tcp_flags[1] = (uint8_t)rng_number(r, 8);
			if (rng_below(r, 2))
				f->tcp_flags_mask[rng_below(r, 2)] = (uint8_t)rng_number(r, 8);
		}
		if (gen_has(r, f, CTS_FLOW_TCP_WSCALE, 2)) {
			f->tcp_wscale[0] = (uint8_t)rng_below(r, 15);
			f->tcp_wscale[1] = (uint8_t)rng_below(r, 15);
		}
	}
	if (f->orig.proto == IPPROTO_SCTP) {
		if (gen_has(r, f, CTS_FLOW_SCTP_STATE, 1))
			f->sctp_state = (uint8_t)rng_below(r, 16);
		if (gen_has(r, f, CTS_FLOW_SCTP_VTAG, 2)) {
			f->sctp_vtag[0] = (uint32_t)rng_number(r, 32);
			f->sctp_vtag[1] = (uint32_t)rng_number(r, 32);
		}
	}
	if (f->orig.proto == IPPROTO_DCCP) {
		if (gen_has(r, f, CTS_FLOW_DCCP_STATE, 1))
			f->dccp_state = (uint8_t)rng_below(r, 16);
		if (gen_has(r, f, CTS_FLOW_DCCP_ROLE, 2))
			f->dccp_role = (uint8_t)rng_below(r, 2);
		if (gen_has(r, f, CTS_FLOW_DCCP_SEQ, 2))
			f->dccp_seq = rng_number(r, 64);
	}
}

static inline void gen_variable(struct rng *r, struct cts_flow_store *s)
{
	static const char name[] = "Q.931-and-a-very-long-name-more";
	struct cts_flow *f = &s->flow;

	if (gen_has(r, f, CTS_FLOW_LABELS, 4)) {
		for (int i = 0; i < 4; i++)
			s->labels[i] = rng_below(r, 2) ? (uint32_t)rng_number(r, 32) : 0;
		f->labels = s->labels;
		f->labels_len = sizeof(s->labels);
	}
	if (gen_has(r, f, CTS_FLOW_HELPER, 4)) {
		f->helper_len = (uint16_t)(1 + rng_below(r, 15));
		memcpy(s->helper, name, f->helper_len);
		s->helper[f->helper_len] = '\0';
		f->helper = s->helper;
	}
}

/* A flow with everything that packs, unused members zero. */
static inline void gen_flow(struct rng *r, struct cts_flow_store *s)
{
	struct cts_flow *f = &s->flow;

	memset(s, 0, sizeof(*s));
	gen_tuple(r, &f->orig);
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG);
	if (!gen_has(r, f, CTS_FLOW_REPLY, 1 + (rng_below(r, 16) == 0)))
		memset(&f->reply, 0, sizeof(f->reply));
	else
		gen_reply(r, f);
	if (gen_has(r, f, CTS_FLOW_STATUS, 1 + (rng_below(r, 8) == 0)))
		f->status = (uint32_t)rng_number(r, 32);
	if (gen_has(r, f, CTS_FLOW_TIMEOUT, 1 + (rng_below(r, 8) == 0)))
		f->timeout = (uint32_t)rng_number(r, 32);
	if (gen_has(r, f, CTS_FLOW_MARK, 2))
		f->mark = (uint32_t)rng_number(r, 32);
	gen_zones(r, f);
	gen_protoinfo(r, f);
	gen_variable(r, s);
	for (int dir = 0; dir < 2; dir++) {
		if (gen_has(r, f, CTS_FLOW_SEQADJ_ORIG + dir, 4) && rng_below(r, 2)) {
			f->seqadj_pos[dir] = (uint32_t)rng_number(r, 32);
			f->seqadj_before[dir] = (uint32_t)rng_number(r, 32);
			f->seqadj_after[dir] = (uint32_t)rng_number(r, 32);
		}
	}
	if (gen_has(r, f, CTS_FLOW_SYNPROXY, 4) && rng_below(r, 2)) {
		f->synproxy_isn = (uint32_t)rng_number(r, 32);
		f->synproxy_its = (uint32_t)rng_number(r, 32);
		f->synproxy_tsoff = (uint32_t)rng_number(r, 32);
	}
	if (gen_has(r, f, CTS_FLOW_MASTER, 4))
		gen_tuple(r, &f->master);
}

#endif
