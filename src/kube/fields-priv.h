/* kube/fields-priv.h - readers that fields.c and pod.c share. */
#ifndef KUBE_FIELDS_PRIV_H
#define KUBE_FIELDS_PRIV_H

#include "kube/fields.h"

/* conditions[type].status of a status, and its reason; "" when there is no such condition. */
struct str fields_condition(struct kube_value status, const char *type, struct str *ret_reason);

/* A resource list; replaces what `ret` held. */
void fields_resources_read(struct kube_value list, struct kube_resources *ret);

/* True for names with a domain that is not kubernetes.io. */
bool fields_is_extended(struct str name);

/* ceil(quantity / 10^exponent), 0 when absent, malformed or out of range. */
int64_t fields_quantity(struct kube_value v, int exponent);

#endif
