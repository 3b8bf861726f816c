/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of the kernel: table size and limit, per CPU statistics. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel/nl.h"
#include "core/kernel/stats.h"

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
 * hexadecimal numbers for each CPU. The first column is the size of the whole table. */
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
			if (len < sizeof(r->st.v[0].name)) {
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

	if (cts_nl_ask(type, NLM_F_DUMP, cpu_message, &r) == 0)
		return 0;
	return cpu_from_proc(&r); /* all columns, whichever table was asked for */
}
