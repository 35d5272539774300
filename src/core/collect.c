/* core/collect.c - old config keys go when no label names them and no rollout may need them.
 *
 * Pure.  Only keys that we made: in the same map stand the defaults that the ClusterPolicy names,
 * and what people put there. */
#include "core/core-priv.h"

#include "nvidia/plugin_config.h"

/* TUNING: rare on purpose, and late: a key that was just published is on its way to a label, and
 * ConfigMaps hold hundreds of keys of this size. */
static const int64_t COLLECT_EVERY_NS = CORE_MINUTES(30);
static const int64_t KEY_AGE_NS = CORE_HOURS(2);

static bool names(struct str label, struct str key)
{
    return label.len > 0 && str_eq(label, key);
}

bool core_key_in_use(
        const struct core *c, uint16_t cluster, enum core_config_map map, struct str key)
{
    const struct core_picture *pic = core_pic(c);
    bool mig = map == CORE_CONFIG_MIG;
    for (uint32_t i = 0; i < pic->node_count; i++) {
        const struct core_node_view *v = &pic->nodes[i];
        const struct core_rollout *r = &c->rollouts[i];
        if (!v->live || v->fact.cluster != cluster)
            continue;
        if (names(mig ? v->fact.mig_config : v->fact.plugin_config, key))
            return true;
        if (core_rollout_active(r) &&
                (names(str_from(mig ? r->from.mig_key : r->from.plugin_key), key) ||
                        names(str_from(mig ? r->to.mig_key : r->to.plugin_key), key)))
            return true;
        /* A rollout that is not taken up yet shows its keys in its record only. */
        if (!core_rollout_active(r) && v->fact.annotation.len > 0 && !r->held)
            return true;
    }
    return false;
}

void core_collect(struct core *c)
{
    const struct core_picture *pic = core_pic(c);
    struct core_try *try = &c->collect_try;
    if (try->op != CORE_NO_INDEX && !core_try_settle(c, try))
        return;
    if (c->now.mono_ns < c->collect_mono_ns + COLLECT_EVERY_NS || pic->policy == NULL ||
            pic->policy->suspend)
        return;
    c->collect_mono_ns = c->now.mono_ns;
    for (uint32_t i = 0; i < pic->config_count; i++) {
        const struct core_config_view *v = &pic->configs[i];
        const bool *sync = v->live ? pic->sync[v->cluster] : NULL;
        bool planted = c->options.plant_bug[CORE_REASON_CHECK_KEY_IN_USE];
        if (sync == NULL || !sync[CORE_SOURCE_NODES] || !sync[CORE_SOURCE_CONFIG] ||
                !nvidia_config_key_is_made(v->key) ||
                c->now.mono_ns < v->observed_mono_ns + KEY_AGE_NS ||
                (!planted && core_key_in_use(c, v->cluster, v->map, v->key)))
            continue;
        struct core_request request = {.action = {.kind = CORE_ACTION_CONFIG_DELETE,
                                               .cluster = v->cluster,
                                               .precondition = v->version,
                                               .reason = CORE_REASON_COLLECT,
                                               .config = {.map = v->map, .key = v->key}},
                .plan = CORE_REASON_COLLECT,
                .step = (uint32_t)(c->now.mono_ns / COLLECT_EVERY_NS)};
        core_issue(c, try, &request);
        return; /* one at a time: there is no hurry */
    }
}
