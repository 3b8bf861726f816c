/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages from the network: as they come, and once more with a right header and
 * checksum, so that every parser behind them is reached. What this node owns must
 * stay as it is, and what it holds must stay within its limits.
 */
#include "config.h"

#include "tests/fuzz/fuzz_pair.h"

static struct pair f;

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	const struct pair_message *m;

	if (!f.a.engine)
		pair_ready(&f);
	m = &f.pool[rng_below(r, f.n_pool)];
	memcpy(buf, m->data, m->len);
	return m->len;
}

/* The same body, as if its sender had meant it. */
static void give_sealed(const uint8_t *data, size_t size)
{
	const struct peer *b = pair_peer_b(&f);
	struct cts_wire_header h = { .type = data[3], .cluster = f.a.engine->base.cluster,
				     .node = cts_node_id("b"), .epoch = b ? b->epoch : 1 };
	struct cts_wire_out out;
	uint8_t *buf = malloc(size);
	unsigned int i;

	fuzz_check(buf);
	for (i = 24; i < 32; i++)
		h.number = h.number << 8 | data[i];
	if (b && h.type == CTS_MSG_DATA && h.number % 4)  /* else all are late */
		h.number = b->recv.high + 1 + (h.number % 4 == 3 ? data[30] : 0);
	cts_wire_begin(&out, buf, size);
	cts_put_bytes(&out, data + CTS_WIRE_HEADER, size - CTS_WIRE_HEADER);
	pair_give(&f, buf, cts_wire_finish(&out, &h));
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	fuzz_check(copy);
	if (size)
		memcpy(copy, data, size);
	pair_ready(&f);
	pair_give(&f, copy, size);
	if (size >= CTS_WIRE_HEADER)
		give_sealed(data, size);
	f.now += MS;
	f.a.n_out = 0;
	cts_engine_run(f.a.engine, f.now);
	pair_check(&f);
	free(copy);
	return 0;
}
