/* test/prop/nvidia/prop_slices.c - dynamic MIG's slices: legal for the API, and the allocator on
 * them admits exactly the instances that mig/layout.h calls legal, from every legal layout. */
#include "dra/search-priv.h"
#include "dra/validate.h"
#include "mig/layout.h"
#include "nvidia/slices.h"
#include "test.h"

#include <stdio.h>

struct world {
    struct arena *arena;
    struct dra_store *store;
    const struct mig_model *model;
    struct nvidia_slices_gpu gpu;
};

static void add_json(struct world *w, struct str text)
{
    const struct doc *doc = NULL;
    struct err err = {0};
    if (doc_parse_json(w->arena, text, 1 << 24, &doc, &err) ||
            dra_validate(doc, NULL, NULL, &err) || dra_store_add(w->store, doc, &err))
        fail_msg("%s: %s", w->model->key, err.text);
}

static void world_make(struct world *w, const struct mig_model *model, bool whole)
{
    *w = (struct world){.arena = arena_new(0), .store = dra_store_new(0), .model = model};
    w->gpu = (struct nvidia_slices_gpu){
            .model = model, .uuid = "GPU-1", .product = "GPU", .whole = whole};
    struct nvidia_slices_node node = {.name = "node-1",
            .driver_version = "580.95.5",
            .generation = 1,
            .gpu_count = 1,
            .gpus = &w->gpu};
    for (uint32_t i = 0; i < nvidia_slices_count(&node); i++) {
        struct buf text = BUF_INIT(1 << 24);
        struct json_writer j = JSON_WRITER(&text, 0);
        nvidia_slices_emit(&node, i, &j);
        add_json(w, buf_str(&text));
        buf_clear(&text);
    }
    add_json(w, STR_LIT("{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"DeviceClass\","
                        "\"metadata\":{\"name\":\"any\"},\"spec\":{}}"));
    add_json(w, STR_LIT("{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"ResourceClaim\","
                        "\"metadata\":{\"name\":\"c\"},\"spec\":{\"devices\":{\"requests\":[{"
                        "\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"any\"}}]}}}"));
    add_json(w, STR_LIT("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":"
                        "\"node-1\"}}"));
}

static void world_clear(struct world *w)
{
    w->store = dra_store_free(w->store);
    w->arena = arena_free(w->arena);
}

static uint32_t name_of(struct world *w, unsigned profile, unsigned start)
{
    char text[NVIDIA_DEVICE_NAME_MAX];
    return dra_names_find(
            &w->store->names, str_from(nvidia_slices_device_name(&w->gpu, profile, start, text)));
}

/* An engine on which the layout's instances are taken. */
static struct dra_engine *engine_with(struct world *w, const struct mig_layout *layout)
{
    struct dra_setup setup = {.features = dra_variant_features(DRA_VARIANT_INCUBATING)};
    struct dra_engine *e = dra_engine_new(w->store, &setup);
    struct dra_allocated taken[MIG_INSTANCES_MAX] = {0};
    const struct dra_slice *slice = dra_slice_at(w->store, 0);
    for (unsigned i = 0; i < layout->count; i++) {
        taken[i] = (struct dra_allocated){.driver = slice->driver,
                .pool = slice->pool,
                .device = name_of(w, layout->instances[i].profile, layout->instances[i].start)};
    }
    struct dra_claim claim = {.allocated_count = layout->count, .allocated = taken};
    struct err err = {0};
    assert_int_equal(dra_engine_take(e, &claim, &err), 0);
    return e;
}

