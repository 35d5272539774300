/* place/bound_lp.c - the configuration LP over the columns known so far: a primal simplex.  Pure.
 *
 * Revised simplex with a dense inverse of the basis; rows are few (classes of items).  It is a
 * search: whatever rounding does here, bound.c checks the dual in integers.  Only + - * / are used
 * and nothing is contracted, so the same input gives the same path everywhere.
 *
 *   min  sum cost x            over columns
 *   s.t. sum count x - surplus         = items of the class      (a row a class)
 *        sum gpus x  + slack - overrun = count_max of the type   (a row a limited type)
 * Overruns cost more than any GPU, so that there always is a basis to start from. */
#include "base/arena.h"
#include "place/bound-priv.h"

#include <assert.h>
#include <string.h>

#define EPSILON 1e-9

enum { ROWS_MAX = BOUND_CLASSES_MAX + PLACE_BOUND_TYPES_MAX, OVERRUN_FACTOR = 8 };

/* A column of the LP: of the pool, or one of the three helpers of a row. */
enum kind { KIND_POOL, KIND_SURPLUS, KIND_SLACK, KIND_OVERRUN };

struct basic {
    enum kind kind;
    uint32_t index; /* of the column, or of the row */
    double cost;
};

struct bound_lp {
    uint32_t rows, class_count, type_count;
    uint32_t limit_row[PLACE_BOUND_TYPES_MAX]; /* UINT32_MAX = not limited */
    uint64_t effort;
    double overrun_cost;
    double right[ROWS_MAX];
    struct basic basis[ROWS_MAX];
    double value[ROWS_MAX]; /* of the basic columns */
    double dual[ROWS_MAX];
    double *inverse; /* rows x rows, by row */
    struct arena *arena;
    uint32_t column_count;
    struct bound_column columns[BOUND_COLUMNS_MAX];
    double cost[BOUND_COLUMNS_MAX];
};

static void lp_inverse_start(struct bound_lp *lp)
{
    memset(lp->inverse, 0, (size_t)lp->rows * lp->rows * sizeof(*lp->inverse));
    for (uint32_t i = 0; i < lp->rows; i++)
        lp->inverse[(size_t)i * lp->rows + i] = 1;
}

/* The first columns: each class alone, on the cheapest type that it may use. */
static void lp_start(
        struct bound_lp *lp, const struct bound_type *types, const struct bound_class *classes)
{
    double used[PLACE_BOUND_TYPES_MAX] = {0};

    lp_inverse_start(lp);
    for (uint32_t i = 0; i < lp->class_count; i++) {
        const struct place_bound_item *item = &classes[i].item;
        struct bound_entry entry = {.class_index = i, .count = 1};
        uint32_t best = UINT32_MAX;

        for (uint32_t t = 0; t < lp->type_count; t++) {
            double cost = (double)types[t].spec.microusd_per_gpu_hour * item->gpus;
            struct bound_column column = {
                    .type = (uint8_t)t, .gpus = item->gpus, .entry_count = 1, .entries = &entry};

            if ((item->types >> t & 1) == 0)
                continue;
            if (best == UINT32_MAX || cost < lp->cost[best])
                best = lp->column_count;
            bound_lp_add(lp, &column, cost);
        }
        assert(best != UINT32_MAX);
        lp->basis[i] = (struct basic){.kind = KIND_POOL, .index = best, .cost = lp->cost[best]};
        lp->value[i] = lp->right[i];
        used[lp->columns[best].type] += lp->right[i] * item->gpus;
    }
    for (uint32_t t = 0; t < lp->type_count; t++) {
        uint32_t row = lp->limit_row[t];
        bool over;
        double sign;

        if (row == UINT32_MAX)
            continue;
        over = used[t] > lp->right[row];
        sign = over ? -1 : 1;
        lp->basis[row] = (struct basic){.kind = over ? KIND_OVERRUN : KIND_SLACK,
                .index = row,
                .cost = over ? lp->overrun_cost : 0};
        lp->value[row] = sign * (lp->right[row] - used[t]);
        lp->inverse[(size_t)row * lp->rows + row] = sign;
        for (uint32_t i = 0; i < lp->class_count; i++) {
            const struct bound_column *c = &lp->columns[lp->basis[i].index];

            if (c->type == t)
                lp->inverse[(size_t)row * lp->rows + i] = -sign * c->gpus;
        }
    }
}

