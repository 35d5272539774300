/* core/recording_hash.c - what a recording holds of a fact, as a hash and as an own copy.  Pure. */
#include "core/recording-priv.h"

#include <assert.h>
#include <string.h>

#define MEMBER(type, f, offset) (*(const type *)(const void *)((const char *)(f) + (offset)))

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 32);
}

static uint64_t mix_str(uint64_t hash, struct str text)
{
    return mix(mix(hash, text.len), str_hash(text, 0));
}

static uint64_t mix_resource(uint64_t hash, const struct model_resource *r)
{
    return mix_str(mix(hash, (uint64_t)r->kind), str_from(r->profile));
}

static uint64_t mix_caps(uint64_t hash, const struct core_node_caps *c)
{
    const uint64_t numbers[] = {(uint64_t)c->share, (uint64_t)c->relayout,
            c->mode_change_resets_node, (uint64_t)c->steer, (uint64_t)c->occupant,
            (uint64_t)c->usage};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash = mix(hash, numbers[i]);
    return hash;
}

static uint64_t mix_allocatable(uint64_t hash, const struct core_node_fact *n)
{
    hash = mix(hash, n->allocatable_count);
    for (uint32_t i = 0; i < n->allocatable_count; i++)
        hash = mix(mix_resource(hash, &n->allocatable[i].resource), n->allocatable[i].count);
    return hash;
}

static uint64_t mix_devices(uint64_t hash, const struct core_pod_fact *p)
{
    hash = mix(hash, p->device_count);
    for (uint32_t i = 0; i < p->device_count; i++)
        hash = mix(mix(hash, p->devices[i].gpu), p->devices[i].start);
    return hash;
}

static uint64_t mix_field(
        uint64_t hash, const struct core_fact *f, const struct core_recording_field *field)
{
    switch (field->type) {
    case CORE_RECORDING_U8:
        return mix(hash, MEMBER(uint8_t, f, field->offset));
    case CORE_RECORDING_U16:
        return mix(hash, MEMBER(uint16_t, f, field->offset));
    case CORE_RECORDING_U32:
    case CORE_RECORDING_ENUM:
        return mix(hash, MEMBER(uint32_t, f, field->offset));
    case CORE_RECORDING_U64:
    case CORE_RECORDING_I64:
        return mix(hash, MEMBER(uint64_t, f, field->offset));
    case CORE_RECORDING_BOOL:
        return mix(hash, MEMBER(bool, f, field->offset));
    case CORE_RECORDING_STR:
        return mix_str(hash, MEMBER(struct str, f, field->offset));
    case CORE_RECORDING_RESOURCE:
        return mix_resource(hash, &MEMBER(struct model_resource, f, field->offset));
    case CORE_RECORDING_CAPS:
        return mix_caps(hash, &MEMBER(struct core_node_caps, f, field->offset));
    case CORE_RECORDING_ALLOCATABLE:
        return mix_allocatable(hash, &f->node);
    case CORE_RECORDING_DEVICES:
        return mix_devices(hash, &f->pod);
    case CORE_RECORDING_POLICY:
        break;
    }
    assert(false); /* of no object */
    return hash;
}

uint64_t core_recording_fact_hash(const struct core_fact *f)
{
    const struct core_recording_field *field = core_recording_fields[f->kind];
    uint64_t hash = mix(mix(0, (uint64_t)f->kind), f->cluster);
    assert(field != NULL);
    for (; field->key != NULL; field++)
        hash = mix_field(hash, f, field);
    return hash;
}

void core_recording_fact_own(struct arena *a, struct core_fact *f)
{
    const struct core_recording_field *field = core_recording_fields[f->kind];
    for (; field != NULL && field->key != NULL; field++) {
        if (field->type != CORE_RECORDING_STR)
            continue;
        struct str *text = (struct str *)(void *)((char *)f + field->offset);
        *text = text->len > 0 ? arena_str(a, *text) : (struct str){0};
    }
}
