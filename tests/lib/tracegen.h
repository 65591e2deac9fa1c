/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes conversion traces out of a seed. The same kind and seed give the same trace on every
 * machine. Sizes, rates and lengths are drawn from the seed too, so that two seeds of a kind differ
 * in more than the noise; see tests/traces/README.md.
 */
#ifndef TDX_LPAGE_TESTS_TRACEGEN_H
#define TDX_LPAGE_TESTS_TRACEGEN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* X(IDENTIFIER, "name", "what it is like") */
#define TRACEGEN_KINDS(X)                                                                          \
	X(BOOT, "boot", "a guest boots: many regions convert once to a few times, then quiet")     \
	X(WEB, "web", "mostly one-off conversions, some hot and some bursty regions")              \
	X(DATABASE, "database", "Poisson around the break-even time, and heavy-tailed")            \
	X(BURSTS, "bursts", "several conversions in a row, then a long pause")                     \
	X(PHASES, "phases", "the guest alternates between hot and quiet phases")                   \
	X(THRASH, "thrash", "regions that are never private for long")                             \
	X(FLEET, "fleet", "many VMs of all kinds that come and go")                                \
	X(ADVERSARY, "adversary", "intervals that end just after a plausible threshold")           \
	X(PERIODIC, "periodic", "DMA buffers with fixed periods")                                  \
	X(WHOLE, "whole", "swiotlb: whole regions, mixed with partial conversions")                \
	X(SLOW, "slow", "like web, in a guest that is slow to accept pages")                       \
	X(PATTERN, "pattern",                                                                      \
	  "each region repeats a few lengths, each beyond a plausible threshold")

/* The second family: four guests of few, plain behaviours; tests/lib/traceplain.c. */
#define TRACEGEN_PLAIN_KINDS(X)                                                                    \
	X(PLAIN_BOOT, "plain-boot", "conversions while the guests boot, then quiet")               \
	X(PLAIN_WEB, "plain-web", "one-off conversions all along, hot rings, bursty buffers")      \
	X(PLAIN_DATABASE, "plain-database", "Poisson around break-even, heavy tails, a hot log")   \
	X(PLAIN_BURSTS, "plain-bursts", "bursts of conversions ms apart, then idle")               \
	X(PLAIN_PHASES, "plain-phases", "busy and idle phases of the whole guest")                 \
	X(PLAIN_THRASH, "plain-thrash", "converted again at once, all the time")                   \
	X(PLAIN_FLEET, "plain-fleet", "a dozen guests of these kinds, some started later")         \
	X(PLAIN_ADVERSARY, "plain-adversary", "each region is converted just after a threshold")

/* The third family, after what Linux guests do; tests/lib/tracelinux.c. */
#define TRACEGEN_LINUX_KINDS(X)                                                                    \
	X(LINUX_SWIOTLB, "linux-swiotlb", "bounce pools that grow under load and shrink")          \
	X(LINUX_DRIVERS, "linux-drivers", "drivers load and reset: rings, coherent pools")         \
	X(LINUX_SHORT, "linux-short", "dozens of guests that live for half a minute")              \
	X(LINUX_GPU, "linux-gpu", "staging buffers of a GPU, many pages for seconds at a time")    \
	X(LINUX_KEXEC, "linux-kexec", "kexec turns everything back, and the next kernel boots")    \
	X(LINUX_HOTPLUG, "linux-hotplug", "memory that is accepted lazily, beside prompt drivers") \
	X(LINUX_DAYS, "linux-days", "load that rises and falls by day and night")                  \
	X(LINUX_REGIMES, "linux-regimes", "regions that turn from one behaviour to another")       \
	X(LINUX_NEIGHBOURS, "linux-neighbours", "buffers over several regions, converted at once") \
	X(LINUX_FLEET, "linux-fleet",                                                              \
	  "guests of these kinds, of several walk costs, that come and go")                        \
	X(LINUX_COSTS, "linux-costs", "the same on a host of other costs")

enum tracegen_kind {
#define X(id, name, doc) TRACEGEN_##id,
	TRACEGEN_KINDS(X) TRACEGEN_PLAIN_KINDS(X) TRACEGEN_LINUX_KINDS(X)
#undef X
		TRACEGEN_KINDS_END,
};

/* The families, each [first, end) of the kinds. */
struct tracegen_family {
	const char *name;
	enum tracegen_kind first;
	enum tracegen_kind end;
};

#define TRACEGEN_FAMILIES 3
extern const struct tracegen_family tracegen_families[TRACEGEN_FAMILIES];

/* What a trace costs, by what it would cost. */
struct tracegen_costs {
	const char *name;
	double split;
	double fail;
	double walk;
};

const char *tracegen_name(enum tracegen_kind kind);
const char *tracegen_doc(enum tracegen_kind kind);

/* Returns the kind or -ENOENT. */
int tracegen_from_name(const char *name);

/* Writes a trace; @scale stretches the number of regions (1: as it comes). Negative errno. */
int tracegen_write(FILE *f, enum tracegen_kind kind, uint64_t seed, double scale);

/* The same to memory, to be freed by the caller. */
int tracegen_buffer(enum tracegen_kind kind, uint64_t seed, double scale, char **ret, size_t *len);

/* The same, with other costs. */
int tracegen_buffer_at(enum tracegen_kind kind, uint64_t seed, double scale,
		       const struct tracegen_costs *costs, char **ret, size_t *len);

#endif
