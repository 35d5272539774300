/* dra/device.h - a device as the CEL variable `device`.
 *
 * Pure.  Declares the environment of device selectors (k8s.io/dynamic-resource-allocation/cel, the
 * "stored expressions" set that the scheduler uses) and shows a device to it without converting
 * anything: look-ups go to the device's own sorted lists. */
#ifndef DRA_DEVICE_H
#define DRA_DEVICE_H

#include "cel/cel.h"
#include "dra/object.h"

/* CELSelectorExpressionMaxCost: admission's bound on the estimate, the scheduler's on the run. */
enum { DRA_SELECTOR_COST_MAX = 1000000, DRA_SELECTOR_TEXT_MAX = 10240 };

extern const struct cel_env dra_device_env;

struct dra_inner_map {
    struct cel_map base;
    const struct dra_device_view *view;
    uint32_t first; /* of the attributes (sorted); of capacities the domain to look for */
    bool capacity;
};

/* A device for the time of one or more evaluations.  Holds pointers into itself: do not copy. */
struct dra_device_view {
    struct cel_map base, attributes, capacity;
    const struct dra_names *names;
    const struct dra_device *device;
    uint32_t driver;
    uint32_t inner_count;
    struct arena *arena; /* inner maps past the first ones */
    struct dra_inner_map inner[4];
};

/* `arena` must live as long as the values that evaluations give. */
void dra_device_view_init(struct dra_device_view *v, const struct dra_names *names,
        const struct dra_device *device, uint32_t driver, struct arena *arena);

static inline struct cel_value dra_device_value(const struct dra_device_view *v)
{
    return cel_map(&v->base);
}

/* Compiles a selector and checks its type: -EINVAL with upstream's text, -ENOTSUP, -E2BIG. */
int dra_selector_compile(struct str text, struct arena *arena,
        const struct cel_program **ret_program, struct err *reterr);

/* Evaluates `program` on the device.  Returns 0 with the verdict; -EINVAL, -EDQUOT: upstream's
 * scheduler gives up on the pod; -ENOTSUP: no verdict.  ret_cost may be NULL. */
int dra_selector_eval(const struct cel_program *program, const struct dra_device_view *v,
        bool *ret_match, uint64_t *ret_cost, struct err *reterr);

/* The attribute a constraint names: the full name first, then the bare id under the device's own
 * driver; NULL when the device has none. */
const struct dra_attr *dra_device_attr(
        const struct dra_device *device, uint32_t driver, uint32_t domain, uint32_t id);

#endif
