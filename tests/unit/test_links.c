/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The links of a node over transports and a clock of the test: links.c is compiled in,
 * the loop's functions that it calls are here.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/runtime/links.h"

#define MS UINT64_C(1000000)
#define SILENCE_MS 2000u
#define STEP_MS 50u
#define LINKS CTS_CONFIG_TRANSPORTS_MAX
#define NODES 2u

/* -- in the place of core/runtime/loop.c -- */

struct cts_loop {
	uint64_t now_ns;
	struct cts_timer *timer;
};

struct cts_timer {
	struct cts_loop *loop;
	void (*fire)(void *ctx);
	void *ctx;
	uint64_t at_ns;
	bool armed;
};

uint64_t cts_loop_now_ns(const struct cts_loop *loop)
{
	return loop->now_ns;
}

struct cts_timer *cts_timer_create(struct cts_loop *loop, void (*fire)(void *ctx), void *ctx)
{
	struct cts_timer *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	*t = (struct cts_timer){ .loop = loop, .fire = fire, .ctx = ctx };
	loop->timer = t;
	return t;
}

int cts_timer_arm_us(struct cts_timer *t, uint64_t after_us)
{
	t->at_ns = t->loop->now_ns + after_us * 1000;
	t->armed = true;
	return 0;
}

void cts_timer_destroy(struct cts_timer *t)
{
	if (t)
		t->loop->timer = NULL;
	free(t);
}

/* -- transports -- */

struct fixture;

/* One transport. Peers have the number of their node and 100 for each link. */
struct fake {
	struct fixture *f;
	const struct cts_transport_host *host;
	bool up, created;
	size_t max_message, takes;
	unsigned int sent, calls, flows;
	uint32_t last_to;
	bool receives[NODES + 1];        /* node 1, node 2 */
};

struct fixture {
	struct cts_loop loop;
	struct cts_config_block blocks[LINKS];
	struct fake fake[LINKS];
	struct cts_links *links;
	unsigned int n, created, writable, received, downs, greeted;
	unsigned int create_fails;    /* the how-manieth, from 1 */
	uint32_t down;
	unsigned int received_on;
};

static struct fixture *making;        /* create() has no other way to its test */

static void *fake_create(const struct cts_options *opt, const struct cts_transport_host *host)
{
	struct fake *t = &making->fake[making->created];

	(void)opt;
	if (++making->created == making->create_fails) {
		errno = EADDRINUSE;
		return NULL;
	}
	t->host = host;
	t->created = true;
	return t;
}

static void fake_destroy(void *priv)
{
	struct fake *t = priv;

	assert_true(t->created);
	t->created = false;
	errno = EBADF;  /* as a close() might leave it */
}

static int fake_send(void *priv, const struct iovec *msg, unsigned int n, uint32_t to)
{
	struct fake *t = priv;

	(void)msg;
	t->calls++;
	t->last_to = to;
	if (t->takes < n)
		n = (unsigned int)t->takes;
	t->sent += n;
	if (n)
		return (int)n;
	errno = EAGAIN;
	return -1;
}

static size_t fake_max_message(void *priv)
{
	return ((struct fake *)priv)->max_message;
}

static void fake_status(void *priv, struct cts_transport_status *st)
{
	struct fake *t = priv;

	memset(st->device, 'x', sizeof(st->device));  /* without an end */
	st->up = t->up;
}

static unsigned int fake_own_flows(void *priv, struct cts_flow_pattern *t, unsigned int max)
{
	struct fake *k = priv;
	unsigned int i;

	for (i = 0; i < k->flows && i < max; i++)
		t[i].family = 2;
	return i;
}

static int fake_peer_name(void *priv, uint32_t peer, char *buf, size_t size)
{
	return peer == 1 ? snprintf(buf, size, "10.9.0.1") * 0 : -1;
}

static const struct cts_transport_ops plain = {
	.create = fake_create, .destroy = fake_destroy, .send = fake_send,
	.max_message = fake_max_message, .status = fake_status, .own_flows = fake_own_flows,
	.peer_name = fake_peer_name,
};
static const struct cts_transport_ops member = {
	.caps = CTS_CAP_ADDRESSED | CTS_CAP_MEMBERSHIP,
	.create = fake_create, .destroy = fake_destroy, .send = fake_send,
	.max_message = fake_max_message,
};

/* -- the engine's side -- */

