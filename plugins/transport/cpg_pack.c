/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <endian.h>
#include <string.h>

#include "plugins/transport/cpg_pack.h"

static const uint8_t cpg_magic[5] = { 'C', 'T', 'S', 'G', 1 };

static void put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

size_t cpg_build_header(uint8_t *p, enum cpg_kind kind, uint64_t total)
{
	memset(p, 0, CPG_HEADER);
	memcpy(p, cpg_magic, sizeof(cpg_magic));
	p[5] = (uint8_t)kind;
	put64(p + 8, total);
	return CPG_HEADER;
}

bool cpg_parse_header(const void *data, size_t len, struct cpg_header *h)
{
	const uint8_t *p = data;

	if (len < CPG_HEADER || memcmp(p, cpg_magic, sizeof(cpg_magic)) != 0 || p[6] || p[7])
		return false;
	h->kind = p[5];
	h->total = get64(p + 8);
	return h->kind == CPG_KIND_DATA || h->kind == CPG_KIND_ACK;
}

size_t cpg_build_message(uint8_t *p, const void *msg, size_t len)
{
	put32(p, (uint32_t)len);
	memcpy(p + CPG_FRAME, msg, len);
	return CPG_FRAME + len;
}

int cpg_parse_messages(const uint8_t *p, size_t len, struct iovec *msg, int max)
{
	int n = 0;

	while (len > 0) {
		size_t size;

		if (len < CPG_FRAME || n == max)
			return -1;
		size = get32(p);
		if (!size || size > len - CPG_FRAME)
			return -1;
		msg[n++] = (struct iovec){ (void *)(p + CPG_FRAME), size };
		p += CPG_FRAME + size;
		len -= CPG_FRAME + size;
	}
	return n;
}

size_t cpg_build_ack(uint8_t *p, const struct cpg_ack *a)
{
	put32(p, a->node);
	put32(p + 4, a->pid);
	put64(p + 8, a->bytes);
	return CPG_ACK;
}

bool cpg_parse_ack(const uint8_t **p, size_t *len, struct cpg_ack *a)
{
	if (*len < CPG_ACK)
		return false;
	*a = (struct cpg_ack){ get32(*p), get32(*p + 4), get64(*p + 8) };
	*p += CPG_ACK;
	*len -= CPG_ACK;
	return true;
}
