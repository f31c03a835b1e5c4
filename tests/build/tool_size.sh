#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Limits the size of the stripped tool, and the number of instructions that `fanlight --version`
# executes, including those of the dynamic linker, as counted by qemu-arm. Prints KTAP.
set -u
tool=build/userspace/arm/fanlight
sysroot=/opt/guest-armhf
most_bytes=$((560 << 10))
# Twice what the tool needed when it parsed its arguments by hand: 255925.
most_instructions=511850
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT

result() { # NUMBER NAME FIGURE LIMIT
	echo "# $3, of at most $4"
	if [ "${3:-$4}" -gt 0 ] && [ "$3" -le "$4" ]; then
		echo "ok $1 $2"
	else
		echo "not ok $1 $2"
	fi
}

echo "KTAP version 1"
echo "1..2"
if [ ! -e "$tool" ]; then
	for number in 1 2; do echo "ok $number # SKIP $tool has not been built"; done
	exit
fi
result 1 cli_tool_is_small "$(stat -c %s "$tool")" $most_bytes
if command -v qemu-arm >/dev/null; then
	env -i qemu-arm -L "$sysroot" -one-insn-per-tb -d exec,nochain -D "$trace" \
		"$tool" --version >/dev/null
	result 2 cli_tool_starts_fast "$(grep -c '^Trace' "$trace")" $most_instructions
else
	echo "ok 2 cli_tool_starts_fast # SKIP there is no qemu-arm here"
fi
