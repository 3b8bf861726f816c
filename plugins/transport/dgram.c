/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "plugins/transport/dgram.h"

#define DGRAM_BATCH 64u          /* datagrams a system call */
#define DGRAM_ROUNDS 4u          /* receive calls a wake-up: others want their turn */
#define DGRAM_PAYLOAD_MAX 65507u /* IPv4 and UDP headers in 65535 bytes */
#define DGRAM_JUMBO 9216u        /* largest frames in use on Ethernet */
#define DGRAM_MTU_DEFAULT 1500u
#define DGRAM_RETRY_US 1000000u

struct dgram {
	struct dgram_conf conf;
	char device[IFNAMSIZ];
	const struct cts_transport_host *host; /* lent */
	struct rtlink *link;                   /* owned; NULL: no device */
	struct cts_watch *watch;               /* owned */
	struct cts_timer *retry;               /* owned */
	int fd;                                /* owned; -1: closed, retry is armed */
	unsigned int ifindex;                  /* that the socket is bound to */
	bool blocked;                          /* the last send() met a full buffer */
	uint64_t sent_errors, recv_errors, refused;
	uint64_t dropped_before; /* by sockets that are closed now */
	struct mmsghdr rx[DGRAM_BATCH];
	struct iovec rx_iov[DGRAM_BATCH];
	union net_addr rx_from[DGRAM_BATCH];
	struct mmsghdr tx[DGRAM_BATCH];
	uint8_t *rx_buf; /* owned; pages are touched as needed */
};

/* -- receiving -- */

static int receive_batch(struct dgram *d)
{
	/* No honest message is larger than jumbo frames or what we send ourselves;
	 * the rest is cut off, so that giants do not make memory grow, and found
	 * to be damaged by who reads it. */
	size_t own = dgram_max_message(d);
	size_t most = own > DGRAM_JUMBO ? own : DGRAM_JUMBO;

	for (unsigned int i = 0; i < DGRAM_BATCH; i++) {
		d->rx_iov[i].iov_len = most;
		d->rx[i].msg_hdr.msg_namelen = sizeof(d->rx_from[i]);
	}
	return recvmmsg(d->fd, d->rx, DGRAM_BATCH, MSG_DONTWAIT, NULL);
}

/* Hand on n datagrams, those of one peer that follow each other in one call. */
static void deliver_batch(struct dgram *d, unsigned int n)
{
	struct iovec msg[DGRAM_BATCH];
	uint32_t from = 0;
	unsigned int used = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t peer = d->conf.peer_of(d->conf.ctx, &d->rx_from[i]);

		if (!peer) {
			d->refused++;
			continue;
		}
		if (used && peer != from) {
			d->host->deliver(d->host->ctx, from, msg, used);
			used = 0;
		}
		from = peer;
		msg[used].iov_base = d->rx_iov[i].iov_base;
		msg[used++].iov_len = d->rx[i].msg_len;
	}
	if (used)
		d->host->deliver(d->host->ctx, from, msg, used);
}

static void dgram_read(struct dgram *d)
{
	for (unsigned int round = 0; round < DGRAM_ROUNDS; round++) {
		int n = receive_batch(d);

		if (n < 0) {
			/* ENETDOWN and the like come once for each change of the device. */
			d->recv_errors += errno != EAGAIN && errno != EINTR;
			return;
		}
		deliver_batch(d, (unsigned int)n);
		if ((unsigned int)n < DGRAM_BATCH)
			return;
	}
}

static void dgram_ready(void *ctx, unsigned int flags)
{
	struct dgram *d = ctx;

	if (flags & CTS_WATCH_READ)
		dgram_read(d);
	if (flags & CTS_WATCH_WRITE && d->blocked) {
		d->blocked = false;
		cts_watch_set(d->watch, CTS_WATCH_READ);
		d->host->writable(d->host->ctx);
	}
}

/* -- sending -- */

/* One batch of datagrams. Returns how many are done with, sent or lost; fewer
 * than n: the socket is full. */
static unsigned int send_batch(struct dgram *d, unsigned int n)
{
	unsigned int done = 0;

	while (done < n) {
		int sent = sendmmsg(d->fd, d->tx + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent <= 0) {
			/* EPERM (a packet filter), ENETUNREACH, ENOBUFS...: this one is
			 * lost, as it could be anywhere on its way. */
			d->sent_errors++;
			done++;
			continue;
		}
		done += (unsigned int)sent;
	}
	return done;
}

static void set_blocked(struct dgram *d)
{
	d->blocked = true;
	cts_watch_set(d->watch, CTS_WATCH_READ | CTS_WATCH_WRITE);
}

int dgram_send(struct dgram *d, const struct iovec *msg, unsigned int n, const union net_addr *to,
	       unsigned int n_to)
{
	unsigned int taken = 0;

	if (d->fd < 0) {
		d->sent_errors++;
		errno = ENETDOWN;
		return -1;
	}
	while (taken < n) {
		unsigned int fill = 0, whole = 0, done;

		/* A message goes into one batch for all its receivers: what is not
		 * taken is repeated as a whole, and receivers drop what they have. */
		while (taken + whole < n && fill + n_to <= DGRAM_BATCH) {
			for (unsigned int t = 0; t < n_to; t++, fill++) {
				struct msghdr *h = &d->tx[fill].msg_hdr;

				h->msg_iov = (struct iovec *)&msg[taken + whole];
				h->msg_iovlen = 1;
				h->msg_name = (void *)&to[t];
				h->msg_namelen = net_addr_len(&to[t]);
			}
			whole++;
		}
		done = send_batch(d, fill);
		/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): who sends has receivers */
		taken += done / n_to;
		if (done < fill) {
			set_blocked(d);
			break;
		}
	}
	if (taken == 0 && n > 0) {
		errno = EAGAIN;
		return -1;
	}
	return (int)taken;
}

