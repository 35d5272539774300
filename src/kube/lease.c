/* kube/lease.c - leader election: look, take, renew, give back. */
#include "kube/lease.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/json.h"
#include "kube/fields.h"
#include "kube/write.h"
#include "os/clock.h"
#include "os/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LEASE_NS   INT64_C(15000000000)
#define RENEW_NS   INT64_C(10000000000)
#define RETRY_NS   INT64_C(2000000000)
#define RELEASE_NS INT64_C(2000000000)

enum {
    SECONDS_NS = 1000000000,
    HOLDER_MAX = 256,
    TIME_MAX = 64,
    VERSION_MAX = 64,
    BODY_MAX = 4 * KUBE_NOTE_MAX,
};

enum elector_state {
    ELECTOR_LOOKING,   /* a GET is out, or the timer runs */
    ELECTOR_WRITING,   /* a create or update is out */
    ELECTOR_RELEASING, /* the last update is out */
    ELECTOR_OVER,
};

struct kube_elector {
    struct kube_client *client;
    struct os_loop *loop;
    struct arena *arena;
    struct kube_elector_options options;
    enum elector_state state;
    struct kube_request *request;
    struct os_timer tick;
    struct os_timer deadline; /* we lead no longer unless renewed before */

    bool leads;
    bool is_absent;     /* there is no Lease object */
    bool must_look;     /* the last write was refused, or its fate is unknown */
    int64_t renewed_ns; /* when our last successful renewal was begun */
    int64_t write_began_ns;
    /* The lease as last seen, and since when by our clock. */
    char holder[HOLDER_MAX], renew_time[TIME_MAX], acquire_time[TIME_MAX], version[VERSION_MAX];
    int64_t duration_ns, transitions;
    int64_t seen_ns;
    char told_holder[HOLDER_MAX];
    enum kube_lead told;
    bool has_told;
    struct err failure; /* of the last write; empty when it was taken */

    char note[KUBE_NOTE_MAX + 1]; /* of who held the lease before us */
    int64_t note_seen_ns;
    uint64_t asked, writing; /* renewals asked for; as many when the write that is out began */
    uint64_t noted;          /* those that are written */

    void (*released)(void *user);
    void *released_user;
};

static void look(struct kube_elector *e);

static void copy_text(struct str from, char *into, size_t size)
{
    size_t len = from.len < size ? from.len : size - 1;
    if (len > 0)
        memcpy(into, from.ptr, len);
    into[len] = '\0';
}

static void tell(struct kube_elector *e, enum kube_lead lead)
{
    if (e->has_told && e->told == lead && strcmp(e->told_holder, e->holder) == 0)
        return;
    e->has_told = true;
    e->told = lead;
    copy_text(str_from(e->holder), e->told_holder, sizeof e->told_holder);
    e->options.changed(e->options.user, lead, str_from(e->holder));
}

static void lose(struct kube_elector *e)
{
    os_loop_timer_clear(e->loop, &e->deadline);
    if (!e->leads)
        return;
    e->leads = false;
    tell(e, KUBE_LEAD_LOST);
}

/* Later by up to a fifth, so that candidates do not come all at once. */
static void come_back(struct kube_elector *e)
{
    e->state = ELECTOR_LOOKING;
    int64_t jitter = (int64_t)kube_client_draw(e->client, (uint64_t)e->options.retry_ns / 5 + 1);
    os_loop_timer_set(e->loop, &e->tick, os_loop_now_ns(e->loop) + e->options.retry_ns + jitter);
}

/* ---------------------------------------------------------------------------------------- writing
 */

static const char *micro_time(int64_t wall_ns, char *text)
{
    char seconds[32];
    (void)civil_format(wall_ns, seconds); /* "2026-11-22T18:14:00Z" */
    size_t len = strlen(seconds) - 1;
    (void)snprintf(
            text, TIME_MAX, "%.*s.%06" PRId64 "Z", (int)len, seconds, wall_ns % SECONDS_NS / 1000);
    return text;
}

