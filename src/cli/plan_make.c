/* cli/plan_make.c - see plan_make.h.  No I/O. */
#include "cli/plan_make.h"

#include "base/num.h"
#include "ctl/names.h"
#include "ctl/patch.h"
#include "mig/catalog.h"
#include "model/gpu.h"

#include <stdlib.h>
#include <string.h>

enum { HOURS_A_DAY = 24, TEXT_MAX = 16384, IDLE_NAMES = 6 };

/* What the readings say of an owner's pods, or of a node. */
struct seen {
    uint64_t readings;
    uint64_t busy_permille_sum, busy_readings;
    uint32_t memory_max_mib;
    int64_t first_wall_ns, last_wall_ns;
};

struct maker {
    struct arena *a;
    const struct cli_plan_input *in;
    const struct ctl_world *w;
    struct report_plan *p;
    struct seen *owners, *nodes; /* by row */
    int64_t *owner_cost;         /* of the whole GPUs that its pods hold, a day; by row */
    uint32_t *node_pods;         /* pods on a GPU, by row */
    bool *node_occupied;         /* in any reading */
    struct report_plan_item *items;
    struct report_plan_left *left;
};

/* -- readings -----------------------------------------------------------------------------------
 */

static void see(struct seen *s, const struct ctl_reading *r)
{
    if (s->readings++ == 0)
        s->first_wall_ns = r->wall_ns;
    s->last_wall_ns = r->wall_ns;
    if ((r->valid & CORE_VALID_MEMORY) != 0)
        s->memory_max_mib = num_max_u32(s->memory_max_mib, r->memory_used_mib);
    if ((r->valid & CORE_VALID_BUSY) != 0) {
        s->busy_permille_sum += r->busy_permille;
        s->busy_readings++;
    }
}

/* How much of its GPU a reading speaks of, permille: an instance has some of the compute slices. */
static uint32_t part_of_gpu(const struct maker *m, const struct ctl_reading *r)
{
    if (r->profile == UINT8_MAX)
        return 1000;
    const char *key = model_gpu_get(m->w->nodes[r->node].node.gpu)->mig_key;
    const struct mig_model *model = mig_model_find(key);
    return model->profiles[r->profile].compute_slices * 1000u / model->compute_slices;
}

static void take_readings(struct maker *m)
{
    const struct ctl_history *h = m->in->history;
    const struct ctl_world *w = m->w;
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    int64_t *last = ARENA_ARRAY(m->a, int64_t, (size_t)w->node_count * CORE_GPUS_MAX + 1);
    uint32_t *busy = ARENA_ARRAY(m->a, uint32_t, (size_t)w->node_count * CORE_GPUS_MAX + 1);
    while (h != NULL && ctl_history_next(h, &cursor, &g)) {
        size_t at = (size_t)g.all.node * CORE_GPUS_MAX + g.all.gpu;
        see(&m->nodes[g.all.node], &g.all);
        if ((g.all.valid & CORE_VALID_BUSY) != 0) {
            uint32_t of_gpu = g.all.busy_permille * part_of_gpu(m, &g.all) / 1000;
            busy[at] = last[at] == g.all.wall_ns ? busy[at] + of_gpu : of_gpu;
            last[at] = g.all.wall_ns;
        }
        m->node_occupied[g.all.node] |= g.occupant_count > 0;
        for (uint32_t i = 0; i < g.occupant_count; i++) {
            uint32_t row = map_u64_find(&w->owner_index, h->pods[g.occupants[i]].owner);
            if (row != MAP_NONE)
                see(&m->owners[row], &g.all);
        }
    }
    for (size_t i = 0; i < (size_t)w->node_count * CORE_GPUS_MAX; i++) {
        if (last[i] == 0)
            continue;
        m->p->used_known = true;
        m->p->gpus_read++;
        m->p->gpus_used_milli += busy[i];
    }
}

/* -- what is there ------------------------------------------------------------------------------
 */

static bool offers_kind(const struct core_node_fact *f, bool mig)
{
    for (uint32_t i = 0; i < f->allocatable_count; i++) {
        enum model_resource_kind k = f->allocatable[i].resource.kind;
        bool is_mig = k == MODEL_RESOURCE_MIG || k == MODEL_RESOURCE_MIG_SHARED;
        if (mig ? is_mig : k == MODEL_RESOURCE_GPU_SHARED || k == MODEL_RESOURCE_MIG_SHARED)
            return true;
    }
    return false;
}