struct bound_lp *bound_lp_new(const struct bound_type *types, uint32_t type_count,
        const struct bound_class *classes, uint32_t class_count)
{
    struct bound_lp *lp = mem_alloc(1, sizeof(*lp));
    double dearest = 1;

    assert(class_count <= BOUND_CLASSES_MAX && type_count <= PLACE_BOUND_TYPES_MAX);
    lp->class_count = lp->rows = class_count;
    lp->type_count = type_count;
    lp->arena = arena_new(0);
    for (uint32_t i = 0; i < class_count; i++)
        lp->right[i] = classes[i].count;
    for (uint32_t t = 0; t < type_count; t++) {
        lp->limit_row[t] = UINT32_MAX;
        if ((double)types[t].spec.microusd_per_gpu_hour > dearest)
            dearest = (double)types[t].spec.microusd_per_gpu_hour;
        if (types[t].spec.count_max == PLACE_BOUND_UNLIMITED)
            continue;
        lp->limit_row[t] = lp->rows;
        lp->right[lp->rows++] = types[t].spec.count_max;
    }
    lp->overrun_cost = dearest * OVERRUN_FACTOR;
    lp->inverse = mem_alloc((size_t)lp->rows * lp->rows, sizeof(*lp->inverse));
    lp_start(lp, types, classes);
    return lp;
}

struct bound_lp *bound_lp_free(struct bound_lp *lp)
{
    if (lp == NULL)
        return NULL;
    arena_free(lp->arena);
    mem_free(lp->inverse);
    mem_free(lp);
    return NULL;
}

bool bound_lp_add(struct bound_lp *lp, const struct bound_column *column, double cost)
{
    struct bound_column *c = &lp->columns[lp->column_count];

    if (lp->column_count == BOUND_COLUMNS_MAX)
        return false;
    *c = *column;
    c->entries = ARENA_ARRAY(lp->arena, struct bound_entry, column->entry_count);
    for (uint32_t i = 0; i < column->entry_count; i++)
        c->entries[i] = column->entries[i];
    lp->cost[lp->column_count++] = cost;
    return true;
}

uint64_t bound_lp_effort(const struct bound_lp *lp)
{
    return lp->effort;
}

uint32_t bound_lp_columns(const struct bound_lp *lp, const struct bound_column **ret_columns)
{
    *ret_columns = lp->columns;
    return lp->column_count;
}

/* dual = costs of the basis x inverse. */
static void lp_dual(struct bound_lp *lp)
{
    memset(lp->dual, 0, sizeof(lp->dual));
    for (uint32_t i = 0; i < lp->rows; i++) {
        const double *row = lp->inverse + (size_t)i * lp->rows;
        double cost = lp->basis[i].cost;

        for (uint32_t j = 0; cost != 0 && j < lp->rows; j++)
            lp->dual[j] += cost * row[j];
    }
}

static double reduced_cost(const struct bound_lp *lp, uint32_t index)
{
    const struct bound_column *c = &lp->columns[index];
    uint32_t limit = lp->limit_row[c->type];
    double cost = lp->cost[index];

    for (uint32_t i = 0; i < c->entry_count; i++)
        cost -= lp->dual[c->entries[i].class_index] * c->entries[i].count;
    if (limit != UINT32_MAX)
        cost -= lp->dual[limit] * c->gpus;
    return cost;
}

/* The column of the least reduced cost below -tolerance, helpers included; false = none, so
 * optimal.
 */
