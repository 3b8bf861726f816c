/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the daemon's configuration and finds all its mistakes in one run. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config/conf.h"
#include "core/config/conf_scan.h"

struct load {
	struct cts_config *c;
	struct cts_report *report;
	config_t libconfig;
};

/* -- places -- */

static void error_at(struct load *ld, const config_setting_t *s, const char *name, const char *what)
{
	const char *file = s ? config_setting_source_file(s) : NULL;

	cts_report_error(ld->report, file ? file : ld->report->file,
			 s ? (unsigned int)config_setting_source_line(s) : 0, "%s: %s", name, what);
}

static config_setting_t *member(const config_setting_t *group, const char *name)
{
	return group ? config_setting_get_member(group, name) : NULL;
}

/* The place of group.name: of the option where it is set, else of its group. */
static void cross_error(struct load *ld, const char *group, const char *name, const char *what)
{
	config_setting_t *g = config_lookup(&ld->libconfig, group);
	config_setting_t *s = member(g, name);
	char full[128];

	snprintf(full, sizeof(full), "%s.%s", group, name);
	error_at(ld, s ? s : g, full, what);
}

/* -- groups -- */

static struct cts_options *load_group(struct load *ld, const char *name, const char *ignore)
{
	config_setting_t *g = config_lookup(&ld->libconfig, name);

	if (g && config_setting_type(g) != CONFIG_TYPE_GROUP) {
		error_at(ld, g, name, "is not a group, allowed: { name = value; ... }");
		return NULL;
	}
	return cts_options_parse(cts_config_table(name), g, name, ignore, ld->report);
}

static int load_loader(struct load *ld)
{
	config_setting_t *s = config_lookup(&ld->libconfig, "plugin_path");
	const char *path[16];
	size_t n = 0;

	/* From the file itself: a mistake elsewhere in the top group is no reason
	 * to report every plugin as missing. */
	for (int i = 0; s && config_setting_is_aggregate(s) && i < config_setting_length(s); i++) {
		const char *dir = config_setting_get_string_elem(s, i);

		if (dir && *dir == '/' && n < sizeof(path) / sizeof(path[0]))
			path[n++] = dir;
	}
	if (s && config_setting_type(s) == CONFIG_TYPE_STRING)
		path[n++] = config_setting_get_string(s);
	ld->c->loader = cts_loader_create(path, n);
	if (ld->c->loader)
		return 0;
	error_at(ld, NULL, "plugin_path", strerror(errno));
	return -1;
}

/* -- blocks of plugins -- */

static void load_block(struct load *ld, const config_setting_t *s, const char *group,
		       enum cts_plugin_kind kind, struct cts_config_block *block)
{
	config_setting_t *p = config_setting_type(s) == CONFIG_TYPE_GROUP ? member(s, "plugin")
									  : NULL;
	const char *name = p ? config_setting_get_string(p) : NULL;
	char option[64], what[1200];
	const struct cts_plugin *plugin;

	if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
		error_at(ld, s, group,
			 "is not a list of groups, allowed: ( { plugin = \"name\"; "
			 "... }, ... )");
		return;
	}
	snprintf(option, sizeof(option), "%s.plugin", group);
	if (!name) {
		error_at(ld, p ? p : s, option,
			 p ? "is not a string, allowed: the name of a plugin"
			   : "is missing, required: the name of a plugin");
		return;
	}
	block->ops = cts_loader_get(ld->c->loader, kind, name);
	if (!block->ops) {
		snprintf(what, sizeof(what),
			 "\"%.64s\" cannot be loaded, allowed: %s %s plugin: %s", name,
			 kind == CTS_KIND_OUTPUT ? "an" : "a", cts_kind_name(kind),
			 cts_loader_error(ld->c->loader));
		error_at(ld, p, option, what);
		return;
	}
	plugin = block->ops;
	block->plugin = plugin->name;
	block->options = cts_options_parse(plugin->options, s, plugin->name, "plugin", ld->report);
}

