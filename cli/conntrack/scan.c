/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding options among words. */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/conntrack/scan.h"

void scan_table_clear(struct scan_table *t)
{
	t->n = 0;
	memset(t->slot, 0, sizeof(t->slot));
	memset(t->letter, 0, sizeof(t->letter));
}

/* Three letters and the length tell nearly all names apart. */
static unsigned int slot_of(const char *name, size_t len)
{
	unsigned int hash = (unsigned int)len * 7;

	if (len)
		hash += (uint8_t)name[0] * 31u + (uint8_t)name[len / 2] * 5u +
			(uint8_t)name[len - 1] * 101u;
	return hash % SCAN_SLOTS;
}

void scan_table_add(struct scan_table *t, char letter, const char *name, int arg, int val)
{
	unsigned int i = slot_of(name, strlen(name));

	if (t->n == SCAN_ROWS_MAX || (unsigned char)letter >= sizeof(t->letter))
		abort();
	while (t->slot[i])
		i = (i + 1) % SCAN_SLOTS;
	t->row[t->n++] = (struct scan_row){ name, arg & ~SCAN_LATER, arg & SCAN_LATER, val };
	t->slot[i] = (uint8_t)t->n;
	if (letter)
		t->letter[(unsigned char)letter] = (uint8_t)t->n;
}

static const struct scan_row *find_exact(const struct scan_table *t, const char *name, size_t len)
{
	unsigned int i = slot_of(name, len);

	for (; t->slot[i]; i = (i + 1) % SCAN_SLOTS) {
		const struct scan_row *row = &t->row[t->slot[i] - 1];

		if (!strncmp(row->name, name, len) && !row->name[len])
			return row;
	}
	return NULL;
}

/* The one option, of those that came later or of the others, that name shortens; several
 * names of one are no doubt. false: it is ambiguous. */
static bool find_among(const struct scan *s, const char *name, size_t len, bool later,
		       const struct scan_row **result)
{
	const struct scan_table *const tables[] = { s->table, s->extra };
	const struct scan_row *found = NULL;
	unsigned int i, k;

	for (k = 0; k < 2; k++)
		for (i = 0; tables[k] && i < tables[k]->n; i++) {
			const struct scan_row *row = &tables[k]->row[i];

			if (row->later != later || strncmp(row->name, name, len))
				continue;
			if (found && found->val != row->val)
				return false;
			found = row;
		}
	*result = found;
	return true;
}

static const struct scan_row *find_short(const struct scan *s, const char *name, size_t len)
{
	const struct scan_row *found = NULL;

	if (find_among(s, name, len, false, &found) && !found)
		find_among(s, name, len, true, &found);
	return found;
}

void scan_init(struct scan *s, const struct scan_table *table, int argc, char *argv[])
{
	*s = (struct scan){ .table = table, .argc = argc, .argv = argv, .next = 1 };
}

const char *scan_word(struct scan *s)
{
	const char *word = s->next < s->argc ? s->argv[s->next] : NULL;

	if (!word || *word == '-' || *word == '!')
		return NULL;
	s->next++;
	return word;
}

/* The option's argument, of which attached is the beginning, or NULL. */
static int take(struct scan *s, const struct scan_row *row, const char *attached)
{
	s->name = row->name;
	s->arg = attached;
	if (row->arg == required_argument && !attached) {
		if (s->next >= s->argc)
			return SCAN_NO_ARGUMENT;
		s->arg = s->argv[s->next++];
	}
	return row->val;
}

static int take_long(struct scan *s)
{
	const char *name = s->word + 2;
	size_t len = (size_t)(strchrnul(name, '=') - name);
	const struct scan_row *row = find_exact(s->table, name, len);

	s->letter = '\0';
	if (!row && s->extra)
		row = find_exact(s->extra, name, len);
	if (!row)
		row = find_short(s, name, len);
	if (!row || (name[len] && row->arg == no_argument))
		return SCAN_UNKNOWN;
	return take(s, row, name[len] ? name + len + 1 : NULL);
}

static int take_letter(struct scan *s)
{
	unsigned char c = (unsigned char)*s->cluster++;
	unsigned int i = c < sizeof(s->table->letter) ? s->table->letter[c] : 0;
	const struct scan_row *row = i ? &s->table->row[i - 1] : NULL;
	const char *rest = *s->cluster ? s->cluster : NULL;

	s->letter = (char)c;
	if (!rest || !row || row->arg != no_argument)
		s->cluster = NULL;
	if (!row)
		return SCAN_UNKNOWN;
	return take(s, row, row->arg == no_argument ? NULL : rest);
}

int scan_next(struct scan *s)
{
	if (s->cluster)
		return take_letter(s);
	if (s->next >= s->argc)
		return SCAN_END;
	s->word = s->argv[s->next++];
	if (s->ended || s->word[0] != '-' || !s->word[1])
		return SCAN_STRAY;
	if (s->word[1] != '-') {
		s->cluster = s->word + 1;
		return take_letter(s);
	}
	if (s->word[2])
		return take_long(s);
	s->ended = true;
	return scan_next(s);
}
