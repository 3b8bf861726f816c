/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters' declarations -> classic BPF on the event socket. The program sees the
 * netlink message from its header on. An event that it drops costs no copy, no
 * wake-up, and does not count as lost.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>

#include "core/kernel/bpf.h"
#include "core/kernel/events.h"
#include "core/kernel/nl.h"

struct push_network {
	union cts_addr net; /* host bits are zero */
	uint8_t family;
	uint8_t prefix_len;
	bool accept;
};

struct cts_push {
	uint32_t protocols[8]; /* bit n % 32 of word n / 32: protocol n may pass */
	bool overflow;         /* more networks than fit: none is pushed */
	unsigned int n_networks;
	struct push_network networks[CTS_PUSH_NETWORKS_MAX];
};

struct cts_push *cts_push_create(void)
{
	struct cts_push *push = calloc(1, sizeof(*push));

	if (push)
		memset(push->protocols, 0xff, sizeof(push->protocols));
	return push;
}

void cts_push_destroy(struct cts_push *push)
{
	free(push);
}

int cts_push_protocols(struct cts_push *push, const uint8_t bitmap[32], bool accept)
{
	for (unsigned int i = 0; i < 256; i++) {
		bool named = bitmap[i / 8] >> (i % 8) & 1;

		if (named != accept)
			push->protocols[i / 32] &= ~(UINT32_C(1) << (i % 32));
	}
	return 0;
}

int cts_push_network(struct cts_push *push, int family, const union cts_addr *net,
		     unsigned int prefix_len, bool accept)
{
	unsigned int bits = family == AF_INET ? 32 : 128;
	struct push_network *n;

	if ((family != AF_INET && family != AF_INET6) || prefix_len > bits) {
		errno = EINVAL;
		return -1;
	}
	/* Half a list of what is accepted would refuse the other half. */
	if (push->overflow || push->n_networks == CTS_PUSH_NETWORKS_MAX) {
		push->overflow = true;
		push->n_networks = 0;
		errno = ENOSPC;
		return -1;
	}
	n = &push->networks[push->n_networks++];
	memset(n, 0, sizeof(*n));
	memcpy(n->net.bytes, net->bytes, bits / 8);
	for (unsigned int i = prefix_len; i < bits; i++)
		n->net.bytes[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
	n->family = (uint8_t)family;
	n->prefix_len = (uint8_t)prefix_len;
	n->accept = accept;
	return 0;
}

/* -- the program -- */

#define BPF_PASS 0xffffffffu
#define BPF_DROP 0u

/* Offsets into the message. nlmsg_type is in host order, the subsystem is its
 * upper half. */
#define OFF_SUBSYS (4 + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 0))
#define OFF_PORTID 12
#define OFF_FAMILY 16
#define OFF_ATTRS 20

/* Scratch memory of the machine: the addresses of the original source and of
 * the reply source, up to four words each; spill. */
enum { M_ORIG = 0, M_REPLY = 4, M_SPILL = 8 };

struct prog {
	struct sock_filter ins[BPF_MAXINSNS];
	unsigned int n;
	bool full;
};

static void emit(struct prog *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (p->n == BPF_MAXINSNS) {
		p->full = true;
		return;
	}
	p->ins[p->n++] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
}

static void emit_ret(struct prog *p, uint32_t verdict)
{
	emit(p, BPF_RET | BPF_K, 0, 0, verdict);
}

/* Return verdict when A equals k, go on otherwise. */
static void emit_ret_if(struct prog *p, uint32_t k, uint32_t verdict)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k);
	emit_ret(p, verdict);
}

/* A := offset of the attribute in the message's top level; passes without it. */
static void emit_find(struct prog *p, uint32_t attr)
{
	emit(p, BPF_LD | BPF_IMM, 0, 0, OFF_ATTRS);
	emit(p, BPF_LDX | BPF_IMM, 0, 0, attr);
	emit(p, BPF_LD | BPF_B | BPF_ABS, 0, 0, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR));
	emit_ret_if(p, 0, BPF_PASS);
}

/* A := offset of the attribute inside the one at A; passes without it. */
static void emit_find_nested(struct prog *p, uint32_t attr)
{
	emit(p, BPF_LDX | BPF_IMM, 0, 0, attr);
	emit(p, BPF_LD | BPF_B | BPF_ABS, 0, 0, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR_NEST));
	emit_ret_if(p, 0, BPF_PASS);
}

static void emit_own(struct prog *p, const uint32_t *own, unsigned int n)
{
	if (!n)
		return;
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, OFF_PORTID);
	for (unsigned int i = 0; i < n; i++)
		emit_ret_if(p, htonl(own[i]), BPF_DROP);
}

