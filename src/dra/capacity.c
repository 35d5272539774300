/* dra/capacity.c - how much of a shareable device's capacity a request takes.  Pure.
 *
 * Arithmetic follows upstream: milli units where the policy's range fits them (and the gate is on),
 * whole units otherwise, never past int64. */
#include "dra/engine-priv.h"

#include <errno.h>

static const struct dra_capacity_request *request_find(
        const struct dra_capacity_check *check, uint32_t name)
{
    for (uint32_t i = 0; i < check->request_count; i++) {
        if (check->requests[i].name == name)
            return &check->requests[i];
    }
    return NULL;
}

/* q in milli units, when it is exact. */
static bool milli(const struct quantity *q, int64_t *ret)
{
    return quantity_is_multiple(q, -3) && quantity_scaled(q, -3, ret);
}

static bool in_milli(const struct dra_policy *p, bool fractional)
{
    int64_t value = 0;
    if (!fractional || (p->has_min && !milli(&p->min, &value)) ||
            (p->has_max && !milli(&p->max, &value)))
        return false;
    return !p->has_step || (milli(&p->step, &value) && value >= 1);
}

static int too_large(struct err *reterr)
{
    return err_set(reterr, -ERANGE,
            "capacity request cannot be represented in the device's range arithmetic");
}

/* The next point of the grid min + n*step at or above the request. */
static int round_up(const struct quantity *asked, const struct dra_policy *p, bool fractional,
        struct quantity *ret, struct err *reterr)
{
    bool fine = in_milli(p, fractional);
    int32_t unit = fine ? -3 : 0;
    int64_t value = 0;
    int64_t step = 0;
    int64_t min = 0;
    if ((fine && !quantity_is_multiple(asked, -3)) || !quantity_scaled(asked, unit, &value) ||
            !quantity_scaled(&p->step, unit, &step) || !quantity_scaled(&p->min, unit, &min) ||
            step <= 0)
        return too_large(reterr);
    __int128 above = (__int128)value - min;
    __int128 n = above / step + (above % step > 0);
    __int128 rounded = min + n * step;
    if (rounded > INT64_MAX)
        return too_large(reterr);
    enum quantity_format format = (enum quantity_format)p->step.format;
    if (fine && rounded % 1000 != 0) {
        *ret = quantity_from_scaled((int64_t)rounded, -3, format);
    } else {
        *ret = quantity_from_i64((int64_t)(fine ? rounded / 1000 : rounded), format);
    }
    return 0;
}

static int consumed(const struct quantity *asked, const struct dra_capacity *c, bool fractional,
        struct quantity *ret, struct err *reterr)
{
    const struct dra_policy *p = c->policy;
    if (!asked) {
        *ret = p && p->has_default ? p->initial : c->value;
        return 0;
    }
    *ret = *asked;
    if (!p)
        return 0;
    if (p->has_range && p->has_min) {
        if (quantity_cmp(asked, &p->min) < 0) {
            *ret = p->min;
        } else if (p->has_step) {
            return round_up(asked, p, fractional, ret, reterr);
        }
        return 0;
    }
    for (uint32_t i = 0; i < p->value_count; i++) {
        if (quantity_cmp(asked, &p->values[i]) > 0)
            continue;
        *ret = p->values[i];
        return 0;
    }
    return 0;
}

static bool off_grid(const struct quantity *q, const struct dra_policy *p, bool fractional)
{
    bool fine = in_milli(p, fractional);
    int32_t unit = fine ? -3 : 0;
    int64_t value = 0;
    int64_t step = 0;
    int64_t min = 0;
    if (fine && !quantity_is_multiple(q, -3))
        return true;
    if (!quantity_scaled(q, unit, &value) || !quantity_scaled(&p->step, unit, &step) ||
            (p->has_min && !quantity_scaled(&p->min, unit, &min)) || step == 0)
        return true;
    return ((__int128)value - min) % step != 0;
}

static bool violates(const struct quantity *q, const struct dra_policy *p, bool fractional)
{
    if (!p)
        return false;
    if (p->has_default && !q->dec && !p->initial.dec && q->value == p->initial.value &&
            q->exponent == p->initial.exponent && q->format == p->initial.format)
        return false;
    if (p->has_range) {
        return (p->has_max && quantity_cmp(q, &p->max) > 0) ||
               (p->has_step && off_grid(q, p, fractional));
    }
    for (uint32_t i = 0; i < p->value_count; i++) {
        if (quantity_cmp(q, &p->values[i]) == 0)
            return false;
    }
    return p->value_count > 0;
}

static bool lacks_requested(const struct dra_capacity_check *check)
{
    uint32_t count = check->capacities ? check->capacities->count : 0;
    for (uint32_t i = 0; i < check->request_count; i++) {
        uint32_t k = 0;
        while (k < count && check->capacities->items[k].name != check->requests[i].name)
            k++;
        if (k == count)
            return true;
    }
    return false;
}

int dra_capacity_consume(
        const struct dra_capacity_check *check, struct quantity *ret_values, struct err *reterr)
{
    for (uint32_t i = 0; check->capacities && i < check->capacities->count; i++) {
        const struct dra_capacity *c = &check->capacities->items[i];
        const struct dra_capacity_request *asked = request_find(check, c->name);
        int r = consumed(
                asked ? &asked->value : NULL, c, check->fractional, &ret_values[i], reterr);
        if (r)
            return r;
    }
    return 0;
}

static int one_fits(const struct dra_capacity_check *check, uint32_t index,
        const struct quantity *value, struct err *reterr)
{
    const struct dra_capacity *c = &check->capacities->items[index];
    if (violates(value, c->policy, check->fractional))
        return 0;
    struct quantity sum = *value;
    bool exact = true;
    for (uint32_t i = 0; check->used && i < check->used->count; i++) {
        if (check->used->items[i].name == c->name)
            exact = quantity_add(&sum, &check->used->items[i].value);
    }
    if (check->allocating)
        exact = exact && quantity_add(&sum, &check->allocating[index]);
    if (!exact)
        return err_set(reterr, -ENOTSUP, "consumed capacity needs more than 128 bits");
    return quantity_cmp(&sum, &c->value) <= 0;
}

int dra_capacity_fits(const struct dra_capacity_check *check, struct err *reterr)
{
    if (lacks_requested(check))
        return 0;
    const struct dra_capacities *list = check->capacities;
    if (!list || (list->plain && check->request_count == 0 && !check->used && !check->allocating))
        return 1;
    /* First all errors, then the verdict, so that the outcome has no order. */
    for (uint32_t i = 0; i < list->count; i++) {
        const struct dra_capacity_request *asked = request_find(check, list->items[i].name);
        struct quantity value;
        int r = consumed(
                asked ? &asked->value : NULL, &list->items[i], check->fractional, &value, reterr);
        if (r)
            return r;
        if (quantity_sign(&value) < 0)
            return err_set(reterr, -EINVAL, "capacity value is negative");
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct dra_capacity_request *asked = request_find(check, list->items[i].name);
        struct quantity value;
        (void)consumed(
                asked ? &asked->value : NULL, &list->items[i], check->fractional, &value, NULL);
        int r = one_fits(check, i, &value, reterr);
        if (r <= 0)
            return r;
    }
    return 1;
}
