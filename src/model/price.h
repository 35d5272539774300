/* model/price.h - what a node of a GPU model costs, by region, purchase option and time.
 *
 * Pure.  Money is int64 micro-USD an hour, for the whole node unless a field says otherwise. */
#ifndef MODEL_PRICE_H
#define MODEL_PRICE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum model_purchase { MODEL_PURCHASE_ON_DEMAND, MODEL_PURCHASE_SPOT, MODEL_PURCHASE_COUNT };

const char *model_purchase_name(enum model_purchase p);

enum { MODEL_PRICE_ROWS_MAX = 100000 };

/* An offer of GPUs: price per GPU of a node of `gpus_per_node`, valid in [start_ns, end_ns). */
struct model_offer {
    uint16_t gpu;                       /* index into the GPU table (model/gpu.h) */
    struct str cloud, region, instance; /* instance: the cloud's instance type, or "" */
    enum model_purchase purchase;
    uint32_t gpus_per_node;
    int64_t start_ns, end_ns;      /* wall; INT64_MIN / INT64_MAX when unbounded */
    int64_t microusd_per_gpu_hour; /* > 0 */
    uint32_t nodes_free;           /* UINT32_MAX = unbounded */
    uint32_t reclaims_per_1000h;   /* spot: how often a node is taken away */
};

struct model_price_book {
    const struct model_offer *offers; /* in file order */
    uint32_t count;
};

/* Reads a price file: CSV with the columns cloud,region,instance_type,gpu_model,gpu_count,
 * on_demand_usd_per_hour,spot_usd_per_hour (others ignored), prices of the whole instance with up
 * to six decimals.  An empty price is no offer; a row needs one of the two.  Strict: one line per
 * error naming line, column, value; unknown GPU models and an instance type that is there twice are
 * errors.  Text is copied into `a`. */
int model_price_book_parse(
        struct arena *a, struct str csv, struct model_price_book *ret_book, struct err *reterr);

/* The median price per GPU hour (the lower of two) over offers of (gpu, purchase), whose region
 * matches unless `region` is empty; -ENOENT when there is none.  Cost: O(63 * count). */
int model_price_find(const struct model_price_book *book, uint16_t gpu, struct str region,
        enum model_purchase purchase, int64_t *ret_microusd_per_gpu_hour);

#endif
