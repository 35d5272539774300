/* place/bound_price.c - the most valuable use of one GPU, in integers, with a proof.  Pure.
 *
 * Shared use and MIG with shared instances are knapsacks in two dimensions, searched depth first
 * (Horowitz and Sahni) under the bound of a surrogate constraint: one that adds the two up with
 * fixed factors, whose fractional optimum no pattern passes.  MIG with one item an instance is a
 * matching of items to the instances of a layout; the sets of items that can be matched are the
 * independent sets of a matroid, so taking items by worth and augmenting is exact. */
#include "place/bound-priv.h"

#include "base/num.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- knapsack ---- */

struct sack_class {
    int64_t worth;
    uint64_t weight;        /* in the surrogate constraint */
    uint32_t first, second; /* demands */
    uint32_t count;
    uint32_t class_index;
};

struct sack {
    uint64_t first_max, second_max; /* capacities; UINT64_MAX = not limited */
    uint64_t weight_max;
    uint32_t count;
    struct sack_class classes[BOUND_CLASSES_MAX];
    uint64_t weight_sum[BOUND_CLASSES_MAX + 1]; /* of all before */
    int64_t worth_sum[BOUND_CLASSES_MAX + 1];
};

/* Empty; the arrays are filled as far as they are used. */
static void sack_init(struct sack *s, uint64_t first_max, uint64_t second_max)
{
    s->first_max = first_max;
    s->second_max = second_max;
    s->count = 0;
    s->weight_sum[0] = 0;
    s->worth_sum[0] = 0;
}

static int compare_density(const void *a, const void *b)
{
    const struct sack_class *x = a, *y = b;
    __int128 left = (__int128)x->worth * y->weight, right = (__int128)y->worth * x->weight;

    if (left != right)
        return left > right ? -1 : 1;
    return x->class_index < y->class_index ? -1 : x->class_index > y->class_index;
}

/* The surrogate with `part` quarters on the first dimension; classes get weights and an order. */
static void sack_weigh(struct sack *s, unsigned part)
{
    uint64_t first_factor = 1, second_factor = 0;

    if (s->second_max != UINT64_MAX) {
        first_factor = part * s->second_max;
        second_factor = (4 - part) * s->first_max;
        s->weight_max = 4 * s->first_max * s->second_max;
    } else {
        s->weight_max = s->first_max;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        s->classes[i].weight =
                first_factor * s->classes[i].first + second_factor * s->classes[i].second;
    }
    qsort(s->classes, s->count, sizeof(*s->classes), compare_density);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sack_class *c = &s->classes[i];

        s->weight_sum[i + 1] = s->weight_sum[i] + c->weight * c->count;
        s->worth_sum[i + 1] = s->worth_sum[i] + c->worth * c->count;
    }
}

/* The first class from `from` on of which not all fit into `weight_left`; few GPUs hold more than
 * a handful of items, so it is near. */
static uint32_t sack_break(const struct sack *s, uint32_t from, uint64_t weight_left)
{
    uint64_t limit = s->weight_sum[from] + weight_left;
    uint32_t at = from;

    while (at < s->count && s->weight_sum[at + 1] <= limit)
        at++;
    return at;
}

/* The fractional optimum of the surrogate over the classes from `from` on, rounded down. */
static int64_t sack_bound(const struct sack *s, uint32_t from, uint64_t weight_left)
{
    uint32_t at = sack_break(s, from, weight_left);
    int64_t worth = s->worth_sum[at] - s->worth_sum[from];

    if (at < s->count) {
        const struct sack_class *c = &s->classes[at];
        uint64_t left = s->weight_sum[from] + weight_left - s->weight_sum[at];

        worth += (int64_t)((__int128)left * c->worth / c->weight);
    }
    return worth;
}

