/* ctl/history.c - series taken in: whose they are and what they say; see history.h.  No I/O. */
#include "ctl/history.h"

#include "base/num.h"
#include "mig/catalog.h"
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* In the exporter's words.  GPU_UTIL and GR_ENGINE_ACTIVE say the same, how much of the time some
 * kernel ran, and either may fall short: the first looks at a moment of each period, the second
 * reads 0 while another profiler holds the counters.  Where both are there the greater counts. */
const char *const ctl_history_metrics[] = {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED",
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_DRAM_ACTIVE",
        NULL};

const char *const ctl_history_labels[] = {"gpu", "GPU_I_PROFILE", "GPU_I_ID", "exported_pod",
        "exported_namespace", "pod", "namespace", "pod_name", "pod_namespace", "container",
        "Hostname", "hostname", "node", "kubernetes_node", "instance", NULL};

enum meaning { MEANS_BUSY, MEANS_MEMORY, MEANS_ENGINE, MEANS_SM, MEANS_DRAM, MEANS_COUNT };

struct ctl_history *ctl_history_new(const struct ctl_world *w)
{
    struct ctl_history *h = mem_alloc(1, sizeof *h);
    h->w = w;
    h->a = arena_new((size_t)1 << 30);
    for (uint32_t i = 0; i < w->snapshot->exporter_count; i++) {
        const struct ctl_exporter *x = &w->snapshot->exporters[i];
        uint32_t node = map_str_find(&w->node_index, x->node);
        const char *key = arena_printf(h->a, "%.*s/%.*s", STR_ARG(x->namespace), STR_ARG(x->name));
        if (node == MAP_NONE)
            continue;
        (void)map_str_set(&h->exporter_index, str_from(key), node);
        if (x->ip.len > 0)
            (void)map_str_set(&h->exporter_index, x->ip, node);
    }
    return h;
}

struct ctl_history *ctl_history_free(struct ctl_history *h)
{
    if (h == NULL)
        return NULL;
    mem_free(h->readings);
    mem_free(h->pods);
    map_str_clear(&h->pod_index);
    map_str_clear(&h->exporter_index);
    (void)arena_free(h->a);
    mem_free(h);
    return NULL;
}

/* -- whose --------------------------------------------------------------------------------------
 */

enum { HOSTS_MAX = 6, KEY_BYTES_MAX = 512, MEMORY_MIB_MAX = 1 << 24 };

/* What a series is about, in words. */
struct subject {
    struct str hosts[HOSTS_MAX]; /* what may name the node, the surest first; "" = not there */
    struct str gpu, profile, instance, namespace, pod;
};

/* The row of a node, also when the exporter's host name is longer or shorter by a domain, and by
 * the exporter's own pod or address. */
static uint32_t node_by(const struct ctl_history *h, struct str host)
{
    uint32_t row = map_str_find(&h->w->node_index, host);
    if (row != MAP_NONE || host.len == 0)
        return row;
    struct str first, rest = host;
    if (str_split(&rest, '.', &first))
        row = map_str_find(&h->w->node_index, first);
    return row != MAP_NONE ? row : map_str_find(&h->exporter_index, host);
}

static uint32_t node_of(const struct ctl_history *h, const struct subject *s)
{
    uint32_t row = MAP_NONE;
    for (unsigned i = 0; i < HOSTS_MAX && row == MAP_NONE; i++)
        row = s->hosts[i].len > 0 ? node_by(h, s->hosts[i]) : MAP_NONE;
    return row;
}

