/* ctl/observe: the core over a cluster that is only looked at. */
#include "cluster.h"

#include "ctl/observe.h"

enum { NODES = 4, HOURS = 30 };

#define STEP_NS (300 * NUM_NS_PER_SECOND)

static struct cluster *make(void)
{
    struct cluster *c = cluster_new();
    for (unsigned i = 0; i < NODES; i++) {
        char name[16], suffix[16];
        (void)snprintf(name, sizeof name, "n%u", i);
        (void)snprintf(suffix, sizeof suffix, "aaaa%u", i);
        put_node(c, name, 1, "");
        put_pod(c, "web", suffix, name);
    }
    put_deployment(c, "web", NODES, "\"sharing.slicewright.io/class\":\"interactive\"", "");
    buf_puts(&c->text,
            "{\"kind\":\"ClusterPolicy\",\"metadata\":{\"name\":\"cluster-policy\",\"uid\":\"cp\"},"
            "\"spec\":{\"devicePlugin\":{\"config\":{\"name\":\"plugin\",\"default\":\"any\"}}}}\n"
            "{\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"gpu-operator\",\"name\":"
            "\"plugin\",\"uid\":\"cm\"},\"data\":{\"any\":\"version: v1\\n\"}}\n");
    build(c);
    assert_int_equal(c->w.pod_count, NODES);
    return c;
}

/* Every pod `busy_percent` busy with 2 GiB, each five minutes up to today. */
static struct ctl_history *make_history(struct cluster *c, unsigned busy_percent)
{
    struct ctl_history *h = ctl_history_new(&c->w);
    struct err e = {0};
    for (int64_t at = -HOURS * 12; at < 0; at++) {
        for (unsigned i = 0; i < NODES; i++) {
            const char *text = arena_printf(c->a,
                    "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"G%u\",Hostname=\"n%u\",namespace=\"ml\","
                    "pod=\"web-5d-aaaa%u\"} %u\n"
                    "DCGM_FI_PROF_SM_ACTIVE{gpu=\"0\",UUID=\"G%u\",Hostname=\"n%u\",namespace="
                    "\"ml\",pod=\"web-5d-aaaa%u\"} 0.%02u\n"
                    "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"G%u\",Hostname=\"n%u\",namespace=\"ml\","
                    "pod=\"web-5d-aaaa%u\"} 2048\n",
                    i, i, i, busy_percent, i, i, i, busy_percent, i, i, i);
            struct nvidia_dcgm scrape;
            if (nvidia_dcgm_parse(c->a, str_from(text), &scrape, &e) < 0)
                fail_msg("%s", e.text);
            int64_t wall_ns = TODAY_NS + at * STEP_NS;
            assert_int_equal(ctl_history_add_scrape(h, &scrape, UINT32_MAX, wall_ns, &e), 0);
        }
    }
    ctl_history_finish(h);
    return h;
}

struct seen {
    uint64_t steps, last_digest;
};

static void on_step(void *user, const struct core_recording_step *step)
{
    struct seen *s = user;
    assert_int_equal(step->step, s->steps);
    assert_true(step->digest_known);
    s->steps++;
    s->last_digest = step->digest;
}

static void observe(struct cluster *c, const struct ctl_history *h, struct arena *a,
        struct ctl_observation *ret, struct seen *seen)
{
    const struct ctl_observe_options o = {.world = &c->w,
            .history = h,
            .policy = c->o.policy,
            .seed = 1,
            .wall_ns = TODAY_NS,
            .on_step = on_step,
            .user = seen};
    *seen = (struct seen){0};
    ctl_observe(a, &o, ret);
    assert_null(ret->violation);
    assert_int_equal(seen->steps, ret->steps);
    assert_true(seen->last_digest == ret->digest);
}

static unsigned owner_patches(const struct ctl_observation *o)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < o->wish_count; i++)
        count += o->wishes[i].action.kind == CORE_ACTION_OWNER_PATCH;
    return count;
}

static void without_history_nothing_is_asked_of_owners(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_observation o;
    struct seen seen;
    observe(c, NULL, c->a, &o, &seen);
    assert_int_equal(owner_patches(&o), 0);
    assert_int_equal(o.readings, 0);
    assert_int_equal(o.history_ns, 0);
    cluster_free(c);
}

static void history_is_what_makes_a_plan(void **state)
{
    (void)state;
    struct cluster *c = make();
    struct ctl_history *h = make_history(c, 5);
    struct ctl_observation o;
    struct seen seen;
    observe(c, h, c->a, &o, &seen);
    assert_int_equal(o.readings, NODES * HOURS * 12);
    assert_int_equal(o.history_ns, (HOURS * 12 - 1) * STEP_NS);
    assert_true(o.steps > HOURS * 12);
    assert_int_equal(owner_patches(&o), 1);
    (void)ctl_history_free(h);
    cluster_free(c);
}

/* Pods that are busy all the time pass the limit each by itself: that they do is no reason to put
 * them together. */
static void who_is_busy_all_the_time_is_not_shared(void **state)
{
    (void)state;
    static const unsigned busy_percent[] = {95, 80, 60};
    for (unsigned i = 0; i < sizeof busy_percent / sizeof busy_percent[0]; i++) {
        struct cluster *c = make();
        struct ctl_history *h = make_history(c, busy_percent[i]);
        struct ctl_observation o;
        struct seen seen;
        observe(c, h, c->a, &o, &seen);
        assert_int_equal(owner_patches(&o), 0);
        (void)ctl_history_free(h);
        cluster_free(c);
    }
}

static void same_inputs_give_the_same_digest(void **state)
{
    (void)state;
    struct ctl_observation o[3];
    struct seen seen;
    for (unsigned i = 0; i < 3; i++) {
        struct cluster *c = make();
        struct ctl_history *h = make_history(c, 5);
        observe(c, i == 2 ? NULL : h, c->a, &o[i], &seen); /* other inputs: another digest */
        (void)ctl_history_free(h);
        cluster_free(c);
    }
    assert_true(o[0].digest == o[1].digest);
    assert_int_equal(o[0].wish_count, o[1].wish_count);
    assert_int_equal(o[0].decision_count, o[1].decision_count);
    assert_true(o[0].digest != o[2].digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(without_history_nothing_is_asked_of_owners),
            cmocka_unit_test(history_is_what_makes_a_plan),
            cmocka_unit_test(who_is_busy_all_the_time_is_not_shared),
            cmocka_unit_test(same_inputs_give_the_same_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
