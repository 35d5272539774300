/* sim/report.c - a world's numbers as the report wants them: sums, curves, the map, names.  Pure.
 */
#include "sim/world-priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_report_init(struct sim_world *w)
{
    w->bucket_count = REPORT_POINTS_MAX;
    w->bucket_ns = (w->end_ns + REPORT_POINTS_MAX - 1) / REPORT_POINTS_MAX;
    /* Whole samples a bucket, so that no bucket is without one. */
    w->bucket_ns = (w->bucket_ns + w->period_ns - 1) / w->period_ns * w->period_ns;
    w->buckets = ARENA_ARRAY(w->arena, struct sim_bucket, w->bucket_count);
}

void sim_report_wait(struct sim_world *w, int64_t wait_ns)
{
    if (w->wait_count == w->wait_cap) {
        w->wait_cap = w->wait_cap == 0 ? 256 : w->wait_cap * 2;
        w->pending_waits = mem_grow(w->pending_waits, w->wait_cap, sizeof *w->pending_waits);
    }
    w->pending_waits[w->wait_count++] = wait_ns;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Over pods that started, and those that still wait with what they have waited so far. */
static int64_t pending_p95(const struct sim_world *w)
{
    uint32_t count = w->wait_count + w->pending.count;
    if (count == 0)
        return 0;
    int64_t *waits = mem_alloc(count, sizeof *waits);
    uint32_t n = w->wait_count;
    if (n > 0)
        memcpy(waits, w->pending_waits, n * sizeof *waits);
    for (uint32_t i = 0; i < w->pending.count; i++) {
        const struct sim_pod *p = &w->pods[w->pending.items[i]];
        if (p->created_ns >= w->config->measure_from_ns)
            waits[n++] = w->now_ns - p->created_ns;
    }
    qsort(waits, n, sizeof *waits, by_value);
    int64_t p95 = n > 0 ? waits[num_min_u32(n - 1, n * 95 / 100)] : 0;
    mem_free(waits);
    return p95;
}

static int64_t mean(__int128 sum, int64_t length_ns)
{
    return length_ns > 0 ? (int64_t)(sum / length_ns) : 0;
}

void sim_world_report(const struct sim_world *w, struct arena *a, struct report_run *ret_run)
{
    const struct sim_sums *s = &w->sums;
    struct report_point *points = ARENA_ARRAY(a, struct report_point, w->bucket_count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->bucket_count; i++) {
        const struct sim_bucket *b = &w->buckets[i];
        if (b->length_ns == 0)
            continue;
        points[count++] = (struct report_point){
                .wall_ns = w->scenario->start_wall_ns + (int64_t)i * w->bucket_ns,
                .provisioned_milli = mean(b->provisioned, b->length_ns),
                .requested_milli = mean(b->requested, b->length_ns),
                .used_milli = mean(b->used, b->length_ns),
                .microusd_per_hour = mean(b->cost, b->length_ns)};
    }
    struct report_harm harm = w->harm;
    harm.pending_ns_p95 = pending_p95(w);
    *ret_run =
            (struct report_run){.gpus_provisioned_mean_milli = mean(s->provisioned, s->measured_ns),
                    .gpus_provisioned_max = s->provisioned_max,
                    .gpus_requested_mean_milli = mean(s->requested, s->measured_ns),
                    .gpus_used_mean_milli = mean(s->used, s->measured_ns),
                    .cost_microusd_per_day = mean(s->cost * 24, s->measured_ns),
                    .pod_hours_milli = (uint64_t)(s->pod_running / NUM_NS_PER_HOUR),
                    .harm = harm,
                    .point_count = count,
                    .points = points};
}

/* -- the map ------------------------------------------------------------------------------------
 */

static bool on_slot(const struct sim_pod *p, unsigned gpu, unsigned start)
{
    for (uint32_t d = 0; d < p->device_count; d++) {
        if (p->devices[d].gpu == gpu && p->devices[d].start == start)
            return true;
    }
    return false;
}

static struct str pod_names(const struct sim_world *w, const struct sim_node *n, struct arena *a,
        const struct report_map_slot *slot, unsigned gpu)
{
    struct buf b = BUF_INIT(512);
    uint32_t shown = 0;
    unsigned start = slot->size == 0 ? SIM_WHOLE_GPU : slot->start;
    for (uint32_t i = 0; i < n->pods.count && shown < 3; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        if (!on_slot(p, gpu, start))
            continue;
        buf_printf(&b, "%s%s", shown > 0 ? ", " : "", p->name);
        shown++;
    }
    if (slot->pod_count > shown)
        buf_printf(&b, ", +%u more", slot->pod_count - shown);
    struct str text = arena_str(a, buf_str(&b));
    buf_clear(&b);
    return text;
}

static void fill_slot(const struct sim_world *w, const struct sim_node *n, struct arena *a,
        struct report_map_slot *slot, unsigned gpu)
{
    unsigned start = slot->size == 0 ? SIM_WHOLE_GPU : slot->start;
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *p = &w->pods[n->pods.items[i]];
        if (!on_slot(p, gpu, start))
            continue;
        slot->pod_count++;
        slot->busy_permille += p->busy_permille;
        slot->memory_used_mib += p->memory_mib;
    }
    slot->busy_permille = num_min_u32(slot->busy_permille, 1000);
    slot->pods = pod_names(w, n, a, slot, gpu);
}