/* sack_bound() > need, without its division. */
static bool sack_may_pass(const struct sack *s, uint32_t from, uint64_t weight_left, int64_t need)
{
    uint32_t at = sack_break(s, from, weight_left);
    int64_t missing = need - (s->worth_sum[at] - s->worth_sum[from]);

    if (missing < 0 || at == s->count)
        return missing < 0;
    const struct sack_class *c = &s->classes[at];
    uint64_t left = s->weight_sum[from] + weight_left - s->weight_sum[at];

    return (__int128)left * c->worth >= ((__int128)missing + 1) * c->weight;
}

/* Chooses the surrogate with the least root bound. */
static int64_t sack_prepare(struct sack *s)
{
    unsigned best_part = 4;
    int64_t best;

    sack_weigh(s, best_part);
    best = sack_bound(s, 0, s->weight_max);
    for (unsigned part = 0; part < 4 && s->second_max != UINT64_MAX; part++) {
        int64_t bound;

        sack_weigh(s, part);
        bound = sack_bound(s, 0, s->weight_max);
        if (bound < best) {
            best = bound;
            best_part = part;
        }
    }
    if (best_part != 3)
        sack_weigh(s, best_part);
    return best;
}

/* What is left of the sack on the way down the search. */
struct sack_room {
    uint64_t first, second, weight;
    int64_t worth; /* of what is in it */
};

static uint32_t sack_fits(const struct sack_class *c, const struct sack_room *room)
{
    uint64_t n = c->count;

    if (n * c->first > room->first)
        n = room->first / c->first;
    if (n * c->second > room->second)
        n = room->second / c->second;
    return (uint32_t)n;
}

static void sack_move(const struct sack *s, const struct sack_class *c, uint32_t n, bool in,
        struct sack_room *room)
{
    uint64_t sign = in ? 1 : UINT64_MAX; /* -1, modulo 2^64 */

    room->first -= sign * n * c->first;
    if (s->second_max != UINT64_MAX)
        room->second -= sign * n * c->second;
    room->weight -= sign * n * c->weight;
    room->worth += (in ? 1 : -1) * c->worth * n;
}

/* Searches patterns worth more than *best.  Keeps the counts of the best one, by class index.
 * Returns false when the effort ran out. */
static bool sack_search(const struct sack *s, uint32_t nodes_max, int64_t *best, uint32_t *counts)
{
    uint32_t taken[BOUND_CLASSES_MAX] = {0}, k = 0, nodes = 0;
    struct sack_room room = {
            .first = s->first_max, .second = s->second_max, .weight = s->weight_max};

    for (;;) {
        while (k < s->count && sack_may_pass(s, k, room.weight, *best - room.worth)) {
            taken[k] = sack_fits(&s->classes[k], &room);
            sack_move(s, &s->classes[k], taken[k], true, &room);
            k++;
            if (++nodes > nodes_max)
                return false;
        }
        if (k == s->count && room.worth > *best) {
            *best = room.worth;
            memset(counts, 0, BOUND_CLASSES_MAX * sizeof(*counts));
            for (uint32_t i = 0; i < s->count; i++)
                counts[s->classes[i].class_index] = taken[i];
        }
        do {
            if (k == 0)
                return true;
            k--;
        } while (taken[k] == 0);
        taken[k]--;
        sack_move(s, &s->classes[k], 1, false, &room);
        k++;
    }
}

/* Finds the best filling of a sack, and improves `pattern` by it. */
static void sack_solve(struct sack *s, uint32_t nodes_max, struct bound_pattern *pattern)
{
    int64_t root, best = pattern->value;
    bool whole;

    if (s->count == 0)
        return;
    root = sack_prepare(s);
    if (root <= pattern->most && root <= best)
        return;
    whole = sack_search(s, nodes_max, &best, pattern->counts);
    pattern->value = best;
    pattern->most = num_max_i64(pattern->most, whole ? best : root);
}

static void sack_add(struct sack *s, const struct bound_pricing *p, uint32_t class_index,
        uint32_t first, uint32_t second)
{
    uint64_t count = p->available[class_index];

    if (p->worth[class_index] <= 0 || count == 0)
        return;
    /* No more than fit, so that no sum over classes overflows. */
    if (first > 0 && s->first_max / first < count)
        count = s->first_max / first;
    if (second > 0 && s->second_max / second < count)
        count = s->second_max / second;
    s->classes[s->count++] = (struct sack_class){.worth = p->worth[class_index],
            .first = first,
            .second = second,
            .count = (uint32_t)count,
            .class_index = class_index};
}