static bool lp_entering(const struct bound_lp *lp, struct basic *ret_enter, double *ret_reduced)
{
    double least = -EPSILON * lp->overrun_cost;
    bool found = false;

    for (uint32_t i = 0; i < lp->column_count; i++) {
        double cost = reduced_cost(lp, i);

        if (cost < least) {
            least = cost;
            *ret_enter = (struct basic){.kind = KIND_POOL, .index = i, .cost = lp->cost[i]};
            found = true;
        }
    }
    for (uint32_t row = 0; row < lp->rows; row++) {
        bool limit = row >= lp->class_count;
        double cost = limit ? -lp->dual[row] : lp->dual[row];

        if (cost < least) {
            least = cost;
            *ret_enter = (struct basic){.kind = limit ? KIND_SLACK : KIND_SURPLUS, .index = row};
            found = true;
        }
        cost = lp->overrun_cost + lp->dual[row];
        if (limit && cost < least) {
            least = cost;
            *ret_enter =
                    (struct basic){.kind = KIND_OVERRUN, .index = row, .cost = lp->overrun_cost};
            found = true;
        }
    }
    *ret_reduced = least;
    return found;
}

/* direction = inverse x the entering column. */
static void lp_direction(const struct bound_lp *lp, const struct basic *enter, double *direction)
{
    const struct bound_column *c = &lp->columns[enter->index];
    double sign = enter->kind == KIND_SLACK ? 1 : -1;

    for (uint32_t i = 0; i < lp->rows; i++) {
        const double *row = lp->inverse + (size_t)i * lp->rows;
        double sum = 0;

        if (enter->kind != KIND_POOL) {
            direction[i] = sign * row[enter->index];
            continue;
        }
        for (uint32_t k = 0; k < c->entry_count; k++)
            sum += row[c->entries[k].class_index] * c->entries[k].count;
        if (lp->limit_row[c->type] != UINT32_MAX)
            sum += row[lp->limit_row[c->type]] * c->gpus;
        direction[i] = sum;
    }
}

/* Exchanges the entering column against the first basic one that reaches 0.  False when none does,
 * which cannot be but for rounding: all costs are positive. */
static bool lp_pivot(struct bound_lp *lp, const struct basic *enter, double reduced)
{
    double direction[ROWS_MAX], best = 0;
    uint32_t leave = UINT32_MAX;
    double *pivot_row;

    lp_direction(lp, enter, direction);
    for (uint32_t i = 0; i < lp->rows; i++) {
        double ratio;

        if (direction[i] <= EPSILON)
            continue;
        ratio = lp->value[i] / direction[i];
        if (leave == UINT32_MAX || ratio < best) {
            best = ratio;
            leave = i;
        }
    }
    if (leave == UINT32_MAX)
        return false;
    pivot_row = lp->inverse + (size_t)leave * lp->rows;
    for (uint32_t j = 0; j < lp->rows; j++) {
        pivot_row[j] /= direction[leave];
        lp->dual[j] += reduced * pivot_row[j];
    }
    for (uint32_t i = 0; i < lp->rows; i++) {
        double *row = lp->inverse + (size_t)i * lp->rows;

        if (i == leave || direction[i] == 0)
            continue;
        for (uint32_t j = 0; j < lp->rows; j++)
            row[j] -= direction[i] * pivot_row[j];
        lp->value[i] -= direction[i] * best;
        if (lp->value[i] < 0)
            lp->value[i] = 0; /* rounding */
    }
    lp->effort += (uint64_t)lp->rows * lp->rows;
    lp->value[leave] = best;
    lp->basis[leave] = *enter;
    return true;
}

double bound_lp_solve(struct bound_lp *lp, double *ret_cover, double *ret_limit)
{
    struct basic enter;
    double objective = 0, reduced;

    /* TUNING: pivots are about two a row; the limit only stops cycling, and any dual will do. */
    lp_dual(lp);
    for (uint32_t pivots = 0; pivots < 20 * lp->rows + 100; pivots++) {
        if (!lp_entering(lp, &enter, &reduced) || !lp_pivot(lp, &enter, reduced))
            break;
    }
    lp_dual(lp);
    for (uint32_t i = 0; i < lp->rows; i++)
        objective += lp->basis[i].cost * lp->value[i];
    for (uint32_t i = 0; i < lp->class_count; i++)
        ret_cover[i] = lp->dual[i];
    for (uint32_t t = 0; t < lp->type_count; t++)
        ret_limit[t] = lp->limit_row[t] == UINT32_MAX ? 0 : -lp->dual[lp->limit_row[t]];
    return objective;
}
