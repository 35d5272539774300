/* dra/extended.c - the claim behind extended resources.  Pure. */
#include "dra/extended.h"

#define CLASS_PREFIX "deviceclass.resource.kubernetes.io/"

/* Whether `a` goes before `b` among classes of one resource name. */
static bool class_before(
        const struct dra_names *n, const struct dra_class *a, const struct dra_class *b)
{
    if (a->created != b->created)
        return a->created > b->created;
    return str_cmp(dra_name(n, a->name), dra_name(n, b->name)) < 0;
}

const struct dra_class *dra_extended_class(const struct dra_store *s, uint32_t resource)
{
    struct str text = dra_name(&s->names, resource);
    struct str prefix = STR_LIT(CLASS_PREFIX);
    const struct dra_class *best = NULL;
    for (uint32_t i = 0; i < s->classes.count; i++) {
        const struct dra_class *class = dra_class_at(s, i);
        struct str name = dra_name(&s->names, class->name);
        bool implicit = str_starts(text, prefix) && text.len == prefix.len + name.len &&
                        str_ends(text, name);
        bool named = resource != 0 && class->extended_resource == resource;
        if ((implicit || named) && (!best || class_before(&s->names, class, best)))
            best = class;
    }
    return best;
}

/* What a pod asks of one resource, container by container. */
struct extended {
    struct dra_store *s;
    const struct dra_pod *pod;
    uint32_t resource;
    const struct dra_class *class;
    struct dra_request *requests;
    uint32_t request_count;
};

static int64_t amount(const struct extended *x, uint32_t container)
{
    const struct dra_container *c = &x->pod->containers[container];
    for (uint32_t i = 0; i < c->resource_count; i++) {
        if (c->resources[i].name == x->resource)
            return c->resources[i].count;
    }
    return 0;
}

/* The resource's place among all names of the container, sorted. */
static uint32_t resource_index(const struct extended *x, uint32_t container)
{
    const struct dra_container *c = &x->pod->containers[container];
    struct str name = dra_name(&x->s->names, x->resource);
    uint32_t before = 0;
    for (uint32_t i = 0; i < c->resource_count; i++)
        before += str_cmp(dra_name(&x->s->names, c->resources[i].name), name) < 0;
    return before;
}

static void request_add(struct extended *x, uint32_t container, int64_t count)
{
    struct arena *a = x->s->arena;
    struct dra_ask *ask = ARENA_NEW(a, struct dra_ask);
    const char *name =
            arena_printf(a, "container-%u-request-%u", container, resource_index(x, container));
    ask->name = dra_names_add(&x->s->names, str_from(name));
    ask->class_name = x->class->name;
    ask->mode = DRA_MODE_EXACT;
    ask->mode_text = dra_names_add(&x->s->names, STR_LIT("ExactCount"));
    ask->count = count;
    x->requests[x->request_count++] =
            (struct dra_request){.name = ask->name, .ask_count = 1, .asks = ask};
}

/* Init containers run before the others and may use what those will have: only the largest amount
 * beyond that is asked on top. */
static void resource_requests(struct extended *x)
{
    uint32_t largest = 0;
    int64_t most = 0;
    for (uint32_t i = 0; i < x->pod->container_count; i++) {
        const struct dra_container *c = &x->pod->containers[i];
        if (!c->init || c->sidecar)
            continue;
        int64_t extra = amount(x, i);
        for (uint32_t k = i; k < x->pod->container_count; k++) {
            if (!x->pod->containers[k].init || x->pod->containers[k].sidecar)
                extra -= amount(x, k);
        }
        if (extra > most) {
            most = extra;
            largest = i;
        }
    }
    if (most > 0)
        request_add(x, largest, most);
    for (uint32_t i = 0; i < x->pod->container_count; i++) {
        if ((!x->pod->containers[i].init || x->pod->containers[i].sidecar) && amount(x, i) > 0)
            request_add(x, i, amount(x, i));
    }
}

static bool resource_seen(const struct dra_pod *pod, uint32_t container, uint32_t resource)
{
    for (uint32_t i = 0; i < container; i++) {
        for (uint32_t k = 0; k < pod->containers[i].resource_count; k++) {
            if (pod->containers[i].resources[k].name == resource)
                return true;
        }
    }
    return false;
}

static void requests_sort(const struct dra_names *n, struct dra_request *requests, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct dra_request request = requests[i];
        uint32_t to = i;
        for (; to > 0 && str_cmp(dra_name(n, requests[to - 1].name), dra_name(n, request.name)) > 0;
                to--)
            requests[to] = requests[to - 1];
        requests[to] = request;
    }
}

const struct dra_claim *dra_extended_claim(struct dra_store *s, const struct dra_pod *pod)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < pod->container_count; i++)
        most += 2 * pod->containers[i].resource_count;
    struct extended x = {
            .s = s, .pod = pod, .requests = ARENA_ARRAY(s->arena, struct dra_request, most)};
    for (uint32_t i = 0; i < pod->container_count; i++) {
        for (uint32_t k = 0; k < pod->containers[i].resource_count; k++) {
            x.resource = pod->containers[i].resources[k].name;
            x.class = resource_seen(pod, i, x.resource) ? NULL : dra_extended_class(s, x.resource);
            if (x.class)
                resource_requests(&x);
        }
    }
    if (x.request_count == 0)
        return NULL;
    requests_sort(&s->names, x.requests, x.request_count);
    struct dra_claim *claim = ARENA_NEW(s->arena, struct dra_claim);
    claim->namespace_name = pod->namespace_name;
    claim->name = dra_names_add(&s->names, STR_LIT("<extended-resources>"));
    claim->requests = x.requests;
    claim->request_count = x.request_count;
    return claim;
}
