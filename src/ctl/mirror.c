/* ctl/mirror.c - see mirror.h.  Below the purity line; on the loop.
 *
 * Caches hold slim objects (ctl/slim.h).  Of the ConfigMaps, the two that the ClusterPolicy names
 * are watched, each by its own watch: which they are is known once ClusterPolicies and DaemonSets
 * have answered, and followed from then on. */
#include "ctl/mirror.h"

#include "base/num.h"
#include "ctl/slim.h"
#include "os/log.h"
#include "os/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAPS = 2, WATCHES = CTL_KIND_COUNT - 1 + MAPS, PATH_BYTES = 512, SELECTOR_BYTES = 300 };

/* What was complete and is then refused, or not served, is first taken for lost: an API server that
 * starts refuses for some seconds what it will allow. */
static const int64_t REFUSED_AFTER_NS = 60 * NUM_NS_PER_SECOND;

/* One watch. */
struct followed {
    struct ctl_mirror *m;
    enum ctl_kind kind;
    struct kube_watch *watch; /* NULL = a slot for a ConfigMap that is not in use */
    bool complete, was_complete;
    struct err why; /* unless complete; code 0 = nothing was heard yet */
    int64_t since_mono_ns;
    uint64_t lost;
    char namespace[KUBE_NAME_MAX + 1], name[KUBE_NAME_MAX + 1]; /* of a ConfigMap */
};

struct ctl_mirror {
    struct kube_client *client;
    struct os_loop *loop;
    struct ctl_mirror_options options;
    char *operator_namespace; /* copy, or NULL */
    struct followed all[WATCHES];
    uint64_t generation;
    bool maps_known;         /* which ConfigMaps there are to follow */
    struct os_timer maps;    /* they may be others now */
    struct os_timer refusal; /* a refusal has lasted */
    struct arena *scratch;
};

static struct followed *of_kind(struct ctl_mirror *m, enum ctl_kind kind)
{
    assert(kind != CTL_CONFIGMAPS);
    return &m->all[kind < CTL_CONFIGMAPS ? kind : kind - 1];
}

static void touch(struct ctl_mirror *m)
{
    m->generation++;
    m->options.dirty(m->options.user);
}

/* -- states -------------------------------------------------------------------------------------
 */

enum state {
    STATE_WAITING, /* nothing was heard yet, or it was lost before it was ever complete */
    STATE_COMPLETE,
    STATE_LOST,    /* what is cached may be old */
    STATE_REFUSED, /* we may not read it: as good as empty */
    STATE_ABSENT,  /* not served: there are none */
};

static enum state state_of(const struct followed *f)
{
    bool no = f->why.code == -EACCES || f->why.code == -ENOENT;
    if (f->complete)
        return STATE_COMPLETE;
    if (f->was_complete) {
        bool lasts = os_loop_now_ns(f->m->loop) - f->since_mono_ns >= REFUSED_AFTER_NS;
        if (!no || !lasts)
            return STATE_LOST;
    }
    if (!no || ctl_kind_info(f->kind)->vital)
        return STATE_WAITING;
    return f->why.code == -ENOENT && ctl_kind_info(f->kind)->optional ? STATE_ABSENT
                                                                      : STATE_REFUSED;
}

static bool is_answered(const struct followed *f)
{
    return f->watch == NULL || state_of(f) != STATE_WAITING;
}

static bool is_settled(const struct followed *f)
{
    enum state s = state_of(f);
    return f->watch == NULL || s == STATE_COMPLETE || s == STATE_REFUSED || s == STATE_ABSENT;
}

/* -- what the watches tell ----------------------------------------------------------------------
 */

static void follow_maps_soon(struct ctl_mirror *m)
{
    os_loop_timer_set(m->loop, &m->maps, os_loop_now_ns(m->loop));
}

static bool names_maps(enum ctl_kind kind)
{
    return kind == CTL_CLUSTER_POLICIES || kind == CTL_DAEMONSETS;
}

