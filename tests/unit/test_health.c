/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In sync is what was confirmed: each reason against it, alone. core/sync/health.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/health.h"
#include "tests/unit/sync_node.h"

#define B 77u

struct fixture {
	struct node *x;
	struct peer *p;
	uint64_t lacking;
};

/* Both hold all that the other has, confirmed at this moment. */
static struct fixture healthy(void)
{
	struct node *x = node_create(NULL, 0);
	struct peer *p = peers_add(&x->peers, B);

	assert_non_null(p);
	peer_event(&x->peers, p, PEER_NAMES_US, "");
	peer_event(&x->peers, p, PEER_CONFIRMS, "");
	sender_ready(&x->sender);
	p->report_ns = p->held_ns = p->last_received_ns = p->current_ns = x->b.now;
	p->report = (struct report){ .start = 1, .equal_at = 1, .flags = REPORT_HOLDS };
	p->hello_seen = true;
	p->hello.flags = HELLO_READY;
	p->recv.start = p->recv.equal_at = 1;
	p->recv.complete = true;
	x->n_shown = 0;
	return (struct fixture){ x, p, 0 };
}

static const char *mine(const struct fixture *f)
{
	return health_holds_mine(&f->x->b, &f->x->sender, &f->x->peers, f->p);
}

static const char *here(const struct fixture *f)
{
	return health_held_here(&f->x->b, f->p, f->lacking);
}

static void show(const struct fixture *f)
{
	health_show(&f->x->b, &f->x->sender, &f->x->peers, f->p, f->lacking);
}

static void set(struct fixture *f, uint32_t i)
{
	uint8_t buf[GEN_LEN_MAX];
	struct table *t = &f->x->sender.table;
	size_t len = gen_entry(buf, i, 1);

	table_set(t, &f->x->b, 0, cts_cache_hash(t->cache, buf, GEN_KEY_LEN), buf, len, true, 0);
}

static void send_one(struct fixture *f)
{
	struct window *w = &f->x->sender.window;

	window_close(w, &f->x->sender.table, window_open(w, true, f->x->b.now), 100, false);
}

static void what_is_confirmed_is_in_sync(void **state)
{
	struct fixture f = healthy();

	assert_null(mine(&f));
	assert_null(here(&f));
	node_destroy(f.x);
}

/* ---- one thing is wrong; each of these alone takes it back ---- */

struct fault {
	void (*make)(struct fixture *f);
	const char *why;
};

static void f_gone(struct fixture *f)
{
	peer_event(&f->x->peers, f->p, PEER_LEAVES, "");
}

static void f_known(struct fixture *f)
{
	peer_event(&f->x->peers, f->p, PEER_ACCEPTED, "");
}

static void f_lags(struct fixture *f)
{
	struct report r = f->p->report;

	peer_event(&f->x->peers, f->p, PEER_LAGS, "");
	f->p->report = r;
}

static void f_restarts(struct fixture *f)
{
	struct report r = f->p->report;

	peer_event(&f->x->peers, f->p, PEER_RESTARTS, "");
	f->p->report = r;
}

static void f_not_ready(struct fixture *f)
{
	f->x->sender.table.ready = false;
}

static void f_missing(struct fixture *f)
{
	f->x->sender.table.missing = 1;
}

static void f_old_report(struct fixture *f)
{
	f->p->report_ns -= CONFIRMED_NS;
}

static void f_never_equal(struct fixture *f)
{
	f->p->report.equal_at = 0;
}

static void f_refused(struct fixture *f)
{
	f->p->report.flags |= REPORT_REFUSED;
}

static void f_lacks(struct fixture *f)
{
	f->p->report.flags |= REPORT_LACKING;
}

static void f_repairs(struct fixture *f)
{
	f->p->report.flags = 0;
	f->p->held_ns -= CONFIRMED_NS;
}

static void f_unacked(struct fixture *f)
{
	send_one(f);
	f->x->b.now += CONFIRMED_NS;
	f->p->report_ns = f->p->held_ns = f->x->b.now;
}

static void f_waits(struct fixture *f)
{
	set(f, 1);
	f->x->b.now += CONFIRMED_NS;
	f->p->report_ns = f->p->held_ns = f->x->b.now;
}

