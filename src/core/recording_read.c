/* core/recording_read.c - reading a recording, strictly; see recording.h.  Pure. */
#include "core/recording-priv.h"

#include "base/doc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { POLICY_BYTES_MAX = 1 << 20, SAMPLE_NUMBERS = 14 };

#define MEMBER(type, f, offset) (*(type *)(void *)((char *)(f) + (offset)))

/* What a reader needs along the way. */
struct reader {
    struct arena *arena;
    struct err *err;
};

static int wrong(const struct reader *r, const char *key, const struct doc *d, const char *expected)
{
    return err_set(
            r->err, -EINVAL, "%s: '%.*s': expected %s", key, STR_ARG_SHORT(d->text), expected);
}

static int read_u64(
        const struct reader *r, const char *key, const struct doc *d, uint64_t max, uint64_t *ret)
{
    bool number = d->kind == DOC_INT || d->kind == DOC_REAL;
    if (!number || str_to_u64(d->text, 0, max, ret) < 0) {
        return err_set(r->err, -EINVAL, "%s: '%.*s': expected a number from 0 to %llu", key,
                STR_ARG_SHORT(d->text), (unsigned long long)max);
    }
    return 0;
}

static int read_i64(const struct reader *r, const char *key, const struct doc *d, int64_t *ret)
{
    if (d->kind != DOC_INT)
        return wrong(r, key, d, "a whole number");
    *ret = d->integer;
    return 0;
}

static uint64_t max_of(const struct core_recording_field *field)
{
    if (field->max != 0)
        return field->max;
    switch (field->type) {
    case CORE_RECORDING_U8:
        return UINT8_MAX;
    case CORE_RECORDING_U16:
        return UINT16_MAX;
    case CORE_RECORDING_U32:
        return UINT32_MAX;
    case CORE_RECORDING_U64:
    case CORE_RECORDING_I64:
    case CORE_RECORDING_BOOL:
    case CORE_RECORDING_ENUM:
    case CORE_RECORDING_STR:
    case CORE_RECORDING_RESOURCE:
    case CORE_RECORDING_CAPS:
    case CORE_RECORDING_ALLOCATABLE:
    case CORE_RECORDING_DEVICES:
    case CORE_RECORDING_POLICY:
        break;
    }
    return UINT64_MAX;
}

static int read_number(const struct reader *r, const struct core_recording_field *field,
        const struct doc *d, struct core_fact *f)
{
    uint64_t value = 0;
    int rc = read_u64(r, field->key, d, max_of(field), &value);
    if (rc < 0)
        return rc;
    if (field->type == CORE_RECORDING_U8) {
        MEMBER(uint8_t, f, field->offset) = (uint8_t)value;
    } else if (field->type == CORE_RECORDING_U16) {
        MEMBER(uint16_t, f, field->offset) = (uint16_t)value;
    } else if (field->type == CORE_RECORDING_U64) {
        MEMBER(uint64_t, f, field->offset) = value;
    } else {
        MEMBER(uint32_t, f, field->offset) = (uint32_t)value;
    }
    return 0;
}

static int read_resource(
        const struct reader *r, const char *key, struct str name, struct model_resource *ret)
{
    if (model_resource_parse(name, ret) < 0) {
        return err_set(
                r->err, -EINVAL, "%s: '%.*s': expected a GPU resource", key, STR_ARG_SHORT(name));
    }
    return 0;
}

static int read_caps(const struct reader *r, const struct doc *d, struct core_node_caps *ret)
{
    static const uint64_t max[] = {CORE_SHARE_GPU, CORE_RELAYOUT_INSTANCE, 1, CORE_STEER_DEVICE,
            CORE_KNOWN_PROCESS, CORE_KNOWN_PROCESS};
    uint64_t v[6] = {0};
    if (d->kind != DOC_ARRAY || d->count != 6)
        return wrong(r, "caps", d, "six numbers");
    for (unsigned i = 0; i < 6; i++) {
        int rc = read_u64(r, "caps", &d->first[i], max[i], &v[i]);
        if (rc < 0)
            return rc;
    }
    *ret = (struct core_node_caps){
            .share = (enum core_share_scope)v[0],
            .relayout = (enum core_relayout_scope)v[1],
            .mode_change_resets_node = v[2] != 0,
            .steer = (enum core_steer)v[3],
            .occupant = (enum core_known_at)v[4],
            .usage = (enum core_known_at)v[5],
    };
    return 0;
}

