/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault: udp over a bad line. Of the messages that it is given some are lost, late,
 * doubled, out of order or damaged; a seed says which.
 *
 * A message to a peer goes: lottery -> aside (out of order) -> line (late) -> socket.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ctsync/log.h>

#include "plugins/transport/unicast.h"

#define FAULT_ASIDE_NS 20000000u /* longest wait for a message to be overtaken by */
#define FAULT_BEHIND_MAX 4u      /* messages that overtake one */

static const struct cts_option fault_options[] = {
	UNICAST_OPTIONS,
	{ .name = "drop",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 1000,
	  .def = "0",
	  .help = "of a thousand messages, how many are lost" },
	{ .name = "duplicate",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 1000,
	  .def = "0",
	  .help = "of a thousand messages, how many are sent twice" },
	{ .name = "reorder",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 1000,
	  .def = "0",
	  .help = "of a thousand messages, how many are overtaken by up to 4 later ones" },
	{ .name = "corrupt",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 1000,
	  .def = "0",
	  .help = "of a thousand messages, in how many a bit is turned" },
	{ .name = "delay_ms",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 60000,
	  .def = "0",
	  .help = "how late each message is sent, in milliseconds" },
	{ .name = "queue",
	  .type = CTS_OPT_INT,
	  .min = 64,
	  .max = 1048576,
	  .def = "8192",
	  .help = "messages that may wait for their time; more are not taken yet" },
	{ .name = "seed",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 2147483647,
	  .def = "1",
	  .help = "which messages it hits: the same ones for the same seed" },
	{ .name = NULL },
};

/* A message that waits; its buffer is used again for the next one. */
struct held {
	uint8_t *bytes; /* owned */
	size_t len, room;
	uint64_t due_ns;
	uint32_t to;
	unsigned int behind; /* aside: how many are still to overtake it; 0: nobody here */
};

struct fault {
	void *unicast;                         /* owned */
	struct cts_transport_host inner;       /* what unicast sees of the host */
	const struct cts_transport_host *host; /* lent */
	struct cts_timer *timer;               /* owned */
	uint64_t lottery;
	unsigned int drop, duplicate, reorder, corrupt;
	uint64_t delay_ns;
	unsigned int n_peers;
	struct held aside[UNICAST_PEERS_MAX];
	struct held *line; /* owned; a ring, by due_ns */
	unsigned int size, head, used;
	bool blocked;     /* the socket is full */
	bool full;        /* send() refused something */
	uint8_t *scratch; /* owned; room for one message */
	size_t scratch_room;
	uint64_t dropped, duplicated, reordered, corrupted, no_memory;
};

/* -- the lottery -- */

