/* test/e2e/kube_follow.c - follows collections of an API server and does what its input says.
 *
 * For the end-to-end tests: prints one line for what happens, and answers commands of standard
 * input, one a line, words divided by TAB.  Keeps a shadow of what the callbacks said; where the
 * cache and the callbacks disagree it prints a line "violation". */
#include "base/arena.h"
#include "base/map.h"
#include "kube/event.h"
#include "kube/lease.h"
#include "kube/watch.h"
#include "kube/write.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/usage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

enum { WATCHES_MAX = 16, WORDS_MAX = 12, LINE_MAX_BYTES = 1 << 16 };

struct follower;

/* One collection. */
struct followed {
    struct follower *f;
    const char *path;
    struct kube_watch *watch;
    struct map_str shadow; /* key -> index into uids */
    uint64_t puts, gones;
};

struct follower {
    struct os_loop *loop;
    struct arena *arena;
    struct kube_client *client;
    struct kube_watch_options options;
    struct followed watches[WATCHES_MAX];
    unsigned watch_count;
    struct kube_elector *elector;
    struct kube_recorder *recorder;
    struct os_fd input;
    char line[LINE_MAX_BYTES];
    size_t line_len;
};

static int64_t number(const char *text)
{
    int64_t value = 0;
    if (str_to_i64(str_from(text), INT64_MIN / 2, INT64_MAX / 2, &value) < 0) {
        fprintf(stderr, "kube_follow: '%s' is no number\n", text);
        exit(2);
    }
    return value;
}

/* ------------------------------------------------------------------------------------- watches */

/* Keeps the resourceVersion, so that every change of an object is a change of the row. */
static int project(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    buf_put(row, item->resource_version);
    return 0;
}

static void changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    struct followed *w = user;
    char key[600];
    (void)snprintf(key, sizeof key, "%.*s/%.*s", STR_ARG(row->namespace), STR_ARG(row->name));
    if ((change == KUBE_PUT) != (item != NULL))
        printf("violation\titem\t%s\n", key);
    if (change == KUBE_PUT) {
        w->puts++;
        (void)map_str_set(&w->shadow, str_from(key), 1);
    } else {
        w->gones++;
        if (map_str_remove(&w->shadow, str_from(key)) == MAP_NONE)
            printf("violation\tgone twice\t%s\n", key);
    }
}

static void told_sync(void *user, enum kube_sync sync, const struct err *reason)
{
    const struct followed *w = user;
    printf("sync\t%s\t%s\t%s\n", w->path, sync == KUBE_SYNC_COMPLETE ? "complete" : "lost",
            reason->text);
}

static void add_watch(struct follower *f, const char *path)
{
    struct followed *w = &f->watches[f->watch_count++];
    struct err e = {0};
    w->f = f;
    w->path = path;
    struct kube_watch_options options = f->options;
    options.path = path;
    struct kube_watch_handler handler = {
            .project = project, .changed = changed, .sync = told_sync, .user = w};
    if (kube_watch_start(f->client, &options, &handler, &w->watch, &e) < 0) {
        fprintf(stderr, "kube_follow: %s\n", e.text);
        exit(2);
    }
}

static void dump(const struct follower *f)
{
    for (unsigned i = 0; i < f->watch_count; i++) {
        const struct followed *w = &f->watches[i];
        const struct kube_cache *cache = kube_watch_cache(w->watch);
        struct kube_row row;
        uint32_t cursor = 0;
        while (kube_cache_next(cache, &cursor, &row)) {
            printf("row\t%s\t%.*s/%.*s\t%.*s\t%.*s\n", w->path, STR_ARG(row.namespace),
                    STR_ARG(row.name), STR_ARG(row.uid), (int)row.size, (const char *)row.bytes);
        }
        if (w->shadow.live_count != kube_cache_count(cache))
            printf("violation\tcallbacks say %u\tcache says %u\n", w->shadow.live_count,
                    kube_cache_count(cache));
        printf("state\t%s\t%s\n", w->path,
                kube_watch_sync(w->watch) == KUBE_SYNC_COMPLETE ? "complete" : "lost");
    }
    printf("dumped\n");
}

