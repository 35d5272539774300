/* nvidia/lint.c - findings about a file, collected and written.  Pure. */
#include "nvidia/lint.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* One finding, one line: quoted input may hold anything. */
static void one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* A slot for a finding of `rule` at `at`, or NULL when all are taken or the rule is disabled. */
static struct nvidia_finding *finding_take(
        struct nvidia_lint *lint, const struct doc *at, const char *name)
{
    unsigned index = 0;
    const struct nvidia_rule *rule = nvidia_rule_find(str_from(name), &index);
    assert(rule);
    if (nvidia_rule_set_has(&lint->disabled, index))
        return NULL;
    bool is_error = nvidia_rule_severity(rule) == NVIDIA_ERROR;
    bool first_error = is_error && lint->errors == 0;
    bool full = lint->count == NVIDIA_FINDINGS_MAX;
    lint->errors += is_error;
    lint->warnings += !is_error;
    lint->refused += rule->verdict == NVIDIA_VERDICT_REFUSED;
    lint->dropped += full;
    /* The first error is kept, whatever warnings came before it. */
    if (full && !first_error)
        return NULL;
    struct nvidia_finding *f = &lint->findings[full ? lint->count - 1 : lint->count++];
    *f = (struct nvidia_finding){.rule = rule};
    if (at) {
        f->line = at->key_line > 0 ? at->key_line : at->line;
        f->column = at->key_line > 0 ? at->key_column : at->column;
    }
    return f;
}

struct nvidia_finding *nvidia_lint_add(
        struct nvidia_lint *lint, const struct doc *at, const char *rule, const char *fmt, ...)
{
    struct nvidia_finding *f = finding_take(lint, at, rule);
    va_list ap;
    if (!f)
        return NULL;
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    one_line(f->text);
    return f;
}

void nvidia_finding_instead(struct nvidia_finding *finding, const char *instead)
{
    if (!finding)
        return;
    (void)snprintf(finding->instead, sizeof finding->instead, "%s", instead);
    one_line(finding->instead);
}

void nvidia_lint_notes(
        struct nvidia_lint *lint, const struct doc_go *go, const struct doc_go_document *document)
{
    for (uint32_t i = 0; i < document->note_count; i++) {
        const struct doc_go_note *n = &go->notes[document->note_first + i];
        const struct doc at = {.line = n->line, .column = n->column};
        switch (n->kind) {
        case DOC_GO_DUPLICATE:
            NVIDIA_LINT_INSTEAD(lint, &at, "duplicate-key", "one of the two",
                    "'%.*s' stands again on line %u: what stands here is dropped",
                    STR_ARG_SHORT(n->text), n->other_line);
            break;
        case DOC_GO_WORD:
            NVIDIA_LINT_INSTEAD(lint, &at, "yaml-word", "true, false, or the word in quotes",
                    "'%.*s' is read as true or false", STR_ARG_SHORT(n->text));
            break;
        case DOC_GO_NUMBER:
            NVIDIA_LINT_INSTEAD(lint, &at, "yaml-number", "a decimal number",
                    "'%.*s' is read as another number than it looks", STR_ARG_SHORT(n->text));
            break;
        case DOC_GO_ALIAS:
        case DOC_GO_TAG:
            break; /* legal, and means what it says */
        }
    }
}

void nvidia_lint_sort(struct nvidia_lint *lint)
{
    for (uint32_t i = 1; i < lint->count; i++) {
        struct nvidia_finding f = lint->findings[i];
        uint32_t at = i;
        for (; at > 0; at--) {
            const struct nvidia_finding *before = &lint->findings[at - 1];
            if (before->line < f.line || (before->line == f.line && before->column <= f.column))
                break;
            lint->findings[at] = *before;
        }
        lint->findings[at] = f;
    }
}

void nvidia_finding_format(const struct nvidia_finding *f, const char *name, struct buf *out)
{
    buf_printf(out, "%s:%u:%u: %s: %s [%s]\n", name, f->line, f->column,
            nvidia_rule_severity(f->rule) == NVIDIA_ERROR ? "error" : "warning", f->text,
            f->rule->name);
    if (f->instead[0] != '\0')
        buf_printf(out, "    instead: %s\n", f->instead);
}

void nvidia_lint_format(const struct nvidia_lint *lint, const char *name, struct buf *out)
{
    for (uint32_t i = 0; i < lint->count; i++)
        nvidia_finding_format(&lint->findings[i], name, out);
    if (lint->dropped > 0)
        buf_printf(out, "%s: %u more findings\n", name, lint->dropped);
}

int nvidia_lint_result(const struct nvidia_lint *lint, struct err *reterr)
{
    if (lint->errors == 0)
        return 0;
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct nvidia_finding *f = &lint->findings[i];
        if (nvidia_rule_severity(f->rule) == NVIDIA_ERROR)
            return err_set(reterr, -EINVAL, "line %u, column %u: %s", f->line, f->column, f->text);
    }
    return err_set(reterr, -EINVAL, "%u errors", lint->errors);
}
