/* dra/lint.c - warnings about classes and claims.  Pure. */
#include "dra/lint.h"

#include "dra/engine-priv.h"

#include <stdio.h>

enum { OBJECT_BYTES_MAX = 512 };

const struct cel_guard_names dra_guard_names = {
        .var = "device", .kind = "driver", .maps = {"attributes", "capacity"}};

struct lint {
    struct dra_engine *e;
    dra_warning_fn *on_warning;
    void *context;
    char object[OBJECT_BYTES_MAX];
};

__attribute__((format(printf, 2, 3))) static void warn(struct lint *l, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    l->on_warning(l->context, l->object, text);
}

static struct str text_of(const struct lint *l, uint32_t name)
{
    return dra_name(&l->e->store->names, name);
}

/* How a list of selectors does on every device there is. */
struct tally {
    const struct dra_selector *selectors;
    uint32_t count;
    uint32_t devices, matches;
    bool failed;
    uint32_t failed_selector;
    struct err err;
    const struct dra_slice *slice;
    const struct dra_device *device;
};

static void tally_device(struct lint *l, const struct dra_slice *slice,
        const struct dra_device *device, struct tally *t)
{
    t->devices++;
    for (uint32_t i = 0; i < t->count; i++) {
        struct err err = {0};
        uint32_t program = dra_program_get(l->e, t->selectors[i].text, true);
        int r = dra_program_verdict(l->e, program, device, slice->driver, &err);
        if (r < 0 && !t->failed) {
            t->failed = true;
            t->failed_selector = i;
            t->err = err;
            t->slice = slice;
            t->device = device;
        }
        if (r <= 0)
            return;
    }
    t->matches++;
}

static void tally_all(struct lint *l, struct tally *t)
{
    const struct dra_store *s = l->e->store;
    for (uint32_t i = 0; i < s->slices.count; i++) {
        const struct dra_slice *slice = dra_slice_at(s, i);
        for (uint32_t d = 0; d < slice->device_count; d++)
            tally_device(l, slice, &slice->devices[d], t);
    }
}

static void report(struct lint *l, const struct tally *t, uint32_t selector_count)
{
    const struct dra_store *s = l->e->store;
    if (t->failed) {
        warn(l,
                "selector #%u fails on %.*s/%.*s, which ends the scheduling of every pod that gets "
                "there; guard it (\"domain\" in device.attributes, or device.driver first): %s",
                t->failed_selector, STR_ARG_SHORT(text_of(l, t->slice->driver)),
                STR_ARG_SHORT(dra_name(&s->names, t->device->name)), t->err.text);
    } else if (selector_count > 0 && t->devices > 0 && t->matches == 0) {
        warn(l, "no published device satisfies its selectors (%u were tried)", t->devices);
    }
}

/* The selector at hand, for what is found in it. */
struct guarding {
    struct lint *lint;
    uint32_t selector;
};

static void on_unguarded(void *context, const struct cel_access *access)
{
    const struct guarding *at = context;
    warn(at->lint,
            "selector #%u reads %.*s without a guard: on a device that lacks it (another driver's) "
            "it fails, which ends the scheduling of every pod that gets there; put \"%.*s\" in "
            "device.attributes, or a test of device.driver, before it with &&",
            at->selector, STR_ARG_SHORT(access->text), STR_ARG_SHORT(access->key));
}

/* Looks for unguarded accesses; `guards` goes from selector to selector as they are asked. */
static void lint_guards(struct lint *l, const struct dra_selector *selectors, uint32_t count,
        struct cel_guards *guards, bool tell)
{
    for (uint32_t i = 0; i < count; i++) {
        struct guarding at = {l, i};
        uint32_t program = dra_program_get(l->e, selectors[i].text, true);
        const struct cel_program *p = l->e->programs[program].program;
        if (p)
            cel_guard_find(p, guards, tell ? on_unguarded : NULL, &at);
    }
}

static void lint_class(struct lint *l, const struct dra_class *class)
{
    struct tally t = {.selectors = class->selectors, .count = class->selector_count};
    struct cel_guards guards = {.names = &dra_guard_names};
    (void)snprintf(l->object, sizeof l->object, "DeviceClass %.*s",
            STR_ARG_SHORT(text_of(l, class->name)));
    tally_all(l, &t);
    report(l, &t, class->selector_count);
    lint_guards(l, class->selectors, class->selector_count, &guards, !t.failed);
}

