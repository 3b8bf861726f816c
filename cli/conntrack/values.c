/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values on a command line: all are checked, a bad one is named with its place. */
#include "config.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/conntrack/conntrack.h"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool digits_read(const char *p, const char *end, unsigned int base, uint64_t max,
			uint64_t *value)
{
	if (p == end)
		return false;
	for (*value = 0; p < end; p++) {
		unsigned int digit = (unsigned int)digit_value(*p);

		/* max has 32 bits: a value that is within it cannot overflow here */
		if (digit >= base || (*value = *value * base + digit) > max)
			return false;
	}
	return true;
}

/* The whole of text as a number: decimal, or 0x. Zeroes in front mean nothing, but with
 * octal. max < 2^32. */
static bool number_read(const char *text, const char *end, uint64_t max, bool octal,
			uint64_t *value)
{
	if (end - text > 1 && *text == '0' && (text[1] | 0x20) == 'x')
		return digits_read(text + 2, end, 16, max, value);
	return digits_read(text, end, octal && *text == '0' ? 8 : 10, max, value);
}

uint64_t parse_number(const struct place *at, const char *text, uint64_t max, const char *option)
{
	uint64_t value;

	if (!number_read(text, text + strlen(text), max, false, &value))
		die_at(at, EXIT_PARAMETER,
		       "bad value `%s' for `--%s': a number from 0 to %llu is needed",
		       text, option, (unsigned long long)max);
	return value;
}

uint16_t parse_key(const struct place *at, const char *text, const char *option)
{
	uint64_t value;

	if (!number_read(text, text + strlen(text), UINT16_MAX, true, &value))
		die_at(at, EXIT_PARAMETER,
		       "bad value `%s' for `--%s': a number from 0 to 65535 is needed", text, option);
	return (uint16_t)value;
}

/* Options whose bad numbers have always ended with status 1 and this text. */
static uint32_t parse_setting(const struct place *at, const char *text, uint32_t max, bool octal,
			      const char *option)
{
	uint64_t value;

	if (!number_read(text, text + strlen(text), max, octal, &value))
		die_at(at, EXIT_OTHER, "unexpected value '%s' with %s option", text, option);
	return (uint32_t)value;
}

uint32_t parse_any_base(const struct place *at, const char *text, const char *option)
{
	return parse_setting(at, text, UINT32_MAX, true, option);
}

uint16_t parse_zone(const struct place *at, const char *text, const char *option)
{
	return (uint16_t)parse_setting(at, text, UINT16_MAX, false, option);
}

/* Four decimal numbers, the form that nearly all have. */
static bool dotted_read(const char *text, union cts_addr *addr)
{
	unsigned int i, value;

	for (i = 0; i < 4; i++) {
		const char *first = text;

		for (value = 0; *text >= '0' && *text <= '9' && text - first < 3; text++)
			value = value * 10 + (unsigned int)(*text - '0');
		if (text == first || value > 255 || (*first == '0' && text - first > 1) ||
		    *text++ != "...\0"[i])
			return false;
		addr->bytes[i] = (uint8_t)value;
	}
	return true;
}

int parse_address(const char *text, union cts_addr *addr)
{
	struct in_addr in;

	memset(addr, 0, sizeof(*addr));
	if (dotted_read(text, addr))
		return AF_INET;
	memset(addr, 0, sizeof(*addr));
	if (inet_aton(text, &in)) {
		addr->v4 = in.s_addr;
		return AF_INET;
	}
	if (inet_pton(AF_INET6, text, addr->v6) == 1)
		return AF_INET6;
	return AF_UNSPEC;
}

static void mask_of_length(int family, unsigned int len, union cts_addr *mask)
{
	unsigned int i, size = family == AF_INET ? 4 : 16;

	memset(mask, 0, sizeof(*mask));
	for (i = 0; i < size && len; i++) {
		unsigned int bits = len < 8 ? len : 8;

		mask->bytes[i] = (uint8_t)(0xff << (8 - bits));
		len -= bits;
	}
}

int parse_network(const struct place *at, const char *text, bool cidr, union cts_addr *addr,
		  union cts_addr *mask, bool *masked, const char *option)
{
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	uint64_t len;
	int family;

