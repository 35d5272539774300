/* cli/lint.c - the verb `slicewright lint`: what NVIDIA's parts, and we, would make of files. */
#include "base/json.h"
#include "cli/lint_live.h"
#include "cli/option.h"
#include "cli/verbs.h"
#include "model/gpu.h"
#include "os/file.h"

#include <errno.h>
#include <string.h>

enum { FILE_BYTES_MAX = 64 << 20, OUT_BYTES_MAX = 64 << 20, ARENA_BYTES = 1 << 30 };

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_GITHUB };

static const char *const format_choices[] = {"text", "json", "github", NULL};
static const char *const part_choices[] = {"auto", "device-plugin", "mig-parted", "policy", NULL};

struct options {
    uint32_t part;
    const char *gpu;
    uint64_t gpus;
    const char *disable, *kubeconfig, *context, *operator_namespace;
    bool strict, rules, live;
    uint32_t output; /* enum format */
};

static const struct cli_option options[] = {
        {.name = "as",
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, part),
                .value_name = "PART",
                .default_text = "auto",
                .choices = part_choices,
                .help = "read files as this part does"},
        {.name = "gpu",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, gpu),
                .value_name = "MODEL",
                .help = "check MIG configs against nodes with this GPU"},
        {.name = "gpus",
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, gpus),
                .value_name = "N",
                .default_text = "8",
                .min = 1,
                .max = 64,
                .help = "how many of them a node has"},
        {.name = "disable",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, disable),
                .value_name = "RULES",
                .help = "rules that count for nothing, with commas between"},
        {.name = "strict",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, strict),
                .help = "warnings count as errors"},
        {.name = "rules",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, rules),
                .help = "list the rules, with reason and source, and end"},
        {.name = "live",
                .kind = CLI_OPTION_FLAG,
                CLI_AT(struct options, live),
                .help = "the ConfigMaps that the cluster's ClusterPolicy names, and the\n"
                        "labels by which nodes choose from them, instead of files"},
        {.name = "kubeconfig",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, kubeconfig),
                .value_name = "FILE",
                .help = "with --live: how to reach the cluster"},
        {.name = "context",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, context),
                .value_name = "NAME",
                .help = "with --live: which context of the kubeconfig"},
        {.name = "operator-namespace",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, operator_namespace),
                .value_name = "NAME",
                .help = "with --live: of NVIDIA's GPU Operator; else where its\n"
                        "DaemonSets are"},
        {.name = "output",
                .letter = 'o',
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, output),
                .value_name = "FORMAT",
                .default_text = "text",
                .choices = format_choices,
                .help = "github: annotations of GitHub workflows"},
        {0},
};

static const struct cli_argument arguments[] = {
        {.name = "FILE",
                .help = "a config of NVIDIA's device plugin or mig-parted, ConfigMaps with them,\n"
                        "a SharingPolicy; '-' is standard input",
                .file = true,
                .repeated = true,
                .optional = true},
        {0},
};

/* What the files gave in all. */
struct total {
    uint32_t files, errors, warnings;
};

/* "--disable a,b" as a set. */
static int disabled_parse(const char *text, struct nvidia_rule_set *ret_set, struct err *reterr)
{
    struct str rest = str_from(text);
    struct str name = {0};
    const char *names[NVIDIA_RULES_MAX + 1] = {NULL};
    for (unsigned i = 0; i < nvidia_rule_count(); i++)
        names[i] = nvidia_rule_get(i)->name;
    *ret_set = (struct nvidia_rule_set){0};
    while (str_split(&rest, ',', &name)) {
        unsigned index = 0;
        if (!nvidia_rule_find(str_trim(name), &index)) {
            const char *nearest = str_nearest(name, names);
            return err_set(reterr, -EINVAL, "--disable: no rule '%.*s'%s%s%s", STR_ARG_SHORT(name),
                    nearest ? "; did you mean '" : "; --rules lists them", nearest ? nearest : "",
                    nearest ? "'?" : "");
        }
        nvidia_rule_set_add(ret_set, index);
    }
    return 0;
}

static void rules_print(struct buf *out)
{
    const char *part = "";
    for (unsigned i = 0; i < nvidia_rule_count(); i++) {
        const struct nvidia_rule *r = nvidia_rule_get(i);
        bool error = nvidia_rule_severity(r) == NVIDIA_ERROR;
        if (strcmp(part, r->part) != 0)
            buf_printf(out, "%s%s\n", i > 0 ? "\n" : "", r->part);
        part = r->part;
        buf_printf(out, "  %s (%s, %s)\n    %s\n    Source: %s\n", r->name,
                error ? "error" : "warning", nvidia_verdict_name(r->verdict), r->why, r->source);
    }
}

