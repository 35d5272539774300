/* cli/explain.c - the verb `slicewright explain`: what was decided about a GPU, node, workload, pod
 * or action, on which numbers, computed again from a recording. */
#include "base/civil.h"
#include "base/json.h"
#include "cli/explain_live.h"
#include "cli/option.h"
#include "cli/tape.h"
#include "cli/verbs.h"
#include "report/format.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { OUTPUT_TEXT, OUTPUT_JSON };
enum { KEPT_MAX = 100000, OUTPUT_BYTES_MAX = 256 << 20 };

struct options {
    uint64_t last;
    uint32_t output;
};

static const char *const output_choices[] = {"text", "json", NULL};

static const struct cli_option options[] = {
        {.name = "last",
                .letter = 'n',
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, last),
                .value_name = "N",
                .default_text = "10",
                .min = 1,
                .max = KEPT_MAX,
                .help = "the last N decisions about it"},
        {.name = "output",
                .letter = 'o',
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, output),
                .value_name = "FORMAT",
                .default_text = "text",
                .choices = output_choices,
                .help = "what is printed"},
        {0},
};

static const struct cli_argument arguments[] = {
        {.name = "RECORDING",
                .help = "by simulate, plan or controller --record; or the API of a\n"
                        "running controller: http://localhost:8081",
                .file = true},
        {.name = "SUBJECT",
                .help = "node/NAME, gpu/NODE/INDEX, workload/NAMESPACE/NAME,\n"
                        "pod/NAMESPACE/NAME, action/ID, decision/N or all"},
        {0},
};

enum subject_kind {
    SUBJECT_ALL,
    SUBJECT_NODE,
    SUBJECT_GPU,
    SUBJECT_WORKLOAD,
    SUBJECT_POD,
    SUBJECT_ACTION,
    SUBJECT_DECISION
};

struct subject {
    enum subject_kind kind;
    struct str name;
    uint64_t number; /* of an action or decision */
    uint8_t gpu;
};

static int parse_hex(struct str text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 16)
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit == 16)
            return -EINVAL;
        value = value << 4 | digit;
    }
    *ret = value;
    return 0;
}

/* "gpu/NODE/INDEX": the last part is the index. */
static int parse_gpu(struct subject *s, struct err *reterr)
{
    size_t slash = s->name.len;
    while (slash > 0 && s->name.ptr[slash - 1] != '/')
        slash--;
    uint64_t index = 0;
    struct str tail = {s->name.ptr + slash, s->name.len - slash};
    if (slash == 0 || str_to_u64(tail, 0, CORE_GPUS_MAX - 1, &index) < 0)
        return err_set(reterr, -EINVAL, "'gpu/%.*s': expected gpu/NODE/INDEX", STR_ARG(s->name));
    s->name.len = slash - 1;
    s->gpu = (uint8_t)index;
    return 0;
}

static int parse_subject(const char *text, struct subject *ret, struct err *reterr)
{
    static const struct {
        const char *prefix;
        enum subject_kind kind;
    } kinds[] = {{"node/", SUBJECT_NODE}, {"gpu/", SUBJECT_GPU}, {"workload/", SUBJECT_WORKLOAD},
            {"pod/", SUBJECT_POD}, {"action/", SUBJECT_ACTION}, {"decision/", SUBJECT_DECISION}};
    struct str s = str_from(text);
    *ret = (struct subject){.kind = SUBJECT_ALL};
    if (str_eq_c(s, "all"))
        return 0;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct str prefix = str_from(kinds[i].prefix);
        if (!str_starts(s, prefix) || s.len == prefix.len)
            continue;
        ret->kind = kinds[i].kind;
        ret->name = (struct str){s.ptr + prefix.len, s.len - prefix.len};
        if (ret->kind == SUBJECT_GPU)
            return parse_gpu(ret, reterr);
        if (ret->kind == SUBJECT_ACTION && parse_hex(ret->name, &ret->number) < 0)
            return err_set(reterr, -EINVAL, "'%s': expected an action's id, in hexadecimal", text);
        if (ret->kind == SUBJECT_DECISION && str_to_u64(ret->name, 0, UINT64_MAX, &ret->number) < 0)
            return err_set(reterr, -EINVAL, "'%s': expected a decision's number", text);
        return 0;
    }
    return err_set(reterr, -EINVAL,
            "'%s': expected node/NAME, gpu/NODE/INDEX, workload/NAME, pod/NAME, action/ID, "
            "decision/N or all",
            text);
}

/* What is kept of the walk: matching decisions, the last `last` of them, and actions. */
struct kept {
    uint64_t step;
    struct core_decision decision;
};

