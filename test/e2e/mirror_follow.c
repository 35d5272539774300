/* test/e2e/mirror_follow.c - follows a cluster with ctl/mirror and ctl/feed and does what its input
 * says, one word a line:
 *
 *   ready     waits until the mirror is, and prints "ready"
 *   compare   prints "same N" when the facts made of the mirror are those of a fresh look, and
 * those that the feed told add up to them; else what differs, and "differs" seen      prints
 * "unseen KIND: WHY" for each kind that is not, then "seen" stats     prints the mirror's counts
 *
 * Each world that the mirror makes is told to one feed on the way, and to one core. */
#include "base/num.h"
#include "core/picture.h"
#include "core/recording.h"
#include "ctl/feed.h"
#include "ctl/mirror.h"
#include "os/clock.h"
#include "os/loop.h"
#include "policy/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { LINE_BYTES = 256, FACTS_BYTES = 64 << 20 };

struct follower {
    struct os_loop *loop;
    struct arena *arena;
    struct kube_client *client;
    struct ctl_mirror *mirror;
    struct ctl_feed *feed;
    struct core *core;
    struct os_timer tick;
    struct os_fd input;
    uint64_t generation, worlds, facts, dirty;
    bool waits; /* "ready" was asked */
    bool ended; /* of input */
    char line[LINE_BYTES];
    size_t line_len;
};

/* A cluster at one time. */
struct look {
    struct arena *a;
    struct ctl_snapshot *s;
    struct ctl_fetch_result seen;
    struct ctl_world w;
};

static void die(const struct err *e)
{
    fprintf(stderr, "mirror_follow: %s\n", e->text);
    exit(2);
}

static int64_t price_of(uint16_t gpu)
{
    return 1000000 + gpu;
}

static void look_judge(struct look *l)
{
    struct err e = {0};
    struct ctl_world_options o = {.policy = policy_preset(STR_LIT("balanced")),
            .price_default = price_of,
            .wall_ns = os_clock_wall_ns(),
            .resting_owners = true};
    memcpy(o.seen, l->seen.seen, sizeof o.seen);
    memcpy(o.why, l->seen.why, sizeof o.why);
    l->a = arena_new((size_t)1 << 30);
    if (ctl_world_build(l->a, l->s, &o, &l->w, &e) < 0)
        die(&e);
}

static void look_clear(struct look *l)
{
    ctl_world_clear(&l->w);
    (void)ctl_snapshot_free(l->s);
    (void)arena_free(l->a);
}

static struct look look_at_mirror(struct follower *f)
{
    struct look l = {0};
    struct err e = {0};
    if (ctl_mirror_snapshot(f->mirror, &l.s, &l.seen, &e) < 0)
        die(&e);
    look_judge(&l);
    return l;
}

/* -- telling ------------------------------------------------------------------------------------
 */

static void tell(struct follower *f, const struct look *l)
{
    bool synced[CORE_SOURCE_COUNT] = {0};
    const struct core_fact *facts;
    struct core_output out;
    const struct core_now now = {os_clock_wall_ns(), os_clock_mono_ns(), 1};
    for (enum core_source s = 0; s <= CORE_SOURCE_CONFIG; s++)
        synced[s] = ctl_mirror_synced(f->mirror, s);
    ctl_feed_world(f->feed, &l->w, synced);
    uint32_t count = ctl_feed_take(f->feed, now.wall_ns, &facts);
    core_step(f->core, &now, facts, count, &out);
    f->worlds++;
    f->facts += count;
}

static void follow(struct follower *f)
{
    if (!ctl_mirror_ready(f->mirror))
        return;
    if (f->generation != ctl_mirror_generation(f->mirror)) {
        f->generation = ctl_mirror_generation(f->mirror);
        struct look l = look_at_mirror(f);
        tell(f, &l);
        look_clear(&l);
    }
    if (f->waits)
        printf("ready\n");
    f->waits = false;
}

static void on_tick(struct os_timer *t)
{
    follow((struct follower *)((char *)t - offsetof(struct follower, tick)));
}

static void dirty(void *user)
{
    struct follower *f = user;
    f->dirty++;
    if (!os_loop_timer_is_set(&f->tick))
        os_loop_timer_set(f->loop, &f->tick, os_loop_now_ns(f->loop) + 50000000);
}

/* -- comparing ----------------------------------------------------------------------------------
 */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lines {
    char **list;
    uint32_t count, cap;
};

