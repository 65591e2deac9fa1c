// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in a guest with protected memory. Takes regions of 2 MiB, converts pages of them to shared
 * and back when told to, and verifies that nothing else changes.
 *
 * debugfs, directory lpage_convert:
 *   command  write one of the names in the table of commands below; fails when anything went wrong
 *   regions  the guest-physical address of each region, one in a line
 *   state    what was done and found so far, one object of JSON
 *
 * In a guest without protected memory conversions do nothing, and the rest is as ever.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>
#include <linux/cc_platform.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/set_memory.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define REGION_ORDER (ilog2(SZ_2M) - PAGE_SHIFT)
#define REGION_PAGES (1 << REGION_ORDER)
#define PAGE_WORDS   (PAGE_SIZE / sizeof(u64))

static unsigned int regions = 64;
module_param(regions, uint, 0444);
MODULE_PARM_DESC(regions, "Regions of 2 MiB to take (1 to 4096, default 64)");

static unsigned int hot = 4;
module_param(hot, uint, 0444);
MODULE_PARM_DESC(hot, "Regions of these that hot-start converts all the time (default 4)");

struct region {
	u64 *words;
	u32 versions[REGION_PAGES]; /* of what is in each page */
	DECLARE_BITMAP(shared, REGION_PAGES);
	bool unknown; /* a conversion failed: what is shared is not known */
	ktime_t last; /* conversion while hot */
};

static struct {
	struct mutex lock; /* of all below */
	struct region *all;
	struct task_struct *hot_task;
	struct dentry *dir;
	u64 to_shared_pages, to_shared_calls;
	u64 to_private_pages, to_private_calls;
	u64 verified_pages, wrong_words, failed_calls;
	u64 hot_rounds;
	s64 hot_longest_gap_ms; /* between two conversions of a region */
	u32 round;
} state;

static u64 mix(u64 v)
{
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
	return v ^ (v >> 31);
}

static u64 *page_words(struct region *r, unsigned int page)
{
	return r->words + page * PAGE_WORDS;
}

/* What belongs into a word: depends on its address and on how often its page was written. */
static u64 value_of(struct region *r, unsigned int page, unsigned int word)
{
	u64 gpa = virt_to_phys(page_words(r, page)) + word * sizeof(u64);

	return mix(gpa + ((u64)r->versions[page] << 48));
}

static void write_page(struct region *r, unsigned int page)
{
	u64 *words = page_words(r, page);

	r->versions[page]++;
	for (unsigned int i = 0; i < PAGE_WORDS; i++)
		WRITE_ONCE(words[i], value_of(r, page, i));
}

static int verify_pages(struct region *r, unsigned int first, unsigned int nr)
{
	u64 wrong = 0;

	for (unsigned int page = first; page < first + nr; page++) {
		for (unsigned int i = 0; i < PAGE_WORDS; i++)
			wrong += READ_ONCE(page_words(r, page)[i]) != value_of(r, page, i);
		if (wrong && !state.wrong_words)
			pr_err("first wrong data at 0x%llx\n",
			       (u64)virt_to_phys(page_words(r, page)));
		state.wrong_words += wrong;
		wrong = 0;
		state.verified_pages++;
	}
	return state.wrong_words ? -EIO : 0;
}

/* Converts pages in one call. What was in them is verified before, and lost. */
static int convert(struct region *r, unsigned int first, unsigned int nr, bool to_private)
{
	unsigned long addr = (unsigned long)page_words(r, first);
	int ret;

	if (r->unknown)
		return -EIO;
	ret = verify_pages(r, first, nr);
	if (ret)
		return ret;
	ret = to_private ? set_memory_encrypted(addr, nr) : set_memory_decrypted(addr, nr);
	if (ret) {
		pr_err("conversion of %u pages at 0x%llx to %s failed: %d\n", nr,
		       (u64)virt_to_phys((void *)addr), to_private ? "private" : "shared", ret);
		state.failed_calls++;
		r->unknown = true;
		return ret;
	}
	if (to_private) {
		bitmap_clear(r->shared, first, nr);
		state.to_private_calls++;
		state.to_private_pages += nr;
	} else {
		bitmap_set(r->shared, first, nr);
		state.to_shared_calls++;
		state.to_shared_pages += nr;
	}
	for (unsigned int page = first; page < first + nr; page++)
		write_page(r, page);
	return 0;
}

