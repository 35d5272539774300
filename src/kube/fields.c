/* kube/fields.c - readers of nodes, workloads, budgets, quotas and leases.  Pure. */
#include "kube/fields.h"

#include "kube/fields-priv.h"

#include <string.h>

/* conditions[type].status, and its reason; "" when the condition is not there. */
struct str fields_condition(struct kube_value status, const char *type, struct str *ret_reason)
{
    KUBE_FOREACH(it, kube_value_get(status, "conditions"))
    {
        if (!str_eq_c(kube_value_str(kube_value_get(it.value, "type")), type))
            continue;
        *ret_reason = kube_value_str(kube_value_get(it.value, "reason"));
        return kube_value_str(kube_value_get(it.value, "status"));
    }
    *ret_reason = (struct str){0};
    return (struct str){0};
}

static void read_taints(struct kube_value list, struct kube_node *node)
{
    KUBE_FOREACH(it, list)
    {
        if (node->taint_count == KUBE_TAINTS_MAX) {
            node->taints_beyond++;
            continue;
        }
        node->taints[node->taint_count++] = (struct kube_taint){
                .key = kube_value_str(kube_value_get(it.value, "key")),
                .value = kube_value_str(kube_value_get(it.value, "value")),
                .effect = kube_value_str(kube_value_get(it.value, "effect")),
        };
    }
}

void kube_node_read(const struct kube_item *item, struct kube_node *ret_node)
{
    struct kube_node n = {0};
    struct kube_value spec = kube_item_at(item, "spec"), status = kube_item_at(item, "status");
    struct str reason;
    n.provider_id = kube_value_str(kube_value_get(spec, "providerID"));
    n.unschedulable = kube_value_bool(kube_value_get(spec, "unschedulable"), false);
    n.ready = str_eq_c(fields_condition(status, "Ready", &reason), "True");
    n.created_wall_ns = kube_item_time_ns(item, "metadata.creationTimestamp");
    n.deleted_wall_ns = kube_item_time_ns(item, "metadata.deletionTimestamp");
    KUBE_FOREACH(it, kube_value_get(status, "addresses"))
    {
        if (n.internal_ip.len == 0 &&
                str_eq_c(kube_value_str(kube_value_get(it.value, "type")), "InternalIP"))
            n.internal_ip = kube_value_str(kube_value_get(it.value, "address"));
    }
    fields_resources_read(kube_value_get(status, "capacity"), &n.capacity);
    fields_resources_read(kube_value_get(status, "allocatable"), &n.allocatable);
    read_taints(kube_value_get(spec, "taints"), &n);
    *ret_node = n;
}

struct kube_owner kube_item_owner(const struct kube_item *item)
{
    KUBE_FOREACH(it, kube_item_at(item, "metadata.ownerReferences"))
    {
        if (!kube_value_bool(kube_value_get(it.value, "controller"), false))
            continue;
        return (struct kube_owner){
                .kind = kube_value_str(kube_value_get(it.value, "kind")),
                .name = kube_value_str(kube_value_get(it.value, "name")),
                .uid = kube_value_str(kube_value_get(it.value, "uid")),
                .api_version = kube_value_str(kube_value_get(it.value, "apiVersion")),
        };
    }
    return (struct kube_owner){0};
}

/* How many copies are wanted, by the kind's own field. */
static int64_t replicas_of(struct kube_value spec, struct kube_value status)
{
    int64_t absent = -1;
    int64_t desired = kube_value_i64(kube_value_get(status, "desiredNumberScheduled"), absent);
    int64_t parallel = kube_value_i64(kube_value_get(spec, "parallelism"), absent);
    if (desired != absent)
        return desired;
    if (parallel != absent)
        return parallel;
    return kube_value_i64(kube_value_get(spec, "replicas"), 1);
}

void kube_workload_read(const struct kube_item *item, struct kube_workload *ret_workload)
{
    struct kube_workload w = {0};
    struct kube_value spec = kube_item_at(item, "spec"), status = kube_item_at(item, "status");
    w.owner = kube_item_owner(item);
    w.replicas = replicas_of(spec, status);
    int64_t ready = kube_value_i64(kube_value_get(status, "readyReplicas"), 0);
    ready = kube_value_i64(kube_value_get(status, "numberReady"), ready);
    w.ready_replicas = kube_value_i64(kube_value_get(status, "ready"), ready);
    int64_t updated = kube_value_i64(kube_value_get(status, "updatedReplicas"), 0);
    w.updated_replicas = kube_value_i64(kube_value_get(status, "updatedNumberScheduled"), updated);
    w.strategy = kube_value_str(kube_value_at(spec, "strategy.type"));
    if (w.strategy.len == 0)
        w.strategy = kube_value_str(kube_value_at(spec, "updateStrategy.type"));
    w.suspended = kube_value_bool(kube_value_get(spec, "suspend"), false);
    w.generation = kube_value_i64(kube_item_at(item, "metadata.generation"), 0);
    w.observed_generation = kube_value_i64(kube_value_get(status, "observedGeneration"), 0);
    w.deleted_wall_ns = kube_item_time_ns(item, "metadata.deletionTimestamp");
    w.selector = kube_value_get(spec, "selector");
    w.template_metadata = kube_value_at(spec, "template.metadata");
    kube_pod_spec_read(kube_value_at(spec, "template.spec"), &w.spec);
    *ret_workload = w;
}

