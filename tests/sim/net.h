/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network of the simulation: between each two nodes up to SIM_LINKS links, each
 * direction with a rate, a drop-tail queue, a delay, jitter, loss, bursts of loss,
 * duplicates, damage, packets that are seconds late, and black holes for large ones.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_LINKS 2u
#define SIM_LATE_MS 6000u            /* a late packet is at most so late */
#define SIM_OVERHEAD 66u             /* bytes of headers, preamble and gap around a message */

struct sim_rng {
	uint64_t state;
};
uint64_t rng_next(struct sim_rng *r);
uint32_t rng_below(struct sim_rng *r, uint32_t n);
static inline bool rng_chance(struct sim_rng *r, uint32_t per_mille)
{
	return per_mille && rng_below(r, 1000) < per_mille;
}

/* One direction between two nodes, on one link. */
struct sim_path {
	uint32_t loss, repeat, damage, late;     /* per mille */
	uint32_t burst_begins, burst_ends;       /* per mille of packets; all within are lost */
	bool burst, cut;
	uint32_t delay_us, jitter_us;            /* jitter reorders */
	uint32_t queue;                          /* bytes that may wait */
	uint32_t hole;                           /* what is larger vanishes; 0: nothing does */
	uint64_t rate;                           /* bytes a second; 0: no limit */
	uint64_t busy_until, last_ns;
};

struct sim_packet {
	uint64_t time, order;
	uint16_t from, to;
	uint16_t link, life;                     /* life: of the sender */
	uint16_t read_by;        /* life of the receiver whose socket has it; 0: under way */
	uint32_t len;
	uint8_t *data;                           /* owned */
};

struct sim_net {
	unsigned int n_nodes, n_links;
	struct sim_path *path;                   /* owned: [link][from][to] */
	uint16_t *life;                          /* owned: of each node, how often it started */
	bool reliable;           /* in order; nothing is lost, damaged or sent twice but by a cut */
	struct sim_rng rng;
	struct sim_packet *heap; /* owned: under way, by time */
	size_t n_heap, max_heap;
	uint64_t order;
	uint64_t late_until;     /* packets that are late may come until then */
	uint64_t dropped;
};

void net_init(struct sim_net *net, unsigned int n_nodes, unsigned int n_links, uint64_t seed);
void net_fini(struct sim_net *net);
struct sim_path *net_path(const struct sim_net *net, unsigned int link, unsigned int from,
			  unsigned int to);
/* All paths as model says, both ways; cuts and queues stay. */
void net_set_all(struct sim_net *net, const struct sim_path *model);
/* Nothing is cut or goes wrong any more; rates and holes go, too. */
void net_heal(struct sim_net *net);
void net_send(struct sim_net *net, unsigned int link, unsigned int from, unsigned int to,
	      const void *msg, size_t len, uint64_t now);
/* Give p back, to come later (its receiver does not read now). */
void net_later(struct sim_net *net, struct sim_packet p, uint64_t time);
static inline uint64_t net_next(const struct sim_net *net)
{
	return net->n_heap ? net->heap[0].time : UINT64_MAX;
}
struct sim_packet net_take(struct sim_net *net);
/* The longest that a packet sent now can be under way, but for late ones. */
uint64_t net_delay_ns(const struct sim_net *net);

#endif