/* Every device of the GPU: admitted by the allocator if and only if the layout takes it. */
static unsigned check_layout(struct world *w, const struct mig_layout *layout)
{
    struct dra_engine *e = engine_with(w, layout);
    struct err err = {0};
    struct dra_search s = {
            .e = e, .node = dra_node_at(w->store, 0), .arena = e->scratch, .err = &err};
    const struct dra_claim *claim = dra_claim_at(w->store, 0);
    struct dra_input input = {.node = s.node, .claims = &claim, .claim_count = 1};
    unsigned checked = 0;
    assert_int_equal(dra_search_prepare(&s, &input), 0);
    for (unsigned p = 0; p < w->model->profile_count; p++) {
        uint16_t fits = mig_layout_fits(w->model, layout->used, &layout->counts, p);
        for (unsigned start = 0; start < MIG_UNITS_MAX; start++) {
            if (!(w->model->profiles[p].starts >> start & 1))
                continue;
            uint32_t name = name_of(w, p, start);
            uint32_t cand = 0;
            while (s.cands[cand].device->name != name)
                cand++;
            struct dra_undo undo;
            int r = dra_device_allocate(&s, &(struct dra_spot){0}, cand, false, &undo);
            if (r != (fits >> start & 1)) {
                fail_msg("%s: %s at %u: allocator %d, layout %d, units used %x", w->model->key,
                        w->model->profiles[p].name, start, r, fits >> start & 1, layout->used);
            }
            if (r)
                dra_device_release(&s, &undo);
            checked++;
        }
    }
    (void)dra_engine_free(e);
    return checked;
}

static unsigned check_model(const struct mig_model *model, unsigned every)
{
    struct world w;
    struct mig_layout_iter it;
    struct mig_layout empty;
    world_make(&w, model, false);
    mig_layout_init(&empty, model);
    unsigned checked = check_layout(&w, &empty);
    unsigned index = 0;
    mig_layout_iter_init(&it, model, model->profiles_all);
    while (mig_layout_iter_next(&it)) {
        if (index++ % every == 0)
            checked += check_layout(&w, &it.layout);
    }
    print_message("%s: %u layouts, %u questions\n", model->key, index / every + 1, checked);
    world_clear(&w);
    return checked;
}

static void test_a100_exhaustive(void **state)
{
    (void)state;
    assert_true(check_model(mig_model_find("A100-40GB"), 1) > 10000);
}

static void test_a30_exhaustive(void **state)
{
    (void)state;
    assert_true(check_model(mig_model_find("A30-24GB"), 1) > 100);
}

/* Of every model each fifth layout. */
static void test_all_models(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        if (mig_model_get(i)->profile_count > 0)
            (void)check_model(mig_model_get(i), 5);
    }
}

/* The whole GPU keeps out every instance, and the other way round. */
static void test_whole(void **state)
{
    (void)state;
    struct world w;
    struct mig_layout empty;
    world_make(&w, mig_model_find("A30-24GB"), true);
    mig_layout_init(&empty, w.model);
    struct dra_engine *e = engine_with(&w, &empty);
    struct err err = {0};
    struct dra_search s = {
            .e = e, .node = dra_node_at(w.store, 0), .arena = e->scratch, .err = &err};
    const struct dra_claim *claim = dra_claim_at(w.store, 0);
    struct dra_input input = {.node = s.node, .claims = &claim, .claim_count = 1};
    assert_int_equal(dra_search_prepare(&s, &input), 0);
    struct dra_undo whole;
    struct dra_undo part;
    assert_int_equal(dra_device_allocate(&s, &(struct dra_spot){0}, 0, false, &whole), 1);
    for (uint32_t i = 1; i < s.cand_count; i++)
        assert_int_equal(dra_device_allocate(&s, &(struct dra_spot){0}, i, false, &part), 0);
    dra_device_release(&s, &whole);
    assert_int_equal(dra_device_allocate(&s, &(struct dra_spot){0}, 1, false, &part), 1);
    assert_int_equal(dra_device_allocate(&s, &(struct dra_spot){0}, 0, false, &whole), 0);
    (void)dra_engine_free(e);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_a30_exhaustive),
            cmocka_unit_test(test_a100_exhaustive),
            cmocka_unit_test(test_all_models),
            cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
