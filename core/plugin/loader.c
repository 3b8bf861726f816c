/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds modules, opens them with libltdl, and refuses what does not fit. */
#include "config.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <ltdl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/plugin/loader.h"
#include "core/plugin/option_table.h"

#define LOADER_NAME_MAX 63u
#define LOADER_OPS_MAX 4096u /* no ops struct will ever be larger */

union any_ops {
	struct cts_plugin plugin;
	struct cts_transport_ops transport;
	struct cts_output_ops output;
	struct cts_filter_ops filter;
};

struct module {
	struct module *next;
	lt_dlhandle handle; /* owned */
	union any_ops ops;  /* the module's own, zero-filled where it is older */
};

struct cts_loader {
	char **dirs; /* owned */
	size_t n_dirs;
	struct module *modules;
	char error[1024];
};

/* What an ops struct of each kind must at least hold: the size and functions of its
 * first release. */
static const struct kind {
	const char *name;
	size_t size;         /* as this core knows it */
	size_t mandatory[5]; /* offsets of functions, closed by 0 */
} kinds[] = {
	[CTS_KIND_TRANSPORT] = { "transport",
				 sizeof(struct cts_transport_ops),
				 { offsetof(struct cts_transport_ops, create),
				   offsetof(struct cts_transport_ops, destroy),
				   offsetof(struct cts_transport_ops, send),
				   offsetof(struct cts_transport_ops, max_message) } },
	[CTS_KIND_OUTPUT] = { "output",
			      sizeof(struct cts_output_ops),
			      { offsetof(struct cts_output_ops, create),
				offsetof(struct cts_output_ops, destroy),
				offsetof(struct cts_output_ops, consume) } },
	[CTS_KIND_FILTER] = { "filter",
			      sizeof(struct cts_filter_ops),
			      { offsetof(struct cts_filter_ops, create),
				offsetof(struct cts_filter_ops, destroy),
				offsetof(struct cts_filter_ops, apply) } },
};

static const struct kind *kind_find(unsigned int kind)
{
	return kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[kind].name ? &kinds[kind] : NULL;
}

const char *cts_kind_name(enum cts_plugin_kind kind)
{
	const struct kind *k = kind_find(kind);

	return k ? k->name : "unknown";
}

static void __attribute__((format(printf, 3, 4)))
loader_fail(struct cts_loader *l, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->error, sizeof(l->error), fmt, ap);
	va_end(ap);
	errno = err;
}

const char *cts_loader_error(const struct cts_loader *l)
{
	return l->error;
}

/* -- search path -- */

/* A daemon leaves the folder that it was started in. */
static void dir_make_absolute(char **dir)
{
	char *absolute = **dir == '/' ? NULL : realpath(*dir, NULL);

	if (!absolute)
		return;
	free(*dir);
	*dir = absolute;
}

static int dirs_add(struct cts_loader *l, const char *dir, size_t len)
{
	char **grown;

	if (!len)
		return 0;
	grown = reallocarray(l->dirs, l->n_dirs + 1, sizeof(*grown));
	if (!grown)
		return -1;
	l->dirs = grown;
	grown[l->n_dirs] = strndup(dir, len);
	if (!grown[l->n_dirs])
		return -1;
	dir_make_absolute(&grown[l->n_dirs++]);
	return 0;
}

static int dirs_add_list(struct cts_loader *l, const char *list)
{
	while (list) {
		size_t len = strcspn(list, ":");

		if (dirs_add(l, list, len) < 0)
			return -1;
		list = list[len] ? list + len + 1 : NULL;
	}
	return 0;
}

struct cts_loader *cts_loader_create(const char *const *path, size_t n_path)
{
	struct cts_loader *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return NULL;
	if (lt_dlinit()) {
		free(l);
		errno = ENOMEM;
		return NULL;
	}
	rc = dirs_add_list(l, secure_getenv("CTS_PLUGIN_PATH"));
	for (size_t i = 0; rc == 0 && i < n_path; i++)
		rc = dirs_add(l, path[i], strlen(path[i]));
	if (rc == 0)
		rc = dirs_add(l, CTS_MODULE_DIR, strlen(CTS_MODULE_DIR));
	if (rc < 0) {
		cts_loader_destroy(l);
		errno = ENOMEM;
		return NULL;
	}
	return l;
}

