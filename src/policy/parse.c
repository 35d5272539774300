/* policy/parse.c - reading a SharingPolicy document by the field table.  Pure. */
#include "policy/fields-priv.h"

#include "base/civil.h"
#include "base/doc.h"
#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIELDS_MAX = 64,
    NAME_BYTES_MAX = 63,
    LABEL_PREFIX_MAX = 253,
    EXPECTED_BYTES = 160,
};

/* Where faults go: to the reader's caller, who wants the first, or to somebody who wants all. */
struct faults {
    const struct policy_fault_sink *all; /* NULL: only the first is wanted */
    uint32_t count;
    struct err first;
};

/* Notes a fault; returns its code. */
__attribute__((format(printf, 3, 4))) static int fault(
        struct faults *to, int code, const char *fmt, ...)
{
    struct err e = {0};
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)err_set(&e, code, "%s", text);
    if (to->count++ == 0)
        to->first = e;
    if (to->all != NULL)
        to->all->add(to->all->user, e.text);
    return code;
}

/* Whether to go on after `code`: all faults are wanted, or there is none. */
static bool goes_on(const struct faults *to, int code)
{
    return code == 0 || to->all != NULL;
}

/* "line L: spec.KEY: 'VALUE': expected WHAT". */
static int value_error(
        const struct doc *value, const char *path, const char *expected, struct faults *to)
{
    if (value->kind == DOC_OBJECT || value->kind == DOC_ARRAY) {
        return fault(to, -EINVAL, "line %u: %s: %s: expected %s", value->line, path,
                doc_kind_name(value->kind), expected);
    }
    return fault(to, -EINVAL, "line %u: %s: '%.*s': expected %s", value->line, path,
            STR_ARG_SHORT(value->text), expected);
}

/* Refuses `member` of the object at `path`, whose keys are in `names`. */
static int key_error(
        const struct doc *member, const char *path, const char *const *names, struct faults *to)
{
    char choices[256] = "";
    const char *nearest = str_nearest(member->key, names);
    size_t used = 0;
    for (unsigned i = 0; names[i]; i++) {
        int wrote = snprintf(
                choices + used, sizeof choices - used, "%s%s", i > 0 ? ", " : "", names[i]);
        if (wrote < 0 || (size_t)wrote >= sizeof choices - used)
            break;
        used += (size_t)wrote;
    }
    return fault(to, -EINVAL, "line %u: %s%s%.*s: unknown key: %s%s", member->key_line, path,
            path[0] != '\0' ? "." : "", STR_ARG_SHORT(member->key),
            nearest ? "did you mean " : "expected one of ", nearest ? nearest : choices);
}

/* The text of a scalar that is a string (not a number or boolean), else an error. */
static int string_get(const struct doc *value, const char *path, const char *expected,
        struct str *ret_text, struct faults *to)
{
    if (value->kind != DOC_STRING)
        return value_error(value, path, expected, to);
    *ret_text = value->text;
    return 0;
}

/* Reads `text` that ends in `unit`, with `decimals` before it. */
static int unit_parse(struct str text, const char *unit, unsigned decimals, int64_t *ret_value)
{
    struct str end = str_from(unit);
    if (!str_ends(text, end))
        return -EINVAL;
    return str_to_fixed(
            (struct str){text.ptr, text.len - end.len}, decimals, 0, INT64_MAX, ret_value);
}