static void load_blocks(struct load *ld, const config_setting_t *s, const char *group,
			enum cts_plugin_kind kind, size_t max, struct cts_config_block **blocks,
			size_t *n_blocks)
{
	size_t n;
	char what[64];

	if (!s)
		return;
	if (config_setting_type(s) != CONFIG_TYPE_LIST) {
		error_at(ld, s, group,
			 "is not a list, allowed: ( { plugin = \"name\"; ... }, ... )");
		return;
	}
	n = (size_t)config_setting_length(s);
	if (n > max) {
		snprintf(what, sizeof(what), "has %zu blocks, allowed: at most %zu", n, max);
		error_at(ld, s, group, what);
		return;
	}
	if (!n)
		return;
	*blocks = calloc(n, sizeof(**blocks));
	if (!*blocks) {
		error_at(ld, s, group, strerror(errno));
		return;
	}
	*n_blocks = n;
	for (size_t i = 0; i < n; i++)
		load_block(ld, config_setting_get_elem(s, (unsigned int)i), group, kind,
			   *blocks + i);
}

static void load_plugins(struct load *ld)
{
	struct cts_config *c = ld->c;
	config_setting_t *sync = config_lookup(&ld->libconfig, "sync");

	if (sync && config_setting_type(sync) == CONFIG_TYPE_GROUP)
		load_blocks(ld, member(sync, "transports"), "sync.transports", CTS_KIND_TRANSPORT,
			    CTS_CONFIG_TRANSPORTS_MAX, &c->transports, &c->n_transports);
	load_blocks(ld, config_lookup(&ld->libconfig, "filters"), "filters", CTS_KIND_FILTER,
		    CTS_CONFIG_BLOCKS_MAX, &c->filters, &c->n_filters);
	load_blocks(ld, config_lookup(&ld->libconfig, "outputs"), "outputs", CTS_KIND_OUTPUT,
		    CTS_CONFIG_BLOCKS_MAX, &c->outputs, &c->n_outputs);
}

/* -- what one option alone does not show -- */

static bool is_mode(const struct cts_options *sync, const char *mode)
{
	return strcmp(cts_options_string(sync, "mode"), mode) == 0;
}

static void check_nodes(struct load *ld)
{
	const struct cts_options *sync = ld->c->sync;
	size_t n = cts_options_count(sync, "nodes");
	bool self = n == 0;
	char what[256];

	for (size_t i = 0; i < n; i++) {
		const char *name = cts_options_item(sync, "nodes", i);

		self |= strcmp(name, ld->c->node) == 0;
		for (size_t j = 0; j < i; j++)
			if (strcmp(name, cts_options_item(sync, "nodes", j)) == 0) {
				snprintf(what, sizeof(what),
					 "\"%s\" is there twice, allowed: each "
					 "node once",
					 name);
				cross_error(ld, "sync", "nodes", what);
			}
	}
	if (!self) {
		snprintf(what, sizeof(what), "does not name this node, required: \"%s\" among them",
			 ld->c->node);
		cross_error(ld, "sync", "nodes", what);
	}
}

static void check_sync(struct load *ld)
{
	const struct cts_options *sync = ld->c->sync;
	bool alarm_mode = is_mode(sync, "alarm");

	if (!cts_options_bool(sync, "internal_cache"))
		cross_error(ld, "sync", "internal_cache",
			    "this release needs its copy of the kernel's table in each mode, "
			    "allowed: true");
	if (!cts_options_bool(sync, "external_cache") && alarm_mode)
		cross_error(ld, "sync", "external_cache",
			    "false is not possible in mode \"alarm\", allowed: ftfw, notrack");
	if (!cts_options_bool(sync, "external_cache") &&
	    cts_options_int(sync, "commit_timeout") > 0)
		cross_error(ld, "sync", "commit_timeout",
			    "has no effect with external_cache = false, allowed: 0");
	if (!alarm_mode && cts_options_is_set(sync, "refresh_time"))
		cross_error(ld, "sync", "refresh_time", "belongs to mode \"alarm\" alone");
	if (!alarm_mode && cts_options_is_set(sync, "expire_time"))
		cross_error(ld, "sync", "expire_time", "belongs to mode \"alarm\" alone");
	if (alarm_mode &&
	    cts_options_int(sync, "expire_time") <= cts_options_int(sync, "refresh_time"))
		cross_error(ld, "sync", "expire_time",
			    "flows would expire before they are refreshed, allowed: more than "
			    "refresh_time");
	/* Going on without a seal that was asked for would be worse than stopping. */
	if (cts_options_is_set(sync, "key_file"))
		cross_error(ld, "sync", "key_file",
			    "this release cannot seal messages, allowed: nothing");
	if (cts_options_count(sync, "expectations"))
		cross_error(ld, "sync", "expectations",
			    "this release replicates flows alone, allowed: an empty list");
	check_nodes(ld);
}

