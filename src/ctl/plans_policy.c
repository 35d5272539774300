/* ctl/plans_policy.c - which SharingPolicy governs, and what its status says.  See plans.h. */
#include "ctl/plans-priv.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/json.h"
#include "base/num.h"
#include "ctl/act.h"
#include "kube/write.h"
#include "os/clock.h"
#include "os/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 512, WHY_BYTES = 600, STATUS_BYTES_MAX = 64 << 10, TIME_BYTES = 40 };

static const int64_t WRITE_EVERY_NS = 2 * NUM_NS_PER_SECOND;

/* A policy's row in the cache: this, then the document as policy_parse() has it and the conditions
 * as JSON. */
struct policy_row {
    int64_t generation;
    uint32_t document_len, conditions_len;
};

struct policy_view {
    int64_t generation;
    struct str document, conditions;
};

static struct policy_view view_of(const struct kube_row *row)
{
    const struct policy_row *head = row->bytes;
    const char *at = (const char *)row->bytes + sizeof *head;
    return (struct policy_view){.generation = head->generation,
            .document = {at, head->document_len},
            .conditions = {at + head->document_len, head->conditions_len}};
}

/* -- reading ------------------------------------------------------------------------------------
 */

static int project_policy(void *user, const struct kube_item *item, struct buf *row)
{
    (void)user;
    struct buf text = BUF_INIT(POLICY_TEXT_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&text, 0);
    struct buf spec = BUF_INIT(POLICY_TEXT_BYTES_MAX);
    kube_value_write(kube_item_at(item, "spec"), &spec);
    jw_object(&w);
    jw_kv_cstr(&w, "apiVersion", POLICY_API_VERSION);
    jw_kv_cstr(&w, "kind", POLICY_KIND);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_str(&w, "name", item->name);
    jw_object_end(&w);
    jw_key(&w, "spec");
    jw_raw(&w, buf_str(&spec));
    jw_object_end(&w);
    size_t document_len = text.len;
    if (kube_value_exists(kube_item_at(item, "status.conditions"))) {
        kube_value_write(kube_item_at(item, "status.conditions"), &text);
    } else {
        buf_puts(&text, "[]");
    }
    const struct policy_row head = {
            .generation = kube_value_i64(kube_item_at(item, "metadata.generation"), 0),
            .document_len = (uint32_t)document_len,
            .conditions_len = (uint32_t)(text.len - document_len)};
    buf_put(row, (struct str){(const char *)&head, sizeof head});
    buf_put(row, buf_str(&text));
    bool too_large = text.overflow || spec.overflow;
    buf_clear(&spec);
    buf_clear(&text);
    return too_large ? -E2BIG : 0;
}

/* The document is one line of ours: the number of the line says nothing. */
static struct str without_line(const char *text)
{
    static const struct str line = {"line 1: ", 8};
    struct str s = str_from(text);
    return str_starts(s, line) ? (struct str){s.ptr + line.len, s.len - line.len} : s;
}

/* -- who governs --------------------------------------------------------------------------------
 */

/* The row that governs; false with the reason. */
static bool choose(const struct ctl_plans *p, struct kube_row *ret_row, char *ret_why)
{
    const struct kube_cache *cache = kube_watch_cache(p->policy_watch);
    uint32_t count = kube_cache_count(cache);
    uint32_t cursor = 0;
    if (p->o.policy != NULL) {
        if (kube_cache_find(cache, (struct str){0}, str_from(p->o.policy), ret_row))
            return true;
        (void)snprintf(ret_why, WHY_BYTES, "there is no SharingPolicy '%s'", p->o.policy);
        return false;
    }
    if (count == 1)
        return kube_cache_next(cache, &cursor, ret_row);
    if (count == 0) {
        (void)snprintf(ret_why, WHY_BYTES, "there is no SharingPolicy");
    } else {
        (void)snprintf(ret_why, WHY_BYTES,
                "there are %u SharingPolicies and none is named: name the one that governs, or "
                "delete the others",
                count);
    }
    return false;
}

static void tell(struct ctl_plans *p, struct arena *a, const struct policy *policy, const char *why)
{
    struct arena *before = p->governing_arena;
    p->governing_arena = a;
    p->governing = policy;
    p->told = true;
    p->o.policy_changed(p->o.user, policy, policy != NULL ? NULL : why);
    (void)arena_free(before);
    ctl_plans_governed(p);
}

