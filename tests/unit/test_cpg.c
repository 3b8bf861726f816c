/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cpg transport with a corosync of cardboard: members that come, go, read and do
 * not, a corosync that is away, busy or puts us out; messages in containers. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <corosync/cpg.h>

#include <ctsync/transport.h>

#include "core/plugin/option_table.h"
#include "core/runtime/loop.h"
#include "plugins/transport/cpg_pack.h"

extern const struct cts_transport_ops cpg_LTX_cts_plugin;

#define SELF 1u
#define LIMIT 1048576u         /* as an option below */
#define COST 512u              /* of a container, beside its bytes */

/* -- corosync -- */

struct happening {
	bool change;
	uint32_t from, pid;
	size_t len;
	uint8_t *data;
	/* of a change: who is there, and who left */
	unsigned int n_list, n_left;
	struct cpg_address list[40], left[4];
};

static struct {
	cpg_model_v1_data_t model;
	void *context;
	int fd;
	unsigned int opened, closed, failures;   /* the next so many opens fail */
	cs_error_t local, join, dispatch, context_get;
	cs_error_t mcast;
	unsigned int mcasts;
	struct { struct cpg_header h; size_t len; uint8_t data[70000]; } last;
	unsigned int n, at;
	struct happening queue[64];
} corosync;

cs_error_t cpg_model_initialize(cpg_handle_t *handle, cpg_model_t model, cpg_model_data_t *data,
				void *context)
{
	if (corosync.failures) {
		corosync.failures--;
		return CS_ERR_LIBRARY;
	}
	corosync.model = *(cpg_model_v1_data_t *)data;
	corosync.context = context;
	corosync.opened++;
	*handle = 4711;
	return CS_OK;
}

cs_error_t cpg_finalize(cpg_handle_t handle)
{
	corosync.closed++;
	return CS_OK;
}

cs_error_t cpg_context_get(cpg_handle_t handle, void **context)
{
	*context = corosync.context;
	return corosync.context_get;
}

cs_error_t cpg_local_get(cpg_handle_t handle, unsigned int *node)
{
	*node = SELF;
	return corosync.local ? corosync.local : CS_OK;
}

cs_error_t cpg_fd_get(cpg_handle_t handle, int *fd)
{
	*fd = corosync.fd;
	return CS_OK;
}

cs_error_t cpg_join(cpg_handle_t handle, const struct cpg_name *group)
{
	return corosync.join ? corosync.join : CS_OK;
}

cs_error_t cpg_mcast_joined(cpg_handle_t handle, cpg_guarantee_t guarantee,
			    const struct iovec *iov, unsigned int n)
{
	if (corosync.mcast)
		return corosync.mcast;
	corosync.mcasts++;
	assert_true(cpg_parse_header(iov->iov_base, iov->iov_len, &corosync.last.h));
	corosync.last.len = iov->iov_len;
	memcpy(corosync.last.data, iov->iov_base, iov->iov_len);
	return CS_OK;
}

static void happen(const struct happening *h)
{
	static const struct cpg_name group = { .length = 1, .value = "g" };

	if (h->change)
		corosync.model.cpg_confchg_fn(4711, &group, h->list, h->n_list, h->left, h->n_left,
					      NULL, 0);
	else
		corosync.model.cpg_deliver_fn(4711, &group, h->from, h->pid, h->data, h->len);
}

cs_error_t cpg_dispatch(cpg_handle_t handle, cs_dispatch_flags_t flags)
{
	uint64_t value;

	if (corosync.dispatch) {
		cs_error_t once = corosync.dispatch;

		corosync.dispatch = 0;
		return once;
	}
	if (corosync.at == corosync.n) {
		assert_int_equal(read(corosync.fd, &value, sizeof(value)), sizeof(value));
		return CS_ERR_TRY_AGAIN;
	}
	happen(&corosync.queue[corosync.at++]);
	return CS_OK;
}

static void wake(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(corosync.fd, &one, sizeof(one)), sizeof(one));
}

static struct happening *queue(void)
{
	struct happening *h = &corosync.queue[corosync.n++];

	assert_true(corosync.n <= 64);
	memset(h, 0, sizeof(*h));
	return h;
}

/* These nodes are in the group now, with process 100 + node each. */
static struct happening *queue_members(unsigned int n, const uint32_t *node)
{
	struct happening *h = queue();

	h->change = true;
	for (unsigned int i = 0; i < n; i++) {
		h->list[h->n_list].nodeid = node[i];
		h->list[h->n_list++].pid = node[i] == SELF ? (uint32_t)getpid() : 100 + node[i];
	}
	return h;
}