static void on_received(void *ctx, unsigned int link, uint32_t peer, const struct iovec *msg,
			unsigned int n)
{
	struct fixture *f = ctx;

	(void)peer;
	(void)msg;
	f->received += n;
	f->received_on = link;
}

static void on_writable(void *ctx)
{
	((struct fixture *)ctx)->writable++;
}

static void on_node_down(void *ctx, uint32_t node)
{
	struct fixture *f = ctx;

	f->downs++;
	f->down = node;
}

static void on_greet(void *ctx)
{
	((struct fixture *)ctx)->greeted++;
}

static const struct cts_links_ops ops = {
	.received = on_received, .writable = on_writable, .node_down = on_node_down,
	.announce = on_greet,
};

/* -- driving -- */

static void prepare(struct fixture *f, unsigned int n, const struct cts_transport_ops *transport)
{
	unsigned int i;

	memset(f, 0, sizeof(*f));
	f->loop.now_ns = 1000 * MS;
	f->n = n;
	for (i = 0; i < LINKS; i++) {
		f->blocks[i] = (struct cts_config_block){ .plugin = "fake", .ops = transport };
		f->fake[i] = (struct fake){ .f = f, .up = true, .max_message = 1472 - i, .takes = 99 };
	}
	making = f;
}

static void begin(struct fixture *f, unsigned int n, const struct cts_transport_ops *transport)
{
	prepare(f, n, transport);
	f->links = cts_links_create(&f->loop, f->blocks, n, SILENCE_MS, &ops, f);
	assert_non_null(f->links);
}

static void end(struct fixture *f)
{
	unsigned int i;

	cts_links_destroy(f->links);
	for (i = 0; i < LINKS; i++)
		assert_false(f->fake[i].created);
	assert_null(f->loop.timer);
}

/* Time passes; nodes are received from where they can be, every 50 ms. */
static void pass(struct fixture *f, uint64_t ms)
{
	uint64_t until = f->loop.now_ns + ms * MS;
	unsigned int i, node;

	for (;;) {
		struct cts_timer *t = f->loop.timer;

		if (t->armed && t->at_ns <= f->loop.now_ns) {
			t->armed = false;
			t->fire(t->ctx);
		}
		for (i = 0; i < f->n; i++)
			for (node = 1; node <= NODES; node++)
				if (f->fake[i].up && f->fake[i].receives[node])
					cts_links_received(f->links, i, 100 * i + node, node);
		if (f->loop.now_ns >= until)
			return;
		f->loop.now_ns += STEP_MS * MS;
	}
}

static int active(const struct fixture *f)
{
	struct cts_link_info info;
	int found = -1;
	unsigned int i;

	for (i = 0; i < f->n; i++) {
		cts_links_info(f->links, i, &info);
		if (info.active) {
			assert_int_equal(found, -1);
			found = (int)i;
		}
	}
	return found;
}

/* Milliseconds until this link carries the traffic; fails after max. */
static uint64_t until_active(struct fixture *f, int link, uint64_t max)
{
	uint64_t since = f->loop.now_ns;

	while (active(f) != link) {
		if (f->loop.now_ns - since > max * MS)
			fail_msg("link %d does not carry the traffic after %u ms", link,
				 (unsigned int)max);
		pass(f, STEP_MS);
	}
	return (f->loop.now_ns - since) / MS;
}

static void set_up(struct fixture *f, unsigned int link, bool up)
{
	f->fake[link].up = up;
	f->fake[link].host->link_changed(f->fake[link].host->ctx);
}

static void all_receive(struct fixture *f, unsigned int node, bool receives)
{
	unsigned int i;

	for (i = 0; i < LINKS; i++)
		f->fake[i].receives[node] = receives;
}

static int send_n(struct fixture *f, unsigned int n, uint32_t node)
{
	struct iovec msg[8];
	unsigned int i;

	for (i = 0; i < 8; i++)
		msg[i] = (struct iovec){ "message", 7 };
	return cts_links_send(f->links, msg, n, node);
}

/* A link that is up and receives from both, in use. */
static void begin_received(struct fixture *f, unsigned int n)
{
	begin(f, n, &plain);
	all_receive(f, 1, true);
	pass(f, 1500);
	assert_int_equal(active(f), 0);
}

/* -- which one carries the traffic -- */