/* -- the socket and its device -- */

static int bind_device(const struct dgram *d, int fd)
{
	if (!d->device[0])
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, d->device,
			  (socklen_t)strlen(d->device) + 1);
}

static int dgram_open(struct dgram *d)
{
	unsigned int ifindex = d->link ? rtlink_state(d->link)->ifindex : 0;
	const int yes = 1;
	int saved, fd;

	if (d->link && !ifindex) {
		errno = ENODEV;
		return -1;
	}
	fd = socket(d->conf.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	net_set_buffer(d->conf.name, fd, SO_SNDBUF, d->conf.send_buffer);
	net_set_buffer(d->conf.name, fd, SO_RCVBUF, d->conf.receive_buffer);
	if (d->conf.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind_device(d, fd) < 0 || d->conf.setup(d->conf.ctx, fd, ifindex) < 0)
		goto err;
	d->watch = cts_watch_create(d->host->loop, fd, CTS_WATCH_READ, dgram_ready, d);
	if (!d->watch)
		goto err;
	d->fd = fd;
	d->ifindex = ifindex;
	return 0;
err:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static uint64_t socket_dropped(const struct dgram *d)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	if (d->fd < 0 || getsockopt(d->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0)
		return 0;
	return mem[SK_MEMINFO_DROPS];
}

static void dgram_close(struct dgram *d)
{
	cts_watch_destroy(d->watch);
	d->watch = NULL;
	d->dropped_before += socket_dropped(d);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static void dgram_retry(void *ctx)
{
	struct dgram *d = ctx;

	if (d->fd >= 0)
		return;
	if (dgram_open(d) < 0) {
		cts_timer_arm_us(d->retry, DGRAM_RETRY_US);
		return;
	}
	cts_info("%s: %s: socket is open", d->conf.name, d->device);
	cts_transport_link_changed(d->host);
}

static void dgram_link_changed(void *ctx)
{
	struct dgram *d = ctx;

	/* A device of the same name may be another one: the socket follows. */
	if (rtlink_state(d->link)->ifindex != d->ifindex) {
		dgram_close(d);
		d->ifindex = 0;
		if (dgram_open(d) < 0)
			cts_timer_arm_us(d->retry, DGRAM_RETRY_US);
	}
	cts_transport_link_changed(d->host);
}

struct dgram *dgram_create(const struct dgram_conf *conf, const struct cts_transport_host *host)
{
	struct dgram *d = calloc(1, sizeof(*d));
	int saved;

	if (!d)
		return NULL;
	d->conf = *conf;
	d->host = host;
	d->fd = -1;
	/* Not calloc: only pages that datagrams reach are ever made. */
	d->rx_buf = malloc((size_t)DGRAM_BATCH * DGRAM_PAYLOAD_MAX);
	d->retry = cts_timer_create(host->loop, dgram_retry, d);
	if (!d->rx_buf || !d->retry)
		goto err;
	for (unsigned int i = 0; i < DGRAM_BATCH; i++) {
		d->rx_iov[i].iov_base = d->rx_buf + (size_t)i * DGRAM_PAYLOAD_MAX;
		d->rx[i].msg_hdr.msg_iov = &d->rx_iov[i];
		d->rx[i].msg_hdr.msg_iovlen = 1;
		d->rx[i].msg_hdr.msg_name = &d->rx_from[i];
	}
	if (conf->device) {
		memcpy(d->device, conf->device, strnlen(conf->device, sizeof(d->device) - 1));
		d->link = rtlink_create(host->loop, conf->device, dgram_link_changed, d);
		if (!d->link)
			goto err;
	}
	if (dgram_open(d) < 0) {
		if (errno != ENODEV && errno != EADDRNOTAVAIL)
			goto err;
		cts_warn("%s: %s: not usable yet: %s", conf->name, d->device, strerror(errno));
		if (cts_timer_arm_us(d->retry, DGRAM_RETRY_US) < 0)
			goto err;
	}
	return d;
err:
	saved = errno;
	cts_err("%s: %s: cannot open: %s", conf->name, d->device, strerror(errno));
	dgram_destroy(d);
	errno = saved;
	return NULL;
}

void dgram_destroy(struct dgram *d)
{
	if (!d)
		return;
	dgram_close(d);
	rtlink_destroy(d->link);
	cts_timer_destroy(d->retry);
	free(d->rx_buf);
	free(d);
}

/* -- what others ask -- */

size_t dgram_max_message(const struct dgram *d)
{
	unsigned int mtu = d->link ? rtlink_state(d->link)->mtu : 0;
	unsigned int headers = (d->conf.family == AF_INET6 ? 40 : 20) + 8;

	if (mtu < 576) /* none known, or one that nothing useful fits in */
		mtu = mtu ? 576 : DGRAM_MTU_DEFAULT;
	return mtu - headers < DGRAM_PAYLOAD_MAX ? mtu - headers : DGRAM_PAYLOAD_MAX;
}

void dgram_status(struct dgram *d, struct cts_transport_status *st)
{
	struct cts_transport_status s = { .size = st->size, .up = d->fd >= 0, .carrier = true };

	memcpy(s.device, d->device, sizeof(d->device));
	if (d->link) {
		const struct rtlink_state *l = rtlink_state(d->link);

		s.up = d->fd >= 0 && l->up && l->running;
		s.carrier = !l->up || l->running;
	}
	s.sent_errors = d->sent_errors;
	s.recv_errors = d->recv_errors;
	s.recv_dropped = d->dropped_before + socket_dropped(d);
	s.refused = d->refused;
	memcpy(st, &s, st->size < sizeof(s) ? st->size : sizeof(s));
}
