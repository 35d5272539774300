/* place/bound.c - the lower bound: classes, column generation, the check of the dual, rounding.
 *
 * Pure.  README.md, "The bound".  All money and GPU counts here are integers in millionths; doubles
 * stay in bound_lp.c and end where a dual is rounded down. */
#include "place/bound-priv.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/num.h"
#include "base/prng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    MICRO = 1000000,
    /* TUNING: rounds of column generation; typical are 5 to 15.  Any stop is safe. */
    ROUNDS_MAX = 100,
    /* TUNING: a bound within 1 / GAP_PART of the LP is near enough: 0.2 % of cost. */
    GAP_PART = 500,
    /* TUNING: multiplications in pivots after which a call is content with what it has, some 0.5 s.
     * Only hundreds of items without equals on several types come near. */
    EFFORT_MAX = 1000000000,
    /* TUNING: patterns beside the best one that a round adds, each of classes that the ones before
     * left: a round then moves all of the dual, not one corner. */
    EXTRAS_MAX = 24,
    NODES_QUICK = 3000,   /* TUNING: search effort of a pattern on the way */
    NODES_PROOF = 200000, /* and when a proof is all that is missing */
};

struct kept_column {
    uint8_t type;
    uint32_t first, entry_count; /* into kept_keys, kept_counts */
};

struct place_bound {
    uint32_t type_count;
    struct bound_type types[PLACE_BOUND_TYPES_MAX];
    int64_t price_gcd, price_least;
    bool prices_equal;
    /* Patterns of the last call by what their items ask, not by who they are. */
    uint32_t kept_count, kept_entries;
    struct kept_column kept[BOUND_KEPT_MAX];
    uint64_t kept_keys[BOUND_KEPT_MAX * 16];
    uint32_t kept_counts[BOUND_KEPT_MAX * 16];
};

/* One call, one objective. */
struct bound_work {
    struct place_bound *bound;
    struct bound_type types[PLACE_BOUND_TYPES_MAX]; /* priced by the objective */
    struct bound_class classes[BOUND_CLASSES_MAX];
    uint32_t class_count;
    struct bound_lp *lp;
    int64_t worth[BOUND_CLASSES_MAX];
    int64_t limit_worth[PLACE_BOUND_TYPES_MAX]; /* per GPU below the limit */
    uint32_t available[BOUND_CLASSES_MAX];
    struct bound_pattern pattern;
    int64_t best;     /* the bound so far, in the objective's unit */
    uint32_t columns; /* generated */
};

const char *place_bound_method_name(enum place_bound_method method)
{
    static const char *const names[PLACE_BOUND_METHOD_COUNT] = {
            [PLACE_BOUND_NONE] = "none",
            [PLACE_BOUND_LP] = "lp",
            [PLACE_BOUND_L2] = "l2",
            [PLACE_BOUND_COUNTED] = "counted",
    };

    assert((unsigned)method < PLACE_BOUND_METHOD_COUNT);
    return names[method];
}

/* ---- types ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* What the instances of one multiset have together. */
static void multiset_sums(const struct mig_model *model, const struct mig_counts *counts,
        uint64_t *ret_memory, uint32_t *ret_compute)
{
    uint64_t memory = 0;
    uint32_t compute = 0;

    for (unsigned i = 0; i < model->profile_count; i++) {
        /* Memory not known counts as plenty. */
        uint64_t each = model->profiles[i].memory_mib > 0 ? model->profiles[i].memory_mib : 1 << 26;

        memory += each * counts->n[i];
        compute += (uint32_t)model->profiles[i].compute_slices * counts->n[i];
    }
    *ret_memory = memory;
    *ret_compute = compute;
}

