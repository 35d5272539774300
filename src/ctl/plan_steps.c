/* ctl/plan_steps.c - see plan_steps.h.  No I/O. */
#include "ctl/plan_steps.h"

#include "base/arena.h"
#include "base/civil.h"
#include "base/num.h"
#include "base/prng.h"
#include "policy/policy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOURS_A_DAY = 24, STEPS_KEPT_MAX = 4096, MICROUSD_PER_CENT = 10000, TIME_BYTES = 40 };

static const int64_t LAPSE_NS = 24 * NUM_NS_PER_HOUR; /* as the core's approvals */
/* The core tells again each hour what it still proposes. */
static const int64_t UNSEEN_NS = 2 * NUM_NS_PER_HOUR + NUM_NS_PER_HOUR / 2;

/* The API's names of a step's texts, and how long each may be (the schema: policy/crd.c). */
static const struct {
    const char *key;
    size_t max;
} texts[CTL_STEP_TEXT_COUNT] = {
        [CTL_STEP_KIND] = {"kind", 63},
        [CTL_STEP_NAMESPACE] = {"namespace", 63},
        [CTL_STEP_NAME] = {"name", 253},
        [CTL_STEP_CHANGE] = {"change", 64},
        [CTL_STEP_FROM] = {"from", 256},
        [CTL_STEP_TO] = {"to", 256},
        [CTL_STEP_REASON] = {"reason", 64},
        [CTL_STEP_TEXT] = {"text", 1024},
        [CTL_STEP_PATCH] = {"patch", 16384},
        [CTL_STEP_COMMAND] = {"command", 20480},
};

static const char *const state_names[] = {"Proposed", "Approved", "Begun", "OwnerMustAct", "Done",
        "Failed", "Withdrawn", "Lapsed", NULL};
static const char *const phase_names[] = {"Proposed", "Approved", "Completed", "Expired", NULL};
static const char *const word_names[] = {"WaitingForApproval", "DigestChanged", "DigestApproved",
        "Completed", "ApprovalLapsed", "NothingToApprove", NULL};

_Static_assert(sizeof state_names / sizeof *state_names == CTL_STEP_STATE_COUNT + 1, "all named");
_Static_assert(sizeof phase_names / sizeof *phase_names == CTL_PLAN_PHASE_COUNT + 1, "all named");
_Static_assert(sizeof word_names / sizeof *word_names == CTL_WORD_COUNT + 1, "all named");

const char *ctl_step_state_name(enum ctl_step_state s)
{
    assert(s < CTL_STEP_STATE_COUNT);
    return state_names[s];
}

const char *ctl_plan_phase_name(enum ctl_plan_phase phase)
{
    assert(phase < CTL_PLAN_PHASE_COUNT);
    return phase_names[phase];
}

const char *ctl_plan_word_name(enum ctl_plan_word word)
{
    assert(word < CTL_WORD_COUNT);
    return word_names[word];
}

/* -- steps --------------------------------------------------------------------------------------
 */

static bool is_open(enum ctl_step_state s)
{
    return s == CTL_STEP_PROPOSED || s == CTL_STEP_APPROVED || s == CTL_STEP_BEGUN ||
           s == CTL_STEP_OWNER_MUST_ACT;
}

static void step_free(struct ctl_plan_step *s)
{
    for (unsigned i = 0; i < CTL_STEP_TEXT_COUNT; i++)
        mem_free(s->text[i]);
}

/* Takes over a text that was said; too long ones are cut at a character's border. */
static bool text_set(struct ctl_plan_step *s, unsigned which, struct str text)
{
    if (text.len > texts[which].max)
        text.len = texts[which].max;
    text.len = str_utf8_prefix(text);
    if (text.len == 0 || (s->text[which] != NULL && str_eq_c(text, s->text[which])))
        return false;
    mem_free(s->text[which]);
    s->text[which] = mem_alloc(text.len + 1, 1);
    memcpy(s->text[which], text.ptr, text.len);
    return true;
}

