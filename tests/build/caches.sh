#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# QEMU has no caches, so that no test in a guest can see whether the driver maintains them: it must at
# least call what cleans the inner caches, and the outer one where the kernel supports one. KTAP.
set -u
name=build_driver_cleans_the_caches_of_cached_windows
echo "KTAP version 1"
echo "1..1"
kernel=$(mk/kernel dir)
flavour=$(basename "$kernel")
module=build/${flavour%-*}/fanlight.ko
if [ ! -e "$module" ]; then
	echo "ok 1 $name # SKIP no driver was built: run \`make driver\`"
	exit
fi
# By name, or through the table of a kernel for several kinds of processors.
inner=$(llvm-nm -u "$module" | grep -cE 'flush_kern_dcache_area|cpu_cache')
outer=$(llvm-nm -u "$module" | grep -c 'outer_cache')
callers=$(llvm-objdump -dr --no-show-raw-insn "$module" | grep -c 'R_ARM_CALL.*fanlight_flush_cache')
echo "# $inner symbols of the inner caches, $outer of the outer one, $callers callers"
# Without support for it, there is nothing to call.
grep -q '^CONFIG_OUTER_CACHE=y' "$kernel/.config" || outer=1
# One when a window is made, and one when it goes.
if [ "$inner" -ge 1 ] && [ "$outer" -ge 1 ] && [ "$callers" -ge 2 ]; then
	echo "ok 1 $name"
else
	echo "not ok 1 $name"
fi