static void count_nodes(struct maker *m)
{
    struct report_plan *p = m->p;
    for (uint32_t i = 0; i < m->w->node_count; i++) {
        const struct core_node_fact *f = &m->w->nodes[i].node;
        p->nodes++;
        p->gpus += f->gpu_count;
        p->nodes_shared += offers_kind(f, false);
        p->nodes_mig += offers_kind(f, true);
        p->nodes_foreign += f->foreign.len > 0;
        p->cost_microusd_per_day += f->microusd_per_hour * HOURS_A_DAY;
        if (m->node_pods[i] == 0) {
            p->nodes_idle++;
            p->idle_microusd_per_day += f->microusd_per_hour * HOURS_A_DAY;
        }
    }
}

/* A day of so many of a node's GPUs. */
static int64_t cost_of_gpus(const struct core_node_fact *node, uint32_t count)
{
    return node->microusd_per_hour * count / num_max_u32(node->gpu_count, 1) * HOURS_A_DAY;
}

static void count_pods(struct maker *m)
{
    struct report_plan *p = m->p;
    for (uint32_t i = 0; i < m->w->pod_count; i++) {
        const struct core_pod_fact *f = &m->w->pods[i].pod;
        uint32_t owner = map_u64_find(&m->w->owner_index, f->owner);
        if (f->phase == CORE_POD_ENDED)
            continue;
        p->pods++;
        p->pods_pending += f->phase == CORE_POD_PENDING;
        p->gpus_requested += m->w->owners[owner].owner.gpus_per_pod;
        uint32_t n = map_u64_find(&m->w->node_by_uid, f->node);
        if (n == MAP_NONE)
            continue;
        m->node_pods[n]++;
        if (f->resource.kind == MODEL_RESOURCE_GPU)
            m->owner_cost[owner] += cost_of_gpus(&m->w->nodes[n].node, f->count);
    }
    p->owners = m->w->owner_count;
}

static struct str owner_subject(const struct maker *m, uint32_t row)
{
    const struct ctl_owner_note *n = &m->w->owner_notes[row];
    return str_from(
            arena_printf(m->a, "%s %.*s/%.*s", n->kind, STR_ARG(n->namespace), STR_ARG(n->name)));
}

static const struct core_decision *decision_of(
        const struct maker *m, uint64_t owner, uint64_t node, enum core_change change)
{
    const struct ctl_observation *o = m->in->observation;
    for (uint32_t i = 0; i < o->decision_count; i++) {
        const struct core_decision *d = &o->decisions[i];
        if (d->owner == owner && d->node == node && d->change == change)
            return d;
    }
    return NULL;
}

/* -- savings ------------------------------------------------------------------------------------
 */

static enum report_certainty certainty_of(const struct maker *m, const struct seen *s)
{
    const struct report_result *again = m->in->again;
    if (s->readings == 0 || s->last_wall_ns - s->first_wall_ns < m->in->policy->min_history_ns)
        return REPORT_CERTAIN_UNPROVEN;
    if (again == NULL || again->violations > 0 || again->after.harm.memory_kills > 0)
        return REPORT_CERTAIN_FORECAST;
    return REPORT_CERTAIN_PROVEN;
}

static struct report_plan_item *item_new(struct maker *m, uint32_t owner)
{
    const struct seen *s = &m->owners[owner];
    struct report_plan_item *item = &m->items[m->p->item_count++];
    *item = (struct report_plan_item){.subject = owner_subject(m, owner),
            .pods = m->w->owner_notes[owner].pods,
            .certainty = certainty_of(m, s),
            .samples = s->readings,
            .history_ns = s->last_wall_ns - s->first_wall_ns,
            .managed_by = str_from(m->w->owner_notes[owner].managed_by)};
    return item;
}

