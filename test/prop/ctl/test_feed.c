/* ctl/feed: whatever happened to a cluster while it was watched, with whatever gaps, a core that
 * was told of it step by step has the picture of one that sees the cluster for the first time. */
#include "../../unit/ctl/cluster.h"

#include "base/prng.h"
#include "core/picture.h"
#include "core/recording.h"
#include "ctl/feed.h"

enum { NODES = 5, OWNERS = 4, PODS = 10, KEYS = 3, STEPS = 12 };

/* What there is; `life` counts the objects that had the name before. */
struct model {
    uint64_t version;
    struct {
        bool there, labels, cordoned;
        unsigned life;
    } nodes[NODES];
    struct {
        bool there;
        unsigned life, replicas;
    } owners[OWNERS];
    struct {
        bool there;
        unsigned life, owner, node, phase; /* node NODES: not bound */
    } pods[PODS];
    unsigned keys[KEYS]; /* 0 = not there, else what it says */
};

static void put_key(struct cluster *c, const struct model *m, unsigned i, bool *first)
{
    if (m->keys[i] == 0)
        return;
    buf_printf(&c->text, "%s\"key-%u\":\"text %u\"", *first ? "" : ",", i, m->keys[i]);
    *first = false;
}

static void put_model_node(struct cluster *c, const struct model *m, unsigned i)
{
    const char *labels = "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\","
                         "\"nvidia.com/gpu.count\":\"4\"";
    if (!m->nodes[i].there)
        return;
    buf_printf(&c->text,
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n%u\",\"uid\":\"n%u-%u\","
            "\"resourceVersion\":\"%llu\",\"labels\":{%s}},\"spec\":{\"unschedulable\":%s},"
            "\"status\":{\"allocatable\":{\"cpu\":\"64\",\"memory\":\"256Gi\",\"nvidia.com/gpu\":"
            "\"4\"},\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}\n",
            i, i, m->nodes[i].life, (unsigned long long)m->version,
            m->nodes[i].labels ? labels : "", m->nodes[i].cordoned ? "true" : "false");
}

static void put_model_owner(struct cluster *c, const struct model *m, unsigned i)
{
    if (!m->owners[i].there)
        return;
    buf_printf(&c->text,
            "{\"kind\":\"StatefulSet\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"o%u\","
            "\"uid\":\"o%u-%u\",\"resourceVersion\":\"%llu\"},\"spec\":{\"replicas\":%u,"
            "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"limits\":{"
            "\"nvidia.com/gpu\":\"1\"}}}]}}}}\n",
            i, i, m->owners[i].life, (unsigned long long)m->version, m->owners[i].replicas);
}

static void put_model_pod(struct cluster *c, const struct model *m, unsigned i)
{
    static const char *const phases[] = {"Pending", "Running", "Succeeded"};
    char node[64] = "";
    if (!m->pods[i].there)
        return;
    if (m->pods[i].node < NODES)
        (void)snprintf(node, sizeof node, "\"nodeName\":\"n%u\",", m->pods[i].node);
    unsigned owner = m->pods[i].owner;
    buf_printf(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"p%u\",\"uid\":"
            "\"p%u-%u\",\"resourceVersion\":\"%llu\",\"ownerReferences\":[{\"kind\":"
            "\"StatefulSet\",\"name\":\"o%u\",\"uid\":\"o%u-%u\",\"controller\":true}]},"
            "\"spec\":{%s\"containers\":[{\"name\":\"c\",\"resources\":{\"limits\":{"
            "\"nvidia.com/gpu\":\"1\"}}}]},\"status\":{\"phase\":\"%s\"}}\n",
            i, i, m->pods[i].life, (unsigned long long)m->version, owner, owner,
            m->owners[owner].life, node, phases[m->pods[i].phase]);
}

static struct cluster *render(const struct model *m, bool resting)
{
    struct cluster *c = cluster_new();
    bool first = true;
    c->o.resting_owners = resting;
    for (unsigned i = 0; i < NODES; i++)
        put_model_node(c, m, i);
    for (unsigned i = 0; i < OWNERS; i++)
        put_model_owner(c, m, i);
    for (unsigned i = 0; i < PODS; i++)
        put_model_pod(c, m, i);
    buf_puts(&c->text,
            "{\"kind\":\"ClusterPolicy\",\"metadata\":{\"name\":\"p\",\"uid\":\"p\"},\"spec\":{"
            "\"devicePlugin\":{\"config\":{\"name\":\"sharing\"}}}}\n"
            "{\"kind\":\"ConfigMap\",\"metadata\":{\"namespace\":\"op\",\"name\":\"sharing\","
            "\"uid\":\"cm\"},\"data\":{");
    for (unsigned i = 0; i < KEYS; i++)
        put_key(c, m, i, &first);
    buf_puts(&c->text, "}}\n");
    build(c);
    return c;
}