static void type_mig_init(struct bound_type *type)
{
    const struct mig_model *model = type->spec.mig;
    struct mig_multiset_iter it;

    mig_multiset_iter_init(&it, model, model->profiles_all);
    while (mig_multiset_iter_next(&it)) {
        uint64_t memory;
        uint32_t compute;

        if (!mig_multiset_is_maximal(model, &it.counts, model->profiles_all))
            continue;
        type->has_mig = true;
        multiset_sums(model, &it.counts, &memory, &compute);
        type->mig_memory_mib =
                num_max_u32(type->mig_memory_mib, memory > 1 << 30 ? 1 << 30 : (uint32_t)memory);
        type->mig_compute = num_max_u32(type->mig_compute, compute);
        if (type->multiset_count < BOUND_MULTISETS_MAX) {
            type->multisets[type->multiset_count++] = it.counts;
        } else {
            type->mig_relaxed = true;
        }
    }
}

struct place_bound *place_bound_new(const struct place_bound_type *types, uint32_t type_count)
{
    struct place_bound *b = mem_alloc(1, sizeof(*b));

    assert(type_count >= 1 && type_count <= PLACE_BOUND_TYPES_MAX);
    b->type_count = type_count;
    b->prices_equal = true;
    b->price_least = types[0].microusd_per_gpu_hour;
    for (uint32_t t = 0; t < type_count; t++) {
        const struct place_bound_type *spec = &types[t];

        assert(spec->microusd_per_gpu_hour >= 1);
        assert(spec->microusd_per_gpu_hour <= INT64_C(10000000000));
        assert(spec->memory_mib <= 1 << 30);
        assert(spec->busy_permille <= 100000 || spec->busy_permille == UINT32_MAX);
        b->types[t].spec = *spec;
        if (spec->mig != NULL && spec->mig->profile_count > 0)
            type_mig_init(&b->types[t]);
        b->price_gcd = gcd(spec->microusd_per_gpu_hour, b->price_gcd);
        b->price_least = num_min_i64(b->price_least, spec->microusd_per_gpu_hour);
        b->prices_equal =
                b->prices_equal && spec->microusd_per_gpu_hour == types[0].microusd_per_gpu_hour;
    }
    return b;
}

struct place_bound *place_bound_free(struct place_bound *b)
{
    mem_free(b);
    return NULL;
}

/* ---- classes ---- */

/* Demands rounded down to multiples of 2^shift: an easier problem, so its bound holds. */
static struct place_bound_item item_rounded(const struct place_bound_item *item, unsigned shift)
{
    struct place_bound_item r = *item;

    r.id = 0;
    r.memory_mib = r.memory_mib >> shift << shift;
    r.mig_memory_mib = r.mig_memory_mib >> shift << shift;
    r.busy_permille = r.busy_permille >> (shift / 2) << (shift / 2);
    if (r.gpus > 1)
        r.may_share = false;
    if (!r.may_share)
        r.memory_mib = r.busy_permille = 0;
    if (r.mig_compute_slices == 0 || r.gpus > 1)
        r.mig_memory_mib = r.mig_compute_slices = 0;
    return r;
}

static int compare_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_items(const void *a, const void *b)
{
    const struct place_bound_item *x = a, *y = b;
    int rc = compare_u32(y->memory_mib, x->memory_mib); /* the greatest first */

    if (rc == 0)
        rc = compare_u32(y->busy_permille, x->busy_permille);
    if (rc == 0)
        rc = compare_u32(x->gpus, y->gpus);
    if (rc == 0)
        rc = compare_u32(x->types, y->types);
    if (rc == 0)
        rc = compare_u32(x->may_share, y->may_share);
    if (rc == 0)
        rc = compare_u32(x->mig_compute_slices, y->mig_compute_slices);
    return rc != 0 ? rc : compare_u32(y->mig_memory_mib, x->mig_memory_mib);
}

/* Writes the classes of `items` into classes[max]; returns how many there are, even above max. */
static uint32_t classes_of(const struct place_bound_item *items, uint32_t count,
        struct bound_class *classes, uint32_t max)
{
    uint32_t class_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || compare_items(&items[i - 1], &items[i]) != 0) {
            if (class_count < max)
                classes[class_count] = (struct bound_class){.item = items[i]};
            class_count++;
        }
        if (class_count <= max)
            classes[class_count - 1].count++;
    }
    return class_count;
}

