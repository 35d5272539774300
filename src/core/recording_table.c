/* core/recording_table.c - see recording-priv.h.  Pure. */
#include "core/recording-priv.h"

#include <stddef.h>

const char *const core_recording_kinds[CORE_FACT_COUNT] = {
        [CORE_FACT_SYNC] = "sync",
        [CORE_FACT_GONE] = "gone",
        [CORE_FACT_NODE] = "node",
        [CORE_FACT_POD] = "pod",
        [CORE_FACT_OWNER] = "owner",
        [CORE_FACT_CONFIG] = "config",
        [CORE_FACT_SAMPLE] = "sample",
        [CORE_FACT_INCIDENT] = "incident",
        [CORE_FACT_OFFER] = "offer",
        [CORE_FACT_POLICY] = "policy",
        [CORE_FACT_WINDOW] = "window",
        [CORE_FACT_APPROVAL] = "approval",
        [CORE_FACT_OUTCOME] = "outcome",
        [CORE_FACT_SOLUTION] = "solution",
        [CORE_FACT_HISTORY] = "history",
        [CORE_FACT_EVICTED] = "evicted",
};

#define AT(member) offsetof(struct core_fact, member)

const struct core_recording_field core_recording_common[] = {
        {"source", CORE_RECORDING_ENUM, AT(source), CORE_SOURCE_COUNT - 1},
        {"cluster", CORE_RECORDING_U16, AT(cluster), 0},
        {"version", CORE_RECORDING_U64, AT(version), 0},
        {"observed_wall_ns", CORE_RECORDING_I64, AT(observed_wall_ns), 0},
        {0},
};

static const struct core_recording_field sync_fields[] = {
        {"complete", CORE_RECORDING_BOOL, AT(sync_complete), 0},
        {0},
};

static const struct core_recording_field gone_fields[] = {
        {"uid", CORE_RECORDING_U64, AT(gone), 0},
        {0},
};

static const struct core_recording_field node_fields[] = {
        {"uid", CORE_RECORDING_U64, AT(node.uid), 0},
        {"node_cluster", CORE_RECORDING_U16, AT(node.cluster), 0},
        {"name", CORE_RECORDING_STR, AT(node.name), 0},
        {"region", CORE_RECORDING_STR, AT(node.region), 0},
        {"gpu", CORE_RECORDING_U16, AT(node.gpu), 0},
        {"gpu_count", CORE_RECORDING_U32, AT(node.gpu_count), CORE_GPUS_MAX},
        {"cpu_milli", CORE_RECORDING_U32, AT(node.cpu_milli), 0},
        {"memory_mib", CORE_RECORDING_U32, AT(node.memory_mib), 0},
        {"microusd_per_hour", CORE_RECORDING_I64, AT(node.microusd_per_hour), 0},
        {"purchase", CORE_RECORDING_ENUM, AT(node.purchase), MODEL_PURCHASE_COUNT - 1},
        {"caps", CORE_RECORDING_CAPS, AT(node.caps), 0},
        {"ready", CORE_RECORDING_BOOL, AT(node.ready), 0},
        {"unschedulable", CORE_RECORDING_BOOL, AT(node.unschedulable), 0},
        {"frozen", CORE_RECORDING_BOOL, AT(node.frozen), 0},
        {"excluded", CORE_RECORDING_BOOL, AT(node.excluded), 0},
        {"foreign", CORE_RECORDING_STR, AT(node.foreign), 0},
        {"keeps", CORE_RECORDING_STR, AT(node.keeps), 0},
        {"plugin_config", CORE_RECORDING_STR, AT(node.plugin_config), 0},
        {"mig_config", CORE_RECORDING_STR, AT(node.mig_config), 0},
        {"mig_state", CORE_RECORDING_STR, AT(node.mig_state), 0},
        {"pool", CORE_RECORDING_STR, AT(node.pool), 0},
        {"pool_taint", CORE_RECORDING_STR, AT(node.pool_taint), 0},
        {"startup_taint", CORE_RECORDING_BOOL, AT(node.startup_taint), 0},
        {"pool_taint_refused", CORE_RECORDING_STR, AT(node.pool_taint_refused), 0},
        {"startup_taint_refused", CORE_RECORDING_STR, AT(node.startup_taint_refused), 0},
        {"annotation", CORE_RECORDING_STR, AT(node.annotation), 0},
        {"created_wall_ns", CORE_RECORDING_I64, AT(node.created_wall_ns), 0},
        {"allocatable", CORE_RECORDING_ALLOCATABLE, AT(node), 0},
        {0},
};

