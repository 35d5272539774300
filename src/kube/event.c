/* kube/event.c - Events: the same one again becomes a count, and nobody gets a flood. */
#include "kube/event.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/json.h"
#include "base/map.h"
#include "kube/write.h"
#include "os/clock.h"
#include "os/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SERIES_NS INT64_C(600000000000) /* an event that does not come again is over */
#define PATCH_NS  INT64_C(30000000000)
#define REFILL_NS INT64_C(300000000000)
#define SECOND_NS INT64_C(1000000000)

enum {
    SERIES_MAX = 1024, /* the one that was quiet longest makes room */
    OBJECT_BURST = 25,
    NAME_MAX_BYTES = 300,
    BODY_MAX = 16384,
    TIME_MAX = 40,
};

/* One event that may come again. */
struct series {
    bool used;
    uint64_t key;    /* hash of object, reason and note */
    uint64_t object; /* hash of the object */
    uint32_t count, told_count;
    int64_t last_ns, patched_ns; /* mono */
    int64_t last_wall_ns;
    char path[2 * NAME_MAX_BYTES + 64]; /* of the Event object */
    bool is_there;                      /* the server has it */
};

/* How many events an object may still have. */
struct budget {
    uint64_t object;
    uint32_t tokens;
    int64_t refilled_ns;
};

struct kube_recorder {
    struct kube_client *client;
    struct os_loop *loop;
    struct arena *arena;
    const char *controller, *instance;
    struct series series[SERIES_MAX];
    struct budget budgets[SERIES_MAX];
    uint64_t made_count;
    struct os_timer patch;
    struct pending *requests;
    struct kube_recorder_stats stats;
};

/* A request under way. */
struct pending {
    struct kube_recorder *recorder;
    struct kube_request *request;
    uint32_t series;
    uint64_t key; /* the series may have another use by then */
    bool is_create;
    struct pending *next, **link;
};

static void pending_free(struct pending *p)
{
    *p->link = p->next;
    if (p->next != NULL)
        p->next->link = p->link;
    mem_free(p);
}

static const char *micro_time(int64_t wall_ns, char *text)
{
    char seconds[32];
    (void)civil_format(wall_ns, seconds);
    (void)snprintf(text, TIME_MAX, "%.*s.%06" PRId64 "Z", (int)strlen(seconds) - 1, seconds,
            wall_ns % SECOND_NS / 1000);
    return text;
}

/* The event's namespace: the object's, or "default" for one without. */
static struct str namespace_of(const struct kube_event *event)
{
    return event->namespace.len > 0 ? event->namespace : STR_LIT("default");
}

/* The note within its limit, not cut within a character. */
static struct str note_of(const struct kube_event *event)
{
    struct str note = event->note;
    if (note.len > KUBE_EVENT_NOTE_MAX)
        note.len = KUBE_EVENT_NOTE_MAX;
    note.len = str_utf8_prefix(note);
    return note;
}

static uint64_t object_hash(const struct kube_event *e)
{
    uint64_t h = str_hash(e->kind, 0);
    h = str_hash(e->namespace, h);
    h = str_hash(e->name, h);
    return str_hash(e->uid, h);
}

/* True when the object may have one more event now. */
static bool take_token(struct kube_recorder *r, uint64_t object, int64_t now_ns)
{
    struct budget *b = &r->budgets[object % SERIES_MAX];
    if (b->object != object || b->refilled_ns == 0)
        *b = (struct budget){.object = object, .tokens = OBJECT_BURST, .refilled_ns = now_ns};
    int64_t periods = (now_ns - b->refilled_ns) / REFILL_NS;
    if (periods > 0) {
        uint32_t more = periods > OBJECT_BURST ? OBJECT_BURST : (uint32_t)periods;
        b->tokens = b->tokens + more > OBJECT_BURST ? OBJECT_BURST : b->tokens + more;
        b->refilled_ns += periods * REFILL_NS;
    }
    if (b->tokens == 0)
        return false;
    b->tokens--;
    return true;
}

/* ----------------------------------------------------------------------------------- requests */

