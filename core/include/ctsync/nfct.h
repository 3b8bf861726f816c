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

/* Fill in flow from ct. The variable parts are lent by ct: keep it as long.
 * 0, or -1 and errno. */
int cts_flow_from_nfct(struct cts_flow *flow, const struct nf_conntrack *ct);

#ifdef __cplusplus
}
#endif
#endif /* CTS_NFCT_H */
