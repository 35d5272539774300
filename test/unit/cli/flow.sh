#!/bin/sh
# A run, its recording, its replay, what-if on an edited fact, and going on from a step.
# Functions are called by check.
# shellcheck disable=SC2317
set -u
bin=${SLICEWRIGHT_BIN:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
number=0
failed=0

# check NAME COMMAND... : the command succeeds
check() {
    name=$1
    shift
    number=$((number + 1))
    if "$@" >check.out 2>&1; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        head -n 20 check.out | sed 's/^/# /'
        failed=1
    fi
}

# All of a result but "run", which tells of this machine, and "from", which tells of the file.
result_of() {
    sed -e '/^  "run": {/,$d' -e '/^  "from": {/,/^  },/d' "$1"
}

same_result() {
    result_of "$1" >same.1
    result_of "$2" >same.2
    diff same.1 same.2
}

# exits CODE COMMAND... : the command ends with that code; its output is in `out` and `err`
exits() {
    expected=$1
    shift
    "$@" >out 2>err
    code=$?
    cat out err
    [ "$code" -eq "$expected" ]
}

says() {
    grep -qF -- "$1" "$2" || { cat "$2"; return 1; }
}

not() {
    ! "$@"
}

simulate() {
    "$bin" simulate --scenario small -q "$@"
}

simulate -o json --record run.jsonl --report run.html >run.json
simulate -o json --record run.gz >again.json
simulate -o json --seed 2 >other.json
check "the same seed gives the same result" same_result run.json again.json
check "another seed gives another" not same_result run.json other.json
check "the result ends with the run" says '"peak_rss_mib"' run.json

check "gzip unpacks to the plain recording" sh -c 'gzip -dc <run.gz | cmp - run.jsonl'
check "replay says all the same" exits 0 "$bin" replay run.jsonl
check "... and counts" says "computed again: all the same" out
check "replay of gzip" exits 0 "$bin" replay run.gz
check "a recording against itself" exits 0 "$bin" replay run.gz --against run.jsonl

# The notebooks' owner says that they are latency-sensitive: one fact of the first step.
old='"name":"lab\/notebooks","owner_kind":1,"class":2'
new='"name":"lab\/notebooks","owner_kind":1,"class":1'
sed "2s/$old/$new/" run.jsonl >edited.jsonl
check "the edit is one fact" not cmp -s run.jsonl edited.jsonl
check "replay of the edited recording" exits 1 "$bin" replay edited.jsonl
check "... names the step" says "comes out differently" out
check "replay --against the edited one" exits 1 "$bin" replay run.jsonl --against edited.jsonl
check "... shows the fact" says '    is  {"kind":"owner"' out
check "... the decision before" says "- 2026" out
check "... and after" says "guard-latency-sensitive" out
check "... and where it ends" says "no longer taken" out
sed '2s/"cpu_milli":3000/"cpu_milli":3001/' run.jsonl >harmless.jsonl
check "an edit that changes nothing" exits 0 "$bin" replay run.jsonl --against harmless.jsonl
check "... says so" says "no decision changes" out

check "explain: all" exits 0 "$bin" explain run.jsonl all -n 100000
node=$(grep -o 'retire begun: node/[^ ]*' out | head -n 1 | sed 's/.*: //')
pod_line=$(grep -o '"action":[0-9]*' run.jsonl | sed -n 3p)
action=$(printf '%x' "${pod_line#*:}")
check "explain: a node" exits 0 "$bin" explain run.jsonl "$node"
check "... on its numbers" says "node_microusd_per_hour" out
check "explain: a GPU" exits 0 "$bin" explain run.jsonl "gpu/${node#node/}/0"
check "explain: a workload" exits 0 "$bin" explain run.gz workload/lab/notebooks
check "... what was refused" says "refused" out
check "explain: a decision" exits 0 "$bin" explain run.jsonl decision/1
check "explain: an action" exits 0 "$bin" explain run.jsonl "action/$action" -o json
check "... by its id" says "\"action\": \"" out
check "explain: nothing decided" exits 1 "$bin" explain run.jsonl node/none
check "explain: no such file" exits 2 "$bin" explain none.jsonl all
simulate --caps native -o json --record native.gz >native.json
check "replay with native caps" exits 0 "$bin" replay native.gz
check "explain: a pod" exits 0 "$bin" explain native.gz pod/notebooks-0
simulate --faults 0.05 -o json --record faults.gz >faults.json
check "replay with faults" exits 0 "$bin" replay faults.gz

# The steps at which the run is left: the first, and in the middle of a rollout.
for step in 0 1700; do
    check "going on from step $step without a change" \
        exits 0 "$bin" simulate -q --from "run.gz@$step" -o json
    check "... is the run" same_result run.json out
done
check "going on with faults" exits 0 "$bin" simulate -q --from faults.gz@900 -o json
check "... is the run" same_result faults.json out
check "other terms from step 300" \
    exits 0 "$bin" simulate -q --from run.gz@300 --policy conservative -o json --record then.gz
mv out then.json
check "... are another run" not same_result run.json then.json
check "... under the policy" says '"policy": "conservative"' then.json
check "... that replays" exits 0 "$bin" replay then.gz
gzip -dc then.gz | sed -n 2,302p >first
check "... and begins as recorded" sh -c 'sed -n 2,302p run.jsonl | cmp - first'
check "... and again gives the same" \
    exits 0 "$bin" simulate -q --from run.gz@300 --policy conservative -o json
check "..." same_result then.json out
first=$("$bin" replay edited.jsonl | grep -o 'step [0-9]*' | cut -d' ' -f2)
check "going on from an edited step" exits 0 "$bin" simulate -q --from "edited.jsonl@$first"
check "... counts the edit" says "1 facts edited" out
check "not from after it" exits 2 "$bin" simulate -q --from "edited.jsonl@$((first + 50))"
check "... which names the step" says "@$first" err
check "not from past the end" exits 2 "$bin" simulate -q --from run.gz@1000000
check "not from what went on itself" exits 2 "$bin" simulate -q --from then.gz@4
check "not with another seed" exits 2 "$bin" simulate -q --from run.gz@4 --seed 3
check "not without a step" exits 2 "$bin" simulate -q --from run.gz

# What a recorded cluster asked for is asked again: the means of both runs lie close together.
asks_alike() {
    python3 - run.json again.json <<'END'
import json, sys
one, two = (json.load(open(name))["before"]["gpus_requested_mean"] for name in sys.argv[1:])
sys.exit(0 if 0.9 * one <= two <= 1.1 * one else f"{one} GPUs were asked for, {two} are")
END
}
check "a recording is a scenario" exits 0 "$bin" simulate -q --trace recorded:run.gz -o json
cp out again.json
check "... that asks for as much" asks_alike
check "... and says its name" says '"scenario": "recorded"' again.json
head -n 1 run.jsonl >empty.jsonl
check "one without readings is none" exits 1 "$bin" simulate -q --trace recorded:empty.jsonl
check "... and says so" says "no readings" err

echo "1..$number"
exit $failed