/* The numbers of a decision's text: without who and what, which stand beside it. */
static struct str numbers_of(const struct core_decision *d)
{
    for (size_t i = 0; d->verdict == CORE_VERDICT_BEGUN && i + 3 < d->text.len; i++) {
        if (memcmp(d->text.ptr + i, "): ", 3) == 0)
            return (struct str){d->text.ptr + i + 3, d->text.len - i - 3};
    }
    return d->text;
}

static void add_owner_item(struct maker *m, const struct core_action *action)
{
    uint32_t row = map_u64_find(&m->w->owner_index, action->target);
    const struct core_decision *d = decision_of(m, action->target, 0, CORE_CHANGE_OWNER_POINT);
    if (row == MAP_NONE || d == NULL)
        return;
    const struct core_owner_fact *o = &m->w->owners[row].owner;
    struct report_plan_item *item = item_new(m, row);
    item->change = core_change_name(d->change);
    item->reason = core_reason_name(d->reason);
    item->from = ctl_patch_resource_text(m->a, &o->resource, o->gpus_per_pod, o->pool);
    item->to = ctl_patch_resource_text(
            m->a, &action->owner.resource, action->owner.count, action->owner.pool);
    item->why = numbers_of(d);
    item->saving_microusd_per_day = d->saving_microusd_per_hour * HOURS_A_DAY;
    for (uint32_t i = 0; i < d->evidence_count; i++) {
        if (strcmp(d->evidence[i].name, "room_microusd_per_hour") == 0)
            item->room_microusd_per_day = d->evidence[i].value * HOURS_A_DAY;
    }
    item->patch = ctl_patch_make(m->a, m->w, row, action);
    item->command = ctl_patch_command(m->a, m->w, row, item->patch);
    item->evidence_count = d->evidence_count;
    memcpy(item->evidence, d->evidence, sizeof item->evidence);
}

/* The newest change that is begun on a node; NULL when none is. */
static const struct core_decision *begun_on(const struct maker *m, uint64_t node)
{
    const struct ctl_observation *o = m->in->observation;
    const struct core_decision *found = NULL;
    for (uint32_t i = 0; i < o->decision_count; i++) {
        const struct core_decision *d = &o->decisions[i];
        if (d->node == node && d->verdict == CORE_VERDICT_BEGUN)
            found = d;
    }
    return found;
}

static void add_node_item(struct maker *m, const struct core_action *action)
{
    uint32_t n = map_u64_find(&m->w->node_by_uid, action->target);
    const struct core_decision *d = begun_on(m, action->target);
    if (n == MAP_NONE || d == NULL)
        return;
    const struct seen *s = &m->nodes[n];
    struct report_plan_item *item = &m->items[m->p->item_count++];
    *item = (struct report_plan_item){
            .subject = str_from(arena_printf(m->a, "Node %.*s", STR_ARG(m->w->nodes[n].node.name))),
            .change = core_change_name(d->change),
            .reason = core_reason_name(d->reason),
            .from = str_from(arena_printf(m->a, "%u replicas", d->from_value)),
            .to = str_from(arena_printf(m->a, "%u replicas", d->to_value)),
            .why = numbers_of(d),
            .pods = m->node_pods[n],
            .saving_microusd_per_day = d->saving_microusd_per_hour * HOURS_A_DAY,
            .certainty = certainty_of(m, s),
            .samples = s->readings,
            .history_ns = s->last_wall_ns - s->first_wall_ns,
            .evidence_count = d->evidence_count};
    memcpy(item->evidence, d->evidence, sizeof item->evidence);
}

static bool is_idle(const struct maker *m, uint32_t n)
{
    return m->node_pods[n] == 0 && !m->node_occupied[n];
}

static bool is_idle_alike(const struct maker *m, uint32_t a, uint32_t b)
{
    const struct core_node_fact *x = &m->w->nodes[a].node, *y = &m->w->nodes[b].node;
    return is_idle(m, b) && x->gpu == y->gpu && x->gpu_count == y->gpu_count &&
           x->microusd_per_hour == y->microusd_per_hour && x->purchase == y->purchase;
}