void cts_loader_destroy(struct cts_loader *l)
{
	if (!l)
		return;
	while (l->modules) {
		struct module *m = l->modules;

		l->modules = m->next;
		lt_dlclose(m->handle);
		free(m);
	}
	for (size_t i = 0; i < l->n_dirs; i++)
		free(l->dirs[i]);
	free(l->dirs);
	free(l);
	lt_dlexit();
}

/* -- one module -- */

/* libltdl says "file not found" for everything, a missing symbol too; the linker
 * itself knows better. */
static const char *open_problem(const char *path, char *buf, size_t size)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const char *why = handle ? NULL : dlerror();

	snprintf(buf, size, "%s", why ? why : "cannot be opened");
	if (handle)
		dlclose(handle);
	return buf;
}

static lt_dlhandle module_open(struct cts_loader *l, const char *path)
{
	lt_dladvise advise;
	lt_dlhandle handle = NULL;
	char why[512];

	if (lt_dladvise_init(&advise)) {
		loader_fail(l, ENOMEM, "%s: out of memory", path);
		return NULL;
	}
	if (lt_dladvise_ext(&advise) == 0 && lt_dladvise_local(&advise) == 0)
		handle = lt_dlopenadvise(path, advise);
	lt_dladvise_destroy(&advise);
	if (!handle)
		loader_fail(l, ELIBBAD, "%s: the file exists, but: %s", path,
			    open_problem(path, why, sizeof(why)));
	return handle;
}

/* Nothing of the module is called here: it is data that is looked at. */
static int plugin_check(struct cts_loader *l, const struct cts_plugin *p, const char *path,
			const char *name)
{
	const struct kind *k;
	const char *flaw;

	if (p->abi != CTS_PLUGIN_ABI) {
		loader_fail(l, ENOEXEC, "%s: built for plugin ABI %u, this is ABI %u", path, p->abi,
			    CTS_PLUGIN_ABI);
		return -1;
	}
	k = kind_find(p->kind);
	if (!k) {
		loader_fail(l, ENOEXEC, "%s: kind %u, known are %u to %u", path, p->kind,
			    CTS_KIND_TRANSPORT, CTS_KIND_FILTER);
		return -1;
	}
	if (p->size < sizeof(*p) || p->size > LOADER_OPS_MAX) {
		loader_fail(l, ENOEXEC, "%s: an ops struct of %u bytes, this core has %zu", path,
			    p->size, k->size);
		return -1;
	}
	if (!p->name || !p->version || !p->summary || strcmp(p->name, name) != 0) {
		loader_fail(l, ENOEXEC, "%s: the plugin calls itself \"%s\", the module \"%s\"",
			    path, p->name ? p->name : "", name);
		return -1;
	}
	flaw = cts_option_table_check(p->options);
	if (flaw) {
		loader_fail(l, ENOEXEC, "%s: %s", path, flaw);
		return -1;
	}
	for (const size_t *off = k->mandatory; *off; off++) {
		void *fn = NULL;

		if (*off + sizeof(fn) <= p->size)
			memcpy(&fn, (const char *)p + *off, sizeof(fn));
		if (!fn) {
			loader_fail(l, ENOEXEC, "%s: lacks a mandatory function (at byte %zu)",
				    path, *off);
			return -1;
		}
	}
	return 0;
}

static struct module *module_load(struct cts_loader *l, const char *path, const char *name)
{
	lt_dlhandle handle = module_open(l, path);
	const struct cts_plugin *p;
	struct module *m;
	size_t size;

	if (!handle)
		return NULL;
	p = lt_dlsym(handle, "cts_plugin");
	if (!p) {
		loader_fail(l, ENOEXEC, "%s: exports no %s_LTX_cts_plugin: not a plugin", path,
			    name);
		goto err;
	}
	if (plugin_check(l, p, path, name) < 0)
		goto err;
	m = calloc(1, sizeof(*m));
	if (!m) {
		loader_fail(l, ENOMEM, "%s: out of memory", path);
		goto err;
	}
	size = kinds[p->kind].size;
	memcpy(&m->ops, p, p->size < size ? p->size : size);
	m->handle = handle;
	m->next = l->modules;
	l->modules = m;
	return m;
err:
	lt_dlclose(handle);
	return NULL;
}

