/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The batched writer. Operations gather until 64 are there or flush() is called;
 * then one sendmsg, and the replies are read. restore() obeys the rules of
 * doc/ARCHITECTURE.md ("writing"): EEXIST, ENOENT, EOPNOTSUPP and EBUSY each get
 * their one second attempt, and every outcome has a class and a counter.
 */
#ifndef CTS_KERNEL_WRITER_H
#define CTS_KERNEL_WRITER_H

#include <ctsync/flow.h>

enum cts_write_class {
	CTS_WRITE_CREATED,      /* new in the kernel */
	CTS_WRITE_UPDATED,      /* was there, updated (or: update() done) */
	CTS_WRITE_DELETED,
	CTS_WRITE_ABSENT,       /* delete, update, get: no such entry */
	CTS_WRITE_EXISTS,       /* create with EXCL only: was there already */
	CTS_WRITE_REVERSED,     /* the kernel has it the other way round: the kernel wins */
	CTS_WRITE_COLLISION,    /* the reply tuple belongs to another entry */
	CTS_WRITE_NO_MASTER,    /* created, but without its master */
	CTS_WRITE_NO_HELPER,    /* created, but without its helper */
	CTS_WRITE_NO_STATUS,    /* created, but with the kernel's own status */
	CTS_WRITE_TABLE_FULL,   /* ENOMEM: stop and report */
	CTS_WRITE_FAILED,       /* any other error */
	CTS_WRITE_CLASS_MAX
};

enum cts_write_op {
	CTS_OP_RESTORE,   /* a peer's entry: NAT, timeout, status, master rules; create or update */
	CTS_OP_CREATE,    /* what the caller says, NLM_F_CREATE | NLM_F_EXCL */
	CTS_OP_ADD,       /* NLM_F_CREATE: update when there */
	CTS_OP_UPDATE,    /* only when there */
	CTS_OP_DELETE,    /* names tuple and zone */
	CTS_OP_GET,       /* found(cookie, flow) with what the kernel has */
};

struct cts_writer_conf {
	unsigned int batch;          /* messages a batch; 0: 64; at most 128 */
	bool collision_replace;      /* kernel.collision = "replace" */
	bool tcp_window_tracking;    /* false: restore() sets BE_LIBERAL */
	void *ctx;
	/* One call for each operation, in no promised order, from within add() or
	 * flush(). err: errno of the kernel's last answer, 0 on success. */
	void (*done)(void *ctx, uint64_t cookie, enum cts_write_class cls, int err);
	/* Answer to CTS_OP_GET; flow is lent. done() follows with CTS_WRITE_UPDATED. */
	void (*found)(void *ctx, uint64_t cookie, const struct cts_flow *flow);
};

struct cts_writer;
struct cts_writer *cts_writer_open(const struct cts_writer_conf *conf);  /* NULL, errno */
void cts_writer_close(struct cts_writer *w);
uint32_t cts_writer_portid(const struct cts_writer *w);
/* flow is copied (encoded) at once. 0, or -1 and errno. */
int cts_writer_add(struct cts_writer *w, enum cts_write_op op, const struct cts_flow *flow,
		   uint64_t cookie);
int cts_writer_flush(struct cts_writer *w);
/* Empty the kernel's table; family AF_UNSPEC: all. 0, or -1 and errno. */
int cts_writer_flush_table(struct cts_writer *w, int family);
/* Counters by class since open(). */
const uint64_t *cts_writer_counters(const struct cts_writer *w);
const char *cts_write_class_name(enum cts_write_class cls);

#endif
