/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Series of messages: first into the parser, whose word is held against a plain second
 * reading, then into an engine, whose counters must say what became of each. An input
 * is, again and again: a byte of what to put right, two of a length, and the message.
 *   bit 0      length and checksum are right: damage elsewhere in the header is read
 *   bit 1      cluster, sender and its epoch are b's
 *   bit 2      the number is near the one that is expected next
 *   bits 4-7   time that passes
 */
#include "config.h"

#include "tests/fuzz/fuzz_pair.h"

#define SEAL 0x01u
#define AS_B 0x02u
#define NEAR 0x04u
#define SERIES_MAX 8u

static struct pair f;

/* -- seeds -- */

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	unsigned int n = 1 + rng_below(r, 4);
	size_t len = 0;

	if (!f.a.engine)
		pair_ready(&f);
	for (; n; n--) {
		const struct pair_message *m = &f.pool[rng_below(r, f.n_pool)];

		if (len + 3 + m->len > FUZZ_INPUT_MAX)
			break;
		buf[len++] = (uint8_t)(rng_below(r, 5) ? SEAL | AS_B | NEAR | rng_below(r, 16) << 4
						       : rng_below(r, 256));
		buf[len++] = (uint8_t)(m->len >> 8);
		buf[len++] = (uint8_t)m->len;
		memcpy(buf + len, m->data, m->len);
		len += m->len;
	}
	return len;
}

/* -- the parser -- */