/* Gathers items into at most BOUND_CLASSES_MAX classes, rounding demands down as far as that takes.
 * Where even that does not do (very many kinds of type masks), the rest is left out: the bound of a
 * part is a bound. */
static uint32_t classes_gather(const struct place_bound_item *items, uint32_t count,
        struct bound_class classes[BOUND_CLASSES_MAX])
{
    struct place_bound_item *sorted = mem_alloc((size_t)count + 1, sizeof(*sorted));
    uint32_t class_count = 0;

    for (unsigned shift = 0; shift <= 30; shift++) {
        for (uint32_t i = 0; i < count; i++)
            sorted[i] = item_rounded(&items[i], shift);
        qsort(sorted, count, sizeof(*sorted), compare_items);
        class_count = classes_of(sorted, count, classes, BOUND_CLASSES_MAX);
        if (class_count <= BOUND_CLASSES_MAX)
            break;
    }
    mem_free(sorted);
    return num_min_u32(class_count, BOUND_CLASSES_MAX);
}

static uint64_t class_key(const struct bound_class *c)
{
    const struct place_bound_item *i = &c->item;
    uint64_t key = prng_mix(
            (uint64_t)i->memory_mib << 32 | i->busy_permille, (uint64_t)i->gpus << 32 | i->types);

    return prng_mix(key, (uint64_t)i->mig_memory_mib << 16 | (uint64_t)i->mig_compute_slices << 1 |
                                 i->may_share);
}

/* ---- columns ---- */

static void column_add(struct bound_work *w, uint32_t type, const uint32_t *counts)
{
    struct bound_entry entries[BOUND_CLASSES_MAX];
    struct bound_column column = {.type = (uint8_t)type, .gpus = 1, .entries = entries};

    for (uint32_t i = 0; i < w->class_count; i++) {
        if (counts[i] == 0)
            continue;
        entries[column.entry_count++] = (struct bound_entry){.class_index = i, .count = counts[i]};
    }
    if (column.entry_count == 0)
        return;
    if (bound_lp_add(w->lp, &column, (double)w->types[type].spec.microusd_per_gpu_hour))
        w->columns++;
}

/* Patterns of the last call, less what is gone.  A pattern cut short is a pattern still; should two
 * classes ever share a key, the LP is searched with a wrong column and the check finds a weaker
 * bound. */
static void columns_recall(struct bound_work *w)
{
    const struct place_bound *b = w->bound;
    struct map_u64 index = {0};

    for (uint32_t i = 0; i < w->class_count; i++)
        map_u64_set(&index, class_key(&w->classes[i]), i);
    for (uint32_t k = 0; k < b->kept_count; k++) {
        uint32_t counts[BOUND_CLASSES_MAX] = {0}, found = 0;

        for (uint32_t e = b->kept[k].first; e < b->kept[k].first + b->kept[k].entry_count; e++) {
            uint32_t i = map_u64_find(&index, b->kept_keys[e]);

            if (i == MAP_NONE)
                continue;
            counts[i] = num_min_u32(b->kept_counts[e], w->classes[i].count);
            found += counts[i];
        }
        if (found > 1)
            column_add(w, b->kept[k].type, counts);
    }
    map_u64_clear(&index);
}

