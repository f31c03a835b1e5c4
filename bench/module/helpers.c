// SPDX-License-Identifier: GPL-2.0-only
/*
 * See helpers.h.
 */

#include <linux/console.h>
#include <linux/crc32.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/relay.h>
#include <linux/ring_buffer.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/trace.h>
#include <linux/uio_driver.h>
#include <linux/vmalloc.h>
#include <trace/events/power.h>

#include "../../driver/fanlight_log.h"
#include "helpers.h"

#define LEN_MAX		1024
#define RING_SIZE	(1 << 20)
#define UIO_LARGE_SIZE	(16 << 20)
#define SUBBUF_SIZE	(1 << 16)
#define CHUNK		1000

static char *source, *target;
static struct rchan *relay;
static struct dentry *relay_dir;
static struct trace_buffer *ring;
static struct device *root;
static struct uio_info uio;
static void *uio_memory, *uio_large_memory;
static void *table;
static struct trace_array *trace;

/* relay */

static struct dentry *create_buf_file(const char *name, struct dentry *parent, umode_t mode,
				      struct rchan_buf *buf, int *is_global)
{
	return debugfs_create_file(name, mode, parent, buf, &relay_file_operations);
}

static int remove_buf_file(struct dentry *dentry)
{
	debugfs_remove(dentry);
	return 0;
}

static int subbuf_start(struct rchan_buf *buf, void *subbuf, void *prev_subbuf)
{
	/* Overwrite the oldest, as the other rings do. */
	return 1;
}

static const struct rchan_callbacks relay_callbacks = {
	.create_buf_file = create_buf_file,
	.remove_buf_file = remove_buf_file,
	.subbuf_start = subbuf_start,
};

/* The header of fanlight's records. */
struct header {
	u32 len, crc;
	u64 seq, ns;
	u32 caller;
	u16 text_len;
	u8 level_flags, facility;
};

static u64 next_seq;

static void relay_write_header(size_t len)
{
	struct {
		struct header header;
		char text[LEN_MAX];
	} *record = (void *)target;

	record->header = (struct header) {
		.len = sizeof(record->header) + len,
		.seq = next_seq++,
		.ns = local_clock(),
		.caller = task_pid_nr(current),
		.text_len = len,
	};
	memcpy(record->text, source, len);
	relay_write(relay, record, sizeof(record->header) + len);
}

/* The ring buffer that ftrace is made of */

static void ring_buffer_put(size_t len)
{
	struct ring_buffer_event *event = ring_buffer_lock_reserve(ring, len);

	if (!event)
		return;
	memcpy(ring_buffer_event_data(event), source, len);
	ring_buffer_unlock_commit(ring);
}

/* The instance that trace_instance=boot_map@... on the command line maps to reserved memory */

static int boot_map_init(void)
{
	/*
	 * Creates an ordinary instance if there is none: the caller looks for last_boot_info
	 * first.
	 */
	if (!trace)
		trace = trace_array_get_by_name("boot_map", NULL);
	return trace ? 0 : -ENODEV;
}

/* A console that discards messages: the minimum cost of a console */

static void discard(struct console *con, struct nbcon_write_context *wctxt)
{
}

static void discard_lock(struct console *con, unsigned long *flags)
{
	migrate_disable();
}

static void discard_unlock(struct console *con, unsigned long flags)
{
	migrate_enable();
}

static struct console discarding_console = {
	.name = "discard",
	.write_thread = discard,
	.write_atomic = discard,
	.device_lock = discard_lock,
	.device_unlock = discard_unlock,
	.flags = CON_ENABLED | CON_EXTENDED | CON_NBCON,
	.index = 0,
};

int fanlight_bench_console(bool on)
{
	if (on == console_is_registered(&discarding_console))
		return 0;
	if (!on)
		return unregister_console(&discarding_console);
	/* unregister_console() clears CON_ENABLED. */
	discarding_console.flags = CON_ENABLED | CON_EXTENDED | CON_NBCON;
	register_console(&discarding_console);
	return console_is_registered(&discarding_console) ? 0 : -ENOMEM;
}

/* --- */

static void write_ptes(size_t count)
{
	pte_t *pte = table;
	size_t i;

	for (i = 0; i < count && i < PTRS_PER_PTE; i++)
		set_pte_ext(pte + i, pfn_pte(0x50000 + i, PAGE_SHARED), 0);
}