static uint32_t past_pod_of(struct ctl_history *h, const struct subject *s, uint32_t node)
{
    const char *key = arena_printf(h->a, "%.*s/%.*s", STR_ARG(s->namespace), STR_ARG(s->pod));
    uint32_t i = map_str_find(&h->pod_index, str_from(key));
    if (i != MAP_NONE)
        return i;
    if (h->pod_count >= CTL_PAST_PODS_MAX)
        return UINT32_MAX;
    if (h->pod_count == h->pod_cap) {
        h->pod_cap = h->pod_cap == 0 ? 256 : h->pod_cap * 2;
        h->pods = mem_grow(h->pods, h->pod_cap, sizeof *h->pods);
    }
    struct ctl_past_pod *p = &h->pods[h->pod_count];
    *p = (struct ctl_past_pod){.namespace = arena_str(h->a, s->namespace),
            .name = arena_str(h->a, s->pod),
            .pod = map_str_find(&h->w->pod_index, str_from(key)),
            .node = node, /* and where it was last, once that is known */
            .first_wall_ns = INT64_MAX,
            .last_wall_ns = INT64_MIN};
    if (p->pod != MAP_NONE) {
        p->uid = h->w->pods[p->pod].pod.uid;
        p->owner = h->w->pods[p->pod].pod.owner;
    } else {
        p->uid = ctl_uid(str_from(key));
        p->owner = ctl_world_owner_by_name(h->w, p->namespace, p->name);
        h->skipped.no_owner += p->owner == 0;
    }
    (void)map_str_set(&h->pod_index, str_from(key), h->pod_count);
    return h->pod_count++;
}

/* "1g.10gb+me" in three: all before the size, the size, all behind it; false when it is not so. */
static bool split_profile(
        struct str name, struct str *ret_head, uint64_t *ret_size, struct str *ret_tail)
{
    struct str head;
    if (!str_split(&name, '.', &head))
        return false;
    size_t digits = 0;
    while (digits < name.len && name.ptr[digits] >= '0' && name.ptr[digits] <= '9')
        digits++;
    *ret_head = head;
    *ret_tail = (struct str){name.ptr + digits, name.len - digits};
    return str_to_u64((struct str){name.ptr, digits}, 1, 1000000, ret_size) == 0;
}

/* The profile that the exporter names; its name may differ in the size by rounding (1g.11gb for
 * 1g.12gb): then the only one as near as an eighth is meant.  UINT8_MAX: not known. */
static uint8_t profile_of(const struct mig_model *model, struct str name)
{
    unsigned profile = 0;
    struct err e;
    uint64_t size = 0, other_size = 0;
    struct str head, tail, other_head, other_tail;
    uint8_t found = UINT8_MAX;
    if (mig_profile_find(model, name, &profile, &e) == 0)
        return (uint8_t)profile;
    if (!split_profile(name, &head, &size, &tail))
        return UINT8_MAX;
    for (uint8_t i = 0; i < model->profile_count; i++) {
        struct str other = str_from(model->profiles[i].name);
        if (!split_profile(other, &other_head, &other_size, &other_tail) ||
                !str_eq(head, other_head) || !str_eq(tail, other_tail))
            continue;
        uint64_t apart = size > other_size ? size - other_size : other_size - size;
        if (apart * 8 > other_size)
            continue;
        if (found != UINT8_MAX)
            return UINT8_MAX;
        found = i;
    }
    return found;
}

/* The instance on the reading's GPU; false when it cannot be told from others. */
static bool resolve_instance(
        const struct ctl_history *h, const struct subject *s, struct ctl_reading *r)
{
    const struct model_gpu *gpu = model_gpu_get(h->w->nodes[r->node].node.gpu);
    const struct mig_model *model = gpu->mig_key != NULL ? mig_model_find(gpu->mig_key) : NULL;
    uint64_t id = 0;
    if (model == NULL || model->profile_count == 0 ||
            str_to_u64(s->instance, 0, UINT8_MAX - 1, &id) < 0)
        return false;
    r->instance = (uint8_t)id;
    r->profile = profile_of(model, s->profile);
    return r->profile != UINT8_MAX;
}

/* The node, GPU, instance and pod that a series is about; false (and counted) when that cannot be
 * told. */
