/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What conntrack -E --resync knows of the table: dumps and events in every order. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/netfilter/nf_conntrack_common.h>

#include "cli/conntrack/snapshot.h"

#define ASKED_MAX 4096u

struct fixture {
	struct snapshot *snapshot;
	char shown[4096];          /* "N1.5 ": NEW of key 1 with mark 5 */
	unsigned int asked[ASKED_MAX];
	size_t n_asked;
};

static void remember(void *ctx, const struct cts_flow *key)
{
	struct fixture *f = ctx;

	assert_true(f->n_asked < ASKED_MAX);
	f->asked[f->n_asked++] = ntohs(key->orig.sport);
}

static void note(void *ctx, const struct cts_event *const *ev, size_t n)
{
	static const char letter[] = "NUD";
	struct fixture *f = ctx;
	size_t i;

	for (i = 0; i < n; i++) {
		size_t len = strlen(f->shown);
		const struct cts_flow *flow = ev[i]->flow;

		assert_true(len < sizeof(f->shown) - 32);
		snprintf(f->shown + len, sizeof(f->shown) - len, "%c%u.%u ", letter[ev[i]->type],
			 ntohs(flow->orig.sport), cts_flow_has(flow, CTS_FLOW_MARK) ? flow->mark : 0);
		assert_false(cts_flow_has(flow, CTS_FLOW_COUNTERS_ORIG));
	}
}

static void shown_is(struct fixture *f, const char *text)
{
	assert_string_equal(f->shown, text);
	f->shown[0] = '\0';
}

/* A whole entry; id 0: unknown. */
static struct cts_flow entry(unsigned int key, uint32_t mark, uint32_t id)
{
	struct cts_flow f = {
		.orig = { .family = AF_INET, .proto = IPPROTO_UDP, .src.v4 = htonl(0x0a000001),
			  .dst.v4 = htonl(0x0a000002), .sport = htons((uint16_t)key),
			  .dport = htons(53) },
		.status = IPS_CONFIRMED, .timeout = 30, .mark = mark, .id = id,
		.packets = { 5, 6 },
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
			   CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) |
			   CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_ID) |
			   CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG),
	};

	cts_tuple_invert(&f.orig, &f.reply);
	return f;
}

/* What an event of a changed status has. */
static struct cts_flow partial(unsigned int key, uint32_t status, uint32_t id)
{
	struct cts_flow f = entry(key, 0, id);

	f.status |= status;
	f.present &= ~CTS_FLOW_BIT(CTS_FLOW_MARK);
	return f;
}

static void hand_on(struct snapshot *s, enum cts_event_type type, enum cts_origin origin,
		    const struct cts_flow *flow)
{
	const struct cts_event ev = { .type = (uint8_t)type, .origin = origin, .flow = flow };
	const struct cts_event *list = &ev;

	snapshot_consume(s, &list, 1);
}

static void event(struct fixture *f, enum cts_event_type type, struct cts_flow flow)
{
	hand_on(f->snapshot, type, CTS_ORIGIN_KERNEL, &flow);
}

static void begin(struct fixture *f, bool quiet)
{
	snapshot_begin(f->snapshot, quiet);
	cts_follow_dump_begin(snapshot_follow(f->snapshot));
}

static void chunk(struct fixture *f, struct cts_flow flow)
{
	hand_on(f->snapshot, CTS_EVENT_NEW, CTS_ORIGIN_DUMP, &flow);
}

static void end(struct fixture *f)
{
	cts_follow_dump_end(snapshot_follow(f->snapshot));
	while (cts_follow_verify(snapshot_follow(f->snapshot), 100))
		;
}

/* The next question is about that key; flow NULL: the kernel has none. */
static void asks(struct fixture *f, unsigned int key, const struct cts_flow *flow)
{
	struct cts_flow gone = entry(key, 0, 0);

	assert_true(f->n_asked);
	assert_int_equal(f->asked[0], key);
	memmove(f->asked, f->asked + 1, --f->n_asked * sizeof(f->asked[0]));
	if (flow)
		hand_on(f->snapshot, CTS_EVENT_UPDATE, CTS_ORIGIN_DUMP, flow);
	else
		cts_follow_absent(snapshot_follow(f->snapshot), &gone, 0);
}

