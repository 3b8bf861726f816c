/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal of --top: drawing and keys. All text is cut at the right edge; columns
 * that have no room are left out, the one that is sorted by last. */
#include "config.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ncurses.h>

#include "cli/conntrack/top/top.h"

#define HEAD_LINES 3
#define FOOT_LINES 1
#define TEXT_COLUMNS_MIN 20      /* of what a row is, before numbers get room */
#define LINE_MAX_BYTES 4096u
#define GAP 2
#define KEY_CTRL_U 21
#define KEY_ESCAPE 27

enum { PAIR_HEAD = 1, PAIR_MESSAGE, PAIR_SORTED };

int screen_open(void)
{
	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin))
		return -1;
	set_escdelay(25);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (!getenv("NO_COLOR") && has_colors()) {
		start_color();
		use_default_colors();
		init_pair(PAIR_HEAD, COLOR_CYAN, -1);
		init_pair(PAIR_MESSAGE, COLOR_YELLOW, -1);
		init_pair(PAIR_SORTED, COLOR_GREEN, -1);
	}
	return 0;
}

void screen_close(void)
{
	endwin();
}

size_t screen_page(void)
{
	return LINES > HEAD_LINES + FOOT_LINES ? (size_t)(LINES - HEAD_LINES - FOOT_LINES) : 1;
}

static void put(int y, int x, int width, const char *text)
{
	if (y < LINES && x < COLS && width > 0)
		mvaddnstr(y, x, text, width < COLS - x ? width : COLS - x);
}

static void put_styled(int y, int x, int width, const char *text, attr_t style)
{
	attron(style);
	put(y, x, width, text);
	attroff(style);
}

/* -- numbers -- */

