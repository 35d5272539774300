#!/bin/sh
# 20,000 random expressions on random devices through our engine and Kubernetes' own compiler, and as
# many patterns, quantities and versions through Go's; every answer, cost and estimate must be equal.
# A longer run: SLICEWRIGHT_CASES=200000 SLICEWRIGHT_SEED=7 test/prop/cel/diff.sh
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
batch=$(dirname "${SLICEWRIGHT_BIN:-$root/build/slicewright}")/test/prop/cel/cel-batch
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff" && go build -trimpath -o "$tmp/celoracle" ./celoracle) 2>"$tmp/log"; then
    echo "1..0 # SKIP the oracle does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
echo "1..4"
number=0
status=0
for mode in expr regex quantity semver; do
    number=$((number + 1))
    verdict="ok"
    "$tmp/celoracle" -batch "$batch" -mode "$mode" -n "${SLICEWRIGHT_CASES:-20000}" \
        -seed "${SLICEWRIGHT_SEED:-1}" >"$tmp/out" 2>&1 || verdict="not ok"
    [ "$verdict" = ok ] || status=1
    sed 's/^/# /' "$tmp/out"
    echo "$verdict $number - $mode equals upstream's"
done
exit "$status"