/* Drop unless the bit of the protocol is set: pick the word, shift, test. */
static void emit_protocols(struct prog *p, const uint32_t words[8])
{
	emit_find(p, CTA_TUPLE_ORIG);
	emit_find_nested(p, CTA_TUPLE_PROTO);
	emit_find_nested(p, CTA_PROTO_NUM);
	emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
	emit(p, BPF_LD | BPF_B | BPF_IND, 0, 0, NLA_HDRLEN);
	emit(p, BPF_ST, 0, 0, M_SPILL);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, 31);
	emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
	emit(p, BPF_LD | BPF_MEM, 0, 0, M_SPILL);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 0, 0, 5);
	for (unsigned int i = 0; i < 7; i++) {
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, i);
		emit(p, BPF_LD | BPF_IMM, 0, 0, words[i]);
		/* over the words that are left, three instructions each, and the last */
		emit(p, BPF_JMP | BPF_JA, 0, 0, (6 - i) * 3 + 1);
	}
	emit(p, BPF_LD | BPF_IMM, 0, 0, words[7]);
	emit(p, BPF_ALU | BPF_RSH | BPF_X, 0, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, 1);
	emit_ret_if(p, 0, BPF_DROP);
}

static void emit_load_source(struct prog *p, uint32_t tuple, int family, unsigned int mem)
{
	emit_find(p, tuple);
	emit_find_nested(p, CTA_TUPLE_IP);
	emit_find_nested(p, family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC);
	emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
	for (unsigned int i = 0; i < (family == AF_INET ? 1u : 4u); i++) {
		emit(p, BPF_LD | BPF_W | BPF_IND, 0, 0, NLA_HDRLEN + 4 * i);
		emit(p, BPF_ST, 0, 0, mem + i);
	}
}

/* Return verdict when the address at mem lies in the network. */
static void emit_network(struct prog *p, const struct push_network *net, unsigned int mem,
			 uint32_t verdict)
{
	unsigned int full = net->prefix_len / 32, rest = net->prefix_len % 32;
	unsigned int left = 2 * full + (rest ? 3 : 0) + 1; /* instructions, the RET included */

	for (unsigned int i = 0; i < full; i++) {
		left -= 2;
		emit(p, BPF_LD | BPF_MEM, 0, 0, mem + i);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)left, ntohl(net->net.v6[i]));
	}
	if (rest) {
		emit(p, BPF_LD | BPF_MEM, 0, 0, mem + full);
		emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~UINT32_C(0) << (32 - rest));
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ntohl(net->net.v6[full]));
	}
	emit_ret(p, verdict);
}

static void emit_networks(struct prog *p, const struct cts_push *push, int family)
{
	unsigned int accepts = 0, all = 0;

	for (unsigned int i = 0; i < push->n_networks; i++) {
		all += push->networks[i].family == family;
		accepts += push->networks[i].family == family && push->networks[i].accept;
	}
	if (!all)
		return;

	/* Not this family: over what follows. The distance is filled in at the end. */
	emit(p, BPF_LD | BPF_B | BPF_ABS, 0, 0, OFF_FAMILY);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)family);
	unsigned int skip = p->n;
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0);

	emit_load_source(p, CTA_TUPLE_ORIG, family, M_ORIG);
	emit_load_source(p, CTA_TUPLE_REPLY, family, M_REPLY);
	for (unsigned int pass = 0; pass < 2; pass++) {
		bool accept = pass == 1;

		for (unsigned int i = 0; i < push->n_networks; i++) {
			const struct push_network *net = &push->networks[i];

			if (net->family != family || net->accept != accept)
				continue;
			emit_network(p, net, M_ORIG, accept ? BPF_PASS : BPF_DROP);
			emit_network(p, net, M_REPLY, accept ? BPF_PASS : BPF_DROP);
		}
	}
	emit_ret(p, accepts ? BPF_DROP : BPF_PASS);
	if (!p->full)
		p->ins[skip].k = p->n - skip - 1;
}

static bool push_wants_protocols(const struct cts_push *push)
{
	for (unsigned int i = 0; i < 8; i++)
		if (push->protocols[i] != UINT32_MAX)
			return true;
	return false;
}

static void emit_push(struct prog *p, const struct cts_push *push)
{
	/* Expectations and whatever else comes this way are not judged. */
	emit(p, BPF_LD | BPF_B | BPF_ABS, 0, 0, OFF_SUBSYS);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NFNL_SUBSYS_CTNETLINK);
	emit_ret(p, BPF_PASS);
	if (push_wants_protocols(push))
		emit_protocols(p, push->protocols);
	emit_networks(p, push, AF_INET);
	emit_networks(p, push, AF_INET6);
}

static int prog_attach(int fd, struct prog *p)
{
	struct sock_fprog fprog = { .len = (unsigned short)p->n, .filter = p->ins };

	if (p->full) {
		errno = ENOSPC;
		return -1;
	}
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog));
}

static int prog_detach(int fd)
{
	int unused = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0 &&
	    errno != ENOENT)
		return -1;
	return 0;
}

int cts_bpf_attach(int fd, const uint32_t *own, unsigned int n_own, const struct cts_push *push)
{
	bool judge = push && (push_wants_protocols(push) || push->n_networks);
	struct prog *p;
	int ret, saved;

	if (!n_own && !judge)
		return prog_detach(fd);

	p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	emit_own(p, own, n_own);
	if (judge)
		emit_push(p, push);
	emit_ret(p, BPF_PASS);
	ret = prog_attach(fd, p);
	saved = errno;
	free(p);
	errno = saved;
	return ret;
}
