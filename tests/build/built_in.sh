#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# With CONFIG_FANLIGHT=y the driver is built into the kernel. This test does not build a kernel.
# Prints KTAP.
set -u
name=build_driver_is_built_in_where_the_kernel_says_so
echo "KTAP version 1"
echo "1..1"
kernel=$(scripts/kernel dir)
log=build/log/built-in.log
out=$PWD/build/built-in
if [ ! -e "$kernel/ready" ]; then
	echo "ok 1 $name # SKIP no kernel was built: run \`make kernel\`"
	exit
fi
rm -rf "$out"
mkdir -p "$out" build/log
# A dry run of Kbuild, which prints the commands.
if ! make -n -C "$kernel" ARCH=arm LLVM=1 M="$PWD/driver" MO="$out" CONFIG_FANLIGHT=y \
	KBUILD_BUILTIN=1 . >"$log" 2>&1; then
	echo "# full log: $log"
	echo "not ok 1 $name"
	exit
fi
# The archive that the kernel links.
objects=$(sed -n 's/^.*printf "[^"]*" \([^|]*\) | xargs [^ ]*ar [^ ]* built-in\.a;.*$/\1/p' "$log" |
	head -n 1 | tr ' ' '\n' | sort | tr '\n' ' ')
# A line may continue in the next one.
parts=$(sed -e :a -e '/\\$/N; s/\\\n//; ta' driver/Kbuild | sed -n 's/^fanlight-y := //p' |
	tr -s '\t ' '\n' | sort | tr '\n' ' ')
if [ "$objects" = "$parts" ]; then
	echo "ok 1 $name"
else
	echo "# built in: ${objects:-nothing}; full log: $log"
	echo "not ok 1 $name"
fi
