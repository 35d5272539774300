#!/bin/bash
# Completion in real shells: bash as it is called for a TAB; fish and zsh where they are installed.
# And that it knows what --help knows: every verb, every option of each.
set -u
bin=${SLICEWRIGHT_BIN:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/files" "$work/files/data"
ln -s "$(realpath "$bin")" "$work/bin/slicewright"
touch "$work/files/policy one.yaml" "$work/files/prices.csv"
PATH=$work/bin:$PATH
cd "$work/files" || exit 1
number=0
failed=0

report() # WHAT WANTED GOT
{
    number=$((number + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        printf '# wanted %q\n# got    %q\n' "$2" "$3"
        failed=1
    fi
}

skip()
{
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

# Verbs and their options as --help prints them, and as completion lists them.
walk() # VERB...
{
    local verbs verb options
    options=$(slicewright "$@" --help | sed -n 's/^  \(-., \|    \)--\([a-z-]*\).*/--\2/p')
    options=$(printf "%s\n" "$options" --help | sed "/^$/d" | sort -u)
    verbs=$(slicewright "$@" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\)  .*/\1/p' | sort)
    report "options of '$*'" "$options" "$(slicewright completion list -- "$@" -- | cut -f1 | sort)"
    [ -n "$verbs" ] || return
    report "verbs of '$*'" "$verbs" \
        "$(slicewright completion list -- "$@" '' | cut -f1 | grep -vx help | sort)"
    for verb in $verbs; do
        walk "$@" "$verb"
    done
}
walk

# shellcheck disable=SC1090 # made by the program
source <(slicewright completion bash)
report "bash: registered" "complete -F _slicewright slicewright" "$(complete -p slicewright)"

# reply WORD... : what a TAB behind these words offers; "=" is a word of its own, as in bash
reply()
{
    COMP_WORDS=(slicewright "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _slicewright
    printf '%s,' "${COMPREPLY[@]}"
}
report "bash: a verb" "plan,policy," "$(reply p)"
report "bash: an option" "--prometheus,--prometheus-ca,--prometheus-token-file," \
    "$(reply plan --prometheus)"
report "bash: a value" "json," "$(reply plan -o j)"
report "bash: a value behind =" "table," "$(reply plan --output = t)"
report "bash: presets and files" "balanced,policy one.yaml," "$(reply plan --policy '' | tr , '\n' |
    grep -x 'balanced\|policy one.yaml' | tr '\n' ,)"
report "bash: files" "prices.csv," "$(reply lint pric)"
report "bash: files behind =" "data," "$(reply plan --prices = da)"
report "bash: nothing" "," "$(reply nonsense x)"

if command -v fish >/dev/null; then
    slicewright completion fish >"$work/slicewright.fish"
    fished() # LINE
    {
        HOME=$work fish --no-config -c "source $work/slicewright.fish; complete -C '$1'" | cut -f1 |
            tr '\n' ,
    }
    report "fish: a verb" "plan,policy," "$(fished 'slicewright p')"
    report "fish: a value" "json," "$(fished 'slicewright plan -o j')"
    report "fish: a value behind =" "--output=table," "$(fished 'slicewright plan --output=t')"
    report "fish: files" "prices.csv," "$(fished 'slicewright lint pric')"
else
    skip "fish" "not installed"
fi

if command -v zsh >/dev/null; then
    report "zsh: the script is one" "" "$(zsh -n <(slicewright completion zsh) 2>&1)"
else
    skip "zsh" "not installed"
fi

echo "1..$number"
exit $failed