/* What has happened. */
static void forget(void)
{
	for (unsigned int i = 0; i < corosync.n; i++)
		free(corosync.queue[i].data);
	corosync.n = corosync.at = 0;
}

static void queue_message(uint32_t node, const void *data, size_t len)
{
	struct happening *h = queue();

	h->from = node;
	h->pid = node == SELF ? (uint32_t)getpid() : 100 + node;
	h->data = malloc(len ? len : 1);
	assert_non_null(h->data);
	memcpy(h->data, data, len);
	h->len = len;
}

/* Node acknowledges so many of our bytes. */
static void queue_ack(uint32_t node, uint64_t bytes)
{
	uint8_t out[CPG_HEADER + CPG_ACK];
	size_t len = cpg_build_header(out, CPG_KIND_ACK, 0);

	len += cpg_build_ack(out + len, &(struct cpg_ack){ SELF, (uint32_t)getpid(), bytes });
	queue_message(node, out, len);
}

/* -- the host -- */

static struct {
	struct cts_loop *loop;
	struct cts_timer *deadline;
	struct cts_transport_host host;
	struct cts_options *opt;
	void *priv;
	unsigned int up, down, writable, changed, delivered;
	uint32_t last_up, last_down, from;
	char text[64];
	bool (*done)(void);
	bool late;
} fx;

static void deliver(void *ctx, uint32_t from, const struct iovec *msg, unsigned int n)
{
	fx.from = from;
	for (unsigned int i = 0; i < n; i++, fx.delivered++)
		snprintf(fx.text, sizeof(fx.text), "%.*s", (int)msg[i].iov_len,
			 (const char *)msg[i].iov_base);
}

static void peer_up(void *ctx, uint32_t peer)
{
	fx.up++;
	fx.last_up = peer;
}

static void peer_down(void *ctx, uint32_t peer)
{
	fx.down++;
	fx.last_down = peer;
}

static void writable(void *ctx)
{
	fx.writable++;
}

static void link_changed(void *ctx)
{
	fx.changed++;
}

static bool turn(void *ctx)
{
	if (fx.done())
		cts_loop_stop(fx.loop);
	return false;
}

static void give_up(void *ctx)
{
	fx.late = true;
	cts_loop_stop(fx.loop);
}

static void await(bool (*done)(void))
{
	if (done())
		return;
	fx.done = done;
	fx.late = false;
	cts_timer_arm_us(fx.deadline, 10000000);
	cts_loop_run(fx.loop);
	if (fx.late)
		fail_msg("not in time");
}

static bool is_joined(void)
{
	struct cts_transport_status st = { .size = sizeof(st) };

	cpg_LTX_cts_plugin.status(fx.priv, &st);
	return st.up;
}

static bool is_read(void)
{
	return corosync.at == corosync.n;
}

/* Everything that was queued has happened. */
static void let_happen(void)
{
	wake();
	await(is_read);
}

static void open_cpg(const char *options)
{
	memset(&corosync, 0, sizeof(corosync));
	memset(&fx, 0, sizeof(fx));
	corosync.context_get = CS_OK;
	corosync.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(corosync.fd >= 0);
	fx.loop = cts_loop_create();
	fx.deadline = cts_timer_create(fx.loop, give_up, NULL);
	cts_loop_on_turn(fx.loop, turn, NULL);
	fx.host = (struct cts_transport_host){ .size = sizeof(fx.host), .loop = fx.loop,
					       .deliver = deliver, .peer_up = peer_up,
					       .peer_down = peer_down, .writable = writable,
					       .link_changed = link_changed };
	fx.opt = cts_options_parse_text(cpg_LTX_cts_plugin.plugin.options, options, "cpg", NULL);
	assert_non_null(fx.opt);
	fx.priv = cpg_LTX_cts_plugin.create(fx.opt, &fx.host);
	assert_non_null(fx.priv);
}

static void open_joined(const char *options, unsigned int n, const uint32_t *nodes)
{
	open_cpg(options);
	await(is_joined);
	queue_members(n, nodes);
	let_happen();
	assert_int_equal(fx.up, n - 1);
}

static void close_cpg(void)
{
	cpg_LTX_cts_plugin.destroy(fx.priv);
	cts_options_free(fx.opt);
	cts_timer_destroy(fx.deadline);
	cts_loop_destroy(fx.loop);
	close(corosync.fd);
	forget();
	assert_int_equal(corosync.opened, corosync.closed);
}

