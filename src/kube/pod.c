/* kube/pod.c - readers of resource lists, pod specs and pods.  Pure. */
#include "kube/fields-priv.h"

#include "base/quantity.h"

#include <string.h>

/* ------------------------------------------------------------------------------------- resources
 */

int64_t fields_quantity(struct kube_value v, int exponent)
{
    char text[KUBE_SCALAR_MAX];
    struct str written = kube_value_str(v);
    if (written.len == 0)
        written = kube_value_scalar(v, text); /* a bare number */
    struct quantity q;
    int64_t value = 0;
    if (written.len == 0 || quantity_parse(written, &q, NULL) < 0 ||
            !quantity_scaled(&q, exponent, &value))
        return 0;
    return value;
}

bool fields_is_extended(struct str name)
{
    const char *slash = name.len == 0 ? NULL : memchr(name.ptr, '/', name.len);
    if (slash == NULL)
        return false;
    struct str domain = {name.ptr, (size_t)(slash - name.ptr)};
    return !str_eq_c(domain, "kubernetes.io") && !str_ends(domain, STR_LIT(".kubernetes.io"));
}

int64_t kube_resources_get(const struct kube_resources *r, struct str name)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (str_eq(r->list[i].name, name))
            return r->list[i].count;
    }
    return 0;
}

static int64_t *extended_of(struct kube_resources *r, struct str name)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (str_eq(r->list[i].name, name))
            return &r->list[i].count;
    }
    if (r->count == KUBE_RESOURCES_MAX) {
        r->beyond++;
        return NULL;
    }
    r->list[r->count] = (struct kube_resource){.name = name};
    return &r->list[r->count++].count;
}

void fields_resources_read(struct kube_value list, struct kube_resources *ret)
{
    *ret = (struct kube_resources){0};
    KUBE_FOREACH(it, list)
    {
        if (str_eq_c(it.key, "cpu")) {
            ret->cpu_milli = fields_quantity(it.value, -3);
        } else if (str_eq_c(it.key, "memory")) {
            ret->memory_bytes = fields_quantity(it.value, 0);
        } else if (str_eq_c(it.key, "pods")) {
            ret->pods = fields_quantity(it.value, 0);
        } else if (fields_is_extended(it.key)) {
            int64_t *count = extended_of(ret, it.key);
            if (count != NULL)
                *count = fields_quantity(it.value, 0);
        }
    }
}

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void combine(struct kube_resources *into, const struct kube_resources *other,
        int64_t (*how)(int64_t, int64_t))
{
    into->cpu_milli = how(into->cpu_milli, other->cpu_milli);
    into->memory_bytes = how(into->memory_bytes, other->memory_bytes);
    into->beyond += other->beyond;
    for (uint32_t i = 0; i < other->count; i++) {
        int64_t *count = extended_of(into, other->list[i].name);
        if (count != NULL)
            *count = how(*count, other->list[i].count);
    }
}

/* A container's requests; what it only limits, it requests. */
static void container_requests(struct kube_value container, struct kube_resources *ret)
{
    struct kube_value requests = kube_value_at(container, "resources.requests");
    struct kube_resources limits;
    fields_resources_read(kube_value_at(container, "resources.limits"), &limits);
    fields_resources_read(requests, ret);
    if (!kube_value_exists(kube_value_get(requests, "cpu")))
        ret->cpu_milli = limits.cpu_milli;
    if (!kube_value_exists(kube_value_get(requests, "memory")))
        ret->memory_bytes = limits.memory_bytes;
    for (uint32_t i = 0; i < limits.count; i++) {
        int64_t *count = extended_of(ret, limits.list[i].name);
        if (count != NULL && *count == 0)
            *count = limits.list[i].count;
    }
}

static bool asks_nvidia(const struct kube_resources *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (str_starts(r->list[i].name, STR_LIT("nvidia.com/")) && r->list[i].count > 0)
            return true;
    }
    return false;
}

/* As the scheduler counts (component-helpers' PodRequests): containers and sidecars together, but
 * no less than any init step with the sidecars started before it; then the overhead. */
