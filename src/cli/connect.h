/* cli/connect.h - from flags and environment to a client of a cluster. */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include "cli/option.h"
#include "ctl/prometheus.h"
#include "kube/client.h"

struct cli_connect_options {
    const char *kubeconfig, *context; /* --kubeconfig, --context; NULL = as the environment says */
    const char *name;                 /* of the program in warnings and as user agent */
};

/* Everything lives in `a` and the environment; ret_config must outlive the client.  Prints the
 * configuration's warnings.  -ENOENT when no cluster is named anywhere. */
int cli_connect(struct arena *a, struct os_loop *loop, const struct cli_connect_options *options,
        struct kube_config *ret_config, struct kube_client **ret_client, struct err *reterr);

/* The options that name a Prometheus: rows of a verb's table. */
#define CLI_CONNECT_PROMETHEUS(type, member, words)                                                \
    {.name = "prometheus",                                                                         \
            .kind = CLI_OPTION_TEXT,                                                               \
            CLI_AT(type, member.url),                                                              \
            .value_name = "URL",                                                                   \
            .help = words},                                                                        \
            {.name = "prometheus-ca",                                                              \
                    .kind = CLI_OPTION_FILE,                                                       \
                    CLI_AT(type, member.ca_file),                                                  \
                    .value_name = "FILE",                                                          \
                    .help = "whom to trust for it, PEM; else the system's authorities"},           \
    {                                                                                              \
        .name = "prometheus-token-file", .kind = CLI_OPTION_FILE, CLI_AT(type, member.token_file), \
        .value_name = "FILE", .help = "a bearer token for it; both files may be rotated"           \
    }

/* What they say; `url` NULL leaves ret_prometheus as it is.  -EINVAL when a file is named for no
 * address, or what ctl_prometheus_open() says. */
int cli_connect_prometheus(const struct ctl_prometheus_options *options,
        struct ctl_prometheus *ret_prometheus, struct err *reterr);

#endif
