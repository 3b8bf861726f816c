/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole lines of the outputs json, xml and log (as options of `conntrack`), for flows
 * and expectations with everything that there can be. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/output_fixture.h"

#define BIT(attr) CTS_FLOW_BIT(CTS_FLOW_##attr)
#define XBIT(attr) CTS_EXPECT_BIT(CTS_EXPECT_##attr)
#define A 0x0a000001u
#define B 0x0a000002u

static char path[] = "/tmp/cts_forms_XXXXXX", map_path[] = "/tmp/cts_map_XXXXXX";

/* What these events become in a file of this output. */
static const char *lines_of(const char *name, const char *options, const struct cts_event *ev,
			    size_t n)
{
	static char text[32768], all[256];
	struct output o;
	size_t len;
	FILE *fp;

	assert_int_equal(truncate(path, 0), 0);
	snprintf(all, sizeof(all), "file=%s%s%s", path, *options ? "," : "", options);
	o = output_open(name, all);
	assert_non_null(o.priv);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(output_event(&o, &ev[i]), 0);
	assert_int_equal(o.ops->flush(o.priv), 0);
	output_close(&o);
	fp = fopen(path, "re");
	assert_non_null(fp);
	len = fread(text, 1, sizeof(text) - 1, fp);
	fclose(fp);
	text[len] = '\0';
	return text;
}

static void make_flow(struct cts_flow *f, uint8_t family, uint8_t proto)
{
	memset(f, 0, sizeof(*f));
	f->orig.family = family;
	f->orig.proto = proto;
	if (family == AF_INET) {
		f->orig.src.v4 = htonl(A);
		f->orig.dst.v4 = htonl(B);
	} else {
		f->orig.src.v6[0] = f->orig.dst.v6[0] = htonl(0x20010db8);
		f->orig.src.v6[3] = htonl(1);
		f->orig.dst.v6[3] = htonl(2);
	}
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6) {
		f->orig.icmp_type = proto == IPPROTO_ICMP ? 8 : 128;
		f->orig.icmp_code = 1;
		f->orig.sport = htons(77);
	} else if (proto != IPPROTO_ESP) {
		f->orig.sport = htons(1024);
		f->orig.dport = htons(80);
	}
	cts_tuple_invert(&f->orig, &f->reply);
	f->present = BIT(ORIG) | BIT(REPLY);
}

struct form {
	const char *json, *xml, *save;
};

#define FLOWS 9u

static const uint32_t labels[4] = { 1u << 3, 0, 0, 1u << 31 };

static void make_tcp(struct cts_flow *f)
{
	make_flow(f, AF_INET, IPPROTO_TCP);
	f->reply.dst.v4 = htonl(0xcb007101);
	f->reply.dport = htons(5000);
	f->status = IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY | IPS_SRC_NAT |
		    IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
	f->timeout = 300;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f->tcp_flags[0] = 0x23;
	f->tcp_flags[1] = 0x03;
	f->tcp_wscale[0] = 7;
	f->tcp_wscale[1] = 9;
	f->mark = 7;
	f->zone = 5;
	f->id = 42;
	f->use = 2;
	f->secmark = 3;
	f->packets[0] = 10;
	f->bytes[0] = 1000;
	f->packets[1] = 20;
	f->bytes[1] = 2000;
	f->start_ns = UINT64_C(1700000000000000001);
	f->stop_ns = UINT64_C(1700000009000000000);
	f->helper = "ftp";
	f->helper_len = 3;
	f->secctx = "system_u:object_r:x";
	f->secctx_len = 19;
	f->labels = labels;
	f->labels_len = sizeof(labels);
	f->present |= BIT(STATUS) | BIT(TIMEOUT) | BIT(TCP_STATE) | BIT(TCP_FLAGS) |
		      BIT(TCP_WSCALE) | BIT(MARK) | BIT(ZONE) | BIT(ID) | BIT(USE) | BIT(SECMARK) |
		      BIT(COUNTERS_ORIG) | BIT(COUNTERS_REPLY) | BIT(START) | BIT(STOP) |
		      BIT(HELPER) | BIT(SECCTX) | BIT(LABELS);
}

