# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What boots: the quick image, or with IMAGE=buildroot the one that Buildroot makes; and the making
# of that one.

.PHONY: image crates
crates:
	@$(step) "crates" $(logs)/crates.log mk/crates

image:
	+@mkdir -p build && flock build/lock env \
		HINT='see docs/boards; the same command again goes on from here' \
		$(step) "Buildroot image of $(BOARD)" $(logs)/image-$(BOARD).log mk/image $(BOARD)
	@ls -lh build/image/$(BOARD)

ifeq ($(IMAGE),buildroot)
# A kernel and a disk; both are taken as they are.
disk-of = build/image/$(1)/$(shell sed -n 's/^image = //p' board/$(1)/machine.conf)
media-of = --kernel build/image/$(1)/zImage --disk $(call disk-of,$(1)) --trees build/image/$(1)
media: runner $(call disk-of,$(board))

$(call disk-of,$(board)):
	@echo "fanlight: there is no Buildroot image of $(board) yet:" \
		"\`make image BOARD=$(board)\` builds it" >&2; exit 2
else
boot-of = $(call kernel-of,$(1))/arch/arm/boot
media-of = --kernel $(call boot-of,$(1))/zImage --initrd $(call image-of,$(1)) \
	--trees $(call boot-of,$(1))/dts
media: quick-image runner
endif