static void copy(size_t len)
{
	unsigned long flags;

	local_irq_save(flags);
	memcpy(target, source, len);
	local_irq_restore(flags);
}

static u32 sink;

static __always_inline void once(int kind, size_t len)
{
	switch (kind) {
	case FANLIGHT_BENCH_EMPTY:
		barrier();
		break;
	case FANLIGHT_BENCH_COPY:
		copy(len);
		break;
	case FANLIGHT_BENCH_RELAY:
		relay_write(relay, source, len);
		break;
	case FANLIGHT_BENCH_RELAY_HEADER:
		relay_write_header(len);
		break;
	case FANLIGHT_BENCH_RING_BUFFER:
		ring_buffer_put(len);
		break;
	case FANLIGHT_BENCH_PRINTK:
		printk(KERN_DEBUG "%.*s\n", (int)len, source);
		break;
	case FANLIGHT_BENCH_FANLIGHT:
		fanlight_log(7, source, len);
		break;
	case FANLIGHT_BENCH_FANLIGHT_KEPT:
		fanlight_log(3, source, len);
		break;
	case FANLIGHT_BENCH_COPY_CRC:
		memcpy(target, source, len);
		WRITE_ONCE(sink, crc32_le(~0, source, len));
		break;
	case FANLIGHT_BENCH_PTES:
		write_ptes(len);
		break;
	case FANLIGHT_BENCH_CLOCK:
		WRITE_ONCE(sink, local_clock());
		break;
	case FANLIGHT_BENCH_TRACE:
		__trace_array_puts(trace, _THIS_IP_, source, len);
		break;
	case FANLIGHT_BENCH_PRINTK_INFO:
		printk(KERN_INFO "%.*s\n", (int)len, source);
		break;
	}
}

/*
 * Mark the instructions between the two for bench/plugin/count.c, which looks for the pair.
 * No compiler generates the first instruction of it.
 */
#define MARK(number)							\
	asm volatile("and r4, r4, r4\n\tmovw ip, %0"			\
		     :: "i" (0xb300 + (number)) : "ip", "memory")
#define MARK_END 0xff

static __always_inline u64 chunk(int kind, size_t len, size_t count)
{
	unsigned long flags;
	u64 start, end;
	size_t i;

	local_irq_save(flags);
	start = ktime_get_raw_fast_ns();
	MARK(kind);
	for (i = 0; i < count; i++)
		once(kind, len);
	MARK(MARK_END);
	end = ktime_get_raw_fast_ns();
	local_irq_restore(flags);
	return end - start;
}

/* The switch is outside of the loops: each kind has a loop of its own. */
#define CASE(kind) case kind: return chunk(kind, len, count)

static u64 one_chunk(int kind, size_t len, size_t count)
{
	switch (kind) {
	CASE(FANLIGHT_BENCH_EMPTY);
	CASE(FANLIGHT_BENCH_COPY);
	CASE(FANLIGHT_BENCH_RELAY);
	CASE(FANLIGHT_BENCH_RELAY_HEADER);
	CASE(FANLIGHT_BENCH_RING_BUFFER);
	CASE(FANLIGHT_BENCH_PRINTK);
	CASE(FANLIGHT_BENCH_FANLIGHT);
	CASE(FANLIGHT_BENCH_FANLIGHT_KEPT);
	CASE(FANLIGHT_BENCH_COPY_CRC);
	CASE(FANLIGHT_BENCH_PTES);
	CASE(FANLIGHT_BENCH_CLOCK);
	CASE(FANLIGHT_BENCH_TRACE);
	CASE(FANLIGHT_BENCH_PRINTK_INFO);
	}
	return 0;
}

static int prepare(int kind, size_t len)
{
	if (len > LEN_MAX - sizeof(struct header))
		return -EINVAL;
	memset(source, 'x', len);
	return kind == FANLIGHT_BENCH_TRACE ? boot_map_init() : 0;
}

s64 fanlight_bench_run(int kind, size_t len, size_t count)
{
	u64 sum = 0;

	int ret = prepare(kind, len);

	if (ret)
		return ret;
	while (count) {
		size_t n = min_t(size_t, count, CHUNK);

		sum += one_chunk(kind, len, n);
		count -= n;
		cond_resched();
	}
	return sum;
}