static void make_sctp(struct cts_flow *f)
{
	make_flow(f, AF_INET6, IPPROTO_SCTP);
	f->sctp_state = SCTP_CONNTRACK_ESTABLISHED;
	f->sctp_vtag[0] = 17;
	f->sctp_vtag[1] = 18;
	f->zone_dir[0] = 3;
	f->zone_dir[1] = 4;
	f->present |= BIT(SCTP_STATE) | BIT(SCTP_VTAG) | BIT(ZONE_ORIG) | BIT(ZONE_REPLY);
}

static void make_dccp(struct cts_flow *f)
{
	make_flow(f, AF_INET, IPPROTO_DCCP);
	f->dccp_state = 4;
	f->dccp_role = 1;
	f->dccp_seq = UINT64_C(0xffffffffffff);
	f->master = f->orig;
	f->master.sport = htons(1);
	f->seqadj_pos[0] = 1;
	f->seqadj_before[0] = 2;
	f->seqadj_after[0] = 3;
	f->seqadj_pos[1] = 4;
	f->synproxy_isn = 5;
	f->synproxy_its = 6;
	f->synproxy_tsoff = 7;
	f->present |= BIT(DCCP_STATE) | BIT(DCCP_ROLE) | BIT(DCCP_SEQ) | BIT(MASTER) |
		      BIT(SEQADJ_ORIG) | BIT(SEQADJ_REPLY) | BIT(SYNPROXY);
}

static void make_flows(struct cts_flow f[FLOWS])
{
	make_tcp(&f[0]);
	make_sctp(&f[1]);
	make_dccp(&f[2]);
	make_flow(&f[3], AF_INET, IPPROTO_ICMP);
	make_flow(&f[4], AF_INET6, IPPROTO_ICMPV6);
	make_flow(&f[5], AF_INET, IPPROTO_GRE);
	make_flow(&f[6], AF_INET, IPPROTO_ESP);
	/* a status without a name, a state without one, and no reply */
	make_flow(&f[7], AF_INET, IPPROTO_TCP);
	f[7].status = 1u << 31;
	f[7].tcp_state = 200;
	f[7].present = BIT(ORIG) | BIT(STATUS) | BIT(TCP_STATE);
	/* the destination is translated; the status is that of no packet yet */
	make_flow(&f[8], AF_INET, 200);
	f[8].reply.src.v4 = htonl(0x0a090909);
	f[8].status = 0;
	f[8].present |= BIT(STATUS);
}

