/* SPDX-License-Identifier: GPL-2.0-or-later */
/* States of the other nodes, as doc/WIRE.md has them: core/sync/peer.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/peer.h"
#include "tests/unit/sync_gen.h"

struct fixture {
	struct base b;
	struct sender sender;
	struct peers peers;
	unsigned int n_shown;
	uint32_t shown_node;
	enum cts_peer_state shown;
	const char *why;
};

static size_t max_message(void *ctx)
{
	return 1400;
}

static void show(void *ctx, uint32_t node, enum cts_peer_state state, const char *why)
{
	struct fixture *f = ctx;

	f->n_shown++;
	f->shown_node = node;
	f->shown = state;
	f->why = why;
}

static struct fixture *create(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	gen_base(&f->b, 1000);
	f->b.ops.max_message = max_message;
	f->b.ops.peer_state = show;
	f->b.ctx = f;
	assert_int_equal(sender_init(&f->sender, &f->b), 0);
	f->peers.base = &f->b;
	f->peers.sender = &f->sender;
	return f;
}

static void destroy(struct fixture *f)
{
	peers_fini(&f->peers);
	sender_fini(&f->sender);
	free(f);
}

static void event(struct fixture *f, struct peer *p, enum peer_event e)
{
	peer_event(&f->peers, p, e, "a reason");
}

static bool in_window(struct fixture *f, const struct peer *p)
{
	unsigned int i = peer_index(&f->peers, p);

	return f->sender.window.members >> i & 1 && f->sender.window.view[i].start;
}

/* The shortest way into each state. */
static struct peer *peer_in(struct fixture *f, enum peer_state state)
{
	struct peer *p = peers_add(&f->peers, 77);

	assert_non_null(p);
	assert_int_equal(p->state, PEER_GONE);
	if (state >= PEER_KNOWN)
		event(f, p, PEER_ACCEPTED);
	if (state > PEER_KNOWN)
		event(f, p, PEER_NAMES_US);
	if (state == PEER_RESTING)
		event(f, p, PEER_LAGS);
	if (state == PEER_FOLLOWING)
		event(f, p, PEER_CONFIRMS);
	assert_int_equal(p->state, state);
	return p;
}

/* The table in doc/WIRE.md: a row for each state, a column for each event. */
struct rules {
	enum peer_state to[PEER_STATES][PEER_EVENTS];
	unsigned int rows;
};

static enum peer_state state_named(const char *name)
{
	for (enum peer_state s = PEER_GONE; s < PEER_STATES; s++)
		if (!strcmp(name, peer_state_name(s)))
			return s;
	return PEER_FREE;
}

/* A cell without its blanks. */
static char *cell(char **line)
{
	char *at = strsep(line, "|");

	if (!at)
		return NULL;
	at += strspn(at, " ");
	at[strcspn(at, " \n")] = '\0';
	return at;
}

static void read_row(struct rules *r, char *line)
{
	enum peer_state from;
	char *name;

	cell(&line);
	name = cell(&line);
	from = name ? state_named(name) : PEER_FREE;
	if (from == PEER_FREE)
		return;
	r->rows++;
	for (enum peer_event e = 0; e < PEER_EVENTS; e++) {
		char *to = cell(&line);

		assert_non_null(to);
		r->to[from][e] = *to ? state_named(to) : from;
		assert_int_not_equal(r->to[from][e], PEER_FREE);
	}
}

static void read_rules(struct rules *r)
{
	const char *src = getenv("CTS_SRC");
	char path[4096], line[1024];
	bool there = false;
	FILE *fp;

	if (!src)
		skip();
	snprintf(path, sizeof(path), "%s/doc/WIRE.md", src);
	fp = fopen(path, "r");
	assert_non_null(fp);
	memset(r, 0, sizeof(*r));
	while (fgets(line, sizeof(line), fp)) {
		if (line[0] == '#')
			there = !strcmp(line, "## A peer's states\n");
		if (there && line[0] == '|')
			read_row(r, line);
	}
	fclose(fp);
	assert_int_equal(r->rows, PEER_STATES - PEER_GONE);
}

