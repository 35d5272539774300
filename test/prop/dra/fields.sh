#!/bin/sh
# The table of known fields is what its generator makes, and on random objects of every kind and
# version, with fields put in at random depth, the unknown ones are those of upstream's strict
# decoding.
# A longer run: SLICEWRIGHT_CASES=100000 SLICEWRIGHT_SEED=7 test/prop/dra/fields.sh
set -u
root=${SLICEWRIGHT_ROOT:-$(cd "$(dirname "$0")/../../.." && pwd)}
ours=$(dirname "${SLICEWRIGHT_BIN:-$root/build/slicewright}")/test/prop/dra/dra-fields
if ! command -v go >/dev/null; then
    echo "1..0 # SKIP go is not installed"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$root/test/diff" && go build -trimpath -o "$tmp/drafields" ./drafields) 2>"$tmp/log"; then
    echo "1..0 # SKIP the oracle does not build: $(head -n 1 "$tmp/log")"
    exit 77
fi
failed=0

# say NUMBER NAME STATUS
say() {
    verdict="ok"
    if [ "$3" -ne 0 ]; then
        verdict="not ok"
        failed=1
    fi
    sed 's/^/# /' "$tmp/out"
    echo "$verdict $1 - $2"
}

echo "1..2"
"$tmp/drafields" table >"$tmp/table" 2>"$tmp/out" &&
    diff -u "$root/src/dra/fields_data.c" "$tmp/table" >"$tmp/out"
say 1 "src/dra/fields_data.c is up to date" $?
"$tmp/drafields" compare -batch "$ours" -n "${SLICEWRIGHT_CASES:-3000}" \
    -seed "${SLICEWRIGHT_SEED:-1}" >"$tmp/out" 2>&1
say 2 "unknown fields are those of a strict decoding" $?
exit $failed
