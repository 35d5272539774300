/* ctl/history_join.c - series joined to readings, once all are there; see history.h.  No I/O. */
#include "base/num.h"
#include "ctl/history.h"
#include "mig/place.h"
#include "model/gpu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* -- pods ---------------------------------------------------------------------------------------
 */

struct named {
    const struct ctl_past_pod *pod;
    uint32_t index;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = str_cmp(x->pod->namespace, y->pod->namespace);
    return order != 0 ? order : str_cmp(x->pod->name, y->pod->name);
}

/* Numbers pods by name: answers come in any order. */
static void number_pods(struct ctl_history *h)
{
    if (h->pod_count < 2)
        return;
    struct named *named = mem_alloc(h->pod_count, sizeof *named);
    struct ctl_past_pod *pods = mem_alloc(h->pod_count, sizeof *pods);
    uint32_t *now = mem_alloc(h->pod_count, sizeof *now);
    for (uint32_t i = 0; i < h->pod_count; i++)
        named[i] = (struct named){&h->pods[i], i};
    qsort(named, h->pod_count, sizeof *named, by_name);
    for (uint32_t i = 0; i < h->pod_count; i++) {
        pods[i] = *named[i].pod;
        now[named[i].index] = i;
    }
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->readings[i].pod != UINT32_MAX)
            h->readings[i].pod = now[h->readings[i].pod];
    }
    MAP_FOREACH (i, &h->pod_index)
        h->pod_index.values[i] = now[h->pod_index.values[i]];
    memcpy(h->pods, pods, h->pod_count * sizeof *pods);
    mem_free(named);
    mem_free(pods);
    mem_free(now);
}

/* When each was seen, and where last.  The readings are in order of time. */
static void see_pods(struct ctl_history *h)
{
    for (uint32_t i = 0; i < h->count; i++) {
        const struct ctl_reading *r = &h->readings[i];
        if (r->pod == UINT32_MAX)
            continue;
        struct ctl_past_pod *p = &h->pods[r->pod];
        p->first_wall_ns = num_min_i64(p->first_wall_ns, r->wall_ns);
        p->last_wall_ns = r->wall_ns;
        p->node = r->node;
        p->gpu = r->gpu;
        p->start = r->start;
    }
}

/* -- readings -----------------------------------------------------------------------------------
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
    if (x->profile != y->profile)
        return x->profile < y->profile ? -1 : 1;
    if (x->instance != y->instance)
        return x->instance < y->instance ? -1 : 1;
    return (x->pod > y->pod) - (x->pod < y->pod);
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

static bool same_gpu(const struct ctl_reading *x, const struct ctl_reading *y)
{
    return x->wall_ns == y->wall_ns && x->node == y->node && x->gpu == y->gpu;
}

static bool same_device(const struct ctl_reading *x, const struct ctl_reading *y)
{
    return same_gpu(x, y) && x->profile == y->profile && x->instance == y->instance;
}

static void merge_series(struct ctl_history *h)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        struct ctl_reading *last = kept > 0 ? &h->readings[kept - 1] : NULL;
        const struct ctl_reading *r = &h->readings[i];
        if (last != NULL && same_device(last, r) && last->pod == r->pod) {
            merge(last, r);
        } else {
            h->readings[kept++] = *r;
        }
    }
    h->count = kept;
}

/* -- instances ----------------------------------------------------------------------------------
 */

/* The instances seen together on a GPU, by profile, then id; and the starts they were given. */
struct together {
    uint16_t gpu; /* model */
    uint8_t count;
    uint8_t profiles[MIG_INSTANCES_MAX], ids[MIG_INSTANCES_MAX];
};
struct starts {
    bool fits;
    uint8_t of[MIG_INSTANCES_MAX];
};

/* The sets that were placed already: there are few. */
struct placed {
    struct map_str index; /* struct together, by its bytes */
    struct starts *list;
    uint32_t count, cap;
};

static struct starts place(const struct together *t)
{
    const struct mig_model *model = mig_model_find(model_gpu_get(t->gpu)->mig_key);
    struct mig_layout empty, layout;
    struct mig_counts counts = {{0}};
    struct starts starts = {0};
    struct err e;
    assert(model != NULL); /* or its series were not taken in */
    mig_layout_init(&empty, model);
    for (unsigned i = 0; i < t->count; i++)
        counts.n[t->profiles[i]]++;
    if (mig_place(&empty, &counts, &layout, NULL, &e) < 0)
        return starts;
    unsigned from = 0; /* after the one given last, of the same profile */
    for (unsigned i = 0; i < t->count; i++) {
        if (i == 0 || t->profiles[i] != t->profiles[i - 1])
            from = 0;
        while (layout.instances[from].profile != t->profiles[i])
            from++;
        starts.of[i] = layout.instances[from++].start;
    }
    starts.fits = true;
    return starts;
}

