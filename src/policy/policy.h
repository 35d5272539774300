/* policy/policy.h - SharingPolicy: what workloads may be given, goals and guard rails.
 *
 * Pure.  The same document offline (YAML or JSON) and later as a CRD.  One field table
 * (policy/fields.c) gives the parser, defaults, ranges, units, nearest-name errors and the docs
 * page.  Units are in the names. */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/workload.h"

enum policy_mode {
    POLICY_MODE_OBSERVE,
    POLICY_MODE_RECOMMEND,
    POLICY_MODE_APPLY,
    POLICY_MODE_COUNT
};

const char *policy_mode_name(enum policy_mode m); /* "observe", "recommend", "apply" */

enum {
    POLICY_WINDOWS_MAX = 32,
    POLICY_LABELS_MAX = 16,
    POLICY_TEXT_BYTES_MAX = 256 * 1024,
    POLICY_WINDOW_STARTS_MAX = 48, /* of one window, a day */
    POLICY_PLAN_STEPS_MAX = 200,   /* of a SharingPlan */
};

#define POLICY_API_VERSION "sharing.slicewright.io/v1alpha1"
#define POLICY_KIND        "SharingPolicy"

struct policy_label {
    struct str key, value;
};

/* A maintenance window: cron (5 fields, UTC) start and a duration. */
struct policy_window {
    struct str cron;
    uint64_t minutes; /* bit m: minute m */
    uint32_t hours, days_of_month, months, days_of_week;
    bool day_of_month_any, day_of_week_any;
    int64_t duration_ns;
};

struct policy {
    struct str name;
    bool suspend; /* observe everything, begin nothing, finish what runs */

    struct policy_label node_selector[POLICY_LABELS_MAX];
    uint32_t node_selector_count; /* 0 = all nodes */

    /* Techniques beside exclusive, in the order of preference, with the mode of each. */
    enum model_technique techniques[MODEL_TECHNIQUE_COUNT];
    uint32_t technique_count;
    enum policy_mode
            mode[MODEL_TECHNIQUE_COUNT]; /* by technique; EXCLUSIVE = scale-down and moves */

    uint32_t replicas_min, replicas_max;  /* time-slicing, per GPU, 2..64 */
    uint32_t replicas_instance_max;       /* time-slicing, per MIG instance, 1..4; 1 = never */
    uint32_t target_utilization_permille; /* joint busy time stays below, 1..1000 */
    uint32_t percentile_permille;         /* at this percentile of joint demand, 500..1000 */
    uint32_t memory_headroom_permille;    /* of a GPU's or instance's memory kept free, 0..900 */
    uint32_t memory_risk_ppm;             /* accepted chance, per pod-hour, that joint demand passes
                                             the memory left after headroom; 0 = peaks always fit */
    uint32_t memory_alarm_permille;       /* memory in use above this: act toward exclusive */

    struct policy_label latency_labels[POLICY_LABELS_MAX]; /* any match: latency-sensitive */
    uint32_t latency_label_count;
    enum model_technique latency_treatment; /* EXCLUSIVE, MIG (own instance) or TIME_SLICING */
    uint32_t latency_slo_permille;          /* of the latency alone; 2000 = twice */

    enum model_isolation isolation; /* the least boundary for every workload */

    int64_t min_history_ns;     /* of an owner, before it is shared */
    int64_t stale_after_ns;     /* a metric older than this never tightens */
    int64_t dwell_ns;           /* a node keeps its configuration at least this long */
    int64_t owner_dwell_ns;     /* an owner is pointed elsewhere at most this often */
    uint32_t min_gain_permille; /* of the cost that a change touches */
    int64_t min_gain_microusd_per_hour;

    uint32_t max_nodes_in_change;    /* rollouts at a time, per cluster, >= 1 */
    uint32_t max_evictions_per_hour; /* per cluster, 0 = none */
    uint32_t max_moves_per_pod_per_day;
    int64_t drain_timeout_ns;

    bool taint_pools;   /* pool nodes keep pods of others out */
    bool taint_startup; /* new nodes keep pods out until they are configured */

