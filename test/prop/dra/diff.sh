#!/bin/sh
# 20,000 random cases through our allocator and Kubernetes' own; every answer must be equal.
# A longer run: SLICEWRIGHT_CASES=200000 SLICEWRIGHT_SEED=1000000 test/prop/dra/diff.sh
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff" && go build -trimpath -o "$tmp/draoracle" ./draoracle) 2>"$tmp/log"; then
    echo "1..0 # SKIP the oracle does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
echo "1..1"
if "$tmp/draoracle" diff -bin "${SLICEWRIGHT_BIN:-$root/build/slicewright}" \
    -n "${SLICEWRIGHT_CASES:-20000}" -seed "${SLICEWRIGHT_SEED:-1}" >"$tmp/out"; then
    sed 's/^/# /' "$tmp/out"
    echo "ok 1 - allocations equal upstream's"
else
    sed 's/^/# /' "$tmp/out"
    echo "not ok 1 - allocations equal upstream's"
    exit 1
fi
