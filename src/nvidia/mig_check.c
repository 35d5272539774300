/* nvidia/mig_check.c - mig-parted configs against what GPUs can hold.  Pure.
 *
 * A set of profiles is written as a wish (mig/text.h) and placed: that sorts out compute instances
 * too.  Which models an entry is for, its device filter says. */
#include "nvidia/mig_parted.h"

#include "mig/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WISH_BYTES = 2048, MODELS_MAX = 64 };

#define ADD(at, rule, ...)              (void)nvidia_lint_add(lint, at, rule, __VA_ARGS__)
#define ADD_INSTEAD(at, rule, fix, ...) NVIDIA_LINT_INSTEAD(lint, at, rule, fix, __VA_ARGS__)

/* PCI device and vendor of boards in the catalog.  Source: data/mig/catalog.json, which has them
 * from mig-parted's deployments and vGPU tables. */
static const struct {
    uint32_t id;
    const char *model;
} boards[] = {
        {0x20B010DE, "A100-40GB"},
        {0x20F110DE, "A100-40GB"},
        {0x20B110DE, "A100-40GB"},
        {0x20F610DE, "A100-40GB"},
        {0x20B210DE, "A100-80GB"},
        {0x20B510DE, "A100-80GB"},
        {0x20F310DE, "A100-80GB"},
        {0x20F510DE, "A100-80GB"},
        {0x20B810DE, "A100-80GB"},
        {0x20FD10DE, "A100-80GB"},
        {0x20B710DE, "A30-24GB"},
        {0x20B910DE, "A30-24GB"},
        {0x233010DE, "H100-80GB-SXM5"},
        {0x233610DE, "H100-80GB-SXM5"},
        {0x232410DE, "H100-80GB-SXM5"},
        {0x233110DE, "H100-80GB-PCIe"},
        {0x232210DE, "H100-80GB-PCIe"},
        {0x232110DE, "H100-NVL-94GB"},
        {0x233A10DE, "H100-NVL-94GB"},
        {0x233910DE, "H100-94GB-SXM5"},
        {0x233710DE, "H100-64GB-SXM5"},
        {0x234210DE, "GH200-96GB"},
        {0x233D10DE, "GH200-96GB"},
        {0x20B610DE, "GH200-96GB"},
        {0x234810DE, "GH200-144GB"},
        {0x232910DE, "H20-96GB"},
        {0x232C10DE, "H20-3e-141GB"},
        {0x233510DE, "H200-141GB"},
        {0x233B10DE, "H200-141GB"},
        {0x290110DE, "B200-180GB"},
        {0x294110DE, "GB200-186GB"},
        {0x318210DE, "B300-269GB"},
        {0x31C210DE, "GB300-278GB"},
        {0x2BB510DE, "RTX-PRO-6000-Blackwell-96GB"},
        {0x2BB910DE, "RTX-PRO-6000D-84GB"},
        {0x2C3A10DE, "RTX-PRO-4500-Blackwell-32GB"},
};

enum { BOARD_COUNT = sizeof boards / sizeof boards[0] };

/* The number of a filter "0x20B010DE", or 0. */
static uint32_t filter_id(struct str s)
{
    uint32_t id = 0;
    if (s.len != 10 || s.ptr[0] != '0' || (s.ptr[1] != 'x' && s.ptr[1] != 'X'))
        return 0;
    for (size_t i = 2; i < s.len; i++) {
        char c = s.ptr[i];
        uint32_t digit =
                c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 32) - 'a' + 10);
        if (digit > 15)
            return 0;
        id = id << 4 | digit;
    }
    return id;
}

/* True when the profile has exactly this name, which mig-parted compares as text. */
static bool name_is_of(const struct mig_profile *p, struct str name)
{
    bool same = str_eq_c(name, p->name);
    for (unsigned i = 0; p->alt_names[i] && !same; i++)
        same = str_eq_c(name, p->alt_names[i]);
    return same;
}

/* The name of the GPU instance in "1c.3g.20gb"; the name itself without a compute part. */
static struct str gi_name(const char *profile)
{
    struct str s = str_from(profile);
    size_t i = 0;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
        i++;
    bool compute = i + 1 < s.len && s.ptr[i] == 'c' && s.ptr[i + 1] == '.';
    return compute ? (struct str){s.ptr + i + 2, s.len - i - 2} : s;
}

/* The model's profile with this name, or NULL. */
static const struct mig_profile *profile_find(const struct mig_model *model, const char *name)
{
    struct str gi = gi_name(name);
    for (unsigned i = 0; i < model->profile_count; i++) {
        if (name_is_of(&model->profiles[i], gi))
            return &model->profiles[i];
    }
    return NULL;
}

