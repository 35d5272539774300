#!/bin/sh
# Bad input: one line on standard error that names the place and what was expected, exit code 2,
# nothing on standard output and nothing written.
set -u
bin=${SLICEWRIGHT_BIN:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
number=0
failed=0

# refuse WORDS ARGUMENT... : WORDS stand in the one line
refuse() {
    words=$1
    shift
    number=$((number + 1))
    "$bin" "$@" >out 2>err </dev/null
    code=$?
    lines=$(grep -vc "^Try 'slicewright" err)
    problem=
    [ $code -eq 2 ] || problem="exit code $code"
    [ -s out ] && problem="$problem, output"
    [ "$lines" -eq 1 ] || problem="$problem, $lines lines"
    grep -qF -- "$words" err || problem="$problem, does not say '$words'"
    [ -e report.html ] && problem="$problem, report written"
    [ -e run.gz ] && problem="$problem, recording written"
    if [ -z "$problem" ]; then
        echo "ok $number - $*"
    else
        echo "not ok $number - $*: $problem"
        sed 's/^/# /' err
        failed=1
    fi
}

printf 'apiVersion: sharing.slicewright.io/v1alpha1\nkind: SharingPolicy\nmetadata: {name: x}\nspec:\n  replicaz: 4\n' >policy.yaml
printf 'time_s,pod,gpu_util_percent,gpu_memory_used_bytes\n0,a,nan,5\n' >nan.csv
printf 'time_s,pod,gpu_util_percent,gpu_memory_used_bytes\n0,a,-1,5\n' >negative.csv
printf 'time_s,pod,gpu_util_percent,gpu_memory_used_bytes\n0,a,1\n' >short.csv
printf 'time_s,pod,gpu_util_percent,gpu_memory_used_bytes\n0,a,1,99999999999999999999999\n' >huge.csv
: >empty
printf '\037\213\010\000broken' >broken.gz
printf 'cloud,region,instance_type,gpu_model,gpu_count,on_demand_usd_per_hour,spot_usd_per_hour\na,b,c,A900,1,1.0,0.5\n' >prices.csv
printf 'a: 1\na: 2\n' >double.yaml
printf '{}\n' >double.json
printf 'a: [1, 2\n' >torn.yaml

r="--report report.html --record run.gz"
# shellcheck disable=SC2086 # $r is a list of words
{
refuse "did you mean 'simulate'" simulat
refuse "did you mean --policy" simulate --polcy balanced $r
refuse "--seed: 'x': expected a whole number" simulate --seed x $r
refuse "--seed: '-1'" simulate --seed -1 $r
refuse "--seed: '99999999999999999999'" simulate --seed 99999999999999999999 $r
refuse "--caps: 'mps': expected one of operator, dra, native" simulate --caps mps $r
refuse "--faults: '2': expected a rate from 0 to 1" simulate --faults 2 $r
refuse "--owner-patch-delay: 'soon'" simulate --owner-patch-delay soon $r
refuse "--measure-from" simulate --days 1 --measure-from 48 $r
refuse "policy.yaml: line 5" simulate --policy policy.yaml $r
refuse "nope.yaml" simulate --policy nope.yaml $r
refuse "expected conservative, balanced, aggressive or a file" simulate --policy bold $r
refuse "--gpu" simulate --trace genai:nan.csv --gpu A100 $r
refuse "--gpu" simulate --trace genai:nan.csv --gpu A900 $r
refuse "nan.csv: line 2" simulate --trace genai:nan.csv $r
refuse "negative.csv: line 2" simulate --trace genai:negative.csv $r
refuse "short.csv: line 2" simulate --trace genai:short.csv $r
refuse "huge.csv: line 2" simulate --trace genai:huge.csv $r
refuse "empty" simulate --trace genai:empty $r
refuse "broken.gz" simulate --trace genai:broken.gz $r
refuse "nope.csv" simulate --trace genai:nope.csv $r
refuse "expected genai:FILE or openb:NODES,PODS" simulate --trace fgd:x $r
refuse "expected openb:NODES,PODS" simulate --trace openb:x $r
refuse "prices.csv: line 2" simulate --prices prices.csv $r
refuse "double.yaml: line 2" simulate --scenario double.yaml $r
refuse "torn.yaml: line" simulate --scenario torn.yaml $r
refuse "empty" simulate --scenario ./empty $r
refuse "exclude each other" simulate --scenario default --trace genai:nan.csv $r
refuse "unexpected argument 'x'" simulate x $r
refuse "--days needs a value" simulate --days
refuse "empty" replay empty
refuse "is this a recording" replay double.json
refuse "expected node/NAME" explain empty nodes
refuse "policy.yaml: line 5" policy check policy.yaml
refuse "expected show, check or fields" policy list
}
echo "1..$number"
exit $failed