static int verify_region(struct region *r)
{
	return r->unknown ? -EIO : verify_pages(r, 0, REGION_PAGES);
}

/* One page somewhere in the region. */
static int one_shared(struct region *r)
{
	unsigned int page = mix(virt_to_phys(r->words) + state.round) % REGION_PAGES;

	return bitmap_empty(r->shared, REGION_PAGES) ? convert(r, page, 1, false) : -EBUSY;
}

/* Whatever is shared, page by page. */
static int pages_private(struct region *r)
{
	unsigned int page;
	int ret;

	for_each_set_bit(page, r->shared, REGION_PAGES)
	{
		ret = convert(r, page, 1, true);
		if (ret)
			return ret;
	}
	return 0;
}

static int whole_shared(struct region *r)
{
	return bitmap_empty(r->shared, REGION_PAGES) ? convert(r, 0, REGION_PAGES, false) : -EBUSY;
}

static int whole_private(struct region *r)
{
	return bitmap_full(r->shared, REGION_PAGES) ? convert(r, 0, REGION_PAGES, true) : -EBUSY;
}

/* For the test of the test: what verify must find. */
static int spoil(struct region *r)
{
	r->words[PAGE_WORDS / 2] ^= 1;
	return 0;
}

static int hot_region(struct region *r)
{
	ktime_t now = ktime_get();
	int ret = one_shared(r);

	if (!ret)
		ret = pages_private(r);
	if (!ret)
		ret = verify_region(r);
	if (r->last)
		state.hot_longest_gap_ms =
			max(state.hot_longest_gap_ms, ktime_ms_delta(now, r->last));
	r->last = now;
	return ret;
}

static int hot_loop(void *unused)
{
	int ret = 0;

	while (!kthread_should_stop()) {
		for (unsigned int i = 0; i < hot && !ret; i++) {
			mutex_lock(&state.lock);
			ret = hot_region(&state.all[i]);
			mutex_unlock(&state.lock);
			cond_resched();
		}
		mutex_lock(&state.lock);
		state.hot_rounds++;
		state.round++;
		mutex_unlock(&state.lock);
		/* The other CPUs may be gone in the host: leave this one to others as well. */
		schedule_timeout_interruptible(ret ? HZ : 1);
	}
	return ret;
}

static int hot_start(void)
{
	struct task_struct *task;

	if (state.hot_task)
		return -EBUSY;
	for (unsigned int i = 0; i < hot; i++)
		state.all[i].last = 0;
	state.hot_longest_gap_ms = 0;
	state.hot_rounds = 0;
	task = kthread_run(hot_loop, NULL, "lpage_hot");
	if (IS_ERR(task))
		return PTR_ERR(task);
	state.hot_task = task;
	return 0;
}

/* The lock is not held: the thread takes it. */
static int hot_stop(void)
{
	struct task_struct *task;

	mutex_lock(&state.lock);
	task = state.hot_task;
	state.hot_task = NULL;
	mutex_unlock(&state.lock);
	return task ? kthread_stop(task) : -ESRCH;
}

static const struct {
	const char *name;
	int (*each)(struct region *r);
} commands[] = {
	{"verify", verify_region},	  {"one-shared", one_shared},
	{"whole-shared", whole_shared},	  {"whole-private", whole_private},
	{"pages-private", pages_private}, {"spoil", spoil},
};

static int run_each(int (*each)(struct region *r))
{
	int ret = 0;

	for (unsigned int i = 0; i < regions && !ret; i++) {
		ret = each(&state.all[i]);
		cond_resched();
	}
	state.round++;
	return ret;
}