/* In the order of make_flows(). */
static const struct form forms[FLOWS] = {
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"tcp\",\"protonum\":6,\"timeout\":300,\"sta"
		"te\":\"ESTABLISHED\",\"tcp\":{\"flags\":[35,3],\"wscale\":[7,9]},\"orig\":{\"s"
		"rc\":\"10.0.0.1\",\"dst\":\"10.0.0.2\",\"sport\":1024,\"dport\":80,\"packets\""
		":10,\"bytes\":1000},\"reply\":{\"src\":\"10.0.0.2\",\"dst\":\"203.0.113.1\",\""
		"sport\":80,\"dport\":5000,\"packets\":20,\"bytes\":2000},\"status\":[\"SEEN_RE"
		"PLY\",\"ASSURED\",\"CONFIRMED\",\"SRC_NAT\",\"SRC_NAT_DONE\",\"DST_NAT_DONE\"]"
		",\"mark\":7,\"secmark\":3,\"zone\":5,\"use\":2,\"id\":42,\"start_ns\":17000000"
		"00000000001,\"stop_ns\":1700000009000000000,\"secctx\":\"system_u:object_r:x\""
		",\"helper\":\"ftp\",\"labels\":[\"three\",127]}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"6\" protoname"
		"=\"tcp\"><sport>1024</sport><dport>80</dport></layer4><counters><packets>10</p"
		"ackets><bytes>1000</bytes></counters></meta><meta direction=\"reply\"><layer3 "
		"protonum=\"2\" protoname=\"ipv4\"><src>10.0.0.2</src><dst>203.0.113.1</dst></l"
		"ayer3><layer4 protonum=\"6\" protoname=\"tcp\"><sport>80</sport><dport>5000</d"
		"port></layer4><counters><packets>20</packets><bytes>2000</bytes></counters></m"
		"eta><meta direction=\"independent\"><state>ESTABLISHED</state><timeout>300</ti"
		"meout><mark>7</mark><secmark>3</secmark><secctx>system_u:object_r:x</secctx><z"
		"one>5</zone><use>2</use><id>42</id><assured/><timestamp><start>170000000000000"
		"0001</start><stop>1700000009000000000</stop></timestamp><deltatime>8</deltatim"
		"e></meta><helper>ftp</helper></flow>",
		.save =
		"-A -t 300 -u SEEN_REPLY,ASSURED -w 5 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -n 20"
		"3.0.113.1 -p tcp --sport 1024 --dport 80 --reply-port-src 80 --reply-port-dst "
		"5000 --state ESTABLISHED -m 7 # labels=3,127 helper=ftp",
	},
	{
		.json =
		"{\"family\":\"ipv6\",\"protocol\":\"sctp\",\"protonum\":132,\"state\":\"ESTABL"
		"ISHED\",\"sctp\":{\"vtag\":[17,18]},\"orig\":{\"src\":\"2001:db8::1\",\"dst\":"
		"\"2001:db8::2\",\"sport\":1024,\"dport\":80,\"zone\":3},\"reply\":{\"src\":\"2"
		"001:db8::2\",\"dst\":\"2001:db8::1\",\"sport\":80,\"dport\":1024,\"zone\":4}}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"10\" protoname=\"ipv6\">"
		"<src>2001:db8::1</src><dst>2001:db8::2</dst></layer3><layer4 protonum=\"132\" "
		"protoname=\"sctp\"><sport>1024</sport><dport>80</dport></layer4><zone>3</zone>"
		"</meta><meta direction=\"reply\"><layer3 protonum=\"10\" protoname=\"ipv6\"><s"
		"rc>2001:db8::2</src><dst>2001:db8::1</dst></layer3><layer4 protonum=\"132\" pr"
		"otoname=\"sctp\"><sport>80</sport><dport>1024</dport></layer4><zone>4</zone></"
		"meta><meta direction=\"independent\"><state>ESTABLISHED</state></meta></flow>",
		.save =
		"-A --orig-zone 3 --reply-zone 4 -s 2001:db8::1 -d 2001:db8::2 -r 2001:db8::2 -"
		"q 2001:db8::1 -p sctp --sport 1024 --dport 80 --reply-port-src 80 --reply-port"
		"-dst 1024 --state ESTABLISHED --orig-vtag 17 --reply-vtag 18 # vtags",
	},
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"dccp\",\"protonum\":33,\"state\":\"OPEN\","
		"\"dccp\":{\"role\":\"server\",\"handshake_seq\":281474976710655},\"orig\":{\"s"
		"rc\":\"10.0.0.1\",\"dst\":\"10.0.0.2\",\"sport\":1024,\"dport\":80},\"reply\":"
		"{\"src\":\"10.0.0.2\",\"dst\":\"10.0.0.1\",\"sport\":80,\"dport\":1024},\"mast"
		"er\":{\"protocol\":\"dccp\",\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\",\"sport"
		"\":1,\"dport\":80},\"seqadj\":{\"orig\":{\"pos\":1,\"before\":2,\"after\":3},"
		"\"reply\":{\"pos\":4,\"before\":0,\"after\":0}},\"synproxy\":{\"isn\":5,\"its"
		"\":6,\"tsoff\":7}}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"33\" protonam"
		"e=\"dccp\"><sport>1024</sport><dport>80</dport></layer4></meta><meta direction"
		"=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>10.0.0.2</src><dst>1"
		"0.0.0.1</dst></layer3><layer4 protonum=\"33\" protoname=\"dccp\"><sport>80</sp"
		"ort><dport>1024</dport></layer4></meta><meta direction=\"independent\"><state>"
		"OPEN</state></meta></flow>",
		.save =
		"-A -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p dccp --sport 1024 --dpor"
		"t 80 --reply-port-src 80 --reply-port-dst 1024 --state OPEN --role server",
	},
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"icmp\",\"protonum\":1,\"orig\":{\"src\":\""
		"10.0.0.1\",\"dst\":\"10.0.0.2\",\"type\":8,\"code\":1,\"id\":77},\"reply\":{\""
		"src\":\"10.0.0.2\",\"dst\":\"10.0.0.1\",\"type\":0,\"code\":1,\"id\":77}}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"1\" protoname"
		"=\"icmp\"></layer4></meta><meta direction=\"reply\"><layer3 protonum=\"2\" pro"
		"toname=\"ipv4\"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 protonu"
		"m=\"1\" protoname=\"icmp\"></layer4></meta></flow>",
		.save =
		"-A -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p icmp --icmp-type 8 --icm"
		"p-code 1 --icmp-id 77",
	},
	{
		.json =
		"{\"family\":\"ipv6\",\"protocol\":\"icmpv6\",\"protonum\":58,\"orig\":{\"src\""
		":\"2001:db8::1\",\"dst\":\"2001:db8::2\",\"type\":128,\"code\":1,\"id\":77},\""
		"reply\":{\"src\":\"2001:db8::2\",\"dst\":\"2001:db8::1\",\"type\":129,\"code\""
		":1,\"id\":77}}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"10\" protoname=\"ipv6\">"
		"<src>2001:db8::1</src><dst>2001:db8::2</dst></layer3><layer4 protonum=\"58\" p"
		"rotoname=\"icmpv6\"></layer4></meta><meta direction=\"reply\"><layer3 protonum"
		"=\"10\" protoname=\"ipv6\"><src>2001:db8::2</src><dst>2001:db8::1</dst></layer"
		"3><layer4 protonum=\"58\" protoname=\"icmpv6\"></layer4></meta></flow>",
		.save =
		"-A -s 2001:db8::1 -d 2001:db8::2 -r 2001:db8::2 -q 2001:db8::1 -p icmpv6 --icm"
		"pv6-type 128 --icmpv6-code 1 --icmpv6-id 77",
	},
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"gre\",\"protonum\":47,\"orig\":{\"src\":\""
		"10.0.0.1\",\"dst\":\"10.0.0.2\",\"srckey\":1024,\"dstkey\":80},\"reply\":{\"sr"
		"c\":\"10.0.0.2\",\"dst\":\"10.0.0.1\",\"srckey\":80,\"dstkey\":1024}}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"47\" protonam"
		"e=\"gre\"><srckey>0x400</srckey><dstkey>0x50</dstkey></layer4></meta><meta dir"
		"ection=\"reply\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>10.0.0.2</src>"
		"<dst>10.0.0.1</dst></layer3><layer4 protonum=\"47\" protoname=\"gre\"><srckey>"
		"0x50</srckey><dstkey>0x400</dstkey></layer4></meta></flow>",
		.save =
		"-A -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p gre --srckey 1024 --dstk"
		"ey 80 --reply-key-src 80 --reply-key-dst 1024",
	},
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"unknown\",\"protonum\":50,\"orig\":{\"src"
		"\":\"10.0.0.1\",\"dst\":\"10.0.0.2\"},\"reply\":{\"src\":\"10.0.0.2\",\"dst\":"
		"\"10.0.0.1\"}}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"50\" protonam"
		"e=\"unknown\"></layer4></meta><meta direction=\"reply\"><layer3 protonum=\"2\""
		" protoname=\"ipv4\"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 pro"
		"tonum=\"50\" protoname=\"unknown\"></layer4></meta></flow>",
		.save =
		"-A -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p 50",
	},
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"tcp\",\"protonum\":6,\"state\":\"NONE\",\""
		"orig\":{\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\",\"sport\":1024,\"dport\":80}"
		",\"status\":[31]}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"6\" protoname"
		"=\"tcp\"><sport>1024</sport><dport>80</dport></layer4></meta><meta direction="
		"\"reply\"><layer3 protonum=\"0\" protoname=\"unknown\"><src></src><dst></dst><"
		"/layer3><layer4 protonum=\"0\" protoname=\"unknown\"></layer4></meta><meta dir"
		"ection=\"independent\"><state>NONE</state><unreplied/></meta></flow>",
		.save =
		"-A -u UNSET -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1024 --dport 80 --state NON"
		"E",
	},
	{
		.json =
		"{\"family\":\"ipv4\",\"protocol\":\"unknown\",\"protonum\":200,\"orig\":{\"src"
		"\":\"10.0.0.1\",\"dst\":\"10.0.0.2\"},\"reply\":{\"src\":\"10.9.9.9\",\"dst\":"
		"\"10.0.0.1\"},\"status\":[]}",
		.xml =
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><"
		"src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum=\"200\" protona"
		"me=\"unknown\"></layer4></meta><meta direction=\"reply\"><layer3 protonum=\"2"
		"\" protoname=\"ipv4\"><src>10.9.9.9</src><dst>10.0.0.1</dst></layer3><layer4 p"
		"rotonum=\"200\" protoname=\"unknown\"></layer4></meta><meta direction=\"indepe"
		"ndent\"><unreplied/></meta></flow>",
		.save =
		"-A -u UNSET -s 10.0.0.1 -d 10.0.0.2 -r 10.9.9.9 -q 10.0.0.1 -p 200",
	},
};

