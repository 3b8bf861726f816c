/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/transport/tcp_conn.h"

#define GREETING_LEN 24u
#define CONN_RX 262144u      /* bytes read at once; more than the largest frame */
#define CONN_BATCH 64u       /* messages handed on at once */
#define CONN_ROUNDS 4u       /* reads a wake-up: others want their turn */
#define CONN_NOT_SENT 131072 /* more stays with us, where it can be refused */

enum state { CONNECTING, GREETING, OPEN };

struct tcp_conn {
	struct tcp_conn_conf conf;
	enum state state;
	enum tcp_role role;
	int fd;                  /* owned */
	struct cts_watch *watch; /* owned */
	struct cts_timer *timer; /* owned: no greeting in time; a failure to be reported */
	int error;               /* met while sending; closed() follows */
	bool wants_room;
	bool damaged;
	uint8_t mine[GREETING_LEN], theirs[GREETING_LEN];
	size_t theirs_len;
	uint8_t *rx; /* owned; CONN_RX bytes, from open() on */
	size_t rx_len;
	uint8_t *tx; /* owned; a ring, from open() on */
	size_t tx_size, tx_first, tx_len;
};

static void put_u64(uint8_t *to, uint64_t v)
{
	v = htobe64(v);
	memcpy(to, &v, sizeof(v));
}

static uint64_t get_u64(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof(v));
	return be64toh(v);
}

static void greeting_build(uint8_t *to, enum tcp_role role, const struct tcp_greeting *g)
{
	memcpy(to, "ctsT\1\0\0\0", 8);
	to[5] = role;
	put_u64(to + 8, g->life);
	put_u64(to + 16, g->serial);
}

/* Of the other side, whose role is not ours. */
static bool greeting_parse(const uint8_t *from, enum tcp_role ours, struct tcp_greeting *g)
{
	if (memcmp(from, "ctsT\1", 5) || from[5] != (ours == TCP_CONNECTS) || from[6] || from[7])
		return false;
	g->life = get_u64(from + 8);
	g->serial = get_u64(from + 16);
	return g->life != 0;
}

static void tell_closed(struct tcp_conn *c, const char *why)
{
	cts_watch_set(c->watch, 0);
	cts_timer_disarm(c->timer);
	c->conf.closed(c->conf.ctx, c, why);
}

static void conn_timer(void *ctx)
{
	struct tcp_conn *c = ctx;

	tell_closed(c, c->error                 ? strerror(c->error)
		       : c->state == CONNECTING ? "nobody answers"
						: "no greeting in time");
}

/* -- sending -- */

static void watch_for(struct tcp_conn *c)
{
	bool write = c->tx_len || c->wants_room;

	cts_watch_set(c->watch, write ? CTS_WATCH_READ | CTS_WATCH_WRITE : CTS_WATCH_READ);
}

