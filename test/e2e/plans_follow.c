/* test/e2e/plans_follow.c - drives ctl/plans against a real API server with decisions as told.
 *
 * For test_plans.py: prints one line for each call that ctl/plans makes, and answers commands of
 * standard input, one a line, words divided by blanks:
 *   lead, follow, propose NODE DIGEST SAVING, begun|done|failed|refused NODE, ask OWNER, restart.
 */
#include "base/arena.h"
#include "base/num.h"
#include "ctl/plans.h"
#include "model/gpu.h"
#include "os/clock.h"
#include "os/loop.h"
#include "policy/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { NODES = 300, OWNERS = 2, WORDS_MAX = 4, LINE_BYTES = 1 << 16 };

struct driver {
    struct os_loop *loop;
    struct arena *arena;
    struct kube_client *client;
    struct ctl_plans *plans;
    struct ctl_world world;
    struct os_fd input;
    char line[LINE_BYTES];
    size_t line_len;
};

/* Nodes n0, n1, ... with A100s, Deployments ml/d0, ml/d1. */
static void make_world(struct driver *d)
{
    struct ctl_world *w = &d->world;
    uint16_t gpu = 0;
    while (strcmp(model_gpu_get(gpu)->key, "A100-80GB") != 0)
        gpu++;
    w->a = d->arena;
    w->node_count = NODES;
    w->owner_count = OWNERS;
    w->nodes = ARENA_ARRAY(d->arena, struct core_fact, NODES);
    w->node_notes = ARENA_ARRAY(d->arena, struct ctl_node_note, NODES);
    w->owners = ARENA_ARRAY(d->arena, struct core_fact, OWNERS);
    w->owner_notes = ARENA_ARRAY(d->arena, struct ctl_owner_note, OWNERS);
    for (uint32_t i = 0; i < NODES; i++) {
        struct ctl_node *n = ARENA_NEW(d->arena, struct ctl_node);
        n->name = str_from(arena_printf(d->arena, "n%u", i));
        w->node_notes[i].node = n;
        w->nodes[i].node = (struct core_node_fact){
                .uid = 1000 + i, .name = n->name, .gpu = gpu, .gpu_count = 8};
        (void)map_u64_set(&w->node_by_uid, 1000 + i, i);
        (void)map_str_set(&w->node_index, n->name, i);
    }
    for (uint32_t i = 0; i < OWNERS; i++) {
        struct ctl_workload *top = ARENA_NEW(d->arena, struct ctl_workload);
        top->kind = CTL_DEPLOYMENTS;
        top->spec.gpu_container = STR_LIT("main");
        w->owners[i].owner = (struct core_owner_fact){.uid = 5000 + i,
                .gpus_per_pod = 1,
                .gpu_models = UINT64_C(1) << gpu,
                .resource.kind = MODEL_RESOURCE_GPU};
        w->owner_notes[i] = (struct ctl_owner_note){.workload = top,
                .namespace = STR_LIT("ml"),
                .name = str_from(arena_printf(d->arena, "d%u", i)),
                .kind = "Deployment"};
        (void)map_u64_set(&w->owner_index, 5000 + i, i);
    }
}

static void policy_changed(void *user, const struct policy *policy, const char *why)
{
    (void)user;
    if (policy != NULL) {
        printf("policy %.*s%s\n", STR_ARG(policy->name), policy->suspend ? " suspended" : "");
    } else {
        printf("no policy: %s\n", why);
    }
}

static void policy_sync(void *user, bool complete)
{
    (void)user;
    printf("policies %s\n", complete ? "complete" : "lost");
}

static void approved(void *user, uint64_t digest, int64_t wall_ns)
{
    (void)user;
    printf("approved %" PRIu64 " %" PRId64 "\n", digest,
            (os_clock_wall_ns() - wall_ns) / NUM_NS_PER_SECOND);
}

static void step(
        struct driver *d, const struct core_decision *decision, const struct core_action *action)
{
    const struct core_output out = {.decisions = decision,
            .decision_count = decision != NULL,
            .actions = action,
            .action_count = action != NULL};
    ctl_plans_step(d->plans, &d->world, &out, os_clock_wall_ns());
    ctl_plans_flush(d->plans);
}

