/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec against the real kernel, in a network namespace of its own: entries
 * that we create are dumped, printed like the library does, encoded, deleted and
 * created again, and are the same. Exits 77 where it may not make a namespace.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>

#include <ctsync/nfct.h>
#include <ctsync/text.h>

#include "core/flow/codec.h"
#include "tests/unit/flow_gen.h"

#define MAX_ENTRIES 4096
#define PER_KIND 20

static const uint8_t protos[] = {
	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_GRE,
	IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_ESP, 200,
};

enum zone_kind { ZONE_NONE, ZONE_BOTH, ZONE_ORIG, ZONE_REPLY, ZONE_KINDS };

/* Dumped messages, kept as they came, and what was asked to be made. */
struct table {
	struct mnl_socket *nl;
	size_t n;
	struct nlmsghdr *msg[MAX_ENTRIES]; /* owned */
	struct {
		struct cts_tuple orig, reply;
		uint16_t zone;
	} made[MAX_ENTRIES];
};

static struct nlmsghdr *message(void *buf, uint8_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

/* Send one request and give the kernel's errno, 0: done. */
static int request(struct mnl_socket *nl, struct nlmsghdr *nlh)
{
	char buf[8192];
	const struct nlmsghdr *answer = (const void *)buf;

	assert_true(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0);
	assert_true(mnl_socket_recvfrom(nl, buf, sizeof(buf)) > 0);
	assert_int_equal(answer->nlmsg_type, NLMSG_ERROR);
	return -((const struct nlmsgerr *)mnl_nlmsg_get_payload(answer))->error;
}

static int create(struct mnl_socket *nl, const struct cts_flow *f, uint64_t attrs)
{
	char buf[4096];
	struct nlmsghdr *nlh = message(buf, IPCTNL_MSG_CT_NEW,
				       NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, f->orig.family);

	assert_int_equal(cts_flow_encode(nlh, sizeof(buf), f, attrs), 0);
	return request(nl, nlh);
}

static int flush(struct mnl_socket *nl)
{
	char buf[256];

	return request(nl, message(buf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, AF_UNSPEC));
}

static void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->msg[i]);
	t->n = 0;
}

static void dump(struct table *t)
{
	char buf[65536];
	struct nlmsghdr *nlh = message(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
	ssize_t len;

	table_clear(t);
	assert_true(mnl_socket_sendto(t->nl, nlh, nlh->nlmsg_len) > 0);
	for (;;) {
		int left = (int)(len = mnl_socket_recvfrom(t->nl, buf, sizeof(buf)));

		assert_true(len > 0);
		for (nlh = (void *)buf; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				return;
			assert_true(t->n < MAX_ENTRIES);
			t->msg[t->n] = malloc(nlh->nlmsg_len);
			assert_non_null(t->msg[t->n]);
			memcpy(t->msg[t->n++], nlh, nlh->nlmsg_len);
		}
	}
}

static void make_states(struct rng *r, struct cts_flow *f)
{
	f->present |= CTS_FLOW_BIT(CTS_FLOW_STATUS) | CTS_FLOW_BIT(CTS_FLOW_TIMEOUT);
	f->timeout = 1000 + rng_below(r, 100000);
	f->status = IPS_CONFIRMED;
	if (rng_below(r, 2))
		f->status |= IPS_SEEN_REPLY;
	if (f->status & IPS_SEEN_REPLY && rng_below(r, 2))
		f->status |= IPS_ASSURED;
	if (gen_has(r, f, CTS_FLOW_MARK, 2))
		f->mark = (uint32_t)rng_number(r, 32);
	if (f->orig.proto == IPPROTO_TCP) {
		f->present |= CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) |
			      CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE);
		f->tcp_state = (uint8_t)(1 + rng_below(r, TCP_CONNTRACK_MAX - 1));
		f->tcp_flags[0] = f->tcp_flags_mask[0] = IP_CT_TCP_FLAG_WINDOW_SCALE;
		f->tcp_flags[1] = f->tcp_flags_mask[1] = IP_CT_TCP_FLAG_WINDOW_SCALE |
							 IP_CT_TCP_FLAG_SACK_PERM;
		f->tcp_wscale[0] = (uint8_t)rng_below(r, 15);
		f->tcp_wscale[1] = (uint8_t)rng_below(r, 15);
	}
	if (f->orig.proto == IPPROTO_SCTP) {
		f->present |= CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) | CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG);
		f->sctp_state = (uint8_t)(1 + rng_below(r, 7));
		f->sctp_vtag[0] = (uint32_t)rng_next(r);
		f->sctp_vtag[1] = (uint32_t)rng_next(r);
	}
}

static void make_zone(struct rng *r, struct cts_flow *f, enum zone_kind kind)
{
	uint16_t zone = (uint16_t)(1 + rng_below(r, 65535));

	switch (kind) {
	case ZONE_BOTH:
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE);
		f->zone = zone;
		break;
	case ZONE_ORIG:
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG);
		f->zone_dir[CTS_DIR_ORIG] = zone;
		break;
	case ZONE_REPLY:
		f->present |= CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY);
		f->zone_dir[CTS_DIR_REPLY] = zone;
		break;
	default:
		break;
	}
}

