/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of a ctnetlink message: what decodes can be printed, packed and
 * merged, and encodes to a message that decodes to the same. */
#include "config.h"

#include <linux/netfilter/nfnetlink.h>

#include <ctsync/text.h>

#include "core/flow/codec.h"
#include "core/flow/pack.h"
#include "tests/fuzz/fuzz.h"

#define HEAD NLMSG_LENGTH(sizeof(struct nfgenmsg))

static void head(struct nlmsghdr *nlh, size_t len)
{
	memset(nlh, 0, HEAD);
	nlh->nlmsg_len = (uint32_t)len;
	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
}

size_t fuzz_seed(struct rng *r, uint8_t buf[FUZZ_INPUT_MAX])
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[FUZZ_INPUT_MAX];
	} m;
	struct cts_flow_store s;

	gen_flow(r, &s);
	s.flow.present |= CTS_FLOW_BIT(CTS_FLOW_ID) | CTS_FLOW_BIT(CTS_FLOW_START) |
			  CTS_FLOW_BIT(CTS_FLOW_COUNTERS_ORIG);
	s.flow.start_ns = rng_number(r, 60);
	head(&m.nlh, HEAD);
	fuzz_check(!cts_flow_encode(&m.nlh, sizeof(m), &s.flow, ~UINT64_C(0)));
	memcpy(buf, m.bytes + HEAD, m.nlh.nlmsg_len - HEAD);
	return m.nlh.nlmsg_len - HEAD;
}

static void use(const struct cts_flow *f)
{
	char line[CTS_LINE_MAX + 2 * FUZZ_INPUT_MAX];
	uint8_t packed[CTS_PACK_MAX];
	struct cts_flow_store s;
	size_t len;

	fuzz_check(cts_flow_format(f, CTS_FORMAT_LAYER3 | CTS_FORMAT_ID | CTS_FORMAT_TIMESTAMP, 0,
				   NULL, line, sizeof(line)) > 0);
	memset(&s, 0, sizeof(s));
	cts_flow_merge(&s, f);
	len = cts_flow_pack(&s.flow, CTS_PACK_ATTRS, packed, sizeof(packed));
	if (len)
		fuzz_check(!cts_flow_unpack(packed, len, &s, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *nlh = malloc(HEAD + size);
	struct nlmsghdr *again = malloc(HEAD + FUZZ_INPUT_MAX + 4 * size);
	struct cts_flow f, g;

	fuzz_check(nlh && again);
	head(nlh, HEAD + size);
	if (size)
		memcpy((uint8_t *)nlh + HEAD, data, size);
	if (size <= FUZZ_INPUT_MAX && !cts_flow_decode(nlh, &f)) {
		use(&f);
		head(again, HEAD);
		fuzz_check(!cts_flow_encode(again, HEAD + FUZZ_INPUT_MAX + 4 * size, &f,
					    ~UINT64_C(0)));
		fuzz_check(!cts_flow_decode(again, &g));
		fuzz_check((f.present & ~g.present &
			    ~(CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) |
			      CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY))) == 0);
	}
	free(nlh);
	free(again);
	return 0;
}
