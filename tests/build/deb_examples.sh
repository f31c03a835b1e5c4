#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests the device trees that the package fanlight-doc has as examples, as docs/debian.md uses them:
# the page has one row per model, with the example and with the model's tree in the kernel's source.
# Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
source=${KERNEL_SOURCE:-$(scripts/kernel dir)/source}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "KTAP version 1"
echo "1..4"

scripts/deb --examples "$scratch/examples"
# MODEL EXAMPLE TREE
models=$(sed -n 's,^ *| \([^|]*\) | `\([a-z0-9-]*\)\.dtso` | `\([a-z0-9/-]*\)\.dtb` |$,\1;\2;\3,p' \
	docs/debian.md | tr ' ' _)

said="rows of the page: $models"
[ "$(echo "$models" | grep -c ';')" -ge 3 ]
result build_deb_page_has_an_example_for_each_raspberry_pi

if ! command -v fdtoverlay >/dev/null; then
	for name in compile_where_they_are_installed keep_the_cells_of_the_models_trees \
		leave_the_framebuffer_of_the_raspberry_pi_5; do
		number=$((number + 1))
		echo "ok $number build_deb_examples_$name # SKIP no device-tree-compiler"
	done
	exit
fi

# As the page does it.
said=
for model in $models; do
	example=$(echo "$model" | cut -d ';' -f 2)
	said=$said$(cd "$scratch/examples" &&
		dtc -q -@ -O dtb -o "$scratch/$example.dtbo" "$example.dtso" 2>&1) ||
		said="$said $example: dtc failed."
done
[ -z "$said" ]
result build_deb_examples_compile_where_they_are_installed

# cells TREE: those of the nodes whose children the kernel reads before anything else
cells() {
	for node in / /reserved-memory; do
		echo "$node:" "$(fdtget "$1" $node '#address-cells' 2>&1)" \
			"$(fdtget "$1" $node '#size-cells' 2>&1)"
	done
}
name=build_deb_examples_keep_the_cells_of_the_models_trees
if [ -e "$source/Makefile" ]; then
	said=
	for model in $models; do
		example=$(echo "$model" | cut -d ';' -f 2)
		tree=$(echo "$model" | cut -d ';' -f 3)
		dts=$source/arch/arm64/boot/dts/$tree.dts
		gcc -E -nostdinc -undef -D__DTS__ -x assembler-with-cpp -I "$(dirname "$dts")" \
			-I "$source/scripts/dtc/include-prefixes" -o "$scratch/base.dts" "$dts" &&
			dtc -q -@ -I dts -O dtb -o "$scratch/base.dtb" "$scratch/base.dts" &&
			fdtoverlay -i "$scratch/base.dtb" -o "$scratch/merged.dtb" \
				"$scratch/$example.dtbo" || said="$said $example: not merged."
		before=$(cells "$scratch/base.dtb") after=$(cells "$scratch/merged.dtb")
		[ "$before" = "$after" ] || said="$said $example over $tree: $before -> $after"
		# The region has to be one address and one size of its parent.
		size=$(fdtget -t bx "$scratch/merged.dtb" /reserved-memory/log@30000000 reg | wc -w)
		total=0
		for cell in $(fdtget "$scratch/merged.dtb" /reserved-memory '#address-cells') \
			$(fdtget "$scratch/merged.dtb" /reserved-memory '#size-cells'); do
			total=$((total + cell * 4))
		done
		[ "$size" = "$total" ] || said="$said $example: reg has $size bytes, not $total."
	done
	[ -z "$said" ]
	result $name
else
	number=$((number + 1))
	echo "ok $number $name # SKIP no source of the kernel: run \`make kernel\`"
fi

# Its display is not set by the firmware's mailbox.
said=$(fdtget -l "$scratch/raspberrypi-5.dtbo" /fragment@0/__overlay__/fanlight)
[ "$said" = 'log
scratch' ]
result build_deb_examples_leave_the_framebuffer_of_the_raspberry_pi_5