static void f_dropped_deletions(struct fixture *f)
{
	f->x->sender.dropped_at = f->p->report.equal_at;
}

static const struct fault mine_faults[] = {
	{ f_gone, "it is gone" },
	{ f_known, "it does not receive what this node sends" },
	{ f_lags, "it does not keep up" },
	{ f_restarts, "it has not confirmed where it starts" },
	{ f_not_ready, "the kernel's table is not read yet" },
	{ f_missing, "this node's own cache is full" },
	{ f_old_report, "it confirmed nothing lately" },
	{ f_never_equal, "it was not found equal yet" },
	{ f_dropped_deletions, "it was not found equal yet" },
	{ f_refused, "it has no room for all" },
	{ f_lacks, "its kernel lacks some" },
	{ f_repairs, "it repairs what is missing" },
	{ f_unacked, "it has not acknowledged what was sent" },
	{ f_waits, "changes wait to be sent" },
};

static void h_silent(struct fixture *f)
{
	f->p->last_received_ns -= CONFIRMED_NS;
}

static void h_no_hello(struct fixture *f)
{
	f->p->hello_seen = false;
}

static void h_not_ready(struct fixture *f)
{
	f->p->hello.flags = 0;
}

static void h_no_start(struct fixture *f)
{
	f->p->recv.start = 0;
}

static void h_detached(struct fixture *f)
{
	f->p->recv.detached = true;
}

static void h_never_equal(struct fixture *f)
{
	f->p->recv.equal_at = 0;
}

static void h_incomplete(struct fixture *f)
{
	f->p->recv.complete = false;
}

static void h_trimmed(struct fixture *f)
{
	f->p->recv.replica.trimmed = true;
}

static void h_stale(struct fixture *f)
{
	f->p->recv.replica.stale = 1;
}

static void h_refused(struct fixture *f)
{
	f->p->recv.replica.refused = 1;
}

static void h_lacking(struct fixture *f)
{
	f->lacking = 1;
}

static void h_full(struct fixture *f)
{
	f->p->hello.flags |= HELLO_INCOMPLETE;
}

static void h_differs(struct fixture *f)
{
	f->p->recv.differs = true;
}

static void h_lossy(struct fixture *f)
{
	f->p->recv.lossy = true;
}

static void h_gap(struct fixture *f)
{
	gaps_open(&f->p->recv.gaps, 2, 3, f->x->b.now);
	f->p->current_ns -= CONFIRMED_NS;
}

static void h_behind(struct fixture *f)
{
	f->p->current_ns -= CONFIRMED_NS;
}

static void h_waiting(struct fixture *f)
{
	f->p->hello.waiting_ms = CONFIRMED_NS / MS;
	f->p->current_ns -= CONFIRMED_NS;
}

static const struct fault here_faults[] = {
	{ f_gone, "it is gone" },
	{ h_silent, "nothing was received from it lately" },
	{ h_no_hello, "it has not read its table yet" },
	{ h_not_ready, "it has not read its table yet" },
	{ h_no_start, "it does not wait for this node" },
	{ h_detached, "it does not wait for this node" },
	{ h_never_equal, "it was not found equal yet" },
	{ h_incomplete, "it was not found equal yet" },
	{ h_trimmed, "it was not found equal yet" },
	{ h_stale, "what it had before it started again is not judged yet" },
	{ h_refused, "this node has no room for all" },
	{ h_lacking, "this node's kernel lacks some" },
	{ h_full, "its own cache is full" },
	{ h_differs, "differences are being repaired" },
	{ h_lossy, "differences are being repaired" },
	{ h_gap, "messages are missing" },
	{ h_behind, "what it sent has not come" },
	{ h_waiting, "changes wait there to be sent" },
};

static void each_reason_alone_takes_it_back(void **state)
{
	for (size_t i = 0; i < sizeof(mine_faults) / sizeof(mine_faults[0]); i++) {
		struct fixture f = healthy();

		mine_faults[i].make(&f);
		assert_non_null(mine(&f));
		assert_string_equal(mine(&f), mine_faults[i].why);
		node_destroy(f.x);
	}
	for (size_t i = 0; i < sizeof(here_faults) / sizeof(here_faults[0]); i++) {
		struct fixture f = healthy();

		here_faults[i].make(&f);
		assert_non_null(here(&f));
		assert_string_equal(here(&f), here_faults[i].why);
		node_destroy(f.x);
	}
}

