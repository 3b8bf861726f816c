/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands: one row and one file each. Order: enum command_id. */
#include "config.h"

#include "cli/conntrack/conntrack.h"

#define CT   (1u << CTS_TABLE_CONNTRACK)
#define SIDE (1u << CTS_TABLE_DYING | 1u << CTS_TABLE_UNCONFIRMED)

const struct command commands[CMD_MAX] = {
	[CMD_LIST]    = { CMD_LIST, 'L', "dump", CT | SIDE, cmd_list },
	[CMD_CREATE]  = { CMD_CREATE, 'I', "create", CT, cmd_create },
	[CMD_ADD]     = { CMD_ADD, 'A', "add", CT, cmd_create },
	[CMD_UPDATE]  = { CMD_UPDATE, 'U', "update", CT, cmd_update },
	[CMD_DELETE]  = { CMD_DELETE, 'D', "delete", CT, cmd_delete },
	[CMD_GET]     = { CMD_GET, 'G', "get", CT, cmd_get },
	[CMD_EVENT]   = { CMD_EVENT, 'E', "event", CT, cmd_event },
	[CMD_FLUSH]   = { CMD_FLUSH, 'F', "flush", CT, cmd_flush },
	[CMD_HELP]    = { CMD_HELP, 'h', "help", CT, cmd_help },
	[CMD_COUNT]   = { CMD_COUNT, 'C', "counter", CT, cmd_count },
	[CMD_STATS]   = { CMD_STATS, 'S', "stats", CT, cmd_stats },
	[CMD_VERSION] = { CMD_VERSION, 'V', "version", CT, cmd_version },
	[CMD_LOAD]    = { CMD_LOAD, 'R', "load-file", CT, cmd_load },
};
