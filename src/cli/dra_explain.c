/* cli/dra_explain.c - `slicewright dra explain` and `slicewright dra lint`. */
#include "cli/dra.h"
#include "dra/explain.h"
#include "dra/fields.h"
#include "dra/lint.h"
#include "dra/validate.h"

#include <errno.h>

enum { OUTPUT_BYTES_MAX = 256 << 20, JSON_INDENT = 2, NAMES_MAX = 20, NAMES_BYTES_MAX = 1 << 16 };

static const struct cli_option explain_options[] = {
        CLI_DRA_FILE(struct cli_dra_options, file),
        CLI_DRA_KUBECONFIG(struct cli_dra_options, kubeconfig),
        CLI_DRA_CONTEXT(struct cli_dra_options, context),
        CLI_DRA_CLAIM(struct cli_dra_options, claim),
        CLI_DRA_POD(struct cli_dra_options, pod),
        CLI_DRA_NODE(struct cli_dra_options, node),
        CLI_DRA_VARIANT(struct cli_dra_options, variant),
        CLI_DRA_STEPS(struct cli_dra_options, steps),
        {.name = "top",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct cli_dra_options, top),
                .value_name = "N",
                .default_text = "10",
                .min = 1,
                .max = 1000000,
                .help = "funnels a claim, of nodes that have devices; the others\n"
                        "are counted (json: all are there)"},
        CLI_OPTION_OUTPUT(struct cli_dra_options, output),
        {0},
};

static const struct cli_option lint_options[] = {
        CLI_DRA_FILE(struct cli_dra_options, file),
        CLI_DRA_KUBECONFIG(struct cli_dra_options, kubeconfig),
        CLI_DRA_CONTEXT(struct cli_dra_options, context),
        {0},
};

/* What is printed, and what it came to. */
struct printer {
    const struct cli_dra_world *world;
    struct dra_engine *e;
    struct buf *out;
    struct json_writer *json; /* NULL: text */
    const struct cli_dra_options *options;
    unsigned fits;
};

/* How a claim does on the nodes. */
struct tally {
    uint32_t fits, bare; /* bare: has no device */
    uint64_t funnels;
    struct buf names; /* of nodes where it fits */
};

static void tally_fit(const struct printer *p, const struct dra_node *node, struct tally *t)
{
    struct str name = dra_name(&p->world->store->names, node->name);
    if (t->fits < NAMES_MAX)
        buf_printf(&t->names, "%s%.*s", t->fits > 0 ? ", " : ": ", STR_ARG(name));
    t->fits++;
}

static bool is_bare(const struct dra_report *r)
{
    for (uint32_t i = 0; i < r->ask_count; i++) {
        if (r->asks[i].devices > 0)
            return false;
    }
    return r->ask_count > 0 && r->note_count == 0;
}

static void explain_node(struct printer *p, const struct dra_claim *claim,
        const struct dra_node *node, struct tally *t)
{
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    struct dra_report report;
    dra_explain(p->e, node, claim, arena, &report);
    if (report.outcome == DRA_OUTCOME_ALLOCATED)
        tally_fit(p, node, t);
    if (p->json) {
        dra_report_json(p->json, p->world->store, node, claim, &report);
    } else if (p->world->node_count > 1 && is_bare(&report)) {
        t->bare++;
    } else {
        dra_report_text(p->out, p->world->store, node, claim, &report);
        t->funnels++;
    }
}

/* Beyond the funnels that are wanted: does it fit. */
static void explain_briefly(struct printer *p, const struct dra_claim *claim,
        const struct dra_node *node, struct tally *t)
{
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    struct dra_input input = {.node = node, .claims = &claim, .claim_count = 1};
    struct dra_result result;
    if (dra_allocate(p->e, &input, arena, &result, NULL) == DRA_OUTCOME_ALLOCATED)
        tally_fit(p, node, t);
}

static void explain_claim(struct printer *p, const struct dra_claim *claim)
{
    const struct cli_dra_world *w = p->world;
    const struct dra_names *n = &w->store->names;
    struct tally t = {.names = BUF_INIT(NAMES_BYTES_MAX)};
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (p->json || t.funnels < p->options->top) {
            explain_node(p, claim, w->nodes[i], &t);
        } else {
            explain_briefly(p, claim, w->nodes[i], &t);
        }
    }
    p->fits += w->pod ? 0 : t.fits;
    if (!p->json && w->node_count > 1) {
        buf_printf(p->out, "claim %.*s/%.*s fits %u of %u nodes%.*s%s",
                STR_ARG(dra_name(n, claim->namespace_name)), STR_ARG(dra_name(n, claim->name)),
                t.fits, w->node_count, (int)t.names.len, t.names.len > 0 ? t.names.ptr : "",
                t.fits > NAMES_MAX ? ", ..." : "");
        if (t.bare > 0)
            buf_printf(p->out, "; %u have no device", t.bare);
        buf_putc(p->out, '\n');
    }
    buf_clear(&t.names);
}

