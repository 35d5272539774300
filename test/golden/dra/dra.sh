#!/bin/sh
# `slicewright dra` on a small file, word for word.  SLICEWRIGHT_UPDATE=1 rewrites, for review by diff.
set -u
bin=${SLICEWRIGHT_BIN:?}
golden=${SLICEWRIGHT_ROOT:?}/test/golden/dra
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
number=0
failed=0
cd "$golden" || exit 1

# check NAME CODE ARGUMENT... : what `slicewright dra ARGUMENT...` prints is NAME.txt, its code CODE
check() {
    name=$1
    code=$2
    shift 2
    number=$((number + 1))
    "$bin" dra "$@" >"$out/$name" 2>&1
    got=$?
    if [ "${SLICEWRIGHT_UPDATE:-0}" = 1 ]; then
        cp "$out/$name" "$golden/$name.txt"
    fi
    if [ "$got" -eq "$code" ] && diff -u "$golden/$name.txt" "$out/$name" >"$out/diff"; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name: exit code $got, expected $code"
        sed 's/^/# /' "$out/diff"
        failed=1
    fi
}

sed 's/profile: {string: 2g.10gb}/profile: {sting: 2g.10gb}/' objects.yaml >"$out/bad.yaml"
sed "s/'gpu.nvidia.com' \&\& /'gpu.nvidia.com' || /; s/profile in/profiles in/" objects.yaml >"$out/warn.yaml"
sed 's/, count: 1/, cuont: 1/; s/profile: {string: 2g/profile: {sting: 2g/' objects.yaml >"$out/unknown.yaml"
check explain 1 explain -f objects.yaml
check explain_json 1 explain -f objects.yaml -c team-b/train -n gpu-1 -o json
check explain_fits 0 explain -f objects.yaml -c team-a/small
check allocate 0 allocate -f objects.yaml -c small --node gpu-1
check lint 0 lint -f objects.yaml
check pod_both 1 explain -f pods.yaml --pod team/both
check pod_both_json 1 explain -f pods.yaml --pod team/both -o json
check pod_waits 0 allocate -f pods.yaml --pod waits --all-nodes
check pod_broken 2 explain -f pods.yaml --pod team/broken
check pod_none 2 allocate -f pods.yaml --pod team/none --all-nodes
check gave_up 1 explain -f tangled.yaml --steps 20000
check gave_up_json 1 explain -f tangled.yaml --steps 20000 -o json
check gave_up_allocate 1 allocate -f tangled.yaml --steps 20000 --all-nodes
check slices 0 slices --gpu A30-24GB --gpus 1 --node a30-0
check slices_no_mig 2 slices --gpu L4 --node l4-0
check nodes 0 explain -f nodes.yaml
check nodes_top 0 explain -f nodes.yaml --top 1
check no_node 2 explain -f objects.yaml --node gpu-2
cd "$out" || exit 1
check bad 2 explain -f bad.yaml
check warn 1 lint -f warn.yaml
check unknown 2 lint -f unknown.yaml
echo "1..$number"
exit $failed
