#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks br2-external/ without building it. With BUILDROOT=directory, a Buildroot tree, it checks
# more. Prints KTAP.
here=br2-external
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
count=0

ok() { # STATUS NAME
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count $2"
	else
		sed 's/^/# /' "$out/said"
		echo "not ok $count $2"
	fi
}
skip() { # NAME REASON
	count=$((count + 1))
	echo "ok $count $1 # SKIP $2"
}
no_tree='no Buildroot tree: BUILDROOT=directory'

echo "KTAP version 1"
echo "1..6"

# Our options that the defconfigs set exist.
grep -ohE '^BR2_[A-Z0-9_]*FANLIGHT[A-Z0-9_]*' $here/configs/* | sort -u >"$out/used"
grep -hE '^config ' $here/linux/Config.ext.in $here/package/*/Config.in |
	sed 's/^config //' | sort -u >"$out/there"
comm -23 "$out/used" "$out/there" >"$out/said"
[ -s "$out/used" ] && [ ! -s "$out/said" ]
ok $? build_br2_external_defconfigs_use_options_that_exist

# Files that the defconfigs and packages name exist.
grep -ohE '\(BR2_EXTERNAL_FANLIGHT_PATH\)/[^" ]*' $here/configs/* |
	sed 's,.*PATH),br2-external,' | sort -u | while read -r path; do
	[ -e "$path" ] || echo "$path is missing"
done >"$out/said"
[ ! -s "$out/said" ]
ok $? build_br2_external_defconfigs_name_files_that_exist

# The kernel and the library's sources are checked against hashes.
for config in "$here"/configs/*; do
	version=$(sed -n 's/^BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="\(.*\)"/\1/p' "$config")
	hash="^sha256  [0-9a-f]{64}  linux-$version.tar.xz$"
	grep -qE "$hash" $here/patches/linux/linux.hash ||
		echo "$config: linux-$version has no hash"
	grep -qx BR2_DOWNLOAD_FORCE_CHECK_HASHES=y "$config" ||
		echo "$config does not insist on hashes"
done >"$out/said"
hash='^sha256  [0-9a-f]{64}  rust-src-[0-9.]*.tar.xz$'
grep -qE "$hash" $here/package/rust-src/rust-src.hash ||
	echo "rust-src has no hash" >>"$out/said"
[ ! -s "$out/said" ]
ok $? build_br2_external_downloads_have_hashes

# The packages are valid makefiles: every `define` has its end.
for file in "$here"/package/*/*.mk "$here"/linux/*.mk; do
	make -n -f - >"$out/make" 2>&1 <<-END || { echo "$file:"; cat "$out/make"; }
		include $file
		all: ;
	END
done >"$out/said"
[ ! -s "$out/said" ]
ok $? build_br2_external_packages_are_make

if [ ! -e "${BUILDROOT:-}/utils/check-package" ]; then
	skip build_br2_external_passes_check_package "$no_tree"
elif ! python3 -c 'import magic' 2>/dev/null || ! command -v flake8 >/dev/null; then
	skip build_br2_external_passes_check_package 'check-package needs python3-magic and flake8'
else
	find $here -type f -exec "$BUILDROOT/utils/check-package" \
		-b --ignore-list=$here/.checkpackageignore {} + >"$out/said" 2>&1
	ok $? build_br2_external_passes_check_package
fi

# Every line of a defconfig survives into .config, and savedefconfig writes the same file.
if [ -e "${BUILDROOT:-}/Makefile" ]; then
	for config in "$here"/configs/*; do
		make -s -C "$BUILDROOT" O="$out/o" BR2_EXTERNAL="$PWD/$here" \
			"$(basename "$config")" >"$out/make" 2>&1 || cat "$out/make"
		make -s -C "$BUILDROOT" O="$out/o" savedefconfig BR2_DEFCONFIG="$out/saved" \
			>"$out/make" 2>&1 || cat "$out/make"
		diff -u "$config" "$out/saved"
	done >"$out/said"
	[ ! -s "$out/said" ]
	ok $? build_br2_external_defconfigs_are_as_saved
else
	skip build_br2_external_defconfigs_are_as_saved "$no_tree"
fi