/* Keeps the columns that are worth nearly their price now. */
static void columns_keep(struct bound_work *w)
{
    struct place_bound *b = w->bound;
    const struct bound_column *columns;
    uint32_t count = bound_lp_columns(w->lp, &columns);

    b->kept_count = b->kept_entries = 0;
    for (uint32_t k = 0; k < count && b->kept_count < BOUND_KEPT_MAX; k++) {
        const struct bound_column *c = &columns[k];
        int64_t price = w->types[c->type].spec.microusd_per_gpu_hour, worth = 0;

        for (uint32_t e = 0; e < c->entry_count; e++)
            worth += w->worth[c->entries[e].class_index] * c->entries[e].count;
        if (c->entry_count == 0 || c->gpus > 1 || worth < price - price / 16 ||
                (c->entry_count == 1 && c->entries[0].count == 1) ||
                b->kept_entries + c->entry_count > BOUND_KEPT_MAX * 16)
            continue;
        b->kept[b->kept_count++] = (struct kept_column){
                .type = c->type, .first = b->kept_entries, .entry_count = c->entry_count};
        for (uint32_t e = 0; e < c->entry_count; e++) {
            b->kept_keys[b->kept_entries] = class_key(&w->classes[c->entries[e].class_index]);
            b->kept_counts[b->kept_entries++] = c->entries[e].count;
        }
    }
}

/* ---- column generation ---- */

static int64_t price_of(const struct bound_work *w, uint32_t type)
{
    return w->types[type].spec.microusd_per_gpu_hour + w->limit_worth[type];
}

/* The dual in integers: what it says of classes rounded down, and never above what one GPU alone
 * costs; limits rounded up. */
static void dual_round(struct bound_work *w, const double *cover, const double *limit)
{
    for (uint32_t t = 0; t < w->bound->type_count; t++)
        w->limit_worth[t] = limit[t] > 0 ? (int64_t)limit[t] + 1 : 0;
    for (uint32_t i = 0; i < w->class_count; i++) {
        const struct place_bound_item *item = &w->classes[i].item;
        int64_t most = INT64_MAX;

        for (uint32_t t = 0; t < w->bound->type_count; t++) {
            if (item->types >> t & 1)
                most = num_min_i64(most, price_of(w, t) * item->gpus);
        }
        w->worth[i] = cover[i] > 0 ? num_min_i64((int64_t)cover[i], most) : 0;
    }
}

/* What a dual proves once every worth is scaled by num / den, so that no pattern passes its price
 * (Farley's bound). */
static int64_t dual_value(const struct bound_work *w, int64_t num, int64_t den)
{
    __int128 sum = 0;

    for (uint32_t i = 0; i < w->class_count; i++)
        sum += (__int128)num_muldiv_i64(w->worth[i], num, den) * w->classes[i].count;
    for (uint32_t t = 0; t < w->bound->type_count; t++) {
        if (w->types[t].spec.count_max != PLACE_BOUND_UNLIMITED)
            sum -= (__int128)w->limit_worth[t] * w->types[t].spec.count_max;
    }
    return sum > 0 && sum <= INT64_MAX ? (int64_t)sum : 0;
}

/* More patterns above their price, each from what the ones before left. */
static void extras_add(struct bound_work *w, uint32_t type)
{
    struct bound_pricing p = {.types = w->types,
            .type_count = w->bound->type_count,
            .classes = w->classes,
            .class_count = w->class_count,
            .worth = w->worth,
            .available = w->available,
            .nodes_max = NODES_QUICK / 8};

    for (uint32_t i = 0; i < w->class_count; i++)
        w->available[i] = w->classes[i].count;
    for (unsigned extra = 0; extra < EXTRAS_MAX; extra++) {
        for (uint32_t i = 0; i < w->class_count; i++)
            w->available[i] -= num_min_u32(w->available[i], w->pattern.counts[i]);
        bound_price_type(&p, type, price_of(w, type), &w->pattern);
        if (w->pattern.value <= price_of(w, type))
            return;
        column_add(w, type, w->pattern.counts);
    }
}

/* Prices every type under the rounded dual with that much effort, adds columns, and improves the
 * bound.  Returns whether a column was added; *ret_open: whether some pattern above its price may
 * have been missed. */