/* One thing happens.  Node 0 stays as it is: a world needs one. */
static void happen(struct model *m, struct prng *r)
{
    unsigned n = 1 + (unsigned)prng_below(r, NODES - 1), p = (unsigned)prng_below(r, PODS);
    unsigned o = (unsigned)prng_below(r, OWNERS), k = (unsigned)prng_below(r, KEYS);
    m->version++;
    switch (prng_below(r, 9)) {
    case 0:
        m->nodes[n].there = !m->nodes[n].there;
        m->nodes[n].life += m->nodes[n].there;
        return;
    case 1:
        m->nodes[n].life++; /* deleted and made again between two looks */
        return;
    case 2:
        m->nodes[n].labels = !m->nodes[n].labels;
        return;
    case 3:
        m->nodes[n].cordoned = !m->nodes[n].cordoned;
        return;
    case 4:
        m->owners[o].there = !m->owners[o].there;
        m->owners[o].life += m->owners[o].there;
        return;
    case 5:
        m->owners[o].replicas = (unsigned)prng_below(r, 3);
        return;
    case 6:
        m->keys[k] = (unsigned)prng_below(r, 3);
        return;
    case 7:
        m->pods[p].phase = (unsigned)prng_below(r, 3);
        return;
    default:
        m->pods[p].there = !m->pods[p].there;
        m->pods[p].life += m->pods[p].there;
        m->pods[p].owner = o;
        m->pods[p].node = (unsigned)prng_below(r, NODES + 1);
        m->pods[p].phase = m->pods[p].node == NODES ? 0 : 1;
        return;
    }
}

/* -- telling ------------------------------------------------------------------------------------
 */

struct told {
    struct core *core;
    struct ctl_feed *feed;
    uint64_t version;
    int64_t now_ns;
};

static void begin(struct told *t)
{
    const struct core_options options = {.seed = 1};
    *t = (struct told){.core = core_new(&options), .feed = ctl_feed_new(), .now_ns = TODAY_NS};
}

static void end(struct told *t)
{
    (void)core_free(t->core);
    (void)ctl_feed_free(t->feed);
}

/* Versions rise; nothing of a source follows its completion, or its loss. */
static void assert_order(struct told *t, const struct core_fact *facts, uint32_t count)
{
    bool closed[CORE_SOURCE_COUNT] = {0};
    for (uint32_t i = 0; i < count; i++) {
        assert_true(facts[i].version > t->version);
        t->version = facts[i].version;
        assert_false(closed[facts[i].source]);
        closed[facts[i].source] = facts[i].kind == CORE_FACT_SYNC;
    }
}

static void tell(struct told *t, struct cluster *c, const bool synced[CORE_SOURCE_COUNT])
{
    const struct core_fact *facts;
    struct core_output out;
    ctl_feed_world(t->feed, &c->w, synced);
    cluster_free(c);
    t->now_ns += NUM_NS_PER_SECOND;
    uint32_t count = ctl_feed_take(t->feed, t->now_ns, &facts);
    assert_order(t, facts, count);
    const struct core_now now = {t->now_ns, t->now_ns, 1};
    core_step(t->core, &now, facts, count, &out);
    assert_null(out.violation);
}

static const bool all_synced[CORE_SOURCE_COUNT] = {true, true, true, true};

/* -- comparing ----------------------------------------------------------------------------------
 */

static uint64_t uid_at(const struct core_picture *p, uint32_t owner, uint32_t node)
{
    uint64_t uid = owner == CORE_NO_INDEX ? 0 : p->owners[owner].fact.uid;
    return uid * 31 + (node == CORE_NO_INDEX ? 0 : p->nodes[node].fact.uid);
}

