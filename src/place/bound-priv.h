/* place/bound-priv.h - what the files of the bound share: classes, columns, pricing, the LP. */
#ifndef PLACE_BOUND_PRIV_H
#define PLACE_BOUND_PRIV_H

#include "mig/place.h"
#include "place/bound.h"

enum {
    BOUND_CLASSES_MAX = 256,
    BOUND_MULTISETS_MAX = 512, /* of one type */
    BOUND_COLUMNS_MAX = 8192,
    BOUND_KEPT_MAX = 1024, /* columns kept for the next call */
    BOUND_ENTRIES_MAX = BOUND_CLASSES_MAX,
};

/* Items of equal demands. */
struct bound_class {
    struct place_bound_item item; /* demands rounded down when classes were merged */
    uint32_t count;
};

struct bound_type {
    struct place_bound_type spec;
    uint32_t mig_memory_mib; /* the most that the instances of a layout have together */
    uint32_t mig_compute;    /* likewise compute slices */
    bool has_mig;
    bool mig_relaxed;        /* multisets are too many to keep: the relaxation stands for them */
    uint32_t multiset_count; /* maximal ones */
    struct mig_counts multisets[BOUND_MULTISETS_MAX];
};

/* True when the class can be anything but alone on this type. */
bool bound_may_pack(const struct place_bound_item *item, const struct bound_type *type, uint32_t t);

/* One use of a GPU, or of several by an item that needs them: how many of each class it holds. */
struct bound_column {
    uint8_t type;
    uint32_t gpus;
    uint32_t entry_count;
    struct bound_entry {
        uint32_t class_index;
        uint32_t count;
    } * entries; /* sorted by class_index */
};

/* ---- pricing (bound_price.c): integers only ---- */

/* An instance: the classes and types of one call, and what each class is worth now. */
struct bound_pricing {
    const struct bound_type *types;
    uint32_t type_count;
    const struct bound_class *classes;
    uint32_t class_count;
    const int64_t *worth;      /* by class, micro units, >= 0 */
    const uint32_t *available; /* by class: at most so many in a pattern */
    uint32_t nodes_max;        /* search effort */
};

struct bound_pattern {
    int64_t value;                      /* what it holds is worth */
    int64_t most;                       /* no pattern of the type is worth more */
    uint32_t counts[BOUND_CLASSES_MAX]; /* meaningful when value > the threshold given */
};

/* The most valuable pattern of one GPU of `type`.  threshold: patterns worth no more are not looked
 * for, then value <= threshold, and most = threshold.  Always most >= value.  `most` is proven: the
 * search was complete, or it is the bound of a relaxation. */
void bound_price_type(const struct bound_pricing *p, uint32_t type, int64_t threshold,
        struct bound_pattern *ret_pattern);

/* ---- the LP (bound_lp.c): floating point, a search only ---- */

struct bound_lp;

/* Rows: one a class (covered at least `count` times), one a type with a count limit. */
struct bound_lp *bound_lp_new(const struct bound_type *types, uint32_t type_count,
        const struct bound_class *classes, uint32_t class_count);
struct bound_lp *bound_lp_free(struct bound_lp *lp);

/* Adds a column of `cost`; it is copied.  False when there is no room for more. */
bool bound_lp_add(struct bound_lp *lp, const struct bound_column *column, double cost);

/* Multiplications in pivots so far: a measure of time that is the same on every machine. */
uint64_t bound_lp_effort(const struct bound_lp *lp);

/* All columns so far; borrowed, valid until the next is added. */
uint32_t bound_lp_columns(const struct bound_lp *lp, const struct bound_column **ret_columns);

/* Optimises over the columns so far.  ret_cover[class_count], ret_limit[type_count]: the dual, both
 * >= 0 up to rounding.  Returns the objective: at least the LP's optimum over all columns. */
double bound_lp_solve(struct bound_lp *lp, double *ret_cover, double *ret_limit);

#endif
