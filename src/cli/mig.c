/* cli/mig.c - `slicewright mig profiles|layouts|check|diff`. */
#include "cli/mig_print.h"
#include "cli/option.h"
#include "cli/verbs.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { OUTPUT_BYTES_MAX = 64 << 20, JSON_INDENT = 2 };

/* The values of every sub-verb's options. */
struct mig_options {
    const char *gpu, *profiles;
    bool maximal, count, multisets;
    uint32_t output;
};

#define OPTION_GPU(is_required)                                                                    \
    {                                                                                              \
        .name = "gpu", .letter = 'g', .kind = CLI_OPTION_TEXT, .required = (is_required),          \
        CLI_AT(struct mig_options, gpu), .value_name = "MODEL",                                    \
        .help = "a key (A100-40GB), a product name, or an alias\nthat fits one model alone"        \
    }

static const struct cli_option profiles_options[] = {
        OPTION_GPU(false),
        CLI_OPTION_OUTPUT(struct mig_options, output),
        {0},
};

static const struct cli_option gpu_options[] = {
        OPTION_GPU(true),
        CLI_OPTION_OUTPUT(struct mig_options, output),
        {0},
};

static const struct cli_option layouts_options[] = {
        OPTION_GPU(true),
        CLI_OPTION_OUTPUT(struct mig_options, output),
        {.name = "profiles",
                .letter = 'p',
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct mig_options, profiles),
                .value_name = "LIST",
                .default_text = "base",
                .help = "which may be used: base (the plain sizes), all,\n"
                        "or names and ids with commas"},
        {.name = "maximal",
                .letter = 'm',
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct mig_options, maximal),
                .help = "only those that none of these can be added to"},
        {.name = "multisets",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct mig_options, multisets),
                .help = "how many of each, without starts; with --maximal\n"
                        "those that take no more under any choice of starts"},
        {.name = "count",
                .letter = 'c',
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct mig_options, count),
                .help = "only how many there are"},
        {0},
};

#define LAYOUT_FORM                                                                                \
    "A layout is items with commas: [Nx][Cc.]NAME[@START][*], or 'none'.  NAME is a\n"             \
    "profile or a GPU instance profile id, @START fixes the first memory unit, * marks\n"          \
    "an instance in use, Nx stands for N of it, and 1c.3g.20gb is a compute instance\n"            \
    "inside a 3g.20gb."

/* What a sub-verb works on; text goes to `out`, written at the end. */
struct context {
    struct mig_options options;
    const char *const *arguments;
    const struct model_gpu *gpu;   /* NULL only for `profiles` without --gpu */
    const struct mig_model *model; /* as gpu */
    struct buf out;
    struct json_writer json;
};

static int find_model(struct context *c, struct err *reterr)
{
    const struct model_gpu *gpu = NULL;
    int r = model_gpu_find(str_from(c->options.gpu), &gpu, reterr);
    if (r < 0)
        return err_wrap(reterr, "--gpu");
    if (gpu->mig_key == NULL) {
        return err_set(reterr, -EINVAL,
                "--gpu: %s has no MIG: expected one that 'slicewright mig profiles' lists",
                gpu->key);
    }
    c->gpu = gpu;
    c->model = mig_model_find(gpu->mig_key);
    return 0;
}

static int need_geometry(const struct context *c, struct err *reterr)
{
    if (c->model->profile_count > 0)
        return 0;
    return err_set(reterr, -EINVAL,
            "--gpu: the MIG geometry of %s is not known, only names are: expected another model",
            c->gpu->key);
}

static int run_profiles(struct context *c, struct err *reterr)
{
    if (c->options.gpu == NULL) {
        if (c->options.output == CLI_OUTPUT_JSON) {
            cli_mig_json_models(&c->json);
        } else {
            cli_mig_print_models(&c->out);
        }
        return CLI_EXIT_OK;
    }
    if (find_model(c, reterr) < 0)
        return reterr->code;
    if (c->options.output == CLI_OUTPUT_JSON) {
        cli_mig_json_profiles(c->gpu, c->model, &c->json);
    } else {
        cli_mig_print_profiles(c->gpu, c->model, &c->out);
    }
    return CLI_EXIT_OK;
}

