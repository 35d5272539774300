/* cli/dra.c - `slicewright dra explain|allocate|eval|lint`. */
#include "cli/dra.h"
#include "cli/verbs.h"
#include "dra/batch.h"
#include "dra/emit.h"
#include "dra/explain.h"
#include "dra/extended.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { OUTPUT_BYTES_MAX = 256 << 20, JSON_INDENT = 2, ALL = 1 << 20 };

const char *const cli_dra_variant_choices[] = {"incubating", "experimental", NULL};

static const struct cli_option allocate_options[] = {
        CLI_DRA_FILE(struct cli_dra_options, file),
        CLI_DRA_KUBECONFIG(struct cli_dra_options, kubeconfig),
        CLI_DRA_CONTEXT(struct cli_dra_options, context),
        CLI_DRA_CLAIM(struct cli_dra_options, claim),
        CLI_DRA_POD(struct cli_dra_options, pod),
        CLI_DRA_NODE(struct cli_dra_options, node),
        {.name = "all-nodes",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct cli_dra_options, all_nodes),
                .help = "one answer a node"},
        CLI_DRA_VARIANT(struct cli_dra_options, variant),
        CLI_DRA_STEPS(struct cli_dra_options, steps),
        CLI_DRA_BATCH(struct cli_dra_options, batch),
        {0},
};

static const struct cli_option eval_options[] = {
        {.name = "expr",
                .letter = 'e',
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct cli_dra_options, expr),
                .value_name = "EXPR",
                .help = "a selector"},
        {.name = "device",
                .letter = 'd',
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct cli_dra_options, file),
                .value_name = "FILE",
                .help = "a device with its driver, attributes and capacity"},
        CLI_DRA_BATCH(struct cli_dra_options, batch),
        {0},
};

static void answer_eval(struct str line, uint64_t steps, struct buf *out)
{
    (void)steps;
    dra_batch_eval(line, out);
}

/* Lines in, lines out, each answered before the next is read. */
static int run_batch(
        void (*answer)(struct str, uint64_t, struct buf *), uint64_t steps, struct err *reterr)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len = 0;
    int rc = CLI_EXIT_OK;
    while (rc == CLI_EXIT_OK && (len = getline(&line, &cap, stdin)) > 0) {
        struct str text = {line, (size_t)len - (line[len - 1] == '\n')};
        struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
        if (text.len == 0)
            continue;
        answer(text, steps, &out);
        buf_putc(&out, '\n');
        if (out.overflow) {
            rc = err_set(reterr, -E2BIG, "an answer would pass %d MiB", OUTPUT_BYTES_MAX >> 20);
        } else if (fwrite(out.ptr, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
            rc = err_set(reterr, -EIO, "standard output: not everything could be written");
        }
        buf_clear(&out);
    }
    free(line);
    return rc;
}

struct allocating {
    const struct cli_dra_world *world;
    struct dra_engine *e;
    struct json_writer *json;
    uint64_t steps;
};

/* One node's answer; whether it is a yes. */
static bool allocate_node(struct allocating *a, const struct dra_input *input)
{
    const struct cli_dra_world *world = a->world;
    struct json_writer *w = a->json;
    struct arena *arena = arena_new(0);
    struct dra_result result;
    struct err err = {0};
    const struct dra_names *n = &world->store->names;
    enum dra_outcome outcome = dra_allocate(a->e, input, arena, &result, &err);
    bool gave_up = err.code == -ETIME;
    if (gave_up)
        dra_gave_up(a->steps, &err);
    jw_object(w);
    jw_kv_str(w, "node", dra_name(n, input->node->name));
    jw_kv_cstr(w, "outcome", gave_up ? DRA_GAVE_UP : dra_outcome_name(outcome));
    if (outcome == DRA_OUTCOME_ALLOCATED) {
        jw_key(w, "claims");
        jw_array(w);
        for (uint32_t i = 0; i < input->claim_count; i++) {
            jw_object(w);
            jw_kv_str(w, "namespace", dra_name(n, input->claims[i]->namespace_name));
            jw_kv_str(w, "name", dra_name(n, input->claims[i]->name));
            jw_key(w, "allocation");
            dra_allocation_emit(
                    w, world->store, input->claims[i], &result.allocations[i], input->node);
            jw_object_end(w);
        }
        jw_array_end(w);
    } else if (outcome != DRA_OUTCOME_NO_FIT) {
        jw_kv_cstr(w, "message", err.text);
    }
    jw_object_end(w);
    (void)arena_free(arena);
    return outcome == DRA_OUTCOME_ALLOCATED;
}

