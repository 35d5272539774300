/* sim/yaml.c - the scenario document: its tables, references between objects, offers by hour.
 *
 * Pure.  The format with its defaults is documented in docs/SIMULATION.md, "Scenario files". */
#include "sim/yaml-priv.h"

#include "base/map.h"
#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 4 << 20, OFFERS_MAX = 20000 };

#define AT(type, member) offsetof(struct type, member)
#define DAY_NS           (24 * NUM_NS_PER_HOUR)

static const char *const kinds[] = {"deployment", "statefulset", "job", "bare", NULL};
static const char *const classes[] = {
        "unknown", "latency-sensitive", "interactive", "batch", "training", NULL};
static const char *const isolations[] = {"none", "instance", "exclusive", NULL};
static const char *const purchases[] = {"on-demand", "spot", NULL};
static const char *const demands[] = {"bursty", "steady", "service", NULL};

static const struct sim_yaml_field scenario_fields[] = {
        {"name", YAML_NAME, AT(sim_scenario, name), 0, 0, NULL, true},
        {"start", YAML_TIME, AT(sim_scenario, start_wall_ns), 0, INT64_C(4102444800000000000), NULL,
                false},
        {"duration", YAML_DURATION, AT(sim_scenario, duration_ns), NUM_NS_PER_HOUR, 366 * DAY_NS,
                NULL, true},
        {"samplePeriod", YAML_DURATION, AT(sim_scenario, sample_period_ns), NUM_NS_PER_SECOND,
                NUM_NS_PER_HOUR, NULL, false},
        {"faultsPpm", YAML_COUNT, AT(sim_scenario, faults_ppm), 0, 1000000, NULL, false},
        {"xidApplicationPerMillionGpuHours", YAML_COUNT,
                AT(sim_scenario, xid_application_per_million_gpu_hours), 0, 10000, NULL, false},
        {"xidGpuPerMillionGpuHours", YAML_COUNT, AT(sim_scenario, xid_gpu_per_million_gpu_hours), 0,
                10000, NULL, false},
        {"clusters", YAML_OTHER, 0, 0, 0, NULL, true},
        {"nodeGroups", YAML_OTHER, 0, 0, 0, NULL, true},
        {"owners", YAML_OTHER, 0, 0, 0, NULL, true},
        {"offers", YAML_OTHER, 0, 0, 0, NULL, false},
        {0},
};

static const struct sim_yaml_field cluster_fields[] = {
        {"name", YAML_NAME, AT(sim_cluster_spec, name), 0, 0, NULL, true},
        {"region", YAML_NAME, AT(sim_cluster_spec, region), 0, 0, NULL, true},
        {0},
};

static const struct sim_yaml_field group_fields[] = {
        {"name", YAML_NAME, AT(sim_group_spec, name), 0, 0, NULL, true},
        {"cluster", YAML_OTHER, 0, 0, 0, NULL, true},
        {"gpu", YAML_GPU, AT(sim_group_spec, gpu), 0, 0, NULL, true},
        {"gpusPerNode", YAML_COUNT, AT(sim_group_spec, gpus_per_node), 1, 16, NULL, true},
        {"cpu", YAML_MILLI, AT(sim_group_spec, cpu_milli), 1000, 4000000, NULL, true},
        {"memoryGiB", YAML_GIB, AT(sim_group_spec, memory_mib), 1024, 64 << 20, NULL, true},
        {"usdPerHour", YAML_USD, AT(sim_group_spec, microusd_per_hour), 1, INT64_C(100000000000),
                NULL, false},
        {"purchase", YAML_ENUM, AT(sim_group_spec, purchase), 0, 0, purchases, false},
        {"initial", YAML_COUNT, AT(sim_group_spec, initial), 0, SIM_NODES_MAX, NULL, false},
        {"min", YAML_COUNT, AT(sim_group_spec, min), 0, SIM_NODES_MAX, NULL, false},
        {"max", YAML_COUNT, AT(sim_group_spec, max), 1, SIM_NODES_MAX, NULL, true},
        {"foreign", YAML_BOOL, AT(sim_group_spec, foreign), 0, 0, NULL, false},
        {0},
};

