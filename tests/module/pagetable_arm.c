// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of 32-bit ARM, with short descriptors or with long ones (LPAE); see helpers.h.
 */

#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/cp15.h>

#include "helpers.h"

#ifdef CONFIG_HIGHPTE

/* This reads page tables in low memory. */
int fanlight_test_pte(unsigned long address, struct fanlight_test_pte *out)
{
	return -EOPNOTSUPP;
}

unsigned int fanlight_test_kernel_ptes(u64 phys, struct fanlight_test_kernel_pte *out,
				       unsigned int max)
{
	return 0;
}

#else

static pmd_t *pmd_of(pgd_t *pgd, unsigned long address)
{
	return pmd_offset(pud_offset(p4d_offset(pgd_offset_pgd(pgd, address), address), address),
			  address);
}

#ifdef CONFIG_ARM_LPAE

#define FORMAT	FANLIGHT_TEST_LONG

static u64 page_entry(pte_t *pte)
{
	return pte_val(*pte);
}

static u64 section_entry(pmd_t *pmd, unsigned long address)
{
	return pmd_val(*pmd);
}

/* init_mm is not for modules. Every process has the kernel's second-level tables. */
static pgd_t *kernel_pgd(void)
{
	return current->active_mm->pgd;
}

#else

#define FORMAT	FANLIGHT_TEST_SHORT

#undef PHYS_MASK
#define PHYS_MASK	U32_MAX

/* The processor's entry is not Linux's. */
static u64 page_entry(pte_t *pte)
{
	return *(u32 *)((char *)pte + PTE_HWTABLE_OFF);
}

/* What the hardware has in the first-level table for the section of an address. */
static u64 section_entry(pmd_t *pmd, unsigned long address)
{
	/* Linux has two of its entries in one. */
	return pmd_val(pmd[(address >> SECTION_SHIFT) & 1]);
}

/* init_mm is not for modules. Linux uses TTBR0 only, but it sets TTBR1 to the kernel's table. */
static pgd_t *kernel_pgd(void)
{
	u32 ttbr1;

	asm volatile("mrc p15, 0, %0, c2, c0, 1" : "=r" (ttbr1));
	return phys_to_virt(ttbr1 & ~(PTRS_PER_PGD * sizeof(pgd_t) - 1));
}

#endif

/* PRRR and NMRR, or MAIR0 and MAIR1: they have the same numbers. */
static u64 attributes(void)
{
	u32 low, high;

	asm volatile("mrc p15, 0, %0, c10, c2, 0" : "=r" (low));
	asm volatile("mrc p15, 0, %0, c10, c2, 1" : "=r" (high));
	return (u64)high << 32 | low;
}

int fanlight_test_pte(unsigned long address, struct fanlight_test_pte *out)
{
	struct mm_struct *mm = current->mm;
	pud_t *pud;
	pte_t *pte;

	memset(out, 0, sizeof(*out));
	if (!mm || address >= TASK_SIZE)
		return -EINVAL;
	/* Without TEX remap, a short entry has its memory type in itself. */
	if (!IS_ENABLED(CONFIG_ARM_LPAE) && WARN_ON(!(get_cr() & CR_TRE)))
		return -EINVAL;
	out->format = FORMAT;
	out->attributes = attributes();

	/* Only munmap and exit free page tables, and both would need this lock. */
	mmap_read_lock(mm);
	pud = pud_offset(p4d_offset(pgd_offset(mm, address), address), address);
	if (!pud_none(*pud) && !pmd_none(*pmd_offset(pud, address))) {
		pte = pte_offset_kernel(pmd_offset(pud, address), address);
		out->software = pte_val(*pte);
		out->hardware = page_entry(pte);
		if (pte_present(*pte) && pfn_valid(pte_pfn(*pte)))
			out->references = page_ref_count(pte_page(*pte));
	}
	mmap_read_unlock(mm);
	return 0;
}

unsigned int fanlight_test_kernel_ptes(u64 phys, struct fanlight_test_kernel_pte *out,
				       unsigned int max)
{
	const u64 page_mask = ~(u64)(PAGE_SIZE - 1) & PHYS_MASK;
	const u64 section_mask = ~(u64)(SECTION_SIZE - 1) & PHYS_MASK;
	unsigned long address = PAGE_OFFSET;
	pgd_t *pgd = kernel_pgd();
	unsigned int found = 0;

	/* Page tables of the kernel are never freed, so that no lock is needed. */
	do {
		pmd_t *pmd = pmd_of(pgd, address);
		u64 entry = section_entry(pmd, address);
		u32 type = entry & PMD_TYPE_MASK;
		u32 in_section = (address ^ (u32)phys) & (SECTION_SIZE - 1) & PAGE_MASK;
		bool hit = false;

		if (type == PMD_TYPE_SECT) {
			hit = (entry & section_mask) == (phys & section_mask) && !in_section;
		} else if (type == PMD_TYPE_TABLE) {
			entry = page_entry(pte_offset_kernel(pmd, address));
			hit = (entry & PTE_TYPE_MASK) &&
			      (entry & page_mask) == (phys & page_mask);
		} else {
			/* Nothing in all of this section. */
			address |= SECTION_SIZE - PAGE_SIZE;
			cond_resched();
		}
		if (hit && found++ < max)
			*out++ = (struct fanlight_test_kernel_pte){
				.address = address,
				.hardware = entry,
				.is_section = type == PMD_TYPE_SECT,
			};
		address += PAGE_SIZE;
	} while (address);
	return found;
}

#endif