static bool round_price(struct bound_work *w, uint32_t nodes_max, bool *ret_open)
{
    uint32_t before = w->columns;
    int64_t num = 1, den = 1; /* the least price / most */
    struct bound_pricing p = {.types = w->types,
            .type_count = w->bound->type_count,
            .classes = w->classes,
            .class_count = w->class_count,
            .worth = w->worth,
            .available = w->available,
            .nodes_max = nodes_max};

    *ret_open = false;
    for (uint32_t t = 0; t < w->bound->type_count; t++) {
        int64_t price = price_of(w, t);

        for (uint32_t i = 0; i < w->class_count; i++)
            w->available[i] = w->classes[i].count;
        bound_price_type(&p, t, price, &w->pattern);
        if ((__int128)price * den < (__int128)num * w->pattern.most) {
            num = price;
            den = w->pattern.most;
        }
        if (w->pattern.value > price) {
            column_add(w, t, w->pattern.counts);
            extras_add(w, t);
        } else if (w->pattern.most > price) {
            *ret_open = true;
        }
    }
    w->best = num_max_i64(w->best, dual_value(w, num, den));
    return w->columns > before;
}

/* Whether a better dual could still change the answer.  unit: what the result is rounded up to. */
static bool round_done(const struct bound_work *w, double objective, int64_t unit)
{
    int64_t rounded = (w->best + unit - 1) / unit * unit;

    return objective <= (double)rounded + 1 || objective - (double)w->best < objective / GAP_PART;
}

/* Solves for the work's types and classes; the bound is w->best. */
static void work_solve(struct bound_work *w, int64_t unit)
{
    double cover[BOUND_CLASSES_MAX], limit[PLACE_BOUND_TYPES_MAX];
    bool added, open;

    w->lp = bound_lp_new(w->types, w->bound->type_count, w->classes, w->class_count);
    columns_recall(w);
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        double objective = bound_lp_solve(w->lp, cover, limit);

        dual_round(w, cover, limit);
        added = round_price(w, NODES_QUICK, &open);
        if (round_done(w, objective, unit))
            break;
        /* Nothing found, nothing proven: the one time that a long search pays. */
        if (!added && open)
            added = round_price(w, NODES_PROOF, &open);
        if (!added || round_done(w, objective, unit) || bound_lp_effort(w->lp) > EFFORT_MAX)
            break;
    }
    columns_keep(w);
    w->lp = bound_lp_free(w->lp);
}

/* ---- the answer ---- */

/* Items that can only be alone, on types without a limit: counted, and taken out of the classes. */
static void count_alone(struct bound_work *w, uint64_t *ret_gpus, __int128 *ret_cost)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < w->class_count; i++) {
        const struct bound_class *c = &w->classes[i];
        bool alone = true;
        int64_t price = INT64_MAX;

        for (uint32_t t = 0; t < w->bound->type_count; t++) {
            if ((c->item.types >> t & 1) == 0)
                continue;
            alone = alone && !bound_may_pack(&c->item, &w->types[t], t) &&
                    w->types[t].spec.count_max == PLACE_BOUND_UNLIMITED;
            price = num_min_i64(price, w->types[t].spec.microusd_per_gpu_hour);
        }
        if (!alone) {
            w->classes[left++] = *c;
            continue;
        }
        *ret_gpus += (uint64_t)c->item.gpus * c->count;
        *ret_cost += (__int128)price * c->item.gpus * c->count;
    }
    w->class_count = left;
}

/* L2 over all items as if every GPU had the memory of the greatest type. */
static uint64_t l2_of(
        const struct place_bound *b, const struct place_bound_item *items, uint32_t count)
{
    uint32_t *sizes = mem_alloc((size_t)count + 1, sizeof(*sizes));
    uint32_t capacity = 1, size_count = 0;
    uint64_t gpus = 0;

    for (uint32_t t = 0; t < b->type_count; t++) {
        capacity = num_max_u32(capacity, b->types[t].spec.memory_mib);
        if (b->types[t].has_mig)
            capacity = num_max_u32(capacity, b->types[t].mig_memory_mib);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct place_bound_item *item = &items[i];
        uint32_t size = item->may_share ? item->memory_mib : capacity;
        bool packs = false;

        for (uint32_t t = 0; t < b->type_count; t++)
            packs = packs || bound_may_pack(item, &b->types[t], t);
        if (!packs) {
            gpus += item->gpus;
            continue;
        }
        if (item->mig_compute_slices > 0)
            size = num_min_u32(size, item->mig_memory_mib);
        if (size > 0)
            sizes[size_count++] = num_min_u32(size, capacity);
    }
    gpus += place_bound_l2(sizes, size_count, capacity);
    mem_free(sizes);
    return gpus;
}