static void the_first_of_four_carries_and_the_next_takes_over(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 4);
	for (i = 0; i < 3; i++) {
		unsigned int before = f.writable;

		set_up(&f, i, false);
		assert_int_equal(active(&f), (int)i + 1);  /* at once */
		assert_int_equal(f.writable, before + 1);
		f.fake[i + 1].sent = 0;
		assert_int_equal(send_n(&f, 3, 0), 3);
		assert_int_equal(f.fake[i + 1].sent, 3);
	}
	assert_int_equal(cts_links_switches(f.links), 3);
	end(&f);
}

static void without_a_link_senders_wait_until_one_is_up(void **state)
{
	unsigned int i, before;
	struct fixture f;

	(void)state;
	begin_received(&f, 4);
	for (i = 0; i < 4; i++)
		set_up(&f, i, false);
	assert_int_equal(active(&f), -1);
	errno = 0;
	assert_int_equal(send_n(&f, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	before = f.writable;
	set_up(&f, 2, true);
	assert_int_equal(active(&f), 2);
	assert_int_equal(f.writable, before + 1);
	assert_int_equal(send_n(&f, 1, 0), 1);
	end(&f);
}

static void a_link_that_misses_a_node_is_left_after_the_silence(void **state)
{
	struct fixture f;
	uint64_t ms;

	(void)state;
	begin_received(&f, 2);
	all_receive(&f, 2, true);
	pass(&f, 1000);
	f.fake[0].receives[2] = false;   /* one of two is enough */
	ms = until_active(&f, 1, 5000);
	assert_in_range(ms, SILENCE_MS - STEP_MS, SILENCE_MS + SILENCE_MS / 8 + STEP_MS);
	end(&f);
}

static void all_links_are_used_where_none_reaches_everybody(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 3, &plain);
	f.fake[1].receives[1] = f.fake[2].receives[2] = true;
	pass(&f, 3000);
	f.fake[0].sent = f.fake[1].sent = f.fake[2].sent = 0;
	assert_true(send_n(&f, 4, 0) > 0);
	assert_int_equal(f.fake[1].sent, 4);
	assert_int_equal(f.fake[2].sent, 4);
	assert_in_range(f.fake[0].sent, 0, 1);   /* a probe at most: it receives nothing */
	f.fake[1].receives[2] = true;
	pass(&f, 100);
	assert_int_equal(active(&f), 1);
	f.fake[2].sent = 0;
	assert_int_equal(send_n(&f, 4, 0), 4);
	assert_in_range(f.fake[2].sent, 0, 1);
	end(&f);
}

/* The one that is down was the first of those in use. */
static void a_link_that_receives_nothing_does_not_stop_the_others(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 3, &plain);
	f.fake[1].receives[1] = f.fake[2].receives[2] = true;
	pass(&f, 3000);
	assert_int_equal(active(&f), 1);
	f.fake[0].takes = 0;
	set_up(&f, 1, false);
	f.fake[2].sent = 0;
	assert_int_equal(send_n(&f, 4, 0), 4);
	assert_int_equal(f.fake[2].sent, 4);
	end(&f);
}

static void no_node_received_means_all_links(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 3, &plain);
	set_up(&f, 1, false);
	pass(&f, 3000);
	f.fake[0].sent = f.fake[1].sent = f.fake[2].sent = 0;
	f.fake[0].takes = 2;
	assert_int_equal(send_n(&f, 5, 0), 2);
	assert_int_equal(f.fake[0].sent, 2);
	assert_int_equal(f.fake[1].sent, 0);     /* down */
	assert_int_equal(f.fake[2].sent, 2);     /* no more than the first one took */
	f.fake[0].takes = 0;
	assert_int_equal(send_n(&f, 5, 0), -1);
	assert_int_equal(f.fake[2].sent, 2);
	end(&f);
}

static void standby_links_get_one_message_now_and_then(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 2);
	f.fake[1].sent = 0;
	for (i = 0; i < 80; i++) {   /* 4 s */
		assert_int_equal(send_n(&f, 5, 0), 5);
		pass(&f, STEP_MS);
	}
	assert_in_range(f.fake[1].sent, 7, 9);
	assert_int_equal(f.fake[1].sent, f.fake[1].calls);
	end(&f);
}

/* -- back, and how soon -- */

static void a_link_that_was_down_comes_back_after_two_seconds(void **state)
{
	struct fixture f;
	uint64_t ms;

	(void)state;
	begin_received(&f, 2);
	set_up(&f, 0, false);
	pass(&f, 5000);
	assert_int_equal(active(&f), 1);
	set_up(&f, 0, true);
	ms = until_active(&f, 0, 10000);
	assert_in_range(ms, 2000, 2500);
	end(&f);
}

