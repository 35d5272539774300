/* cli/lint_walk.h - which parts of a file the verb lint understands, and their findings. */
#ifndef CLI_LINT_WALK_H
#define CLI_LINT_WALK_H

#include "nvidia/mig_parted.h"

enum cli_lint_part {
    CLI_LINT_AUTO,
    CLI_LINT_DEVICE_PLUGIN,
    CLI_LINT_MIG_PARTED,
    CLI_LINT_POLICY,
};

struct cli_lint_options {
    enum cli_lint_part part;            /* AUTO: by what stands in it */
    const struct nvidia_mig_node *node; /* MIG configs are checked against it; NULL: any */
};

/* Adds all findings about a file to `lint`, sorted, at the file's lines and columns also for what
 * stands in ConfigMaps.  text: at most 4 GiB; memory from `a`. */
void cli_lint_file(struct arena *a, struct str text, const struct cli_lint_options *options,
        struct nvidia_lint *lint);

#endif
