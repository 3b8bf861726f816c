/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTS_FILTER_H
#define CTS_FILTER_H

#include <ctsync/event.h>
#include <ctsync/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a filter may declare for the kernel's side: the core turns it into a BPF
 * program on the event socket. Only immutable fields; it must never refuse what
 * apply() accepts. Calls return 0, or -1 with errno ENOSPC (the declaration is
 * then dropped as a whole and apply() alone decides) or EINVAL.
 *
 * protocols: bit n % 8 of byte n / 8 names protocol n; accept: only those that are
 * named may pass, else they must not. Each call narrows down what is left.
 * network: an entry lies in it when its original source or its reply source (the
 * real destination) does. It is refused when it lies in a network that is not
 * accepted, or when accepted ones of its family were declared, by whomever, and it
 * lies in none of them. At most 64 networks in all, tested one by one;
 * one more (ENOSPC), and no network at all is tested in the kernel.
 */
struct cts_push;
int cts_push_protocols(struct cts_push *push, const uint8_t bitmap[32], bool accept);
int cts_push_network(struct cts_push *push, int family, const union cts_addr *net,
		     unsigned int prefix_len, bool accept);

/*
 * A filter gives its verdict over a whole batch. create(), destroy() and apply()
 * are mandatory. All calls come from the main loop and must not block.
 */
struct cts_filter_ops {
	struct cts_plugin plugin;
	void *(*create)(const struct cts_options *opt); /* as in ctsync/output.h */
	void (*destroy)(void *priv);
	/* cts_batch_drop() what is refused; look at events that are not dropped
	 * yet only. An attribute that is absent from a partial event is no reason
	 * to refuse it: the core asks the kernel for the whole entry where it
	 * matters. DESTROY is judged by the immutable fields alone. */
	void (*apply)(void *priv, const struct cts_batch *batch);
	/* Declare what could be refused in the kernel already; may be NULL. */
	int (*push)(void *priv, struct cts_push *push);
	/* The node's own addresses changed (`local`): all n of them; may be NULL. */
	void (*local_addresses)(void *priv, const struct cts_address *addr, size_t n);
};

#ifdef __cplusplus
}
#endif
#endif /* CTS_FILTER_H */