static bool news_apply(struct ctl_plan_step *s, const struct ctl_plan_news *n)
{
    bool changed = s->digest != n->digest || s->state != n->state ||
                   (n->saving_microusd_per_hour != 0 &&
                           s->saving_microusd_per_hour != n->saving_microusd_per_hour);
    s->digest = n->digest;
    s->state = n->state;
    if (n->saving_microusd_per_hour != 0)
        s->saving_microusd_per_hour = n->saving_microusd_per_hour;
    for (unsigned i = 0; i < CTL_STEP_TEXT_COUNT; i++)
        changed |= text_set(s, i, n->text[i]);
    return changed;
}

static struct ctl_plan_step *step_add(struct ctl_plan *p)
{
    if (p->step_count == p->step_cap) {
        p->step_cap = p->step_cap == 0 ? 16 : p->step_cap * 2;
        p->steps = mem_grow(p->steps, p->step_cap, sizeof *p->steps);
    }
    struct ctl_plan_step *s = &p->steps[p->step_count++];
    *s = (struct ctl_plan_step){0};
    return s;
}

static void step_remove(struct ctl_plan *p, uint32_t i)
{
    step_free(&p->steps[i]);
    p->step_count--;
    memmove(p->steps + i, p->steps + i + 1, (p->step_count - i) * sizeof *p->steps);
}

void ctl_plan_clear(struct ctl_plan *p)
{
    for (uint32_t i = 0; i < p->step_count; i++)
        step_free(&p->steps[i]);
    mem_free(p->steps);
    *p = (struct ctl_plan){0};
}

static bool is_of(const struct ctl_plan_step *s, const struct ctl_plan_news *n)
{
    static const unsigned keys[] = {
            CTL_STEP_NAME, CTL_STEP_KIND, CTL_STEP_NAMESPACE, CTL_STEP_CHANGE};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!str_eq(n->text[keys[i]], str_from(s->text[keys[i]])))
            return false;
    }
    return true;
}

/* The open step of the same subject and change; step_count when there is none. */
static uint32_t find_open(const struct ctl_plan *p, const struct ctl_plan_news *n)
{
    uint32_t i = 0;
    while (i < p->step_count && !(is_open(p->steps[i].state) && is_of(&p->steps[i], n)))
        i++;
    return i;
}

/* -- order and digest ---------------------------------------------------------------------------
 */

static int cmp_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int by_saving(const void *a, const void *b)
{
    const struct ctl_plan_step *x = a, *y = b;
    if (x->waits != y->waits)
        return x->waits ? 1 : -1;
    if (x->saving_microusd_per_hour != y->saving_microusd_per_hour)
        return x->saving_microusd_per_hour > y->saving_microusd_per_hour ? -1 : 1;
    int r = cmp_text(x->text[CTL_STEP_KIND], y->text[CTL_STEP_KIND]);
    if (r == 0)
        r = cmp_text(x->text[CTL_STEP_NAMESPACE], y->text[CTL_STEP_NAMESPACE]);
    if (r == 0)
        r = cmp_text(x->text[CTL_STEP_NAME], y->text[CTL_STEP_NAME]);
    if (r == 0)
        r = cmp_text(x->text[CTL_STEP_CHANGE], y->text[CTL_STEP_CHANGE]);
    return r;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t digest_of(const struct ctl_plan *p)
{
    uint64_t all[POLICY_PLAN_STEPS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct ctl_plan_step *s = &p->steps[i];
        if (!s->waits && s->state == CTL_STEP_PROPOSED)
            all[count++] = s->digest;
    }
    if (count == 0)
        return 0;
    qsort(all, count, sizeof *all, by_number);
    uint64_t h = prng_mix((uint64_t)(p->proposed_wall_ns / NUM_NS_PER_SECOND), count);
    for (uint32_t i = 0; i < count; i++)
        h = prng_mix(h, all[i]);
    return h != 0 ? h : 1;
}

static uint32_t count_of(const struct ctl_plan *p, enum ctl_step_state state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->step_count; i++)
        count += !p->steps[i].waits && p->steps[i].state == state;
    return count;
}