static const struct sim_yaml_field owner_fields[] = {
        {"name", YAML_NAME, AT(sim_owner_spec, name), 0, 0, NULL, true},
        {"like", YAML_OTHER, 0, 0, 0, NULL, false},
        {"cluster", YAML_OTHER, 0, 0, 0, NULL, false},
        {"kind", YAML_ENUM, AT(sim_owner_spec, kind), 0, 0, kinds, false},
        {"class", YAML_ENUM, AT(sim_owner_spec, class_declared), 0, 0, classes, false},
        {"isolation", YAML_ENUM, AT(sim_owner_spec, isolation), 0, 0, isolations, false},
        {"preallocates", YAML_BOOL, AT(sim_owner_spec, preallocates), 0, 0, NULL, false},
        {"declaredMemoryMiB", YAML_COUNT, AT(sim_owner_spec, declared_memory_mib), 0, 1 << 20, NULL,
                false},
        {"gpusPerPod", YAML_COUNT, AT(sim_owner_spec, gpus_per_pod), 1, 16, NULL, false},
        {"gpus", YAML_GPUS, AT(sim_owner_spec, gpu_models), 0, 0, NULL, false},
        {"cpu", YAML_MILLI, AT(sim_owner_spec, cpu_milli), 0, 4000000, NULL, false},
        {"memoryGiB", YAML_GIB, AT(sim_owner_spec, memory_mib), 0, 64 << 20, NULL, false},
        {"sloPercent", YAML_PERCENT, AT(sim_owner_spec, slo_permille), 1000, 100000, NULL, false},
        {"maxUnavailable", YAML_COUNT, AT(sim_owner_spec, max_unavailable), 0, SIM_REPLICAS_MAX,
                NULL, false},
        {"grace", YAML_DURATION, AT(sim_owner_spec, grace_ns), 0, NUM_NS_PER_HOUR, NULL, false},
        {"from", YAML_DURATION, AT(sim_owner_spec, from_ns), 0, 366 * DAY_NS, NULL, false},
        {"until", YAML_DURATION, AT(sim_owner_spec, until_ns), 0, 366 * DAY_NS, NULL, false},
        {"replicas", YAML_HOURS_COUNT, AT(sim_owner_spec, replicas), 0, SIM_REPLICAS_MAX, NULL,
                false},
        {"growthPercentPerDay", YAML_PERCENT, AT(sim_owner_spec, growth_permille_per_day), 0, 1000,
                NULL, false},
        {"stepDay", YAML_COUNT, AT(sim_owner_spec, step_day), 0, 366, NULL, false},
        {"stepPercent", YAML_PERCENT, AT(sim_owner_spec, step_permille), 0, 100000, NULL, false},
        {"arrivalsPerHour", YAML_HOURS_MILLI, AT(sim_owner_spec, arrivals_milli), 0, 1000000, NULL,
                false},
        {"runMin", YAML_DURATION, AT(sim_owner_spec, run_min_ns), 0, 366 * DAY_NS, NULL, false},
        {"runMax", YAML_DURATION, AT(sim_owner_spec, run_max_ns), 0, 366 * DAY_NS, NULL, false},
        {"activeMax", YAML_COUNT, AT(sim_owner_spec, active_max), 0, SIM_REPLICAS_MAX, NULL, false},
        {"demand", YAML_OTHER, 0, 0, 0, NULL, false},
        {0},
};

