/* ctl/feed.c - see feed.h.  No I/O.
 *
 * Of each object that the core knows there is a row with the hash of what was told.  A world is
 * told in three passes: what is lost, what is gone (pods before what they lie on), what is new or
 * changed (what pods refer to before pods); then what is complete again. */
#include "ctl/feed.h"

#include "base/num.h"
#include "core/recording.h"

#include <assert.h>
#include <string.h>

enum sync_state { SYNC_UNKNOWN, SYNC_LOST, SYNC_COMPLETE };

/* Of nodes, pods and owners by uid; of a ConfigMap's keys by a hash of map and key. */
struct told {
    uint64_t id, hash;
    uint64_t version, resource_version;
    uint64_t round;     /* of the last world that had it */
    bool left_out;      /* a node that is there, but no longer in the world */
    uint8_t config_map; /* of a key */
    uint8_t lens[3];    /* of namespace, name and uid in `text`; of a key all of it counts */
    uint32_t text_len;
    char *text;                   /* owned */
    const struct core_fact *fact; /* of a node: the last one told, in the feed's arena `nodes` */
    int64_t *read_wall_ns; /* of a node: the newest reading told of each device; owned, or NULL */
};

/* A GPU's instances by their first unit, and the whole GPU. */
enum { DEVICES_A_GPU = 17, DEVICES_MAX = CORE_GPUS_MAX * DEVICES_A_GPU };

struct table {
    struct told *rows;
    uint32_t count, cap;
    struct map_u64 index;
};

struct ctl_feed {
    enum sync_state sync[CORE_SOURCE_COUNT];
    struct table tables[CORE_SOURCE_CONFIG + 1]; /* by source */
    struct map_u64 frozen;                       /* nodes */
    struct arena *nodes;                         /* what was told of them last */
    uint64_t version, round;
    struct core_fact *facts;
    uint32_t fact_count, fact_cap;
    bool taken;          /* the facts were handed out: the next one begins anew */
    struct arena *texts; /* of the facts */
};

struct ctl_feed *ctl_feed_new(void)
{
    struct ctl_feed *f = mem_alloc(1, sizeof *f);
    f->nodes = arena_new((size_t)4 << 30);
    f->texts = arena_new((size_t)4 << 30);
    return f;
}

static void table_clear(struct table *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        mem_free(t->rows[i].text);
        mem_free(t->rows[i].read_wall_ns);
    }
    mem_free(t->rows);
    map_u64_clear(&t->index);
    *t = (struct table){0};
}

struct ctl_feed *ctl_feed_free(struct ctl_feed *f)
{
    if (f == NULL)
        return NULL;
    for (unsigned i = 0; i <= CORE_SOURCE_CONFIG; i++)
        table_clear(&f->tables[i]);
    map_u64_clear(&f->frozen);
    (void)arena_free(f->nodes);
    (void)arena_free(f->texts);
    mem_free(f->facts);
    mem_free(f);
    return NULL;
}

void ctl_feed_restart(struct ctl_feed *f)
{
    for (unsigned i = 0; i <= CORE_SOURCE_CONFIG; i++)
        table_clear(&f->tables[i]);
    memset(f->sync, 0, sizeof f->sync);
    f->fact_count = 0;
}

void ctl_feed_skip(struct ctl_feed *f, uint64_t version)
{
    if (version > f->version)
        f->version = version;
}

/* -- facts --------------------------------------------------------------------------------------
 */

struct core_fact *ctl_feed_add(
        struct ctl_feed *f, enum core_fact_kind kind, enum core_source source)
{
    if (f->taken) {
        arena_reset(f->texts);
        f->fact_count = 0;
        f->taken = false;
    }
    if (f->fact_count == f->fact_cap) {
        f->fact_cap = f->fact_cap == 0 ? 256 : f->fact_cap * 2;
        f->facts = mem_grow(f->facts, f->fact_cap, sizeof *f->facts);
    }
    struct core_fact *fact = &f->facts[f->fact_count++];
    memset(fact, 0, sizeof *fact);
    fact->kind = kind;
    fact->source = source;
    fact->version = ++f->version;
    return fact;
}

uint32_t ctl_feed_take(struct ctl_feed *f, int64_t wall_ns, const struct core_fact **ret_facts)
{
    uint32_t count = f->taken ? 0 : f->fact_count;
    f->taken = true;
    for (uint32_t i = 0; i < count; i++) {
        struct core_fact *fact = &f->facts[i];
        bool dated = fact->observed_wall_ns != 0;
        fact->observed_wall_ns = dated ? num_min_i64(fact->observed_wall_ns, wall_ns) : wall_ns;
    }
    *ret_facts = f->facts;
    return count;
}

