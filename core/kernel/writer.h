/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The batched writer. Operations gather until a batch (64) is there or flush() is
 * called; then one sendmsg, and the replies are read. CTS_OP_RESTORE obeys the
 * rules of doc/KERNEL.md ("Writing"): EEXIST, ENOENT, EOPNOTSUPP and EBUSY each
 * get their one second attempt, batched like everything else, and every outcome
 * has a class and a counter. Operations on one key keep their order; others may
 * overtake each other.
 */
#ifndef CTS_KERNEL_WRITER_H
#define CTS_KERNEL_WRITER_H

#include <ctsync/flow.h>

enum cts_write_class {
	CTS_WRITE_CREATED, /* new in the kernel (add(): or updated, the kernel does not say) */
	CTS_WRITE_UPDATED, /* was there, updated (or: update(), get() done) */
	CTS_WRITE_DELETED,
	CTS_WRITE_ABSENT,     /* delete, update, get: no such entry */
	CTS_WRITE_EXISTS,     /* create with EXCL only: was there already */
	CTS_WRITE_REVERSED,   /* the kernel has it the other way round: the kernel wins */
	CTS_WRITE_COLLISION,  /* the reply tuple belongs to another entry */
	CTS_WRITE_NO_MASTER,  /* created, but without its master */
	CTS_WRITE_NO_HELPER,  /* created, but without its helper */
	CTS_WRITE_NO_STATUS,  /* created, but with the kernel's own status */
	CTS_WRITE_TABLE_FULL, /* ENOMEM: stop and report */
	CTS_WRITE_FAILED,     /* any other error */
	CTS_WRITE_CLASS_MAX
};

enum cts_write_op {
	CTS_OP_RESTORE, /* a peer's entry: NAT, timeout, status, master rules; create or update */
	CTS_OP_REFRESH, /* the same for an entry that was restored before and is still the
			 * peer's: update first, one message instead of three; it does not
			 * notice that the kernel has it the other way round meanwhile */
	CTS_OP_CREATE,  /* what the caller says, NLM_F_CREATE | NLM_F_EXCL */
	CTS_OP_ADD,     /* NLM_F_CREATE: update when there */
	CTS_OP_UPDATE,  /* only when there */
	CTS_OP_DELETE,  /* names original tuple and zone, nothing else */
	CTS_OP_GET,     /* found(cookie, flow) with what the kernel has; either direction */
};

struct cts_writer_conf {
	unsigned int batch;       /* messages a batch; 0: 64; at most 128 */
	bool collision_replace;   /* kernel.collision = "replace" */
	bool tcp_window_tracking; /* false: restore() sets BE_LIBERAL */
	size_t receive_buffer;    /* for replies, bytes of real memory; 0: 1 MiB */
	void *ctx;
	/* One call for each operation, in no promised order, from within add() or
	 * flush(). err: errno of the kernel's last answer, 0 on success. It must not
	 * call the writer (EBUSY). May be NULL. */
	void (*done)(void *ctx, uint64_t cookie, enum cts_write_class cls, int err);
	/* Answer to CTS_OP_GET; flow is lent. done() follows with CTS_WRITE_UPDATED. */
	void (*found)(void *ctx, uint64_t cookie, const struct cts_flow *flow);
};

struct cts_writer;
struct cts_writer *cts_writer_open(const struct cts_writer_conf *conf); /* NULL, errno */
void cts_writer_close(struct cts_writer *w); /* takes NULL; what was not flushed is dropped */
uint32_t cts_writer_portid(const struct cts_writer *w);
/* flow is copied at once. 0, or -1 and errno: EINVAL, it has no original tuple or
 * mixes families (nothing was queued); anything else, the socket failed and all
 * that waited is reported as CTS_WRITE_FAILED. */
int cts_writer_add(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow,
		   uint64_t cookie);
/* Send what waits, second attempts included; returns when all is done. */
int cts_writer_flush(struct cts_writer *w);
/* Operations that wait for flush(). */
unsigned int cts_writer_pending(const struct cts_writer *w);
/* Counters by class since open(). */
const uint64_t *cts_writer_counters(const struct cts_writer *w);
const char *cts_write_class_name(enum cts_write_class cls);

#endif
