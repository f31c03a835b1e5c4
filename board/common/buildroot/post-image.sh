#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Buildroot runs this when everything else is made: post-image.sh BINARIES_DIR BOARD. Puts the
# disk's image together.
set -eu
binaries=$1 board=$2
config=$(cd "$(dirname "$0")/../../$board" && pwd)/genimage.cfg

# What a board puts on its boot partition beside what Buildroot made.
boot=$(dirname "$config")/boot
[ ! -d "$boot" ] || cp "$boot"/* "$binaries/"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/root"
genimage --rootpath "$scratch/root" --tmppath "$scratch/tmp" --inputpath "$binaries" \
	--outputpath "$binaries" --config "$config"