static int read_allocatable(const struct reader *r, const struct doc *d, struct core_node_fact *n)
{
    if (d->kind != DOC_OBJECT || d->count > CORE_RESOURCES_MAX)
        return wrong(r, "allocatable", d, "a map of at most 16 resources");
    n->allocatable_count = d->count;
    for (uint32_t i = 0; i < d->count; i++) {
        uint64_t count = 0;
        int rc = read_resource(r, "allocatable", d->first[i].key, &n->allocatable[i].resource);
        if (rc == 0)
            rc = read_u64(r, "allocatable", &d->first[i], UINT32_MAX, &count);
        if (rc < 0)
            return rc;
        n->allocatable[i].count = (uint32_t)count;
    }
    return 0;
}

static int read_devices(const struct reader *r, const struct doc *d, struct core_pod_fact *p)
{
    if (d->kind != DOC_ARRAY || d->count % 2 != 0 || d->count > 2 * CORE_POD_DEVICES_MAX)
        return wrong(r, "devices", d, "pairs of gpu and start, at most 16");
    p->device_count = d->count / 2;
    for (uint32_t i = 0; i < d->count; i++) {
        uint64_t value = 0;
        int rc = read_u64(r, "devices", &d->first[i], UINT8_MAX, &value);
        if (rc < 0)
            return rc;
        if (i % 2 == 0) {
            p->devices[i / 2].gpu = (uint8_t)value;
        } else {
            p->devices[i / 2].start = (uint8_t)value;
        }
    }
    return 0;
}

static int read_policy(const struct reader *r, const struct doc *d, const struct policy **ret)
{
    if (d->kind != DOC_STRING || d->text.len > POLICY_BYTES_MAX)
        return wrong(r, "policy", d, "the text of a SharingPolicy");
    int rc = policy_parse(r->arena, d->text, ret, r->err);
    return rc < 0 ? err_wrap(r->err, "policy") : 0;
}

static int read_field(const struct reader *r, const struct core_recording_field *field,
        const struct doc *d, struct core_fact *f)
{
    switch (field->type) {
    case CORE_RECORDING_U8:
    case CORE_RECORDING_U16:
    case CORE_RECORDING_U32:
    case CORE_RECORDING_U64:
    case CORE_RECORDING_ENUM:
        return read_number(r, field, d, f);
    case CORE_RECORDING_I64:
        return read_i64(r, field->key, d, &MEMBER(int64_t, f, field->offset));
    case CORE_RECORDING_BOOL:
        if (d->kind != DOC_BOOL)
            return wrong(r, field->key, d, "true or false");
        MEMBER(bool, f, field->offset) = d->boolean;
        return 0;
    case CORE_RECORDING_STR:
        if (d->kind != DOC_STRING)
            return wrong(r, field->key, d, "a string");
        MEMBER(struct str, f, field->offset) = d->text;
        return 0;
    case CORE_RECORDING_RESOURCE:
        return read_resource(
                r, field->key, d->text, &MEMBER(struct model_resource, f, field->offset));
    case CORE_RECORDING_CAPS:
        return read_caps(r, d, &f->node.caps);
    case CORE_RECORDING_ALLOCATABLE:
        return read_allocatable(r, d, &f->node);
    case CORE_RECORDING_DEVICES:
        return read_devices(r, d, &f->pod);
    case CORE_RECORDING_POLICY:
        return read_policy(r, d, &f->policy);
    }
    assert(false);
    return -EINVAL;
}

static const struct core_recording_field *find_field(
        const struct core_recording_field *fields, struct str key)
{
    for (; fields->key != NULL; fields++) {
        if (str_eq_c(key, fields->key))
            return fields;
    }
    return NULL;
}

static int read_kind(const struct reader *r, const struct doc *d, enum core_fact_kind *ret)
{
    const struct doc *kind = doc_get(d, "kind");
    for (unsigned k = 0; kind != NULL && k < CORE_FACT_COUNT; k++) {
        if (k != CORE_FACT_SAMPLE && str_eq_c(kind->text, core_recording_kinds[k])) {
            *ret = (enum core_fact_kind)k;
            return 0;
        }
    }
    return err_set(r->err, -EINVAL, "kind: '%.*s': expected a kind of fact",
            STR_ARG_SHORT(kind ? kind->text : STR_LIT("")));
}

