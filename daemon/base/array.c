// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include <tdx-lpage/base.h>

#define CAPACITY_MIN 8

int array_reserve(void *array_ptr, size_t *capacity, size_t wanted, size_t size)
{
	size_t more = *capacity > SIZE_MAX / 2 ? SIZE_MAX : 2 * *capacity;
	void *array;

	if (wanted <= *capacity)
		return 0;
	if (more < CAPACITY_MIN)
		more = CAPACITY_MIN;
	if (more < wanted)
		more = wanted;
	memcpy(&array, array_ptr, sizeof(array));
	array = reallocarray(array, more, size);
	if (!array)
		return -ENOMEM;
	memcpy(array_ptr, &array, sizeof(array));
	*capacity = more;
	return 0;
}

void *array_open(void *array, size_t nr, size_t at, size_t size)
{
	char *element = (char *)array + at * size;

	memmove(element + size, element, (nr - at) * size);
	return element;
}

void array_close(void *array, size_t nr, size_t at, size_t size)
{
	char *element = (char *)array + at * size;

	memmove(element, element + size, (nr - at - 1) * size);
}