/* The mask of the profiles that --profiles names. */
static int parse_profiles(
        const struct mig_model *m, const char *text, uint16_t *ret_mask, struct err *reterr)
{
    *ret_mask = 0;
    if (strcmp(text, "base") == 0)
        *ret_mask = m->profiles_base;
    if (strcmp(text, "all") == 0)
        *ret_mask = m->profiles_all;
    if (*ret_mask != 0)
        return 0;
    struct str rest = str_from(text), part;
    uint16_t mask = 0;
    while (str_split(&rest, ',', &part)) {
        unsigned profile = 0;
        if (mig_profile_find(m, str_trim(part), &profile, reterr) < 0)
            return err_wrap(reterr, "--profiles");
        mask |= (uint16_t)(1u << profile);
    }
    *ret_mask = mask;
    return 0;
}

/* Walks layouts or multisets; prints each unless only the count is wanted. */
static uint64_t list_layouts(struct context *c, uint16_t mask, bool print)
{
    struct mig_layout_iter it;
    uint64_t count = 0;
    mig_layout_iter_init(&it, c->model, mask);
    while (mig_layout_iter_next(&it)) {
        if (c->options.maximal && !mig_layout_is_maximal(&it.layout, mask))
            continue;
        count++;
        if (print && c->options.output == CLI_OUTPUT_JSON) {
            cli_mig_json_layout(&it.layout, &c->json);
        } else if (print) {
            buf_printf(
                    &c->out, "%u/%u  ", mig_layout_compute(&it.layout), c->model->compute_slices);
            mig_layout_format(&it.layout, &c->out);
            buf_putc(&c->out, '\n');
        }
    }
    return count;
}

static void print_multiset(struct context *c, const struct mig_counts *counts)
{
    unsigned compute = 0;
    for (unsigned p = 0; p < c->model->profile_count; p++)
        compute += (unsigned)counts->n[p] * c->model->profiles[p].compute_slices;
    struct buf text = BUF_INIT(1024);
    mig_multiset_format(c->model, counts, &text);
    if (c->options.output == CLI_OUTPUT_JSON) {
        jw_object(&c->json);
        jw_kv_str(&c->json, "multiset", buf_str(&text));
        jw_kv_u64(&c->json, "compute_slices", compute);
        jw_object_end(&c->json);
    } else {
        buf_printf(&c->out, "%u/%u  ", compute, c->model->compute_slices);
        buf_put(&c->out, buf_str(&text));
        buf_putc(&c->out, '\n');
    }
    buf_clear(&text);
}

static uint64_t list_multisets(struct context *c, uint16_t mask, bool print)
{
    struct mig_multiset_iter it;
    uint64_t count = 0;
    mig_multiset_iter_init(&it, c->model, mask);
    while (mig_multiset_iter_next(&it)) {
        if (c->options.maximal && !mig_multiset_is_maximal(c->model, &it.counts, mask))
            continue;
        count++;
        if (print)
            print_multiset(c, &it.counts);
    }
    return count;
}

static int run_layouts(struct context *c, struct err *reterr)
{
    uint16_t mask = 0;
    if (find_model(c, reterr) < 0 || need_geometry(c, reterr) < 0 ||
            parse_profiles(c->model, c->options.profiles, &mask, reterr) < 0)
        return reterr->code;
    bool json = c->options.output == CLI_OUTPUT_JSON, print = !c->options.count;
    const char *what = c->options.multisets ? "multisets" : "layouts";
    if (json) {
        jw_object(&c->json);
        jw_kv_cstr(&c->json, "gpu", c->gpu->key);
        jw_kv_bool(&c->json, "maximal", c->options.maximal);
        jw_key(&c->json, "profiles");
        jw_array(&c->json);
        for (unsigned p = 0; p < c->model->profile_count; p++) {
            if (mask & 1u << p)
                jw_cstr(&c->json, c->model->profiles[p].name);
        }
        jw_array_end(&c->json);
        if (print) {
            jw_key(&c->json, what);
            jw_array(&c->json);
        }
    }
    uint64_t count =
            c->options.multisets ? list_multisets(c, mask, print) : list_layouts(c, mask, print);
    if (json) {
        if (print)
            jw_array_end(&c->json);
        jw_kv_u64(&c->json, "count", count);
        jw_object_end(&c->json);
    } else if (c->options.count) {
        buf_printf(&c->out, "%llu\n", (unsigned long long)count);
    }
    return CLI_EXIT_OK;
}

/* Prints that a layout (or a change) cannot be, and returns the exit code for it. */
static int print_no(struct context *c, const char *which, enum mig_rule rule, const struct err *e)
{
    if (c->options.output == CLI_OUTPUT_JSON) {
        jw_object(&c->json);
        jw_kv_cstr(&c->json, "gpu", c->gpu->key);
        jw_kv_bool(&c->json, "legal", false);
        if (which[0] != '\0')
            jw_kv_cstr(&c->json, "which", which);
        jw_kv_cstr(&c->json, "rule", mig_rule_name(rule));
        jw_kv_cstr(&c->json, "reason", e->text);
        jw_object_end(&c->json);
    } else {
        buf_printf(&c->out, "%s: %s%snot legal (rule: %s): %s\n", c->gpu->key, which,
                which[0] != '\0' ? " is " : "", mig_rule_name(rule), e->text);
    }
    return CLI_EXIT_NO;
}

