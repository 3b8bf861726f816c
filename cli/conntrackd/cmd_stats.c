/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -s: figures in the layout that scripts have parsed for years. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "core/kernel/table.h"

#include "cli/conntrackd/daemon.h"

typedef unsigned long long ull;

/* -- caches -- */

static void add_stats(struct cts_cache_stats *sum, const struct cts_cache *c)
{
	struct cts_cache_stats st;

	if (!c)
		return;
	cts_cache_get_stats(c, &st);
	sum->active += st.active;
	sum->created += st.created;
	sum->create_full += st.create_full;
	sum->create_nomem += st.create_nomem;
	sum->updated += st.updated;
	sum->update_absent += st.update_absent;
	sum->destroyed += st.destroyed;
	sum->destroy_absent += st.destroy_absent;
	sum->bytes += st.bytes;
}

static void internal_stats(struct daemon *d, struct cts_cache_stats *st)
{
	struct cts_engine_stats e;

	memset(st, 0, sizeof(*st));
	add_stats(st, cts_engine_internal(d->engine));
	cts_engine_get_stats(d->engine, &e);
	st->active -= e.tombstones < st->active ? e.tombstones : st->active;
}

/* All other nodes' caches together. */
static void external_stats(struct daemon *d, struct cts_cache_stats *st)
{
	struct cts_node_info info[CTS_NODES_MAX + 1];
	size_t n = cts_engine_nodes(d->engine, info, CTS_NODES_MAX + 1, cts_loop_now_ns(d->loop));

	memset(st, 0, sizeof(*st));
	for (size_t i = 0; i < n; i++)
		if (!info[i].self)
			add_stats(st, cts_engine_external(d->engine, info[i].id));
}

static void print_cache(struct cts_request *r, const char *name, const struct cts_cache_stats *st)
{
	cts_request_printf(r,
			   "cache %s:\n"
			   "current active connections:\t%12llu\n"
			   "connections created:\t\t%12llu\tfailed:\t%12llu\n"
			   "connections updated:\t\t%12llu\tfailed:\t%12llu\n"
			   "connections destroyed:\t\t%12llu\tfailed:\t%12llu\n\n",
			   name, (ull)st->active, (ull)st->created,
			   (ull)(st->create_full + st->create_nomem), (ull)st->updated,
			   (ull)st->update_absent, (ull)st->destroyed, (ull)st->destroy_absent);
}

static void print_cache_extended(struct cts_request *r, const char *name,
				 const struct cts_cache_stats *st)
{
	cts_request_printf(r,
			   "cache:%s\tactive objects:\t\t%12llu\n"
			   "\tactive/total entries:\t\t%12llu/%12llu\n"
			   "\tcreation OK/failed:\t\t%12llu/%12llu\n"
			   "\t\tno memory available:\t%12llu\n"
			   "\t\tno space left in cache:\t%12llu\n"
			   "\tupdate OK/failed:\t\t%12llu/%12llu\n"
			   "\t\tentry not found:\t%12llu\n"
			   "\tdeletion created/failed:\t%12llu/%12llu\n"
			   "\t\tentry not found:\t%12llu\n"
			   "\tmemory in bytes:\t\t%12zu\n\n",
			   name, (ull)st->active, (ull)st->active, (ull)st->active,
			   (ull)st->created, (ull)(st->create_full + st->create_nomem),
			   (ull)st->create_nomem, (ull)st->create_full, (ull)st->updated,
			   (ull)st->update_absent, (ull)st->update_absent, (ull)st->destroyed,
			   (ull)st->destroy_absent, (ull)st->destroy_absent, st->bytes);
}

/* Without a sync group: the kernel's table, and events as they were counted. */
static void collector_stats(const struct daemon *d, struct cts_cache_stats *st)
{
	int64_t count = cts_table_count();

	*st = (struct cts_cache_stats){
		.active = count > 0 ? (uint64_t)count : 0,
		.created = d->created,
		.destroyed = d->destroyed,
	};
}

/* -- links -- */

static const char *link_word(const char *plugin)
{
	return strcmp(plugin, "udp") == 0 ? "UDP" : strcmp(plugin, "tcp") == 0 ? "TCP" : plugin;
}