static void rules_json(struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 2);
    jw_array(&w);
    for (unsigned i = 0; i < nvidia_rule_count(); i++) {
        const struct nvidia_rule *r = nvidia_rule_get(i);
        bool error = nvidia_rule_severity(r) == NVIDIA_ERROR;
        jw_object(&w);
        jw_kv_cstr(&w, "rule", r->name);
        jw_kv_cstr(&w, "part", r->part);
        jw_kv_cstr(&w, "severity", error ? "error" : "warning");
        jw_kv_cstr(&w, "verdict", nvidia_verdict_name(r->verdict));
        jw_kv_cstr(&w, "why", r->why);
        jw_kv_cstr(&w, "source", r->source);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    buf_putc(out, '\n');
}

static void finding_json(const struct nvidia_finding *f, const char *name, struct json_writer *w)
{
    bool error = nvidia_rule_severity(f->rule) == NVIDIA_ERROR;
    jw_object(w);
    jw_kv_cstr(w, "file", name);
    jw_kv_u64(w, "line", f->line);
    jw_kv_u64(w, "column", f->column);
    jw_kv_cstr(w, "severity", error ? "error" : "warning");
    jw_kv_cstr(w, "verdict", nvidia_verdict_name(f->rule->verdict));
    jw_kv_cstr(w, "part", f->rule->part);
    jw_kv_cstr(w, "rule", f->rule->name);
    jw_kv_cstr(w, "message", f->text);
    if (f->instead[0] != '\0')
        jw_kv_cstr(w, "instead", f->instead);
    jw_object_end(w);
}

/* A property or message of a workflow command: what would end it is escaped. */
static void github_put(struct buf *out, const char *text, bool property)
{
    for (; *text != '\0'; text++) {
        bool escape = *text == '%' || *text == '\r' || *text == '\n' ||
                      (property && (*text == ':' || *text == ','));
        if (escape) {
            buf_printf(out, "%%%02X", (unsigned)*text);
        } else {
            buf_putc(out, *text);
        }
    }
}

static void finding_github(const struct nvidia_finding *f, const char *name, struct buf *out)
{
    bool error = nvidia_rule_severity(f->rule) == NVIDIA_ERROR;
    buf_printf(out, "::%s file=", error ? "error" : "warning");
    github_put(out, name, true);
    buf_printf(out, ",line=%u,col=%u,title=%s::", f->line, f->column, f->rule->name);
    github_put(out, f->text, false);
    if (f->instead[0] != '\0') {
        buf_puts(out, "; instead: ");
        github_put(out, f->instead, false);
    }
    buf_putc(out, '\n');
}

static void findings_print(
        const struct nvidia_lint *lint, const char *name, enum format format, struct json_writer *w)
{
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct nvidia_finding *f = &lint->findings[i];
        if (format == FORMAT_JSON) {
            finding_json(f, name, w);
        } else if (format == FORMAT_GITHUB) {
            finding_github(f, name, w->out);
        } else {
            nvidia_finding_format(f, name, w->out);
        }
    }
    if (lint->dropped > 0 && format == FORMAT_TEXT)
        buf_printf(w->out, "%s: %u more findings\n", name, lint->dropped);
}

/* Reads and lints one file. */
static int file_lint(const char *path, const struct cli_lint_options *o, struct nvidia_lint *lint,
        struct err *reterr)
{
    struct buf content = BUF_INIT(FILE_BYTES_MAX);
    if (os_file_read(path, FILE_BYTES_MAX, &content, reterr) < 0)
        return reterr->code;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(ARENA_BYTES);
    cli_lint_file(a, buf_str(&content), o, lint);
    buf_clear(&content);
    return 0;
}

/* Where findings go. */
struct output {
    enum format format;
    struct json_writer *w;
    struct total *total;
};

/* Counts and prints what was found in a file or an object. */
static void take(void *user, const char *name, const struct nvidia_lint *lint)
{
    const struct output *out = user;
    out->total->files++;
    out->total->errors += lint->errors;
    out->total->warnings += lint->warnings;
    findings_print(lint, name, out->format, out->w);
}

