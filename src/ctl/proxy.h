/* ctl/proxy.h - asks exporters through the API server, for those who cannot reach pods.
 *
 * Below the purity line; reads only, on the client's loop, never waiting.  Takes the right to get
 * pods/proxy.  A round is like one of net/fetch.h; it does not count against the client's rate
 * limit, which is there for writes, but few requests are under way at a time. */
#ifndef CTL_PROXY_H
#define CTL_PROXY_H

#include "ctl/snapshot.h"
#include "kube/client.h"

struct ctl_proxy; /* a round */

struct ctl_proxy_spec {
    const struct ctl_exporter *exporters; /* copied */
    uint32_t count;                       /* >= 1 */
    uint32_t first;                       /* is asked first, as target 0; the others follow it */
    int64_t timeout_ns;                   /* of one */
    /* One answer, its text valid during the call.  err NULL: of a 200; else it says why. */
    void (*got)(void *user, uint32_t target, struct str text, const struct err *err);
    void (*done)(void *user); /* after the last `got`; the round is gone after it */
    void *user;
};

/* Nothing is called from within it.  -E2BIG and the like where none could be asked. */
int ctl_proxy_start(struct kube_client *client, const struct ctl_proxy_spec *spec,
        struct ctl_proxy **ret_proxy, struct err *reterr);
void ctl_proxy_cancel(struct ctl_proxy *p); /* calls nothing */

#endif
