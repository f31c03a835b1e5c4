# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What boots: the quick image, or with IMAGE=buildroot the one that Buildroot makes; and the making of that one.

.PHONY: image crates
crates:
	@$(step) "crates" $(logs)/crates.log mk/crates

image:
	+@mkdir -p build && flock build/lock env HINT='see docs/boards; the same command again goes on from here' \
		$(step) "Buildroot image of $(BOARD)" $(logs)/image-$(BOARD).log mk/image $(BOARD)
	@ls -lh build/image/$(BOARD)

ifeq ($(IMAGE),buildroot)
# A kernel and a disk; both are taken as they are.
image-dir := build/image/$(firstword $(BOARD))
image-disk := $(image-dir)/$(if $(filter raspberrypi,$(BOARD)),sdcard.img,disk.img)
media := --kernel $(image-dir)/zImage --disk $(image-disk) --trees $(image-dir)
media-ready := runner $(image-disk)

$(image-disk):
	@echo "fanlight: there is no Buildroot image of $(BOARD) yet: \`make image BOARD=$(BOARD)\` builds it" >&2; exit 2
else
media := --kernel $(zimage) --initrd $(image) --trees $(kernel)/arch/arm/boot/dts
media-ready := quick-image runner
endif