static void print_counters(struct cts_request *r, const struct cts_link_info *l)
{
	const struct cts_transport_status *s = &l->status;

	cts_request_printf(r,
			   "%20llu Bytes sent %20llu Bytes recv\n"
			   "%20llu Pckts sent %20llu Pckts recv\n"
			   "%20llu Error send %20llu Error recv\n\n",
			   (ull)l->sent_bytes, (ull)l->recv_bytes, (ull)l->sent_messages,
			   (ull)l->recv_messages, (ull)s->sent_errors,
			   (ull)(s->recv_errors + s->refused));
}

static void print_active_link(struct daemon *d, struct cts_request *r)
{
	for (size_t i = 0; i < cts_links_count(d->links); i++) {
		struct cts_link_info l;

		cts_links_info(d->links, i, &l);
		if (!l.active)
			continue;
		cts_request_printf(r, "%s traffic (active device=%s):\n", link_word(l.plugin),
				   l.status.device);
		print_counters(r, &l);
	}
}

static void print_links(struct daemon *d, struct cts_request *r)
{
	for (size_t i = 0; i < cts_links_count(d->links); i++) {
		struct cts_link_info l;

		cts_links_info(d->links, i, &l);
		cts_request_printf(r, "%s traffic device=%s status=%s role=%s:\n",
				   link_word(l.plugin), l.status.device,
				   l.status.up        ? "RUNNING"
				   : l.status.carrier ? "DOWN"
						      : "NO-CARRIER",
				   l.active ? "ACTIVE" : "BACKUP");
		print_counters(r, &l);
	}
}

/* -- words -- */

static uint64_t malformed(const struct cts_engine_stats *e)
{
	return e->bad_length + e->bad_magic + e->bad_version + e->bad_crc + e->bad_type +
	       e->bad_record;
}

static void stats_plain(struct daemon *d, struct cts_request *r)
{
	struct cts_cache_stats st;
	struct cts_engine_stats e;

	if (d->engine) {
		internal_stats(d, &st);
		print_cache(r, "internal", &st);
		external_stats(d, &st);
		print_cache(r, "external", &st);
	} else {
		collector_stats(d, &st);
		print_cache(r, "stats", &st);
	}
	cts_request_printf(r, "traffic processed:\n%20llu Bytes      %20llu Pckts\n\n",
			   (ull)d->traffic_bytes, (ull)d->traffic_packets);
	if (!d->engine)
		return;
	print_active_link(d, r);
	cts_engine_get_stats(d->engine, &e);
	cts_request_printf(r, "message tracking:\n%20llu Malformed msgs %20llu Lost msgs\n\n",
			   (ull)malformed(&e), (ull)e.lost_messages);
}

static void stats_network(struct daemon *d, struct cts_request *r)
{
	struct cts_engine_stats e;

	if (!d->engine)
		return;
	cts_engine_get_stats(d->engine, &e);
	cts_request_printf(r,
			   "network statistics:\n"
			   "\trecv:\n"
			   "\t\tMalformed messages:\t%20llu\n"
			   "\t\tWrong protocol version:\t%20llu\n"
			   "\t\tMalformed header:\t%20llu\n"
			   "\t\tMalformed payload:\t%20llu\n"
			   "\t\tBad message type:\t%20llu\n"
			   "\t\tTruncated message:\t%20llu\n"
			   "\t\tBad message size:\t%20llu\n"
			   "\tsend:\n"
			   "\t\tMalformed messages:\t%20u\n"
			   "\nsequence tracking statistics:\n"
			   "\trecv:\n"
			   "\t\tPackets lost:\t\t%20llu\n"
			   "\t\tPackets before:\t\t%20llu\n\n",
			   (ull)malformed(&e), (ull)e.bad_version, (ull)(e.bad_magic + e.bad_crc),
			   (ull)e.bad_record, (ull)e.bad_type, 0ull, (ull)e.bad_length, 0u,
			   (ull)e.lost_messages, (ull)e.duplicates);
	print_active_link(d, r);
	cts_request_printf(r,
			   "protocol statistics:\n"
			   "\tmessages sent/received:\t\t%12llu/%12llu\n"
			   "\trecords sent/received:\t\t%12llu/%12llu\n"
			   "\tstates sent/received:\t\t%12llu/%12llu\n"
			   "\tremovals sent/received:\t\t%12llu/%12llu\n"
			   "\tgaps opened/closed:\t\t%12llu/%12llu\n"
			   "\tretransmitted entries:\t\t%12llu\n"
			   "\tdigests sent/equal/differ:\t%12llu/%12llu/%12llu\n"
			   "\tpulls/lists/drops sent:\t\t%12llu/%12llu/%12llu\n"
			   "\tchallenges/proofs sent:\t\t%12llu/%12llu\n"
			   "\tforeign cluster/epoch/node:\t%12llu/%12llu/%12llu\n"
			   "\tlink switches:\t\t\t%12llu\n\n",
			   (ull)e.sent_messages, (ull)e.recv_messages, (ull)e.sent_records,
			   (ull)e.recv_records, (ull)e.sent_upserts, (ull)e.recv_upserts,
			   (ull)e.sent_deletes, (ull)e.recv_deletes, (ull)e.gaps_opened,
			   (ull)e.gaps_closed, (ull)e.retransmitted_entries, (ull)e.digests_sent,
			   (ull)e.digests_equal, (ull)e.digests_differ, (ull)e.pulls_sent,
			   (ull)e.lists_received, (ull)e.drops_sent, (ull)e.challenges_sent,
			   (ull)e.proofs_sent, (ull)e.wrong_cluster, (ull)e.wrong_epoch,
			   (ull)e.not_in_list, (ull)cts_links_switches(d->links));
	status_print_peers(d, r);
}