/* ---- the ways to use a GPU ---- */

static bool may_share_on(const struct place_bound_item *item, const struct place_bound_type *type)
{
    return item->may_share && item->gpus == 1 && item->memory_mib <= type->memory_mib &&
           (type->busy_permille == UINT32_MAX || item->busy_permille <= type->busy_permille);
}

bool bound_may_pack(const struct place_bound_item *item, const struct bound_type *type, uint32_t t)
{
    if ((item->types >> t & 1) == 0 || item->gpus > 1)
        return false;
    if (type->spec.memory_mib > 0 && may_share_on(item, &type->spec))
        return true;
    return type->has_mig && (item->mig_compute_slices > 0 || item->may_share);
}

static void price_shared(const struct bound_pricing *p, uint32_t t, struct bound_pattern *pattern)
{
    const struct place_bound_type *type = &p->types[t].spec;
    struct sack s;

    if (type->memory_mib == 0)
        return;
    sack_init(&s, type->memory_mib,
            type->busy_permille == UINT32_MAX ? UINT64_MAX : type->busy_permille);
    for (uint32_t i = 0; i < p->class_count; i++) {
        const struct place_bound_item *item = &p->classes[i].item;

        if ((item->types >> t & 1) && may_share_on(item, type))
            sack_add(&s, p, i, item->memory_mib, item->busy_permille);
    }
    sack_solve(&s, p->nodes_max, pattern);
}

/* MIG with shared instances, relaxed: memory of all instances together, and compute slices for what
 * may not share.  Where in the layout each lies is not looked at. */
static void price_mig_shared(
        const struct bound_pricing *p, uint32_t t, struct bound_pattern *pattern)
{
    const struct bound_type *type = &p->types[t];
    struct sack s;

    sack_init(&s, type->mig_memory_mib, type->mig_compute);
    for (uint32_t i = 0; i < p->class_count; i++) {
        const struct place_bound_item *item = &p->classes[i].item;
        uint32_t memory = item->may_share ? item->memory_mib : item->mig_memory_mib;

        if ((item->types >> t & 1) == 0 || item->gpus > 1)
            continue;
        if (item->may_share && item->mig_compute_slices > 0)
            memory = num_min_u32(memory, item->mig_memory_mib);
        if (memory > type->mig_memory_mib)
            continue;
        if (item->may_share) {
            sack_add(&s, p, i, memory, 0);
        } else if (item->mig_compute_slices > 0 && item->mig_compute_slices <= type->mig_compute) {
            sack_add(&s, p, i, memory, item->mig_compute_slices);
        }
    }
    sack_solve(&s, p->nodes_max, pattern);
}

/* ---- MIG, one item an instance ---- */

struct slot {
    uint8_t profile;
    bool taken;
    uint32_t class_index;
};

struct matching {
    uint32_t slot_count, taken_count;
    struct slot slots[MIG_INSTANCES_MAX];
    const uint16_t *profiles; /* by class: mask of the profiles that suffice */
};

/* Finds a slot for the class, moving others along if need be.  `seen`: slots tried; depth is at
 * most one a slot, so MIG_INSTANCES_MAX. */
static bool match(struct matching *m, uint32_t class_index, uint32_t *seen)
{
    for (uint32_t i = 0; i < m->slot_count; i++) {
        struct slot *slot = &m->slots[i];

        if ((*seen >> i & 1) || (m->profiles[class_index] >> slot->profile & 1) == 0)
            continue;
        *seen |= 1u << i;
        if (!slot->taken || match(m, slot->class_index, seen)) {
            slot->taken = true;
            slot->class_index = class_index;
            return true;
        }
    }
    return false;
}

