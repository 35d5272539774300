/* A cluster written as JSON, one object after another, and what is made of it: for the tests of
 * ctl/. */
#ifndef TEST_CTL_CLUSTER_H
#define TEST_CTL_CLUSTER_H

#include "test.h"

#include "base/num.h"
#include "ctl/world.h"
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1 << 16 };

#define TODAY_NS (1700000000 * NUM_NS_PER_SECOND)

struct cluster {
    struct buf text;
    struct ctl_snapshot *s;
    struct arena *a;
    struct ctl_world w;
    struct ctl_world_options o;
};

static inline int64_t price_of(uint16_t gpu)
{
    return 1000000 + gpu;
}

static inline struct cluster *cluster_new(void)
{
    struct cluster *c = mem_alloc(1, sizeof *c);
    c->text = BUF_INIT(TEXT_MAX);
    c->s = ctl_snapshot_new();
    c->a = arena_new(64 << 20);
    c->o = (struct ctl_world_options){.policy = policy_preset(STR_LIT("balanced")),
            .price_default = price_of,
            .wall_ns = TODAY_NS};
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++)
        c->o.seen[k] = true;
    return c;
}

static inline void cluster_free(struct cluster *c)
{
    buf_clear(&c->text);
    (void)ctl_snapshot_free(c->s);
    ctl_world_clear(&c->w);
    (void)arena_free(c->a);
    mem_free(c);
}

/* A ready node with `gpus` A100-40GB.  more: labels, each with a comma before it; or "". */
static inline void put_node(struct cluster *c, const char *name, unsigned gpus, const char *more)
{
    buf_printf(&c->text,
            "{\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"uid\":\"node-%s\",\"labels\":{"
            "\"nvidia.com/gpu.product\":\"NVIDIA-A100-SXM4-40GB\","
            "\"nvidia.com/gpu.count\":\"%u\"%s}},\"status\":{"
            "\"capacity\":{\"cpu\":\"64\",\"memory\":\"256Gi\",\"nvidia.com/gpu\":\"%u\"},"
            "\"allocatable\":{\"cpu\":\"64\",\"memory\":\"256Gi\",\"nvidia.com/gpu\":\"%u\"},"
            "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}\n",
            name, name, gpus, more, gpus, gpus);
}

/* A Deployment ml/NAME whose template asks for a GPU.  labels: of the template; spec: more of the
 * template's spec, with a comma at its end. */
static inline void put_deployment(struct cluster *c, const char *name, unsigned replicas,
        const char *labels, const char *spec)
{
    buf_printf(&c->text,
            "{\"kind\":\"Deployment\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"%s\","
            "\"uid\":\"deployment-%s\"},\"spec\":{\"replicas\":%u,\"template\":{\"metadata\":{"
            "\"labels\":{%s}},\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"app:1\","
            "\"resources\":{\"limits\":{\"nvidia.com/gpu\":\"1\"}}}]}}}}\n",
            name, name, replicas, labels, spec);
    buf_printf(&c->text,
            "{\"kind\":\"ReplicaSet\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"%s-5d\","
            "\"uid\":\"set-%s\",\"ownerReferences\":[{\"kind\":\"Deployment\",\"name\":\"%s\","
            "\"uid\":\"deployment-%s\",\"controller\":true}]},\"spec\":{\"replicas\":%u}}\n",
            name, name, name, name, replicas);
}

/* The pod ml/DEPLOYMENT-5d-SUFFIX, running on `node`. */
static inline void put_pod(
        struct cluster *c, const char *deployment, const char *suffix, const char *node)
{
    buf_printf(&c->text,
            "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ml\",\"name\":\"%s-5d-%s\","
            "\"uid\":\"pod-%s-%s\",\"creationTimestamp\":\"2023-11-01T00:00:00Z\","
            "\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"%s-5d\","
            "\"uid\":\"set-%s\",\"controller\":true}]},\"spec\":{\"nodeName\":\"%s\","
            "\"containers\":[{\"name\":\"c\",\"image\":\"app:1\",\"resources\":{\"limits\":{"
            "\"nvidia.com/gpu\":\"1\"}}}]},\"status\":{\"phase\":\"Running\","
            "\"startTime\":\"2023-11-01T00:00:00Z\"}}\n",
            deployment, suffix, deployment, suffix, deployment, deployment, node);
}

/* Reads what was put and judges it. */
static inline void build(struct cluster *c)
{
    uint32_t ignored = 0;
    struct err e = {0};
    if (ctl_snapshot_read(c->s, buf_str(&c->text), &ignored, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(ignored, 0);
    if (ctl_world_build(c->a, c->s, &c->o, &c->w, &e) < 0)
        fail_msg("%s", e.text);
}

/* The facts of a node and of the owner ml/NAME. */
static inline const struct core_node_fact *node_get(const struct cluster *c, const char *name)
{
    uint32_t row = map_str_find(&c->w.node_index, str_from(name));
    assert_true(row < c->w.node_count);
    return &c->w.nodes[row].node;
}

static inline uint32_t owner_row(const struct cluster *c, const char *name)
{
    for (uint32_t i = 0; i < c->w.owner_count; i++) {
        if (str_eq_c(c->w.owner_notes[i].name, name))
            return i;
    }
    fail_msg("no owner %s", name);
    return 0;
}

static inline const struct core_owner_fact *owner_get(const struct cluster *c, const char *name)
{
    return &c->w.owners[owner_row(c, name)].owner;
}

/* `words` stand in `text`. */
static inline void assert_says(struct str text, const char *words)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%.*s", STR_ARG(text));
    if (strstr(line, words) == NULL)
        fail_msg("'%s' does not say '%s'", line, words);
}

#endif
