/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's table as a whole: its size, its limit, and whether there is one. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/kernel/dump.h"
#include "core/kernel/nl.h"
#include "core/kernel/table.h"
#include "core/kernel/writer.h"

struct global {
	uint16_t attr;
	int64_t value;
};

static int global_attr(const struct nlattr *attr, void *ctx)
{
	struct global *g = ctx;

	if (mnl_attr_get_type(attr) == g->attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		g->value = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

static int global_message(const struct nlmsghdr *nlh, void *ctx)
{
	return mnl_attr_parse(nlh, sizeof(struct nfgenmsg), global_attr, ctx);
}

static int64_t proc_number(const char *path)
{
	char line[32];
	FILE *fp = fopen(path, "re");
	char *end;
	int64_t v;

	if (!fp)
		return -1;
	if (!fgets(line, sizeof(line), fp)) {
		fclose(fp);
		errno = EIO;
		return -1;
	}
	fclose(fp);
	errno = 0;
	v = strtoll(line, &end, 10);
	if (errno || end == line) {
		errno = EIO;
		return -1;
	}
	return v;
}

static int64_t global_number(uint16_t attr, const char *proc)
{
	struct global g = { .attr = attr, .value = -1 };

	/* The answer has NLM_F_ACK's meaning: one message, then the acknowledgement. */
	if (cts_nl_ask(cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK,
		       global_message, &g) == 0 &&
	    g.value >= 0)
		return g.value;
	return proc_number(proc);
}

int64_t cts_table_count(void)
{
	return global_number(CTA_STATS_GLOBAL_ENTRIES,
			     "/proc/sys/net/netfilter/nf_conntrack_count");
}

int64_t cts_table_max(void)
{
	return global_number(CTA_STATS_GLOBAL_MAX_ENTRIES,
			     "/proc/sys/net/netfilter/nf_conntrack_max");
}

const char *cts_table_lacks(void)
{
	if (cts_nl_ask(cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK, NULL,
		       NULL) == 0)
		return NULL;
	if (errno == EPROTONOSUPPORT)
		return "nfnetlink";
	/* nfnetlink says this of a subsystem that it does not know. */
	return errno == EINVAL ? "nf_conntrack_netlink" : NULL;
}

struct family_flush {
	struct cts_writer *writer; /* owned */
	int err;
};

static void family_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct family_flush *ff = ctx;

	for (size_t i = 0; i < n && !ff->err; i++)
		if (cts_writer_add(ff->writer, CTS_OP_DELETE, ev[i]->flow, 0) < 0)
			ff->err = errno;
}

/* The whole dump, each entry into a delete. 0, or errno. */
static int family_run(struct family_flush *ff, int family)
{
	const struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK, .family = family };
	struct cts_dump *dump = cts_dump_open(&conf);
	int err = 0;

	if (!dump)
		return errno;
	if (cts_dump_run(dump, family_batch, ff) < 0)
		err = errno;
	cts_dump_close(dump);
	if (cts_writer_flush(ff->writer) < 0)
		return errno;
	return ff->err ? ff->err : err;
}

static int flush_family(int family)
{
	const struct cts_writer_conf conf = { 0 };
	struct family_flush ff = { .writer = cts_writer_open(&conf) };
	int err;

	if (!ff.writer)
		return -1;
	err = family_run(&ff, family);
	cts_writer_close(ff.writer);
	errno = err;
	return err ? -1 : 0;
}

int cts_table_flush(int family)
{
	if (family != AF_UNSPEC)
		return flush_family(family);
	return cts_nl_ask(cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE), NLM_F_ACK, NULL,
			  NULL);
}
