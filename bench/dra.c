/* bench/dra.c - allocations a second on a cluster of MIG GPUs, half full.
 *
 * test/diff/drabench does the same with Kubernetes' allocator; bench/dra/run compares.  For every
 * claim both ask node after node, from one that the seed chooses, until one fits, and take what it
 * got.  Prints one JSON object; `answers` is a hash over node and devices of every claim.
 *
 *   dra --nodes 500 --claims 2000
 *   dra --nodes 500 --emit | drabench --claims 2000 --starts FILE */
#include "base/num.h"
#include "base/prng.h"
#include "cli/option.h"
#include "dra/allocate.h"
#include "mig/layout.h"
#include "nvidia/slices.h"
#include "os/clock.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GPUS = 8, LINE_BYTES_MAX = 1 << 24, RUNS_MAX = 25 };

struct options {
    uint64_t nodes, claims, seed, runs, seconds;
    bool emit, shape, starts;
};

static const struct cli_option options[] = {
        {.name = "nodes",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, nodes),
                .value_name = "N",
                .default_text = "500",
                .min = 1,
                .max = 100000,
                .help = "nodes of eight A100-40GB"},
        {.name = "claims",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, claims),
                .value_name = "N",
                .default_text = "2000",
                .max = 10000000,
                .help = "claims to allocate"},
        {.name = "seed",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seed),
                .value_name = "N",
                .default_text = "1",
                .max = UINT64_MAX,
                .help = "of what is taken, and where claims begin"},
        {.name = "runs",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, runs),
                .value_name = "N",
                .default_text = "5",
                .min = 1,
                .max = RUNS_MAX,
                .help = "the median of so many, each from the same state, nothing cached"},
        {.name = "seconds",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seconds),
                .value_name = "N",
                .default_text = "0",
                .max = 3600,
                .help = "a run is repeated until it has lasted so long; its mean counts"},
        {.name = "emit",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, emit),
                .help = "print the objects instead, one a line"},
        {.name = "starts",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, starts),
                .help = "print the node that each claim begins at instead"},
        {.name = "shape",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, shape),
                .help = "instead: 16 of 30 devices wanted, 15 fit\n(kubernetes issue 131730)"},
        {0},
};

/* Where a line of JSON goes: to standard output, or into the store. */
struct sink {
    struct dra_store *store;
    struct err *err;
};

static int put(struct sink *sink, struct buf *line)
{
    int r = 0;
    if (!sink->store) {
        (void)printf("%.*s\n", (int)line->len, line->ptr);
    } else {
        const struct doc *doc = NULL;
        struct arena *arena = arena_new(0);
        r = doc_parse_json(arena, buf_str(line), LINE_BYTES_MAX, &doc, sink->err);
        r = r ? r : dra_store_add(sink->store, doc, sink->err);
        (void)arena_free(arena);
    }
    buf_reset(line);
    return r;
}

static const char *const requests[] = {"1g.5gb", "2g.10gb", "3g.20gb", "1g.5gb"};
#define MIG_CLASS                                                                                  \
    "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'"

/* The class, and a claim for each profile that is asked for. */
static int put_claims(struct sink *sink, struct buf *line)
{
    buf_puts(line, "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"DeviceClass\",\"metadata\":{"
                   "\"name\":\"mig.nvidia.com\"},\"spec\":{\"selectors\":[{\"cel\":{"
                   "\"expression\":\"" MIG_CLASS "\"}}]}}");
    int r = put(sink, line);
    for (unsigned i = 0; i < 4 && !r; i++) {
        buf_printf(line,
                "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceClaim\",\"metadata\":{"
                "\"namespace\":\"bench\",\"name\":\"wanted-%u\"},\"spec\":{\"devices\":{"
                "\"requests\":[{\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"mig.nvidia.com\","
                "\"allocationMode\":\"ExactCount\",\"count\":1,\"selectors\":[{\"cel\":{"
                "\"expression\":\"device.attributes['gpu.nvidia.com'].profile == '%s'\"}}]}}]}}}",
                i, requests[i]);
        r = put(sink, line);
    }
    return r;
}

