/* ctl/controller.c - see controller.h: when what happens.  Below the purity line. */
#include "ctl/controller-priv.h"

#include "base/map.h"
#include "base/num.h"
#include "ctl/names.h"
#include "ctl/observe.h"
#include "ctl/readings.h"
#include "os/clock.h"
#include "os/log.h"
#include "usage/digest.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    WINDOW_DAYS = 14,
    WINDOWS_MAX = 1024,
    STEPS_A_TURN = 16, /* a solution and what follows from it; then the loop has its turn */
};

/* Changes are gathered for so long before they are judged. */
static const int64_t GATHER_NS = 100 * 1000000LL, WORLD_EVERY_NS = 1000000000LL;

static void wake(struct ctl_controller *c, int64_t at_mono_ns)
{
    if (!os_loop_timer_is_set(&c->tick) || at_mono_ns < c->tick.deadline_mono_ns)
        os_loop_timer_set(c->loop, &c->tick, at_mono_ns);
}

static void wake_soon(void *user)
{
    struct ctl_controller *c = user;
    wake(c, os_loop_now_ns(c->loop) + GATHER_NS);
}

/* -- the world ----------------------------------------------------------------------------------
 */

static struct controller_world *world_free(struct controller_world *w)
{
    if (w == NULL)
        return NULL;
    ctl_world_clear(&w->w);
    (void)ctl_snapshot_free(w->snapshot);
    (void)arena_free(w->a);
    mem_free(w);
    return NULL;
}

static const struct policy *judging_policy(const struct ctl_controller *c)
{
    return c->governing != NULL ? c->governing : policy_preset(STR_LIT("balanced"));
}

static int world_new(
        struct ctl_controller *c, struct controller_world **ret_world, struct err *reterr)
{
    struct controller_world *w = mem_alloc(1, sizeof *w);
    w->a = arena_new((size_t)4 << 30);
    int rc = ctl_mirror_snapshot(c->mirror, &w->snapshot, &w->seen, reterr);
    if (rc == 0) {
        struct ctl_world_options o = {.policy = judging_policy(c),
                .prices = c->o.prices,
                .price_default = c->o.price_default,
                .wall_ns = os_clock_wall_ns(),
                .resting_owners = true};
        memcpy(o.seen, w->seen.seen, sizeof o.seen);
        memcpy(o.why, w->seen.why, sizeof o.why);
        rc = ctl_world_build(w->a, w->snapshot, &o, &w->w, reterr);
    }
    if (rc < 0) {
        (void)ctl_snapshot_free(w->snapshot);
        (void)arena_free(w->a);
        mem_free(w);
        return rc;
    }
    *ret_world = w;
    return 0;
}

/* The ConfigMap of this name; NULL when it was not read. */
static const struct ctl_config_map *find_map(const struct ctl_snapshot *s, struct str name)
{
    for (uint32_t i = 0; name.len > 0 && i < s->map_count; i++) {
        if (str_eq(s->maps[i].name, name))
            return &s->maps[i];
    }
    return NULL;
}