/* A flow that kernels accept; its number makes it the only one with its tuple. */
static void make_flow(struct rng *r, struct cts_flow *f, uint8_t family, uint8_t proto,
		      enum zone_kind kind, uint32_t number)
{
	memset(f, 0, sizeof(*f));
	f->present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY);
	f->orig.family = family;
	f->orig.proto = proto;
	gen_addr(r, family, &f->orig.src);
	gen_addr(r, family, &f->orig.dst);
	memcpy(&f->orig.src, &number, sizeof(number));
	gen_l4(r, &f->orig);
	if (cts_l4_kind(proto) == CTS_L4_ICMP)
		f->orig.icmp_type = proto == IPPROTO_ICMP ? 8 : 128;
	cts_tuple_invert(&f->orig, &f->reply);
	make_states(r, f);
	make_zone(r, f, kind);
}

static size_t fill(struct table *t)
{
	struct rng r = { 21 };
	uint32_t number = 0;

	assert_int_equal(flush(t->nl), 0);
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t p = 0; p < sizeof(protos); p++)
			for (int i = 0; i < PER_KIND; i++) {
				uint8_t family = v6 ? AF_INET6 : AF_INET;
				struct cts_flow f;
				int err;

				if (protos[p] == (v6 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
					continue;
				make_flow(&r, &f, family, protos[p], i % ZONE_KINDS, number);
				t->made[number].orig = f.orig;
				t->made[number].reply = f.reply;
				t->made[number].zone = cts_flow_key_zone(&f);
				number++;
				err = create(t->nl, &f, ~UINT64_C(0));
				if (err)
					print_error("proto %u: %s\n", protos[p], strerror(err));
				assert_int_equal(err, 0);
			}
	return number;
}

static void assert_line_is_the_librarys(const struct nlmsghdr *nlh, const struct cts_flow *f)
{
	static const unsigned int flags[][2] = {
		{ 0, 0 },
		{ CTS_FORMAT_LAYER3 | CTS_FORMAT_ID, NFCT_OF_SHOW_LAYER3 | NFCT_OF_ID },
		{ CTS_FORMAT_TIMESTAMP, NFCT_OF_TIMESTAMP },
	};
	char ours[CTS_LINE_MAX], theirs[CTS_LINE_MAX];
	struct nf_conntrack *ct = nfct_new();
	time_t now;

	assert_true(nfct_nlmsg_parse(nlh, ct) >= 0);
	for (size_t i = 0; i < 3; i++) {
		do { /* delta-time: both must have read the same second */
			now = time(NULL);
			cts_flow_format(f, flags[i][0], (uint64_t)now * 1000000000, NULL, ours,
					sizeof(ours));
			nfct_snprintf(theirs, sizeof(theirs), ct, NFCT_T_UNKNOWN, NFCT_O_PLAIN,
				      flags[i][1]);
		} while (now != time(NULL));
		assert_string_equal(ours, theirs);
	}
	nfct_destroy(ct);
}

/* The number that makes a flow the only one is in its source address. */
static void assert_made(const struct table *t, size_t n, const struct cts_flow *f)
{
	uint32_t number;

	memcpy(&number, &f->orig.src, sizeof(number));
	assert_true(number < n);
	assert_memory_equal(&f->orig, &t->made[number].orig, sizeof(f->orig));
	assert_memory_equal(&f->reply, &t->made[number].reply, sizeof(f->reply));
	assert_int_equal(cts_flow_key_zone(f), t->made[number].zone);
}

static void lines_of_real_entries_are_those_of_the_library(void **state)
{
	struct table *t = *state;
	size_t n = fill(t);
	struct cts_flow f;

	dump(t);
	assert_int_equal(t->n, n);
	for (size_t i = 0; i < t->n; i++) {
		assert_int_equal(cts_flow_decode(t->msg[i], &f), 0);
		assert_true(cts_flow_has(&f, CTS_FLOW_START));
		assert_true(cts_flow_has(&f, CTS_FLOW_COUNTERS_ORIG));
		assert_made(t, n, &f);
		assert_line_is_the_librarys(t->msg[i], &f);
	}
	assert_int_equal(flush(t->nl), 0);
}

/* What a new entry cannot have from an old one. */
#define FRESH (CTS_FLOW_BIT(CTS_FLOW_ID) | CTS_FLOW_BIT(CTS_FLOW_USE) |                   \
	       CTS_FLOW_BIT(CTS_FLOW_START) | CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG) |      \
	       CTS_FLOW_BIT(CTS_FLOW_COUNTERS_REPLY))

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The table as sorted lines, without what passes with time. */
static char **lines(const struct table *t)
{
	char **list = calloc(t->n, sizeof(*list));

	assert_non_null(list);
	for (size_t i = 0; i < t->n; i++) {
		char line[CTS_LINE_MAX];
		struct cts_flow f;

		assert_int_equal(cts_flow_decode(t->msg[i], &f), 0);
		f.present &= ~FRESH;
		assert_true(cts_flow_format(&f, CTS_FORMAT_LAYER3 | CTS_FORMAT_NO_TIMEOUT, 0, NULL,
					    line, sizeof(line)) > 0);
		list[i] = strdup(line);
	}
	qsort(list, t->n, sizeof(*list), by_bytes);
	return list;
}

