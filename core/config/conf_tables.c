/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option tables of the daemon's own groups. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "core/config/conf.h"

/* It goes into log lines and messages, and its hash is the node's id. */
static int check_name(const char *value, char *why, size_t size)
{
	size_t len = strlen(value);

	if (len < 64 && strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-") == len)
		return 0;
	snprintf(why, size,
		 "\"%.64s\" is not a name, allowed: 1 to 63 of letters, digits, ., _ "
		 "and -",
		 value);
	return -1;
}

static int check_socket(const char *value, char *why, size_t size)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (strlen(value) <= max)
		return 0;
	snprintf(why, size, "is too long for a socket, allowed: %zu bytes", max);
	return -1;
}

static int check_mode(const char *value, char *why, size_t size)
{
	size_t len = strlen(value);

	if (len >= 3 && len <= 4 && strspn(value, "01234567") == len && (len == 3 || *value == '0'))
		return 0;
	snprintf(why, size, "\"%.64s\" is not a file mode, allowed: octal digits like \"0600\"",
		 value);
	return -1;
}

static const struct cts_option top[] = {
	{ .name = "node",
	  .type = CTS_OPT_STRING,
	  .check = check_name,
	  .help = "name of this node, else the host's name" },
	{ .name = "lock",
	  .type = CTS_OPT_PATH,
	  .def = "/run/conntrackd.lock",
	  .help = "file that keeps a second daemon from starting" },
	{ .name = "plugin_path",
	  .type = CTS_OPT_LIST_OF(CTS_OPT_PATH),
	  .max = 16,
	  .help = "folders to search for plugins first" },
	{ .name = NULL },
};

static const struct cts_option control[] = {
	{ .name = "socket",
	  .type = CTS_OPT_PATH,
	  .check = check_socket,
	  .def = "/run/conntrackd.sock",
	  .help = "socket that takes the commands" },
	{ .name = "mode",
	  .type = CTS_OPT_STRING,
	  .check = check_mode,
	  .def = "0600",
	  .help = "file mode of the socket" },
	{ .name = NULL },
};

static const struct cts_option log_rows[] = {
	{ .name = "target",
	  .type = CTS_OPT_PATH,
	  .choices = "stderr syslog journal",
	  .def = "stderr",
	  .help = "where log lines go" },
	{ .name = "level",
	  .type = CTS_OPT_CHOICE,
	  .choices = "err warn info debug",
	  .def = "info",
	  .help = "the least important lines that are written" },
	{ .name = NULL },
};

static const struct cts_option kernel[] = {
	{ .name = "event_buffer",
	  .type = CTS_OPT_INT,
	  .min = 65536,
	  .max = 2147483647,
	  .def = "268435456",
	  .help = "ceiling of the event socket's receive buffer, in bytes" },
	{ .name = "reconcile_interval",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 86400,
	  .def = "60",
	  .help = "seconds between comparisons with the kernel's whole table, 0: never" },
	{ .name = "events_sysctl",
	  .type = CTS_OPT_BOOL,
	  .def = "true",
	  .help = "set net.netfilter.nf_conntrack_events to 1 at start" },
	{ .name = "reliable_events",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "let the kernel keep entries whose destroy event was not delivered" },
	{ .name = "poll_interval",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 86400,
	  .def = "0",
	  .help = "seconds between dumps of the table, which then replace events; 0: events" },
	{ .name = "collision",
	  .type = CTS_OPT_CHOICE,
	  .choices = "keep replace",
	  .def = "keep",
	  .help = "which entry stays when a committed one clashes with a local one" },
	{ .name = "coalesce",
	  .type = CTS_OPT_CHOICE,
	  .choices = "adaptive never always",
	  .def = "adaptive",
	  .help = "when events wait up to 1 ms to be read together: under load, never, always" },
	{ .name = NULL },
};