/* splitmix64 */
static uint64_t draw(struct fault *f)
{
	uint64_t z = f->lottery += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool hit(struct fault *f, unsigned int per_mille)
{
	return draw(f) % 1000 < per_mille;
}

/* -- messages that wait -- */

static int held_fill(struct held *h, const struct iovec *msg, uint32_t to)
{
	if (h->room < msg->iov_len) {
		uint8_t *more = realloc(h->bytes, msg->iov_len);

		if (!more)
			return -1;
		h->bytes = more;
		h->room = msg->iov_len;
	}
	if (msg->iov_len)
		memcpy(h->bytes, msg->iov_base, msg->iov_len);
	h->len = msg->iov_len;
	h->to = to;
	return 0;
}

static void line_push(struct fault *f, const struct iovec *msg, uint32_t to)
{
	struct held *h = &f->line[(f->head + f->used) % f->size];

	if (f->used == f->size || held_fill(h, msg, to) < 0) {
		f->no_memory++;
		return;
	}
	h->due_ns = cts_loop_now_ns(f->host->loop) + f->delay_ns;
	f->used++;
}

/* Send what is due; stops when the socket is full. */
static void line_run(struct fault *f)
{
	uint64_t now = cts_loop_now_ns(f->host->loop);

	while (f->used && !f->blocked && f->line[f->head].due_ns <= now) {
		struct held *h = &f->line[f->head];
		struct iovec msg = { h->bytes, h->len };

		if (unicast_send(f->unicast, &msg, 1, h->to) < 0 && errno == EAGAIN) {
			f->blocked = true;
			return;
		}
		f->head = (f->head + 1) % f->size;
		f->used--;
	}
}

/* Onto the line, or past it when nobody waits there. */
static void pass(struct fault *f, const struct iovec *msg, uint32_t to)
{
	if (!f->delay_ns && !f->used) {
		if (unicast_send(f->unicast, msg, 1, to) >= 0 || errno != EAGAIN)
			return; /* sent, or lost and counted */
		f->blocked = true;
	}
	line_push(f, msg, to);
}

static void aside_release(struct fault *f, struct held *h)
{
	struct iovec msg = { h->bytes, h->len };

	h->behind = 0;
	pass(f, &msg, h->to);
}

/* The time of what is due next; 0: nothing waits for a time. */
static uint64_t next_due(const struct fault *f)
{
	uint64_t due = f->used && !f->blocked ? f->line[f->head].due_ns : 0;

	for (unsigned int i = 0; i < f->n_peers; i++)
		if (f->aside[i].behind && (!due || f->aside[i].due_ns < due))
			due = f->aside[i].due_ns;
	return due;
}

static void arm(struct fault *f)
{
	uint64_t due = next_due(f), now = cts_loop_now_ns(f->host->loop);

	if (due)
		cts_timer_arm_us(f->timer, due > now ? (due - now) / 1000 + 1 : 0);
	else
		cts_timer_disarm(f->timer);
}

/* Most places on the line that one message to everybody takes: itself, its double
 * and one that stood aside. */
static bool has_room(const struct fault *f)
{
	return f->used + 3 * f->n_peers <= f->size;
}

static void progress(struct fault *f)
{
	line_run(f);
	arm(f);
	if (f->full && has_room(f)) {
		f->full = false;
		f->host->writable(f->host->ctx);
	}
}

static void fault_time(void *ctx)
{
	struct fault *f = ctx;
	uint64_t now = cts_loop_now_ns(f->host->loop);

	for (unsigned int i = 0; i < f->n_peers; i++)
		if (f->aside[i].behind && f->aside[i].due_ns <= now)
			aside_release(f, &f->aside[i]);
	progress(f);
}

/* -- what stands between unicast and the host -- */

static void inner_deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	const struct fault *f = ctx;

	f->host->deliver(f->host->ctx, from, msg, n);
}

static void inner_writable(void *ctx)
{
	struct fault *f = ctx;

	f->blocked = false;
	progress(f);
}

static void inner_link_changed(void *ctx)
{
	/* What waits for a socket that is gone is lost with it. */
	inner_writable(ctx);
	cts_transport_link_changed(((struct fault *)ctx)->host);
}

/* -- the plugin -- */

static void fault_destroy(void *priv)
{
	struct fault *f = priv;

	if (f->unicast)
		cts_info("fault: %llu messages lost, %llu doubled, %llu out of order, %llu damaged",
			 (unsigned long long)f->dropped, (unsigned long long)f->duplicated,
			 (unsigned long long)f->reordered, (unsigned long long)f->corrupted);
	unicast_destroy(f->unicast);
	cts_timer_destroy(f->timer);
	for (unsigned int i = 0; i < UNICAST_PEERS_MAX; i++)
		free(f->aside[i].bytes);
	for (unsigned int i = 0; f->line && i < f->size; i++)
		free(f->line[i].bytes);
	free(f->line);
	free(f->scratch);
	free(f);
}

static void *fault_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	struct fault *f = calloc(1, sizeof(*f));
	int saved;

	if (!f)
		return NULL;
	f->host = host;
	f->lottery = (uint64_t)cts_options_int(opt, "seed");
	f->drop = (unsigned int)cts_options_int(opt, "drop");
	f->duplicate = (unsigned int)cts_options_int(opt, "duplicate");
	f->reorder = (unsigned int)cts_options_int(opt, "reorder");
	f->corrupt = (unsigned int)cts_options_int(opt, "corrupt");
	f->delay_ns = (uint64_t)cts_options_int(opt, "delay_ms") * 1000000u;
	f->size = (unsigned int)cts_options_int(opt, "queue");
	f->inner = (struct cts_transport_host){
		.size = sizeof(f->inner),
		.ctx = f,
		.loop = host->loop,
		.deliver = inner_deliver,
		.writable = inner_writable,
		.link_changed = inner_link_changed,
	};
	f->line = calloc(f->size, sizeof(*f->line));
	f->timer = cts_timer_create(host->loop, fault_time, f);
	if (!f->line || !f->timer)
		goto err;
	f->unicast = unicast_create("fault", opt, &f->inner);
	if (!f->unicast)
		goto err;
	f->n_peers = unicast_peers(f->unicast);
	return f;
