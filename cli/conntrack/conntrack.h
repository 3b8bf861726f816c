/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line tool as a consumer of the pipeline: argv becomes a command line
 * (cmdline.c), that a selection (select.c, a filter) and the printer (print.c, an
 * output plugin); each command is a row of the table in commands.c with a file of
 * its own.
 */
#ifndef CONNTRACK_H
#define CONNTRACK_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include <ctsync/filter.h>
#include <ctsync/labelmap.h>

#include "core/flow/field.h"
#include "core/flow/pack.h"
#include "core/kernel/dump.h"
#include "core/pipeline/pipeline.h"

/* Exit statuses that scripts know. */
enum { EXIT_OK = 0, EXIT_OTHER = 1, EXIT_PARAMETER = 2 };

/* Columns of the option matrix (options.c) in its order. */
enum command_id {
	CMD_LIST, CMD_CREATE, CMD_ADD, CMD_UPDATE, CMD_DELETE, CMD_GET, CMD_EVENT, CMD_FLUSH,
	CMD_HELP, CMD_COUNT, CMD_STATS, CMD_VERSION, CMD_LOAD, CMD_TOP, CMD_MAX, CMD_NONE = CMD_MAX
};

/* In the order in which one that a command does not take is named. */
enum option_id {
	OPT_ORIG_SRC, OPT_ORIG_DST, OPT_REPLY_SRC, OPT_REPLY_DST, OPT_PROTO, OPT_TIMEOUT,
	OPT_STATUS, OPT_ZERO, OPT_EVENT_MASK, OPT_TUPLE_SRC, OPT_TUPLE_DST, OPT_MASK_SRC,
	OPT_MASK_DST, OPT_NAT_RANGE, OPT_MARK, OPT_ID, OPT_FAMILY, OPT_SRC_NAT, OPT_DST_NAT,
	OPT_OUTPUT, OPT_SECMARK, OPT_BUFFER_SIZE, OPT_ANY_NAT, OPT_ZONE, OPT_LABEL,
	OPT_LABEL_ADD, OPT_LABEL_DEL, OPT_ORIG_ZONE, OPT_REPLY_ZONE, OPT_LABELMAP,
	OPT_KEEP_GOING, OPT_DRY_RUN, OPT_FILTER_FILE, OPT_RESYNC, OPT_HELPER,
	OPT_BY, OPT_TOP, OPT_SORT, OPT_LIMIT, OPT_EVERY, OPT_INTERVALS,
	OPT_MAX
};
#define OPT_BIT(id) (UINT64_C(1) << (id))

/* Options of a layer 4 protocol; the same word may mean the same thing in several. */
enum proto_option_id {
	PO_SPORT, PO_DPORT, PO_REPLY_SPORT, PO_REPLY_DPORT, PO_STATE, PO_ORIG_VTAG, PO_REPLY_VTAG,
	PO_ROLE, PO_ICMP_TYPE, PO_ICMP_CODE, PO_ICMP_ID,
	PO_MASK_SPORT, PO_MASK_DPORT, PO_TUPLE_SPORT, PO_TUPLE_DPORT, PO_MAX
};
#define PO_BIT(id) (UINT32_C(1) << (id))

/* -o words */
enum output_word {
	OUT_XML = 1 << 0, OUT_EXTENDED = 1 << 1, OUT_TIMESTAMP = 1 << 2, OUT_ID = 1 << 3,
	OUT_KTIMESTAMP = 1 << 4, OUT_LABELS = 1 << 5, OUT_USERSPACE = 1 << 6, OUT_SAVE = 1 << 7,
	OUT_JSON = 1 << 8, OUT_CSV = 1 << 9,
};

/* [ADDR[:PORT]] of -n, -g and -j. */
struct nat_arg {
	bool has_addr, has_port;
	int family;
	union cts_addr addr;
	uint16_t port;              /* network order */
};

/* Where a command line stands. */
struct place {
	const char *file;           /* lent; NULL: it is the program's own */
	uint64_t line;
	bool again;                 /* it was read before: what is no mistake was said then */
	jmp_buf *trial;             /* lent; NULL, or where a trial in a second thread ends */
};

/* What follows is said, or must not run beside another thread: a trial ends here. */
static inline void place_alone(const struct place *at)
{
	if (at && at->trial)
		longjmp(*at->trial, 1);
}

#define HELPER_NAME_MAX 15u      /* the kernel's, without NUL */
#define LABEL_WORDS 4           /* 128 bits: what a kernel holds */

#define LABEL_LISTS_MAX 16u

struct label_list {
	const char *text;           /* lent by argv */
	uint32_t *words;            /* of the same command line */
};

/* The label map that was read last. */
struct label_maps {
	struct cts_labelmap *map;   /* owned */
	char *path;                 /* owned */
};

#define CONDITIONS_MAX 28u

/* What is asked of many flows at once: question.h. */
struct question {
	const char *by, *sort;      /* lent by argv */
	uint64_t top, limit;        /* lines */
	bool top_number;            /* --top had one */
	uint64_t every_ms, intervals;
};

