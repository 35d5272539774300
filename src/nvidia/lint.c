/* nvidia/lint.c - findings about a file, collected and written.  Pure. */
#include "nvidia/lint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* A slot for a finding at `at`, or NULL when all are taken. */
static struct nvidia_finding *finding_take(
        struct nvidia_lint *lint, enum nvidia_severity severity, const struct doc *at)
{
    bool first_error = severity == NVIDIA_ERROR && lint->errors == 0;
    bool full = lint->count == NVIDIA_FINDINGS_MAX;
    if (severity == NVIDIA_ERROR) {
        lint->errors++;
    } else {
        lint->warnings++;
    }
    lint->dropped += full;
    /* The first error is kept, whatever warnings came before it. */
    if (full && !first_error)
        return NULL;
    struct nvidia_finding *f = &lint->findings[full ? lint->count - 1 : lint->count++];
    *f = (struct nvidia_finding){.severity = severity};
    if (at) {
        f->line = at->key.len > 0 ? at->key_line : at->line;
        f->column = at->key.len > 0 ? at->key_column : at->column;
    }
    return f;
}

static void finding_write(struct nvidia_finding *f, const char *rule, const char *fmt, va_list ap)
        __attribute__((format(printf, 3, 0)));

static void finding_write(struct nvidia_finding *f, const char *rule, const char *fmt, va_list ap)
{
    if (!f)
        return;
    f->rule = rule;
    (void)vsnprintf(f->text, sizeof f->text, fmt, ap);
    for (char *c = f->text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?'; /* one finding, one line: quoted input may hold anything */
    }
}

void nvidia_lint_error(
        struct nvidia_lint *lint, const struct doc *at, const char *rule, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    finding_write(finding_take(lint, NVIDIA_ERROR, at), rule, fmt, ap);
    va_end(ap);
}

void nvidia_lint_warning(
        struct nvidia_lint *lint, const struct doc *at, const char *rule, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    finding_write(finding_take(lint, NVIDIA_WARNING, at), rule, fmt, ap);
    va_end(ap);
}

void nvidia_lint_format(const struct nvidia_lint *lint, const char *name, struct buf *out)
{
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct nvidia_finding *f = &lint->findings[i];
        buf_printf(out, "%s:%u:%u: %s: %s (%s)\n", name, f->line, f->column,
                f->severity == NVIDIA_ERROR ? "error" : "warning", f->text, f->rule);
    }
    if (lint->dropped > 0)
        buf_printf(out, "%s: %u more findings\n", name, lint->dropped);
}

int nvidia_lint_result(const struct nvidia_lint *lint, struct err *reterr)
{
    if (lint->errors == 0)
        return 0;
    for (uint32_t i = 0; i < lint->count; i++) {
        const struct nvidia_finding *f = &lint->findings[i];
        if (f->severity == NVIDIA_ERROR)
            return err_set(reterr, -EINVAL, "line %u, column %u: %s", f->line, f->column, f->text);
    }
    return err_set(reterr, -EINVAL, "%u errors", lint->errors);
}
