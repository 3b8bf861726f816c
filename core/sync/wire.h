/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages and records of the replication protocol: build_* and parse_* twins.
 * doc/WIRE.md has the bytes. All integers are in network order; every length is
 * checked before a field is read.
 */
#ifndef CTS_SYNC_WIRE_H
#define CTS_SYNC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CTS_WIRE_MAGIC 0x4373u       /* "Cs" */
#define CTS_WIRE_VERSION 1u          /* the highest that is spoken */
#define CTS_WIRE_VERSION_MIN 1u      /* the lowest; HELLO, CHALLENGE, PROOF, BYE are always 1 */
#define CTS_WIRE_HEADER 36u
#define CTS_WIRE_MAX 65507u          /* largest message: a UDP datagram's payload */
#define CTS_WIRE_MIN_MAX 512u        /* a transport must carry at least this much */
#define CTS_NAME_MAX 63u

enum cts_wire_type {
	CTS_MSG_HELLO = 1, CTS_MSG_CHALLENGE, CTS_MSG_PROOF, CTS_MSG_DATA, CTS_MSG_ACK,
	CTS_MSG_START, CTS_MSG_PULL, CTS_MSG_BYE, CTS_MSG_MAX
};

/* Bit 0 of the flags is kept for the sealed form, in which the CRC's place holds
 * the key's id and a nonce and a tag surround the body; today it is refused. */
#define CTS_WIRE_SEALED 0x01u
#define CTS_WIRE_ACK_NOW 0x02u       /* DATA: acknowledge at once */

struct cts_wire_header {
	uint8_t version, type, flags;
	uint16_t length;
	uint32_t cluster, node;
	uint64_t epoch;
	uint64_t number;               /* DATA: sequence number; else 0 */
	uint32_t sum;                  /* as it was received */
};

/*
 * DATA begins with a u16: how far below its own number everything is settled, that
 * is acknowledged, or sent again in this message or one before it. Records follow.
 * Types below 0x80 have an 8 bit length, others a 16 bit one, so that a reader skips
 * what it does not know.
 */
enum cts_record_type {
	CTS_REC_UPSERT = 0x01,         /* a packed flow */
	CTS_REC_DELETE = 0x02,         /* its key */
	CTS_REC_DROP = 0x03,           /* u16 leaf, u24 key part: no such entry exists */
	CTS_REC_DIGEST = 0x04,         /* u8 flags, u64 count, u64 total of the sums */
	CTS_REC_SUMS = 0x81,           /* u8 level, u16 first node, then u48 of each */
	CTS_REC_PAD = 0x82,            /* nothing: a message of a size that is tried */
};
#define CTS_DIGEST_COMPLETE 0x01u    /* nothing waits to be sent for the first time */
#define CTS_DIGEST_BUSY 0x02u        /* a transfer or a repair is under way */

static inline bool cts_bitmap_get(const uint8_t *map, unsigned int b)
{
	return map[b / 8] >> b % 8 & 1;
}

static inline void cts_bitmap_set(uint8_t *map, unsigned int b)
{
	map[b / 8] |= (uint8_t)(1 << b % 8);
}

static inline void cts_bitmap_clear(uint8_t *map, unsigned int b)
{
	map[b / 8] &= (uint8_t)~(1 << b % 8);
}

/* -- a buffer that is written to, or read from; overrun is remembered -- */

struct cts_wire_out {
	uint8_t *buf;
	size_t len, size;
	bool full;
};

struct cts_wire_in {
	const uint8_t *buf;
	size_t len, pos;
	bool bad;
};

void cts_put_u8(struct cts_wire_out *o, uint8_t v);
void cts_put_u16(struct cts_wire_out *o, uint16_t v);
void cts_put_u24(struct cts_wire_out *o, uint32_t v);
void cts_put_u32(struct cts_wire_out *o, uint32_t v);
void cts_put_u48(struct cts_wire_out *o, uint64_t v);
void cts_put_u64(struct cts_wire_out *o, uint64_t v);
void cts_put_bytes(struct cts_wire_out *o, const void *data, size_t len);
uint8_t cts_get_u8(struct cts_wire_in *in);
uint16_t cts_get_u16(struct cts_wire_in *in);
uint32_t cts_get_u24(struct cts_wire_in *in);
uint32_t cts_get_u32(struct cts_wire_in *in);
uint64_t cts_get_u48(struct cts_wire_in *in);
uint64_t cts_get_u64(struct cts_wire_in *in);
const uint8_t *cts_get_bytes(struct cts_wire_in *in, size_t len);   /* NULL: too short */

static inline size_t cts_wire_left(const struct cts_wire_in *in)
{
	return in->bad ? 0 : in->len - in->pos;
}

/* -- header -- */

/* Begin a message in buf: room for the header. Body follows; finish() writes it. */
void cts_wire_begin(struct cts_wire_out *o, uint8_t *buf, size_t size);
/* Header and checksum. Returns the message's length, 0: it did not fit. */
size_t cts_wire_finish(struct cts_wire_out *o, struct cts_wire_header *h);

enum cts_wire_error {
	CTS_WIRE_OK, CTS_WIRE_BAD_LENGTH, CTS_WIRE_BAD_MAGIC, CTS_WIRE_BAD_VERSION,
	CTS_WIRE_BAD_CRC, CTS_WIRE_BAD_TYPE
};
/* Check a whole message; in is its body. */
enum cts_wire_error cts_wire_open(const uint8_t *msg, size_t len, struct cts_wire_header *h,
				  struct cts_wire_in *in);

/* -- records -- */

struct cts_record {
	uint8_t type;
	const uint8_t *data;
	size_t len;
};
/* 1: a record; 0: end; -1: damaged. */
int cts_record_next(struct cts_wire_in *in, struct cts_record *rec);

/* CRC32C (RFC 3720), by instruction where the CPU has one. */
uint32_t cts_crc32c(uint32_t crc, const void *data, size_t len);

#endif