static void stats_cache(struct daemon *d, struct cts_request *r)
{
	struct cts_cache_stats st;

	if (!d->engine) {
		collector_stats(d, &st);
		print_cache_extended(r, "stats", &st);
		return;
	}
	internal_stats(d, &st);
	print_cache_extended(r, "internal", &st);
	external_stats(d, &st);
	print_cache_extended(r, "external", &st);
}

/* How the internal cache follows the kernel's table. */
static void print_follow(struct cts_request *r, const struct cts_follow_stats *st)
{
	cts_request_printf(r,
			   "table stats:\n"
			   "\tevents followed:\t\t%12llu\n"
			   "\tevents that changed nothing:\t%12llu\n"
			   "\tentries refused by filters:\t%12llu\n"
			   "\tentries asked for:\t\t%12llu\n"
			   "\tdumps begun:\t\t\t%12llu\n"
			   "\trepaired, were missing:\t\t%12llu\n"
			   "\trepaired, were gone:\t\t%12llu\n\n",
			   (ull)st->events, (ull)st->unchanged, (ull)st->refused, (ull)st->gets,
			   (ull)st->dumps, (ull)st->repaired_missing, (ull)st->repaired_stale);
}

/* What the kernel answered to commits, injected flows and purges. */
static void print_written(struct cts_request *r, const uint64_t *counters)
{
	cts_request_printf(r, "kernel writes:\n");
	for (enum cts_write_class cls = 0; cls < CTS_WRITE_CLASS_MAX; cls++)
		cts_request_printf(r, "\t%s:%s%12llu\n", cts_write_class_name(cls),
				   strlen(cts_write_class_name(cls)) < 7 ? "\t\t\t\t" : "\t\t\t",
				   (ull)counters[cls]);
	cts_request_printf(r, "\n");
}