static int send_text(const char *text)
{
	const struct iovec msg = { (void *)(uintptr_t)text, strlen(text) };

	return cpg_LTX_cts_plugin.send(fx.priv, &msg, 1, CTS_PEER_ALL);
}

static bool was_sent(void)
{
	return corosync.mcasts;
}

static const uint32_t two[] = { SELF, 2 }, three[] = { SELF, 2, 3 };

/* -- the group -- */

static void it_joins_and_says_what_it_is(void **state)
{
	struct cts_flow_pattern t[4];
	struct cts_transport_status st = { .size = sizeof(st) };
	char name[64];

	open_cpg("group=fw,port=5405");
	assert_false(is_joined());
	assert_int_equal(send_text("early"), -1);
	assert_int_equal(errno, ENETDOWN);
	await(is_joined);
	assert_int_equal(fx.changed, 1);
	cpg_LTX_cts_plugin.status(fx.priv, &st);
	assert_string_equal(st.device, "fw");
	assert_int_equal(st.sent_errors, 1);
	assert_true(cpg_LTX_cts_plugin.max_message(fx.priv) >= 1472);
	assert_int_equal(cpg_LTX_cts_plugin.own_flows(fx.priv, t, 4), 2);
	assert_int_equal(t[0].dport, htons(5405));
	assert_int_equal(t[1].family, AF_INET6);
	assert_int_equal(cpg_LTX_cts_plugin.own_flows(fx.priv, t, 1), 1);
	assert_int_equal(cpg_LTX_cts_plugin.peer_name(fx.priv, 7, name, sizeof(name)), 0);
	assert_string_equal(name, "corosync node 7");
	close_cpg();
	open_cpg("port=0");
	assert_int_equal(cpg_LTX_cts_plugin.own_flows(fx.priv, t, 4), 0);
	close_cpg();
}

static bool tried_again(void)
{
	return is_joined() && corosync.opened;
}

static void it_waits_for_a_corosync_that_is_not_there(void **state)
{
	/* each step of opening may fail */
	open_cpg("");
	corosync.failures = 2;
	await(tried_again);
	assert_int_equal(corosync.opened, 1);
	close_cpg();
	open_cpg("");
	corosync.join = CS_ERR_TRY_AGAIN;
	fx.done = was_sent;
	cts_timer_arm_us(fx.deadline, 50000);
	cts_loop_run(fx.loop);
	assert_false(is_joined());
	corosync.join = 0;
	corosync.local = CS_ERR_LIBRARY;
	cts_timer_arm_us(fx.deadline, 150000);
	cts_loop_run(fx.loop);
	assert_false(is_joined());
	corosync.local = 0;
	await(is_joined);
	close_cpg();
}

static bool joined_twice(void)
{
	return corosync.opened == 2 && is_joined();
}

static void a_lost_corosync_takes_all_members_along(void **state)
{
	open_joined("", 3, three);
	corosync.dispatch = CS_ERR_LIBRARY;
	wake();
	await(joined_twice);
	assert_int_equal(fx.down, 2);
	assert_int_equal(fx.changed, 3);   /* up, down, up */
	close_cpg();
}

static void who_is_put_out_of_the_group_joins_again(void **state)
{
	open_joined("", 2, two);
	queue_members(1, &two[1]);
	wake();
	await(joined_twice);
	assert_int_equal(fx.down, 1);
	close_cpg();
}

static void members_come_and_go(void **state)
{
	struct happening *h;
	uint32_t first;

	open_joined("", 2, two);
	first = fx.last_up;
	queue_members(3, three);
	let_happen();
	assert_int_equal(fx.up, 2);
	assert_int_equal(fx.down, 0);
	/* left, and back in the same change: another membership */
	h = queue_members(3, three);
	h->left[0].nodeid = 2;
	h->left[0].pid = 102;
	h->n_left = 1;
	let_happen();
	assert_int_equal(fx.down, 1);
	assert_int_equal(fx.last_down, first);
	assert_int_equal(fx.up, 3);
	assert_int_not_equal(fx.last_up, first);
	queue_members(2, two);
	let_happen();
	assert_int_equal(fx.down, 2);
	close_cpg();
}

/* -- receiving -- */

