/* policy/copy.c - a policy of one's own.  Pure. */
#include "policy/policy.h"

static void own_labels(struct arena *a, struct policy_label *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        labels[i].key = arena_str(a, labels[i].key);
        labels[i].value = arena_str(a, labels[i].value);
    }
}

void policy_copy(struct arena *a, const struct policy *p, struct policy *ret_copy)
{
    struct policy copy = *p;
    copy.name = arena_str(a, p->name);
    own_labels(a, copy.node_selector, copy.node_selector_count);
    own_labels(a, copy.latency_labels, copy.latency_label_count);
    for (uint32_t i = 0; i < copy.window_count; i++)
        copy.windows[i].cron = arena_str(a, copy.windows[i].cron);
    *ret_copy = copy;
}
