/* sim/publish-priv.h - what NVIDIA's DRA driver publishes for a node, and the claims of pods.
 *
 * Pure.  Nodes of one shape publish the same but for their names, so the allocator knows one node a
 * shape; what is taken on a node is told to it before each question. */
#ifndef SIM_PUBLISH_PRIV_H
#define SIM_PUBLISH_PRIV_H

#include "dra/allocate.h"
#include "sim/world-priv.h"

/* A device of the slices; profile: number in the model, or SIM_WHOLE_GPU. */
struct sim_published {
    uint8_t gpu, profile, start;
    uint32_t name;
};

struct sim_shape {
    uint16_t gpu;
    uint32_t gpu_count;
    bool dynamic_mig;
    struct dra_store *store;
    struct dra_engine *engine;
    const struct dra_node *node;
    const struct dra_claim *whole, *share;          /* of one GPU, of one unit */
    const struct dra_claim *mig[MIG_PROFILES_MAX];  /* of one instance */
    const struct sim_published *devices;            /* by the allocator's number of a device */
    uint32_t driver, pool, memory, units, share_id; /* names */
};

/* dynamic_mig: the driver's gate, a device for every (profile, start) beside the whole GPU. */
void sim_shape_init(
        struct sim_shape *shape, struct arena *a, const struct sim_node *n, bool dynamic_mig);
void sim_shape_clear(struct sim_shape *shape);

#endif