static void print_stats(const struct follower *f)
{
    for (unsigned i = 0; i < f->watch_count; i++) {
        struct kube_watch_stats s = kube_watch_stats(f->watches[i].watch);
        printf("watch\t%s\tlists=%" PRIu64 "\twatches=%" PRIu64 "\tevents=%" PRIu64
               "\tbookmarks=%" PRIu64 "\texpired=%" PRIu64 "\tidle=%" PRIu64 "\tunreadable=%" PRIu64
               "\tputs=%" PRIu64 "\tgones=%" PRIu64 "\n",
                f->watches[i].path, s.lists, s.watches, s.events, s.bookmarks, s.expired, s.idle,
                s.unreadable, f->watches[i].puts, f->watches[i].gones);
    }
    struct kube_client_stats c = kube_client_stats(f->client);
    printf("client\trequests=%" PRIu64 "\tretries=%" PRIu64 "\tthrottled_ms=%" PRIu64
           "\t429=%" PRIu64 "\t5xx=%" PRIu64 "\tlost=%" PRIu64 "\tlogins=%" PRIu64
           "\tpings=%" PRIu64 "\trss_mib=%" PRIu64 "\n",
            c.requests, c.retries, c.throttled_ns / 1000000, c.answers_429, c.answers_5xx, c.lost,
            c.logins, c.pings, os_usage_peak_rss_mib());
}

/* -------------------------------------------------------------------------------------- writes */

static void answered(void *user, const struct kube_answer *a)
{
    static const char *const names[] = {"done", "rejected", "unknown"};
    (void)user;
    printf("answer\t%s\t%u\t%s\t%s\t%" PRId64 "\t%s\n", names[a->outcome], a->http_status,
            a->reason, a->cause, a->retry_after_ns / 1000000, a->err.text);
    if (a->outcome == KUBE_DONE)
        printf("body\t%.*s\n", (int)(a->body.len < 3000 ? a->body.len : 3000), a->body.ptr);
}

static void refused(int code, const struct err *e)
{
    if (code < 0)
        printf("answer\trefused\t0\t\t\t-1\t%s\n", e->text);
}

/* patch apply|force|merge|json|strategic PATH MANAGER BODY */
static void do_patch(struct follower *f, char **words)
{
    static const char *const kinds[] = {"apply", "merge", "json", "strategic"};
    struct kube_request *request;
    struct err e = {0};
    struct kube_write write = {.path = words[2],
            .manager = words[3],
            .body = str_from(words[4]),
            .force = strcmp(words[1], "force") == 0,
            .retry_max = 3,
            .done = answered};
    enum kube_patch kind = KUBE_PATCH_APPLY;
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(words[1], kinds[i]) == 0)
            kind = (enum kube_patch)i;
    }
    refused(kube_write_patch(f->client, kind, &write, &request, &e), &e);
}

static void do_write(struct follower *f, char **words)
{
    struct kube_request *request;
    struct err e = {0};
    struct kube_write write = {.path = words[1], .done = answered};
    int code = 0;
    if (strcmp(words[0], "create") == 0) {
        write.body = str_from(words[2]);
        code = kube_write_create(f->client, &write, &request, &e);
    } else if (strcmp(words[0], "replace") == 0) {
        write.body = str_from(words[2]);
        code = kube_write_replace(f->client, &write, &request, &e);
    } else {
        code = kube_write_delete(f->client, &write, str_from(words[2]), &request, &e);
    }
    refused(code, &e);
}

static void do_evict(struct follower *f, char **words)
{
    struct kube_request *request;
    struct err e = {0};
    struct kube_eviction eviction = {.namespace = str_from(words[1]),
            .name = str_from(words[2]),
            .uid = str_from(words[3]),
            .grace_seconds = -1,
            .done = answered};
    refused(kube_write_evict(f->client, &eviction, &request, &e), &e);
}

static void lead_changed(void *user, enum kube_lead lead, struct str holder)
{
    static const char *const names[] = {"no", "yes", "lost"};
    (void)user;
    printf("lead\t%s\t%.*s\n", names[lead], STR_ARG(holder));
}

static void released(void *user)
{
    (void)user;
    printf("released\n");
}

static void do_lease(struct follower *f, char **words)
{
    struct err e = {0};
    struct kube_elector_options options = {.namespace = words[1],
            .name = words[2],
            .identity = words[3],
            .lease_ns = 3000000000,
            .renew_deadline_ns = 2000000000,
            .retry_ns = 300000000,
            .changed = lead_changed};
    refused(kube_elector_start(f->client, &options, &f->elector, &e), &e);
}

static void do_event(struct follower *f, char **words)
{
    if (f->recorder == NULL)
        f->recorder = kube_recorder_new(f->client, "slicewright.io/test", "kube_follow");
    struct kube_event event = {.api_version = str_from(words[1]),
            .kind = str_from(words[2]),
            .namespace = str_from(words[3]),
            .name = str_from(words[4]),
            .uid = str_from(words[5]),
            .reason = words[6],
            .action = "Test",
            .note = str_from(words[7])};
    kube_recorder_emit(f->recorder, &event);
}

/* ------------------------------------------------------------------------------------- commands */

static void finish(struct follower *f)
{
    kube_elector_free(f->elector);
    kube_recorder_free(f->recorder);
    for (unsigned i = 0; i < f->watch_count; i++) {
        kube_watch_stop(f->watches[i].watch);
        map_str_clear(&f->watches[i].shadow);
    }
    kube_client_free(f->client);
    os_loop_fd_clear(f->loop, &f->input);
    os_loop_free(f->loop);
    arena_free(f->arena);
    free(f);
    exit(0);
}

