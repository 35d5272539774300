/* nvidia/lint.h - what is wrong with a file of NVIDIA's parts, by line and column.
 *
 * Pure.  An error is what makes the part refuse the file (the device plugin then fails to start and
 * the node loses its GPUs); a warning is what it reads in silence and does nothing with, or what
 * surprises people. */
#ifndef NVIDIA_LINT_H
#define NVIDIA_LINT_H

#include "base/buf.h"
#include "base/doc.h"
#include "base/err.h"

enum { NVIDIA_FINDINGS_MAX = 64, NVIDIA_FINDING_TEXT_MAX = 256 };

enum nvidia_severity { NVIDIA_ERROR, NVIDIA_WARNING };

struct nvidia_finding {
    enum nvidia_severity severity;
    uint32_t line, column; /* 1-based; 0 when the document has no marks */
    const char *rule;      /* "unknown-key", "replicas", ...; static storage */
    char text[NVIDIA_FINDING_TEXT_MAX];
};

/* Zero-initialise.  Findings past the maximum are counted and dropped. */
struct nvidia_lint {
    struct nvidia_finding findings[NVIDIA_FINDINGS_MAX];
    uint32_t count, dropped;
    uint32_t errors, warnings; /* of all, dropped ones too */
};

/* Adds a finding at `at` (its key's place for members; NULL: no place).  rule: static storage. */
void nvidia_lint_error(struct nvidia_lint *lint, const struct doc *at, const char *rule,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void nvidia_lint_warning(struct nvidia_lint *lint, const struct doc *at, const char *rule,
        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Writes "line:column: error: text (rule)" lines, each with `name` and a colon in front. */
void nvidia_lint_format(const struct nvidia_lint *lint, const char *name, struct buf *out);

/* 0 without errors; else -EINVAL and the first error as "line L, column C: text". */
int nvidia_lint_result(const struct nvidia_lint *lint, struct err *reterr);

#endif
