/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other nodes: who they are, what is known of them, and in which state each is as
 * a receiver of this node's stream. Only peer.c writes that state; doc/WIRE.md has the
 * same table of states and events.
 */
#ifndef CTS_SYNC_PEER_H
#define CTS_SYNC_PEER_H

#include "core/sync/messages.h"
#include "core/sync/recv/receiver.h"
#include "core/sync/send/sender.h"

#define PEERS_MAX (CTS_NODES_MAX - 1u)
#define PENALTY_MIN_NS (100 * MS)    /* out of step for the first time */
#define PENALTY_MAX_NS (10 * SECOND)
#define START_AGAIN_NS (100 * MS)    /* START without an answer is repeated */
#define FORMER_EPOCHS 4u

enum peer_state {
	PEER_FREE,                   /* the slot is not in use */
	PEER_GONE,                   /* silent, or it said goodbye; its replica stays */
	PEER_KNOWN,                  /* its epoch is accepted; it has not named ours yet */
	PEER_RESTING,                /* out of step: it catches up later */
	PEER_STARTING,               /* in the window; it has not confirmed its start */
	PEER_FOLLOWING,              /* in the window, and acknowledges */
	PEER_STATES
};

enum peer_event {
	PEER_ACCEPTED,               /* a PROOF: it is in a new epoch */
	PEER_RECEIVED,               /* a message of its accepted epoch */
	PEER_NAMES_US,               /* a report on our stream, in our epoch */
	PEER_CONFIRMS,               /* ... that goes by its start sequence */
	PEER_RESTARTS,               /* ... that does not: it needs another start */
	PEER_LAGS,                   /* it alone kept others waiting */
	PEER_SILENT,                 /* it did not acknowledge in time */
	PEER_RESTED,                 /* its penalty is over */
	PEER_LEAVES,                 /* silence, goodbye, or the transport's word */
	PEER_RENEWED,                /* this node is in a new epoch */
	PEER_EVENTS
};

struct peer {
	enum peer_state state;
	uint32_t id;
	char name[CTS_NAME_MAX + 1];
	unsigned int link;
	uint32_t transport_peer;
	uint64_t epoch, table_id;
	uint64_t former[FORMER_EPOCHS];      /* dead for ever */
	uint64_t last_received_ns, gone_ns;
	struct hello hello;          /* the last one */
	bool hello_seen;
	/* What was changed there until then is here: as a HELLO said once, whose stream has come. */
	uint64_t current_ns;
	uint64_t claim_seq, claim_ns;        /* a HELLO whose stream has not come; ns 0: none */
	uint64_t said_last, said_ns; /* the most that a HELLO said was sent, and when */
	uint64_t less_token;         /* the last one that said less; how many did in a row */
	unsigned int said_less;
	uint32_t differs;            /* CTS_DIFFERS_* */

	/* as a receiver of our stream */
	struct report report;        /* the last one that goes by its start */
	uint64_t report_ns;
	uint64_t held_ns;            /* the last one that says that it holds all */
	uint64_t named_ns;           /* the last one of any start, in our epoch */
	unsigned int mismatches;     /* in a row that do not go by its start */
	uint64_t given;              /* the highest start that it was given in this epoch; 0: none */
	uint64_t start_ns;           /* START is sent again then */
	uint64_t rest_until_ns, penalty_ns, in_step_ns;
	uint64_t resets;

	/* its stream */
	struct receiver recv;

	uint32_t superseded_cursor;

	/* another epoch under this name: accepted when the present one is silent */
	uint64_t candidate, candidate_ns, challenge_ns;
	uint64_t reported_ns;        /* when a difference was reported last */

	/* what was said about it last */
	enum cts_peer_state shown;
	uint64_t recv_messages, recv_bytes, sent_messages, sent_bytes;
};

struct peers {
	struct base *base;           /* lent */
	struct sender *sender;       /* lent */
	struct applied applied;
	struct peer *list[PEERS_MAX];        /* owned; NULL: free */
	unsigned int n;              /* slots that were ever in use */
};

void peers_fini(struct peers *ps);
struct peer *peers_find(const struct peers *ps, uint32_t id);
/* A slot for a node that proved its epoch; dead and empty ones make room. NULL: none. */
struct peer *peers_add(struct peers *ps, uint32_t id);
#define peers_for_each(p, ps) \
	for (unsigned int i_ = 0; i_ < (ps)->n; i_++) \
		if (((p) = (ps)->list[i_]))

/* The newest replica of a key: of the highest version; of equals that of a node that is
 * there, then of the lowest id. hash: the caches'. NULL: there is none. */
const struct peer *peers_newest(const struct peers *ps, uint32_t hash, const uint8_t *key,
				size_t key_len, uint32_t *ref, uint32_t *version);
/* A step through the replica of a node that is gone: what this node or another one has
 * in a newer version by now (adopted, or of a later flow) is kept no longer. */
void peer_drop_superseded(struct peers *ps, struct peer *p);

/* The one place where a state changes. why: for the log. */
void peer_event(struct peers *ps, struct peer *p, enum peer_event event, const char *why);
/* Its place in the window. */
unsigned int peer_index(const struct peers *ps, const struct peer *p);
static inline bool peer_present(const struct peer *p)
{
	return p->state > PEER_GONE;
}
static inline bool peer_in_window(const struct peer *p)
{
	return p->state >= PEER_STARTING;
}
const char *peer_state_name(enum peer_state s);

#endif