static bool resolve(
        struct ctl_history *h, const struct subject *s, uint32_t fallback, struct ctl_reading *r)
{
    uint64_t gpu = 0;
    h->series++;
    r->start = r->profile = r->instance = UINT8_MAX;
    r->node = node_of(h, s);
    if (r->node == MAP_NONE)
        r->node = fallback;
    if (r->node == MAP_NONE) {
        h->skipped.no_node++;
        return false;
    }
    if (str_to_u64(s->gpu, 0, CORE_GPUS_MAX - 1, &gpu) < 0 ||
            gpu >= h->w->nodes[r->node].node.gpu_count) {
        h->skipped.no_gpu++;
        return false;
    }
    r->gpu = (uint8_t)gpu;
    if ((s->profile.len > 0 || s->instance.len > 0) && !resolve_instance(h, s, r)) {
        h->skipped.instance++;
        return false;
    }
    r->pod = s->pod.len > 0 ? past_pod_of(h, s, r->node) : UINT32_MAX;
    return true;
}

/* -- what ---------------------------------------------------------------------------------------
 */

static int push(struct ctl_history *h, const struct ctl_reading *r, struct err *reterr)
{
    if (h->count >= CTL_READINGS_MAX) {
        return err_set(reterr, -E2BIG, "more than %d readings: ask for less time or a longer step",
                CTL_READINGS_MAX);
    }
    if (h->count == h->cap) {
        h->cap = h->cap == 0 ? 4096 : h->cap * 2;
        h->readings = mem_grow(h->readings, h->cap, sizeof *h->readings);
    }
    h->readings[h->count++] = *r;
    return 0;
}

static const unsigned char dcgm_of[MEANS_COUNT] = {
        [MEANS_BUSY] = NVIDIA_DCGM_GPU_UTIL,
        [MEANS_MEMORY] = NVIDIA_DCGM_FB_USED,
        [MEANS_ENGINE] = NVIDIA_DCGM_GR_ENGINE_ACTIVE,
        [MEANS_SM] = NVIDIA_DCGM_SM_ACTIVE,
        [MEANS_DRAM] = NVIDIA_DCGM_DRAM_ACTIVE,
};

/* Sets one value; of two that mean the same the greater.  One that cannot be (DCGM's marks for what
 * it does not know are huge numbers) is not known. */
static void set(struct ctl_reading *r, enum meaning m, int64_t value)
{
    if (value < 0 || value > (m == MEANS_MEMORY ? MEMORY_MIB_MAX : 1000))
        return;
    switch (m) {
    case MEANS_BUSY:
    case MEANS_ENGINE:
        r->busy_permille = num_max_u32(r->busy_permille, (uint32_t)value) & UINT16_MAX;
        r->valid |= CORE_VALID_BUSY;
        return;
    case MEANS_MEMORY:
        r->memory_used_mib = (uint32_t)value;
        r->valid |= CORE_VALID_MEMORY;
        return;
    case MEANS_SM:
        r->sm_permille = (uint16_t)value;
        r->valid |= CORE_VALID_SM;
        return;
    case MEANS_DRAM:
        r->dram_permille = (uint16_t)value;
        r->valid |= CORE_VALID_DRAM;
        return;
    case MEANS_COUNT:
        break;
    }
    assert(false);
}

int ctl_history_add_scrape(struct ctl_history *h, const struct nvidia_dcgm *scrape, uint32_t node,
        int64_t wall_ns, struct err *reterr)
{
    for (uint32_t i = 0; i < scrape->count; i++) {
        const struct nvidia_dcgm_row *row = &scrape->rows[i];
        char gpu[STR_FIXED_BYTES], instance[STR_FIXED_BYTES];
        bool is_instance = row->gi_id != NVIDIA_DCGM_NO_INSTANCE;
        struct subject s = {.hosts = {row->host},
                .gpu = str_from(str_format_fixed(row->gpu, 0, gpu)),
                .profile = row->gi_profile,
                .instance = str_from(is_instance ? str_format_fixed(row->gi_id, 0, instance) : ""),
                .namespace = row->pod_namespace,
                .pod = row->pod};
        struct ctl_reading r = {.wall_ns = wall_ns};
        if (!resolve(h, &s, node, &r))
            continue;
        for (unsigned m = 0; m < MEANS_COUNT; m++) {
            if ((row->valid >> dcgm_of[m] & 1) != 0)
                set(&r, (enum meaning)m, row->value[dcgm_of[m]]);
        }
        if (r.valid != 0 && push(h, &r, reterr) < 0)
            return reterr->code;
    }
    return 0;
}

