/* sim/reclaim.c - spot nodes that the cloud takes back: notice, drain, gone.  Pure.
 *
 * SOURCE: AWS gives a notice of two minutes (Azure and Google of 30 s), and its node termination
 * handler then cordons, taints and drains the node.  How often, the offer says that the node is
 * paid by: reclaimsPer1000Hours. */
#include "sim/world-priv.h"

static const int64_t NOTICE_NS = 2 * SIM_MINUTE;

/* Draws for the hour that begins.  Nodes of offers that are never taken back draw nothing. */
void sim_reclaim_hour(struct sim_world *w)
{
    struct prng *rng = &w->rng[SIM_STREAM_RECLAIM];
    for (uint32_t i = 0; i < w->nodes_live.count; i++) {
        uint32_t node = w->nodes_live.items[i];
        const struct model_offer *o = sim_group_offer(w, w->nodes[node].group, sim_world_wall(w));
        if (o == NULL || o->purchase != MODEL_PURCHASE_SPOT || o->reclaims_per_1000h == 0)
            continue;
        uint64_t ppm = (uint64_t)o->reclaims_per_1000h * 1000;
        if (!prng_chance_ppm(rng, (uint32_t)num_min_i64((int64_t)ppm, 1000000)))
            continue;
        int64_t at = w->now_ns + prng_between(rng, 0, NUM_NS_PER_HOUR - 1);
        sim_event_add(w, at, SIM_EVENT_RECLAIM, node, 0);
    }
}

void sim_reclaim_notice(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    if (!n->live || n->dying)
        return;
    n->dying = true;
    n->reclaimed = true;
    n->unschedulable = true;
    w->reclaims++;
    sim_node_changed(w, node);
    /* Stopping takes a pod from no list before it has ended. */
    for (uint32_t i = 0; i < n->pods.count; i++)
        sim_pod_stop(w, n->pods.items[i]);
    sim_event_add(w, w->now_ns + NOTICE_NS, SIM_EVENT_NODE_REMOVE, node, 0);
}
