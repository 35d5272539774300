/* dra/object.h - the objects of resource.k8s.io/v1 as the allocator reads them.
 *
 * Pure data.  Everything lives in the store's arena and is immutable once decoded; texts are names
 * (dra/names.h).  Lists that many devices share (capacity, counters) are held once: the same
 * profile on a thousand GPUs points to the same list. */
#ifndef DRA_OBJECT_H
#define DRA_OBJECT_H

#include "cel/value.h"
#include "dra/names.h"

enum {
    DRA_CLAIM_RESULTS_MAX = 32, /* AllocationResultsMaxSize */
    DRA_REQUESTS_MAX = 32,
    DRA_SUBREQUESTS_MAX = 8,
    DRA_RUN_CLAIMS_MAX = 64,  /* ours: claims of one pod */
    DRA_CONSTRAINTS_MAX = 64, /* ours; the API allows 32 */
    DRA_GROUPS_MAX = 8,       /* ours; the API allows 2 */
    DRA_ATTRIBUTES_MAX = 32,  /* attributes and capacities of a device together */
};

/* A version attribute.  `version` comes first: CEL values point to it. */
struct dra_version {
    struct cel_semver version;
    uint32_t text;
    bool bad; /* not SemVer: every selector fails on the device, as upstream */
};

/* A list attribute; `kind` is that of its items. */
struct dra_list {
    struct cel_list list;
    enum cel_kind kind;
};

/* kind of `value`: INT, BOOL, STRING, SEMVER, LIST (then dra_attr_list()), or ERROR when the object
 * gives no value that is known. */
struct dra_attr {
    uint32_t domain; /* as written; 0 = none, so the driver's */
    uint32_t id;
    struct cel_value value;
};

/* requestPolicy of a capacity. */
struct dra_policy {
    bool has_default, has_range, has_min, has_max, has_step;
    bool has_values; /* the list is there, perhaps empty */
    uint32_t value_count;
    struct quantity initial; /* `default` */
    struct quantity min, max, step;
    const struct quantity *values; /* ascending */
};

struct dra_capacity {
    uint32_t domain, id;
    uint32_t name; /* as written */
    struct quantity value;
    const struct dra_policy *policy;
};

/* All capacities of a device, in the order of their names' bytes. */
struct dra_capacities {
    uint32_t count;
    bool plain; /* no policy and nothing negative: a request without capacity always fits */
    struct dra_capacity items[];
};

/* A counter, in 10^-9 units. */
struct dra_counter {
    uint32_t name;
    __int128 nano;
};

/* Sorted by name number. */
struct dra_counters {
    uint32_t count;
    struct dra_counter items[];
};

struct dra_counter_set {
    uint32_t name;
    const struct dra_counters *counters;
};

/* A list of names. */
struct dra_name_list {
    uint32_t count;
    const uint32_t *names;
};

struct dra_consumption {
    uint32_t set;
    const struct dra_counters *counters;
    struct dra_name_list groups; /* compatibilityGroups */
};

enum dra_effect { DRA_EFFECT_OTHER, DRA_EFFECT_NONE, DRA_EFFECT_SCHEDULE, DRA_EFFECT_EXECUTE };

struct dra_taint {
    uint32_t key, value;
    uint32_t effect_text;
    enum dra_effect effect;
};

enum dra_operator { DRA_OPERATOR_EQUAL, DRA_OPERATOR_EXISTS, DRA_OPERATOR_OTHER };

struct dra_toleration {
    uint32_t key, value;
    uint32_t effect_text;   /* 0 = every effect */
    uint32_t operator_text; /* 0 = absent */
    enum dra_operator operator;
    bool has_seconds;
    int64_t seconds;
};

/* One requirement of a node selector term. */
struct dra_requirement {
    uint32_t key, operator_text;
    struct dra_name_list values;
};

struct dra_term {
    uint32_t expression_count, field_count;
    const struct dra_requirement *expressions, *fields;
};

struct dra_node_selector {
    uint32_t term_count;
    const struct dra_term *terms;
};

/* What few devices have. */
struct dra_device_extra {
    uint32_t node_name; /* with has_node_name */
    bool has_node_name, all_nodes, binds_to_node;
    bool has_binding; /* bindingConditions is there */
    const struct dra_node_selector *selector;
    uint32_t taint_count;
    const struct dra_taint *taints;
    struct dra_name_list binding, binding_failure;
};

struct dra_device {
    uint32_t name;
    uint32_t ident;  /* number of (driver, pool, device); names of two slices may share it */
    uint32_t number; /* of this device among all that were decoded */
    uint16_t attr_count;
    uint8_t consumption_count;
    bool shareable : 1;           /* allowMultipleAllocations */
    bool has_shareable : 1;       /* the field is there */
    bool poisoned : 1;            /* an attribute without value, or a version that is none */
    const struct dra_attr *attrs; /* sorted by (domain or driver, id), by name number */
    const struct dra_capacities *capacities; /* NULL = none */
    const struct dra_consumption *consumptions;
    const struct dra_device_extra *extra; /* NULL = nothing of it */
};

