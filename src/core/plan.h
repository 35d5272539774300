/* core/plan.h - from what a node is and what it should be to the list of steps between.
 *
 * Pure functions over plain data: unit-tested by themselves, printed by explain.  The list holds
 * levels, never deltas: a step whose effect is there already is passed at once, so the same list
 * serves a rollout that begins and one that is taken up after a restart. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "base/buf.h"
#include "core/intent.h"
#include "core/picture.h"
#include "core/rollout.h"

enum { CORE_PLAN_STEPS_MAX = 16, CORE_KEY_MAX = 64, CORE_POOL_MAX = 40 };

/* A node's configuration, as it is or as it should be. */
struct core_setup {
    uint32_t replicas;     /* of whole GPUs: 1 = exclusive; 0 = a config that we cannot read */
    uint32_t mig_replicas; /* of every MIG instance */
    char pool[CORE_POOL_MAX];
    char plugin_key[CORE_KEY_MAX]; /* label values; "" = label not set */
    char mig_key[CORE_KEY_MAX];
    uint32_t layout_count; /* 0 = no MIG */
    char layouts[CORE_INTENT_LAYOUTS_MAX][CORE_LAYOUT_TEXT_MAX];
};

/* What the node's labels say, read through the texts of the keys that they name. */
void core_setup_read(const struct core_picture *pic, uint32_t node, struct core_setup *ret_setup);

/* The layouts that the text behind `mig_key` wants of the node; none when it is not known. */
void core_setup_read_key(const struct core_picture *pic, uint32_t node, const char *mig_key,
        struct core_setup *setup);

/* The setup that `target` asks of a node that is `from` now: keeps labels that say the same
 * already.  gpu_count: of the node, <= CORE_GPUS_MAX. */
void core_setup_from_target(const struct core_node_target *target, const struct core_setup *from,
        uint32_t gpu_count, struct core_setup *ret_setup);

/* The texts behind the keys of a setup; `out` is appended to.  Layouts that are no list of profiles
 * give -EINVAL. */
void core_setup_plugin_text(const struct core_setup *setup, struct buf *out);
int core_setup_mig_text(const struct core_setup *setup, uint32_t gpu_count, struct buf *out);

/* The key under which "no MIG anywhere" is published, for nodes whose label was not set: taking the
 * label away would not take the instances away. */
void core_setup_mig_off(uint32_t gpu_count, struct core_setup *setup);

/* What kubelet should offer under a setup; returns the count of entries, zero counts left out. */
uint32_t core_setup_expected(const struct core_setup *setup, uint32_t gpu_count,
        struct core_resource_count ret_expected[CORE_RESOURCES_MAX]);

/* True when the node offers exactly that and nothing else of NVIDIA's. */
bool core_setup_is_offered(const struct core_setup *setup, const struct core_node_fact *node);

enum core_plan_kind {
    CORE_PLAN_CONFIG, /* bring the node to another setup */
    CORE_PLAN_RETIRE, /* cordon, empty, wait until it is gone */
    CORE_PLAN_HOLD,   /* cordon only */
    CORE_PLAN_RELEASE /* lift our cordon, clear our annotation */
};

struct core_plan {
    enum core_plan_kind kind;
    uint32_t count;
    uint8_t steps[CORE_PLAN_STEPS_MAX]; /* enum core_step_kind */
    bool cordons;                       /* closes the node */
    uint16_t clear_gpus; /* bit i: GPU i must be free of pods first; ~0 = the whole node */
    bool mig_changes, plugin_changes;
};

/* Derives the steps from `from` to `to`.
 *
 * Raising replicas that are 2 or more already is done in place; exclusive <-> shared and a lower
 * count hand GPUs out twice unless the node is empty; a MIG relayout rebuilds the GPUs whose set
 * differs (or, where a mode change resets the node, all of it). */
void core_plan_make(enum core_plan_kind kind, const struct core_setup *from,
        const struct core_setup *to, const struct core_node_caps *caps, struct core_plan *ret_plan);

/* The way back to `from` of a node that shows `now`: only labels that say what `to` says are ours
 * to set back; one that says a third thing is somebody's hand. */
void core_plan_undo(const struct core_setup *from, const struct core_setup *to,
        const struct core_node_fact *now, uint16_t clear_gpus, struct core_plan *ret_plan);

/* "claim > evict > wait-empty > ..." for explain and logs. */
void core_plan_format(const struct core_plan *plan, struct buf *out);

/* The kind of change that going from one setup to another is. */
enum core_change core_plan_change(const struct core_setup *from, const struct core_setup *to);

#endif