static void each_failure_holds_it_twice_as_long(void **state)
{
	static const uint64_t hold_ms[] = { 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000,
					    320000, 320000 };
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 2);
	for (i = 0; i < sizeof(hold_ms) / sizeof(hold_ms[0]); i++) {
		set_up(&f, 0, false);
		pass(&f, 1000);
		set_up(&f, 0, true);
		assert_in_range(until_active(&f, 0, 400000), hold_ms[i], hold_ms[i] + 500);
	}
	end(&f);
}

static void what_does_not_arrive_holds_it_for_ten_seconds_and_more(void **state)
{
	static const uint64_t hold_ms[] = { 10000, 20000, 40000, 80000, 160000, 320000, 320000 };
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 2);
	for (i = 0; i < sizeof(hold_ms) / sizeof(hold_ms[0]); i++) {
		cts_links_undelivered(f.links);
		assert_int_equal(active(&f), 1);
		assert_in_range(until_active(&f, 0, 400000), hold_ms[i], hold_ms[i] + 500);
		pass(&f, 1500);
	}
	/* Right for longer than that: the next failure is a first one. */
	pass(&f, 2 * 320000 + 1000);
	cts_links_undelivered(f.links);
	assert_in_range(until_active(&f, 0, 400000), 10000, 10500);
	end(&f);
}

static void silence_that_is_found_after_the_loss_is_the_same_failure(void **state)
{
	struct fixture f;

	(void)state;
	begin_received(&f, 2);
	f.fake[0].receives[1] = false;
	pass(&f, SILENCE_MS - 200);
	f.loop.now_ns += 300 * MS;           /* the silence is over before a timer sees it */
	cts_links_undelivered(f.links);
	assert_int_equal(active(&f), 1);
	f.fake[0].receives[1] = true;
	assert_in_range(until_active(&f, 0, 400000), 10000, 10500);
	end(&f);
}

static void a_link_that_comes_and_goes_does_not_take_the_traffic_along(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 2);
	for (i = 0; i < 300; i++) {  /* ten minutes */
		set_up(&f, 0, i % 2);
		pass(&f, 1900);
	}
	assert_int_equal(cts_links_switches(f.links), 1);
	/* Good for 3 s, bad for 1: back now and then, less each time. */
	for (i = 0; i < 150; i++) {
		set_up(&f, 0, true);
		pass(&f, 3000);
		set_up(&f, 0, false);
		pass(&f, 1000);
	}
	assert_in_range(cts_links_switches(f.links), 2, 5);
	end(&f);
}

static void held_links_are_better_than_none(void **state)
{
	struct fixture f;

	(void)state;
	begin_received(&f, 2);
	cts_links_undelivered(f.links);
	assert_int_equal(active(&f), 1);
	cts_links_undelivered(f.links);
	assert_int_equal(active(&f), 1);     /* so soon after a switch no loss is attributed */
	pass(&f, 1500);
	cts_links_undelivered(f.links);
	assert_int_equal(active(&f), 0);     /* both are held: the first */
	set_up(&f, 0, false);
	assert_int_equal(active(&f), 1);
	end(&f);
}

static void one_link_has_nowhere_to_go(void **state)
{
	struct fixture f;

	(void)state;
	begin_received(&f, 1);
	cts_links_undelivered(f.links);
	assert_int_equal(active(&f), 0);
	assert_int_equal(send_n(&f, 2, 0), 2);
	assert_int_equal(cts_links_switches(f.links), 0);
	end(&f);
}

static void a_peer_that_starts_again_is_no_fault_of_the_link(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 2);
	for (i = 0; i < 5; i++) {
		all_receive(&f, 1, false);
		pass(&f, 5000);
		all_receive(&f, 1, true);
		pass(&f, 1000);
		assert_int_equal(active(&f), 0);
	}
	assert_int_equal(cts_links_switches(f.links), 0);
	end(&f);
}

/* -- nodes and peers -- */

static void who_left_one_link_is_down_when_no_other_receives_from_it(void **state)
{
	const struct cts_transport_host *a, *b;
	struct fixture f;

	(void)state;
	begin_received(&f, 2);
	a = f.fake[0].host;
	b = f.fake[1].host;
	all_receive(&f, 1, false);
	a->peer_up(a->ctx, 1);
	assert_int_equal(f.greeted, 1);
	a->peer_down(a->ctx, 55);
	a->peer_down(a->ctx, 101);           /* its number on the other link */
	assert_int_equal(f.downs, 0);
	a->peer_down(a->ctx, 1);
	assert_int_equal(f.downs, 0);
	assert_int_equal(active(&f), 1);     /* that receives from it */
	b->peer_down(b->ctx, 101);
	assert_int_equal(f.downs, 1);
	assert_int_equal(f.down, 1);
	b->peer_down(b->ctx, 101);
	assert_int_equal(f.downs, 1);
	end(&f);
}