static void lint_ask(struct lint *l, const struct dra_ask *ask)
{
    const struct dra_class *class = dra_class_find(l->e->store, ask->class_name);
    if (!class) {
        warn(l, "device class %.*s does not exist", STR_ARG_SHORT(text_of(l, ask->class_name)));
        return;
    }
    uint32_t count = class->selector_count + ask->selector_count;
    struct dra_selector *both = mem_alloc(count + 1, sizeof *both);
    for (uint32_t i = 0; i < count; i++) {
        both[i] = i < class->selector_count ? class->selectors[i]
                                            : ask->selectors[i - class->selector_count];
    }
    struct tally t = {.selectors = both, .count = count};
    tally_all(l, &t);
    mem_free(both);
    if (t.failed && t.failed_selector < class->selector_count)
        return; /* the class was warned of */
    t.failed_selector -= t.failed ? class->selector_count : 0;
    report(l, &t, ask->selector_count);
    struct cel_guards guards = {.names = &dra_guard_names};
    lint_guards(l, class->selectors, class->selector_count, &guards, false);
    lint_guards(l, ask->selectors, ask->selector_count, &guards, !t.failed);
}

/* Mode All must know every device: one pool in change stops it on a node. */
static void lint_all(struct lint *l)
{
    const struct dra_store *s = l->e->store;
    for (uint32_t i = 0; i < s->nodes.count; i++) {
        const struct dra_view *view = dra_view_get(l->e, dra_node_at(s, i));
        for (uint32_t p = 0; p < view->pool_count; p++) {
            const struct dra_pool_view *pool = &view->pools[p];
            if (!pool->incomplete && !pool->invalid)
                continue;
            warn(l, "asks for all devices, but pool %.*s/%.*s is %s on node %.*s",
                    STR_ARG_SHORT(text_of(l, pool->slices[0]->driver)),
                    STR_ARG_SHORT(text_of(l, pool->slices[0]->pool)),
                    pool->incomplete ? "incomplete" : "invalid",
                    STR_ARG_SHORT(text_of(l, dra_node_at(s, i)->name)));
            return;
        }
    }
}

static void lint_claim(struct lint *l, const struct dra_claim *claim)
{
    int64_t most = 0;
    for (uint32_t r = 0; r < claim->request_count; r++) {
        const struct dra_request *request = &claim->requests[r];
        int64_t largest = 0;
        for (uint32_t i = 0; i < request->ask_count; i++) {
            const struct dra_ask *ask = &request->asks[i];
            (void)snprintf(l->object, sizeof l->object, "%s %.*s/%.*s, request %.*s%s%.*s",
                    claim->is_template ? "ResourceClaimTemplate" : "ResourceClaim",
                    STR_ARG_SHORT(text_of(l, claim->namespace_name)),
                    STR_ARG_SHORT(text_of(l, claim->name)),
                    STR_ARG_SHORT(text_of(l, request->name)), request->has_subs ? "/" : "",
                    STR_ARG_SHORT(request->has_subs ? text_of(l, ask->name) : STR_LIT("")));
            lint_ask(l, ask);
            if (ask->mode == DRA_MODE_ALL)
                lint_all(l);
            if (ask->count > largest)
                largest = ask->count;
        }
        most = largest > DRA_CLAIM_RESULTS_MAX ? INT32_MAX : most + largest;
    }
    (void)snprintf(l->object, sizeof l->object, "%s %.*s/%.*s",
            claim->is_template ? "ResourceClaimTemplate" : "ResourceClaim",
            STR_ARG_SHORT(text_of(l, claim->namespace_name)),
            STR_ARG_SHORT(text_of(l, claim->name)));
    if (most > DRA_CLAIM_RESULTS_MAX) {
        warn(l, "its requests may add up to more than the %d devices that one claim can hold",
                DRA_CLAIM_RESULTS_MAX);
    }
}

void dra_lint(struct dra_engine *e, dra_warning_fn *on_warning, void *context)
{
    struct lint l = {.e = e, .on_warning = on_warning, .context = context};
    for (uint32_t i = 0; i < e->store->classes.count; i++)
        lint_class(&l, dra_class_at(e->store, i));
    for (uint32_t i = 0; i < e->store->claims.count; i++)
        lint_claim(&l, dra_claim_at(e->store, i));
}