static void assert_line(const char *have, const char *want)
{
	size_t len = strlen(want);

	if (strncmp(have, want, len) != 0 || strcmp(have + len, "\n") != 0)
		fail_msg("\n%s instead of\n%s", have, want);
}

static void every_flow_has_its_lines(void **state)
{
	struct cts_flow f[FLOWS];
	char options[64];

	make_flows(f);
	snprintf(options, sizeof(options), "labelmap=%s", map_path);
	for (size_t i = 0; i < FLOWS; i++) {
		const struct cts_event ev = { .flow = &f[i], .origin = CTS_ORIGIN_DUMP };

		assert_line(lines_of("json", options, &ev, 1), forms[i].json);
		assert_line(lines_of("xml", "document=no,ktimestamp=yes", &ev, 1), forms[i].xml);
		assert_line(lines_of("log", "format=save", &ev, 1), forms[i].save);
	}
}

/* -- events -- */

static void an_event_says_what_when_and_who(void **state)
{
	struct cts_flow f;
	struct cts_event ev = {
		.flow = &f, .origin = CTS_ORIGIN_KERNEL, .type = CTS_EVENT_UPDATE,
		.time_ns = 1000, .portid = 4711,
	};

#define ESP "\"family\":\"ipv4\",\"protocol\":\"unknown\",\"protonum\":50," \
	    "\"orig\":{\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\"}," \
	    "\"reply\":{\"src\":\"10.0.0.2\",\"dst\":\"10.0.0.1\"}}"
	make_flow(&f, AF_INET, IPPROTO_ESP);
	assert_line(lines_of("json", "", &ev, 1),
		    "{\"event\":\"update\",\"time_ns\":1000,\"portid\":4711," ESP);
	assert_line(lines_of("json", "userspace=no", &ev, 1),
		    "{\"event\":\"update\",\"time_ns\":1000," ESP);
	/* the port's owner is gone, or never was a process */
	assert_line(lines_of("json", "userspace=name", &ev, 1),
		    "{\"event\":\"update\",\"time_ns\":1000,\"portid\":4711," ESP);
	/* the kernel's own time of the event comes first */
	f.event_ns = 77;
	f.present |= BIT(EVENT_TIME);
	ev.portid = 0;
	ev.type = CTS_EVENT_DESTROY;
	assert_line(lines_of("json", "", &ev, 1),
		    "{\"event\":\"destroy\",\"time_ns\":77," ESP);
	f.present &= ~BIT(EVENT_TIME);
	ev.origin = CTS_ORIGIN_PEER;
	ev.type = CTS_EVENT_NEW;
	ev.node = 9;
	ev.portid = 4711;
	assert_line(lines_of("json", "", &ev, 1),
		    "{\"event\":\"new\",\"time_ns\":1000,\"node\":9," ESP);
}

