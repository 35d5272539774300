/* dra/validate_slice.c - the API's rules for ResourceSlice and its devices.  Pure. */
#include "dra/validate-priv.h"

#include "cel/semver.h"

enum {
    DEVICES_MAX = 128,
    DEVICES_ADVANCED_MAX = 64,
    ENTRIES_MAX = 32, /* attributes and capacities of a device */
    VALUES_MAX = 48,  /* scalars and list items of a device */
    VALUE_BYTES_MAX = 64,
    SETS_MAX = 8,
    COUNTERS_MAX = 32,
    CONSUMPTIONS_MAX = 2,
    GROUPS_MAX = 2,
    TAINTS_MAX = 16,
    CONDITIONS_MAX = 4,
    VALID_VALUES_MAX = 10,
};

/* The API allows exactly one of some members. */
static uint32_t present(const struct dra_at *at, const char *const *fields)
{
    uint32_t count = 0;
    for (; *fields; fields++)
        count += dra_at_field(at, *fields).doc != NULL;
    return count;
}

/* How many ways to name nodes are taken; what says "no" is refused. */
static uint32_t node_ways(struct dra_check *c, const struct dra_at *at)
{
    static const char *const flags[] = {"allNodes", "perDeviceNodeSelection"};
    struct dra_at name = dra_at_field(at, "nodeName");
    struct dra_at selector = dra_at_field(at, "nodeSelector");
    uint32_t ways = selector.doc != NULL;
    if (name.doc && dra_is_string(c, &name) && name.doc->text.len == 0) {
        dra_problem(c, &name, "Invalid value: \"\": must not be empty");
    } else if (name.doc) {
        ways++;
        dra_check_subdomain(c, &name, 253);
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct dra_at flag = dra_at_field(at, flags[i]);
        if (dra_check_bool(c, &flag)) {
            ways++;
        } else if (flag.doc) {
            dra_problem(c, &flag, "Invalid value: false: must be either unset or set to true");
        }
    }
    return ways;
}

static void check_version(struct dra_check *c, const struct dra_at *at)
{
    struct cel_semver v;
    if (!dra_is_string(c, at))
        return;
    if (at->doc->text.len > VALUE_BYTES_MAX)
        dra_problem(c, at, "Too long: may not be more than %d bytes", VALUE_BYTES_MAX);
    if (cel_semver_parse(at->doc->text, &v, NULL) != 0)
        dra_invalid(c, at, "must be a string compatible with semver.org spec 2.0.0");
}

static void check_scalar(struct dra_check *c, const struct dra_at *at, int kind)
{
    int64_t ignored = 0;
    if (kind == 0) {
        (void)dra_check_integer(c, at, &ignored);
    } else if (kind == 1) {
        (void)dra_check_bool(c, at);
    } else if (kind == 3) {
        check_version(c, at);
    } else if (dra_is_string(c, at) && at->doc->text.len > VALUE_BYTES_MAX) {
        dra_problem(c, at, "Too long: may not be more than %d bytes", VALUE_BYTES_MAX);
    }
}

/* Returns how many values the attribute holds. */
static uint32_t check_attribute(struct dra_check *c, const struct dra_at *at, bool *ret_list)
{
    static const char *const fields[] = {
            "int", "bool", "string", "version", "ints", "bools", "strings", "versions", NULL};
    uint32_t values = 1;
    if (dra_entries(c, at) == 0 || present(at, fields) != 1) {
        dra_problem(c, at, "Invalid value: exactly one value must be specified");
        return values;
    }
    for (int i = 0; i < 8; i++) {
        struct dra_at member = dra_at_field(at, fields[i]);
        if (!member.doc)
            continue;
        if (i < 4) {
            check_scalar(c, &member, i);
            continue;
        }
        *ret_list = true;
        values = dra_items(c, &member, VALUES_MAX);
        if (member.doc->kind == DOC_ARRAY && member.doc->count == 0) {
            dra_problem(c, &member, "Invalid value: []: must not be empty if specified");
            dra_problem(c, at, "Invalid value: \"\": must specify one of its fields");
        }
        for (uint32_t k = 0; k < values; k++) {
            struct dra_at item = dra_at_item(&member, k);
            check_scalar(c, &item, i - 4);
        }
    }
    return values;
}

