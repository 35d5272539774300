/* usage/joint.c - sums of demand distributions on a fixed grid, in integers.
 *
 * Pure.  The solver's inner loop: every loop ends at `top`, nothing is allocated. */
#include "usage/joint.h"

#include "base/num.h"

#include <assert.h>
#include <string.h>

enum {
    LAST = USAGE_CELLS - 1,
    ONE_BITS = 30,
    CELLS_GPU = 1000 / USAGE_CELL_PERMILLE, /* a whole GPU */
};

_Static_assert(USAGE_ONE == 1 << ONE_BITS, "products of two chances fit 60 bits");

static uint32_t cell_of(uint64_t permille)
{
    uint64_t cell = num_ceildiv_u64(permille, USAGE_CELL_PERMILLE);
    return cell < LAST ? (uint32_t)cell : LAST;
}

void usage_dist_point(struct usage_dist *ret_dist, uint32_t permille)
{
    uint32_t cell = cell_of(permille);
    memset(ret_dist, 0, sizeof(*ret_dist));
    ret_dist->p[cell] = USAGE_ONE;
    ret_dist->top = (uint16_t)cell;
}

void usage_dist_from(
        const struct usage_histogram *h, enum usage_edge edge, struct usage_dist *ret_dist)
{
    struct usage_dist d = {.top = 0};
    unsigned __int128 tail = 0;
    uint32_t tail_p = 0;

    if (h->total == 0) {
        usage_dist_point(ret_dist, 1000);
        return;
    }
    /* P(bin or above) is rounded up, so what rounding adds to a bin comes from a lower one. */
    for (unsigned bin = USAGE_BINS; bin-- > 0;) {
        if (h->counts[bin] == 0)
            continue;
        tail += h->counts[bin];
        uint32_t p = (uint32_t)((tail * USAGE_ONE + h->total - 1) / h->total);
        uint32_t value = edge == USAGE_EDGE_UPPER ? usage_bin_upper(bin) : usage_bin_middle(bin);
        uint32_t cell = cell_of(value);
        d.p[cell] += p - tail_p;
        tail_p = p;
        if (cell > d.top)
            d.top = (uint16_t)cell;
    }
    assert(tail == h->total);
    *ret_dist = d;
}

void usage_dist_scale(const struct usage_dist *d, uint32_t ratio_permille, struct usage_dist *ret)
{
    struct usage_dist scaled = {.top = 0};
    for (uint32_t i = 0; i <= d->top; i++) {
        if (d->p[i] == 0)
            continue;
        uint64_t cell = num_ceildiv_u64((uint64_t)i * ratio_permille, 1000);
        /* The last cell has no upper end to scale. */
        uint32_t to = cell < CELLS_GPU && i < LAST ? (uint32_t)cell : CELLS_GPU;
        scaled.p[to] += d->p[i];
        if (to > scaled.top)
            scaled.top = (uint16_t)to;
    }
    *ret = scaled;
}

/* The cells of `d` with a chance; fewer than 17 for a pod, so the products stay few. */
static uint32_t cells_used(const struct usage_dist *d, uint16_t *ret_cells)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i <= d->top; i++) {
        ret_cells[count] = (uint16_t)i;
        count += d->p[i] != 0;
    }
    return count;
}

/* Products of 60 bits back to chances of 30.  What a cell's rounding cuts off is carried to the
 * next cell, never downward; since the products add up to USAGE_ONE^2 nothing is left at the end.
 */
static void narrow(const uint64_t *products, uint32_t top, struct usage_dist *ret)
{
    uint64_t carry = 0;
    uint32_t highest = 0;

    for (uint32_t i = 0; i <= top; i++) {
        uint64_t value = products[i] + carry;
        ret->p[i] = (uint32_t)(value >> ONE_BITS);
        carry = value & (USAGE_ONE - 1);
        if (ret->p[i] > 0)
            highest = i;
    }
    assert(carry == 0);
    memset(&ret->p[top + 1], 0, (LAST - top) * sizeof(ret->p[0]));
    ret->top = (uint16_t)highest;
}

void usage_dist_add(const struct usage_dist *a, const struct usage_dist *b, struct usage_dist *ret)
{
    uint64_t products[2 * USAGE_CELLS];
    uint16_t cells_a[USAGE_CELLS];
    uint16_t cells_b[USAGE_CELLS];
    uint32_t top = (uint32_t)a->top + b->top;

    uint32_t count = cells_used(a, cells_a);
    uint32_t count_b = cells_used(b, cells_b);
    const uint16_t *cells = cells_a;
    if (count_b < count) { /* the sparse one outside, the other in one dense run */
        const struct usage_dist *swap = a;
        a = b;
        b = swap;
        cells = cells_b;
        count = count_b;
    }
    memset(products, 0, (top + 1) * sizeof(products[0]));
    for (uint32_t n = 0; n < count; n++) {
        uint64_t p = a->p[cells[n]];
        uint64_t *to = &products[cells[n]];
        for (uint32_t i = 0; i <= b->top; i++)
            to[i] += p * b->p[i];
    }
    for (uint32_t i = USAGE_CELLS; i <= top; i++)
        products[LAST] += products[i];

    narrow(products, num_min_u32(top, LAST), ret);
}