/* Nodes of one kind on whose GPUs nobody is: gone, they save their price. */
static void add_idle_item(struct maker *m, uint32_t first)
{
    const struct core_node_fact *f = &m->w->nodes[first].node;
    struct buf names = BUF_INIT(TEXT_MAX);
    uint32_t count = 0;
    uint64_t readings = 0;
    int64_t shortest_ns = INT64_MAX;
    for (uint32_t n = first; n < m->w->node_count; n++) {
        const struct seen *s = &m->nodes[n];
        if (!is_idle_alike(m, first, n))
            continue;
        if (count++ < IDLE_NAMES)
            buf_printf(&names, "%s%.*s", count > 1 ? ", " : "", STR_ARG(m->w->nodes[n].node.name));
        readings += s->readings;
        shortest_ns = num_min_i64(shortest_ns, s->last_wall_ns - s->first_wall_ns);
    }
    if (count > IDLE_NAMES)
        buf_printf(&names, ", %u more", count - IDLE_NAMES);
    bool long_seen = readings > 0 && shortest_ns >= m->in->policy->min_history_ns;
    struct report_plan_item *item = &m->items[m->p->item_count++];
    *item = (struct report_plan_item){.subject = str_from(arena_printf(m->a, "Node%s %.*s",
                                              count > 1 ? "s" : "", STR_ARG(buf_str(&names)))),
            .change = "idle",
            .reason = core_reason_name(CORE_REASON_SCALE_DOWN),
            .from = str_from(arena_printf(m->a, "%u x %u %s without a pod", count, f->gpu_count,
                    model_gpu_get(f->gpu)->key)),
            .to = STR_LIT("removed by whoever made them"),
            .why = readings > 0 ? str_from(arena_printf(m->a,
                                          "nobody was on their GPUs in %llu readings",
                                          (unsigned long long)readings))
                                : STR_LIT("nobody is on their GPUs now; there are no readings"),
            .saving_microusd_per_day = f->microusd_per_hour * HOURS_A_DAY * count,
            .certainty = long_seen ? REPORT_CERTAIN_PROVEN : REPORT_CERTAIN_UNPROVEN,
            .samples = readings,
            .history_ns = shortest_ns};
    buf_clear(&names);
}

static void add_idle_items(struct maker *m)
{
    for (uint32_t n = 0; n < m->w->node_count; n++) {
        bool first = is_idle(m, n);
        for (uint32_t before = 0; before < n && first; before++)
            first = !is_idle_alike(m, n, before);
        if (first)
            add_idle_item(m, n);
    }
}

/* What a few readings would allow, for owners that the policy wants to know for longer: never more
 * than a hint. */
static void add_unproven(struct maker *m, uint32_t row, const struct core_decision *d)
{
    const struct seen *s = &m->owners[row];
    const struct policy *p = m->in->policy;
    uint64_t memory_mib = UINT32_MAX;
    for (uint32_t n = 0; n < m->w->node_count; n++) {
        const struct core_node_fact *f = &m->w->nodes[n].node;
        uint64_t models = m->w->owners[row].owner.gpu_models;
        if (models == 0 || (f->gpu < 64 && (models >> f->gpu & 1) != 0)) {
            memory_mib =
                    num_min_u32((uint32_t)memory_mib, model_gpu_get(f->gpu)->memory_usable_mib);
        }
    }
    memory_mib = memory_mib * (1000 - p->memory_headroom_permille) / 1000;
    uint64_t fit = p->replicas_max;
    uint64_t busy = s->busy_readings > 0 ? s->busy_permille_sum / s->busy_readings : 1000;
    if (s->memory_max_mib > 0 && memory_mib / s->memory_max_mib < fit)
        fit = memory_mib / s->memory_max_mib;
    if (busy > 0 && p->target_utilization_permille / busy < fit)
        fit = p->target_utilization_permille / busy;
    if (fit < 2 || s->memory_max_mib == 0)
        return;
    const struct core_owner_fact *o = &m->w->owners[row].owner;
    int64_t cost = m->owner_cost[row];
    struct report_plan_item *item = item_new(m, row);
    item->change = core_change_name(CORE_CHANGE_OWNER_POINT);
    item->reason = core_reason_name(d->reason);
    item->from = ctl_patch_resource_text(m->a, &o->resource, o->gpus_per_pod, o->pool);
    item->to = str_from(arena_printf(
            m->a, "nvidia.com/gpu.shared, at most %llu pods a GPU", (unsigned long long)fit));
    item->why = str_from(arena_printf(m->a,
            "at most %u MiB and %llu permille busy were seen; more history may say less",
            s->memory_max_mib, (unsigned long long)busy));
    item->saving_microusd_per_day = cost - cost / (int64_t)fit;
    item->certainty = REPORT_CERTAIN_UNPROVEN;
    item->evidence_count = d->evidence_count;
    memcpy(item->evidence, d->evidence, sizeof item->evidence);
}