static struct str first_label(const struct net_prom_series *s, const char *const *names)
{
    struct str value = {0};
    for (unsigned i = 0; names[i] != NULL && value.len == 0; i++)
        value = net_prom_label_get(s, names[i]);
    return value;
}

/* Thousandths as Prometheus' values come, to the reading's own unit. */
static int64_t from_milli(enum meaning m, int64_t value_milli)
{
    switch (m) {
    case MEANS_BUSY:
        return value_milli / 100; /* percent to permille */
    case MEANS_MEMORY:
        return value_milli / 1000; /* MiB */
    case MEANS_ENGINE:
    case MEANS_SM:
    case MEANS_DRAM:
    case MEANS_COUNT:
        break;
    }
    return value_milli; /* a ratio */
}

/* Whatever its release is called, the exporter's pods and containers carry its name. */
static bool names_exporter(struct str name)
{
    for (; name.len > 0; name.ptr++, name.len--) {
        if (str_starts(name, STR_LIT("dcgm-exporter")))
            return true;
    }
    return false;
}

/* A target's own labels are there too: `pod` and `instance` may be the exporter's. */
static struct subject subject_of(const struct ctl_history *h, const struct net_prom_series *series)
{
    static const char *const pods[] = {"exported_pod", "pod", "pod_name", NULL};
    static const char *const namespaces[] = {
            "exported_namespace", "namespace", "pod_namespace", NULL};
    struct str pod = net_prom_label_get(series, "pod");
    struct str namespace = net_prom_label_get(series, "namespace");
    struct str address, rest = net_prom_label_get(series, "instance");
    char key[KEY_BYTES_MAX];
    struct subject s = {.gpu = net_prom_label_get(series, "gpu"),
            .profile = net_prom_label_get(series, "GPU_I_PROFILE"),
            .instance = net_prom_label_get(series, "GPU_I_ID"),
            .namespace = first_label(series, namespaces),
            .pod = first_label(series, pods)};
    (void)snprintf(key, sizeof key, "%.*s/%.*s", STR_ARG(namespace), STR_ARG(pod));
    if (!str_split(&rest, ':', &address))
        address = rest;
    s.hosts[0] = net_prom_label_get(series, "Hostname");
    s.hosts[1] = net_prom_label_get(series, "hostname");
    s.hosts[2] = net_prom_label_get(series, "node");
    s.hosts[3] = net_prom_label_get(series, "kubernetes_node");
    uint32_t node = map_str_find(&h->exporter_index, str_from(key));
    s.hosts[4] = node != MAP_NONE ? h->w->nodes[node].node.name : (struct str){0};
    s.hosts[5] = address;
    /* A series of a GPU that nobody is on has no pod but the exporter's, put there by the scrape.
     */
    bool own = net_prom_label_get(series, "exported_pod").len > 0;
    if (!own && (node != MAP_NONE || names_exporter(pod) ||
                        names_exporter(net_prom_label_get(series, "container"))))
        s.pod = (struct str){0};
    return s;
}

int ctl_history_add_prom(struct ctl_history *h, const char *metric, const struct net_prom *answer,
        struct err *reterr)
{
    unsigned m = 0;
    while (ctl_history_metrics[m] != NULL && strcmp(ctl_history_metrics[m], metric) != 0)
        m++;
    assert(ctl_history_metrics[m] != NULL);
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct net_prom_series *series = &answer->series[i];
        struct subject s = subject_of(h, series);
        struct ctl_reading r = {0};
        if (!resolve(h, &s, UINT32_MAX, &r))
            continue;
        for (uint32_t j = 0; j < series->sample_count; j++) {
            const struct net_prom_sample *sample = &series->samples[j];
            if (!sample->valid)
                continue;
            struct ctl_reading at = r;
            at.wall_ns = sample->wall_ns;
            set(&at, (enum meaning)m, from_milli((enum meaning)m, sample->value_milli));
            if (at.valid != 0 && push(h, &at, reterr) < 0)
                return reterr->code;
        }
    }
    return 0;
}
