/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Enters a 32-bit kernel on QEMU's Raspberry Pi 3 and 4. On a board, the firmware does so if
 * config.txt has arm_64bit=0. QEMU enters -kernel in AArch64 state at EL2. This is an arm64 Image
 * around a zImage (Documentation/arch/arm64/booting.rst). It drops to AArch32 supervisor mode. The
 * other processors wait as arch/arm/mach-bcm/platsmp.c expects: for an address in their mailbox 3.
 *
 * The MMU is off, so that all memory is Device memory: no literals are loaded, as they might not be
 * aligned.
 */

/* Where QEMU's other processors look for the address at which they begin (hw/arm/raspi.c). */
#define SPIN_TABLE	0xd8
/* In the page that the device trees reserve for the firmware. */
#define PARKED		0x400

/* A, I and F masked, supervisor mode */
#define SPSR_SVC	0x1d3

	.text
	b	boot
	.word	0
	/* text_offset, image_size, flags */
	.quad	0x80000, end - 0x0, 0
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0

boot:
	mov	x9, x0
	adr	x1, park
	adr	x2, parked_end
	mov	x3, #PARKED
1:	ldr	w4, [x1], #4
	str	w4, [x3], #4
	cmp	x1, x2
	b.lo	1b
	mov	x3, #PARKED
	mov	x4, #SPIN_TABLE
	stp	x3, x3, [x4, #8]
	str	x3, [x4, #24]
	dsb	sy
	ic	ialluis
	dsb	sy
	isb
	sev
	/* A zImage expects 0, the machine type (here: any), and the address of the device tree. */
	adrp	x7, zimage
	mov	x0, #0
	mov	w1, #-1
	mov	x2, x9
	b	drop

	.p2align 3
park:
	/* Mailbox 3 of this processor, which reads as what was set and clears what is written. */
	mrs	x4, midr_el1
	ubfx	x4, x4, #4, #12
	mov	w1, #0x40000000
	mov	w5, #0xff800000
	/* Cortex-A72: the Raspberry Pi 4 */
	cmp	w4, #0xd08
	csel	w1, w5, w1, eq
	mrs	x4, mpidr_el1
	and	w4, w4, #3
	add	w1, w1, w4, lsl #4
	add	w1, w1, #0xcc
	adr	x7, parked
drop:
	/* EL1 may use the timers and the FPU, and reads the processor's own identity. */
	mov	x4, #3
	msr	cnthctl_el2, x4
	msr	cntvoff_el2, xzr
	mov	x4, #0x33ff
	msr	cptr_el2, x4
	msr	hstr_el2, xzr
	msr	vttbr_el2, xzr
	mrs	x4, midr_el1
	msr	vpidr_el2, x4
	mrs	x4, mpidr_el1
	msr	vmpidr_el2, x4
	/* The MMU and the caches are off. WFI, WFE and the barriers of CP15 do not trap. */
	mov	w4, #0x0838
	movk	w4, #0x00c5, lsl #16
	msr	sctlr_el1, x4
	/* EL1 is in AArch32 state. */
	msr	hcr_el2, xzr
	mov	x4, #SPSR_SVC
	msr	spsr_el2, x4
	msr	elr_el2, x7
	isb
	eret

	/* These are A32 instructions, which the assembler cannot assemble among those of A64. */
parked:
	.inst	0xe320f002	/* 1: wfe */
	.inst	0xe5912000	/* ldr r2, [r1] */
	.inst	0xe3520000	/* cmp r2, #0 */
	.inst	0x0afffffb	/* beq 1b */
	.inst	0xe5812000	/* str r2, [r1] */
	.inst	0xe12fff12	/* bx r2 */
parked_end:

	.p2align 12
zimage:
	.incbin	ZIMAGE
	.p2align 12
end:
