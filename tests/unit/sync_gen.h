/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of the engine's parts share: entries by number, and a base without callbacks. */
#ifndef CTS_TESTS_SYNC_GEN_H
#define CTS_TESTS_SYNC_GEN_H

#include <string.h>

#include "core/flow/pack.h"
#include "core/sync/base.h"
#include "core/sync/store/cache.h"
#include "tests/unit/flow_gen.h"

#define GEN_KEY_LEN 14u              /* IPv4, TCP, no zone */
#define GEN_LEN_MAX 24u

/* Entry i with a status of value; 0: the key alone. */
static inline size_t gen_entry(uint8_t buf[GEN_LEN_MAX], uint32_t i, uint16_t value)
{
	size_t len = GEN_KEY_LEN;

	memset(buf, 0, GEN_LEN_MAX);
	buf[1] = 6;
	memcpy(buf + 2, &i, sizeof(i));
	buf[12] = 1;
	if (!value)
		return len;
	buf[len++] = value > 0xff ? 1 << 3 | 2 : 1 << 3 | 1;
	if (value > 0xff)
		buf[len++] = (uint8_t)(value >> 8);
	buf[len++] = (uint8_t)value;
	return len;
}

static inline uint32_t gen_number(const uint8_t *packed)
{
	uint32_t i;

	memcpy(&i, packed + 2, sizeof(i));
	return i;
}

/* The value that packed bytes with or without a version have. */
static inline uint16_t gen_value(const uint8_t *packed, size_t len)
{
	if (len <= GEN_KEY_LEN)
		return 0;
	return packed[GEN_KEY_LEN] == (1 << 3 | 2)
		       ? (uint16_t)(packed[GEN_KEY_LEN + 1] << 8 | packed[GEN_KEY_LEN + 2])
		       : packed[GEN_KEY_LEN + 1];
}

static inline void gen_base(struct base *b, size_t limit)
{
	memset(b, 0, sizeof(*b));
	b->conf.mode = CTS_MODE_FTFW;
	b->conf.cache_limit = limit;
	b->conf.purge_timeout_s = 60;
	b->conf.startup_resync = true;
	b->now = 100 * SECOND;
	b->epoch = 0x1234567890;
	b->id = 1;
	memcpy(b->hash_key, "sixteen bytes...", 16);
}

#endif