static uint32_t waiting_count(const struct ctl_plan *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->step_count; i++)
        count += p->steps[i].waits;
    return count;
}

static void sort(struct ctl_plan *p)
{
    if (p->step_count > 1)
        qsort(p->steps, p->step_count, sizeof *p->steps, by_saving);
}

/* -- news ---------------------------------------------------------------------------------------
 */

static void note_new(struct ctl_plan *p, const struct ctl_plan_news *n, int64_t wall_ns)
{
    if (p->step_count == STEPS_KEPT_MAX)
        return; /* told again in an hour */
    struct ctl_plan_step *s = step_add(p);
    (void)news_apply(s, n);
    s->waits = true; /* ctl_plan_review() takes it in */
    s->seen_wall_ns = wall_ns;
    p->changed = true;
}

static void note_proposed(struct ctl_plan *p, const struct ctl_plan_news *n, int64_t wall_ns)
{
    uint32_t i = find_open(p, n);
    if (i < p->step_count) {
        struct ctl_plan_step *s = &p->steps[i];
        bool agreed = !s->waits && p->phase == CTL_PLAN_APPROVED;
        if (!agreed || (s->digest == n->digest && s->state == CTL_STEP_APPROVED)) {
            enum ctl_step_state state = s->state;
            p->changed |= news_apply(s, n);
            if (agreed)
                s->state = state;
            s->seen_wall_ns = wall_ns;
            return;
        }
        /* Not what was agreed to: that is over, and this waits for the next plan. */
        ctl_plan_withdraw(p, i);
    }
    note_new(p, n, wall_ns);
}

void ctl_plan_note(struct ctl_plan *p, const struct ctl_plan_news *n, int64_t wall_ns)
{
    if (n->state == CTL_STEP_PROPOSED) {
        assert(n->digest != 0);
        note_proposed(p, n, wall_ns);
        return;
    }
    uint32_t i = find_open(p, n);
    if (n->state == CTL_STEP_APPROVED &&
            (i == p->step_count || p->steps[i].state != CTL_STEP_APPROVED))
        return;
    if (i < p->step_count) {
        struct ctl_plan_news same = *n;
        same.digest = p->steps[i].digest;
        p->changed |= news_apply(&p->steps[i], &same);
        p->steps[i].seen_wall_ns = wall_ns;
    } else if (n->state == CTL_STEP_OWNER_MUST_ACT && n->text[CTL_STEP_PATCH].len > 0) {
        note_new(p, n, wall_ns);
    }
}

void ctl_plan_withdraw(struct ctl_plan *p, uint32_t step)
{
    assert(step < p->step_count);
    if (!is_open(p->steps[step].state))
        return;
    p->steps[step].state = CTL_STEP_WITHDRAWN;
    p->changed = true;
}

/* -- review -------------------------------------------------------------------------------------
 */

static void forget_unseen(struct ctl_plan *p, int64_t wall_ns)
{
    for (uint32_t i = 0; i < p->step_count; i++) {
        struct ctl_plan_step *s = &p->steps[i];
        if (s->state == CTL_STEP_PROPOSED && wall_ns - s->seen_wall_ns > UNSEEN_NS)
            ctl_plan_withdraw(p, i);
    }
    /* What nobody agreed to is not worth a line when it is over. */
    for (uint32_t i = p->step_count; i-- > 0;) {
        bool unagreed = p->steps[i].waits || p->phase == CTL_PLAN_PROPOSED;
        if (p->steps[i].state == CTL_STEP_WITHDRAWN && unagreed) {
            step_remove(p, i);
            p->changed = true;
        }
    }
}

