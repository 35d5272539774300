/* report/plan.h - what `slicewright plan` found in a cluster: plain numbers and texts, and how they
 * are shown.
 *
 * Pure.  Filled by the verb; printed as table, JSON, YAML or patches.  Keys and their meaning are
 * in docs/PLAN.md. */
#ifndef REPORT_PLAN_H
#define REPORT_PLAN_H

#include "report/result.h"

/* How much is behind a saving. */
enum report_certainty {
    REPORT_CERTAIN_PROVEN,   /* the policy's history was there, and running it again did no harm */
    REPORT_CERTAIN_FORECAST, /* history was there; not run again, or that did harm */
    REPORT_CERTAIN_UNPROVEN, /* not enough readings: only a few samples, no patch is called safe */
};
const char *report_certainty_name(enum report_certainty c);

/* One thing that could be done. */
struct report_plan_item {
    struct str subject;  /* "Deployment shop/embedder", "node gpu-7" */
    const char *change;  /* core_change_name() */
    const char *reason;  /* core_reason_name() */
    struct str from, to; /* "nvidia.com/gpu x 1", "nvidia.com/gpu.shared in pool ts-a100" */
    struct str why;      /* the numbers, one line */
    uint32_t pods;
    int64_t saving_microusd_per_day; /* money that leaves */
    int64_t room_microusd_per_day;   /* of GPUs that are freed on nodes which stay */
    enum report_certainty certainty;
    uint64_t samples; /* readings behind it */
    int64_t history_ns;
    struct str managed_by; /* "Argo CD": where the change belongs; "" */
    struct str command;    /* the kubectl line that applies it */
    struct str patch;      /* JSON: the patch; "" when there is none */
    uint32_t evidence_count;
    struct core_evidence evidence[CORE_EVIDENCE_MAX];
};

/* Something left as it is, with the reason. */
struct report_plan_left {
    struct str subject;
    const char *reason; /* core_reason_name(), or "idle" */
    struct str why;
    int64_t cost_microusd_per_day; /* of what it holds */
    uint32_t pods;
};

/* Something that users should know, or that could not be seen. */
struct report_plan_note {
    struct str subject, text, advice;
};

struct report_plan {
    struct str cluster; /* context, or file */
    struct str policy;
    int64_t wall_ns; /* when it was read */
    int64_t took_ns; /* to read and to plan: may differ between runs */
    uint32_t nodes, gpus, nodes_shared, nodes_mig, nodes_foreign, nodes_idle;
    uint32_t owners, pods, pods_pending;
    uint64_t gpus_requested; /* whole GPUs originally asked by pods that hold or want them */
    bool used_known;
    uint64_t gpus_used_milli; /* sum of the last busy readings */
    uint32_t gpus_read;       /* GPUs that have one */
    int64_t cost_microusd_per_day, idle_microusd_per_day;
    int64_t history_ns;
    uint64_t readings;
    uint32_t item_count, left_count, warning_count, unseen_count;
    const struct report_plan_item *items; /* the largest saving first */
    const struct report_plan_left *left;  /* the dearest first */
    const struct report_plan_note *warnings, *unseen;
    const struct report_result *again; /* the recorded time run again under the policy; NULL */
};

void report_plan_table(const struct report_plan *p, bool color, uint32_t top, struct buf *out);
void report_plan_json(const struct report_plan *p, struct buf *out);
void report_plan_yaml(const struct report_plan *p, struct buf *out);

/* The patches as a script of kubectl lines for a person to read; those that are not proven are
 * commented out. */
void report_plan_patches(const struct report_plan *p, struct buf *out);

#endif
