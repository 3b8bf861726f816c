/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "plugins/transport/tcp_name.h"

#define NAME_MAX_LEN 253

/* What loop and thread share; the last of the two frees it. */
struct answer {
	atomic_uint users;
	int fd; /* eventfd, owned: the answer is there */
	int family;
	char name[NAME_MAX_LEN + 1], port[6];
	unsigned int n;
	union net_addr addrs[TCP_ADDRS_MAX];
	char why[128];
};

struct tcp_name {
	struct answer *answer;   /* shared */
	struct cts_watch *watch; /* owned */
	void (*done)(void *ctx, const union net_addr *addrs, unsigned int n, const char *why);
	void *ctx;
};

static void answer_put(struct answer *a)
{
	if (atomic_fetch_sub(&a->users, 1) != 1)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

static void *name_thread(void *arg)
{
	const struct addrinfo hints = { .ai_family = ((struct answer *)arg)->family,
					.ai_socktype = SOCK_STREAM };
	struct answer *a = arg;
	struct addrinfo *list = NULL, *i;
	int error = getaddrinfo(a->name, a->port, &hints, &list);

	for (i = error ? NULL : list; i && a->n < TCP_ADDRS_MAX; i = i->ai_next)
		if (i->ai_family == a->family && i->ai_addrlen <= sizeof(a->addrs[0]))
			memcpy(&a->addrs[a->n++], i->ai_addr, i->ai_addrlen);
	if (!a->n)
		snprintf(a->why, sizeof(a->why), "%s",
			 error ? gai_strerror(error) : "no address of the family in use");
	if (list)
		freeaddrinfo(list);
	eventfd_write(a->fd, 1); /* cannot fail: there is room, it is written once */
	answer_put(a);
	return NULL;
}

/* Signals are the main thread's. */
static int thread_start(struct answer *a)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t id;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	sigfillset(&all);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&id, &attr, name_thread, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

static void name_ready(void *ctx, unsigned int flags)
{
	struct tcp_name *q = ctx;
	struct answer *a = q->answer;
	eventfd_t count;

	if (eventfd_read(a->fd, &count) < 0)
		return;
	cts_watch_set(q->watch, 0);
	q->done(q->ctx, a->addrs, a->n, a->why);
}

struct tcp_name *tcp_name_ask(struct cts_loop *loop, const char *name, int family, uint16_t port,
			      void (*done)(void *ctx, const union net_addr *addrs, unsigned int n,
					   const char *why),
			      void *ctx)
{
	struct tcp_name *q = calloc(1, sizeof(*q));
	struct answer *a = calloc(1, sizeof(*a));
	int error = ENOMEM;

	if (!q || !a)
		goto err;
	*q = (struct tcp_name){ .answer = a, .done = done, .ctx = ctx };
	a->family = family;
	snprintf(a->name, sizeof(a->name), "%s", name);
	snprintf(a->port, sizeof(a->port), "%u", port);
	atomic_init(&a->users, 1);
	a->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (a->fd < 0 ||
	    !(q->watch = cts_watch_create(loop, a->fd, CTS_WATCH_READ, name_ready, q))) {
		error = errno;
		goto err;
	}
	atomic_fetch_add(&a->users, 1);
	error = thread_start(a);
	if (!error)
		return q;
	atomic_fetch_sub(&a->users, 1);
err:
	if (q)
		cts_watch_destroy(q->watch);
	if (a)
		answer_put(a);
	free(q);
	errno = error;
	return NULL;
}

void tcp_name_destroy(struct tcp_name *q)
{
	if (!q)
		return;
	cts_watch_destroy(q->watch);
	answer_put(q->answer);
	free(q);
}
