// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of 64-bit ARM; see helpers.h.
 */

#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/memory.h>
#include <asm/sysreg.h>

#include "helpers.h"

int fanlight_test_pte(unsigned long address, struct fanlight_test_pte *out)
{
	struct mm_struct *mm = current->mm;
	pgd_t *pgd;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t pte;

	memset(out, 0, sizeof(*out));
	if (!mm || address >= TASK_SIZE)
		return -EINVAL;
	out->format = FANLIGHT_TEST_ARM64;
	out->attributes = read_sysreg(mair_el1);

	/* Only munmap and exit free page tables, and both would need this lock. */
	mmap_read_lock(mm);
	pgd = pgd_offset(mm, address);
	if (pgd_none(READ_ONCE(*pgd)))
		goto unlock;
	p4d = p4d_offset(pgd, address);
	if (p4d_none(READ_ONCE(*p4d)))
		goto unlock;
	pud = pud_offset(p4d, address);
	if (pud_none(READ_ONCE(*pud)) || WARN_ON(pud_leaf(READ_ONCE(*pud))))
		goto unlock;
	pmd = pmd_offset(pud, address);
	if (pmd_none(READ_ONCE(*pmd)) || WARN_ON(pmd_leaf(READ_ONCE(*pmd))))
		goto unlock;
	pte = __ptep_get(pte_offset_kernel(pmd, address));
	out->hardware = pte_val(pte);
	/* Linux has no separate entry. */
	out->software = out->hardware;
	if (pte_present(pte) && pfn_valid(pte_pfn(pte)))
		out->references = page_ref_count(pte_page(pte));
unlock:
	mmap_read_unlock(mm);
	return 0;
}

/* An entry of the kernel's page tables that does not refer to another table. */
struct entry {
	u64 hardware;
	u64 phys;
	/* of the range of addresses that it is for */
	unsigned long size;
};

static struct entry kernel_entry(pgd_t *pgd, unsigned long address)
{
	struct entry entry = { .size = PGDIR_SIZE };
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;
	pte_t pte;

	pgd = pgd_offset_pgd(pgd, address);
	if (pgd_none(READ_ONCE(*pgd)))
		return entry;
	p4d = p4d_offset(pgd, address);
	entry.size = P4D_SIZE;
	if (p4d_none(READ_ONCE(*p4d)))
		return entry;
	pud = pud_offset(p4d, address);
	entry.size = PUD_SIZE;
	entry.hardware = pud_val(READ_ONCE(*pud));
	if (!entry.hardware || pud_leaf(__pud(entry.hardware)))
		goto leaf;
	pmd = pmd_offset(pud, address);
	entry.size = PMD_SIZE;
	entry.hardware = pmd_val(READ_ONCE(*pmd));
	if (!entry.hardware || pmd_leaf(__pmd(entry.hardware)))
		goto leaf;
	entry.size = PAGE_SIZE;
	entry.hardware = pte_val(__ptep_get(pte_offset_kernel(pmd, address)));
leaf:
	/* The address has the same bits in entries of all levels. */
	entry.phys = __pte_to_phys(__pte(entry.hardware)) & ~(u64)(entry.size - 1);
	return entry;
}

/* init_mm is not for modules. TTBR1 has the address of the kernel's table, and an ASID. */
static pgd_t *kernel_pgd(void)
{
	return phys_to_virt(read_sysreg(ttbr1_el1) & GENMASK_ULL(47, PAGE_SHIFT));
}

unsigned int fanlight_test_kernel_ptes(u64 phys, struct fanlight_test_kernel_pte *out,
				       unsigned int max)
{
	unsigned long address = _PAGE_OFFSET(vabits_actual);
	pgd_t *pgd = kernel_pgd();
	unsigned int found = 0;

	/*
	 * A page table of the kernel is freed only when a larger entry replaces it, which nothing
	 * does here. So no lock is needed.
	 */
	do {
		struct entry entry;

#if defined(CONFIG_KASAN_GENERIC) || defined(CONFIG_KASAN_SW_TAGS)
		/* The tables of KASAN's shadow lead to the same few pages thousands of times. */
		if (address >= KASAN_SHADOW_START && address < KASAN_SHADOW_END) {
			address = KASAN_SHADOW_END;
			continue;
		}
#endif
		entry = kernel_entry(pgd, address);
		if ((entry.hardware & PTE_VALID) && phys - entry.phys < entry.size &&
		    found++ < max)
			*out++ = (struct fanlight_test_kernel_pte){
				.address = address + (phys - entry.phys),
				.hardware = entry.hardware,
				.is_section = entry.size != PAGE_SIZE,
			};
		address = (address | (entry.size - 1)) + 1;
		cond_resched();
	} while (address);
	return found;
}