static void events_are_chosen_and_entries_are_not(void **state)
{
	static const char *const outputs[] = { "json", "log" };
	struct cts_flow f;
	struct cts_event ev[4] = {
		{ .flow = &f, .origin = CTS_ORIGIN_KERNEL, .type = CTS_EVENT_NEW },
		{ .flow = &f, .origin = CTS_ORIGIN_KERNEL, .type = CTS_EVENT_DESTROY },
		{ .flow = &f, .origin = CTS_ORIGIN_DUMP, .type = CTS_EVENT_NEW },
		{ .origin = CTS_ORIGIN_DUMP },
	};

	make_flow(&f, AF_INET, IPPROTO_ESP);
	for (size_t i = 0; i < 2; i++) {
		const char *text = lines_of(outputs[i], "events=destroy", ev, 4);
		size_t lines = 0;

		for (const char *at = text; *at; at++)
			lines += *at == '\n';
		assert_int_equal(lines, 2);
	}
}

static void saved_lines_follow_what_happened(void **state)
{
	struct cts_flow f;
	struct cts_event ev = { .flow = &f, .origin = CTS_ORIGIN_KERNEL };

	make_flow(&f, AF_INET, IPPROTO_ESP);
	f.helper = "a b";
	f.helper_len = 3;
	f.present |= BIT(MARK) | BIT(HELPER);
#define SAVED " -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p 50"
	/* a helper with blanks would not be read again, a new mark of 0 is none */
	assert_line(lines_of("log", "format=save", &ev, 1), "-A" SAVED);
	ev.type = CTS_EVENT_UPDATE;
	assert_line(lines_of("log", "format=save", &ev, 1), "-U" SAVED " -m 0");
	ev.type = CTS_EVENT_DESTROY;
	assert_line(lines_of("log", "format=save", &ev, 1), "-D" SAVED);
	ev.origin = CTS_ORIGIN_DUMP;
	assert_line(lines_of("log", "format=save,removed=yes", &ev, 1), "-D" SAVED);
	/* both translated */
	f.present = BIT(ORIG) | BIT(REPLY) | BIT(STATUS);
	f.status = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
	f.reply.src.v4 = htonl(0x0a090909);
	f.reply.dst.v4 = htonl(0xcb007101);
	assert_line(lines_of("log", "format=save", &ev, 1),
		    "-A -u UNSET -s 10.0.0.1 -d 10.0.0.2 -g 10.9.9.9 -n 203.0.113.1 -p 50");
}