static const struct sim_yaml_field demand_fields[] = {
        {"kind", YAML_ENUM, AT(sim_demand_spec, kind), 0, 0, demands, false},
        {"activePercent", YAML_PERCENT, AT(sim_demand_spec, active_permille), 0, 1000, NULL, false},
        {"stayPercent", YAML_PERCENT, AT(sim_demand_spec, stay_permille), 0, 999, NULL, false},
        {"levelPercent", YAML_PERCENT, AT(sim_demand_spec, level_permille), 0, 1000, NULL, false},
        {"tailPercent", YAML_PERCENT, AT(sim_demand_spec, tail_permille), 0, 1000, NULL, false},
        {"spreadPercent", YAML_PERCENT, AT(sim_demand_spec, spread_permille), 0, 10000, NULL,
                false},
        {"tidePercent", YAML_PERCENT, AT(sim_demand_spec, tide_permille), 0, 1000, NULL, false},
        {"hours", YAML_HOURS_PERCENT, AT(sim_demand_spec, hour_permille), 0, 10000, NULL, false},
        {"smPercent", YAML_PERCENT, AT(sim_demand_spec, sm_need_permille), 0, 1000, NULL, false},
        {"dramPercent", YAML_PERCENT, AT(sim_demand_spec, dram_need_permille), 0, 1000, NULL,
                false},
        {"memoryMiB", YAML_COUNT, AT(sim_demand_spec, memory_mib), 0, 1 << 20, NULL, false},
        {"memorySpreadMiB", YAML_COUNT, AT(sim_demand_spec, memory_spread_mib), 0, 1 << 20, NULL,
                false},
        {"memoryPeakMiB", YAML_COUNT, AT(sim_demand_spec, memory_peak_mib), 0, 1 << 20, NULL,
                false},
        {"leakMiBPerHour", YAML_COUNT, AT(sim_demand_spec, leak_mib_per_hour), 0, 1 << 20, NULL,
                false},
        {"onPercent", YAML_PERCENT, AT(sim_demand_spec, scale.on_permille), 0, 10000, NULL, false},
        {"busyPercent", YAML_PERCENT, AT(sim_demand_spec, scale.busy_permille), 0, 10000, NULL,
                false},
        {"memoryPercent", YAML_PERCENT, AT(sim_demand_spec, scale.memory_permille), 0, 10000, NULL,
                false},
        {"baseMiB", YAML_COUNT, AT(sim_demand_spec, scale.base_mib), 0, 1 << 20, NULL, false},
        {"dayHour", YAML_COUNT, AT(sim_demand_spec, scale.day_hour), 0, 23, NULL, false},
        {0},
};

struct offer_text {
    struct model_offer offer;
    uint32_t hour_from, hour_until; /* of each day; both 0 = all day */
    int64_t from_ns, until_ns;      /* of the run */
};

static const struct sim_yaml_field offer_fields[] = {
        {"gpu", YAML_GPU, AT(offer_text, offer.gpu), 0, 0, NULL, true},
        {"region", YAML_NAME, AT(offer_text, offer.region), 0, 0, NULL, false},
        {"purchase", YAML_ENUM, AT(offer_text, offer.purchase), 0, 0, purchases, false},
        {"gpusPerNode", YAML_COUNT, AT(offer_text, offer.gpus_per_node), 1, 16, NULL, false},
        {"usdPerGpuHour", YAML_USD, AT(offer_text, offer.microusd_per_gpu_hour), 1,
                INT64_C(10000000000), NULL, true},
        {"nodesFree", YAML_COUNT, AT(offer_text, offer.nodes_free), 0, SIM_NODES_MAX, NULL, false},
        {"reclaimsPer1000Hours", YAML_COUNT, AT(offer_text, offer.reclaims_per_1000h), 0, 1000000,
                NULL, false},
        {"hourFrom", YAML_COUNT, AT(offer_text, hour_from), 0, 23, NULL, false},
        {"hourUntil", YAML_COUNT, AT(offer_text, hour_until), 1, 24, NULL, false},
        {"from", YAML_DURATION, AT(offer_text, from_ns), 0, 366 * DAY_NS, NULL, false},
        {"until", YAML_DURATION, AT(offer_text, until_ns), 0, 366 * DAY_NS, NULL, false},
        {0},
};

struct reader {
    struct arena *arena;
    struct sim_scenario *s;
    struct map_str clusters, groups, owners;
    const struct doc *owner_docs;
    uint8_t *owner_state; /* 0 not yet, 1 being read, 2 read */
    struct err *err;
};

