/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <ctsync/log.h>

#include "plugins/transport/tcp_name.h"
#include "plugins/transport/tcp_peer.h"

#define PEER_WAIT_US 100000u /* before the second attempt; then twice as long */
#define PEER_WAIT_MAX_US 1600000u

struct tcp_peer {
	struct tcp_peer_conf conf;
	bool literal;    /* text is an address */
	bool complained; /* about attempts, since the connection was up */
	union net_addr addrs[TCP_ADDRS_MAX];
	unsigned int n_addrs, next;
	struct tcp_name *question; /* owned; NULL: none is asked */
	struct tcp_conn *up;       /* owned */
	struct tcp_conn *out;      /* owned: our attempt */
	struct tcp_conn *in;       /* owned: accepted, its greeting is awaited */
	struct cts_timer *timer;   /* owned: the next attempt */
	uint64_t wait_us;
	uint64_t serial;      /* of our attempts */
	uint64_t life;        /* the peer's; 0: never greeted */
	uint64_t void_serial; /* attempts of that life up to here do not count */
};

/* -- attempts -- */

/* Between half and one and a half times the wait: nodes that were parted together
 * must not meet together. */
static void attempt_later(struct tcp_peer *p)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)p->conf.life ^ (uint32_t)p->serial * 2654435761u;
	cts_timer_arm_us(p->timer, p->wait_us / 2 + r % (p->wait_us + 1));
	p->wait_us = p->wait_us < PEER_WAIT_MAX_US / 2 ? p->wait_us * 2 : PEER_WAIT_MAX_US;
}

static void attempt_failed(struct tcp_peer *p, const char *why)
{
	if (!p->complained)
		cts_warn("tcp: %s: cannot connect: %s; it is tried again", p->conf.text, why);
	p->complained = true;
	attempt_later(p);
}

static void attempt(struct tcp_peer *p)
{
	const struct tcp_greeting mine = { p->conf.life, ++p->serial };

	p->out = tcp_conn_connect(&p->conf.conn, &p->addrs[p->next++ % p->n_addrs], &mine);
	if (!p->out)
		attempt_failed(p, strerror(errno));
}

static void name_found(void *ctx, const union net_addr *addrs, unsigned int n, const char *why)
{
	struct tcp_peer *p = ctx;
	char reason[128];

	snprintf(reason, sizeof(reason), "%s", why);
	if (n)
		memcpy(p->addrs, addrs, n * sizeof(*addrs));
	p->n_addrs = n ? n : p->n_addrs;
	tcp_name_destroy(p->question);
	p->question = NULL;
	if (p->up || p->out)
		return;
	if (n)
		attempt(p);
	else
		attempt_failed(p, reason);
}

static void attempt_begin(void *ctx)
{
	struct tcp_peer *p = ctx;

	if (p->up || p->out || p->question)
		return;
	if (p->literal) {
		net_addr_set(&p->addrs[0], p->conf.text, p->conf.port,
			     p->conf.ifindex(p->conf.ctx));
		p->n_addrs = 1;
		attempt(p);
		return;
	}
	p->question = tcp_name_ask(p->conf.conn.loop, p->conf.text,
				   p->conf.conn.local->sa.sa_family, p->conf.port, name_found, p);
	if (!p->question)
		attempt_failed(p, strerror(errno));
}

/* -- connections -- */

/* What was up is gone, c is destroyed. */
static void went_down(struct tcp_peer *p, const char *why)
{
	tcp_conn_abort(p->up);
	p->up = NULL;
	p->wait_us = PEER_WAIT_US;
	cts_info("tcp: %s: connection lost: %s", p->conf.text, why);
	p->conf.down(p->conf.ctx, p->conf.number);
}

static void conn_closed(void *ctx, struct tcp_conn *c, const char *why)
{
	struct tcp_peer *p = ctx;

	if (tcp_conn_is_damaged(c))
		p->conf.damaged(p->conf.ctx, p->conf.number);
	if (c == p->up) {
		went_down(p, why);
		attempt_later(p);
	} else if (c == p->out) {
		p->out = NULL;
		attempt_failed(p, why);
		tcp_conn_abort(c);
	} else {
		p->in = NULL;
		tcp_conn_abort(c);
	}
}

static void conn_messages(void *ctx, struct tcp_conn *c, const struct iovec *msg, unsigned int n)
{
	struct tcp_peer *p = ctx;

	p->conf.messages(p->conf.ctx, p->conf.number, msg, n);
}

