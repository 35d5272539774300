/* kube/config.h - how to reach a cluster: kubeconfig or the service account of a pod.
 *
 * kube_config_load() reads what the user named; the credentials that change on disk (tokens,
 * certificates) or come from an exec plugin are read when the client asks for them (kube/auth.h).
 * Error texts name the file, the entry and the key, never a value of token, password or key. */
#ifndef KUBE_CONFIG_H
#define KUBE_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    KUBE_CONFIG_BYTES_MAX = 8 << 20, /* a file */
    KUBE_CONFIG_FILES_MAX = 64,
    KUBE_CONFIG_ENTRIES_MAX = 4096, /* clusters, users, contexts of one file */
    KUBE_CONFIG_ARGS_MAX = 256,
    KUBE_CONFIG_GROUPS_MAX = 8, /* impersonated */
    KUBE_PEM_BYTES_MAX = 1 << 20,
};

/* Bytes in the kubeconfig, or in a file that may change (re-read when used). */
struct kube_secret {
    struct str inline_bytes; /* decoded */
    const char *file;        /* NULL when inline or absent; absolute, or relative to the cwd */
};

struct kube_exec_plugin {
    const char *command; /* NULL = no plugin; relative with a slash: relative to the kubeconfig */
    const char *const *args;    /* NULL-terminated */
    const char *const *environ; /* "NAME=value" pairs set beside the caller's environment */
    struct str api_version;     /* client.authentication.k8s.io/v1 or v1beta1 */
    bool provide_cluster_info;
    struct str install_hint;
};

/* One cluster with one user, resolved.  Lives in the caller's arena. */
struct kube_config {
    struct str context;   /* "in-cluster" for a service account */
    struct str server;    /* "https://host:port[/prefix]", no trailing slash */
    struct str namespace; /* of the context; "default" when it names none */
    struct str proxy_url; /* "" = none */
    struct str tls_server_name;
    bool insecure; /* insecure-skip-tls-verify */
    struct kube_secret ca;
    struct kube_secret client_cert, client_key;
    struct kube_secret token; /* tokenFile wins over token */
    struct str username, password;
    struct kube_exec_plugin exec;
    const char *const *environ; /* of the caller, for the plugin; borrowed */
    struct str as_user;         /* impersonation; "" = none */
    const struct str *as_groups;
    uint32_t as_group_count;
    struct str as_uid;
    /* What the user should hear of, one line each: insecure-skip-tls-verify, ... */
    const char *warnings[4];
    unsigned warning_count;
};

/* cli reads argv and the environment and hands them over; NULL = not set. */
struct kube_config_spec {
    const char *path;    /* --kubeconfig: one file, wins over all */
    const char *paths;   /* $KUBECONFIG: colon list, merged, the first to say a thing wins */
    const char *home;    /* $HOME: .kube/config below it */
    const char *context; /* --context; NULL = current-context */
    const char *service_host, *service_port; /* $KUBERNETES_SERVICE_HOST, _PORT */
    const char *service_account_dir; /* NULL = /var/run/secrets/kubernetes.io/serviceaccount */
    const char *https_proxy, *http_proxy, *no_proxy;
    const char *const *environ; /* NULL-terminated; must outlive the config */
};

/* In this order: `path`; `paths`; inside a pod (service_host set and a token there); home's file.
 * Returns 0 with everything in `a`; -ENOENT when nothing is configured, else the fault with file,
 * entry and key ("FILE: clusters[0] 'prod': certificate-authority-data: not base64"). */
int kube_config_load(struct arena *a, const struct kube_config_spec *spec,
        struct kube_config *ret_config, struct err *reterr);

/* The parse alone, for files that are at hand and for tests: pure.  `file` names the text in errors
 * and is what relative paths are relative to. */
struct kube_config_text {
    const char *file;
    struct str text;
};
int kube_config_parse(struct arena *a, const struct kube_config_text *files, unsigned file_count,
        const struct kube_config_spec *spec, struct kube_config *ret_config, struct err *reterr);

/* True when NO_PROXY's list covers the host (exact, .suffix, *, CIDR of IPv4 or IPv6). */
bool kube_config_no_proxy(struct str no_proxy, struct str host);

#endif