/* Where configurations go.  A map that is not ours is never written to. */
static void take_maps(struct ctl_controller *c)
{
    const struct ctl_snapshot *s = c->now->snapshot;
    const struct ctl_config_map *maps[CORE_CONFIG_COUNT] = {
            [CORE_CONFIG_PLUGIN] = find_map(s, s->operator.plugin_config),
            [CORE_CONFIG_MIG] = find_map(s, s->operator.mig_config),
    };
    struct ctl_actor_maps to = {0};
    for (unsigned i = 0; i < CORE_CONFIG_COUNT; i++) {
        if (maps[i] == NULL || !maps[i]->ours)
            continue;
        to.namespace = maps[i]->namespace;
        to.map[i] = maps[i]->name;
    }
    ctl_actor_maps_set(c->actor, &to);
    const char *was = c->holdup;
    c->holdup = NULL;
    if (!s->operator.present) {
        c->holdup = "no ClusterPolicy of NVIDIA's GPU Operator is seen: nothing can be applied";
    } else if (to.map[CORE_CONFIG_PLUGIN].len == 0) {
        struct str named = s->operator.plugin_config;
        (void)snprintf(c->holdup_text, sizeof c->holdup_text,
                named.len == 0
                        ? "the ClusterPolicy names no ConfigMap in devicePlugin.config.name%.*s"
                        : "ConfigMap '%.*s', named by the ClusterPolicy for the device plugin, is "
                          "not labelled " CTL_LABEL_MANAGED_BY "=slicewright: proposals only",
                STR_ARG_SHORT(named));
        c->holdup = c->holdup_text;
    }
    bool mig = to.map[CORE_CONFIG_MIG].len > 0;
    const struct policy before = c->policy;
    for (unsigned t = 0; c->governing != NULL && t < MODEL_TECHNIQUE_COUNT; t++) {
        bool held = c->holdup != NULL || (t == MODEL_TECHNIQUE_MIG && !mig);
        enum policy_mode wanted = c->governing->mode[t];
        c->policy.mode[t] = held && wanted > POLICY_MODE_RECOMMEND ? POLICY_MODE_RECOMMEND : wanted;
        c->policy_changed |= c->policy.mode[t] != before.mode[t];
    }
    if (c->holdup != NULL && was == NULL)
        os_log_warn("controller", "held up", OS_LOG_CSTR("why", c->holdup));
    if (c->holdup == NULL && was != NULL)
        os_log_info("controller", "no longer held up");
    bool partial = s->operator.present && !s->operator.exporter_names_all;
    if (partial && !c->names_partial) {
        os_log_warn("controller", "usage on shared GPUs is known in part",
                OS_LOG_CSTR("why",
                        "dcgm-exporter names one pod of a shared GPU; set " CTL_ENV_VIRTUAL_GPUS
                        "=true in dcgmExporter.env of the ClusterPolicy"));
    }
    c->names_partial = partial;
}

static void tell_world(struct ctl_controller *c)
{
    bool synced[CORE_SOURCE_COUNT] = {0};
    static const enum core_source sources[] = {
            CORE_SOURCE_NODES, CORE_SOURCE_PODS, CORE_SOURCE_OWNERS, CORE_SOURCE_CONFIG};
    for (unsigned i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        synced[sources[i]] = ctl_mirror_synced(c->mirror, sources[i]);
        c->stats.synced[sources[i]] = synced[sources[i]];
    }
    if (c->core != NULL)
        ctl_feed_world(c->feed, &c->now->w, synced);
}

static void build_world(struct ctl_controller *c)
{
    struct err e = {0};
    struct controller_world *w;
    int64_t begin_ns = os_clock_mono_ns();
    c->generation = ctl_mirror_generation(c->mirror);
    c->built_mono_ns = begin_ns;
    c->rebuild = false;
    if (world_new(c, &w, &e) < 0) {
        /* An empty cluster, or one over our limits: what was known stays, and is no longer sure. */
        os_log_warn("controller", "cluster not understood", OS_LOG_CSTR("why", e.text));
        if (c->now != NULL && c->core != NULL) {
            const bool none[CORE_SOURCE_COUNT] = {0};
            ctl_feed_world(c->feed, &c->now->w, none);
        }
        return;
    }
    struct controller_world *old = c->now;
    c->now = w;
    take_maps(c);
    tell_world(c);
    (void)world_free(old);
    controller_survey(c);
    uint64_t took_ns = (uint64_t)(os_clock_mono_ns() - begin_ns);
    c->stats.worlds++;
    c->stats.world_ns_sum += took_ns;
    c->stats.world_ns_max = took_ns > c->stats.world_ns_max ? took_ns : c->stats.world_ns_max;
}

/* -- the policy ---------------------------------------------------------------------------------
 */

static void govern(struct ctl_controller *c, const struct policy *p)
{
    bool had = c->policy_known;
    c->governing = p;
    if (p != NULL) {
        c->policy = *p;
        c->policy_known = true;
        c->policy_changed = true;
    } else if (had) {
        /* Nobody governs: what runs is finished, nothing is begun. */
        c->policy.suspend = true;
        c->policy_changed = true;
    }
    c->rebuild = true;
    wake_soon(c);
}