static int scalar_parse(const struct policy_field *f, const struct doc *v, int64_t *ret_value)
{
    bool text = v->kind == DOC_STRING;
    bool number = v->kind == DOC_INT || v->kind == DOC_REAL;
    switch (f->type) {
    case POLICY_TYPE_BOOL:
        *ret_value = v->boolean;
        return v->kind == DOC_BOOL ? 0 : -EINVAL;
    case POLICY_TYPE_COUNT:
        *ret_value = v->integer;
        return v->kind == DOC_INT ? 0 : -EINVAL;
    case POLICY_TYPE_PERCENT:
        return text ? unit_parse(v->text, "%", 1, ret_value) : -EINVAL;
    case POLICY_TYPE_PPM:
        return text ? unit_parse(v->text, "ppm", 0, ret_value) : -EINVAL;
    case POLICY_TYPE_DURATION:
        return text ? civil_parse_duration(v->text, ret_value, NULL) : -EINVAL;
    case POLICY_TYPE_USD:
        return number ? str_to_fixed(v->text, 6, 0, INT64_MAX, ret_value) : -EINVAL;
    case POLICY_TYPE_ENUM:
        for (unsigned i = 0; text && f->names[i]; i++) {
            if (str_eq_c(v->text, f->names[i])) {
                *ret_value = i;
                return 0;
            }
        }
        return -EINVAL;
    case POLICY_TYPE_LABELS:
    case POLICY_TYPE_TECHNIQUES:
    case POLICY_TYPE_WINDOWS:
        break;
    }
    assert(false && "a scalar field");
    return -EINVAL;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Kubernetes: up to 63 of [A-Za-z0-9._-], an alphanumeric at both ends. */
static bool is_label_name(struct str s)
{
    if (s.len == 0 || s.len > NAME_BYTES_MAX || !is_alnum(s.ptr[0]) || !is_alnum(s.ptr[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && !strchr("._-", s.ptr[i]))
            return false;
    }
    return true;
}

/* A DNS subdomain: up to 253 of [a-z0-9.-], dots between non-empty parts. */
static bool is_subdomain(struct str s)
{
    bool ok = s.len > 0 && s.len <= LABEL_PREFIX_MAX;
    char before = '.';
    for (size_t i = 0; i < s.len && ok; i++) {
        char c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        ok = plain || (c == '.' && before != '.' && before != '-') || (c == '-' && before != '.');
        before = c;
    }
    return ok && before != '.' && before != '-';
}

static bool is_label_key(struct str s)
{
    const char *slash = s.len > 0 ? memchr(s.ptr, '/', s.len) : NULL;
    if (!slash)
        return is_label_name(s);
    size_t prefix = (size_t)(slash - s.ptr);
    return is_subdomain((struct str){s.ptr, prefix}) &&
           is_label_name((struct str){slash + 1, s.len - prefix - 1});
}

static int label_parse(
        const struct doc *m, const char *path, struct str *ret_value, struct faults *to)
{
    if (!is_label_key(m->key)) {
        return fault(to, -EINVAL, "line %u: %s: '%.*s': expected a label key", m->key_line, path,
                STR_ARG_SHORT(m->key));
    }
    int r = string_get(m, path, "a label value (quote numbers and booleans)", ret_value, to);
    if (r == 0 && ret_value->len > 0 && !is_label_name(*ret_value))
        return value_error(m, path, "a label value", to);
    return r;
}

static int labels_parse(const struct policy_field *f, const struct doc *v, const char *path,
        struct policy *p, struct faults *to)
{
    struct policy_label *labels = (void *)((char *)p + f->offset);
    uint32_t *count = (void *)((char *)p + f->count_offset);
    if (v->kind != DOC_OBJECT)
        return value_error(v, path, "a map of labels, each KEY: VALUE", to);
    if (v->count > POLICY_LABELS_MAX) {
        return fault(
                to, -E2BIG, "line %u: %s: more than %d labels", v->line, path, POLICY_LABELS_MAX);
    }
    memset(labels, 0, POLICY_LABELS_MAX * sizeof *labels);
    *count = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        const struct doc *m = &v->first[i];
        struct str text = {0};
        int r = label_parse(m, path, &text, to);
        if (!goes_on(to, r))
            return r;
        labels[(*count)++] = (struct policy_label){.key = m->key, .value = text};
    }
    return 0;
}

/* The number of `text` among `names`, or -1. */
static int name_number(const char *const *names, struct str text)
{
    for (int i = 0; names[i]; i++) {
        if (str_eq_c(text, names[i]))
            return i;
    }
    return -1;
}

/* What an API server or a tool adds to an object: `kubectl get -o yaml` is a good document too. */
static bool is_of_the_server(const char *path, struct str key)
{
    static const char *const metadata[] = {"annotations", "creationTimestamp",
            "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers", "generation", "labels",
            "managedFields", "ownerReferences", "resourceVersion", "uid", NULL};
    if (strcmp(path, "metadata") == 0)
        return name_number(metadata, key) >= 0;
    return path[0] == '\0' && str_eq_c(key, "status");
}

/* Finds the members called names[i] of the object `v`: all of them are there when it returns 0;
 * others are faults, unless the API server writes them. */
static int members_get(const struct doc *v, const char *path, const char *const *names,
        const struct doc **ret, struct faults *to)
{
    for (unsigned i = 0; names[i]; i++)
        ret[i] = NULL;
    if (v->kind != DOC_OBJECT)
        return value_error(v, path, "a map", to);
    for (uint32_t k = 0; k < v->count; k++) {
        int i = name_number(names, v->first[k].key);
        int r = 0;
        if (i < 0 && !is_of_the_server(path, v->first[k].key))
            r = key_error(&v->first[k], path, names, to);
        if (!goes_on(to, r))
            return r;
        if (i >= 0)
            ret[i] = &v->first[k];
    }
    int missing = 0;
    for (unsigned i = 0; names[i] && goes_on(to, missing); i++) {
        if (!ret[i]) {
            missing = fault(to, -EINVAL, "line %u: %s%s%s: missing", v->line, path,
                    path[0] != '\0' ? "." : "", names[i]);
        }
    }
    return missing;
}

static int technique_add(
        const struct doc *item, const char *path, struct policy *p, struct faults *to)
{
    static const char *const keys[] = {"technique", "mode", NULL};
    const struct doc *members[2];
    int r = members_get(item, path, keys, members, to);
    if (r < 0)
        return r;
    int t = members[0]->kind == DOC_STRING ? name_number(policy_technique_names, members[0]->text)
                                           : -1;
    if (t <= MODEL_TECHNIQUE_EXCLUSIVE)
        return value_error(members[0], path, "time-slicing or mig", to);
    int m = members[1]->kind == DOC_STRING ? name_number(policy_mode_names, members[1]->text) : -1;
    if (m < 0)
        return value_error(members[1], path, "observe, recommend or apply", to);
    for (uint32_t i = 0; i < p->technique_count; i++) {
        if (p->techniques[i] == (enum model_technique)t)
            return value_error(members[0], path, "each technique once", to);
    }
    p->techniques[p->technique_count++] = (enum model_technique)t;
    p->mode[t] = (enum policy_mode)m;
    return 0;
}

static int techniques_parse(
        const struct doc *v, const char *path, struct policy *p, struct faults *to)
{
    if (v->kind != DOC_ARRAY)
        return value_error(v, path, "a list of {technique, mode}", to);
    memset(p->techniques, 0, sizeof p->techniques);
    p->technique_count = 0;
    for (unsigned t = MODEL_TECHNIQUE_TIME_SLICING; t < MODEL_TECHNIQUE_COUNT; t++)
        p->mode[t] = POLICY_MODE_OBSERVE;
    for (uint32_t i = 0; i < v->count; i++) {
        int r = technique_add(&v->first[i], path, p, to);
        if (!goes_on(to, r))
            return r;
    }
    return 0;
}

static int window_parse(const struct doc *item, const char *path, struct policy_window *ret_window,
        struct faults *to)
{
    static const char *const keys[] = {"cron", "duration", NULL};
    const int64_t minute = 60 * NUM_NS_PER_SECOND;
    const struct doc *members[2];
    int r = members_get(item, path, keys, members, to);
    if (r < 0)
        return r;
    struct str cron = {0};
    struct policy_window w = {0};
    r = string_get(members[0], path, "a cron text such as \"0 2 * * *\"", &cron, to);
    if (r < 0)
        return r;
    struct err e = {0};
    if (policy_cron_parse(cron, &w, &e) < 0) {
        return fault(to, e.code, "line %u: %s: cron '%.*s': %s", members[0]->line, path,
                STR_ARG_SHORT(cron), e.text);
    }
    if (members[1]->kind != DOC_STRING ||
            civil_parse_duration(members[1]->text, &w.duration_ns, NULL) < 0 ||
            w.duration_ns < minute || w.duration_ns > 24 * NUM_NS_PER_HOUR ||
            w.duration_ns % minute != 0)
        return value_error(members[1], path, "a duration of whole minutes, 1m to 1d", to);
    *ret_window = w;
    return 0;
}

static int windows_parse(const struct doc *v, const char *path, struct policy *p, struct faults *to)
{
    if (v->kind != DOC_ARRAY)
        return value_error(v, path, "a list of {cron, duration}", to);
    if (v->count > POLICY_WINDOWS_MAX) {
        return fault(
                to, -E2BIG, "line %u: %s: more than %d windows", v->line, path, POLICY_WINDOWS_MAX);
    }
    memset(p->windows, 0, sizeof p->windows);
    p->window_count = 0;
    uint32_t before = to->count;
    for (uint32_t i = 0; i < v->count; i++) {
        int r = window_parse(&v->first[i], path, &p->windows[i], to);
        if (!goes_on(to, r))
            return r;
        p->window_count++;
    }
    uint32_t first = 0;
    uint32_t second = 0;
    if (to->count > before)
        return -EINVAL; /* noted */
    if (!policy_windows_overlap(p->windows, p->window_count, &first, &second))
        return 0;
    if (first == second) {
        return fault(to, -EINVAL,
                "line %u: %s: cron '%.*s' starts again before its window ends: expected no overlap",
                v->first[first].line, path, STR_ARG_SHORT(p->windows[first].cron));
    }
    return fault(to, -EINVAL, "line %u: %s: '%.*s' overlaps '%.*s' of line %u: expected no overlap",
            v->first[second].line, path, STR_ARG_SHORT(p->windows[second].cron),
            STR_ARG_SHORT(p->windows[first].cron), v->first[first].line);
}

static int field_parse(
        const struct policy_field *f, const struct doc *v, struct policy *p, struct faults *to)
{
    char path[80];
    char expected[EXPECTED_BYTES];
    int64_t value = 0;
    (void)snprintf(path, sizeof path, "spec.%s", f->path);
    if (f->type == POLICY_TYPE_LABELS)
        return labels_parse(f, v, path, p, to);
    if (f->type == POLICY_TYPE_TECHNIQUES)
        return techniques_parse(v, path, p, to);
    if (f->type == POLICY_TYPE_WINDOWS)
        return windows_parse(v, path, p, to);
    bool ranged = f->type != POLICY_TYPE_BOOL && f->type != POLICY_TYPE_ENUM;
    if (scalar_parse(f, v, &value) < 0 || (ranged && (value < f->min || value > f->max)))
        return value_error(v, path, policy_value_expected(f, expected, sizeof expected), to);
    policy_field_set(f, p, value);
    return 0;
}

/* The keys below spec ("" section) or below one section, NULL-ended, for error messages. */
struct key_list {
    char text[FIELDS_MAX][32];
    const char *names[FIELDS_MAX + 2];
    unsigned count;
};

static void keys_list(struct str section, struct key_list *ret_keys)
{
    ret_keys->count = 0;
    for (unsigned i = 0; i < policy_field_count; i++) {
        struct str path = str_from(policy_fields[i].path);
        if (section.len > 0) {
            if (!str_starts(path, section) || path.ptr[section.len] != '.')
                continue;
            path = (struct str){path.ptr + section.len + 1, path.len - section.len - 1};
        }
        const char *dot = memchr(path.ptr, '.', path.len);
        size_t len = dot ? (size_t)(dot - path.ptr) : path.len;
        unsigned n = ret_keys->count;
        assert(n < FIELDS_MAX && len < sizeof ret_keys->text[0]);
        if (n > 0 && strlen(ret_keys->text[n - 1]) == len &&
                memcmp(ret_keys->text[n - 1], path.ptr, len) == 0)
            continue; /* one section, many keys: they stand together in the table */
        memcpy(ret_keys->text[n], path.ptr, len);
        ret_keys->text[n][len] = '\0';
        ret_keys->names[n] = ret_keys->text[n];
        ret_keys->count++;
    }
    if (section.len == 0)
        ret_keys->names[ret_keys->count++] = "preset";
    ret_keys->names[ret_keys->count] = NULL;
}

/* The field at "section.key", or at "key" with an empty section. */
static const struct policy_field *field_find(struct str section, struct str key)
{
    for (unsigned i = 0; i < policy_field_count; i++) {
        struct str path = str_from(policy_fields[i].path);
        size_t skip = section.len > 0 ? section.len + 1 : 0;
        if (path.len != skip + key.len || !str_starts(path, section) ||
                (skip > 0 && path.ptr[skip - 1] != '.'))
            continue;
        if (str_eq((struct str){path.ptr + skip, key.len}, key))
            return &policy_fields[i];
    }
    return NULL;
}

static bool is_section(struct str key)
{
    for (unsigned i = 0; i < policy_field_count; i++) {
        struct str path = str_from(policy_fields[i].path);
        if (path.len > key.len && str_starts(path, key) && path.ptr[key.len] == '.')
            return key.len > 0;
    }
    return false;
}

static int section_parse(const struct doc *section, struct policy *p, struct faults *to)
{
    char path[48];
    struct key_list keys;
    (void)snprintf(path, sizeof path, "spec.%.*s", STR_ARG_SHORT(section->key));
    if (section->kind != DOC_OBJECT)
        return value_error(section, path, "a map", to);
    for (uint32_t i = 0; i < section->count; i++) {
        const struct doc *m = &section->first[i];
        const struct policy_field *f = field_find(section->key, m->key);
        if (!f)
            keys_list(section->key, &keys);
        int r = f ? field_parse(f, m, p, to) : key_error(m, path, keys.names, to);
        if (!goes_on(to, r))
            return r;
    }
    return 0;
}

/* Rules between keys.  `spec` gives the line. */
static int policy_check(const struct doc *spec, const struct policy *p, struct faults *to)
{
    int r = 0;
    if (p->replicas_min > p->replicas_max) {
        r = fault(to, -EINVAL,
                "line %u: spec.timeSlicing: minReplicas %u is above maxReplicas %u: expected at "
                "most that",
                spec->line, p->replicas_min, p->replicas_max);
    }
    if (!goes_on(to, r))
        return r;
    bool allowed = p->latency_treatment == MODEL_TECHNIQUE_EXCLUSIVE;
    for (uint32_t i = 0; i < p->technique_count; i++)
        allowed = allowed || p->techniques[i] == p->latency_treatment;
    if (!allowed) {
        return fault(to, -EINVAL,
                "line %u: spec.latencySensitive.treatment: '%s': expected exclusive or one of "
                "spec.techniques",
                spec->line, policy_technique_names[p->latency_treatment]);
    }
    return r;
}

static int spec_parse(const struct doc *spec, struct policy *p, struct faults *to)
{
    static const struct str top = {0};
    struct key_list keys;
    if (spec->kind != DOC_OBJECT)
        return value_error(spec, "spec", "a map", to);
    for (uint32_t i = 0; i < spec->count; i++) {
        const struct doc *m = &spec->first[i];
        const struct policy_field *f = field_find(top, m->key);
        int r = 0;
        if (f) {
            r = field_parse(f, m, p, to);
        } else if (is_section(m->key)) {
            r = section_parse(m, p, to);
        } else if (!str_eq_c(m->key, "preset")) {
            keys_list(top, &keys);
            r = key_error(m, "spec", keys.names, to);
        }
        if (!goes_on(to, r))
            return r;
    }
    /* What stands between keys can be judged when each of them is right. */
    return to->count > 0 ? -EINVAL : policy_check(spec, p, to);
}

/* Checks apiVersion, kind and name; returns the name and the spec. */
static int envelope_parse(
        const struct doc *doc, struct str *ret_name, const struct doc **ret_spec, struct faults *to)
{
    static const char *const keys[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    static const char *const metadata_keys[] = {"name", NULL};
    const struct doc *members[4];
    const struct doc *name = NULL;
    int r = members_get(doc, "", keys, members, to);
    if (goes_on(to, r) && members[0] && !str_eq_c(members[0]->text, POLICY_API_VERSION))
        r = value_error(members[0], "apiVersion", POLICY_API_VERSION, to);
    if (goes_on(to, r) && members[1] && !str_eq_c(members[1]->text, POLICY_KIND))
        r = value_error(members[1], "kind", POLICY_KIND, to);
    if (goes_on(to, r) && members[2])
        r = members_get(members[2], "metadata", metadata_keys, &name, to);
    if (goes_on(to, r) && name && (name->kind != DOC_STRING || !is_subdomain(name->text))) {
        r = value_error(
                name, "metadata.name", "a name of lower-case letters, digits, '-' and '.'", to);
    }
    if (!goes_on(to, r))
        return r;
    *ret_name = name != NULL ? name->text : (struct str){0};
    *ret_spec = members[3];
    return 0;
}

static int preset_get(const struct doc *spec, const struct policy **ret_preset, struct faults *to)
{
    const struct doc *v = doc_get(spec, "preset");
    *ret_preset = policy_preset(STR_LIT("balanced"));
    if (!v)
        return 0;
    const struct policy *preset = v->kind == DOC_STRING ? policy_preset(v->text) : NULL;
    if (!preset)
        return value_error(v, "spec.preset", "conservative, balanced or aggressive", to);
    *ret_preset = preset;
    return 0;
}

/* Reads the document into `p`. */
static int document_parse(const struct doc *doc, struct policy *p, struct faults *to)
{
    const struct doc *spec = NULL;
    const struct policy *preset = NULL;
    struct str name = {0};
    int r = envelope_parse(doc, &name, &spec, to);
    if (r == 0)
        r = preset_get(spec, &preset, to);
    if (spec == NULL || !goes_on(to, r))
        return r;
    *p = *(preset != NULL ? preset : policy_preset(STR_LIT("balanced")));
    p->name = name;
    r = spec_parse(spec, p, to);
    return to->count > 0 ? to->first.code : r;
}

int policy_parse(
        struct arena *a, struct str text, const struct policy **ret_policy, struct err *reterr)
{
    const struct doc *doc = NULL;
    struct faults to = {0};
    if (doc_parse_yaml(a, text, POLICY_TEXT_BYTES_MAX, &doc, reterr) < 0)
        return reterr->code;
    if (!arena_fits(a, 1, sizeof(struct policy)))
        return err_set(reterr, -E2BIG, "policy: out of memory for it");
    struct policy *p = ARENA_NEW(a, struct policy);
    int r = document_parse(doc, p, &to);
    if (r < 0)
        return err_set(reterr, r, "%s", to.first.text);
    *ret_policy = p;
    return 0;
}

uint32_t policy_faults_find(const struct doc *doc, const struct policy_fault_sink *sink)
{
    struct policy p;
    struct faults to = {.all = sink};
    (void)document_parse(doc, &p, &to);
    return to.count;
}