void usage_dist_add_comonotone(
        const struct usage_dist *a, const struct usage_dist *b, struct usage_dist *ret)
{
    struct usage_dist sum = {.top = 0};
    uint32_t i = 0;
    uint32_t k = 0;
    uint32_t left_a = a->p[0];
    uint32_t left_b = b->p[0];
    uint32_t done = 0;

    /* Both at the same quantile: take what is left of the lower of the two steps. */
    while (done < USAGE_ONE) {
        while (left_a == 0) {
            assert(i < a->top);
            left_a = a->p[++i];
        }
        while (left_b == 0) {
            assert(k < b->top);
            left_b = b->p[++k];
        }
        uint32_t p = num_min_u32(left_a, left_b);
        uint32_t cell = num_min_u32(i + k, LAST);
        sum.p[cell] += p;
        sum.top = (uint16_t)cell;
        left_a -= p;
        left_b -= p;
        done += p;
    }
    *ret = sum;
}

void usage_joint_init(struct usage_joint *j)
{
    usage_dist_point(&j->independent, 0);
    usage_dist_point(&j->comonotone, 0);
    j->count = 0;
}

void usage_joint_add(struct usage_joint *j, const struct usage_dist *pod)
{
    usage_dist_add(&j->independent, pod, &j->independent);
    usage_dist_add_comonotone(&j->comonotone, pod, &j->comonotone);
    j->count++;
}

void usage_joint_add_many(struct usage_joint *j, const struct usage_dist *pod, uint32_t times)
{
    struct usage_dist power = *pod;
    struct usage_dist all = {.top = 0};

    if (times == 0)
        return;
    for (uint32_t left = times;;) {
        if (left & 1)
            usage_dist_add(&j->independent, &power, &j->independent);
        left >>= 1;
        if (left == 0)
            break;
        usage_dist_add(&power, &power, &power);
    }
    /* n pods that rise and fall together are one pod n times as large. */
    for (uint32_t i = 0; i <= pod->top; i++) {
        uint64_t cell = (uint64_t)i * times;
        uint32_t to = cell < LAST ? (uint32_t)cell : LAST;
        all.p[to] += pod->p[i];
        if (pod->p[i] > 0)
            all.top = (uint16_t)to;
    }
    usage_dist_add_comonotone(&j->comonotone, &all, &j->comonotone);
    j->count += times;
}

/* Chance that the mix lies in `cell`, in 1 / (1000 * USAGE_ONE). */
static uint64_t mixed(const struct usage_joint *j, uint32_t cell, uint32_t together_permille)
{
    return (uint64_t)j->independent.p[cell] * (1000 - together_permille) +
           (uint64_t)j->comonotone.p[cell] * together_permille;
}

uint32_t usage_joint_percentile(
        const struct usage_joint *j, uint32_t permille, uint32_t together_permille)
{
    uint64_t seen = 0;
    assert(permille <= 1000);
    assert(together_permille <= 1000);
    for (uint32_t cell = 0; cell < LAST; cell++) {
        seen += mixed(j, cell, together_permille);
        if (seen >= (uint64_t)permille * USAGE_ONE)
            return cell * USAGE_CELL_PERMILLE;
    }
    return UINT32_MAX;
}

uint32_t usage_joint_exceeds_ppm(
        const struct usage_joint *j, uint32_t limit_permille, uint32_t together_permille)
{
    /* Of the last cell only "2550 or more" is known: it passes every limit. */
    uint32_t first = num_min_u32(limit_permille / USAGE_CELL_PERMILLE + 1, LAST);
    uint32_t top = num_max_u32(j->independent.top, j->comonotone.top);
    uint64_t above = 0;

    assert(together_permille <= 1000);
    for (uint32_t cell = first; cell <= top; cell++)
        above += mixed(j, cell, together_permille);
    return (uint32_t)num_ceildiv_u64(above * 1000, USAGE_ONE);
}

uint32_t usage_dist_mean_ppm(const struct usage_dist *d)
{
    uint64_t sum = 0;
    for (uint32_t cell = 0; cell <= d->top; cell++)
        sum += (uint64_t)d->p[cell] * cell;
    return (uint32_t)num_ceildiv_u64(sum * USAGE_CELL_PERMILLE * 1000, USAGE_ONE);
}