static void check_transports(struct load *ld)
{
	config_setting_t *sync = config_lookup(&ld->libconfig, "sync");
	config_setting_t *s;

	if (config_setting_type(sync) != CONFIG_TYPE_GROUP)
		return; /* reported as such */
	s = member(sync, "transports");
	if (!s || (config_setting_type(s) == CONFIG_TYPE_LIST && config_setting_length(s) == 0))
		cross_error(ld, "sync", "transports", "is missing, required: 1 to 4 transports");
}

static void check_kernel(struct load *ld)
{
	const struct cts_options *kernel = ld->c->kernel;

	if (cts_options_int(kernel, "poll_interval") && cts_options_bool(kernel, "reliable_events"))
		cross_error(
			ld, "kernel", "reliable_events",
			"has no effect with poll_interval: there are no events, allowed: false");
}

static int load_node(struct load *ld)
{
	const char *name = ld->c->top ? cts_options_string(ld->c->top, "node") : NULL;
	const struct cts_option *row = cts_option_find(cts_config_table(""), "node");
	char host[256] = "", why[256];

	if (!name) {
		gethostname(host, sizeof(host) - 1);
		name = host;
		if (ld->c->top && (!*host || row->check(host, why, sizeof(why)) < 0))
			error_at(ld, NULL, "node",
				 "the host's name cannot be used, required: a name "
				 "of 1 to 63 letters, digits, ., _ and -");
	}
	ld->c->node = strdup(name);
	return ld->c->node ? 0 : -1;
}

static void load_all(struct load *ld)
{
	struct cts_config *c = ld->c;

	c->top = cts_options_parse(cts_config_table(""), config_root_setting(&ld->libconfig), "",
				   "control log kernel cache sync filters outputs", ld->report);
	c->control = load_group(ld, "control", NULL);
	c->log = load_group(ld, "log", NULL);
	c->kernel = load_group(ld, "kernel", NULL);
	c->cache = load_group(ld, "cache", NULL);
	if (config_lookup(&ld->libconfig, "sync")) {
		c->sync = load_group(ld, "sync", "transports");
		check_transports(ld);
	}
	if (load_node(ld) < 0 || load_loader(ld) < 0) {
		error_at(ld, NULL, "node", strerror(errno));
		return;
	}
	load_plugins(ld);
	if (c->sync)
		check_sync(ld);
	if (c->kernel)
		check_kernel(ld);
}

/* -- files -- */

/* The main file is read without a name: messages use the one that the user gave. */
static int read_libconfig(struct load *ld, const char *file)
{
	const char *where;
	FILE *fp;
	int ok;

	if (cts_conf_scan(file, ld->report) < 0)
		return -1;
	fp = fopen(file, "re");
	if (!fp) {
		cts_report_error(ld->report, ld->report->file, 0, "%s", strerror(errno));
		return -1;
	}
	ok = config_read(&ld->libconfig, fp);
	fclose(fp);
	if (ok)
		return 0;
	where = config_error_file(&ld->libconfig);
	cts_report_error(ld->report, where ? where : ld->report->file,
			 config_error_type(&ld->libconfig) == CONFIG_ERR_PARSE
				 ? (unsigned int)config_error_line(&ld->libconfig)
				 : 0,
			 "%s", config_error_text(&ld->libconfig));
	return -1;
}

/* Included files are meant relative to the including one, wherever the daemon was
 * started; libconfig knows only the current folder (1.5 mistreats absolute names
 * when it is given another), so we go there for the time. */
static int read_in_its_folder(struct load *ld, const char *path)
{
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *copy = strdup(path), *absolute = realpath(path, NULL);
	int rc = -1;

	if (here < 0 || !copy || !absolute || chdir(dirname(copy)) < 0)
		cts_report_error(ld->report, path, 0, "%s", strerror(errno));
	else
		rc = read_libconfig(ld, absolute);
	if (here >= 0) {
		if (fchdir(here) < 0) {
			cts_report_error(ld->report, path, 0, "cannot go back: %s",
					 strerror(errno));
			rc = -1;
		}
		close(here);
	}
	free(absolute);
	free(copy);
	return rc;
}

