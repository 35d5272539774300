#!/bin/sh
# The help texts of the program, word for word.  SLICEWRIGHT_UPDATE=1 rewrites them, for review by
# diff.
set -u
bin=${SLICEWRIGHT_BIN:?}
golden=${SLICEWRIGHT_ROOT:?}/test/golden/cli
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
number=0
failed=0

# check NAME ARGUMENT... : the output of slicewright ARGUMENT... equals NAME.txt, exit code 0
check() {
    name=$1
    shift
    number=$((number + 1))
    if ! "$bin" "$@" >"$out/$name" 2>"$out/err"; then
        echo "not ok $number - $name: exit code not 0"
        sed 's/^/# /' "$out/err"
        failed=1
        return
    fi
    if [ "${SLICEWRIGHT_UPDATE:-0}" = 1 ]; then
        cp "$out/$name" "$golden/$name.txt"
    fi
    if diff -u "$golden/$name.txt" "$out/$name" >"$out/diff"; then
        echo "ok $number - $name"
    else
        echo "not ok $number - $name"
        sed 's/^/# /' "$out/diff"
        failed=1
    fi
}

check help --help
check simulate simulate --help
check plan plan --help
check controller controller --help
check explain explain --help
check replay replay --help
check revert revert --help
check dra dra --help
check dra_explain help dra explain
check lint lint --help
check policy policy --help
check policy_show help policy show
check mig mig --help
check dra_allocate dra allocate --help
check dra_eval dra eval --help
check dra_lint dra lint --help
check dra_slices dra slices --help
check version version --help
check completion completion --help
check completion_bash completion bash
check completion_zsh completion zsh
check completion_fish completion fish
check completion_list completion list -- simulate --
echo "1..$number"
exit $failed
