#!/bin/sh
# The claims for pods' extended resources, as the scheduler's plugin makes them and as ours does.
# A longer run: SLICEWRIGHT_CASES=200000 SLICEWRIGHT_SEED=7 test/prop/dra/extended.sh
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
ours=$(dirname "${SLICEWRIGHT_BIN:-$root/build/slicewright}")/test/prop/dra/dra-extended
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff/dravalid" && go build -trimpath -o "$tmp/extended" ./extended) \
    2>"$tmp/log"; then
    echo "1..0 # SKIP the oracle does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
echo "1..1"
verdict="ok"
"$tmp/extended" -batch "$ours" -n "${SLICEWRIGHT_CASES:-5000}" -seed "${SLICEWRIGHT_SEED:-1}" \
    >"$tmp/out" 2>&1 || verdict="not ok"
sed 's/^/# /' "$tmp/out"
echo "$verdict 1 - extended resources become the scheduler's claim"
[ "$verdict" = ok ]
