/* core/plan.c - setups, and the steps between two of them.  Pure. */
#include "core/plan.h"

#include "base/arena.h"
#include "base/num.h"
#include "core/picture-priv.h"
#include "nvidia/mig_parted.h"
#include "nvidia/plugin_config.h"

#include <assert.h>
#include <string.h>

enum { NODE_WHOLE = UINT16_MAX, PROFILES_MAX = NVIDIA_SHARED_RESOURCES_MAX - 1 };

/* Instances wanted of one profile over all GPUs of a node. */
struct profile_count {
    char name[MODEL_PROFILE_NAME_MAX]; /* as in a resource name: "1g.10gb.me" */
    uint32_t count;
};

static void text_copy(char *dst, size_t size, struct str src)
{
    size_t len = src.len < size - 1 ? src.len : size - 1;
    memset(dst, 0, size);
    if (len > 0)
        memcpy(dst, src.ptr, len);
}

/* Splits "2x1g.5gb@0" into count and profile. */
static struct str item_parse(struct str item, uint32_t *ret_count)
{
    struct str rest = str_trim(item);
    struct str profile = {0};
    uint64_t n = 1;
    struct str probe = rest;
    struct str head = {0};
    (void)str_split(&probe, 'x', &head);
    if (probe.len > 0 && str_to_u64(head, 1, 64, &n) == 0)
        rest = probe;
    (void)str_split(&rest, '@', &profile);
    *ret_count = (uint32_t)n;
    return profile;
}

static void profile_add(struct profile_count *list, uint32_t *count, struct str name, uint32_t n)
{
    char text[MODEL_PROFILE_NAME_MAX];
    text_copy(text, sizeof(text), name);
    for (char *c = text; *c != 0; c++)
        *c = *c == '+' ? '.' : *c;
    uint32_t i = 0;
    while (i < *count && strcmp(list[i].name, text) != 0)
        i++;
    if (i == PROFILES_MAX)
        return;
    if (i == *count) {
        memcpy(list[i].name, text, sizeof(text));
        list[i].count = 0;
        (*count)++;
    }
    list[i].count += n;
}

static uint32_t profiles_of(const struct core_setup *setup, struct profile_count *ret_list)
{
    uint32_t count = 0;
    for (uint32_t g = 0; g < setup->layout_count; g++) {
        struct str rest = str_from(setup->layouts[g]);
        struct str item;
        while (rest.len > 0 && str_split(&rest, ',', &item)) {
            uint32_t n;
            struct str profile = item_parse(item, &n);
            if (profile.len > 0)
                profile_add(ret_list, &count, profile, n);
        }
    }
    return count;
}

static uint32_t gpus_in_mig(const struct core_setup *setup)
{
    uint32_t n = 0;
    for (uint32_t g = 0; g < setup->layout_count; g++)
        n += setup->layouts[g][0] != 0;
    return n;
}

static void plugin_plan(const struct core_setup *setup, struct nvidia_plugin_plan *ret_plan)
{
    struct profile_count list[PROFILES_MAX];
    uint32_t count = setup->mig_replicas > 1 ? profiles_of(setup, list) : 0;
    *ret_plan = (struct nvidia_plugin_plan){.gpu_replicas = num_max_u32(setup->replicas, 1),
            .mig_replicas = num_max_u32(setup->mig_replicas, 1),
            .profile_count = count};
    for (uint32_t i = 0; i < count; i++)
        memcpy(ret_plan->profiles[i], list[i].name, sizeof(ret_plan->profiles[i]));
}

static void mig_plan(
        const struct core_setup *setup, uint32_t gpu_count, struct nvidia_mig_plan *ret_plan)
{
    *ret_plan = (struct nvidia_mig_plan){.gpu_count = gpu_count};
    for (uint32_t g = 0; g < gpu_count && g < setup->layout_count; g++)
        ret_plan->layouts[g] = str_from(setup->layouts[g]);
}