/* A command line, checked. */
struct cmdline {
	struct place at;
	const struct command *command;
	enum cts_dump_table table;
	uint64_t given;             /* OPT_BIT() of each option that was there */
	uint32_t proto_given;       /* PO_BIT() */
	int family;                 /* AF_UNSPEC: not known */
	struct cts_flow_store store;/* what the options say of a flow */
	union cts_addr src_mask, dst_mask;
	bool src_masked, dst_masked;
	struct cts_tuple expected;  /* --tuple-*: of an expectation */
	uint16_t mask_sport, mask_dport;   /* its mask, network order */
	uint32_t mark, mark_mask;
	uint32_t status_set, status_clear;
	unsigned int events;        /* bits 1 << CTS_EVENT_* */
	unsigned int output;        /* enum output_word */
	struct nat_arg snat, dnat, anynat;
	uint64_t buffer_size;       /* as setsockopt(2) takes it: the kernel gives twice as much */
	uint32_t labels[LABEL_WORDS], label_add[LABEL_WORDS], label_del[LABEL_WORDS];
	bool label_del_all;
	bool label_impossible;      /* -l names a bit that no kernel has */
	unsigned int n_label_lists;
	struct label_list label_lists[LABEL_LISTS_MAX];
	struct label_maps *maps;    /* the parser's */
	const char *labelmap_path;  /* lent by argv */
	const char *path;           /* of --load-file; lent by argv */
	const char *filter_path;    /* of --filter-file; lent by argv */
	struct question question;
	char *const *argv;          /* of --top; lent */
	bool selection_only;        /* a line of a --filter-file */
	bool saved;                 /* a line of a file that `-o save' wrote */
	struct selections *any_of;  /* what that says, lent; NULL: no such file */
	/* What selects, by field: select_compile(). Last, so that it need not be cleared. */
	unsigned int n_conditions;
	struct cts_condition condition[CONDITIONS_MAX];
};

static inline bool cmdline_has(const struct cmdline *cl, enum option_id id)
{
	return cl->given & OPT_BIT(id);
}

/* -- commands.c -- */

struct command {
	enum command_id id;
	char letter;
	const char *name;           /* long option */
	unsigned int tables;        /* bits 1 << enum cts_dump_table that it can work on */
	int (*run)(struct cmdline *cl);   /* returns the exit status */
	int (*run_expect)(struct cmdline *cl);   /* on the table expect */
};
extern const struct command commands[CMD_MAX];

int cmd_list(struct cmdline *cl);
int cmd_create(struct cmdline *cl);
int cmd_update(struct cmdline *cl);
int cmd_delete(struct cmdline *cl);
int cmd_get(struct cmdline *cl);
int cmd_event(struct cmdline *cl);
int cmd_flush(struct cmdline *cl);
int cmd_count(struct cmdline *cl);
int cmd_stats(struct cmdline *cl);
int cmd_version(struct cmdline *cl);
int cmd_help(struct cmdline *cl);
int cmd_load(struct cmdline *cl);
int cmd_top(struct cmdline *cl);

/* The same on expectations: expect.c. */
int expect_list(struct cmdline *cl);
int expect_create(struct cmdline *cl);
int expect_delete(struct cmdline *cl);
int expect_get(struct cmdline *cl);
int expect_event(struct cmdline *cl);
int expect_flush(struct cmdline *cl);
int expect_count(struct cmdline *cl);

/* -- cmdline.c -- */

/* What parsing needs again for the next command line: tables, the label map. */
struct parser;
struct parser *parser_create(void);   /* NULL: not enough memory */
void parser_destroy(struct parser *p);
/* Parse argv, which stands at that place (copied). Mistakes are reported with it
 * and end the program (exit 2). cl borrows from argv and from p. */
void cmdline_parse(struct parser *p, struct cmdline *cl, const struct place *at, int argc,
		   char *argv[]);
/* The same for words that only select what the command of `of` works on. */
void cmdline_parse_selection(struct parser *p, struct cmdline *cl, const struct cmdline *of,
			     const struct place *at, int argc, char *argv[]);

/* -- filter_file.c -- */

/* Read cl->filter_path into cl->any_of, which is the caller's then. Mistakes are
 * reported and end the program. */
void filter_file_load(struct parser *p, struct cmdline *cl);

/* -- options.c: which option goes with which command -- */

struct option_row {
	char letter;                /* 0: long only */
	const char *name;           /* what messages call it, without dashes */
	const char *aliases;        /* further long names, split by spaces, or NULL */
	int arg;                    /* no_argument, required_argument, optional_argument */
	int since;                  /* SCAN_LATER: scripts shorten others to the same letters */
	/* One character for L I A U D G E F h xL xI xD xG xE: 'o' may, 'R' must,
	 * '3' one of the pairs must, '.' must not. */
	const char *matrix;
};
extern const struct option_row option_rows[OPT_MAX];
void options_check(const struct cmdline *cl);
/* A mask needs the address that it is for. */
void options_check_masks(const struct cmdline *cl);
/* Without a command no option is allowed. */
void options_refuse(const struct cmdline *cl);

/* -- settings.c -- */