static const struct core_recording_field pod_fields[] = {
        {"uid", CORE_RECORDING_U64, AT(pod.uid), 0},
        {"owner", CORE_RECORDING_U64, AT(pod.owner), 0},
        {"node", CORE_RECORDING_U64, AT(pod.node), 0},
        {"pod_cluster", CORE_RECORDING_U16, AT(pod.cluster), 0},
        {"name", CORE_RECORDING_STR, AT(pod.name), 0},
        {"phase", CORE_RECORDING_ENUM, AT(pod.phase), CORE_POD_ENDED},
        {"unschedulable", CORE_RECORDING_BOOL, AT(pod.unschedulable), 0},
        {"resource", CORE_RECORDING_RESOURCE, AT(pod.resource), 0},
        {"count", CORE_RECORDING_U32, AT(pod.count), 0},
        {"pool", CORE_RECORDING_STR, AT(pod.pool), 0},
        {"created_wall_ns", CORE_RECORDING_I64, AT(pod.created_wall_ns), 0},
        {"started_wall_ns", CORE_RECORDING_I64, AT(pod.started_wall_ns), 0},
        {"devices", CORE_RECORDING_DEVICES, AT(pod), 0},
        {0},
};

static const struct core_recording_field owner_fields[] = {
        {"uid", CORE_RECORDING_U64, AT(owner.uid), 0},
        {"owner_cluster", CORE_RECORDING_U16, AT(owner.cluster), 0},
        {"name", CORE_RECORDING_STR, AT(owner.name), 0},
        {"owner_kind", CORE_RECORDING_ENUM, AT(owner.kind), MODEL_OWNER_COUNT - 1},
        {"class", CORE_RECORDING_ENUM, AT(owner.class_declared), MODEL_CLASS_COUNT - 1},
        {"isolation", CORE_RECORDING_ENUM, AT(owner.isolation), MODEL_ISOLATION_COUNT - 1},
        {"preallocates", CORE_RECORDING_BOOL, AT(owner.preallocates), 0},
        {"declared_memory_mib", CORE_RECORDING_U32, AT(owner.declared_memory_mib), 0},
        {"replicas", CORE_RECORDING_U32, AT(owner.replicas), 0},
        {"max_unavailable", CORE_RECORDING_U32, AT(owner.max_unavailable), 0},
        {"gpus_per_pod", CORE_RECORDING_U32, AT(owner.gpus_per_pod), 0},
        {"gpu_models", CORE_RECORDING_U64, AT(owner.gpu_models), 0},
        {"cpu_milli", CORE_RECORDING_U32, AT(owner.cpu_milli), 0},
        {"memory_mib", CORE_RECORDING_U32, AT(owner.memory_mib), 0},
        {"slo_permille", CORE_RECORDING_U32, AT(owner.slo_permille), 0},
        {"resource", CORE_RECORDING_RESOURCE, AT(owner.resource), 0},
        {"pool", CORE_RECORDING_STR, AT(owner.pool), 0},
        {"foreign", CORE_RECORDING_STR, AT(owner.foreign), 0},
        {"fixed", CORE_RECORDING_STR, AT(owner.fixed), 0},
        {0},
};

static const struct core_recording_field config_fields[] = {
        {"config_cluster", CORE_RECORDING_U16, AT(config.cluster), 0},
        {"map", CORE_RECORDING_ENUM, AT(config.map), CORE_CONFIG_COUNT - 1},
        {"key", CORE_RECORDING_STR, AT(config.key), 0},
        {"text", CORE_RECORDING_STR, AT(config.text), 0},
        {"present", CORE_RECORDING_BOOL, AT(config.present), 0},
        {0},
};

static const struct core_recording_field incident_fields[] = {
        {"incident", CORE_RECORDING_ENUM, AT(incident.kind), CORE_INCIDENT_XID_GPU},
        {"node", CORE_RECORDING_U64, AT(incident.node), 0},
        {"pod", CORE_RECORDING_U64, AT(incident.pod), 0},
        {"gpu", CORE_RECORDING_U8, AT(incident.gpu), 0},
        {"xid", CORE_RECORDING_U32, AT(incident.xid), 0},
        {0},
};