/* Takes the steps with the largest savings in, as many as there is room for; nobody has agreed to
 * anything yet.  (A change of those that need approval shows in the digest.) */
static void take_in(struct ctl_plan *p)
{
    for (uint32_t i = 0; i < p->step_count; i++)
        p->steps[i].waits |= p->steps[i].state == CTL_STEP_PROPOSED;
    uint32_t room = POLICY_PLAN_STEPS_MAX - (p->step_count - waiting_count(p));
    sort(p);
    for (uint32_t i = 0; i < p->step_count && room > 0; i++) {
        if (!p->steps[i].waits)
            continue;
        p->steps[i].waits = false;
        room--;
    }
    sort(p);
}

/* The next plan: what is over goes, what its owner still has to do stays. */
static void form(struct ctl_plan *p, int64_t wall_ns)
{
    for (uint32_t i = p->step_count; i-- > 0;) {
        if (!is_open(p->steps[i].state))
            step_remove(p, i);
    }
    p->phase = CTL_PLAN_PROPOSED;
    p->proposed_wall_ns = wall_ns - wall_ns % NUM_NS_PER_SECOND;
    p->approved_wall_ns = 0;
    p->changed = true;
}

static void word_set(struct ctl_plan *p, enum ctl_plan_word word, int64_t wall_ns)
{
    if (p->word == word && p->word_wall_ns != 0)
        return;
    p->word = word;
    p->word_wall_ns = wall_ns - wall_ns % NUM_NS_PER_SECOND;
    p->changed = true;
}

static void digest_format(uint64_t digest, char ret_text[17])
{
    ret_text[0] = '\0';
    if (digest != 0)
        (void)snprintf(ret_text, 17, "%016" PRIx64, digest);
}

static unsigned review_proposed(
        struct ctl_plan *p, struct str approve, int64_t given_wall_ns, int64_t wall_ns)
{
    char wanted[17];
    uint64_t before = p->digest;
    take_in(p);
    p->digest = digest_of(p);
    unsigned news = p->digest != before && p->digest != 0 ? (unsigned)CTL_PLAN_IS_NEW : 0u;
    p->changed |= p->digest != before;
    digest_format(p->digest, wanted);
    if (p->digest == 0) {
        word_set(p, CTL_WORD_NOTHING, wall_ns);
        return news;
    }
    if (approve.len == 0) {
        word_set(p, CTL_WORD_WAITING, wall_ns);
        return news;
    }
    if (!str_eq_c(approve, wanted)) {
        if (!str_eq_c(approve, p->approve)) /* not the word for the plan before, nor told already */
            news |= CTL_PLAN_IS_REFUSED;
        (void)snprintf(p->approve, sizeof p->approve, "%.*s", STR_ARG(approve));
        word_set(p, CTL_WORD_CHANGED, wall_ns);
        return news;
    }
    if (given_wall_ns <= 0 || given_wall_ns > wall_ns)
        given_wall_ns = wall_ns;
    p->phase = CTL_PLAN_APPROVED;
    p->approved_wall_ns = given_wall_ns - given_wall_ns % NUM_NS_PER_SECOND;
    (void)snprintf(p->approve, sizeof p->approve, "%s", wanted);
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (!p->steps[i].waits && p->steps[i].state == CTL_STEP_PROPOSED)
            p->steps[i].state = CTL_STEP_APPROVED;
    }
    word_set(p, CTL_WORD_APPROVED, wall_ns);
    p->changed = true;
    return news | CTL_PLAN_IS_APPROVED;
}

