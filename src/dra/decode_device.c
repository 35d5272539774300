/* dra/decode_device.c - one device of a ResourceSlice.  Pure.
 *
 * Attributes become CEL values at once, so that no evaluation converts anything.  Capacity and
 * counter lists are held once per text: a profile's lists are the same on every GPU. */
#include "base/buf.h"
#include "dra/decode-priv.h"

#include <errno.h>
#include <string.h>

enum { SHARED_TEXT_MAX = 1 << 20 };

/* The text of a subtree, exact enough that equal texts decode alike. */
static void tree_text(struct buf *out, const struct doc *doc)
{
    buf_printf(out, "%d:%zu:", (int)doc->kind, doc->key.len);
    buf_put(out, doc->key);
    if (doc->kind == DOC_ARRAY || doc->kind == DOC_OBJECT) {
        buf_putc(out, '(');
        for (uint32_t i = 0; i < doc->count; i++)
            tree_text(out, &doc->first[i]);
        buf_putc(out, ')');
        return;
    }
    buf_printf(out, ":%zu:", doc->text.len);
    buf_put(out, doc->text);
}

/* The list that the subtree was decoded to before, or NULL; *key gets its text. */
static const void *shared_find(
        struct dra_dec *d, const struct dra_at *at, const char *kind, struct buf *key)
{
    *key = BUF_INIT(SHARED_TEXT_MAX);
    buf_puts(key, kind);
    tree_text(key, at->doc);
    uint32_t found = key->overflow ? MAP_NONE : map_str_find(&d->s->shared_lists, buf_str(key));
    return found == MAP_NONE ? NULL : d->s->lists.items[found];
}

static void shared_add(struct dra_dec *d, struct buf *key, const void *list)
{
    if (!key->overflow && list && !d->code) {
        (void)map_str_set(&d->s->shared_lists, buf_str(key), d->s->lists.count);
        dra_refs_add(&d->s->lists, list);
    }
    buf_clear(key);
}

const struct dra_version *dra_dec_version(struct dra_dec *d, struct str text)
{
    uint32_t found = map_str_find(&d->s->versions, text);
    if (found != MAP_NONE)
        return d->s->version_items.items[found];
    struct dra_version *v = dra_dec_alloc(d, 1, sizeof *v);
    if (!v)
        return NULL;
    v->text = dra_names_add(&d->s->names, text);
    v->bad = cel_semver_parse(dra_name(&d->s->names, v->text), &v->version, NULL) != 0;
    (void)map_str_set(&d->s->versions, text, d->s->version_items.count);
    dra_refs_add(&d->s->version_items, v);
    return v;
}

/* A scalar of `kind` at `at`. */
static struct cel_value scalar_value(
        struct dra_dec *d, const struct dra_at *at, enum cel_kind kind, bool *poisoned)
{
    if (kind == CEL_KIND_INT)
        return cel_int(dra_dec_scalar_int(d, at));
    if (kind == CEL_KIND_BOOL)
        return cel_bool(dra_dec_scalar_bool(d, at));
    struct str text = dra_dec_scalar_text(d, at);
    if (kind == CEL_KIND_STRING)
        return cel_string(dra_name(&d->s->names, dra_names_add(&d->s->names, text)));
    const struct dra_version *v = dra_dec_version(d, text);
    if (!v || v->bad)
        *poisoned = true;
    return cel_semver(v ? &v->version : NULL);
}

static struct cel_value list_value(
        struct dra_dec *d, const struct dra_at *at, enum cel_kind kind, bool *poisoned)
{
    uint32_t count = dra_dec_list(d, at);
    struct dra_list *list = dra_dec_alloc(d, 1, sizeof *list);
    struct cel_value *items = dra_dec_alloc(d, count, sizeof *items);
    if (!list)
        return (struct cel_value){.kind = CEL_KIND_ERROR};
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(at, i);
        items[i] = scalar_value(d, &item, kind, poisoned);
    }
    list->list.items = items;
    list->list.count = items ? count : 0;
    list->kind = kind;
    return cel_list(&list->list);
}

/* The value of one attribute: the first member that is there, in upstream's order. */
static struct cel_value attribute_value(struct dra_dec *d, const struct dra_at *at, bool *poisoned)
{
    static const struct {
        const char *field;
        enum cel_kind kind;
        bool is_list;
    } members[] = {
            {"ints", CEL_KIND_INT, true},
            {"bools", CEL_KIND_BOOL, true},
            {"strings", CEL_KIND_STRING, true},
            {"versions", CEL_KIND_SEMVER, true},
            {"int", CEL_KIND_INT, false},
            {"bool", CEL_KIND_BOOL, false},
            {"string", CEL_KIND_STRING, false},
            {"version", CEL_KIND_SEMVER, false},
    };
    (void)dra_dec_map(d, at);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct dra_at member = dra_at_field(at, members[i].field);
        if (!member.doc)
            continue;
        return members[i].is_list ? list_value(d, &member, members[i].kind, poisoned)
                                  : scalar_value(d, &member, members[i].kind, poisoned);
    }
    *poisoned = true;
    return (struct cel_value){.kind = CEL_KIND_ERROR};
}

