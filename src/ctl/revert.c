/* ctl/revert.c - see revert.h.  Below the purity line. */
#include "ctl/revert.h"

#include "base/json.h"
#include "base/num.h"
#include "core/annotation.h"
#include "ctl/names.h"
#include "ctl/taint.h"
#include "kube/write.h"
#include "nvidia/plugin_config.h"
#include "os/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    BODY_MAX = 1 << 16,
    PATH_MAX_BYTES = 1024,
    HTTP_NOT_FOUND = 404,
    HTTP_CONFLICT = 409,
    HTTP_TOO_MANY = 429,
};

static const int64_t TIMEOUT_NS = 15 * 60 * NUM_NS_PER_SECOND, POLL_NS = 2 * NUM_NS_PER_SECOND;

/* -- which --------------------------------------------------------------------------------------
 */

static bool holds_gpus(const struct ctl_pod *p, const struct ctl_node *n)
{
    return str_eq(p->node, n->name) && p->phase != KUBE_POD_SUCCEEDED &&
           p->phase != KUBE_POD_FAILED && p->spec.gpu_kinds > 0;
}

/* True when the label's value is a key that we made, in a ConfigMap of ours. */
static bool names_our_key(const struct ctl_snapshot *s, struct str map, struct str value)
{
    for (uint32_t m = 0; m < s->map_count; m++) {
        if (s->maps[m].ours && str_eq(s->maps[m].name, map))
            return nvidia_config_key_is_made(value);
    }
    return false;
}

static void read_originals(struct arena *a, const struct ctl_snapshot *s, struct ctl_revert_node *r)
{
    const struct ctl_node *n = r->node;
    struct kube_value was;
    struct err ignored = {0};
    struct str text = ctl_labels_get(&n->annotations, CTL_ANNOTATION_ORIGINAL);
    r->plugin_config = ctl_labels_get(&n->labels, CTL_LABEL_PLUGIN_CONFIG);
    r->mig_config = ctl_labels_get(&n->labels, CTL_LABEL_MIG_CONFIG);
    r->original_known = text.len > 0 && kube_value_parse(a, text, &was, &ignored) == 0;
    if (r->original_known) {
        r->plugin_config = kube_value_str(kube_value_get(was, CTL_LABEL_PLUGIN_CONFIG));
        r->mig_config = kube_value_str(kube_value_get(was, CTL_LABEL_MIG_CONFIG));
        r->pool = kube_value_str(kube_value_get(was, CTL_LABEL_POOL));
        return;
    }
    if (names_our_key(s, s->operator.plugin_config, r->plugin_config))
        r->plugin_config = (struct str){0};
}

/* True when our record on the node says that its cordon is ours. */
static bool parsed_cordon(struct arena *a, struct str record)
{
    struct core_record parsed;
    struct err ignored = {0};
    return core_record_parse(a, record, &parsed, &ignored) == 0 && parsed.cordon;
}

uint32_t ctl_revert_find(
        struct arena *a, const struct ctl_snapshot *s, const struct ctl_revert_node **ret_nodes)
{
    struct ctl_revert_node *found =
            ARENA_ARRAY(a, struct ctl_revert_node, (size_t)s->node_count + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct ctl_node *n = &s->nodes[i];
        struct str record = ctl_labels_get(&n->annotations, CTL_ANNOTATION_ROLLOUT);
        bool closed = ctl_labels_get(&n->annotations, CTL_ANNOTATION_REVERT).len > 0;
        if (record.len == 0 && !closed && ctl_labels_get(&n->labels, CTL_LABEL_POOL).len == 0 &&
                ctl_labels_get(&n->annotations, CTL_ANNOTATION_ORIGINAL).len == 0 &&
                !ctl_taint_any(&n->fields))
            continue;
        struct ctl_revert_node *r = &found[count++];
        *r = (struct ctl_revert_node){.node = n, .tainted = ctl_taint_any(&n->fields)};
        read_originals(a, s, r);
        r->drains =
                !str_eq(r->plugin_config, ctl_labels_get(&n->labels, CTL_LABEL_PLUGIN_CONFIG)) ||
                !str_eq(r->mig_config, ctl_labels_get(&n->labels, CTL_LABEL_MIG_CONFIG));
        r->waits = closed && n->fields.unschedulable;
        r->ours_cordon =
                closed || (record.len > 0 && parsed_cordon(a, record) && n->fields.unschedulable);
        for (uint32_t p = 0; r->drains && p < s->pod_count; p++)
            r->pods += holds_gpus(&s->pods[p], n);
    }
    *ret_nodes = found;
    return count;
}