static int read_object(const struct reader *r, const struct doc *d, struct core_fact *f)
{
    int rc = read_kind(r, d, &f->kind);
    for (uint32_t i = 0; rc == 0 && i < d->count; i++) {
        const struct doc *member = &d->first[i];
        if (str_eq_c(member->key, "kind"))
            continue;
        const struct core_recording_field *field = find_field(core_recording_common, member->key);
        if (field == NULL)
            field = find_field(core_recording_fields[f->kind], member->key);
        if (field == NULL) {
            return err_set(r->err, -EINVAL, "unknown key '%.*s' in a %s",
                    STR_ARG_SHORT(member->key), core_recording_kinds[f->kind]);
        }
        rc = read_field(r, field, member, f);
    }
    if (rc == 0 && f->kind == CORE_FACT_POLICY && f->policy == NULL)
        return err_set(r->err, -EINVAL, "policy: missing");
    return rc;
}

/* ["sample", cluster, version, observed, node, gpu, start, scope, valid, busy, sm, dram, memory,
 * latency, occupant...] */
static int read_sample(const struct reader *r, const struct doc *d, struct core_fact *f)
{
    static const uint64_t max[SAMPLE_NUMBERS] = {0, UINT16_MAX, UINT64_MAX, 0, UINT64_MAX,
            UINT8_MAX, UINT8_MAX, CORE_SAMPLE_PROCESS, UINT8_MAX, UINT16_MAX, UINT16_MAX,
            UINT16_MAX, UINT32_MAX, UINT32_MAX};
    uint64_t v[SAMPLE_NUMBERS] = {0};
    if (d->count < SAMPLE_NUMBERS || !str_eq_c(d->first[0].text, "sample") ||
            d->count > SAMPLE_NUMBERS + CORE_RECORDING_OCCUPANTS_MAX)
        return err_set(r->err, -EINVAL, "a list: expected [\"sample\", 13 numbers, occupants]");
    for (uint32_t i = 1; i < SAMPLE_NUMBERS; i++) {
        int rc = i == 3 ? read_i64(r, "sample", &d->first[i], &f->observed_wall_ns)
                        : read_u64(r, "sample", &d->first[i], max[i], &v[i]);
        if (rc < 0)
            return rc;
    }
    uint32_t occupant_count = d->count - SAMPLE_NUMBERS;
    uint64_t *occupants = ARENA_ARRAY(r->arena, uint64_t, occupant_count + 1);
    for (uint32_t i = 0; i < occupant_count; i++) {
        int rc = read_u64(r, "occupant", &d->first[SAMPLE_NUMBERS + i], UINT64_MAX, &occupants[i]);
        if (rc < 0)
            return rc;
    }
    f->kind = CORE_FACT_SAMPLE;
    f->source = CORE_SOURCE_METRICS;
    f->cluster = (uint16_t)v[1];
    f->version = v[2];
    f->sample = (struct core_sample_fact){
            .node = v[4],
            .gpu = (uint8_t)v[5],
            .start = (uint8_t)v[6],
            .scope = (enum core_sample_scope)v[7],
            .valid = (uint8_t)v[8],
            .busy_permille = (uint16_t)v[9],
            .sm_permille = (uint16_t)v[10],
            .dram_permille = (uint16_t)v[11],
            .memory_used_mib = (uint32_t)v[12],
            .latency_permille = (uint32_t)v[13],
            .occupant_count = occupant_count,
            .occupants = occupants,
    };
    return 0;
}

static int read_facts(const struct reader *r, const struct doc *d, struct core_recording_step *s)
{
    if (d == NULL || d->kind != DOC_ARRAY)
        return err_set(r->err, -EINVAL, "facts: expected a list");
    if (d->count > CORE_RECORDING_FACTS_MAX)
        return err_set(r->err, -E2BIG, "facts: %u: at most %d", d->count, CORE_RECORDING_FACTS_MAX);
    struct core_fact *facts = ARENA_ARRAY(r->arena, struct core_fact, d->count + 1);
    for (uint32_t i = 0; i < d->count; i++) {
        const struct doc *item = &d->first[i];
        int rc = -EINVAL;
        if (item->kind == DOC_OBJECT) {
            rc = read_object(r, item, &facts[i]);
        } else if (item->kind == DOC_ARRAY) {
            rc = read_sample(r, item, &facts[i]);
        } else {
            (void)wrong(r, "a fact", item, "a map or a sample's list");
        }
        if (rc < 0)
            return err_wrap(r->err, "fact %u", i);
    }
    s->facts = facts;
    s->fact_count = d->count;
    return 0;
}

static int read_now(const struct reader *r, const struct doc *d, struct core_now *ret)
{
    uint64_t epoch = 0;
    if (d == NULL || d->kind != DOC_ARRAY || d->count != 3)
        return err_set(r->err, -EINVAL, "now: expected [wall_ns, mono_ns, epoch]");
    int rc = read_i64(r, "now", &d->first[0], &ret->wall_ns);
    if (rc == 0)
        rc = read_i64(r, "now", &d->first[1], &ret->mono_ns);
    if (rc == 0)
        rc = read_u64(r, "now", &d->first[2], UINT32_MAX, &epoch);
    ret->epoch = (uint32_t)epoch;
    return rc;
}