static void one_node_is_addressed_as_its_peer(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 2, &member);
	all_receive(&f, 2, true);
	pass(&f, 500);
	assert_int_equal(send_n(&f, 1, 2), 1);
	assert_int_equal(f.fake[0].last_to, 2);
	assert_int_equal(f.fake[1].last_to, 102);    /* the probe */
	assert_int_equal(send_n(&f, 1, 1), 1);       /* never received from */
	assert_int_equal(f.fake[0].last_to, CTS_PEER_ALL);
	assert_int_equal(send_n(&f, 1, 0), 1);
	assert_int_equal(f.fake[0].last_to, CTS_PEER_ALL);
	f.fake[0].host->peer_down(f.fake[0].host->ctx, 2);
	f.fake[1].host->peer_down(f.fake[1].host->ctx, 102);
	assert_int_equal(send_n(&f, 1, 2), 1);
	assert_int_equal(f.fake[0].last_to, CTS_PEER_ALL);
	assert_true(cts_links_membership(f.links));
	end(&f);
}

static void more_nodes_than_are_remembered_do_no_harm(void **state)
{
	struct fixture f;
	uint32_t node;

	(void)state;
	begin_received(&f, 2);
	for (node = 10; node < 1000; node++)
		cts_links_received(f.links, node % 2, node, node);
	cts_links_received(f.links, 2, 1, 1);           /* there is no such link */
	cts_links_received(f.links, UINT32_MAX, 1, 1);
	pass(&f, 10000);
	assert_int_equal(active(&f), 0);
	assert_int_equal(send_n(&f, 1, 999), 1);
	end(&f);
}

static void what_comes_on_any_link_is_handed_on(void **state)
{
	struct iovec msg = { "message", 7 };
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 4);
	set_up(&f, 3, false);
	for (i = 0; i < 4; i++) {
		f.fake[i].host->deliver(f.fake[i].host->ctx, 1, &msg, 1);
		assert_int_equal(f.received, i + 1);
		assert_int_equal(f.received_on, i);
	}
	i = f.writable;
	f.fake[1].host->writable(f.fake[1].host->ctx);   /* stands by: of no use */
	assert_int_equal(f.writable, i);
	f.fake[0].host->writable(f.fake[0].host->ctx);
	assert_int_equal(f.writable, i + 1);
	end(&f);
}

/* -- making, and what is asked -- */

static void messages_fit_all_links_that_are_up(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	begin_received(&f, 4);
	assert_int_equal(cts_links_max_message(f.links), 1469);
	set_up(&f, 3, false);
	assert_int_equal(cts_links_max_message(f.links), 1470);
	f.fake[0].max_message = 900;
	assert_int_equal(cts_links_max_message(f.links), 900);
	for (i = 0; i < 4; i++)
		set_up(&f, i, false);
	assert_int_equal(cts_links_max_message(f.links), 900);
	end(&f);
}

static void own_flows_of_all_links_fit_the_room(void **state)
{
	struct cts_flow_pattern t[8];
	struct fixture f;
	unsigned int i;

	(void)state;
	begin(&f, 4, &plain);
	for (i = 0; i < 4; i++)
		f.fake[i].flows = 3;
	memset(t, 0, sizeof(t));
	assert_int_equal(cts_links_own_flows(f.links, t, 7), 7);
	assert_int_equal(t[6].family, 2);
	assert_int_equal(t[7].family, 0);
	assert_false(cts_links_membership(f.links));
	end(&f);
}

static void a_peer_is_named_by_its_transport_or_by_its_number(void **state)
{
	char text[CTS_LINK_PEER_LEN];
	struct fixture f;

	(void)state;
	begin(&f, 1, &plain);
	cts_links_peer(f.links, 0, 1, text);
	assert_string_equal(text, "10.9.0.1 (fake)");
	cts_links_peer(f.links, 0, 2, text);
	assert_string_equal(text, "peer 2 (fake)");
	cts_links_peer(f.links, 1, 1, text);
	assert_string_equal(text, "peer 1 (link)");
	end(&f);
	begin(&f, 1, &member);               /* one that has no names */
	cts_links_peer(f.links, 0, 1, text);
	assert_string_equal(text, "peer 1 (fake)");
	end(&f);
}