/* -- asking, and waiting for the answer ---------------------------------------------------------
 */

struct asked {
    bool answered;
    struct arena *a;
    struct kube_answer answer; /* its body lives in `a` */
};

struct revert {
    struct kube_client *client;
    struct os_loop *loop;
    const struct ctl_revert_node *n;
    const struct ctl_revert_options *o;
    struct asked got;
    struct kube_value got_value; /* of the last GET */
    struct kube_item item;       /* the node, as read last */
};

static void on_answer(void *user, const struct kube_answer *answer)
{
    struct asked *got = user;
    got->answered = true;
    got->answer = *answer;
    got->answer.body = arena_str(got->a, answer->body);
}

/* Runs the loop until the answer is in. */
static int wait_answer(struct revert *r, struct err *reterr)
{
    while (!r->got.answered) {
        int rc = os_loop_turn(r->loop, -1, reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int pause_for(struct revert *r, int64_t ns, struct err *reterr)
{
    int64_t until = os_loop_now_ns(r->loop) + ns, left = ns;
    while (left > 0) {
        int rc = os_loop_turn(r->loop, left, reterr);
        if (rc < 0)
            return rc;
        left = until - os_loop_now_ns(r->loop);
    }
    return 0;
}

static void say(const struct revert *r, const char *what)
{
    if (r->o->say != NULL)
        r->o->say(r->o->user, r->n, what);
}

static int get(struct revert *r, const char *path, struct err *reterr)
{
    struct kube_request *request;
    const struct kube_request_spec spec = {
            .method = "GET", .path = path, .retry_max = 3, .done = on_answer, .user = &r->got};
    arena_reset(r->got.a);
    r->got.answered = false;
    if (kube_client_start(r->client, &spec, &request, reterr) < 0 || wait_answer(r, reterr) < 0)
        return reterr->code;
    if (r->got.answer.outcome != KUBE_DONE) {
        *reterr = r->got.answer.err;
        return reterr->code < 0 ? reterr->code : -EIO;
    }
    return kube_value_parse(r->got.a, r->got.answer.body, &r->got_value, reterr);
}

static int get_node(struct revert *r, struct err *reterr)
{
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof path, "/api/v1/nodes/%.*s", STR_ARG(r->n->node->name));
    int rc = get(r, path, reterr);
    if (rc == 0)
        rc = kube_item_of(r->got_value, &r->item, reterr);
    if (rc == 0 && !str_eq(r->item.uid, r->n->node->uid)) {
        return err_set(reterr, -ESTALE, "node %.*s: it is another one now",
                STR_ARG_SHORT(r->n->node->name));
    }
    return rc;
}

/* -- writes -------------------------------------------------------------------------------------
 */

static void put_text(struct json_writer *w, const char *key, struct str value)
{
    jw_key(w, key);
    if (value.len > 0) {
        jw_str(w, value);
    } else {
        jw_null(w);
    }
}

enum { CLOSE = 1, LABELS = 2, OPEN = 4, MARKS = 8, TAINTS = 16 /* alone */ };

static void put_patch(const struct revert *r, unsigned what, struct buf *body)
{
    struct json_writer w = JSON_WRITER(body, 0);
    jw_object(&w);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_str(&w, "resourceVersion", r->item.resource_version);
    if ((what & LABELS) != 0) {
        jw_key(&w, "labels");
        jw_object(&w);
        put_text(&w, CTL_LABEL_PLUGIN_CONFIG, r->n->plugin_config);
        put_text(&w, CTL_LABEL_MIG_CONFIG, r->n->mig_config);
        put_text(&w, CTL_LABEL_POOL, r->n->pool);
        jw_object_end(&w);
    }
    if ((what & (MARKS | CLOSE)) != 0) {
        jw_key(&w, "annotations");
        jw_object(&w);
        put_text(&w, CTL_ANNOTATION_REVERT,
                (what & CLOSE) != 0 ? STR_LIT("closed") : (struct str){0});
        if ((what & MARKS) != 0) {
            put_text(&w, CTL_ANNOTATION_ROLLOUT, (struct str){0});
            put_text(&w, CTL_ANNOTATION_ORIGINAL, (struct str){0});
        }
        jw_object_end(&w);
    }
    jw_object_end(&w);
    if ((what & (CLOSE | OPEN)) != 0) {
        jw_key(&w, "spec");
        jw_object(&w);
        jw_key(&w, "unschedulable");
        if ((what & CLOSE) != 0) {
            jw_bool(&w, true);
        } else {
            jw_null(&w);
        }
        jw_object_end(&w);
    }
    jw_object_end(&w);
}

/* Puts the patch that takes our taints off the node as it was read last; false when there is none.
 */
static bool put_untaint(const struct revert *r, struct buf *body)
{
    struct ctl_node node = {.uid = r->item.uid, .version = r->item.version};
    const struct ctl_taints none = {0};
    kube_node_read(&r->item, &node.fields);
    return ctl_taint_patch(&node, &none, body);
}

/* Patches the node as it was read last; a conflict reads it again. */
static int patch_node(struct revert *r, unsigned what, struct err *reterr)
{
    enum { TRIES = 8 };
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof path, "/api/v1/nodes/%.*s", STR_ARG(r->n->node->name));
    for (unsigned i = 0; i < TRIES; i++) {
        struct buf body = BUF_INIT(BODY_MAX);
        struct kube_request *request;
        if (get_node(r, reterr) < 0)
            return reterr->code;
        if (what != TAINTS) {
            put_patch(r, what, &body);
        } else if (!put_untaint(r, &body)) {
            buf_clear(&body);
            return 0;
        }
        const struct kube_write write = {.path = path,
                .body = buf_str(&body),
                .manager = "slicewright-revert",
                .retry_max = 3,
                .done = on_answer,
                .user = &r->got};
        r->got.answered = false;
        int rc = kube_write_patch(r->client, what == TAINTS ? KUBE_PATCH_JSON : KUBE_PATCH_MERGE,
                &write, &request, reterr);
        buf_clear(&body);
        if (rc < 0 || wait_answer(r, reterr) < 0)
            return reterr->code;
        if (r->got.answer.outcome == KUBE_DONE)
            return 0;
        *reterr = r->got.answer.err;
        if (r->got.answer.outcome == KUBE_REJECTED && r->got.answer.http_status != HTTP_CONFLICT)
            return reterr->code < 0 ? reterr->code : -EIO;
    }
    return err_wrap(reterr, "node %.*s keeps changing", STR_ARG_SHORT(r->n->node->name));
}

/* -- pods ---------------------------------------------------------------------------------------
 */

/* A pod with a GPU that is on the node and not the node's own. */
static bool must_go(const struct kube_item *item)
{
    struct kube_pod p;
    kube_pod_read(item, &p);
    bool ended = p.phase == KUBE_POD_SUCCEEDED || p.phase == KUBE_POD_FAILED;
    return !ended && p.spec.gpu_containers > 0 && !str_eq_c(p.owner.kind, "DaemonSet");
}

/* Asks for the eviction of one pod.  0 = it goes or is gone; -EBUSY = not now. */
static int evict(struct revert *r, const struct kube_eviction *e, struct err *reterr)
{
    struct kube_request *request;
    r->got.answered = false;
    if (kube_write_evict(r->client, e, &request, reterr) < 0 || wait_answer(r, reterr) < 0)
        return reterr->code;
    const struct kube_answer *answer = &r->got.answer;
    if (answer->outcome == KUBE_DONE || answer->http_status == HTTP_NOT_FOUND ||
            answer->http_status == HTTP_CONFLICT)
        return 0;
    if (answer->outcome == KUBE_UNKNOWN || answer->http_status == HTTP_TOO_MANY)
        return err_set(reterr, -EBUSY, "%s", answer->err.text);
    *reterr = answer->err;
    return reterr->code < 0 ? reterr->code : -EIO;
}

/* Looks at the node's pods and asks those to go that were not asked yet.  ret_left: how many are
 * there; why: of the last that may not go now. */
static int drain_round(struct revert *r, struct map_str *asked, uint32_t *ret_left, struct err *why,
        struct err *reterr)
{
    char path[PATH_MAX_BYTES], what[256];
    struct arena *a = arena_new((size_t)64 << 20);
    uint32_t count = 0;
    struct kube_item item;
    (void)snprintf(path, sizeof path, "/api/v1/pods?fieldSelector=spec.nodeName%%3D%.*s",
            STR_ARG(r->n->node->name));
    int rc = get(r, path, reterr);
    struct kube_value items = kube_value_get(r->got_value, "items");
    struct kube_eviction *go =
            ARENA_ARRAY(a, struct kube_eviction, rc == 0 ? kube_value_count(items) + 1 : 1);
    for (struct kube_iter it = kube_iter_of(items); rc == 0 && kube_iter_next(&it);) {
        if (kube_item_of(it.value, &item, reterr) < 0 || !must_go(&item))
            continue;
        go[count++] = (struct kube_eviction){.namespace = arena_str(a, item.namespace),
                .name = arena_str(a, item.name),
                .uid = arena_str(a, item.uid),
                .grace_seconds = -1,
                .done = on_answer,
                .user = &r->got};
    }
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        if (map_str_find(asked, go[i].uid) != MAP_NONE)
            continue;
        rc = evict(r, &go[i], why);
        if (rc == 0) {
            (void)map_str_set(asked, go[i].uid, 1);
            (void)snprintf(what, sizeof what, "evicting %.*s/%.*s", STR_ARG_SHORT(go[i].namespace),
                    STR_ARG_SHORT(go[i].name));
            say(r, what);
        } else if (rc == -EBUSY) {
            rc = 0;
        } else {
            *reterr = *why;
        }
    }
    *ret_left = count;
    (void)arena_free(a);
    return rc;
}

