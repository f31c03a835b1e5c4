// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical addresses, used by carveout.rs: who uses them (what /proc/iomem lists), what the kernel
 * has mapped, and mappings of them. See helpers.h.
 */

#include <linux/ctype.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "helpers.h"

/* More than any machine has: ends a walk that loops because the tree changes concurrently. */
#define FANLIGHT_RESOURCES_MAX	10000

static void fanlight_copy_name(const char *name, char *owner, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len; i++) {
		if (copy_from_kernel_nofault(&owner[i], &name[i], 1) || !owner[i])
			break;
		if (!isascii(owner[i]) || !isprint(owner[i]))
			owner[i] = '?';
	}
	owner[i] = '\0';
}

/*
 * The lock of the tree is private to kernel/resource.c, so a resource may be freed concurrently:
 * this function uses only reads that cannot fault. At worst, it finds a resource that was just
 * released.
 *
 * A resource that is not busy, such as no-map memory on arm64, can have others below it, but it
 * is in the way of one that is partly outside of it.
 */
bool fanlight_iomem_find(u64 start, u64 size, bool (*wanted)(const char *name), char *owner,
			 size_t len)
{
	struct resource res, *next = READ_ONCE(iomem_resource.child);
	unsigned int count;
	bool overlaps, contains;

	for (count = 0; next && count < FANLIGHT_RESOURCES_MAX; count++) {
		if (copy_from_kernel_nofault(&res, next, sizeof(res)))
			break;
		overlaps = res.start < start + size && res.end >= start;
		contains = res.start <= start && res.end >= start + size - 1;
		if (overlaps && (res.flags & IORESOURCE_BUSY || !contains)) {
			fanlight_copy_name(res.name, owner, len);
			if (!wanted || wanted(owner))
				return true;
		}
		next = overlaps && res.child ? res.child : res.sibling;
		/*
		 * After the last sibling, continue with the next sibling of the nearest ancestor
		 * that has one.
		 */
		while (!next && res.parent && res.parent != &iomem_resource &&
		       count++ < FANLIGHT_RESOURCES_MAX &&
		       !copy_from_kernel_nofault(&res, res.parent, sizeof(res)))
			next = res.sibling;
	}
	owner[0] = '\0';
	return false;
}

#ifdef CONFIG_ARM64

bool fanlight_is_mapped(u64 address)
{
	unsigned long at = (unsigned long)phys_to_virt(round_down(address, (u64)PAGE_SIZE));
	unsigned long flags;
	u64 par;

	/* Debugging options remove free pages from the linear mapping. */
	if (pfn_is_map_memory(PHYS_PFN(address)))
		return true;
	if (!__is_lm_address(at))
		return false;
	/* The translation for a load of the kernel, which changes nothing and cannot fault. */
	local_irq_save(flags);
	asm volatile("at s1e1r, %0" : : "r" (at));
	isb();
	par = read_sysreg_par();
	local_irq_restore(flags);
	return !(par & SYS_PAR_EL1_F);
}

#else

bool fanlight_is_mapped(u64 address)
{
	return false;
}

#endif

static bool fanlight_is_reserved(const struct resource *res, u64 start, u64 size)
{
	char name[16];

	fanlight_copy_name(res->name, name, sizeof(name));
	return !strcmp(name, "reserved") && res->start <= start && res->end >= start + size - 1;
}

/*
 * arm64 lists no-map memory as "reserved", and what memblock has reserved of it once more below
 * that, as busy. A busy "reserved" elsewhere is from the kernel's parameter reserve=, and keeps
 * drivers away.
 */
struct resource *fanlight_iomem_reserved(u64 start, u64 size)
{
	struct resource res, *next = READ_ONCE(iomem_resource.child);
	unsigned int count;
	bool no_map = false;

	for (count = 0; IS_ENABLED(CONFIG_ARM64) && next && count < FANLIGHT_RESOURCES_MAX;
	     count++) {
		if (copy_from_kernel_nofault(&res, next, sizeof(res)))
			break;
		if (!fanlight_is_reserved(&res, start, size)) {
			next = res.sibling;
			continue;
		}
		if (res.flags & IORESOURCE_BUSY)
			return no_map ? next : NULL;
		no_map = true;
		next = res.child;
	}
	return NULL;
}

void *fanlight_ioremap_wc(phys_addr_t start, size_t size)
{
	return (__force void *)ioremap_wc(start, size);
}

u64 fanlight_phys_max(void)
{
	u64 max = PHYS_MASK;

#ifdef CONFIG_ARM64
	/*
	 * A processor may have fewer bits than the kernel: an access beyond them is a fault that
	 * the kernel does not survive.
	 */
	u64 features = read_sanitised_ftr_reg(SYS_ID_AA64MMFR0_EL1);
	u64 range = cpuid_feature_extract_unsigned_field(features, ID_AA64MMFR0_EL1_PARANGE_SHIFT);

	max = min_t(u64, max, BIT_ULL(id_aa64mmfr0_parange_to_phys_shift(range)) - 1);
#endif
	return max;
}
