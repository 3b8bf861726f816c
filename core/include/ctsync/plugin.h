/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every plugin module exports: one constant symbol `<module>_LTX_cts_plugin`
 * that begins with struct cts_plugin and goes on with the functions of its kind
 * (ctsync/transport.h, output.h, filter.h). There is no init function: the core
 * checks ABI and kind before it calls anything.
 */
#ifndef CTS_PLUGIN_H
#define CTS_PLUGIN_H

#include <stdint.h>

#include <ctsync/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised only when a binary built before can no longer work. New functions go to
 * the end of an ops struct: an older plugin's smaller size leaves them NULL. */
#define CTS_PLUGIN_ABI 1u

enum cts_plugin_kind {
	CTS_KIND_TRANSPORT = 1,
	CTS_KIND_OUTPUT = 2,
	CTS_KIND_FILTER = 3,
};

struct cts_plugin {
	uint32_t abi;  /* CTS_PLUGIN_ABI at build time */
	uint32_t size; /* of the whole ops struct, in bytes */
	uint32_t kind; /* enum cts_plugin_kind */
	uint32_t reserved;
	const char *name; /* as in `plugin = "name"`: the module's name */
	const char *version;
	const char *summary;              /* one line, no full stop */
	const struct cts_option *options; /* closed by a zeroed row; NULL: none */
};

/* First member of an ops struct, e.g.
 *   .plugin = CTS_PLUGIN(CTS_KIND_OUTPUT, struct cts_output_ops, "log",
 *                        PACKAGE_VERSION, "a line of text for each event", log_options), */
#define CTS_PLUGIN(kind_, type_, name_, version_, summary_, options_)                           \
	{                                                                                       \
		.abi = CTS_PLUGIN_ABI, .size = sizeof(type_), .kind = (kind_), .name = (name_), \
		.version = (version_), .summary = (summary_), .options = (options_)             \
	}

#ifdef __cplusplus
}
#endif
#endif /* CTS_PLUGIN_H */