static void check_values(struct dra_check *c, const struct dra_at *list,
        const struct quantity *most, const struct quantity *initial)
{
    uint32_t count = dra_items(c, list, VALID_VALUES_MAX);
    struct quantity last = {0};
    struct quantity seen[VALID_VALUES_MAX];
    bool has = false;
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(list, i);
        struct quantity q = {0};
        if (!dra_check_quantity(c, &item, &q))
            return;
        if (i > 0 && quantity_cmp(&q, &last) < 0)
            dra_invalid(c, &item, "values must be sorted in ascending order");
        bool again = false;
        for (uint32_t k = 0; k < i; k++)
            again = again || quantity_cmp(&q, &seen[k]) == 0;
        if (again)
            dra_problem(c, &item, "Duplicate value: \"%.*s\"", STR_ARG_SHORT(item.doc->text));
        seen[i] = q;
        if (quantity_cmp(&q, most) > 0)
            dra_invalid(c, &item, "option is larger than capacity value");
        has = has || quantity_cmp(&q, initial) == 0;
        last = q;
    }
    if (count > 0 && !has) {
        dra_problem(
                c, list, "Invalid value: default value is not valid according to the valid values");
    }
}

/* q lies on min + n * step, all in 10^-9. */
static bool on_grid(
        const struct quantity *q, const struct quantity *min, const struct quantity *step)
{
    struct quantity rest = *q;
    int64_t rest_milli = 0;
    int64_t step_milli = 0;
    if (!quantity_sub(&rest, min) || !quantity_scaled(&rest, -3, &rest_milli) ||
            !quantity_scaled(step, -3, &step_milli) || step_milli <= 0)
        return true; /* beyond milli arithmetic: not ours to judge */
    return rest_milli % step_milli == 0;
}

static void check_range(struct dra_check *c, const struct dra_at *at, const struct quantity *most,
        const struct quantity *initial)
{
    struct dra_at min_at = dra_at_field(at, "min");
    struct dra_at max_at = dra_at_field(at, "max");
    struct dra_at step_at = dra_at_field(at, "step");
    struct quantity min = {0};
    struct quantity max = *most;
    struct quantity step = {0};
    if (!dra_check_quantity(c, &min_at, &min) ||
            (max_at.doc && !dra_check_quantity(c, &max_at, &max)))
        return;
    struct dra_at initial_at = dra_at_field(at, "default"); /* upstream's path */
    if (quantity_cmp(&min, most) > 0)
        dra_invalid(c, &min_at, "min is larger than capacity value");
    if (quantity_cmp(initial, &min) < 0)
        dra_problem(c, &initial_at, "Invalid value: default is less than min");
    if (max_at.doc) {
        if (quantity_cmp(&min, &max) > 0)
            dra_invalid(c, &max_at, "min is larger than max");
        if (quantity_cmp(&max, most) > 0)
            dra_invalid(c, &max_at, "max is larger than capacity value");
        if (quantity_cmp(initial, &max) > 0)
            dra_problem(c, &initial_at, "Invalid value: default is more than max");
    }
    if (!step_at.doc || !dra_check_quantity(c, &step_at, &step))
        return;
    struct quantity next = min;
    if (quantity_sign(&step) <= 0) {
        dra_invalid(c, &step_at, "must be greater than zero");
        return;
    }
    if (quantity_add(&next, &step) && quantity_cmp(&next, most) > 0)
        dra_invalid(c, &step_at, "one step above min is larger than capacity value");
    if (!on_grid(initial, &min, &step))
        dra_invalid(c, &step_at, "default is not a multiple of the step from min");
    if (max_at.doc && !on_grid(&max, &min, &step))
        dra_invalid(c, &step_at, "max is not a multiple of the step from min");
}