static unsigned review_approved(struct ctl_plan *p, int64_t wall_ns)
{
    uint32_t approved = count_of(p, CTL_STEP_APPROVED), begun = count_of(p, CTL_STEP_BEGUN);
    if (approved > 0 && wall_ns - p->approved_wall_ns >= LAPSE_NS) {
        for (uint32_t i = 0; i < p->step_count; i++) {
            if (p->steps[i].state == CTL_STEP_APPROVED)
                p->steps[i].state = CTL_STEP_LAPSED;
        }
        p->phase = CTL_PLAN_EXPIRED;
        word_set(p, CTL_WORD_LAPSED, wall_ns);
        p->changed = true;
        return CTL_PLAN_IS_EXPIRED;
    }
    /* Owners may take their time: their steps go on into the next plan, if there is one. */
    if (approved + begun > 0 || (count_of(p, CTL_STEP_OWNER_MUST_ACT) > 0 && waiting_count(p) == 0))
        return 0;
    p->phase = CTL_PLAN_COMPLETED;
    word_set(p, CTL_WORD_COMPLETED, wall_ns);
    p->changed = true;
    return CTL_PLAN_IS_COMPLETED;
}

unsigned ctl_plan_review(
        struct ctl_plan *p, struct str approve, int64_t given_wall_ns, int64_t wall_ns)
{
    unsigned news = 0;
    forget_unseen(p, wall_ns);
    if (p->phase == CTL_PLAN_APPROVED)
        news |= review_approved(p, wall_ns);
    if (p->phase == CTL_PLAN_PROPOSED && p->proposed_wall_ns == 0 && p->step_count > 0)
        form(p, wall_ns);
    if ((p->phase == CTL_PLAN_COMPLETED || p->phase == CTL_PLAN_EXPIRED) && waiting_count(p) > 0) {
        p->digest = 0;
        form(p, wall_ns);
    }
    if (p->phase == CTL_PLAN_PROPOSED) {
        news |= review_proposed(p, approve, given_wall_ns, wall_ns);
        if (p->phase == CTL_PLAN_APPROVED) /* an old word: it may have lapsed already */
            news |= review_approved(p, wall_ns);
        if (p->phase == CTL_PLAN_EXPIRED)
            news &= ~(unsigned)CTL_PLAN_IS_APPROVED;
    }
    return news;
}

bool ctl_plan_holds(const struct ctl_plan *p, uint32_t step, int64_t wall_ns)
{
    const struct ctl_plan_step *s = &p->steps[step];
    return !s->waits && s->digest != 0 && p->approved_wall_ns != 0 &&
           wall_ns - p->approved_wall_ns < LAPSE_NS &&
           (s->state == CTL_STEP_APPROVED || s->state == CTL_STEP_BEGUN ||
                   s->state == CTL_STEP_OWNER_MUST_ACT);
}

/* -- the object's status ------------------------------------------------------------------------
 */

static void put_time(struct json_writer *w, const char *key, int64_t wall_ns)
{
    char text[TIME_BYTES];
    if (wall_ns != 0)
        jw_kv_cstr(w, key, civil_format(wall_ns, text));
}

static void put_saving(struct json_writer *w, int64_t microusd_per_hour)
{
    char text[STR_FIXED_BYTES];
    int64_t cents = microusd_per_hour * HOURS_A_DAY / MICROUSD_PER_CENT;
    jw_kv_cstr(w, "savingUSDPerDay", str_format_fixed(cents, 2, text));
}

static void put_step(struct json_writer *w, const struct ctl_plan_step *s, bool with_patch)
{
    char digest[17];
    jw_object(w);
    digest_format(s->digest, digest);
    jw_kv_cstr(w, "digest", digest);
    jw_key(w, "subject");
    jw_object(w);
    for (unsigned i = 0; i <= CTL_STEP_NAME; i++) {
        if (s->text[i] != NULL)
            jw_kv_cstr(w, texts[i].key, s->text[i]);
    }
    jw_object_end(w);
    for (unsigned i = CTL_STEP_NAME + 1; i < (with_patch ? CTL_STEP_TEXT_COUNT : CTL_STEP_PATCH);
            i++) {
        if (s->text[i] != NULL)
            jw_kv_cstr(w, texts[i].key, s->text[i]);
    }
    put_saving(w, s->saving_microusd_per_hour);
    jw_kv_cstr(w, "state", state_names[s->state]);
    jw_object_end(w);
}