struct found {
    struct arena *arena;
    struct kept *kept; /* a ring of `cap` */
    uint32_t cap;
    uint64_t count;
    uint32_t differs_line; /* of the recording, where a step first came out differently; or 0 */
    bool named;            /* some fact named the subject */
    struct core_action action;
    bool action_found;
    int64_t action_wall_ns;
    uint64_t action_step;
};

static bool about(const struct cli_tape *t, const struct subject *s, const struct core_decision *d)
{
    switch (s->kind) {
    case SUBJECT_ALL:
        return true;
    case SUBJECT_NODE:
    case SUBJECT_GPU:
        return str_eq(cli_tape_name(t, d->node), s->name);
    case SUBJECT_WORKLOAD:
        return str_eq(cli_tape_name(t, d->owner), s->name);
    case SUBJECT_POD:
        return str_eq(cli_tape_name(t, d->pod), s->name);
    case SUBJECT_DECISION:
        return d->seq == s->number;
    case SUBJECT_ACTION:
        return false;
    }
    return false;
}

static void keep(struct found *f, uint64_t step, const struct core_decision *d)
{
    struct kept *to = &f->kept[f->count++ % f->cap];
    *to = (struct kept){step, *d};
    to->decision.text = arena_str(f->arena, d->text);
}

static void take_step(struct found *f, const struct cli_tape *t, const struct subject *s,
        const struct cli_tape_step *step)
{
    for (uint32_t i = 0; i < step->output.decision_count; i++) {
        if (about(t, s, &step->output.decisions[i]))
            keep(f, step->inputs.step, &step->output.decisions[i]);
    }
    for (uint32_t i = 0; s->kind == SUBJECT_ACTION && i < step->output.action_count; i++) {
        if (step->output.actions[i].id != s->number)
            continue;
        f->action = step->output.actions[i];
        f->action_found = true;
        f->action_step = step->inputs.step;
        f->action_wall_ns = step->inputs.now.wall_ns;
    }
}

/* -- printing -----------------------------------------------------------------------------------
 */

static void put_evidence(struct buf *out, const struct core_evidence *e, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "      %-34s %lld\n", e[i].name, (long long)e[i].value);
}

static void put_subjects(struct buf *out, const struct cli_tape *t, const struct core_decision *d)
{
    if (d->node)
        buf_printf(out, " node/%.*s", STR_ARG(cli_tape_name(t, d->node)));
    if (d->owner)
        buf_printf(out, " workload/%.*s", STR_ARG(cli_tape_name(t, d->owner)));
    if (d->pod)
        buf_printf(out, " pod/%.*s", STR_ARG(cli_tape_name(t, d->pod)));
}

static void put_decision(struct buf *out, const struct cli_tape *t, const struct core_decision *d)
{
    char when[32], money[REPORT_TEXT_MAX];
    buf_printf(out, "%s  decision/%llu  %s %s:", civil_format(d->wall_ns, when),
            (unsigned long long)d->seq, core_change_name(d->change), core_verdict_name(d->verdict));
    put_subjects(out, t, d);
    buf_printf(out, "\n      %.*s\n      %s: %s\n", STR_ARG(d->text), core_reason_name(d->reason),
            core_reason_text(d->reason));
    if (d->saving_microusd_per_hour != 0) {
        buf_printf(
                out, "      saves %s an hour\n", report_money(money, d->saving_microusd_per_hour));
    }
    put_evidence(out, d->evidence, d->evidence_count);
}

static void put_evidence_json(struct json_writer *w, const struct core_evidence *e, uint32_t count)
{
    jw_key(w, "evidence");
    jw_object(w);
    for (uint32_t i = 0; i < count; i++)
        jw_kv_i64(w, e[i].name, e[i].value);
    jw_object_end(w);
}

static void put_decision_json(
        struct json_writer *w, const struct cli_tape *t, const struct kept *kept)
{
    char when[32];
    const struct core_decision *d = &kept->decision;
    jw_object(w);
    jw_kv_u64(w, "decision", d->seq);
    jw_kv_u64(w, "step", kept->step);
    jw_kv_cstr(w, "time", civil_format(d->wall_ns, when));
    jw_kv_cstr(w, "change", core_change_name(d->change));
    jw_kv_cstr(w, "verdict", core_verdict_name(d->verdict));
    jw_kv_cstr(w, "reason", core_reason_name(d->reason));
    jw_kv_str(w, "node", cli_tape_name(t, d->node));
    jw_kv_str(w, "workload", cli_tape_name(t, d->owner));
    jw_kv_str(w, "pod", cli_tape_name(t, d->pod));
    jw_kv_str(w, "text", d->text);
    jw_kv_fixed(w, "saving_usd_per_hour", d->saving_microusd_per_hour, 6);
    put_evidence_json(w, d->evidence, d->evidence_count);
    jw_object_end(w);
}

