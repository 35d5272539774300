/* sim/act.c - the controller's actions: copied, carried to the API server, performed, answered.
 *
 * Pure.  A write takes some ten milliseconds; its answer is told as an OUTCOME fact.  Between the
 * two the controller may have died: its write still happens. */
#include "sim/world-priv.h"

#include "place/problem.h"

#include <assert.h>
#include <string.h>

enum { LABEL_LEN_MAX = SIM_LABEL_MAX - 1, ANNOTATION_MAX = 4096, HTTP_CONFLICT = 409 };

uint32_t sim_config_find(
        const struct sim_world *w, uint16_t cluster, enum core_config_map map, struct str key)
{
    for (uint32_t i = 0; i < w->config_count; i++) {
        const struct sim_config_key *k = &w->configs[i];
        if (k->cluster == cluster && k->map == map && str_eq_c(key, k->key))
            return i;
    }
    return SIM_NONE;
}

static struct str keep(struct sim_write *wr, unsigned slot, struct str s)
{
    wr->text[slot] = mem_alloc(s.len + 1, 1);
    if (s.len > 0)
        memcpy(wr->text[slot], s.ptr, s.len);
    return (struct str){wr->text[slot], s.len};
}

static void answer(
        struct sim_world *w, uint64_t action, uint16_t cluster, const struct core_outcome_fact *o)
{
    if (w->core == NULL)
        return;
    struct core_fact *f = sim_feed_direct(w, CORE_FACT_OUTCOME, CORE_SOURCE_ACTIONS, cluster);
    f->outcome = *o;
    f->outcome.action = action;
    sim_feed_wake(w, w->now_ns);
}

static void solve(struct sim_world *w, const struct core_action *a)
{
    const struct place_solution *solution = NULL;
    struct core_outcome_fact o = {.outcome = CORE_OUTCOME_DONE};
    if (place_solve(w->batch_arena, a->solve.problem, a->solve.seed, a->solve.iterations,
                &solution) != 0) {
        o.outcome = CORE_OUTCOME_REJECTED;
        o.http_status = 422;
        answer(w, a->id, a->cluster, &o);
        return;
    }
    struct core_fact *f = sim_feed_direct(w, CORE_FACT_SOLUTION, CORE_SOURCE_ACTIONS, a->cluster);
    f->solution.action = a->id;
    f->solution.solution = solution;
    sim_feed_wake(w, w->now_ns);
}

void sim_act(struct sim_world *w, const struct core_action *a)
{
    if (w->config->coverage != NULL)
        w->config->coverage->actions++;
    if (a->kind == CORE_ACTION_SOLVE) {
        solve(w, a);
        return;
    }
    if (w->write_count == w->write_cap) {
        w->write_cap = w->write_cap == 0 ? 64 : w->write_cap * 2;
        w->writes = mem_grow(w->writes, w->write_cap, sizeof *w->writes);
    }
    uint32_t write = w->write_count++;
    struct sim_write *wr = &w->writes[write];
    *wr = (struct sim_write){
            .action = *a, .epoch = w->epoch, .asked_wall_ns = w->step_wall_ns, .open = true};
    if (a->kind == CORE_ACTION_CONFIG_PUT || a->kind == CORE_ACTION_CONFIG_DELETE) {
        wr->action.config.key = keep(wr, 0, a->config.key);
        wr->action.config.text = keep(wr, 1, a->config.text);
    } else if (a->kind == CORE_ACTION_NODE_PATCH) {
        wr->action.node.plugin_config = keep(wr, 0, a->node.plugin_config);
        wr->action.node.mig_config = keep(wr, 1, a->node.mig_config);
        wr->action.node.pool = keep(wr, 2, a->node.pool);
        wr->action.node.annotation = keep(wr, 3, a->node.annotation);
        wr->action.node.pool_taint = keep(wr, 4, a->node.pool_taint);
    } else if (a->kind == CORE_ACTION_OWNER_PATCH) {
        wr->action.owner.pool = keep(wr, 0, a->owner.pool);
    }
    wr->fault = sim_fault_write(w, a);
    if (wr->fault != SIM_FAULT_COUNT)
        sim_cover_write(w, a, wr->fault);
    int64_t lag = prng_between(&w->rng[SIM_STREAM_API], 5, 200) * 1000000;
    sim_event_add(w, w->now_ns + lag, SIM_EVENT_WRITE, write, 0);
}