/* At most 6 characters: 999999, 1.2M, 345G. */
static void human(uint64_t v, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	double value = (double)v;
	int unit = -1;

	if (v < 100000) {
		snprintf(buf, size, "%" PRIu64, v);
		return;
	}
	while (value >= 1000 && unit < (int)sizeof(units) - 2) {
		value /= 1000;
		unit++;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): two divisions at least */
	snprintf(buf, size, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

enum column { COL_COUNT, COL_PERCENT, COL_PACKETS, COL_BYTES, COL_RATE, COL_MAX };
static const struct {
	const char *name;
	int width;
	int sort;                /* enum top_sort, -1: none */
} columns[COL_MAX] = {
	[COL_COUNT] = { "flows", 7, TOP_COUNT }, [COL_PERCENT] = { "%", 6, -1 },
	[COL_PACKETS] = { "packets", 8, TOP_PACKETS }, [COL_BYTES] = { "bytes", 7, TOP_BYTES },
	[COL_RATE] = { "bytes/s", 8, TOP_RATE },
};

/* Bits 1 << enum column of those that have room, *width: of all of them. */
static unsigned int columns_shown(const struct top *t, int *width)
{
	static const enum column order[] = { COL_COUNT, COL_RATE, COL_BYTES, COL_PERCENT, COL_PACKETS };
	unsigned int shown = 0;

	*width = 0;
	for (int first = 1; first >= 0; first--)
		for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
			enum column c = order[i];
			bool useless = t->view == TOP_FLOWS && (c == COL_COUNT || c == COL_PERCENT);

			if ((columns[c].sort == (int)t->sort) != first || useless ||
			    *width + columns[c].width + GAP > COLS - TEXT_COLUMNS_MIN)
				continue;
			shown |= 1u << c;
			*width += columns[c].width + GAP;
		}
	return shown;
}

static void format_column(const struct top *t, enum column c, const uint64_t *sum, char *buf,
			  size_t size)
{
	double all = (double)groups_total(t->groups)[t->sort];

	if (c == COL_PERCENT)
		snprintf(buf, size, "%.1f", all > 0 ? (double)sum[t->sort] * 100 / all : 0);
	else if (c == COL_COUNT)
		human(sum[TOP_COUNT], buf, size);
	else if (!t->accounted || (c == COL_RATE && !t->rates))
		snprintf(buf, size, "-");
	else if (c == COL_RATE)
		human((uint64_t)((double)sum[TOP_RATE] / t->seconds), buf, size);
	else
		human(sum[columns[c].sort], buf, size);
}

/* sum NULL: their names. */
static void draw_columns(const struct top *t, int y, const uint64_t *sum, attr_t style)
{
	int width, x;
	unsigned int shown = columns_shown(t, &width);
	char text[32], field[48];

	x = COLS - width;
	for (enum column c = 0; c < COL_MAX; c++) {
		if (!(shown & 1u << c))
			continue;
		snprintf(text, sizeof(text), "%s", columns[c].name);
		if (sum)
			format_column(t, c, sum, text, sizeof(text));
		snprintf(field, sizeof(field), "%*s", columns[c].width + GAP, text);
		put_styled(y, x, columns[c].width + GAP, field,
			   columns[c].sort == (int)t->sort ? style | A_BOLD | COLOR_PAIR(PAIR_SORTED) :
							     style);
		x += columns[c].width + GAP;
	}
}

static int text_columns(const struct top *t)
{
	int width;

	columns_shown(t, &width);
	return COLS - width;
}

/* -- head and foot -- */

static const char *const sort_names[TOP_SORT_MAX] = { "flows", "packets", "bytes", "bytes/s" };

static void draw_head(const struct top *t)
{
	const uint64_t *total = groups_total(t->groups);
	char line[LINE_MAX_BYTES], max[64] = "";

	if (t->table_max > 0)
		snprintf(max, sizeof(max), ", %.1f %% of %" PRId64,
			 (double)total[TOP_COUNT] * 100 / (double)t->table_max, t->table_max);
	snprintf(line, sizeof(line), "conntrack --top  %" PRIu64 " flows%s, %zu groups, every %.3g s%s",
		 total[TOP_COUNT], max, groups_count(t->groups), (double)t->every_ms / 1000,
		 t->paused ? " (paused)" : "");
	put_styled(0, 0, COLS, line, A_BOLD | COLOR_PAIR(PAIR_HEAD));
	snprintf(line, sizeof(line), "by %s, sorted by %s, filter: %s", t->by_text,
		 sort_names[t->sort], t->filter_text[0] ? t->filter_text : "none");
	put(1, 0, COLS, line);
}

static const char *hint(const struct top *t)
{
	if (t->message[0])
		return t->message;
	if (groups_refused(t->groups)[TOP_COUNT])
		return "there are more groups than can be kept: group by less, or filter";
	if (!t->accounted && groups_total(t->groups)[TOP_COUNT])
		return "no bytes, no rates: sysctl -w net.netfilter.nf_conntrack_acct=1 counts them for new flows";
	return NULL;
}

static void draw_foot(const struct top *t)
{
	static const char *const keys[] = {
		[TOP_GROUPS] = "Enter look into  a all flows  s sort  b group by  f filter  h help  q quit",
		[TOP_FLOWS] = "Enter look into  Esc back  d delete  s sort  f filter  h help  q quit",
		[TOP_FLOW] = "Esc back  d delete  h help  q quit",
		[TOP_HELP] = "Esc back  q quit",
	};
	const char *text = hint(t);

	if (text)
		put_styled(LINES - 1, 0, COLS, text, COLOR_PAIR(PAIR_MESSAGE));
	else
		put_styled(LINES - 1, 0, COLS, keys[t->view], A_DIM);
}

/* -- groups -- */

static size_t value_text(const struct top *t, const struct group *g, unsigned int k, char *buf,
			 size_t size)
{
	struct cts_line l = { .at = buf, .end = buf + size - 1 };

	group_key_value(&t->by, k, g->key, GROUP_TEXT, t->labels, &l);
	*l.at = '\0';
	return (size_t)(l.at - buf);
}

static void measure(const struct top *t, size_t end, size_t *width)
{
	char text[LINE_MAX_BYTES];

	for (unsigned int k = 0; k < t->by.n; k++)
		width[k] = strlen(t->by.field[k].name);
	for (size_t i = t->first; i < end; i++)
		for (unsigned int k = 0; k < t->by.n; k++) {
			size_t len = value_text(t, t->group[i], k, text, sizeof(text));

			if (len > width[k])
				width[k] = len;
		}
}

static void draw_group(const struct top *t, int y, const struct group *g, const size_t *width,
		       attr_t style)
{
	int room = text_columns(t), x = 0;
	char text[LINE_MAX_BYTES];

	for (unsigned int k = 0; k < t->by.n && x < room; k++) {
		if (g)
			value_text(t, g, k, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%s", t->by.field[k].name);
		put_styled(y, x, room - x, text, style);
		x += (int)width[k] + GAP;
	}
	draw_columns(t, y, g ? g->sum : NULL, style);
}

static void draw_bar(int y, attr_t style)
{
	attron(style);
	mvhline(y, 0, ' ', COLS);
	attroff(style);
}

static size_t rows_end(struct top *t)
{
	size_t page = screen_page(), n = top_rows(t);

	if (t->cursor < t->first)
		t->first = t->cursor;
	if (t->cursor >= t->first + page)
		t->first = t->cursor - page + 1;
	return t->first + page < n ? t->first + page : n;
}

static void draw_groups(struct top *t)
{
	size_t end = rows_end(t), width[GROUP_FIELDS_MAX];

	measure(t, end, width);
	draw_bar(2, A_REVERSE);
	draw_group(t, 2, NULL, width, A_REVERSE);
	for (size_t i = t->first; i < end; i++) {
		attr_t style = i == t->cursor ? A_STANDOUT : A_NORMAL;
		int y = HEAD_LINES + (int)(i - t->first);

		draw_bar(y, style);
		draw_group(t, y, t->group[i], width, style);
	}
}

/* -- flows -- */

static void put_end(struct cts_line *l, const struct cts_tuple *t, const union cts_addr *addr,
		    enum cts_field_id port_id, const struct cts_flow *f)
{
	const struct cts_field *port = &cts_fields[port_id];
	struct cts_field_value v;
	bool brackets = t->family == AF_INET6 && cts_field_read(port, f, &v);

	if (brackets)
		cts_line_put(l, "[");
	cts_line_addr(l, t->family, addr);
	if (brackets)
		cts_line_put(l, "]");
	if (cts_field_read(port, f, &v)) {
		cts_line_put(l, ":");
		cts_field_put(l, port, &v, NULL);
	}
}

static void flow_text(const struct cts_flow *f, char *buf, size_t size)
{
	struct cts_line l = { .at = buf, .end = buf + size - 1 };
	struct cts_field_value v;

	cts_field_read(&cts_fields[CTS_FIELD_PROTO], f, &v);
	cts_field_put(&l, &cts_fields[CTS_FIELD_PROTO], &v, NULL);
	cts_line_put(&l, " ");
	put_end(&l, &f->orig, &f->orig.src, CTS_FIELD_SPORT, f);
	cts_line_put(&l, " > ");
	put_end(&l, &f->orig, &f->orig.dst, CTS_FIELD_DPORT, f);
	if (cts_field_read(&cts_fields[CTS_FIELD_STATE], f, &v)) {
		cts_line_put(&l, " ");
		cts_field_put(&l, &cts_fields[CTS_FIELD_STATE], &v, NULL);
	}
	cts_line_put(&l, " ");
	cts_line_number(&l, f->timeout);
	cts_line_put(&l, "s");
	*l.at = '\0';
}

static void draw_flows(struct top *t)
{
	size_t end = rows_end(t);
	char text[LINE_MAX_BYTES];

	draw_bar(2, A_REVERSE);
	snprintf(text, sizeof(text), "%" PRIu64 " flows%s", t->flows_seen,
		 t->in_group ? " of this group" : "");
	put_styled(2, 0, text_columns(t), text, A_REVERSE);
	draw_columns(t, 2, NULL, A_REVERSE);
	for (size_t i = t->first; i < end; i++) {
		attr_t style = i == t->cursor ? A_STANDOUT : A_NORMAL;
		int y = HEAD_LINES + (int)(i - t->first);

		flow_text(&t->flow[i].store.flow, text, sizeof(text));
		draw_bar(y, style);
		put_styled(y, 0, text_columns(t), text, style);
		draw_columns(t, y, t->flow[i].sum, style);
	}
}

/* -- one flow -- */

static int draw_field(const struct top *t, int y, const struct cts_field *field)
{
	char text[LINE_MAX_BYTES], name[32];
	struct cts_line l = { .at = text, .end = text + sizeof(text) - 1 };
	struct cts_field_value v;

	if (!cts_field_read(field, &t->chosen.store.flow, &v))
		return y;
	cts_field_put(&l, field, &v, t->labels);
	*l.at = '\0';
	snprintf(name, sizeof(name), "%-12s", field->name);
	put_styled(y, 0, 14, name, COLOR_PAIR(PAIR_HEAD));
	put(y, 14, COLS - 14, text);
	return y + 1;
}

static int draw_counter(int y, const char *name, uint64_t orig, uint64_t reply)
{
	char text[96];

	snprintf(text, sizeof(text), "%-12s", name);
	put_styled(y, 0, 14, text, COLOR_PAIR(PAIR_HEAD));
	snprintf(text, sizeof(text), "%" PRIu64 " original, %" PRIu64 " reply", orig, reply);
	put(y, 14, COLS - 14, text);
	return y + 1;
}

static void draw_flow(const struct top *t)
{
	const struct cts_flow *f = &t->chosen.store.flow;
	int y = HEAD_LINES;

	draw_bar(2, A_REVERSE);
	put_styled(2, 0, COLS, t->chosen_gone ? "this flow is gone" : "one flow", A_REVERSE);
	for (const struct cts_field *field = cts_fields; field < cts_fields + CTS_FIELD_MAX; field++)
		if (y < LINES - FOOT_LINES)
			y = draw_field(t, y, field);
	if (!cts_flow_has(f, CTS_FLOW_COUNTERS_ORIG) || y + 1 >= LINES - FOOT_LINES)
		return;
	y = draw_counter(y, "packets", f->packets[0], f->packets[1]);
	draw_counter(y, "bytes", f->bytes[0], f->bytes[1]);
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"Up Down PgUp PgDn Home End   choose a row (also k j g G)",
		"Enter                        look into a group, then into one flow",
		"Esc                          back",
		"a                            all flows",
		"s                            sort by flows, packets, bytes, bytes/s",
		"b                            group by other fields: src/24,dport",
		"f                            filter, in the words of the command line: -p tcp --dport 443",
		"d                            delete the chosen flow, after a question",
		"p                            pause; space: read the table now",
		"+ -                          longer and shorter intervals",
		"q                            quit",
	};

	draw_bar(2, A_REVERSE);
	put_styled(2, 0, COLS, "keys", A_REVERSE);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (HEAD_LINES + (int)i < LINES - FOOT_LINES)
			put(HEAD_LINES + (int)i, 0, COLS, lines[i]);
}

void screen_draw(struct top *t)
{
	erase();
	draw_head(t);
	switch (t->view) {
	case TOP_GROUPS: draw_groups(t); break;
	case TOP_FLOWS: draw_flows(t); break;
	case TOP_FLOW: draw_flow(t); break;
	case TOP_HELP: draw_help(); break;
	}
	draw_foot(t);
	refresh();
}

/* -- keys -- */

int screen_key(int ms)
{
	int key;

	timeout(ms);
	key = getch();
	switch (key) {
	case ERR: return -1;
	case KEY_UP: return TOP_KEY_UP;
	case KEY_DOWN: return TOP_KEY_DOWN;
	case KEY_PPAGE: return TOP_KEY_PAGE_UP;
	case KEY_NPAGE: return TOP_KEY_PAGE_DOWN;
	case KEY_HOME: return TOP_KEY_HOME;
	case KEY_END: return TOP_KEY_END;
	case KEY_ENTER: case '\r': case '\n': case KEY_RIGHT: return TOP_KEY_ENTER;
	case KEY_BACKSPACE: case KEY_LEFT: case KEY_ESCAPE: case 127: case '\b': return TOP_KEY_BACK;
	default: return key < 0x100 ? key : TOP_KEY_OTHER;
	}
}

static void draw_question(const char *question, const char *answer)
{
	move(LINES - 1, 0);
	clrtoeol();
	put_styled(LINES - 1, 0, COLS, question, A_BOLD);
	put(LINES - 1, (int)strlen(question) + 1, COLS, answer);
	refresh();
}

bool screen_ask(const char *question, char *buf, size_t size)
{
	size_t len = strlen(buf);
	int key;

	timeout(-1);
	curs_set(1);
	for (;;) {
		draw_question(question, buf);
		key = getch();
		if (key == '\r' || key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE || key == ERR)
			break;
		if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && len)
			buf[--len] = '\0';
		else if (key == KEY_CTRL_U)
			buf[len = 0] = '\0';
		else if (key >= ' ' && key < 127 && len + 1 < size) {
			buf[len++] = (char)key;
			buf[len] = '\0';
		}
	}
	curs_set(0);
	return key != KEY_ESCAPE && key != ERR;
}

bool screen_confirm(const char *question)
{
	int key;

	timeout(-1);
	draw_question(question, "");
	key = getch();
	return key == 'y' || key == 'Y';
}