s64 fanlight_bench_worst(int kind, size_t len, size_t count)
{
	u64 worst = 0;
	size_t i;
	int ret = prepare(kind, len);

	if (ret)
		return ret;
	for (i = 0; i < count; i++) {
		unsigned long flags;
		u64 start, end;

		local_irq_save(flags);
		start = ktime_get_raw_fast_ns();
		once(kind, len);
		end = ktime_get_raw_fast_ns();
		local_irq_restore(flags);
		worst = max(worst, end - start);
		if (i % CHUNK == 0)
			cond_resched();
	}
	return worst;
}

void fanlight_bench_emit(int kind, size_t len, size_t first, size_t count, size_t pause)
{
	size_t i;

	if (len < 16 || len > LEN_MAX)
		return;
	memset(source, 'x', len);
	for (i = 0; i < count; i++) {
		snprintf(source, 16, "bench %08zx", first + i);
		source[14] = ' ';
		source[15] = 'x';
		once(kind, len);
		if (pause)
			usleep_range(pause, pause);
	}
}

/* Idle time, which the kernel itself counts in ticks or microseconds */

static bool idle_probed;
static DEFINE_PER_CPU(u64, idle_since);
static DEFINE_PER_CPU(u64, idle_total);

/* Called right before the processor waits for an interrupt and right after, with interrupts off. */
static void idle_probe(void *data, unsigned int state, unsigned int cpu)
{
	u64 now = ktime_get_raw_fast_ns();

	if (state != (unsigned int)PWR_EVENT_EXIT)
		__this_cpu_write(idle_since, now);
	else if (__this_cpu_read(idle_since))
		__this_cpu_add(idle_total, now - __this_cpu_read(idle_since));
}

u64 fanlight_bench_idle(void)
{
	return raw_cpu_read(idle_total);
}

/* Scattered kernel pages by UIO. As in u-dma-buf, each fault maps one page. */
static int uio_init(void)
{
	uio_memory = vmalloc_user(RING_SIZE);
	uio_large_memory = vmalloc_user(UIO_LARGE_SIZE);
	if (!uio_memory || !uio_large_memory)
		return -ENOMEM;
	uio.name = "fanlight-bench";
	uio.version = "1";
	uio.irq = UIO_IRQ_NONE;
	uio.mem[0].name = "vmalloc";
	uio.mem[0].addr = (phys_addr_t)(uintptr_t)uio_memory;
	uio.mem[0].size = RING_SIZE;
	uio.mem[0].memtype = UIO_MEM_VIRTUAL;
	uio.mem[1].name = "vmalloc-16m";
	uio.mem[1].addr = (phys_addr_t)(uintptr_t)uio_large_memory;
	uio.mem[1].size = UIO_LARGE_SIZE;
	uio.mem[1].memtype = UIO_MEM_VIRTUAL;
	return uio_register_device(root, &uio);
}

int fanlight_bench_init(void)
{
	int ret = -ENOMEM;

	source = kzalloc(LEN_MAX, GFP_KERNEL);
	target = kzalloc(2 * LEN_MAX, GFP_KERNEL);
	table = (void *)get_zeroed_page(GFP_KERNEL);
	ring = ring_buffer_alloc(RING_SIZE, RB_FL_OVERWRITE);
	relay_dir = debugfs_create_dir("fanlight_bench_relay", NULL);
	relay = relay_open("relay", relay_dir, SUBBUF_SIZE, RING_SIZE / SUBBUF_SIZE,
			   &relay_callbacks, NULL);
	if (!source || !target || !table || !ring || !relay)
		goto fail;
	root = root_device_register("fanlight_bench");
	if (IS_ERR(root)) {
		ret = PTR_ERR(root);
		root = NULL;
		goto fail;
	}
	ret = uio_init();
	if (ret)
		goto fail;
	ret = register_trace_cpu_idle(idle_probe, NULL);
	if (ret)
		goto fail;
	idle_probed = true;
	return 0;
fail:
	fanlight_bench_exit();
	return ret;
}

void fanlight_bench_exit(void)
{
	fanlight_bench_console(false);
	if (idle_probed) {
		unregister_trace_cpu_idle(idle_probe, NULL);
		tracepoint_synchronize_unregister();
	}
	if (trace)
		trace_array_put(trace);
	if (uio.uio_dev)
		uio_unregister_device(&uio);
	if (root)
		root_device_unregister(root);
	vfree(uio_memory);
	vfree(uio_large_memory);
	if (relay)
		relay_close(relay);
	debugfs_remove(relay_dir);
	if (ring)
		ring_buffer_free(ring);
	free_page((unsigned long)table);
	kfree(target);
	kfree(source);
}