/* True when the model is known by names only, and this is one of them. */
static bool name_only_find(const struct mig_model *model, const char *name)
{
    struct str gi = gi_name(name);
    for (unsigned i = 0; i < model->name_only_count; i++) {
        if (str_eq_c(gi, model->names_only[i].name))
            return true;
    }
    return false;
}

/* How an entry fits a model. */
enum fit { FIT_OK, FIT_NO_PROFILE, FIT_NO_PLACE };

/* ret_err: what stands in the way. */
static enum fit entry_fit(
        const struct nvidia_mig_entry *e, const struct mig_model *model, struct err *ret_err)
{
    char text[WISH_BYTES];
    size_t used = 0;
    struct mig_wish wish;
    struct mig_layout layout;
    enum mig_rule rule = MIG_RULE_OK;
    uint64_t count = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < e->profile_count; i++) {
        const struct nvidia_mig_count *c = &e->profiles[i];
        bool known = model->profile_count > 0 ? profile_find(model, c->profile) != NULL
                                              : name_only_find(model, c->profile);
        if (!known) {
            (void)err_set(ret_err, -ENOENT, "a %s has no profile %s", model->key, c->profile);
            return FIT_NO_PROFILE;
        }
        count += c->count;
        int wrote = snprintf(text + used, sizeof text - used, "%s%ux%s", used > 0 ? "," : "",
                c->count, c->profile);
        used += c->count > 0 && wrote > 0 ? (size_t)wrote : 0;
        text[used < sizeof text ? used : 0] = '\0';
        if (count > MIG_TEXT_ITEMS_MAX || used >= sizeof text) {
            (void)err_set(ret_err, -ENOENT, "so many instances fit no GPU");
            return FIT_NO_PLACE;
        }
    }
    if (model->profile_count == 0 || count == 0)
        return FIT_OK;
    if (mig_wish_parse(model, str_from(text), &wish, ret_err) < 0 ||
            mig_wish_place(&wish, &layout, &rule, ret_err) < 0)
        return FIT_NO_PLACE;
    return FIT_OK;
}

/* What a finding about an entry points at: its mig-devices. */
static struct doc entry_place(const struct nvidia_mig_entry *e)
{
    bool devices = e->devices_line > 0;
    return (struct doc){.line = devices ? e->devices_line : e->line,
            .column = devices ? e->devices_column : e->column};
}

static void entry_check_model(const struct nvidia_mig_config *config,
        const struct nvidia_mig_entry *e, const struct mig_model *model, struct nvidia_lint *lint)
{
    struct doc at = entry_place(e);
    struct err err = {0};
    switch (entry_fit(e, model, &err)) {
    case FIT_OK:
        break;
    case FIT_NO_PROFILE:
        ADD(&at, "profile-unknown", "%.*s: %s", STR_ARG_SHORT(config->name), err.text);
        break;
    case FIT_NO_PLACE:
        ADD(&at, "layout", "%.*s: cannot be placed on a %s: %s", STR_ARG_SHORT(config->name),
                model->key, err.text);
        break;
    }
}

/* Without a filter: some model must take it. */
static void entry_check_any(const struct nvidia_mig_config *config,
        const struct nvidia_mig_entry *e, struct nvidia_lint *lint)
{
    struct doc at = entry_place(e);
    struct err place = {0};
    const struct mig_model *nearest = NULL;
    for (unsigned i = 0; i < mig_model_count(); i++) {
        struct err err = {0};
        enum fit fit = entry_fit(e, mig_model_get(i), &err);
        if (fit == FIT_OK)
            return;
        if (fit == FIT_NO_PLACE && !nearest) {
            nearest = mig_model_get(i);
            place = err;
        }
    }
    if (nearest) {
        ADD(&at, "layout", "%.*s: cannot be placed on any GPU: %s", STR_ARG_SHORT(config->name),
                place.text);
    } else {
        ADD(&at, "profile-unknown", "%.*s: no GPU has all of these profiles",
                STR_ARG_SHORT(config->name));
    }
}

/* Names that another driver does not know, and compute instances. */
static void names_check(const struct nvidia_mig_config *config, const struct nvidia_mig_entry *e,
        const struct mig_model *model, struct nvidia_lint *lint)
{
    struct doc at = entry_place(e);
    for (uint32_t i = 0; i < e->profile_count; i++) {
        const char *name = e->profiles[i].profile;
        const struct mig_profile *p = model ? profile_find(model, name) : NULL;
        if (gi_name(name).len < strlen(name)) {
            ADD_INSTEAD(&at, "compute-instance", "the whole GPU instance, without <C>c.",
                    "%.*s: %s: the device plugin offers it as the whole GPU instance",
                    STR_ARG_SHORT(config->name), name);
        }
        if (!p || !p->alt_names[0])
            continue;
        const char *other = str_eq_c(gi_name(name), p->name) ? p->alt_names[0] : p->name;
        ADD(&at, "name-moves", "%.*s: %s of a %s is called %s under another driver",
                STR_ARG_SHORT(config->name), name, model->key, other);
    }
}

