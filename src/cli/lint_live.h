/* cli/lint_live.h - lint over a cluster instead of files. */
#ifndef CLI_LINT_LIVE_H
#define CLI_LINT_LIVE_H

#include "cli/connect.h"
#include "cli/lint_walk.h"

/* Where findings go, a file or object at a time, and which are not looked for. */
struct cli_lint_sink {
    struct nvidia_rule_set disabled;
    void (*take)(void *user, const char *name, const struct nvidia_lint *lint);
    void *user;
};

/* Reads the cluster as plan does; lints the files in the ConfigMaps that the GPU Operator's
 * ClusterPolicy names ("configmap/NAMESPACE/MAP/KEY"), then the labels by which nodes ("node/NAME")
 * and the policy itself ("clusterpolicy") choose from them.  operator_namespace: of the ConfigMaps;
 * NULL = where NVIDIA's DaemonSets are.  Fails with one line when one of them cannot be read. */
int cli_lint_live(const struct cli_connect_options *connect, const char *operator_namespace,
        const struct cli_lint_options *options, const struct cli_lint_sink *sink,
        struct err *reterr);

#endif