static void put_action(struct buf *out, const struct cli_tape *t, const struct found *f)
{
    char when[32];
    const struct core_action *a = &f->action;
    buf_printf(out, "%s  action/%016llx  %s on %.*s\n      %s: %s\n",
            civil_format(f->action_wall_ns, when), (unsigned long long)a->id,
            core_action_name(a->kind), STR_ARG(cli_tape_name(t, a->target)),
            core_reason_name(a->reason), core_reason_text(a->reason));
    put_evidence(out, a->evidence, a->evidence_count);
}

static void put_action_json(struct json_writer *w, const struct cli_tape *t, const struct found *f)
{
    char when[32], id[24];
    const struct core_action *a = &f->action;
    (void)snprintf(id, sizeof id, "%016llx", (unsigned long long)a->id);
    jw_object(w);
    jw_kv_cstr(w, "action", id);
    jw_kv_u64(w, "step", f->action_step);
    jw_kv_cstr(w, "time", civil_format(f->action_wall_ns, when));
    jw_kv_cstr(w, "kind", core_action_name(a->kind));
    jw_kv_str(w, "target", cli_tape_name(t, a->target));
    jw_kv_cstr(w, "reason", core_reason_name(a->reason));
    put_evidence_json(w, a->evidence, a->evidence_count);
    jw_object_end(w);
}

static void put_found(
        struct buf *out, const struct cli_tape *t, const struct found *f, uint32_t output)
{
    uint64_t kept = f->count < f->cap ? f->count : f->cap;
    struct json_writer w = JSON_WRITER(out, 2);
    if (output == OUTPUT_JSON) {
        jw_array(&w);
    } else if (f->count > kept) {
        buf_printf(out, "the last %llu of %llu decisions:\n", (unsigned long long)kept,
                (unsigned long long)f->count);
    }
    for (uint64_t i = f->count - kept; i < f->count; i++) {
        if (output == OUTPUT_JSON) {
            put_decision_json(&w, t, &f->kept[i % f->cap]);
        } else {
            put_decision(out, t, &f->kept[i % f->cap].decision);
        }
    }
    if (output == OUTPUT_JSON) {
        if (f->action_found)
            put_action_json(&w, t, f);
        jw_array_end(&w);
        buf_putc(out, '\n');
    } else if (f->action_found) {
        put_action(out, t, f);
    }
}

static int explain(const char *path, const char *what, const struct options *o, struct err *reterr)
{
    struct subject s;
    struct cli_tape tape;
    struct cli_tape_step step = {0};
    int rc = parse_subject(what, &s, reterr);
    if (rc == 0)
        rc = cli_tape_open(&tape, path, reterr);
    if (rc < 0)
        return rc;
    struct found f = {.arena = arena_new((size_t)1 << 30), .cap = (uint32_t)o->last};
    f.kept = ARENA_ARRAY(f.arena, struct kept, f.cap);
    while ((rc = cli_tape_next(&tape, &step, reterr)) == 1) {
        take_step(&f, &tape, &s, &step);
        if (f.differs_line == 0 && step.verdict.digest_differs)
            f.differs_line = tape.line;
    }
    if (rc == 0 && f.differs_line > 0) {
        (void)fprintf(stderr,
                "slicewright explain: %s: line %u: from here on it comes out differently: edited, "
                "or "
                "another version\n",
                path, f.differs_line);
    }
    if (rc == 0 && f.count == 0 && !f.action_found)
        rc = err_set(reterr, -ENODATA, "%s: nothing was decided about '%s'", path, what);
    if (rc == 0) {
        struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
        put_found(&out, &tape, &f, o->output);
        rc = cli_print(&out, reterr);
        buf_clear(&out);
    }
    (void)arena_free(f.arena);
    cli_tape_close(&tape);
    return rc;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    if (cli_explain_is_live(call->arguments[0])) {
        return cli_explain_live(
                call->arguments[0], call->arguments[1], o->last, o->output == OUTPUT_JSON, reterr);
    }
    return explain(call->arguments[0], call->arguments[1], o, reterr);
}

const struct cli_verb cli_verb_explain = {
        .name = "explain",
        .brief = "why something was decided or refused, on which numbers",
        .summary = "Says what was decided or refused about something, on which numbers, and what "
                   "the\nalternatives cost.",
        .details =
                "A recording is fed through a fresh core: every number printed was computed just "
                "now.",
        .examples = "  slicewright simulate --days 2 --record run.gz\n"
                    "  slicewright explain run.gz all -n 5\n"
                    "  slicewright explain run.gz workload/team-a/notebook\n"
                    "  kubectl -n slicewright port-forward deploy/slicewright 8081 &\n"
                    "  slicewright explain http://localhost:8081 node/gpu-1",
        .options = options,
        .options_size = sizeof(struct options),
        .arguments = arguments,
        .run = run,
};
