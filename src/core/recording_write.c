/* core/recording_write.c - writing a recording; see recording.h.  Pure. */
#include "core/recording-priv.h"

#include "base/json.h"

#include <assert.h>
#include <stdio.h>

/* The member of `f` at `offset`, copied out (its storage may be any aligned type). */
#define MEMBER(type, f, offset) (*(const type *)(const void *)((const char *)(f) + (offset)))

static void put_allocatable(struct json_writer *w, const struct core_node_fact *n)
{
    jw_object(w);
    for (uint32_t i = 0; i < n->allocatable_count; i++) {
        char text[MODEL_RESOURCE_NAME_MAX];
        jw_kv_u64(w, model_resource_format(&n->allocatable[i].resource, text),
                n->allocatable[i].count);
    }
    jw_object_end(w);
}

static void put_devices(struct json_writer *w, const struct core_pod_fact *p)
{
    jw_array(w);
    for (uint32_t i = 0; i < p->device_count; i++) {
        jw_u64(w, p->devices[i].gpu);
        jw_u64(w, p->devices[i].start);
    }
    jw_array_end(w);
}

static void put_caps(struct json_writer *w, const struct core_node_caps *c)
{
    const uint64_t numbers[] = {(uint64_t)c->share, (uint64_t)c->relayout,
            c->mode_change_resets_node, (uint64_t)c->steer, (uint64_t)c->occupant,
            (uint64_t)c->usage};
    jw_array(w);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        jw_u64(w, numbers[i]);
    jw_array_end(w);
}

static void put_policy(struct json_writer *w, const struct policy *p)
{
    struct buf text = BUF_INIT(1 << 20);
    policy_emit(p, &text);
    jw_str(w, buf_str(&text));
    buf_clear(&text);
}

/* An unsigned member, whatever its width. */
static uint64_t number_of(const struct core_fact *f, const struct core_recording_field *field)
{
    switch (field->type) {
    case CORE_RECORDING_U8:
        return MEMBER(uint8_t, f, field->offset);
    case CORE_RECORDING_U16:
        return MEMBER(uint16_t, f, field->offset);
    case CORE_RECORDING_U32:
    case CORE_RECORDING_ENUM:
        return MEMBER(uint32_t, f, field->offset);
    case CORE_RECORDING_U64:
        return MEMBER(uint64_t, f, field->offset);
    case CORE_RECORDING_BOOL:
        return MEMBER(bool, f, field->offset);
    case CORE_RECORDING_I64:
    case CORE_RECORDING_STR:
    case CORE_RECORDING_RESOURCE:
    case CORE_RECORDING_CAPS:
    case CORE_RECORDING_ALLOCATABLE:
    case CORE_RECORDING_DEVICES:
    case CORE_RECORDING_POLICY:
        break;
    }
    assert(false);
    return 0;
}

static void put_number(
        struct json_writer *w, const struct core_fact *f, const struct core_recording_field *field)
{
    uint64_t value = number_of(f, field);
    if (value != 0 && field->type == CORE_RECORDING_BOOL) {
        jw_kv_bool(w, field->key, true);
    } else if (value != 0) {
        jw_kv_u64(w, field->key, value);
    }
}

static void put_str(
        struct json_writer *w, const struct core_fact *f, const struct core_recording_field *field)
{
    struct str value = MEMBER(struct str, f, field->offset);
    if (value.len > 0)
        jw_kv_str(w, field->key, value);
}

static void put_resource(
        struct json_writer *w, const struct core_fact *f, const struct core_recording_field *field)
{
    const struct model_resource r = MEMBER(struct model_resource, f, field->offset);
    char text[MODEL_RESOURCE_NAME_MAX];
    if (r.kind != MODEL_RESOURCE_NONE)
        jw_kv_cstr(w, field->key, model_resource_format(&r, text));
}

