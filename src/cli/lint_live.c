/* cli/lint_live.c - see lint_live.h. */
#include "cli/lint_live.h"

#include "ctl/fetch.h"
#include "ctl/names.h"
#include "os/loop.h"

#include <errno.h>
#include <string.h>

enum { NAMES_MAX = 1024 };

#define ARENA_BYTES ((size_t)1 << 30)

struct live {
    struct arena *a;
    const struct ctl_snapshot *s;
    const struct cli_lint_options *options;
    const struct cli_lint_sink *sink;
};

/* What a label may choose from. */
struct choices {
    const char *label; /* "nvidia.com/mig.config" */
    const char *rule;
    const char *field;     /* of the ClusterPolicy, for nodes without the label */
    struct str by_default; /* its value */
    const char *where;     /* "key in ConfigMap a/b" */
    uint32_t count;
    const char *names[NAMES_MAX + 1]; /* NULL-ended */
};

static bool has(const struct choices *c, struct str name)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (str_eq_c(name, c->names[i]))
            return true;
    }
    return false;
}

static void add_choice(const struct live *l, struct choices *c, struct str name)
{
    if (c->count < NAMES_MAX)
        c->names[c->count++] = arena_printf(l->a, "%.*s", STR_ARG(name));
}

/* -- files --------------------------------------------------------------------------------------
 */

static void configs_lint(const struct live *l)
{
    for (uint32_t i = 0; i < l->s->config_count; i++) {
        const struct ctl_config_key *k = &l->s->configs[i];
        struct nvidia_lint lint = {.disabled = l->sink->disabled};
        struct cli_lint_options options = *l->options;
        bool mig = str_eq(k->map, l->s->operator.mig_config);
        options.part = mig ? CLI_LINT_MIG_PARTED : CLI_LINT_DEVICE_PLUGIN;
        cli_lint_file(l->a, k->text, &options, &lint);
        l->sink->take(l->sink->user,
                arena_printf(l->a, "configmap/%.*s/%.*s/%.*s", STR_ARG(k->namespace),
                        STR_ARG(k->map), STR_ARG(k->key)),
                &lint);
    }
}

/* -- labels -------------------------------------------------------------------------------------
 */

static const char *map_name(const struct live *l, struct str map)
{
    for (uint32_t i = 0; i < l->s->config_count; i++) {
        const struct ctl_config_key *k = &l->s->configs[i];
        if (str_eq(k->map, map))
            return arena_printf(l->a, "%.*s/%.*s", STR_ARG(k->namespace), STR_ARG(map));
    }
    return arena_printf(l->a, "%.*s", STR_ARG(map));
}

/* Each key is a config. */
static bool plugin_choices(const struct live *l, struct choices *c)
{
    const struct ctl_operator *op = &l->s->operator;
    *c = (struct choices){.label = CTL_LABEL_PLUGIN_CONFIG,
            .rule = "plugin-label",
            .field = "devicePlugin.config.default",
            .by_default = op->plugin_default,
            .where = arena_printf(l->a, "key in ConfigMap %s", map_name(l, op->plugin_config))};
    for (uint32_t i = 0; i < l->s->config_count; i++) {
        if (str_eq(l->s->configs[i].map, op->plugin_config))
            add_choice(l, c, l->s->configs[i].key);
    }
    return op->plugin_config.len > 0;
}

/* The configs stand in one key, by name.  Without a ConfigMap each node's mig-manager makes its own
 * names. */
static bool mig_choices(const struct live *l, struct choices *c)
{
    const struct ctl_operator *op = &l->s->operator;
    struct nvidia_mig_parted file;
    struct err e;
    bool readable = false;
    *c = (struct choices){.label = CTL_LABEL_MIG_CONFIG,
            .rule = "mig-label",
            .field = "migManager.config.default",
            .by_default = op->mig_default,
            .where = arena_printf(l->a, "config in " CTL_MIG_CONFIG_KEY " of ConfigMap %s",
                    map_name(l, op->mig_config))};
    for (uint32_t i = 0; i < l->s->config_count; i++) {
        const struct ctl_config_key *k = &l->s->configs[i];
        if (op->mig_config.len == 0 || !str_eq(k->map, op->mig_config) ||
                !str_eq_c(k->key, CTL_MIG_CONFIG_KEY))
            continue;
        readable = nvidia_mig_parted_parse(l->a, k->text, &file, NULL, &e) == 0;
        for (uint32_t j = 0; readable && j < file.count; j++)
            add_choice(l, c, file.configs[j].name);
    }
    return readable;
}

static void choice_lint(
        const struct choices *c, const char *what, struct str name, struct nvidia_lint *lint)
{
    if (name.len == 0 || has(c, name))
        return;
    struct nvidia_finding *f = nvidia_lint_add(
            lint, NULL, c->rule, "%s: '%.*s': no such %s", what, STR_ARG_SHORT(name), c->where);
    const char *nearest = str_nearest(name, c->names);
    struct buf all = BUF_INIT(NVIDIA_INSTEAD_MAX);
    buf_puts(&all, c->count == 0 ? "there is none" : nearest != NULL ? nearest : "one of ");
    for (uint32_t i = 0; nearest == NULL && i < c->count; i++)
        buf_printf(&all, "%s%s", i > 0 ? ", " : "", c->names[i]);
    nvidia_finding_instead(f, all.overflow ? "one that is there" : all.ptr);
    buf_clear(&all);
}

/* -- the plugin's start -------------------------------------------------------------------------
 */

/* How the config of a key shares, nothing shared without a key; false when it cannot be read, which
 * is told elsewhere. */
