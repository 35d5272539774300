/* dra/device.c - what a selector sees of a device.  Pure.
 *
 * The maps of an evaluation are windows on the device's lists.  Attributes stand sorted by domain,
 * so an inner map is a range of them; capacities are few and are searched. */
#include "dra/device.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { ATTRIBUTE_BYTES_MAX = 64, DOMAIN_MAX = 63, ID_MAX = 32 };

static const struct cel_decl_type any_type = {
        .kind = CEL_KIND_DYN, .max_elements = ATTRIBUTE_BYTES_MAX};
static const struct cel_decl_type driver_type = {
        .kind = CEL_KIND_STRING, .max_elements = DOMAIN_MAX};
static const struct cel_decl_type id_type = {.kind = CEL_KIND_STRING, .max_elements = ID_MAX};
static const struct cel_decl_type multi_type = {.kind = CEL_KIND_BOOL, .max_elements = 1};
static const struct cel_decl_type quantity_type = {.kind = CEL_KIND_QUANTITY};
static const struct cel_decl_type inner_attributes = {.kind = CEL_KIND_MAP,
        .max_elements = DRA_ATTRIBUTES_MAX,
        .key = &id_type,
        .elem = &any_type};
static const struct cel_decl_type outer_attributes = {.kind = CEL_KIND_MAP,
        .max_elements = DRA_ATTRIBUTES_MAX,
        .key = &driver_type,
        .elem = &inner_attributes};
static const struct cel_decl_type inner_capacity = {.kind = CEL_KIND_MAP,
        .max_elements = DRA_ATTRIBUTES_MAX,
        .key = &id_type,
        .elem = &quantity_type};
static const struct cel_decl_type outer_capacity = {.kind = CEL_KIND_MAP,
        .max_elements = DRA_ATTRIBUTES_MAX,
        .key = &driver_type,
        .elem = &inner_capacity};

enum field { FIELD_DRIVER, FIELD_MULTI, FIELD_ATTRIBUTES, FIELD_CAPACITY, FIELD_COUNT };

static const struct cel_decl_field fields[FIELD_COUNT] = {
        [FIELD_DRIVER] = {"driver", &driver_type},
        [FIELD_MULTI] = {"allowMultipleAllocations", &multi_type},
        [FIELD_ATTRIBUTES] = {"attributes", &outer_attributes},
        [FIELD_CAPACITY] = {"capacity", &outer_capacity},
};
static const struct cel_decl_type device_type = {.kind = CEL_KIND_OBJECT,
        .name = "kubernetes.DRADevice",
        .fields = fields,
        .field_count = FIELD_COUNT};
static const struct cel_decl_var variable = {"device", &device_type};

const struct cel_env dra_device_env = {.vars = &variable, .var_count = 1};

static uint32_t attr_domain(const struct dra_device_view *v, uint32_t i)
{
    uint32_t domain = v->device->attrs[i].domain;
    return domain ? domain : v->driver;
}

static uint32_t capacity_domain(const struct dra_device_view *v, uint32_t i)
{
    uint32_t domain = v->device->capacities->items[i].domain;
    return domain ? domain : v->driver;
}

static uint32_t capacity_count(const struct dra_device_view *v)
{
    return v->device->capacities ? v->device->capacities->count : 0;
}

/* An unlike pair of names has unlike numbers, but a key's text need not be a name at all. */
static bool name_is(const struct dra_device_view *v, uint32_t name, const struct cel_key *key)
{
    struct str text = dra_name(v->names, name);
    return text.len == key->text.len && memcmp(text.ptr, key->text.ptr, text.len) == 0;
}

static bool inner_find(
        const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    const struct dra_inner_map *m = (const struct dra_inner_map *)map;
    const struct dra_device_view *v = m->view;
    if (!m->capacity) {
        for (uint32_t i = m->first; i < m->first + map->count; i++) {
            if (!name_is(v, v->device->attrs[i].id, key))
                continue;
            *ret_value = v->device->attrs[i].value;
            return true;
        }
        return false;
    }
    for (uint32_t i = 0; i < capacity_count(v); i++) {
        const struct dra_capacity *c = &v->device->capacities->items[i];
        if (capacity_domain(v, i) != m->first || !name_is(v, c->id, key))
            continue;
        *ret_value = cel_quantity(&c->value);
        return true;
    }
    return false;
}

