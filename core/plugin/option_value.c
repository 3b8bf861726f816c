/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One value of an option: from text to what the getters return, checked. */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plugin/option_value.h"

const struct cts_option *cts_option_find(const struct cts_option *table, const char *name)
{
	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

bool cts_option_word_in(const char *list, const char *word, size_t len)
{
	while (list && *list) {
		size_t n = strcspn(list, " ");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n;
		list += strspn(list, " ");
	}
	return false;
}

/* "a, b, c" from "a b c" */
static void append_words(char *buf, size_t size, const char *list)
{
	size_t len = strlen(buf);

	for (const char *p = list; *p && len + 3 < size; p++) {
		if (*p == ' ')
			buf[len++] = ',';
		buf[len++] = *p;
	}
	buf[len] = '\0';
}

static void allowed_type(const struct cts_option *row, unsigned int type, char *buf, size_t size)
{
	static const char *const name[CTS_OPT_TYPE_MAX] = {
		[CTS_OPT_BOOL] = "true or false",
		[CTS_OPT_STRING] = "a string",
		[CTS_OPT_PATH] = "an absolute path",
		[CTS_OPT_ADDRESS] = "an IPv4 or IPv6 address",
		[CTS_OPT_INTERFACE] = "the name of a network interface (1 to 15 bytes)",
	};

	if (type == CTS_OPT_INT && !row->min && !row->max)
		snprintf(buf, size, "an integer");
	else if (type == CTS_OPT_INT)
		snprintf(buf, size, "an integer from %" PRId64 " to %" PRId64, row->min, row->max);
	else if (type < CTS_OPT_TYPE_MAX && name[type] && !(type == CTS_OPT_STRING && row->choices))
		snprintf(buf, size, "%s%s", name[type], row->choices ? ", or " : "");
	else
		buf[0] = '\0';

	if (row->choices)
		append_words(buf, size, row->choices);
}

void cts_option_allowed(const struct cts_option *row, char *buf, size_t size)
{
	char item[CTS_OPTION_WHY_MAX];

	if (cts_option_type(row) != CTS_OPT_LIST) {
		allowed_type(row, cts_option_type(row), buf, size);
		return;
	}
	/* A list's min and max count its words, they do not limit integers. */
	allowed_type(&(struct cts_option){ .choices = row->choices }, cts_option_item_type(row),
		     item, sizeof(item));
	if (cts_option_item_type(row) == CTS_OPT_STRING && !row->choices)
		snprintf(buf, size, "a list of strings");
	else
		snprintf(buf, size, "a list: %s", item);
}

static int refuse(const struct cts_option *row, const char *text, const char *what, char *why,
		  size_t size)
{
	char allowed[CTS_OPTION_WHY_MAX];

	cts_option_allowed(row, allowed, sizeof(allowed));
	snprintf(why, size, "\"%.64s\" %s, allowed: %s", text, what, allowed);
	return -1;
}

int cts_option_value_number(const struct cts_option *row, int64_t number, struct option_value *v,
			    char *why, size_t size)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	if (cts_option_type(row) == CTS_OPT_INT && (row->min || row->max) &&
	    (number < row->min || number > row->max)) {
		char allowed[CTS_OPTION_WHY_MAX];

		cts_option_allowed(row, allowed, sizeof(allowed));
		snprintf(why, size, "%s is out of range, allowed: %s", text, allowed);
		return -1;
	}
	if (row->check && row->check(text, why, size) < 0)
		return -1;
	v->number = number;
	return 0;
}

static int value_integer(const struct cts_option *row, const char *text, struct option_value *v,
			 char *why, size_t size)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 0);
	if (errno || end == text || *end || isspace((unsigned char)*text))
		return refuse(row, text, "is not an integer", why, size);
	return cts_option_value_number(row, number, v, why, size);
}

static int value_bool(const struct cts_option *row, const char *text, struct option_value *v,
		      char *why, size_t size)
{
	if (cts_option_word_in("true yes on 1", text, strlen(text)))
		v->flag = true;
	else if (cts_option_word_in("false no off 0", text, strlen(text)))
		v->flag = false;
	else
		return refuse(row, text, "is not a truth value", why, size);
	return 0;
}

/* Linux takes any name without '/', ':' or blank, shorter than IFNAMSIZ. */
static bool is_interface(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= IFNAMSIZ || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (; *text; text++)
		if (*text == '/' || *text == ':' || isspace((unsigned char)*text))
			return false;
	return true;
}