/* Checks an entry by itself: against the models of its filter, or all, unless a node is known. */
static void entry_check(const struct nvidia_mig_config *config, const struct nvidia_mig_entry *e,
        const struct nvidia_mig_node *node, struct nvidia_lint *lint)
{
    const struct mig_model *models[MODELS_MAX];
    unsigned count = 0;
    if (!e->mig_enabled)
        return;
    for (uint32_t i = 0; i < e->filter_count; i++) {
        const char *key = NULL;
        for (unsigned b = 0; b < BOARD_COUNT; b++)
            key = boards[b].id == filter_id(e->filters[i]) ? boards[b].model : key;
        unsigned k = 0;
        while (key && k < count && strcmp(models[k]->key, key) != 0)
            k++;
        if (key && k == count && count < MODELS_MAX)
            models[count++] = mig_model_find(key);
    }
    for (unsigned i = 0; !node && i < count; i++)
        entry_check_model(config, e, models[i], lint);
    if (!node && e->filter_count == 0 && e->profile_count > 0)
        entry_check_any(config, e, lint);
    names_check(config, e, node ? node->model : (count > 0 ? models[0] : NULL), lint);
    if (!node && e->all_devices && e->filter_count == 0) {
        struct doc at = {.line = e->line, .column = e->column};
        ADD_INSTEAD(&at, "all-devices", "a device-filter, where nodes mix GPUs",
                "%.*s: never succeeds on a node with a GPU without MIG",
                STR_ARG_SHORT(config->name));
    }
}

static bool filters_same(const struct nvidia_mig_entry *a, const struct nvidia_mig_entry *b)
{
    bool same = a->filter_count == b->filter_count;
    for (uint32_t i = 0; i < a->filter_count && same; i++)
        same = str_eq(a->filters[i], b->filters[i]);
    return same;
}

/* True when `later` takes every GPU that `e` takes. */
static bool entry_covers(const struct nvidia_mig_entry *later, const struct nvidia_mig_entry *e)
{
    if (later->filter_count > 0 && !filters_same(later, e))
        return false;
    return later->all_devices || (!e->all_devices && (e->devices & ~later->devices) == 0);
}

static void config_check(const struct nvidia_mig_config *config, const struct nvidia_mig_node *node,
        struct nvidia_lint *lint)
{
    bool all = config->entry_count == 0;
    for (uint32_t i = 0; i < config->entry_count; i++) {
        const struct nvidia_mig_entry *e = &config->entries[i];
        struct doc at = {.line = e->line, .column = e->column};
        bool covered = false;
        entry_check(config, e, node, lint);
        all = all || e->all_devices;
        for (uint32_t later = i + 1; later < config->entry_count; later++)
            covered = covered || entry_covers(&config->entries[later], e);
        if (covered) {
            ADD(&at, "overridden", "%.*s: a later entry takes every GPU of this one",
                    STR_ARG_SHORT(config->name));
        }
    }
    if (node) {
        nvidia_mig_config_check(config, node->model, node->gpu_count, lint);
    } else if (!all) {
        struct doc at = {.line = config->line, .column = config->column};
        ADD(&at, "some-gpus", "%.*s: succeeds on nodes with exactly the listed GPUs only",
                STR_ARG_SHORT(config->name));
    }
}

void nvidia_mig_parted_check(const struct nvidia_mig_parted *file,
        const struct nvidia_mig_node *node, struct nvidia_lint *lint)
{
    for (uint32_t i = 0; i < file->count; i++)
        config_check(&file->configs[i], node, lint);
}

void nvidia_mig_config_check(const struct nvidia_mig_config *config, const struct mig_model *model,
        uint32_t gpu_count, struct nvidia_lint *lint)
{
    const struct nvidia_mig_entry *checked = NULL;
    struct doc at = {.line = config->line, .column = config->column};
    for (uint32_t gpu = 0; gpu < gpu_count; gpu++) {
        const struct nvidia_mig_entry *e = nvidia_mig_config_entry(config, gpu);
        if (!e) {
            ADD(&at, "unmatched", "%.*s: GPU %u is not matched: it is never reported done",
                    STR_ARG_SHORT(config->name), gpu);
        } else if (!model && e->mig_enabled) {
            ADD(&at, "not-capable", "%.*s: GPU %u has no MIG", STR_ARG_SHORT(config->name), gpu);
        } else if (model && e->mig_enabled && e != checked) {
            entry_check_model(config, e, model, lint);
            checked = e;
        }
    }
}
