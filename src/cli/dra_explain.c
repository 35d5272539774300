/* cli/dra_explain.c - `slicewright dra explain` and `slicewright dra lint`. */
#include "cli/dra.h"
#include "dra/explain.h"
#include "dra/lint.h"
#include "dra/validate.h"

#include <errno.h>

enum { OUTPUT_BYTES_MAX = 256 << 20, JSON_INDENT = 2 };

static const struct cli_option explain_options[] = {
        CLI_DRA_FILE(struct cli_dra_options, file, true),
        CLI_DRA_CLAIM(struct cli_dra_options, claim),
        CLI_DRA_NODE(struct cli_dra_options, node),
        CLI_DRA_VARIANT(struct cli_dra_options, variant),
        CLI_OPTION_OUTPUT(struct cli_dra_options, output),
        {0},
};

static const struct cli_option lint_options[] = {
        CLI_DRA_FILE(struct cli_dra_options, file, true),
        {0},
};

static int run_explain(const struct cli_call *call, struct err *reterr)
{
    const struct cli_dra_options *o = call->options;
    struct cli_dra_world world = {0};
    int rc = cli_dra_load(o, &world, reterr);
    struct dra_engine *e = rc ? NULL : cli_dra_engine(o, &world, reterr);
    if (!e) {
        cli_dra_clear(&world);
        return rc ? rc : reterr->code;
    }
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&out, JSON_INDENT);
    bool json = o->output == CLI_OUTPUT_JSON;
    unsigned fits = 0;
    if (json)
        jw_array(&w);
    for (uint32_t c = 0; c < world.claim_count; c++) {
        for (uint32_t i = 0; i < world.node_count; i++) {
            struct arena *arena = arena_new(0);
            struct dra_report report;
            dra_explain(e, world.nodes[i], world.claims[c], arena, &report);
            fits += report.outcome == DRA_OUTCOME_ALLOCATED;
            if (json) {
                dra_report_json(&w, world.store, world.nodes[i], world.claims[c], &report);
            } else {
                dra_report_text(&out, world.store, world.nodes[i], world.claims[c], &report);
            }
            (void)arena_free(arena);
        }
    }
    if (json) {
        jw_array_end(&w);
        buf_putc(&out, '\n');
    }
    rc = cli_print(&out, reterr);
    buf_clear(&out);
    (void)dra_engine_free(e);
    cli_dra_clear(&world);
    return rc < 0 ? rc : fits ? CLI_EXIT_OK : CLI_EXIT_NO;
}

/* What lint has found so far. */
struct findings {
    struct dra_store *store;
    struct buf *out;
    unsigned problems, warnings;
};

static void on_problem(void *context, uint32_t line, const char *path, const char *reason)
{
    struct findings *f = context;
    f->problems++;
    if (line) {
        buf_printf(f->out, "error: line %u: %s: %s\n", line, path, reason);
    } else {
        buf_printf(f->out, "error: %s: %s\n", path, reason);
    }
}

static void on_warning(void *context, const char *object, const char *text)
{
    struct findings *f = context;
    f->warnings++;
    buf_printf(f->out, "warning: %s: %s\n", object, text);
}

static int lint_document(void *context, const struct doc *doc, struct err *reterr)
{
    struct findings *f = context;
    unsigned before = f->problems;
    int r = dra_validate(doc, on_problem, f, reterr);
    return r || f->problems > before ? r : dra_store_add(f->store, doc, reterr);
}

static int run_lint(const struct cli_call *call, struct err *reterr)
{
    const struct cli_dra_options *o = call->options;
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct findings f = {.store = dra_store_new(0), .out = &out};
    int rc = cli_dra_read(o->file, lint_document, &f, reterr);
    if (rc == 0) {
        cli_dra_nodes_make_up(f.store);
        dra_store_apply_rules(f.store);
        struct dra_setup setup = {.variant = DRA_VARIANT_INCUBATING,
                .features = dra_variant_features(DRA_VARIANT_INCUBATING)};
        struct dra_engine *e = dra_engine_new(f.store, &setup);
        dra_lint(e, on_warning, &f);
        (void)dra_engine_free(e);
        if (f.problems + f.warnings == 0)
            buf_printf(&out, "%s: ok\n", o->file);
        rc = cli_print(&out, reterr);
    }
    buf_clear(&out);
    (void)dra_store_free(f.store);
    if (rc < 0)
        return rc;
    return f.problems ? CLI_EXIT_BAD_INPUT : f.warnings ? CLI_EXIT_NO : CLI_EXIT_OK;
}

const struct cli_verb cli_dra_explain_verb = {
        .name = "explain",
        .brief = "why a claim fits a node or does not",
        .summary = "Shows for every request of a claim how many of a node's devices each check\n"
                   "leaves, what the first stopped device looked like, the nearest miss, and what\n"
                   "would make it fit.",
        .examples = "  slicewright dra explain -f objects.yaml --claim team/train --node gpu-1",
        .options = explain_options,
        .options_size = sizeof(struct cli_dra_options),
        .run = run_explain,
};

const struct cli_verb cli_dra_lint_verb = {
        .name = "lint",
        .brief = "what the API refuses, and what is legal but will hurt",
        .summary = "Checks objects by the API server's rules, then against each other: selectors\n"
                   "that fail on other drivers' devices or match nothing, too many devices, All\n"
                   "over pools that are not complete.  Exit 2 for errors, 1 for warnings.",
        .examples = "  slicewright dra lint -f objects.yaml",
        .options = lint_options,
        .options_size = sizeof(struct cli_dra_options),
        .run = run_lint,
};