static void messages_come_out_of_their_container(void **state)
{
	struct cts_transport_status st = { .size = sizeof(st) };
	uint8_t out[256];
	size_t len = cpg_build_header(out, CPG_KIND_DATA, 600);

	len += cpg_build_message(out + len, "one", 3);
	len += cpg_build_message(out + len, "two", 3);
	open_joined("", 2, two);
	queue_message(2, out, len);
	queue_message(SELF, out, len);   /* our own come back */
	queue_message(9, out, len);      /* not a member */
	queue_message(2, out, len - 1);  /* cut short */
	queue_message(2, out, 3);
	queue_message(2, out, CPG_HEADER);
	let_happen();
	assert_int_equal(fx.delivered, 2);
	assert_int_equal(fx.from, fx.last_up);
	assert_string_equal(fx.text, "two");
	cpg_LTX_cts_plugin.status(fx.priv, &st);
	assert_int_equal(st.recv_errors, 2);
	assert_int_equal(st.refused, 1);
	/* nothing happens to a handle of which corosync knows no more */
	corosync.context_get = CS_ERR_BAD_HANDLE;
	queue_message(2, out, len);
	queue_members(3, three);
	let_happen();
	assert_int_equal(fx.delivered, 2);
	assert_int_equal(fx.up, 1);
	close_cpg();
}

static void what_was_read_is_acknowledged_in_time(void **state)
{
	const uint8_t *p = corosync.last.data + CPG_HEADER;
	uint8_t out[64];
	size_t len = cpg_build_header(out, CPG_KIND_DATA, 70000);
	struct cpg_ack a;

	len += cpg_build_message(out + len, "x", 1);
	open_joined("", 2, two);
	queue_message(2, out, len);
	let_happen();
	await(was_sent);
	assert_int_equal(corosync.last.h.kind, CPG_KIND_ACK);
	len = corosync.last.len - CPG_HEADER;
	assert_true(cpg_parse_ack(&p, &len, &a));
	assert_int_equal(a.node, 2);
	assert_int_equal(a.pid, 102);
	assert_int_equal(a.bytes, 70000);
	/* once */
	cpg_build_header(out, CPG_KIND_DATA, 70001);
	queue_message(2, out, CPG_HEADER + CPG_FRAME + 1);
	let_happen();
	assert_int_equal(corosync.mcasts, 1);
	close_cpg();
}

/* -- sending -- */

static void small_messages_leave_together(void **state)
{
	struct cts_transport_status st = { .size = sizeof(st) };
	struct iovec msg[CPG_PACK_MESSAGES];

	open_joined("", 2, two);
	assert_int_equal(send_text("one"), 1);
	assert_int_equal(send_text("three"), 1);
	assert_int_equal(corosync.mcasts, 0);
	await(was_sent);
	assert_int_equal(corosync.mcasts, 1);
	assert_int_equal(cpg_parse_messages(corosync.last.data + CPG_HEADER,
					    corosync.last.len - CPG_HEADER, msg,
					    CPG_PACK_MESSAGES), 2);
	assert_memory_equal(msg[1].iov_base, "three", 5);
	assert_int_equal(corosync.last.h.total, COST + corosync.last.len);
	close_cpg();
}

static void a_full_container_leaves_at_once(void **state)
{
	static char text[7168];
	struct iovec msg[8];

	memset(text, 'x', sizeof(text));
	for (unsigned int i = 0; i < 8; i++)
		msg[i] = (struct iovec){ text, sizeof(text) };
	open_joined("pack=8192", 2, two);
	assert_int_equal(cpg_LTX_cts_plugin.send(fx.priv, msg, 3, CTS_PEER_ALL), 3);
	assert_int_equal(corosync.mcasts, 2);
	/* and by number, however short they are */
	await(is_read);
	close_cpg();
	open_joined("", 2, two);
	for (unsigned int i = 0; i <= CPG_PACK_MESSAGES; i++)
		assert_int_equal(send_text(""), 1);
	assert_int_equal(corosync.mcasts, 1);
	close_cpg();
}

