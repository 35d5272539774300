/* ctl/plan_steps.h - the life of one SharingPlan: its steps, its digest, who agreed to what.
 *
 * No I/O, no clock.  News come from the core's decisions; a word is what a person wrote into
 * spec.approve.  The digest covers the steps that wait for approval and when they were proposed, so
 * that an approval is good for one plan, once.  While a plan is approved its steps only change
 * state; what is proposed meanwhile waits for the next one.
 *
 *   Proposed --digest approved--> Approved --nothing left to begin--> Completed --> Proposed ...
 *                                     '-------- after a day --------> Expired ----> Proposed ... */
#ifndef CTL_PLAN_STEPS_H
#define CTL_PLAN_STEPS_H

#include "base/json.h"
#include "core/action.h"
#include "kube/item.h"

enum ctl_step_state {
    CTL_STEP_PROPOSED,
    CTL_STEP_APPROVED,
    CTL_STEP_BEGUN,
    CTL_STEP_OWNER_MUST_ACT, /* the owner has to apply the patch */
    CTL_STEP_DONE,
    CTL_STEP_FAILED,    /* rolled back or abandoned */
    CTL_STEP_WITHDRAWN, /* not proposed any more: the facts changed, or its object is gone */
    CTL_STEP_LAPSED,    /* approved, and not begun within a day */
    CTL_STEP_STATE_COUNT
};

enum ctl_step_text {
    CTL_STEP_KIND, /* of the subject */
    CTL_STEP_NAMESPACE,
    CTL_STEP_NAME,
    CTL_STEP_CHANGE,
    CTL_STEP_FROM,
    CTL_STEP_TO,
    CTL_STEP_REASON,
    CTL_STEP_TEXT,
    CTL_STEP_PATCH,
    CTL_STEP_COMMAND,
    CTL_STEP_TEXT_COUNT
};

struct ctl_plan_step {
    uint64_t digest; /* of the core; 0 = needs no approval (a technique that is applied) */
    enum ctl_step_state state;
    bool waits; /* for the next plan */
    int64_t saving_microusd_per_hour;
    int64_t seen_wall_ns; /* when it was proposed last */
    char *text[CTL_STEP_TEXT_COUNT];
};

enum ctl_plan_phase {
    CTL_PLAN_PROPOSED,
    CTL_PLAN_APPROVED,
    CTL_PLAN_COMPLETED,
    CTL_PLAN_EXPIRED,
    CTL_PLAN_PHASE_COUNT
};

/* Why the condition Approved is as it is. */
enum ctl_plan_word {
    CTL_WORD_WAITING,   /* False: nobody has approved */
    CTL_WORD_CHANGED,   /* False: another digest was approved */
    CTL_WORD_APPROVED,  /* True */
    CTL_WORD_COMPLETED, /* True */
    CTL_WORD_LAPSED,    /* False: a day went by */
    CTL_WORD_NOTHING,   /* False: there is nothing to approve */
    CTL_WORD_COUNT
};

struct ctl_plan {
    struct ctl_plan_step *steps; /* those of the plan, largest saving first, then those that wait */
    uint32_t step_count, step_cap;
    enum ctl_plan_phase phase;
    enum ctl_plan_word word;
    uint64_t digest;                            /* of this plan; 0 = nothing waits for approval */
    char approve[17];                           /* what spec.approve said when `word` was set */
    int64_t proposed_wall_ns, approved_wall_ns; /* whole seconds; 0 = not */
    int64_t word_wall_ns;                       /* since when the condition is as it is */
    bool changed;                               /* since somebody cleared this */
};

/* What the core said of a subject.  CTL_STEP_PROPOSED: `digest` waits for approval; OWNER_MUST_ACT
 * with a patch: asked of its owner.  BEGUN, DONE, FAILED, OWNER_MUST_ACT without a patch: how a
 * step goes on that is known.  APPROVED: why a guard holds a step that is approved. */
struct ctl_plan_news {
    enum ctl_step_state state;
    uint64_t digest;
    int64_t saving_microusd_per_hour;
    struct str text[CTL_STEP_TEXT_COUNT]; /* "" = not said */
};

/* What a review brought about. */
enum {
    CTL_PLAN_IS_APPROVED = 1, /* hand out ctl_plan_holds() */
    CTL_PLAN_IS_COMPLETED = 2,
    CTL_PLAN_IS_EXPIRED = 4,
    CTL_PLAN_IS_REFUSED = 8, /* another digest was approved */
    CTL_PLAN_IS_NEW = 16     /* another digest waits for approval */
};

enum { CTL_PLAN_STATUS_BYTES_MAX = 512 << 10 };

void ctl_plan_clear(struct ctl_plan *p); /* frees; zero-initialise before use */

void ctl_plan_note(struct ctl_plan *p, const struct ctl_plan_news *news, int64_t wall_ns);

/* The subject of a step is gone, or the policy is. */
void ctl_plan_withdraw(struct ctl_plan *p, uint32_t step);

/* Brings the plan up to date with time and with spec.approve ("" = empty), which was written at
 * given_wall_ns (0 = not known: now).  Returns CTL_PLAN_IS_*. */
unsigned ctl_plan_review(
        struct ctl_plan *p, struct str approve, int64_t given_wall_ns, int64_t wall_ns);

/* True when the approval of this step is to be told to a core that does not know it. */
bool ctl_plan_holds(const struct ctl_plan *p, uint32_t step, int64_t wall_ns);

/* The members of the status, without braces: phase, digest, steps and so on, and the condition.
 * name: of the object, for the message. */
void ctl_plan_write(
        const struct ctl_plan *p, struct str name, int64_t generation, struct json_writer *w);

/* Reads back what ctl_plan_write() wrote; what cannot be read is left out.  `p` is cleared. */
void ctl_plan_read(struct ctl_plan *p, struct kube_value status, int64_t wall_ns);

const char *ctl_step_state_name(enum ctl_step_state s); /* "OwnerMustAct" */
const char *ctl_plan_phase_name(enum ctl_plan_phase phase);
const char *ctl_plan_word_name(enum ctl_plan_word word); /* the condition's reason */

#endif
