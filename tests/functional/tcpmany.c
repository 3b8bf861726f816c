/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcpmany: many TCP connections at once, each of which has to carry data both ways.
 *   tcpmany serve ADDR PORT              send back what comes
 *   tcpmany connect ADDR PORT N [MS]     N connections; fail when one takes MS
 * connect prints how many were answered and how long the slowest took, in ms. It sends
 * its first data a moment after it was connected, as over a wire of some length.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define BURST 50            /* connections that are begun at once */
#define WIRE_MS 20          /* from connected to the first data */

static void fail(const char *what)
{
	fprintf(stderr, "tcpmany: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct sockaddr_in resolve(const char *addr, const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, addr, &sa.sin_addr) != 1)
		fail(addr);
	return sa;
}

static struct pollfd *tables(size_t n)
{
	struct rlimit lim = { .rlim_cur = n + 64, .rlim_max = n + 64 };
	struct pollfd *p = calloc(n, sizeof(*p));

	if (!p || setrlimit(RLIMIT_NOFILE, &lim) < 0)
		fail("limit of open files");
	for (size_t i = 0; i < n; i++)
		p[i].fd = -1;
	return p;
}

/* -- the server -- */

#define SERVED 8192u

static void answer(struct pollfd *p)
{
	char buf[64];
	ssize_t n = read(p->fd, buf, sizeof(buf));

	if (n > 0 && write(p->fd, buf, (size_t)n) == n)
		return;
	close(p->fd);
	p->fd = -1;
}

static int serve(const char *addr, const char *port)
{
	struct sockaddr_in sa = resolve(addr, port);
	struct pollfd *p = tables(SERVED);
	int one = 1;

	p[0].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p[0].events = POLLIN;
	setsockopt(p[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(p[0].fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(p[0].fd, 4096) < 0)
		fail("listen");
	while (poll(p, SERVED, -1) >= 0) {
		for (size_t i = 1; i < SERVED; i++) {
			if (p[i].fd >= 0 && p[i].revents)
				answer(&p[i]);
			if (p[i].fd >= 0 || !(p[0].revents & POLLIN))
				continue;
			p[i].fd = accept4(p[0].fd, NULL, NULL, SOCK_CLOEXEC);
			p[i].events = POLLIN;
			p[i].revents = 0;
			if (p[i].fd < 0)
				p[0].revents = 0;
		}
	}
	return 1;
}

/* -- the client -- */

struct client {
	struct sockaddr_in to;
	struct pollfd *p;
	uint64_t *begun, *connected;   /* ms; 0: not yet */
	size_t n, started, answered;
	uint64_t slowest;
};

static void start(struct client *c)
{
	struct pollfd *p = &c->p[c->started];

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	p->events = POLLOUT;
	if (p->fd < 0)
		fail("socket");
	if (connect(p->fd, (struct sockaddr *)&c->to, sizeof(c->to)) < 0 && errno != EINPROGRESS)
		fail("connect");
	c->begun[c->started++] = now_ms();
}

static void ask(struct client *c, size_t i)
{
	uint32_t word = (uint32_t)i;

	if (write(c->p[i].fd, &word, sizeof(word)) != sizeof(word))
		fail("write");
	c->p[i].events = POLLIN;
}

/* Connected: soon ask; answered: done. The connection stays open. */
static void go_on(struct client *c, size_t i)
{
	uint64_t now = now_ms(), took = now - c->begun[i];
	uint32_t word = (uint32_t)i, back;

	if (c->p[i].events == POLLOUT) {
		c->connected[i] = now;
		c->p[i].events = 0;
		return;
	}
	if (read(c->p[i].fd, &back, sizeof(back)) != sizeof(back) || back != word)
		fail("answer");
	c->p[i].events = 0;
	c->answered++;
	c->slowest = took > c->slowest ? took : c->slowest;
}

static int connect_many(const char *addr, const char *port, size_t n, uint64_t patience)
{
	struct client c = { .to = resolve(addr, port), .n = n, .p = tables(n) };
	uint64_t end = now_ms() + patience;

	c.begun = calloc(n, sizeof(*c.begun));
	c.connected = calloc(n, sizeof(*c.connected));
	if (!c.begun || !c.connected)
		fail("memory");
	while (c.answered < n && now_ms() < end) {
		for (unsigned int i = 0; i < BURST && c.started < n; i++)
			start(&c);
		if (poll(c.p, c.started, 10) < 0)
			fail("poll");
		for (size_t i = 0; i < c.started; i++) {
			if (c.p[i].revents & c.p[i].events)
				go_on(&c, i);
			if (c.connected[i] && now_ms() - c.connected[i] >= WIRE_MS) {
				ask(&c, i);
				c.connected[i] = 0;
			}
		}
	}
	printf("answered=%zu of=%zu slowest_ms=%" PRIu64 "\n", c.answered, n, c.slowest);
	free(c.p);
	free(c.begun);
	free(c.connected);
	return c.answered < n;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	if (argc >= 5 && strcmp(argv[1], "connect") == 0)
		return connect_many(argv[2], argv[3], strtoul(argv[4], NULL, 10),
				    argc > 5 ? strtoul(argv[5], NULL, 10) : PATIENCE_MS);
	fprintf(stderr, "usage: tcpmany serve ADDR PORT | connect ADDR PORT N [MS]\n");
	return 2;
}
