/* usage/joint.h - what several pods on one GPU ask for together: sums of demand distributions.
 *
 * Pure.  A distribution has a fixed grid of 10 permille (256 cells, the last holds everything from
 * 2550 permille on) and integer probabilities that add up to exactly USAGE_ONE.  Sums by
 * convolution assume that pods are independent; how far they are not is an explicit parameter: the
 * answer mixes the independent sum with the comonotone one (all pods busy together, the worst
 * case), `together_permille` of the latter.  Rounding moves mass upward only, less than one unit of
 * USAGE_ONE a cell and convolution. */
#ifndef USAGE_JOINT_H
#define USAGE_JOINT_H

#include "usage/digest.h"

enum { USAGE_CELLS = 256, USAGE_CELL_PERMILLE = 10, USAGE_ONE = 1 << 30 };

struct usage_dist {
    uint32_t p[USAGE_CELLS]; /* p[i]: chance of a demand of i cells; adds up to USAGE_ONE */
    uint16_t top;            /* the highest cell with p > 0 */
};

/* The value that stands for a bin: its upper edge (never too low) or its middle. */
enum usage_edge { USAGE_EDGE_UPPER, USAGE_EDGE_MIDDLE };

/* A pod that is certain to ask for `permille` (rounded up to a cell). */
void usage_dist_point(struct usage_dist *ret_dist, uint32_t permille);

/* From a histogram; an empty one gives the point at 1000 permille (nothing known = a whole GPU). */
void usage_dist_from(
        const struct usage_histogram *h, enum usage_edge edge, struct usage_dist *ret_dist);

/* Scales demand by ratio_permille (another GPU model's speed), rounding up, capped at 1000. */
void usage_dist_scale(const struct usage_dist *d, uint32_t ratio_permille, struct usage_dist *ret);

/* a + b, independent; ret may be a or b.  Cost: top(a) * top(b). */
void usage_dist_add(const struct usage_dist *a, const struct usage_dist *b, struct usage_dist *ret);

/* a + b when both rise and fall together; ret may be a or b.  Cost: top(a) + top(b). */
void usage_dist_add_comonotone(
        const struct usage_dist *a, const struct usage_dist *b, struct usage_dist *ret);

/* The sum of a set, both ways.  2 KiB, copied freely by a solver. */
struct usage_joint {
    struct usage_dist independent, comonotone;
    uint32_t count;
};

void usage_joint_init(struct usage_joint *j); /* the empty set: 0 for certain */
void usage_joint_add(struct usage_joint *j, const struct usage_dist *pod);

/* Adds `times` pods of the same distribution, by repeated squaring. */
void usage_joint_add_many(struct usage_joint *j, const struct usage_dist *pod, uint32_t times);

/* The least cell value that the sum does not pass with at least permille / 1000, permille of a GPU;
 * UINT32_MAX when it lies in the last cell.  together_permille: 0..1000. */
uint32_t usage_joint_percentile(
        const struct usage_joint *j, uint32_t permille, uint32_t together_permille);

/* P(sum > limit_permille) in ppm, rounded up. */
uint32_t usage_joint_exceeds_ppm(
        const struct usage_joint *j, uint32_t limit_permille, uint32_t together_permille);

/* Mean of a distribution in 1/1000 permille (the last cell counts as 2550). */
uint32_t usage_dist_mean_ppm(const struct usage_dist *d);

#endif
