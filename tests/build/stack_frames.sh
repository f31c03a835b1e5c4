#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# No function of the driver takes more of the stack than the kernel allows C functions
# (CONFIG_FRAME_WARN). The C compiler warns of larger frames, and rustc has no such warning. KTAP.
set -u
name=build_driver_has_no_larger_stack_frames_than_the_kernel_allows
echo "KTAP version 1"
echo "1..1"
kernel=$(mk/kernel dir)
flavour=$(basename "$kernel")
module=build/${flavour%-*}/fanlight.ko
limit=$(sed -n 's/^CONFIG_FRAME_WARN=//p' "$kernel/.config" 2>/dev/null)
if [ ! -e "$module" ] || [ -z "$limit" ]; then
	echo "ok 1 $name # SKIP no driver was built: run \`make driver\`"
	exit
fi
# A prologue lowers sp by a number, or by a register if there is too much for one.
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
read -r bytes functions of <<END
$largest
END
echo "# $bytes of $limit bytes, in $of"
if [ "$functions" -gt 100 ] && [ "$bytes" -gt 0 ] && [ "$bytes" -le "$limit" ]; then
	echo "ok 1 $name"
else
	echo "not ok 1 $name"
fi