static void asks_nothing(struct fixture *f)
{
	assert_int_equal(f->n_asked, 0);
	assert_false(cts_follow_busy(snapshot_follow(f->snapshot)));
	snapshot_end(f->snapshot);
}

/* A dump that has nothing but these; what is missing is asked for, and gone. */
static void whole_dump(struct fixture *f, bool quiet, const struct cts_flow *flows, size_t n)
{
	begin(f, quiet);
	for (size_t i = 0; i < n; i++)
		chunk(f, flows[i]);
	end(f);
	asks_nothing(f);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->snapshot = snapshot_create(&(struct snapshot_conf){
		.show = note, .get = remember, .ctx = f });
	*state = f;
	return f->snapshot ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	snapshot_destroy(f->snapshot);
	free(f);
	return 0;
}

static void what_was_there_at_the_start_is_known(void **state)
{
	struct fixture *f = *state;
	const struct cts_flow flows[] = { entry(1, 5, 100), entry(2, 0, 101) };

	whole_dump(f, true, flows, 2);
	whole_dump(f, false, flows, 2);
	shown_is(f, "");
}

static void missing_changed_and_vanished_entries_are_shown(void **state)
{
	struct fixture *f = *state;
	const struct cts_flow before[] = { entry(1, 5, 100), entry(2, 0, 101), entry(3, 3, 102) };

	whole_dump(f, true, before, 3);
	begin(f, false);
	chunk(f, entry(1, 6, 100));
	chunk(f, entry(2, 0, 101));
	chunk(f, entry(4, 4, 103));
	end(f);
	asks(f, 3, NULL);
	asks_nothing(f);
	shown_is(f, "U1.6 N4.4 D3.3 ");
	assert_int_equal(snapshot_counts(f->snapshot)->created, 1);
	assert_int_equal(snapshot_counts(f->snapshot)->changed, 1);
	assert_int_equal(snapshot_counts(f->snapshot)->gone, 1);
}

static void timeouts_counters_and_zeroes_are_no_change(void **state)
{
	struct fixture *f = *state;
	struct cts_flow flow = entry(1, 0, 100);
	static const uint32_t none[4];

	whole_dump(f, true, &flow, 1);
	flow.timeout = 29;
	flow.packets[0] = 50;
	flow.present &= ~CTS_FLOW_BIT(CTS_FLOW_MARK);
	flow.labels = none;
	flow.labels_len = sizeof(none);
	flow.present |= CTS_FLOW_BIT(CTS_FLOW_LABELS);
	whole_dump(f, false, &flow, 1);
	shown_is(f, "");
}

static void labels_and_helpers_are_a_change(void **state)
{
	struct fixture *f = *state;
	struct cts_flow flow = entry(1, 5, 100);
	static const uint32_t some[4] = { 1u << 5 };

	whole_dump(f, true, &flow, 1);
	flow.labels = some;
	flow.labels_len = sizeof(some);
	flow.present |= CTS_FLOW_BIT(CTS_FLOW_LABELS);
	whole_dump(f, false, &flow, 1);
	shown_is(f, "U1.5 ");
	flow.helper = "ftp";
	flow.helper_len = 3;
	flow.present |= CTS_FLOW_BIT(CTS_FLOW_HELPER);
	whole_dump(f, false, &flow, 1);
	shown_is(f, "U1.5 ");
	whole_dump(f, false, &flow, 1);
	shown_is(f, "");
}

static void another_id_is_another_entry(void **state)
{
	struct fixture *f = *state;
	const struct cts_flow before = entry(1, 5, 100), after = entry(1, 5, 200);

	whole_dump(f, true, &before, 1);
	whole_dump(f, false, &after, 1);
	shown_is(f, "D1.5 N1.5 ");
}

static void events_are_no_news_to_the_next_dump(void **state)
{
	struct fixture *f = *state;
	struct cts_flow after[2] = { entry(1, 5, 100), entry(2, 7, 101) };

	whole_dump(f, true, after, 1);
	event(f, CTS_EVENT_UPDATE, partial(1, IPS_ASSURED, 100));
	event(f, CTS_EVENT_NEW, after[1]);
	event(f, CTS_EVENT_NEW, entry(3, 0, 102));
	event(f, CTS_EVENT_DESTROY, entry(3, 0, 102));
	after[0].status |= IPS_ASSURED;
	whole_dump(f, false, after, 2);
	shown_is(f, "");
}

