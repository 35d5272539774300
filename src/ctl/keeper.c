/* ctl/keeper.c - see keeper.h.  Below the purity line. */
#include "ctl/keeper.h"

#include "base/json.h"
#include "base/num.h"
#include "kube/item.h"
#include "kube/write.h"
#include "os/log.h"
#include "os/loop.h"

#include <stdio.h>
#include <string.h>

enum {
    PATH_BYTES = 512,
    BODY_BYTES_MAX = 2 * CTL_KEPT_BYTES_MAX, /* escapes: a '\n' a line */
    ROWS_BYTES_MAX = 64 << 20,
};

static const int64_t EVERY_NS = 3600 * NUM_NS_PER_SECOND;
static const int64_t PATIENCE_NS = 8 * NUM_NS_PER_SECOND; /* a pod has 30 s to end in */

/* One ConfigMap. */
struct shard {
    struct ctl_keeper *k;
    uint32_t number;
    struct kube_request *request; /* NULL = none is under way */
    uint64_t text_hash;           /* of what the server has; 0 = not known */
    bool there;                   /* it was read since we lead */
};

struct ctl_keeper {
    struct kube_client *client;
    struct os_loop *loop;
    struct ctl_keeper_options options;
    struct shard shards[CTL_KEPT_SHARDS];
    struct os_timer tick; /* runs while we lead: a shard at a time */
    uint32_t next;
    bool told;          /* that nothing is kept */
    struct arena *into; /* while loading */
    struct buf rows;    /* struct core_history_fact */
};

/* Runs the loop until all have answered; who has not by then is given up. */
static void wait_for_all(struct ctl_keeper *k)
{
    const int64_t end_ns = os_loop_now_ns(k->loop) + PATIENCE_NS;
    bool busy = true;
    while (busy) {
        struct err e = {0};
        int64_t left_ns = end_ns - os_loop_now_ns(k->loop);
        busy = false;
        for (uint32_t i = 0; i < CTL_KEPT_SHARDS; i++)
            busy |= k->shards[i].request != NULL;
        if (!busy || left_ns <= 0 || os_loop_turn(k->loop, left_ns, &e) < 0)
            break;
    }
    for (uint32_t i = 0; i < CTL_KEPT_SHARDS; i++) {
        if (k->shards[i].request != NULL)
            kube_client_cancel(k->shards[i].request);
        k->shards[i].request = NULL;
    }
}

static void put_path(const struct shard *s, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "/api/v1/namespaces/%s/configmaps/slicewright-history-%u",
            s->k->options.namespace, s->number);
}

/* -- writing ------------------------------------------------------------------------------------
 */

static void on_written(void *user, const struct kube_answer *answer)
{
    struct shard *s = user;
    s->request = NULL;
    if (answer->outcome == KUBE_DONE)
        return;
    s->text_hash = 0;
    os_log_warn("keeper", "history not written", OS_LOG_CSTR("why", answer->err.text));
}

static void write_shard(struct shard *s, struct str text)
{
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    struct err e = {0};
    char path[PATH_BYTES];
    jw_object(&w);
    jw_key(&w, "data");
    jw_object(&w);
    jw_kv_str(&w, "history", text);
    jw_object_end(&w);
    jw_object_end(&w);
    put_path(s, path);
    const struct kube_write write = {
            .path = path, .body = buf_str(&body), .done = on_written, .user = s};
    s->text_hash = str_hash(text, 1) | 1;
    if (kube_write_patch(s->k->client, KUBE_PATCH_MERGE, &write, &s->request, &e) < 0) {
        s->request = NULL;
        s->text_hash = 0;
        os_log_warn("keeper", "history not written", OS_LOG_CSTR("why", e.text));
    }
    buf_clear(&body);
}

/* Writes what is known, if the server does not have it already. */
static void save_shard(struct shard *s)
{
    struct ctl_keeper *k = s->k;
    struct core_history_fact *owners;
    uint32_t count = 0;
    if (!s->there || s->request != NULL)
        return;
    struct arena *a = arena_new((size_t)1 << 30);
    struct buf text = BUF_INIT(CTL_KEPT_BYTES_MAX);
    if (k->options.collect(k->options.user, a, s->number, &owners, &count)) {
        uint32_t left_out = ctl_kept_write(owners, count, &text);
        if (left_out > 0) {
            os_log_info("keeper", "no room for the history of all owners",
                    OS_LOG_U64("left_out", left_out), OS_LOG_U64("shard", s->number));
        }
        if ((str_hash(buf_str(&text), 1) | 1) != s->text_hash)
            write_shard(s, buf_str(&text));
    }
    buf_clear(&text);
    (void)arena_free(a);
}

