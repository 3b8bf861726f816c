/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of flows: sums and their order, keys and how they read. */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <endian.h>
#include <sodium.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "cli/conntrack/group_print.h"
#include "core/flow/keyed_hash.h"

#define MANY 50000u

static void add(struct groups *g, uint32_t key, uint64_t a, uint64_t b)
{
	const uint64_t sum[GROUP_SUMS] = { a, b, 1 };

	assert_int_equal(groups_add(g, &key, sizeof(key), sum), 0);
}

static uint32_t key_of(const struct group *g)
{
	uint32_t key;

	assert_int_equal(g->len, sizeof(key));
	memcpy(&key, g->key, sizeof(key));
	return key;
}

/* -- sums -- */

static void sums_are_those_of_a_plain_array(void **state)
{
	struct groups *g = groups_create(MANY);
	uint64_t *want = calloc(MANY, sizeof(*want));
	const struct group **list;
	size_t n = SIZE_MAX;
	uint32_t x = 1;

	for (unsigned int i = 0; i < 4 * MANY; i++) {
		x = x * 1664525u + 1013904223u;
		want[x % MANY] += i;
		add(g, x % MANY, i, 1);
	}
	list = groups_top(g, 0, &n);
	assert_int_equal(n, groups_count(g));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i]->sum[0], want[key_of(list[i])]);
		assert_true(!i || list[i - 1]->sum[0] >= list[i]->sum[0]);
		want[key_of(list[i])] = 0;
	}
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(want[i], 0);
	assert_int_equal(groups_total(g)[1], 4 * MANY);
	free(list);
	free(want);
	groups_destroy(g);
}

static void the_top_is_the_head_of_the_whole_order(void **state)
{
	struct groups *g = groups_create(MANY);
	const struct group **all, **top;
	size_t n_all = SIZE_MAX;

	for (uint32_t i = 0; i < 1000; i++)
		add(g, htonl(i), i * 7919 % 100, 1000 - i);
	all = groups_top(g, 0, &n_all);
	assert_int_equal(n_all, 1000);
	for (size_t want = 0; want <= 1001; want += 77) {
		size_t n = want;

		top = groups_top(g, 0, &n);
		assert_int_equal(n, want < 1000 ? want : 1000);
		assert_memory_equal(top, all, n * sizeof(*top));
		free(top);
	}
	/* equal sums stand in the order of their keys */
	for (size_t i = 1; i < n_all; i++)
		assert_true(all[i - 1]->sum[0] > all[i]->sum[0] ||
			    ntohl(key_of(all[i - 1])) < ntohl(key_of(all[i])));
	free(all);
	size_t one = 1;
	top = groups_top(g, 1, &one);
	assert_int_equal(ntohl(key_of(top[0])), 0);
	free(top);
	groups_destroy(g);
}

static void one_group_too_many_is_refused_and_counted(void **state)
{
	const uint64_t sum[GROUP_SUMS] = { 5, 6, 7 };
	struct groups *g = groups_create(2);

	add(g, 1, 1, 1);
	add(g, 2, 1, 1);
	assert_int_equal(groups_add(g, "new", 3, sum), -1);
	assert_int_equal(errno, ENOSPC);
	add(g, 1, 1, 1);
	assert_int_equal(groups_count(g), 2);
	assert_int_equal(groups_refused(g)[0], 5);
	assert_int_equal(groups_refused(g)[2], 7);
	assert_int_equal(groups_total(g)[0], 8);
	groups_clear(g);
	assert_int_equal(groups_count(g), 0);
	assert_int_equal(groups_refused(g)[0], 0);
	assert_int_equal(groups_add(g, "new", 3, sum), 0);
	assert_int_equal(groups_total(g)[0], 5);
	groups_destroy(g);
}

static void a_key_is_no_prefix_of_another_one(void **state)
{
	const uint64_t sum[GROUP_SUMS] = { 1, 0, 0 };
	struct groups *g = groups_create(10);
	const struct group **list;
	size_t n = 10;

	assert_int_equal(groups_add(g, "ab", 2, sum), 0);
	assert_int_equal(groups_add(g, "abc", 3, sum), 0);
	assert_int_equal(groups_add(g, "", 0, sum), 0);
	list = groups_top(g, 0, &n);
	assert_int_equal(n, 3);
	assert_int_equal(list[0]->len, 0);
	assert_int_equal(list[1]->len, 2);
	assert_int_equal(list[2]->len, 3);
	free(list);
	groups_destroy(g);
}

