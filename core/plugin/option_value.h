/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values behind struct cts_options; for core/plugin alone. */
#ifndef CTS_OPTION_VALUE_H
#define CTS_OPTION_VALUE_H

#include "core/plugin/option_table.h"

#define CTS_OPTION_ROWS_MAX 256u    /* of one table */
#define CTS_OPTION_TEXT_MAX 4096u   /* bytes of one value */
#define CTS_OPTION_ITEMS_MAX 65536u /* of a list whose row sets no limit */
#define CTS_OPTION_WHY_MAX 512u

struct option_value {
	bool set; /* in the file, not by default */
	bool flag;
	unsigned int line; /* where it was set, 0: not known */
	int64_t number;
	char *text;          /* owned */
	char **items;        /* owned */
	unsigned int *lines; /* owned; of each item */
	size_t n_items;
};

static inline unsigned int cts_option_type(const struct cts_option *row)
{
	return row->type & 0xff;
}

/* Type of one item of a list. */
static inline unsigned int cts_option_item_type(const struct cts_option *row)
{
	unsigned int type = row->type >> 8 & 0xff;

	return type ? type : CTS_OPT_STRING;
}

/*
 * Set *v from text, checked as one value of the row (type: the row's, or its item
 * type). 0, or -1 with what is wrong in why.
 */
int cts_option_value_scalar(const struct cts_option *row, unsigned int type, const char *text,
			    struct option_value *v, char *why, size_t size);
int cts_option_value_number(const struct cts_option *row, int64_t number, struct option_value *v,
			    char *why, size_t size);
/* Append a checked item to a list. */
int cts_option_value_item(const struct cts_option *row, const char *text, unsigned int line,
			  struct option_value *v, char *why, size_t size);
/* Whole value from text; items are split by the character sep. */
int cts_option_value_text(const struct cts_option *row, const char *text, char sep,
			  struct option_value *v, char *why, size_t size);
void cts_option_value_fini(struct option_value *v);

#endif
