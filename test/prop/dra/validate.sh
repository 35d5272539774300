#!/bin/sh
# Objects of random cases, each as it is and changed in some ways, through the API server's rules for a
# create and through ours: both refuse or neither, for problems of the same kind at the same paths.
# A longer run: SLICEWRIGHT_CASES=2000 SLICEWRIGHT_SEED=7 test/prop/dra/validate.sh
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
ours=$(dirname "${SLICEWRIGHT_BIN:-$root/build/slicewright}")/test/prop/dra/dra-validate
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff" && go build -trimpath -o "$tmp/draoracle" ./draoracle &&
    cd dravalid && go build -trimpath -o "$tmp/dravalid" .) 2>"$tmp/log"; then
    echo "1..0 # SKIP the oracle does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
seed=${SLICEWRIGHT_SEED:-1}
"$tmp/draoracle" gen -n "${SLICEWRIGHT_CASES:-100}" -seed "$seed" >"$tmp/cases" || exit 1
echo "1..1"
verdict="ok"
"$tmp/dravalid" -batch "$ours" -seed "$seed" -mutations 6 <"$tmp/cases" >"$tmp/out" 2>/dev/null ||
    verdict="not ok"
sed 's/^/# /' "$tmp/out"
echo "$verdict 1 - objects are refused as the API server refuses them"
[ "$verdict" = ok ]