/* Evicts the pods of the node until none was seen twice: one may have been bound before it was
 * closed and be told late. */
static int drain(struct revert *r, struct err *reterr)
{
    int64_t limit = r->o->timeout_ns > 0 ? r->o->timeout_ns : TIMEOUT_NS;
    int64_t poll = r->o->poll_ns > 0 ? r->o->poll_ns : POLL_NS;
    int64_t until = os_loop_now_ns(r->loop) + limit;
    struct map_str asked = {0};
    struct err why = {0};
    unsigned empty = 0;
    int rc = 0;
    while (rc == 0 && empty < 2) {
        uint32_t left = 0;
        rc = drain_round(r, &asked, &left, &why, reterr);
        empty = left == 0 ? empty + 1 : 0;
        if (rc == 0 && left > 0 && os_loop_now_ns(r->loop) > until) {
            rc = err_set(reterr, why.code == -EBUSY ? -EBUSY : -ETIMEDOUT,
                    "node %.*s: %u pods are still on its GPUs%s%s", STR_ARG_SHORT(r->n->node->name),
                    left, why.code != 0 ? ": " : "", why.text);
        }
        if (rc == 0 && empty < 2)
            rc = pause_for(r, poll, reterr);
    }
    map_str_clear(&asked);
    return rc;
}

