/* core/replay.c - see replay.h.  Pure. */
#include "core/replay.h"

#include "base/map.h"
#include "place/problem.h"

enum { OPEN_SOLVES_MAX = 8 };

/* A SOLVE that waits for its SOLUTION.  Solved at once, while its problem surely lives; kept until
 * the recording says when the answer came. */
struct open_solve {
    uint64_t action; /* 0 = free */
    struct arena *arena;
    const struct place_solution *solution; /* NULL: the problem was refused */
};

struct core_replay {
    struct core_options options;
    struct core *core;
    struct arena *arena;   /* of the step's facts and solutions */
    struct map_u64 issued; /* action ids, since the recording began */
    struct open_solve open[OPEN_SOLVES_MAX];
    uint32_t open_next; /* the oldest gives way */
};

struct core_replay *core_replay_new(const struct core_recording_header *header)
{
    struct core_replay *r = mem_alloc(1, sizeof *r);
    r->options = (struct core_options){
            .seed = header->seed,
            .decide_every_ns = header->decide_every_ns,
            .propagation_ns = header->propagation_ns,
            .parts_timeout_ns = header->parts_timeout_ns,
            .solve_iterations = header->solve_iterations,
    };
    r->core = core_new(&r->options);
    r->arena = arena_new((size_t)4 << 30);
    return r;
}

static void solve_drop(struct open_solve *s)
{
    s->arena = arena_free(s->arena);
    s->solution = NULL;
    s->action = 0;
}

struct core_replay *core_replay_free(struct core_replay *r)
{
    if (r == NULL)
        return NULL;
    for (uint32_t i = 0; i < OPEN_SOLVES_MAX; i++)
        solve_drop(&r->open[i]);
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

/* The answer to action `id`; NULL when it is of a controller before this one, or given up long ago:
 * the core ignores such a fact whatever it holds. */
static const struct place_solution *answer(const struct core_replay *r, uint64_t id)
{
    for (uint32_t i = 0; i < OPEN_SOLVES_MAX; i++) {
        if (r->open[i].action == id)
            return r->open[i].solution;
    }
    return NULL;
}

/* The step's facts with solutions filled in. */
static void prepare(const struct core_replay *r, const struct core_recording_step *step,
        struct core_fact *facts, struct core_replay_verdict *verdict)
{
    for (uint32_t i = 0; i < step->fact_count; i++) {
        facts[i] = step->facts[i];
        uint64_t answered = 0;
        if (facts[i].kind == CORE_FACT_OUTCOME)
            answered = facts[i].outcome.action;
        if (facts[i].kind == CORE_FACT_SOLUTION) {
            answered = facts[i].solution.action;
            facts[i].solution.solution = answer(r, answered);
        }
        bool answers = facts[i].kind == CORE_FACT_OUTCOME || facts[i].kind == CORE_FACT_SOLUTION;
        if (answers && !verdict->outcome_unknown &&
                map_u64_find(&r->issued, answered) == MAP_NONE) {
            verdict->outcome_unknown = true;
            verdict->unknown_action = answered;
        }
    }
}

static void remember(struct core_replay *r, const struct core_output *output)
{
    for (uint32_t i = 0; i < output->action_count; i++) {
        const struct core_action *a = &output->actions[i];
        (void)map_u64_set(&r->issued, a->id, (uint32_t)a->kind);
        if (a->kind != CORE_ACTION_SOLVE)
            continue;
        struct open_solve *open = &r->open[r->open_next];
        r->open_next = (r->open_next + 1) % OPEN_SOLVES_MAX;
        solve_drop(open);
        open->action = a->id;
        open->arena = arena_new((size_t)1 << 30);
        int rc = place_solve(
                open->arena, a->solve.problem, a->solve.seed, a->solve.iterations, &open->solution);
        if (rc < 0)
            open->solution = NULL;
    }
}

void core_replay_step(struct core_replay *r, const struct core_recording_step *step,
        struct core_output *ret_output, struct core_replay_verdict *ret_verdict)
{
    *ret_verdict = (struct core_replay_verdict){0};
    arena_reset(r->arena);
    if (step->restart) {
        (void)core_free(r->core);
        r->core = core_new(&r->options);
        for (uint32_t i = 0; i < OPEN_SOLVES_MAX; i++)
            solve_drop(&r->open[i]);
    }
    struct core_fact *facts = ARENA_ARRAY(r->arena, struct core_fact, step->fact_count + 1);
    prepare(r, step, facts, ret_verdict);
    core_step(r->core, &step->now, facts, step->fact_count, ret_output);
    remember(r, ret_output);
    ret_verdict->digest_differs = step->digest_known && core_digest(r->core) != step->digest;
}
