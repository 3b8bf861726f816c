/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's configuration (libconfig), parsed and checked. Named conf, not
 * config: "config.h" is the build's own header and must not be hidden here.
 */
#ifndef CTS_CONFIG_CONF_H
#define CTS_CONFIG_CONF_H

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

#define CTS_CONFIG_TRANSPORTS_MAX 4u
#define CTS_CONFIG_BLOCKS_MAX 64u      /* filters; outputs */
#define CTS_CONFIG_FILE_MAX (8u << 20) /* bytes, included files and all */

/* One block of transports, filters or outputs. */
struct cts_config_block {
	const char *plugin;          /* its name; lent by the module */
	const void *ops;             /* struct cts_*_ops, from the loader */
	struct cts_options *options; /* owned */
};

/* cts_options_*() read the groups: names as in conf/, e.g.
 * cts_options_int(c->kernel, "reconcile_interval"). */
struct cts_config {
	char *path;                  /* owned */
	char *node;                  /* owned; `node`, or else the host's name */
	struct cts_loader *loader;   /* owned */
	struct cts_options *top;     /* node, lock, plugin_path */
	struct cts_options *control; /* socket, mode */
	struct cts_options *log;     /* target, level */
	struct cts_options *kernel;
	struct cts_options *cache; /* limit */
	struct cts_options *sync;  /* NULL: statistics collector */
	struct cts_config_block *transports, *filters, *outputs;
	size_t n_transports, n_filters, n_outputs;
};

/* Load and check all of it, plugins' options included; no instance is made. NULL:
 * every mistake has been reported. report may be NULL: to the log. */
struct cts_config *cts_config_load(const char *path, struct cts_report *report);
void cts_config_free(struct cts_config *c); /* takes NULL */

/* sync.attributes as CTS_FLOW_BIT()s; tuples and protocol state always belong. */
uint64_t cts_config_attributes(const struct cts_config *c);
/* control.mode as a number. */
unsigned int cts_config_socket_mode(const struct cts_config *c);
/* The table of a group ("", "control", "log", "kernel", "cache", "sync"), or NULL. */
const struct cts_option *cts_config_table(const char *group);

#endif
