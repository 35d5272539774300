/* policy/fields.c - the table of SharingPolicy's keys: path, type, range, meaning.  Pure. */
#include "policy/fields-priv.h"

#include "base/civil.h"
#include "base/num.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

const char *const policy_technique_names[] = {"exclusive", "time-slicing", "mig", NULL};
const char *const policy_mode_names[] = {"observe", "recommend", "apply", NULL};
static const char *const isolation_names[] = {"none", "instance", "exclusive", NULL};

#define AT(member) offsetof(struct policy, member)
#define MINUTES(n) ((n)*60 * NUM_NS_PER_SECOND)
#define HOURS(n)   ((n)*NUM_NS_PER_HOUR)
#define DAYS(n)    HOURS(24 * (int64_t)(n))
#define USD_MAX    (INT64_C(1000) * NUM_MICROUSD_PER_USD)

const struct policy_field policy_fields[] = {
        {.path = "suspend",
                .type = POLICY_TYPE_BOOL,
                .offset = AT(suspend),
                .help = "Observe everything and finish what runs, but begin nothing."},
        {.path = "nodeSelector",
                .type = POLICY_TYPE_LABELS,
                .offset = AT(node_selector),
                .count_offset = AT(node_selector_count),
                .help = "Node labels that must all be there; empty = every GPU node."},
        {.path = "techniques",
                .type = POLICY_TYPE_TECHNIQUES,
                .help = "What may be used beside exclusive GPUs, preferred first: a list of "
                        "`{technique, mode}`. A technique that is not listed is never used. Modes: "
                        "`observe` computes, `recommend` also publishes the plan and waits for "
                        "approval, `apply` acts."},
        {.path = "isolation",
                .type = POLICY_TYPE_ENUM,
                .offset = AT(isolation),
                .names = isolation_names,
                .help = "The least boundary of every workload: `none` = neighbours on the same GPU "
                        "are accepted, `instance` = only outside of its own MIG instance, "
                        "`exclusive` = no neighbour on its GPU."},
        {.path = "timeSlicing.minReplicas",
                .type = POLICY_TYPE_COUNT,
                .offset = AT(replicas_min),
                .min = 2,
                .max = 64,
                .help = "Fewest replicas of a shared GPU."},
        {.path = "timeSlicing.maxReplicas",
                .type = POLICY_TYPE_COUNT,
                .offset = AT(replicas_max),
                .min = 2,
                .max = 64,
                .help = "Most replicas of a shared GPU; at least `minReplicas`."},
        {.path = "timeSlicing.maxReplicasPerInstance",
                .type = POLICY_TYPE_COUNT,
                .offset = AT(replicas_instance_max),
                .min = 1,
                .max = 4,
                .help = "Most pods on one MIG instance (2 or 4 are used); `1` = instances are "
                        "never "
                        "shared. Needs both techniques, `time-slicing` in a mode not behind MIG's, "
                        "and the "
                        "rules of both; all peaks of memory must fit."},
        {.path = "demand.targetUtilization",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(target_utilization_permille),
                .min = 1,
                .max = 1000,
                .help = "The summed busy time of the pods on one GPU stays below this share of "
                        "it."},
        {.path = "demand.percentile",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(percentile_permille),
                .min = 500,
                .max = 1000,
                .help = "At this percentile of the pods' joint demand over time."},
        {.path = "memory.headroom",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(memory_headroom_permille),
                .min = 0,
                .max = 900,
                .help = "Share of a GPU's or instance's memory that stays free above what its pods "
                        "are expected to take."},
        {.path = "memory.riskPerPodHour",
                .type = POLICY_TYPE_PPM,
                .offset = AT(memory_risk_ppm),
                .min = 0,
                .max = 100000,
                .help = "Accepted chance, a pod and hour, that the pods of one GPU ask for more "
                        "memory than is left after the headroom; `0ppm` = their peaks always fit."},
        {.path = "memory.alarm",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(memory_alarm_permille),
                .min = 100,
                .max = 1000,
                .help = "Memory in use on a shared GPU above this share of it: no pod is added, "
                        "and "
                        "steps toward exclusive begin."},
        {.path = "latencySensitive.labels",
                .type = POLICY_TYPE_LABELS,
                .offset = AT(latency_labels),
                .count_offset = AT(latency_label_count),
                .help = "Pod labels, any of which marks a workload as latency-sensitive (beside "
                        "its own annotation and PriorityClass)."},
        {.path = "latencySensitive.treatment",
                .type = POLICY_TYPE_ENUM,
                .offset = AT(latency_treatment),
                .names = policy_technique_names,
                .help = "What such work may be given at most: `exclusive` GPUs, a MIG instance of "
                        "its own (`mig`; exclusive where the GPU has no MIG), or `time-slicing`. "
                        "Must be exclusive or one of `techniques`."},
        {.path = "latencySensitive.slo",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(latency_slo_permille),
                .min = 1000,
                .max = 100000,
                .help = "The latency that is still good, as a share of the latency alone on a GPU, "
                        "for workloads that do not state their own."},
        {.path = "history.minimum",
                .type = POLICY_TYPE_DURATION,
                .offset = AT(min_history_ns),
                .min = 0,
                .max = DAYS(90),
                .help = "Readings of an owner must span this time before its pods are shared."},
        {.path = "history.staleAfter",
                .type = POLICY_TYPE_DURATION,
                .offset = AT(stale_after_ns),
                .min = MINUTES(1),
                .max = DAYS(7),
                .help = "A metric older than this never leads to tighter sharing."},
        {.path = "dwell.node",
                .type = POLICY_TYPE_DURATION,
                .offset = AT(dwell_ns),
                .min = 0,
                .max = DAYS(30),
                .help = "A node keeps its configuration at least this long; steps toward exclusive "
                        "after a measured signal do not wait."},
        {.path = "dwell.owner",
                .type = POLICY_TYPE_DURATION,
                .offset = AT(owner_dwell_ns),
                .min = 0,
                .max = DAYS(90),
                .help = "An owner is pointed to another resource or pool at most once in this "
                        "time."},
        {.path = "gain.minimum",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(min_gain_permille),
                .min = 0,
                .max = 1000,
                .help = "A change must save at least this share of the cost of what it touches."},
        {.path = "gain.minimumUsdPerHour",
                .type = POLICY_TYPE_USD,
                .offset = AT(min_gain_microusd_per_hour),
                .min = 0,
                .max = USD_MAX,
                .help = "And at least this much."},
        {.path = "disruption.maxNodesInChange",
                .type = POLICY_TYPE_COUNT,
                .offset = AT(max_nodes_in_change),
                .min = 1,
                .max = 1000,
                .help = "Nodes of one cluster that may be changed at the same time."},
        {.path = "disruption.maxEvictionsPerHour",
                .type = POLICY_TYPE_COUNT,
                .offset = AT(max_evictions_per_hour),
                .min = 0,
                .max = 100000,
                .help = "Evictions by us in one cluster in any hour; 0 = none. "
                        "PodDisruptionBudgets hold beside it."},
        {.path = "disruption.maxMovesPerPodPerDay",
                .type = POLICY_TYPE_COUNT,
                .offset = AT(max_moves_per_pod_per_day),
                .min = 0,
                .max = 1000,
                .help = "Evictions of one workload's pod in any day; 0 = none."},
        {.path = "disruption.drainTimeout",
                .type = POLICY_TYPE_DURATION,
                .offset = AT(drain_timeout_ns),
                .min = MINUTES(1),
                .max = DAYS(1),
                .help = "A node that is not empty after this time goes back to what it was."},
        {.path = "taints.pools",
                .type = POLICY_TYPE_BOOL,
                .offset = AT(taint_pools),
                .help = "Keep pods that were not pointed to a pool off its nodes, by the taint "
                        "`sharing.slicewright.io/pool`; where NVIDIA's DaemonSets and the pool's "
                        "own pods tolerate it. Patches for owners then carry the toleration."},
        {.path = "taints.startup",
                .type = POLICY_TYPE_BOOL,
                .offset = AT(taint_startup),
                .help = "Keep pods off a new node until it is configured, by the taint "
                        "`sharing.slicewright.io/startup`; where NVIDIA's DaemonSets tolerate "
                        "it."},
        {.path = "maintenance.windows",
                .type = POLICY_TYPE_WINDOWS,
                .offset = AT(windows),
                .count_offset = AT(window_count),
                .help = "When MIG layouts may change: a list of `{cron, duration}` in UTC, "
                        "durations "
                        "1m to 1d, without overlap. An empty list = never."},
        {.path = "maintenance.coverAllChanges",
                .type = POLICY_TYPE_BOOL,
                .offset = AT(windows_cover_all),
                .help = "Every disruptive change waits for a window, not only MIG changes."},
        {.path = "consolidation.enabled",
                .type = POLICY_TYPE_BOOL,
                .offset = AT(scale_down),
                .help = "Empty nodes by moving their pods, so that the autoscaler can remove "
                        "them."},
        {.path = "consolidation.mode",
                .type = POLICY_TYPE_ENUM,
                .offset = AT(mode[MODEL_TECHNIQUE_EXCLUSIVE]),
                .names = policy_mode_names,
                .help = "As in `techniques`, for moves and the emptying of nodes."},
        {.path = "consolidation.after",
                .type = POLICY_TYPE_DURATION,
                .offset = AT(surplus_after_ns),
                .min = 0,
                .max = DAYS(1),
                .help = "A surplus must last this long before an empty node is given back, and as "
                        "long again for each pod that would have to move."},
        {.path = "consolidation.spareSlots",
                .type = POLICY_TYPE_PERCENT,
                .offset = AT(spare_slots_permille),
                .min = 0,
                .max = 10000,
                .help = "Slots of a shared pool kept free for arrivals, as a share of its pods."},
};
const unsigned policy_field_count = sizeof policy_fields / sizeof policy_fields[0];

