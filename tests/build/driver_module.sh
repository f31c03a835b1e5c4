#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Properties of the built driver that no test in a guest can check. Prints KTAP.
set -u
kernel=$(scripts/kernel dir)
board=${BOARD:-virt-arm}
version=${KERNEL:-$(scripts/kernel versions | cut -d ' ' -f 1)}
variants=${KERNEL_DEBUG:+-debug}${KERNEL_VARIANT:+-$KERNEL_VARIANT}
module=build/$version-${board%%,*}$variants/fanlight.ko

# check NAME COMMAND...: runs the command, unless there is no driver
check() {
	name=$1
	shift
	number=$((${number:-0} + 1))
	if [ ! -e "$module" ]; then
		echo "ok $number $name # SKIP no driver was built: run \`make driver\`"
	elif "$@"; then
		echo "ok $number $name"
	else
		echo "not ok $number $name"
	fi
}

# No function uses more of the stack than the kernel allows C functions (CONFIG_FRAME_WARN). The C
# compiler warns of larger frames, and rustc has no such warning.
stack_frames() {
	limit=$(sed -n 's/^CONFIG_FRAME_WARN=//p' "$kernel/.config")
	# A prologue subtracts an immediate from sp, or a register if the frame is too large for
	# that.
	largest=$(llvm-objdump -d --no-show-raw-insn "$module" | awk '
		function number(text,  i, value) {
			if (text !~ /^0x/) return text + 0
			for (i = 3; i <= length(text); i++)
				value = value * 16 + index("123456789abcdef", substr(text, i, 1))
			return value
		}
		/^[0-9a-f]+ <.*>:$/ { of = substr($2, 2, length($2) - 3); functions++ }
		$2 == "sub" && $3 == "sp," && $4 == "sp," {
			frame[of] += $5 ~ /^#/ ? number(substr($5, 2)) : 65536
			if (frame[of] > most) { most = frame[of]; name = of }
		}
		END { print most + 0, functions + 0, name }')
	read -r bytes functions of <<-END
		$largest
	END
	echo "# $bytes of ${limit:-?} bytes, in $of"
	[ "$functions" -gt 100 ] && [ "$bytes" -gt 0 ] && [ "$bytes" -le "${limit:-0}" ]
}

# QEMU does not emulate caches, so no test in a guest shows whether the driver maintains them. It
# must at least call the functions that clean the inner caches, and the outer one if the kernel
# supports one.
caches() {
	# By name, or through the function table of a multi-processor-type kernel.
	inner=$(llvm-nm -u "$module" | grep -cE 'flush_kern_dcache_area|cpu_cache')
	outer=$(llvm-nm -u "$module" | grep -c 'outer_cache')
	callers=$(llvm-objdump -dr --no-show-raw-insn "$module" |
		grep -c 'R_ARM_CALL.*fanlight_flush_cache')
	echo "# $inner symbols of the inner caches, $outer of the outer one, $callers callers"
	grep -q '^CONFIG_OUTER_CACHE=y' "$kernel/.config" || outer=1
	# One caller creates a window, and one destroys it.
	[ "$inner" -ge 1 ] && [ "$outer" -ge 1 ] && [ "$callers" -ge 2 ]
}

echo "KTAP version 1"
echo "1..2"
check build_driver_has_no_larger_stack_frames_than_the_kernel_allows stack_frames
check build_driver_cleans_the_caches_of_cached_windows caches
