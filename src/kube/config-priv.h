/* kube/config-priv.h - parts of the configuration that more than one file needs. */
#ifndef KUBE_CONFIG_PRIV_H
#define KUBE_CONFIG_PRIV_H

#include "kube/config.h"

enum { KUBE_NAME_BYTES_MAX = 1024 };

/* Standard base64 with padding; line breaks are skipped.  -EINVAL. */
int config_base64_decode(struct arena *a, struct str text, struct str *ret_bytes);

/* Fills proxy_url from the environment's values unless the cluster names one. */
void config_choose_proxy(const struct kube_config_spec *spec, struct kube_config *c);

#endif
