/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <endian.h>

#include "core/sync/wire.h"

#define CRC_OFFSET 32u

void cts_put_bytes(struct cts_wire_out *o, const void *data, size_t len)
{
	if (o->full || len > o->size - o->len) {
		o->full = true;
		return;
	}
	memcpy(o->buf + o->len, data, len);
	o->len += len;
}

void cts_put_u8(struct cts_wire_out *o, uint8_t v)
{
	cts_put_bytes(o, &v, sizeof(v));
}

void cts_put_u16(struct cts_wire_out *o, uint16_t v)
{
	v = htobe16(v);
	cts_put_bytes(o, &v, sizeof(v));
}

void cts_put_u32(struct cts_wire_out *o, uint32_t v)
{
	v = htobe32(v);
	cts_put_bytes(o, &v, sizeof(v));
}

void cts_put_u64(struct cts_wire_out *o, uint64_t v)
{
	v = htobe64(v);
	cts_put_bytes(o, &v, sizeof(v));
}

const uint8_t *cts_get_bytes(struct cts_wire_in *in, size_t len)
{
	const uint8_t *p = in->buf + in->pos;

	if (in->bad || len > in->len - in->pos) {
		in->bad = true;
		return NULL;
	}
	in->pos += len;
	return p;
}

uint8_t cts_get_u8(struct cts_wire_in *in)
{
	const uint8_t *p = cts_get_bytes(in, 1);

	return p ? *p : 0;
}

void cts_put_u24(struct cts_wire_out *o, uint32_t v)
{
	cts_put_u8(o, (uint8_t)(v >> 16));
	cts_put_u16(o, (uint16_t)v);
}

void cts_put_u48(struct cts_wire_out *o, uint64_t v)
{
	cts_put_u16(o, (uint16_t)(v >> 32));
	cts_put_u32(o, (uint32_t)v);
}

uint16_t cts_get_u16(struct cts_wire_in *in)
{
	const uint8_t *p = cts_get_bytes(in, sizeof(uint16_t));
	uint16_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

uint32_t cts_get_u32(struct cts_wire_in *in)
{
	const uint8_t *p = cts_get_bytes(in, sizeof(uint32_t));
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

uint64_t cts_get_u64(struct cts_wire_in *in)
{
	const uint8_t *p = cts_get_bytes(in, sizeof(uint64_t));
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

uint32_t cts_get_u24(struct cts_wire_in *in)
{
	uint32_t high = cts_get_u8(in);

	return high << 16 | cts_get_u16(in);
}

uint64_t cts_get_u48(struct cts_wire_in *in)
{
	uint64_t high = cts_get_u16(in);

	return high << 32 | cts_get_u32(in);
}

void cts_wire_begin(struct cts_wire_out *o, uint8_t *buf, size_t size)
{
	*o = (struct cts_wire_out){ .buf = buf, .size = size, .len = CTS_WIRE_HEADER };
	o->full = size < CTS_WIRE_HEADER;
}

/* The checksum covers the whole message, with zeros in its own place. */
static uint32_t message_crc(const uint8_t *msg, size_t len)
{
	static const uint8_t zeros[4];
	uint32_t crc = cts_crc32c(0, msg, CRC_OFFSET);

	crc = cts_crc32c(crc, zeros, sizeof(zeros));
	return cts_crc32c(crc, msg + CTS_WIRE_HEADER, len - CTS_WIRE_HEADER);
}

size_t cts_wire_finish(struct cts_wire_out *o, struct cts_wire_header *h)
{
	struct cts_wire_out head = { .buf = o->buf, .size = CTS_WIRE_HEADER };

	if (o->full || o->len > CTS_WIRE_MAX)
		return 0;
	h->length = (uint16_t)o->len;
	cts_put_u16(&head, CTS_WIRE_MAGIC);
	cts_put_u8(&head, CTS_WIRE_VERSION);
	cts_put_u8(&head, h->type);
	cts_put_u8(&head, h->flags);
	cts_put_u8(&head, 0);
	cts_put_u16(&head, h->length);
	cts_put_u32(&head, h->cluster);
	cts_put_u32(&head, h->node);
	cts_put_u64(&head, h->epoch);
	cts_put_u64(&head, h->number);
	cts_put_u32(&head, message_crc(o->buf, o->len));
	return o->len;
}

enum cts_wire_error cts_wire_open(const uint8_t *msg, size_t len, struct cts_wire_header *h,
				  struct cts_wire_in *in)
{
	*in = (struct cts_wire_in){ .buf = msg, .len = len };
	if (len < CTS_WIRE_HEADER || len > CTS_WIRE_MAX)
		return CTS_WIRE_BAD_LENGTH;
	if (cts_get_u16(in) != CTS_WIRE_MAGIC)
		return CTS_WIRE_BAD_MAGIC;
	h->version = cts_get_u8(in);
	h->type = cts_get_u8(in);
	h->flags = cts_get_u8(in);
	cts_get_u8(in);
	h->length = cts_get_u16(in);
	h->cluster = cts_get_u32(in);
	h->node = cts_get_u32(in);
	h->epoch = cts_get_u64(in);
	h->number = cts_get_u64(in);
	h->sum = cts_get_u32(in);
	if (h->version != CTS_WIRE_VERSION)
		return CTS_WIRE_BAD_VERSION;
	if (h->length != len)
		return CTS_WIRE_BAD_LENGTH;
	if (h->sum != message_crc(msg, len))
		return CTS_WIRE_BAD_CRC;
	if (!h->type || h->type >= CTS_MSG_MAX ||
	    h->flags & ~(h->type == CTS_MSG_DATA ? CTS_WIRE_ACK_NOW : 0))
		return CTS_WIRE_BAD_TYPE;
	return CTS_WIRE_OK;
}

int cts_record_next(struct cts_wire_in *in, struct cts_record *rec)
{
	if (!cts_wire_left(in))
		return in->bad ? -1 : 0;
	rec->type = cts_get_u8(in);
	rec->len = rec->type < 0x80 ? cts_get_u8(in) : cts_get_u16(in);
	rec->data = cts_get_bytes(in, rec->len);
	return rec->data ? 1 : -1;
}
