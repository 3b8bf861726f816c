/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache against a plain table, by random operations; its limits and its size. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/flow/pack.h"
#include "core/sync/store/cache.h"

#define KEYS 5000u
#define KEY_LEN 14u      /* IPv4 TCP without a zone */

static const uint8_t hash_key[16] = "a key of 16 byte";
static uint64_t seed = 1;

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % below;
}

/* Key i as flags, protocol, addresses, ports; then len - KEY_LEN bytes of value. */
static size_t make(uint8_t buf[CTS_PACK_MAX], uint32_t i, uint8_t value, size_t len)
{
	memset(buf, value, CTS_PACK_MAX);
	memset(buf, 0, KEY_LEN);
	buf[1] = 6;
	memcpy(buf + 2, &i, sizeof(i));
	buf[12] = 1;
	assert_int_equal(cts_packed_key_len(buf, len), KEY_LEN);
	return len;
}

struct model {
	uint32_t ref;    /* 0: not there */
	uint8_t value;
	size_t len;
};

static void check_one(struct cts_cache *c, const struct model *m, uint32_t i)
{
	uint8_t buf[CTS_PACK_MAX];
	const uint8_t *have;
	size_t len;

	make(buf, i, m->value, m->len ? m->len : KEY_LEN);
	assert_int_equal(cts_cache_find(c, buf, KEY_LEN), m->ref);
	if (!m->ref)
		return;
	have = cts_cache_data(c, m->ref, &len);
	assert_int_equal(len, m->len);
	assert_memory_equal(have, buf, len);
}

static void one_operation(struct cts_cache *c, struct model *m, uint32_t i, size_t *count)
{
	uint8_t buf[CTS_PACK_MAX];
	size_t len = KEY_LEN + any(CTS_PACK_MAX - KEY_LEN);
	uint8_t value = (uint8_t)any(256);

	make(buf, i, value, len);
	if (m->ref && any(3) == 0) {
		cts_cache_remove(c, m->ref);
		assert_null(cts_cache_entry(c, m->ref));
		*m = (struct model){ 0 };
		(*count)--;
		return;
	}
	if (m->ref) {
		assert_int_equal(cts_cache_replace(c, m->ref, buf, len), 0);
	} else {
		m->ref = cts_cache_insert(c, buf, len, 7);
		assert_int_not_equal(m->ref, 0);
		assert_int_equal(cts_cache_entry(c, m->ref)->created, 7);
		(*count)++;
	}
	m->value = value;
	m->len = len;
}

static void behaves_like_a_plain_table(void **state)
{
	static struct model model[KEYS];
	struct cts_cache *c = cts_cache_create(KEYS, hash_key);
	size_t count = 0, walked;
	uint32_t i, ref;

	(void)state;
	assert_non_null(c);
	for (i = 0; i < 300000; i++) {
		uint32_t k = any(KEYS);

		one_operation(c, &model[k], k, &count);
		check_one(c, &model[k], k);
		assert_int_equal(cts_cache_count(c), count);
	}
	for (i = 0; i < KEYS; i++)
		check_one(c, &model[i], i);
	for (ref = 0, walked = 0; (ref = cts_cache_next(c, ref)); walked++)
		assert_non_null(cts_cache_entry(c, ref));
	assert_int_equal(walked, count);
	cts_cache_clear(c);
	assert_int_equal(cts_cache_count(c), 0);
	assert_int_equal(cts_cache_next(c, 0), 0);
	cts_cache_destroy(c);
}

static void refuses_beyond_its_limit_and_counts_it(void **state)
{
	struct cts_cache *c = cts_cache_create(10, hash_key);
	struct cts_cache_stats st;
	uint8_t buf[CTS_PACK_MAX];
	uint32_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		assert_int_not_equal(cts_cache_insert(c, buf, make(buf, i, 1, 30), 0), 0);
	assert_int_equal(cts_cache_insert(c, buf, make(buf, 10, 1, 30), 0), 0);
	assert_int_equal(errno, ENOSPC);
	cts_cache_get_stats(c, &st);
	assert_int_equal(st.create_full, 1);
	buf[1] = 6;
	assert_int_equal(cts_cache_insert(c, buf, 3, 0), 0);
	assert_int_equal(errno, EINVAL);
	cts_cache_destroy(c);
}

static void a_flow_costs_less_than_85_bytes(void **state)
{
	struct cts_cache *c = cts_cache_create(2000000, hash_key);
	struct cts_cache_stats st;
	uint8_t buf[CTS_PACK_MAX];
	uint32_t i, n = 1000000;

	(void)state;
	for (i = 0; i < n; i++)
		assert_int_not_equal(cts_cache_insert(c, buf, make(buf, i, 1, 30), 0), 0);
	cts_cache_get_stats(c, &st);
	print_message("%u flows of 30 packed bytes: %.1f bytes each\n", n,
		      (double)st.bytes / n);
	assert_true(st.bytes < 85u * n);
	cts_cache_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_like_a_plain_table),
		cmocka_unit_test(refuses_beyond_its_limit_and_counts_it),
		cmocka_unit_test(a_flow_costs_less_than_85_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