static int run_check(struct context *c, struct err *reterr)
{
    struct mig_wish wish;
    if (find_model(c, reterr) < 0 || need_geometry(c, reterr) < 0 ||
            mig_wish_parse(c->model, str_from(c->arguments[0]), &wish, reterr) < 0)
        return reterr->code;
    struct mig_layout layout;
    enum mig_rule rule = MIG_RULE_OK;
    if (mig_wish_place(&wish, &layout, &rule, reterr) < 0)
        return print_no(c, "", rule, reterr);
    if (c->options.output == CLI_OUTPUT_JSON) {
        jw_object(&c->json);
        jw_kv_cstr(&c->json, "gpu", c->gpu->key);
        jw_kv_bool(&c->json, "legal", true);
        jw_kv_cstr(&c->json, "placements_confidence", mig_confidence_name(c->model->confidence));
        jw_key(&c->json, "result");
        cli_mig_json_layout(&layout, &c->json);
        jw_object_end(&c->json);
        return CLI_EXIT_OK;
    }
    buf_printf(&c->out, "%s: legal\n", c->gpu->key);
    cli_mig_print_layout(&layout, &c->out);
    if (c->model->confidence != MIG_CONFIDENCE_OBSERVED) {
        buf_printf(&c->out, "note      the starts of this model are %s: see 'mig profiles'\n",
                mig_confidence_name(c->model->confidence));
    }
    return CLI_EXIT_OK;
}

/* Parses both sides; '*' has a meaning in FROM alone. */
static int parse_sides(struct context *c, struct mig_wish *from, struct mig_wish *to, struct err *e)
{
    if (mig_wish_parse(c->model, str_from(c->arguments[0]), from, e) < 0)
        return err_wrap(e, "FROM");
    if (mig_wish_parse(c->model, str_from(c->arguments[1]), to, e) < 0)
        return err_wrap(e, "TO");
    for (unsigned i = 0; i < to->count; i++) {
        if (to->items[i].in_use) {
            return err_set(
                    e, -EINVAL, "TO: '*' marks what is in use today: expected it in FROM only");
        }
    }
    return 0;
}

static int print_change(struct context *c, const struct mig_layout *from,
        const struct mig_diff *diff, unsigned assumed)
{
    bool possible = diff->blocker_count == 0;
    if (c->options.output == CLI_OUTPUT_JSON) {
        jw_object(&c->json);
        jw_kv_cstr(&c->json, "gpu", c->gpu->key);
        jw_kv_bool(&c->json, "possible", possible);
        jw_kv_u64(&c->json, "starts_assumed_in_from", assumed);
        cli_mig_json_diff(from, diff, &c->json);
        jw_object_end(&c->json);
    } else {
        buf_printf(&c->out, "%s: %s\n", c->gpu->key,
                possible ? "possible" : "not possible while something in use is in the way");
        cli_mig_print_diff(from, diff,
                assumed > 0 ? "FROM leaves starts open, so they are assumed; on a node take them "
                              "from nvidia-smi mig -lgi"
                            : NULL,
                &c->out);
    }
    return possible ? CLI_EXIT_OK : CLI_EXIT_NO;
}

static int run_diff(struct context *c, struct err *reterr)
{
    struct mig_wish from_wish = {0}, to_wish = {0};
    if (find_model(c, reterr) < 0 || need_geometry(c, reterr) < 0 ||
            parse_sides(c, &from_wish, &to_wish, reterr) < 0)
        return reterr->code;
    struct mig_layout from, legal;
    enum mig_rule rule = MIG_RULE_OK;
    if (mig_wish_place(&from_wish, &from, &rule, reterr) < 0)
        return print_no(c, "FROM", rule, reterr);
    if (mig_wish_place(&to_wish, &legal, &rule, reterr) < 0)
        return print_no(c, "TO", rule, reterr);

    /* Both are legal, so what follows can only find something in use in the way. */
    struct mig_wish_parts from_parts = {0}, to_parts = {0};
    struct mig_diff diff = {0};
    int r = mig_wish_split(&from_wish, &from_parts, NULL, NULL);
    assert(r == 0);
    r = mig_wish_split(&to_wish, &to_parts, NULL, NULL);
    assert(r == 0);
    r = mig_diff(&from, &to_parts.fixed, &to_parts.add, &diff, NULL);
    assert(r == 0 || r == -EBUSY);
    unsigned assumed = 0;
    for (unsigned p = 0; p < c->model->profile_count; p++)
        assumed += from_parts.add.n[p];
    return print_change(c, &from, &diff, assumed);
}

