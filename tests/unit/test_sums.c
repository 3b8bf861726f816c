/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sums that anti-entropy compares: core/sync/store/sums.h. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sync/store/sums.h"
#include "tests/unit/flow_gen.h"

#define EPOCH UINT64_C(0x0102030405060708)
#define ENTRIES 20000u
#define LOW_48 ((UINT64_C(1) << 48) - 1)

struct entry {
	uint64_t hash, seq;
};

static struct sums *create(uint64_t epoch)
{
	struct sums *s = malloc(sizeof(*s));

	assert_non_null(s);
	assert_int_equal(sums_init(s, epoch), 0);
	return s;
}

static void destroy(struct sums *s)
{
	sums_fini(s);
	free(s);
}

static struct entry *any_entries(struct rng *r, size_t n)
{
	struct entry *e = malloc(n * sizeof(*e));

	assert_non_null(e);
	for (size_t i = 0; i < n; i++)
		e[i] = (struct entry){ rng_next(r), rng_number(r, 48) };
	return e;
}

static void assert_equal(const struct sums *a, const struct sums *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->total, b->total);
	for (unsigned int leaf = 0; leaf < CTS_SUMS_LEAVES; leaf++)
		assert_int_equal(sums_node(a, CTS_SUMS_LEVELS, leaf),
				 sums_node(b, CTS_SUMS_LEVELS, leaf));
}

/* Computed apart from this code: SipHash-2-4 and the mix, from their definitions. */
static void nodes_of_other_builds_get_the_same_values(void **state)
{
	static const uint8_t key[14] = { 0, 6, 10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 80 };
	static const uint8_t made_of_epoch[16] = { 1, 2, 3, 4, 5, 6, 7, 8,
						   0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7 };
	struct sums *s = create(EPOCH);
	uint64_t hash = sums_hash(s, key, sizeof(key));

	assert_memory_equal(s->key, made_of_epoch, sizeof(made_of_epoch));
	assert_int_equal(hash, UINT64_C(0x808da0c983cb9fcd));
	assert_int_equal(sums_leaf(hash), 0x808d);
	assert_int_equal(sums_key_part(hash), 0xa0c983);
	sums_add(s, hash, 1);
	assert_int_equal(s->count, 1);
	assert_int_equal(s->total, UINT64_C(0x67c6349192e27613));
	assert_int_equal(sums_node(s, 3, 0x808d), UINT64_C(0x349192e27613));
	assert_int_equal(sums_node(s, 2, 0x808), UINT64_C(0x349192e27613));
	assert_int_equal(sums_node(s, 1, 0x80), UINT64_C(0x349192e27613));
	assert_int_equal(sums_node(s, 1, 0x81), 0);
	sums_sub(s, hash, 1);
	sums_add(s, hash, UINT64_C(0x123456789abc));
	assert_int_equal(s->count, 1);
	assert_int_equal(s->total, UINT64_C(0x91d0b5fa159ba6dc));
	destroy(s);
}

static void another_epoch_hashes_otherwise(void **state)
{
	static const uint8_t key[14] = { 0, 6 };
	struct sums *s = create(EPOCH);
	uint64_t was = sums_hash(s, key, sizeof(key));

	sums_add(s, was, 1);
	sums_reset(s, EPOCH + 1);
	assert_int_equal(s->count, 0);
	assert_int_equal(s->total, 0);
	assert_int_equal(sums_node(s, CTS_SUMS_LEVELS, sums_leaf(was)), 0);
	assert_int_not_equal(sums_hash(s, key, sizeof(key)), was);
	sums_reset(s, EPOCH);
	assert_int_equal(sums_hash(s, key, sizeof(key)), was);
	destroy(s);
}

static void every_level_is_the_sum_of_the_one_below(void **state)
{
	struct rng r = { 1 };
	struct entry *e = any_entries(&r, ENTRIES);
	struct sums *s = create(EPOCH);
	uint64_t total = 0;

	assert_int_equal(sums_nodes(1), 256);
	assert_int_equal(sums_nodes(2), 4096);
	assert_int_equal(sums_nodes(CTS_SUMS_LEVELS), CTS_SUMS_LEAVES);
	for (size_t i = 0; i < ENTRIES; i++)
		sums_add(s, e[i].hash, e[i].seq);
	for (unsigned int level = 1; level < CTS_SUMS_LEVELS; level++)
		for (unsigned int node = 0; node < sums_nodes(level); node++) {
			uint64_t sum = 0;

			for (unsigned int i = 0; i < CTS_SUMS_FANOUT; i++)
				sum += sums_node(s, level + 1, node * CTS_SUMS_FANOUT + i);
			assert_int_equal(sums_node(s, level, node), sum & LOW_48);
		}
	for (unsigned int node = 0; node < sums_nodes(1); node++)
		total += sums_node(s, 1, node);
	assert_int_equal(total & LOW_48, s->total & LOW_48);
	assert_int_equal(s->count, ENTRIES);
	destroy(s);
	free(e);
}