static void conn_room(void *ctx, struct tcp_conn *c)
{
	struct tcp_peer *p = ctx;

	p->conf.room(p->conf.ctx, p->conf.number);
}

static bool stays(const struct tcp_peer *p, const struct tcp_conn *c, const struct tcp_greeting *g)
{
	if (tcp_conn_role(c) == TCP_CONNECTS)
		return true;
	if (g->life == p->life && g->serial <= p->void_serial)
		return false;
	return !p->out || !tcp_conn_is_connected(p->out) || g->life < p->conf.life;
}

/* A name that stands for the node itself. */
static void drop_both_ends(struct tcp_peer *p)
{
	tcp_conn_abort(p->in);
	tcp_conn_abort(p->out);
	p->in = p->out = NULL;
	p->conf.damaged(p->conf.ctx, p->conf.number);
	if (!p->up)
		attempt_failed(p, "this is the node itself");
}

static void conn_greeted(void *ctx, struct tcp_conn *c, const struct tcp_greeting *g)
{
	struct tcp_peer *p = ctx;
	const struct tcp_greeting mine = { p->conf.life, p->serial };
	bool accepts = tcp_conn_role(c) == TCP_ACCEPTS;

	if (g->life == p->conf.life) {
		drop_both_ends(p);
		return;
	}
	if (accepts && !stays(p, c, g)) {
		p->in = NULL;
		tcp_conn_abort(c);
		return;
	}
	if (tcp_conn_open(c, accepts ? &mine : NULL) < 0) {
		conn_closed(p, c, strerror(errno));
		return;
	}
	*(accepts ? &p->in : &p->out) = NULL;
	tcp_conn_abort(p->out);
	p->out = NULL;
	if (p->up)
		went_down(p, "the peer connected again");
	p->up = c;
	p->life = g->life;
	p->void_serial = g->serial;
	p->wait_us = PEER_WAIT_US;
	p->complained = false;
	cts_timer_disarm(p->timer);
	cts_info("tcp: %s: connected", p->conf.text);
	p->conf.up(p->conf.ctx, p->conf.number);
}

/* -- what tcp.c asks for -- */

struct tcp_conn *tcp_peer_conn(const struct tcp_peer *p)
{
	return p->up;
}

bool tcp_peer_is(const struct tcp_peer *p, const union net_addr *from)
{
	for (unsigned int i = 0; i < p->n_addrs; i++) {
		union net_addr a = p->addrs[i];

		a.in.sin_port = from->in.sin_port; /* at one place in both families */
		if (net_addr_equal(&a, from))
			return true;
	}
	return false;
}

void tcp_peer_accept(struct tcp_peer *p, int fd)
{
	/* The later one is more likely to have somebody at its end. */
	tcp_conn_abort(p->in);
	p->in = tcp_conn_accepted(&p->conf.conn, fd);
	if (!p->in)
		cts_warn("tcp: %s: cannot accept: %s", p->conf.text, strerror(errno));
}

void tcp_peer_cut(struct tcp_peer *p, const char *why)
{
	if (!p->up)
		return;
	went_down(p, why);
	p->wait_us = PEER_WAIT_MAX_US;
	attempt_later(p);
}

struct tcp_peer *tcp_peer_create(const struct tcp_peer_conf *conf)
{
	struct tcp_peer *p = calloc(1, sizeof(*p));
	uint8_t addr[sizeof(struct in6_addr)];

	if (!p)
		return NULL;
	p->conf = *conf;
	p->conf.conn.ctx = p;
	p->conf.conn.greeted = conn_greeted;
	p->conf.conn.messages = conn_messages;
	p->conf.conn.room = conn_room;
	p->conf.conn.closed = conn_closed;
	p->wait_us = PEER_WAIT_US;
	p->literal = inet_pton(AF_INET, conf->text, addr) == 1 ||
		     inet_pton(AF_INET6, conf->text, addr) == 1;
	if (p->literal) {
		net_addr_set(&p->addrs[0], conf->text, conf->port, 0);
		p->n_addrs = 1;
	}
	p->timer = cts_timer_create(conf->conn.loop, attempt_begin, p);
	if (!p->timer || cts_timer_arm_us(p->timer, 0) < 0) {
		tcp_peer_destroy(p);
		errno = ENOMEM;
		return NULL;
	}
	return p;
}

void tcp_peer_destroy(struct tcp_peer *p)
{
	if (!p)
		return;
	tcp_name_destroy(p->question);
	tcp_conn_destroy(p->up);
	tcp_conn_abort(p->out);
	tcp_conn_abort(p->in);
	cts_timer_destroy(p->timer);
	free(p);
}