static void an_older_chunk_does_not_bring_back_what_went(void **state)
{
	struct fixture *f = *state;
	const struct cts_flow flow = entry(1, 5, 100);

	whole_dump(f, true, &flow, 1);
	begin(f, false);
	event(f, CTS_EVENT_DESTROY, flow);
	chunk(f, flow);
	end(f);
	asks_nothing(f);
	whole_dump(f, false, NULL, 0);
	shown_is(f, "");
}

static void an_older_chunk_does_not_undo_a_change(void **state)
{
	struct fixture *f = *state;
	const struct cts_flow old = entry(1, 5, 100), now = entry(1, 6, 100);

	whole_dump(f, true, &old, 1);
	begin(f, false);
	event(f, CTS_EVENT_UPDATE, now);
	chunk(f, old);
	end(f);
	asks(f, 1, &now);   /* the event may have been a part */
	asks_nothing(f);
	whole_dump(f, false, &now, 1);
	shown_is(f, "");
}

/* A mark's change was lost; that the status changes later must not hide it. */
static void a_partial_event_does_not_hide_a_lost_one(void **state)
{
	struct fixture *f = *state;
	struct cts_flow flow = entry(1, 5, 100);

	whole_dump(f, true, &flow, 1);
	begin(f, false);
	event(f, CTS_EVENT_UPDATE, partial(1, IPS_ASSURED, 100));
	flow.mark = 6;   /* a chunk from before that */
	chunk(f, flow);
	end(f);
	flow.status |= IPS_ASSURED;
	asks(f, 1, &flow);
	asks_nothing(f);
	shown_is(f, "U1.6 ");
	whole_dump(f, false, &flow, 1);
	shown_is(f, "");
}

/* Then nothing was lost, and the kernel need not be asked. */
static void a_chunk_that_agrees_with_a_partial_event_settles_it(void **state)
{
	struct fixture *f = *state;
	struct cts_flow flow = entry(1, 5, 100);

	whole_dump(f, true, &flow, 1);
	begin(f, false);
	event(f, CTS_EVENT_UPDATE, partial(1, IPS_ASSURED, 100));
	flow.status |= IPS_ASSURED;
	chunk(f, flow);
	end(f);
	asks_nothing(f);
	shown_is(f, "");
}

/* Its beginning was lost, too. */
static void an_unknown_entry_that_changes_is_new(void **state)
{
	struct fixture *f = *state;
	struct cts_flow flow = entry(1, 5, 100), other = entry(2, 7, 101);

	whole_dump(f, true, NULL, 0);
	begin(f, false);
	event(f, CTS_EVENT_UPDATE, partial(1, IPS_ASSURED, 100));
	event(f, CTS_EVENT_UPDATE, partial(2, IPS_ASSURED, 101));
	chunk(f, flow);
	shown_is(f, "N1.5 ");
	flow.status |= IPS_ASSURED;
	asks(f, 1, &flow);
	asks(f, 2, &other);
	end(f);
	asks_nothing(f);
	shown_is(f, "U1.5 N2.7 ");
	/* No dump runs: the kernel is asked at once. */
	event(f, CTS_EVENT_UPDATE, partial(3, IPS_ASSURED, 102));
	event(f, CTS_EVENT_UPDATE, partial(4, IPS_ASSURED, 103));
	flow = entry(3, 8, 102);
	asks(f, 3, &flow);
	asks(f, 4, NULL);
	shown_is(f, "N3.8 ");
}

static void of_two_entries_with_a_key_the_kernel_says_which(void **state)
{
	struct fixture *f = *state;
	const struct cts_flow second = entry(1, 6, 200), third = entry(1, 7, 300);

	begin(f, true);
	event(f, CTS_EVENT_DESTROY, entry(1, 5, 100));
	event(f, CTS_EVENT_NEW, entry(2, 1, 500));
	chunk(f, second);
	chunk(f, entry(2, 1, 501));
	end(f);
	asks(f, 1, &second);
	asks(f, 2, NULL);
	asks_nothing(f);
	shown_is(f, "D2.1 ");   /* an event said that it is there; the other was at the start */
	begin(f, false);
	event(f, CTS_EVENT_UPDATE, partial(1, IPS_ASSURED, 300));
	chunk(f, second);
	end(f);
	asks(f, 1, &third);
	asks_nothing(f);
	shown_is(f, "U1.7 ");   /* the event had the id */
}

