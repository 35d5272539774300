/* ctl/world_stay.c - what keeps a node from going once its pods with GPUs are gone.  No I/O.
 *
 * The rules are Cluster Autoscaler's, which Karpenter's resemble: pods of a DaemonSet and static
 * ones go with the node, the others must be such that they may be evicted and come back.  Nobody is
 * made to look evictable: the opt-outs of autoscalers are read and never written. SOURCE:
 * kubernetes/autoscaler, FAQ "What types of pods can prevent CA from removing a node?". Not judged:
 * budgets of pods without GPUs outside of kube-system; the autoscaler does that. */
#include "ctl/names.h"
#include "ctl/world-priv.h"

static const char *const why_texts[CTL_STAY_COUNT] = {
        [CTL_STAY_ANNOTATION] = "its annotation forbids eviction",
        [CTL_STAY_BARE] = "a bare pod would not come back",
        [CTL_STAY_SYSTEM] = "of kube-system, without a PodDisruptionBudget",
        [CTL_STAY_STORAGE] = "it keeps data on the node's disk",
        [CTL_STAY_BUDGET] = "its PodDisruptionBudget allows no disruption",
        [CTL_STAY_NODE] = "its annotation forbids scale-down",
};

static bool any_budget(const struct world_builder *b, const struct ctl_stay *s)
{
    for (uint32_t i = 0; i < b->s->budget_count; i++) {
        if (world_budget_covers(&b->s->budgets[i], s->namespace, &s->labels))
            return true;
    }
    return false;
}

/* The first is named, the others are counted. */
static void add(struct world_builder *b, uint32_t node, struct str namespace, struct str name,
        enum ctl_stay_why why)
{
    struct core_node_fact *f = &b->w->nodes[node].node;
    struct ctl_node_note *note = &b->w->node_notes[node];
    const char *text;
    if (note->stay_count++ == 0) {
        text = namespace.len > 0 ? arena_printf(b->w->a, "pod %.*s/%.*s: %s", STR_ARG(namespace),
                                           STR_ARG(name), why_texts[why])
                                 : arena_printf(b->w->a, "the node: %s", why_texts[why]);
        note->stay_first = text;
    } else {
        text = arena_printf(b->w->a, "%s; and %u more", note->stay_first, note->stay_count - 1);
    }
    f->keeps = str_from(text);
}

static bool says_true(const struct ctl_labels *marks, const char *key)
{
    return str_eq_c(ctl_labels_get(marks, key), "true");
}

/* A pod with GPUs whose budget allows nobody to go; the rest of the rules saw it as a stay. */
static bool budget_forbids(const struct ctl_world *w, const struct core_pod_fact *p)
{
    uint32_t owner = map_u64_find(&w->owner_index, p->owner);
    return owner != MAP_NONE && w->owners[owner].owner.max_unavailable == 0;
}

/* One finding for all: which nodes, and why. */
static void summarize(struct world_builder *b)
{
    enum { NAMED = 3 };
    struct ctl_world *w = b->w;
    const char *text = "";
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->node_count; i++) {
        const struct core_node_fact *f = &w->nodes[i].node;
        if (f->keeps.len > 0 && count++ < NAMED) {
            text = arena_printf(w->a, "%s%s%.*s (%.*s)", text, count > 1 ? ", " : "",
                    STR_ARG(f->name), STR_ARG(f->keeps));
        }
    }
    if (count == 0)
        return;
    if (count > NAMED)
        text = arena_printf(w->a, "%s, and %u more", text, count - NAMED);
    ctl_world_find(w, CTL_FINDING_WARNING,
            arena_printf(w->a, "%u node%s", count, count == 1 ? "" : "s"),
            arena_printf(w->a, "would stay when empty: %s", text),
            "no autoscaler removes them, so they are not emptied: move such pods to other nodes, "
            "or "
            "let them be evicted");
}

void world_find_stays(struct world_builder *b)
{
    struct ctl_world *w = b->w;
    for (uint32_t i = 0; i < w->node_count; i++) {
        const struct ctl_labels *marks = &w->node_notes[i].node->annotations;
        if (says_true(marks, CTL_ANNOTATION_NO_SCALE_DOWN) ||
                says_true(marks, CTL_ANNOTATION_DO_NOT_DISRUPT))
            add(b, i, (struct str){0}, (struct str){0}, CTL_STAY_NODE);
    }
    for (uint32_t i = 0; i < b->s->stay_count; i++) {
        const struct ctl_stay *s = &b->s->stays[i];
        uint32_t node = map_str_find(&w->node_index, s->node);
        if (node != MAP_NONE && (s->why != CTL_STAY_SYSTEM || !any_budget(b, s)))
            add(b, node, s->namespace, s->name, s->why);
    }
    for (uint32_t i = 0; i < w->pod_count; i++) {
        const struct core_pod_fact *p = &w->pods[i].pod;
        uint32_t node = p->node == 0 ? MAP_NONE : map_u64_find(&w->node_by_uid, p->node);
        if (node != MAP_NONE && p->phase != CORE_POD_ENDED && budget_forbids(w, p))
            add(b, node, w->pod_rows[i]->namespace, w->pod_rows[i]->name, CTL_STAY_BUDGET);
    }
    summarize(b);
}