static uint64_t number_at(const uint8_t *p, unsigned int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static uint32_t plain_crc(const uint8_t *msg, size_t len)
{
	uint32_t crc = ~UINT32_C(0);
	unsigned int bit;
	size_t i;

	for (i = 0; i < len; i++) {
		crc ^= i >= 32 && i < 36 ? 0 : msg[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static enum cts_wire_error plain_open(const uint8_t *msg, size_t len)
{
	if (len < 36 || len > 65507)
		return CTS_WIRE_BAD_LENGTH;
	if (msg[0] != 0x43 || msg[1] != 0x73)
		return CTS_WIRE_BAD_MAGIC;
	if (msg[2] != 1)
		return CTS_WIRE_BAD_VERSION;
	if (number_at(msg + 6, 2) != len)
		return CTS_WIRE_BAD_LENGTH;
	if (number_at(msg + 32, 4) != plain_crc(msg, len))
		return CTS_WIRE_BAD_CRC;
	return msg[3] >= 1 && msg[3] <= 8 && !(msg[4] & ~(msg[3] == CTS_MSG_DATA ? 2 : 0)) ? CTS_WIRE_OK : CTS_WIRE_BAD_TYPE;
}

/* Records by hand: as many, of the same types, up to the same place. */
static void check_records(const uint8_t *body, size_t len)
{
	struct cts_wire_in in = { .buf = body, .len = len };
	struct cts_record rec;
	size_t at = 0;

	while (at < len) {
		unsigned int wide = body[at] & 0x80 ? 2 : 1;
		int ret = cts_record_next(&in, &rec);

		if (len - at < 1 + wide || number_at(body + at + 1, wide) > len - at - 1 - wide) {
			fuzz_check(ret == -1 && cts_record_next(&in, &rec) == -1);
			return;
		}
		fuzz_check(ret == 1 && rec.type == body[at]);
		at += 1 + wide;
		fuzz_check(rec.data == body + at);
		at += rec.len;
		fuzz_check(at <= len);
	}
	fuzz_check(!cts_record_next(&in, &rec));
}

static enum cts_wire_error check_parser(const uint8_t *msg, size_t len)
{
	struct cts_wire_header h;
	struct cts_wire_in in;
	enum cts_wire_error error = cts_wire_open(msg, len, &h, &in);

	fuzz_check(error == plain_open(msg, len));
	if (error)
		return error;
	fuzz_check(h.cluster == number_at(msg + 8, 4) && h.node == number_at(msg + 12, 4) &&
		   h.epoch == number_at(msg + 16, 8) && h.number == number_at(msg + 24, 8));
	fuzz_check(cts_wire_left(&in) == len - CTS_WIRE_HEADER);
	check_records(msg + CTS_WIRE_HEADER, len - CTS_WIRE_HEADER);
	return CTS_WIRE_OK;
}

/* -- the engine -- */

/* Each message is counted where it belongs, once; the first that is wrong ends it. */
static void check_counted(const struct cts_engine_stats *was, const uint8_t *msg,
			  enum cts_wire_error error)
{
	const struct cts_engine *e = f.a.engine;
	struct cts_engine_stats is;
	uint64_t bad[] = {
		[CTS_WIRE_BAD_LENGTH] = was->bad_length, [CTS_WIRE_BAD_MAGIC] = was->bad_magic,
		[CTS_WIRE_BAD_VERSION] = was->bad_version, [CTS_WIRE_BAD_CRC] = was->bad_crc,
		[CTS_WIRE_BAD_TYPE] = was->bad_type,
	};
	bool foreign, own;

	cts_engine_get_stats(e, &is);
	bad[error] += error != CTS_WIRE_OK;
	fuzz_check(is.recv_messages == was->recv_messages + 1);
	fuzz_check(is.bad_length == bad[CTS_WIRE_BAD_LENGTH] &&
		   is.bad_magic == bad[CTS_WIRE_BAD_MAGIC] && is.bad_crc == bad[CTS_WIRE_BAD_CRC] &&
		   is.bad_type == bad[CTS_WIRE_BAD_TYPE]);
	/* A HELLO names versions too. */
	fuzz_check(is.bad_version - bad[CTS_WIRE_BAD_VERSION] <=
		   (error == CTS_WIRE_OK && msg[3] == CTS_MSG_HELLO));
	foreign = !error && number_at(msg + 8, 4) != e->base.cluster;
	own = !error && !foreign && number_at(msg + 12, 4) == e->base.id;
	fuzz_check(is.wrong_cluster == was->wrong_cluster + foreign);
	fuzz_check(is.own_id == was->own_id + own);
	if (error || foreign || own)
		fuzz_check(is.recv_records == was->recv_records &&
			   is.acks_received == was->acks_received);
}

/* Nobody is believed without a proof, which no input can hold: not a stranger, and not
 * b in another epoch. */
static void check_believed(uint64_t epoch)
{
	const struct peer *p;
	unsigned int n = 0;

	peers_for_each(p, &f.a.engine->peers) {
		fuzz_check(p->id == cts_node_id("b") && p->epoch == epoch);
		n++;
	}
	fuzz_check(n == 1);
}

/* What a has of b can be read by all who read it later. */
static void check_entries(const struct peer *b)
{
	struct cts_flow_store s;
	const uint8_t *packed;
	uint32_t ref = 0;
	size_t len;

	while ((ref = cts_cache_next(b->recv.replica.cache, ref))) {
		packed = cts_cache_data(b->recv.replica.cache, ref, &len);
		fuzz_check(cts_flow_unpack(packed, len, &s, NULL) == 0);
	}
}

static void put_number(uint8_t *p, unsigned int n, uint64_t v)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

static void put_right(const struct peer *b, uint8_t what, uint8_t *msg, size_t len)
{
	if (len < CTS_WIRE_HEADER)
		return;
	if (what & AS_B) {
		put_number(msg + 8, 4, f.a.engine->base.cluster);
		put_number(msg + 12, 4, b->id);
		put_number(msg + 16, 8, b->epoch);
	}
	if (what & NEAR)
		put_number(msg + 24, 8, b->recv.high + msg[31] % 8);
	if (what & SEAL) {
		put_number(msg + 6, 2, len);
		put_number(msg + 32, 4, plain_crc(msg, len));
	}
}

static void one_message(uint8_t what, const uint8_t *data, size_t len)
{
	static const uint16_t pass_ms[16] = { 0, 0, 0, 0, 1, 1, 1, 2, 10, 11, 20, 50, 100, 200, 500, 2500 };
	const struct peer *b = pair_peer_b(&f);
	uint8_t *msg = malloc(len ? len : 1);
	struct cts_engine_stats was;
	enum cts_wire_error error;
	uint64_t epoch;

	fuzz_check(msg && b && b->epoch);
	epoch = b->epoch;
	if (len)
		memcpy(msg, data, len);
	put_right(b, what, msg, len);
	error = check_parser(msg, len);
	cts_engine_get_stats(f.a.engine, &was);
	pair_give(&f, msg, len);
	check_counted(&was, msg, error);
	f.now += pass_ms[what >> 4] * MS;
	f.a.n_out = 0;
	cts_engine_run(f.a.engine, f.now);
	check_believed(epoch);
	pair_check(&f);
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int n;

	pair_ready(&f);
	for (n = 0; n < SERIES_MAX && size >= 3; n++) {
		uint8_t what = data[0];
		size_t len = (size_t)data[1] << 8 | data[2];

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		one_message(what, data, len);
		data += len;
		size -= len;
	}
	if (f.inputs % 64 == 0 && pair_peer_b(&f))
		check_entries(pair_peer_b(&f));
	return 0;
}