static void map_gpu(const struct sim_world *w, uint32_t node, unsigned g, struct arena *a,
        struct report_map_gpu *m)
{
    const struct sim_node *n = &w->nodes[node];
    const struct sim_gpu *gpu = &n->gpus[g];
    const struct mig_layout *l = &gpu->layout;
    uint32_t memory = sim_node_model(n)->memory_usable_mib;
    *m = (struct report_map_gpu){.cluster = w->scenario->clusters[n->cluster].name,
            .node = arena_str(a, str_from(n->name)),
            .model = str_from(sim_node_model(n)->key),
            .index = (uint8_t)g,
            .mode = STR_LIT("exclusive"),
            .replicas = 1,
            .units = l->model != NULL ? l->model->units : 0};
    unsigned count = gpu->mig_on ? l->count : 1;
    struct report_map_slot *slots = ARENA_ARRAY(a, struct report_map_slot, count + 1);
    for (unsigned i = 0; gpu->mig_on && i < l->count; i++) {
        assert(l->model != NULL);
        const struct mig_profile *p = &l->model->profiles[l->instances[i].profile];
        slots[i] = (struct report_map_slot){.start = l->instances[i].start,
                .size = p->units,
                .profile = str_from(p->name),
                .memory_total_mib = p->memory_mib};
    }
    if (!gpu->mig_on)
        slots[0] = (struct report_map_slot){.memory_total_mib = memory};
    uint32_t pods = 0;
    for (unsigned i = 0; i < count; i++) {
        fill_slot(w, n, a, &slots[i], g);
        pods = num_max_u32(pods, slots[i].pod_count);
    }
    if (gpu->mig_on) {
        m->mode = STR_LIT("MIG");
    } else if (n->replicas > 1) {
        m->replicas = n->replicas;
        m->mode = str_from(arena_printf(a, "time-sliced x%u", n->replicas));
    } else if (w->caps != SIM_CAPS_OPERATOR && pods > 1) {
        m->replicas = pods;
        m->mode = STR_LIT("time-sliced");
    }
    m->slot_count = count;
    m->slots = slots;
}

void sim_report_map(const struct sim_world *w, struct arena *a, struct report_result *r)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->nodes_live.count; i++)
        count += w->nodes[w->nodes_live.items[i]].gpu_count;
    struct report_map_gpu *map = ARENA_ARRAY(a, struct report_map_gpu, count + 1);
    uint32_t at = 0;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        for (unsigned g = 0; g < w->nodes[node].gpu_count; g++)
            map_gpu(w, node, g, a, &map[at++]);
    }
    r->map = map;
    r->map_count = count;
    r->map_wall_ns = sim_world_wall(w);
}

void sim_report_names(const struct sim_world *w, struct arena *a, struct report_result *r)
{
    uint32_t max = w->node_count + w->owner_count + w->pod_count, count = 0;
    struct report_name *names = ARENA_ARRAY(a, struct report_name, max + 1);
    for (uint32_t i = 0; i < w->node_count; i++) {
        names[count++] = (struct report_name){
                sim_uid(SIM_UID_NODE, i), arena_str(a, str_from(w->nodes[i].name))};
    }
    for (uint32_t i = 0; i < w->pod_count; i++) {
        names[count++] = (struct report_name){
                sim_uid(SIM_UID_POD, i), arena_str(a, str_from(w->pods[i].name))};
    }
    for (uint32_t i = 0; i < w->owner_count; i++) {
        names[count++] = (struct report_name){
                sim_uid(SIM_UID_OWNER, i), arena_str(a, w->owners[i].spec->name)};
    }
    r->names = names;
    r->name_count = count;
}
