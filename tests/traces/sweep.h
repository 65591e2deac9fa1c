/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other costs than the daemon assumes, and budgets that bind: small traces of every kind. */
#ifndef TDX_LPAGE_TESTS_SWEEP_H
#define TDX_LPAGE_TESTS_SWEEP_H

#include <stdint.h>
#include <stdio.h>

#include "daemon/config/config.h"

/* A table of each on standard output, an object each to @json. Negative errno. */
int sweep_costs(const struct config *config, FILE *json, uint64_t first_seed, uint64_t seeds);
int sweep_budget(const struct config *config, FILE *json, uint64_t first_seed);

#endif