/* The texts of a policy that went are gone with it: the copy for the core keeps none of them. */
static void on_policy(void *user, const struct policy *policy, const char *why)
{
    struct ctl_controller *c = user;
    if (c->o.fixed_policy != NULL)
        return; /* it governs, whatever objects there are */
    if (policy == NULL) {
        os_log_warn("controller", "no SharingPolicy governs", OS_LOG_CSTR("why", why));
        c->policy = *policy_preset(STR_LIT("balanced"));
    } else {
        os_log_info("controller", "SharingPolicy governs", OS_LOG_STR("policy", policy->name));
    }
    govern(c, policy);
}

static void on_policy_sync(void *user, bool complete)
{
    struct ctl_controller *c = user;
    complete |= c->o.fixed_policy != NULL;
    c->stats.synced[CORE_SOURCE_POLICY] = complete;
    if (c->core != NULL)
        ctl_feed_sync(c->feed, CORE_SOURCE_POLICY, complete);
    wake_soon(c);
}

static void on_approved(void *user, uint64_t digest, int64_t wall_ns)
{
    struct ctl_controller *c = user;
    if (c->core == NULL)
        return; /* handed out again when we lead */
    if (c->holdup != NULL) {
        os_log_warn("controller", "an approval cannot be followed", OS_LOG_CSTR("why", c->holdup));
        return;
    }
    struct core_fact *f = ctl_feed_add(c->feed, CORE_FACT_APPROVAL, CORE_SOURCE_POLICY);
    f->approval = digest;
    f->observed_wall_ns = wall_ns;
    wake_soon(c);
}

/* Windows reach some days ahead; the next ones are told as time goes on. */
static void tell_policy(struct ctl_controller *c, int64_t wall_ns)
{
    struct policy_span *spans;
    if (!c->policy_known)
        return;
    bool all = c->policy_changed;
    if (!all && c->windows_until_wall_ns - wall_ns > (WINDOW_DAYS - 1) * 24 * NUM_NS_PER_HOUR)
        return;
    c->policy_changed = false;
    if (all)
        ctl_feed_add(c->feed, CORE_FACT_POLICY, CORE_SOURCE_POLICY)->policy = &c->policy;
    int64_t from_ns = all ? wall_ns : c->windows_until_wall_ns;
    int64_t to_ns = wall_ns + WINDOW_DAYS * 24 * NUM_NS_PER_HOUR;
    spans = mem_alloc(WINDOWS_MAX, sizeof *spans);
    uint32_t count = policy_windows_expand(&c->policy, from_ns, to_ns, spans, WINDOWS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (all || spans[i].start_ns >= from_ns) {
            ctl_feed_add(c->feed, CORE_FACT_WINDOW, CORE_SOURCE_POLICY)->window =
                    (struct core_window_fact){spans[i].start_ns, spans[i].end_ns};
        }
    }
    mem_free(spans);
    c->windows_until_wall_ns = to_ns;
}

/* -- steps --------------------------------------------------------------------------------------
 */

static void note_violation(struct ctl_controller *c, const struct core_output *out)
{
    c->stats.violations++;
    os_log_error("controller", "a check failed: its node is left alone from now on",
            OS_LOG_CSTR("check", out->violation), OS_LOG_U64("uid", out->violation_uid));
    ctl_feed_freeze(c->feed, out->violation_uid);
    c->rebuild = true;
}

/* One step, if there is something to tell or the core wants to be called.  True when it was made.
 */
