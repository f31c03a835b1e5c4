# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
#
# For the shell tests in tests/build: numbered results in KTAP.
number=0

# result NAME: reports the exit status of the preceding command, and its output $said if it failed
result() {
	status=$?
	number=$((number + 1))
	if [ "$status" -eq 0 ]; then
		echo "ok $number $1"
	else
		echo "$said" | sed 's/^/# /'
		echo "not ok $number $1"
	fi
}