    struct policy_window windows[POLICY_WINDOWS_MAX]; /* for MIG changes */
    uint32_t window_count;                            /* 0 = MIG changes never happen */
    bool windows_cover_all; /* true: every disruptive change waits for a window */

    bool scale_down;               /* empty nodes by moving their pods */
    int64_t surplus_after_ns;      /* a surplus lasts that long first, and again for each pod */
    uint32_t spare_slots_permille; /* of a shared pool's pods, kept free for arrivals */
};

/* Presets by name: "conservative", "balanced", "aggressive"; NULL when unknown. */
const struct policy *policy_preset(struct str name);

/* Their names, in that order; NULL-ended. */
const char *const *policy_preset_names(void);

/* Parses a SharingPolicy document, YAML or JSON:
 *
 *   apiVersion: sharing.slicewright.io/v1alpha1
 *   kind: SharingPolicy
 *   metadata: {name: NAME}
 *   spec: {preset: balanced, ...}
 *
 * over the values of `spec.preset` (default balanced); docs/POLICY.md lists the keys.  Views lie in
 * `a`.  Returns 0; -E2BIG over the limits; -EINVAL with one line for the first fault:
 * "line L: KEY: 'VALUE': expected ...". */
int policy_parse(
        struct arena *a, struct str text, const struct policy **ret_policy, struct err *reterr);

/* Hands each fault of a document, in its order, to `add`, as the one line that policy_parse() says
 * of the first; rules between keys when every key is right.  doc: as base/doc reads a file, also a
 * part of one.  Returns how many there are. */
struct policy_fault_sink {
    void (*add)(void *user, const char *text);
    void *user;
};
struct doc;
uint32_t policy_faults_find(const struct doc *doc, const struct policy_fault_sink *sink);

/* Appends the policy as a document with every key written out: parsing it gives an equal policy. */
void policy_emit(const struct policy *p, struct buf *out);

/* Copies `p` with all its text into `a`; the copy is as long as `a` is.  ret_copy may be `p`. */
void policy_copy(struct arena *a, const struct policy *p, struct policy *ret_copy);

/* Equal in every field of the table, and in name. */
bool policy_eq(const struct policy *a, const struct policy *b);

/* Appends docs/POLICY.md: every key with type, range, meaning and its value in each preset. */
void policy_docs_emit(struct buf *out);

/* Appends the CustomResourceDefinitions of SharingPolicy (from the same table) and SharingPlan,
 * YAML, two documents: deploy/crds/slicewright.yaml. */
void policy_crd_emit(struct buf *out);

/* Parses five cron fields (minute hour day-of-month month day-of-week; * , - / and the English
 * three-letter names; 7 is Sunday; UTC).  When both day fields are restricted, either may match, as
 * cron does.  Views `text`; duration_ns is left 0.  -EINVAL with what was wrong. */
int policy_cron_parse(struct str text, struct policy_window *ret_window, struct err *reterr);

/* True when two windows (or two starts of one) overlap on some day of the calendar's 28-year
 * cycle; then *ret_first and *ret_second are their indexes. */
bool policy_windows_overlap(const struct policy_window *windows, uint32_t count,
        uint32_t *ret_first, uint32_t *ret_second);

/* The start and end of the window that holds `wall_ns`, or else of the next one.  Returns 1 when
 * inside, 0 when the window lies ahead, -ENOENT when the policy has none within 400 days. */
int policy_window_at(
        const struct policy *p, int64_t wall_ns, int64_t *ret_start_ns, int64_t *ret_end_ns);

/* A window expanded: [start, end) wall time. */
struct policy_span {
    int64_t start_ns, end_ns;
};

/* The windows that touch [from_ns, to_ns), sorted by start, at most `max` of them (the earliest).
 * Returns their count.  Looks at most 400 days ahead. */
uint32_t policy_windows_expand(const struct policy *p, int64_t from_ns, int64_t to_ns,
        struct policy_span *ret_spans, uint32_t max);

#endif