static void pod_requests(struct kube_value spec, struct kube_pod_spec *ret)
{
    struct kube_resources sum = {0}, sidecars = {0}, init = {0}, one;
    KUBE_FOREACH(it, kube_value_get(spec, "containers"))
    {
        container_requests(it.value, &one);
        if (asks_nvidia(&one) && ret->gpu_containers++ == 0)
            ret->gpu_container = kube_value_str(kube_value_get(it.value, "name"));
        combine(&sum, &one, add);
    }
    KUBE_FOREACH(it, kube_value_get(spec, "initContainers"))
    {
        container_requests(it.value, &one);
        if (str_eq_c(kube_value_str(kube_value_get(it.value, "restartPolicy")), "Always")) {
            ret->gpu_containers += asks_nvidia(&one);
            combine(&sidecars, &one, add);
            one = (struct kube_resources){0};
        }
        combine(&one, &sidecars, add);
        combine(&init, &one, larger);
    }
    combine(&sum, &sidecars, add);
    combine(&sum, &init, larger);
    struct kube_value whole = kube_value_at(spec, "resources.requests");
    fields_resources_read(whole, &one);
    if (kube_value_exists(kube_value_get(whole, "cpu")))
        sum.cpu_milli = one.cpu_milli;
    if (kube_value_exists(kube_value_get(whole, "memory")))
        sum.memory_bytes = one.memory_bytes;
    fields_resources_read(kube_value_get(spec, "overhead"), &one);
    combine(&sum, &one, add);
    ret->requests = sum;
}

/* ------------------------------------------------------------------------------------------- spec
 */

static void read_selector(struct kube_value map, struct kube_pod_spec *ret)
{
    KUBE_FOREACH(it, map)
    {
        if (ret->selector_count == KUBE_SELECTOR_MAX) {
            ret->selector_beyond++;
        } else {
            ret->selector[ret->selector_count++] =
                    (struct kube_pair){it.key, kube_value_str(it.value)};
        }
    }
}

static void read_tolerations(struct kube_value list, struct kube_pod_spec *ret)
{
    KUBE_FOREACH(it, list)
    {
        if (ret->toleration_count == KUBE_TOLERATIONS_MAX) {
            ret->tolerations_beyond++;
            continue;
        }
        ret->tolerations[ret->toleration_count++] = (struct kube_toleration){
                .key = kube_value_str(kube_value_get(it.value, "key")),
                .op = kube_value_str(kube_value_get(it.value, "operator")),
                .value = kube_value_str(kube_value_get(it.value, "value")),
                .effect = kube_value_str(kube_value_get(it.value, "effect")),
                .seconds = kube_value_i64(kube_value_get(it.value, "tolerationSeconds"), -1),
        };
    }
}

static void read_containers(struct kube_value list, struct kube_pod_spec *ret)
{
    KUBE_FOREACH(it, list)
    {
        if (ret->container_count == KUBE_CONTAINERS_MAX) {
            ret->containers_beyond++;
            continue;
        }
        ret->containers[ret->container_count++] = (struct kube_container){
                .name = kube_value_str(kube_value_get(it.value, "name")),
                .image = kube_value_str(kube_value_get(it.value, "image")),
                .command = kube_value_get(it.value, "command"),
                .args = kube_value_get(it.value, "args"),
                .env = kube_value_get(it.value, "env"),
        };
    }
}

static void read_claims(struct kube_value list, struct kube_pod_spec *ret)
{
    KUBE_FOREACH(it, list)
    {
        if (ret->claim_count == KUBE_CLAIMS_MAX) {
            ret->claims_beyond++;
            continue;
        }
        uint32_t at = ret->claim_count++;
        ret->claims[at].name = kube_value_str(kube_value_get(it.value, "name"));
        ret->claims[at].claim = kube_value_str(kube_value_get(it.value, "resourceClaimName"));
        ret->claims[at].template =
                kube_value_str(kube_value_get(it.value, "resourceClaimTemplateName"));
    }
}

