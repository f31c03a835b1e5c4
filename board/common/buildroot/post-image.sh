#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Buildroot runs this when everything else is made: post-image.sh BINARIES_DIR BOARD. Puts the
# disk's image together.
set -eu
binaries=$1 board=$2
boards=$(cd "$(dirname "$0")/../.." && pwd)

# What a board puts on its boot partition beside what Buildroot made.
boot=$boards/$board/boot
[ ! -d "$boot" ] || cp "$boot"/* "$binaries/"

# With BR2_REPRODUCIBLE the FAT file system has no times of this build either.
[ -z "${SOURCE_DATE_EPOCH:-}" ] ||
	find "$binaries" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/root"
# genimage searches the include path for the first file, too.
genimage --rootpath "$scratch/root" --tmppath "$scratch/tmp" --inputpath "$binaries" \
	--outputpath "$binaries" --includepath "$boards" --config "$board/genimage.cfg"