static int project(void *user, const struct kube_item *item, struct buf *row)
{
    const struct followed *f = user;
    return ctl_slim_write(f->kind, item, row);
}

static void changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    struct followed *f = user;
    (void)change;
    (void)row;
    (void)item;
    if (names_maps(f->kind))
        follow_maps_soon(f->m);
    touch(f->m);
}

static void sync(void *user, enum kube_sync state, const struct err *reason)
{
    struct followed *f = user;
    struct ctl_mirror *m = f->m;
    bool complete = state == KUBE_SYNC_COMPLETE;
    const char *plural = ctl_kind_info(f->kind)->plural;
    if (complete && !f->complete && f->why.code != 0)
        os_log_info("mirror", "read again", OS_LOG_CSTR("what", plural));
    if (!complete) {
        f->lost += f->complete;
        os_log_warn("mirror", "cannot be read", OS_LOG_CSTR("what", plural),
                OS_LOG_CSTR("why", reason->text));
        if (f->complete || f->why.code != reason->code)
            f->since_mono_ns = os_loop_now_ns(m->loop);
        if (f->was_complete || f->complete) {
            os_loop_timer_set(m->loop, &m->refusal,
                    os_loop_now_ns(m->loop) + REFUSED_AFTER_NS + NUM_NS_PER_SECOND);
        }
    }
    f->why = *reason;
    if (complete)
        f->why.code = 0;
    f->complete = complete;
    f->was_complete |= complete;
    if (names_maps(f->kind))
        follow_maps_soon(m);
    touch(m);
}

static void on_refusal(struct os_timer *t)
{
    struct ctl_mirror *m = (struct ctl_mirror *)((char *)t - offsetof(struct ctl_mirror, refusal));
    follow_maps_soon(m);
    touch(m);
}

static int follow(struct followed *f, const char *path, const char *fields, struct err *reterr)
{
    const struct kube_watch_options options = {
            .path = path, .field_selector = fields, .lost_after_ns = f->m->options.lost_after_ns};
    const struct kube_watch_handler handler = {project, changed, sync, f};
    return kube_watch_start(f->m->client, &options, &handler, &f->watch, reterr);
}

/* -- ConfigMaps ---------------------------------------------------------------------------------
 */

static int put_kind(
        struct ctl_mirror *m, struct ctl_snapshot *s, const struct followed *f, struct err *reterr)
{
    enum state state = f->watch == NULL ? STATE_ABSENT : state_of(f);
    struct kube_row row;
    uint32_t cursor = 0;
    int rc = 0;
    if (state == STATE_REFUSED || state == STATE_ABSENT)
        return 0;
    while (rc == 0 && kube_cache_next(kube_watch_cache(f->watch), &cursor, &row))
        rc = ctl_slim_put(s, m->scratch, f->kind, &row, reterr);
    return rc;
}

/* Begins to follow the ConfigMap, or none when it has no name. */
static void follow_map(struct followed *f, struct str namespace, struct str name)
{
    struct ctl_mirror *m = f->m;
    char path[PATH_BYTES], fields[SELECTOR_BYTES];
    struct err e = {0};
    if (name.len > KUBE_NAME_MAX || namespace.len > KUBE_NAME_MAX)
        name = (struct str){0}; /* no object can be called so */
    if (str_eq_c(name, f->name) && (name.len == 0 || str_eq_c(namespace, f->namespace)))
        return;
    kube_watch_stop(f->watch);
    *f = (struct followed){.m = m, .kind = CTL_CONFIGMAPS};
    touch(m);
    if (name.len == 0)
        return;
    (void)snprintf(f->name, sizeof f->name, "%.*s", STR_ARG(name));
    (void)snprintf(f->namespace, sizeof f->namespace, "%.*s", STR_ARG(namespace));
    (void)snprintf(path, sizeof path, "/api/v1/namespaces/%s/configmaps", f->namespace);
    (void)snprintf(fields, sizeof fields, "metadata.name=%s", f->name);
    os_log_info("mirror", "following ConfigMap", OS_LOG_CSTR("namespace", f->namespace),
            OS_LOG_CSTR("name", f->name));
    if (follow(f, path, fields, &e) < 0)
        os_log_warn("mirror", "cannot be followed", OS_LOG_CSTR("why", e.text));
}