static void an_offloaded_flow_keeps_its_state(void **state)
{
	struct fixture *f = *state;
	struct cts_flow flow = entry(1, 5, 100);

	flow.orig.proto = flow.reply.proto = IPPROTO_TCP;
	flow.tcp_state = 3;
	flow.status |= IPS_OFFLOAD;
	flow.present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	whole_dump(f, true, &flow, 1);
	flow.present &= ~CTS_FLOW_BIT(CTS_FLOW_TCP_STATE);
	whole_dump(f, false, &flow, 1);
	shown_is(f, "");
}

/* -- at random: who replays all that is shown has the kernel's table -- */

#define KEYS 40u
#define CHUNK 5u
#define SEEDS 300u
#define QUEUE 4096u

struct model {
	uint64_t rng;
	struct cts_flow kernel[KEYS], reader[KEYS];   /* id 0: not there */
	uint32_t ids;
	struct cts_event queue[QUEUE];                /* sent, not read */
	struct cts_flow sent[QUEUE];
	size_t first, last;
	struct cts_flow chunk[CHUNK];                 /* read from the kernel, not looked at */
	size_t n_chunk;
	unsigned int cursor;
	bool lost, dumping;
	uint8_t asked[QUEUE];
	size_t n_asked;
	struct snapshot *snapshot;
};

static uint32_t roll(struct model *m, uint32_t n)
{
	m->rng = m->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(m->rng >> 33) % n;
}

static unsigned int key_of(const struct cts_flow *f)
{
	return ntohs(f->orig.sport);
}

/* What is shown, as it is carried out. */
static void replay(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct model *m = ctx;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct cts_flow *f = ev[i]->flow;
		struct cts_flow *have = &m->reader[key_of(f)];

		if (ev[i]->type == CTS_EVENT_NEW) {
			*have = *f;
		} else if (ev[i]->type == CTS_EVENT_DESTROY) {
			have->id = 0;
		} else if (have->id) {
			have->id = f->id;
			have->status = f->status;
			if (cts_flow_has(f, CTS_FLOW_MARK))
				have->mark = f->mark;
		}
	}
}

static void kernel_sends(struct model *m, enum cts_event_type type, const struct cts_flow *f)
{
	if (!roll(m, 12) || m->lost) {   /* the buffer is full, until it is read empty */
		m->lost = true;
		return;
	}
	assert_true(m->last < QUEUE);
	m->sent[m->last] = *f;
	m->queue[m->last] = (struct cts_event){ .type = (uint8_t)type, .origin = CTS_ORIGIN_KERNEL,
						.flow = &m->sent[m->last] };
	m->last++;
}

static void kernel_changes(struct model *m)
{
	unsigned int key = roll(m, KEYS);
	struct cts_flow *f = &m->kernel[key], part;

	if (!f->id) {
		*f = entry(key, roll(m, 5), ++m->ids);
		kernel_sends(m, CTS_EVENT_NEW, f);
		return;
	}
	part = *f;
	if (!roll(m, 3)) {
		kernel_sends(m, CTS_EVENT_DESTROY, f);
		f->id = 0;
		return;
	}
	if (roll(m, 2)) {
		f->status ^= IPS_ASSURED;
		part.present &= ~CTS_FLOW_BIT(CTS_FLOW_MARK);
	} else {
		f->mark = roll(m, 5);
	}
	part.status = f->status;
	part.mark = f->mark;
	kernel_sends(m, CTS_EVENT_UPDATE, &part);
}

static void reads(struct model *m, size_t max)
{
	for (; max && m->first < m->last; m->first++, max--) {
		const struct cts_event *ev = &m->queue[m->first];

		snapshot_consume(m->snapshot, &ev, 1);
		replay(m, &ev, 1);
	}
}

static void dump_fill(struct model *m)
{
	for (m->n_chunk = 0; m->cursor < KEYS && m->n_chunk < CHUNK; m->cursor++)
		if (m->kernel[m->cursor].id)
			m->chunk[m->n_chunk++] = m->kernel[m->cursor];
}

