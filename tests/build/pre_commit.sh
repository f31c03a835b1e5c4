#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests .githooks/pre-commit in a small repository, with a make that prints the file to be checked.
# Prints KTAP.
set -u
# shellcheck source=tests/ktap.sh
. tests/ktap.sh
hook=$PWD/.githooks
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/bin" "$dir/tree"
cat >"$dir/bin/make" <<'END'
#!/bin/sh
set -e
echo "make $*"
echo "files: $(git ls-files)"
cat file
END
chmod +x "$dir/bin/make"
cd "$dir/tree" || exit
export HOME="$dir" GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A \
	GIT_COMMITTER_EMAIL=a@b
git init -q && git config core.hooksPath "$hook" && echo /build/ >.gitignore
# commit ARGUMENT...: stores the output of the hook in $said
commit() { said=$(PATH="$dir/bin:$PATH" git commit -q -s -m 'area: subject' "$@" 2>&1); }
says() { echo "$said" | grep -qxF -- "$1"; }

echo "KTAP version 1"
echo "1..3"

echo staged >file && git add .gitignore file && echo edited >file
commit && says staged && echo "$said" | grep -q '^make .*width'
result build_pre_commit_checks_the_staged_files_and_not_the_work_tree

# git then uses another index for the commit.
echo untracked >other
commit file && says edited && says "files: .gitignore" && says file && ! says other
result build_pre_commit_checks_the_files_that_git_commit_names

printf '#!/bin/sh\nexit 1\n' >"$dir/bin/make"
echo refused >file
! commit -a && [ "$(git log --format=%h | wc -l)" -eq 2 ]
result build_pre_commit_stops_a_commit_that_fails_a_check