static uint16_t profiles_for(const struct place_bound_item *item, const struct mig_model *model)
{
    uint16_t mask = 0;

    for (unsigned i = 0; i < model->profile_count; i++) {
        const struct mig_profile *profile = &model->profiles[i];
        /* Memory not known is taken as enough: the bound may only err downward. */
        bool memory = profile->memory_mib == 0 || profile->memory_mib >= item->mig_memory_mib;

        if (memory && profile->compute_slices >= item->mig_compute_slices)
            mask |= (uint16_t)(1u << i);
    }
    return mask;
}

struct worth_order {
    int64_t worth;
    uint32_t class_index;
};

static int compare_worth(const void *a, const void *b)
{
    const struct worth_order *x = a, *y = b;

    if (x->worth != y->worth)
        return x->worth > y->worth ? -1 : 1;
    return x->class_index < y->class_index ? -1 : x->class_index > y->class_index;
}

static void slots_of(
        const struct mig_model *model, const struct mig_counts *counts, struct matching *m)
{
    m->slot_count = m->taken_count = 0;
    for (unsigned i = 0; i < model->profile_count; i++) {
        for (unsigned n = 0; n < counts->n[i] && m->slot_count < MIG_INSTANCES_MAX; n++)
            m->slots[m->slot_count++] = (struct slot){.profile = (uint8_t)i};
    }
}

/* The most valuable set of items for one multiset of instances. */
static int64_t match_all(const struct bound_pricing *p, const struct worth_order *order,
        uint32_t order_count, struct matching *m)
{
    int64_t value = 0;

    for (uint32_t i = 0; i < order_count && m->taken_count < m->slot_count; i++) {
        for (uint32_t n = 0; n < p->available[order[i].class_index]; n++) {
            uint32_t seen = 0;

            if (!match(m, order[i].class_index, &seen))
                break;
            m->taken_count++;
            value += order[i].worth;
            if (m->taken_count == m->slot_count)
                break;
        }
    }
    return value;
}

static void price_mig_single(
        const struct bound_pricing *p, uint32_t t, struct bound_pattern *pattern)
{
    const struct bound_type *type = &p->types[t];
    uint16_t profiles[BOUND_CLASSES_MAX];
    struct worth_order order[BOUND_CLASSES_MAX];
    struct matching m = {.profiles = profiles};
    uint32_t count = 0;

    for (uint32_t i = 0; i < p->class_count; i++) {
        const struct place_bound_item *item = &p->classes[i].item;

        profiles[i] = 0;
        if ((item->types >> t & 1) == 0 || item->gpus > 1 || item->mig_compute_slices == 0 ||
                p->worth[i] <= 0)
            continue;
        profiles[i] = profiles_for(item, type->spec.mig);
        if (profiles[i] != 0)
            order[count++] = (struct worth_order){.worth = p->worth[i], .class_index = i};
    }
    if (count == 0)
        return;
    qsort(order, count, sizeof(*order), compare_worth);
    for (uint32_t k = 0; k < type->multiset_count; k++) {
        int64_t value;

        slots_of(type->spec.mig, &type->multisets[k], &m);
        value = match_all(p, order, count, &m);
        pattern->most = num_max_i64(pattern->most, value);
        if (value <= pattern->value)
            continue;
        pattern->value = value;
        memset(pattern->counts, 0, sizeof(pattern->counts));
        for (uint32_t i = 0; i < m.slot_count; i++) {
            if (m.slots[i].taken)
                pattern->counts[m.slots[i].class_index]++;
        }
    }
}

void bound_price_type(const struct bound_pricing *p, uint32_t type, int64_t threshold,
        struct bound_pattern *ret_pattern)
{
    assert(p->class_count <= BOUND_CLASSES_MAX);
    ret_pattern->value = ret_pattern->most = threshold;
    price_shared(p, type, ret_pattern);
    if (!p->types[type].has_mig)
        return;
    if (p->types[type].spec.mig_shared || p->types[type].mig_relaxed) {
        price_mig_shared(p, type, ret_pattern);
    } else {
        price_mig_single(p, type, ret_pattern);
    }
}
