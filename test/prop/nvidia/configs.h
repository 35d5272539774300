/* Random configs of the device plugin and of mig-parted: a tree that is legal, then broken in one
 * to three places, then written as YAML in one of two styles.  The same seed gives the same text.
 */
#ifndef PROP_NVIDIA_CONFIGS_H
#define PROP_NVIDIA_CONFIGS_H

#include "base/buf.h"
#include "base/prng.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { GEN_NODES_MAX = 400, GEN_TEXT_MAX = 96, GEN_CHANGES_MAX = 3 };

enum gen_kind { GEN_LEAF, GEN_MAP, GEN_LIST };

enum gen_class {
    GEN_VALID,
    GEN_VALUE,     /* a value of another type or out of range */
    GEN_DUPLICATE, /* a key twice */
    GEN_CASE,      /* a key in other letters */
    GEN_UNKNOWN,   /* a key that nobody knows, or one of another block */
    GEN_MISSING,   /* a member left out */
    GEN_MISSPELT,  /* a key with a letter changed */
    GEN_ALIAS,     /* an anchor and an alias, or a merge key */
    GEN_DOCUMENT,  /* a second document */
    GEN_SYNTAX,    /* a character put in or taken out */
    GEN_CLASS_COUNT
};

static const char *const gen_class_names[GEN_CLASS_COUNT] = {"valid", "value", "duplicate key",
        "key in other case", "unknown key", "missing key", "misspelt key", "alias or merge",
        "second document", "broken syntax"};

struct gen_node {
    enum gen_kind kind;
    char key[GEN_TEXT_MAX]; /* "" in lists and at the top */
    char text[GEN_TEXT_MAX];
    int parent, first, next; /* -1 = none */
    uint32_t line;           /* where it was written */
    bool dropped;
};

struct gen {
    struct prng rng;
    int count;
    struct gen_node nodes[GEN_NODES_MAX];
    enum gen_class class;       /* of the first change */
    int changes;                /* how many */
    char changed[GEN_TEXT_MAX]; /* the key that was changed, or that of the nearest above it */
    int changed_node;
};

static inline uint32_t gen_below(struct gen *g, uint32_t bound)
{
    return (uint32_t)prng_below(&g->rng, bound);
}

static inline int gen_add(struct gen *g, int parent, enum gen_kind kind, const char *key)
{
    assert(g->count < GEN_NODES_MAX);
    int index = g->count++;
    struct gen_node *n = &g->nodes[index];
    *n = (struct gen_node){.kind = kind, .parent = parent, .first = -1, .next = -1};
    (void)snprintf(n->key, sizeof n->key, "%s", key);
    if (parent < 0)
        return index;
    int *link = &g->nodes[parent].first;
    while (*link >= 0)
        link = &g->nodes[*link].next;
    *link = index;
    return index;
}

static inline int gen_leaf(struct gen *g, int parent, const char *key, const char *text)
{
    int index = gen_add(g, parent, GEN_LEAF, key);
    (void)snprintf(g->nodes[index].text, GEN_TEXT_MAX, "%s", text);
    return index;
}

#define GEN_PICK(g, words) (words)[gen_below(g, sizeof(words) / sizeof(words)[0])]

/* -- legal trees ----------------------------------------------------------------------------- */

static inline void gen_sharing(struct gen *g, int sharing, const char *block)
{
    static const char *const names[] = {"nvidia.com/gpu", "gpu", "nvidia.com/mig-1g.5gb",
            "mig-2g.10gb", "nvidia.com/mig-1g.5gb.me", "\"nvidia.com/gpu\""};
    static const char *const replicas[] = {"2", "3", "4", "10", "64", "100"};
    static const char *const devices[] = {"all", "2", "[0, 1]", "[\"0:1\", 3]",
            "[GPU-b1028956-cfa2-0990-bf4a-5da9abb51763]",
            "[MIG-GPU-b1028956-cfa2-0990-bf4a-5da9abb51763/3/0]"};
    int map = gen_add(g, sharing, GEN_MAP, block);
    if (gen_below(g, 2))
        gen_leaf(g, map, "renameByDefault", gen_below(g, 2) ? "true" : "false");
    if (gen_below(g, 2))
        gen_leaf(g, map, "failRequestsGreaterThanOne", gen_below(g, 2) ? "true" : "false");
    int list = gen_add(g, map, GEN_LIST, "resources");
    for (uint32_t i = 0, n = 1 + gen_below(g, 3); i < n; i++) {
        int r = gen_add(g, list, GEN_MAP, "");
        gen_leaf(g, r, "name", GEN_PICK(g, names));
        if (gen_below(g, 4) == 0)
            gen_leaf(g, r, "rename", "shared");
        if (gen_below(g, 4) == 0)
            gen_leaf(g, r, "devices", GEN_PICK(g, devices));
        gen_leaf(g, r, "replicas", GEN_PICK(g, replicas));
    }
}

