/* ctl/prometheus.h - how a Prometheus is reached: its address, whom to trust, the bearer token.
 *
 * Below the purity line.  What files hold is read again before each round of questions, because
 * tokens and authorities are rotated; a file that is not readable then leaves what was read before.
 * No token is ever logged or put into an error text. */
#ifndef CTL_PROMETHEUS_H
#define CTL_PROMETHEUS_H

#include "base/buf.h"
#include "net/fetch.h"

struct ctl_prometheus_options {
    const char *url;        /* "https://HOST[:PORT][/PREFIX]" or http:// */
    const char *ca_file;    /* PEM, instead of the system's authorities; NULL = those */
    const char *token_file; /* NULL = none */
};

struct ctl_prometheus {
    struct ctl_prometheus_options options; /* texts borrowed */

    /* Private from here. */
    struct buf ca, token;
    struct net_tls tls; /* a view of `ca` */
    bool stale;         /* the last look at the files did not succeed */
};

/* Checks the options and reads the files.  The error begins with the option: "--prometheus-ca: ..."
 * Free with ctl_prometheus_clear(), also after a failure. */
int ctl_prometheus_open(const struct ctl_prometheus_options *options,
        struct ctl_prometheus *ret_prometheus, struct err *reterr);
void ctl_prometheus_clear(struct ctl_prometheus *p); /* zeroed or cleared is accepted */

/* Looks at the files again; logs when that fails first, and when it succeeds again. */
void ctl_prometheus_refresh(struct ctl_prometheus *p);

/* A question; views of `p` and `url`, valid until the next refresh. */
struct net_fetch_target ctl_prometheus_target(const struct ctl_prometheus *p, struct str url);

#endif