static void set_sync(struct ctl_feed *f, enum core_source source, bool complete)
{
    f->sync[source] = complete ? SYNC_COMPLETE : SYNC_LOST;
    ctl_feed_add(f, CORE_FACT_SYNC, source)->sync_complete = complete;
}

void ctl_feed_sync(struct ctl_feed *f, enum core_source source, bool complete)
{
    assert(source >= CORE_SOURCE_METRICS && source <= CORE_SOURCE_POLICY);
    enum sync_state state = complete ? SYNC_COMPLETE : SYNC_LOST;
    if (f->sync[source] != state)
        set_sync(f, source, complete);
}

/* -- rows ---------------------------------------------------------------------------------------
 */

static struct told *row_find(const struct table *t, uint64_t id)
{
    uint32_t i = map_u64_find(&t->index, id);
    return i == MAP_NONE ? NULL : &t->rows[i];
}

static struct told *row_get(struct table *t, uint64_t id)
{
    struct told *row = row_find(t, id);
    if (row != NULL)
        return row;
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->rows = mem_grow(t->rows, t->cap, sizeof *t->rows);
    }
    (void)map_u64_set(&t->index, id, t->count);
    row = &t->rows[t->count++];
    *row = (struct told){.id = id};
    return row;
}

/* The last row takes its place. */
static void row_remove(struct table *t, uint32_t i)
{
    mem_free(t->rows[i].text);
    mem_free(t->rows[i].read_wall_ns);
    (void)map_u64_remove(&t->index, t->rows[i].id);
    t->count--;
    if (i == t->count)
        return;
    t->rows[i] = t->rows[t->count];
    (void)map_u64_set(&t->index, t->rows[i].id, i);
}

static void keep_text(struct told *row, const struct str *parts, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    row->text = mem_alloc(len + 1, 1);
    row->text_len = (uint32_t)len;
    char *at = row->text;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
        row->lens[i] = (uint8_t)num_min_u32((uint32_t)parts[i].len, UINT8_MAX);
    }
}

/* -- what is gone -------------------------------------------------------------------------------
 */

/* The rows of a world's source. */
struct rows {
    const struct core_fact *facts;
    uint32_t count;
};

static struct rows rows_of(const struct ctl_world *w, enum core_source source)
{
    if (source == CORE_SOURCE_NODES)
        return (struct rows){w->nodes, w->node_count};
    if (source == CORE_SOURCE_PODS)
        return (struct rows){w->pods, w->pod_count};
    if (source == CORE_SOURCE_OWNERS)
        return (struct rows){w->owners, w->owner_count};
    assert(source == CORE_SOURCE_CONFIG);
    return (struct rows){w->configs, w->config_count};
}

static uint64_t id_of(const struct core_fact *fact)
{
    if (fact->kind == CORE_FACT_NODE)
        return fact->node.uid;
    if (fact->kind == CORE_FACT_POD)
        return fact->pod.uid;
    if (fact->kind == CORE_FACT_OWNER)
        return fact->owner.uid;
    assert(fact->kind == CORE_FACT_CONFIG);
    return str_hash(fact->config.key, (uint64_t)fact->config.map + 1);
}

static void mark_one(struct ctl_feed *f, enum core_source source, struct str kubernetes_uid)
{
    struct told *row = row_find(&f->tables[source], ctl_uid(kubernetes_uid));
    if (row == NULL || row->round == f->round)
        return;
    row->round = f->round;
    row->left_out = true;
}

/* Marks what is there though the world leaves it out: nodes whose labels are missing while parts of
 * the operator start again, and the pods on them. */
static void mark_left_out(struct ctl_feed *f, const struct ctl_world *w, enum core_source source)
{
    const struct ctl_snapshot *s = w->snapshot;
    struct map_str names = {0};
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (map_str_find(&w->node_index, s->nodes[i].name) != MAP_NONE)
            continue;
        if (source == CORE_SOURCE_NODES) {
            mark_one(f, source, s->nodes[i].uid);
        } else {
            (void)map_str_set(&names, s->nodes[i].name, i);
        }
    }
    for (uint32_t i = 0; source == CORE_SOURCE_PODS && i < s->pod_count; i++) {
        if (s->pods[i].node.len > 0 && map_str_find(&names, s->pods[i].node) != MAP_NONE)
            mark_one(f, source, s->pods[i].uid);
    }
    map_str_clear(&names);
}

