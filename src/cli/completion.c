/* cli/completion.c - the verb `slicewright completion`: scripts for shells, and what they ask.
 *
 * A script holds no list of its own: it hands the words to `completion list`, which answers from
 * the verbs' tables (complete.c). */
#include "cli/option-priv.h"
#include "cli/verbs.h"

enum { TEXT_BYTES_MAX = 1 << 16 };

static const char bash_script[] =
        "# Completion of slicewright for bash: source it, or put it where bash-completion looks.\n"
        "_slicewright()\n"
        "{\n"
        "    local word cur=${COMP_WORDS[COMP_CWORD]} files=\n"
        "    COMPREPLY=()\n"
        "    while IFS=$'\\t' read -r word _; do\n"
        "        if [ \"$word\" = :files ]; then\n"
        "            files=yes\n"
        "        else\n"
        "            COMPREPLY+=(\"$word\")\n"
        "        fi\n"
        "    done < <(\"${COMP_WORDS[0]}\" completion list -- \\\n"
        "        \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
        "    [ -n \"$files\" ] || return 0\n"
        "    [ \"$cur\" = = ] && cur=\n"
        "    compopt -o filenames 2>/dev/null\n"
        "    while IFS= read -r word; do\n"
        "        COMPREPLY+=(\"$word\")\n"
        "    done < <(compgen -f -- \"$cur\")\n"
        "}\n"
        "complete -F _slicewright slicewright kubectl-slicewright\n";

static const char zsh_script[] =
        "#compdef slicewright kubectl-slicewright\n"
        "# Completion of slicewright for zsh: source it after compinit, or put it into a folder "
        "of\n"
        "# fpath as _slicewright.\n"
        "_slicewright()\n"
        "{\n"
        "    local -a found\n"
        "    local word help files\n"
        "    while IFS=$'\\t' read -r word help; do\n"
        "        if [[ $word == :files ]]; then\n"
        "            files=yes\n"
        "        else\n"
        "            found+=(\"${word//:/\\\\:}${help:+:$help}\")\n"
        "        fi\n"
        "    done < <(\"${words[1]}\" completion list -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
        "    (( $#found )) && _describe slicewright found\n"
        "    if [[ -n $files ]]; then\n"
        "        compset -P '--*='\n"
        "        _files\n"
        "    fi\n"
        "}\n"
        "if [[ $funcstack[1] == _slicewright ]]; then\n"
        "    _slicewright \"$@\"\n"
        "else\n"
        "    compdef _slicewright slicewright kubectl-slicewright\n"
        "fi\n";

static const char fish_script[] =
        "# Completion of slicewright for fish: put it into ~/.config/fish/completions.\n"
        "function __slicewright_complete\n"
        "    set -l words (commandline -opc)\n"
        "    set -l current (commandline -ct)\n"
        "    $words[1] completion list -- $words[2..-1] \"$current\" 2>/dev/null | while read -l "
        "line\n"
        "        if test \"$line\" = :files\n"
        "            __fish_complete_path (string replace -r '^--[^=]*=' '' -- \"$current\")\n"
        "        else\n"
        "            echo $line\n"
        "        end\n"
        "    end\n"
        "end\n"
        "complete -c slicewright -f -a '(__slicewright_complete)'\n"
        "complete -c kubectl-slicewright -f -a '(__slicewright_complete)'\n";

static int print_script(const char *script, struct err *reterr)
{
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    buf_puts(&text, script);
    int rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

static int run_bash(const struct cli_call *call, struct err *reterr)
{
    (void)call;
    return print_script(bash_script, reterr);
}

static int run_zsh(const struct cli_call *call, struct err *reterr)
{
    (void)call;
    return print_script(zsh_script, reterr);
}

static int run_fish(const struct cli_call *call, struct err *reterr)
{
    (void)call;
    return print_script(fish_script, reterr);
}

static int run_list(const struct cli_call *call, struct err *reterr)
{
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);
    cli_complete_write(call->top, call->argument_count, call->arguments, &text);
    int rc = cli_print(&text, reterr);
    buf_clear(&text);
    return rc;
}

static const struct cli_verb bash_verb = {
        .name = "bash",
        .brief = "the script for bash",
        .summary =
                "Prints a script that completes slicewright's verbs, options and values in bash.",
        .examples = "  source <(slicewright completion bash)",
        .run = run_bash,
};

static const struct cli_verb zsh_verb = {
        .name = "zsh",
        .brief = "the script for zsh",
        .summary = "Prints a script that completes slicewright's verbs, options and values in zsh.",
        .examples = "  slicewright completion zsh > \"${fpath[1]}/_slicewright\"",
        .run = run_zsh,
};

static const struct cli_verb fish_verb = {
        .name = "fish",
        .brief = "the script for fish",
        .summary =
                "Prints a script that completes slicewright's verbs, options and values in fish.",
        .examples = "  slicewright completion fish > ~/.config/fish/completions/slicewright.fish",
        .run = run_fish,
};

static const struct cli_argument list_arguments[] = {{.name = "WORD",
                                                             .help = "what stands on the command "
                                                                     "line behind the program's\n"
                                                                     "name; the last is completed",
                                                             .optional = true,
                                                             .repeated = true},
        {0}};

static const struct cli_verb list_verb = {
        .name = "list",
        .brief = "what may stand next: the scripts ask this",
        .summary = "Lists what a word may be completed to, one a line, a tab, and what it is; "
                   "':files'\nwhere files may stand.",
        .examples = "  slicewright completion list -- plan --prom",
        .arguments = list_arguments,
        .run = run_list,
};

const struct cli_verb cli_verb_completion = {
        .name = "completion",
        .brief = "completion of verbs, options and values for a shell",
        .summary = "Scripts that let a shell complete slicewright's verbs, options and values.",
        .verbs = (const struct cli_verb *const[]){&bash_verb, &zsh_verb, &fish_verb, &list_verb,
                NULL},
};