/* The table stores enums through unsigned int. */
_Static_assert(sizeof(enum policy_mode) == sizeof(unsigned), "enums are unsigned int");
_Static_assert(sizeof(enum model_isolation) == sizeof(unsigned), "enums are unsigned int");
_Static_assert(sizeof(enum model_technique) == sizeof(unsigned), "enums are unsigned int");

const char *policy_mode_name(enum policy_mode m)
{
    assert(m < POLICY_MODE_COUNT);
    return policy_mode_names[m];
}

int64_t policy_field_get(const struct policy_field *f, const struct policy *p)
{
    const char *at = (const char *)p + f->offset;
    switch (f->type) {
    case POLICY_TYPE_BOOL:
        return *(const bool *)at;
    case POLICY_TYPE_COUNT:
    case POLICY_TYPE_PERCENT:
    case POLICY_TYPE_PPM:
        return *(const uint32_t *)(const void *)at;
    case POLICY_TYPE_DURATION:
    case POLICY_TYPE_USD:
        return *(const int64_t *)(const void *)at;
    case POLICY_TYPE_ENUM:
        return *(const unsigned *)(const void *)at;
    case POLICY_TYPE_LABELS:
    case POLICY_TYPE_TECHNIQUES:
    case POLICY_TYPE_WINDOWS:
        break;
    }
    assert(false && "a scalar field");
    return 0;
}