/* Instances at random on a GPU, until half of its units are taken. */
static void fill_half(const struct nvidia_slices_gpu *gpu, const char *node, struct prng *random,
        struct json_writer *w)
{
    struct mig_layout layout;
    mig_layout_init(&layout, gpu->model);
    while (__builtin_popcount(layout.used) * 2 < gpu->model->units) {
        unsigned profile = (unsigned)prng_below(random, gpu->model->profile_count);
        uint16_t starts =
                gpu->model->profiles[profile].units * 2 > gpu->model->units
                        ? 0
                        : mig_layout_fits(gpu->model, layout.used, &layout.counts, profile);
        if (starts == 0)
            continue;
        unsigned start = (unsigned)__builtin_ctz(starts);
        char name[NVIDIA_DEVICE_NAME_MAX];
        (void)mig_layout_add(&layout,
                (struct mig_instance){.profile = (uint8_t)profile, .start = (uint8_t)start}, NULL,
                NULL);
        jw_object(w);
        jw_kv_cstr(w, "request", "r");
        jw_kv_cstr(w, "driver", "gpu.nvidia.com");
        jw_kv_cstr(w, "pool", node);
        jw_kv_cstr(w, "device", nvidia_slices_device_name(gpu, profile, start, name));
        jw_object_end(w);
    }
}