/* 0, or -1, errno: the connection is broken. */
static int flush(struct tcp_conn *c)
{
	while (c->tx_len) {
		size_t end = c->tx_size - c->tx_first;
		struct iovec iov[2] = {
			{ c->tx + c->tx_first, c->tx_len < end ? c->tx_len : end },
			{ c->tx, c->tx_len > end ? c->tx_len - end : 0 },
		};
		struct msghdr h = { .msg_iov = iov, .msg_iovlen = iov[1].iov_len ? 2 : 1 };
		ssize_t n = sendmsg(c->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->tx_len -= (size_t)n;
		c->tx_first = c->tx_len ? (c->tx_first + (size_t)n) % c->tx_size : 0;
	}
	return 0;
}

void tcp_conn_flush(struct tcp_conn *c)
{
	if (c->error)
		return;
	if (flush(c) < 0) {
		c->error = errno;
		cts_watch_set(c->watch, 0);
		cts_timer_arm_us(c->timer, 0);
		return;
	}
	watch_for(c);
}

size_t tcp_conn_room(const struct tcp_conn *c)
{
	return c->tx_size - c->tx_len;
}

static void append(struct tcp_conn *c, const void *data, size_t len)
{
	size_t at = (c->tx_first + c->tx_len) % c->tx_size, end = c->tx_size - at;
	size_t part = len < end ? len : end;

	memcpy(c->tx + at, data, part);
	memcpy(c->tx, (const uint8_t *)data + part, len - part);
	c->tx_len += len;
}

void tcp_conn_put(struct tcp_conn *c, const struct iovec *msg)
{
	uint32_t len = htobe32((uint32_t)msg->iov_len);

	append(c, &len, sizeof(len));
	append(c, msg->iov_base, msg->iov_len);
}

void tcp_conn_want_room(struct tcp_conn *c)
{
	c->wants_room = true;
	if (!c->error)
		watch_for(c);
}

/* -- receiving -- */

/* Hand on all whole messages. false: the stream is not one of ours, or broke while
 * somebody answered. */
static bool take_frames(struct tcp_conn *c)
{
	struct iovec msg[CONN_BATCH];
	unsigned int n = 0;
	size_t at = 0;
	uint32_t len = 1;

	while (c->rx_len - at >= TCP_FRAME_HEADER) {
		memcpy(&len, c->rx + at, sizeof(len));
		len = be32toh(len);
		if (!len || len > TCP_FRAME_MAX || c->rx_len - at - TCP_FRAME_HEADER < len)
			break;
		msg[n++] = (struct iovec){ c->rx + at + TCP_FRAME_HEADER, len };
		at += TCP_FRAME_HEADER + len;
		if (n == CONN_BATCH) {
			c->conf.messages(c->conf.ctx, c, msg, n);
			n = 0;
		}
	}
	if (n)
		c->conf.messages(c->conf.ctx, c, msg, n);
	c->rx_len -= at;
	memmove(c->rx, c->rx + at, c->rx_len);
	return len && len <= TCP_FRAME_MAX;
}

static void read_open(struct tcp_conn *c)
{
	for (unsigned int round = 0; round < CONN_ROUNDS && !c->error; round++) {
		size_t room = CONN_RX - c->rx_len;
		ssize_t n = recv(c->fd, c->rx + c->rx_len, room, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			tell_closed(c, n ? strerror(errno) : "the peer closed it");
			return;
		}
		c->rx_len += (size_t)n;
		if (!take_frames(c)) {
			c->damaged = true;
			tell_closed(c, "damaged frame");
			return;
		}
		if ((size_t)n < room)
			return;
	}
}

static void read_greeting(struct tcp_conn *c)
{
	struct tcp_greeting g;
	ssize_t n = recv(c->fd, c->theirs + c->theirs_len, GREETING_LEN - c->theirs_len,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		tell_closed(c, n ? strerror(errno) : "the peer closed it");
		return;
	}
	c->theirs_len += (size_t)n;
	if (c->theirs_len < GREETING_LEN)
		return;
	if (!greeting_parse(c->theirs, c->role, &g)) {
		c->damaged = true;
		tell_closed(c, "what it says is not a greeting");
		return;
	}
	c->conf.greeted(c->conf.ctx, c, &g);
}

/* -- the socket -- */

static bool say_greeting(struct tcp_conn *c)
{
	return send(c->fd, c->mine, sizeof(c->mine), MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       sizeof(c->mine);
}

static void connected(struct tcp_conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error && !say_greeting(c))
		error = errno;
	if (error) {
		tell_closed(c, strerror(error));
		return;
	}
	c->state = GREETING;
	watch_for(c);
}

static void conn_ready(void *ctx, unsigned int flags)
{
	struct tcp_conn *c = ctx;

	if (c->error)
		return;
	if (c->state == CONNECTING) {
		connected(c);
	} else if (flags & CTS_WATCH_READ) {
		if (c->state == OPEN)
			read_open(c);
		else
			read_greeting(c);
	} else if (flush(c) < 0) {
		tell_closed(c, strerror(errno));
	} else {
		bool room = c->wants_room && c->tx_len <= c->tx_size / 2;

		c->wants_room &= !room;
		watch_for(c);
		if (room)
			c->conf.room(c->conf.ctx, c);
	}
}

static int set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 1 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 1 },
		{ IPPROTO_TCP, TCP_KEEPCNT, TCP_DEAD_MS / 1000 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_DEAD_MS },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, CONN_NOT_SENT },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			       sizeof(options[i].value)) < 0)
			return -1;
	return 0;
}

