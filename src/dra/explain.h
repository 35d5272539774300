/* dra/explain.h - why a claim gets no device on a node, or which it gets.
 *
 * Pure.  A funnel for each request: how many of the node's devices each check leaves, with the
 * first device that the check stopped and the values that it saw; the device that failed the fewest
 * checks; and where single requests fit but the claim does not, what it would take. */
#ifndef DRA_EXPLAIN_H
#define DRA_EXPLAIN_H

#include "base/json.h"
#include "dra/allocate.h"

enum dra_stage_kind {
    DRA_STAGE_FREE,     /* not held by another claim */
    DRA_STAGE_CLASS,    /* a selector of the class */
    DRA_STAGE_SELECTOR, /* a selector of the request */
    DRA_STAGE_NODE,     /* the device's own node fields; binding conditions */
    DRA_STAGE_CAPACITY,
    DRA_STAGE_COUNTERS,
    DRA_STAGE_TAINTS,
    DRA_STAGE_CONSTRAINT, /* has the attribute that a constraint compares */
    DRA_STAGE_COUNT,
};

const char *dra_stage_name(enum dra_stage_kind kind);

struct dra_stage {
    enum dra_stage_kind kind;
    const char *text; /* the expression, the attribute; "" */
    uint32_t left;
    const char *device; /* the first that it stopped, "driver/pool/device"; NULL: none */
    const char *why;    /* what it saw there */
    bool fatal;         /* the scheduler ends the pod's attempt at that device */
};

struct dra_ask_report {
    const char *name, *class_name; /* "r" or "r/s" */
    int64_t need;                  /* -1: all */
    uint32_t devices, stage_count;
    const struct dra_stage *stages;
    const char *near_device; /* failed the fewest checks; NULL when enough devices are left */
    uint32_t near_count;
    const char *const *near_fix; /* near_count lines */
};

struct dra_report {
    enum dra_outcome outcome;
    const char *message; /* of an error; NULL */
    struct dra_allocation allocation;
    uint32_t ask_count, note_count;
    const struct dra_ask_report *asks;
    const char *const *notes; /* pools left out; what the claim as a whole would need */
    bool times_out;           /* upstream's search would pass the scheduler's 10 s */
    bool gave_up;             /* our search passed its limit of steps; `message` says it */
};

/* TUNING: upstream walks about 0.8 million steps a second (131,072 steps of issue 131730's shape in
 * 0.16 s on the machine of docs/BENCHMARKS.md); the scheduler's filter ends after 10 s. */
enum { DRA_TIMEOUT_STEPS = 8000000 };

/* TUNING: a search of ours that has cut what it could and goes on after so many steps, one to three
 * seconds, has tangled counters or constraints; there upstream, which cuts nothing, walks 0.24
 * million steps a second (105,017 steps over 20 devices with two counters in 0.44 s), so needs 17 s
 * for as many. */
enum { DRA_STEPS_DEFAULT = 4000000 };

/* The word for an outcome that a limit of steps cut short, and its line: after DRA_TIMEOUT_STEPS
 * the scheduler, which cuts no branch, would not have an answer either. */
#define DRA_GAVE_UP "gave-up"
void dra_gave_up(uint64_t steps, struct err *reterr);

/* Explains one claim on one node, alone. */
void dra_explain(struct dra_engine *e, const struct dra_node *node, const struct dra_claim *claim,
        struct arena *arena, struct dra_report *ret_report);

/* The report as text (a funnel) or JSON. */
void dra_report_text(struct buf *out, const struct dra_store *store, const struct dra_node *node,
        const struct dra_claim *claim, const struct dra_report *report);
void dra_report_json(struct json_writer *w, const struct dra_store *store,
        const struct dra_node *node, const struct dra_claim *claim,
        const struct dra_report *report);

#endif
