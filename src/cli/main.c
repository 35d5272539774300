/* cli/main.c - the program: its verbs.  Only cli/ reads argv and the environment, or exits. */
#include "cli/option.h"
#include "cli/verbs.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

static const struct cli_verb *const verbs[] = {
        &cli_verb_simulate,
        &cli_verb_plan,
        &cli_verb_controller,
        &cli_verb_revert,
        &cli_verb_explain,
        &cli_verb_replay,
        &cli_verb_lint,
        &cli_verb_policy,
        &cli_verb_mig,
        &cli_verb_dra,
        &cli_verb_completion,
        &cli_verb_version,
        NULL,
};

static const struct cli_verb program = {
        .name = "slicewright",
        .summary = "slicewright automates GPU sharing on Kubernetes: per GPU it decides between\n"
                   "exclusive use, time-slicing and MIG, and shows what that saves and risks.",
        .verbs = verbs,
        .examples = "  slicewright simulate --report report.html\n\n"
                    "Exit codes: 0 done, 1 no or a system error, 2 bad input, 3 a check was "
                    "violated.",
};

int main(int argc, char **argv)
{
    /* A reader that goes away (| head) ends us like any other program. */
    (void)signal(SIGPIPE, SIG_DFL);
    char version[] = "version";
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    return cli_verb_main(&program, argc, argv);
}