static int attr_cmp(const struct dra_attr *a, const struct dra_attr *b, uint32_t driver)
{
    uint32_t da = a->domain ? a->domain : driver;
    uint32_t db = b->domain ? b->domain : driver;
    if (da != db)
        return da < db ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void attributes(
        struct dra_dec *d, const struct dra_at *at, uint32_t driver, struct dra_device *ret)
{
    struct dra_at map = dra_at_field(at, "attributes");
    uint32_t count = dra_dec_map(d, &map);
    if (count > UINT16_MAX)
        dra_dec_fail(d, &map, -E2BIG, "has %u attributes", count);
    struct dra_attr *attrs = dra_dec_alloc(d, count, sizeof *attrs);
    bool poisoned = false;
    for (uint32_t i = 0; attrs && i < count; i++) {
        struct dra_at item = dra_at_item(&map, i);
        struct str domain;
        struct str id;
        dra_split_name(item.key, &domain, &id);
        struct dra_attr attr = {.domain = dra_names_add(&d->s->names, domain),
                .id = dra_names_add(&d->s->names, id),
                .value = attribute_value(d, &item, &poisoned)};
        uint32_t to = i;
        for (; to > 0 && attr_cmp(&attrs[to - 1], &attr, driver) > 0; to--)
            attrs[to] = attrs[to - 1];
        attrs[to] = attr;
    }
    ret->attrs = attrs;
    ret->attr_count = attrs ? (uint16_t)count : 0;
    ret->poisoned = poisoned;
}

static const struct dra_policy *policy(struct dra_dec *d, const struct dra_at *at)
{
    if (!at->doc)
        return NULL;
    struct dra_policy *p = dra_dec_alloc(d, 1, sizeof *p);
    if (!p)
        return NULL;
    p->has_default = dra_dec_quantity(d, at, "default", &p->initial);
    struct dra_at values = dra_at_field(at, "validValues");
    p->has_values = values.doc != NULL;
    uint32_t count = dra_dec_list(d, &values);
    struct quantity *items = dra_dec_alloc(d, count, sizeof *items);
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&values, i);
        dra_dec_scalar_quantity(d, &item, &items[i]);
    }
    p->values = items;
    p->value_count = items ? count : 0;
    struct dra_at range = dra_at_field(at, "validRange");
    p->has_range = range.doc != NULL;
    if (p->has_range) {
        p->has_min = dra_dec_quantity(d, &range, "min", &p->min);
        p->has_max = dra_dec_quantity(d, &range, "max", &p->max);
        p->has_step = dra_dec_quantity(d, &range, "step", &p->step);
    }
    return p;
}

static const struct dra_capacities *capacities(struct dra_dec *d, const struct dra_at *at)
{
    uint32_t count = dra_dec_map(d, at);
    if (count == 0 || d->code)
        return NULL;
    struct buf key;
    const void *known = shared_find(d, at, "capacity", &key);
    if (known) {
        buf_clear(&key);
        return known;
    }
    struct dra_capacities *list =
            dra_dec_alloc(d, 1, sizeof *list + count * sizeof(struct dra_capacity));
    if (list) {
        list->count = count;
        list->plain = true;
    }
    for (uint32_t i = 0; list && i < count; i++) {
        struct dra_at item = dra_at_item(at, i);
        struct dra_at rules = dra_at_field(&item, "requestPolicy");
        struct dra_capacity *c = &list->items[i];
        struct str domain;
        struct str id;
        dra_split_name(item.key, &domain, &id);
        c->domain = dra_names_add(&d->s->names, domain);
        c->id = dra_names_add(&d->s->names, id);
        c->name = dra_names_add(&d->s->names, item.key);
        (void)dra_dec_map(d, &item);
        (void)dra_dec_quantity(d, &item, "value", &c->value);
        c->policy = policy(d, &rules);
        if (c->policy || quantity_sign(&c->value) < 0)
            list->plain = false;
    }
    shared_add(d, &key, list);
    return list;
}

/* A quantity in 10^-9 units; quantities have no finer digits. */
static __int128 nano_of(struct dra_dec *d, const struct dra_at *at, const struct quantity *q)
{
    static const __int128 limit = (__int128)1000000000000000000 * 10000000000; /* 10^28 */
    int shift = q->exponent + 9;
    __int128 value = q->value;
    while (shift < 0 && value % 10 == 0) {
        value /= 10;
        shift++;
    }
    for (; shift > 0 && value > -limit * 100 && value < limit * 100; shift--)
        value *= 10;
    if (value != 0 && (shift != 0 || value / 1000000000 >= limit || value / 1000000000 <= -limit)) {
        dra_dec_fail(d, at, -ENOTSUP, "counters beyond 10^28 are not supported");
        return 0;
    }
    return value;
}