static void command(struct follower *f, char *line)
{
    static char empty[] = "";
    char *words[WORDS_MAX];
    unsigned count = 0;
    for (char *at = line; at != NULL && count < WORDS_MAX; count++) {
        words[count] = at;
        at = strchr(at, '\t');
        if (at != NULL)
            *at++ = '\0';
    }
    for (unsigned i = count; i < WORDS_MAX; i++)
        words[i] = empty;
    if (strcmp(words[0], "dump") == 0)
        dump(f);
    else if (strcmp(words[0], "stats") == 0)
        print_stats(f);
    else if (strcmp(words[0], "patch") == 0)
        do_patch(f, words);
    else if (strcmp(words[0], "evict") == 0)
        do_evict(f, words);
    else if (strcmp(words[0], "lease") == 0)
        do_lease(f, words);
    else if (strcmp(words[0], "release") == 0)
        kube_elector_release(f->elector, released, NULL);
    else if (strcmp(words[0], "event") == 0)
        do_event(f, words);
    else
        do_write(f, words); /* create, replace, delete */
}

static void on_input(struct os_fd *w, unsigned events)
{
    (void)events;
    struct follower *f = (struct follower *)((char *)w - offsetof(struct follower, input));
    ssize_t got = read(STDIN_FILENO, f->line + f->line_len, sizeof f->line - f->line_len - 1);
    if (got <= 0)
        finish(f);
    f->line_len += (size_t)got;
    char *end;
    while ((end = memchr(f->line, '\n', f->line_len)) != NULL) {
        size_t used = (size_t)(end - f->line) + 1;
        char copy[LINE_MAX_BYTES];
        memcpy(copy, f->line, used);
        copy[used - 1] = '\0';
        memmove(f->line, f->line + used, f->line_len - used);
        f->line_len -= used;
        command(f, copy);
    }
}

static const char *next(char **argv, int *at)
{
    if (argv[++*at] == NULL) {
        fprintf(stderr, "kube_follow: %s needs a value\n", argv[*at - 1]);
        exit(2);
    }
    return argv[*at];
}

int main(int argc, char **argv)
{
    struct follower *f = calloc(1, sizeof *f);
    struct kube_config_spec spec = {.environ = (const char *const *)environ};
    struct kube_client_options client = {.qps_milli = 200000, .burst = 200, .seed = 1};
    const char *paths[WATCHES_MAX];
    unsigned path_count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--kubeconfig") == 0)
            spec.path = next(argv, &i);
        else if (strcmp(argv[i], "--idle-ms") == 0)
            f->options.idle_timeout_ns = number(next(argv, &i)) * 1000000;
        else if (strcmp(argv[i], "--lost-ms") == 0)
            f->options.lost_after_ns = number(next(argv, &i)) * 1000000;
        else if (strcmp(argv[i], "--qps-milli") == 0)
            client.qps_milli = (uint32_t)number(next(argv, &i));
        else if (strcmp(argv[i], "--burst") == 0)
            client.burst = (uint32_t)number(next(argv, &i));
        else if (strcmp(argv[i], "--page") == 0)
            f->options.page_size = (uint32_t)number(next(argv, &i));
        else if (strcmp(argv[i], "--no-stream") == 0)
            f->options.no_stream = true;
        else if (strcmp(argv[i], "--item-max") == 0)
            f->options.item_bytes_max = (size_t)number(next(argv, &i));
        else if (path_count < WATCHES_MAX)
            paths[path_count++] = argv[i];
    }
    f->options.backoff_min_ns = 100000000;
    f->options.backoff_max_ns = 1000000000;
    struct err e = {0};
    f->arena = arena_new(0);
    struct kube_config *config = ARENA_NEW(f->arena, struct kube_config);
    (void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    if (os_loop_new(&f->loop, &e) < 0 || kube_config_load(f->arena, &spec, config, &e) < 0 ||
            kube_client_new(f->loop, config, &client, &f->client, &e) < 0) {
        fprintf(stderr, "kube_follow: %s\n", e.text);
        return 2;
    }
    for (unsigned i = 0; i < config->warning_count; i++)
        fprintf(stderr, "kube_follow: warning: %s\n", config->warnings[i]);
    f->input.ready = on_input;
    (void)os_loop_fd_set(f->loop, &f->input, STDIN_FILENO, OS_LOOP_READ, NULL);
    for (unsigned i = 0; i < path_count; i++)
        add_watch(f, paths[i]);
    if (os_loop_run(f->loop, &e) < 0)
        fprintf(stderr, "kube_follow: %s\n", e.text);
    return 1;
}
