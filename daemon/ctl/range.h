/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest-physical addresses and ranges, as people write them. */
#ifndef TDX_LPAGE_CTL_RANGE_H
#define TDX_LPAGE_CTL_RANGE_H

#include <stdint.h>
#include <tdx-lpage/base.h>

/* In regions of 2 MiB. */
struct range {
	uint64_t start_rfn;
	uint64_t nr_regions;
};

/* Reads "0x80000000", "2G", "512M", "4096". Returns 0, -EINVAL or -ERANGE (above 52 bits). */
int range_parse_gpa(const char *text, uint64_t *ret);

/*
 * Reads START-END, START+SIZE or START, the last for one region. Returns 0, -EINVAL, -ERANGE for
 * an empty range or one beyond 52 bits, and -EDOM for one that is not in whole regions; @ret is
 * then the range rounded outwards.
 */
int range_parse(const char *text, struct range *ret);

#endif
