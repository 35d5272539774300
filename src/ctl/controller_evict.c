/* ctl/controller_evict.c - evictions: written into the Lease first, then asked of the API server.
 *
 * Below the purity line.  What is not written yet waits; a lead that is lost drops it, so that an
 * eviction of ours is in the record of whoever leads next (ledger.h). */
#include "ctl/controller-priv.h"

#include "base/arena.h"
#include "ctl/names.h"
#include "os/clock.h"
#include "os/log.h"

#include <string.h>

void controller_evict(struct ctl_controller *c, const struct core_action *a)
{
    if (c->elector == NULL) {
        ctl_actor_do(c->actor, a);
        return;
    }
    struct controller_evictions *e = &c->evictions;
    if (e->count == e->cap) {
        e->cap = e->cap == 0 ? 16 : e->cap * 2;
        e->items = mem_grow(e->items, e->cap, sizeof *e->items);
    }
    int64_t now_ns = os_clock_mono_ns();
    e->items[e->count++] = (struct controller_eviction){.action = *a, .added_ns = now_ns};
    ctl_ledger_add(&e->ledger, now_ns);
    kube_elector_renew(c->elector);
}

/* What has waited for so long that the core has given it up is not asked for any more. */
static void on_noted(void *user)
{
    struct ctl_controller *c = user;
    int64_t core_now_ns = os_clock_mono_ns() + c->mono_offset_ns;
    for (uint32_t i = c->evictions.count; i-- > 0;) {
        struct controller_eviction *e = &c->evictions.items[i];
        if (e->sent)
            continue;
        if (core_now_ns >= e->action.deadline_mono_ns) {
            *e = c->evictions.items[--c->evictions.count];
            continue;
        }
        e->sent = true;
        ctl_actor_do(c->actor, &e->action); /* answers later, never from within */
    }
}

static void note(void *user, struct buf *out)
{
    struct ctl_controller *c = user;
    ctl_ledger_write(&c->evictions.ledger, os_clock_mono_ns(), out);
}

void controller_evicted(struct ctl_controller *c, const struct core_outcome_fact *outcome)
{
    struct controller_evictions *e = &c->evictions;
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->items[i].action.id != outcome->action)
            continue;
        if (outcome->outcome == CORE_OUTCOME_REJECTED)
            ctl_ledger_take_back(&e->ledger, e->items[i].added_ns);
        e->items[i] = e->items[--e->count];
        return;
    }
}

void controller_evictions_lead(struct ctl_controller *c)
{
    struct err e = {0};
    int64_t age_ns, now_ns = os_clock_mono_ns();
    c->evictions.count = 0;
    ctl_ledger_begin(&c->evictions.ledger, now_ns);
    if (c->elector == NULL)
        return;
    struct str text = kube_elector_note(c->elector, &age_ns);
    if (text.len > 0 && ctl_ledger_read(&c->evictions.ledger, text, now_ns, age_ns, &e) < 0)
        os_log_warn("controller", "no record of evictions", OS_LOG_CSTR("why", e.text));
}

void controller_evictions_tell(struct ctl_controller *c)
{
    struct core_evicted_fact f;
    int64_t now_ns = os_clock_mono_ns();
    for (uint32_t i = 0; ctl_ledger_fact(&c->evictions.ledger, i, now_ns, &f); i++)
        ctl_feed_add(c->feed, CORE_FACT_EVICTED, CORE_SOURCE_ACTIONS)->evicted = f;
}

void controller_evictions_elect(struct ctl_controller *c, struct kube_elector_options *options)
{
    options->note_key = CTL_ANNOTATION_EVICTIONS;
    options->note = note;
    options->noted = on_noted;
    options->user = c;
}