static bool has_local_storage(struct kube_value volumes)
{
    KUBE_FOREACH(it, volumes)
    {
        struct kube_value dir = kube_value_get(it.value, "emptyDir");
        struct str medium = kube_value_str(kube_value_get(dir, "medium"));
        if (kube_value_exists(kube_value_get(it.value, "hostPath")) ||
                (kube_value_exists(dir) && !str_eq_c(medium, "Memory")))
            return true;
    }
    return false;
}

void kube_pod_spec_read(struct kube_value spec, struct kube_pod_spec *ret_spec)
{
    struct kube_pod_spec *s = ret_spec;
    *s = (struct kube_pod_spec){
            .node = kube_value_str(kube_value_get(spec, "nodeName")),
            .scheduler = kube_value_str(kube_value_get(spec, "schedulerName")),
            .priority_class = kube_value_str(kube_value_get(spec, "priorityClassName")),
            .runtime_class = kube_value_str(kube_value_get(spec, "runtimeClassName")),
            .scheduling_gates = kube_value_count(kube_value_get(spec, "schedulingGates")),
    };
    s->affinity_required = kube_value_exists(kube_value_at(
            spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"));
    pod_requests(spec, s);
    read_selector(kube_value_get(spec, "nodeSelector"), s);
    read_tolerations(kube_value_get(spec, "tolerations"), s);
    read_containers(kube_value_get(spec, "containers"), s);
    read_claims(kube_value_get(spec, "resourceClaims"), s);
    s->local_storage = has_local_storage(kube_value_get(spec, "volumes"));
}

/* -------------------------------------------------------------------------------------------- pod
 */

static enum kube_pod_phase phase_of(struct str text)
{
    static const char *const names[] = {
            [KUBE_POD_PENDING] = "Pending",
            [KUBE_POD_RUNNING] = "Running",
            [KUBE_POD_SUCCEEDED] = "Succeeded",
            [KUBE_POD_FAILED] = "Failed",
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq_c(text, names[i]))
            return (enum kube_pod_phase)i;
    }
    return text.len == 0 ? KUBE_POD_PENDING : KUBE_POD_UNKNOWN;
}

static void read_container_statuses(struct kube_value list, struct kube_pod *pod)
{
    KUBE_FOREACH(it, list)
    {
        int64_t restarts = kube_value_i64(kube_value_get(it.value, "restartCount"), 0);
        if (restarts > 0)
            pod->restarts += restarts < 1 << 20 ? (uint32_t)restarts : 1u << 20;
        struct str now = kube_value_str(kube_value_at(it.value, "state.terminated.reason"));
        struct str before = kube_value_str(kube_value_at(it.value, "lastState.terminated.reason"));
        pod->oom_killed |= str_eq_c(now, "OOMKilled") || str_eq_c(before, "OOMKilled");
    }
}

void kube_pod_read(const struct kube_item *item, struct kube_pod *ret_pod)
{
    struct kube_pod *p = ret_pod;
    struct kube_value status = kube_item_at(item, "status");
    *p = (struct kube_pod){
            .owner = kube_item_owner(item),
            .phase = phase_of(kube_value_str(kube_value_get(status, "phase"))),
            .ip = kube_value_str(kube_value_get(status, "podIP")),
            .created_wall_ns = kube_item_time_ns(item, "metadata.creationTimestamp"),
            .started_wall_ns = kube_item_time_ns(item, "status.startTime"),
            .deleted_wall_ns = kube_item_time_ns(item, "metadata.deletionTimestamp"),
            .claim_statuses = kube_value_get(status, "resourceClaimStatuses"),
    };
    kube_pod_spec_read(kube_item_at(item, "spec"), &p->spec);
    struct str reason;
    p->ready = str_eq_c(fields_condition(status, "Ready", &reason), "True");
    p->unschedulable = str_eq_c(fields_condition(status, "PodScheduled", &reason), "False") &&
                       str_eq_c(reason, "Unschedulable");
    read_container_statuses(kube_value_get(status, "containerStatuses"), p);
    read_container_statuses(kube_value_get(status, "initContainerStatuses"), p);
}