static const char *word_message(const struct ctl_plan *p, struct str name, char *text, size_t size)
{
    char digest[17];
    digest_format(p->digest, digest);
    switch (p->word) {
    case CTL_WORD_WAITING:
        (void)snprintf(text, size,
                "to approve: kubectl patch sharingplan %.*s --type merge -p "
                "'{\"spec\":{\"approve\":\"%s\"}}'",
                STR_ARG(name), digest);
        break;
    case CTL_WORD_CHANGED:
        (void)snprintf(text, size,
                "spec.approve names %s, the plan is another one now: look at it again, its digest "
                "is %s",
                p->approve, digest);
        break;
    case CTL_WORD_APPROVED:
        (void)snprintf(text, size, "%s was approved and is carried out", p->approve);
        break;
    case CTL_WORD_COMPLETED:
        (void)snprintf(
                text, size, "%s was approved and is carried out as far as it goes", p->approve);
        break;
    case CTL_WORD_LAPSED:
        (void)snprintf(text, size,
                "%s was approved and not begun within a day: what is still worth it is proposed "
                "again",
                p->approve);
        break;
    case CTL_WORD_NOTHING:
    case CTL_WORD_COUNT:
        (void)snprintf(text, size, "no step waits for approval");
        break;
    }
    return text;
}

static void put_condition(
        const struct ctl_plan *p, struct str name, int64_t generation, struct json_writer *w)
{
    char text[512];
    bool yes = p->word == CTL_WORD_APPROVED || p->word == CTL_WORD_COMPLETED;
    jw_key(w, "conditions");
    jw_array(w);
    jw_object(w);
    jw_kv_cstr(w, "type", "Approved");
    jw_kv_cstr(w, "status", yes ? "True" : "False");
    jw_kv_i64(w, "observedGeneration", generation);
    jw_kv_cstr(w, "lastTransitionTime", civil_format(p->word_wall_ns, text));
    jw_kv_cstr(w, "reason", word_names[p->word]);
    jw_kv_cstr(w, "message", word_message(p, name, text, sizeof text));
    jw_object_end(w);
    jw_array_end(w);
}

/* Owners that share, the nodes made for them and those that go for it tell of the same money, each
 * at its own time: it counts once.  A node made for owners says what it alone may give them, so
 * theirs is the better word where there is one. */
static int64_t plan_saving(const struct ctl_plan *p)
{
    int64_t owners = 0, nodes = 0, gone = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct ctl_plan_step *s = &p->steps[i];
        if (s->waits || s->state == CTL_STEP_WITHDRAWN || s->state == CTL_STEP_FAILED)
            continue;
        struct str change = str_from(s->text[CTL_STEP_CHANGE]);
        bool owner = str_eq_c(change, core_change_name(CORE_CHANGE_OWNER_POINT));
        bool retire = str_eq_c(change, core_change_name(CORE_CHANGE_RETIRE));
        *(owner ? &owners : retire ? &gone : &nodes) += s->saving_microusd_per_hour;
    }
    if (owners > 0)
        return num_max_i64(owners, gone);
    return num_max_i64(nodes, gone);
}

