/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fuzzers of the command line share. */
#include "config.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>

#include "cli/conntrack/entry.h"
#include "cli/conntrack/group_key.h"
#include "cli/conntrack/groups.h"
#include "cli/conntrack/selections.h"
#include "core/flow/codec.h"
#include "tests/fuzz/fuzz_cli.h"

jmp_buf fuzz_mistake;

/* -- in the place of report.c -- */

static void format(const char *fmt, va_list ap)
{
	char text[8192];

	fuzz_check(vsnprintf(text, sizeof(text), fmt, ap) > 0);
}

void report(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(fmt, ap);
	va_end(ap);
}

void report_at(const struct place *at, const char *fmt, ...)
{
	va_list ap;

	(void)at;
	va_start(ap, fmt);
	format(fmt, ap);
	va_end(ap);
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	fuzz_check(status == EXIT_OTHER || status == EXIT_PARAMETER);
	va_start(ap, fmt);
	format(fmt, ap);
	va_end(ap);
	longjmp(fuzz_mistake, 1);
}

void die_at(const struct place *at, int status, const char *fmt, ...)
{
	va_list ap;

	fuzz_check(at && (status == EXIT_OTHER || status == EXIT_PARAMETER));
	va_start(ap, fmt);
	format(fmt, ap);
	va_end(ap);
	longjmp(fuzz_mistake, 1);
}

int report_failure(const struct command *command, int err)
{
	(void)command;
	(void)err;
	return EXIT_OTHER;
}

int report_failure_at(const struct place *at, const struct command *command, int err)
{
	(void)at;
	return report_failure(command, err);
}

void report_count(uint64_t n, const char *what)
{
	(void)n;
	(void)what;
}

/* -- in the place of core/flow/labelmap.c: whatever the path, the same map -- */

struct cts_labelmap {
	int unused;
};

struct cts_labelmap *cts_labelmap_load(const char *path)
{
	if (!path || *path != '/')
		return NULL;
	return calloc(1, sizeof(struct cts_labelmap));
}

void cts_labelmap_free(struct cts_labelmap *map)
{
	free(map);
}

int cts_labelmap_bit(const struct cts_labelmap *map, const char *name)
{
	(void)map;
	return *name >= 'a' && *name <= 'z' ? (*name - 'a') * 6 : -1;
}

/* -- seeds -- */

static const char *const command_lines[] = {
	"-L", "-L dying", "--dump conntrack -o extended,id", "-L -s 10.0.0.0/8 -p tcp --dport 443",
	"-L -f ipv6 -u SEEN_REPLY,!ASSURED", "-L -m 0x10/0xf0 -o ktimestamp,labels -M /l -l a,b",
	"-L -s 10.0.0.0 --mask-src 255.0.255.0 -n 192.0.2.1:80", "-L -j [2001:db8::1]:53",
	"-L -w 5 --orig-zone 6 --reply-zone 0x7 -c 3", "-L -z -f ipv4", "-L --any-nat",
	"-D -d 2001:db8::/32 -p udp --sport 1 -i 77 -t 30 --dry-run", "-D --src-nat -g 1.2.3.4",
	"-D -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 5", "-U -s 1.1.1.1 -m 5/7 -u ASSURED",
	"-U -p tcp --state TIME_WAIT --label-add a -M /labels", "-U --label-del -t 5 -p gre",
	"-A -t 100 -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 1 --dport 2 --state ESTABLISHED -m 9",
	("-I -t 100 -r 1.1.1.1 -q 2.2.2.2 -p sctp --reply-port-src 1 --reply-port-dst 2 --state "
	 "ESTABLISHED --orig-vtag 1 --reply-vtag 2 -u SEEN_REPLY -g 3.3.3.3:9"),
	"-I -t 1 -s ::1 -d ::2 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 3 -w 1",
	"-I -t 1 -s 1.1 -d 0x7f.1 -p dccp --sport 1 --dport 2 --state OPEN --role client -n 1.1.1.1",
	"-I -t 1 -s 1.1.1.1 -d 2.2.2.2 -p gre --srckey 1 --dstkey 0xff --label-add c -M /x",
	"-G -s 1.1.1.1 -d 2.2.2.2 -p 200 -i 1", "-G -p udp -r ::1 -q ::2 --sport 3 --dport 4",
	"-E -e NEW,DESTROY -o timestamp -b 100000 -p 17 -q 1.1.1.1", "-F -f ipv4", "-C", "-S", "-V",
	"-h -p sctp", "-R file --keep-going", "-D --filter-file f -p esp",
	"-D -p tcp --reply-port-src 80 --reply-port-dst 81", "-L -p icmp --icmp-type 8 --icmp-code 1", "-L -a x stray words --",
	"-L --by src/24,dst/24/56,proto,state --top 20 --sort bytes -o json", "-C -p tcp --by label,status",
	"-E --by dport,mark --every 0.5 --count 3 -o csv", "-C -s 10.0.0.0/8", "--count",
	"--top --by reply-src/64,zone --every 10 -f ipv6", "-L --sort timeout,src/8 --limit 5",
};