static void govern(struct ctl_plans *p)
{
    char why[WHY_BYTES] = "";
    struct kube_row row;
    struct err e = {0};
    const struct policy *policy = NULL;
    struct arena *a = arena_new(0);
    uint64_t hash = 0;
    if (choose(p, &row, why)) {
        struct str document = arena_str(a, view_of(&row).document);
        hash = str_hash(document, 1);
        if (!(p->told && hash == p->governing_hash) && policy_parse(a, document, &policy, &e) < 0) {
            (void)snprintf(why, sizeof why, "SharingPolicy %.*s: %.*s", STR_ARG_SHORT(row.name),
                    STR_ARG(without_line(e.text)));
        }
    } else {
        hash = str_hash(str_from(why), 2);
    }
    p->policies_changed = true;
    ctl_plans_wake(p, 0);
    if (p->told && hash == p->governing_hash) {
        (void)arena_free(a);
        return;
    }
    p->governing_hash = hash;
    tell(p, a, policy, why);
}

static void policy_changed(void *user, enum kube_change change, const struct kube_row *row,
        const struct kube_item *item)
{
    struct ctl_plans *p = user;
    (void)change;
    (void)row;
    (void)item;
    if (p->policies_complete)
        govern(p);
}

static void policy_sync(void *user, enum kube_sync sync, const struct err *reason)
{
    struct ctl_plans *p = user;
    p->policies_complete = sync == KUBE_SYNC_COMPLETE;
    if (reason != NULL && reason->code != 0)
        os_log_warn("plans", "SharingPolicies are not followed", OS_LOG_CSTR("why", reason->text));
    if (p->policies_complete)
        govern(p);
    p->o.policy_sync(p->o.user, p->policies_complete);
}

int ctl_plans_follow_policies(struct ctl_plans *p, struct err *reterr)
{
    const struct kube_watch_options watch = {
            .path = CTL_POLICIES_PATH, .lost_after_ns = p->o.lost_after_ns};
    const struct kube_watch_handler handler = {
            .project = project_policy, .changed = policy_changed, .sync = policy_sync, .user = p};
    return kube_watch_start(p->client, &watch, &handler, &p->policy_watch, reterr);
}

void ctl_plans_unfollow_policies(struct ctl_plans *p)
{
    if (p->policy_request != NULL)
        kube_client_cancel(p->policy_request);
    kube_watch_stop(p->policy_watch);
    p->governing_arena = arena_free(p->governing_arena);
}

/* -- conditions ---------------------------------------------------------------------------------
 */

struct condition {
    const char *type, *status, *reason;
    char message[WHY_BYTES];
};

/* Accepted and Governing, as they should be. */
static void conditions_of(
        const struct ctl_plans *p, const struct kube_row *row, struct condition ret[2])
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct kube_row chosen;
    struct err e = {0};
    char why[WHY_BYTES] = "";
    const struct policy *policy = NULL;
    bool readable = policy_parse(a, view_of(row).document, &policy, &e) == 0;
    ret[0] = (struct condition){.type = "Accepted",
            .status = readable ? "True" : "False",
            .reason = readable ? "Valid" : "Invalid"};
    (void)snprintf(ret[0].message, WHY_BYTES, "%.*s",
            STR_ARG(readable ? STR_LIT("every key was understood") : without_line(e.text)));
    ret[1] = (struct condition){.type = "Governing", .status = "False"};
    if (!choose(p, &chosen, why)) {
        ret[1].reason = p->o.policy != NULL ? "NotNamed" : "SeveralPolicies";
        (void)snprintf(ret[1].message, WHY_BYTES, "%s", why);
    } else if (!str_eq(chosen.name, row->name)) {
        ret[1].reason = "NotNamed";
        (void)snprintf(ret[1].message, WHY_BYTES, "the controller was told to follow '%.*s'",
                STR_ARG(chosen.name));
    } else if (policy == NULL) {
        ret[1].reason = "Invalid";
        (void)snprintf(ret[1].message, WHY_BYTES, "nothing is begun until it can be read");
    } else {
        ret[1].status = "True";
        ret[1].reason = policy->suspend ? "Suspended" : "Governs";
        (void)snprintf(ret[1].message, WHY_BYTES, "%s",
                policy->suspend ? "suspended: what runs is finished, nothing is begun"
                                : "the controller follows it");
    }
}

/* The written condition of a type. */
static struct kube_value condition_find(struct kube_value conditions, const char *type)
{
    KUBE_FOREACH(it, conditions)
    {
        if (str_eq_c(kube_value_str(kube_value_get(it.value, "type")), type))
            return it.value;
    }
    return (struct kube_value){0};
}

