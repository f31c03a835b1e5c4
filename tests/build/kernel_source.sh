#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests where scripts/kernel-source gets the source, without apt-get and without a network. Prints
# KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/bin" "$scratch/tree/scripts" "$scratch/tree/br2-external/patches/linux" \
	"$scratch/source" "$scratch/linux-9.9.1"
for tool in sh cat cut dirname flock grep ls mkdir mv rm sed sha256sum stat tail tar xz; do
	ln -s "$(command -v $tool)" "$scratch/bin/"
done
cp scripts/kernel-source "$scratch/tree/scripts/"
hashes=$scratch/tree/br2-external/patches/linux/linux.hash
# fetch VERSION
fetch() {
	said=$(cd "$scratch/tree" &&
		PATH=$scratch/bin FANLIGHT_CACHE=$scratch sh scripts/kernel-source "$1" 2>&1)
}
last() { echo "$said" | tail -n 1 | grep -qF "$1"; }

echo "KTAP version 1"
echo "1..4"

: >"$hashes"
fetch 9.9
[ $? -eq 1 ] && last "error: no source of Linux 9.9; tried the toolchain image, \
Debian's package linux-source-9.9, kernel.org (no release"
result build_kernel_source_that_is_nowhere_names_the_places

echo "sha256  $(echo | sha256sum | cut -d ' ' -f 1)  linux-9.9.1.tar.xz" >"$hashes"
fetch 9.9
[ $? -eq 1 ] && last 'v9.x/linux-9.9.1.tar.xz'
result build_kernel_source_that_cannot_be_fetched_names_its_address

# The release is in the cache; first with a checksum that does not match.
echo all: >"$scratch/linux-9.9.1/Makefile"
tar -C "$scratch" -cJf "$scratch/source/linux-9.9.1.tar.xz" linux-9.9.1
cp "$scratch/source/linux-9.9.1.tar.xz" "$scratch/good"
fetch 9.9
[ $? -eq 1 ] && [ ! -e "$scratch/source/linux-9.9.1.tar.xz" ] &&
	[ ! -e "$scratch/source/linux-source-9.9" ]
result build_kernel_source_with_another_hash_is_refused

cp "$scratch/good" "$scratch/source/linux-9.9.1.tar.xz"
echo "sha256  $(sha256sum <"$scratch/good" | cut -d ' ' -f 1)  linux-9.9.1.tar.xz" >"$hashes"
fetch 9.9
[ $? -eq 0 ] && last "$scratch/source/linux-source-9.9" &&
	[ "$(cat "$scratch/source/linux-source-9.9/Makefile")" = all: ]
result build_kernel_source_of_kernel_org_is_unpacked
