/* kube/auth.h - the credentials of one client, kept fresh.
 *
 * On the loop.  Token files and certificate files are looked at again each minute and when the
 * server says 401; exec plugins run when they must (start, expiry, 401), at most one at a time.
 * What was read is held in memory only and overwritten when it is replaced.  Errors name files and
 * programs, never a value. */
#ifndef KUBE_AUTH_H
#define KUBE_AUTH_H

#include "base/buf.h"
#include "kube/config.h"
#include "net/http.h"
#include "os/exec.h"

#define KUBE_AUTH_REREAD_NS INT64_C(60000000000) /* how old what came from files may be */
#define KUBE_AUTH_EXEC_NS   INT64_C(60000000000) /* what an exec plugin gets to answer */
#define KUBE_AUTH_EARLY_NS  INT64_C(10000000000) /* a plugin runs again so long before expiry */

enum kube_auth_state {
    KUBE_AUTH_READY,
    KUBE_AUTH_WAIT,   /* a plugin runs: `ready` will be called */
    KUBE_AUTH_FAILED, /* fault says why; asked again later it is tried again */
};

struct kube_auth {
    struct os_loop *loop;
    const struct kube_config *config;
    void (*ready)(void *user);   /* the plugin has ended, well or not */
    void (*renewed)(void *user); /* certificates or authorities changed: connections too must */
    void *user;

    /* Private from here, but read by the client. */
    struct buf authorization; /* "Bearer ..." or "Basic ...", empty = none */
    struct buf ca, cert, key; /* PEM */
    struct net_tls tls;       /* views of the above */
    int64_t read_mono_ns;     /* when files were last read; 0 = never */
    int64_t expiry_wall_ns;   /* of what the plugin gave; 0 = none named */
    int64_t failed_mono_ns;   /* of the plugin */
    bool has_plugin_answer, is_stale;
    struct os_exec *plugin;
    struct err fault;
    uint64_t logins; /* plugin runs */
};

/* Zero-initialise, set loop, config, ready, renewed and user. */
void kube_auth_clear(struct kube_auth *auth);

/* Makes authorization and tls usable, or says why not. */
enum kube_auth_state kube_auth_get(struct kube_auth *auth);

/* The server did not accept them: the next get reads files again and runs the plugin again.  False
 * when that can change nothing (credentials given in the kubeconfig itself). */
bool kube_auth_refused(struct kube_auth *auth);

/* What a plugin printed: 0, or -EINVAL with what is missing.  Pure; views lie in `a`. */
struct kube_exec_credential {
    struct str token, cert_pem, key_pem;
    int64_t expiry_wall_ns; /* 0 = none */
};
int kube_auth_parse_credential(struct arena *a, struct str text, struct str api_version,
        struct kube_exec_credential *ret_credential, struct err *reterr);

#endif