static int read_digest(const struct reader *r, const struct doc *d, struct core_recording_step *s)
{
    if (d == NULL)
        return 0;
    if (d->kind != DOC_STRING || d->text.len != 16)
        return wrong(r, "digest", d, "16 hexadecimal digits");
    for (size_t i = 0; i < 16; i++) {
        char c = d->text.ptr[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
        if (digit > 15)
            return wrong(r, "digest", d, "16 hexadecimal digits");
        s->digest = s->digest << 4 | digit;
    }
    s->digest_known = true;
    return 0;
}

static int parse_line(
        struct arena *a, struct str line, const struct doc **ret_doc, struct err *reterr)
{
    int rc = doc_parse_json(a, line, CORE_RECORDING_LINE_MAX, ret_doc, reterr);
    if (rc == 0 && (*ret_doc)->kind != DOC_OBJECT) {
        return err_set(
                reterr, -EINVAL, "a line is %s: expected a map", doc_kind_name((*ret_doc)->kind));
    }
    return rc;
}

int core_recording_step_parse(
        struct arena *a, struct str line, struct core_recording_step *ret_step, struct err *reterr)
{
    struct err own = {0};
    const struct reader r = {a, reterr != NULL ? reterr : &own};
    const struct doc *d = NULL;
    struct core_recording_step s = {0};
    int rc = parse_line(a, line, &d, r.err);
    if (rc < 0)
        return rc;
    const struct doc *step = doc_get(d, "step"), *restart = doc_get(d, "restart");
    if (step == NULL)
        return err_set(r.err, -EINVAL, "step: missing");
    rc = read_u64(&r, "step", step, UINT64_MAX, &s.step);
    if (rc == 0)
        rc = read_now(&r, doc_get(d, "now"), &s.now);
    if (rc == 0)
        rc = read_facts(&r, doc_get(d, "facts"), &s);
    if (rc == 0)
        rc = read_digest(&r, doc_get(d, "digest"), &s);
    if (rc < 0)
        return rc;
    s.restart = restart != NULL && restart->boolean;
    *ret_step = s;
    return 0;
}

int core_recording_header_parse(struct arena *a, struct str line,
        struct core_recording_header *ret_header, struct err *reterr)
{
    struct err own = {0};
    const struct reader r = {a, reterr != NULL ? reterr : &own};
    const struct doc *d = NULL;
    struct core_recording_header h = {0};
    uint64_t iterations = 0, version = 0;
    int rc = parse_line(a, line, &d, r.err);
    if (rc < 0)
        return rc;
    static const char *const keys[] = {"slicewright_recording", "seed", "decide_every_ns",
            "propagation_ns", "solve_iterations"};
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (doc_get(d, keys[i]) == NULL)
            return err_set(r.err, -EINVAL, "%s: missing: is this a recording?", keys[i]);
    }
    rc = read_u64(&r, keys[0], doc_get(d, keys[0]), CORE_RECORDING_VERSION, &version);
    if (rc == 0)
        rc = read_u64(&r, keys[1], doc_get(d, keys[1]), UINT64_MAX, &h.seed);
    if (rc == 0)
        rc = read_i64(&r, keys[2], doc_get(d, keys[2]), &h.decide_every_ns);
    if (rc == 0)
        rc = read_i64(&r, keys[3], doc_get(d, keys[3]), &h.propagation_ns);
    if (rc == 0 && doc_get(d, "parts_timeout_ns") != NULL)
        rc = read_i64(&r, "parts_timeout_ns", doc_get(d, "parts_timeout_ns"), &h.parts_timeout_ns);
    if (rc == 0)
        rc = read_u64(&r, keys[4], doc_get(d, keys[4]), UINT32_MAX, &iterations);
    if (rc < 0)
        return rc;
    h.solve_iterations = (uint32_t)iterations;
    const struct doc *source = doc_get(d, "source");
    if (source != NULL && source->kind == DOC_OBJECT) {
        struct core_recording_source *list =
                ARENA_ARRAY(a, struct core_recording_source, source->count + 1);
        for (uint32_t i = 0; i < source->count; i++)
            list[i] = (struct core_recording_source){source->first[i].key, source->first[i].text};
        h.source = list;
        h.source_count = source->count;
    }
    *ret_header = h;
    return 0;
}