static void add_fact(struct lines *lines, const struct core_fact *fact)
{
    struct buf text = BUF_INIT(FACTS_BYTES);
    struct core_fact plain = *fact;
    plain.version = 0; /* a heartbeat may lie between two looks */
    plain.observed_wall_ns = 0;
    core_recording_fact_write(&plain, &text);
    if (lines->count == lines->cap) {
        lines->cap = lines->cap == 0 ? 1024 : lines->cap * 2;
        lines->list = mem_grow(lines->list, lines->cap, sizeof *lines->list);
    }
    lines->list[lines->count++] = text.ptr; /* owned from here */
}

static void finish_lines(struct lines *lines)
{
    if (lines->count > 1)
        qsort(lines->list, lines->count, sizeof *lines->list, by_text);
}

static struct lines lines_of_world(const struct ctl_world *w)
{
    struct lines lines = {0};
    for (uint32_t i = 0; i < w->node_count; i++)
        add_fact(&lines, &w->nodes[i]);
    for (uint32_t i = 0; i < w->pod_count; i++)
        add_fact(&lines, &w->pods[i]);
    for (uint32_t i = 0; i < w->owner_count; i++)
        add_fact(&lines, &w->owners[i]);
    for (uint32_t i = 0; i < w->config_count; i++)
        add_fact(&lines, &w->configs[i]);
    finish_lines(&lines);
    return lines;
}

/* What a core that was told step by step believes. */
static struct lines lines_of_core(const struct core *core)
{
    const struct core_picture *p = core_picture_get(core);
    struct lines lines = {0};
    for (uint32_t i = 0; i < p->node_count; i++) {
        struct core_fact fact = {.kind = CORE_FACT_NODE, .source = CORE_SOURCE_NODES};
        fact.node = p->nodes[i].fact;
        if (p->nodes[i].live)
            add_fact(&lines, &fact);
    }
    for (uint32_t i = 0; i < p->pod_count; i++) {
        struct core_fact fact = {.kind = CORE_FACT_POD, .source = CORE_SOURCE_PODS};
        fact.pod = p->pods[i].fact;
        if (p->pods[i].live)
            add_fact(&lines, &fact);
    }
    for (uint32_t i = 0; i < p->owner_count; i++) {
        struct core_fact fact = {.kind = CORE_FACT_OWNER, .source = CORE_SOURCE_OWNERS};
        fact.owner = p->owners[i].fact;
        if (p->owners[i].live)
            add_fact(&lines, &fact);
    }
    for (uint32_t i = 0; i < p->config_count; i++) {
        const struct core_config_view *v = &p->configs[i];
        struct core_fact fact = {.kind = CORE_FACT_CONFIG, .source = CORE_SOURCE_CONFIG};
        fact.config = (struct core_config_fact){
                .map = v->map, .key = v->key, .text = v->text, .present = true};
        if (v->live)
            add_fact(&lines, &fact);
    }
    finish_lines(&lines);
    return lines;
}

static void lines_clear(struct lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++)
        mem_free(lines->list[i]);
    mem_free(lines->list);
}

/* Prints what only one of both has; returns how many. */
static uint32_t differ(const char *who, const struct lines *a, const struct lines *b)
{
    uint32_t i = 0, j = 0, count = 0;
    while (i < a->count || j < b->count) {
        int order = i == a->count ? 1 : j == b->count ? -1 : strcmp(a->list[i], b->list[j]);
        if (order != 0) {
            printf("%s %c %.300s\n", who, order < 0 ? '-' : '+',
                    order < 0 ? a->list[i] : b->list[j]);
            count++;
        }
        i += order <= 0;
        j += order >= 0;
    }
    return count;
}

static void compare(struct follower *f)
{
    struct look fresh = {.s = ctl_snapshot_new()};
    const struct ctl_fetch_options options = {0};
    struct err e = {0};
    if (ctl_fetch(f->client, fresh.s, &options, &fresh.seen, &e) < 0)
        die(&e);
    look_judge(&fresh);
    follow(f);
    struct look mirrored = look_at_mirror(f);
    struct lines one = lines_of_world(&fresh.w), two = lines_of_world(&mirrored.w);
    struct lines three = lines_of_core(f->core);
    uint32_t count = differ("mirror", &one, &two) + differ("core", &two, &three);
    if (count == 0) {
        printf("same %u\n", one.count);
    } else {
        printf("differs\n");
    }
    lines_clear(&one);
    lines_clear(&two);
    lines_clear(&three);
    look_clear(&fresh);
    look_clear(&mirrored);
}