err:
	saved = errno;
	fault_destroy(f);
	errno = saved;
	return NULL;
}

/* A copy with one bit turned; the message itself when there is no memory. */
static struct iovec damage(struct fault *f, const struct iovec *msg)
{
	uint64_t bit = draw(f);

	if (!msg->iov_len)
		return *msg;
	if (f->scratch_room < msg->iov_len) {
		uint8_t *more = realloc(f->scratch, msg->iov_len);

		if (!more) {
			f->no_memory++;
			return *msg;
		}
		f->scratch = more;
		f->scratch_room = msg->iov_len;
	}
	memcpy(f->scratch, msg->iov_base, msg->iov_len);
	bit %= msg->iov_len * 8;
	f->scratch[bit / 8] ^= (uint8_t)(1u << bit % 8);
	f->corrupted++;
	return (struct iovec){ f->scratch, msg->iov_len };
}

/* False: there is one already, or no memory. */
static bool set_aside(struct fault *f, const struct iovec *msg, uint32_t to)
{
	struct held *h = &f->aside[to - 1];

	if (h->behind || held_fill(h, msg, to) < 0)
		return false;
	h->behind = 1 + (unsigned int)(draw(f) % FAULT_BEHIND_MAX);
	h->due_ns = cts_loop_now_ns(f->host->loop) + FAULT_ASIDE_NS;
	f->reordered++;
	return true;
}

static void send_to_one(struct fault *f, struct iovec msg, uint32_t to)
{
	/* All are drawn for each message: a change of one option moves no other's hits. */
	bool drop = hit(f, f->drop), corrupt = hit(f, f->corrupt);
	bool reorder = hit(f, f->reorder), twice = hit(f, f->duplicate);
	struct held *h = &f->aside[to - 1];

	if (drop) {
		f->dropped++;
		return;
	}
	if (corrupt)
		msg = damage(f, &msg);
	if (reorder && set_aside(f, &msg, to))
		return;
	pass(f, &msg, to);
	if (twice) {
		f->duplicated++;
		pass(f, &msg, to);
	}
	if (h->behind && --h->behind == 0)
		aside_release(f, h);
}

static int fault_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct fault *f = priv;
	unsigned int taken = 0;

	if (to > f->n_peers) {
		errno = EINVAL;
		return -1;
	}
	for (; taken < n && has_room(f); taken++) {
		if (to)
			send_to_one(f, msg[taken], to);
		else
			for (uint32_t p = 1; p <= f->n_peers; p++)
				send_to_one(f, msg[taken], p);
	}
	arm(f);
	f->full = taken < n;
	if (taken == 0 && n > 0) {
		errno = EAGAIN;
		return -1;
	}
	return (int)taken;
}

static size_t fault_max_message(void *priv)
{
	return unicast_max_message(((struct fault *)priv)->unicast);
}

static void fault_status(void *priv, struct cts_transport_status *st)
{
	const struct fault *f = priv;
	struct cts_transport_status s = { .size = sizeof(s) };

	unicast_status(f->unicast, &s);
	s.size = st->size;
	s.sent_errors += f->dropped + f->no_memory;
	memcpy(st, &s, st->size < sizeof(s) ? st->size : sizeof(s));
}

static unsigned int fault_own_flows(void *priv, struct cts_flow_pattern *t, unsigned int max)
{
	return unicast_own_flows(((struct fault *)priv)->unicast, t, max);
}

static int fault_peer_name(void *priv, uint32_t peer, char *buf, size_t size)
{
	return unicast_peer_name(((struct fault *)priv)->unicast, peer, buf, size);
}

const struct cts_transport_ops fault_LTX_cts_plugin = {
	.plugin = CTS_PLUGIN(CTS_KIND_TRANSPORT, struct cts_transport_ops, "fault", PACKAGE_VERSION,
			     "udp over a bad line, for tests and drills", fault_options),
	.caps = CTS_CAP_ADDRESSED,
	.create = fault_create,
	.destroy = fault_destroy,
	.send = fault_send,
	.max_message = fault_max_message,
	.status = fault_status,
	.own_flows = fault_own_flows,
	.peer_name = fault_peer_name,
};