	if (slash && !cidr)
		die_at(at, EXIT_PARAMETER, "CIDR notation unavailable for `--%s'", option);
	if (slash && (size_t)(slash - text) < sizeof(host)) {
		memcpy(host, text, (size_t)(slash - text));
		host[slash - text] = '\0';
	}
	family = slash && (size_t)(slash - text) >= sizeof(host) ? AF_UNSPEC :
			parse_address(slash ? host : text, addr);
	if (family == AF_UNSPEC)
		die_at(at, EXIT_PARAMETER, "Invalid IP address `%s'", text);
	*masked = false;
	if (!slash)
		return family;
	if (!number_read(slash + 1, slash + strlen(slash), family == AF_INET ? 32 : 128, false,
			 &len))
		die_at(at, EXIT_PARAMETER, "Invalid netmask");
	mask_of_length(family, (unsigned int)len, mask);
	*masked = len != (family == AF_INET ? 32 : 128);
	return family;
}

uint8_t parse_protocol(const struct place *at, const char *text)
{
	static const struct { const char *name; uint8_t number; } known[] = {
		{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "udplite", IPPROTO_UDPLITE },
		{ "sctp", IPPROTO_SCTP }, { "dccp", IPPROTO_DCCP }, { "gre", IPPROTO_GRE },
		{ "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 },
	};
	const struct protoent *entry;
	uint64_t number;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(text, known[i].name))
			return known[i].number;
	if (number_read(text, text + strlen(text), UINT8_MAX, false, &number))
		return (uint8_t)number;
	place_alone(at);   /* getprotobyname() has one result for all */
	entry = getprotobyname(text);
	if (!entry || entry->p_proto < 0 || entry->p_proto > UINT8_MAX)
		die_at(at, EXIT_PARAMETER, "`%s' unsupported protocol", text);
	return (uint8_t)entry->p_proto;
}

/* VALUE[/MASK] */
void parse_mark(const struct place *at, const char *text, uint32_t *mark, uint32_t *mask)
{
	const char *slash = strchr(text, '/');
	uint64_t value, bits = UINT32_MAX;

	if (!number_read(text, slash ? slash : text + strlen(text), UINT32_MAX, true, &value) ||
	    (slash && !number_read(slash + 1, slash + strlen(slash), UINT32_MAX, true, &bits)))
		die_at(at, EXIT_OTHER, "unexpected value '%s' with -m option", text);
	*mark = (uint32_t)value;
	*mask = (uint32_t)bits;
}

void each_word(const struct place *at, const char *text,
	       void (*fn)(void *ctx, const char *word, size_t len), void *ctx)
{
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!len)
			die_at(at, EXIT_PARAMETER, "Bad parameter `%s'", text);
		fn(ctx, text, len);
		if (!text[len])
			return;
		text += len + 1;
	}
}

struct word {
	const char *name;
	uint32_t value;
};

static const struct word *word_search(const struct word *table, const char *text, size_t len)
{
	for (; table->name; table++)
		if (!strncasecmp(table->name, text, len))
			return table;
	return NULL;
}

/* What every list of words took once. It is passed over with a warning. */
static const struct word deprecated[] = {
	{ "SRC_NAT, use --src-nat", 0 }, { "DST_NAT, use --dst-nat", 0 }, { NULL, 0 },
};

/* The word that this is an abbreviation of, in any case; NULL: none. */
static const struct word *word_find(const struct place *at, const struct word *table,
				    const char *text, size_t len)
{
	const struct word *w = word_search(table, text, len);

	if (w || len > strlen("SRC_NAT"))
		return w;
	w = word_search(deprecated, text, len);
	if (w && !at->again) {
		place_alone(at);
		fprintf(stderr, "WARNING: ignoring %s instead\n", w->name);
	}
	return w;
}

static const struct word status_words[] = {
	{ "ASSURED", IPS_ASSURED }, { "SEEN_REPLY", IPS_SEEN_REPLY }, { "UNSET", 0 },
	{ "FIXED_TIMEOUT", IPS_FIXED_TIMEOUT }, { "EXPECTED", IPS_EXPECTED },
	{ "OFFLOAD", IPS_OFFLOAD }, { "HW_OFFLOAD", IPS_HW_OFFLOAD }, { NULL, 0 },
};

struct status_bits {
	const struct place *at;
	uint32_t set, clear;
};

