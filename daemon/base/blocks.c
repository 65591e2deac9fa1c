// SPDX-License-Identifier: GPL-2.0-or-later
#include <tdx-lpage/blocks.h>

#include <string.h>
#include <sys/mman.h>

#include <tdx-lpage/base.h>

#define PAGE  ((uintptr_t)4096)
#define ALIGN ((size_t)16)
#define WORD  64

/* Before the blocks: a bit for each, set while it is given out. */
struct blocks_arena {
	struct blocks_size *of;
	LIST_ENTRY(blocks_arena) room;
	LIST_ENTRY(blocks_arena) hole;
	bool has_hole; /* .hole is in a list */
	uint32_t nr_used;
	uint32_t nr;	/* blocks */
	uint32_t first; /* word of .taken before which no bit is clear */
	size_t begin;	/* of the first block */
	uint64_t taken[];
};

/* gcc has a macro, clang a feature, which gcc before 14 does not know. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

/* What is not given out is not to be used: the sanitizer sees one large block only. */
#ifdef SANITIZED
void __asan_poison_memory_region(const volatile void *at, size_t size);
void __asan_unpoison_memory_region(const volatile void *at, size_t size);
#define CLOSE(at, size) __asan_poison_memory_region(at, size)
#define OPEN(at, size)	__asan_unpoison_memory_region(at, size)
#else
#define CLOSE(at, size) ((void)(at), (void)(size))
#define OPEN(at, size)	((void)(at), (void)(size))
#endif

/* ---- arenas ---- */

static size_t head_bytes(size_t nr)
{
	size_t bytes = sizeof(struct blocks_arena) + (nr + WORD - 1) / WORD * sizeof(uint64_t);

	return (bytes + ALIGN - 1) & ~(ALIGN - 1);
}

static int is_below(const void *element, const void *block)
{
	return (uintptr_t) * (struct blocks_arena *const *)element <= *(const uintptr_t *)block;
}

/* How many arenas of the size begin at or before @block. */
static size_t arenas_to(const struct blocks_size *of, const void *block)
{
	const uintptr_t address = (uintptr_t)block;

	return lower_bound(of->arenas, of->nr_arenas, sizeof(struct blocks_arena *), &address,
			   is_below);
}

static struct blocks_arena *arena_new(struct blocks *blocks, struct blocks_size *of)
{
	struct blocks_arena *arena, **place;
	size_t nr = BLOCKS_ARENA_BYTES / of->size;

	if (array_reserve(&of->arenas, &of->capacity, of->nr_arenas + 1,
			  sizeof(struct blocks_arena *)) < 0)
		return NULL;
	arena = malloc(BLOCKS_ARENA_BYTES);
	if (!arena)
		return NULL;
	while (head_bytes(nr) + nr * of->size > BLOCKS_ARENA_BYTES)
		nr--;
	memset(arena, 0, head_bytes(nr));
	arena->of = of;
	arena->nr = (uint32_t)nr;
	arena->begin = head_bytes(nr);
	CLOSE((char *)arena + arena->begin, nr * of->size);
	place = array_open(of->arenas, of->nr_arenas, arenas_to(of, arena),
			   sizeof(struct blocks_arena *));
	*place = arena;
	of->nr_arenas++;
	blocks->held_bytes += BLOCKS_ARENA_BYTES;
	LIST_INSERT_HEAD(&of->room, arena, room);
	return arena;
}

static void arena_free(struct blocks *blocks, struct blocks_arena *arena)
{
	struct blocks_size *of = arena->of;

	array_close(of->arenas, of->nr_arenas--, arenas_to(of, arena) - 1,
		    sizeof(struct blocks_arena *));
	LIST_REMOVE(arena, room);
	if (arena->has_hole)
		LIST_REMOVE(arena, hole);
	blocks->held_bytes -= BLOCKS_ARENA_BYTES;
	free(arena);
}

static bool is_taken(const struct blocks_arena *arena, uint32_t index)
{
	return arena->taken[index / WORD] >> (index % WORD) & 1;
}

static void *block_at(struct blocks_arena *arena, uint32_t index)
{
	return (char *)arena + arena->begin + index * arena->of->size;
}

/* The lowest block that is free; there is one. */
static void *arena_take(struct blocks_arena *arena)
{
	uint32_t index;

	while (arena->taken[arena->first] == UINT64_MAX)
		arena->first++;
	index = arena->first * WORD + (uint32_t)__builtin_ctzll(~arena->taken[arena->first]);
	arena->taken[arena->first] |= UINT64_C(1) << (index % WORD);
	arena->nr_used++;
	return block_at(arena, index);
}

/* ---- blocks ---- */