void core_setup_plugin_text(const struct core_setup *setup, struct buf *out)
{
    struct nvidia_plugin_plan plan;
    plugin_plan(setup, &plan);
    nvidia_plugin_config_emit(&plan, out);
}

int core_setup_mig_text(const struct core_setup *setup, uint32_t gpu_count, struct buf *out)
{
    struct nvidia_mig_plan plan;
    mig_plan(setup, gpu_count, &plan);
    return nvidia_mig_plan_emit(&plan, str_from(setup->mig_key), out, NULL);
}

void core_setup_mig_off(uint32_t gpu_count, struct core_setup *setup)
{
    struct nvidia_mig_plan plan = {.gpu_count = gpu_count};
    (void)nvidia_mig_plan_name(&plan, setup->mig_key);
    setup->layout_count = 0;
}

/* ---- reading ---- */

/* One GPU's wish as text: "3g.20gb,2x1g.5gb"; "" when MIG is off. */
static void entry_format(const struct nvidia_mig_entry *e, char *text)
{
    text[0] = 0;
    if (e == NULL || !e->mig_enabled)
        return;
    struct buf b = BUF_INIT(CORE_LAYOUT_TEXT_MAX - 1);
    for (uint32_t i = 0; i < e->profile_count; i++) {
        if (e->profiles[i].count == 0)
            continue;
        buf_puts(&b, b.len > 0 ? "," : "");
        if (e->profiles[i].count > 1)
            buf_printf(&b, "%ux", (unsigned)e->profiles[i].count);
        buf_puts(&b, e->profiles[i].profile);
    }
    text_copy(text, CORE_LAYOUT_TEXT_MAX, buf_str(&b));
    buf_clear(&b);
}

void core_setup_read_key(const struct core_picture *pic, uint32_t node, const char *mig_key,
        struct core_setup *setup)
{
    const struct core_node_fact *f = &pic->nodes[node].fact;
    struct str key = str_from(mig_key);
    uint32_t row = core_picture_config(pic, f->cluster, CORE_CONFIG_MIG, key);
    setup->layout_count = 0;
    if (key.len == 0 || row == CORE_NO_INDEX)
        return;
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct nvidia_mig_parted file;
    if (nvidia_mig_parted_parse(a, pic->configs[row].text, &file, NULL, NULL) < 0)
        return;
    const struct nvidia_mig_config *config = nvidia_mig_parted_find(&file, key);
    if (config == NULL)
        return;
    for (uint32_t g = 0; g < f->gpu_count; g++)
        entry_format(nvidia_mig_config_entry(config, g), setup->layouts[g]);
    setup->layout_count = f->gpu_count;
    if (gpus_in_mig(setup) == 0)
        setup->layout_count = 0;
}

static uint32_t mig_replicas_read(const struct core_picture *pic, const struct core_node_fact *f,
        const struct core_setup *setup)
{
    struct profile_count list[PROFILES_MAX];
    uint32_t row = core_picture_config(pic, f->cluster, CORE_CONFIG_PLUGIN, f->plugin_config);
    if (f->plugin_config.len == 0 || row == CORE_NO_INDEX || profiles_of(setup, list) == 0)
        return 1;
    struct model_resource r = {.kind = MODEL_RESOURCE_MIG};
    memcpy(r.profile, list[0].name, sizeof(r.profile));
    return nvidia_plugin_config_replicas(pic->configs[row].text, &r);
}

void core_setup_read(const struct core_picture *pic, uint32_t node, struct core_setup *ret_setup)
{
    const struct core_node_fact *f = &pic->nodes[node].fact;
    *ret_setup = (struct core_setup){.replicas = core_picture_node_replicas(pic, node)};
    text_copy(ret_setup->pool, sizeof(ret_setup->pool), f->pool);
    text_copy(ret_setup->plugin_key, sizeof(ret_setup->plugin_key), f->plugin_config);
    text_copy(ret_setup->mig_key, sizeof(ret_setup->mig_key), f->mig_config);
    core_setup_read_key(pic, node, ret_setup->mig_key, ret_setup);
    ret_setup->mig_replicas = mig_replicas_read(pic, f, ret_setup);
}

