#!/bin/sh
# Kubernetes' own allocator table, with our allocator behind its interface (test/diff/dratable).
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff/dratable" && go test -trimpath -c -o "$tmp/table" .) 2>"$tmp/log"; then
    echo "1..0 # SKIP the table does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
export SLICEWRIGHT_BIN="${SLICEWRIGHT_BIN:-$root/build/slicewright}"
"$tmp/table" -test.v >"$tmp/out" 2>&1
status=$?
passed=$(grep -c '^    --- PASS' "$tmp/out")
skipped=$(grep -c '^    --- SKIP' "$tmp/out")
echo "1..1"
echo "# $passed passed, $skipped need a feature that the variant does not have"
if [ "$status" -eq 0 ] && [ "$passed" -gt 400 ]; then
    echo "ok 1 - upstream's table"
else
    grep '^    --- FAIL' "$tmp/out" | sed 's/^/# /'
    echo "not ok 1 - upstream's table"
    exit 1
fi