/* -- keys -- */

static struct cts_flow tcp_flow(void)
{
	struct cts_flow f = {
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
			   CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_STATUS) |
			   CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_HELPER),
		.orig = { .src.bytes = { 10, 1, 2, 3 }, .dst.bytes = { 192, 168, 255, 255 },
			  .sport = htons(1024), .dport = htons(443), .family = AF_INET,
			  .proto = IPPROTO_TCP },
		.status = IPS_SEEN_REPLY | IPS_ASSURED, .mark = 42,
		.tcp_state = TCP_CONNTRACK_ESTABLISHED, .helper = "f\"t,p", .helper_len = 5,
	};

	cts_tuple_invert(&f.orig, &f.reply);
	return f;
}

static struct cts_flow ping6_flow(void)
{
	struct cts_flow f = {
		.present = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY),
		.orig = { .src.bytes = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 },
			  .sport = htons(7), .icmp_type = 128, .family = AF_INET6,
			  .proto = IPPROTO_ICMPV6 },
	};

	cts_tuple_invert(&f.orig, &f.reply);
	return f;
}

/* All values of a key, each with a '|' behind it. */
static const char *values(const char *text, const struct cts_flow *f, enum group_form form)
{
	static char buf[GROUP_VALUE_MAX];
	struct cts_line l = { .at = buf, .end = buf + sizeof(buf) };
	const struct place at = { .file = NULL };
	uint8_t key[GROUP_KEY_MAX];
	struct group_by by;

	group_by_parse(&by, &at, text, "by");
	memset(key, 0xa5, sizeof(key));
	assert_in_range(group_key(&by, f, key), 1, sizeof(key));
	for (unsigned int i = 0; i < by.n; i++) {
		group_key_value(&by, i, key, form, NULL, &l);
		cts_line_put(&l, "|");
	}
	assert_false(l.full);
	*l.at = '\0';
	return buf;
}

static void fields_read_as_in_a_listing(void **state)
{
	struct cts_flow tcp = tcp_flow(), ping = ping6_flow();

	assert_string_equal(values("src,dst,sport,dport,proto,state,mark,family", &tcp, GROUP_TEXT),
			    "10.1.2.3|192.168.255.255|1024|443|tcp|ESTABLISHED|42|ipv4|");
	assert_string_equal(values("reply-src,reply-dst,reply-sport,reply-dport", &tcp, GROUP_TEXT),
			    "192.168.255.255|10.1.2.3|443|1024|");
	assert_string_equal(values("src,sport,dport,proto,state,mark,helper,status", &ping, GROUP_TEXT),
			    "2001:db8:102:304:506:708:90a:b0c|-|-|icmpv6|-|0|-|NONE|");
	assert_string_equal(values("icmp-type,icmp-id,secmark", &ping, GROUP_TEXT), "128|7|0|");
	ping.orig.proto = 200;
	assert_string_equal(values("proto,zone,label,family", &ping, GROUP_TEXT), "200|0|-|ipv6|");
}

static void networks_end_at_any_bit(void **state)
{
	struct cts_flow tcp = tcp_flow(), ping = ping6_flow();

	assert_string_equal(values("src/24,dst/17,src/0,dst/31,src/32,src/128", &tcp, GROUP_TEXT),
			    "10.1.2.0/24|192.168.128.0/17|0.0.0.0/0|192.168.255.254/31|10.1.2.3/32|"
			    "10.1.2.3/32|");
	assert_string_equal(values("src/24,src/24/56,src/48,src/0/0,src/127", &ping, GROUP_TEXT),
			    "2001:db8:102:304::/64|2001:db8:102:300::/56|2001:db8:102::/48|::/0|"
			    "2001:db8:102:304:506:708:90a:b0c/127|");
}