/* ---- what a target asks ---- */

static bool same_layouts(const struct core_setup *a, const struct core_setup *b)
{
    if (a->layout_count != b->layout_count)
        return false;
    for (uint32_t g = 0; g < a->layout_count; g++) {
        if (strcmp(a->layouts[g], b->layouts[g]) != 0)
            return false;
    }
    return true;
}

void core_setup_from_target(const struct core_node_target *target, const struct core_setup *from,
        uint32_t gpu_count, struct core_setup *ret_setup)
{
    *ret_setup = (struct core_setup){.replicas = num_max_u32(target->replicas, 1),
            .mig_replicas = num_max_u32(target->mig_replicas, 1)};
    memcpy(ret_setup->pool, target->pool, sizeof(ret_setup->pool));
    ret_setup->pool[sizeof(ret_setup->pool) - 1] = 0;
    if (target->mig && target->layout_count > 0) {
        ret_setup->layout_count = num_min_u32(gpu_count, CORE_INTENT_LAYOUTS_MAX);
        for (uint32_t g = 0; g < ret_setup->layout_count && g < target->layout_count; g++)
            text_copy(ret_setup->layouts[g], CORE_LAYOUT_TEXT_MAX, str_from(target->layouts[g]));
    }
    if (gpus_in_mig(ret_setup) == 0) {
        ret_setup->layout_count = 0;
        ret_setup->mig_replicas = 1;
    }
    bool plain = ret_setup->replicas == 1 && ret_setup->mig_replicas == 1;
    bool plain_now = from->replicas == 1 && from->mig_replicas == 1;
    if (plain && plain_now) {
        memcpy(ret_setup->plugin_key, from->plugin_key, sizeof(ret_setup->plugin_key));
    } else {
        struct nvidia_plugin_plan plan;
        plugin_plan(ret_setup, &plan);
        (void)nvidia_plugin_config_key(&plan, ret_setup->plugin_key);
    }
    if (same_layouts(ret_setup, from)) {
        memcpy(ret_setup->mig_key, from->mig_key, sizeof(ret_setup->mig_key));
    } else {
        struct nvidia_mig_plan plan;
        mig_plan(ret_setup, gpu_count, &plan);
        (void)nvidia_mig_plan_name(&plan, ret_setup->mig_key);
    }
}

/* ---- what kubelet should offer ---- */

static void expect(struct core_resource_count *list, uint32_t *count, enum model_resource_kind kind,
        const char *profile, uint32_t n)
{
    if (n == 0 || *count == CORE_RESOURCES_MAX)
        return;
    struct core_resource_count *e = &list[(*count)++];
    *e = (struct core_resource_count){.resource.kind = kind, .count = n};
    text_copy(e->resource.profile, sizeof(e->resource.profile), str_from(profile));
}

uint32_t core_setup_expected(const struct core_setup *setup, uint32_t gpu_count,
        struct core_resource_count ret_expected[CORE_RESOURCES_MAX])
{
    uint32_t count = 0;
    uint32_t in_mig = num_min_u32(gpus_in_mig(setup), gpu_count);
    uint32_t whole = gpu_count - in_mig;
    bool shared = setup->replicas > 1;
    expect(ret_expected, &count, shared ? MODEL_RESOURCE_GPU_SHARED : MODEL_RESOURCE_GPU, "",
            whole * (shared ? setup->replicas : 1));
    struct profile_count list[PROFILES_MAX];
    uint32_t profiles = profiles_of(setup, list);
    bool mig_shared = setup->mig_replicas > 1;
    for (uint32_t i = 0; i < profiles; i++) {
        expect(ret_expected, &count, mig_shared ? MODEL_RESOURCE_MIG_SHARED : MODEL_RESOURCE_MIG,
                list[i].name, list[i].count * (mig_shared ? setup->mig_replicas : 1));
    }
    return count;
}

