/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option tables: a plugin declares what may stand in its config block; the core
 * checks the block, fills in defaults and hands the result to create().
 */
#ifndef CTS_OPTIONS_H
#define CTS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cts_option_type {
	CTS_OPT_END, /* closes a table */
	CTS_OPT_BOOL,
	CTS_OPT_INT, /* min..max, both inclusive */
	CTS_OPT_STRING,
	CTS_OPT_CHOICE,    /* one word of choices */
	CTS_OPT_PATH,      /* an absolute path, or one of the words in choices */
	CTS_OPT_ADDRESS,   /* IPv4 or IPv6 address */
	CTS_OPT_INTERFACE, /* name of a network interface, 1 to 15 bytes */
	CTS_OPT_LIST,      /* list of strings; choices, if given, limit its words */
	CTS_OPT_TYPE_MAX
};

/* A list whose items are checked as another type, e.g. of addresses. */
#define CTS_OPT_LIST_OF(type_) (CTS_OPT_LIST | (uint32_t)(type_) << 8)

enum cts_option_flags {
	CTS_OPT_REQUIRED = 1 << 0,
};

/* One row of a table; static const in the plugin. Rows are read by pointer, so
 * the row's size is frozen: new kinds of facts get a table of their own. */
struct cts_option {
	const char *name;
	uint32_t type;    /* enum cts_option_type */
	uint32_t flags;   /* enum cts_option_flags */
	const char *def;  /* default as text; NULL: none; lists: words split by spaces */
	int64_t min, max; /* CTS_OPT_INT; both 0: no limits. CTS_OPT_LIST: max words, 0 = 65536 */
	const char *choices; /* words split by spaces, or NULL */
	const char *help;    /* one line, no full stop */
	/*
	 * What the row cannot say as data, or NULL: look at one value (each word
	 * of a list) that is right so far. 0, or -1 with what is wrong and what
	 * is allowed in why. Called when a file is checked, without an instance:
	 * it must have no effect.
	 */
	int (*check)(const char *value, char *why, size_t size);
	void *reserved;
};

/* The checked options of one config block; lives as long as the instance. */
struct cts_options;

/* Getters by name, for create(): they search the table. Asking for a name that is not in the table
 * is a mistake of the plugin and aborts. String getters return NULL when the option is neither set
 * nor has a default; the text is lent and lives as long as the options. */
bool cts_options_bool(const struct cts_options *opt, const char *name);
int64_t cts_options_int(const struct cts_options *opt, const char *name);
const char *cts_options_string(const struct cts_options *opt, const char *name);
size_t cts_options_count(const struct cts_options *opt, const char *name);
const char *cts_options_item(const struct cts_options *opt, const char *name, size_t i);
bool cts_options_is_set(const struct cts_options *opt, const char *name);

/*
 * Report that an option's value cannot be used although its type is right.
 * Logged as `file:line: plugin.option: what`; item -1 stands for the whole.
 */
void cts_options_error(const struct cts_options *opt, const char *name, int item, const char *fmt,
		       ...) __attribute__((format(printf, 4, 5)));

#ifdef __cplusplus
}
#endif
#endif /* CTS_OPTIONS_H */