static inline void gen_flags(struct gen *g, int root, bool mixed)
{
    static const char *const strategies[] = {"none", "single", "mixed"};
    static const char *const lists[] = {"envvar", "[envvar]", "[envvar, cdi-cri]", "volume-mounts"};
    static const char *const durations[] = {"60s", "1m30s", "infinite", "60000000000"};
    int flags = gen_add(g, root, GEN_MAP, "flags");
    if (gen_below(g, 2))
        gen_leaf(g, flags, "migStrategy", strategies[gen_below(g, mixed ? 3 : 2)]);
    if (gen_below(g, 3) == 0)
        gen_leaf(g, flags, "failOnInitError", "true");
    if (gen_below(g, 3) == 0)
        gen_leaf(g, flags, "nvidiaDriverRoot", "/run/nvidia/driver");
    if (gen_below(g, 4) == 0)
        gen_leaf(g, flags, "deviceDiscoveryStrategy", "auto");
    if (gen_below(g, 3) == 0) {
        int plugin = gen_add(g, flags, GEN_MAP, "plugin");
        gen_leaf(g, plugin, "passDeviceSpecs", "false");
        gen_leaf(g, plugin, "deviceListStrategy", GEN_PICK(g, lists));
        gen_leaf(g, plugin, "deviceIDStrategy", gen_below(g, 2) ? "uuid" : "index");
    }
    if (gen_below(g, 3) == 0) {
        int gfd = gen_add(g, flags, GEN_MAP, "gfd");
        gen_leaf(g, gfd, "oneshot", "false");
        gen_leaf(g, gfd, "sleepInterval", GEN_PICK(g, durations));
        gen_leaf(g, gfd, "outputFile", "/etc/x");
    }
}

static inline int gen_device_plugin(struct gen *g)
{
    int root = gen_add(g, -1, GEN_MAP, "");
    if (gen_below(g, 10))
        gen_leaf(g, root, "version", "v1");
    uint32_t which = gen_below(g, 5); /* 1: MPS, 2: both, which mixed does not go with */
    if (gen_below(g, 3))
        gen_flags(g, root, which != 1 && which != 2);
    if (gen_below(g, 6) == 0) {
        int list = gen_add(g, gen_add(g, root, GEN_MAP, "resources"), GEN_LIST,
                gen_below(g, 2) ? "gpus" : "mig");
        int item = gen_add(g, list, GEN_MAP, "");
        gen_leaf(g, item, "pattern", "\"*\"");
        gen_leaf(g, item, "name", "gpu");
    }
    if (gen_below(g, 5)) {
        int sharing = gen_add(g, root, GEN_MAP, "sharing");
        if (which != 1)
            gen_sharing(g, sharing, "timeSlicing");
        if (which == 1 || which == 2)
            gen_sharing(g, sharing, "mps");
    }
    if (gen_below(g, 8) == 0) {
        int imex = gen_add(g, root, GEN_MAP, "imex");
        gen_leaf(g, imex, "channelIDs", gen_below(g, 2) ? "[0]" : "[]");
        gen_leaf(g, imex, "required", "true");
    }
    return root;
}

