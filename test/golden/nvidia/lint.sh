#!/bin/sh
# What `slicewright lint` says of files, word for word, with its exit codes.  SLICEWRIGHT_UPDATE=1
# rewrites the golden files, for review by diff.
set -u
bin=${SLICEWRIGHT_BIN:?}
golden=${SLICEWRIGHT_ROOT:?}/test/golden/nvidia/lint
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$golden" || exit 1
number=0
failed=0

# check NAME CODE ARGUMENT... : the output of slicewright lint ARGUMENT... equals NAME.txt
check() {
    name=$1
    want=$2
    shift 2
    number=$((number + 1))
    "$bin" lint "$@" >"$out/$name" 2>&1
    code=$?
    if [ "${SLICEWRIGHT_UPDATE:-0}" = 1 ]; then
        cp "$out/$name" "$golden/$name.txt"
    fi
    if [ $code -eq "$want" ] && diff -u "$golden/$name.txt" "$out/$name" >"$out/diff"; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name: exit code $code"
        sed 's/^/# /' "$out/diff"
        failed=1
    fi
}

check article 1 article.yaml
check article_github 1 -o github article.yaml
check mig 1 mig.yaml
check mig_node 1 --gpu A100-40GB --gpus 4 mig.yaml
check mig_json 1 -o json mig.yaml
check list 1 list.json
check policies 1 policies.yaml
check good 0 good.yaml
check several 1 good.yaml mig.yaml other.yaml
check other 0 other.yaml
check other_strict 1 --strict other.yaml
check as_part 1 --as mig-parted other.yaml
check disabled 0 --disable no-resources,flag-value,version,configmap-value,yaml,policy article.yaml
check bad_rule 2 --disable replikas good.yaml
check no_file 2
check absent 2 absent.yaml
check rules 0 --rules
"$bin" lint - <good.yaml >"$out/stdin" 2>&1 && grep -q '^1 file, 0 errors' "$out/stdin"
code=$?
number=$((number + 1))
if [ $code -eq 0 ]; then
    echo "ok $number - stdin"
else
    echo "not ok $number - stdin"
    failed=1
fi
echo "1..$number"
exit $failed
