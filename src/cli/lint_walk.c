/* cli/lint_walk.c - takes a file apart for the verb lint: documents, Lists, ConfigMaps with files
 * in them, SharingPolicies, or a bare file of one of NVIDIA's parts.
 *
 * A file inside a ConfigMap is linted as its part reads it, by itself; then the places of its
 * findings are moved to where the text stands in the outer file. */
#define _GNU_SOURCE /* memmem */
#include "cli/lint_walk.h"

#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

enum { FILE_BYTES_MAX = 64 << 20, LIST_DEPTH_MAX = 4, LABEL_VALUE_MAX = 63 };

struct walk {
    struct arena *a;
    struct str text; /* the outer file */
    const struct cli_lint_options *options;
    struct nvidia_lint *lint;
    bool found; /* something that lint knows */
};

/* -- places ---------------------------------------------------------------------------------- */

/* The text of line `line` (1-based) of `s`, without its end; empty past the last. */
static struct str line_get(struct str s, uint32_t line)
{
    struct str part = {0};
    for (uint32_t i = 0; i < line; i++) {
        if (!str_split(&s, '\n', &part))
            return (struct str){0};
    }
    return part;
}

static uint32_t leading_blanks(struct str s)
{
    uint32_t n = 0;
    while (n < s.len && s.ptr[n] == ' ')
        n++;
    return n;
}

/* Where the text of a value begins in the outer file. */
struct origin {
    bool exact; /* else only the value's own place is known */
    uint32_t line, column;
};

/* A literal block keeps its lines; a value on one line keeps its columns. */
static struct origin origin_of(const struct walk *w, const struct doc *value)
{
    struct str line = line_get(w->text, value->line);
    bool one_line = memchr(value->text.ptr, '\n', value->text.len) == NULL;
    char first = value->column <= line.len ? line.ptr[value->column - 1] : '\0';
    if (first == '|') {
        struct str inner = {0};
        struct str rest = value->text;
        uint32_t at = value->line;
        do { /* the first line that is not blank tells the indentation */
            at++;
        } while (str_split(&rest, '\n', &inner) && str_trim(inner).len == 0 && rest.ptr);
        uint32_t outer = leading_blanks(line_get(w->text, at));
        return (struct origin){true, value->line, outer - leading_blanks(inner)};
    }
    bool quoted = first == '"' || first == '\'';
    if (one_line && !(first == '"' && memchr(line.ptr, '\\', line.len)))
        return (struct origin){true, value->line - 1, value->column - 1 + quoted};
    return (struct origin){false, value->line, value->column};
}

/* Moves the findings from `first` on, which are about the text of `value`, to the outer file. */
static void findings_move(struct walk *w, uint32_t first, const struct doc *value)
{
    struct origin o = origin_of(w, value);
    for (uint32_t i = first; i < w->lint->count; i++) {
        struct nvidia_finding *f = &w->lint->findings[i];
        if (o.exact && f->line > 0) {
            f->line += o.line;
            f->column += o.column;
            continue;
        }
        if (f->line > 0) {
            char text[NVIDIA_FINDING_TEXT_MAX];
            memcpy(text, f->text, sizeof text);
            (void)snprintf(f->text, sizeof f->text, "line %u of the value: %.200s", f->line, text);
        }
        f->line = value->key_line;
        f->column = value->key_column;
    }
}

/* "line L, column C: text" as a finding of rule yaml; `line` is added to L. */
static void fault_add(struct walk *w, const char *rule, const char *text, uint32_t line)
{
    struct doc at = {.line = 1, .column = 1};
    struct str rest = str_from(text);
    struct str word = {0};
    uint64_t value = 0;
    if (str_starts(rest, STR_LIT("line "))) {
        rest = (struct str){rest.ptr + 5, rest.len - 5};
        size_t digits = 0;
        while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
            digits++;
        if (str_to_u64((struct str){rest.ptr, digits}, 1, UINT32_MAX, &value) == 0)
            at.line = (uint32_t)value;
        if (str_starts((struct str){rest.ptr + digits, rest.len - digits}, STR_LIT(", column "))) {
            rest = (struct str){rest.ptr + digits + 9, rest.len - digits - 9};
            digits = 0;
            while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
                digits++;
            if (str_to_u64((struct str){rest.ptr, digits}, 1, UINT32_MAX, &value) == 0)
                at.column = (uint32_t)value;
        }
        (void)str_split(&rest, ':', &word);
        rest = str_trim(rest);
    }
    at.line += line;
    if (at.column == 1)
        at.column += leading_blanks(line_get(w->text, at.line));
    (void)nvidia_lint_add(w->lint, &at, rule, "%.*s", (int)(rest.len < 240 ? rest.len : 240),
            rest.ptr ? rest.ptr : "");
}

/* -- parts ----------------------------------------------------------------------------------- */

static bool key_is(struct str key, const char *name)
{
    bool same = key.len == strlen(name);
    for (size_t i = 0; i < key.len && same; i++)
        same = (key.ptr[i] | 32) == (name[i] | 32);
    return same;
}