static void entries_survive_decode_encode_and_creation(void **state)
{
	struct table *t = *state;
	char **before, **after;
	size_t n = fill(t);

	dump(t);
	before = lines(t);
	assert_int_equal(flush(t->nl), 0);
	for (size_t i = 0; i < n; i++) {
		struct cts_flow f;

		assert_int_equal(cts_flow_decode(t->msg[i], &f), 0);
		/* flags that came from a kernel have no mask: it would not take them */
		f.tcp_flags_mask[0] = f.tcp_flags[0];
		f.tcp_flags_mask[1] = f.tcp_flags[1];
		assert_int_equal(create(t->nl, &f, ~FRESH), 0);
	}
	dump(t);
	assert_int_equal(t->n, n);
	after = lines(t);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(before[i], after[i]);
		free(before[i]);
		free(after[i]);
	}
	free(before);
	free(after);
	assert_int_equal(flush(t->nl), 0);
}

static void keys_find_and_delete_their_entry_in_every_zone(void **state)
{
	struct table *t = *state;
	size_t n = fill(t);

	dump(t);
	for (size_t i = 0; i < n; i++) {
		char buf[1024];
		struct nlmsghdr *nlh;
		struct cts_flow f;

		assert_int_equal(cts_flow_decode(t->msg[i], &f), 0);
		nlh = message(buf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, f.orig.family);
		assert_int_equal(cts_flow_encode(nlh, sizeof(buf), &f, CTS_FLOW_KEY_ATTRS), 0);
		assert_int_equal(request(t->nl, nlh), 0);
	}
	dump(t);
	assert_int_equal(t->n, 0);
}

/* A range of one element, towards the kernel only: the reply tuple tells the result. */
static void nat_ranges_translate_to_what_they_name(void **state)
{
	struct table *t = *state;
	struct rng r = { 22 };

	assert_int_equal(flush(t->nl), 0);
	for (int v6 = 0; v6 < 2; v6++) {
		struct cts_flow f, out;
		int err;

		make_flow(&r, &f, v6 ? AF_INET6 : AF_INET, IPPROTO_UDP, ZONE_NONE, 77);
		f.orig.sport = htons(1000);
		f.orig.dport = htons(53);
		cts_tuple_invert(&f.orig, &f.reply);
		f.nat.family = f.orig.family;
		gen_addr(&r, f.nat.family, &f.nat.src);
		gen_addr(&r, f.nat.family, &f.nat.dst);
		f.nat.sport = htons(2000);
		f.nat.dport = htons(3000);
		f.present |= CTS_FLOW_BIT(CTS_FLOW_SNAT) | CTS_FLOW_BIT(CTS_FLOW_DNAT);
		err = create(t->nl, &f, ~UINT64_C(0));
		if (err == EOPNOTSUPP) {
			print_message("no NAT in this kernel\n");
			return;
		}
		assert_int_equal(err, 0);
		dump(t);
		assert_int_equal(t->n, 1);
		assert_int_equal(cts_flow_decode(t->msg[0], &out), 0);
		assert_memory_equal(&out.reply.src, &f.nat.dst, 16);
		assert_memory_equal(&out.reply.dst, &f.nat.src, 16);
		assert_int_equal(out.reply.sport, f.nat.dport);
		assert_int_equal(out.reply.dport, f.nat.sport);
		assert_true(out.status & IPS_SRC_NAT_DONE && out.status & IPS_DST_NAT_DONE);
		assert_line_is_the_librarys(t->msg[0], &out);
		assert_int_equal(flush(t->nl), 0);
	}
}

/* Sysctls of this namespace alone. */
static void switch_on(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		print_error("%s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int set_up(void **state)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	t->nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!t->nl || mnl_socket_bind(t->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -1;
	flush(t->nl); /* loads ctnetlink, and with it the sysctls */
	switch_on("/proc/sys/net/netfilter/nf_conntrack_acct");
	switch_on("/proc/sys/net/netfilter/nf_conntrack_timestamp");
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct table *t = *state;

	table_clear(t);
	mnl_socket_close(t->nl);
	free(t);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_real_entries_are_those_of_the_library),
		cmocka_unit_test(entries_survive_decode_encode_and_creation),
		cmocka_unit_test(keys_find_and_delete_their_entry_in_every_zone),
		cmocka_unit_test(nat_ranges_translate_to_what_they_name),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		printf("cannot make a network namespace: %s\n", strerror(errno));
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