static void status_word(void *ctx, const char *text, size_t len)
{
	struct status_bits *bits = ctx;
	bool negated = *text == '!';
	const struct word *w;

	if (len == strlen("UNREPLIED") && !strncmp(text, "UNREPLIED", len)) {
		bits->clear |= IPS_SEEN_REPLY;
		return;
	}
	w = len > negated ? word_find(bits->at, status_words, text + negated, len - negated) : NULL;
	if (!w)
		die_at(bits->at, EXIT_PARAMETER, "Bad parameter `%.*s'", (int)len, text);
	if (negated)
		bits->clear |= w->value;
	else
		bits->set |= w->value;
}

void parse_status(const struct place *at, const char *text, uint32_t *set, uint32_t *clear)
{
	struct status_bits bits = { at, 0, 0 };

	each_word(at, text, status_word, &bits);
	*set |= bits.set;
	*clear |= bits.clear;
}

static const struct word event_words[] = {
	{ "ALL", 1 << CTS_EVENT_NEW | 1 << CTS_EVENT_UPDATE | 1 << CTS_EVENT_DESTROY },
	{ "NEW", 1 << CTS_EVENT_NEW }, { "UPDATES", 1 << CTS_EVENT_UPDATE },
	{ "DESTROY", 1 << CTS_EVENT_DESTROY }, { NULL, 0 },
};

static const struct word output_words[] = {
	{ "xml", OUT_XML }, { "extended", OUT_EXTENDED }, { "timestamp", OUT_TIMESTAMP },
	{ "id", OUT_ID }, { "ktimestamp", OUT_KTIMESTAMP }, { "labels", OUT_LABELS },
	{ "userspace", OUT_USERSPACE }, { "save", OUT_SAVE },
	{ "json", OUT_JSON }, { "csv", OUT_CSV }, { NULL, 0 },
};

struct word_sum {
	const struct place *at;
	const struct word *table;
	unsigned int bits;
};

static void sum_word(void *ctx, const char *text, size_t len)
{
	struct word_sum *sum = ctx;
	const struct word *w = word_find(sum->at, sum->table, text, len);

	if (!w)
		die_at(sum->at, EXIT_PARAMETER, "Bad parameter `%.*s'", (int)len, text);
	sum->bits |= w->value;
}

unsigned int parse_events(const struct place *at, const char *text)
{
	struct word_sum sum = { at, event_words, 0 };

	each_word(at, text, sum_word, &sum);
	return sum.bits;
}

unsigned int parse_output(const struct place *at, const char *text)
{
	struct word_sum sum = { at, output_words, 0 };

	each_word(at, text, sum_word, &sum);
	return sum.bits;
}

void check_output_words(const struct place *at, unsigned int words)
{
	/* userspace asks for nothing that is not there anyway */
	if (words & OUT_SAVE && words & ~(unsigned int)(OUT_SAVE | OUT_USERSPACE))
		die_at(at, EXIT_OTHER, "cannot combine save output with any other output "
				       "type, use -o save only");
	if (words & OUT_JSON && words & OUT_XML)
		die_at(at, EXIT_PARAMETER, "cannot combine json and xml output");
}

/* ADDR, ADDR:PORT or [ADDR6]:PORT; what is no address is named as a whole. */
void parse_nat(const struct place *at, const char *text, struct nat_arg *nat, const char *option)
{
	const char *colon = NULL, *start = text, *end = text + strlen(text);
	char host[INET6_ADDRSTRLEN + 1];
	uint64_t port;

	memset(nat, 0, sizeof(*nat));
	if (*text == '[') {
		start = text + 1;
		end = strchr(start, ']');
		if (!end || end[1] != ':')
			die_at(at, EXIT_PARAMETER, "Invalid IP address `%s' for `--%s'",
			       text, option);
		colon = end + 1;
	} else if (strchr(text, ':') == strrchr(text, ':')) {
		colon = strchr(text, ':');
		end = colon ? colon : end;
	}
	if ((size_t)(end - start) >= sizeof(host))
		die_at(at, EXIT_PARAMETER, "Invalid IP address `%s'", text);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	nat->family = parse_address(host, &nat->addr);
	if (nat->family == AF_UNSPEC)
		die_at(at, EXIT_PARAMETER, "Invalid IP address `%s'", text);
	nat->has_addr = true;
	if (!colon)
		return;
	if (!number_read(colon + 1, colon + strlen(colon), UINT16_MAX, false, &port))
		die_at(at, EXIT_PARAMETER, "Invalid port `%s' in `%s'", colon + 1, text);
	nat->has_port = true;
	nat->port = htons((uint16_t)port);
}
