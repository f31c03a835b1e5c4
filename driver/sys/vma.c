// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMA descriptors during mmap_prepare, used by mapping.rs and vm_ops.rs; see helpers.h.
 */

#include <linux/mm.h>
#include <linux/personality.h>
#include <linux/sched.h>

#include "helpers.h"

bool fanlight_desc_is_shared(const struct vm_area_desc *desc)
{
	/* Not VMA_SHARED_BIT, which the core clears for files opened read-only. */
	return vma_desc_test(desc, VMA_MAYSHARE_BIT);
}

bool fanlight_desc_is_writable(const struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_WRITE_BIT);
}

bool fanlight_desc_is_executable(const struct vm_area_desc *desc)
{
	return vma_desc_test(desc, VMA_EXEC_BIT);
}

void fanlight_desc_deny_write(struct vm_area_desc *desc)
{
	vma_desc_clear_flags(desc, VMA_MAYWRITE_BIT);
}

void fanlight_desc_deny_exec(struct vm_area_desc *desc)
{
	vma_desc_clear_flags(desc, VMA_EXEC_BIT, VMA_MAYEXEC_BIT);
	fanlight_desc_reset_prot(desc);
}

void fanlight_desc_reset_prot(struct vm_area_desc *desc)
{
	desc->page_prot = vm_get_page_prot(vma_flags_to_legacy(desc->vma_flags));
}

bool fanlight_read_implies_exec(void)
{
	return current->personality & READ_IMPLIES_EXEC;
}

bool fanlight_mm_is_dead(const struct mm_struct *mm)
{
	return !atomic_read(&mm->mm_users);
}

bool fanlight_mprotect_keeps_type(void)
{
	return IS_ENABLED(CONFIG_ARM);
}

void fanlight_desc_set_prot(struct vm_area_desc *desc, int prot)
{
	/*
	 * These are the types of the kernel's own mappings by ioremap_wc() and dma_alloc_attrs(),
	 * and by ioremap(). pgprot_noncached() is not used: it is Strongly-ordered, unlike
	 * ioremap().
	 */
	if (prot == FANLIGHT_CACHE_WRITECOMBINE)
		desc->page_prot = pgprot_writecombine(desc->page_prot);
	else if (prot == FANLIGHT_CACHE_NONCACHED)
		desc->page_prot = pgprot_device(desc->page_prot);
}

/*
 * The hardware treats an entry that is not dirty as read-only, so the first store to each page
 * would fault. The dirty state of a page frame is never used. Mappings of pages get the final type
 * of the VMA, which does not include this bit.
 */
static void set_dirty(struct vm_area_desc *desc)
{
	if (vma_desc_test(desc, VMA_SHARED_BIT) && vma_desc_test(desc, VMA_WRITE_BIT)) {
		pte_t pte = pfn_pte(0, desc->page_prot);

		desc->page_prot = __pgprot(pte_val(pte_mkdirty(pte_mkyoung(pte))));
	}
}

void fanlight_desc_ioremap(struct vm_area_desc *desc, unsigned long pfn)
{
	set_dirty(desc);
	mmap_action_ioremap_full(desc, pfn);
}

void fanlight_desc_remap(struct vm_area_desc *desc, unsigned long pfn)
{
	set_dirty(desc);
	mmap_action_remap_full(desc, pfn);
}

void fanlight_desc_set_mixedmap(struct vm_area_desc *desc)
{
	vma_desc_set_flags(desc, VMA_MIXEDMAP_BIT, VMA_DONTEXPAND_BIT, VMA_DONTDUMP_BIT);
}

void fanlight_desc_map_pages(struct vm_area_desc *desc, struct page **pages)
{
	mmap_action_map_kernel_pages_full(desc, pages);
}