static int files_lint(const struct cli_call *call, const struct cli_lint_options *lint_options,
        const struct cli_lint_sink *sink, struct err *reterr)
{
    for (unsigned i = 0; i < call->argument_count; i++) {
        const char *path = call->arguments[i];
        struct nvidia_lint lint = {.disabled = sink->disabled};
        if (file_lint(path, lint_options, &lint, reterr) < 0)
            return reterr->code;
        sink->take(sink->user, strcmp(path, "-") == 0 ? "<stdin>" : path, &lint);
    }
    return 0;
}

/* Files, or what the cluster holds. */
static int all_lint(const struct cli_call *call, const struct cli_lint_options *lint_options,
        const struct cli_lint_sink *sink, struct err *reterr)
{
    const struct options *o = call->options;
    if (!o->live)
        return files_lint(call, lint_options, sink, reterr);
    const struct cli_connect_options connect = {o->kubeconfig, o->context, "slicewright-lint"};
    return cli_lint_live(&connect, o->operator_namespace, lint_options, sink, reterr);
}

/* The node that --gpu and --gpus describe. */
static int node_resolve(
        const struct options *o, struct nvidia_mig_node *ret_node, struct err *reterr)
{
    const struct model_gpu *gpu = NULL;
    if (model_gpu_find(str_from(o->gpu), &gpu, reterr) < 0)
        return err_wrap(reterr, "--gpu");
    *ret_node = (struct nvidia_mig_node){
            .gpu_count = (uint32_t)o->gpus,
            .model = gpu->mig_key ? mig_model_find(gpu->mig_key) : NULL,
    };
    return 0;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    const struct options *o = call->options;
    struct nvidia_mig_node node = {0};
    struct cli_lint_options lint_options = {
            .part = (enum cli_lint_part)o->part, .node = o->gpu ? &node : NULL};
    struct buf out = BUF_INIT(OUT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&out, 2);
    struct total total = {0};
    struct nvidia_rule_set disabled = {0};
    int rc = o->gpu ? node_resolve(o, &node, reterr) : 0;
    if (rc == 0 && o->disable)
        rc = disabled_parse(o->disable, &disabled, reterr);
    if (rc == 0 && o->live && call->argument_count > 0)
        rc = err_set(reterr, -EINVAL, "--live and FILE exclude each other");
    if (rc == 0 && !o->rules && !o->live && call->argument_count == 0)
        rc = err_set(reterr, -EINVAL, "no FILE and no --live; '-' is standard input");
    if (rc == 0 && o->rules) {
        o->output == FORMAT_JSON ? rules_json(&out) : rules_print(&out);
    } else if (rc == 0) {
        if (o->output == FORMAT_JSON)
            jw_array(&w);
        struct output output = {(enum format)o->output, &w, &total};
        rc = all_lint(call, &lint_options, &(const struct cli_lint_sink){disabled, take, &output},
                reterr);
        if (rc == 0 && o->output == FORMAT_JSON) {
            jw_array_end(&w);
            buf_putc(&out, '\n');
        }
        if (rc == 0 && o->output == FORMAT_TEXT) {
            buf_printf(&out, "%u %s%s, %u error%s, %u warning%s\n", total.files,
                    o->live ? "object" : "file", total.files == 1 ? "" : "s", total.errors,
                    total.errors == 1 ? "" : "s", total.warnings, total.warnings == 1 ? "" : "s");
        }
    }
    if (rc == 0)
        rc = cli_print(&out, reterr);
    buf_clear(&out);
    if (rc < 0)
        return rc;
    bool bad = total.errors > 0 || (o->strict && total.warnings > 0);
    return bad ? CLI_EXIT_NO : CLI_EXIT_OK;
}

const struct cli_verb cli_verb_lint = {
        .name = "lint",
        .brief = "what NVIDIA's parts would refuse, ignore or trip over",
        .summary =
                "Checks configs of NVIDIA's device plugin and mig-parted, bare or in ConfigMaps,\n"
                "and SharingPolicies: what the real part refuses, fails on, ignores in silence\n"
                "or reads otherwise, and what to write instead.",
        .details = "Exit codes: 0 no error, 1 an error (or, with --strict, a warning), 2 bad usage "
                   "or\na file that cannot be read.  docs/LINT.md tells more.",
        .examples = "  slicewright lint time-slicing.yaml\n"
                    "  slicewright lint --gpu A100-40GB --gpus 8 mig-parted.yaml\n"
                    "  kubectl get cm -n gpu-operator -o yaml | slicewright lint -\n"
                    "  slicewright lint --live\n"
                    "  slicewright lint -o github deploy/*.yaml",
        .options = options,
        .arguments = arguments,
        .options_size = sizeof(struct options),
        .run = run,
};
