/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers of the cpg transport: many small messages, or acknowledgements, in
 * one message of corosync. All numbers are big endian.
 *   header: "CTSG", version 1, kind, two zero bytes, total (64 bit: bytes of data
 *   containers that the sender has sent, and 512 for each, this one included)
 *   data: for each message its length (32 bit) and its bytes
 *   acknowledgements: node, pid (32 bit each), bytes of its total that were read
 */
#ifndef CTS_TRANSPORT_CPG_PACK_H
#define CTS_TRANSPORT_CPG_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CPG_HEADER 16u
#define CPG_FRAME 4u
#define CPG_ACK 16u
#define CPG_PACK_MESSAGES 256 /* in one container */

enum cpg_kind { CPG_KIND_DATA = 1, CPG_KIND_ACK = 2 };

struct cpg_header {
	uint8_t kind;
	uint64_t total;
};

struct cpg_ack {
	uint32_t node, pid;
	uint64_t bytes;
};

/* Builders return how many bytes they wrote; the caller has made room. */
size_t cpg_build_header(uint8_t *p, enum cpg_kind kind, uint64_t total);
size_t cpg_build_message(uint8_t *p, const void *msg, size_t len);
size_t cpg_build_ack(uint8_t *p, const struct cpg_ack *a);

/* false: not one of our containers. */
bool cpg_parse_header(const void *data, size_t len, struct cpg_header *h);
/* The messages of a data container, lent; -1: damaged, none may be used. */
int cpg_parse_messages(const uint8_t *p, size_t len, struct iovec *msg, int max);
/* The next acknowledgement; false: no whole one is left. */
bool cpg_parse_ack(const uint8_t **p, size_t *len, struct cpg_ack *a);

#endif