static struct blocks_size *size_of(struct blocks *blocks, size_t size)
{
	size_t i = 0;

	if (size > BLOCKS_LARGEST)
		return NULL;
	while (i < blocks->nr_sizes && blocks->sizes[i].size != size)
		i++;
	if (i == BLOCKS_SIZES_MAX)
		return NULL;
	if (i == blocks->nr_sizes)
		blocks->sizes[blocks->nr_sizes++].size = size;
	return &blocks->sizes[i];
}

void *blocks_get(struct blocks *blocks, size_t size)
{
	struct blocks_size *of = size_of(blocks, size);
	struct blocks_arena *arena = of ? LIST_FIRST(&of->room) : NULL;
	void *block;

	if (of && !arena)
		arena = arena_new(blocks, of);
	if (!arena)
		return NULL;
	if (of->spare == arena)
		of->spare = NULL;
	block = arena_take(arena);
	if (arena->nr_used == arena->nr)
		LIST_REMOVE(arena, room);
	blocks->used_bytes += size;
	OPEN(block, size);
	return block;
}

void *blocks_get_zeroed(struct blocks *blocks, size_t size)
{
	void *block = blocks_get(blocks, size);

	return block ? memset(block, 0, size) : NULL;
}

static void drop_spares(struct blocks *blocks)
{
	for (size_t i = 0; i < blocks->nr_sizes; i++) {
		if (blocks->sizes[i].spare)
			arena_free(blocks, blocks->sizes[i].spare);
		blocks->sizes[i].spare = NULL;
	}
}

/* Keeps one, for a block that comes and goes. */
static void arena_emptied(struct blocks *blocks, struct blocks_arena *arena)
{
	struct blocks_size *of = arena->of;

	if (of->spare)
		arena_free(blocks, of->spare);
	of->spare = arena;
}

void blocks_put(struct blocks *blocks, void *block, size_t size)
{
	struct blocks_size *of = block ? size_of(blocks, size) : NULL;
	struct blocks_arena *arena;
	uint32_t index;

	if (!of)
		return;
	arena = of->arenas[arenas_to(of, block) - 1];
	index = (uint32_t)(((char *)block - (char *)block_at(arena, 0)) / (ptrdiff_t)size);
	arena->taken[index / WORD] &= ~(UINT64_C(1) << (index % WORD));
	if (index / WORD < arena->first)
		arena->first = index / WORD;
	if (arena->nr_used-- == arena->nr)
		LIST_INSERT_HEAD(&of->room, arena, room);
	if (!arena->has_hole)
		LIST_INSERT_HEAD(&blocks->holes, arena, hole);
	arena->has_hole = true;
	blocks->used_bytes -= size;
	CLOSE(block, size);
	if (!arena->nr_used)
		arena_emptied(blocks, arena);
	if (!blocks->used_bytes)
		drop_spares(blocks);
}

/* ---- what goes back ---- */

/* The whole pages of the blocks from @from to before @to. */
static void drop_pages(struct blocks_arena *arena, uint32_t from, uint32_t to)
{
	uintptr_t begin = ((uintptr_t)block_at(arena, from) + PAGE - 1) & ~(PAGE - 1);
	uintptr_t end = (uintptr_t)block_at(arena, to) & ~(PAGE - 1);

	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static void drop_holes(struct blocks_arena *arena)
{
	uint32_t from = 0;

	for (uint32_t i = 0; i <= arena->nr; i++) {
		if (i < arena->nr && !is_taken(arena, i))
			continue;
		drop_pages(arena, from, i);
		from = i + 1;
	}
}

bool blocks_give_back(struct blocks *blocks, unsigned int *steps)
{
	struct blocks_arena *arena;

	for (; (arena = LIST_FIRST(&blocks->holes)) && *steps; --*steps) {
		LIST_REMOVE(arena, hole);
		arena->has_hole = false;
		if (arena->nr_used) {
			drop_holes(arena);
			continue;
		}
		arena->of->spare = NULL;
		arena_free(blocks, arena);
	}
	return arena;
}

size_t blocks_slack_bytes(const struct blocks *blocks)
{
	size_t bytes = blocks->held_bytes - blocks->used_bytes;

	for (size_t i = 0; i < blocks->nr_sizes; i++)
		bytes += blocks->sizes[i].capacity * sizeof(*blocks->sizes[i].arenas);
	return bytes;
}

void blocks_done(struct blocks *blocks)
{
	for (size_t i = 0; i < blocks->nr_sizes; i++) {
		for (size_t at = 0; at < blocks->sizes[i].nr_arenas; at++)
			free(blocks->sizes[i].arenas[at]);
		free(blocks->sizes[i].arenas);
	}
	*blocks = (struct blocks){0};
}