/* -- expectations -- */

static void make_expect(struct cts_expect *e)
{
	struct cts_flow f;

	memset(e, 0, sizeof(*e));
	make_flow(&f, AF_INET, IPPROTO_TCP);
	e->expected = e->master = e->nat = f.orig;
	e->expected.sport = 0;
	e->mask.family = AF_INET;
	e->mask.proto = IPPROTO_TCP;
	e->mask.src.v4 = UINT32_MAX;
	e->mask.dport = UINT16_MAX;
	e->timeout = 300;
	e->zone = 5;
	e->flags = 1 | 4 | 1u << 9;
	e->class_id = 2;
	e->id = 42;
	e->nat_dir = CTS_DIR_REPLY;
	e->helper = "ftp";
	e->helper_len = 3;
	e->fn = "nat-follow-master";
	e->fn_len = 17;
	e->present = XBIT(ATTR_MAX) - 1;
}

static void an_expectation_has_its_line(void **state)
{
	struct cts_expect e;
	const struct cts_event ev = { .expect = &e, .origin = CTS_ORIGIN_DUMP };

	make_expect(&e);
#define TUPLE(sport) "\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\",\"sport\":" #sport \
		     ",\"dport\":80"
	assert_line(lines_of("json", "", &ev, 1),
		    "{\"table\":\"expect\",\"family\":\"ipv4\",\"protocol\":\"tcp\","
		    "\"protonum\":6,\"timeout\":300,\"expected\":{" TUPLE(0) "},"
		    "\"mask\":{\"src\":\"255.255.255.255\",\"dst\":\"0.0.0.0\",\"sport\":0,"
		    "\"dport\":65535},\"master\":{" TUPLE(1024) "},\"zone\":5,"
		    "\"flags\":[\"PERMANENT\",\"USERSPACE\",9],\"class\":2,\"id\":42,"
		    "\"nat\":{\"direction\":\"reply\"," TUPLE(1024) "},\"helper\":\"ftp\","
		    "\"fn\":\"nat-follow-master\"}");
	/* and one of which little is known */
	e.present = XBIT(TIMEOUT);
	assert_line(lines_of("json", "", &ev, 1), "{\"table\":\"expect\",\"timeout\":300}");
}

/* -- documents -- */

static void a_document_has_a_head_and_a_tail(void **state)
{
	static const char head[] = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
	struct cts_expect e;
	struct cts_flow f;
	struct cts_event ev[2] = {
		{ .flow = &f, .origin = CTS_ORIGIN_KERNEL, .type = CTS_EVENT_NEW },
		{ .flow = &f, .origin = CTS_ORIGIN_KERNEL, .type = CTS_EVENT_DESTROY },
	};
	const char *text;

	make_expect(&e);
	make_flow(&f, AF_INET, IPPROTO_ESP);
	text = lines_of("xml", "labels=yes,when=yes", ev, 2);
	assert_memory_equal(text, head, sizeof(head) - 1);
	text += sizeof(head) - 1;
	assert_memory_equal(text, "<conntrack>\n", 12);
	assert_non_null(strstr(text, "<flow type=\"new\">"));
	assert_non_null(strstr(text, "<flow type=\"destroy\">"));
	assert_non_null(strstr(text, "<when>"));
	assert_string_equal(text + strlen(text) - 13, "</conntrack>\n");

	ev[0].flow = NULL;
	ev[0].expect = &e;
	text = lines_of("xml", "", ev, 1);
	assert_non_null(strstr(text, "<expect>\n"));
	assert_string_equal(text + strlen(text) - 10, "</expect>\n");
	/* nothing at all is no document */
	ev[0].expect = NULL;
	assert_string_equal(lines_of("xml", "", ev, 1), "");
}

