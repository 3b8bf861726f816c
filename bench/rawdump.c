/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A dump of the table with libmnl and nothing else: the least that any listing costs. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int count(const struct nlmsghdr *nlh, void *data)
{
	unsigned long *n = data;

	(void)nlh;
	(*n)++;
	return MNL_CB_OK;
}

int main(void)
{
	static union {
		struct nlmsghdr nlh;
		char bytes[65536];
	} buf;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(&buf);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	unsigned int seq = (unsigned int)time(NULL), port;
	unsigned long n = 0;
	ssize_t got;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("rawdump");
		return EXIT_FAILURE;
	}
	port = mnl_socket_get_portid(nl);
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	nfg->nfgen_family = AF_UNSPEC;
	nfg->version = NFNETLINK_V0;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0) {
		perror("rawdump");
		return EXIT_FAILURE;
	}
	while ((got = mnl_socket_recvfrom(nl, &buf, sizeof(buf))) > 0)
		if (mnl_cb_run(&buf, (size_t)got, seq, port, count, &n) <= 0)
			break;
	printf("%lu\n", n);
	mnl_socket_close(nl);
	return EXIT_SUCCESS;
}