/* What is on its way in the normal course of things is no reason. */
static void m_young_report(struct fixture *f)
{
	f->p->report_ns -= CONFIRMED_NS - 1;
}

static void m_repairs(struct fixture *f)
{
	f->p->report.flags = 0;
	f->p->held_ns -= CONFIRMED_NS - 1;
}

static void m_unacked(struct fixture *f)
{
	send_one(f);
	f->x->b.now += CONFIRMED_NS - 1;
	f->p->report_ns = f->p->held_ns = f->x->b.now;
}

static void m_waits(struct fixture *f)
{
	set(f, 1);
	f->x->b.now += CONFIRMED_NS - 1;
	f->p->report_ns = f->p->held_ns = f->x->b.now;
}

static void m_silent(struct fixture *f)
{
	f->p->last_received_ns -= CONFIRMED_NS - 1;
}

static void m_gap(struct fixture *f)
{
	gaps_open(&f->p->recv.gaps, 2, 3, f->x->b.now);
	f->p->current_ns -= CONFIRMED_NS - 1;
}

static void m_behind(struct fixture *f)
{
	f->p->current_ns -= CONFIRMED_NS - 1;
}

static void what_is_on_its_way_is_no_reason(void **state)
{
	static void (*const cases[])(struct fixture *f) = {
		m_young_report, m_repairs, m_unacked, m_waits, m_silent, m_gap, m_behind,
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = healthy();

		cases[i](&f);
		assert_null(mine(&f));
		assert_null(here(&f));
		node_destroy(f.x);
	}
}

/* What is wrong in one direction says nothing of the other one. */
static void each_direction_is_judged_by_itself(void **state)
{
	struct fixture f = healthy();

	h_differs(&f);
	assert_null(mine(&f));
	node_destroy(f.x);
	f = healthy();
	f_never_equal(&f);
	assert_null(here(&f));
	node_destroy(f.x);
	f = healthy();
	f_lags(&f);                          /* it rests as a receiver, and sends all the same */
	assert_null(here(&f));
	node_destroy(f.x);
}

static void a_change_of_health_is_shown_once(void **state)
{
	struct fixture f = healthy();

	f.p->shown = CTS_PEER_JOINING;
	show(&f);
	show(&f);
	assert_int_equal(f.x->n_shown, 1);
	assert_int_equal(f.x->shown, CTS_PEER_SYNCED);
	f_never_equal(&f);
	show(&f);
	show(&f);
	assert_int_equal(f.x->n_shown, 2);
	assert_int_equal(f.x->shown, CTS_PEER_JOINING);
	assert_string_equal(f.x->why, "it was not found equal yet");
	f.p->report.equal_at = 1;
	f.lacking = 1;
	show(&f);
	assert_int_equal(f.x->n_shown, 2);
	f.lacking = 0;
	show(&f);
	assert_int_equal(f.x->shown, CTS_PEER_SYNCED);
	f.lacking = 1;
	show(&f);
	assert_int_equal(f.x->n_shown, 4);
	assert_string_equal(f.x->why, "this node's kernel lacks some");
	node_destroy(f.x);
}

static void every_difference_has_a_text_of_its_own(void **state)
{
	for (uint32_t bits = 1; bits < 8; bits++) {
		uint32_t differs = (bits & 1 ? CTS_DIFFERS_MODE : 0) |
				   (bits & 2 ? CTS_DIFFERS_ATTRS : 0) |
				   (bits & 4 ? CTS_DIFFERS_LIMIT : 0);

		const char *text = health_differs_text(differs);

		assert_int_equal(!!strstr(text, "sync.mode"), bits & 1 ? 1 : 0);
		assert_int_equal(!!strstr(text, "sync.attributes"), bits & 2 ? 1 : 0);
		assert_int_equal(!!strstr(text, "cache.limit"), bits & 4 ? 1 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_confirmed_is_in_sync),
		cmocka_unit_test(each_reason_alone_takes_it_back),
		cmocka_unit_test(what_is_on_its_way_is_no_reason),
		cmocka_unit_test(each_direction_is_judged_by_itself),
		cmocka_unit_test(a_change_of_health_is_shown_once),
		cmocka_unit_test(every_difference_has_a_text_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