static void a_message_that_is_too_long_is_refused(void **state)
{
	static char text[7169];
	struct iovec msg[2] = { { text, 10 }, { text, sizeof(text) } };

	open_joined("", 2, two);
	assert_int_equal(cpg_LTX_cts_plugin.send(fx.priv, msg, 2, CTS_PEER_ALL), 1);
	assert_int_equal(cpg_LTX_cts_plugin.send(fx.priv, msg + 1, 1, CTS_PEER_ALL), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(cpg_LTX_cts_plugin.send(fx.priv, msg, 0, CTS_PEER_ALL), 0);
	close_cpg();
}

static bool is_writable(void)
{
	return fx.writable;
}

/* Send until no more is taken; how many were. */
static unsigned int fill(void)
{
	static char text[7000];
	const struct iovec msg = { text, sizeof(text) };
	unsigned int n = 0;

	while (cpg_LTX_cts_plugin.send(fx.priv, &msg, 1, CTS_PEER_ALL) == 1)
		assert_true(++n < 100000);
	assert_int_equal(errno, EAGAIN);
	return n;
}

static void a_busy_corosync_is_asked_again(void **state)
{
	open_joined("pack=8192", 2, two);
	corosync.mcast = CS_ERR_TRY_AGAIN;
	assert_int_equal(fill(), 1);
	assert_int_equal(fx.writable, 0);
	corosync.mcast = 0;
	await(is_writable);
	assert_int_equal(corosync.mcasts, 1);
	/* one that fails is left */
	corosync.mcast = CS_ERR_LIBRARY;
	assert_int_equal(send_text("x"), 1);
	await(joined_twice);
	assert_int_equal(fx.down, 1);
	corosync.mcast = 0;
	close_cpg();
}

static void a_window_opens_with_acknowledgements(void **state)
{
	unsigned int n;

	open_joined("pack=8192,window=262144", 2, two);
	n = fill();
	assert_in_range(n, 30, 40);
	/* of another's bytes, of more than was sent, of less than before: nothing */
	queue_ack(2, 1u << 30);
	queue_ack(2, 1000);
	let_happen();
	assert_int_equal(fx.writable, 0);
	queue_ack(2, corosync.last.h.total);
	let_happen();
	await(is_writable);
	assert_int_equal(fx.down, 0);
	assert_true(fill() > 20);
	close_cpg();
}

static bool is_down(void)
{
	return fx.down;
}

static bool is_up_again(void)
{
	return fx.up == 3;
}

static void who_does_not_read_is_not_waited_for_up_to_the_limit(void **state)
{
	uint64_t sent;
	unsigned int n;

	open_joined("pack=8192,window=262144,limit=1048576", 3, three);
	fill();
	sent = corosync.last.h.total;
	queue_ack(2, sent);
	let_happen();
	/* node 3 keeps the window shut for a while, then it is taken for gone */
	await(is_down);
	assert_int_equal(fx.down, 1);
	await(is_writable);
	for (n = 0; n < 1000 && corosync.last.h.total < LIMIT / 2 - 2 * 8192; n++) {
		fill();
		queue_ack(2, corosync.last.h.total);
		let_happen();
		forget();
	}
	/* at the limit, shared by two senders, everybody waits again */
	fill();
	assert_in_range(corosync.last.h.total, LIMIT / 2 - 2 * 8192, LIMIT / 2);
	assert_int_equal(fx.down, 1);
	/* it reads: it is there again */
	queue_ack(3, corosync.last.h.total);
	let_happen();
	await(is_up_again);
	close_cpg();
}

/* -- options -- */

static void a_group_needs_a_name_that_fits(void **state)
{
	char options[200] = "group=";
	const struct cts_transport_host host = { .size = sizeof(host) };
	struct cts_options *opt;

	memset(options + 6, 'x', CPG_MAX_NAME_LENGTH);
	opt = cts_options_parse_text(cpg_LTX_cts_plugin.plugin.options, options, "cpg", NULL);
	assert_non_null(opt);
	errno = 0;
	assert_null(cpg_LTX_cts_plugin.create(opt, &host));
	assert_int_equal(errno, EINVAL);
	cts_options_free(opt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_joins_and_says_what_it_is),
		cmocka_unit_test(it_waits_for_a_corosync_that_is_not_there),
		cmocka_unit_test(a_lost_corosync_takes_all_members_along),
		cmocka_unit_test(who_is_put_out_of_the_group_joins_again),
		cmocka_unit_test(members_come_and_go),
		cmocka_unit_test(messages_come_out_of_their_container),
		cmocka_unit_test(what_was_read_is_acknowledged_in_time),
		cmocka_unit_test(small_messages_leave_together),
		cmocka_unit_test(a_full_container_leaves_at_once),
		cmocka_unit_test(a_message_that_is_too_long_is_refused),
		cmocka_unit_test(a_busy_corosync_is_asked_again),
		cmocka_unit_test(a_window_opens_with_acknowledgements),
		cmocka_unit_test(who_does_not_read_is_not_waited_for_up_to_the_limit),
		cmocka_unit_test(a_group_needs_a_name_that_fits),
	};

	return cmocka_run_group_tests_name("cpg", tests, NULL, NULL);
}