/* -- coming back --------------------------------------------------------------------------------
 */

/* How the coming back is told from what was there before the labels were set back: state and
 * allocatable are still those of the old configuration until NVIDIA's parts have looked. */
struct back {
    uint64_t before, last;
    int64_t believed_ns; /* from then on what did not move is taken as being so */
    bool mig;            /* mig-manager has something to do */
    bool started;        /* it was seen at it */
    bool moved;          /* the node was seen to offer something else, or nothing */
};

/* TUNING: the plugin answers a label within seconds; when both configurations give the same,
 * nothing is seen of it. */
static const int64_t PATIENCE_NS = 30 * NUM_NS_PER_SECOND;

/* What the node offers of NVIDIA's, as a number; 0 = nothing. */
static uint64_t offered(const struct kube_item *item)
{
    uint64_t sum = 0;
    KUBE_FOREACH(it, kube_item_at(item, "status.allocatable"))
    {
        char text[KUBE_SCALAR_MAX];
        struct str count = kube_value_scalar(it.value, text);
        if (str_starts(it.key, STR_LIT("nvidia.com/")) && !str_eq_c(count, "0"))
            sum = str_hash(count, str_hash(it.key, sum + 1));
    }
    return sum;
}

/* NVIDIA's parts have taken the labels when MIG is settled and the node, twice in a row, offers
 * what it did not offer before. */