static bool sharing_of(const struct live *l, struct str key, struct nvidia_sharing *ret_sharing)
{
    *ret_sharing = (struct nvidia_sharing){0};
    if (key.len == 0)
        return true;
    for (uint32_t i = 0; i < l->s->config_count; i++) {
        const struct ctl_config_key *k = &l->s->configs[i];
        struct nvidia_plugin_config config;
        if (!str_eq(k->map, l->s->operator.plugin_config) || !str_eq(k->key, key))
            continue;
        if (nvidia_plugin_config_parse(l->a, k->text, &config, NULL, NULL) < 0)
            return false;
        *ret_sharing = config.mps.present ? config.mps : config.time_slicing;
        return true;
    }
    return false;
}

/* Whether both offer the same device ids under the same names. */
static bool same_devices(const struct nvidia_sharing *a, const struct nvidia_sharing *b)
{
    if (a->count != b->count || (a->count > 0 && a->rename_by_default != b->rename_by_default))
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < b->count; j++) {
            found |= str_eq(a->resources[i].name, b->resources[j].name) &&
                     a->resources[i].replicas == b->resources[j].replicas;
        }
        if (!found)
            return false;
    }
    return true;
}

/* Nodes whose plugin offers the default's devices before their own, each time that it starts. */
static void start_lint(const struct live *l, const struct choices *c, struct nvidia_lint *lint)
{
    struct str version = l->s->operator.plugin_version;
    struct nvidia_sharing first, own;
    if (!nvidia_config_manager_acts_first(version) || !sharing_of(l, c->by_default, &first))
        return;
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t nodes = 0;
        struct str key = str_from(c->names[i]);
        for (uint32_t n = 0; n < l->s->node_count; n++)
            nodes += str_eq(ctl_labels_get(&l->s->nodes[n].labels, c->label), key);
        if (nodes == 0 || !sharing_of(l, key, &own) || same_devices(&first, &own))
            continue;
        const char *what = c->by_default.len == 0
                                   ? "GPUs that are not shared"
                                   : arena_printf(l->a, "those of '%.*s', the default,",
                                             STR_ARG_SHORT(c->by_default));
        NVIDIA_LINT_INSTEAD(lint, NULL, "plugin-start",
                "cordon such a node until its plugin has started, or stay with v0.18.0",
                "devicePlugin.version %.*s: %u node%s with label '%s' offer%s %s first, whenever "
                "the plugin starts",
                STR_ARG_SHORT(version), nodes, nodes == 1 ? "" : "s", c->names[i],
                nodes == 1 ? "s" : "", what);
    }
}

/* -- all labels ---------------------------------------------------------------------------------
 */

static void labels_lint(const struct live *l)
{
    struct choices *c = ARENA_ARRAY(l->a, struct choices, 2);
    bool known[2] = {plugin_choices(l, &c[0]), mig_choices(l, &c[1])};
    struct nvidia_lint policy = {.disabled = l->sink->disabled};
    for (unsigned m = 0; m < 2; m++) {
        if (known[m])
            choice_lint(&c[m], c[m].field, c[m].by_default, &policy);
    }
    if (known[0])
        start_lint(l, &c[0], &policy);
    l->sink->take(l->sink->user, "clusterpolicy", &policy);
    for (uint32_t i = 0; i < l->s->node_count; i++) {
        const struct ctl_node *n = &l->s->nodes[i];
        struct nvidia_lint lint = {.disabled = l->sink->disabled};
        bool chooses = false;
        for (unsigned m = 0; m < 2; m++) {
            struct str name = ctl_labels_get(&n->labels, c[m].label);
            chooses |= name.len > 0;
            if (known[m])
                choice_lint(&c[m], arena_printf(l->a, "label %s", c[m].label), name, &lint);
        }
        if (chooses) {
            l->sink->take(l->sink->user, arena_printf(l->a, "node/%.*s", STR_ARG(n->name)), &lint);
        }
    }
}

/* -- the whole ----------------------------------------------------------------------------------
 */

static int check_seen(
        const struct ctl_snapshot *s, const struct ctl_fetch_result *result, struct err *reterr)
{
    if (!result->seen[CTL_CLUSTER_POLICIES])
        return err_set(reterr, -EACCES, "--live: %s", result->why[CTL_CLUSTER_POLICIES]);
    if (!result->seen[CTL_CONFIGMAPS])
        return err_set(reterr, -EACCES, "--live: %s", result->why[CTL_CONFIGMAPS]);
    if (!s->operator.present)
        return err_set(reterr, -ENODATA, "--live: the cluster has no ClusterPolicy of NVIDIA's");
    return 0;
}

int cli_lint_live(const struct cli_connect_options *connect, const char *operator_namespace,
        const struct cli_lint_options *options, const struct cli_lint_sink *sink,
        struct err *reterr)
{
    const struct ctl_fetch_options fetch = {.operator_namespace = operator_namespace};
    struct ctl_fetch_result result = {0};
    struct kube_config config;
    struct kube_client *client = NULL;
    struct os_loop *loop = NULL;
    struct arena *a = arena_new(ARENA_BYTES);
    struct ctl_snapshot *s = ctl_snapshot_new();
    const struct live live = {a, s, options, sink};
    int rc = os_loop_new(&loop, reterr);
    if (rc == 0)
        rc = cli_connect(a, loop, connect, &config, &client, reterr);
    if (rc == 0)
        rc = ctl_fetch(client, s, &fetch, &result, reterr);
    if (rc == 0)
        rc = check_seen(s, &result, reterr);
    if (rc == 0) {
        configs_lint(&live);
        labels_lint(&live);
    }
    (void)ctl_snapshot_free(s);
    kube_client_free(client);
    os_loop_free(loop);
    (void)arena_free(a);
    return rc;
}