static void question(void *ctx, const struct cts_flow *key)
{
	struct model *m = ctx;

	assert_true(m->n_asked < QUEUE);
	m->asked[m->n_asked++] = (uint8_t)key_of(key);
}

static void answer(struct model *m)
{
	struct cts_flow flow;

	if (!m->n_asked)
		return;
	flow = m->kernel[m->asked[0]];
	if (flow.id)
		hand_on(m->snapshot, CTS_EVENT_UPDATE, CTS_ORIGIN_DUMP, &flow);
	flow = entry(m->asked[0], 0, 0);
	if (!m->kernel[m->asked[0]].id)
		cts_follow_absent(snapshot_follow(m->snapshot), &flow, 0);
	memmove(m->asked, m->asked + 1, --m->n_asked);
}

static void dump_ends(struct model *m)
{
	struct cts_follow *follow = snapshot_follow(m->snapshot);
	bool more = true;

	m->dumping = false;
	cts_follow_dump_end(follow);
	while (more || m->n_asked) {
		more = cts_follow_verify(follow, 1 + roll(m, 4));
		answer(m);
		if (!roll(m, 4))
			kernel_changes(m);
	}
}

static void dump_step(struct model *m)
{
	if (!m->dumping) {
		reads(m, QUEUE);
		m->lost = false;
		m->dumping = true;
		m->cursor = 0;
		cts_follow_dump_begin(snapshot_follow(m->snapshot));
	} else {
		for (size_t i = 0; i < m->n_chunk; i++)
			hand_on(m->snapshot, CTS_EVENT_NEW, CTS_ORIGIN_DUMP, &m->chunk[i]);
		if (m->cursor == KEYS) {
			dump_ends(m);
			return;
		}
	}
	dump_fill(m);
}

static void play(struct model *m, unsigned int steps)
{
	while (steps--) {
		switch (roll(m, 6)) {
		case 0: case 1: case 2: kernel_changes(m); break;
		case 3: reads(m, 1 + roll(m, 6)); break;
		case 4: reads(m, QUEUE); answer(m); break;
		default:
			if (m->lost || m->dumping)
				dump_step(m);
			break;
		}
	}
	while (m->lost || m->dumping)
		dump_step(m);
	reads(m, QUEUE);
	while (m->n_asked)
		answer(m);
}

static void who_replays_it_has_the_table(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	for (unsigned int seed = 1; seed <= SEEDS; seed++) {
		memset(m, 0, sizeof(*m));
		m->rng = seed;
		m->snapshot = snapshot_create(&(struct snapshot_conf){
			.show = replay, .get = question, .ctx = m });
		assert_non_null(m->snapshot);
		for (unsigned int round = 0; round < 4; round++) {
			m->first = m->last = 0;
			play(m, 500);
			for (unsigned int key = 0; key < KEYS; key++) {
				const struct cts_flow *is = &m->kernel[key], *has = &m->reader[key];

				if (is->id != has->id ||
				    (is->id && (is->mark != has->mark || is->status != has->status)))
					fail_msg("seed %u, round %u, key %u: id %u mark %u, but %u, %u",
						 seed, round, key, is->id, is->mark, has->id, has->mark);
			}
		}
		assert_int_equal(snapshot_error(m->snapshot), 0);
		snapshot_destroy(m->snapshot);
	}
	free(m);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(what_was_there_at_the_start_is_known),
		CASE(missing_changed_and_vanished_entries_are_shown),
		CASE(timeouts_counters_and_zeroes_are_no_change),
		CASE(labels_and_helpers_are_a_change),
		CASE(another_id_is_another_entry),
		CASE(events_are_no_news_to_the_next_dump),
		CASE(an_older_chunk_does_not_bring_back_what_went),
		CASE(an_older_chunk_does_not_undo_a_change),
		CASE(a_partial_event_does_not_hide_a_lost_one),
		CASE(a_chunk_that_agrees_with_a_partial_event_settles_it),
		CASE(an_unknown_entry_that_changes_is_new),
		CASE(of_two_entries_with_a_key_the_kernel_says_which),
		CASE(an_offloaded_flow_keeps_its_state),
		cmocka_unit_test(who_replays_it_has_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