/* Who leads writes its own; who is about to keeps what is there. */
static void put_note(const struct kube_elector *e, bool release, struct json_writer *w)
{
    struct buf note = BUF_INIT(KUBE_NOTE_MAX);
    if (e->leads || release) {
        e->options.note(e->options.user, &note);
    } else {
        buf_put(&note, str_from(e->note));
    }
    if (note.len > 0) {
        jw_key(w, "annotations");
        jw_object(w);
        jw_kv_str(w, e->options.note_key, buf_str(&note));
        jw_object_end(w);
    }
    buf_clear(&note);
}

static void write_body(const struct kube_elector *e, bool release, struct buf *body)
{
    char now[TIME_MAX];
    (void)micro_time(os_clock_wall_ns(), now);
    bool is_ours = strcmp(e->holder, e->options.identity) == 0;
    struct json_writer w = JSON_WRITER(body, 0);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", "coordination.k8s.io/v1");
    jw_kv_cstr(&w, "kind", "Lease");
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_cstr(&w, "name", e->options.name);
    jw_kv_cstr(&w, "namespace", e->options.namespace);
    if (!e->is_absent)
        jw_kv_cstr(&w, "resourceVersion", e->version);
    if (e->options.note_key != NULL)
        put_note(e, release, &w);
    jw_object_end(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    jw_kv_cstr(&w, "holderIdentity", release ? "" : e->options.identity);
    int64_t seconds = e->options.lease_ns / SECONDS_NS;
    jw_kv_i64(&w, "leaseDurationSeconds", release || seconds < 1 ? 1 : seconds);
    jw_kv_cstr(&w, "renewTime", now);
    jw_kv_cstr(&w, "acquireTime", is_ours && e->acquire_time[0] != '\0' ? e->acquire_time : now);
    jw_kv_i64(&w, "leaseTransitions", e->transitions + (is_ours || e->is_absent ? 0 : 1));
    jw_object_end(&w);
    jw_object_end(&w);
}

static void finish_release(struct kube_elector *e)
{
    e->state = ELECTOR_OVER;
    os_loop_timer_clear(e->loop, &e->tick);
    if (e->request != NULL)
        kube_client_cancel(e->request);
    e->request = NULL;
    if (e->released != NULL)
        e->released(e->released_user);
}

/* by_us: it is the answer to our own write. */
static void take_lease(struct kube_elector *e, struct str body, bool by_us)
{
    struct arena *a = arena_new(0);
    struct kube_item item;
    bool parsed = kube_item_parse(a, body, &item, NULL) == 0;
    if (parsed) {
        struct kube_lease lease;
        kube_lease_read(&item, &lease);
        /* Only a change counts, timed by our own clock: the holder's may differ. */
        bool changed = !str_eq_c(lease.renew_time, e->renew_time) ||
                       !str_eq_c(lease.holder, e->holder) ||
                       !str_eq_c(item.resource_version, e->version);
        if (changed)
            e->seen_ns = os_loop_now_ns(e->loop);
        copy_text(lease.holder, e->holder, sizeof e->holder);
        copy_text(lease.renew_time, e->renew_time, sizeof e->renew_time);
        copy_text(lease.acquire_time, e->acquire_time, sizeof e->acquire_time);
        copy_text(item.resource_version, e->version, sizeof e->version);
        int64_t seconds = lease.duration_s > 0 && lease.duration_s < 86400 ? lease.duration_s : 1;
        e->duration_ns = seconds * SECONDS_NS;
        e->transitions = lease.transitions;
    }
    if (!by_us && !e->leads && parsed && e->options.note_key != NULL) {
        copy_text(kube_item_annotation(&item, e->options.note_key), e->note, sizeof e->note);
        e->note_seen_ns = e->seen_ns;
    }
    arena_free(a);
}

static void on_written(void *user, const struct kube_answer *answer)
{
    struct kube_elector *e = user;
    e->request = NULL;
    if (e->state == ELECTOR_RELEASING) {
        finish_release(e);
        return;
    }
    e->must_look = answer->outcome != KUBE_DONE;
    if (answer->outcome == KUBE_DONE) {
        e->is_absent = false;
        e->failure = (struct err){0};
        take_lease(e, answer->body, true);
        e->leads = true;
        e->renewed_ns = e->write_began_ns;
        bool noted = e->writing == e->asked && e->noted != e->asked;
        e->noted = e->writing;
        os_loop_timer_set(e->loop, &e->deadline, e->renewed_ns + e->options.renew_deadline_ns);
        tell(e, KUBE_LEAD_YES);
        if (noted)
            e->options.noted(e->options.user);
    } else {
        bool news = strcmp(answer->err.text, e->failure.text) != 0;
        e->failure = answer->err;
        OS_LOG_AT(news ? OS_LOG_WARN : OS_LOG_DEBUG, "kube", "lease not written",
                OS_LOG_CSTR("reason", e->failure.text));
    }
    come_back(e);
    if (answer->outcome == KUBE_DONE && e->noted != e->asked)
        os_loop_timer_set(e->loop, &e->tick, os_loop_now_ns(e->loop));
}

static void write_lease(struct kube_elector *e, bool release)
{
    struct buf body = BUF_INIT(BODY_MAX), path = BUF_INIT(KUBE_PATH_MAX);
    write_body(e, release, &body);
    buf_printf(&path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s", e->options.namespace,
            e->is_absent ? "" : "/", e->is_absent ? "" : e->options.name);
    struct kube_request_spec spec = {
            .method = e->is_absent ? "POST" : "PUT",
            .path = path.ptr,
            .body = buf_str(&body),
            .timeout_ns = e->options.retry_ns * 2,
            .unlimited = true,
            .done = on_written,
            .user = e,
    };
    e->state = release ? ELECTOR_RELEASING : ELECTOR_WRITING;
    e->write_began_ns = os_loop_now_ns(e->loop);
    e->writing = e->asked;
    if (kube_client_start(e->client, &spec, &e->request, NULL) < 0) {
        if (release) {
            finish_release(e);
        } else {
            come_back(e);
        }
    }
    buf_clear(&body);
    buf_clear(&path);
}

/* ---------------------------------------------------------------------------------------- looking
 */

/* True when the lease is there to be taken: nobody's, or not renewed for its duration. */
static bool is_free(const struct kube_elector *e)
{
    return e->holder[0] == '\0' || os_loop_now_ns(e->loop) - e->seen_ns >= e->duration_ns;
}

static void decide(struct kube_elector *e)
{
    bool is_ours = strcmp(e->holder, e->options.identity) == 0;
    if (e->leads && !is_ours && !e->is_absent)
        lose(e); /* somebody has taken it over */
    if (e->is_absent || is_ours || is_free(e)) {
        write_lease(e, false);
        return;
    }
    tell(e, KUBE_LEAD_NO);
    come_back(e);
}

static void on_seen(void *user, const struct kube_answer *answer)
{
    struct kube_elector *e = user;
    e->request = NULL;
    if (answer->outcome == KUBE_DONE) {
        e->is_absent = false;
        e->failure = (struct err){0};
        take_lease(e, answer->body, false);
    } else if (answer->outcome == KUBE_REJECTED && answer->http_status == 404) {
        e->is_absent = true;
        e->note[0] = '\0';
        e->holder[0] = '\0';
        e->transitions = 0;
    } else {
        os_log_info("kube", "lease not read", OS_LOG_CSTR("reason", answer->err.text));
        come_back(e);
        return;
    }
    decide(e);
}

static void look(struct kube_elector *e)
{
    struct buf path = BUF_INIT(KUBE_PATH_MAX);
    buf_printf(&path, "/apis/coordination.k8s.io/v1/namespaces/%s/leases/%s", e->options.namespace,
            e->options.name);
    struct kube_request_spec spec = {
            .method = "GET",
            .path = path.ptr,
            .timeout_ns = e->options.retry_ns * 2,
            .unlimited = true,
            .done = on_seen,
            .user = e,
    };
    e->state = ELECTOR_LOOKING;
    if (kube_client_start(e->client, &spec, &e->request, NULL) < 0)
        come_back(e);
    buf_clear(&path);
}

static void on_tick(struct os_timer *t)
{
    struct kube_elector *e =
            (struct kube_elector *)((char *)t - offsetof(struct kube_elector, tick));
    if (e->state == ELECTOR_RELEASING) {
        finish_release(e); /* the answer took too long */
    } else if (e->leads && !e->must_look) {
        write_lease(e, false); /* renew from what we wrote last */
    } else {
        look(e);
    }
}

static void on_deadline(struct os_timer *t)
{
    struct kube_elector *e =
            (struct kube_elector *)((char *)t - offsetof(struct kube_elector, deadline));
    lose(e);
}

/* ------------------------------------------------------------------------------------------- API
 */

int kube_elector_start(struct kube_client *client, const struct kube_elector_options *options,
        struct kube_elector **ret_elector, struct err *reterr)
{
    if (strlen(options->identity) == 0 || strlen(options->identity) >= HOLDER_MAX)
        return err_set(reterr, -EINVAL, "an identity of 1 to %d bytes is needed", HOLDER_MAX - 1);
    if (strlen(options->name) > KUBE_NAME_MAX || strlen(options->namespace) > KUBE_NAME_MAX)
        return err_set(reterr, -EINVAL, "a lease's name has at most %d bytes", KUBE_NAME_MAX);
    struct kube_elector *e = mem_alloc(1, sizeof *e);
    e->client = client;
    e->loop = kube_client_loop(client);
    e->arena = arena_new(1 << 16);
    e->options = *options;
    e->options.namespace = arena_str(e->arena, str_from(options->namespace)).ptr;
    e->options.name = arena_str(e->arena, str_from(options->name)).ptr;
    e->options.identity = arena_str(e->arena, str_from(options->identity)).ptr;
    if (options->lease_ns == 0)
        e->options.lease_ns = LEASE_NS;
    if (options->renew_deadline_ns == 0)
        e->options.renew_deadline_ns = RENEW_NS;
    if (options->retry_ns == 0)
        e->options.retry_ns = RETRY_NS;
    assert(e->options.retry_ns < e->options.renew_deadline_ns);
    assert(e->options.renew_deadline_ns < e->options.lease_ns);
    e->tick.fire = on_tick;
    e->deadline.fire = on_deadline;
    e->state = ELECTOR_LOOKING;
    os_loop_timer_set(e->loop, &e->tick, os_loop_now_ns(e->loop));
    *ret_elector = e;
    return 0;
}

bool kube_elector_leads(const struct kube_elector *e)
{
    return e->leads && os_clock_mono_ns() < e->renewed_ns + e->options.renew_deadline_ns;
}

struct str kube_elector_note(const struct kube_elector *e, int64_t *ret_age_ns)
{
    *ret_age_ns = os_loop_now_ns(e->loop) - e->note_seen_ns;
    return str_from(e->note);
}

void kube_elector_renew(struct kube_elector *e)
{
    assert(e->options.note_key != NULL);
    if (!e->leads)
        return;
    e->asked++;
    if (e->state == ELECTOR_LOOKING && e->request == NULL)
        os_loop_timer_set(e->loop, &e->tick, os_loop_now_ns(e->loop));
}

void kube_elector_release(struct kube_elector *e, void (*done)(void *user), void *user)
{
    bool led = e->leads;
    e->released = done;
    e->released_user = user;
    if (e->request != NULL)
        kube_client_cancel(e->request);
    e->request = NULL;
    os_loop_timer_clear(e->loop, &e->tick);
    os_loop_timer_clear(e->loop, &e->deadline);
    e->leads = false;
    if (!led) {
        finish_release(e);
        return;
    }
    os_loop_timer_set(e->loop, &e->tick, os_loop_now_ns(e->loop) + RELEASE_NS);
    write_lease(e, true);
}

void kube_elector_free(struct kube_elector *e)
{
    if (e == NULL)
        return;
    if (e->request != NULL)
        kube_client_cancel(e->request);
    os_loop_timer_clear(e->loop, &e->tick);
    os_loop_timer_clear(e->loop, &e->deadline);
    arena_free(e->arena);
    mem_free(e);
}
