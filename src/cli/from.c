/* cli/from.c - see from.h. */
#include "cli/from.h"

#include <errno.h>
#include <string.h>

int cli_from_open(struct cli_from *f, const char *text, struct err *reterr)
{
    *f = (struct cli_from){0};
    const char *at = strrchr(text, '@');
    uint64_t step = 0;
    if (at == NULL || at == text || str_to_u64(str_from(at + 1), 0, UINT32_MAX, &step) < 0)
        return err_set(reterr, -EINVAL, "--from: '%s': expected RECORDING@STEP", text);
    size_t len = (size_t)(at - text);
    char *path = mem_alloc(len + 1, 1);
    memcpy(path, text, len);
    int rc = cli_tape_open(&f->tape, path, reterr);
    if (rc < 0) {
        mem_free(path);
        return rc;
    }
    f->path = path;
    f->step = step;
    return 0;
}

void cli_from_close(struct cli_from *f)
{
    if (f->path == NULL)
        return;
    cli_tape_close(&f->tape);
    mem_free(f->path);
    *f = (struct cli_from){0};
}

/* -- options ------------------------------------------------------------------------------------
 */

static const char *source_text(const struct cli_from *f, const char *name)
{
    const struct core_recording_header *h = &f->tape.header;
    for (uint32_t i = 0; i < h->source_count; i++) {
        if (str_eq_c(h->source[i].name, name)) {
            return h->source[i].value.len > 0 ? arena_str(f->tape.kept, h->source[i].value).ptr
                                              : NULL;
        }
    }
    return NULL;
}

static int read_numbers(const struct cli_from *f, struct cli_world_options *o, struct err *reterr)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"seed", &o->seed}, {"days", &o->days}, {"gpus-per-node", &o->gpus_per_node},
            {"sample-pods", &o->sample_pods}, {"measure-from", &o->measure_from_hours}};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *text = source_text(f, numbers[i].name);
        if (text == NULL || str_to_u64(str_from(text), 0, UINT64_MAX, numbers[i].value) < 0) {
            return err_set(reterr, -EINVAL, "%s: line 1: source: %s: expected a whole number",
                    f->path, numbers[i].name);
        }
    }
    return 0;
}

int cli_from_options(
        const struct cli_from *f, struct cli_world_options *ret_options, struct err *reterr)
{
    struct cli_world_options o = {
            .scenario = source_text(f, "scenario"),
            .trace = source_text(f, "trace"),
            .prices = source_text(f, "prices"),
            .policy = source_text(f, "policy"),
            .gpu = source_text(f, "gpu"),
            .owner_patch_delay = source_text(f, "owner-patch-delay"),
            .faults = source_text(f, "faults"),
    };
    if (source_text(f, "from") != NULL) {
        return err_set(reterr, -EINVAL, "%s: went on from %s itself: go on from that one", f->path,
                source_text(f, "from"));
    }
    const char *caps = source_text(f, "caps");
    if (caps == NULL || o.policy == NULL || o.owner_patch_delay == NULL || o.faults == NULL) {
        return err_set(reterr, -EINVAL, "%s: line 1: expected a recording of simulate", f->path);
    }
    while (cli_caps_choices[o.caps] != NULL && strcmp(cli_caps_choices[o.caps], caps) != 0)
        o.caps++;
    if (cli_caps_choices[o.caps] == NULL)
        return err_set(reterr, -EINVAL, "%s: line 1: caps: '%s' is not known", f->path, caps);
    if (read_numbers(f, &o, reterr) < 0)
        return reterr->code;
    *ret_options = o;
    return 0;
}

/* -- the steps made as recorded -----------------------------------------------------------------
 */

/* Ends the run; the first reason stays. */
#define STOP(f, ...)                                                                               \
    do {                                                                                           \
        if ((f)->err.code == 0)                                                                    \
            (void)err_set(&(f)->err, -EINVAL, __VA_ARGS__);                                        \
    } while (0)

/* Puts the recorded fact in the place of the world's where they differ. */
static void take_fact(
        struct cli_from *f, uint32_t index, struct core_fact *fact, struct buf scratch[2])
{
    const struct core_fact *recorded = &f->recorded.facts[index];
    buf_reset(&scratch[0]);
    buf_reset(&scratch[1]);
    core_recording_fact_write(fact, &scratch[0]);
    core_recording_fact_write(recorded, &scratch[1]);
    if (str_eq(buf_str(&scratch[0]), buf_str(&scratch[1])))
        return;
    f->edits++;
    if (fact->kind != recorded->kind || fact->kind == CORE_FACT_SOLUTION) {
        STOP(f, "%s: step %llu: fact %u is of another kind than the simulated one", f->path,
                (unsigned long long)f->recorded.step, index);
        return;
    }
    *fact = *recorded;
}

bool cli_from_before_step(
        struct cli_from *f, uint64_t step, struct core_fact *facts, uint32_t count)
{
    if (f->err.code != 0)
        return false;
    if (step > f->step)
        return true;
    struct err e = {0};
    int rc = cli_tape_read(&f->tape, &f->recorded, &e);
    if (rc < 0) {
        f->err = e;
    } else if (rc == 0) {
        STOP(f, "%s: has no step %llu", f->path, (unsigned long long)f->step);
    } else if (f->recorded.step != step) {
        STOP(f, "%s: line %u: step %llu: expected step %llu", f->path, f->tape.line,
                (unsigned long long)f->recorded.step, (unsigned long long)step);
    } else if (f->recorded.fact_count != count) {
        STOP(f,
                "%s: step %llu has %u facts, the simulated one %u: recorded by another version, or "
                "facts were added or taken away, not edited",
                f->path, (unsigned long long)step, f->recorded.fact_count, count);
    }
    struct buf scratch[2] = {BUF_INIT(64 << 20), BUF_INIT(64 << 20)};
    for (uint32_t i = 0; i < count && f->err.code == 0; i++)
        take_fact(f, i, &facts[i], scratch);
    buf_clear(&scratch[0]);
    buf_clear(&scratch[1]);
    return f->err.code == 0;
}

void cli_from_after_step(struct cli_from *f, const struct sim_step *step)
{
    const struct core_recording_step *r = &f->recorded;
    if (step->step > f->step || f->err.code != 0)
        return;
    unsigned long long number = step->step;
    if (r->now.wall_ns != step->now->wall_ns || r->now.mono_ns != step->now->mono_ns ||
            r->now.epoch != step->now->epoch || r->restart != step->restarted)
        STOP(f, "%s: step %llu is at another time than the simulated one", f->path, number);
    if (!r->digest_known || r->digest == core_digest(step->core))
        return;
    /* What comes after other decisions is another story than the recorded one. */
    if (f->edits == 0) {
        STOP(f, "%s: step %llu comes out differently: recorded by another version", f->path,
                number);
    } else if (step->step < f->step) {
        STOP(f, "%s: what was edited changes step %llu: go on from there, --from %s@%llu", f->path,
                number, f->path, number);
    }
}
