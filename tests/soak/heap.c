// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into the daemon: counts the bytes that are in use on its heap. What is resident beyond them is
 * the allocator's: caches, and holes between blocks.
 *
 * HEAP_COUNTS names a file of sizeof(struct counts), which whoever looks on maps, too.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* What ours are in the place of, by the names that the C library has for them. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

struct counts {
	_Atomic int64_t used;  /* bytes now */
	_Atomic int64_t least; /* since the onlooker has put `used` here */
};

static struct counts early; /* until the file is there */
static struct counts *counts = &early;

static void count(int64_t bytes)
{
	int64_t used = atomic_fetch_add(&counts->used, bytes) + bytes;

	if (used < atomic_load(&counts->least))
		atomic_store(&counts->least, used);
}

static void *counted(void *block)
{
	if (block)
		count((int64_t)malloc_usable_size(block));
	return block;
}

void *malloc(size_t size)
{
	return counted(__libc_malloc(size));
}

void *calloc(size_t nr, size_t size)
{
	return counted(__libc_calloc(nr, size));
}

void *realloc(void *block, size_t size)
{
	int64_t before = block ? (int64_t)malloc_usable_size(block) : 0;
	void *moved = __libc_realloc(block, size);

	if (moved || !size)
		count(-before);
	return counted(moved);
}

void *reallocarray(void *block, size_t nr, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(nr, size, &bytes) ? NULL : realloc(block, bytes);
}

void free(void *block)
{
	if (block)
		count(-(int64_t)malloc_usable_size(block));
	__libc_free(block);
}

/* The process that reads command lines has a heap of its own. */
static void in_child(void)
{
	counts = &early;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("HEAP_COUNTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared;

	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED)
		return;
	*(struct counts *)shared = (struct counts){.used = early.used, .least = early.used};
	counts = shared;
	(void)pthread_atfork(NULL, NULL, in_child);
}
