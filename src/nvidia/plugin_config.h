/* nvidia/plugin_config.h - the device plugin's (and GFD's) config file, v1: read, lint, write.
 *
 * Pure.  Reads what the plugin reads, as it reads it (base/doc_go.h): unknown keys are dropped in
 * silence there (here: a warning), `rename`, `devices` and `resources` are parsed, then disabled (a
 * warning).  test/prop/nvidia/prop_parsers.c holds it against the plugin's own parser.
 * Source: NVIDIA k8s-device-plugin v0.19.1, api/config/v1, cmd/nvidia-device-plugin/main.go; the
 * flag sharedDevicesAllocationPolicy is v0.20's. */
#ifndef NVIDIA_PLUGIN_CONFIG_H
#define NVIDIA_PLUGIN_CONFIG_H

#include "model/workload.h"
#include "nvidia/lint.h"

enum {
    NVIDIA_PLUGIN_TEXT_MAX = 65536,
    NVIDIA_SHARED_RESOURCES_MAX = 16,
    NVIDIA_REPLICAS_MAX = 1 << 20,
    NVIDIA_CONFIG_KEY_MAX = 64 /* with its NUL; a label value has at most 63 characters */
};

enum nvidia_mig_strategy {
    NVIDIA_MIG_STRATEGY_NONE,
    NVIDIA_MIG_STRATEGY_SINGLE,
    NVIDIA_MIG_STRATEGY_MIXED,
    NVIDIA_MIG_STRATEGY_COUNT
};

const char *nvidia_mig_strategy_name(enum nvidia_mig_strategy s); /* "none", "single", "mixed" */

/* One entry of sharing.timeSlicing.resources or sharing.mps.resources. */
struct nvidia_shared_resource {
    struct str name;   /* with its prefix: "nvidia.com/gpu" */
    uint32_t replicas; /* >= 2 */
    struct str rename; /* as written, "" when absent; the plugin ignores it */
};

struct nvidia_sharing {
    bool present; /* the block is there; then it names at least one resource */
    bool rename_by_default;
    bool fail_requests_greater_than_one; /* defaults: false for time-slicing, true for MPS */
    uint32_t count;
    struct nvidia_shared_resource resources[NVIDIA_SHARED_RESOURCES_MAX];
};

struct nvidia_plugin_config {
    enum nvidia_mig_strategy mig_strategy;
    bool mig_strategy_set;
    struct nvidia_sharing time_slicing, mps; /* MPS wins when both are present */
};

/* Parses and lints.  Views lie in `a`.  lint may be NULL.
 * Returns 0 (perhaps with warnings); -EINVAL or -E2BIG when the plugin would refuse the file: the
 * first error as "line L, column C: ...", all of them in `lint`. */
int nvidia_plugin_config_parse(struct arena *a, struct str text,
        struct nvidia_plugin_config *ret_config, struct nvidia_lint *lint, struct err *reterr);

/* The same for a document that is read already: all findings go to `lint`; *ret_config is of use
 * only when it has no error. */
void nvidia_plugin_config_read(struct arena *a, const struct doc *root,
        struct nvidia_plugin_config *ret_config, struct nvidia_lint *lint);

/* How many times each device of `resource` (its plain or its shared kind, MPS or time-slicing) is
 * offered under the config in `text`: 1 = not shared, 0 = the plugin would refuse the file. */
uint32_t nvidia_plugin_config_replicas(struct str text, const struct model_resource *resource);

/* Whether the config-manager of this release of the plugin ("v0.19.1", with or without "-ubi9")
 * acts before it has seen its node, as if that had no label, so that each start offers the default
 * config first: from v0.18.2 to the last that was tried, v0.19.  False for what is no release.
 * SOURCE: test/fake/recorded/config-manager-*.txt, k8s-device-plugin issue 1645. */
bool nvidia_config_manager_acts_first(struct str release);

/* What we write: strategy mixed, renamed shared resources, requests for more than one refused. */
struct nvidia_plugin_plan {
    uint32_t gpu_replicas; /* of whole GPUs: 1 = exclusive */
    uint32_t mig_replicas; /* of each MIG profile below: 1 = plain */
    uint32_t profile_count;
    char profiles[NVIDIA_SHARED_RESOURCES_MAX - 1][MODEL_PROFILE_NAME_MAX]; /* "1g.5gb" */
};

/* Appends the file; without sharing there is no sharing block (replicas 1 is refused there). */
void nvidia_plugin_config_emit(const struct nvidia_plugin_plan *plan, struct buf *out);

/* A ConfigMap key that is a label value too, and differs whenever the content does:
 * "exclusive-<hash>", "shared-x4-<hash>", with "-mig-x2" when MIG is shared.  Into
 * text[NVIDIA_CONFIG_KEY_MAX]; returns text. */
char *nvidia_plugin_config_key(const struct nvidia_plugin_plan *plan, char *text);

/* True for a name as nvidia_plugin_config_key() and nvidia_mig_plan_name() make them: any other in
 * a ConfigMap is somebody's, also in one that is ours. */
bool nvidia_config_key_is_made(struct str key);

#endif