/* -- what is left alone -------------------------------------------------------------------------
 */

static bool is_wished(const struct maker *m, uint64_t target)
{
    const struct ctl_observation *o = m->in->observation;
    for (uint32_t i = 0; i < o->wish_count; i++) {
        if (o->wishes[i].action.target == target)
            return true;
    }
    return false;
}

static void add_left(struct maker *m, const struct report_plan_left *left)
{
    m->left[m->p->left_count++] = *left;
}

/* A class that was guessed can be put right by who knows better. */
static struct str why_left(
        const struct maker *m, const struct core_owner_fact *o, const struct core_decision *d)
{
    if (d == NULL)
        return STR_LIT("no readings of its pods");
    if (d->reason == CORE_REASON_GUARD_LATENCY && o->class_declared == MODEL_CLASS_UNKNOWN) {
        return str_from(arena_printf(m->a,
                "its use looks latency-sensitive; if it is not, label its pods %s=interactive or "
                "=batch",
                CTL_KEY_CLASS));
    }
    return d->text;
}

static void add_owners_left(struct maker *m)
{
    for (uint32_t i = 0; i < m->w->owner_count; i++) {
        const struct core_owner_fact *o = &m->w->owners[i].owner;
        uint32_t pods = m->w->owner_notes[i].pods;
        if (o->kind == MODEL_OWNER_DAEMONSET || is_wished(m, o->uid))
            continue;
        int64_t cost = m->owner_cost[i];
        if (!core_owner_pointable(o)) {
            struct str why = o->foreign.len > 0 ? o->foreign : o->fixed;
            add_left(m, &(struct report_plan_left){owner_subject(m, i),
                                core_reason_name(CORE_REASON_GUARD_FOREIGN), why, cost, pods});
            continue;
        }
        const struct core_decision *d = decision_of(m, o->uid, 0, CORE_CHANGE_OWNER_POINT);
        bool little = d == NULL || d->reason == CORE_REASON_GUARD_HISTORY ||
                      d->reason == CORE_REASON_GUARD_STALE || d->reason == CORE_REASON_GUARD_MEMORY;
        bool candidate = o->kind != MODEL_OWNER_BARE && o->gpus_per_pod == 1 &&
                         o->resource.kind == MODEL_RESOURCE_GPU && !o->preallocates &&
                         o->isolation == MODEL_ISOLATION_NONE &&
                         o->class_declared != MODEL_CLASS_LATENCY_SENSITIVE &&
                         o->class_declared != MODEL_CLASS_TRAINING;
        uint32_t items = m->p->item_count;
        const struct core_decision none = {.reason = CORE_REASON_GUARD_HISTORY};
        if (little && candidate)
            add_unproven(m, i, d != NULL ? d : &none);
        if (m->p->item_count > items)
            continue;
        add_left(m, &(struct report_plan_left){owner_subject(m, i),
                            core_reason_name(d != NULL ? d->reason : none.reason),
                            why_left(m, o, d), cost, pods});
    }
}

static void add_nodes_left(struct maker *m)
{
    for (uint32_t n = 0; n < m->w->node_count; n++) {
        const struct core_node_fact *f = &m->w->nodes[n].node;
        const struct ctl_node_note *note = &m->w->node_notes[n];
        const char *reason = NULL;
        struct str why = f->foreign;
        if (f->frozen) {
            reason = core_reason_name(CORE_REASON_GUARD_FROZEN);
            why = STR_LIT("annotated " CTL_ANNOTATION_FREEZE "=true");
        } else if (f->foreign.len > 0) {
            reason = core_reason_name(CORE_REASON_GUARD_FOREIGN);
        } else if (note->excluded_why != NULL) {
            reason = core_reason_name(CORE_REASON_GUARD_SELECTOR);
            why = str_from(note->excluded_why);
        }
        if (reason != NULL) {
            const char *subject = arena_printf(m->a, "Node %.*s", STR_ARG(f->name));
            add_left(m, &(struct report_plan_left){str_from(subject), reason, why,
                                f->microusd_per_hour * HOURS_A_DAY, m->node_pods[n]});
        }
    }
}

