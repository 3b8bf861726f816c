/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handshake and all that is said beside the stream: who is there, in which epoch
 * (HELLO, CHALLENGE, PROOF, BYE), where a stream starts (START), what of it has come
 * (ACK), what is wanted again (PULL).
 */
#ifndef CTS_SYNC_SESSION_H
#define CTS_SYNC_SESSION_H

#include "core/sync/peer.h"

#define HELLO_NS (200 * MS)
#define HELLO_MEMBER_NS (500 * MS)   /* the transport says who is there */
#define AGAIN_NS (20 * MS)           /* the transport did not take a message */
#define CHECK_NS (100 * MS)
#define PROOF_NS (20 * MS)           /* one answer for all of this time */
#define CHALLENGE_NS (200 * MS)      /* of one node */
#define CHALLENGES_A_SECOND 100u     /* of all nodes that are not known */
#define NONCE_SLOT_NS (2 * SECOND)   /* a nonce is good for this, and as long again */
#define CANDIDATE_NS (500 * MS)      /* the former epoch must have been silent for so long */
#define CONFLICT_NS (5 * SECOND)     /* this node stays out while its name is taken */
#define OLDER_S 3                    /* of two nodes of one name one is clearly older... */
#define OLDER_MUCH_S 10              /* ... or is so, however the other sees it */
#define CONTEST_NS (2 * SECOND)      /* ... and should have got its way by then */
#define REPORT_NS (60 * SECOND)      /* the same is reported once in this time */
#define UNDELIVERED_NS (500 * MS)
#define REVERTED_HELLOS 3u           /* that say less was sent than those before... */
#define REVERTED_NS (500 * MS)       /* ... for so long: that node was reverted */
#define TOKENS 8u

struct pending_proof {
	uint32_t node;
	uint8_t nonce[NONCE_LEN];
};

struct session {
	struct base *base;           /* lent, as those that follow */
	struct sender *sender;
	struct peers *peers;
	uint32_t *list;              /* owned: ids of sync.nodes, or NULL */
	size_t n_list;
	char name[CTS_NAME_MAX + 1];
	uint8_t secret[16];          /* of the nonces */
	uint64_t started_ns, hello_ns, check_ns, proof_ns;
	uint64_t blocked_ns;         /* the transport is full: nothing is tried before, or before room */
	bool hello_due;
	uint64_t tokens[TOKENS];
	unsigned int token_next;
	struct pending_proof proof[CTS_NODES_MAX];
	unsigned int n_proof;
	uint64_t challenges_ns;      /* token bucket of challenges */
	unsigned int challenges_left;
	uint64_t conflict_ns;        /* another node has our name: when it was received from last; 0: never */
	uint64_t conflict_since_ns;  /* ... and since when, without a pause of CONFLICT_NS */
	bool out;                    /* ... and was there first: this node says nothing */
	uint64_t undelivered_ns;
	uint64_t stuck_ns;           /* when the window was last seen not stuck */
	uint64_t reported_ns[CTS_REPORT_MAX];
	uint64_t lacking;            /* entries that did not get into this node's kernel */
	bool renew;                  /* a new epoch has to begin */
};

int session_init(struct session *s, struct base *b, struct sender *sender, struct peers *peers);
void session_fini(struct session *s);
void session_receive(struct session *s, unsigned int link, uint32_t peer, const uint8_t *msg,
		     size_t len);
/* Send what is due. */
void session_run(struct session *s);
/* The transport has room: what is due goes before data. */
void session_writable(struct session *s);
uint64_t session_deadline(const struct session *s);
void session_bye(struct session *s);
/* This node starts a new epoch. forget: its table is to be read again, too. */
void session_renew(struct session *s, bool forget);

#endif
