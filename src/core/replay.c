/* core/replay.c - see replay.h.  Pure. */
#include "core/replay.h"

#include "base/map.h"
#include "place/problem.h"

#include <assert.h>
#include <errno.h>

enum { OPEN_SOLVES_MAX = 64 };

/* A SOLVE that waits for its SOLUTION. */
struct open_solve {
    uint64_t action;
    const struct place_problem *problem; /* owned by the core until the solution came */
    uint64_t seed;
    uint32_t iterations;
};

struct core_replay {
    struct core_options options;
    struct core *core;
    struct arena *arena;   /* of the step's facts and solutions */
    struct map_u64 issued; /* action ids, since the recording began */
    struct open_solve open[OPEN_SOLVES_MAX];
    uint32_t open_count;
};

struct core_replay *core_replay_new(const struct core_recording_header *header)
{
    struct core_replay *r = mem_alloc(1, sizeof *r);
    r->options = (struct core_options){
            .seed = header->seed,
            .decide_every_ns = header->decide_every_ns,
            .propagation_ns = header->propagation_ns,
            .solve_iterations = header->solve_iterations,
    };
    r->core = core_new(&r->options);
    r->arena = arena_new((size_t)4 << 30);
    return r;
}

struct core_replay *core_replay_free(struct core_replay *r)
{
    if (r == NULL)
        return NULL;
    (void)core_free(r->core);
    (void)arena_free(r->arena);
    map_u64_clear(&r->issued);
    mem_free(r);
    return NULL;
}

const struct core *core_replay_core(const struct core_replay *r)
{
    return r->core;
}

/* Solves again what action `id` asked; NULL when no such SOLVE is open. */
static const struct place_solution *solve(struct core_replay *r, uint64_t id)
{
    for (uint32_t i = 0; i < r->open_count; i++) {
        if (r->open[i].action != id)
            continue;
        const struct open_solve s = r->open[i];
        r->open[i] = r->open[--r->open_count];
        const struct place_solution *solution = NULL;
        int rc = place_solve(r->arena, s.problem, s.seed, s.iterations, &solution);
        return rc == 0 ? solution : NULL;
    }
    return NULL;
}

/* The step's facts with solutions filled in. */
static int prepare(struct core_replay *r, const struct core_recording_step *step,
        struct core_fact *facts, struct core_replay_verdict *verdict)
{
    int rc = 0;
    for (uint32_t i = 0; i < step->fact_count; i++) {
        facts[i] = step->facts[i];
        uint64_t answered = 0;
        if (facts[i].kind == CORE_FACT_OUTCOME)
            answered = facts[i].outcome.action;
        if (facts[i].kind == CORE_FACT_SOLUTION) {
            answered = facts[i].solution.action;
            facts[i].solution.solution = solve(r, answered);
        }
        bool answers = facts[i].kind == CORE_FACT_OUTCOME || facts[i].kind == CORE_FACT_SOLUTION;
        if (answers && !verdict->outcome_unknown &&
                map_u64_find(&r->issued, answered) == MAP_NONE) {
            verdict->outcome_unknown = true;
            verdict->unknown_action = answered;
        }
        if (facts[i].kind == CORE_FACT_SOLUTION && facts[i].solution.solution == NULL)
            rc = -EINVAL;
    }
    return rc;
}

static void remember(struct core_replay *r, const struct core_output *output)
{
    for (uint32_t i = 0; i < output->action_count; i++) {
        const struct core_action *a = &output->actions[i];
        (void)map_u64_set(&r->issued, a->id, (uint32_t)a->kind);
        if (a->kind != CORE_ACTION_SOLVE)
            continue;
        assert(r->open_count < OPEN_SOLVES_MAX);
        r->open[r->open_count++] =
                (struct open_solve){a->id, a->solve.problem, a->solve.seed, a->solve.iterations};
    }
}

int core_replay_step(struct core_replay *r, const struct core_recording_step *step,
        struct core_output *ret_output, struct core_replay_verdict *ret_verdict)
{
    *ret_verdict = (struct core_replay_verdict){0};
    arena_reset(r->arena);
    if (step->restart) {
        (void)core_free(r->core);
        r->core = core_new(&r->options);
        r->open_count = 0;
    }
    struct core_fact *facts = ARENA_ARRAY(r->arena, struct core_fact, step->fact_count + 1);
    int rc = prepare(r, step, facts, ret_verdict);
    if (rc < 0)
        return rc;
    core_step(r->core, &step->now, facts, step->fact_count, ret_output);
    remember(r, ret_output);
    ret_verdict->digest_differs = step->digest_known && core_digest(r->core) != step->digest;
    return 0;
}
