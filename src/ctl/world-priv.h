/* ctl/world-priv.h - between the files that build a world. */
#ifndef CTL_WORLD_PRIV_H
#define CTL_WORLD_PRIV_H

#include "ctl/world.h"

struct world_builder {
    struct ctl_world *w;
    const struct ctl_snapshot *s;
    const struct ctl_world_options *o;
    uint32_t owner_cap;
    /* Answers that are the same for many: by taint, whether all pods with GPUs tolerate it; by
     * selector, its row of `selectors`; by label, its column of the nodes' values. */
    struct map_str tolerated, selector_index, column_index;
    struct world_selector {
        uint64_t in, out;             /* models with nodes that it names, and that it does not */
        const struct kube_pair *miss; /* a pair that some node has not; NULL */
    } * selectors;
    uint32_t selector_count, selector_cap;
    const struct str **columns; /* of the rows of the world's nodes */
    uint32_t column_count, column_cap;
};

void world_builder_clear(struct world_builder *b);

/* ctl/world_node.c: the nodes with GPUs. */
int world_add_nodes(struct world_builder *b, struct err *reterr);

/* ctl/world_owner.c: the owner of a pod, made when it is new; returns its row. */
uint32_t world_owner_of_pod(struct world_builder *b, const struct ctl_pod *p);
void world_add_idle_owners(struct world_builder *b); /* templates with GPUs and no pod */
void world_finish_owners(struct world_builder *b);

/* ctl/world_stay.c: says of each node which pods and marks keep it from going when it is empty. */
void world_find_stays(struct world_builder *b);

/* ctl/world_taint.c: our taints on the nodes, and who would not tolerate them. */
void world_find_taints(struct world_builder *b);
bool world_tolerates(
        const struct kube_toleration *list, uint32_t count, const struct kube_taint *taint);

/* True when the budget may cover pods with these labels. */
bool world_budget_covers(
        const struct ctl_budget *budget, struct str namespace, const struct ctl_labels *labels);

/* True for an annotation that says something to us: of a node, an owner or a pod. */
bool world_reads_annotation(struct str key);

/* The labels of a selector that only say what every GPU node is. */
bool world_selector_is_plain(struct str key);

#endif