static void inner_entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    const struct dra_inner_map *m = (const struct dra_inner_map *)map;
    const struct dra_device_view *v = m->view;
    assert(index < map->count);
    if (!m->capacity) {
        const struct dra_attr *attr = &v->device->attrs[m->first + index];
        *ret_key = cel_string(dra_name(v->names, attr->id));
        if (ret_value)
            *ret_value = attr->value;
        return;
    }
    uint32_t at = 0;
    for (uint32_t left = index + 1; at < capacity_count(v); at++) {
        left -= capacity_domain(v, at) == m->first;
        if (left == 0)
            break;
    }
    const struct dra_capacity *c = &v->device->capacities->items[at];
    *ret_key = cel_string(dra_name(v->names, c->id));
    if (ret_value)
        *ret_value = cel_quantity(&c->value);
}

static const struct cel_map_ops inner_ops = {.find = inner_find, .entry = inner_entry};

/* The inner map that begins at attribute `first`, or of the capacities of domain `first`. */
static struct cel_value inner_map(
        const struct dra_device_view *shown, uint32_t first, bool capacity)
{
    /* A view is the caller's own and not const; the maps in it are what changes. */
    struct dra_device_view *v = (struct dra_device_view *)shown;
    for (uint32_t i = 0; i < v->inner_count && i < 4; i++) {
        if (v->inner[i].first == first && v->inner[i].capacity == capacity)
            return cel_map(&v->inner[i].base);
    }
    uint32_t count = 0;
    if (capacity) {
        for (uint32_t i = 0; i < capacity_count(v); i++)
            count += capacity_domain(v, i) == first;
    } else {
        uint32_t domain = attr_domain(v, first);
        while (first + count < v->device->attr_count && attr_domain(v, first + count) == domain)
            count++;
    }
    struct dra_inner_map *m = v->inner_count < 4 ? &v->inner[v->inner_count++]
                                                 : ARENA_NEW(v->arena, struct dra_inner_map);
    *m = (struct dra_inner_map){.base = {.ops = &inner_ops, .count = count},
            .view = v,
            .first = first,
            .capacity = capacity};
    return cel_map(&m->base);
}

static const struct dra_device_view *view_of(const struct cel_map *map, size_t offset)
{
    return (const struct dra_device_view *)((const char *)map - offset);
}

static bool attributes_find(
        const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    const struct dra_device_view *v = view_of(map, offsetof(struct dra_device_view, attributes));
    for (uint32_t i = 0; i < v->device->attr_count; i++) {
        if ((i > 0 && attr_domain(v, i) == attr_domain(v, i - 1)) ||
                !name_is(v, attr_domain(v, i), key))
            continue;
        *ret_value = inner_map(v, i, false);
        return true;
    }
    return false;
}

static void attributes_entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    const struct dra_device_view *v = view_of(map, offsetof(struct dra_device_view, attributes));
    uint32_t at = 0;
    for (uint32_t left = index; left > 0; left--) {
        do {
            at++;
        } while (attr_domain(v, at) == attr_domain(v, at - 1));
    }
    *ret_key = cel_string(dra_name(v->names, attr_domain(v, at)));
    if (ret_value)
        *ret_value = inner_map(v, at, false);
}

/* True when no capacity before `i` has its domain. */
static bool capacity_domain_first(const struct dra_device_view *v, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (capacity_domain(v, k) == capacity_domain(v, i))
            return false;
    }
    return true;
}

static bool capacity_find(
        const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    const struct dra_device_view *v = view_of(map, offsetof(struct dra_device_view, capacity));
    for (uint32_t i = 0; i < capacity_count(v); i++) {
        if (!name_is(v, capacity_domain(v, i), key))
            continue;
        *ret_value = inner_map(v, capacity_domain(v, i), true);
        return true;
    }
    return false;
}

static void capacity_entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    const struct dra_device_view *v = view_of(map, offsetof(struct dra_device_view, capacity));
    uint32_t at = 0;
    for (uint32_t left = index + 1;; at++) {
        left -= capacity_domain_first(v, at);
        if (left == 0)
            break;
    }
    *ret_key = cel_string(dra_name(v->names, capacity_domain(v, at)));
    if (ret_value)
        *ret_value = inner_map(v, capacity_domain(v, at), true);
}

static struct cel_value field_value(const struct dra_device_view *v, uint32_t field)
{
    switch ((enum field)field) {
    case FIELD_DRIVER:
        return cel_string(dra_name(v->names, v->driver));
    case FIELD_MULTI:
        return cel_bool(v->device->shareable);
    case FIELD_ATTRIBUTES:
        return cel_map(&v->attributes);
    case FIELD_CAPACITY:
    case FIELD_COUNT:
        break;
    }
    return cel_map(&v->capacity);
}

