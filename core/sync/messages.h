/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bodies of all messages but DATA: build_* and parse_* twins, and what a report
 * on a stream says. parse_* check every field and return false for what no engine
 * sends. doc/WIRE.md has the bytes.
 */
#ifndef CTS_SYNC_MESSAGES_H
#define CTS_SYNC_MESSAGES_H

#include "core/sync/recv/gaps.h"
#include "core/sync/wire.h"

#define NONCE_LEN 16u

/* What a receiver says of the stream of one node. */
struct report {
	uint32_t node;               /* whose stream */
	uint64_t epoch;              /* ... in which epoch */
	uint64_t start;              /* the start sequence that it goes by; 0: it has none */
	uint64_t high;               /* applied up to here, but for gaps */
	uint64_t equal_at;           /* at this number the digests were equal; 0: never */
	uint8_t flags;
};
#define REPORT_HOLDS 0x01u           /* nothing is known to be missing */
#define REPORT_REFUSED 0x02u         /* some entries had no room */
#define REPORT_LACKING 0x04u         /* some did not get into its kernel */
#define REPORT_GAPS 0x08u            /* some below high are missing; an ACK says which */
#define REPORT_FORKED 0x10u          /* two messages had the same number */
#define REPORT_BYTES 37u

struct hello {
	uint64_t table_id;
	uint64_t last;               /* highest sequence number that was sent */
	uint64_t token;              /* random, of this message: a copy of oneself sends others */
	uint64_t attrs;              /* that are replicated */
	uint32_t waiting;            /* entries that wait to be sent... */
	uint16_t waiting_ms;         /* ... and since when there is such */
	uint32_t limit;              /* of its caches */
	uint32_t uptime_s;
	uint8_t highest, lowest;     /* versions spoken */
	uint16_t capabilities;       /* none today */
	uint8_t mode;                /* enum cts_sync_mode */
	uint8_t flags;
	uint8_t name_len;
	char name[CTS_NAME_MAX + 1];
};
#define HELLO_READY 0x01u            /* its kernel's table is read */
#define HELLO_INCOMPLETE 0x02u       /* its own cache had no room for all of it */

/* The fixed part; reports follow as long as there is room. */
void build_hello(struct cts_wire_out *o, const struct hello *h);
void build_report(struct cts_wire_out *o, const struct report *r);
/* in is left at the reports. */
bool parse_hello(struct cts_wire_in *in, struct hello *h);
/* 1: a report; 0: end; -1: damaged. */
int parse_report(struct cts_wire_in *in, struct report *r);

struct challenge {
	uint32_t to;
	uint64_t epoch;              /* that is asked about */
	uint8_t nonce[NONCE_LEN];
};
void build_challenge(struct cts_wire_out *o, const struct challenge *c);
bool parse_challenge(struct cts_wire_in *in, struct challenge *c);

/* PROOF: u64 table id, then of each challenger: u32 node, nonce. */
void build_proof(struct cts_wire_out *o, uint64_t table_id);
void build_proof_for(struct cts_wire_out *o, uint32_t node, const uint8_t nonce[NONCE_LEN]);
#define PROOF_FOR_BYTES (4u + NONCE_LEN)
/* Is there a proof for this node? nonce points into the message. */
bool parse_proof(struct cts_wire_in *in, uint32_t node, uint64_t *table_id,
		 const uint8_t **nonce);

/* ACK: a report and the gaps below its high. */
#define ACK_BYTES_MAX (CTS_WIRE_HEADER + REPORT_BYTES + 1u + 4u * GAPS_MAX)
void build_ack(struct cts_wire_out *o, const struct report *r, const struct gaps *g);
bool parse_ack(struct cts_wire_in *in, struct report *r, struct gaps *g);

/* START: u32 to, u64 its epoch, u64 start sequence; 0: it is out of step. */
struct start {
	uint32_t to;
	uint64_t epoch, start;
};
void build_start(struct cts_wire_out *o, const struct start *s);
bool parse_start(struct cts_wire_in *in, struct start *s);

enum pull_what { PULL_ALL, PULL_SUMS, PULL_SUBTREES, PULL_LISTS };

struct pull {
	uint32_t to;
	uint64_t epoch, start;
	uint8_t what;
	uint8_t level;               /* PULL_SUMS: of the nodes that are wanted */
	uint8_t flags;
	uint64_t high;               /* PULL_LISTS: that the lists are of */
};
#define PULL_LAST 0x01u              /* PULL_LISTS: the last part */
/* The fixed part. SUMS and SUBTREES: u16 first, u16 length, a part of the bitmap of
 * parents, or subtrees. LISTS: of each leaf u16 leaf, u8 count, count times u24 key
 * part, u24 low bits of the sequence number. */
void build_pull(struct cts_wire_out *o, const struct pull *p);
bool parse_pull(struct cts_wire_in *in, struct pull *p);
/* Of a PULL that was begun: it is the last part. */
void pull_mark_last(struct cts_wire_out *o);
/* A part of a bitmap of size bytes: ORed into map. */
void build_bitmap(struct cts_wire_out *o, const uint8_t *map, unsigned int first,
		  unsigned int len);
bool parse_bitmap(struct cts_wire_in *in, uint8_t *map, unsigned int size);

#endif