static void programs_get_their_own_quotes(void **state)
{
	struct cts_flow tcp = tcp_flow(), ping = ping6_flow();
	const uint32_t labels[4] = { 1u << 3, 0, 0, 1u << 31 };

	tcp.labels = labels;
	tcp.labels_len = sizeof(labels);
	tcp.present |= CTS_FLOW_BIT(CTS_FLOW_LABELS);
	assert_string_equal(values("src,sport,state,helper,status,label", &tcp, GROUP_JSON),
			    "\"10.1.2.3\"|1024|\"ESTABLISHED\"|\"f\\\"t,p\"|"
			    "[\"SEEN_REPLY\",\"ASSURED\"]|[3,127]|");
	assert_string_equal(values("src/8,helper,status,label", &tcp, GROUP_CSV),
			    "10.0.0.0/8|\"f\"\"t,p\"|\"SEEN_REPLY,ASSURED\"|\"3,127\"|");
	assert_string_equal(values("sport,state,helper,status,label", &ping, GROUP_JSON),
			    "null|null|null|[]|[]|");
	assert_string_equal(values("sport,state,helper,status,label", &ping, GROUP_CSV), "|||||");
}

/* -- printing -- */

static void columns_are_aligned(void **state)
{
	struct cts_flow f = tcp_flow();
	const struct place at = { .file = NULL };
	struct groups *g = groups_create(10);
	struct group_by by;
	struct group_listing gl = { .by = &by, .form = GROUP_TEXT, .n_columns = 2, .head = true,
				    .column = { { "count", 0, COLUMN_SUM },
						{ "percent", 0, COLUMN_PERCENT } } };
	uint8_t key[GROUP_KEY_MAX];
	const struct group **list;
	size_t n = 10, size;
	char *text = NULL;
	FILE *fp = open_memstream(&text, &size);

	group_by_parse(&by, &at, "src,dport", "by");
	groups_add(g, key, group_key(&by, &f, key), (const uint64_t[GROUP_SUMS]){ 1234567 });
	f.orig.src.bytes[0] = 1;
	f.orig.dport = htons(8);
	groups_add(g, key, group_key(&by, &f, key), (const uint64_t[GROUP_SUMS]){ 1234 });
	list = groups_top(g, 0, &n);
	gl.total = groups_total(g);
	group_print(&gl, list, n, fp);
	gl.form = GROUP_CSV;
	group_print(&gl, list, n, fp);
	gl.form = GROUP_JSON;
	group_print(&gl, list, 1, fp);
	fclose(fp);
	assert_string_equal(text,
			    "src       dport    count  percent\n"
			    "10.1.2.3  443    1234567     99.9\n"
			    "1.1.2.3   8         1234      0.1\n"
			    "src,dport,count,percent\n"
			    "10.1.2.3,443,1234567,99.9\n"
			    "1.1.2.3,8,1234,0.1\n"
			    "{\"table\":\"groups\",\"by\":{\"src\":\"10.1.2.3\",\"dport\":443},"
			    "\"count\":1234567,\"percent\":99.9}\n");
	free(text);
	free(list);
	groups_destroy(g);
}

/* The vector of its authors, and lengths around a word beside libsodium's. */
static void the_hash_is_siphash(void **state)
{
	uint8_t key[CTS_HASH_KEY], data[64], out[crypto_shorthash_BYTES];

	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	assert_int_equal(cts_keyed_hash(key, data, 15), UINT64_C(0xa129ca6149be45e5));
	for (size_t len = 0; len <= sizeof(data); len++) {
		const uint64_t hash = htole64(cts_keyed_hash(key, data, len));

		crypto_shorthash(out, data, len, key);
		assert_memory_equal(&hash, out, sizeof(out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_siphash),
		cmocka_unit_test(sums_are_those_of_a_plain_array),
		cmocka_unit_test(the_top_is_the_head_of_the_whole_order),
		cmocka_unit_test(one_group_too_many_is_refused_and_counted),
		cmocka_unit_test(a_key_is_no_prefix_of_another_one),
		cmocka_unit_test(fields_read_as_in_a_listing),
		cmocka_unit_test(networks_end_at_any_bit),
		cmocka_unit_test(programs_get_their_own_quotes),
		cmocka_unit_test(columns_are_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