static void tell_gone(struct ctl_feed *f, enum core_source source, const struct told *row)
{
    if (source != CORE_SOURCE_CONFIG) {
        ctl_feed_add(f, CORE_FACT_GONE, source)->gone = row->id;
        return;
    }
    struct core_fact *fact = ctl_feed_add(f, CORE_FACT_CONFIG, source);
    fact->config = (struct core_config_fact){.map = (enum core_config_map)row->config_map,
            .key = arena_str(f->texts, (struct str){row->text, row->text_len})};
}

static void drop_gone(struct ctl_feed *f, const struct ctl_world *w, enum core_source source)
{
    struct table *t = &f->tables[source];
    struct rows rows = rows_of(w, source);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        struct told *row = row_find(t, id_of(&rows.facts[i]));
        if (row == NULL)
            continue;
        seen += row->round != f->round;
        row->round = f->round;
        row->left_out = false;
    }
    if (seen == t->count)
        return;
    assert(t->rows != NULL);
    /* When all is told again, such pods are not: they count as gone, and as new when they are back.
     */
    bool pods = source == CORE_SOURCE_PODS && f->sync[source] == SYNC_COMPLETE;
    if (pods || source == CORE_SOURCE_NODES)
        mark_left_out(f, w, source);
    for (uint32_t i = t->count; i-- > 0;) {
        if (t->rows[i].round == f->round)
            continue;
        tell_gone(f, source, &t->rows[i]);
        if (source == CORE_SOURCE_NODES)
            (void)map_u64_remove(&f->frozen, t->rows[i].id);
        row_remove(t, i);
    }
}

/* -- what is new --------------------------------------------------------------------------------
 */

static void name_row(
        const struct ctl_world *w, const struct core_fact *fact, uint32_t i, struct told *row)
{
    if (fact->kind == CORE_FACT_NODE) {
        const struct ctl_node *n = w->node_notes[i].node;
        keep_text(row, (const struct str[]){{0}, n->name, n->uid}, 3);
    } else if (fact->kind == CORE_FACT_POD) {
        const struct ctl_pod *p = w->pod_rows[i];
        keep_text(row, (const struct str[]){p->namespace, p->name, p->uid}, 3);
    } else if (fact->kind == CORE_FACT_CONFIG) {
        row->config_map = (uint8_t)fact->config.map;
        keep_text(row, &fact->config.key, 1);
    }
}

/* Tells the fact if it says something else than before, or `all` has to be told.  Version is the
 * object's. */
static void tell(struct ctl_feed *f, struct told *row, const struct core_fact *fact, bool all)
{
    uint64_t hash = core_recording_fact_hash(fact);
    row->resource_version = fact->version;
    if (row->hash == hash && row->version != 0 && !all)
        return;
    struct core_fact *out = ctl_feed_add(f, fact->kind, fact->source);
    row->hash = hash;
    row->version = out->version;
    *out = *fact;
    out->version = row->version;
    out->observed_wall_ns = 0;
    core_recording_fact_own(f->texts, out);
}

static void tell_node(struct ctl_feed *f, struct arena *kept, struct told *row,
        const struct core_fact *fact, bool all)
{
    struct core_fact *copy = ARENA_NEW(kept, struct core_fact);
    *copy = *fact;
    core_recording_fact_own(kept, copy);
    if (map_u64_find(&f->frozen, row->id) != MAP_NONE)
        copy->node.frozen = true;
    tell(f, row, copy, all);
    row->fact = copy;
}

static void tell_nodes(struct ctl_feed *f, const struct ctl_world *w, bool all)
{
    struct table *t = &f->tables[CORE_SOURCE_NODES];
    struct arena *kept = arena_new((size_t)4 << 30);
    for (uint32_t i = 0; i < t->count; i++) {
        struct told *row = &t->rows[i];
        if (!row->left_out)
            continue;
        /* What it has and does is not known now: nothing is begun on a node that is not ready. */
        struct core_fact gray = *row->fact;
        gray.node.ready = false;
        tell_node(f, kept, row, &gray, all);
    }
    for (uint32_t i = 0; i < w->node_count; i++) {
        struct told *row = row_get(t, w->nodes[i].node.uid);
        if (row->version == 0)
            name_row(w, &w->nodes[i], i, row);
        tell_node(f, kept, row, &w->nodes[i], all);
    }
    (void)arena_free(f->nodes);
    f->nodes = kept;
}

