/* core: a MIG change that fails after its window has closed.  The way back needs a window too, so
 * the node is opened as it is, left alone, and brought back to its originals in the next window; by
 * another controller too, whenever the first one dies. */
#include "test.h"

#include "world.h"

enum { WINDOW_END_S = 20 * 60, NEXT_WINDOW_S = 6 * 3600, END_S = 8 * 3600, KILL_EVERY = 4 };
enum { PODS = TWIN_NODES * TWIN_GPUS }; /* the node is needed while it waits */

struct run {
    bool active[END_S / WORLD_STEP_S]; /* by step: something was in change */
    char waiting[2100];                /* the annotation between the windows */
};

static void begin(struct world *w)
{
    struct twin *t = &w->twin;
    world_init(w, 1);
    t->windows[0].end_wall_ns = TWIN_START_NS + TWIN_S(WINDOW_END_S);
    t->windows[1] = (struct core_window_fact){
            TWIN_START_NS + TWIN_S(NEXT_WINDOW_S), TWIN_START_NS + TWIN_S(NEXT_WINDOW_S + 3600)};
    twin_tell_all(t);
    twin_owner_add(t, 0, MODEL_OWNER_DEPLOYMENT, PODS, MODEL_RESOURCE_GPU);
    world_settle(w, 30, 30);
    t->mig_takes_ns = TWIN_S(3600); /* longer than anybody waits */
    script_intents[0] = world_intent(1, CORE_CHANGE_MIG_RELAYOUT, 1);
    script_count = 1;
}

static void check_waiting(const struct world *w, uint32_t kill_at)
{
    const struct twin_node *n = &w->twin.nodes[0];
    bool told = strstr(n->annotation, "\"state\":\"rest\"") != NULL &&
                strstr(n->annotation, "\"reason\":\"guard-window\"") != NULL;
    if (n->cordon || !told || world_is_active(w) || twin_empty(&w->twin, 0))
        fail_msg("killed at step %u: between the windows: %s, %s, '%s'", kill_at,
                n->cordon ? "closed" : "open", twin_empty(&w->twin, 0) ? "empty" : "in use",
                n->annotation);
}

static void check_end(const struct world *w, uint32_t kill_at)
{
    const struct twin_node *n = &w->twin.nodes[0];
    uint32_t bound = 0;
    for (int p = 0; p < TWIN_PODS; p++)
        bound += w->twin.pods[p].live && w->twin.pods[p].node >= 0;
    if (w->violation != NULL)
        fail_msg("killed at step %u: %s", kill_at, w->violation);
    if (n->cordon || n->annotation[0] != 0 || n->instances[0] != 0 ||
            strcmp(n->mig_state, "success") != 0 || w->twin.double_booked > 0)
        fail_msg("killed at step %u: %s, annotation '%s', mig %s %s", kill_at,
                n->cordon ? "closed" : "open", n->annotation, n->mig, n->mig_state);
    assert_int_equal(bound, PODS);
}

static void run(uint32_t kill_at, bool perform, struct run *ret_run)
{
    struct world w;
    begin(&w);
    for (uint32_t s = 0; s < END_S / WORLD_STEP_S; s++) {
        world_step(&w, s != kill_at || perform);
        if (s == kill_at)
            world_restart(&w);
        ret_run->active[s] = world_is_active(&w);
        if (w.twin.nodes[0].mig[0] != 0) {
            script_count = 0;
            w.twin.mig_takes_ns = TWIN_S(w.twin.mono < TWIN_S(3600) ? 3600 : 60);
        }
        if (s == 4 * 3600 / WORLD_STEP_S)
            check_waiting(&w, kill_at);
    }
    check_end(&w, kill_at);
    world_clear(&w);
}

static void comes_back_in_the_next_window(void **state)
{
    static struct run plain;
    (void)state;
    run(UINT32_MAX, true, &plain);
    /* Nothing moved between the windows, and something did in the second. */
    uint32_t between = 0;
    uint32_t after = 0;
    for (uint32_t s = 3600 / WORLD_STEP_S; s < END_S / WORLD_STEP_S; s++)
        *(s < NEXT_WINDOW_S / WORLD_STEP_S - 12 ? &between : &after) += plain.active[s];
    assert_int_equal(between, 0);
    assert_true(after > 0);
}

static void comes_back_whoever_lives(void **state)
{
    static struct run plain;
    static struct run killed;
    (void)state;
    run(UINT32_MAX, true, &plain);
    for (uint32_t s = 0; s < END_S / WORLD_STEP_S; s++) {
        bool change = s > 0 && plain.active[s] != plain.active[s - 1];
        if (!change && !(plain.active[s] && s % KILL_EVERY == 0))
            continue;
        run(s, true, &killed);
        run(s, false, &killed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(comes_back_in_the_next_window),
            cmocka_unit_test(comes_back_whoever_lives),
    };
    return cmocka_run_group_tests_name("core/restore", tests, NULL, NULL);
}