static void on_maps(struct os_timer *t)
{
    struct ctl_mirror *m = (struct ctl_mirror *)((char *)t - offsetof(struct ctl_mirror, maps));
    const struct followed *policies = of_kind(m, CTL_CLUSTER_POLICIES);
    const struct followed *sets = of_kind(m, CTL_DAEMONSETS);
    struct err e = {0};
    if (!is_answered(policies) || !is_answered(sets))
        return; /* called again when they have */
    struct ctl_snapshot *s = ctl_snapshot_new();
    if (put_kind(m, s, policies, &e) == 0 && put_kind(m, s, sets, &e) == 0) {
        struct str namespace = ctl_operator_namespace(s, m->operator_namespace);
        const struct ctl_operator *o = &s->operator;
        struct str mig = o->mig_config;
        if (str_eq(o->plugin_config, mig))
            mig = (struct str){0}; /* one map, one watch */
        follow_map(&m->all[WATCHES - 2], namespace, o->plugin_config);
        follow_map(&m->all[WATCHES - 1], namespace, mig);
        if (!m->maps_known)
            touch(m);
        m->maps_known = true;
    }
    (void)ctl_snapshot_free(s);
}

/* -- life ---------------------------------------------------------------------------------------
 */

static void begin(struct ctl_mirror *m)
{
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++) {
        if (k != CTL_CONFIGMAPS)
            *of_kind(m, k) = (struct followed){.m = m, .kind = k};
    }
    for (unsigned i = WATCHES - MAPS; i < WATCHES; i++)
        m->all[i] = (struct followed){.m = m, .kind = CTL_CONFIGMAPS};
}

int ctl_mirror_start(struct kube_client *client, const struct ctl_mirror_options *options,
        struct ctl_mirror **ret_mirror, struct err *reterr)
{
    assert(options->dirty != NULL);
    struct ctl_mirror *m = mem_alloc(1, sizeof *m);
    m->client = client;
    m->loop = kube_client_loop(client);
    m->options = *options;
    m->maps.fire = on_maps;
    m->refusal.fire = on_refusal;
    m->scratch = arena_new((size_t)1 << 30);
    if (options->operator_namespace != NULL) {
        size_t len = strlen(options->operator_namespace);
        m->operator_namespace = mem_alloc(len + 1, 1);
        memcpy(m->operator_namespace, options->operator_namespace, len);
    }
    begin(m);
    for (unsigned i = 0; i < WATCHES - MAPS; i++) {
        if (follow(&m->all[i], ctl_kind_info(m->all[i].kind)->path, NULL, reterr) < 0) {
            ctl_mirror_stop(m);
            return reterr->code;
        }
    }
    *ret_mirror = m;
    return 0;
}

void ctl_mirror_stop(struct ctl_mirror *m)
{
    if (m == NULL)
        return;
    for (unsigned i = 0; i < WATCHES; i++)
        kube_watch_stop(m->all[i].watch);
    os_loop_timer_clear(m->loop, &m->maps);
    os_loop_timer_clear(m->loop, &m->refusal);
    (void)arena_free(m->scratch);
    mem_free(m->operator_namespace);
    mem_free(m);
}

/* -- answers ------------------------------------------------------------------------------------
 */

uint64_t ctl_mirror_generation(const struct ctl_mirror *m)
{
    return m->generation;
}

bool ctl_mirror_ready(const struct ctl_mirror *m)
{
    bool ready = m->maps_known;
    for (unsigned i = 0; i < WATCHES && ready; i++)
        ready = is_answered(&m->all[i]);
    return ready;
}

