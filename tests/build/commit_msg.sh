#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests .githooks/commit-msg in a small repository. Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/hooks" "$dir/tree"
cp .githooks/commit-msg "$dir/hooks/"
cd "$dir/tree" || exit
export HOME="$dir" GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A \
	GIT_COMMITTER_EMAIL=a@b
git init -q && git config core.hooksPath "$dir/hooks"
# commit ARGUMENT...: stores the output of the hook in $said
commit() { said=$(git commit -q --allow-empty "$@" 2>&1); }
says() { echo "$said" | grep -qF -- "$1"; }
long="log: $(printf '%068d' 0)"

echo "KTAP version 1"
echo "1..7"

commit -s -m 'log: count lost records' -m 'A reader needs the number.' &&
	commit -s -m "${long%0}" && commit -s -m 'driver, tests: rename a window'
result build_commit_msg_accepts_the_documented_form

! commit -s -m 'count lost records' && says '"count lost records" is not "area: imperative'
result build_commit_msg_refuses_a_subject_without_an_area

! commit -s -m "$long" && says 'has 73 characters'
result build_commit_msg_refuses_a_subject_of_more_than_72_characters

! commit -m 'log: count lost records
and more

Signed-off-by: A <a@b>' && says 'the second line is not blank'
result build_commit_msg_refuses_a_second_line_that_is_not_blank

! commit -m 'log: count lost records' && says 'Signed-off-by is missing'
result build_commit_msg_refuses_a_message_without_sign_off

printf '# A comment of a template.\nlog: add x\n\nSigned-off-by: A <a@b>\n' >"$dir/message"
commit -F "$dir/message" --cleanup=strip
result build_commit_msg_ignores_comments

commit --fixup HEAD && git checkout -qb side HEAD~ && commit -s -m 'log: add z' &&
	said=$(git merge -q - 2>&1)
result build_commit_msg_accepts_fixups_and_merges
