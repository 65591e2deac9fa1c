/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every room shares: units of time and the clock, the size of a region, array helpers, cleanup attributes. */
#ifndef TDX_LPAGE_BASE_H
#define TDX_LPAGE_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ---- time ---- */

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)
#define US_PER_MS UINT64_C(1000)
#define US_PER_S  UINT64_C(1000000)
#define MS_PER_S  UINT64_C(1000)

/* CLOCK_MONOTONIC, as KVM takes times of its own. */
static inline uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- regions: 2 MiB of guest-physical memory, the reach of one page-directory entry ---- */

#define REGION_PAGES	   512
#define REGION_PAGES_SHIFT 9 /* rfn = gfn >> 9 */
#define REGION_BYTES_SHIFT 21
#define REGION_BYTES	   (UINT64_C(1) << REGION_BYTES_SHIFT)

static inline uint64_t rfn_to_gpa(uint64_t rfn)
{
	return rfn << REGION_BYTES_SHIFT;
}

static inline uint64_t gpa_to_rfn(uint64_t gpa)
{
	return gpa >> REGION_BYTES_SHIFT;
}

static inline uint64_t rfn_to_gfn(uint64_t rfn)
{
	return rfn << REGION_PAGES_SHIFT;
}

static inline uint64_t gfn_to_rfn(uint64_t gfn)
{
	return gfn >> REGION_PAGES_SHIFT;
}

/* ---- arrays ---- */

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * The index of the first of @nr sorted elements of @size bytes that is not before @key, @nr when all are.
 * @is_before says whether an element comes before the key.
 */
static inline size_t lower_bound(const void *array, size_t nr, size_t size, const void *key,
				 int (*is_before)(const void *element, const void *key))
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (is_before((const char *)array + middle * size, key))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Makes an array of elements of @size bytes hold at least @wanted; its capacity at least doubles when it grows, so that
 * appending costs constant time. @array_ptr points to the pointer to the elements, which realloc() may move.
 * 0, or -ENOMEM with nothing changed.
 */
int array_reserve(void *array_ptr, size_t *capacity, size_t wanted, size_t size);

/* Moves the elements from @at on up by one; the array must have the capacity. Returns the free element. */
void *array_open(void *array, size_t nr, size_t at, size_t size);

/* Closes the gap that removing the element at @at leaves. @nr counts it still. */
void array_close(void *array, size_t nr, size_t at, size_t size);

/* ---- cleanup attributes: CLEANUP(freep) char *text = NULL; ---- */

#define CLEANUP(f) __attribute__((cleanup(f)))

/* For a pointer to anything that free() takes. */
static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}

/* For a file descriptor; a negative one is none. */
static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
