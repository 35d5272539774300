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

cat >good.yaml <<'END'
name: lab
duration: 1d
clusters: [{name: c, region: us-east-1}]
nodeGroups:
- {name: g, cluster: c, gpu: T4, gpusPerNode: 1, cpu: 4, memoryGiB: 16, initial: 2, max: 4}
owners:
- name: ns/a
  cluster: c
  class: batch
  replicas: 2
  cpu: 1
  memoryGiB: 2
  demand: {kind: steady, levelPercent: 30, memoryMiB: 2000}
END
# A scenario with one line replaced: bad FILE SED-SCRIPT
bad() {
    sed "$2" good.yaml >"$1"
}
bad region.yaml 's/, region: us-east-1/, regoin: x/'
bad model.yaml 's/gpu: T4/gpu: A900/'
bad twice.yaml 's/clusters: \[/clusters: [{name: c, region: x}, /'
bad other.yaml 's/g, cluster: c/g, cluster: d/'
bad nan.yaml 's/levelPercent: 30/levelPercent: nan/'
bad minus.yaml 's/replicas: 2/replicas: -2/'
bad many.yaml 's/replicas: 2/replicas: 99999999999999999999/'
bad none.yaml "/^owners:/,\$d"
bad long.yaml 's/duration: 1d/duration: 9999999d/'
bad unit.yaml 's/duration: 1d/duration: 1 fortnight/'
bad room.yaml 's/initial: 2, max: 4/initial: 9, max: 4/'
bad circle.yaml 's/  class: batch/  like: ns\/a/'
bad key.yaml 's/  class: batch/  class: batch\n  class: batch/'
bad service.yaml 's/kind: steady, levelPercent: 30/kind: service/'
bad anchor.yaml 's/  class: batch/  class: \&x batch/'
awk 'BEGIN { for (i = 0; i < 300; i++) printf "["; print "" }' >deep.yaml
printf '\377\376name: x\n' >bytes.yaml

header=cloud,region,instance_type,gpu_model,gpu_count,on_demand_usd_per_hour,spot_usd_per_hour
printf '%s\na,b,c,T4,1,nan,0.5\n' $header >price_nan.csv
printf '%s\na,b,c,T4,1,-1,0.5\n' $header >price_minus.csv
printf '%s\na,b,c,T4,1,1e99,0.5\n' $header >price_huge.csv
printf '%s\na,b,c,T4,0,1,0.5\n' $header >price_none.csv
printf '%s\na,b,c,T4,1,1,0.5\na,b,c,T4,1,1,0.5\n' $header >price_twice.csv
printf '%s\na,b,c,T4,1,"1,0.5\n' $header >price_quote.csv
printf 'cloud,region\n' >price_columns.csv

trace=time_s,pod,gpu_util_percent,gpu_memory_used_bytes
printf '%s\n60,a,1,5\n0,a,1,5\n' $trace >back.csv
printf '%s\n0,a,101,5\n' $trace >over.csv
printf '%s\n' $trace >head.csv
printf 'time,pod\n0,a\n' >columns.csv
printf 'sn,cpu_milli,memory_mib,gpu,model\nn1,1000,1000,x,T4\n' >nodes.csv
printf 'name,cpu_milli\np,1\n' >pods.csv

policy() {
    printf 'apiVersion: sharing.slicewright.io/v1alpha1\nkind: SharingPolicy\nmetadata: {name: x}\nspec:\n%s\n' "$2" >"$1"
}
policy unit_policy.yaml '  dwell: {node: 30 bananas}'
policy minus_policy.yaml '  memory: {headroom: -5%}'
policy nan_policy.yaml '  demand: {targetUtilization: .nan}'
policy twice_policy.yaml '  suspend: false
  suspend: true'
policy cron_policy.yaml '  maintenance: {windows: [{cron: "61 2 * * *", duration: 4h}]}'
policy overlap_policy.yaml '  maintenance: {windows: [{cron: "0 2 * * *", duration: 4h}, {cron: "0 4 * * *", duration: 4h}]}'
policy mps_policy.yaml '  techniques: [{technique: mps, mode: apply}]'
printf 'kind: Deployment\n' >kind_policy.yaml

recording='{"slicewright_recording":1,"seed":1,"decide_every_ns":0,"propagation_ns":0,"solve_iterations":0,"source":{}}'
step='{"step":0,"now":[1,1,1],"restart":true,"facts":'
# A recording whose second line is what is given: tape FILE LINE
tape() {
    printf '%s\n%s\n' "$recording" "$2" >"$1"
}
printf '{"slicewright_recording":9}\n' >version.jsonl
tape torn.jsonl "${step}["
tape kind.jsonl "${step}[{\"kind\":\"moon\"}]}"
tape uid.jsonl "${step}[{\"kind\":\"gone\",\"uid\":-1}]}"
tape nan.jsonl "${step}[{\"kind\":\"gone\",\"uid\":NaN}]}"
tape huge.jsonl "${step}[{\"kind\":\"gone\",\"uid\":99999999999999999999999}]}"
tape key.jsonl "${step}[{\"kind\":\"gone\",\"uid\":1,\"uid\":2}]}"
tape sample.jsonl "${step}[[\"sample\",0,1]]}"
tape enum.jsonl "${step}[{\"kind\":\"pod\",\"uid\":1,\"phase\":77}]}"
tape policy.jsonl "${step}[{\"kind\":\"policy\",\"policy\":\"spec: 4\"}]}"
tape empty.jsonl '{}'
tape source.jsonl "${step}[]}"