static const struct doc *list_of(
        struct reader *r, const struct doc *root, const char *key, uint32_t max, int *ret_rc)
{
    const struct doc *list = doc_get(root, key);
    *ret_rc = 0;
    if (list == NULL)
        return NULL;
    if (list->kind != DOC_ARRAY || list->count == 0) {
        *ret_rc = sim_yaml_fail(list, "scenario", "a list that is not empty", r->err);
    } else if (list->count > max) {
        *ret_rc = err_set(r->err, -E2BIG, "line %u: %s: %u entries: expected at most %u",
                list->line, key, list->count, max);
    }
    return list;
}

static int remember(struct reader *r, struct map_str *map, const struct doc *d, const char *what,
        uint32_t index)
{
    const struct doc *name = d->kind == DOC_OBJECT ? doc_get(d, "name") : NULL;
    if (name == NULL || name->kind != DOC_STRING)
        return 0; /* the field table says it better */
    if (map_str_find(map, name->text) != MAP_NONE)
        return sim_yaml_fail(name, what, "a name that no other has", r->err);
    (void)map_str_set(map, name->text, index);
    return 0;
}

static int find_cluster(struct reader *r, const struct doc *d, const char *path, uint16_t *ret)
{
    const struct doc *name = doc_get(d, "cluster");
    uint32_t found = name != NULL && name->kind == DOC_STRING
                             ? map_str_find(&r->clusters, name->text)
                             : MAP_NONE;
    if (name == NULL)
        return err_set(r->err, -EINVAL, "line %u: %s: 'cluster' is missing", d->line, path);
    if (found == MAP_NONE)
        return sim_yaml_fail(name, path, "the name of one of the clusters", r->err);
    *ret = (uint16_t)found;
    return 0;
}

static int read_clusters(struct reader *r, const struct doc *root)
{
    int rc;
    const struct doc *list = list_of(r, root, "clusters", SIM_CLUSTERS_MAX, &rc);
    if (rc != 0)
        return rc;
    r->s->clusters = ARENA_ARRAY(r->arena, struct sim_cluster_spec, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "clusters[%u]", i);
        rc = sim_yaml_read(&list->first[i], path, cluster_fields, &r->s->clusters[i], r->err);
        if (rc == 0)
            rc = remember(r, &r->clusters, &list->first[i], path, i);
        if (rc != 0)
            return rc;
    }
    r->s->cluster_count = list->count;
    return 0;
}

static int read_groups(struct reader *r, const struct doc *root)
{
    int rc;
    const struct doc *list = list_of(r, root, "nodeGroups", SIM_GROUPS_MAX, &rc);
    if (rc != 0)
        return rc;
    r->s->groups = ARENA_ARRAY(r->arena, struct sim_group_spec, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        char path[32];
        struct sim_group_spec *g = &r->s->groups[i];
        (void)snprintf(path, sizeof path, "nodeGroups[%u]", i);
        rc = sim_yaml_read(&list->first[i], path, group_fields, g, r->err);
        if (rc == 0)
            rc = remember(r, &r->groups, &list->first[i], path, i);
        if (rc == 0)
            rc = find_cluster(r, &list->first[i], path, &g->cluster);
        if (rc != 0)
            return rc;
    }
    r->s->group_count = list->count;
    return 0;
}

static void owner_defaults(struct sim_owner_spec *o)
{
    *o = (struct sim_owner_spec){.kind = MODEL_OWNER_DEPLOYMENT,
            .gpus_per_pod = 1,
            .cpu_milli = 1000,
            .memory_mib = 4096,
            .max_unavailable = UINT32_MAX,
            .grace_ns = 30 * NUM_NS_PER_SECOND,
            .demand = {.kind = SIM_DEMAND_BURSTY,
                    .scale = SIM_SERVICE_SCALE,
                    .active_permille = 300,
                    .stay_permille = 600,
                    .level_permille = 200,
                    .tail_permille = 50,
                    .spread_permille = 300,
                    .tide_permille = 500,
                    .sm_need_permille = 500,
                    .dram_need_permille = 300,
                    .memory_mib = 8000,
                    .memory_spread_mib = 500,
                    .memory_peak_mib = 12000}};
}