static inline int gen_mig_parted(struct gen *g)
{
    static const char *const names[] = {"all-disabled", "all-1g.5gb", "custom", "\"x y\""};
    static const char *const filters[] = {
            "\"0x20B010DE\"", "[\"0x20B010DE\", \"0x20B210DE\"]", "\"\"", "A100", "[]"};
    static const char *const devices[] = {"all", "[0]", "[0, 1, 2, 3]", "[]", "[7, 7]"};
    static const char *const profiles[] = {"1g.5gb", "2g.10gb", "3g.20gb", "1g.5gb+me",
            "1c.3g.20gb", "1g.24gb-me", "\"1g.24gb+gfx,me\"", "\"1g.24gb+me.all\""};
    static const char *const counts[] = {"1", "2", "7", "0", "3"};
    int root = gen_add(g, -1, GEN_MAP, "");
    gen_leaf(g, root, "version", "v1");
    int configs = gen_add(g, root, GEN_MAP, "mig-configs");
    for (uint32_t i = 0, n = 1 + gen_below(g, 3); i < n; i++) {
        int list = gen_add(g, configs, GEN_LIST, names[i]);
        for (uint32_t k = 0, entries = 1 + gen_below(g, 3); k < entries; k++) {
            int e = gen_add(g, list, GEN_MAP, "");
            bool enabled = gen_below(g, 4) > 0;
            if (gen_below(g, 3) == 0)
                gen_leaf(g, e, "device-filter", GEN_PICK(g, filters));
            gen_leaf(g, e, "devices", GEN_PICK(g, devices));
            gen_leaf(g, e, "mig-enabled", enabled ? "true" : "false");
            int map = gen_add(g, e, GEN_MAP, "mig-devices");
            uint32_t first = gen_below(g, 8);
            for (uint32_t p = 0, wanted = enabled ? gen_below(g, 4) : 0; p < wanted; p++)
                gen_leaf(g, map, profiles[(first + p) % 8], p == 0 ? "1" : GEN_PICK(g, counts));
        }
    }
    return root;
}

/* -- changes --------------------------------------------------------------------------------- */

/* A node that has a key (when asked for) and is not the top; -1 after many tries. */
static inline int gen_any(struct gen *g, bool keyed)
{
    for (int tries = 0; tries < 200; tries++) {
        int i = (int)gen_below(g, (uint32_t)g->count);
        if (g->nodes[i].parent >= 0 && !g->nodes[i].dropped && (!keyed || g->nodes[i].key[0]))
            return i;
    }
    return -1;
}

static inline const char *gen_value(struct gen *g)
{
    static const char *const values[] = {"null", "~", "true", "no", "\"yes\"", "on", "0", "1", "2",
            "-1", "4.0", "4e0", "4.5", "0.0", "1e3", "1e400", "1e19", "9223372036854775807",
            "9223372036854775808", "99999999999999999999", "100000", "0x10", "010", "0o17", "0b11",
            "1_000", ".inf", "-.nan", "\"\"", "\"4\"", "'all'", "all", "none", "x", "\"0:1\"", "[]",
            "[null]", "[1]", "[0, 1.0]", "[\"0\"]", "[x, 2]", "[[]]", "{}", "{a: 1}",
            "{replicas: 4}", "{name: gpu, replicas: 2}", "[{name: gpu, replicas: 2}]", "2020-01-01",
            "12:30", "!!str 4", "!!int \"4\"", "!!float 4", "!x 4", "!!bool yes", "mixed", "GPU",
            "nvidia.com/", "nvidia.com/gpu", "a..b", "-a", "a--b", "60", "1h", "5 s", "1.5h2m",
            "10us", "18446744073709551615", "\"GPU-b1028956-cfa2-0990-bf4a-5da9abb51763\"",
            "[\"GPU-urn:uuid:b1028956-cfa2-0990-bf4a-5da9abb51763\"]",
            "[GPU-b1028956cfa20990bf4a5da9abb51763]", "[\"MIG-0\"]",
            "nvidia.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "nvidia.com/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "[cdi-cri]",
            "[cdi]", "1g.5gb", "v1", "v2", "\"v1\"", "[-1]", "[99999]", "{1g.5gb: 1}",
            "{1g.5gb: 0}", "{1g: 1}"};
    return GEN_PICK(g, values);
}

static inline const char *gen_unknown(struct gen *g)
{
    static const char *const keys[] = {"unknown", "renameByDefault", "replicas", "resources",
            "name", "devices", "mig-devices", "version", "flags", "timeSlicing", "mig-enabled",
            "1c.1g.5gb", "yes", "1", "default", "failRequestsGreaterThanOne", "9g.5gb+me",
            "1g.5gb+", "1g.5gb+me-x", "1g.5gb+me,me"};
    return GEN_PICK(g, keys);
}

