/* cli/connect.h - from flags and environment to a client of a cluster. */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include "kube/client.h"

struct cli_connect_options {
    const char *kubeconfig, *context; /* --kubeconfig, --context; NULL = as the environment says */
    const char *name;                 /* of the program in warnings and as user agent */
};

/* Everything lives in `a` and the environment; ret_config must outlive the client.  Prints the
 * configuration's warnings.  -ENOENT when no cluster is named anywhere. */
int cli_connect(struct arena *a, struct os_loop *loop, const struct cli_connect_options *options,
        struct kube_config *ret_config, struct kube_client **ret_client, struct err *reterr);

#endif