static void every_event_leads_where_the_documentation_says(void **state)
{
	struct rules rules;

	read_rules(&rules);
	for (enum peer_state from = PEER_GONE; from < PEER_STATES; from++)
		for (enum peer_event e = 0; e < PEER_EVENTS; e++) {
			struct fixture *f = create();
			struct peer *p = peer_in(f, from);

			event(f, p, e);
			assert_int_equal(p->state, rules.to[from][e]);
			assert_int_equal(in_window(f, p), peer_in_window(p));
			assert_int_equal(peer_in_window(p), p->state >= PEER_STARTING);
			assert_int_equal(peer_present(p), p->state != PEER_GONE);
			destroy(f);
		}
}

static void the_names_are_those_of_the_states(void **state)
{
	assert_string_equal(peer_state_name(PEER_FREE), "free");
	assert_string_equal(peer_state_name(PEER_GONE), "gone");
	assert_string_equal(peer_state_name(PEER_KNOWN), "known");
	assert_string_equal(peer_state_name(PEER_RESTING), "resting");
	assert_string_equal(peer_state_name(PEER_STARTING), "starting");
	assert_string_equal(peer_state_name(PEER_FOLLOWING), "following");
}

/* Messages without records, so that the window has something to wait for. */
static void send_some(struct fixture *f, unsigned int n)
{
	struct window *w = &f->sender.window;

	while (n--)
		window_close(w, &f->sender.table, window_open(w, true, f->b.now), 100, false);
}

static void out_of_step_it_owes_nothing_and_starts_again_later(void **state)
{
	struct fixture *f = create();
	struct peer *p = peer_in(f, PEER_FOLLOWING);
	struct window *w = &f->sender.window;
	uint64_t first = w->view[peer_index(&f->peers, p)].start;

	assert_int_equal(first, 1);
	send_some(f, 5);
	assert_int_equal(window_len(w), 5);
	event(f, p, PEER_LAGS);
	assert_int_equal(window_len(w), 0);
	assert_int_equal(p->resets, 1);
	assert_int_equal(f->b.st.resets, 1);
	send_some(f, 5);
	assert_int_equal(window_len(w), 0);
	event(f, p, PEER_RESTED);
	assert_int_equal(w->view[peer_index(&f->peers, p)].start, 11);
	/* A digest tells it what it missed. */
	assert_true(f->sender.digest_wanted);
	assert_int_equal(f->sender.digest_ns, f->b.now);
	destroy(f);
}

static void a_restart_forgets_the_former_start(void **state)
{
	struct fixture *f = create();
	struct peer *p = peer_in(f, PEER_FOLLOWING);
	struct window *w = &f->sender.window;

	send_some(f, 3);
	p->report.equal_at = 2;
	p->mismatches = 3;
	event(f, p, PEER_RESTARTS);
	assert_int_equal(window_len(w), 0);          /* what it owed of before is not waited for */
	assert_int_equal(w->view[peer_index(&f->peers, p)].start, 4);
	assert_int_equal(p->report.equal_at, 0);     /* nor does an old report count */
	assert_int_equal(p->mismatches, 0);
	destroy(f);
}

static void each_rest_is_longer_until_it_kept_up_for_long(void **state)
{
	struct fixture *f = create();
	struct peer *p = peer_in(f, PEER_STARTING);
	uint64_t want = PENALTY_MIN_NS;

	for (int i = 0; i < 12; i++) {
		event(f, p, PEER_LAGS);
		assert_int_equal(p->rest_until_ns, f->b.now + p->penalty_ns);
		assert_int_equal(p->penalty_ns, want);
		f->b.now = p->rest_until_ns;
		event(f, p, PEER_RESTED);
		f->b.now += 10 * MS;
		if (want < PENALTY_MAX_NS)
			want *= 2;
	}
	assert_true(p->penalty_ns >= PENALTY_MAX_NS && p->penalty_ns < 2 * PENALTY_MAX_NS);
	f->b.now += 20 * p->penalty_ns + 1;
	event(f, p, PEER_SILENT);
	assert_int_equal(p->penalty_ns, PENALTY_MIN_NS);
	assert_int_equal(p->resets, 13);
	destroy(f);
}