static void on_done(void *user, const struct kube_answer *answer)
{
    struct pending *p = user;
    struct kube_recorder *r = p->recorder;
    struct series *s = &r->series[p->series];
    bool is_same = s->used && s->key == p->key;
    if (answer->outcome == KUBE_DONE) {
        r->stats.created += p->is_create;
        r->stats.patched += !p->is_create;
        if (is_same)
            s->is_there = true;
    } else {
        r->stats.refused++;
        os_log_debug("kube", "event refused", OS_LOG_CSTR("reason", answer->err.text));
        if (is_same && (answer->http_status == 404 || p->is_create))
            s->used = false; /* the next one makes another */
    }
    pending_free(p);
}

static void start(
        struct kube_recorder *r, uint32_t index, const struct kube_write *write, bool is_create)
{
    struct pending *p = mem_alloc(1, sizeof *p);
    *p = (struct pending){.recorder = r,
            .series = index,
            .key = r->series[index].key,
            .is_create = is_create,
            .next = r->requests,
            .link = &r->requests};
    if (p->next != NULL)
        p->next->link = &p->next;
    r->requests = p;
    struct kube_write copy = *write;
    copy.done = on_done;
    copy.user = p;
    int code = is_create ? kube_write_create(r->client, &copy, &p->request, NULL)
                         : kube_write_patch(r->client, KUBE_PATCH_MERGE, &copy, &p->request, NULL);
    if (code < 0) {
        r->stats.dropped++;
        pending_free(p);
    }
}

static void put_object(struct json_writer *w, const struct kube_event *event)
{
    jw_key(w, "regarding");
    jw_object(w);
    jw_kv_str(w, "apiVersion", event->api_version);
    jw_kv_str(w, "kind", event->kind);
    if (event->namespace.len > 0)
        jw_kv_str(w, "namespace", event->namespace);
    jw_kv_str(w, "name", event->name);
    if (event->uid.len > 0)
        jw_kv_str(w, "uid", event->uid);
    jw_object_end(w);
}

