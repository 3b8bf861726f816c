/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -i and -e: the entries of a cache as lines of text or XML, in steps. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <ctsync/nfct.h>
#include <ctsync/text.h>

#include "core/kernel/dump.h"

#include "cli/conntrackd/daemon.h"

#define DUMP_STEP 256u /* entries a step: well below a millisecond */

struct dump {
	struct daemon *d;
	bool xml, external;
	uint32_t nodes[CTS_NODES_MAX + 1]; /* of the caches; 0: the internal one */
	size_t n, at;
	uint32_t ref; /* the last one that was written */
	struct cts_flow_store store;
};

static void write_text(struct cts_request *r, const struct cts_flow *flow, uint32_t age)
{
	char line[CTS_LINE_MAX + 64];
	size_t len = cts_flow_format(flow, CTS_FORMAT_NO_TIMEOUT, 0, NULL, line, CTS_LINE_MAX);
	int n;

	if (!len)
		return;
	n = snprintf(line + len, sizeof(line) - len, " [active since %us]\n", age);
	cts_request_write(r, line, len + (size_t)n);
}

static void write_xml(struct cts_request *r, const struct cts_flow *flow)
{
	struct nf_conntrack *ct = cts_flow_to_nfct(flow);
	char line[8192];
	int n;

	if (!ct)
		return;
	nfct_attr_unset(ct, ATTR_TIMEOUT);
	n = nfct_snprintf(line, sizeof(line) - 1, ct, NFCT_T_UNKNOWN, NFCT_O_XML, 0);
	if (n > 0 && (size_t)n < sizeof(line) - 1) {
		line[n++] = '\n';
		cts_request_write(r, line, (size_t)n);
	}
	nfct_destroy(ct);
}

static void write_entry(struct dump *dump, struct cts_request *r, struct cts_cache *cache,
			uint32_t now_s)
{
	const struct cts_entry *e = cts_cache_entry(cache, dump->ref);
	size_t len, key_len;
	const uint8_t *data = cts_cache_data(cache, dump->ref, &len);

	key_len = data ? cts_packed_key_len(data, len) : 0;
	/* Entries that only wait for their GONE to be acknowledged are not shown. */
	if (!key_len ||
	    (!dump->external && cts_engine_find(dump->d->engine, data, key_len) != dump->ref))
		return;
	if (cts_flow_unpack(data, len, &dump->store, NULL) < 0)
		return;
	if (dump->xml)
		write_xml(r, &dump->store.flow);
	else
		write_text(r, &dump->store.flow, now_s - e->created / CTS_AGE_HZ);
}

static bool dump_step(void *state, struct cts_request *r)
{
	struct dump *dump = state;
	uint32_t now_s = (uint32_t)(cts_loop_now_ns(dump->d->loop) / 1000000000u);

	for (unsigned int i = 0; i < DUMP_STEP; i++) {
		struct cts_cache *cache = dump->external
						  ? cts_engine_external(dump->d->engine,
									dump->nodes[dump->at])
						  : cts_engine_internal(dump->d->engine);

		dump->ref = cache ? cts_cache_next(cache, dump->ref) : 0;
		if (dump->ref) {
			write_entry(dump, r, cache, now_s);
			continue;
		}
		if (++dump->at >= dump->n) {
			cts_request_finish(r, 0, NULL);
			return false;
		}
	}
	return true;
}

/* Without a sync group there is no cache but the kernel's own table. */
struct kernel_dump {
	struct cts_dump *dump; /* owned */
	struct cts_request *r;
	bool xml;
};

static void kernel_batch(void *ctx, const struct cts_event *const *ev, size_t n)
{
	struct kernel_dump *k = ctx;
	char line[CTS_LINE_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		size_t len;

		if (k->xml) {
			write_xml(k->r, ev[i]->flow);
			continue;
		}
		len = cts_flow_format(ev[i]->flow, CTS_FORMAT_NO_TIMEOUT, ev[i]->time_ns, NULL,
				      line, CTS_LINE_MAX);
		line[len] = '\n';
		if (len)
			cts_request_write(k->r, line, len + 1);
	}
}

static bool kernel_dump_step(void *state, struct cts_request *r)
{
	struct kernel_dump *k = state;
	int ret = cts_dump_step(k->dump, kernel_batch, k);

	if (ret <= 0)
		cts_request_finish(r, ret < 0, "%s", ret < 0 ? "the dump broke off\n" : "");
	return ret > 0;
}

static void kernel_dump_ended(void *state)
{
	struct kernel_dump *k = state;

	cts_dump_close(k->dump);
	free(k);
}

static void dump_kernel(struct cts_request *r, bool xml)
{
	struct cts_dump_conf conf = { .table = CTS_TABLE_CONNTRACK };
	struct kernel_dump *k = calloc(1, sizeof(*k));

	if (k)
		k->dump = cts_dump_open(&conf);
	if (!k || !k->dump) {
		free(k);
		cts_request_finish(r, 1, "cannot dump the kernel's table\n");
		return;
	}
	k->r = r;
	k->xml = xml;
	cts_request_steps(r, kernel_dump_step, kernel_dump_ended, k);
}

/* dump internal|external [ct|expect] [xml] */
void cmd_dump(void *ctx, struct cts_request *r, int argc, char **argv)
{
	struct daemon *d = ctx;
	struct cts_node_info info[CTS_NODES_MAX + 1];
	bool external = argc > 1 && strcmp(argv[1], "external") == 0;
	bool expect = argc > 2 && strcmp(argv[2], "expect") == 0;
	bool xml = argc > 2 && strcmp(argv[argc - 1], "xml") == 0;
	struct dump *dump;
	size_t n;

	if (expect || (!d->engine && external)) {
		cts_request_finish(r, 0, NULL);
		return;
	}
	if (!d->engine) {
		dump_kernel(r, xml);
		return;
	}
	dump = calloc(1, sizeof(*dump));
	if (!dump) {
		cts_request_finish(r, 1, "out of memory\n");
		return;
	}
	dump->d = d;
	dump->xml = xml;
	dump->external = external;
	if (!external)
		dump->n = 1;
	n = external
		    ? cts_engine_nodes(d->engine, info, CTS_NODES_MAX + 1, cts_loop_now_ns(d->loop))
		    : 0;
	for (size_t i = 0; i < n; i++)
		if (!info[i].self)
			dump->nodes[dump->n++] = info[i].id;
	cts_request_steps(r, dump_step, free, dump);
}
