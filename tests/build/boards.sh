#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# A board is a directory: this test adds one to a copy of this tree and edits no existing file.
# Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r Makefile board docs dts mk scripts tests toolchain "$copy"
source=$(BOARD=virt-arm scripts/kernel dir)/source
# in_copy BOARD COMMAND...
in_copy() (
	cd "$copy" && export BOARD="$1" MAKEFLAGS='' SDK=none HOST_DEPS=check && shift && "$@"
)
kernel() { in_copy "$1" scripts/kernel dir; }
without=$(kernel virt-arm)

cp -r "$copy/board/zynq" "$copy/board/abacus"
mv "$copy/board/abacus/dts/zynq.dtso" "$copy/board/abacus/dts/abacus.dtso"

echo "KTAP version 1"
plan=7
echo "1..$plan"

said=$(in_copy virt-arm make -s help) && echo "$said" | grep -q '^Settings: BOARD=virt-arm|abacus|'
result build_new_board_is_listed

case $(kernel abacus) in
*/7.[0-9]*-abacus-*) ;;
*) false ;;
esac
result build_kernel_is_named_after_its_board

[ "$(kernel raspberrypi-3)" = "$(kernel raspberrypi)" ] &&
	[ "$(kernel raspberrypi-4)" = "$(kernel raspberrypi)" ]
result build_models_of_a_board_share_its_kernel

# A kernel does not depend on the options of another board.
echo CONFIG_EXT4_FS=y >>"$copy/board/abacus/kernel.config"
[ "$(kernel virt-arm)" = "$without" ] && [ "$(kernel abacus)" != "$(kernel zynq)" ]
result build_board_does_not_rebuild_the_kernels_of_others

# make prints its variables; the target needs neither kernel nor image.
said=$(in_copy abacus make -n -p -f mk/build.mk manual 2>/dev/null | grep -E '^(kernel|image) := ')
echo "$said" | grep -q '^kernel := .*-abacus-' &&
	echo "$said" | grep -q '^image := build/[0-9.]*-abacus/quick.cpio'
result build_new_board_has_a_kernel_and_an_image

# A tree of the user may use the macros, but need not.
overlay() { # REG
	printf '/dts-v1/;\n/plugin/;\n&{/} {\n\tdevice@1000 {\n\t\treg = <%s>;\n\t};\n};\n' "$1"
}
overlay 'REG(CARVEOUT(0x1000), 0x20)' >"$copy/macros.dtso"
overlay '0x10001000 0x20' >"$copy/plain.dtso"
in_copy abacus scripts/dtc abacus macros.dtso macros.dtbo &&
	in_copy abacus scripts/dtc abacus plain.dtso plain.dtbo &&
	cmp "$copy/macros.dtbo" "$copy/plain.dtbo"
result build_device_tree_macros_are_those_of_the_board

name=build_device_tree_of_a_new_board_is_checked
if [ ! -e "$source" ]; then
	echo "ok $plan $name # SKIP no kernel was built: run \`make kernel\`"
else
	in_copy abacus tests/dts/check "$source" >/dev/null &&
		sed -i 's/sram = /srma = /' "$copy/board/abacus/dts/abacus.dtso" &&
		said=$(in_copy abacus tests/dts/check "$source"; true) &&
		echo "$said" | grep -q 'check: abacus:'
	result $name
fi