static void print_seen(struct follower *f)
{
    struct look l = look_at_mirror(f);
    for (enum ctl_kind k = 0; k < CTL_KIND_COUNT; k++) {
        if (!l.seen.seen[k])
            printf("unseen %s: %s\n", ctl_kind_info(k)->plural, l.seen.why[k]);
    }
    printf("seen\n");
    look_clear(&l);
}

static void print_stats(const struct follower *f)
{
    const struct ctl_mirror_stats s = ctl_mirror_stats(f->mirror);
    printf("stats objects=%" PRIu64 " bytes=%" PRIu64 " lists=%" PRIu64 " events=%" PRIu64
           " lost=%" PRIu64 " generation=%" PRIu64 " worlds=%" PRIu64 " facts=%" PRIu64 "\n",
            s.objects, s.bytes, s.lists, s.events, s.lost, ctl_mirror_generation(f->mirror),
            f->worlds, f->facts);
}

/* -- commands -----------------------------------------------------------------------------------
 */

static void finish(struct follower *f)
{
    ctl_mirror_stop(f->mirror);
    kube_client_free(f->client);
    os_loop_timer_clear(f->loop, &f->tick);
    os_loop_fd_clear(f->loop, &f->input);
    os_loop_free(f->loop);
    (void)ctl_feed_free(f->feed);
    (void)core_free(f->core);
    (void)arena_free(f->arena);
    free(f);
}

static void command(struct follower *f, struct str word)
{
    if (str_eq_c(word, "ready")) {
        f->waits = true;
        follow(f);
    } else if (str_eq_c(word, "compare")) {
        compare(f);
    } else if (str_eq_c(word, "seen")) {
        print_seen(f);
    } else if (str_eq_c(word, "stats")) {
        print_stats(f);
    } else {
        printf("unknown command\n");
    }
}

/* Commands turn the loop themselves: they are run between its turns. */
static void on_input(struct os_fd *w, unsigned events)
{
    (void)events;
    struct follower *f = (struct follower *)((char *)w - offsetof(struct follower, input));
    ssize_t got = read(STDIN_FILENO, f->line + f->line_len, sizeof f->line - f->line_len);
    f->ended = got <= 0;
    if (got > 0)
        f->line_len += (size_t)got;
}

static void run_commands(struct follower *f)
{
    char *end;
    while ((end = memchr(f->line, '\n', f->line_len)) != NULL) {
        char word[LINE_BYTES];
        size_t len = (size_t)(end - f->line);
        memcpy(word, f->line, len);
        f->line_len -= len + 1;
        memmove(f->line, end + 1, f->line_len);
        command(f, (struct str){word, len});
    }
}

int main(int argc, char **argv)
{
    struct follower *f = calloc(1, sizeof *f);
    struct kube_config_spec spec = {.environ = (const char *const *)environ};
    struct kube_client_options client = {.qps_milli = 200000, .burst = 200, .seed = 1};
    struct err e = {0};
    if (argc != 3 || strcmp(argv[1], "--kubeconfig") != 0) {
        fprintf(stderr, "usage: mirror_follow --kubeconfig FILE\n");
        return 2;
    }
    spec.path = argv[2];
    f->arena = arena_new(0);
    struct kube_config *config = ARENA_NEW(f->arena, struct kube_config);
    (void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    if (os_loop_new(&f->loop, &e) < 0 || kube_config_load(f->arena, &spec, config, &e) < 0 ||
            kube_client_new(f->loop, config, &client, &f->client, &e) < 0)
        die(&e);
    const struct core_options core = {.seed = 1};
    const struct ctl_mirror_options mirror = {.dirty = dirty, .user = f};
    f->feed = ctl_feed_new();
    f->core = core_new(&core);
    f->tick.fire = on_tick;
    f->input.ready = on_input;
    (void)os_loop_fd_set(f->loop, &f->input, STDIN_FILENO, OS_LOOP_READ, NULL);
    if (ctl_mirror_start(f->client, &mirror, &f->mirror, &e) < 0)
        die(&e);
    while (!f->ended) {
        if (os_loop_turn(f->loop, -1, &e) < 0)
            die(&e);
        run_commands(f);
    }
    finish(f);
}