void ctl_plan_write(
        const struct ctl_plan *p, struct str name, int64_t generation, struct json_writer *w)
{
    char digest[17];
    uint32_t count = 0, done = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct ctl_plan_step *s = &p->steps[i];
        if (s->waits)
            continue;
        count++;
        done += s->state == CTL_STEP_DONE;
    }
    digest_format(p->digest, digest);
    jw_kv_i64(w, "observedGeneration", generation);
    jw_kv_cstr(w, "phase", phase_names[p->phase]);
    jw_kv_cstr(w, "digest", digest);
    put_time(w, "proposedAt", p->proposed_wall_ns);
    put_time(w, "approvedAt", p->approved_wall_ns);
    put_saving(w, plan_saving(p));
    jw_kv_u64(w, "stepCount", count);
    jw_kv_u64(w, "doneCount", done);
    put_condition(p, name, generation, w);
    jw_key(w, "steps");
    jw_array(w);
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (!p->steps[i].waits)
            put_step(w, &p->steps[i], w->out->len < CTL_PLAN_STATUS_BYTES_MAX);
    }
    jw_array_end(w);
}

static unsigned name_index(struct str name, const char *const *names, unsigned otherwise)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (str_eq_c(name, names[i]))
            return i;
    }
    return otherwise;
}

/* 16 hexadecimal digits; else 0. */
static uint64_t read_digest(struct str text)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] == '\0' ? NULL : strchr(digits, text.ptr[i]);
        if (digit == NULL)
            return 0;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    return text.len == 16 ? value : 0;
}

static int64_t read_time(struct kube_value v)
{
    int64_t wall_ns = 0;
    struct str text = kube_value_str(v);
    return text.len > 0 && civil_parse(text, &wall_ns, NULL) == 0 ? wall_ns : 0;
}

static void read_step(struct ctl_plan *p, struct kube_value v, int64_t wall_ns)
{
    int64_t cents = 0;
    struct kube_value subject = kube_value_get(v, "subject");
    unsigned state = name_index(
            kube_value_str(kube_value_get(v, "state")), state_names, CTL_STEP_STATE_COUNT);
    if (p->step_count == POLICY_PLAN_STEPS_MAX || state == CTL_STEP_STATE_COUNT ||
            kube_value_str(kube_value_get(subject, "name")).len == 0)
        return;
    struct ctl_plan_step *s = step_add(p);
    s->state = (enum ctl_step_state)state;
    s->digest = read_digest(kube_value_str(kube_value_get(v, "digest")));
    s->seen_wall_ns = wall_ns;
    (void)str_to_fixed(kube_value_str(kube_value_get(v, "savingUSDPerDay")), 2, INT64_MIN / 1000000,
            INT64_MAX / 1000000, &cents);
    s->saving_microusd_per_hour = cents * MICROUSD_PER_CENT / HOURS_A_DAY;
    for (unsigned i = 0; i < CTL_STEP_TEXT_COUNT; i++) {
        (void)text_set(s, i,
                kube_value_str(kube_value_get(i <= CTL_STEP_NAME ? subject : v, texts[i].key)));
    }
}

void ctl_plan_read(struct ctl_plan *p, struct kube_value status, int64_t wall_ns)
{
    ctl_plan_clear(p);
    unsigned phase = name_index(
            kube_value_str(kube_value_get(status, "phase")), phase_names, CTL_PLAN_PROPOSED);
    p->phase = (enum ctl_plan_phase)phase;
    p->digest = read_digest(kube_value_str(kube_value_get(status, "digest")));
    p->proposed_wall_ns = read_time(kube_value_get(status, "proposedAt"));
    p->approved_wall_ns = read_time(kube_value_get(status, "approvedAt"));
    if (phase != CTL_PLAN_PROPOSED)
        digest_format(p->digest, p->approve);
    KUBE_FOREACH(it, kube_value_get(status, "conditions"))
    {
        if (!str_eq_c(kube_value_str(kube_value_get(it.value, "type")), "Approved"))
            continue;
        p->word = (enum ctl_plan_word)name_index(
                kube_value_str(kube_value_get(it.value, "reason")), word_names, CTL_WORD_WAITING);
        p->word_wall_ns = read_time(kube_value_get(it.value, "lastTransitionTime"));
    }
    KUBE_FOREACH(it, kube_value_get(status, "steps"))
    read_step(p, it.value, wall_ns);
}
