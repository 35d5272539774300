/* sim/trace_genai.c - reads a trace of pods' GPU use and makes a scenario of it.  Pure.
 *
 * Columns: time_s, pod, gpu_util_percent, gpu_memory_used_bytes (may be empty).  Times must not
 * fall within a pod.  A pod lives from its first to its last sample; gaps are unknown, so the
 * sample before one holds.  Busy time is as measured on the GPU that the trace is run on. */
#include "base/csv.h"
#include "base/map.h"
#include "base/num.h"
#include "model/gpu.h"
#include "sim/scenario.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct row {
    uint32_t pod;
    struct sim_trace_sample sample;
};

struct reader {
    struct csv csv;
    unsigned time, pod, util, memory;
    struct map_str pods;
    struct row *rows;
    uint32_t row_count, row_cap;
};

static void reader_clear(struct reader *r)
{
    csv_clear(&r->csv);
    map_str_clear(&r->pods);
    mem_free(r->rows);
}

static int read_header(struct reader *r, struct str text, struct err *reterr)
{
    int rc = csv_init(&r->csv, text, reterr);
    if (rc == 0)
        rc = csv_column(&r->csv, "time_s", &r->time, reterr);
    if (rc == 0)
        rc = csv_column(&r->csv, "pod", &r->pod, reterr);
    if (rc == 0)
        rc = csv_column(&r->csv, "gpu_util_percent", &r->util, reterr);
    if (rc == 0)
        rc = csv_column(&r->csv, "gpu_memory_used_bytes", &r->memory, reterr);
    return rc;
}

/* A percentage with any number of digits: what is below a permille is cut. */
static int read_percent(
        const struct csv *c, unsigned column, uint16_t *ret_permille, struct err *reterr)
{
    struct str cell = c->cell[column], whole = cell;
    uint64_t percent = 0, tenth = 0;
    const char *dot = cell.len > 0 ? memchr(cell.ptr, '.', cell.len) : NULL;
    bool ok = cell.len > 0;
    if (dot != NULL) {
        whole.len = (size_t)(dot - cell.ptr);
        ok = whole.len > 0 && whole.len + 1 < cell.len;
        for (size_t i = whole.len + 1; i < cell.len && ok; i++)
            ok = cell.ptr[i] >= '0' && cell.ptr[i] <= '9';
        tenth = ok ? (uint64_t)(dot[1] - '0') : 0;
    }
    if (!ok || str_to_u64(whole, 0, 100, &percent) != 0 || percent * 10 + tenth > 1000) {
        return err_set(reterr, -EINVAL,
                "line %u, column gpu_util_percent: '%.*s': expected 0 to 100", c->line,
                (int)num_min_i64((int64_t)cell.len, 40), cell.ptr != NULL ? cell.ptr : "");
    }
    *ret_permille = (uint16_t)(percent * 10 + tenth);
    return 0;
}

static int read_row(struct reader *r, struct err *reterr)
{
    const struct csv *c = &r->csv;
    uint64_t bytes = 0;
    int64_t time_ms = 0;
    struct row row = {.sample.memory_mib = UINT32_MAX};
    int rc = csv_fixed(c, r->time, 3, 0, (int64_t)366 * 86400 * 1000, &time_ms, reterr);
    if (rc == 0)
        rc = read_percent(c, r->util, &row.sample.busy_permille, reterr);
    if (rc == 0 && c->cell[r->memory].len > 0) {
        rc = csv_u64(c, r->memory, 0, UINT64_C(1) << 40, &bytes, reterr);
        row.sample.memory_mib = (uint32_t)((bytes + (1 << 20) - 1) >> 20);
    }
    if (rc != 0)
        return rc;
    struct str name = c->cell[r->pod];
    if (name.len == 0 || name.len > 253) {
        return err_set(
                reterr, -EINVAL, "line %u, column pod: expected a name of 1 to 253 bytes", c->line);
    }
    row.pod = map_str_find(&r->pods, name);
    if (row.pod == MAP_NONE) {
        row.pod = r->pods.live_count;
        if (row.pod >= SIM_TRACE_PODS_MAX) {
            return err_set(
                    reterr, -E2BIG, "line %u: more than %d pods", c->line, SIM_TRACE_PODS_MAX);
        }
        (void)map_str_set(&r->pods, name, row.pod);
    }
    row.sample.at_ns = time_ms * 1000000;
    if (r->row_count >= SIM_TRACE_SAMPLES_MAX) {
        return err_set(
                reterr, -E2BIG, "line %u: more than %d samples", c->line, SIM_TRACE_SAMPLES_MAX);
    }
    if (r->row_count == r->row_cap) {
        r->row_cap = r->row_cap == 0 ? 65536 : r->row_cap * 2;
        r->rows = mem_grow(r->rows, r->row_cap, sizeof *r->rows);
    }
    r->rows[r->row_count++] = row;
    return 0;
}

static int read_rows(struct reader *r, struct err *reterr)
{
    int rc;
    while ((rc = csv_next(&r->csv, reterr)) > 0) {
        rc = read_row(r, reterr);
        if (rc != 0)
            return rc;
    }
    if (rc == 0 && r->row_count == 0)
        return err_set(reterr, -EINVAL, "the trace has no samples");
    return rc;
}