const struct dra_counters *dra_dec_counters(struct dra_dec *d, const struct dra_at *at)
{
    uint32_t count = dra_dec_map(d, at);
    if (!at->doc || d->code)
        return NULL;
    struct buf key;
    const void *known = shared_find(d, at, "counters", &key);
    if (known) {
        buf_clear(&key);
        return known;
    }
    struct dra_counters *list =
            dra_dec_alloc(d, 1, sizeof *list + count * sizeof(struct dra_counter));
    for (uint32_t i = 0; list && i < count; i++) {
        struct dra_at item = dra_at_item(at, i);
        struct quantity q = {0};
        (void)dra_dec_map(d, &item);
        (void)dra_dec_quantity(d, &item, "value", &q);
        struct dra_counter c = {
                .name = dra_names_add(&d->s->names, item.key), .nano = nano_of(d, &item, &q)};
        uint32_t to = list->count++;
        for (; to > 0 && list->items[to - 1].name > c.name; to--)
            list->items[to] = list->items[to - 1];
        list->items[to] = c;
    }
    shared_add(d, &key, list);
    return list;
}

static void consumptions(
        struct dra_dec *d, const struct dra_at *at, struct dra_slice *slice, struct dra_device *ret)
{
    struct dra_at list = dra_at_field(at, "consumesCounters");
    uint32_t count = dra_dec_list(d, &list);
    if (count > UINT8_MAX)
        dra_dec_fail(d, &list, -E2BIG, "has %u entries", count);
    struct dra_consumption *items = dra_dec_alloc(d, count, sizeof *items);
    for (uint32_t i = 0; items && i < count; i++) {
        struct dra_at item = dra_at_item(&list, i);
        struct dra_at counters = dra_at_field(&item, "counters");
        items[i].set = dra_dec_name(d, &item, "counterSet");
        items[i].counters = dra_dec_counters(d, &counters);
        items[i].groups = dra_dec_names(d, &item, "compatibilityGroups");
        if (items[i].groups.count > DRA_GROUPS_MAX)
            dra_dec_fail(d, &item, -E2BIG, "more than %d compatibilityGroups", DRA_GROUPS_MAX);
        slice->has_groups = slice->has_groups || items[i].groups.count > 0;
    }
    ret->consumptions = items;
    ret->consumption_count = items ? (uint8_t)count : 0;
}

static void extras(struct dra_dec *d, const struct dra_at *at, struct dra_device *ret)
{
    struct dra_at node = dra_at_field(at, "nodeName");
    struct dra_at selector = dra_at_field(at, "nodeSelector");
    struct dra_at taints = dra_at_field(at, "taints");
    struct dra_at binding = dra_at_field(at, "bindingConditions");
    struct dra_device_extra x = {.has_node_name = node.doc != NULL,
            .all_nodes = dra_dec_bool(d, at, "allNodes", NULL),
            .binds_to_node = dra_dec_bool(d, at, "bindsToNode", NULL),
            .taint_count = dra_dec_list(d, &taints),
            .has_binding = binding.doc != NULL,
            .binding = dra_dec_names(d, at, "bindingConditions"),
            .binding_failure = dra_dec_names(d, at, "bindingFailureConditions")};
    if (!x.has_node_name && !selector.doc && !x.all_nodes && !x.binds_to_node &&
            x.taint_count == 0 && !x.has_binding && x.binding_failure.count == 0)
        return;
    x.node_name = dra_dec_name(d, at, "nodeName");
    if (selector.doc)
        x.selector = dra_dec_node_selector(d, &selector);
    struct dra_taint *items = dra_dec_alloc(d, x.taint_count, sizeof *items);
    for (uint32_t i = 0; items && i < x.taint_count; i++) {
        struct dra_at item = dra_at_item(&taints, i);
        dra_dec_taint(d, &item, &items[i]);
    }
    x.taints = items;
    struct dra_device_extra *kept = dra_dec_alloc(d, 1, sizeof *kept);
    if (kept)
        *kept = x;
    ret->extra = kept;
}

void dra_dec_device(
        struct dra_dec *d, const struct dra_at *at, struct dra_slice *slice, struct dra_device *ret)
{
    struct dra_at capacity = dra_at_field(at, "capacity");
    bool present = false;
    (void)dra_dec_map(d, at);
    ret->name = dra_dec_name(d, at, "name");
    ret->number = d->s->device_count++;
    ret->shareable = dra_dec_bool(d, at, "allowMultipleAllocations", &present);
    ret->has_shareable = present;
    attributes(d, at, slice->driver, ret);
    ret->capacities = capacities(d, &capacity);
    consumptions(d, at, slice, ret);
    extras(d, at, ret);
    uint64_t key = (uint64_t)slice->pool_ident << 32 | ret->name;
    uint32_t ident = map_u64_find(&d->s->device_idents, key);
    if (ident == MAP_NONE) {
        ident = d->s->device_idents.entry_count;
        (void)map_u64_set(&d->s->device_idents, key, ident);
    }
    ret->ident = ident;
}
