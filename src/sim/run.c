/* sim/run.c - before, baselines, after and native of one scenario, into one result.  Pure. */
#include "sim/world-priv.h"

#include "sim/bounds.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct run {
    const struct sim_config *config;
    struct arena *arena;
    struct report_result *result;
};

struct regime_text {
    const char *key, *title;
};

static const struct regime_text regimes[SIM_REGIME_COUNT] = {
        [SIM_REGIME_ONE_GPU_A_POD] = {"one_gpu_a_pod", "one GPU a pod"},
        [SIM_REGIME_TIMESLICING_X4] = {"static_timeslicing_x4", "static time-slicing x4"},
        [SIM_REGIME_ALL_1G] = {"static_all_1g", "static all-1g"},
        [SIM_REGIME_CORE] = {"after", "Slicewright"},
};

static int play(const struct run *r, struct sim_world *w, const char *name)
{
    enum { PARTS = 50 };
    int rc = 0;
    for (unsigned i = 1; i <= PARTS && rc == 0; i++) {
        rc = sim_world_run_until(w, w->end_ns / PARTS * i);
        if (r->config->progress != NULL)
            r->config->progress(r->config->context, name, i * 1000 / PARTS);
    }
    return rc == 0 ? sim_world_run_until(w, w->end_ns) : rc;
}

/* The others are judged by the terms that the run ends under. */
static const struct sim_config *last_terms(const struct sim_config *c)
{
    return c->then != NULL ? c->then : c;
}

static void run_static(struct run *r, enum sim_regime regime, struct report_run *ret_run)
{
    struct sim_world *w = sim_world_new(last_terms(r->config), regime);
    int rc = play(r, w, regimes[regime].key);
    assert(rc == 0 || w->violation != NULL);
    sim_world_report(w, r->arena, ret_run);
    ret_run->key = regimes[regime].key;
    ret_run->title = regimes[regime].title;
    if (regime == SIM_REGIME_ONE_GPU_A_POD && !r->config->skip_bounds)
        sim_bounds(w, r->result);
    sim_world_free(w);
}

static void copy_log(const struct sim_world *w, struct arena *a, struct report_result *res)
{
    struct core_decision *log = ARENA_ARRAY(a, struct core_decision, w->log_count + 1);
    for (uint32_t i = 0; i < w->log_count; i++) {
        log[i] = w->log[i];
        log[i].text = arena_str(a, w->log[i].text);
    }
    res->log = log;
    res->log_count = w->log_count;
}

static void copy_totals(const struct sim_world *w, struct report_result *res)
{
    struct core_totals t;
    core_totals_get(w->core, &t);
    const struct core_totals *b = &w->totals_before;
    res->decisions = t.decisions + b->decisions;
    res->violations = w->violation != NULL;
    res->steps = w->steps;
    res->totals.undone = t.undone + b->undone;
    res->totals.abandoned = t.abandoned + b->abandoned;
    res->totals.solves = t.solves + b->solves;
    for (unsigned i = 0; i < CORE_CHANGE_COUNT; i++) {
        res->totals.begun[i] = t.begun[i] + b->begun[i];
        res->totals.done[i] = t.done[i] + b->done[i];
        res->totals.refused[i] = t.refused[i] + b->refused[i];
    }
    res->totals.unshare_by_latency = w->unshare_by_latency;
    res->totals.mig_outside_window = w->mig_outside_window;
    res->blocked_saving_microusd_per_day = t.blocked_microusd_per_hour * 24;
}

static int violation_error(const struct run *r, const struct sim_world *w, struct err *reterr)
{
    const char *kind = w->violation_uid >> 60 == SIM_UID_NODE  ? "node"
                       : w->violation_uid >> 60 == SIM_UID_POD ? "pod"
                                                               : "object";
    uint32_t row = (uint32_t)((w->violation_uid & 0xffffffff) - 1);
    const char *name = "";
    if (w->violation_uid >> 60 == SIM_UID_NODE && row < w->node_count)
        name = w->nodes[row].name;
    if (w->violation_uid >> 60 == SIM_UID_POD && row < w->pod_count)
        name = w->pods[row].name;
    return err_set(reterr, -EPROTO, "seed %llu, step %llu, %llds: %s at %s %s (%llx)",
            (unsigned long long)r->config->seed, (unsigned long long)w->steps,
            (long long)(w->now_ns / SIM_SECOND), w->violation, kind, name,
            (unsigned long long)w->violation_uid);
}