static void one_that_cannot_be_made_undoes_the_others(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	prepare(&f, 4, &plain);
	f.create_fails = 3;
	errno = 0;
	assert_null(cts_links_create(&f.loop, f.blocks, 4, SILENCE_MS, &ops, &f));
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(f.created, 3);
	for (i = 0; i < LINKS; i++)
		assert_false(f.fake[i].created);
	assert_null(f.loop.timer);
	cts_links_destroy(NULL);
}

static void an_unterminated_device_name_gets_an_end(void **state)
{
	struct cts_link_info info;
	struct fixture f;

	(void)state;
	begin_received(&f, 1);
	cts_links_info(f.links, 0, &info);
	assert_int_equal(strnlen(info.status.device, sizeof(info.status.device)),
			 sizeof(info.status.device) - 1);
	assert_true(info.status.up && info.received && info.active);
	assert_string_equal(info.plugin, "fake");
	end(&f);
}

/* Transports do not count: what they took is sent, what they brought is received. */
static void messages_and_bytes_are_counted(void **state)
{
	struct iovec msg[3] = { { "abc", 3 }, { "", 0 }, { "de", 2 } };
	struct cts_link_info info;
	struct fixture f;

	begin_received(&f, 2);
	cts_links_info(f.links, 0, &info);
	assert_int_equal(info.sent_messages + info.sent_bytes + info.recv_messages, 0);
	f.fake[0].takes = 1;
	assert_int_equal(cts_links_send(f.links, msg, 3, 0), 1);
	f.fake[0].takes = 0;
	assert_int_equal(cts_links_send(f.links, msg, 3, 0), -1);
	f.fake[0].takes = 99;
	assert_int_equal(cts_links_send(f.links, msg + 1, 2, 0), 2);
	f.fake[1].host->deliver(f.fake[1].host->ctx, 1, msg, 3);
	cts_links_info(f.links, 0, &info);
	assert_int_equal(info.sent_messages, 3);
	assert_int_equal(info.sent_bytes, 5);
	assert_int_equal(info.recv_messages, 0);
	cts_links_info(f.links, 1, &info);
	assert_int_equal(info.recv_messages, 3);
	assert_int_equal(info.recv_bytes, 5);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_four_carries_and_the_next_takes_over),
		cmocka_unit_test(without_a_link_senders_wait_until_one_is_up),
		cmocka_unit_test(a_link_that_misses_a_node_is_left_after_the_silence),
		cmocka_unit_test(all_links_are_used_where_none_reaches_everybody),
		cmocka_unit_test(a_link_that_receives_nothing_does_not_stop_the_others),
		cmocka_unit_test(no_node_received_means_all_links),
		cmocka_unit_test(standby_links_get_one_message_now_and_then),
		cmocka_unit_test(a_link_that_was_down_comes_back_after_two_seconds),
		cmocka_unit_test(each_failure_holds_it_twice_as_long),
		cmocka_unit_test(what_does_not_arrive_holds_it_for_ten_seconds_and_more),
		cmocka_unit_test(silence_that_is_found_after_the_loss_is_the_same_failure),
		cmocka_unit_test(a_link_that_comes_and_goes_does_not_take_the_traffic_along),
		cmocka_unit_test(held_links_are_better_than_none),
		cmocka_unit_test(one_link_has_nowhere_to_go),
		cmocka_unit_test(a_peer_that_starts_again_is_no_fault_of_the_link),
		cmocka_unit_test(who_left_one_link_is_down_when_no_other_receives_from_it),
		cmocka_unit_test(one_node_is_addressed_as_its_peer),
		cmocka_unit_test(more_nodes_than_are_remembered_do_no_harm),
		cmocka_unit_test(what_comes_on_any_link_is_handed_on),
		cmocka_unit_test(messages_fit_all_links_that_are_up),
		cmocka_unit_test(own_flows_of_all_links_fit_the_room),
		cmocka_unit_test(a_peer_is_named_by_its_transport_or_by_its_number),
		cmocka_unit_test(one_that_cannot_be_made_undoes_the_others),
		cmocka_unit_test(an_unterminated_device_name_gets_an_end),
		cmocka_unit_test(messages_and_bytes_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
