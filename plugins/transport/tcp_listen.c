/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ctsync/log.h>

#include "plugins/transport/tcp_listen.h"

#define LISTEN_RETRY_US 1000000u
#define LISTEN_ACCEPTS_MAX 16u /* a wake-up */
#define LISTEN_BACKLOG 32

struct tcp_listen {
	struct tcp_listen_conf conf;
	unsigned int ifindex;    /* that the socket is bound to */
	int fd;                  /* owned; -1: not now, retry is armed */
	struct cts_watch *watch; /* owned */
	struct cts_timer *retry; /* owned */
};

static void listen_ready(void *ctx, unsigned int flags)
{
	struct tcp_listen *l = ctx;

	for (unsigned int i = 0; i < LISTEN_ACCEPTS_MAX; i++) {
		union net_addr from = { 0 };
		socklen_t len = sizeof(from);
		int fd = accept4(l->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			l->conf.accepted(l->conf.ctx, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* It stays readable: look again later instead of at once for ever. */
			cts_warn("tcp: cannot accept: %s", strerror(errno));
			cts_watch_set(l->watch, 0);
			cts_timer_arm_us(l->retry, LISTEN_RETRY_US);
		}
		return;
	}
}

static int bind_and_listen(const struct tcp_listen *l, int fd)
{
	const char *device = l->conf.device;
	union net_addr local;
	const int yes = 1;

	net_addr_set(&local, l->conf.address, l->conf.port, l->ifindex);
	net_set_buffer("tcp", fd, SO_RCVBUF, l->conf.receive_buffer);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    (device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
				  (socklen_t)strlen(device) + 1) < 0) ||
	    bind(fd, &local.sa, net_addr_len(&local)) < 0)
		return -1;
	return listen(fd, LISTEN_BACKLOG);
}

static int listen_start(struct tcp_listen *l)
{
	int saved, fd, family = strchr(l->conf.address, ':') ? AF_INET6 : AF_INET;

	l->ifindex = l->conf.ifindex(l->conf.ctx);
	if (l->conf.device && !l->ifindex) {
		errno = ENODEV;
		return -1;
	}
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind_and_listen(l, fd) == 0)
		l->watch = cts_watch_create(l->conf.loop, fd, CTS_WATCH_READ, listen_ready, l);
	if (l->watch) {
		l->fd = fd;
		return 0;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void listen_stop(struct tcp_listen *l)
{
	cts_watch_destroy(l->watch);
	l->watch = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void listen_retry(void *ctx)
{
	struct tcp_listen *l = ctx;

	if (l->fd >= 0)
		cts_watch_set(l->watch, CTS_WATCH_READ);
	else if (listen_start(l) < 0)
		cts_timer_arm_us(l->retry, LISTEN_RETRY_US);
	else
		cts_info("tcp: %s: listening", l->conf.address);
}

void tcp_listen_device_changed(struct tcp_listen *l)
{
	if (l->conf.ifindex(l->conf.ctx) == l->ifindex)
		return;
	listen_stop(l);
	if (listen_start(l) < 0)
		cts_timer_arm_us(l->retry, LISTEN_RETRY_US);
}

struct tcp_listen *tcp_listen_create(const struct tcp_listen_conf *conf)
{
	struct tcp_listen *l = calloc(1, sizeof(*l));
	int saved;

	if (!l)
		return NULL;
	l->conf = *conf;
	l->fd = -1;
	l->retry = cts_timer_create(conf->loop, listen_retry, l);
	if (!l->retry)
		goto err;
	if (listen_start(l) < 0) {
		if (errno != ENODEV && errno != EADDRNOTAVAIL)
			goto err;
		cts_warn("tcp: %s: not usable yet: %s", conf->address, strerror(errno));
		if (cts_timer_arm_us(l->retry, LISTEN_RETRY_US) < 0)
			goto err;
	}
	return l;
err:
	saved = errno;
	tcp_listen_destroy(l);
	errno = saved;
	return NULL;
}

void tcp_listen_destroy(struct tcp_listen *l)
{
	if (!l)
		return;
	listen_stop(l);
	cts_timer_destroy(l->retry);
	free(l);
}
