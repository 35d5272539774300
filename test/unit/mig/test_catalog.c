/* test/unit/mig/test_catalog.c - the generated tables and look-ups in them. */
#define _GNU_SOURCE /* environ */
#include "test.h"

#include "mig/catalog.h"
#include "model/gpu.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_tables_are_sound(void **state)
{
    (void)state;
    assert_int_equal(mig_model_count(), 21);
    unsigned profiles = 0;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        assert_ptr_equal(mig_model_find(m->key), m);
        assert_true(m->units <= MIG_UNITS_MAX && m->compute_slices <= MIG_INSTANCES_MAX);
        assert_int_equal(m->profile_count == 0, m->compute_left == NULL);
        assert_true(m->profile_count > 0 || m->name_only_count > 0);
        assert_non_null(m->sources[0]);
        profiles += m->profile_count;
        for (unsigned p = 0; p < m->profile_count; p++) {
            const struct mig_profile *x = &m->profiles[p];
            assert_int_equal(mig_profile_find_id(m, x->gi_profile_id), p);
            assert_int_equal(mig_profile_find_kind(m, x->kind), p);
            assert_true(x->starts != 0);
            assert_true(x->compute_instances & 1u << x->compute_slices);
            assert_int_equal((m->profiles_base >> p) & 1, x->base);
            for (unsigned e = 0; e < MIG_ENGINE_COUNT; e++)
                assert_true(!m->engine_totals_known || x->engines[e] <= m->engine_totals[e]);
        }
    }
    assert_int_equal(profiles, 128);
}

static void test_units_are_per_model(void **state)
{
    (void)state;
    assert_int_equal(mig_model_find("A100-40GB")->units, 8);
    assert_int_equal(mig_model_find("A30-24GB")->units, 4);
    assert_int_equal(mig_model_find("RTX-PRO-6000-Blackwell-96GB")->units, 12);
    assert_int_equal(mig_model_find("RTX-PRO-6000D-84GB")->units, 0);
    assert_null(mig_model_find("A100"));
}

/* Each model of the catalog belongs to exactly one GPU of the table beside it. */
static void test_every_model_has_its_gpu(void **state)
{
    (void)state;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        const struct mig_model *m = mig_model_get(i);
        unsigned gpus = 0;
        for (unsigned k = 0; k < model_gpu_count(); k++) {
            const struct model_gpu *g = model_gpu_get(k);
            if (g->mig_key == NULL || strcmp(g->mig_key, m->key) != 0)
                continue;
            gpus++;
            assert_int_equal(g->mig_mode_needs_reset, m->mode_needs_reset);
            for (unsigned p = 0; p < m->profile_count; p++) {
                const struct mig_profile *x = &m->profiles[p];
                if (x->compute_slices == m->compute_slices && x->base && x->memory_mib > 0)
                    assert_int_equal(x->memory_mib, g->memory_usable_mib);
                assert_true(x->memory_mib <= g->memory_usable_mib);
            }
            if (m->sm_visible > 0)
                assert_int_equal(m->sm_visible, g->sm_count);
        }
        assert_int_equal(gpus, 1);
    }
    for (unsigned k = 0; k < model_gpu_count(); k++) {
        const char *key = model_gpu_get(k)->mig_key;
        assert_true(key == NULL || mig_model_find(key) != NULL);
    }
}

static unsigned found_id(const char *model, const char *name)
{
    const struct mig_model *m = mig_model_find(model);
    unsigned p = UINT32_MAX;
    struct err e = {0};
    assert_int_equal(mig_profile_find(m, str_from(name), &p, &e), 0);
    return m->profiles[p].gi_profile_id;
}

static void test_find_by_name_id_and_other_drivers_name(void **state)
{
    (void)state;
    assert_int_equal(found_id("A100-40GB", "3g.20gb"), 9);
    assert_int_equal(found_id("A100-40GB", "3G.20GB"), 9);
    assert_int_equal(found_id("A100-40GB", "9"), 9);
    assert_int_equal(found_id("A100-40GB", "0"), 0);
    assert_int_equal(found_id("A100-40GB", "1g.5gb+me"), 20);
    assert_int_equal(found_id("GB300-278GB", "7g.251gb"), 0);
    assert_int_equal(found_id("GB200-186GB", "1g.24gb+me"), 20);
    /* The same name, another profile: ids tell them apart. */
    assert_int_equal(found_id("A100-80GB", "1g.10gb"), 19);
    assert_int_equal(found_id("A100-40GB", "1g.10gb"), 15);
}

static void test_unknown_name_says_the_nearest(void **state)
{
    (void)state;
    unsigned p = 77;
    struct err e = {0};
    const struct mig_model *m = mig_model_find("A100-40GB");
    assert_int_equal(mig_profile_find(m, STR_LIT("3g.40gb"), &p, &e), -ENOENT);
    assert_int_equal(p, 77);
    assert_non_null(strstr(e.text, "'3g.40gb'"));
    assert_non_null(strstr(e.text, "did you mean '3g.20gb'"));
    assert_non_null(strstr(e.text, "names move with the driver"));
    assert_int_equal(mig_profile_find(m, STR_LIT("elephant"), &p, &e), -ENOENT);
    assert_non_null(strstr(e.text, "expected a name such as"));
    assert_int_equal(mig_profile_find(m, STR_LIT("77"), &p, &e), -ENOENT);
    assert_int_equal(mig_profile_find(m, STR_LIT(""), &p, &e), -ENOENT);
    assert_int_equal(mig_profile_find(m, STR_LIT("1g.5gb "), &p, &e), -ENOENT);
    assert_int_equal(mig_profile_find(m, STR_LIT("999999999999999999999"), &p, NULL), -ENOENT);
}

/* The committed C tables are what the generator makes of data/mig/catalog.json. */
static void test_generated_files_are_up_to_date(void **state)
{
    (void)state;
    char *tool = test_root_path("tools/gen-mig-catalog");
    char *arguments[] = {"python3", tool, "--check", NULL};
    pid_t child;
    int r = posix_spawnp(&child, "python3", NULL, NULL, arguments, environ);
    free(tool);
    if (r == ENOENT) {
        print_message("# skipped: python3 is not installed\n");
        skip();
    }
    assert_int_equal(r, 0);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_tables_are_sound),
            cmocka_unit_test(test_units_are_per_model),
            cmocka_unit_test(test_every_model_has_its_gpu),
            cmocka_unit_test(test_find_by_name_id_and_other_drivers_name),
            cmocka_unit_test(test_unknown_name_says_the_nearest),
            cmocka_unit_test(test_generated_files_are_up_to_date),
    };
    return cmocka_run_group_tests_name("mig catalog", tests, NULL, NULL);
}