/* Rows to one array of samples a pod. */
static int gather(
        const struct reader *r, struct arena *a, struct sim_trace_pod *pods, struct err *reterr)
{
    uint32_t pod_count = r->pods.live_count;
    if (!arena_fits(a, r->row_count, sizeof(struct sim_trace_sample)))
        return err_set(reterr, -E2BIG, "the trace does not fit the memory limit");
    struct sim_trace_sample *samples = ARENA_ARRAY(a, struct sim_trace_sample, r->row_count);
    for (uint32_t i = 0; i < r->row_count; i++)
        pods[r->rows[i].pod].sample_count++;
    uint32_t at = 0;
    for (uint32_t p = 0; p < pod_count; p++) {
        pods[p].name = arena_str(a, r->pods.keys[p]);
        pods[p].samples = samples + at;
        at += pods[p].sample_count;
        pods[p].sample_count = 0;
    }
    for (uint32_t i = 0; i < r->row_count; i++) {
        struct sim_trace_pod *p = &pods[r->rows[i].pod];
        struct sim_trace_sample *s = samples + (p->samples - samples);
        const struct sim_trace_sample *x = &r->rows[i].sample;
        if (p->sample_count > 0 && s[p->sample_count - 1].at_ns >= x->at_ns) {
            return err_set(reterr, -EINVAL, "pod %.*s: its times must rise: %lld s comes again",
                    STR_ARG(p->name), (long long)(x->at_ns / 1000000000));
        }
        s[p->sample_count++] = *x;
    }
    for (uint32_t p = 0; p < pod_count; p++) {
        pods[p].start_ns = pods[p].samples[0].at_ns;
        pods[p].end_ns = pods[p].samples[pods[p].sample_count - 1].at_ns + 1;
    }
    return 0;
}

static int64_t period_of(const struct sim_trace_pod *pods, uint32_t count)
{
    /* The most frequent distance is the period; the least one over pods with many is as good. */
    int64_t period = INT64_MAX;
    for (uint32_t p = 0; p < count; p++) {
        for (uint32_t i = 1; i < pods[p].sample_count; i++)
            period = num_min_i64(period, pods[p].samples[i].at_ns - pods[p].samples[i - 1].at_ns);
    }
    if (period == INT64_MAX)
        period = 60 * NUM_NS_PER_SECOND;
    return num_max_i64(num_min_i64(period, 300 * NUM_NS_PER_SECOND), NUM_NS_PER_SECOND);
}

static void choose_pods(
        struct sim_trace_pod *pods, uint32_t *count, const struct sim_trace_place *place)
{
    struct prng rng;
    if (place->sample_pods == 0 || place->sample_pods >= *count)
        return;
    prng_init_stream(&rng, place->seed, 0x706f6473);
    uint32_t kept = 0;
    for (uint32_t i = 0, left = place->sample_pods; i < *count && left > 0; i++) {
        if (prng_below(&rng, *count - i) < left) {
            pods[kept++] = pods[i];
            left--;
        }
    }
    *count = kept;
}

/* One group of nodes and one owner around the pods of a trace. */
static struct sim_scenario *scenario_around(struct arena *a, struct sim_trace_pod *pods,
        uint32_t count, const struct sim_trace_place *place)
{
    struct sim_scenario *s = ARENA_NEW(a, struct sim_scenario);
    s->name = STR_LIT("genai");
    s->start_wall_ns = INT64_C(1772409600) * NUM_NS_PER_SECOND; /* 2026-03-02T00:00:00Z */
    s->sample_period_ns = period_of(pods, count);
    for (uint32_t i = 0; i < count; i++)
        s->duration_ns = num_max_i64(s->duration_ns, pods[i].end_ns);
    s->cluster_count = s->group_count = s->owner_count = 1;
    s->clusters = ARENA_NEW(a, struct sim_cluster_spec);
    s->clusters[0] = (struct sim_cluster_spec){STR_LIT("trace"), STR_LIT("us-east-1")};
    s->groups = ARENA_NEW(a, struct sim_group_spec);
    s->groups[0] = (struct sim_group_spec){.name = STR_LIT("gpu"),
            .gpu = place->gpu,
            .gpus_per_node = place->gpus_per_node,
            .cpu_milli = 64000 * place->gpus_per_node,
            .memory_mib = 512 * 1024 * place->gpus_per_node,
            .max = SIM_NODES_MAX};
    s->owners = ARENA_NEW(a, struct sim_owner_spec);
    s->owners[0] = (struct sim_owner_spec){.name = STR_LIT("genai/service"),
            .kind = MODEL_OWNER_STATEFULSET,
            .class_declared = MODEL_CLASS_INTERACTIVE,
            .gpus_per_pod = 1,
            .cpu_milli = 1000,
            .memory_mib = 4096,
            .max_unavailable = UINT32_MAX,
            .grace_ns = 30 * NUM_NS_PER_SECOND,
            .demand = {.kind = SIM_DEMAND_TRACE,
                    .speed_permille = model_gpu_get(place->gpu)->speed_permille,
                    .sm_need_permille = 600,
                    .dram_need_permille = 400},
            .trace_count = count,
            .trace = pods};
    return s;
}

int sim_scenario_genai(struct arena *a, struct str csv, const struct sim_trace_place *place,
        const struct sim_scenario **ret_scenario, struct err *reterr)
{
    struct reader r = {0};
    int rc = read_header(&r, csv, reterr);
    if (rc == 0)
        rc = read_rows(&r, reterr);
    uint32_t count = r.pods.live_count;
    struct sim_trace_pod *pods = ARENA_ARRAY(a, struct sim_trace_pod, count + 1);
    if (rc == 0)
        rc = gather(&r, a, pods, reterr);
    reader_clear(&r);
    if (rc != 0)
        return rc;
    choose_pods(pods, &count, place);
    struct sim_scenario *s = scenario_around(a, pods, count, place);
    rc = sim_scenario_check(s, reterr);
    if (rc == 0)
        *ret_scenario = s;
    return rc;
}