static const struct core_recording_field offer_fields[] = {
        {"gpu", CORE_RECORDING_U16, AT(offer.gpu), 0},
        {"cloud", CORE_RECORDING_STR, AT(offer.cloud), 0},
        {"region", CORE_RECORDING_STR, AT(offer.region), 0},
        {"instance", CORE_RECORDING_STR, AT(offer.instance), 0},
        {"purchase", CORE_RECORDING_ENUM, AT(offer.purchase), MODEL_PURCHASE_COUNT - 1},
        {"gpus_per_node", CORE_RECORDING_U32, AT(offer.gpus_per_node), 0},
        {"start_ns", CORE_RECORDING_I64, AT(offer.start_ns), 0},
        {"end_ns", CORE_RECORDING_I64, AT(offer.end_ns), 0},
        {"microusd_per_gpu_hour", CORE_RECORDING_I64, AT(offer.microusd_per_gpu_hour), 0},
        {"nodes_free", CORE_RECORDING_U32, AT(offer.nodes_free), 0},
        {"reclaims_per_1000h", CORE_RECORDING_U32, AT(offer.reclaims_per_1000h), 0},
        {0},
};

static const struct core_recording_field policy_fields[] = {
        {"policy", CORE_RECORDING_POLICY, AT(policy), 0},
        {0},
};

static const struct core_recording_field window_fields[] = {
        {"start_wall_ns", CORE_RECORDING_I64, AT(window.start_wall_ns), 0},
        {"end_wall_ns", CORE_RECORDING_I64, AT(window.end_wall_ns), 0},
        {0},
};

static const struct core_recording_field approval_fields[] = {
        {"digest", CORE_RECORDING_U64, AT(approval), 0},
        {0},
};

static const struct core_recording_field outcome_fields[] = {
        {"action", CORE_RECORDING_U64, AT(outcome.action), 0},
        {"outcome", CORE_RECORDING_ENUM, AT(outcome.outcome), CORE_OUTCOME_UNKNOWN},
        {"http_status", CORE_RECORDING_U32, AT(outcome.http_status), 0},
        {"retry_after_ns", CORE_RECORDING_I64, AT(outcome.retry_after_ns), 0},
        {0},
};

static const struct core_recording_field solution_fields[] = {
        {"action", CORE_RECORDING_U64, AT(solution.action), 0},
        {0},
};

static const struct core_recording_field history_fields[] = {
        {"owner", CORE_RECORDING_U64, AT(history.owner), 0},
        {"digest", CORE_RECORDING_STR, AT(history.digest), 0},
        {"readings", CORE_RECORDING_U64, AT(history.readings), 0},
        {"error_permille", CORE_RECORDING_U32, AT(history.error_permille), 1000},
        {"exclusive_wall_ns", CORE_RECORDING_I64, AT(history.exclusive_wall_ns), 0},
        {"attributed_wall_ns", CORE_RECORDING_I64, AT(history.attributed_wall_ns), 0},
        {0},
};

static const struct core_recording_field evicted_fields[] = {
        {"age_ns", CORE_RECORDING_I64, AT(evicted.age_ns), 0},
        {"count", CORE_RECORDING_U32, AT(evicted.count), CORE_EVICTED_MAX},
        {0},
};

const struct core_recording_field *const core_recording_fields[CORE_FACT_COUNT] = {
        [CORE_FACT_SYNC] = sync_fields,
        [CORE_FACT_GONE] = gone_fields,
        [CORE_FACT_NODE] = node_fields,
        [CORE_FACT_POD] = pod_fields,
        [CORE_FACT_OWNER] = owner_fields,
        [CORE_FACT_CONFIG] = config_fields,
        [CORE_FACT_INCIDENT] = incident_fields,
        [CORE_FACT_OFFER] = offer_fields,
        [CORE_FACT_POLICY] = policy_fields,
        [CORE_FACT_WINDOW] = window_fields,
        [CORE_FACT_APPROVAL] = approval_fields,
        [CORE_FACT_OUTCOME] = outcome_fields,
        [CORE_FACT_SOLUTION] = solution_fields,
        [CORE_FACT_HISTORY] = history_fields,
        [CORE_FACT_EVICTED] = evicted_fields,
};
