/* policy/fields-priv.h - the one table of SharingPolicy's keys.
 *
 * Pure.  Parser, writer, comparison and docs all walk this table; a key is added here and to struct
 * policy, nowhere else. */
#ifndef POLICY_FIELDS_PRIV_H
#define POLICY_FIELDS_PRIV_H

#include "policy/policy.h"

#include "base/buf.h"

#include <stddef.h>

enum policy_type {
    POLICY_TYPE_BOOL,       /* bool */
    POLICY_TYPE_COUNT,      /* uint32_t: a whole number */
    POLICY_TYPE_PERCENT,    /* uint32_t permille: "95%", "99.5%" */
    POLICY_TYPE_PPM,        /* uint32_t: "100ppm" */
    POLICY_TYPE_DURATION,   /* int64_t ns: "30m", "1d12h" */
    POLICY_TYPE_USD,        /* int64_t micro-USD: 0.10 */
    POLICY_TYPE_ENUM,       /* an enum: one of `names` */
    POLICY_TYPE_LABELS,     /* struct policy_label[POLICY_LABELS_MAX]: a map of strings */
    POLICY_TYPE_TECHNIQUES, /* techniques and their modes: a list */
    POLICY_TYPE_WINDOWS     /* struct policy_window[POLICY_WINDOWS_MAX]: a list */
};

struct policy_field {
    const char *path; /* below spec: "section.key" or "key" */
    enum policy_type type;
    size_t offset;            /* in struct policy; unused for TECHNIQUES */
    size_t count_offset;      /* LABELS, WINDOWS: of the uint32_t count */
    int64_t min, max;         /* of the stored value, for numbers */
    const char *const *names; /* ENUM: NULL-ended, in the order of the enum */
    const char *help;         /* one or two sentences */
};

extern const struct policy_field policy_fields[];
extern const unsigned policy_field_count;

/* NULL-ended names of techniques and modes. */
extern const char *const policy_technique_names[];
extern const char *const policy_mode_names[];

/* The value of a scalar field of `p`, as a number (enums and bools too). */
int64_t policy_field_get(const struct policy_field *f, const struct policy *p);
void policy_field_set(const struct policy_field *f, struct policy *p, int64_t value);

/* Room for any scalar as text. */
enum { POLICY_VALUE_BYTES = 64 };

/* A scalar value as the document has it ("95%", "30m", "true") into text[POLICY_VALUE_BYTES]. */
char *policy_value_format(const struct policy_field *f, int64_t value, char *text);

/* The value of any field, lists and maps too, in YAML's flow style on one line, appended. */
void policy_value_emit(const struct policy_field *f, const struct policy *p, struct buf *out);

/* What the parser expects of a value, for errors and docs ("a duration such as 30m, 0s to 30d"),
 * into text[size]. */
char *policy_value_expected(const struct policy_field *f, char *text, size_t size);

#endif