static bool step(struct ctl_controller *c)
{
    const struct core_fact *facts;
    struct core_output out;
    const int64_t begin_ns = os_clock_mono_ns();
    const struct core_now now = {os_clock_wall_ns(), begin_ns + c->mono_offset_ns, c->o.epoch};
    tell_policy(c, now.wall_ns);
    uint32_t count = ctl_feed_take(c->feed, now.wall_ns, &facts);
    if (count == 0 && !c->fresh && now.mono_ns < c->wake_mono_ns)
        return false;
    core_step(c->core, &now, facts, count, &out);
    uint64_t took_ns = (uint64_t)(os_clock_mono_ns() - begin_ns);
    if (c->o.on_step != NULL) {
        const struct core_recording_step s = {.step = c->step,
                .now = now,
                .restart = c->fresh,
                .digest_known = true,
                .digest = core_digest(c->core),
                .fact_count = count,
                .facts = facts};
        c->o.on_step(c->o.user, &s);
    }
    c->fresh = false;
    c->told = true;
    c->step++;
    c->stats.steps++;
    c->stats.facts += count;
    c->stats.step_ns_sum += took_ns;
    c->stats.step_ns_max = took_ns > c->stats.step_ns_max ? took_ns : c->stats.step_ns_max;
    c->wake_mono_ns = out.next_wake_mono_ns;
    arena_reset(c->solutions);
    if (out.violation != NULL)
        note_violation(c, &out);
    controller_tell(c, &out);
    controller_perform(c, &out);
    return true;
}

static void run_core(struct ctl_controller *c)
{
    uint32_t made = 0;
    if (c->core == NULL || c->now == NULL)
        return;
    while (made < STEPS_A_TURN && c->core != NULL && step(c))
        made++;
    ctl_plans_flush(c->plans);
    int64_t now_ns = os_clock_mono_ns();
    if (made == STEPS_A_TURN) {
        wake(c, now_ns + GATHER_NS);
    } else if (c->wake_mono_ns != INT64_MAX) {
        wake(c, num_max_i64(c->wake_mono_ns - c->mono_offset_ns, now_ns));
    }
}

static void on_tick(struct os_timer *t)
{
    struct ctl_controller *c =
            (struct ctl_controller *)((char *)t - offsetof(struct ctl_controller, tick));
    int64_t now_ns = os_loop_now_ns(c->loop);
    if (!ctl_mirror_ready(c->mirror))
        return; /* dirty() comes when it is */
    if (c->holding)
        return; /* the world has to stay while history is walked; then begin() wakes us */
    bool stale = c->now == NULL || c->rebuild || c->generation != ctl_mirror_generation(c->mirror);
    if (stale && (c->now == NULL || now_ns - c->built_mono_ns >= WORLD_EVERY_NS)) {
        build_world(c);
    } else if (stale) {
        wake(c, c->built_mono_ns + WORLD_EVERY_NS);
    }
    run_core(c);
}

/* -- metrics ------------------------------------------------------------------------------------
 */

static const struct ctl_world *pulse_world(void *user)
{
    const struct ctl_controller *c = user;
    return c->now != NULL ? &c->now->w : NULL;
}

static void on_readings(void *user, struct ctl_history *h)
{
    struct ctl_controller *c = user;
    controller_take_use(c, h);
    if (c->core == NULL)
        return;
    ctl_feed_readings(c->feed, h);
    run_core(c);
}

static void on_metrics_sync(void *user, bool complete)
{
    struct ctl_controller *c = user;
    c->stats.synced[CORE_SOURCE_METRICS] = complete;
    if (c->core != NULL)
        ctl_feed_sync(c->feed, CORE_SOURCE_METRICS, complete);
    wake_soon(c);
}

/* -- leading ------------------------------------------------------------------------------------
 */

static void on_outcome(void *user, const struct core_outcome_fact *outcome)
{
    struct ctl_controller *c = user;
    controller_evicted(c, outcome);
    if (c->core == NULL)
        return;
    ctl_feed_add(c->feed, CORE_FACT_OUTCOME, CORE_SOURCE_ACTIONS)->outcome = *outcome;
    wake(c, os_loop_now_ns(c->loop));
}

static const struct ctl_node *node_of(void *user, uint64_t uid)
{
    const struct ctl_controller *c = user;
    uint32_t row = c->now == NULL ? MAP_NONE : map_u64_find(&c->now->w.node_by_uid, uid);
    return row == MAP_NONE ? NULL : c->now->w.node_notes[row].node;
}

