/* cli/controller_web.h - what the controller shows over HTTP: metrics, health, a JSON API.
 *
 * No I/O: bodies from what ctl/controller.h tells. */
#ifndef CLI_CONTROLLER_WEB_H
#define CLI_CONTROLLER_WEB_H

#include "ctl/controller.h"
#include "web/server.h"

/* Their user is a const struct cli_controller_view. */
struct cli_controller_view {
    const struct ctl_controller *controller; /* NULL while it starts: not ready */
    struct kube_client *client;              /* for its counters */
};

/* /metrics, /healthz, /readyz: on the pod's address. */
extern const struct web_route cli_controller_pod_routes[];
extern const uint32_t cli_controller_pod_route_count;

/* /api/v1/status, /api/v1/nodes[?name=], /api/v1/decisions[?node=|workload=|pod=][&last=]: on
 * localhost. */
extern const struct web_route cli_controller_api_routes[];
extern const uint32_t cli_controller_api_route_count;

#endif