void policy_field_set(const struct policy_field *f, struct policy *p, int64_t value)
{
    char *at = (char *)p + f->offset;
    switch (f->type) {
    case POLICY_TYPE_BOOL:
        *(bool *)at = value != 0;
        return;
    case POLICY_TYPE_COUNT:
    case POLICY_TYPE_PERCENT:
    case POLICY_TYPE_PPM:
        *(uint32_t *)(void *)at = (uint32_t)value;
        return;
    case POLICY_TYPE_DURATION:
    case POLICY_TYPE_USD:
        *(int64_t *)(void *)at = value;
        return;
    case POLICY_TYPE_ENUM:
        *(unsigned *)(void *)at = (unsigned)value;
        return;
    case POLICY_TYPE_LABELS:
    case POLICY_TYPE_TECHNIQUES:
    case POLICY_TYPE_WINDOWS:
        break;
    }
    assert(false && "a scalar field");
}

char *policy_value_format(const struct policy_field *f, int64_t value, char *text)
{
    char number[STR_FIXED_BYTES];
    switch (f->type) {
    case POLICY_TYPE_BOOL:
        (void)snprintf(text, POLICY_VALUE_BYTES, "%s", value ? "true" : "false");
        break;
    case POLICY_TYPE_COUNT:
        (void)snprintf(text, POLICY_VALUE_BYTES, "%" PRId64, value);
        break;
    case POLICY_TYPE_PERCENT:
        (void)snprintf(text, POLICY_VALUE_BYTES, "%s%%", str_format_fixed(value, 1, number));
        break;
    case POLICY_TYPE_PPM:
        (void)snprintf(text, POLICY_VALUE_BYTES, "%" PRId64 "ppm", value);
        break;
    case POLICY_TYPE_DURATION:
        (void)civil_format_duration(value, text);
        break;
    case POLICY_TYPE_USD:
        (void)snprintf(text, POLICY_VALUE_BYTES, "%s", str_format_fixed(value, 6, number));
        break;
    case POLICY_TYPE_ENUM:
        (void)snprintf(text, POLICY_VALUE_BYTES, "%s", f->names[value]);
        break;
    case POLICY_TYPE_LABELS:
    case POLICY_TYPE_TECHNIQUES:
    case POLICY_TYPE_WINDOWS:
        assert(false && "a scalar field");
    }
    return text;
}

char *policy_value_expected(const struct policy_field *f, char *text, size_t size)
{
    static const char *const kinds[] = {
            [POLICY_TYPE_BOOL] = "true or false",
            [POLICY_TYPE_COUNT] = "a whole number",
            [POLICY_TYPE_PERCENT] = "a percentage such as 95% or 99.5%",
            [POLICY_TYPE_PPM] = "parts per million such as 100ppm",
            [POLICY_TYPE_DURATION] = "a duration such as 30m or 1d12h",
            [POLICY_TYPE_USD] = "US dollars such as 0.25",
            [POLICY_TYPE_ENUM] = "one of",
            [POLICY_TYPE_LABELS] = "a map of labels",
            [POLICY_TYPE_TECHNIQUES] = "a list of {technique, mode}",
            [POLICY_TYPE_WINDOWS] = "a list of {cron, duration}",
    };
    char low[POLICY_VALUE_BYTES];
    char high[POLICY_VALUE_BYTES];
    int used = snprintf(text, size, "%s", kinds[f->type]);
    if (f->type == POLICY_TYPE_ENUM) {
        for (unsigned i = 0; f->names[i] && used > 0 && (size_t)used < size; i++) {
            used += snprintf(
                    text + used, size - (size_t)used, "%s %s", i > 0 ? "," : "", f->names[i]);
        }
    } else if (f->max > 0) {
        (void)snprintf(text + used, size - (size_t)used, ", %s to %s",
                policy_value_format(f, f->min, low), policy_value_format(f, f->max, high));
    }
    return text;
}