static struct ctl_actor *actor_new(struct ctl_controller *c)
{
    const struct ctl_actor_options o = {
            .feed = c->feed, .node = node_of, .outcome = on_outcome, .user = c};
    return ctl_actor_new(c->o.client, &o);
}

static void lead(struct ctl_controller *c)
{
    c->leads = true;
    c->begin = true;
    controller_evictions_lead(c);
    wake_soon(c);
}

static void on_learned(void *user, const struct core_recording_step *s)
{
    struct ctl_controller *c = user;
    c->step = s->step + 1;
    c->fresh = false;
    if (c->o.on_step != NULL)
        c->o.on_step(c->o.user, s);
}

/* The Lease is renewed while history is walked. */
static void on_learning(void *user, uint32_t permille)
{
    struct ctl_controller *c = user;
    struct err ignored = {0};
    (void)permille;
    (void)os_loop_turn(c->loop, 0, &ignored);
}

/* What Prometheus knows goes into the core before it is asked to decide.  Without an answer it
 * begins knowing nothing, which freezes what is. */
static void learn(struct ctl_controller *c, struct core *core)
{
    enum { STEP_SECONDS = 300 };
    struct err e = {0};
    struct ctl_readings_result result;
    struct ctl_history *h = ctl_history_new(&c->now->w);
    /* Of our own: the one that governs may go meanwhile. */
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct policy policy;
    policy_copy(a, judging_policy(c), &policy);
    const struct ctl_readings_options range = {.prometheus = c->o.prometheus,
            .end_wall_ns = os_clock_wall_ns(),
            .span_ns = c->o.history_ns,
            .step_ns = STEP_SECONDS * NUM_NS_PER_SECOND};
    const struct ctl_observe_options observe = {.world = &c->now->w,
            .history = h,
            .policy = &policy,
            .seed = c->o.seed,
            .wall_ns = range.end_wall_ns,
            .on_step = on_learned,
            .on_progress = on_learning,
            .user = c};
    if (ctl_readings_range(c->o.http, h, &range, &result, &e) < 0) {
        os_log_warn("controller", "no history", OS_LOG_CSTR("why", e.text));
    } else if (c->leads) {
        struct ctl_learned learned;
        ctl_history_finish(h);
        /* Epoch 1 takes over from nobody: what others evicted is counted on the lists of today. */
        ctl_observe_learn(core, 1, &observe, &learned);
        c->mono_offset_ns =
                learned.mono_ns - os_clock_mono_ns() + (os_clock_wall_ns() - range.end_wall_ns);
        ctl_feed_skip(c->feed, learned.version);
        os_log_info("controller", "history learned", OS_LOG_U64("readings", h->count),
                OS_LOG_U64("steps", learned.steps));
    }
    (void)ctl_history_free(h);
}

/* What the core knows of the shard's owners. */
static bool collect_history(void *user, struct arena *a, uint32_t shard,
        struct core_history_fact **ret_owners, uint32_t *ret_count)
{
    const struct ctl_controller *c = user;
    if (c->core == NULL || !c->told)
        return false;
    const struct ctl_world *w = &c->now->w;
    uint32_t count = 0;
    struct core_history_fact *rows = ARENA_ARRAY(a, struct core_history_fact, w->owner_count + 1);
    struct buf text = BUF_INIT(USAGE_DIGEST_TEXT_MAX);
    for (uint32_t i = 0; i < w->owner_count; i++) {
        uint64_t uid = w->owners[i].owner.uid;
        buf_reset(&text);
        if (ctl_kept_shard(uid) != shard || !core_history_get(c->core, uid, &text, &rows[count]))
            continue;
        rows[count].digest = arena_str(a, rows[count].digest);
        count++;
    }
    buf_clear(&text);
    *ret_owners = rows;
    *ret_count = count;
    return true;
}