static void since_when_it_is_gone_is_known_while_it_is(void **state)
{
	struct fixture *f = create();
	struct peer *p = peer_in(f, PEER_FOLLOWING);

	assert_int_equal(p->gone_ns, 0);
	event(f, p, PEER_LEAVES);
	assert_int_equal(p->gone_ns, f->b.now);
	f->b.now += SECOND;
	event(f, p, PEER_LEAVES);
	assert_int_equal(p->gone_ns, f->b.now - SECOND);
	event(f, p, PEER_RECEIVED);
	assert_int_equal(p->gone_ns, 0);
	destroy(f);
}

static void transitions_are_reported_once(void **state)
{
	struct fixture *f = create();
	struct peer *p = peers_add(&f->peers, 77);

	event(f, p, PEER_ACCEPTED);
	assert_int_equal(f->n_shown, 0);
	event(f, p, PEER_NAMES_US);
	assert_int_equal(f->n_shown, 1);
	assert_int_equal(f->shown, CTS_PEER_JOINING);
	assert_int_equal(f->shown_node, 77);
	assert_string_equal(f->why, "a reason");
	event(f, p, PEER_CONFIRMS);
	assert_int_equal(f->n_shown, 1);
	p->shown = CTS_PEER_SYNCED;                  /* as health does it */
	event(f, p, PEER_LAGS);
	assert_int_equal(f->n_shown, 2);
	assert_int_equal(f->shown, CTS_PEER_JOINING);
	event(f, p, PEER_RESTED);
	event(f, p, PEER_SILENT);
	assert_int_equal(f->n_shown, 2);
	event(f, p, PEER_LEAVES);
	assert_int_equal(f->n_shown, 3);
	assert_int_equal(f->shown, CTS_PEER_DOWN);
	destroy(f);
}

/* ---- slots ---- */

static void keep_one(struct peer *p)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, p->id, 1);

	assert_true(cts_cache_insert(p->recv.replica.cache, buf, len, 0));
}

static void dead_and_empty_slots_are_used_again(void **state)
{
	struct fixture *f = create();
	struct peer *p = NULL;
	unsigned int i;

	for (uint32_t id = 100; id < 100 + PEERS_MAX; id++) {
		p = peers_add(&f->peers, id);
		assert_non_null(p);
		event(f, p, PEER_ACCEPTED);
		f->b.now += SECOND;
	}
	assert_null(peers_add(&f->peers, 1));        /* all are there */
	for (uint32_t id = 100; id < 103; id++) {
		event(f, peers_find(&f->peers, id), PEER_LEAVES);
		f->b.now += SECOND;
	}
	/* The one that is gone for longest and of which nothing is kept. */
	keep_one(peers_find(&f->peers, 100));
	i = peer_index(&f->peers, peers_find(&f->peers, 101));
	p = peers_add(&f->peers, 1);
	assert_non_null(p);
	assert_int_equal(peer_index(&f->peers, p), i);
	assert_null(peers_find(&f->peers, 101));
	assert_non_null(peers_find(&f->peers, 100));
	event(f, p, PEER_ACCEPTED);
	assert_non_null(peers_add(&f->peers, 2));
	assert_null(peers_find(&f->peers, 102));
	event(f, peers_find(&f->peers, 2), PEER_ACCEPTED);
	/* The only copy of a table is worth more than a newcomer. */
	assert_null(peers_add(&f->peers, 3));
	assert_non_null(peers_find(&f->peers, 100));
	destroy(f);
}

/* ---- the newest of several ---- */

static size_t entry_of_version(uint8_t buf[CTS_PACK_MAX], uint32_t i, uint32_t version)
{
	size_t n = gen_entry(buf, i, 1);

	return version > 1 ? cts_packed_set_version(buf, n, CTS_PACK_MAX, version) : n;
}

static void holds(struct peer *p, uint32_t i, uint32_t version)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = entry_of_version(buf, i, version);
	uint32_t ref = cts_cache_find(p->recv.replica.cache, buf, GEN_KEY_LEN);

	if (ref)
		cts_cache_remove(p->recv.replica.cache, ref);
	assert_true(cts_cache_insert(p->recv.replica.cache, buf, len, 0));
}

