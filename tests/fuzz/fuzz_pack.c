/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packed flows from a peer: what unpacks without unknown attributes packs to
 * the same bytes, version included, and its key is its prefix. */
#include "config.h"

#include "core/flow/pack.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	struct cts_flow_store s;
	size_t len;

	gen_flow(r, &s);
	len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, buf, FUZZ_INPUT_MAX);
	return cts_packed_set_version(buf, len, FUZZ_INPUT_MAX, 1 + (uint32_t)rng_number(r, 31));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t key_len = cts_packed_key_len(data, size);
	uint8_t again[FUZZ_INPUT_MAX];
	struct cts_flow_store s;
	unsigned int unknown = 0;
	size_t len;

	fuzz_check(key_len <= size);
	fuzz_check(cts_packed_body_len(data, size) <= size);
	if (cts_flow_unpack(data, size, &s, &unknown) < 0)
		return 0;
	fuzz_check(key_len > 0);
	len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, again, sizeof(again));
	fuzz_check(len == cts_packed_body_len(data, size) && len >= key_len);
	len = cts_packed_set_version(again, len, sizeof(again), cts_packed_version(data, size));
	fuzz_check(len && len <= size);
	fuzz_check(!memcmp(data, again, key_len));
	fuzz_check(unknown || (len == size && !memcmp(data, again, len)));
	return 0;
}