/* What an earlier leader had learned; the core takes what it does not know better. */
static void tell_history(
        struct ctl_controller *c, const struct core_history_fact *owners, uint32_t count)
{
    uint32_t told = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (map_u64_find(&c->now->w.owner_index, owners[i].owner) == MAP_NONE)
            continue;
        ctl_feed_add(c->feed, CORE_FACT_HISTORY, CORE_SOURCE_METRICS)->history = owners[i];
        told++;
    }
    if (told > 0)
        os_log_info("controller", "history taken up", OS_LOG_U64("owners", told));
}

/* A core for the time that we lead; not from a callback: learning runs the loop. */
static void begin(struct ctl_controller *c)
{
    const struct core_options options = {.seed = c->o.seed,
            .decide_every_ns = c->o.decide_every_ns,
            .propagation_ns = c->o.propagation_ns,
            .parts_timeout_ns = c->o.parts_timeout_ns};
    struct core *core = core_new(&options);
    c->begin = false;
    c->fresh = true;
    c->told = false;
    c->step = 0;
    c->wake_mono_ns = 0;
    c->mono_offset_ns = 0;
    c->o.epoch++;
    ctl_feed_restart(c->feed);
    struct core_history_fact *kept;
    c->holding = true;
    uint32_t kept_count = ctl_keeper_load(c->keeper, c->solutions, &kept);
    c->holding = false;
    if (c->o.history_ns > 0 && c->o.prometheus != NULL) {
        c->holding = true;
        learn(c, core);
        c->holding = false;
    }
    wake_soon(c);
    if (!c->leads) {
        (void)core_free(core); /* lost meanwhile */
        return;
    }
    c->core = core;
    c->policy_changed = c->policy_known;
    ctl_feed_sync(c->feed, CORE_SOURCE_METRICS, c->stats.synced[CORE_SOURCE_METRICS]);
    ctl_feed_sync(c->feed, CORE_SOURCE_OFFERS, true);
    ctl_feed_sync(c->feed, CORE_SOURCE_POLICY,
            c->o.fixed_policy != NULL || c->stats.synced[CORE_SOURCE_POLICY]);
    controller_evictions_tell(c);
    tell_world(c);
    tell_history(c, kept, kept_count);
    ctl_plans_lead(c->plans, true);
    ctl_plans_restart(c->plans);
}

static void follow(struct ctl_controller *c)
{
    c->leads = false;
    c->begin = false;
    ctl_keeper_rest(c->keeper);
    c->core = core_free(c->core);
    c->actor = ctl_actor_free(c->actor); /* what was sent may still happen: the next one looks */
    c->actor = actor_new(c);
    if (c->now != NULL)
        take_maps(c);
    ctl_plans_lead(c->plans, false);
}

static void on_lead(void *user, enum kube_lead state, struct str holder)
{
    struct ctl_controller *c = user;
    bool leads = state == KUBE_LEAD_YES;
    os_log_info("controller", leads ? "leading" : "not leading", OS_LOG_STR("holder", holder));
    if (leads && !c->leads)
        lead(c);
    if (!leads && c->leads)
        follow(c);
}

/* -- life ---------------------------------------------------------------------------------------
 */

static int start_watching(struct ctl_controller *c, struct err *reterr)
{
    const struct ctl_mirror_options mirror = {
            .operator_namespace = c->o.operator_namespace, .dirty = wake_soon, .user = c};
    const struct ctl_plans_options plans = {.policy = c->o.policy,
            .events = c->events,
            .policy_changed = on_policy,
            .policy_sync = on_policy_sync,
            .approved = on_approved,
            .user = c};
    const struct ctl_pulse_options pulse = {.prometheus = c->o.prometheus,
            .proxy = c->o.metrics_by_proxy ? c->o.client : NULL,
            .every_ns = c->o.metrics_every_ns,
            .world = pulse_world,
            .got = on_readings,
            .sync = on_metrics_sync,
            .user = c};
    if (ctl_mirror_start(c->o.client, &mirror, &c->mirror, reterr) < 0)
        return reterr->code;
    if (ctl_plans_start(c->o.client, &plans, &c->plans, reterr) < 0)
        return reterr->code;
    if (!c->o.no_metrics && ctl_pulse_start(c->o.http, &pulse, &c->pulse, reterr) < 0)
        return reterr->code;
    return 0;
}