/* -- the writes; each returns 0 or an HTTP status -------------------------------------------------
 */

static uint32_t put_config(struct sim_world *w, const struct core_action *a)
{
    if (a->config.key.len == 0 || a->config.key.len >= sizeof w->configs[0].key)
        return 422;
    uint32_t config = sim_config_find(w, a->cluster, a->config.map, a->config.key);
    if (config == SIM_NONE) {
        if (w->config_count == w->config_cap) {
            w->config_cap = w->config_cap == 0 ? 32 : w->config_cap * 2;
            w->configs = mem_grow(w->configs, w->config_cap, sizeof *w->configs);
        }
        config = w->config_count++;
        struct sim_config_key *k = &w->configs[config];
        *k = (struct sim_config_key){
                .cluster = a->cluster, .map = a->config.map, .text = BUF_INIT(1 << 20)};
        memcpy(k->key, a->config.key.ptr, a->config.key.len);
    }
    struct sim_config_key *k = &w->configs[config];
    if (k->present && str_eq(buf_str(&k->text), a->config.text))
        return 0; /* nothing changes, so no new version */
    buf_reset(&k->text);
    buf_put(&k->text, a->config.text);
    k->present = true;
    k->put_ns = w->now_ns;
    k->version = ++w->version;
    sim_feed_config(w, config);
    return 0;
}

static uint32_t delete_config(struct sim_world *w, const struct core_action *a)
{
    uint32_t config = sim_config_find(w, a->cluster, a->config.map, a->config.key);
    if (config == SIM_NONE || !w->configs[config].present)
        return 404;
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        const struct sim_node *n = &w->nodes[w->nodes_live.items[i]];
        const char *label = a->config.map == CORE_CONFIG_PLUGIN ? n->plugin_label : n->mig_label;
        if (n->cluster == a->cluster && str_eq_c(a->config.key, label)) {
            sim_world_violate(w, "world-config-key-in-use-deleted",
                    sim_uid(SIM_UID_NODE, w->nodes_live.items[i]));
        }
    }
    w->configs[config].present = false;
    w->configs[config].version = ++w->version;
    sim_feed_config(w, config);
    return 0;
}

static bool set_label(char *label, struct str value)
{
    if (str_eq_c(value, label))
        return false;
    memcpy(label, value.ptr, value.len);
    label[value.len] = '\0';
    return true;
}

static uint32_t patch_node(struct sim_world *w, const struct core_action *a, int64_t asked_wall_ns)
{
    uint32_t node = sim_row(SIM_UID_NODE, a->target, w->node_count);
    if (node == SIM_NONE || !w->nodes[node].live)
        return 404;
    struct sim_node *n = &w->nodes[node];
    if (a->precondition != 0 && a->precondition != n->version)
        return HTTP_CONFLICT;
    if (a->node.plugin_config.len > LABEL_LEN_MAX || a->node.mig_config.len > LABEL_LEN_MAX ||
            a->node.pool.len > LABEL_LEN_MAX || a->node.pool_taint.len > LABEL_LEN_MAX ||
            a->node.annotation.len > ANNOTATION_MAX)
        return 422;
    bool plugin = false, mig = false;
    if (a->node.fields & CORE_PATCH_CORDON)
        n->unschedulable = a->node.cordon;
    if (a->node.fields & CORE_PATCH_PLUGIN_CONFIG)
        plugin = set_label(n->plugin_label, a->node.plugin_config);
    if (a->node.fields & CORE_PATCH_MIG_CONFIG)
        mig = set_label(n->mig_label, a->node.mig_config);
    if (a->node.fields & CORE_PATCH_POOL)
        (void)set_label(n->pool, a->node.pool);
    if (a->node.fields & CORE_PATCH_TAINTS) {
        (void)set_label(n->pool_taint, a->node.pool_taint);
        n->startup_taint = a->node.startup_taint;
    }
    if (a->node.fields & CORE_PATCH_ANNOTATION) {
        mem_free(n->annotation);
        n->annotation = NULL;
        if (a->node.annotation.len > 0) {
            n->annotation = mem_alloc(a->node.annotation.len + 1, 1);
            memcpy(n->annotation, a->node.annotation.ptr, a->node.annotation.len);
        }
        sim_audit_claim(w, node);
    }
    sim_node_changed(w, node);
    if (plugin)
        sim_plugin_notice(w, node);
    if (mig) {
        sim_audit_mig(w, node, asked_wall_ns);
        sim_mig_notice(w, node);
    }
    return 0;
}

