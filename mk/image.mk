# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The image that boots: the quick image, or with IMAGE=buildroot that of Buildroot; and the rules
# that build the latter.

.PHONY: image crates
crates:
	@$(step) "crates" $(logs)/crates.log scripts/crates

image:
	+@mkdir -p build && flock build/lock env \
		HINT='see docs/boards; the same command again goes on from here' \
		$(step) "Buildroot image of $(BOARD)" $(logs)/image-$(BOARD).log \
		scripts/image $(BOARD)
	@ls -lh build/image/$(BOARD)

ifeq ($(IMAGE),buildroot)
# A kernel and a disk, which are used as they are.
disk-of = build/image/$(1)/$(shell sed -n 's/^image = //p' board/$(1)/machine.conf)
media-of = --kernel build/image/$(1)/$(call arch-of,$(1),kernel-image) \
	--disk $(call disk-of,$(1)) --trees build/image/$(1)
media: runner $(call disk-of,$(board))

$(call disk-of,$(board)):
	@echo "fanlight: there is no Buildroot image of $(board) yet:" \
		"\`make image BOARD=$(board)\` builds it" >&2; exit 2
else
boot-of = $(call kernel-of,$(1))/arch/$(call arch-of,$(1),name)/boot
# QEMU enters the kernel of a 64-bit machine in AArch64 state: a board's `entry` is linked in front
# of it. The file name contains the kernel's name: comparing times would not notice a change to a
# kernel that was built earlier.
entry-of = $(shell sed -n 's/^entry = //p' board/$(1)/machine.conf)
boots-of = $(if $(call entry-of,$(1)),build/$(call flavour-of,$(1))/$(notdir \
	$(call kernel-of,$(1))).img,$(call boot-of,$(1))/$(call arch-of,$(1),kernel-image))
media-of = --kernel $(call boots-of,$(1)) --initrd $(call image-of,$(1)) \
	--run-initrd $(call run-image-of,$(1)) --trees $(call boot-of,$(1))/dts
entry := $(call entry-of,$(board))
media: quick-image runner $(if $(entry),$(call boots-of,$(board)))

build/$(flavour)/$(notdir $(kernel)).img: $(entry) $(kernel)/ready
	@mkdir -p $(@D)
	@clang --target=aarch64-none-elf -nostdlib -fuse-ld=lld -Wl,-Ttext=0,--entry=0 \
		-DZIMAGE='"$(call boot-of,$(board))/zImage"' -o $@.elf $(entry)
	@llvm-objcopy -O binary $@.elf $@
endif