static void decide(struct driver *d, char **words, unsigned count)
{
    static const struct {
        const char *word;
        enum core_verdict verdict;
    } verdicts[] = {{"propose", CORE_VERDICT_PROPOSED}, {"begun", CORE_VERDICT_BEGUN},
            {"done", CORE_VERDICT_DONE}, {"failed", CORE_VERDICT_ABANDONED},
            {"refused", CORE_VERDICT_REFUSED}};
    for (unsigned i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        if (strcmp(words[0], verdicts[i].word) != 0 || count < 2)
            continue;
        struct core_decision decision = {.change = CORE_CHANGE_SHARE,
                .verdict = verdicts[i].verdict,
                .reason = CORE_REASON_COST,
                .node = 1000 + strtoull(words[1] + 1, NULL, 10),
                .from_value = 1,
                .to_value = 4,
                .text = STR_LIT("share 4 ways")};
        if (count == 4) {
            decision.evidence[decision.evidence_count++] =
                    (struct core_evidence){"plan", strtoll(words[2], NULL, 10)};
            decision.saving_microusd_per_hour = strtoll(words[3], NULL, 10);
        }
        step(d, &decision, NULL);
    }
}

static void ask(struct driver *d, const char *owner)
{
    const struct core_action action = {.kind = CORE_ACTION_OWNER_PATCH,
            .target = 5000 + strtoull(owner + 1, NULL, 10),
            .reason = CORE_REASON_COST,
            .owner = {.resource.kind = MODEL_RESOURCE_GPU_SHARED,
                    .count = 1,
                    .pool = STR_LIT("shared")}};
    step(d, NULL, &action);
}

static void command(struct driver *d, char *line)
{
    char *words[WORDS_MAX];
    unsigned count = 0;
    for (char *w = strtok(line, " "); w != NULL && count < WORDS_MAX; w = strtok(NULL, " "))
        words[count++] = w;
    if (count == 0)
        return;
    if (strcmp(words[0], "lead") == 0 || strcmp(words[0], "follow") == 0) {
        ctl_plans_lead(d->plans, words[0][0] == 'l');
    } else if (strcmp(words[0], "restart") == 0) {
        ctl_plans_restart(d->plans);
    } else if (strcmp(words[0], "ask") == 0 && count == 2) {
        ask(d, words[1]);
    } else {
        decide(d, words, count);
    }
    struct ctl_plans_stats s = ctl_plans_stats(d->plans);
    printf("ok %" PRIu64 " writes %" PRIu64 " conflicts\n", s.writes, s.conflicts);
}

static void on_input(struct os_fd *w, unsigned events)
{
    struct driver *d = (struct driver *)((char *)w - offsetof(struct driver, input));
    (void)events;
    ssize_t n = read(STDIN_FILENO, d->line + d->line_len, LINE_BYTES - 1 - d->line_len);
    if (n <= 0) {
        os_loop_stop(d->loop);
        return;
    }
    d->line_len += (size_t)n;
    char *end;
    while ((end = memchr(d->line, '\n', d->line_len)) != NULL) {
        *end = '\0';
        size_t used = (size_t)(end - d->line) + 1;
        command(d, d->line);
        memmove(d->line, d->line + used, d->line_len - used);
        d->line_len -= used;
    }
}

int main(int argc, char **argv)
{
    struct driver *d = mem_alloc(1, sizeof *d);
    struct kube_config_spec spec = {
            .path = getenv("KUBECONFIG"), .environ = (const char *const *)environ};
    const struct kube_client_options client = {.qps_milli = 200000, .burst = 200, .seed = 1};
    const struct ctl_plans_options options = {.policy = argc > 1 ? argv[1] : NULL,
            .policy_changed = policy_changed,
            .policy_sync = policy_sync,
            .approved = approved,
            .user = d};
    struct err e = {0};
    d->arena = arena_new(0);
    d->input.ready = on_input;
    (void)setvbuf(stdout, NULL, _IOLBF, 1 << 16);
    make_world(d);
    struct kube_config *config = ARENA_NEW(d->arena, struct kube_config);
    if (os_loop_new(&d->loop, &e) < 0 || kube_config_load(d->arena, &spec, config, &e) < 0 ||
            kube_client_new(d->loop, config, &client, &d->client, &e) < 0 ||
            ctl_plans_start(d->client, &options, &d->plans, &e) < 0 ||
            os_loop_fd_set(d->loop, &d->input, STDIN_FILENO, OS_LOOP_READ, &e) < 0 ||
            os_loop_run(d->loop, &e) < 0) {
        fprintf(stderr, "plans_follow: %s\n", e.text);
        return 2;
    }
    os_loop_fd_clear(d->loop, &d->input);
    ctl_plans_stop(d->plans);
    kube_client_free(d->client);
    os_loop_free(d->loop);
    map_u64_clear(&d->world.node_by_uid);
    map_u64_clear(&d->world.owner_index);
    map_str_clear(&d->world.node_index);
    (void)arena_free(d->arena);
    mem_free(d);
    return 0;
}
