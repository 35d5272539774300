/* nvidia/lint.h - what is wrong with a file of NVIDIA's parts, by line and column, and the rules.
 *
 * Pure.  A finding is of a rule, and a rule says what the real part does with such a file. */
#ifndef NVIDIA_LINT_H
#define NVIDIA_LINT_H

#include "base/buf.h"
#include "base/doc_go.h"
#include "base/err.h"

enum {
    NVIDIA_FINDINGS_MAX = 64,
    NVIDIA_FINDING_TEXT_MAX = 256,
    NVIDIA_INSTEAD_MAX = 256,
    NVIDIA_RULES_MAX = 128,
};

enum nvidia_severity { NVIDIA_ERROR, NVIDIA_WARNING };

/* What the real part does with a file that breaks a rule. */
enum nvidia_verdict {
    NVIDIA_VERDICT_REFUSED,  /* does not take the file: the process ends with an error */
    NVIDIA_VERDICT_FAILS,    /* takes the file, then fails on a node */
    NVIDIA_VERDICT_IGNORED,  /* does nothing with it, in silence */
    NVIDIA_VERDICT_ACCEPTED, /* does something else than people expect */
    NVIDIA_VERDICT_COUNT
};

const char *nvidia_verdict_name(enum nvidia_verdict v); /* "refused", "fails", ... */

struct nvidia_rule {
    const char *name;            /* "replicas"; unique */
    const char *part;            /* "device-plugin", "mig-parted", "yaml", "kubernetes", "policy" */
    enum nvidia_verdict verdict; /* the first two are errors, the others warnings */
    const char *why;             /* one or two sentences */
    const char *source;          /* where that is known from */
};

/* All rules, sorted by part, then by weight; `index` < nvidia_rule_count() <= NVIDIA_RULES_MAX. */
unsigned nvidia_rule_count(void);
const struct nvidia_rule *nvidia_rule_get(unsigned index);

/* The rule of this name and its index, or NULL. */
const struct nvidia_rule *nvidia_rule_find(struct str name, unsigned *ret_index);

/* A set of rules; zero-initialise. */
struct nvidia_rule_set {
    uint64_t words[NVIDIA_RULES_MAX / 64];
};

static inline void nvidia_rule_set_add(struct nvidia_rule_set *set, unsigned index)
{
    set->words[index / 64] |= UINT64_C(1) << index % 64;
}

static inline bool nvidia_rule_set_has(const struct nvidia_rule_set *set, unsigned index)
{
    return (set->words[index / 64] >> index % 64 & 1) != 0;
}

struct nvidia_finding {
    const struct nvidia_rule *rule;
    uint32_t line, column; /* 1-based; 0 when the document has no marks */
    char text[NVIDIA_FINDING_TEXT_MAX];
    char instead[NVIDIA_INSTEAD_MAX]; /* what to write, "" when there is no one answer */
};

/* Zero-initialise.  Findings past the maximum are counted and dropped. */
struct nvidia_lint {
    struct nvidia_finding findings[NVIDIA_FINDINGS_MAX];
    uint32_t count, dropped;
    uint32_t errors, warnings;       /* of all, dropped ones too */
    uint32_t refused;                /* errors for which the part does not take the file */
    struct nvidia_rule_set disabled; /* rules that give no finding */
};

/* Adds a finding of `rule` (an existing name) at `at`: its key's place for members, its own else;
 * NULL: no place.  Returns it, or NULL when the rule is disabled or no room is left. */
struct nvidia_finding *nvidia_lint_add(struct nvidia_lint *lint, const struct doc *at,
        const char *rule, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Says what to write instead; `finding` may be NULL. */
void nvidia_finding_instead(struct nvidia_finding *finding, const char *instead);

/* Both at once. */
#define NVIDIA_LINT_INSTEAD(lint, at, rule, instead, ...)                                          \
    nvidia_finding_instead(nvidia_lint_add(lint, at, rule, __VA_ARGS__), instead)

/* What is odd in a document as YAML: dropped duplicates, words and numbers that read otherwise. */
void nvidia_lint_notes(
        struct nvidia_lint *lint, const struct doc_go *go, const struct doc_go_document *document);

/* Sorts findings by place; equal places keep their order. */
void nvidia_lint_sort(struct nvidia_lint *lint);

static inline enum nvidia_severity nvidia_rule_severity(const struct nvidia_rule *rule)
{
    return rule->verdict <= NVIDIA_VERDICT_FAILS ? NVIDIA_ERROR : NVIDIA_WARNING;
}

/* Appends one finding as "name:line:column: error: text [rule]" and what to write instead on a
 * second line. */
void nvidia_finding_format(const struct nvidia_finding *f, const char *name, struct buf *out);

/* Appends all of them. */
void nvidia_lint_format(const struct nvidia_lint *lint, const char *name, struct buf *out);

/* 0 without errors; else -EINVAL and the first error as "line L, column C: text". */
int nvidia_lint_result(const struct nvidia_lint *lint, struct err *reterr);

#endif