static bool is_address(const char *text)
{
	unsigned char addr[16];

	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

/* NULL, or what is wrong with text as a value of this type. */
static const char *text_problem(const struct cts_option *row, unsigned int type, const char *text)
{
	if (!*text)
		return "is empty";
	if (strlen(text) > CTS_OPTION_TEXT_MAX)
		return "is too long";
	if (cts_option_word_in(row->choices, text, strlen(text)))
		return NULL;

	switch (type) {
	case CTS_OPT_CHOICE:
		return "is not one of the choices";
	case CTS_OPT_STRING:
		return row->choices ? "is not one of the choices" : NULL;
	case CTS_OPT_PATH:
		if (strlen(text) >= PATH_MAX)
			return "is too long";
		return *text == '/' ? NULL : "is not an absolute path";
	case CTS_OPT_ADDRESS:
		return is_address(text) ? NULL : "is not an address";
	case CTS_OPT_INTERFACE:
		return is_interface(text) ? NULL : "is not the name of an interface";
	default:
		return "has a type that the core does not know";
	}
}

int cts_option_value_scalar(const struct cts_option *row, unsigned int type, const char *text,
			    struct option_value *v, char *why, size_t size)
{
	const char *problem;

	if (type == CTS_OPT_INT)
		return value_integer(row, text, v, why, size);
	if (type == CTS_OPT_BOOL)
		return value_bool(row, text, v, why, size);

	problem = text_problem(row, type, text);
	if (problem)
		return refuse(row, text, problem, why, size);
	if (row->check && row->check(text, why, size) < 0)
		return -1;

	v->text = strdup(text);
	if (!v->text) {
		snprintf(why, size, "out of memory");
		return -1;
	}
	return 0;
}

/* Room for one more item; grows by doubling. */
static int list_reserve(struct option_value *v)
{
	size_t n = v->n_items;
	char **items;
	unsigned int *lines;

	if (n & (n - 1))
		return 0;
	items = reallocarray(v->items, n ? 2 * n : 1, sizeof(*items));
	if (!items)
		return -1;
	v->items = items;
	lines = reallocarray(v->lines, n ? 2 * n : 1, sizeof(*lines));
	if (!lines)
		return -1;
	v->lines = lines;
	return 0;
}

int cts_option_value_item(const struct cts_option *row, const char *text, unsigned int line,
			  struct option_value *v, char *why, size_t size)
{
	size_t max = row->max > 0 ? (size_t)row->max : CTS_OPTION_ITEMS_MAX;
	struct option_value item = { 0 };

	if (v->n_items >= max) {
		snprintf(why, size, "has too many items, allowed: %zu", max);
		return -1;
	}
	if (cts_option_value_scalar(row, cts_option_item_type(row), text, &item, why, size) < 0)
		return -1;
	/* Items are handed out as text, whatever they were checked as. */
	if (!item.text)
		item.text = strdup(text);
	if (!item.text || list_reserve(v) < 0) {
		free(item.text);
		snprintf(why, size, "out of memory");
		return -1;
	}
	v->items[v->n_items] = item.text;
	v->lines[v->n_items++] = line;
	return 0;
}

int cts_option_value_text(const struct cts_option *row, const char *text, char sep,
			  struct option_value *v, char *why, size_t size)
{
	char *copy, *next;
	int rc = 0;

	if (cts_option_type(row) != CTS_OPT_LIST)
		return cts_option_value_scalar(row, cts_option_type(row), text, v, why, size);

	copy = next = strdup(text);
	if (!copy) {
		snprintf(why, size, "out of memory");
		return -1;
	}
	while (rc == 0 && next && *text) {
		char *item = next, *out = next;

		for (; *next && *next != sep; next++) {
			if (*next == '\\' && next[1])
				next++;
			*out++ = *next;
		}
		next = *next ? next + 1 : NULL;
		*out = '\0';
		rc = cts_option_value_item(row, item, 0, v, why, size);
	}
	free(copy);
	return rc;
}

void cts_option_value_fini(struct option_value *v)
{
	for (size_t i = 0; i < v->n_items; i++)
		free(v->items[i]);
	free(v->items);
	free(v->lines);
	free(v->text);
	memset(v, 0, sizeof(*v));
}
