#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests that scripts/flash refuses devices that are not cards, and that it writes the image. Files
# replace disks and /sys. If this machine allows loop devices, one of them is written as well.
# Prints KTAP.
flash=$PWD/scripts/flash
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
count=0 plan=14

result() { # STATUS NAME
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count $2"
	else
		sed 's/^/# /' "$dir/out"
		echo "not ok $count $2"
	fi
}
# refused NAME TEXT COMMAND...: the command fails, prints TEXT, and does not change the card
refused() {
	local name=$1 text=$2
	shift 2
	if "$@" >"$dir/out" 2>&1 </dev/null; then
		echo "it was not refused" >>"$dir/out"
		result 1 "$name"
		return
	fi
	grep -q -- "$text" "$dir/out" && cmp -s "$dir/card" "$dir/card.before"
	result $? "$name"
}

# an image of two partitions, 64 KiB in all: the table's entries are at 446; first sector and
# sectors are little-endian
head -c 65536 /dev/urandom >"$dir/image"
head -c 512 /dev/zero | dd of="$dir/image" conv=notrunc status=none
printf '\0\0\0\0\x0c\0\0\0\x01\0\0\0\x1f\0\0\0\0\0\0\0\x83\0\0\0\x20\0\0\0\x60\0\0\0' |
	dd of="$dir/image" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$dir/image" bs=1 seek=510 conv=notrunc status=none
truncate -s 1M "$dir/card"
cp "$dir/card" "$dir/card.before"

# a /sys with the disk sdx (8:112) and its partition sdx1 (8:113)
export SYSFS=$dir/sys MOUNTS=$dir/mountinfo
mkdir -p "$SYSFS/dev/block" "$SYSFS/devices/sdx/device" "$SYSFS/devices/sdx/holders" \
	"$SYSFS/devices/sdx/sdx1/holders"
ln -s ../../devices/sdx "$SYSFS/dev/block/8:112"
ln -s ../../devices/sdx/sdx1 "$SYSFS/dev/block/8:113"
cd "$SYSFS/devices/sdx" || exit
echo 8:112 >dev; echo 8:113 >sdx1/dev; echo 1 >sdx1/partition
echo 2048 >size; echo 1024 >sdx1/size
echo 1 >removable
echo "Card Reader" >device/model
echo 8:112 >"$SYSFS/numbers"
echo '22 1 254:0 / / rw - ext4 /dev/root rw' >"$MOUNTS"
cd "$dir" || exit

echo "KTAP version 1"
echo "1..$plan"
refused board_flash_needs_a_device "make flash DEV=" "$flash" "$dir/image" ""
refused board_flash_needs_an_image "make image BOARD=" "$flash" "$dir/none" "$dir/card"
refused board_flash_refuses_a_device_that_is_not_there "no device" \
	"$flash" "$dir/image" "$dir/nodev"
refused board_flash_refuses_what_is_no_image "no partition table" "$flash" "$flash" "$dir/card"
head -c 40000 "$dir/image" >"$dir/cut"
refused board_flash_refuses_an_image_cut_off "is truncated" "$flash" "$dir/cut" "$dir/card"
echo 8:113 >"$SYSFS/numbers"
refused board_flash_refuses_a_partition "is a partition: name the whole disk, sdx" \
	"$flash" "$dir/image" "$dir/card"
echo 8:112 >"$SYSFS/numbers"
printf '%s\n' '23 22 8:113 / /media/a\040b rw - vfat /dev/sdx1 rw' >>"$MOUNTS"
refused board_flash_refuses_a_mounted_disk "is mounted on /media" "$flash" "$dir/image" "$dir/card"
sed -i 2d "$MOUNTS"
mkdir "$SYSFS/devices/sdx/sdx1/holders/dm-0"
refused board_flash_refuses_a_disk_in_use "in use by dm-0" "$flash" "$dir/image" "$dir/card"
rmdir "$SYSFS/devices/sdx/sdx1/holders/dm-0"
echo 0 >"$SYSFS/devices/sdx/removable"
refused board_flash_refuses_a_disk_that_is_not_removable "is not removable" \
	"$flash" "$dir/image" "$dir/card"
refused board_flash_is_not_forced_by_another_name "is not removable" \
	env FORCE=/dev/sdy "$flash" "$dir/image" "$dir/card"
echo 64 >"$SYSFS/devices/sdx/size"
refused board_flash_refuses_a_card_too_small "too few" \
	env FORCE="$dir/card" "$flash" "$dir/image" "$dir/card"
echo 2048 >"$SYSFS/devices/sdx/size"; echo 1 >"$SYSFS/devices/sdx/removable"

"$flash" "$dir/image" "$dir/card" >"$dir/out" 2>&1 </dev/null &&
	cmp -n 65536 "$dir/image" "$dir/card" >>"$dir/out" 2>&1 &&
	grep -q "Card Reader" "$dir/out" && grep -q "sdx1, 524288 bytes" "$dir/out"
result $? board_flash_writes_the_image_and_shows_the_card

unset SYSFS MOUNTS
if loop=$(losetup --find --show "$dir/card" 2>/dev/null) && [ -w "$loop" ]; then
	head -c 65536 /dev/zero | dd of="$dir/card" conv=notrunc status=none
	cp "$dir/card" "$dir/card.before"
	refused board_flash_refuses_a_loop_device_unless_named "is not removable" \
		"$flash" "$dir/image" "$loop"
	FORCE=$loop "$flash" "$dir/image" "$loop" >"$dir/out" 2>&1 </dev/null &&
		cmp -n 65536 "$dir/image" "$loop" >>"$dir/out" 2>&1
	result $? board_flash_writes_a_loop_device
	losetup -d "$loop"
else
	for name in board_flash_refuses_a_loop_device_unless_named \
		board_flash_writes_a_loop_device; do
		count=$((count + 1))
		echo "ok $count $name # SKIP no loop devices here"
	done
fi
