/* ctl/readings.h - fetches readings of GPUs into a history: from Prometheus over a span of time,
 * from exporters now.
 *
 * Below the purity line; reads only.  What did not answer is said, and costs nothing else. */
#ifndef CTL_READINGS_H
#define CTL_READINGS_H

#include "ctl/history.h"
#include "ctl/prometheus.h"

struct kube_client;

struct ctl_readings_options {
    struct ctl_prometheus *prometheus;
    int64_t end_wall_ns, span_ns, step_ns;
    void (*on_progress)(void *user, uint32_t permille); /* NULL = nobody looks */
    void *user;
};

struct ctl_readings_result {
    uint32_t asked, answered;
    const char *why;     /* of the first that did not answer, in the history's arena; NULL */
    uint32_t warned;     /* answers that the server says may be incomplete */
    const char *warning; /* the first of those, likewise; NULL */
};

/* Asks Prometheus for the span, a day or less at a time; what is too much for it is asked for again
 * in halves.  Time without an answer on memory is left out as a whole: a peak may lie there.  0
 * also when nothing answered; -E2BIG over a limit. */
int ctl_readings_range(struct net_http *http, struct ctl_history *h,
        const struct ctl_readings_options *options, struct ctl_readings_result *ret_result,
        struct err *reterr);

/* Asks every exporter of the snapshot, once. */
int ctl_readings_scrape(struct net_http *http, struct ctl_history *h,
        struct ctl_readings_result *ret_result, struct err *reterr);

/* The same through the API server, for those who cannot reach pods: takes the right to get
 * pods/proxy. */
int ctl_readings_proxy(struct kube_client *client, struct ctl_history *h,
        struct ctl_readings_result *ret_result, struct err *reterr);

#endif
