#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# format.sh check|fix SRCDIR [FILE...]: clang-format 14 with the tree's .clang-format, over
# all C files but those under the paths of format.skip, which nobody has formatted yet.
# check names the files that differ and fails; fix formats them.
set -u
what=$1
cd "$2" || exit 1
shift 2
skip=tests/tools/format.skip
tool=$(command -v clang-format-14 || command -v clang-format) ||
	{ echo "format: clang-format-14 is missing"; exit 1; }
case $("$tool" --version) in
*' 14.'*) ;;
*) echo "format: other versions format otherwise: $("$tool" --version)"; exit 1 ;;
esac

list_files()
{
	find core plugins cli tests bench doc -name '*.[ch]' | sort |
		grep -v -F -x -f <(sed '/^#/d' $skip) |
		grep -v -F -f <(sed -n '/^#/d; /\/$/p' $skip; echo /nothing/)
}

files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(list_files)
[ "$what" = fix ] && exec "$tool" -i "${files[@]}"
status=0
for f in "${files[@]}"; do
	"$tool" "$f" | cmp -s - "$f" || { echo "not formatted: $f"; status=1; }
done
[ $status = 0 ] || echo "tests/tools/format.sh fix . formats them"
exit $status
