#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Buildroot runs this before it makes the root file system: post-build.sh TARGET_DIR BOARD.
set -eu
target=$1 board=$2
here=$(cd "$(dirname "$0")" && pwd)
common=$here/..

install -D -m 0755 "$here/S05data" "$target/etc/init.d/S05data"
install -D -m 0755 "$common/rootfs/usr/bin/fanlight-demo" "$target/usr/bin/fanlight-demo"
install -D -m 0644 "$common/rootfs/root/picture.png" "$target/root/picture.png"
install -D -m 0755 "$common/rootfs/etc/mdev/fanlight" "$target/etc/mdev/fanlight"
mkdir -p "$target/data"

# The rules of the quick image; the first rule that fits a node counts, so they come before
# BusyBox's.
rules=$(grep '^fanlight' "$common/rootfs/etc/mdev.conf")
sed -i '/^fanlight/d' "$target/etc/mdev.conf"
printf '%s\n' "$rules" | cat - "$target/etc/mdev.conf" >"$target/etc/mdev.conf.new"
mv "$target/etc/mdev.conf.new" "$target/etc/mdev.conf"

# debugfs has the driver's counters.
grep -q ^debugfs "$target/etc/fstab" ||
	printf 'debugfs\t\t/sys/kernel/debug\tdebugfs\tmode=0700\t0\t0\n' >>"$target/etc/fstab"

# The tests look for the module where the quick image has it.
if [ -x "$target/usr/bin/fanlight-guest-tests" ]; then
	module=$(cd "$target" && find lib/modules -name 'fanlight.ko*' -type f | head -n 1)
	[ -z "$module" ] || ln -sf "/$module" "$target/lib/modules/fanlight.ko"
fi

cat >"$target/etc/fanlight-release" <<END
NAME=fanlight
BOARD=$board
VERSION=${FANLIGHT_RELEASE:-unknown}
KERNEL=$(find "$target/lib/modules" -mindepth 1 -maxdepth 1 -type d -printf '%f')
BUILDROOT=${BR2_VERSION_FULL:-unknown}
END