static bool has_key(const struct doc *map, const char *name)
{
    for (uint32_t i = 0; map->kind == DOC_OBJECT && i < map->count; i++) {
        if (key_is(map->first[i].key, name))
            return true;
    }
    return false;
}

/* Which part reads this; AUTO when none. */
static enum cli_lint_part part_guess(const struct doc *root)
{
    static const char *const plugin_keys[] = {
            "flags", "sharing", "resources", "imex", "timeSlicing", "migStrategy", NULL};
    if (root->kind != DOC_OBJECT)
        return CLI_LINT_AUTO;
    if (has_key(root, "mig-configs"))
        return CLI_LINT_MIG_PARTED;
    for (unsigned i = 0; plugin_keys[i]; i++) {
        if (has_key(root, plugin_keys[i]))
            return CLI_LINT_DEVICE_PLUGIN;
    }
    return has_key(root, "version") && root->count == 1 ? CLI_LINT_DEVICE_PLUGIN : CLI_LINT_AUTO;
}

static void mig_parted_lint(struct walk *w, const struct doc *root)
{
    struct nvidia_mig_parted file;
    uint32_t errors = w->lint->errors;
    nvidia_mig_parted_read(w->a, root, &file, w->lint);
    if (w->lint->errors > errors)
        return;
    nvidia_mig_parted_check(&file, w->options->node, w->lint);
}

static void part_lint(struct walk *w, enum cli_lint_part part, const struct doc *root)
{
    struct nvidia_plugin_config config;
    w->found = true;
    if (part == CLI_LINT_MIG_PARTED) {
        mig_parted_lint(w, root);
    } else {
        nvidia_plugin_config_read(w->a, root, &config, w->lint);
    }
}

/* True when text that is no YAML was meant for one of NVIDIA's parts. */
static bool looks_meant(struct str text)
{
    static const char *const words[] = {"timeSlicing", "sharing:", "mig-configs", "migStrategy"};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text.len > 0 && memmem(text.ptr, text.len, words[i], strlen(words[i])))
            return true;
    }
    return false;
}

/* A file inside of a value; `value` is a string. */
static void embedded_lint(struct walk *w, const struct doc *value)
{
    struct doc_go go = {0};
    struct err e = {0};
    uint32_t first = w->lint->count;
    enum cli_lint_part part = w->options->part;
    if (doc_go_parse(w->a, value->text, FILE_BYTES_MAX, &go, &e) < 0) {
        if (part == CLI_LINT_AUTO && !looks_meant(value->text))
            return;
        w->found = true;
        fault_add(w, "yaml", e.text, 0);
        findings_move(w, first, value);
        return;
    }
    if (part == CLI_LINT_AUTO && go.count > 0)
        part = part_guess(go.documents[0].root);
    if (part == CLI_LINT_AUTO || part == CLI_LINT_POLICY || go.count == 0)
        return;
    nvidia_lint_notes(w->lint, &go, &go.documents[0]);
    part_lint(w, part, go.documents[0].root);
    if (go.count > 1 || go.tail.code != 0)
        (void)nvidia_lint_add(w->lint, NULL, "other-documents", "only the first document is read");
    findings_move(w, first, value);
}

/* -- Kubernetes objects ---------------------------------------------------------------------- */

/* For a ConfigMap's key, whose characters are legal: its length and both ends decide. */
static bool is_label_value(struct str s)
{
    bool ok = s.len > 0 && s.len <= LABEL_VALUE_MAX;
    for (size_t i = 0; ok && i<s.len; i += s.len> 1 ? s.len - 1 : 1)
        ok = s.ptr[i] != '-' && s.ptr[i] != '_' && s.ptr[i] != '.';
    return ok;
}

static void configmap_lint(struct walk *w, const struct doc *root)
{
    const struct doc *data = doc_get(root, "data");
    for (uint32_t i = 0; data && data->kind == DOC_OBJECT && i < data->count; i++) {
        const struct doc *value = &data->first[i];
        if (value->kind != DOC_STRING) {
            NVIDIA_LINT_INSTEAD(w->lint, value, "configmap-value",
                    "a block of text: '|' behind the colon", "data.%.*s: %s, expected text",
                    STR_ARG_SHORT(value->key), doc_kind_name(value->kind));
            w->found = w->found || part_guess(value) != CLI_LINT_AUTO;
            continue;
        }
        bool before = w->found;
        w->found = false;
        embedded_lint(w, value);
        if (w->found && !is_label_value(value->key)) {
            (void)nvidia_lint_add(w->lint, value, "config-name",
                    "'%.*s' is no label value: no node can choose it", STR_ARG_SHORT(value->key));
        }
        w->found = w->found || before;
    }
}

