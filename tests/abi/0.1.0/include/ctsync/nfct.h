/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bridge to libnetfilter_conntrack, for authors who like its getters. */
#ifndef CTS_NFCT_H
#define CTS_NFCT_H

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <ctsync/flow.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A new object with all that flow has (nfct_destroy() it). NULL and errno. */
struct nf_conntrack *cts_flow_to_nfct(const struct cts_flow *flow);

/* Room for the labels of one flow and their mask, which the library keeps in a
 * form of its own: 128 labels each, as many as kernels have. */
struct cts_nfct_labels {
	uint32_t set[4];
	uint32_t mask[4];
};

/* Fill in flow from ct. Strings are lent by ct and the labels by room: keep both
 * as long as flow. room may be NULL: no labels. 0, or -1 and errno. */
int cts_flow_from_nfct(struct cts_flow *flow, const struct nf_conntrack *ct,
		       struct cts_nfct_labels *room);

#ifdef __cplusplus
}
#endif
#endif /* CTS_NFCT_H */