/* fd is the connection's from now on, or closed. */
static struct tcp_conn *conn_create(const struct tcp_conn_conf *conf, int fd, enum tcp_role role)
{
	struct tcp_conn *c = calloc(1, sizeof(*c));
	int saved;

	if (!c) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	c->conf = *conf;
	c->fd = fd;
	c->role = role;
	c->state = role == TCP_CONNECTS ? CONNECTING : GREETING;
	c->timer = cts_timer_create(conf->loop, conn_timer, c);
	c->watch = cts_watch_create(conf->loop, fd,
				    role == TCP_CONNECTS ? CTS_WATCH_WRITE : CTS_WATCH_READ,
				    conn_ready, c);
	if (!c->timer || !c->watch || cts_timer_arm_us(c->timer, TCP_GREET_US) < 0 ||
	    set_options(fd) < 0) {
		saved = errno;
		tcp_conn_abort(c);
		errno = saved;
		return NULL;
	}
	return c;
}

struct tcp_conn *tcp_conn_connect(const struct tcp_conn_conf *conf, const union net_addr *to,
				  const struct tcp_greeting *mine)
{
	int saved, fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct tcp_conn *c;

	if (fd < 0)
		return NULL;
	net_set_buffer("tcp", fd, SO_RCVBUF, conf->receive_buffer);
	if ((conf->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, conf->device,
					(socklen_t)strlen(conf->device) + 1) < 0) ||
	    bind(fd, &conf->local->sa, net_addr_len(conf->local)) < 0 ||
	    (connect(fd, &to->sa, net_addr_len(to)) < 0 && errno != EINPROGRESS)) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	c = conn_create(conf, fd, TCP_CONNECTS);
	if (c)
		greeting_build(c->mine, TCP_CONNECTS, mine);
	return c;
}

struct tcp_conn *tcp_conn_accepted(const struct tcp_conn_conf *conf, int fd)
{
	return conn_create(conf, fd, TCP_ACCEPTS);
}

int tcp_conn_open(struct tcp_conn *c, const struct tcp_greeting *mine)
{
	c->tx_size = (size_t)c->conf.send_buffer;
	c->tx = malloc(c->tx_size);
	c->rx = malloc(CONN_RX);
	if (!c->tx || !c->rx)
		return -1;
	if (mine) {
		greeting_build(c->mine, TCP_ACCEPTS, mine);
		if (!say_greeting(c))
			return -1;
	}
	c->state = OPEN;
	cts_timer_disarm(c->timer);
	return 0;
}

enum tcp_role tcp_conn_role(const struct tcp_conn *c)
{
	return c->role;
}

bool tcp_conn_is_damaged(const struct tcp_conn *c)
{
	return c->damaged;
}

bool tcp_conn_is_connected(const struct tcp_conn *c)
{
	return c->state != CONNECTING;
}

static void conn_free(struct tcp_conn *c)
{
	cts_watch_destroy(c->watch);
	cts_timer_destroy(c->timer);
	close(c->fd);
	free(c->rx);
	free(c->tx);
	free(c);
}

void tcp_conn_abort(struct tcp_conn *c)
{
	const struct linger now = { .l_onoff = 1 };

	if (!c)
		return;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn_free(c);
}

void tcp_conn_destroy(struct tcp_conn *c)
{
	if (!c)
		return;
	if (c->state == OPEN && !c->error) {
		flush(c);
		/* Closed with bytes unread, the kernel resets it, and the peer may
		 * lose what we said last. */
		for (unsigned int i = 0; i < 16 && recv(c->fd, c->rx, CONN_RX, MSG_DONTWAIT) > 0;
		     i++)
			;
	}
	conn_free(c);
}
