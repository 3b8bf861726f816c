/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of the kernel: table size and limit, per CPU statistics. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel/dump.h"
#include "core/kernel/nl.h"
#include "core/kernel/stats.h"

#define STATS_BUFFER 8192u

/* One request without attributes, answers to cb. 0, or -1 and errno. */
static int stats_ask(uint16_t type, uint16_t flags, mnl_cb_t cb, void *ctx)
{
	uint8_t buf[STATS_BUFFER] __attribute__((aligned(8)));
	struct mnl_socket *nl = cts_nl_open();
	unsigned int portid;
	ssize_t len;
	int ret = -1, saved;

	if (!nl)
		return -1;
	portid = mnl_socket_get_portid(nl);
	struct nlmsghdr *nlh = cts_nl_request(buf, type, flags, AF_UNSPEC, 1);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			goto out;
		ret = mnl_cb_run(buf, (size_t)len, 1, portid, cb, ctx);
	} while (ret > MNL_CB_STOP);
out:
	saved = errno;
	mnl_socket_close(nl);
	errno = saved;
	return ret < 0 ? -1 : 0;
}

/* -- table size and limit -- */

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
	if (stats_ask(cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK,
		      global_message, &g) == 0 && g.value >= 0)
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
	if (stats_ask(cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS), NLM_F_ACK,
		      NULL, NULL) == 0)
		return NULL;
	if (errno == EPROTONOSUPPORT)
		return "nfnetlink";
	/* nfnetlink says this of a subsystem that it does not know. */
	return errno == EINVAL ? "nf_conntrack_netlink" : NULL;
}

/* -- per CPU -- */

static const char *const ct_names[] = {
	[CTA_STATS_SEARCHED] = "searched",
	[CTA_STATS_FOUND] = "found",
	[CTA_STATS_NEW] = "new",
	[CTA_STATS_INVALID] = "invalid",
	[CTA_STATS_IGNORE] = "ignore",
	[CTA_STATS_DELETE] = "delete",
	[CTA_STATS_DELETE_LIST] = "delete_list",
	[CTA_STATS_INSERT] = "insert",
	[CTA_STATS_INSERT_FAILED] = "insert_failed",
	[CTA_STATS_DROP] = "drop",
	[CTA_STATS_EARLY_DROP] = "early_drop",
	[CTA_STATS_ERROR] = "error",
	[CTA_STATS_SEARCH_RESTART] = "search_restart",
	[CTA_STATS_CLASH_RESOLVE] = "clash_resolve",
	[CTA_STATS_CHAIN_TOOLONG] = "chaintoolong",
};

static const char *const exp_names[] = {
	[CTA_STATS_EXP_NEW] = "expect_new",
	[CTA_STATS_EXP_CREATE] = "expect_create",
	[CTA_STATS_EXP_DELETE] = "expect_delete",
};

struct cpu_reader {
	const char *const *names;
	unsigned int n_names;
	void (*row)(void *ctx, const struct cts_cpu_stats *st);
	void *ctx;
	struct cts_cpu_stats st;
};

static void cpu_value(struct cpu_reader *r, unsigned int type, uint32_t value)
{
	struct cts_cpu_stats *st = &r->st;

	if (st->n == CTS_STATS_VALUES_MAX)
		return;
	if (type < r->n_names)
		snprintf(st->v[st->n].name, sizeof(st->v[0].name), "%s", r->names[type]);
	else
		snprintf(st->v[st->n].name, sizeof(st->v[0].name), "unknown%u",
			 type - r->n_names + 1);
	st->v[st->n++].value = value;
}

static int cpu_attr(const struct nlattr *attr, void *ctx)
{
	unsigned int type = mnl_attr_get_type(attr);

	if (type && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		cpu_value(ctx, type, ntohl(mnl_attr_get_u32(attr)));
	return MNL_CB_OK;
}

static int cpu_message(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	struct cpu_reader *r = ctx;
	int ret;

	r->st.n = 0;
	r->st.cpu = ntohs(nfg->res_id);
	ret = mnl_attr_parse(nlh, sizeof(*nfg), cpu_attr, r);
	r->row(r->ctx, &r->st);
	return ret;
}

/* Columns of /proc/net/stat/nf_conntrack: a line of names, then one line of
 * hexadecimal numbers for each CPU. The first column is the table's size. */
static int cpu_from_proc(struct cpu_reader *r)
{
	char names[512], line[512];
	FILE *fp = fopen("/proc/net/stat/nf_conntrack", "re");

	if (!fp)
		return -1;
	if (!fgets(names, sizeof(names), fp)) {
		fclose(fp);
		errno = EIO;
		return -1;
	}
	for (r->st.cpu = 0; fgets(line, sizeof(line), fp); r->st.cpu++) {
		const char *name = names, *value = line;
		char *end;

		for (r->st.n = 0; r->st.n < CTS_STATS_VALUES_MAX; value = end) {
			size_t len;

			name += strspn(name, " \n");
			len = strcspn(name, " \n");
			uint32_t v = (uint32_t)strtoul(value, &end, 16);
			if (!len || end == value)
				break;
			if (strncmp(name, "entries", len) && len < sizeof(r->st.v[0].name)) {
				snprintf(r->st.v[r->st.n].name, sizeof(r->st.v[0].name), "%.*s",
					 (int)len, name);
				r->st.v[r->st.n++].value = v;
			}
			name += len;
		}
		r->row(r->ctx, &r->st);
	}
	fclose(fp);
	return 0;
}

int cts_stats_cpu(bool expect, void (*row)(void *ctx, const struct cts_cpu_stats *st), void *ctx)
{
	struct cpu_reader r = {
		.names = expect ? exp_names : ct_names,
		.n_names = expect ? sizeof(exp_names) / sizeof(exp_names[0])
				  : sizeof(ct_names) / sizeof(ct_names[0]),
		.row = row,
		.ctx = ctx,
	};
	uint16_t type = expect ? cts_nl_msg(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_GET_STATS_CPU)
			       : cts_nl_msg(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS_CPU);

	if (stats_ask(type, NLM_F_DUMP, cpu_message, &r) == 0)
		return 0;
	return expect ? -1 : cpu_from_proc(&r);
}