struct cts_config *cts_config_load(const char *path, struct cts_report *report)
{
	struct cts_report own = { 0 };
	struct load ld = { .report = report ? report : &own };
	const char *file = ld.report->file;
	unsigned int errors = ld.report->errors;

	ld.c = calloc(1, sizeof(*ld.c));
	if (ld.c)
		ld.c->path = strdup(path);
	if (!ld.c || !ld.c->path) {
		free(ld.c);
		cts_report_error(ld.report, path, 0, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	config_init(&ld.libconfig);
	ld.report->file = path;
	if (read_in_its_folder(&ld, path) == 0)
		load_all(&ld);
	ld.report->file = file;
	config_destroy(&ld.libconfig);

	if (ld.report->errors == errors)
		return ld.c;
	cts_config_free(ld.c);
	errno = EINVAL;
	return NULL;
}

static void blocks_free(struct cts_config_block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cts_options_free(blocks[i].options);
	free(blocks);
}

void cts_config_free(struct cts_config *c)
{
	if (!c)
		return;
	blocks_free(c->transports, c->n_transports);
	blocks_free(c->filters, c->n_filters);
	blocks_free(c->outputs, c->n_outputs);
	cts_options_free(c->top);
	cts_options_free(c->control);
	cts_options_free(c->log);
	cts_options_free(c->kernel);
	cts_options_free(c->cache);
	cts_options_free(c->sync);
	cts_loader_destroy(c->loader);
	free(c->node);
	free(c->path);
	free(c);
}

/* -- getters that need more than a name -- */

uint64_t cts_config_attributes(const struct cts_config *c)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} attributes[] = {
		{ "status", CTS_FLOW_BIT(CTS_FLOW_STATUS) },
		{ "timeout", CTS_FLOW_BIT(CTS_FLOW_TIMEOUT) },
		{ "mark", CTS_FLOW_BIT(CTS_FLOW_MARK) },
		{ "nat", CTS_FLOW_BIT(CTS_FLOW_SNAT) | CTS_FLOW_BIT(CTS_FLOW_DNAT) },
		{ "helper", CTS_FLOW_BIT(CTS_FLOW_HELPER) },
		{ "master", CTS_FLOW_BIT(CTS_FLOW_MASTER) },
		{ "zone", CTS_FLOW_BIT(CTS_FLOW_ZONE) | CTS_FLOW_BIT(CTS_FLOW_ZONE_ORIG) |
				  CTS_FLOW_BIT(CTS_FLOW_ZONE_REPLY) },
		{ "labels", CTS_FLOW_BIT(CTS_FLOW_LABELS) },
		{ "seqadj",
		  CTS_FLOW_BIT(CTS_FLOW_SEQADJ_ORIG) | CTS_FLOW_BIT(CTS_FLOW_SEQADJ_REPLY) },
		{ "synproxy", CTS_FLOW_BIT(CTS_FLOW_SYNPROXY) },
	};
	uint64_t bits = CTS_FLOW_BIT(CTS_FLOW_ORIG) | CTS_FLOW_BIT(CTS_FLOW_REPLY) |
			CTS_FLOW_BIT(CTS_FLOW_TCP_STATE) | CTS_FLOW_BIT(CTS_FLOW_TCP_FLAGS) |
			CTS_FLOW_BIT(CTS_FLOW_TCP_WSCALE) | CTS_FLOW_BIT(CTS_FLOW_SCTP_STATE) |
			CTS_FLOW_BIT(CTS_FLOW_SCTP_VTAG) | CTS_FLOW_BIT(CTS_FLOW_DCCP_STATE) |
			CTS_FLOW_BIT(CTS_FLOW_DCCP_ROLE) | CTS_FLOW_BIT(CTS_FLOW_DCCP_SEQ);
	size_t n = c->sync ? cts_options_count(c->sync, "attributes") : 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sizeof(attributes) / sizeof(attributes[0]); j++)
			if (strcmp(cts_options_item(c->sync, "attributes", i),
				   attributes[j].name) == 0)
				bits |= attributes[j].bits;
	return bits;
}

unsigned int cts_config_socket_mode(const struct cts_config *c)
{
	return (unsigned int)strtoul(cts_options_string(c->control, "mode"), NULL, 8);
}