static void put_field(
        struct json_writer *w, const struct core_fact *f, const struct core_recording_field *field)
{
    switch (field->type) {
    case CORE_RECORDING_U8:
    case CORE_RECORDING_U16:
    case CORE_RECORDING_U32:
    case CORE_RECORDING_U64:
    case CORE_RECORDING_ENUM:
    case CORE_RECORDING_BOOL:
        put_number(w, f, field);
        return;
    case CORE_RECORDING_I64:
        if (MEMBER(int64_t, f, field->offset) != 0)
            jw_kv_i64(w, field->key, MEMBER(int64_t, f, field->offset));
        return;
    case CORE_RECORDING_STR:
        put_str(w, f, field);
        return;
    case CORE_RECORDING_RESOURCE:
        put_resource(w, f, field);
        return;
    case CORE_RECORDING_CAPS:
        jw_key(w, field->key);
        put_caps(w, &f->node.caps);
        return;
    case CORE_RECORDING_ALLOCATABLE:
        jw_key(w, field->key);
        put_allocatable(w, &f->node);
        return;
    case CORE_RECORDING_DEVICES:
        jw_key(w, field->key);
        put_devices(w, &f->pod);
        return;
    case CORE_RECORDING_POLICY:
        jw_key(w, field->key);
        put_policy(w, f->policy);
        return;
    }
}

static void put_fields(
        struct json_writer *w, const struct core_fact *f, const struct core_recording_field *fields)
{
    for (; fields->key != NULL; fields++)
        put_field(w, f, fields);
}

static void put_sample(struct json_writer *w, const struct core_fact *f)
{
    const struct core_sample_fact *s = &f->sample;
    jw_array(w);
    jw_cstr(w, core_recording_kinds[CORE_FACT_SAMPLE]);
    jw_u64(w, f->cluster);
    jw_u64(w, f->version);
    jw_i64(w, f->observed_wall_ns);
    jw_u64(w, s->node);
    const uint32_t numbers[] = {s->gpu, s->start, (uint32_t)s->scope, s->valid, s->busy_permille,
            s->sm_permille, s->dram_permille, s->memory_used_mib, s->latency_permille};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        jw_u64(w, numbers[i]);
    for (uint32_t i = 0; i < s->occupant_count; i++)
        jw_u64(w, s->occupants[i]);
    jw_array_end(w);
}

static void put_fact(struct json_writer *w, const struct core_fact *f)
{
    if (f->kind == CORE_FACT_SAMPLE) {
        assert(f->source == CORE_SOURCE_METRICS);
        put_sample(w, f);
        return;
    }
    jw_object(w);
    jw_kv_cstr(w, "kind", core_recording_kinds[f->kind]);
    put_fields(w, f, core_recording_common);
    put_fields(w, f, core_recording_fields[f->kind]);
    jw_object_end(w);
}

void core_recording_fact_write(const struct core_fact *f, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    put_fact(&w, f);
}

void core_recording_header_write(const struct core_recording_header *h, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_kv_u64(&w, "slicewright_recording", CORE_RECORDING_VERSION);
    jw_kv_u64(&w, "seed", h->seed);
    jw_kv_i64(&w, "decide_every_ns", h->decide_every_ns);
    jw_kv_i64(&w, "propagation_ns", h->propagation_ns);
    if (h->parts_timeout_ns != 0)
        jw_kv_i64(&w, "parts_timeout_ns", h->parts_timeout_ns);
    jw_kv_u64(&w, "solve_iterations", h->solve_iterations);
    jw_key(&w, "source");
    jw_object(&w);
    for (uint32_t i = 0; i < h->source_count; i++) {
        jw_key_str(&w, h->source[i].name);
        jw_str(&w, h->source[i].value);
    }
    jw_object_end(&w);
    jw_object_end(&w);
    buf_putc(out, '\n');
}

void core_recording_step_write(const struct core_recording_step *s, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 0);
    jw_object(&w);
    jw_kv_u64(&w, "step", s->step);
    jw_key(&w, "now");
    jw_array(&w);
    jw_i64(&w, s->now.wall_ns);
    jw_i64(&w, s->now.mono_ns);
    jw_u64(&w, s->now.epoch);
    jw_array_end(&w);
    if (s->restart)
        jw_kv_bool(&w, "restart", true);
    jw_key(&w, "facts");
    jw_array(&w);
    for (uint32_t i = 0; i < s->fact_count; i++)
        put_fact(&w, &s->facts[i]);
    jw_array_end(&w);
    if (s->digest_known) {
        char text[24];
        (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)s->digest);
        jw_kv_cstr(&w, "digest", text);
    }
    jw_object_end(&w);
    buf_putc(out, '\n');
}