static const struct peer *newest(struct fixture *f, uint32_t i, uint32_t want_version)
{
	uint8_t key[GEN_LEN_MAX];
	uint32_t hash, ref, version;
	const struct peer *p;

	gen_entry(key, i, 0);
	hash = cts_cache_hash(f->sender.table.cache, key, GEN_KEY_LEN);
	p = peers_newest(&f->peers, hash, key, GEN_KEY_LEN, &ref, &version);
	assert_int_equal(version, want_version);
	assert_int_equal(ref, p ? cts_cache_find(p->recv.replica.cache, key, GEN_KEY_LEN) : 0);
	return p;
}

/* Whatever the order in which they are asked. */
static void of_several_replicas_the_newest_counts(void **state)
{
	static const uint32_t ids[][2] = { { 20, 30 }, { 30, 20 } };

	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = create();
		struct peer *p, *q, *low, *high;

		assert_null(newest(f, 1, 0));
		p = peers_add(&f->peers, ids[i][0]);
		event(f, p, PEER_ACCEPTED);
		q = peers_add(&f->peers, ids[i][1]);
		event(f, q, PEER_ACCEPTED);
		low = p->id < q->id ? p : q;
		high = p->id < q->id ? q : p;
		assert_null(newest(f, 1, 0));
		holds(high, 1, 1);
		assert_ptr_equal(newest(f, 1, 1), high);
		/* the same: one and the same answer everywhere */
		holds(low, 1, 1);
		assert_ptr_equal(newest(f, 1, 1), low);
		/* who is there knows better than who is gone */
		event(f, low, PEER_LEAVES);
		assert_ptr_equal(newest(f, 1, 1), high);
		/* and who has the newer version knows best */
		holds(low, 1, 3);
		assert_ptr_equal(newest(f, 1, 3), low);
		holds(high, 1, 300);
		assert_ptr_equal(newest(f, 1, 300), high);
		destroy(f);
	}
}

static void own(struct fixture *f, uint32_t i, uint32_t above)
{
	uint8_t buf[GEN_LEN_MAX];
	size_t len = gen_entry(buf, i, 1);
	uint32_t hash = cts_cache_hash(f->sender.table.cache, buf, GEN_KEY_LEN);

	assert_true(table_set(&f->sender.table, &f->b, 0, hash, buf, len, true, above));
}

static void what_another_one_has_newer_is_not_kept_of_a_dead_one(void **state)
{
	struct fixture *f = create();
	struct peer *dead = peers_add(&f->peers, 20), *other = peers_add(&f->peers, 30);
	uint8_t key[GEN_LEN_MAX];

	event(f, dead, PEER_ACCEPTED);
	event(f, other, PEER_ACCEPTED);
	for (uint32_t i = 1; i <= 6; i++)
		holds(dead, i, 2);
	event(f, dead, PEER_LEAVES);
	holds(other, 1, 1);          /* older: kept */
	holds(other, 2, 3);          /* newer */
	own(f, 3, 0);                /* this node's own is older: kept */
	own(f, 4, 1);                /* the same: kept */
	own(f, 5, 2);                /* newer... */
	own(f, 6, 2);                /* ... and it was, until it ended */
	gen_entry(key, 6, 0);
	table_delete(&f->sender.table, &f->b, cts_cache_find(f->sender.table.cache, key, GEN_KEY_LEN));
	for (int i = 0; i < 2; i++)
		peer_drop_superseded(&f->peers, dead);
	for (uint32_t i = 1; i <= 6; i++) {
		gen_entry(key, i, 0);
		assert_int_equal(cts_cache_find(dead->recv.replica.cache, key, GEN_KEY_LEN) == 0,
				 i == 2 || i == 5);
	}
	destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_leads_where_the_documentation_says),
		cmocka_unit_test(the_names_are_those_of_the_states),
		cmocka_unit_test(out_of_step_it_owes_nothing_and_starts_again_later),
		cmocka_unit_test(a_restart_forgets_the_former_start),
		cmocka_unit_test(each_rest_is_longer_until_it_kept_up_for_long),
		cmocka_unit_test(since_when_it_is_gone_is_known_while_it_is),
		cmocka_unit_test(transitions_are_reported_once),
		cmocka_unit_test(dead_and_empty_slots_are_used_again),
		cmocka_unit_test(of_several_replicas_the_newest_counts),
		cmocka_unit_test(what_another_one_has_newer_is_not_kept_of_a_dead_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
