/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -h and -V. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/conntrack/conntrack.h"
#include "core/flow/field.h"

#define TEXT_COLUMN 37          /* where the text of an option begins */
#define TEXT_END 88

static const char usage[] =
"Command line interface for the connection tracking system. Version " PACKAGE_VERSION "\n"
"Usage: conntrack [commands] [options]\n"
"\n"
"Commands:\n"
"  -L, --dump [table]         list flows, or expectations\n"
"  -G, --get [table]          show one flow or expectation\n"
"  -D, --delete [table]       delete the flows that are selected, or one expectation\n"
"  -I, --create [table]       create a flow or expectation\n"
"  -A, --add                  create a flow, or update it where it exists\n"
"  -U, --update               change the flows that are selected\n"
"  -E, --event [table]        show events until a signal comes\n"
"  -F, --flush [table]        empty the table\n"
"  -C, --counter [table]      show how many flows or expectations there are, or are selected\n"
"  -S, --stats [table]        show statistics of each CPU\n"
"  -R, --load-file FILE       do what the lines of a file say; -: of standard input\n"
"      --top                  groups on a terminal, refreshed, to look into; keys: h\n"
"  -V, --version              show the version\n"
"  -h, --help                 show this; with -p PROTO also its options\n"
"\n"
"Tables: conntrack, expect, dying, unconfirmed\n"
"\n"
"Selecting and setting:\n"
"  -s, --src, --orig-src ADDR[/LEN]   source of the original direction\n"
"  -d, --dst, --orig-dst ADDR[/LEN]   destination of the original direction\n"
"  -r, --reply-src ADDR               source of the reply direction\n"
"  -q, --reply-dst ADDR               destination of the reply direction\n"
"      --mask-src ADDR                netmask for --src\n"
"      --mask-dst ADDR                netmask for --dst\n"
"  -p, --protonum PROTO               tcp, udp, udplite, sctp, dccp, gre, icmp, icmpv6;\n"
"                                     other ones by name or number\n"
"  -f, --family ipv4|ipv6             layer 3 protocol\n"
"  -t, --timeout SECONDS              timeout to set\n"
"  -u, --status LIST                  ASSURED, SEEN_REPLY, UNSET, FIXED_TIMEOUT, EXPECTED,\n"
"                                     OFFLOAD, HW_OFFLOAD, UNREPLIED; `!X': without X\n"
"  -m, --mark VALUE[/MASK]            mark\n"
"  -c, --secmark VALUE                security mark\n"
"  -i, --id ID                        id of the entry\n"
"  -w, --zone ZONE                    zone of both directions\n"
"      --orig-zone ZONE               zone of the original direction alone\n"
"      --reply-zone ZONE              zone of the reply direction alone\n"
"  -n, --src-nat [ADDR[:PORT]]        source NAT\n"
"  -g, --dst-nat [ADDR[:PORT]]        destination NAT\n"
"  -j, --any-nat [ADDR[:PORT]]        source or destination NAT\n"
"  -l, --label NAME[,NAME]            labels that must be set\n"
"      --label-add NAME[,NAME]        labels to set\n"
"      --label-del [NAME[,NAME]]      labels to clear, all without a name\n"
"      --helper NAME                  -I, -A: the helper; -L, -D, -U: flows that have it\n"
"  -M, --labelmap PATH                names of labels\n"
"\n"
"Expectations (-I expect; -s, -d, -p and the ports are the master\'s):\n"
"      --tuple-src ADDR               source of the connection that is expected\n"
"      --tuple-dst ADDR               its destination\n"
"      --mask-src ADDR                which bits of the source count\n"
"      --mask-dst ADDR                which bits of the destination count\n"
"\n"
"Many at once:\n"
"      --filter-file FILE             -L, -D, -E, -U: what a line of FILE selects\n"
"      --keep-going                   -R: go on after what the kernel refuses\n"
"      --dry-run                      -D, -U: show what would be done; -R: only check\n"
"\n"
"Order of a listing (-L):\n"
"      --sort LIST                    by fields as of --by; by packets or bytes, largest first\n"
"      --limit N                      the first N alone\n"
"\n"
"Groups of what is selected (-L, -C; with -E, of what begins and ends):\n";

static const char usage_groups[] =
"      --top [N]                      the largest groups alone, 10 without N\n"
"      --sort KEY                     by: count, packets, bytes; with -E: new, destroyed\n"
"      --every SECONDS                -E, --top: length of an interval; 1, 2 without it\n"
"      --count N                      -E: end after N intervals\n"
"\n"
"Showing:\n"
"  -o, --output LIST                  extended, id, timestamp, ktimestamp, labels,\n"
"                                     save, xml, json; groups also as csv\n"
"  -e, --event-mask LIST              ALL, NEW, UPDATES, DESTROY\n"
"  -b, --buffer-size BYTES            receive buffer for events\n"
"      --resync                       -E: after a loss, show what was missed\n"
"  -z, --zero                         set counters to zero while listing\n";

/* The shell completes what stands here (cli/completion): so it is the table's. */
static void print_fields(void)
{
	const struct cts_field *end = cts_fields + CTS_FIELD_MAX;
	int column = printf("%-*sfields:", TEXT_COLUMN, "      --by LIST");

	for (const struct cts_field *f = cts_fields; f < end; f++) {
		if (column + (int)strlen(f->name) + 2 > TEXT_END)
			column = printf("\n%*s", TEXT_COLUMN - 1, "") - 1;
		column += printf(" %s%s", f->name, f + 1 < end ? "," : ";\n");
	}
	printf("%*snetworks as src/24\n", TEXT_COLUMN, "");
}

int cmd_help(struct cmdline *cl)
{
	fputs(usage, stdout);
	print_fields();
	fputs(usage_groups, stdout);
	if (cmdline_has(cl, OPT_PROTO))
		proto_options_help(cl->store.flow.orig.proto);
	return EXIT_OK;
}

int cmd_version(struct cmdline *cl)
{
	(void)cl;
	puts("conntrack v" PACKAGE_VERSION " (conntrack-tools)");
	return EXIT_OK;
}