static int run_command(const char *name)
{
	int ret = -EINVAL;

	if (!strcmp(name, "hot-stop"))
		return hot_stop();
	mutex_lock(&state.lock);
	if (!strcmp(name, "hot-start"))
		ret = hot_start();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(name, commands[i].name))
			ret = run_each(commands[i].each);
	}
	mutex_unlock(&state.lock);
	return ret;
}

static ssize_t command_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	char name[32] = "";
	int ret;

	if (size >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, buf, size))
		return -EFAULT;
	ret = run_command(strim(name));
	return ret ? ret : size;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

static int regions_show(struct seq_file *seq, void *unused)
{
	for (unsigned int i = 0; i < regions; i++)
		seq_printf(seq, "%llu\n", (u64)virt_to_phys(state.all[i].words));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(regions);

static int state_show(struct seq_file *seq, void *unused)
{
	mutex_lock(&state.lock);
	seq_printf(seq, "{\"protected\": %s, \"regions\": %u, \"hot\": %u, ",
		   cc_platform_has(CC_ATTR_MEM_ENCRYPT) ? "true" : "false", regions, hot);
	seq_printf(seq, "\"to_shared_pages\": %llu, \"to_shared_calls\": %llu, ",
		   state.to_shared_pages, state.to_shared_calls);
	seq_printf(seq, "\"to_private_pages\": %llu, \"to_private_calls\": %llu, ",
		   state.to_private_pages, state.to_private_calls);
	seq_printf(seq, "\"verified_pages\": %llu, \"wrong_words\": %llu, \"failed_calls\": %llu, ",
		   state.verified_pages, state.wrong_words, state.failed_calls);
	seq_printf(seq, "\"hot_rounds\": %llu, \"hot_longest_gap_ms\": %lld}\n", state.hot_rounds,
		   state.hot_longest_gap_ms);
	mutex_unlock(&state.lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

/* Shared pages must never go back to the page allocator: what cannot be converted is leaked. */
static void free_region(struct region *r)
{
	if (!r->words)
		return;
	if (r->unknown || pages_private(r) || r->unknown)
		pr_err("region at 0x%llx is leaked\n", (u64)virt_to_phys(r->words));
	else
		free_pages((unsigned long)r->words, REGION_ORDER);
}

static void free_all(void)
{
	for (unsigned int i = 0; i < regions; i++)
		free_region(&state.all[i]);
	kvfree(state.all);
}

static int take_region(struct region *r)
{
	r->words = (u64 *)__get_free_pages(GFP_KERNEL | __GFP_NOWARN, REGION_ORDER);
	if (!r->words)
		return -ENOMEM;
	for (unsigned int page = 0; page < REGION_PAGES; page++)
		write_page(r, page);
	cond_resched();
	return 0;
}

static int __init lpage_convert_init(void)
{
	int ret = 0;

	if (!regions || regions > 4096 || hot > regions) {
		pr_err("regions must be 1 to 4096, and hot at most as many\n");
		return -EINVAL;
	}
	mutex_init(&state.lock);
	state.all = kvcalloc(regions, sizeof(*state.all), GFP_KERNEL);
	if (!state.all)
		return -ENOMEM;
	for (unsigned int i = 0; i < regions && !ret; i++)
		ret = take_region(&state.all[i]);
	if (ret) {
		pr_err("no memory for %u regions of 2 MiB\n", regions);
		free_all();
		return ret;
	}
	state.dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("command", 0200, state.dir, NULL, &command_fops);
	debugfs_create_file("regions", 0400, state.dir, NULL, &regions_fops);
	debugfs_create_file("state", 0400, state.dir, NULL, &state_fops);
	return 0;
}

static void __exit lpage_convert_exit(void)
{
	debugfs_remove(state.dir);
	(void)hot_stop();
	free_all();
}

module_init(lpage_convert_init);
module_exit(lpage_convert_exit);
MODULE_DESCRIPTION("Converts memory of a protected guest in patterns, and verifies the rest");
MODULE_LICENSE("GPL");
