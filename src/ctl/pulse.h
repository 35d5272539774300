/* ctl/pulse.h - readings of GPUs, again and again: from exporters, themselves or through the API
 * server, or from Prometheus.
 *
 * Below the purity line; reads only, on the loop, never waiting.  Each round asks every exporter of
 * the newest snapshot, or Prometheus with one query a metric, and hands over a finished history of
 * that round.  Readings that are not there are not known, never 0. */
#ifndef CTL_PULSE_H
#define CTL_PULSE_H

#include "ctl/history.h"
#include "ctl/prometheus.h"
#include "kube/client.h"

struct ctl_pulse;

struct ctl_pulse_options {
    struct ctl_prometheus *prometheus; /* outlives the pulse; NULL = the exporters */
    struct kube_client *proxy; /* asks those through the API server, likewise; NULL = directly */
    int64_t every_ns;          /* 0 = 30 s */
    int64_t lost_after_ns; /* without an answer for so long the metrics are lost; 0 = 5 rounds */
    /* The world whose exporters are asked, and, at the round's end, the one that the readings are
     * joined to.  NULL: none is known yet, the round is left out. */
    const struct ctl_world *(*world)(void *user);
    /* Finished, and with at least one reading; freed by the pulse after it. */
    void (*got)(void *user, struct ctl_history *h);
    void (*sync)(void *user, bool complete); /* after the first readings, and when it changes */
    void *user;
};

/* Starts the first round at once.  A round takes no longer than `every_ns`: who
 * has not answered by then is left out of it, and asked first in the next. */
int ctl_pulse_start(struct net_http *http, const struct ctl_pulse_options *options,
        struct ctl_pulse **ret_pulse, struct err *reterr);
void ctl_pulse_stop(struct ctl_pulse *p); /* not from a callback; NULL is accepted */

struct ctl_pulse_stats {
    uint64_t rounds, asked, answered, readings;
    int64_t last_wall_ns; /* of the newest round with an answer; 0 = none */
};
struct ctl_pulse_stats ctl_pulse_stats(const struct ctl_pulse *p);

#endif