static int start_election(struct ctl_controller *c, struct err *reterr)
{
    struct kube_elector_options o = {.namespace = c->o.namespace,
            .name = "slicewright",
            .identity = c->o.identity,
            .lease_ns = c->o.lease_ns,
            .renew_deadline_ns = c->o.lease_ns * 2 / 3,
            .retry_ns = c->o.lease_ns / 8,
            .changed = on_lead,
            .user = c};
    controller_evictions_elect(c, &o);
    if (!c->o.no_election)
        return kube_elector_start(c->o.client, &o, &c->elector, reterr);
    lead(c);
    return 0;
}

int ctl_controller_start(const struct ctl_controller_options *options,
        struct ctl_controller **ret_controller, struct err *reterr)
{
    struct ctl_controller *c = mem_alloc(1, sizeof *c);
    c->o = *options;
    c->loop = kube_client_loop(options->client);
    c->tick.fire = on_tick;
    /* A process cannot know that it is the first: whatever others may have evicted in the hour
     * before counts against the budget (core_evictions_take_over). */
    c->o.epoch = num_max_u32(c->o.epoch, 1);
    c->feed = ctl_feed_new();
    c->actor = actor_new(c);
    c->events = kube_recorder_new(options->client, "slicewright", options->identity);
    c->solutions = arena_new((size_t)1 << 30);
    c->keeper = ctl_keeper_new(
            options->client, &(struct ctl_keeper_options){.namespace = options->namespace,
                                     .every_ns = options->keep_every_ns,
                                     .collect = collect_history,
                                     .user = c});
    c->kept = mem_alloc(CTL_DECISIONS_KEPT, sizeof *c->kept);
    int rc = start_watching(c, reterr);
    if (rc == 0 && options->fixed_policy != NULL)
        govern(c, options->fixed_policy);
    if (rc == 0)
        rc = start_election(c, reterr);
    if (rc < 0) {
        ctl_controller_free(c);
        return rc;
    }
    *ret_controller = c;
    return 0;
}

static void on_released(void *user)
{
    struct ctl_controller *c = user;
    c->released = true;
}

int ctl_controller_run(struct ctl_controller *c, struct err *reterr)
{
    int rc = 0;
    while (rc >= 0 && !c->stop) {
        rc = os_loop_turn(c->loop, -1, reterr);
        if (c->begin && c->now != NULL)
            begin(c);
    }
    if (rc >= 0)
        ctl_keeper_save(c->keeper);
    if (c->leads)
        follow(c);
    c->released = c->elector == NULL;
    if (c->elector != NULL)
        kube_elector_release(c->elector, on_released, c);
    while (rc >= 0 && !c->released)
        rc = os_loop_turn(c->loop, -1, reterr);
    return rc < 0 ? rc : 0;
}

void ctl_controller_stop(struct ctl_controller *c)
{
    c->stop = true;
}

void ctl_controller_free(struct ctl_controller *c)
{
    if (c == NULL)
        return;
    os_loop_timer_clear(c->loop, &c->tick);
    kube_elector_free(c->elector);
    ctl_pulse_stop(c->pulse);
    ctl_plans_stop(c->plans);
    ctl_mirror_stop(c->mirror);
    c->actor = ctl_actor_free(c->actor);
    kube_recorder_free(c->events);
    c->keeper = ctl_keeper_free(c->keeper);
    c->core = core_free(c->core);
    c->feed = ctl_feed_free(c->feed);
    c->now = world_free(c->now);
    (void)arena_free(c->solutions);
    for (uint32_t i = 0; i < CTL_DECISIONS_KEPT; i++)
        mem_free(c->kept[i].text);
    mem_free(c->kept);
    mem_free(c->evictions.items);
    mem_free(c);
}