printf '{"kind":"Node","metadata":{"name":"a"' >torn.json
printf '{"apiVersion":"v1","kind":"Node","metadata":{}}\n' >nameless.json
printf '{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","uid":"1"}}\n' >plain.json
printf 'apiVersion: v1\nkind: Config\nclusters: []\n' >kubeconfig
printf '{"driver":"d","device":"x"' >device.json

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
refuse "expected genai:FILE, openb:NODES,PODS or recorded:FILE" simulate --trace fgd:x $r
refuse "nope.jsonl" simulate --trace recorded:nope.jsonl $r
refuse "version.jsonl: line 1" simulate --trace recorded:version.jsonl $r
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
refuse "expected an action's id" explain empty action/xyz
refuse "expected gpu/NODE/INDEX" explain empty gpu/a/b
for case in \
    "region:line 3" "model:line 5" "twice:line 3" "other:line 5" "nan:line 13" "minus:line 10" \
    "many:line 10" "none:line 1" "long:line 2" "unit:line 2" "room:node group g" "circle:line 9" \
    "key:line 10" "service:line 13" "anchor:line 9" "deep:line 1" "bytes:byte 0"; do
    refuse "${case%%:*}.yaml: ${case#*:}" simulate --scenario "${case%%:*}.yaml" $r
done
refuse "price_columns.csv: no column" simulate --prices price_columns.csv $r
for case in nan:2 minus:2 huge:2 none:2 twice:3 quote:2; do
    refuse "price_${case%:*}.csv: line ${case#*:}" simulate --prices "price_${case%:*}.csv" $r
done
for case in back:3 over:2 head:1 columns:1; do
    refuse "${case%:*}.csv" simulate --trace "genai:${case%:*}.csv" $r
done
refuse "nodes.csv" simulate --trace openb:nodes.csv,pods.csv $r
refuse "--from: 'x': expected RECORDING@STEP" simulate --from x $r
refuse "nope.jsonl" simulate --from nope.jsonl@1 $r
refuse "source.jsonl: line 1" simulate --from source.jsonl@0 $r
refuse "--days: with --from" simulate --from source.jsonl@0 --days 2 $r
for file in unit minus nan twice cron overlap mps kind; do
    refuse "${file}_policy.yaml: line" policy check "${file}_policy.yaml"
    refuse "${file}_policy.yaml: line" simulate --policy "${file}_policy.yaml" $r
done
refuse "version.jsonl: line 1" replay version.jsonl
for file in torn kind uid nan huge key sample enum policy empty; do
    refuse "$file.jsonl: line 2" replay "$file.jsonl"
    refuse "$file.jsonl: line 2" explain "$file.jsonl" all
done
refuse "did you mean --prometheus" plan --promethius http://x $r
refuse "--prometheus: 'p:9090': expected https://HOST:PORT" plan --prometheus p:9090 $r
refuse "nope.pem" plan --prometheus https://p --prometheus-ca nope.pem $r
refuse "no certificate; expected PEM" plan --prometheus https://p --prometheus-ca plain.json $r
refuse "'http://p' has no certificate" plan --prometheus http://p --prometheus-ca nope.pem $r
refuse "no token" controller --prometheus http://p --prometheus-token-file empty
refuse "expected --prometheus URL" plan --prometheus-token-file plain.json $r
refuse "expected --prometheus URL" controller --prometheus-ca plain.json
refuse "nope.json" plan --file nope.json $r
refuse "torn.json" plan --file torn.json $r
refuse "nameless.json: " plan --file nameless.json $r
refuse "empty: holds no objects" plan --file empty $r
refuse "torn.yaml" plan --file torn.yaml $r
refuse "--file excludes --kubeconfig" plan --file plain.json --kubeconfig kubeconfig $r
refuse "--file has no exporters" plan --file plain.json --watch 5m $r
for option in history step timeout watch; do
    refuse "--$option: '1 fortnight': expected a duration" plan "--$option" "1 fortnight" $r
    refuse "--$option: '-5m'" plan "--$option" -5m $r
done
refuse "--history is shorter than --step" plan --file plain.json --history 1h --step 2h $r
refuse "--metrics: 'all': expected one of auto, exporters, proxy, none" plan --metrics all $r
refuse "nope.csv" plan --file plain.json --prices nope.csv $r
refuse "price_nan.csv: line 2" plan --file plain.json --prices price_nan.csv $r
refuse "unit_policy.yaml: line" plan --file plain.json --policy unit_policy.yaml $r
refuse "nope" plan --kubeconfig nope $r
refuse "kubeconfig" plan --kubeconfig kubeconfig $r
refuse "did you mean --strict" lint --strikt
refuse "did you mean 'zsh'" completion csh
refuse "nope.yaml" lint nope.yaml
refuse "--as: 'x': expected one of" lint --as x torn.yaml
refuse "did you mean 'explain'" dra explian
refuse "did you mean --file" dra explain --flie plain.json
refuse "absent: No such file or directory" dra explain --kubeconfig absent
for verb in explain lint "allocate --all-nodes"; do
    refuse "nope.json" dra $verb --file nope.json
    refuse "torn.json" dra $verb --file torn.json
    refuse "double.yaml: " dra $verb --file double.yaml
done
refuse "expected --node or --all-nodes" dra allocate --file plain.json
refuse "expected one of incubating, experimental" dra allocate --variant stable --file plain.json
refuse "nope.json" dra eval --expr true --device nope.json
refuse "device.json" dra eval --expr true --device device.json
refuse "policy.yaml: line 5" policy check policy.yaml
refuse "expected show, check, fields" policy list
}
number=$((number + 1))
if "$bin" simulate -q --scenario good.yaml >out 2>err; then
    echo "ok $number - what the bad scenarios were made from is good"
else
    echo "not ok $number - what the bad scenarios were made from is good"
    sed 's/^/# /' err
    failed=1
fi
echo "1..$number"
exit $failed