static inline void gen_changed(struct gen *g, enum gen_class class, int node, const char *key)
{
    if (g->changes++ > 0)
        return;
    g->class = class;
    g->changed_node = node;
    for (int i = node; key[0] == '\0' && i >= 0; i = g->nodes[i].parent)
        key = g->nodes[i].key;
    (void)snprintf(g->changed, sizeof g->changed, "%s", key);
}

/* Turns a node into a leaf with this text. */
static inline void gen_set(struct gen *g, int i, const char *text)
{
    g->nodes[i].kind = GEN_LEAF;
    g->nodes[i].first = -1;
    (void)snprintf(g->nodes[i].text, GEN_TEXT_MAX, "%s", text);
    for (int k = 0; k < g->count; k++) { /* what was below it is out of reach */
        int up = g->nodes[k].parent;
        while (up >= 0 && up != i)
            up = g->nodes[up].parent;
        g->nodes[k].dropped = g->nodes[k].dropped || up == i;
    }
}

static inline void gen_change_key(struct gen *g, enum gen_class class)
{
    int i = gen_any(g, true);
    if (i < 0)
        return;
    char old[GEN_TEXT_MAX];
    char *key = g->nodes[i].key;
    (void)snprintf(old, sizeof old, "%s", key);
    bool quoted = key[0] == '"';
    size_t at = quoted + gen_below(g, (uint32_t)strlen(key) - 2 * quoted);
    if (class == GEN_MISSPELT) {
        memmove(key + at, key + at + 1, strlen(key + at));
        if (key[0] == '\0')
            (void)snprintf(key, GEN_TEXT_MAX, "x");
    } else {
        for (char *c = key; *c != '\0'; c++) {
            bool swap = (size_t)(c - key) == at || gen_below(g, 4) == 0;
            if (swap && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')))
                *c ^= 32;
        }
    }
    gen_changed(g, class, i, old);
}

static inline void gen_change(struct gen *g)
{
    int i = gen_any(g, false);
    if (i < 0)
        return;
    struct gen_node *n = &g->nodes[i];
    int parent = n->parent;
    uint32_t what = gen_below(g, 100);
    if (what < 45) {
        gen_set(g, i, gen_value(g));
        gen_changed(g, GEN_VALUE, i, "");
    } else if (what < 55) {
        int keyed = gen_any(g, true);
        if (keyed >= 0) {
            char key[GEN_TEXT_MAX];
            memcpy(key, g->nodes[keyed].key, sizeof key);
            int twin = gen_leaf(g, g->nodes[keyed].parent, key, gen_value(g));
            gen_changed(g, GEN_DUPLICATE, twin, "");
        }
    } else if (what < 63) {
        gen_change_key(g, GEN_CASE);
    } else if (what < 73) {
        int map = parent >= 0 && g->nodes[parent].kind == GEN_MAP ? parent : 0;
        int leaf = gen_leaf(g, map, gen_unknown(g), gen_below(g, 2) ? "1" : gen_value(g));
        gen_changed(g, GEN_UNKNOWN, leaf, "");
    } else if (what < 83) {
        char key[GEN_TEXT_MAX];
        memcpy(key, n->key, sizeof key);
        n->dropped = true;
        gen_changed(g, GEN_MISSING, parent, key);
    } else if (what < 92) {
        gen_change_key(g, GEN_MISSPELT);
    } else if (n->kind == GEN_LEAF && n->text[0] != '!' && n->text[0] != '&') {
        char text[GEN_TEXT_MAX];
        (void)snprintf(text, sizeof text, "&a %.80s", n->text);
        gen_set(g, i, text);
        int leaf =
                gen_leaf(g, gen_below(g, 2) ? 0 : parent, gen_below(g, 2) ? "alias" : "<<", "*a");
        gen_changed(g, GEN_ALIAS, leaf, "");
    } else if (n->kind == GEN_MAP) {
        gen_leaf(g, i, "<<", "{replicas: 5, name: gpu, devices: all, x: y}");
        gen_changed(g, GEN_ALIAS, i, "");
    }
}

/* -- writing --------------------------------------------------------------------------------- */

static inline void gen_write_key(const struct gen_node *n, struct buf *out)
{
    if (n->key[0] != '\0')
        buf_printf(out, "%s: ", n->key);
}

static inline void gen_write_flow(struct gen *g, int i, uint32_t *line, struct buf *out)
{
    struct gen_node *n = &g->nodes[i];
    const char *between = "";
    n->line = *line;
    gen_write_key(n, out);
    if (n->kind == GEN_LEAF) {
        buf_puts(out, n->text);
        return;
    }
    buf_putc(out, n->kind == GEN_MAP ? '{' : '[');
    for (int k = n->first; k >= 0; k = g->nodes[k].next) {
        if (g->nodes[k].dropped)
            continue;
        buf_puts(out, between);
        between = ", ";
        if (gen_below(g, 3) == 0) {
            buf_putc(out, '\n');
            ++*line;
            buf_puts(out, " ");
        }
        gen_write_flow(g, k, line, out);
    }
    buf_putc(out, n->kind == GEN_MAP ? '}' : ']');
}

static inline void gen_write_block(
        struct gen *g, int i, int indent, uint32_t *line, struct buf *out)
{
    struct gen_node *n = &g->nodes[i];
    bool empty = true;
    for (int k = n->first; k >= 0; k = g->nodes[k].next)
        empty = empty && g->nodes[k].dropped;
    n->line = *line;
    gen_write_key(n, out);
    if (n->kind == GEN_LEAF || empty) {
        buf_puts(out, n->kind == GEN_LEAF ? n->text : (n->kind == GEN_MAP ? "{}" : "[]"));
        buf_putc(out, '\n');
        ++*line;
        return;
    }
    bool in_list = n->parent >= 0 && g->nodes[n->parent].kind == GEN_LIST;
    bool first = true;
    if (!in_list && n->parent >= 0) {
        buf_putc(out, '\n');
        ++*line;
    }
    for (int k = n->first; k >= 0; k = g->nodes[k].next) {
        if (g->nodes[k].dropped)
            continue;
        if (!(in_list && first))
            buf_printf(out, "%*s", indent, "");
        first = false;
        if (n->kind == GEN_LIST)
            buf_puts(out, "- ");
        gen_write_block(g, k, indent + 2, line, out);
    }
}

static inline void gen_break(struct gen *g, struct buf *out)
{
    static const char marks[] = "{}[]:,-&*!|>'\"%@`#? \n\t<ab1";
    size_t at = gen_below(g, (uint32_t)out->len);
    char c = marks[gen_below(g, sizeof marks - 1)];
    if (gen_below(g, 2)) {
        out->ptr[at] = c;
    } else {
        buf_putc(out, ' ');
        memmove(out->ptr + at + 1, out->ptr + at, out->len - 1 - at);
        out->ptr[at] = c;
    }
    gen_changed(g, GEN_SYNTAX, -1, "");
}

/* Builds the config of `seed` and appends its text. */
static inline void gen_config(struct gen *g, uint64_t seed, bool parted, struct buf *out)
{
    *g = (struct gen){.class = GEN_VALID, .changed_node = -1};
    prng_init(&g->rng, seed);
    uint32_t line = 1;
    int root = parted ? gen_mig_parted(g) : gen_device_plugin(g);
    uint32_t changes = gen_below(g, 8) == 0 ? 0 : 1 + gen_below(g, 10) / 7;
    uint32_t broken = gen_below(g, 100);
    for (uint32_t i = 0; i < changes && i < GEN_CHANGES_MAX && broken >= 12; i++)
        gen_change(g);
    if (gen_below(g, 4)) {
        gen_write_block(g, root, 0, &line, out);
    } else {
        gen_write_flow(g, root, &line, out);
        buf_putc(out, '\n');
    }
    if (changes > 0 && broken < 8 && out->len > 0) {
        gen_break(g, out);
    } else if (changes > 0 && broken < 12) {
        buf_puts(out, "---\nversion: v2\n");
        gen_changed(g, GEN_DOCUMENT, -1, "");
    }
}

#endif