static bool is_written(struct kube_value v, const struct condition *c, int64_t generation)
{
    return str_eq_c(kube_value_str(kube_value_get(v, "status")), c->status) &&
           str_eq_c(kube_value_str(kube_value_get(v, "reason")), c->reason) &&
           str_eq_c(kube_value_str(kube_value_get(v, "message")), c->message) &&
           kube_value_i64(kube_value_get(v, "observedGeneration"), -1) == generation;
}

static void put_condition(struct json_writer *w, struct kube_value before,
        const struct condition *c, int64_t generation)
{
    char now[TIME_BYTES];
    struct str since = kube_value_str(kube_value_get(before, "lastTransitionTime"));
    if (since.len == 0 || !str_eq_c(kube_value_str(kube_value_get(before, "status")), c->status))
        since = str_from(civil_format(os_clock_wall_ns(), now));
    jw_object(w);
    jw_kv_cstr(w, "type", c->type);
    jw_kv_cstr(w, "status", c->status);
    jw_kv_i64(w, "observedGeneration", generation);
    jw_kv_str(w, "lastTransitionTime", since);
    jw_kv_cstr(w, "reason", c->reason);
    jw_kv_cstr(w, "message", c->message);
    jw_object_end(w);
}

static void on_written(void *user, const struct kube_answer *answer)
{
    struct ctl_plans *p = user;
    p->policy_request = NULL;
    if (answer->outcome == KUBE_DONE) {
        p->stats.writes++;
    } else if (strcmp(answer->reason, "Conflict") == 0) {
        p->stats.conflicts++;
    } else {
        os_log_warn("plans", "the status of a policy cannot be written",
                OS_LOG_CSTR("why", answer->err.text));
    }
    p->policies_changed = true; /* looks again whether all of them are as they should be */
    ctl_plans_wake(p, WRITE_EVERY_NS);
}

/* Writes the conditions of one policy unless they are there; true when a write began. */
static bool write_policy(struct ctl_plans *p, const struct kube_row *row)
{
    SCOPED(arena_scoped_free) struct arena *a = arena_new(0);
    struct condition c[2];
    struct err e = {0};
    const struct policy_view view = view_of(row);
    struct kube_value before = {0};
    conditions_of(p, row, c);
    (void)kube_value_parse(a, view.conditions, &before, &e);
    struct kube_value found[2] = {
            condition_find(before, c[0].type), condition_find(before, c[1].type)};
    if (is_written(found[0], &c[0], view.generation) &&
            is_written(found[1], &c[1], view.generation))
        return false;
    struct buf body = BUF_INIT(STATUS_BYTES_MAX);
    struct json_writer w = JSON_WRITER(&body, 0);
    jw_object(&w);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv_cstr(&w, "resourceVersion", arena_printf(a, "%llu", (unsigned long long)row->version));
    jw_object_end(&w);
    jw_key(&w, "status");
    jw_object(&w);
    jw_key(&w, "conditions");
    jw_array(&w);
    put_condition(&w, found[0], &c[0], view.generation);
    put_condition(&w, found[1], &c[1], view.generation);
    jw_array_end(&w);
    jw_object_end(&w);
    jw_object_end(&w);
    const struct kube_write write = {
            .path = arena_printf(a, CTL_POLICIES_PATH "/%.*s/status", STR_ARG(row->name)),
            .body = buf_str(&body),
            .manager = CTL_FIELD_MANAGER,
            .done = on_written,
            .user = p};
    if (kube_write_patch(p->client, KUBE_PATCH_MERGE, &write, &p->policy_request, &e) < 0) {
        os_log_warn(
                "plans", "the status of a policy cannot be written", OS_LOG_CSTR("why", e.text));
    }
    buf_clear(&body);
    return true;
}

void ctl_plans_flush_policies(struct ctl_plans *p)
{
    struct kube_row row;
    uint32_t cursor = 0;
    int64_t now_ns = os_loop_now_ns(p->loop);
    if (!p->policies_changed || p->policy_request != NULL)
        return;
    if (now_ns < p->policy_next_mono_ns) {
        ctl_plans_wake(p, p->policy_next_mono_ns - now_ns);
        return;
    }
    p->policies_changed = false;
    while (kube_cache_next(kube_watch_cache(p->policy_watch), &cursor, &row)) {
        if (!write_policy(p, &row))
            continue;
        p->policy_next_mono_ns = now_ns + WRITE_EVERY_NS;
        p->policies_changed = true;
        ctl_plans_wake(p, WRITE_EVERY_NS);
        return;
    }
}
