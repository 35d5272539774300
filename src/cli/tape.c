/* cli/tape.c - see tape.h. */
#include "cli/tape.h"

#include "os/file.h"

#include <errno.h>
#include <stdio.h>

#define TAPE_BYTES_MAX ((size_t)4 << 30)

/* -- writing ------------------------------------------------------------------------------------
 */

void cli_tape_begin(struct cli_tape_writer *w, const struct cli_world_options *o,
        const struct sim_config *config)
{
    char numbers[5][24];
    const uint64_t values[5] = {
            o->seed, o->days, o->gpus_per_node, o->sample_pods, o->measure_from_hours};
    for (unsigned i = 0; i < 5; i++)
        (void)snprintf(numbers[i], sizeof numbers[i], "%llu", (unsigned long long)values[i]);
    const struct core_recording_source source[] = {
            {STR_LIT("scenario"), str_from(o->scenario)},
            {STR_LIT("trace"), str_from(o->trace)},
            {STR_LIT("prices"), str_from(o->prices)},
            {STR_LIT("policy"), str_from(o->policy)},
            {STR_LIT("gpu"), str_from(o->gpu)},
            {STR_LIT("caps"), str_from(cli_caps_choices[o->caps])},
            {STR_LIT("owner-patch-delay"), str_from(o->owner_patch_delay)},
            {STR_LIT("faults"), str_from(o->faults)},
            {STR_LIT("seed"), str_from(numbers[0])},
            {STR_LIT("days"), str_from(numbers[1])},
            {STR_LIT("gpus-per-node"), str_from(numbers[2])},
            {STR_LIT("sample-pods"), str_from(numbers[3])},
            {STR_LIT("measure-from"), str_from(numbers[4])},
            {STR_LIT("from"), str_from(o->from)},
    };
    const struct core_recording_header header = {
            .seed = config->core.seed != 0 ? config->core.seed : config->seed,
            .decide_every_ns = config->core.decide_every_ns,
            .propagation_ns = config->core.propagation_ns,
            .parts_timeout_ns = config->core.parts_timeout_ns,
            .solve_iterations = config->core.solve_iterations,
            .source_count = sizeof source / sizeof source[0],
            .source = source,
    };
    w->text = BUF_INIT(TAPE_BYTES_MAX);
    core_recording_header_write(&header, &w->text);
}

void cli_tape_on_step(struct cli_tape_writer *w, const struct sim_step *step)
{
    const struct core_recording_step s = {
            .step = step->step,
            .now = *step->now,
            .restart = step->restarted,
            .digest_known = true,
            .digest = core_digest(step->core),
            .fact_count = step->fact_count,
            .facts = step->facts,
    };
    core_recording_step_write(&s, &w->text);
}

int cli_tape_end(struct cli_tape_writer *w, const char *path, struct err *reterr)
{
    int rc = 0;
    struct str name = str_from(path);
    bool plain = str_ends(name, STR_LIT(".json")) || str_ends(name, STR_LIT(".jsonl"));
    if (w->text.overflow) {
        rc = err_set(reterr, -E2BIG, "%s: the recording would pass 4 GiB", path);
    } else {
        rc = os_file_write(path, buf_str(&w->text), plain ? OS_FILE_PLAIN : OS_FILE_GZIP, reterr);
    }
    buf_clear(&w->text);
    return rc;
}

int cli_tape_drop(struct cli_tape_writer *w)
{
    buf_clear(&w->text);
    return 0;
}

/* -- reading ------------------------------------------------------------------------------------
 */

static int next_line(struct cli_tape *t, struct str *ret_line)
{
    while (t->rest.len > 0 && str_split(&t->rest, '\n', ret_line)) {
        t->line++;
        if (str_trim(*ret_line).len > 0)
            return 1;
    }
    return 0;
}

int cli_tape_open(struct cli_tape *t, const char *path, struct err *reterr)
{
    *t = (struct cli_tape){.path = path};
    int rc = os_file_read(path, TAPE_BYTES_MAX, &t->content, reterr);
    if (rc < 0)
        return rc;
    t->rest = buf_str(&t->content);
    t->kept = arena_new((size_t)1 << 30);
    t->step_arena = arena_new((size_t)4 << 30);
    struct str line;
    if (next_line(t, &line) == 0) {
        rc = err_set(reterr, -EINVAL, "%s: empty: expected a recording", path);
    } else if (core_recording_header_parse(t->kept, line, &t->header, reterr) < 0) {
        rc = err_wrap(reterr, "%s: line 1", path);
    }
    if (rc < 0) {
        cli_tape_close(t);
        return rc;
    }
    t->replay = core_replay_new(&t->header);
    return 0;
}

void cli_tape_close(struct cli_tape *t)
{
    t->replay = core_replay_free(t->replay);
    t->kept = arena_free(t->kept);
    t->step_arena = arena_free(t->step_arena);
    map_u64_clear(&t->names);
    mem_free(t->name_texts);
    t->name_texts = NULL;
    buf_clear(&t->content);
}

static void keep_name(struct cli_tape *t, uint64_t uid, struct str name)
{
    if (name.len == 0 || map_u64_find(&t->names, uid) != MAP_NONE)
        return;
    if (t->name_count == t->name_cap) {
        t->name_cap = t->name_cap == 0 ? 256 : 2 * t->name_cap;
        t->name_texts = mem_grow(t->name_texts, t->name_cap, sizeof *t->name_texts);
    }
    t->name_texts[t->name_count] = arena_str(t->kept, name);
    (void)map_u64_set(&t->names, uid, t->name_count++);
}

static void keep_names(struct cli_tape *t, const struct core_recording_step *step)
{
    for (uint32_t i = 0; i < step->fact_count; i++) {
        const struct core_fact *f = &step->facts[i];
        if (f->kind == CORE_FACT_NODE) {
            keep_name(t, f->node.uid, f->node.name);
        } else if (f->kind == CORE_FACT_POD) {
            keep_name(t, f->pod.uid, f->pod.name);
        } else if (f->kind == CORE_FACT_OWNER) {
            keep_name(t, f->owner.uid, f->owner.name);
        }
    }
}

struct str cli_tape_name(const struct cli_tape *t, uint64_t uid)
{
    uint32_t at = map_u64_find(&t->names, uid);
    return at == MAP_NONE ? STR_LIT("") : t->name_texts[at];
}

int cli_tape_read(struct cli_tape *t, struct core_recording_step *ret_step, struct err *reterr)
{
    struct str line;
    if (next_line(t, &line) == 0)
        return 0;
    arena_reset(t->step_arena);
    if (core_recording_step_parse(t->step_arena, line, ret_step, reterr) < 0)
        return err_wrap(reterr, "%s: line %u", t->path, t->line);
    return 1;
}

int cli_tape_next(struct cli_tape *t, struct cli_tape_step *ret_step, struct err *reterr)
{
    int rc = cli_tape_read(t, &ret_step->inputs, reterr);
    if (rc <= 0)
        return rc;
    keep_names(t, &ret_step->inputs);
    core_replay_step(t->replay, &ret_step->inputs, &ret_step->output, &ret_step->verdict);
    return 1;
}
