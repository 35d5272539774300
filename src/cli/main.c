/* cli/main.c - the program: picks the verb.  Only cli/ reads argv and the environment, or exits. */
#include "base/buf.h"
#include "cli/mig.h"
#include "cli/verbs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef SLICEWRIGHT_VERSION
#define SLICEWRIGHT_VERSION "unversioned"
#endif

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verbs[] = {
        {"simulate", cli_simulate_run, "what sharing would save, and what it would risk"},
        {"explain", cli_explain_run, "why something was decided or refused, on which numbers"},
        {"replay", cli_replay_run, "recompute every decision of a recording"},
        {"policy", cli_policy_run, "show a preset, or check a SharingPolicy file"},
        {"mig", cli_mig_run, "MIG profiles, layouts, checks and the smallest change"},
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static void put_help(FILE *to)
{
    (void)fputs("slicewright automates GPU sharing on Kubernetes: per GPU it decides between\n"
                "exclusive use, time-slicing and MIG, and shows what that saves and risks.\n\n"
                "Usage: slicewright VERB [options]\n\n",
            to);
    for (unsigned i = 0; i < VERB_COUNT; i++)
        (void)fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    (void)fputs(
            "\n'slicewright VERB --help' lists the options of a verb.  Start with:\n\n"
            "  slicewright simulate --report report.html\n\n"
            "Exit codes: 0 done, 1 no or a system error, 2 bad input, 3 a check was violated.\n",
            to);
}

static int unknown_verb(const char *word)
{
    const char *names[VERB_COUNT + 1];
    for (unsigned i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i].name;
    names[VERB_COUNT] = NULL;
    const char *nearest = str_nearest(str_from(word), names);
    (void)fprintf(stderr, "slicewright: unknown verb '%s'%s%s%s\nTry 'slicewright --help'.\n", word,
            nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return CLI_EXIT_BAD_INPUT;
}

int main(int argc, char **argv)
{
    /* A reader that goes away (| head) ends us like any other program. */
    (void)signal(SIGPIPE, SIG_DFL);
    if (argc < 2) {
        put_help(stderr);
        return CLI_EXIT_BAD_INPUT;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        put_help(stdout);
        return CLI_EXIT_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "version") == 0) {
        (void)puts("slicewright " SLICEWRIGHT_VERSION);
        return CLI_EXIT_OK;
    }
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if (strcmp(word, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    return unknown_verb(word);
}