/* The steps that come before other terms. */
static int play_first(const struct run *r, struct sim_world *w, struct err *reterr)
{
    const struct sim_config *c = r->config;
    int rc = 1;
    while (rc == 1 && sim_world_steps(w) <= c->then_step)
        rc = sim_world_step(w);
    if (rc == 0) {
        return err_set(reterr, -ERANGE, "step %llu: the run has only %llu steps",
                (unsigned long long)c->then_step, (unsigned long long)sim_world_steps(w));
    }
    if (rc < 0)
        return rc;
    r->result->from_wall_ns = sim_world_wall(w);
    sim_world_go_on(w, c->then);
    return 0;
}

static int run_core(struct run *r, struct err *reterr)
{
    struct sim_world *w = sim_world_new(r->config, SIM_REGIME_CORE);
    int rc = r->config->then != NULL ? play_first(r, w, reterr) : 0;
    if (rc == 0)
        rc = play(r, w, "after");
    struct report_result *res = r->result;
    if (rc == -EPROTO)
        rc = violation_error(r, w, reterr);
    if (rc == -ECANCELED)
        (void)err_set(reterr, rc, "step %llu: stopped", (unsigned long long)w->steps);
    sim_world_report(w, r->arena, &res->after);
    res->after.key = "after";
    res->after.title = "Slicewright";
    copy_log(w, r->arena, res);
    copy_totals(w, res);
    sim_report_map(w, r->arena, res);
    sim_report_names(w, r->arena, res);
    sim_world_free(w);
    return rc;
}

/* The same once more under other caps, into `ret_run`. */
static int run_beside(
        struct run *r, enum sim_caps caps, struct report_run *ret_run, struct err *reterr)
{
    bool dra = caps == SIM_CAPS_DRA;
    struct sim_config config = *last_terms(r->config);
    config.caps = caps;
    config.then = NULL;
    config.before_step = NULL; /* recorders follow the run that was asked for */
    config.after_step = NULL;
    config.coverage = NULL;
    struct run beside = {&config, r->arena, r->result};
    struct sim_world *w = sim_world_new(&config, SIM_REGIME_CORE);
    int rc = play(&beside, w, dra ? "dra" : "native");
    if (rc != 0)
        rc = violation_error(&beside, w, reterr);
    sim_world_report(w, r->arena, ret_run);
    ret_run->key = dra ? "dra" : "native";
    ret_run->title = dra ? "Slicewright, DRA caps" : "Slicewright, native caps";
    sim_world_free(w);
    return rc;
}

static int check_config(const struct sim_config *c, struct err *reterr)
{
    int rc = sim_scenario_check(c->scenario, reterr);
    if (rc != 0)
        return rc;
    int64_t end = c->duration_ns > 0 ? c->duration_ns : c->scenario->duration_ns;
    if (c->measure_from_ns < 0 || c->measure_from_ns >= end) {
        return err_set(reterr, -EINVAL, "measure from: expected a time within the run's %lld h",
                (long long)(end / NUM_NS_PER_HOUR));
    }
    if (c->faults_ppm > 1000000)
        return err_set(reterr, -EINVAL, "faults: expected a rate of 0 to 1");
    return 0;
}

static void run_baselines(struct run *r)
{
    struct report_result *res = r->result;
    run_static(r, SIM_REGIME_ONE_GPU_A_POD, &res->before);
    res->baselines[0] = res->before;
    res->before.key = "before";
    res->before.title = "before";
    run_static(r, SIM_REGIME_TIMESLICING_X4, &res->baselines[1]);
    run_static(r, SIM_REGIME_ALL_1G, &res->baselines[2]);
    res->baseline_count = 3;
}

int sim_run(const struct sim_config *config, struct arena *a, struct report_result *ret_result,
        struct err *reterr)
{
    int rc = check_config(config, reterr);
    if (rc != 0)
        return rc;
    struct run r = {config, a, ret_result};
    *ret_result = (struct report_result){.scenario = config->scenario->name,
            .caps = str_from(sim_caps_name(config->caps)),
            .policy = last_terms(config)->policy->name,
            .seed = config->seed,
            .start_wall_ns = config->scenario->start_wall_ns,
            .duration_ns =
                    config->duration_ns > 0 ? config->duration_ns : config->scenario->duration_ns,
            .measure_from_ns = config->measure_from_ns};
    if (!config->skip_baselines)
        run_baselines(&r);
    rc = run_core(&r, reterr);
    if (rc == 0 && config->with_dra && config->caps != SIM_CAPS_DRA) {
        rc = run_beside(&r, SIM_CAPS_DRA, &r.result->dra, reterr);
        r.result->dra_known = rc == 0;
    }
    if (rc == 0 && config->with_native && config->caps != SIM_CAPS_NATIVE) {
        rc = run_beside(&r, SIM_CAPS_NATIVE, &r.result->native, reterr);
        r.result->native_known = rc == 0;
    }
    return rc;
}