/* Pods of an owner that do not serve now, against its PodDisruptionBudget. */
static bool budget_left(const struct sim_world *w, const struct sim_owner *o)
{
    uint32_t down = 0;
    if (o->spec->max_unavailable == UINT32_MAX)
        return true;
    for (uint32_t i = 0; i < o->slot_count; i++) {
        const struct sim_slot *s = &o->slots[i];
        down += s->live && (s->pod == SIM_NONE || w->pods[s->pod].phase != SIM_POD_RUNNING);
    }
    return down < o->spec->max_unavailable;
}

static uint32_t evict_pod(struct sim_world *w, const struct core_action *a)
{
    uint32_t pod = sim_row(SIM_UID_POD, a->target, w->pod_count);
    if (pod == SIM_NONE || w->pods[pod].phase == SIM_POD_GONE)
        return 404;
    struct sim_pod *p = &w->pods[pod];
    if (!sim_pod_alive(p))
        return 0; /* it is going away already */
    const struct sim_owner *o = &w->owners[p->owner];
    if (p->phase == SIM_POD_RUNNING && !budget_left(w, o))
        return 429;
    if (sim_world_measuring(w))
        w->harm.evictions++;
    p->evicted = true;
    sim_audit_eviction(w, pod);
    sim_pod_stop(w, pod);
    return 0;
}

static uint32_t patch_owner(struct sim_world *w, const struct core_action *a)
{
    uint32_t owner = sim_row(SIM_UID_OWNER, a->target, w->owner_count);
    if (owner == SIM_NONE)
        return 404;
    struct sim_owner *o = &w->owners[owner];
    if (a->owner.pool.len > LABEL_LEN_MAX || a->owner.count == 0)
        return 422;
    struct core_share share;
    bool no_class = w->caps == SIM_CAPS_DRA &&
                    a->owner.resource.kind == MODEL_RESOURCE_GPU_SHARED &&
                    !core_share_parse(a->owner.pool, &share);
    if (no_class)
        return 422;
    o->patch.resource = a->owner.resource;
    o->patch.count = a->owner.count;
    (void)set_label(o->patch.pool, a->owner.pool);
    o->patch.gpu_models = a->owner.gpu_models != 0 ? a->owner.gpu_models : o->spec->gpu_models;
    o->patch.generation++;
    if (w->config->owner_patch_delay_ns < 0)
        return 0; /* taken note of; nobody acts */
    o->patch_at_ns = w->now_ns + w->config->owner_patch_delay_ns + SIM_SECOND;
    sim_event_add(w, o->patch_at_ns, SIM_EVENT_OWNER_PATCH, owner, o->patch.generation);
    return 0;
}