static const struct starts *starts_of(struct placed *p, const struct together *t)
{
    struct str key = {(const char *)t, sizeof *t};
    uint32_t i = map_str_find(&p->index, key);
    if (i == MAP_NONE) {
        if (p->count == p->cap) {
            p->cap = p->cap == 0 ? 16 : p->cap * 2;
            p->list = mem_grow(p->list, p->cap, sizeof *p->list);
        }
        i = p->count++;
        p->list[i] = place(t);
        (void)map_str_set(&p->index, key, i);
    }
    return &p->list[i];
}

/* The readings [first, end) are of one GPU at one time.  Gives its instances starts; false when
 * there is no layout that holds them all. */
static bool place_gpu(struct ctl_history *h, struct placed *p, uint32_t first, uint32_t end)
{
    struct together t;
    memset(&t, 0, sizeof t); /* its bytes are a key */
    t.gpu = h->w->nodes[h->readings[first].node].node.gpu;
    for (uint32_t i = first; i < end; i++) {
        const struct ctl_reading *r = &h->readings[i];
        if (r->profile == UINT8_MAX || (i > first && same_device(r, &h->readings[i - 1])))
            continue;
        if (t.count == MIG_INSTANCES_MAX)
            return false;
        t.profiles[t.count] = r->profile;
        t.ids[t.count++] = r->instance;
    }
    const struct starts *starts = starts_of(p, &t);
    unsigned at = 0;
    for (uint32_t i = first; starts->fits && i < end; i++) {
        struct ctl_reading *r = &h->readings[i];
        if (r->profile == UINT8_MAX)
            continue;
        at += i > first && !same_device(r, &h->readings[i - 1]);
        r->start = starts->of[at];
    }
    return starts->fits;
}

static void place_instances(struct ctl_history *h)
{
    struct placed p = {0};
    uint32_t kept = 0, end = 0;
    for (uint32_t i = 0; i < h->count; i = end) {
        bool any = false;
        for (end = i; end < h->count && same_gpu(&h->readings[i], &h->readings[end]); end++)
            any |= h->readings[end].profile != UINT8_MAX;
        bool fits = !any || place_gpu(h, &p, i, end);
        for (uint32_t j = i; j < end; j++) {
            if (fits || h->readings[j].profile == UINT8_MAX) {
                h->readings[kept++] = h->readings[j];
            } else {
                h->skipped.no_layout++;
            }
        }
    }
    h->count = kept;
    map_str_clear(&p.index);
    mem_free(p.list);
}

/* -- the whole ----------------------------------------------------------------------------------
 */

void ctl_history_forget(struct ctl_history *h, int64_t from_wall_ns, int64_t to_wall_ns)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->count; i++) {
        int64_t at = h->readings[i].wall_ns;
        if (at < from_wall_ns || at > to_wall_ns)
            h->readings[kept++] = h->readings[i];
    }
    h->count = kept;
}

void ctl_history_finish(struct ctl_history *h)
{
    number_pods(h);
    if (h->count > 1)
        qsort(h->readings, h->count, sizeof *h->readings, by_time);
    merge_series(h);
    place_instances(h);
    see_pods(h);
}

bool ctl_history_next(
        const struct ctl_history *h, uint32_t *cursor, struct ctl_gpu_reading *ret_reading)
{
    if (*cursor >= h->count)
        return false;
    const struct ctl_reading *first = &h->readings[*cursor];
    *ret_reading = (struct ctl_gpu_reading){.all = *first};
    ret_reading->all.pod = UINT32_MAX;
    for (; *cursor < h->count && same_device(first, &h->readings[*cursor]); (*cursor)++) {
        const struct ctl_reading *r = &h->readings[*cursor];
        merge(&ret_reading->all, r);
        if (r->pod != UINT32_MAX && ret_reading->occupant_count < CTL_OCCUPANTS_MAX)
            ret_reading->occupants[ret_reading->occupant_count++] = r->pod;
    }
    return true;
}

struct core_sample_fact ctl_history_sample(
        const struct ctl_history *h, const struct ctl_gpu_reading *g)
{
    bool whole = g->all.start == UINT8_MAX;
    return (struct core_sample_fact){.node = h->w->nodes[g->all.node].node.uid,
            .gpu = g->all.gpu,
            .start = g->all.start,
            .scope = whole ? CORE_SAMPLE_GPU : CORE_SAMPLE_INSTANCE,
            .valid = g->all.valid,
            .busy_permille = g->all.busy_permille,
            .sm_permille = g->all.sm_permille,
            .dram_permille = g->all.dram_permille,
            .memory_used_mib = g->all.memory_used_mib};
}
