/* dra/store.h - all objects that were read, in the order in which they came.
 *
 * Pure.  Owns names, identities and objects; pointers stay valid until dra_store_free(). */
#ifndef DRA_STORE_H
#define DRA_STORE_H

#include "base/arena.h"
#include "base/doc.h"
#include "base/err.h"
#include "dra/object.h"

/* Pointers in the order of arrival; memory by mem_grow. */
struct dra_refs {
    const void **items;
    uint32_t count, cap;
};

struct dra_store {
    struct arena *arena;
    struct dra_names names;
    struct map_u64 pool_idents;   /* driver << 32 | pool -> number */
    struct map_u64 device_idents; /* pool number << 32 | device -> number */
    struct map_str shared_lists;  /* text of a list -> index in `lists` */
    struct dra_refs lists;
    struct map_str versions; /* version text -> index in `version_items` */
    struct dra_refs version_items;
    uint32_t device_count; /* over all slices */

    struct dra_refs slices, classes, claims, rules, nodes, pods;
};

enum { DRA_STORE_CAP_BYTES = 1 << 30 };

/* cap_bytes: 0 = DRA_STORE_CAP_BYTES. */
struct dra_store *dra_store_new(size_t cap_bytes);
struct dra_store *dra_store_free(struct dra_store *s); /* NULL accepted; returns NULL */

/* Decodes one object: a kind of resource.k8s.io/v1, v1beta2 or v1alpha3's DeviceTaintRule, Node,
 * Pod, or a List of them.  Kinds that are of no use here are passed over.
 *
 * The shape is checked (types, sizes), the API's rules are not: dra/validate.h does that.  Defaults
 * are filled in as the API server does.
 * Returns 0; -EINVAL with "spec.devices[3].name: ..."; -E2BIG past the arena's cap; -ENOTSUP: a
 * counter beyond 10^28. */
int dra_store_add(struct dra_store *s, const struct doc *doc, struct err *reterr);

/* The same for one object whose kind is known, as batch input gives them (no `kind` needed). */
enum dra_kind {
    DRA_KIND_SLICE,
    DRA_KIND_CLASS,
    DRA_KIND_CLAIM,
    DRA_KIND_TEMPLATE,
    DRA_KIND_RULE,
    DRA_KIND_NODE,
    DRA_KIND_POD,
    DRA_KIND_COUNT,
};
int dra_store_add_kind(
        struct dra_store *s, enum dra_kind kind, const struct doc *doc, struct err *reterr);

/* A device outside slices, {"driver","attributes","capacity"} with an optional name: for eval. */
int dra_store_device(struct dra_store *s, const struct doc *doc, const struct dra_device **ret,
        uint32_t *ret_driver, struct err *reterr);

static inline const struct dra_slice *dra_slice_at(const struct dra_store *s, uint32_t i)
{
    return s->slices.items[i];
}

static inline const struct dra_class *dra_class_at(const struct dra_store *s, uint32_t i)
{
    return s->classes.items[i];
}

static inline const struct dra_claim *dra_claim_at(const struct dra_store *s, uint32_t i)
{
    return s->claims.items[i];
}

static inline const struct dra_node *dra_node_at(const struct dra_store *s, uint32_t i)
{
    return s->nodes.items[i];
}

/* The class of that name that came first, or NULL. */
const struct dra_class *dra_class_find(const struct dra_store *s, uint32_t name);

/* Puts the taints of every DeviceTaintRule on the devices that it selects, as the slice tracker
 * does before the allocator sees them.  Once, after the last object. */
void dra_store_apply_rules(struct dra_store *s);

void dra_refs_add(struct dra_refs *r, const void *item);

#endif