/* The option was given, with arg or NULL. */
void option_set(struct cmdline *cl, enum option_id id, const char *arg);

/* -- proto_options.c -- */

struct scan_table;          /* scan.h */
/* Add the long options of a protocol (val = base + enum proto_option_id). */
void proto_options_add(uint8_t proto, struct scan_table *table, int base);
void proto_option_parse(struct cmdline *cl, enum proto_option_id id, const char *name,
			const char *arg);
void proto_options_check(struct cmdline *cl);
void proto_options_help(uint8_t proto);

/* -- values.c: each reports and exits on a bad value, at which place it may say -- */

uint64_t parse_number(const struct place *at, const char *text, uint64_t max, const char *option);
/* GRE keys, secmarks, ids: 0 in front means octal, as ever. */
uint16_t parse_key(const struct place *at, const char *text, const char *option);
uint32_t parse_any_base(const struct place *at, const char *text, const char *option);
uint16_t parse_zone(const struct place *at, const char *text, const char *option);
int parse_address(const char *text, union cts_addr *addr);
/* ADDR[/LEN or /MASK]; returns the family. masked is set when it is a network. */
int parse_network(const struct place *at, const char *text, bool cidr, union cts_addr *addr,
		  union cts_addr *mask, bool *masked, const char *option);
uint8_t parse_protocol(const struct place *at, const char *text);
void parse_mark(const struct place *at, const char *text, uint32_t *mark, uint32_t *mask);
void parse_status(const struct place *at, const char *text, uint32_t *set, uint32_t *clear);
unsigned int parse_events(const struct place *at, const char *text);
unsigned int parse_output(const struct place *at, const char *text);
/* Of all -o together: words that exclude each other are refused. */
void check_output_words(const struct place *at, unsigned int words);
void parse_nat(const struct place *at, const char *text, struct nat_arg *nat, const char *option);
/* Call fn for each word of a comma list; an empty word is a bad parameter. */
void each_word(const struct place *at, const char *text,
	       void (*fn)(void *ctx, const char *word, size_t len), void *ctx);

/* -- labels.c -- */

void label_maps_fini(struct label_maps *maps);
/* A list of labels was given, for these words: it is resolved when the whole command
 * line has been read, because the map may be named after it. */
void labels_note(struct cmdline *cl, const char *text, uint32_t *words);
void labels_resolve(struct cmdline *cl);
/* Labels to set from a line that was saved: bits without a name stand there by number. */
void labels_take_saved(struct cmdline *cl, const char *text);

/* -- select.c -- */

/* Make the conditions from what was given. */
void select_compile(struct cmdline *cl);
/* Does the command set this, instead of selecting by it? */
bool select_is_value(const struct cmdline *cl, enum option_id option, enum proto_option_id po);
/* The command line's conditions as a filter of the pipeline; priv is the cmdline. */
extern const struct cts_filter_ops select_filter;
bool select_matches(const struct cmdline *cl, const struct cts_flow *flow);
/* What of them the kernel can look at already; the filter stays the truth. conf
 * borrows pushed. */
void select_push(const struct cmdline *cl, struct cts_dump_conf *conf, struct cts_flow *pushed);

/* -- cmd_event.c -- */

/* A descriptor that is readable once SIGINT or SIGTERM came. -1 and errno. */
int signals_open(void);

/* -- print.c -- */

struct printer;
/* Load the output plugin that -o names. Reports and exits when it cannot. */
struct printer *printer_open(const struct cmdline *cl);
/* As a consumer of the pipeline; counts what it is given. */
struct cts_consumer *printer_consumer(struct printer *p);
uint64_t printer_shown(const struct printer *p);
/* Print one flow (of a delete, an update, a get), as it is now. */
void printer_flow(struct printer *p, enum cts_event_type type, const struct cts_flow *flow);
/* Print one event, of a flow or an expectation. */
void printer_event(struct printer *p, const struct cts_event *ev);
/* CLOCK_REALTIME: when something was read. */
uint64_t time_now_ns(void);
/* Hand on what is buffered. 0, or -1 and errno (standard output is gone). */
int printer_flush(struct printer *p);
void printer_close(struct printer *p);

/* A table or an event source through the selection into consumer. */
struct cts_pipeline *assemble(struct cmdline *cl, struct cts_consumer *consumer);

/* -- report.c -- */

/* `conntrack v<version> (conntrack-tools): text` on standard error. */
void report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void report_at(const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));
void die_at(const struct place *at, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
/* N flow entries have been WHAT. */
void report_count(uint64_t n, const char *what);
/* Standard output failed with err; 0: it did not, and nothing is said. */
void report_print_error(int err);

/* -- failure.c -- */

/* `Operation failed: ...` with the text scripts know for this command and errno, and
 * advice. Returns EXIT_OTHER. */
int report_failure(const struct command *command, int err);
/* The same of a line of a file, without advice. */
int report_failure_at(const struct place *at, const struct command *command, int err);

/* -- advice.c: a line about where a failure may come from -- */

void advise(const struct command *command, int err);
/* Why a helper that was named may have been refused. */
void advise_helper(void);
/* Why no events will come, if that is so. */
void advise_events(void);

#endif
