/* model/workload.c - names of what a workload is, asks for and was given.  Pure. */
#include "model/workload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const class_names[] = {
        [MODEL_CLASS_UNKNOWN] = "unknown",
        [MODEL_CLASS_LATENCY_SENSITIVE] = "latency-sensitive",
        [MODEL_CLASS_INTERACTIVE] = "interactive",
        [MODEL_CLASS_BATCH] = "batch",
        [MODEL_CLASS_TRAINING] = "training",
        [MODEL_CLASS_COUNT] = NULL,
};
static const char *const isolation_names[] = {
        [MODEL_ISOLATION_NONE] = "none",
        [MODEL_ISOLATION_INSTANCE] = "instance",
        [MODEL_ISOLATION_EXCLUSIVE] = "exclusive",
        [MODEL_ISOLATION_COUNT] = NULL,
};
static const char *const technique_names[] = {
        [MODEL_TECHNIQUE_EXCLUSIVE] = "exclusive",
        [MODEL_TECHNIQUE_TIME_SLICING] = "time-slicing",
        [MODEL_TECHNIQUE_MIG] = "mig",
        [MODEL_TECHNIQUE_COUNT] = NULL,
};
static const char *const owner_kind_names[] = {
        [MODEL_OWNER_DEPLOYMENT] = "deployment",
        [MODEL_OWNER_STATEFULSET] = "statefulset",
        [MODEL_OWNER_JOB] = "job",
        [MODEL_OWNER_BARE] = "bare",
        [MODEL_OWNER_DAEMONSET] = "daemonset",
        [MODEL_OWNER_COUNT] = NULL,
};

/* The number of `text` in the NULL-ended `names`; -EINVAL with the choices. */
static int name_parse(const char *const *names, struct str text, const char *what,
        unsigned *ret_number, struct err *reterr)
{
    char choices[128] = "";
    size_t used = 0;
    for (unsigned i = 0; names[i]; i++) {
        if (str_eq_c(text, names[i])) {
            *ret_number = i;
            return 0;
        }
        int wrote = snprintf(
                choices + used, sizeof choices - used, "%s%s", i > 0 ? ", " : "", names[i]);
        assert(wrote > 0 && (size_t)wrote < sizeof choices - used);
        used += (size_t)wrote;
    }
    return err_set(reterr, -EINVAL, "unknown %s '%.*s': expected one of %s", what,
            STR_ARG_SHORT(text), choices);
}

const char *model_class_name(enum model_class c)
{
    assert(c < MODEL_CLASS_COUNT);
    return class_names[c];
}

int model_class_parse(struct str text, enum model_class *ret_class, struct err *reterr)
{
    unsigned number = 0;
    int r = name_parse(class_names, text, "class", &number, reterr);
    if (r == 0)
        *ret_class = (enum model_class)number;
    return r;
}

const char *model_isolation_name(enum model_isolation i)
{
    assert(i < MODEL_ISOLATION_COUNT);
    return isolation_names[i];
}

int model_isolation_parse(struct str text, enum model_isolation *ret_isolation, struct err *reterr)
{
    unsigned number = 0;
    int r = name_parse(isolation_names, text, "isolation", &number, reterr);
    if (r == 0)
        *ret_isolation = (enum model_isolation)number;
    return r;
}

const char *model_technique_name(enum model_technique t)
{
    assert(t < MODEL_TECHNIQUE_COUNT);
    return technique_names[t];
}

int model_technique_parse(struct str text, enum model_technique *ret_technique, struct err *reterr)
{
    unsigned number = 0;
    int r = name_parse(technique_names, text, "technique", &number, reterr);
    if (r == 0)
        *ret_technique = (enum model_technique)number;
    return r;
}

const char *model_owner_kind_name(enum model_owner_kind k)
{
    assert(k < MODEL_OWNER_COUNT);
    return owner_kind_names[k];
}

bool model_resource_eq(const struct model_resource *a, const struct model_resource *b)
{
    return a->kind == b->kind && strcmp(a->profile, b->profile) == 0;
}

static bool kind_has_profile(enum model_resource_kind kind)
{
    return kind == MODEL_RESOURCE_MIG || kind == MODEL_RESOURCE_MIG_SHARED;
}

char *model_resource_format(const struct model_resource *r, char *text)
{
    static const char *const bases[] = {
            [MODEL_RESOURCE_NONE] = "",
            [MODEL_RESOURCE_GPU] = "nvidia.com/gpu",
            [MODEL_RESOURCE_GPU_SHARED] = "nvidia.com/gpu",
            [MODEL_RESOURCE_MIG] = "nvidia.com/mig-",
            [MODEL_RESOURCE_MIG_SHARED] = "nvidia.com/mig-",
    };
    assert(r->kind < MODEL_RESOURCE_COUNT);
    assert(kind_has_profile(r->kind) == (r->profile[0] != '\0'));
    bool shared = r->kind == MODEL_RESOURCE_GPU_SHARED || r->kind == MODEL_RESOURCE_MIG_SHARED;
    int wrote = snprintf(text, MODEL_RESOURCE_NAME_MAX, "%s%s%s", bases[r->kind], r->profile,
            shared ? ".shared" : "");
    assert(wrote >= 0 && wrote < MODEL_RESOURCE_NAME_MAX);
    /* As the device plugin does: a resource name has no '+'. */
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '+')
            *c = '.';
    }
    return text;
}

/* Reads digits at the start of `s`, at least one. */
static bool eat_digits(struct str *s)
{
    size_t n = 0;
    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    s->ptr += n;
    s->len -= n;
    return n > 0;
}

static bool eat(struct str *s, const char *word)
{
    struct str w = str_from(word);
    if (!str_starts(*s, w))
        return false;
    s->ptr += w.len;
    s->len -= w.len;
    return true;
}

/* Copies "1g.5gb.me" as the profile "1g.5gb+me": the first '.' after the size was a '+'. */
static int profile_parse(struct str s, char *ret_profile)
{
    if (s.len >= MODEL_PROFILE_NAME_MAX)
        return -ENOENT;
    struct str rest = s;
    struct str part = s;
    if (eat_digits(&part) && eat(&part, "c."))
        rest = part;
    if (!eat_digits(&rest) || !eat(&rest, "g.") || !eat_digits(&rest) || !eat(&rest, "gb"))
        return -ENOENT;
    if (rest.len > 0 && ((rest.ptr[0] != '.' && rest.ptr[0] != '-') || rest.len == 1))
        return -ENOENT;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-')
            return -ENOENT;
    }
    memcpy(ret_profile, s.ptr, s.len);
    ret_profile[s.len] = '\0';
    if (rest.len > 0 && rest.ptr[0] == '.')
        ret_profile[s.len - rest.len] = '+';
    return 0;
}

int model_resource_parse(struct str name, struct model_resource *ret_resource)
{
    struct model_resource r = {.kind = MODEL_RESOURCE_NONE};
    struct str shared = STR_LIT(".shared");
    if (!eat(&name, "nvidia.com/"))
        return -ENOENT;
    bool is_shared = str_ends(name, shared);
    if (is_shared)
        name.len -= shared.len;
    if (str_eq_c(name, "gpu")) {
        r.kind = is_shared ? MODEL_RESOURCE_GPU_SHARED : MODEL_RESOURCE_GPU;
    } else {
        if (!eat(&name, "mig-") || profile_parse(name, r.profile) < 0)
            return -ENOENT;
        r.kind = is_shared ? MODEL_RESOURCE_MIG_SHARED : MODEL_RESOURCE_MIG;
    }
    *ret_resource = r;
    return 0;
}
