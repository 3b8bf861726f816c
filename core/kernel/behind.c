/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring of batches: the caller fills them, the thread gives them to a writer that is
 * its own, the caller looks at the outcomes. Only the indices are shared, under the lock;
 * a batch belongs to one of the two.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "core/kernel/behind.h"
#include "core/kernel/write_op.h"
#include "core/runtime/thread.h"

#define BEHIND_BATCHES 8u

struct item {
	struct write_op op; /* a copy of the flow, with op and cookie */
	enum cts_write_class cls;
	int err;
};

struct batch {
	unsigned int n;
	bool left_out; /* not sent: one before it failed */
	int error;     /* errno of the socket */
	struct item item[CTS_BEHIND_BATCH];
};

struct cts_behind {
	struct cts_behind_conf conf;
	struct cts_writer *writer; /* owned; the thread's, where there is one */
	struct batch *ring;        /* owned, BEHIND_BATCHES */
	struct batch *now;         /* that the thread works on */
	bool failed;               /* the thread's: an operation of a batch */
	bool threaded;
	pthread_t thread;
	unsigned int reported; /* batches whose outcomes were looked at */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t filled_more, done_more;
	unsigned int filled, done; /* batches so far */
	unsigned int awaited;      /* how many have to be done for the caller to go on */
	bool stop;
};

/* -- the thread -- */

static void behind_outcome(void *ctx, uint64_t cookie, enum cts_write_class cls, int err)
{
	struct cts_behind *b = ctx;
	struct item *it = &b->now->item[cookie];

	it->cls = cls;
	it->err = err;
	b->failed |= err != 0;
}

static void batch_run(struct cts_behind *b, struct batch *batch)
{
	batch->error = 0;
	batch->left_out = b->failed && !b->conf.keep_going;
	if (batch->left_out)
		return;
	b->now = batch;
	for (unsigned int i = 0; i < batch->n && !batch->error; i++) {
		struct item *it = &batch->item[i];

		if (cts_writer_add(b->writer, (enum cts_write_op)it->op.op, &it->op.flow, i) < 0)
			batch->error = errno;
	}
	if (!batch->error && cts_writer_flush(b->writer) < 0)
		batch->error = errno;
	b->failed |= batch->error != 0;
}

/* The next batch to work on; NULL: there will be none. */
static struct batch *batch_wait(struct cts_behind *b)
{
	struct batch *batch = NULL;

	pthread_mutex_lock(&b->lock);
	while (b->filled == b->done && !b->stop)
		pthread_cond_wait(&b->filled_more, &b->lock);
	if (!b->stop)
		batch = &b->ring[b->done % BEHIND_BATCHES];
	pthread_mutex_unlock(&b->lock);
	return batch;
}

static void *behind_thread(void *ctx)
{
	struct cts_behind *b = ctx;
	struct batch *batch;

	while ((batch = batch_wait(b))) {
		batch_run(b, batch);
		pthread_mutex_lock(&b->lock);
		if (++b->done == b->awaited)
			pthread_cond_signal(&b->done_more);
		pthread_mutex_unlock(&b->lock);
	}
	return NULL;
}

/* -- the caller -- */

struct cts_behind *cts_behind_open(const struct cts_behind_conf *conf)
{
	struct cts_behind *b = calloc(1, sizeof(*b));
	const struct cts_writer_conf wconf = { .batch = CTS_BEHIND_BATCH,
					       .ctx = b,
					       .done = behind_outcome };

	if (!b)
		return NULL;
	b->conf = *conf;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->filled_more, NULL);
	pthread_cond_init(&b->done_more, NULL);
	b->ring = malloc(BEHIND_BATCHES * sizeof(*b->ring));
	b->writer = b->ring ? cts_writer_open(&wconf) : NULL;
	if (!b->writer) {
		int saved = errno;

		cts_behind_close(b);
		errno = saved;
		return NULL;
	}
	b->ring[0].n = 0;
	return b;
}

void cts_behind_close(struct cts_behind *b)
{
	if (!b)
		return;
	if (b->threaded) {
		pthread_mutex_lock(&b->lock);
		b->stop = true;
		pthread_cond_signal(&b->filled_more);
		pthread_mutex_unlock(&b->lock);
		pthread_join(b->thread, NULL);
	}
	cts_writer_close(b->writer);
	pthread_cond_destroy(&b->filled_more);
	pthread_cond_destroy(&b->done_more);
	pthread_mutex_destroy(&b->lock);
	free(b->ring);
	free(b);
}

/* Outcomes of one batch. 0, or -1 and errno. */
static int batch_report(struct cts_behind *b, const struct batch *batch)
{
	uint64_t last = batch->item[batch->n - 1].op.cookie;

	if (batch->left_out)
		return 0;
	if (batch->error) {
		errno = batch->error;
		return -1;
	}
	for (unsigned int i = 0; i < batch->n; i++) {
		const struct item *it = &batch->item[i];

		b->conf.done(b->conf.ctx, it->op.cookie, it->cls, it->err, last);
	}
	return 0;
}

/* Until no more than this many batches are not reported. 0, or -1 and errno. */
static int behind_reap(struct cts_behind *b, unsigned int left)
{
	int ret = 0;

	unsigned int to = b->filled - left;

	if (b->filled - b->reported <= left)
		return 0;
	pthread_mutex_lock(&b->lock);
	b->awaited = to;
	while ((int)(b->done - to) < 0)
		pthread_cond_wait(&b->done_more, &b->lock);
	pthread_mutex_unlock(&b->lock);
	while (!ret && b->reported != to)
		ret = batch_report(b, &b->ring[b->reported++ % BEHIND_BATCHES]);
	return ret;
}

static void behind_start(struct cts_behind *b)
{
	b->threaded = cts_thread_start(&b->thread, behind_thread, b) == 0;
}

/* The batch that was filled is the thread's; the next one is empty. 0, or -1 and errno. */
static int behind_submit(struct cts_behind *b)
{
	struct batch *batch = &b->ring[b->filled % BEHIND_BATCHES];

	/* What fits one batch is not worth a thread. */
	if (!b->threaded && batch->n == CTS_BEHIND_BATCH && !b->filled)
		behind_start(b);
	if (!b->threaded)
		batch_run(b, batch);
	pthread_mutex_lock(&b->lock);
	b->filled++;
	if (!b->threaded)
		b->done++;
	pthread_cond_signal(&b->filled_more);
	pthread_mutex_unlock(&b->lock);
	/* Half of the ring at once, so that the two seldom wait for each other. */
	if ((!b->threaded || b->filled - b->reported == BEHIND_BATCHES) &&
	    behind_reap(b, b->threaded ? BEHIND_BATCHES / 2 : 0) < 0)
		return -1;
	b->ring[b->filled % BEHIND_BATCHES].n = 0;
	return 0;
}

int cts_behind_add(struct cts_behind *b, enum cts_write_op what, const struct cts_flow *flow,
		   uint64_t cookie)
{
	struct batch *batch = &b->ring[b->filled % BEHIND_BATCHES];
	struct write_op *op = &batch->item[batch->n].op;

	write_op_copy(op, flow);
	op->op = (uint8_t)what;
	op->cookie = cookie;
	if (++batch->n < CTS_BEHIND_BATCH)
		return 0;
	return behind_submit(b);
}

int cts_behind_flush(struct cts_behind *b)
{
	if (b->ring[b->filled % BEHIND_BATCHES].n && behind_submit(b) < 0)
		return -1;
	return behind_reap(b, 0);
}