static void on_tick(struct os_timer *t)
{
    struct ctl_keeper *k = (struct ctl_keeper *)((char *)t - offsetof(struct ctl_keeper, tick));
    os_loop_timer_set(k->loop, t, os_loop_now_ns(k->loop) + k->options.every_ns / CTL_KEPT_SHARDS);
    save_shard(&k->shards[k->next]);
    k->next = (k->next + 1) % CTL_KEPT_SHARDS;
}

void ctl_keeper_save(struct ctl_keeper *k)
{
    for (uint32_t i = 0; i < CTL_KEPT_SHARDS; i++)
        save_shard(&k->shards[i]);
    wait_for_all(k);
}

/* -- reading ------------------------------------------------------------------------------------
 */

static void take_text(struct shard *s, struct str text)
{
    struct ctl_keeper *k = s->k;
    struct core_history_fact *owners;
    uint32_t count = 0;
    struct err e = {0};
    if (text.len == 0)
        return; /* as it was deployed */
    s->text_hash = str_hash(text, 1) | 1;
    if (ctl_kept_parse(k->into, arena_str(k->into, text), &owners, &count, &e) < 0) {
        os_log_warn("keeper", "history not understood: left out", OS_LOG_U64("shard", s->number),
                OS_LOG_CSTR("why", e.text));
        return;
    }
    buf_put(&k->rows, (struct str){(const char *)owners, count * sizeof *owners});
}

static void on_read(void *user, const struct kube_answer *answer)
{
    struct shard *s = user;
    struct kube_item item;
    struct err e = answer->err;
    s->request = NULL;
    struct arena *a = arena_new((size_t)64 << 20);
    s->there = answer->outcome == KUBE_DONE && kube_item_parse(a, answer->body, &item, &e) == 0;
    if (s->there) {
        take_text(s, kube_value_str(kube_item_at(&item, "data.history")));
    } else if (!s->k->told) {
        s->k->told = true;
        os_log_info("keeper", "history is not kept in the cluster", OS_LOG_CSTR("why", e.text));
    }
    (void)arena_free(a);
}

uint32_t ctl_keeper_load(
        struct ctl_keeper *k, struct arena *a, struct core_history_fact **ret_owners)
{
    k->into = a;
    buf_reset(&k->rows);
    for (uint32_t i = 0; i < CTL_KEPT_SHARDS; i++) {
        struct shard *s = &k->shards[i];
        char path[PATH_BYTES];
        struct err e = {0};
        s->there = false;
        s->text_hash = 0;
        put_path(s, path);
        const struct kube_request_spec spec = {.method = "GET",
                .path = path,
                .body_bytes_max = BODY_BYTES_MAX,
                .done = on_read,
                .user = s};
        if (s->request == NULL && kube_client_start(k->client, &spec, &s->request, &e) < 0) {
            s->request = NULL;
            os_log_warn("keeper", "history not read", OS_LOG_CSTR("why", e.text));
        }
    }
    wait_for_all(k);
    os_loop_timer_set(
            k->loop, &k->tick, os_loop_now_ns(k->loop) + k->options.every_ns / CTL_KEPT_SHARDS);
    uint32_t count = (uint32_t)(k->rows.len / sizeof **ret_owners);
    struct core_history_fact *owners = ARENA_ARRAY(a, struct core_history_fact, count + 1);
    if (count > 0)
        memcpy(owners, k->rows.ptr, k->rows.len);
    *ret_owners = owners;
    return count;
}

/* -- life ---------------------------------------------------------------------------------------
 */

struct ctl_keeper *ctl_keeper_new(
        struct kube_client *client, const struct ctl_keeper_options *options)
{
    struct ctl_keeper *k = mem_alloc(1, sizeof *k);
    *k = (struct ctl_keeper){.client = client,
            .loop = kube_client_loop(client),
            .options = *options,
            .tick.fire = on_tick,
            .rows = BUF_INIT(ROWS_BYTES_MAX)};
    if (k->options.every_ns <= 0)
        k->options.every_ns = EVERY_NS;
    for (uint32_t i = 0; i < CTL_KEPT_SHARDS; i++)
        k->shards[i] = (struct shard){.k = k, .number = i};
    return k;
}

void ctl_keeper_rest(struct ctl_keeper *k)
{
    os_loop_timer_clear(k->loop, &k->tick);
    for (uint32_t i = 0; i < CTL_KEPT_SHARDS; i++) {
        if (k->shards[i].request != NULL)
            kube_client_cancel(k->shards[i].request);
        k->shards[i].request = NULL;
        k->shards[i].there = false;
    }
}

struct ctl_keeper *ctl_keeper_free(struct ctl_keeper *k)
{
    if (k == NULL)
        return NULL;
    ctl_keeper_rest(k);
    buf_clear(&k->rows);
    mem_free(k);
    return NULL;
}