struct dra_slice {
    uint32_t name, driver, pool;
    uint32_t pool_ident; /* number of (driver, pool) */
    int64_t generation, slice_count;
    uint32_t node_name;
    bool has_node_name, all_nodes;
    bool per_device, has_per_device; /* perDeviceNodeSelection: its value; is it there */
    bool has_groups;                 /* some device has compatibilityGroups */
    const struct dra_node_selector *selector;
    struct dra_name_list skip_operations;
    uint32_t device_count, set_count;
    struct dra_device *devices;
    const struct dra_counter_set *sets;
};

/* Opaque driver parameters; `text` is compact JSON. */
struct dra_config {
    struct dra_name_list requests; /* of a claim's */
    bool has_opaque;
    uint32_t driver;
    struct str parameters;
};

struct dra_selector {
    uint32_t text; /* the expression, as a name */
    bool has_cel;
};

struct dra_class {
    uint32_t name;
    uint32_t extended_resource;
    int64_t created; /* seconds since 1970; 0 when not known */
    uint32_t selector_count, config_count;
    const struct dra_selector *selectors;
    const struct dra_config *configs;
};

enum dra_mode { DRA_MODE_EXACT, DRA_MODE_ALL, DRA_MODE_OTHER };

struct dra_capacity_request {
    uint32_t name; /* as written */
    struct quantity value;
};

struct dra_derived {
    uint32_t name; /* fully qualified */
    uint32_t expression;
};

/* What one request, or one alternative of it, asks. */
struct dra_ask {
    uint32_t name, class_name;
    enum dra_mode mode;
    uint32_t mode_text;
    int64_t count;
    bool has_admin, admin;
    bool has_capacity; /* `capacity` is there */
    uint32_t selector_count, toleration_count, capacity_count, derived_count;
    const struct dra_selector *selectors;
    const struct dra_toleration *tolerations;
    const struct dra_capacity_request *capacities;
    const struct dra_derived *derived;
};

struct dra_request {
    uint32_t name;
    bool has_subs; /* firstAvailable: then asks[0..ask_count) are the alternatives */
    uint32_t ask_count;
    const struct dra_ask *asks;
};

enum dra_constraint_kind { DRA_CONSTRAINT_NONE, DRA_CONSTRAINT_MATCH, DRA_CONSTRAINT_DISTINCT };

struct dra_constraint {
    enum dra_constraint_kind kind;
    uint32_t attribute;            /* fully qualified, as written */
    uint32_t domain, id;           /* its two parts; 0, 0 without a '/' */
    struct dra_name_list requests; /* "r" and "r/s" as written; empty = all */
};

/* One device of status.allocation. */
struct dra_allocated {
    uint32_t request, driver, pool, device;
    bool admin, has_share, has_capacity;
    uint32_t share;
    uint32_t capacity_count;
    const struct dra_capacity_request *capacities;
};

struct dra_claim {
    uint32_t namespace_name, name, uid;
    bool is_template; /* a ResourceClaimTemplate's spec */
    bool has_allocation;
    uint32_t request_count, constraint_count, config_count, allocated_count;
    const struct dra_request *requests;
    const struct dra_constraint *constraints;
    const struct dra_config *configs;
    const struct dra_allocated *allocated;
    const struct dra_node_selector *allocated_nodes;
};

struct dra_taint_rule {
    uint32_t name;
    bool has_selector, has_driver, has_pool, has_device;
    uint32_t driver, pool, device;
    struct dra_taint taint;
};

struct dra_label {
    uint32_t key, value;
};

struct dra_node {
    uint32_t name;
    uint32_t label_count;
    const struct dra_label *labels;
    bool optional_operations; /* status.declaredFeatures has DRAOptionalNodeOperations */
};

struct dra_pod_resource {
    uint32_t name;
    int64_t count; /* 0 when the amount is no integer */
};

struct dra_container {
    bool init, sidecar; /* an init container; one with restartPolicy Always */
    uint32_t resource_count;
    const struct dra_pod_resource *resources;
};

/* An entry of spec.resourceClaims; without both it needs no claim. */
struct dra_pod_claim {
    uint32_t name;
    uint32_t claim;         /* named by the spec, or made of the template (status); 0: not yet */
    uint32_t from_template; /* 0: none */
};

struct dra_pod {
    uint32_t namespace_name, name, uid;
    bool has_extended; /* the claim for its extended resources was made */
    uint32_t container_count, claim_count;
    const struct dra_container *containers; /* init containers first */
    const struct dra_pod_claim *claims;
};

static inline const struct dra_version *dra_attr_version(const struct cel_value *v)
{
    return (const struct dra_version *)(const void *)v->semver;
}

static inline const struct dra_list *dra_attr_list(const struct cel_value *v)
{
    return (const struct dra_list *)(const void *)v->list;
}

#endif