static uint32_t assign_pod(struct sim_world *w, const struct core_action *a)
{
    uint32_t pod = sim_row(SIM_UID_POD, a->target, w->pod_count);
    uint32_t node = sim_row(SIM_UID_NODE, a->assign.node, w->node_count);
    if (w->caps != SIM_CAPS_NATIVE)
        return 422;
    if (pod == SIM_NONE || w->pods[pod].phase == SIM_POD_GONE || node == SIM_NONE ||
            !w->nodes[node].live)
        return 404;
    struct sim_pod *p = &w->pods[pod];
    const struct sim_node *n = &w->nodes[node];
    const struct sim_group_spec *g = &w->scenario->groups[n->group];
    const struct sim_owner_spec *s = w->owners[p->owner].spec;
    if (p->phase != SIM_POD_PENDING || p->tpl.count != 1)
        return HTTP_CONFLICT;
    if (!n->ready || n->unschedulable || n->reclaimed || n->cluster != s->cluster ||
            a->assign.gpu >= n->gpu_count || n->gpus[a->assign.gpu].lost)
        return HTTP_CONFLICT;
    if (p->tpl.gpu_models != 0 && (p->tpl.gpu_models >> n->gpu & 1) == 0)
        return HTTP_CONFLICT;
    if (n->cpu_used + s->cpu_milli > g->cpu_milli || n->memory_used + s->memory_mib > g->memory_mib)
        return HTTP_CONFLICT;
    /* A pod of several GPUs holds its own alone. */
    for (uint32_t i = 0; i < n->pods.count; i++) {
        const struct sim_pod *o = &w->pods[n->pods.items[i]];
        for (uint32_t d = 0; d < o->device_count; d++) {
            if (o->devices[d].gpu == a->assign.gpu && !o->devices[d].shared)
                return HTTP_CONFLICT;
        }
    }
    p->devices[0] = (struct sim_device){
            .gpu = a->assign.gpu, .start = SIM_WHOLE_GPU, .replica = 0, .shared = true};
    p->device_count = 1;
    sim_pod_bind(w, pod, node);
    return 0;
}

static uint32_t perform(struct sim_world *w, const struct core_action *a, int64_t asked_wall_ns)
{
    switch (a->kind) {
    case CORE_ACTION_CONFIG_PUT:
        return put_config(w, a);
    case CORE_ACTION_CONFIG_DELETE:
        return delete_config(w, a);
    case CORE_ACTION_NODE_PATCH:
        return patch_node(w, a, asked_wall_ns);
    case CORE_ACTION_POD_EVICT:
        return evict_pod(w, a);
    case CORE_ACTION_OWNER_PATCH:
        return patch_owner(w, a);
    case CORE_ACTION_POD_ASSIGN:
        return assign_pod(w, a);
    case CORE_ACTION_SOLVE:
    case CORE_ACTION_COUNT:
        break;
    }
    assert(!"a write");
    return 500;
}

static uint32_t fault_status(enum sim_fault f)
{
    return f == SIM_FAULT_REJECTED_409 ? 409 : f == SIM_FAULT_REJECTED_429 ? 429 : 500;
}

void sim_act_write(struct sim_world *w, uint32_t write)
{
    struct sim_write *wr = &w->writes[write];
    struct core_action a = wr->action;
    struct core_outcome_fact o = {.outcome = CORE_OUTCOME_DONE};
    uint32_t node = sim_row(SIM_UID_NODE, a.target, w->node_count);
    if (node == SIM_NONE && a.kind == CORE_ACTION_POD_EVICT) {
        uint32_t pod = sim_row(SIM_UID_POD, a.target, w->pod_count);
        node = pod != SIM_NONE ? w->pods[pod].node : SIM_NONE;
    }
    if (wr->fault != SIM_FAULT_COUNT)
        sim_fault_count(w, wr->fault, a.kind, node);
    if (wr->fault == SIM_FAULT_COUNT || wr->fault == SIM_FAULT_UNKNOWN_DONE) {
        o.http_status = perform(w, &a, wr->asked_wall_ns);
        if (o.http_status != 0) {
            o.outcome = CORE_OUTCOME_REJECTED;
            o.retry_after_ns = o.http_status == 429 ? 10 * SIM_SECOND : 0;
        }
    } else if (wr->fault != SIM_FAULT_UNKNOWN_LOST) {
        o.outcome = CORE_OUTCOME_REJECTED;
        o.http_status = fault_status(wr->fault);
        o.retry_after_ns = o.http_status == 429 ? 5 * SIM_SECOND : 0;
    }
    if (wr->fault == SIM_FAULT_UNKNOWN_DONE || wr->fault == SIM_FAULT_UNKNOWN_LOST)
        o = (struct core_outcome_fact){.outcome = CORE_OUTCOME_UNKNOWN};
    wr = &w->writes[write];
    wr->open = false;
    for (unsigned k = 0; k < sizeof wr->text / sizeof wr->text[0]; k++) {
        mem_free(wr->text[k]);
        wr->text[k] = NULL;
    }
    if (wr->epoch == w->epoch)
        answer(w, a.id, a.cluster, &o);
}
