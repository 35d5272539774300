/* ctl/history.c - see history.h.  No I/O. */
#include "ctl/history.h"

#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the exporter's words.  GR_ENGINE_ACTIVE stands in for GPU_UTIL where that is not collected. */
const char *const ctl_history_metrics[] = {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED",
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_DRAM_ACTIVE",
        NULL};

enum meaning { MEANS_BUSY, MEANS_MEMORY, MEANS_ENGINE, MEANS_SM, MEANS_DRAM, MEANS_COUNT };

struct ctl_history *ctl_history_new(const struct ctl_world *w)
{
    struct ctl_history *h = mem_alloc(1, sizeof *h);
    h->w = w;
    h->a = arena_new((size_t)1 << 30);
    return h;
}

struct ctl_history *ctl_history_free(struct ctl_history *h)
{
    if (h == NULL)
        return NULL;
    mem_free(h->readings);
    mem_free(h->pods);
    map_str_clear(&h->pod_index);
    (void)arena_free(h->a);
    mem_free(h);
    return NULL;
}

/* -- whose --------------------------------------------------------------------------------------
 */

/* What a series is about, in words. */
struct subject {
    struct str host, gpu, instance, namespace, pod;
};

/* The row of a node, also when the exporter's host name is longer or shorter by a domain. */
static uint32_t node_of(const struct ctl_history *h, struct str host)
{
    uint32_t row = map_str_find(&h->w->node_index, host);
    if (row != MAP_NONE || host.len == 0)
        return row;
    struct str first, rest = host;
    if (str_split(&rest, '.', &first))
        row = map_str_find(&h->w->node_index, first);
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
            .node = node,
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

/* The node, GPU and pod that a series is about; false (and counted) when that cannot be told. */
static bool resolve(
        struct ctl_history *h, const struct subject *s, uint32_t fallback, struct ctl_reading *r)
{
    uint64_t gpu = 0;
    h->series++;
    if (s->instance.len > 0) {
        h->skipped.instance++;
        return false;
    }
    r->node = s->host.len > 0 ? node_of(h, s->host) : fallback;
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
    r->pod = s->pod.len > 0 ? past_pod_of(h, s, r->node) : UINT32_MAX;
    if (r->pod != UINT32_MAX) {
        h->pods[r->pod].gpu = (uint32_t)gpu;
        h->pods[r->pod].node = r->node;
    }
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
    if (r->pod != UINT32_MAX) {
        struct ctl_past_pod *p = &h->pods[r->pod];
        p->first_wall_ns = num_min_i64(p->first_wall_ns, r->wall_ns);
        p->last_wall_ns = num_max_i64(p->last_wall_ns, r->wall_ns);
    }
    return 0;
}

static uint16_t permille(int64_t value)
{
    return (uint16_t)num_min_i64(num_max_i64(value, 0), 1000);
}

static const unsigned char dcgm_of[MEANS_COUNT] = {
        [MEANS_BUSY] = NVIDIA_DCGM_GPU_UTIL,
        [MEANS_MEMORY] = NVIDIA_DCGM_FB_USED,
        [MEANS_ENGINE] = NVIDIA_DCGM_GR_ENGINE_ACTIVE,
        [MEANS_SM] = NVIDIA_DCGM_SM_ACTIVE,
        [MEANS_DRAM] = NVIDIA_DCGM_DRAM_ACTIVE,
};

/* Sets one value; an engine's activity gives way to a busy time that is known. */
static void set(struct ctl_reading *r, enum meaning m, int64_t value)
{
    switch (m) {
    case MEANS_ENGINE:
        if ((r->valid & CORE_VALID_BUSY) != 0)
            return;
        r->busy_permille = permille(value);
        r->valid |= CORE_VALID_BUSY;
        return;
    case MEANS_BUSY:
        r->busy_permille = permille(value);
        r->valid |= CORE_VALID_BUSY;
        return;
    case MEANS_MEMORY:
        r->memory_used_mib = (uint32_t)num_min_i64(num_max_i64(value, 0), UINT32_MAX);
        r->valid |= CORE_VALID_MEMORY;
        return;
    case MEANS_SM:
        r->sm_permille = permille(value);
        r->valid |= CORE_VALID_SM;
        return;
    case MEANS_DRAM:
        r->dram_permille = permille(value);
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
        char gpu[STR_FIXED_BYTES];
        struct subject s = {.host = row->host,
                .gpu = str_from(str_format_fixed(row->gpu, 0, gpu)),
                .instance = row->gi_profile,
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

int ctl_history_add_prom(struct ctl_history *h, const char *metric, const struct net_prom *answer,
        struct err *reterr)
{
    static const char *const hosts[] = {"Hostname", "hostname", "node", "kubernetes_node", NULL};
    static const char *const namespaces[] = {
            "exported_namespace", "namespace", "pod_namespace", NULL};
    static const char *const pods[] = {"exported_pod", "pod", "pod_name", NULL};
    static const char *const instances[] = {"GPU_I_PROFILE", NULL};
    static const char *const gpus[] = {"gpu", NULL};
    static const char *const containers[] = {"exported_container", "container", NULL};
    unsigned m = 0;
    while (ctl_history_metrics[m] != NULL && strcmp(ctl_history_metrics[m], metric) != 0)
        m++;
    assert(ctl_history_metrics[m] != NULL);
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct net_prom_series *series = &answer->series[i];
        struct subject s = {first_label(series, hosts), first_label(series, gpus),
                first_label(series, instances), first_label(series, namespaces),
                first_label(series, pods)};
        /* Without a pod of its own a series carries the exporter's, put there by the scrape. */
        if (net_prom_label_get(series, "exported_pod").len == 0 &&
                str_starts(first_label(series, containers), STR_LIT("nvidia-dcgm-exporter")))
            s.pod = (struct str){0};
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
            if (push(h, &at, reterr) < 0)
                return reterr->code;
        }
    }
    return 0;
}

/* -- joining ------------------------------------------------------------------------------------
 */

static int by_time(const void *a, const void *b)
{
    const struct ctl_reading *x = a, *y = b;
    if (x->wall_ns != y->wall_ns)
        return x->wall_ns < y->wall_ns ? -1 : 1;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->gpu != y->gpu)
        return x->gpu < y->gpu ? -1 : 1;
    if (x->pod != y->pod)
        return x->pod < y->pod ? -1 : 1;
    return (x->valid > y->valid) - (x->valid < y->valid);
}

/* Adds what `y` knows and `x` does not; of two values of one thing the greater. */
static void merge(struct ctl_reading *x, const struct ctl_reading *y)
{
    if ((y->valid & CORE_VALID_BUSY) != 0)
        x->busy_permille = (uint16_t)num_max_u32(x->busy_permille, y->busy_permille);
    if ((y->valid & CORE_VALID_SM) != 0)
        x->sm_permille = (uint16_t)num_max_u32(x->sm_permille, y->sm_permille);
    if ((y->valid & CORE_VALID_DRAM) != 0)
        x->dram_permille = (uint16_t)num_max_u32(x->dram_permille, y->dram_permille);
    if ((y->valid & CORE_VALID_MEMORY) != 0)
        x->memory_used_mib = num_max_u32(x->memory_used_mib, y->memory_used_mib);
    x->valid |= y->valid;
}

static bool same_place(const struct ctl_reading *x, const struct ctl_reading *y)
{
    return x->wall_ns == y->wall_ns && x->node == y->node && x->gpu == y->gpu;
}

void ctl_history_finish(struct ctl_history *h)
{
    if (h->count > 1)
        qsort(h->readings, h->count, sizeof *h->readings, by_time);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        struct ctl_reading *last = kept > 0 ? &h->readings[kept - 1] : NULL;
        const struct ctl_reading *r = &h->readings[i];
        if (last != NULL && same_place(last, r) && last->pod == r->pod) {
            merge(last, r);
        } else {
            h->readings[kept++] = *r;
        }
    }
    h->count = kept;
}

bool ctl_history_next(
        const struct ctl_history *h, uint32_t *cursor, struct ctl_gpu_reading *ret_reading)
{
    if (*cursor >= h->count)
        return false;
    const struct ctl_reading *first = &h->readings[*cursor];
    *ret_reading = (struct ctl_gpu_reading){.all = *first};
    ret_reading->all.pod = UINT32_MAX;
    for (; *cursor < h->count && same_place(first, &h->readings[*cursor]); (*cursor)++) {
        const struct ctl_reading *r = &h->readings[*cursor];
        merge(&ret_reading->all, r);
        if (r->pod != UINT32_MAX && ret_reading->occupant_count < CTL_OCCUPANTS_MAX)
            ret_reading->occupants[ret_reading->occupant_count++] = r->pod;
    }
    return true;
}