static const struct cts_option cache[] = {
	{ .name = "limit",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 1000000000,
	  .def = "0",
	  .help = "entries of each cache, 0: as many as nf_conntrack_max" },
	{ .name = NULL },
};

#define SYNC_ATTRIBUTES "status timeout mark nat helper master zone labels seqadj synproxy"

static const struct cts_option sync_rows[] = {
	{ .name = "mode",
	  .type = CTS_OPT_CHOICE,
	  .choices = "ftfw alarm notrack",
	  .def = "ftfw",
	  .help = "reliable, refreshed from time to time, or best effort" },
	{ .name = "startup_resync",
	  .type = CTS_OPT_BOOL,
	  .def = "true",
	  .help = "ask the other nodes for their state at start" },
	{ .name = "external_cache",
	  .type = CTS_OPT_BOOL,
	  .def = "true",
	  .help = "keep others' flows until a commit; false: write them to the kernel at once, "
		  "and put together what two kernels know of one flow" },
	{ .name = "internal_cache",
	  .type = CTS_OPT_BOOL,
	  .def = "true",
	  .help = "keep a copy of the kernel's table; this release refuses false" },
	{ .name = "commit_timeout",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 432000,
	  .def = "0",
	  .help = "longest timeout of committed flows in seconds, 0: their own" },
	{ .name = "purge_timeout",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 86400,
	  .def = "60",
	  .help = "seconds until -t purges, until a demoted node gives up flows that nobody took "
		  "over, and until the flows of a table that its node lost are dropped" },
	{ .name = "refresh_time",
	  .type = CTS_OPT_INT,
	  .min = 1,
	  .max = 3600,
	  .def = "60",
	  .help = "mode alarm: seconds within which each flow is sent again" },
	{ .name = "expire_time",
	  .type = CTS_OPT_INT,
	  .min = 1,
	  .max = 86400,
	  .def = "180",
	  .help = "mode alarm: seconds after which a flow that was not refreshed is dropped" },
	{ .name = "tcp_window_tracking",
	  .type = CTS_OPT_BOOL,
	  .def = "false",
	  .help = "let the kernel check the TCP windows of committed flows" },
	{ .name = "expectations",
	  .type = CTS_OPT_LIST,
	  .max = 32,
	  .help = "helpers whose expectations are replicated; this release refuses any" },
	{ .name = "min_age_ms",
	  .type = CTS_OPT_INT,
	  .min = 0,
	  .max = 600000,
	  .def = "0",
	  .help = "age in milliseconds from which on flows are replicated" },
	{ .name = "dead_after_ms",
	  .type = CTS_OPT_INT,
	  .min = 500,
	  .max = 60000,
	  .def = "2000",
	  .help = "silence after which a node counts as gone, in milliseconds" },
	{ .name = "attributes",
	  .type = CTS_OPT_LIST,
	  .choices = SYNC_ATTRIBUTES,
	  .def = "status timeout mark nat helper master zone labels",
	  .help = "what is replicated beside tuples and protocol state" },
	{ .name = "cluster",
	  .type = CTS_OPT_STRING,
	  .check = check_name,
	  .def = "default",
	  .help = "messages of another cluster are ignored" },
	{ .name = "nodes",
	  .type = CTS_OPT_LIST,
	  .max = 16,
	  .check = check_name,
	  .help = "names of all nodes; none: whoever completes the handshake" },
	{ .name = "key_file",
	  .type = CTS_OPT_PATH,
	  .help = "keys that seal the messages; this release refuses it" },
	{ .name = NULL },
};

const struct cts_option *cts_config_table(const char *group)
{
	static const struct {
		const char *name;
		const struct cts_option *rows;
	} tables[] = {
		{ "", top },          { "control", control }, { "log", log_rows },
		{ "kernel", kernel }, { "cache", cache },     { "sync", sync_rows },
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (strcmp(tables[i].name, group) == 0)
			return tables[i].rows;
	return NULL;
}