static void check_capacity(struct dra_check *c, const struct dra_at *at, bool shareable)
{
    static const char *const ways[] = {"validValues", "validRange", NULL};
    struct dra_at value_at = dra_at_field(at, "value");
    struct dra_at policy = dra_at_field(at, "requestPolicy");
    struct quantity value = {0};
    struct quantity initial = {0};
    bool good = dra_check_amount(c, &value_at, &value);
    if (!policy.doc)
        return;
    if (!shareable)
        dra_problem(c, &policy, "Forbidden: allowMultipleAllocations must be true");
    struct dra_at default_at = dra_at_field(&policy, "default");
    struct dra_at values = dra_at_field(&policy, ways[0]);
    struct dra_at range = dra_at_field(&policy, ways[1]);
    if (present(&policy, ways) > 1)
        dra_problem(c, &policy, "Forbidden: exactly one policy can be specified");
    bool any = present(&policy, ways) > 0;
    if (!good || (!any && !default_at.doc) || !dra_check_quantity(c, &default_at, &initial))
        return;
    check_values(c, &values, &value, &initial);
    if (range.doc)
        check_range(c, &range, &value, &initial);
}

static void check_counters(struct dra_check *c, const struct dra_at *at)
{
    uint32_t count = dra_entries(c, at);
    if (count == 0)
        dra_problem(c, at, "Required value");
    if (count > COUNTERS_MAX)
        dra_problem(c, at, "Too many: %u: must have at most %d items", count, COUNTERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(at, i);
        struct dra_at value = dra_at_field(&item, "value");
        struct quantity q = {0};
        if (!dra_is_label(item.key)) {
            dra_problem(c, at, "Invalid value: \"%.*s\": must be a lowercase RFC 1123 label",
                    STR_ARG_SHORT(item.key));
        }
        (void)dra_check_amount(c, &value, &q);
    }
}

static void check_consumptions(struct dra_check *c, const struct dra_at *list)
{
    uint32_t count = dra_items(c, list, CONSUMPTIONS_MAX);
    if (count > 0)
        dra_check_unique(c, list, "counterSet");
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(list, i);
        struct dra_at counters = dra_at_field(&item, "counters");
        struct dra_at groups = dra_at_field(&item, "compatibilityGroups");
        struct dra_at set;
        (void)dra_member(c, &item, "counterSet", true, &set);
        if (set.doc)
            dra_check_label(c, &set);
        check_counters(c, &counters);
        uint32_t group_count = dra_items(c, &groups, GROUPS_MAX);
        for (uint32_t k = 0; k < group_count; k++) {
            struct dra_at group = dra_at_item(&groups, k);
            dra_check_label(c, &group);
        }
        if (group_count > 0)
            dra_check_unique(c, &groups, NULL);
    }
}

static void check_entries(struct dra_check *c, const struct dra_at *at, bool shareable)
{
    struct dra_at attributes = dra_at_field(at, "attributes");
    struct dra_at capacity = dra_at_field(at, "capacity");
    uint32_t attribute_count = dra_entries(c, &attributes);
    uint32_t capacity_count = dra_entries(c, &capacity);
    uint32_t values = 0;
    bool list = false;
    if (attribute_count + capacity_count > ENTRIES_MAX) {
        dra_problem(c, at,
                "Invalid value: %u: the total number of attributes and capacities must "
                "not exceed %d",
                attribute_count + capacity_count, ENTRIES_MAX);
    }
    for (uint32_t i = 0; i < attribute_count; i++) {
        struct dra_at item = dra_at_item(&attributes, i);
        dra_check_qualified(c, &attributes, item.key, false);
        values += check_attribute(c, &item, &list);
    }
    if (list && values > VALUES_MAX) {
        dra_problem(
                c, &attributes, "Too many: %u: must have at most %d values", values, VALUES_MAX);
    }
    for (uint32_t i = 0; i < capacity_count; i++) {
        struct dra_at item = dra_at_item(&capacity, i);
        dra_check_qualified(c, &capacity, item.key, false);
        check_capacity(c, &item, shareable);
    }
}

static void check_conditions(struct dra_check *c, const struct dra_at *list)
{
    uint32_t count = dra_items(c, list, CONDITIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(list, i);
        if (dra_is_string(c, &item))
            dra_check_label_key(c, &item, item.doc->text);
    }
    dra_check_unique(c, list, NULL);
}