static int put_taken(struct sink *sink, const struct nvidia_slices_node *node, struct prng *random,
        struct buf *line)
{
    struct json_writer w = JSON_WRITER(line, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", "resource.k8s.io/v1");
    jw_kv_cstr(&w, "kind", "ResourceClaim");
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_cstr(&w, "namespace", "bench");
    jw_kv_cstr(&w, "name", node->name);
    jw_object_end(&w);
    jw_key(&w, "status");
    jw_object(&w);
    jw_key(&w, "allocation");
    jw_object(&w);
    jw_key(&w, "devices");
    jw_object(&w);
    jw_key(&w, "results");
    jw_array(&w);
    for (uint32_t g = 0; g < node->gpu_count; g++)
        fill_half(&node->gpus[g], node->name, random, &w);
    jw_array_end(&w);
    for (unsigned i = 0; i < 4; i++)
        jw_object_end(&w);
    return put(sink, line);
}

static int put_node(struct sink *sink, uint64_t index, struct prng *random, struct buf *line)
{
    const struct mig_model *model = mig_model_find("A100-40GB");
    struct nvidia_slices_gpu gpus[GPUS];
    char names[GPUS + 1][64];
    char roots[GPUS][32];
    (void)snprintf(names[GPUS], sizeof names[GPUS], "node-%05llu", (unsigned long long)index);
    for (uint32_t g = 0; g < GPUS; g++) {
        (void)snprintf(names[g], sizeof names[g], "GPU-%08llx-0000-4000-8000-%012x",
                (unsigned long long)index, g);
        (void)snprintf(roots[g], sizeof roots[g], "pci0000:%02x", g * 16);
        gpus[g] = (struct nvidia_slices_gpu){.model = model,
                .minor = g,
                .uuid = names[g],
                .product = "NVIDIA A100-SXM4-40GB",
                .pcie_root = roots[g]};
    }
    struct nvidia_slices_node node = {.name = names[GPUS],
            .driver_version = "580.95.5",
            .generation = 1,
            .gpu_count = GPUS,
            .gpus = gpus};
    buf_printf(line, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\"}}",
            node.name);
    int r = put(sink, line);
    for (uint32_t i = 0; i < nvidia_slices_count(&node) && !r; i++) {
        struct json_writer w = JSON_WRITER(line, 0);
        nvidia_slices_emit(&node, i, &w);
        r = put(sink, line);
    }
    return r ? r : put_taken(sink, &node, random, line);
}

static int put_all(const struct options *o, struct sink *sink)
{
    struct prng random;
    struct buf line = BUF_INIT(LINE_BYTES_MAX);
    prng_init(&random, o->seed);
    int r = put_claims(sink, &line);
    for (uint64_t i = 0; i < o->nodes && !r; i++)
        r = put_node(sink, i, &random, &line);
    buf_clear(&line);
    return r;
}

/* What the run came to. */
struct tally {
    uint64_t allocated, asked;
    uint64_t answers;
};

static void hash_answer(const struct dra_store *s, const struct dra_input *input,
        const struct dra_result *result, struct tally *t)
{
    char text[256];
    const struct dra_pick *pick = &result->allocations[0].picks[0];
    int len = snprintf(text, sizeof text, "%.*s/%.*s",
            STR_ARG_SHORT(dra_name(&s->names, input->node->name)),
            STR_ARG_SHORT(dra_name(&s->names, pick->device->name)));
    t->answers = str_hash((struct str){text, (size_t)len}, t->answers);
}

static uint64_t start_of(const struct options *o, uint64_t claim)
{
    return prng_mix(o->seed, claim) % o->nodes;
}

/* Means of a run, in ns. */
struct sample {
    int64_t took, prepared; /* all of it; of that, before the first claim */
    uint64_t repeated;
};

/* One claim after the other; each at the first node that takes it. */
static int allocate_all(const struct options *o, const struct dra_store *s, struct dra_engine *e,
        struct tally *t, struct err *reterr)
{
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    for (uint64_t i = 0; i < o->claims; i++) {
        const struct dra_claim *claim = dra_claim_at(s, (uint32_t)(i % 4));
        uint64_t first = start_of(o, i);
        struct dra_input input = {.claims = &claim, .claim_count = 1};
        for (uint32_t k = 0; k < s->nodes.count; k++) {
            struct dra_result result;
            input.node = dra_node_at(s, (uint32_t)((first + k) % s->nodes.count));
            arena_reset(arena);
            enum dra_outcome outcome = dra_allocate(e, &input, arena, &result, reterr);
            t->asked++;
            if (outcome == DRA_OUTCOME_ALLOCATED) {
                hash_answer(s, &input, &result, t);
                t->allocated++;
                int r = dra_engine_commit(e, &input, &result, reterr);
                if (r)
                    return r;
                break;
            }
            if (outcome != DRA_OUTCOME_NO_FIT)
                return -EINVAL;
        }
    }
    return 0;
}

static void put_shape(struct buf *line, const char *kind, const char *rest)
{
    buf_printf(line,
            "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"%s\",\"metadata\":{"
            "\"name\":\"x\"},\"spec\":%s}",
            kind, rest);
}

/* 30 devices, 15 on each of two NUMA nodes; 16 wanted from one. */
static int run_shape(struct dra_store *s, struct err *reterr)
{
    struct sink sink = {.store = s, .err = reterr};
    struct buf line = BUF_INIT(LINE_BYTES_MAX);
    put_shape(&line, "DeviceClass", "{}");
    int r = put(&sink, &line);
    put_shape(&line, "ResourceClaim",
            "{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"x\","
            "\"count\":16}}],\"constraints\":[{\"matchAttribute\":\"d.example/numa\"}]}}");
    r = r ? r : put(&sink, &line);
    buf_puts(&line, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"}}");
    r = r ? r : put(&sink, &line);
    buf_puts(&line, "{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceSlice\",\"metadata\""
                    ":{\"name\":\"s\"},\"spec\":{\"driver\":\"d.example\",\"nodeName\":\"n\","
                    "\"pool\":{\"name\":\"n\",\"resourceSliceCount\":1},\"devices\":[");
    for (unsigned i = 0; i < 30; i++) {
        buf_printf(&line,
                "%s{\"name\":\"d-%u\",\"attributes\":{\"numa\":{\"int\":%u},\"id\":{"
                "\"string\":\"%u\"}}}",
                i ? "," : "", i, i % 2, i);
    }
    buf_puts(&line, "]}}");
    r = r ? r : put(&sink, &line);
    buf_clear(&line);
    if (r)
        return r;
    struct dra_setup setup = {.features = dra_variant_features(DRA_VARIANT_INCUBATING)};
    struct dra_engine *e = dra_engine_new(s, &setup);
    const struct dra_claim *claim = dra_claim_at(s, 0);
    struct dra_input input = {.node = dra_node_at(s, 0), .claims = &claim, .claim_count = 1};
    struct dra_result result;
    struct arena *arena = arena_new(0);
    int64_t began = os_clock_mono_ns();
    (void)dra_allocate(e, &input, arena, &result, reterr);
    int64_t took = os_clock_mono_ns() - began;
    (void)printf("{\"outcome\": \"%s\", \"steps\": %llu, \"microseconds\": %lld}\n",
            dra_outcome_name(result.outcome), (unsigned long long)result.steps,
            (long long)(took / 1000));
    (void)arena_free(arena);
    (void)dra_engine_free(e);
    return took > 10000000 ? CLI_EXIT_NO : CLI_EXIT_OK;
}

/* A line of /proc/self/status in MiB; 0 where there is none. */
static uint64_t status_mib(const char *key)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    size_t len = strlen(key);
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, len) == 0 && line[len] == ':')
            kib = strtoull(line + len + 1, NULL, 10);
    }
    if (file)
        (void)fclose(file);
    return kib / 1024;
}