static void create(struct kube_recorder *r, uint32_t index, const struct kube_event *event)
{
    struct series *s = &r->series[index];
    struct str namespace = namespace_of(event);
    char time[TIME_MAX], name[NAME_MAX_BYTES];
    int64_t wall_ns = os_clock_wall_ns();
    int shown = (int)(event->name.len < 200 ? event->name.len : 200);
    (void)snprintf(name, sizeof name, "%.*s.%" PRIx64 "%" PRIx64, shown, event->name.ptr,
            (uint64_t)wall_ns, r->made_count++);
    (void)snprintf(s->path, sizeof s->path, "/apis/events.k8s.io/v1/namespaces/%.*s/events/%s",
            STR_ARG(namespace), name);
    struct buf body = BUF_INIT(BODY_MAX), path = BUF_INIT(KUBE_PATH_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", "events.k8s.io/v1");
    jw_kv_cstr(&w, "kind", "Event");
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_cstr(&w, "name", name);
    jw_kv_str(&w, "namespace", namespace);
    jw_object_end(&w);
    jw_kv_cstr(&w, "eventTime", micro_time(wall_ns, time));
    jw_kv_cstr(&w, "type", event->warning ? "Warning" : "Normal");
    jw_kv_cstr(&w, "reason", event->reason);
    jw_kv_cstr(&w, "action", event->action);
    jw_kv_str(&w, "note", note_of(event));
    jw_kv_cstr(&w, "reportingController", r->controller);
    jw_kv_cstr(&w, "reportingInstance", r->instance);
    put_object(&w, event);
    jw_object_end(&w);
    buf_printf(&path, "/apis/events.k8s.io/v1/namespaces/%.*s/events", STR_ARG(namespace));
    struct kube_write write = {.path = path.ptr, .body = buf_str(&body)};
    start(r, index, &write, true);
    buf_clear(&body);
    buf_clear(&path);
}

static void patch_series(struct kube_recorder *r, uint32_t index)
{
    struct series *s = &r->series[index];
    char time[TIME_MAX];
    struct buf body = BUF_INIT(BODY_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    jw_object(&w);
    jw_key(&w, "series");
    jw_object(&w);
    jw_kv_u64(&w, "count", s->count);
    jw_kv_cstr(&w, "lastObservedTime", micro_time(s->last_wall_ns, time));
    jw_object_end(&w);
    jw_object_end(&w);
    s->told_count = s->count;
    s->patched_ns = os_loop_now_ns(r->loop);
    struct kube_write write = {.path = s->path, .body = buf_str(&body)};
    start(r, index, &write, false);
    buf_clear(&body);
}

/* Tells the counts that have grown; comes again while some are waiting for their time. */
static void on_patch(struct os_timer *t)
{
    struct kube_recorder *r =
            (struct kube_recorder *)((char *)t - offsetof(struct kube_recorder, patch));
    int64_t now_ns = os_loop_now_ns(r->loop);
    int64_t next_ns = INT64_MAX;
    for (uint32_t i = 0; i < SERIES_MAX; i++) {
        const struct series *s = &r->series[i];
        if (!s->used || s->count == s->told_count)
            continue;
        int64_t due_ns = s->patched_ns + PATCH_NS;
        if (due_ns <= now_ns && s->is_there) {
            patch_series(r, i);
        } else if (due_ns < next_ns) {
            next_ns = due_ns;
        }
    }
    if (next_ns != INT64_MAX) {
        if (next_ns <= now_ns)
            next_ns = now_ns + SECOND_NS;
        os_loop_timer_set(r->loop, t, next_ns);
    }
}

/* ------------------------------------------------------------------------------------------- API
 */

struct kube_recorder *kube_recorder_new(
        struct kube_client *client, const char *controller, const char *instance)
{
    struct kube_recorder *r = mem_alloc(1, sizeof *r);
    r->client = client;
    r->loop = kube_client_loop(client);
    r->arena = arena_new(1 << 16);
    r->controller = arena_str(r->arena, str_from(controller)).ptr;
    r->instance = arena_str(r->arena, str_from(instance)).ptr;
    r->patch.fire = on_patch;
    return r;
}

void kube_recorder_free(struct kube_recorder *r)
{
    if (r == NULL)
        return;
    while (r->requests != NULL) {
        kube_client_cancel(r->requests->request);
        pending_free(r->requests);
    }
    os_loop_timer_clear(r->loop, &r->patch);
    arena_free(r->arena);
    mem_free(r);
}

/* The series of the key, else the place for a new one: free, or quiet for longest. */
static uint32_t find_series(const struct kube_recorder *r, uint64_t key)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < SERIES_MAX; i++) {
        const struct series *s = &r->series[i];
        if (s->used && s->key == key)
            return i;
        if (!r->series[best].used)
            continue;
        if (!s->used || s->last_ns < r->series[best].last_ns)
            best = i;
    }
    return best;
}

void kube_recorder_emit(struct kube_recorder *r, const struct kube_event *event)
{
    assert(strlen(event->reason) <= KUBE_EVENT_REASON_MAX);
    assert(strlen(event->action) <= KUBE_EVENT_REASON_MAX);
    int64_t now_ns = os_loop_now_ns(r->loop);
    uint64_t object = object_hash(event);
    uint64_t key = str_hash(note_of(event), str_hash(str_from(event->reason), object));
    uint32_t index = find_series(r, key);
    struct series *s = &r->series[index];
    bool goes_on = s->used && s->key == key && now_ns - s->last_ns < SERIES_NS;
    if (goes_on) {
        s->count++;
        s->last_ns = now_ns;
        s->last_wall_ns = os_clock_wall_ns();
        if (!os_loop_timer_is_set(&r->patch))
            os_loop_timer_set(r->loop, &r->patch, now_ns);
        return;
    }
    if (!take_token(r, object, now_ns)) {
        r->stats.dropped++;
        return;
    }
    *s = (struct series){.used = true,
            .key = key,
            .object = object,
            .count = 1,
            .told_count = 1,
            .last_ns = now_ns,
            .patched_ns = now_ns,
            .last_wall_ns = os_clock_wall_ns()};
    create(r, index, event);
}

struct kube_recorder_stats kube_recorder_stats(const struct kube_recorder *r)
{
    return r->stats;
}