static bool device_find(
        const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    const struct dra_device_view *v = (const struct dra_device_view *)map;
    uint32_t field = key->field;
    for (uint32_t i = 0; field >= FIELD_COUNT && i < FIELD_COUNT; i++) {
        if (str_eq_c(key->text, fields[i].name))
            field = i;
    }
    if (field >= FIELD_COUNT)
        return false;
    *ret_value = field_value(v, field);
    return true;
}

static void device_entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    const struct dra_device_view *v = (const struct dra_device_view *)map;
    *ret_key = cel_string(str_from(fields[index].name));
    if (ret_value)
        *ret_value = field_value(v, index);
}

static const struct cel_map_ops device_ops = {.find = device_find, .entry = device_entry};
static const struct cel_map_ops attributes_ops = {
        .find = attributes_find, .entry = attributes_entry, .default_empty = true};
static const struct cel_map_ops capacity_ops = {
        .find = capacity_find, .entry = capacity_entry, .default_empty = true};

void dra_device_view_init(struct dra_device_view *v, const struct dra_names *names,
        const struct dra_device *device, uint32_t driver, struct arena *arena)
{
    v->names = names;
    v->device = device;
    v->driver = driver;
    v->arena = arena;
    v->inner_count = 0;
    uint32_t domains = 0;
    for (uint32_t i = 0; i < device->attr_count; i++)
        domains += i == 0 || attr_domain(v, i) != attr_domain(v, i - 1);
    uint32_t capacities = 0;
    for (uint32_t i = 0; i < capacity_count(v); i++)
        capacities += capacity_domain_first(v, i);
    v->base = (struct cel_map){.ops = &device_ops, .count = FIELD_COUNT};
    v->attributes = (struct cel_map){.ops = &attributes_ops, .count = domains};
    v->capacity = (struct cel_map){.ops = &capacity_ops, .count = capacities};
}

int dra_selector_compile(struct str text, struct arena *arena,
        const struct cel_program **ret_program, struct err *reterr)
{
    const struct cel_program *p = NULL;
    int r = cel_compile(&dra_device_env, text, arena, &p, reterr);
    if (r)
        return r;
    if (!cel_program_result_is(p, CEL_KIND_BOOL) && !cel_program_result_is(p, CEL_KIND_DYN)) {
        return err_set(reterr, -EINVAL, "must evaluate to bool or the unknown type, not %s",
                cel_program_result_name(p));
    }
    *ret_program = p;
    return 0;
}

/* The first attribute that upstream cannot convert. */
static int poison_error(const struct dra_device_view *v, struct err *reterr)
{
    for (uint32_t i = 0; i < v->device->attr_count; i++) {
        const struct dra_attr *attr = &v->device->attrs[i];
        struct str id = dra_name(v->names, attr->id);
        if (attr->value.kind == CEL_KIND_ERROR) {
            return err_set(
                    reterr, -EINVAL, "attribute %.*s: unsupported attribute value", STR_ARG(id));
        }
        if (attr->value.kind == CEL_KIND_SEMVER && dra_attr_version(&attr->value)->bad)
            return err_set(reterr, -EINVAL, "attribute %.*s: not a semantic version", STR_ARG(id));
    }
    return err_set(reterr, -EINVAL, "a list attribute has a malformed version");
}

int dra_selector_eval(const struct cel_program *program, const struct dra_device_view *v,
        bool *ret_match, uint64_t *ret_cost, struct err *reterr)
{
    if (v->device->poisoned)
        return poison_error(v, reterr);
    struct cel_value vars[1] = {dra_device_value(v)};
    struct cel_run run = {.vars = vars, .arena = v->arena, .cost_limit = DRA_SELECTOR_COST_MAX};
    struct cel_value value = {0};
    int r = cel_eval(program, &run, &value, ret_cost, reterr);
    if (r)
        return r;
    if (value.kind != CEL_KIND_BOOL) {
        return err_set(reterr, -EINVAL, "CEL result of type %s could not be converted to bool",
                cel_value_type_name(value));
    }
    *ret_match = value.b;
    return 0;
}

const struct dra_attr *dra_device_attr(
        const struct dra_device *device, uint32_t driver, uint32_t domain, uint32_t id)
{
    if (domain == 0)
        return NULL;
    const struct dra_attr *bare = NULL;
    for (uint32_t i = 0; i < device->attr_count; i++) {
        const struct dra_attr *attr = &device->attrs[i];
        if (attr->id != id)
            continue;
        if (attr->domain == domain)
            return attr;
        if (attr->domain == 0 && domain == driver)
            bare = attr;
    }
    return bare;
}
