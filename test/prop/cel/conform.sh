#!/bin/sh
# The conformance files of cel-spec, as the module cel.dev/expr has them, through our engine.
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
batch=$(dirname "${SLICEWRIGHT_BIN:-$root/build/slicewright}")/test/prop/cel/cel-batch
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff" && go build -trimpath -o "$tmp/celconform" ./celconform) 2>"$tmp/log"; then
    echo "1..0 # SKIP the runner does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
data=$(cd "$root/test/diff" && go list -m -f '{{.Dir}}' cel.dev/expr)/tests/simple/testdata
echo "1..1"
verdict="ok"
"$tmp/celconform" -batch "$batch" -data "$data" >"$tmp/out" 2>&1 || verdict="not ok"
sed 's/^/# /' "$tmp/out"
echo "$verdict 1 - the engine conforms"
[ "$verdict" = ok ]
