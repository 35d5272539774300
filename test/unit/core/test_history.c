/* What was learned of an owner is told to a later core, which then knows as much. */
#include "test.h"

#include "base/num.h"
#include "core/core.h"
#include "core/recording.h"
#include "model/gpu.h"

#define START_NS (INT64_C(1772409600) * NUM_NS_PER_SECOND)

enum { OWNER = 7, NODE = 100, POD = 200, FACTS_MAX = 8 };

struct world {
    struct core *core;
    struct core_now now;
    uint64_t version;
    struct core_fact facts[FACTS_MAX];
    uint32_t count;
};

static struct core_fact *add(struct world *w, enum core_fact_kind kind, enum core_source source)
{
    struct core_fact *f = &w->facts[w->count++];
    *f = (struct core_fact){.kind = kind,
            .source = source,
            .version = ++w->version,
            .observed_wall_ns = w->now.wall_ns};
    return f;
}

static void step(struct world *w)
{
    struct core_output out;
    core_step(w->core, &w->now, w->facts, w->count, &out);
    w->count = 0;
    w->now.wall_ns += 60 * NUM_NS_PER_SECOND;
    w->now.mono_ns += 60 * NUM_NS_PER_SECOND;
}

/* An owner with one pod alone on a node. */
static struct world world_new(void)
{
    const struct core_options options = {.seed = 1};
    const struct model_gpu *gpu;
    struct world w = {.core = core_new(&options), .now = {.wall_ns = START_NS, .epoch = 1}};
    assert_int_equal(model_gpu_find(STR_LIT("A100-80GB"), &gpu, NULL), 0);
    add(&w, CORE_FACT_OWNER, CORE_SOURCE_OWNERS)->owner = (struct core_owner_fact){.uid = OWNER,
            .name = STR_LIT("team/work"),
            .kind = MODEL_OWNER_DEPLOYMENT,
            .replicas = 1,
            .gpus_per_pod = 1,
            .resource = {.kind = MODEL_RESOURCE_GPU}};
    add(&w, CORE_FACT_NODE, CORE_SOURCE_NODES)->node = (struct core_node_fact){.uid = NODE,
            .name = STR_LIT("n"),
            .gpu = (uint16_t)model_gpu_index(gpu),
            .gpu_count = 1,
            .ready = true};
    add(&w, CORE_FACT_POD, CORE_SOURCE_PODS)->pod = (struct core_pod_fact){.uid = POD,
            .owner = OWNER,
            .node = NODE,
            .name = STR_LIT("team/work-1"),
            .phase = CORE_POD_RUNNING,
            .resource = {.kind = MODEL_RESOURCE_GPU},
            .count = 1,
            .created_wall_ns = START_NS,
            .started_wall_ns = START_NS};
    return w;
}

static void read_gpu(struct world *w, uint16_t busy_permille)
{
    static const uint64_t pods[] = {POD};
    add(w, CORE_FACT_SAMPLE, CORE_SOURCE_METRICS)->sample = (struct core_sample_fact){.node = NODE,
            .start = UINT8_MAX,
            .scope = CORE_SAMPLE_GPU,
            .valid = CORE_VALID_BUSY | CORE_VALID_MEMORY,
            .busy_permille = busy_permille,
            .memory_used_mib = 4000u + busy_permille,
            .occupant_count = 1,
            .occupants = pods};
    step(w);
}

static struct world learned(unsigned readings)
{
    struct world w = world_new();
    for (unsigned i = 0; i < readings; i++)
        read_gpu(&w, (uint16_t)(i * 37 % 900));
    return w;
}

static struct core_history_fact history_of(const struct world *w, struct buf *text)
{
    struct core_history_fact h;
    buf_reset(text);
    assert_true(core_history_get(w->core, OWNER, text, &h));
    return h;
}

static void assert_same(const struct core_history_fact *a, const struct core_history_fact *b)
{
    assert_int_equal(a->owner, b->owner);
    assert_true(str_eq(a->digest, b->digest));
    assert_int_equal(a->readings, b->readings);
    assert_int_equal(a->error_permille, b->error_permille);
    assert_int_equal(a->exclusive_wall_ns, b->exclusive_wall_ns);
    assert_int_equal(a->attributed_wall_ns, b->attributed_wall_ns);
}

static void a_later_core_knows_as_much(void **state)
{
    (void)state;
    struct buf before = BUF_INIT(1 << 16), after = BUF_INIT(1 << 16);
    struct world old = learned(200), now = world_new();
    const struct core_history_fact h = history_of(&old, &before);
    assert_int_equal(h.readings, 200);
    add(&now, CORE_FACT_HISTORY, CORE_SOURCE_METRICS)->history = h;
    step(&now);
    struct core_history_fact again = history_of(&now, &after);
    assert_same(&h, &again);
    read_gpu(&now, 5);
    assert_int_equal(history_of(&now, &after).readings, 201);
    (void)core_free(old.core);
    (void)core_free(now.core);
    buf_clear(&before);
    buf_clear(&after);
}

static void who_knows_more_keeps_it(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 16), own = BUF_INIT(1 << 16), after = BUF_INIT(1 << 16);
    struct world old = learned(20), now = learned(21);
    const struct core_history_fact h = history_of(&old, &text), mine = history_of(&now, &own);
    add(&now, CORE_FACT_HISTORY, CORE_SOURCE_METRICS)->history = h;
    step(&now);
    struct core_history_fact again = history_of(&now, &after);
    assert_same(&mine, &again);
    (void)core_free(old.core);
    (void)core_free(now.core);
    buf_clear(&text);
    buf_clear(&own);
    buf_clear(&after);
}

/* Of an owner that is not there, and what is no digest. */
static void nothing_comes_of_nothing(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 16), none = BUF_INIT(1 << 16);
    struct world old = learned(20), now = world_new();
    struct core_history_fact h = history_of(&old, &text), ret;
    h.owner = OWNER + 1;
    add(&now, CORE_FACT_HISTORY, CORE_SOURCE_METRICS)->history = h;
    h.owner = OWNER;
    h.digest.len -= 4;
    add(&now, CORE_FACT_HISTORY, CORE_SOURCE_METRICS)->history = h;
    step(&now);
    assert_false(core_history_get(now.core, OWNER, &none, &ret));
    assert_false(core_history_get(now.core, OWNER + 1, &none, &ret));
    assert_int_equal(none.len, 0);
    (void)core_free(old.core);
    (void)core_free(now.core);
    buf_clear(&text);
    buf_clear(&none);
}

static void a_recording_holds_it(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 16), line = BUF_INIT(1 << 16);
    struct arena *a = arena_new(0);
    struct world old = learned(20);
    struct core_fact f = {.kind = CORE_FACT_HISTORY,
            .source = CORE_SOURCE_METRICS,
            .version = 3,
            .history = history_of(&old, &text)};
    const struct core_recording_step s = {.step = 1, .fact_count = 1, .facts = &f};
    struct core_recording_step read;
    struct err e = {0};
    core_recording_step_write(&s, &line);
    assert_int_equal(core_recording_step_parse(a, buf_str(&line), &read, &e), 0);
    assert_int_equal(read.fact_count, 1);
    assert_same(&read.facts[0].history, &f.history);
    (void)core_free(old.core);
    (void)arena_free(a);
    buf_clear(&text);
    buf_clear(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_later_core_knows_as_much),
            cmocka_unit_test(who_knows_more_keeps_it),
            cmocka_unit_test(nothing_comes_of_nothing),
            cmocka_unit_test(a_recording_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
