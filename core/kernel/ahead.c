/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring of chunks between the thread that receives them and the one that works on
 * them. Only the indices are shared, under the lock; a chunk belongs to one of the two.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/kernel/ahead.h"
#include "core/kernel/nl.h"
#include "core/runtime/thread.h"

#define AHEAD_CHUNKS 8u

struct chunk {
	ssize_t len; /* -1: error says why */
	int error;
	uint8_t *buf; /* in ahead.memory */
};

struct cts_ahead {
	int fd;
	size_t size;
	pthread_t thread;
	struct chunk chunk[AHEAD_CHUNKS];
	uint8_t *memory; /* owned */
	bool lent;       /* the oldest chunk is the caller's */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	unsigned int received, taken; /* chunks so far */
	bool stop;
};

/* Nothing comes after a dump's last message, and waiting for it would not end. */
static bool chunk_ends(const struct chunk *c)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)c->buf;
	int len = (int)c->len;

	if (c->len < 0)
		return true;
	for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
			return true;
	return false;
}

/* Room for a chunk. false: no more are wanted. */
static bool ahead_wait(struct cts_ahead *a)
{
	bool go;

	pthread_mutex_lock(&a->lock);
	while (!a->stop && a->received - a->taken == AHEAD_CHUNKS)
		pthread_cond_wait(&a->changed, &a->lock);
	go = !a->stop;
	pthread_mutex_unlock(&a->lock);
	return go;
}

static void *ahead_run(void *ctx)
{
	struct cts_ahead *a = ctx;
	bool end = false;

	for (unsigned int i = 0; !end && ahead_wait(a); i++) {
		struct chunk *c = &a->chunk[i % AHEAD_CHUNKS];

		c->len = cts_nl_receive_chunk(a->fd, c->buf, a->size);
		c->error = c->len < 0 ? errno : 0;
		end = chunk_ends(c);
		pthread_mutex_lock(&a->lock);
		a->received++;
		pthread_cond_signal(&a->changed);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

static void ahead_free(struct cts_ahead *a)
{
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a->memory);
	free(a);
}

struct cts_ahead *cts_ahead_start(int fd, size_t chunk_size)
{
	struct cts_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->fd = fd;
	a->size = chunk_size;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	a->memory = malloc(AHEAD_CHUNKS * chunk_size);
	for (unsigned int i = 0; a->memory && i < AHEAD_CHUNKS; i++)
		a->chunk[i].buf = a->memory + i * chunk_size;
	errno = a->memory ? cts_thread_start(&a->thread, ahead_run, a) : ENOMEM;
	if (!errno)
		return a;
	ahead_free(a);
	return NULL;
}

ssize_t cts_ahead_next(struct cts_ahead *a, uint8_t **chunk)
{
	struct chunk *c;

	pthread_mutex_lock(&a->lock);
	if (a->lent) {
		a->taken++;
		pthread_cond_signal(&a->changed);
	}
	while (a->received == a->taken)
		pthread_cond_wait(&a->changed, &a->lock);
	pthread_mutex_unlock(&a->lock);
	a->lent = true;
	c = &a->chunk[a->taken % AHEAD_CHUNKS];
	*chunk = c->buf;
	if (c->len < 0)
		errno = c->error;
	return c->len;
}

void cts_ahead_stop(struct cts_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	/* The kernel answers while it is asked: receiving does not last. */
	pthread_join(a->thread, NULL);
	ahead_free(a);
}
