/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control server and its clients share: where it listens, the Varlink interface, limits of its methods, names. */
#ifndef TDX_LPAGE_PROTOCOL_H
#define TDX_LPAGE_PROTOCOL_H

#include <stdint.h>

#define CONTROL_RUNTIME_DIR "/run/tdx-lpage"
#define CONTROL_SOCKET	    "control" /* below the runtime directory; also the systemd fd's name */
#define CONTROL_READ_SOCKET "read"
#define CONTROL_INTERFACE   "org.tdxlpage.Control"

#define CONTROL_REGIONS_LIMIT 1000		 /* in one reply */
#define CONTROL_RANGES_MAX    64		 /* in one call */
#define CONTROL_REGIONS_MAX   (1 << 22)		 /* in one call's ranges: 8 TiB */
#define CONTROL_RFN_MAX	      (INT64_C(1) << 31) /* 52 bits of address */
#define CONTROL_NAMES_MAX     64		 /* in one call */
#define CONTROL_HOLD_MIN_US   INT64_C(1000000)
#define CONTROL_HOLD_MAX_US   INT64_C(3600000000)
#define CONTROL_LEASE_MAX_US                                                                       \
	INT64_C(604800000000)	/* of a pause, and of a hold of a whole VM: 168 h */
#define CONTROL_OWNER_MAX    32 /* bytes of who holds a VM */
#define CONTROL_PROBE_MIN_US INT64_C(10)
#define CONTROL_PROBE_MAX_US INT64_C(10000000)

/* Names of enum kvm_lpage_state, _op and _layer in JSON; "unknown" for a value that is none. */
const char *lpage_state_name(uint32_t state);
const char *lpage_op_name(uint32_t op);
const char *lpage_layer_name(uint32_t layer);

/* The state of that name, or -EINVAL. */
int lpage_state_from_name(const char *name);

#endif