bool core_setup_is_offered(const struct core_setup *setup, const struct core_node_fact *node)
{
    struct core_resource_count want[CORE_RESOURCES_MAX];
    uint32_t wants = core_setup_expected(setup, node->gpu_count, want);
    uint32_t matched = 0;
    for (uint32_t i = 0; i < node->allocatable_count; i++) {
        const struct core_resource_count *have = &node->allocatable[i];
        if (have->count == 0 || have->resource.kind == MODEL_RESOURCE_NONE)
            continue; /* names of an earlier config stay on the node with a count of 0 */
        uint32_t w = 0;
        while (w < wants && !(model_resource_eq(&want[w].resource, &have->resource) &&
                                    want[w].count == have->count))
            w++;
        if (w == wants)
            return false;
        matched++;
    }
    return matched == wants;
}

/* ---- plans ---- */

static void add(struct core_plan *p, enum core_step_kind step)
{
    assert(p->count < CORE_PLAN_STEPS_MAX);
    p->steps[p->count++] = (uint8_t)step;
}

/* True when going from a to b replicas withdraws no device id that a pod may hold. */
static bool grows_in_place(uint32_t from, uint32_t to)
{
    return to == from || (from >= 2 && to > from);
}

static uint16_t gpus_that_differ(const struct core_setup *from, const struct core_setup *to,
        const struct core_node_caps *caps)
{
    uint16_t differ = 0;
    for (uint32_t g = 0; g < CORE_INTENT_LAYOUTS_MAX; g++) {
        const char *a = g < from->layout_count ? from->layouts[g] : "";
        const char *b = g < to->layout_count ? to->layouts[g] : "";
        bool mode = (a[0] == 0) != (b[0] == 0);
        if (mode && (caps->mode_change_resets_node || caps->relayout == CORE_RELAYOUT_NODE_RESET))
            return NODE_WHOLE;
        if (strcmp(a, b) != 0)
            differ |= (uint16_t)(1u << g);
    }
    return differ;
}

static void plan_config(const struct core_setup *from, const struct core_setup *to,
        const struct core_node_caps *caps, struct core_plan *p)
{
    bool pool = strcmp(from->pool, to->pool) != 0;
    p->plugin_changes = strcmp(from->plugin_key, to->plugin_key) != 0;
    p->mig_changes = strcmp(from->mig_key, to->mig_key) != 0;
    bool in_place = grows_in_place(from->replicas, to->replicas) &&
                    grows_in_place(from->mig_replicas, to->mig_replicas);
    if (!in_place) {
        p->clear_gpus = NODE_WHOLE;
    } else if (p->mig_changes) {
        p->clear_gpus = gpus_that_differ(from, to, caps);
    }
    p->cordons = p->clear_gpus != 0 || p->mig_changes;

    if (p->plugin_changes && to->plugin_key[0] != 0)
        add(p, CORE_STEP_PUBLISH_PLUGIN);
    if (p->mig_changes)
        add(p, CORE_STEP_PUBLISH_MIG);
    if (p->count > 0)
        add(p, CORE_STEP_PROPAGATE);
    add(p, CORE_STEP_CLAIM);
    if (p->clear_gpus != 0) {
        add(p, CORE_STEP_EVICT);
        add(p, CORE_STEP_WAIT_EMPTY);
    }
    if (p->mig_changes) {
        add(p, CORE_STEP_SET_MIG);
        add(p, CORE_STEP_WAIT_MIG_STARTED);
        add(p, CORE_STEP_WAIT_MIG_DONE);
    }
    if (p->plugin_changes)
        add(p, CORE_STEP_SET_PLUGIN);
    if (pool)
        add(p, CORE_STEP_SET_POOL);
    if (p->plugin_changes || p->mig_changes)
        add(p, CORE_STEP_WAIT_ALLOCATABLE);
    add(p, CORE_STEP_VERIFY);
    add(p, CORE_STEP_RELEASE);
}

