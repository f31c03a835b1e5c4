#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The source passes each check of `make check`. KTAP.
set -u
kernel=$(scripts/kernel dir)
echo "KTAP version 1"
if [ ! -e "$kernel/ready" ]; then
	echo "1..1"
	echo "ok 1 source_passes_check # SKIP there is no kernel: run \`make kernel\`"
	exit
fi
# The plan counts all checks, so a check without a result is a failure.
echo "1..$(grep -c '^check ' scripts/check)"
# scripts/check prints the messages of a check after its result; KTAP has them before it.
CHECKS="" scripts/check "$kernel" 2>&1 | awk '
	function report() {
		if (line != "") print said line
		line = said = ""
	}
	/^ok / { report(); line = "ok " ++number " source_passes_check_" $2 }
	/^skipped / {
		report()
		line = "ok " ++number " source_passes_check_" $2 substr($0, index($0, " # SKIP"))
	}
	/^not ok / {
		report()
		line = "not ok " ++number " source_passes_check_" $3
		said = "# " $0 "\n"
	}
	/^ / { said = said "# " $0 "\n" }
	END { report() }'