static bool list_has(const struct dra_at *list, struct str text)
{
    for (uint32_t i = 0; list->doc && i < list->doc->count; i++) {
        if (str_eq(list->doc->first[i].text, text))
            return true;
    }
    return false;
}

static void check_binding(
        struct dra_check *c, const struct dra_at *binding, const struct dra_at *failure)
{
    check_conditions(c, binding);
    check_conditions(c, failure);
    uint32_t wanted = binding->doc ? binding->doc->count : 0;
    uint32_t failures = failure->doc ? failure->doc->count : 0;
    for (uint32_t i = 0; i < failures; i++) {
        struct dra_at item = dra_at_item(failure, i);
        if (item.doc->kind == DOC_STRING && list_has(binding, item.doc->text))
            dra_invalid(c, &item, "must not overlap with bindingConditions");
    }
    if (wanted == 0 && failures > 0) {
        dra_problem(c, binding,
                "Invalid value: bindingConditions are required to use bindingFailureConditions");
    } else if (failures == 0 && wanted > 0) {
        dra_problem(c, failure,
                "Invalid value: bindingFailureConditions are required to use bindingConditions");
    }
}

static void check_skips(struct dra_check *c, const struct dra_at *list)
{
    static const char prepare[] = "NodePrepareResources";
    static const char unprepare[] = "NodeUnprepareResources";
    uint32_t count = dra_items(c, list, UINT32_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(list, i);
        struct str text = dra_is_string(c, &item) ? item.doc->text : STR_LIT("*");
        if (!str_eq_c(text, "*") && !str_eq_c(text, prepare) && !str_eq_c(text, unprepare)) {
            dra_problem(c, &item,
                    "Unsupported value: \"%.*s\": supported values: \"*\", "
                    "\"NodePrepareResources\", \"NodeUnprepareResources\"",
                    STR_ARG_SHORT(text));
        }
    }
    dra_check_unique(c, list, NULL);
    if (list_has(list, str_from(prepare)) && !list_has(list, str_from(unprepare)) &&
            !list_has(list, STR_LIT("*"))) {
        dra_problem(c, list,
                "Invalid value: NodePrepareResources cannot be skipped unless "
                "NodeUnprepareResources is also skipped");
    }
}

void dra_check_device(struct dra_check *c, const struct dra_at *at, bool per_device)
{
    static const char *const ways[] = {"nodeName", "nodeSelector", "allNodes", NULL};
    struct dra_at name = dra_at_field(at, "name");
    struct dra_at share = dra_at_field(at, "allowMultipleAllocations");
    struct dra_at consumptions = dra_at_field(at, "consumesCounters");
    struct dra_at taints = dra_at_field(at, "taints");
    struct dra_at binding = dra_at_field(at, "bindingConditions");
    struct dra_at failure = dra_at_field(at, "bindingFailureConditions");
    struct dra_at selector = dra_at_field(at, "nodeSelector");
    dra_check_name(c, &name);
    check_entries(c, at, dra_check_bool(c, &share));
    check_consumptions(c, &consumptions);
    uint32_t count = dra_items(c, &taints, TAINTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(&taints, i);
        dra_check_taint(c, &item);
    }
    check_binding(c, &binding, &failure);
    if (!per_device) {
        if (present(at, ways) > 0) {
            dra_problem(c, at,
                    "Invalid value: `nodeName`, `nodeSelector` and `allNodes` can only be set "
                    "when `perDeviceNodeSelection` is true");
        }
        return;
    }
    if (selector.doc)
        dra_check_node_selector(c, &selector, false);
    uint32_t nodes = node_ways(c, at);
    if (nodes != 1) {
        dra_problem(c, at,
                "%s: exactly one of `nodeName`, `nodeSelector`, or "
                "`allNodes` is required when `perDeviceNodeSelection` is set to true",
                nodes == 0 ? "Required value" : "Invalid value");
    }
}