static bool is_one_of(struct str key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (str_eq_c(key, *names))
            return true;
    }
    return false;
}

/* Keys that would have no effect on a demand of this kind are refused. */
static int take_demand(
        struct reader *r, const struct doc *d, const char *path, struct sim_demand_spec *demand)
{
    static const char *const both[] = {"kind", "hours", "smPercent", "dramPercent", NULL};
    static const char *const services[] = {
            "onPercent", "busyPercent", "memoryPercent", "baseMiB", "dayHour", NULL};
    bool service = demand->kind == SIM_DEMAND_SERVICE;
    for (uint32_t i = 0; i < d->count; i++) {
        struct str key = d->first[i].key;
        if (is_one_of(key, both) || is_one_of(key, services) == service)
            continue;
        return sim_yaml_fail(&d->first[i], path,
                service ? "with a service only its scale (onPercent, busyPercent, memoryPercent, "
                          "baseMiB, dayHour), hours, smPercent and dramPercent"
                        : "this key with kind: service only",
                r->err);
    }
    if (service)
        sim_service_demand(demand);
    return 0;
}

/* Owners may be `like` another one, which may come later: read in the order of need. */
static int read_owner(struct reader *r, uint32_t index, unsigned depth)
{
    char path[32];
    const struct doc *d = &r->owner_docs[index];
    struct sim_owner_spec *o = &r->s->owners[index];
    (void)snprintf(path, sizeof path, "owners[%u]", index);
    if (r->owner_state[index] == 2)
        return 0;
    const struct doc *like = d->kind == DOC_OBJECT ? doc_get(d, "like") : NULL;
    if (r->owner_state[index] == 1 || depth > 16) {
        return sim_yaml_fail(like != NULL ? like : d, path,
                "an owner that is not, by way of others, like this one", r->err);
    }
    r->owner_state[index] = 1;
    owner_defaults(o);
    if (like != NULL) {
        uint32_t other = like->kind == DOC_STRING ? map_str_find(&r->owners, like->text) : MAP_NONE;
        if (other == MAP_NONE)
            return sim_yaml_fail(like, path, "the name of an owner", r->err);
        int rc = read_owner(r, other, depth + 1);
        if (rc != 0)
            return rc;
        *o = r->s->owners[other];
    }
    int rc = sim_yaml_read(d, path, owner_fields, o, r->err);
    if (rc != 0)
        return rc;
    if (doc_get(d, "cluster") != NULL || like == NULL)
        rc = find_cluster(r, d, path, &o->cluster);
    const struct doc *demand = doc_get(d, "demand");
    if (rc == 0 && demand != NULL) {
        (void)snprintf(path, sizeof path, "owners[%u].demand", index);
        rc = sim_yaml_read(demand, path, demand_fields, &o->demand, r->err);
        if (rc == 0)
            rc = take_demand(r, demand, path, &o->demand);
    }
    if (rc == 0 && o->demand.memory_peak_mib < o->demand.memory_mib) {
        rc = err_set(r->err, -EINVAL, "line %u: owners[%u]: expected memoryPeakMiB >= memoryMiB",
                d->line, index);
    }
    if (rc == 0 && o->until_ns != 0 && o->until_ns <= o->from_ns) {
        rc = err_set(
                r->err, -EINVAL, "line %u: owners[%u]: expected until after from", d->line, index);
    }
    r->owner_state[index] = 2;
    return rc;
}

static int read_owners(struct reader *r, const struct doc *root)
{
    int rc;
    const struct doc *list = list_of(r, root, "owners", SIM_OWNERS_MAX, &rc);
    if (rc != 0)
        return rc;
    r->s->owners = ARENA_ARRAY(r->arena, struct sim_owner_spec, list->count);
    r->owner_state = ARENA_ARRAY(r->arena, uint8_t, list->count);
    r->owner_docs = list->first;
    r->s->owner_count = list->count;
    for (uint32_t i = 0; i < list->count && rc == 0; i++)
        rc = remember(r, &r->owners, &list->first[i], "owners", i);
    for (uint32_t i = 0; i < list->count && rc == 0; i++)
        rc = read_owner(r, i, 0);
    return rc;
}