/* -- notes --------------------------------------------------------------------------------------
 */

static void add_notes(struct maker *m)
{
    const struct ctl_world *w = m->w;
    struct report_plan_note *warnings =
            ARENA_ARRAY(m->a, struct report_plan_note, (size_t)w->finding_count + 1);
    struct report_plan_note *unseen =
            ARENA_ARRAY(m->a, struct report_plan_note, (size_t)w->finding_count + 1);
    for (uint32_t i = 0; i < w->finding_count; i++) {
        const struct ctl_finding *f = &w->findings[i];
        const struct report_plan_note note = {
                str_from(f->subject), str_from(f->text), str_from(f->advice)};
        if (f->kind == CTL_FINDING_WARNING) {
            warnings[m->p->warning_count++] = note;
        } else {
            unseen[m->p->unseen_count++] = note;
        }
    }
    m->p->warnings = warnings;
    m->p->unseen = unseen;
}

static int by_saving(const void *a, const void *b)
{
    const struct report_plan_item *x = a, *y = b;
    if (x->saving_microusd_per_day != y->saving_microusd_per_day)
        return x->saving_microusd_per_day > y->saving_microusd_per_day ? -1 : 1;
    if (x->room_microusd_per_day != y->room_microusd_per_day)
        return x->room_microusd_per_day > y->room_microusd_per_day ? -1 : 1;
    return str_cmp(x->subject, y->subject);
}

static int by_cost(const void *a, const void *b)
{
    const struct report_plan_left *x = a, *y = b;
    if (x->cost_microusd_per_day != y->cost_microusd_per_day)
        return x->cost_microusd_per_day > y->cost_microusd_per_day ? -1 : 1;
    return str_cmp(x->subject, y->subject);
}

void cli_plan_make(struct arena *a, const struct cli_plan_input *in, struct report_plan *ret_plan)
{
    const struct ctl_world *w = in->world;
    const struct ctl_observation *o = in->observation;
    *ret_plan = (struct report_plan){.cluster = in->cluster,
            .policy = in->policy->name,
            .wall_ns = in->wall_ns,
            .history_ns = o->history_ns,
            .readings = o->readings,
            .again = in->again};
    size_t items = (size_t)o->wish_count + w->owner_count + w->node_count + 1;
    struct maker m = {.a = a,
            .in = in,
            .w = w,
            .p = ret_plan,
            .owners = ARENA_ARRAY(a, struct seen, (size_t)w->owner_count + 1),
            .nodes = ARENA_ARRAY(a, struct seen, (size_t)w->node_count + 1),
            .owner_cost = ARENA_ARRAY(a, int64_t, (size_t)w->owner_count + 1),
            .node_pods = ARENA_ARRAY(a, uint32_t, (size_t)w->node_count + 1),
            .node_occupied = ARENA_ARRAY(a, bool, (size_t)w->node_count + 1),
            .items = ARENA_ARRAY(a, struct report_plan_item, items),
            .left = ARENA_ARRAY(a, struct report_plan_left, items)};
    take_readings(&m);
    count_pods(&m);
    count_nodes(&m);
    for (uint32_t i = 0; i < o->wish_count; i++) {
        const struct core_action *action = &o->wishes[i].action;
        if (action->kind == CORE_ACTION_OWNER_PATCH) {
            add_owner_item(&m, action);
        } else if (action->kind == CORE_ACTION_NODE_PATCH) {
            add_node_item(&m, action);
        }
    }
    add_idle_items(&m);
    add_owners_left(&m);
    add_nodes_left(&m);
    add_notes(&m);
    if (ret_plan->item_count > 1)
        qsort(m.items, ret_plan->item_count, sizeof *m.items, by_saving);
    if (ret_plan->left_count > 1)
        qsort(m.left, ret_plan->left_count, sizeof *m.left, by_cost);
    ret_plan->items = m.items;
    ret_plan->left = m.left;
}