static void stats_runtime(struct daemon *d, struct cts_request *r)
{
	uint64_t up = (cts_loop_now_ns(d->loop) - d->started_ns) / 1000000000u;
	struct cts_control_stats c;
	struct cts_node_reader_stats rd;

	cts_node_reader_get_stats(d->reader, &rd);
	cts_control_get_stats(d->control, &c);
	cts_request_printf(r, "daemon uptime: ");
	if (up >= 86400)
		cts_request_printf(r, "%llu day%s ", (ull)up / 86400, up >= 172800 ? "s" : "");
	if (up >= 3600)
		cts_request_printf(r, "%llu h ", (ull)up / 3600 % 24);
	cts_request_printf(r, "%llu min %llu s\n\n", (ull)up / 60 % 60, (ull)up % 60);
	cts_request_printf(r,
			   "netlink stats:\n"
			   "\tevents received:\t%20llu\n"
			   "\tevents filtered:\t%20llu\n"
			   "\tevents unknown type:\t\t%12llu\n"
			   "\tcatch event failed:\t\t%12llu\n"
			   "\tdump unknown type:\t\t%12llu\n"
			   "\tnetlink overrun:\t\t%12llu\n"
			   "\tflush kernel table:\t\t%12llu\n"
			   "\tresync with kernel table:\t%12llu\n"
			   "\tcurrent buffer size (in bytes):\t%12zu\n"
			   "\tevents lost:\t\t\t%12llu\n\n",
			   (ull)rd.events.received, (ull)d->filtered, (ull)rd.events.unknown,
			   (ull)(rd.events.malformed + rd.events.truncated), (ull)rd.malformed_dump,
			   (ull)rd.losses,
			   d->takeover ? (ull)cts_takeover_kernel_flushes(d->takeover) : 0ull,
			   (ull)rd.reconciliations, rd.buffer_size, (ull)rd.lost);
	if (d->engine) {
		print_follow(r, &rd.follow);
		print_written(r, cts_node_written(d->node));
	}
	cts_request_printf(r,
			   "runtime stats:\n"
			   "\tchild process failed:\t\t%12u\n"
			   "\t\tchild process segfault:\t%12u\n"
			   "\t\tchild process termsig:\t%12u\n"
			   "\tselect failed:\t\t\t%12u\n"
			   "\twait failed:\t\t\t%12u\n"
			   "\tlocal read failed:\t\t%12llu\n"
			   "\tlocal unknown request:\t\t%12llu\n"
			   "\tlongest turn (us):\t\t%12llu\n\n",
			   0u, 0u, 0u, 0u, 0u, (ull)c.refused, (ull)c.garbage,
			   (ull)cts_loop_longest_ns(d->loop) / 1000);
}

static void stats_queue(struct daemon *d, struct cts_request *r)
{
	struct cts_engine_stats e;

	if (!d->engine)
		return;
	cts_engine_get_stats(d->engine, &e);
	cts_request_printf(r,
			   "allocated queue nodes:\t\t%12llu\n\n"
			   "queue txqueue:\n"
			   "current elements:\t\t%12llu\n"
			   "maximum elements:\t\t%12llu\n"
			   "not enough space errors:\t%12llu\n\n"
			   "queue rsqueue:\n"
			   "current elements:\t\t%12llu\n"
			   "maximum elements:\t\t%12llu\n"
			   "not enough space errors:\t%12llu\n\n",
			   (ull)(e.dirty_queue_len + e.window_len), (ull)e.dirty_queue_len,
			   (ull)e.dirty_queue_max, (ull)e.tombstones_dropped, (ull)e.window_len,
			   (ull)e.window_max, (ull)e.resets);
}

static void stats_rsqueue(struct daemon *d, struct cts_request *r)
{
	struct cts_engine_stats e;

	if (!d->engine)
		return;
	cts_engine_get_stats(d->engine, &e);
	cts_request_printf(r, "resent queue (len=%llu)\n", (ull)e.window_len);
}

/* What the configured outputs know, by plugin. */
static void stats_outputs(struct daemon *d, struct cts_request *r)
{
	for (size_t i = 0; i < instances_outputs(d->instances); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *fp = open_memstream(&text, &len);
		bool any;

		if (!fp)
			continue;
		any = instances_snapshot(d->instances, i, fp);
		fclose(fp);
		if (any)
			cts_request_write(r, text, len);
		free(text);
	}
}

static void stats_nothing(struct daemon *d, struct cts_request *r)
{
}

static void stats_link(struct daemon *d, struct cts_request *r)
{
	if (d->links)
		print_links(d, r);
}

/* stats [word] */
void cmd_stats(void *ctx, struct cts_request *r, int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*print)(struct daemon *d, struct cts_request *r);
	} words[] = {
		{ "ct", stats_plain },        { "network", stats_network },
		{ "cache", stats_cache },     { "runtime", stats_runtime },
		{ "link", stats_link },       { "multicast", stats_link },
		{ "rsqueue", stats_rsqueue }, { "queue", stats_queue },
		{ "process", stats_nothing }, /* there are no child processes */
		{ "expect", stats_nothing },  { "outputs", stats_outputs },
	};
	const char *word = argc > 1 ? argv[1] : "ct";

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word) != 0)
			continue;
		words[i].print(ctx, r);
		cts_request_finish(r, 0, NULL);
		return;
	}
	cts_request_finish(r, 1,
			   "-s %s: unknown, known: network, cache, runtime, link, rsqueue, "
			   "queue, ct, expect, process, outputs\n",
			   word);
}