static void tell_new(
        struct ctl_feed *f, const struct ctl_world *w, enum core_source source, bool all)
{
    struct table *t = &f->tables[source];
    struct rows rows = rows_of(w, source);
    for (uint32_t i = 0; i < rows.count; i++) {
        struct told *row = row_get(t, id_of(&rows.facts[i]));
        if (row->version == 0)
            name_row(w, &rows.facts[i], i, row);
        row->round = f->round;
        tell(f, row, &rows.facts[i], all);
    }
}

void ctl_feed_world(
        struct ctl_feed *f, const struct ctl_world *w, const bool synced[CORE_SOURCE_COUNT])
{
    static const enum core_source gone_order[] = {
            CORE_SOURCE_PODS, CORE_SOURCE_NODES, CORE_SOURCE_OWNERS, CORE_SOURCE_CONFIG};
    static const enum core_source new_order[] = {
            CORE_SOURCE_OWNERS, CORE_SOURCE_CONFIG, CORE_SOURCE_NODES, CORE_SOURCE_PODS};
    enum { COUNT = sizeof new_order / sizeof new_order[0] };
    f->round++;
    for (unsigned i = 0; i < COUNT; i++) {
        if (!synced[new_order[i]] && f->sync[new_order[i]] != SYNC_LOST)
            set_sync(f, new_order[i], false);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (synced[gone_order[i]])
            drop_gone(f, w, gone_order[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        enum core_source source = new_order[i];
        bool all = f->sync[source] != SYNC_COMPLETE;
        if (!synced[source])
            continue;
        if (source == CORE_SOURCE_NODES) {
            tell_nodes(f, w, all);
        } else {
            tell_new(f, w, source, all);
        }
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (synced[new_order[i]] && f->sync[new_order[i]] != SYNC_COMPLETE)
            set_sync(f, new_order[i], true);
    }
}

/* -- readings -----------------------------------------------------------------------------------
 */

/* True for a reading that is newer than what was told of its device. */
static bool is_news(struct told *node, const struct ctl_reading *r)
{
    uint32_t start = num_min_u32(r->start, DEVICES_A_GPU - 1);
    if (node->read_wall_ns == NULL)
        node->read_wall_ns = mem_alloc(DEVICES_MAX, sizeof *node->read_wall_ns);
    int64_t *newest = &node->read_wall_ns[r->gpu * DEVICES_A_GPU + start];
    if (r->wall_ns <= *newest)
        return false;
    *newest = r->wall_ns;
    return true;
}

void ctl_feed_readings(struct ctl_feed *f, const struct ctl_history *h)
{
    struct ctl_gpu_reading g;
    uint32_t cursor = 0;
    while (ctl_history_next(h, &cursor, &g)) {
        uint64_t uid = h->w->nodes[g.all.node].node.uid;
        struct told *node = row_find(&f->tables[CORE_SOURCE_NODES], uid);
        if (node == NULL || !is_news(node, &g.all))
            continue;
        struct core_fact *fact = ctl_feed_add(f, CORE_FACT_SAMPLE, CORE_SOURCE_METRICS);
        uint64_t *occupants = ARENA_ARRAY(f->texts, uint64_t, g.occupant_count + 1);
        uint32_t count = 0;
        for (uint32_t i = 0; i < g.occupant_count; i++) {
            occupants[count++] = h->pods[g.occupants[i]].uid;
        }
        fact->sample = ctl_history_sample(h, &g);
        fact->sample.occupant_count = count;
        fact->sample.occupants = occupants;
        fact->observed_wall_ns = g.all.wall_ns;
    }
}

/* -- objects ------------------------------------------------------------------------------------
 */

static bool object_of(const struct table *t, uint64_t uid, struct ctl_object *ret_object)
{
    const struct told *row = row_find(t, uid);
    if (row == NULL)
        return false;
    const char *name = row->text + row->lens[0], *id = name + row->lens[1];
    *ret_object = (struct ctl_object){.namespace = {row->text, row->lens[0]},
            .name = {name, row->lens[1]},
            .uid = {id, row->lens[2]},
            .resource_version = row->resource_version,
            .version = row->version};
    return true;
}

bool ctl_feed_node(const struct ctl_feed *f, uint64_t uid, struct ctl_object *ret_object)
{
    return object_of(&f->tables[CORE_SOURCE_NODES], uid, ret_object);
}

bool ctl_feed_pod(const struct ctl_feed *f, uint64_t uid, struct ctl_object *ret_object)
{
    return object_of(&f->tables[CORE_SOURCE_PODS], uid, ret_object);
}

void ctl_feed_freeze(struct ctl_feed *f, uint64_t node)
{
    (void)map_u64_set(&f->frozen, node, 1);
}