/* The slice of the outer file that holds the document which begins at or before `line`. */
static struct str document_slice(struct str text, uint32_t line, uint32_t *ret_skipped)
{
    struct str rest = text;
    struct str part = {0};
    size_t from = 0;
    size_t to = text.len;
    uint32_t at = 0;
    *ret_skipped = 0;
    while (str_split(&rest, '\n', &part)) {
        at++;
        if (!str_starts(part, STR_LIT("---")))
            continue;
        if (at <= line) {
            from = (size_t)(part.ptr - text.ptr);
            *ret_skipped = at - 1;
        } else {
            to = (size_t)(part.ptr - text.ptr);
            break;
        }
    }
    return (struct str){text.ptr + from, to - from};
}

/* Where the lines of a policy begin. */
struct told {
    struct walk *w;
    uint32_t skipped;
};

static void policy_fault(void *user, const char *text)
{
    const struct told *t = user;
    fault_add(t->w, "policy", text, t->skipped);
}

/* A policy that is a document of its own, as `simulate --policy` and the like would read it. */
static void policy_lint(struct walk *w, uint32_t line)
{
    const struct doc *root = NULL;
    struct err e = {0};
    struct told told = {.w = w};
    const struct policy_fault_sink sink = {policy_fault, &told};
    struct str slice = document_slice(w->text, line, &told.skipped);
    w->found = true;
    if (doc_parse_yaml(w->a, slice, POLICY_TEXT_BYTES_MAX, &root, &e) < 0) {
        fault_add(w, "policy", e.text, told.skipped);
    } else {
        (void)policy_faults_find(root, &sink);
    }
}

/* A policy inside a List. */
static void policy_item_lint(struct walk *w, const struct doc *root)
{
    struct told told = {.w = w};
    const struct policy_fault_sink sink = {policy_fault, &told};
    w->found = true;
    (void)policy_faults_find(root, &sink);
}

static bool is_kind(const struct doc *root, const char *kind)
{
    const struct doc *d = doc_get(root, "kind");
    return d && d->kind == DOC_STRING && str_eq_c(d->text, kind);
}

/* An object with apiVersion and kind; others than ours are passed over. */
static void object_lint(struct walk *w, const struct doc *root, unsigned depth)
{
    if (is_kind(root, "ConfigMap")) {
        configmap_lint(w, root);
    } else if (is_kind(root, POLICY_KIND)) {
        if (depth == 0) {
            policy_lint(w, root->line);
        } else {
            policy_item_lint(w, root);
        }
    } else if (is_kind(root, "List") || is_kind(root, "ConfigMapList") ||
               is_kind(root, POLICY_KIND "List")) {
        const struct doc *items = doc_get(root, "items");
        for (uint32_t i = 0; items && items->kind == DOC_ARRAY && i < items->count; i++) {
            if (depth < LIST_DEPTH_MAX)
                object_lint(w, &items->first[i], depth + 1);
        }
    }
}

/* -- the file -------------------------------------------------------------------------------- */

/* True when the first document is a bare file of a part, which then reads no other document. */
static bool document_lint(
        struct walk *w, const struct doc_go *go, const struct doc_go_document *document)
{
    const struct doc *root = document->root;
    enum cli_lint_part part = w->options->part;
    bool object = doc_get(root, "kind") && doc_get(root, "apiVersion");
    if (!object || is_kind(root, "ConfigMap"))
        nvidia_lint_notes(w->lint, go, document);
    if (object || part == CLI_LINT_POLICY) {
        if (part == CLI_LINT_POLICY) {
            policy_lint(w, root->line);
        } else {
            object_lint(w, root, 0);
        }
        return false;
    }
    if (part == CLI_LINT_AUTO)
        part = part_guess(root);
    if (part == CLI_LINT_AUTO)
        return false;
    part_lint(w, part, root);
    return true;
}

void cli_lint_file(struct arena *a, struct str text, const struct cli_lint_options *options,
        struct nvidia_lint *lint)
{
    struct walk w = {.a = a, .text = text, .options = options, .lint = lint};
    struct doc_go go = {0};
    struct err e = {0};
    bool bare = false;
    if (doc_go_parse(a, text, FILE_BYTES_MAX, &go, &e) < 0) {
        fault_add(&w, "yaml", e.text, 0);
        return;
    }
    for (uint32_t i = 0; i < go.count && !bare; i++)
        bare = document_lint(&w, &go, &go.documents[i]);
    if (bare && (go.count > 1 || go.tail.code != 0)) {
        const struct doc at = {.line = go.count > 1 ? go.documents[1].root->line : 0,
                .column = go.count > 1 ? go.documents[1].root->column : 0};
        (void)nvidia_lint_add(
                lint, &at, "other-documents", "the part reads the first document and no other");
    } else if (go.tail.code != 0) {
        fault_add(&w, "yaml", go.tail.text, 0);
    }
    if (!w.found && lint->errors == 0) {
        const struct doc at = {.line = 1, .column = 1};
        (void)nvidia_lint_add(lint, &at, "unknown-file",
                "no device-plugin or mig-parted config and no SharingPolicy in it");
    }
    nvidia_lint_sort(lint);
}