/* -- by name -- */

/* Names come from a file and end up in a path and a symbol. */
static bool name_is_sane(const char *name)
{
	size_t len = strlen(name);

	return len && len <= LOADER_NAME_MAX && *name != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       len;
}

static bool is_module_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool module_path(const struct cts_loader *l, const char *name, char *path, size_t size)
{
	for (size_t i = 0; i < l->n_dirs; i++) {
		int n = snprintf(path, size, "%s/%s.so", l->dirs[i], name);

		if (n > 0 && (size_t)n < size && is_module_file(path))
			return true;
	}
	return false;
}

static void fail_not_found(struct cts_loader *l, const char *name)
{
	size_t len;

	loader_fail(l, ENOENT, "there is no file %s.so in", name);
	len = strlen(l->error);
	for (size_t i = 0; i < l->n_dirs && len < sizeof(l->error); i++)
		len += (size_t)snprintf(l->error + len, sizeof(l->error) - len, "%s %s",
					i ? "," : "", l->dirs[i]);
}

static struct module *loader_find(struct cts_loader *l, const char *name)
{
	char path[PATH_MAX];

	for (struct module *m = l->modules; m; m = m->next)
		if (strcmp(m->ops.plugin.name, name) == 0)
			return m;
	if (!name_is_sane(name)) {
		loader_fail(l, EINVAL,
			    "\"%.64s\" is no name of a plugin, allowed: letters, "
			    "digits, _ and -",
			    name);
		return NULL;
	}
	if (!module_path(l, name, path, sizeof(path))) {
		fail_not_found(l, name);
		return NULL;
	}
	return module_load(l, path, name);
}

const void *cts_loader_get(struct cts_loader *l, enum cts_plugin_kind kind, const char *name)
{
	struct module *m = loader_find(l, name);

	if (!m)
		return NULL;
	if (m->ops.plugin.kind != kind) {
		loader_fail(l, ENOEXEC, "%s is of kind %u (%s), asked for is kind %u (%s)", name,
			    m->ops.plugin.kind, cts_kind_name(m->ops.plugin.kind), kind,
			    cts_kind_name(kind));
		return NULL;
	}
	return &m->ops;
}

/* -- all -- */

static int is_module_name(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	/* Nobody's plugin: libctsync.so lies beside the modules in a build tree. */
	if (strncmp(d->d_name, "lib", 3) == 0)
		return 0;
	return len > 3 && strcmp(d->d_name + len - 3, ".so") == 0;
}

/* A module of the same name in an earlier folder hides this one. */
static bool is_hidden(const struct cts_loader *l, const char *file, const char *path)
{
	char first[PATH_MAX], name[LOADER_NAME_MAX + 1];
	int n = snprintf(name, sizeof(name), "%.*s", (int)strlen(file) - 3, file);

	return n <= 0 || (size_t)n >= sizeof(name) || !name_is_sane(name) ||
	       !module_path(l, name, first, sizeof(first)) || strcmp(first, path) != 0;
}

static int each_in_dir(struct cts_loader *l, const char *dir,
		       void (*fn)(void *, const char *, const struct cts_plugin *, const char *),
		       void *ctx)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_module_name, alphasort), found = 0;

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX], name[LOADER_NAME_MAX + 1];
		const struct module *m;

		snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name);
		if (!is_hidden(l, list[i]->d_name, path)) {
			snprintf(name, sizeof(name), "%.*s", (int)strlen(list[i]->d_name) - 3,
				 list[i]->d_name);
			m = loader_find(l, name);
			fn(ctx, path, m ? &m->ops.plugin : NULL, m ? NULL : l->error);
			found++;
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return found;
}

int cts_loader_each(struct cts_loader *l,
		    void (*fn)(void *ctx, const char *path, const struct cts_plugin *plugin,
			       const char *error),
		    void *ctx)
{
	int found = 0;

	for (size_t i = 0; i < l->n_dirs; i++) {
		bool again = false;

		for (size_t j = 0; j < i; j++)
			again |= strcmp(l->dirs[i], l->dirs[j]) == 0;
		if (!again)
			found += each_in_dir(l, l->dirs[i], fn, ctx);
	}
	return found;
}