/* True when the limits cannot hold what the bound says is needed at least. */
static bool limits_break(const struct place_bound *b, const struct place_bound_result *r)
{
    uint64_t gpus = 0;
    __int128 cost = 0;

    for (uint32_t t = 0; t < b->type_count; t++) {
        if (b->types[t].spec.count_max == PLACE_BOUND_UNLIMITED)
            return false;
        gpus += b->types[t].spec.count_max;
        cost += (__int128)b->types[t].spec.count_max * b->types[t].spec.microusd_per_gpu_hour;
    }
    return r->gpus > gpus || r->cost_microusd_per_hour > cost;
}

/* The bound on GPUs (every type costs 1) or on cost, of what packs; at least `known`, which holds
 * by other means. */
static int64_t solve_objective(struct bound_work *w, bool gpus, int64_t known)
{
    for (uint32_t t = 0; t < w->bound->type_count; t++) {
        w->types[t] = w->bound->types[t];
        if (gpus)
            w->types[t].spec.microusd_per_gpu_hour = MICRO;
    }
    w->best = known;
    if (w->class_count > 0)
        work_solve(w, gpus ? MICRO : w->bound->price_gcd);
    return w->best;
}

static int64_t clamp_i64(__int128 x)
{
    return x > INT64_MAX ? INT64_MAX : (int64_t)x;
}

void place_bound_solve(struct place_bound *b, const struct place_bound_item *items, uint32_t count,
        struct place_bound_result *ret_result)
{
    struct place_bound_result r = {0};
    struct bound_work *w;
    uint64_t alone = 0, l2;
    __int128 alone_cost = 0;
    int64_t micro, packed, cost;

    assert(count <= PLACE_BOUND_ITEMS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        assert(items[i].gpus >= 1);
        assert(items[i].types != 0 && (uint64_t)items[i].types >> b->type_count == 0);
    }
    if (count == 0) {
        *ret_result = r;
        return;
    }
    w = mem_alloc(1, sizeof(*w));
    w->bound = b;
    memcpy(w->types, b->types, sizeof(w->types));
    w->class_count = classes_gather(items, count, w->classes);
    count_alone(w, &alone, &alone_cost);

    l2 = l2_of(b, items, count);
    l2 = l2 > alone ? l2 - alone : 0;
    micro = solve_objective(w, true, (int64_t)l2 * MICRO);
    packed = (micro + MICRO - 1) / MICRO;
    r.gpus_micro = (int64_t)alone * MICRO + micro;
    r.gpus = (uint32_t)((int64_t)alone + packed);
    r.gpus_method = w->class_count == 0            ? PLACE_BOUND_COUNTED
                    : micro == (int64_t)l2 * MICRO ? PLACE_BOUND_L2
                                                   : PLACE_BOUND_LP;
    cost = packed * b->price_least;
    r.cost_method = r.gpus_method;
    if (!b->prices_equal) {
        int64_t more = solve_objective(w, false, cost);

        if (more > cost)
            r.cost_method = PLACE_BOUND_LP;
        cost = (more + b->price_gcd - 1) / b->price_gcd * b->price_gcd;
    }
    r.cost_microusd_per_hour = clamp_i64(alone_cost + cost);
    r.columns = w->columns;
    r.infeasible = limits_break(b, &r);
    mem_free(w);
    *ret_result = r;
}