static bool advanced(const struct dra_at *device)
{
    if (dra_at_field(device, "taints").doc || dra_at_field(device, "consumesCounters").doc)
        return true;
    struct dra_at attributes = dra_at_field(device, "attributes");
    static const char *const lists[] = {"ints", "bools", "strings", "versions", NULL};
    for (uint32_t i = 0; attributes.doc && i < attributes.doc->count; i++) {
        struct dra_at item = dra_at_item(&attributes, i);
        if (present(&item, lists) > 0)
            return true;
    }
    return false;
}

static void check_devices(struct dra_check *c, const struct dra_at *devices, bool per_device)
{
    uint32_t count = dra_items(c, devices, DEVICES_MAX);
    bool any_advanced = false;
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(devices, i);
        if (dra_entries(c, &item) == 0)
            continue;
        dra_check_device(c, &item, per_device);
        any_advanced = any_advanced || advanced(&item);
    }
    if (any_advanced && count > DEVICES_ADVANCED_MAX && count <= DEVICES_MAX) {
        dra_problem(c, devices,
                "Too many: %u: must have at most %d items, since some device uses "
                "taints, counters or list attributes",
                count, DEVICES_ADVANCED_MAX);
    }
    if (count > 0)
        dra_check_unique(c, devices, "name");
}

static void check_sets(struct dra_check *c, const struct dra_at *sets)
{
    uint32_t count = dra_items(c, sets, SETS_MAX);
    if (count > 0)
        dra_check_unique(c, sets, "name");
    for (uint32_t i = 0; i < count; i++) {
        struct dra_at item = dra_at_item(sets, i);
        struct dra_at counters = dra_at_field(&item, "counters");
        struct dra_at name;
        (void)dra_member(c, &item, "name", true, &name);
        if (name.doc)
            dra_check_label(c, &name);
        check_counters(c, &counters);
    }
}

static void check_pool_numbers(struct dra_check *c, const struct dra_at *pool)
{
    struct dra_at generation = dra_at_field(pool, "generation");
    struct dra_at slices = dra_at_field(pool, "resourceSliceCount");
    int64_t value = 0;
    if (dra_check_integer(c, &generation, &value) && value < 0) {
        dra_problem(c, &generation, "Invalid value: %lld: must be greater than or equal to zero",
                (long long)value);
    }
    value = 0;
    if ((!slices.doc || dra_check_integer(c, &slices, &value)) && value <= 0)
        dra_problem(c, &slices, "Invalid value: %lld: must be greater than zero", (long long)value);
}

void dra_check_slice(struct dra_check *c, const struct dra_at *root)
{
    struct dra_at spec = dra_at_field(root, "spec");
    struct dra_at pool = dra_at_field(&spec, "pool");
    struct dra_at devices = dra_at_field(&spec, "devices");
    struct dra_at sets = dra_at_field(&spec, "sharedCounters");
    struct dra_at selector = dra_at_field(&spec, "nodeSelector");
    struct dra_at skips = dra_at_field(&spec, "skipNodeOperations");
    struct dra_at per_device = dra_at_field(&spec, "perDeviceNodeSelection");
    struct dra_at at;
    (void)dra_member(c, &spec, "driver", true, &at);
    if (at.doc)
        dra_check_driver(c, &at);
    (void)dra_member(c, &pool, "name", true, &at);
    if (at.doc)
        dra_check_pool(c, &at);
    check_pool_numbers(c, &pool);
    uint32_t nodes = node_ways(c, &spec);
    if (nodes != 1) {
        dra_problem(c, &spec,
                "%s: exactly one of `nodeName`, `nodeSelector`, "
                "`allNodes`, `perDeviceNodeSelection` is required",
                nodes == 0 ? "Required value" : "Invalid value");
    }
    if (selector.doc)
        dra_check_node_selector(c, &selector, true);
    if (devices.doc && sets.doc) {
        dra_problem(c, &spec,
                "Invalid value: \"\": only one of `sharedCounters` or `devices` is allowed");
    }
    check_devices(c, &devices, dra_check_bool(c, &per_device));
    check_sets(c, &sets);
    check_skips(c, &skips);
}