static void each_file_is_a_document_of_its_own(void **state)
{
	char options[64], other[64];
	struct cts_flow f;
	const struct cts_event ev = { .flow = &f, .origin = CTS_ORIGIN_DUMP };
	struct output o;

	make_flow(&f, AF_INET, IPPROTO_ESP);
	snprintf(options, sizeof(options), "file=%s", path);
	snprintf(other, sizeof(other), "%s.1", path);
	for (int i = 0; i < 2; i++) {
		static const char *const outputs[] = { "xml", "json" };
		char *text;

		assert_int_equal(truncate(path, 0), 0);
		o = output_open(outputs[i], options);
		assert_non_null(o.priv);
		assert_int_equal(output_event(&o, &ev), 0);
		assert_int_equal(o.ops->flush(o.priv), 0);
		assert_int_equal(rename(path, other), 0);
		assert_int_equal(o.ops->rotate(o.priv), 0);
		assert_int_equal(output_event(&o, &ev), 0);
		text = output_snapshot(&o);
		assert_non_null(strstr(text, i ? "json output:" : "xml output:"));
		assert_non_null(strstr(text, "dropped lines:\t\t                   0"));
		free(text);
		output_close(&o);
		/* the same in both files, head and tail included */
		assert_int_equal(access(path, F_OK), 0);
		FILE *a = fopen(path, "re"), *b = fopen(other, "re");
		int c;

		assert_true(a && b);
		while ((c = getc(a)) != EOF)
			assert_int_equal(c, getc(b));
		assert_int_equal(getc(b), EOF);
		fclose(a);
		fclose(b);
		unlink(other);
	}
}

static void an_output_that_cannot_be_opened_is_refused(void **state)
{
	static const char *const outputs[] = { "json", "xml", "log" };

	for (size_t i = 0; i < 3; i++) {
		struct output o = output_open(outputs[i], "file=/nonexistent/folder/x");

		assert_null(o.priv);
		assert_int_equal(errno, ENOENT);
		output_close(&o);
	}
}

/* A text longer than the first guess at a line, and one longer than any line. */
static void long_lines_are_whole_or_counted(void **state)
{
	static const char *const outputs[] = { "json", "xml" };
	static char text[100000];
	struct cts_flow f;
	const struct cts_event ev = { .flow = &f, .origin = CTS_ORIGIN_DUMP };

	memset(text, 'x', sizeof(text));
	make_flow(&f, AF_INET, IPPROTO_ESP);
	f.secctx = text;
	f.present |= BIT(SECCTX);
	for (size_t i = 0; i < 2; i++) {
		struct output o;
		char *shown;

		f.secctx_len = 10000;
		assert_true(strlen(lines_of(outputs[i], "", &ev, 1)) > 10000);
		f.secctx_len = UINT16_MAX;
		o = output_open(outputs[i], "file=/dev/null");
		assert_non_null(o.priv);
		assert_int_equal(output_event(&o, &ev), 0);
		shown = output_snapshot(&o);
		assert_non_null(strstr(shown, "dropped lines:\t\t                   1"));
		free(shown);
		output_close(&o);
	}
}

static int make_files(void **state)
{
	int fd = mkstemp(path), map = mkstemp(map_path);

	if (fd < 0 || map < 0)
		return -1;
	dprintf(map, "3 three\n");
	close(fd);
	close(map);
	return 0;
}

static int remove_files(void **state)
{
	unlink(path);
	unlink(map_path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flow_has_its_lines),
		cmocka_unit_test(an_event_says_what_when_and_who),
		cmocka_unit_test(events_are_chosen_and_entries_are_not),
		cmocka_unit_test(saved_lines_follow_what_happened),
		cmocka_unit_test(an_expectation_has_its_line),
		cmocka_unit_test(a_document_has_a_head_and_a_tail),
		cmocka_unit_test(each_file_is_a_document_of_its_own),
		cmocka_unit_test(an_output_that_cannot_be_opened_is_refused),
		cmocka_unit_test(long_lines_are_whole_or_counted),
	};

	return cmocka_run_group_tests_name("output forms", tests, make_files, remove_files);
}