static uint32_t assert_nodes(const struct core_picture *a, const struct core_picture *b)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < a->node_count; i++) {
        const struct core_node_view *v = &a->nodes[i];
        if (!v->live)
            continue;
        live++;
        uint32_t row = core_picture_node(b, v->fact.uid);
        assert_true(row != CORE_NO_INDEX);
        const struct core_node_view *o = &b->nodes[row];
        struct core_fact x = {.kind = CORE_FACT_NODE}, y = {.kind = CORE_FACT_NODE};
        x.node = v->fact;
        y.node = o->fact;
        assert_int_equal(core_recording_fact_hash(&x), core_recording_fact_hash(&y));
        assert_int_equal(v->pod_count, o->pod_count);
        assert_int_equal(v->empty_since_mono_ns == 0, o->empty_since_mono_ns == 0);
    }
    return live;
}

static uint32_t assert_pods(const struct core_picture *a, const struct core_picture *b)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < a->pod_count; i++) {
        const struct core_pod_view *v = &a->pods[i];
        if (!v->live)
            continue;
        live++;
        uint32_t row = core_picture_pod(b, v->fact.uid);
        assert_true(row != CORE_NO_INDEX);
        const struct core_pod_view *o = &b->pods[row];
        struct core_fact x = {.kind = CORE_FACT_POD}, y = {.kind = CORE_FACT_POD};
        x.pod = v->fact;
        y.pod = o->fact;
        assert_int_equal(core_recording_fact_hash(&x), core_recording_fact_hash(&y));
        assert_int_equal(uid_at(a, v->owner, v->node), uid_at(b, o->owner, o->node));
    }
    return live;
}

static uint32_t assert_owners(const struct core_picture *a, const struct core_picture *b)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < a->owner_count; i++) {
        const struct core_owner_view *v = &a->owners[i];
        if (!v->live)
            continue;
        live++;
        uint32_t row = core_picture_owner(b, v->fact.uid);
        assert_true(row != CORE_NO_INDEX);
        const struct core_owner_view *o = &b->owners[row];
        struct core_fact x = {.kind = CORE_FACT_OWNER}, y = {.kind = CORE_FACT_OWNER};
        x.owner = v->fact;
        y.owner = o->fact;
        assert_int_equal(core_recording_fact_hash(&x), core_recording_fact_hash(&y));
        assert_int_equal(v->pending_count, o->pending_count);
        assert_int_equal(v->running_count, o->running_count);
    }
    return live;
}

static uint64_t configs_sum(const struct core_picture *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->config_count; i++) {
        const struct core_config_view *v = &p->configs[i];
        if (v->live)
            sum += str_hash(v->text, str_hash(v->key, (uint64_t)v->map + 1));
    }
    return sum;
}

static void assert_same_picture(const struct core *one, const struct core *two)
{
    const struct core_picture *a = core_picture_get(one), *b = core_picture_get(two);
    assert_int_equal(assert_nodes(a, b), assert_nodes(b, a));
    assert_int_equal(assert_pods(a, b), assert_pods(b, a));
    assert_int_equal(assert_owners(a, b), assert_owners(b, a));
    assert_int_equal(configs_sum(a), configs_sum(b));
    for (unsigned s = 0; s <= CORE_SOURCE_CONFIG; s++)
        assert_true(a->sync[0][s] && b->sync[0][s]);
}

static void step_by_step_is_as_at_once(uint64_t seed)
{
    struct prng r;
    struct model m = {.version = 1};
    struct told live, fresh;
    prng_init(&r, seed);
    bool resting = prng_below(&r, 2) == 0;
    for (unsigned i = 0; i < NODES; i++) {
        m.nodes[i].there = i == 0 || prng_below(&r, 2) == 0;
        m.nodes[i].labels = true;
    }
    begin(&live);
    for (unsigned i = 0; i < STEPS; i++) {
        bool synced[CORE_SOURCE_COUNT] = {0};
        for (unsigned s = 0; s <= CORE_SOURCE_CONFIG; s++)
            synced[s] = !prng_chance_ppm(&r, 250000);
        for (uint64_t n = prng_below(&r, 6); n > 0; n--)
            happen(&m, &r);
        tell(&live, render(&m, resting), synced);
    }
    for (unsigned i = 0; i < NODES; i++)
        m.nodes[i].labels = true;
    tell(&live, render(&m, resting), all_synced);
    begin(&fresh);
    tell(&fresh, render(&m, resting), all_synced);
    assert_same_picture(live.core, fresh.core);
    end(&live);
    end(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST_PROP(step_by_step_is_as_at_once, 150)};
    return cmocka_run_group_tests_name("ctl/feed", tests, NULL, NULL);
}