static bool is_back(const struct revert *r, struct back *b)
{
    bool success = str_eq_c(kube_item_label(&r->item, CTL_LABEL_MIG_STATE), "success");
    uint64_t now = offered(&r->item);
    bool rests = now != 0 && now == b->last;
    b->last = now;
    b->moved = b->moved || now != b->before;
    b->started = b->started || !success;
    if (!rests || (r->n->mig_config.len > 0 && !success))
        return false;
    return (b->moved && (b->started || !b->mig)) || os_loop_now_ns(r->loop) >= b->believed_ns;
}

/* before: what the node offered as its labels were set back. */
static int wait_back(struct revert *r, uint64_t before, struct err *reterr)
{
    const struct ctl_revert_node *n = r->n;
    struct str mig_now = ctl_labels_get(&n->node->labels, CTL_LABEL_MIG_CONFIG);
    int64_t limit = r->o->timeout_ns > 0 ? r->o->timeout_ns : TIMEOUT_NS;
    int64_t poll = r->o->poll_ns > 0 ? r->o->poll_ns : POLL_NS;
    int64_t now = os_loop_now_ns(r->loop);
    struct back back = {.before = before,
            .last = before,
            .mig = n->mig_config.len > 0 && !str_eq(n->mig_config, mig_now),
            .believed_ns = now + PATIENCE_NS};
    if (back.mig) /* it always says when it begins: an old "success" is none of this label */
        back.believed_ns = INT64_MAX;
    for (;;) {
        if (pause_for(r, poll, reterr) < 0 || get_node(r, reterr) < 0)
            return reterr->code;
        if (is_back(r, &back))
            return 0;
        if (os_loop_now_ns(r->loop) > now + limit) {
            return err_set(reterr, -ETIMEDOUT,
                    "node %.*s: %s; it stays closed, its labels are set back",
                    STR_ARG_SHORT(n->node->name),
                    back.mig && !back.started ? "mig-manager does not answer"
                                              : "it offers no GPUs yet");
        }
    }
}

static int bring_back(struct revert *r, struct err *reterr)
{
    bool closed = r->n->node->fields.unschedulable;
    if (r->n->tainted && patch_node(r, TAINTS, reterr) < 0)
        return reterr->code;
    bool midway = !r->n->drains && r->n->waits;
    if (!r->n->drains && !midway)
        return patch_node(r, LABELS | MARKS | (r->n->ours_cordon ? OPEN : 0), reterr);
    if (!midway) {
        say(r, "closing it");
        if (!closed && patch_node(r, CLOSE, reterr) < 0)
            return reterr->code;
        if (drain(r, reterr) < 0)
            return reterr->code;
        say(r, "setting its labels back");
    }
    if (patch_node(r, LABELS, reterr) < 0)
        return reterr->code;
    say(r, "waiting for its GPUs");
    if (wait_back(r, offered(&r->item), reterr) < 0)
        return reterr->code;
    return patch_node(r, MARKS | (!closed || r->n->ours_cordon ? OPEN : 0), reterr);
}

int ctl_revert_node(struct kube_client *client, const struct ctl_revert_node *n,
        const struct ctl_revert_options *options, struct err *reterr)
{
    struct revert r = {.client = client, .loop = kube_client_loop(client), .n = n, .o = options};
    r.got.a = arena_new((size_t)64 << 20);
    int rc = bring_back(&r, reterr);
    (void)arena_free(r.got.a);
    return rc;
}