/* Which facts are made of which kinds. */
static bool is_of(enum ctl_kind kind, enum core_source source)
{
    switch (kind) {
    case CTL_NODES:
    case CTL_SLICES:
        return source == CORE_SOURCE_NODES;
    case CTL_PODS:
        return source == CORE_SOURCE_PODS;
    case CTL_DEPLOYMENTS:
    case CTL_STATEFULSETS:
    case CTL_REPLICASETS:
    case CTL_DAEMONSETS:
    case CTL_JOBS:
    case CTL_CRONJOBS:
    case CTL_BUDGETS:
    case CTL_QUOTAS:
        return source == CORE_SOURCE_OWNERS;
    case CTL_CONFIGMAPS:
        return source == CORE_SOURCE_CONFIG;
    case CTL_CLUSTER_POLICIES:
        return source == CORE_SOURCE_CONFIG || source == CORE_SOURCE_NODES;
    case CTL_KIND_COUNT:
        break;
    }
    assert(false);
    return false;
}

bool ctl_mirror_synced(const struct ctl_mirror *m, enum core_source source)
{
    assert(source <= CORE_SOURCE_CONFIG);
    bool synced = m->maps_known;
    for (unsigned i = 0; i < WATCHES && synced; i++)
        synced = !is_of(m->all[i].kind, source) || is_settled(&m->all[i]);
    return synced;
}

/* Says of a kind whether it was read; of two ConfigMaps, when both were. */
static void say(const struct followed *f, const struct ctl_snapshot *s, struct ctl_fetch_result *r)
{
    enum state state = f->watch == NULL ? STATE_ABSENT : state_of(f);
    if (state == STATE_COMPLETE || state == STATE_LOST || state == STATE_ABSENT ||
            !r->seen[f->kind])
        return;
    r->seen[f->kind] = false;
    r->why[f->kind] = f->why.code != 0 ? arena_printf(s->a, "%s", f->why.text) : "not read yet";
}

int ctl_mirror_snapshot(struct ctl_mirror *m, struct ctl_snapshot **ret_snapshot,
        struct ctl_fetch_result *ret_result, struct err *reterr)
{
    struct ctl_snapshot *s = ctl_snapshot_new();
    struct ctl_fetch_result result = {0};
    int rc = 0;
    s->each_once = true;
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        result.seen[k] = true;
    for (unsigned i = 0; i < WATCHES && rc == 0; i++) {
        rc = put_kind(m, s, &m->all[i], reterr);
        say(&m->all[i], s, &result);
    }
    if (rc < 0) {
        (void)ctl_snapshot_free(s);
        return rc;
    }
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        result.objects += s->taken[k];
    *ret_snapshot = s;
    *ret_result = result;
    return 0;
}

uint64_t ctl_mirror_version(
        const struct ctl_mirror *m, enum ctl_kind kind, struct str namespace, struct str name)
{
    struct kube_row row;
    for (unsigned i = 0; i < WATCHES; i++) {
        const struct followed *f = &m->all[i];
        if (f->kind == kind && f->watch != NULL &&
                kube_cache_find(kube_watch_cache(f->watch), namespace, name, &row))
            return row.version;
    }
    return 0;
}

struct ctl_mirror_stats ctl_mirror_stats(const struct ctl_mirror *m)
{
    struct ctl_mirror_stats sum = {0};
    for (unsigned i = 0; i < WATCHES; i++) {
        const struct followed *f = &m->all[i];
        if (f->watch == NULL)
            continue;
        const struct kube_cache *cache = kube_watch_cache(f->watch);
        const struct kube_watch_stats w = kube_watch_stats(f->watch);
        sum.objects += kube_cache_count(cache);
        sum.bytes += kube_cache_bytes(cache);
        sum.lists += w.lists;
        sum.events += w.events;
        sum.lost += f->lost;
    }
    return sum;
}