void core_plan_make(enum core_plan_kind kind, const struct core_setup *from,
        const struct core_setup *to, const struct core_node_caps *caps, struct core_plan *ret_plan)
{
    *ret_plan = (struct core_plan){.kind = kind};
    switch (kind) {
    case CORE_PLAN_CONFIG:
        plan_config(from, to, caps, ret_plan);
        return;
    case CORE_PLAN_RETIRE:
        ret_plan->cordons = true;
        ret_plan->clear_gpus = NODE_WHOLE;
        add(ret_plan, CORE_STEP_CLAIM);
        add(ret_plan, CORE_STEP_EVICT);
        add(ret_plan, CORE_STEP_WAIT_EMPTY);
        add(ret_plan, CORE_STEP_WAIT_GONE);
        return;
    case CORE_PLAN_HOLD:
        ret_plan->cordons = true;
        add(ret_plan, CORE_STEP_CLAIM);
        return;
    case CORE_PLAN_RELEASE:
        add(ret_plan, CORE_STEP_RELEASE);
        return;
    }
}

static bool moved(struct str now, const char *from, const char *to)
{
    return str_eq_c(now, to) && strcmp(from, to) != 0;
}

void core_plan_undo(const struct core_setup *from, const struct core_setup *to,
        const struct core_node_fact *now, uint16_t clear_gpus, struct core_plan *ret_plan)
{
    *ret_plan = (struct core_plan){.kind = CORE_PLAN_CONFIG,
            .cordons = clear_gpus != 0,
            .clear_gpus = clear_gpus,
            .plugin_changes = moved(now->plugin_config, from->plugin_key, to->plugin_key),
            .mig_changes = moved(now->mig_config, from->mig_key, to->mig_key)};
    bool pool = moved(now->pool, from->pool, to->pool);
    if (ret_plan->plugin_changes || ret_plan->mig_changes || pool) {
        add(ret_plan, CORE_STEP_CLAIM);
        if (clear_gpus != 0)
            add(ret_plan, CORE_STEP_WAIT_EMPTY);
    }
    if (ret_plan->mig_changes) {
        add(ret_plan, CORE_STEP_SET_MIG);
        add(ret_plan, CORE_STEP_WAIT_MIG_STARTED);
        add(ret_plan, CORE_STEP_WAIT_MIG_DONE);
    }
    if (ret_plan->plugin_changes)
        add(ret_plan, CORE_STEP_SET_PLUGIN);
    if (pool)
        add(ret_plan, CORE_STEP_SET_POOL);
    if (ret_plan->plugin_changes || ret_plan->mig_changes)
        add(ret_plan, CORE_STEP_WAIT_ALLOCATABLE);
    add(ret_plan, CORE_STEP_RELEASE);
}

void core_plan_format(const struct core_plan *plan, struct buf *out)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        buf_puts(out, i > 0 ? " > " : "");
        buf_puts(out, core_step_name((enum core_step_kind)plan->steps[i]));
    }
}

enum core_change core_plan_change(const struct core_setup *from, const struct core_setup *to)
{
    if (!same_layouts(from, to))
        return CORE_CHANGE_MIG_RELAYOUT;
    uint32_t a = num_max_u32(from->replicas, from->mig_replicas);
    uint32_t b = num_max_u32(to->replicas, to->mig_replicas);
    if (a == 1 && b > 1)
        return CORE_CHANGE_SHARE;
    if (a > 1 && b == 1)
        return CORE_CHANGE_UNSHARE;
    return b >= a ? CORE_CHANGE_REPLICAS_RAISE : CORE_CHANGE_REPLICAS_LOWER;
}