const char *fuzz_command_line(struct rng *r)
{
	return command_lines[rng_below(r, sizeof(command_lines) / sizeof(command_lines[0]))];
}

/* -- use -- */

/* An entry that has much of what the command line names, so that some are selected. */
static void alike(const struct cmdline *cl, struct cts_flow *f)
{
	const struct cts_flow *want = &cl->store.flow;

	f->orig = want->orig;
	f->reply = want->reply;
	if (cl->snat.has_addr) {
		f->reply.dst = cl->snat.addr;
		f->reply.dport = cl->snat.port;
	}
	if (cl->dnat.has_addr) {
		f->reply.src = cl->dnat.addr;
		f->reply.sport = cl->dnat.port;
	}
	f->mark = cl->mark;
	f->id = want->id;
	f->zone = want->zone;
	f->status = cl->status_set | IPS_NAT_DONE_MASK;
	f->present |= CTS_FLOW_BIT(CTS_FLOW_MARK) | CTS_FLOW_BIT(CTS_FLOW_ID) |
		      CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_STATUS);
}

/* The index finds what comparing one by one does. */
static void use_selection(const struct cmdline *cl, struct rng *r)
{
	struct selections *s = selections_create();
	const struct cmdline *const *list;
	struct cts_flow_store store;
	unsigned int i;

	fuzz_check(s && !selections_add(s, cl) && !selections_add(s, cl));
	for (i = 0; i < 4; i++) {
		bool fits;

		gen_flow(r, &store);
		if (i % 2)
			alike(cl, &store.flow);
		fits = select_matches(cl, &store.flow);
		fuzz_check(selections_match(s, &store.flow) == fits);
		fuzz_check(selections_find(s, &store.flow, &list) == (fits ? 2 : 0));
	}
	selections_destroy(s);
}

/* Every value of a key can be printed, in every form. */
static void use_groups(const struct cmdline *cl, struct rng *r)
{
	struct group_by by;
	struct cts_flow_store store;
	uint8_t key[GROUP_KEY_MAX];
	char text[GROUP_VALUE_MAX * 2];

	group_by_parse(&by, &cl->at, cl->question.by, "by");
	gen_flow(r, &store);
	fuzz_check(group_key(&by, &store.flow, key) <= sizeof(key));
	for (unsigned int i = 0; i < by.n; i++)
		for (enum group_form form = GROUP_TEXT; form <= GROUP_JSON; form++) {
			struct cts_line l = { .at = text, .end = text + sizeof(text) };

			group_key_value(&by, i, key, form, NULL, &l);
			fuzz_check(!l.full && (l.at > text || form == GROUP_CSV));
		}
}

static void use_entry(struct cmdline *cl)
{
	union {
		struct nlmsghdr nlh;
		uint8_t bytes[4096];
	} m;

	memset(&m, 0, sizeof(m));
	m.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg));
	entry_key(cl);
	if (cl->command->id != CMD_GET)
		entry_values(cl);
	fuzz_check(!cts_flow_encode(&m.nlh, sizeof(m), &cl->store.flow, ~UINT64_C(0)));
}

void fuzz_use(struct cmdline *cl, struct rng *r)
{
	struct cts_dump_conf conf = { .table = cl->table };
	struct cts_flow pushed;

	if (cl->question.by)
		use_groups(cl, r);
	switch (cl->command->id) {
	case CMD_LIST: case CMD_DELETE: case CMD_EVENT: case CMD_UPDATE:
		select_push(cl, &conf, &pushed);
		use_selection(cl, r);
		break;
	case CMD_CREATE: case CMD_ADD: case CMD_GET:
		use_entry(cl);
		break;
	default:
		break;
	}
}

void report_print_error(int err)
{
	(void)err;
}