/* A pod's claims must fit together: claims that fit alone may want the same device. */
static void explain_pod(struct printer *p, const struct dra_node *node)
{
    const struct cli_dra_world *w = p->world;
    const struct dra_names *n = &w->store->names;
    SCOPED(arena_scoped_free) struct arena *arena = arena_new(0);
    struct dra_input input = {.node = node, .claims = w->claims, .claim_count = w->claim_count};
    struct dra_result result;
    struct err err = {0};
    enum dra_outcome outcome = dra_allocate(p->e, &input, arena, &result, &err);
    bool fits = outcome == DRA_OUTCOME_ALLOCATED;
    p->fits += fits;
    if (err.code == -ETIME)
        dra_gave_up(p->options->steps, &err);
    if (p->json) {
        jw_object(p->json);
        jw_kv_str(p->json, "namespace", dra_name(n, w->pod->namespace_name));
        jw_kv_str(p->json, "pod", dra_name(n, w->pod->name));
        jw_kv_str(p->json, "node", dra_name(n, node->name));
        jw_kv_cstr(
                p->json, "outcome", err.code == -ETIME ? DRA_GAVE_UP : dra_outcome_name(outcome));
        if (err.text[0])
            jw_kv_cstr(p->json, "message", err.text);
        jw_object_end(p->json);
        return;
    }
    buf_printf(p->out, "pod %.*s/%.*s on node %.*s: its %u claim%s %s%s%s\n",
            STR_ARG(dra_name(n, w->pod->namespace_name)), STR_ARG(dra_name(n, w->pod->name)),
            STR_ARG(dra_name(n, node->name)), w->claim_count, w->claim_count == 1 ? "" : "s",
            fits ? "fit together" : "do not fit together", err.text[0] ? ": " : "", err.text);
}

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
    struct printer p = {.world = &world,
            .e = e,
            .out = &out,
            .json = o->output == CLI_OUTPUT_JSON ? &w : NULL,
            .options = o};
    if (p.json)
        jw_array(&w);
    for (uint32_t c = 0; c < world.claim_count; c++)
        explain_claim(&p, world.claims[c]);
    for (uint32_t i = 0; world.pod && i < world.node_count; i++)
        explain_pod(&p, world.nodes[i]);
    if (p.json) {
        jw_array_end(&w);
        buf_putc(&out, '\n');
    }
    rc = cli_print(&out, reterr);
    buf_clear(&out);
    (void)dra_engine_free(e);
    cli_dra_clear(&world);
    return rc < 0 ? rc : p.fits ? CLI_EXIT_OK : CLI_EXIT_NO;
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
    dra_fields_check(doc, on_problem, f);
    int r = dra_validate(doc, on_problem, f, reterr);
    return r || f->problems > before ? r : dra_store_add(f->store, doc, reterr);
}

/* The objects of a file, checked; those of a cluster were checked when they were made. */
static int lint_read(const struct cli_dra_options *o, struct findings *f, const char **ret_from,
        struct err *reterr)
{
    *ret_from = o->file;
    if (!o->file)
        return cli_dra_read_live(o, f->store, ret_from, reterr);
    int rc = cli_dra_read(o->file, lint_document, f, reterr);
    if (rc == 0)
        cli_dra_nodes_make_up(f->store);
    return rc;
}

static int run_lint(const struct cli_call *call, struct err *reterr)
{
    const struct cli_dra_options *o = call->options;
    const char *from = NULL;
    struct buf out = BUF_INIT(OUTPUT_BYTES_MAX);
    struct findings f = {.store = dra_store_new(0), .out = &out};
    int rc = o->file && (o->kubeconfig || o->context)
                     ? err_set(reterr, -EINVAL, "--file excludes --kubeconfig and --context")
                     : lint_read(o, &f, &from, reterr);
    if (rc == 0) {
        dra_store_apply_rules(f.store);
        struct dra_setup setup = {.variant = DRA_VARIANT_INCUBATING,
                .features = dra_variant_features(DRA_VARIANT_INCUBATING)};
        struct dra_engine *e = dra_engine_new(f.store, &setup);
        dra_lint(e, on_warning, &f);
        (void)dra_engine_free(e);
        if (f.problems + f.warnings == 0)
            buf_printf(&out, "%s: ok\n", from);
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
                   "would make it fit.  Reads the cluster, or a file; changes nothing.",
        .examples = "  slicewright dra explain --claim team/train --node gpu-1\n"
                    "  slicewright dra explain --pod team/train-0\n"
                    "  slicewright dra explain -f objects.yaml",
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
        .examples = "  slicewright dra lint -f objects.yaml\n"
                    "  slicewright dra lint",
        .options = lint_options,
        .options_size = sizeof(struct cli_dra_options),
        .run = run_lint,
};
