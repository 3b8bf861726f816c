/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CRC32C, polynomial 0x1edc6f41 reflected (RFC 3720, appendix B.4). */
#include "config.h"

#include <string.h>

#include "core/sync/wire.h"

#define POLY 0x82f63b78u

static uint32_t crc_bits(uint32_t crc, const uint8_t *p, size_t len)
{
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? POLY : 0);
	}
	return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2")))
static uint32_t crc_fast(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t crc64 = crc, word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		crc64 = _mm_crc32_u64(crc64, word);
	}
	crc = (uint32_t)crc64;
	while (len--)
		crc = _mm_crc32_u8(crc, *p++);
	return crc;
}

static uint32_t crc_run(uint32_t crc, const uint8_t *p, size_t len)
{
	return __builtin_cpu_supports("sse4.2") ? crc_fast(crc, p, len) : crc_bits(crc, p, len);
}
#else
#define crc_run crc_bits
#endif

uint32_t cts_crc32c(uint32_t crc, const void *data, size_t len)
{
	return ~crc_run(~crc, data, len);
}