static void the_order_does_not_matter_and_what_leaves_cancels_out(void **state)
{
	struct rng r = { 2 };
	struct entry *e = any_entries(&r, ENTRIES);
	struct sums *a = create(EPOCH), *b = create(EPOCH), *none = create(EPOCH);

	for (size_t i = 0; i < ENTRIES; i++)
		sums_add(a, e[i].hash, e[i].seq);
	for (size_t i = ENTRIES; i-- > 0;) {
		sums_add(b, e[i].hash, e[i].seq + 1);   /* sent twice: the former term goes */
		sums_sub(b, e[i].hash, e[i].seq + 1);
		sums_add(b, e[i].hash, e[i].seq);
	}
	assert_equal(a, b);
	assert_true(a->total != 0);
	for (size_t i = 0; i < ENTRIES; i++)
		sums_sub(a, e[i].hash, e[i].seq);
	assert_equal(a, none);
	destroy(a);
	destroy(b);
	destroy(none);
	free(e);
}

/* Nodes of a level that differ, below one that differs. */
static unsigned int descend(const struct sums *a, const struct sums *b, unsigned int level,
			    unsigned int first, unsigned int n, unsigned int *leaf)
{
	unsigned int found = 0;

	for (unsigned int node = first; node < first + n; node++) {
		if (sums_node(a, level, node) == sums_node(b, level, node))
			continue;
		if (level == CTS_SUMS_LEVELS) {
			*leaf = node;
			found++;
		} else {
			found += descend(a, b, level + 1, node * CTS_SUMS_FANOUT, CTS_SUMS_FANOUT,
					 leaf);
		}
	}
	return found;
}

static void a_descent_finds_the_one_leaf_that_differs(void **state)
{
	struct rng r = { 3 };
	struct entry *e = any_entries(&r, ENTRIES);
	struct sums *a = create(EPOCH), *b = create(EPOCH);

	for (size_t i = 0; i < ENTRIES; i++) {
		sums_add(a, e[i].hash, e[i].seq);
		sums_add(b, e[i].hash, e[i].seq);
	}
	for (int i = 0; i < 200; i++) {
		const struct entry *one = &e[rng_below(&r, ENTRIES)];
		unsigned int leaf = CTS_SUMS_LEAVES;

		/* Missing, or there with an older sequence number. */
		sums_sub(b, one->hash, one->seq);
		if (i % 2)
			sums_add(b, one->hash, one->seq - 1);
		assert_true(a->total != b->total);
		assert_int_equal(descend(a, b, 1, 0, sums_nodes(1), &leaf), 1);
		assert_int_equal(leaf, sums_leaf(one->hash));
		if (i % 2)
			sums_sub(b, one->hash, one->seq - 1);
		sums_add(b, one->hash, one->seq);
		assert_equal(a, b);
	}
	destroy(a);
	destroy(b);
	free(e);
}

/* Two entries of a leaf that swapped their numbers, or moved them by one each. */
static void differences_in_a_leaf_do_not_cancel_each_other(void **state)
{
	struct rng r = { 4 };

	for (int i = 0; i < 1000; i++) {
		struct sums s = { .count = 0 };
		uint64_t leaf[1] = { 0 };
		uint64_t x = rng_next(&r) >> 16, y = rng_next(&r) >> 16, seq = rng_number(&r, 40);

		s.leaf = leaf;       /* hashes of leaf 0 alone */
		sums_add(&s, x, seq);
		sums_add(&s, y, seq + 1);
		sums_sub(&s, x, seq + 1);
		sums_sub(&s, y, seq);
		assert_true(x == y || sums_node(&s, CTS_SUMS_LEVELS, 0) & LOW_48);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_of_other_builds_get_the_same_values),
		cmocka_unit_test(another_epoch_hashes_otherwise),
		cmocka_unit_test(every_level_is_the_sum_of_the_one_below),
		cmocka_unit_test(the_order_does_not_matter_and_what_leaves_cancels_out),
		cmocka_unit_test(a_descent_finds_the_one_leaf_that_differs),
		cmocka_unit_test(differences_in_a_leaf_do_not_cancel_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
