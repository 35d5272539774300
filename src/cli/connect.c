/* cli/connect.c - see connect.h. */
#include "cli/connect.h"

#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

int cli_connect(struct arena *a, struct os_loop *loop, const struct cli_connect_options *options,
        struct kube_config *ret_config, struct kube_client **ret_client, struct err *reterr)
{
    const struct kube_config_spec spec = {.path = options->kubeconfig,
            .paths = getenv("KUBECONFIG"),
            .home = getenv("HOME"),
            .context = options->context,
            .service_host = getenv("KUBERNETES_SERVICE_HOST"),
            .service_port = getenv("KUBERNETES_SERVICE_PORT"),
            .https_proxy = getenv("HTTPS_PROXY"),
            .http_proxy = getenv("HTTP_PROXY"),
            .no_proxy = getenv("NO_PROXY"),
            .environ = (const char *const *)environ};
    const struct kube_client_options client_options = {
            .user_agent = options->name, .seed = (uint64_t)os_clock_wall_ns()};
    int rc = kube_config_load(a, &spec, ret_config, reterr);
    if (rc == -ENOENT)
        return err_wrap(reterr, "no cluster: --kubeconfig, $KUBECONFIG or a file of objects");
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < ret_config->warning_count; i++)
        (void)fprintf(stderr, "%s: warning: %s\n", options->name, ret_config->warnings[i]);
    return kube_client_new(loop, ret_config, &client_options, ret_client, reterr);
}

int cli_connect_prometheus(const struct ctl_prometheus_options *options,
        struct ctl_prometheus *ret_prometheus, struct err *reterr)
{
    if (options->url != NULL)
        return ctl_prometheus_open(options, ret_prometheus, reterr);
    if (options->ca_file != NULL || options->token_file != NULL) {
        return err_set(reterr, -EINVAL,
                "--prometheus-%s: nothing to use it for; expected --prometheus URL",
                options->ca_file != NULL ? "ca" : "token-file");
    }
    return 0;
}
