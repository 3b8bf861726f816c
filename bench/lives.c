/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lives: whole lives of real TCP connections, SYN to FIN, with one byte each way. The
 * client closes first, so that a firewall between them sees every state of TCP.
 *   lives serve ADDR PORT PORTS                       answer on so many ports, until killed
 *   lives run ADDR PORT PORTS LIVES AT_ONCE PACE      PACE: a second, 0: as fast as it goes
 * run prints lives, failures, seconds and lives a second.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096
#define EVENTS 256
#define LISTENER (1ull << 32) /* in an epoll event's data: a listening socket */
#define STUCK_NS 5000000000u  /* no life ended for so long: the rest has failed */

struct lives {
	struct sockaddr_in to;
	uint16_t port, n_ports;
	uint32_t total, at_once, pace;
	uint32_t started, running, done, failed;
	uint64_t start_ns, last_ns;
	int epoll;
};

static void fail(const char *what)
{
	fprintf(stderr, "lives: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void watch(int epoll, int fd, uint32_t events, uint64_t flags)
{
	struct epoll_event ev = { .events = events, .data.u64 = flags | (uint32_t)fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		fail("epoll_ctl");
}

/* -- the server -- */

static void listen_on(int epoll, struct sockaddr_in addr, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	addr.sin_port = htons(port);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		fail("listen");
	watch(epoll, fd, EPOLLIN, LISTENER);
}

static void answer(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) != 1 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		close(fd);
}

static void serve(struct lives *l)
{
	struct epoll_event ev[EVENTS];

	for (uint16_t i = 0; i < l->n_ports; i++)
		listen_on(l->epoll, l->to, (uint16_t)(l->port + i));
	for (;;) {
		int n = epoll_wait(l->epoll, ev, EVENTS, -1), fd;

		for (int i = 0; i < n; i++) {
			if (!(ev[i].data.u64 & LISTENER)) {
				answer((int)(uint32_t)ev[i].data.u64);
				continue;
			}
			while ((fd = accept4((int)(uint32_t)ev[i].data.u64, NULL, NULL,
					     SOCK_NONBLOCK)) >= 0)
				watch(l->epoll, fd, EPOLLIN, 0);
		}
	}
}

/* -- the client -- */

static void ended(struct lives *l, int fd, bool well)
{
	close(fd);
	l->running--;
	*(well ? &l->done : &l->failed) += 1;
	l->last_ns = now_ns();
}

static void begin(struct lives *l)
{
	struct sockaddr_in to = l->to;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		fail("socket");
	to.sin_port = htons((uint16_t)(l->port + l->started++ % l->n_ports));
	l->running++;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		ended(l, fd, false);
	else
		watch(l->epoll, fd, EPOLLIN | EPOLLOUT | EPOLLET, 0);
}

/* Edges: first the connection is there, then the answer. */
static void go_on(struct lives *l, const struct epoll_event *ev)
{
	int fd = (int)(uint32_t)ev->data.u64;
	char byte = 'x';

	if (ev->events & (EPOLLERR | EPOLLHUP))
		ended(l, fd, false);
	else if (ev->events & EPOLLIN)
		ended(l, fd, recv(fd, &byte, 1, 0) == 1);
	else if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		ended(l, fd, false);
}

/* How many more may begin now. */
static uint32_t due(const struct lives *l)
{
	uint32_t free_slots = l->at_once - l->running, left = l->total - l->started;
	uint64_t by_now;

	if (free_slots > left)
		free_slots = left;
	if (!l->pace)
		return free_slots;
	by_now = (now_ns() - l->start_ns) * l->pace / 1000000000u + 1;
	if (by_now <= l->started)
		return 0;
	return by_now - l->started < free_slots ? (uint32_t)(by_now - l->started) : free_slots;
}

static void run(struct lives *l)
{
	struct epoll_event ev[EVENTS];

	l->start_ns = l->last_ns = now_ns();
	while (l->done + l->failed < l->total) {
		for (uint32_t n = due(l); n; n--)
			begin(l);
		for (int n = epoll_wait(l->epoll, ev, EVENTS, 1), i = 0; i < n; i++)
			go_on(l, &ev[i]);
		if (now_ns() - l->last_ns > STUCK_NS)
			break;
	}
	l->failed = l->total - l->done;
}

static int usage(void)
{
	fputs("Usage: lives serve ADDR PORT PORTS\n"
	      "       lives run ADDR PORT PORTS LIVES AT_ONCE PACE\n",
	      stderr);
	return 2;
}

int main(int argc, char *argv[])
{
	struct lives l = { .to.sin_family = AF_INET };
	struct rlimit files;
	double seconds;

	if (argc < 5 || inet_pton(AF_INET, argv[2], &l.to.sin_addr) != 1)
		return usage();
	l.port = (uint16_t)strtoul(argv[3], NULL, 0);
	l.n_ports = (uint16_t)strtoul(argv[4], NULL, 0);
	l.epoll = epoll_create1(0);
	if (l.epoll < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		fail("cannot begin");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		fail("setrlimit");
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (argc == 5 && strcmp(argv[1], "serve") == 0 && l.n_ports)
		serve(&l);
	if (argc != 8 || strcmp(argv[1], "run") != 0 || !l.n_ports)
		return usage();
	l.total = (uint32_t)strtoul(argv[5], NULL, 0);
	l.at_once = (uint32_t)strtoul(argv[6], NULL, 0);
	l.pace = (uint32_t)strtoul(argv[7], NULL, 0);
	run(&l);
	seconds = (double)(l.last_ns - l.start_ns) / 1e9;
	printf("lives=%u failed=%u seconds=%.3f rate=%.0f\n", l.done, l.failed, seconds,
	       (double)l.done / seconds);
	return l.failed != 0;
}
