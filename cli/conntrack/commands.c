/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands: one row and one file each. Order: enum command_id. */
#include "config.h"

#include "cli/conntrack/conntrack.h"

#define CT   (1u << CTS_TABLE_CONNTRACK)
#define EXP  (1u << CTS_TABLE_EXPECT)
#define SIDE (1u << CTS_TABLE_DYING | 1u << CTS_TABLE_UNCONFIRMED)

const struct command commands[CMD_MAX] = {
	[CMD_LIST]    = { CMD_LIST, 'L', "dump", CT | SIDE | EXP, cmd_list, expect_list },
	[CMD_CREATE]  = { CMD_CREATE, 'I', "create", CT | EXP, cmd_create, expect_create },
	[CMD_ADD]     = { CMD_ADD, 'A', "add", CT, cmd_create, NULL },
	[CMD_UPDATE]  = { CMD_UPDATE, 'U', "update", CT, cmd_update, NULL },
	[CMD_DELETE]  = { CMD_DELETE, 'D', "delete", CT | EXP, cmd_delete, expect_delete },
	[CMD_GET]     = { CMD_GET, 'G', "get", CT | EXP, cmd_get, expect_get },
	[CMD_EVENT]   = { CMD_EVENT, 'E', "event", CT | EXP, cmd_event, expect_event },
	[CMD_FLUSH]   = { CMD_FLUSH, 'F', "flush", CT | EXP, cmd_flush, expect_flush },
	[CMD_HELP]    = { CMD_HELP, 'h', "help", CT | EXP, cmd_help, cmd_help },
	[CMD_COUNT]   = { CMD_COUNT, 'C', "counter", CT | EXP, cmd_count, expect_count },
	[CMD_STATS]   = { CMD_STATS, 'S', "stats", CT | EXP, cmd_stats, cmd_stats },
	[CMD_VERSION] = { CMD_VERSION, 'V', "version", CT | EXP, cmd_version, cmd_version },
	[CMD_TOP]     = { CMD_TOP, 0, "top", CT, cmd_top, NULL },
	[CMD_LOAD]    = { CMD_LOAD, 'R', "load-file", CT, cmd_load, NULL },
};