void kube_pdb_read(const struct kube_item *item, struct kube_pdb *ret_pdb)
{
    struct kube_pdb p = {0};
    struct kube_value spec = kube_item_at(item, "spec"), status = kube_item_at(item, "status");
    p.selector = kube_value_get(spec, "selector");
    p.selects_all = kube_value_exists(p.selector) &&
                    kube_value_count(kube_value_get(p.selector, "matchLabels")) == 0 &&
                    kube_value_count(kube_value_get(p.selector, "matchExpressions")) == 0;
    (void)kube_value_scalar(kube_value_get(spec, "minAvailable"), p.min_available);
    (void)kube_value_scalar(kube_value_get(spec, "maxUnavailable"), p.max_unavailable);
    p.disruptions_allowed = kube_value_i64(kube_value_get(status, "disruptionsAllowed"), 0);
    p.expected_pods = kube_value_i64(kube_value_get(status, "expectedPods"), 0);
    p.current_healthy = kube_value_i64(kube_value_get(status, "currentHealthy"), 0);
    p.desired_healthy = kube_value_i64(kube_value_get(status, "desiredHealthy"), 0);
    p.observed = kube_value_i64(kube_value_get(status, "observedGeneration"), -1) ==
                 kube_value_i64(kube_item_at(item, "metadata.generation"), 0);
    *ret_pdb = p;
}

static bool holds(struct kube_value values, struct str wanted)
{
    KUBE_FOREACH(it, values)
    {
        if (str_eq(kube_value_str(it.value), wanted))
            return true;
    }
    return false;
}

static bool expression_matches(struct kube_value expression, struct kube_value labels)
{
    struct str op = kube_value_str(kube_value_get(expression, "operator"));
    struct kube_value values = kube_value_get(expression, "values");
    struct kube_value label =
            kube_value_get_str(labels, kube_value_str(kube_value_get(expression, "key")));
    bool exists = kube_value_exists(label);
    if (str_eq_c(op, "Exists"))
        return exists;
    if (str_eq_c(op, "DoesNotExist"))
        return !exists;
    if (str_eq_c(op, "In"))
        return exists && holds(values, kube_value_str(label));
    if (str_eq_c(op, "NotIn"))
        return !exists || !holds(values, kube_value_str(label));
    return false;
}

bool kube_selector_matches(struct kube_value selector, struct kube_value labels)
{
    KUBE_FOREACH(it, kube_value_get(selector, "matchLabels"))
    {
        struct kube_value label = kube_value_get_str(labels, it.key);
        if (!kube_value_exists(label) || !str_eq(kube_value_str(label), kube_value_str(it.value)))
            return false;
    }
    KUBE_FOREACH(it, kube_value_get(selector, "matchExpressions"))
    {
        if (!expression_matches(it.value, labels))
            return false;
    }
    return true;
}

void kube_quota_read(const struct kube_item *item, struct kube_quota *ret_quota)
{
    struct kube_quota q = {0};
    struct kube_value used = kube_item_at(item, "status.used");
    KUBE_FOREACH(it, kube_item_at(item, "spec.hard"))
    {
        struct str name = it.key;
        if (str_starts(name, STR_LIT("requests.")))
            name = (struct str){name.ptr + 9, name.len - 9};
        if (!fields_is_extended(name))
            continue;
        if (q.count == KUBE_RESOURCES_MAX) {
            q.beyond++;
            continue;
        }
        q.list[q.count].name = it.key;
        q.list[q.count].hard = fields_quantity(it.value, 0);
        q.list[q.count].used = fields_quantity(kube_value_get_str(used, it.key), 0);
        q.count++;
    }
    *ret_quota = q;
}

void kube_lease_read(const struct kube_item *item, struct kube_lease *ret_lease)
{
    struct kube_value spec = kube_item_at(item, "spec");
    *ret_lease = (struct kube_lease){
            .holder = kube_value_str(kube_value_get(spec, "holderIdentity")),
            .duration_s = kube_value_i64(kube_value_get(spec, "leaseDurationSeconds"), 0),
            .transitions = kube_value_i64(kube_value_get(spec, "leaseTransitions"), 0),
            .renew_time = kube_value_str(kube_value_get(spec, "renewTime")),
            .acquire_time = kube_value_str(kube_value_get(spec, "acquireTime")),
    };
}
