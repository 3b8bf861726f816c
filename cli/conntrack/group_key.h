/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --by names: the fields that flows are grouped by, and the key they make. */
#ifndef CONNTRACK_GROUP_KEY_H
#define CONNTRACK_GROUP_KEY_H

#include <ctsync/labelmap.h>
#include <ctsync/line.h>

#include "cli/conntrack/conntrack.h"
#include "core/flow/field.h"

#define GROUP_FIELDS_MAX 8u
#define GROUP_VALUE_MAX 4096u    /* a value as text: up to 128 names of labels */

struct group_by {
	unsigned int n;
	struct {
		const struct cts_field *field;
		char name[32];           /* as it was written: "src/24" */
		uint8_t prefix[2];       /* bits of an address that count, IPv4 and IPv6 */
		bool network;            /* not all of them */
	} field[GROUP_FIELDS_MAX];
};

/* FIELD[,FIELD...] of this option; mistakes are reported with their place and end the
 * program. */
void group_by_parse(struct group_by *by, const struct place *at, const char *text,
		    const char *option);
/* The key of a flow, of at most GROUP_KEY_MAX bytes. Returns its length. */
size_t group_key(const struct group_by *by, const struct cts_flow *f, uint8_t *key);

enum group_form { GROUP_TEXT, GROUP_CSV, GROUP_JSON };
/* The value of field number i out of a key. What a flow does not have is "-", nothing, or
 * null. */
void group_key_value(const struct group_by *by, unsigned int i, const uint8_t *key,
		     enum group_form form, const struct cts_labelmap *labels,
		     struct cts_line *l);
/* One of the fields is labels, which have names. */
bool group_by_labels(const struct group_by *by);

#endif