/* An offer of certain hours becomes one offer a day. */
static int add_offers(struct reader *r, const struct doc *d, const struct offer_text *t)
{
    struct sim_scenario *s = r->s;
    int64_t start = s->start_wall_ns + t->from_ns;
    int64_t end = t->until_ns > 0 ? s->start_wall_ns + t->until_ns : INT64_MAX;
    bool daily = t->hour_from != 0 || t->hour_until != 0;
    uint32_t until = t->hour_until > 0 ? t->hour_until : 24;
    if (end <= start || (daily && until <= t->hour_from))
        return sim_yaml_fail(d, "offers", "an end after its start", r->err);
    int64_t midnight = s->start_wall_ns - s->start_wall_ns % DAY_NS;
    int64_t days = daily ? s->duration_ns / DAY_NS + 2 : 1;
    for (int64_t i = 0; i < days; i++) {
        struct model_offer o = t->offer;
        o.start_ns = daily ? midnight + i * DAY_NS + t->hour_from * NUM_NS_PER_HOUR : start;
        o.end_ns = daily ? midnight + i * DAY_NS + until * NUM_NS_PER_HOUR : end;
        o.start_ns = num_max_i64(o.start_ns, start);
        o.end_ns = num_min_i64(o.end_ns, end);
        if (o.start_ns >= o.end_ns)
            continue;
        if (s->offer_count == OFFERS_MAX)
            return err_set(r->err, -E2BIG, "line %u: more than %d offers", d->line, OFFERS_MAX);
        s->offers[s->offer_count++] = o;
    }
    return 0;
}

static int read_offers(struct reader *r, const struct doc *root)
{
    int rc;
    const struct doc *list = list_of(r, root, "offers", OFFERS_MAX, &rc);
    if (rc != 0 || list == NULL)
        return rc;
    r->s->offers = ARENA_ARRAY(r->arena, struct model_offer, OFFERS_MAX);
    for (uint32_t i = 0; i < list->count && rc == 0; i++) {
        char path[32];
        struct offer_text t = {.offer.nodes_free = UINT32_MAX};
        (void)snprintf(path, sizeof path, "offers[%u]", i);
        rc = sim_yaml_read(&list->first[i], path, offer_fields, &t, r->err);
        if (rc == 0)
            rc = add_offers(r, &list->first[i], &t);
    }
    return rc;
}

static int read_all(struct reader *r, const struct doc *root)
{
    r->s->start_wall_ns = INT64_C(1772409600) * NUM_NS_PER_SECOND; /* 2026-03-02T00:00:00Z */
    int rc = sim_yaml_read(root, "", scenario_fields, r->s, r->err);
    if (rc == 0)
        rc = read_clusters(r, root);
    if (rc == 0)
        rc = read_groups(r, root);
    if (rc == 0)
        rc = read_owners(r, root);
    if (rc == 0)
        rc = read_offers(r, root);
    return rc == 0 ? sim_scenario_check(r->s, r->err) : rc;
}

int sim_scenario_parse(struct arena *a, struct str text, const struct sim_scenario **ret_scenario,
        struct err *reterr)
{
    const struct doc *root = NULL;
    int rc = doc_parse_yaml(a, text, TEXT_MAX, &root, reterr);
    if (rc != 0)
        return rc;
    struct err local = {0};
    struct reader r = {.arena = a,
            .s = ARENA_NEW(a, struct sim_scenario),
            .err = reterr != NULL ? reterr : &local};
    rc = read_all(&r, root);
    map_str_clear(&r.clusters);
    map_str_clear(&r.groups);
    map_str_clear(&r.owners);
    if (rc == 0)
        *ret_scenario = r.s;
    return rc;
}