static int run_allocate(const struct cli_call *call, struct err *reterr)
{
    const struct cli_dra_options *o = call->options;
    struct cli_dra_world world = {0};
    if (o->batch) {
        size_t at = offsetof(struct cli_dra_options, steps);
        bool limited = cli_option_given(call, allocate_options, at);
        return run_batch(dra_batch_allocate_within, limited ? o->steps : 0, reterr);
    }
    if (!o->node && !o->all_nodes)
        return err_set(reterr, -EINVAL, "expected --node or --all-nodes");
    if (!o->file && !o->claim && !o->pod)
        return err_set(reterr, -EINVAL, "expected --claim or --pod: a cluster's claims are many");
    int rc = cli_dra_load(o, &world, reterr);
    if (!rc && world.claim_count > DRA_RUN_CLAIMS_MAX) {
        rc = err_set(reterr, -E2BIG, "%s: %u unallocated claims; choose with --claim or --pod",
                world.from, world.claim_count);
    }
    struct dra_engine *e = rc ? NULL : cli_dra_engine(o, &world, reterr);
    if (!e) {
        cli_dra_clear(&world);
        return rc ? rc : reterr->code;
    }
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&out, JSON_INDENT);
    struct allocating a = {&world, e, &w, o->steps};
    unsigned fits = 0;
    jw_array(&w);
    for (uint32_t i = 0; i < world.node_count; i++) {
        struct dra_input input = {
                .node = world.nodes[i], .claims = world.claims, .claim_count = world.claim_count};
        fits += allocate_node(&a, &input);
    }
    jw_array_end(&w);
    buf_putc(&out, '\n');
    rc = cli_print(&out, reterr);
    buf_clear(&out);
    (void)dra_engine_free(e);
    cli_dra_clear(&world);
    return rc < 0 ? rc : fits ? CLI_EXIT_OK : CLI_EXIT_NO;
}

static int eval_print(const char *expr, const struct dra_device_view *view, struct arena *arena,
        struct err *reterr)
{
    const struct cel_program *program = NULL;
    struct err err = {0};
    bool match = false;
    uint64_t cost = 0;
    struct buf out = BUF_INIT(1 << 20);
    int r = dra_selector_compile(str_from(expr), arena, &program, &err);
    if (r == -EINVAL) {
        cel_error_print(&out, str_from(expr), &err);
        (void)fprintf(stderr, "%.*s\n", (int)out.len, out.ptr ? out.ptr : "");
        buf_clear(&out);
        return err_set(reterr, r, "--expr does not compile");
    }
    if (!r)
        r = dra_selector_eval(program, view, &match, &cost, &err);
    if (r)
        return err_set(reterr, -EINVAL, "%s", err.text);
    buf_printf(&out, "%s (cost %llu)\n", match ? "match" : "no match", (unsigned long long)cost);
    struct cel_value vars[1] = {dra_device_value(view)};
    struct cel_run run = {.vars = vars, .arena = arena, .cost_limit = UINT64_MAX};
    struct cel_reason why;
    if (!match && cel_explain(program, &run, &why, &err)) {
        buf_printf(&out, "  %.*s is not true: %s\n", (int)(why.end - why.start), expr + why.start,
                why.values);
    }
    r = cli_print(&out, reterr);
    buf_clear(&out);
    return r < 0 ? r : match ? CLI_EXIT_OK : CLI_EXIT_NO;
}

static int run_eval(const struct cli_call *call, struct err *reterr)
{
    const struct cli_dra_options *o = call->options;
    if (o->batch)
        return run_batch(answer_eval, 0, reterr);
    if (!o->expr || !o->file)
        return err_set(reterr, -EINVAL, "expected --expr and --device, or --batch");
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    struct dra_store *store = dra_store_new(0);
    const struct dra_device *device = NULL;
    uint32_t driver = 0;
    const struct doc *doc = NULL;
    int rc = cli_dra_read_one(o->file, arena, &doc, reterr);
    if (!rc) {
        rc = dra_store_device(store, doc, &device, &driver, reterr);
        if (rc)
            (void)err_wrap(reterr, "%s", o->file);
    }
    if (!rc) {
        struct dra_device_view view;
        dra_device_view_init(&view, &store->names, device, driver, arena);
        rc = eval_print(o->expr, &view, arena, reterr);
    }
    (void)dra_store_free(store);
    return rc;
}

static const struct cli_verb allocate_verb = {
        .name = "allocate",
        .brief = "which devices the scheduler would give to claims",
        .summary =
                "Allocates a claim, the claims of a pod, or all unallocated claims of a file as\n"
                "those of one pod, on a node or on every node, and prints status.allocation as\n"
                "the scheduler would write it.  Changes nothing.",
        .examples = "  slicewright dra allocate -f objects.yaml --node node-1\n"
                    "  slicewright dra allocate --pod team/train-0 --all-nodes\n"
                    "  slicewright dra allocate --batch < cases.jsonl",
        .options = allocate_options,
        .options_size = sizeof(struct cli_dra_options),
        .run = run_allocate,
};

static const struct cli_verb eval_verb = {
        .name = "eval",
        .brief = "one selector on one device",
        .summary = "Evaluates a CEL selector on a device, as the scheduler does.",
        .examples = "  slicewright dra eval --device gpu.yaml \\\n"
                    "      --expr 'device.attributes[\"gpu.nvidia.com\"].type == \"gpu\"'",
        .options = eval_options,
        .options_size = sizeof(struct cli_dra_options),
        .run = run_eval,
};

static const struct cli_verb *const verbs[] = {
        &cli_dra_explain_verb,
        &allocate_verb,
        &eval_verb,
        &cli_dra_lint_verb,
        &cli_dra_slices_verb,
        NULL,
};

const struct cli_verb cli_verb_dra = {
        .name = "dra",
        .brief = "what Dynamic Resource Allocation would do, and why",
        .summary = "Matches claims to devices as Kubernetes' scheduler does (resource.k8s.io/v1).",
        .verbs = verbs,
};