/* Runs a sub-verb and prints what it wrote, also when the answer is no. */
static int run(int (*verb)(struct context *c, struct err *reterr), const struct cli_call *call,
        struct err *reterr)
{
    const struct mig_options *options = call->options;
    struct context c = {
            .options = *options,
            .arguments = call->arguments,
            .out = BUF_INIT(OUTPUT_BYTES_MAX),
    };
    c.json = JSON_WRITER(&c.out, JSON_INDENT);
    int code = verb(&c, reterr);
    if (options->output == CLI_OUTPUT_JSON && c.out.len > 0)
        buf_putc(&c.out, '\n');
    int rc = code >= 0 ? cli_print(&c.out, reterr) : 0;
    buf_clear(&c.out);
    return rc < 0 ? rc : code;
}

static int profiles(const struct cli_call *call, struct err *reterr)
{
    return run(run_profiles, call, reterr);
}

static int layouts(const struct cli_call *call, struct err *reterr)
{
    return run(run_layouts, call, reterr);
}

static int check(const struct cli_call *call, struct err *reterr)
{
    return run(run_check, call, reterr);
}

static int diff(const struct cli_call *call, struct err *reterr)
{
    return run(run_diff, call, reterr);
}

static const struct cli_verb profiles_verb = {
        .name = "profiles",
        .brief = "the MIG profiles of a GPU model",
        .summary = "The MIG profiles of a GPU model with ids, starts, caps and engines.",
        .details = "Without --gpu: the models that have MIG.",
        .examples = "  slicewright mig profiles --gpu A100-40GB",
        .options = profiles_options,
        .options_size = sizeof(struct mig_options),
        .run = profiles,
};

static const struct cli_verb layouts_verb = {
        .name = "layouts",
        .brief = "all legal layouts of a GPU model",
        .summary = "All legal MIG layouts of a GPU model.",
        .examples = "  slicewright mig layouts --gpu H100-80GB --maximal\n"
                    "  slicewright mig layouts --gpu A30 --profiles all --count",
        .options = layouts_options,
        .options_size = sizeof(struct mig_options),
        .run = layouts,
};

static const struct cli_verb check_verb = {
        .name = "check",
        .brief = "draw a layout, or say which rule stops it",
        .summary = "Draws a MIG layout with legal starts, or says which rule stops it.",
        .details = LAYOUT_FORM "\n\nExit code: 0 legal, 1 not legal, 2 bad input.",
        .examples = "  slicewright mig check --gpu A100-40GB 3g.20gb,2g.10gb,1g.5gb,1g.5gb\n"
                    "  slicewright mig check --gpu A100-40GB '3g.20gb@0*,2g.10gb,2x1g.5gb'",
        .options = gpu_options,
        .options_size = sizeof(struct mig_options),
        .arguments = (const struct cli_argument[]){{.name = "LAYOUT"}, {0}},
        .run = check,
};

static const struct cli_verb diff_verb = {
        .name = "diff",
        .brief = "the smallest change between two layouts",
        .summary = "The smallest change between two MIG layouts, legal at every step.",
        .details = LAYOUT_FORM
        "\nNothing in use is destroyed.  In TO, what has no @START gets the start that changes\n"
        "least.\n\n"
        "Exit code: 0 possible, 1 not legal or something in use is in the way, 2 bad input.",
        .examples = "  slicewright mig diff --gpu A100-40GB '3g.20gb@0*,1g.5gb@4' 3g.20gb,4g.20gb\n"
                    "  slicewright mig diff --gpu A100-40GB '1g.5gb@2*,1g.5gb@3' 3g.20gb,1g.5gb",
        .options = gpu_options,
        .options_size = sizeof(struct mig_options),
        .arguments = (const struct cli_argument[]){{.name = "FROM"}, {.name = "TO"}, {0}},
        .run = diff,
};

const struct cli_verb cli_verb_mig = {
        .name = "mig",
        .brief = "MIG profiles, layouts, checks and the smallest change",
        .summary = "MIG: what a GPU can be divided into, and the way from one layout to another.",
        .verbs = (const struct cli_verb *const[]){&profiles_verb, &layouts_verb, &check_verb,
                &diff_verb, NULL},
};