/* The peak begins anew: what loading needed does not count. */
static void peak_reset(void)
{
    (void)malloc_trim(0);
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return;
    (void)fputs("5", file);
    (void)fclose(file);
}

/* From nothing but the objects: indexes, what is taken, then every claim. */
static int run_once(const struct options *o, struct dra_store *s, struct tally *t,
        int64_t *ret_prepared, struct err *reterr)
{
    int r = 0;
    struct dra_setup setup = {.features = dra_variant_features(DRA_VARIANT_INCUBATING)};
    int64_t began = os_clock_mono_ns();
    struct dra_engine *e = dra_engine_new(s, &setup);
    for (uint32_t i = 0; i < s->claims.count && !r; i++)
        r = dra_engine_take(e, dra_claim_at(s, i), reterr);
    *ret_prepared = os_clock_mono_ns() - began;
    *t = (struct tally){0};
    r = r ? r : allocate_all(o, s, e, t, reterr);
    (void)dra_engine_free(e);
    return r;
}

/* One sample: the mean over as many repetitions as fill the time that was asked for. */
static int run_sample(const struct options *o, struct dra_store *s, struct tally *t,
        struct sample *ret, struct err *reterr)
{
    int64_t began = os_clock_mono_ns();
    int64_t prepared = 0;
    uint64_t count = 0;
    int64_t took = 0;
    int r = 0;
    do {
        int64_t one = 0;
        r = run_once(o, s, t, &one, reterr);
        prepared += one;
        count++;
        took = os_clock_mono_ns() - began;
    } while (!r && took < (int64_t)o->seconds * NUM_NS_PER_SECOND);
    *ret = (struct sample){.took = took / (int64_t)count,
            .prepared = prepared / (int64_t)count,
            .repeated = count};
    return r;
}

static int cmp_sample(const void *a, const void *b)
{
    int64_t x = ((const struct sample *)a)->took;
    int64_t y = ((const struct sample *)b)->took;
    return x < y ? -1 : x > y;
}

static int run_cluster(const struct options *o, struct dra_store *s, struct err *reterr)
{
    struct sink sink = {.store = s, .err = reterr};
    struct sample samples[RUNS_MAX];
    struct tally t = {0};
    int r = put_all(o, &sink);
    peak_reset();
    uint64_t loaded_mib = status_mib("VmRSS");
    for (uint64_t i = 0; i < o->runs && !r; i++)
        r = run_sample(o, s, &t, &samples[i], reterr);
    if (r)
        return r;
    qsort(samples, o->runs, sizeof samples[0], cmp_sample);
    const struct sample *median = &samples[o->runs / 2];
    (void)printf(
            "{\"who\": \"slicewright\", \"nodes\": %llu, \"devices\": %u, \"allocated\": %llu, "
            "\"asked\": %llu, \"answers\": \"%016llx\", \"repeated\": %llu, "
            "\"median_microseconds\": %lld, \"of_it_prepared\": %lld, "
            "\"allocations_per_second\": %lld, \"loaded_mib\": %llu, "
            "\"above_loaded_mib\": %llu}\n",
            (unsigned long long)o->nodes, s->device_count, (unsigned long long)t.allocated,
            (unsigned long long)t.asked, (unsigned long long)t.answers,
            (unsigned long long)median->repeated, (long long)(median->took / 1000),
            (long long)(median->prepared / 1000),
            (long long)num_muldiv_i64((int64_t)t.allocated, NUM_NS_PER_SECOND, median->took + 1),
            (unsigned long long)loaded_mib, (unsigned long long)(status_mib("VmHWM") - loaded_mib));
    return 0;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    if (o->emit) {
        struct sink sink = {.err = reterr};
        return put_all(o, &sink);
    }
    for (uint64_t i = 0; o->starts && i < o->claims; i++)
        (void)printf("%llu\n", (unsigned long long)start_of(o, i));
    if (o->starts)
        return 0;
    struct dra_store *s = dra_store_new((size_t)16 << 30);
    int r = o->shape ? run_shape(s, reterr) : run_cluster(o, s, reterr);
    (void)dra_store_free(s);
    return r;
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "dra",
            .summary = "Allocates claims on a cluster of MIG GPUs, half full.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = run,
    };
    return cli_verb_main(&verb, argc, argv);
}
