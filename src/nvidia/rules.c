/* nvidia/rules.c - the rules of lint: what the real part does, and from where that is known.  Pure,
 * a const table. */
#include "nvidia/lint.h"

#include <assert.h>

#define PLUGIN_CODE   "k8s-device-plugin v0.19.1, api/config/v1"
#define PLUGIN_MAIN   "k8s-device-plugin v0.19.1, cmd/nvidia-device-plugin/main.go"
#define PARTED_SPEC   "mig-parted v0.13.1, api/spec/v1/spec.go"
#define PARTED_ASSERT "mig-parted v0.13.1, cmd/nvidia-mig-parted/assert"
#define READER        "sigs.k8s.io/yaml v1.6.0 over go.yaml.in/yaml/v2"

static const struct nvidia_rule rules[] = {
        {"version", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "The plugin knows version v1 only; on another it ends and the node loses its GPUs.",
                PLUGIN_CODE "/config.go"},
        {"type", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "A value of another type than the field's ends the plugin.", PLUGIN_CODE},
        {"flag-value", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "A flag with a word that the plugin does not know ends it.",
                PLUGIN_MAIN ", validateFlags"},
        {"no-resources", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "A sharing block that is present must list a resource under `resources`; "
                "`replicas` "
                "belongs to a resource, not to the block.",
                PLUGIN_CODE "/replicas.go"},
        {"resource-name", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "Each shared resource needs a name: at most 63 characters with nvidia.com/, the "
                "rest "
                "a DNS subdomain.",
                PLUGIN_CODE "/resources.go"},
        {"replicas", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "Each shared resource needs replicas, a whole number of at least 2; no sharing is "
                "said by leaving the block out.",
                PLUGIN_CODE "/replicas.go"},
        {"devices", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "`devices` is the word all, a count above 0, or a list of indexes and UUIDs.",
                PLUGIN_CODE "/replicas.go"},
        {"patterns", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "Each entry of resources.gpus and resources.mig needs a pattern and a name, "
                "although "
                "the block is thrown away.",
                PLUGIN_CODE "/resources.go"},
        {"imex", "device-plugin", NVIDIA_VERDICT_REFUSED, "imex.channelIDs is [] or [0].",
                PLUGIN_CODE "/imex.go"},
        {"mps-mixed", "device-plugin", NVIDIA_VERDICT_REFUSED,
                "MPS is refused together with migStrategy mixed.", PLUGIN_MAIN ", validateFlags"},
        {"mps-mig", "device-plugin", NVIDIA_VERDICT_FAILS,
                "MPS does not work on MIG devices: the plugin ends on a node that has them.",
                "k8s-device-plugin v0.19.1, internal/plugin/mps.go"},
        {"unknown-key", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "Unknown keys are dropped in silence, so a misspelt one does nothing.",
                READER "; k8s-device-plugin issue 1433"},
        {"misplaced-key", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "A known key in the wrong block is an unknown key and does nothing.",
                "k8s-device-plugin issue 1433"},
        {"rename", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "`rename` is read, then disabled at start; only renameByDefault works.",
                PLUGIN_CODE "/config.go, DisableResourceNamingInConfig"},
        {"devices-ignored", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "`devices` is read, then disabled at start: every device of the resource is "
                "shared.",
                PLUGIN_CODE "/config.go, DisableResourceNamingInConfig"},
        {"patterns-ignored", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "The block resources is read, then thrown away at start.",
                PLUGIN_CODE "/config.go, DisableResourceNamingInConfig"},
        {"resource-absent", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "A shared resource that no node has is skipped in silence.",
                "k8s-device-plugin v0.19.1, internal/rm/device_map.go"},
        {"mps-wins", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "With mps and timeSlicing in one file, timeSlicing does nothing.",
                PLUGIN_CODE "/sharing.go"},
        {"mps-fail-requests", "device-plugin", NVIDIA_VERDICT_IGNORED,
                "Under MPS requests for more than one are always refused.",
                PLUGIN_CODE "/config.go, NewConfig"},
        {"no-version", "device-plugin", NVIDIA_VERDICT_ACCEPTED, "No version is read as v1.",
                PLUGIN_CODE "/config.go"},
        {"key-case", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "Some keys are matched without regard to case, others are not: write them as "
                "documented.",
                READER "; encoding/json"},
        {"number", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "A whole number written with a point or an exponent is taken as one.",
                READER "; encoding/json"},
        {"replicas-many", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "There is no upper limit: so many pods share one GPU, none with a share of memory "
                "or "
                "time of its own.",
                PLUGIN_CODE "/replicas.go"},
        {"one-name", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "Without renameByDefault shared and whole GPUs have one name: pods that want a "
                "whole "
                "GPU land on a shared one.",
                PLUGIN_CODE "/replicas.go"},
        {"fail-requests", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "Without failRequestsGreaterThanOne a pod may ask for several replicas, which "
                "gives "
                "neither more time nor surely more GPUs.",
                "k8s-device-plugin v0.19.1, internal/rm/rm.go"},
        {"twice", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "A resource that is listed twice has the devices of both entries under one name.",
                "k8s-device-plugin v0.19.1, internal/rm/device_map.go"},
        {"duration", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "A duration without a unit is nanoseconds: GFD then runs without a pause.",
                PLUGIN_CODE "/duration.go"},
        {"mps-root", "device-plugin", NVIDIA_VERDICT_ACCEPTED,
                "MPS needs mpsRoot, here or as MPS_ROOT in the plugin's environment.",
                PLUGIN_MAIN ", validateFlags"},
        {"spec-version", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "mig-parted knows version v1 only and wants it written.", PARTED_SPEC},
        {"unknown-field", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "mig-parted refuses fields that it does not know.", PARTED_SPEC},
        {"missing-field", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "devices and mig-enabled are required, mig-devices where mig-enabled is true.",
                PARTED_SPEC},
        {"field-type", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "A value of another type than the field's is refused.", PARTED_SPEC},
        {"empty", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "mig-configs and each config need at least one entry.", PARTED_SPEC},
        {"profile-name", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "A profile is [<C>c.]<G>g.<GB>gb with +attributes or -attributes.",
                "go-nvlib pkg/nvlib/device/mig_profile.go"},
        {"profile-count", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "Counts are whole numbers, 0 or more, and not all 0.",
                "mig-parted v0.13.1, pkg/types/mig_config.go"},
        {"devices-while-off", "mig-parted", NVIDIA_VERDICT_REFUSED,
                "Where mig-enabled is false, mig-devices is empty.", PARTED_SPEC},
        {"layout", "mig-parted", NVIDIA_VERDICT_FAILS,
                "No choice of places holds these instances on that GPU: mig-parted tries every "
                "order, "
                "then leaves the GPU without an instance.",
                "src/mig, catalog of GPU models; mig-parted v0.13.1, pkg/mig/config/config.go"},
        {"profile-unknown", "mig-parted", NVIDIA_VERDICT_FAILS,
                "The GPU has no such profile, under no driver that the catalog knows.",
                "src/mig, catalog of GPU models"},
        {"not-capable", "mig-parted", NVIDIA_VERDICT_FAILS, "The GPU has no MIG.",
                "model table of GPUs"},
        {"count-huge", "mig-parted", NVIDIA_VERDICT_FAILS,
                "mig-parted makes a list of as many instances and tries its orders.",
                "mig-parted v0.13.1, pkg/types/mig_config.go, Flatten"},
        {"unmatched", "mig-parted", NVIDIA_VERDICT_FAILS,
                "assert, and so the mig-manager's success, wants every GPU of the node matched by "
                "an "
                "entry.",
                PARTED_ASSERT "/config.go"},
        {"count-zero", "mig-parted", NVIDIA_VERDICT_FAILS,
                "A profile with count 0 makes the config differ from every state of a GPU: it is "
                "applied again and again and never asserted.",
                "mig-parted v0.13.1, pkg/types/mig_config.go, Equals"},
        {"no-configs", "mig-parted", NVIDIA_VERDICT_ACCEPTED,
                "A file without mig-configs is legal and knows no label value.", PARTED_SPEC},
        {"filter", "mig-parted", NVIDIA_VERDICT_IGNORED,
                "A device filter that is no number matches nothing, in silence.",
                "mig-parted v0.13.1, api/spec/v1/helpers.go"},
        {"filter-subsystem", "mig-parted", NVIDIA_VERDICT_IGNORED,
                "Up to v0.13 a filter with a subsystem matches nothing; later ones read it.",
                "mig-parted v0.13.1, pkg/types/device.go"},
        {"index", "mig-parted", NVIDIA_VERDICT_IGNORED, "No node has a GPU of that index.",
                "mig-parted v0.13.1, api/spec/v1/helpers.go"},
        {"some-gpus", "mig-parted", NVIDIA_VERDICT_ACCEPTED,
                "Only nodes that have no other GPU than those listed reach success.",
                PARTED_ASSERT "/config.go"},
        {"all-devices", "mig-parted", NVIDIA_VERDICT_ACCEPTED,
                "apply skips GPUs without MIG under `devices: all`, assert does not: on mixed "
                "nodes "
                "the config never succeeds without a device-filter.",
                PARTED_ASSERT "/mode.go"},
        {"overridden", "mig-parted", NVIDIA_VERDICT_ACCEPTED,
                "Entries are walked in order: the last one that matches a GPU wins, after the "
                "earlier "
                "ones have been applied.",
                "mig-parted v0.13.1, cmd/nvidia-mig-parted/assert/assert.go"},
        {"name-moves", "mig-parted", NVIDIA_VERDICT_ACCEPTED,
                "Names are compared as text, and drivers name this profile differently: an update "
                "can "
                "make the config unappliable.",
                "src/mig, catalog of GPU models; mig-parted issue 227"},
        {"compute-instance", "mig-parted", NVIDIA_VERDICT_ACCEPTED,
                "Under migStrategy mixed the device plugin offers compute instances as if each "
                "were "
                "the whole GPU instance: a pod that asks for 3g.20gb gets a part of its compute, "
                "and "
                "GFD labels a resource that does not exist.",
                "test/fake/recorded/plugin-compute.txt, gfd-compute.txt"},
        {"plugin-label", "kubernetes", NVIDIA_VERDICT_FAILS,
                "config-manager ends on a config that its ConfigMap has not.  Up to v0.18.0 the "
                "plugin keeps its old one, or at its start has none; from v0.18.2 on it goes back "
                "to the default, so that whole GPUs are offered again which shared pods hold.",
                "test/fake/recorded/config-manager-v0.18.0.txt, config-manager-v0.19.1.txt"},
        {"plugin-start", "kubernetes", NVIDIA_VERDICT_ACCEPTED,
                "From v0.18.2 to v0.19.1 at least, config-manager acts once before it has seen its "
                "node's label: each start of the plugin offers the default config first, other "
                "devices than those that the node's pods hold.",
                "test/fake/recorded/config-manager-v0.19.1.txt; k8s-device-plugin issue 1645"},
        {"mig-label", "kubernetes", NVIDIA_VERDICT_FAILS,
                "mig-manager answers a config that its file has not with the state failed.",
                "mig-parted v0.13.1, deployments/container/reconfigure-mig.sh"},
        {"config-name", "kubernetes", NVIDIA_VERDICT_IGNORED,
                "Configs are chosen by a node label, and this name is no label value.",
                "Kubernetes label values"},
        {"configmap-value", "kubernetes", NVIDIA_VERDICT_REFUSED,
                "A ConfigMap's data holds text only.", "Kubernetes API, ConfigMap"},
        {"yaml", "yaml", NVIDIA_VERDICT_REFUSED, "The text cannot be read as YAML.", READER},
        {"not-finite", "yaml", NVIDIA_VERDICT_REFUSED,
                ".inf and .nan cannot be turned into JSON, wherever they stand.", READER},
        {"duplicate-key", "yaml", NVIDIA_VERDICT_IGNORED,
                "Of equal keys the last wins, in silence.", READER},
        {"other-documents", "yaml", NVIDIA_VERDICT_IGNORED,
                "The part reads the first document of a file and no other.", READER},
        {"yaml-word", "yaml", NVIDIA_VERDICT_ACCEPTED,
                "yes, no, on, off, y and n without quotes are true or false.", READER},
        {"yaml-number", "yaml", NVIDIA_VERDICT_ACCEPTED,
                "Numbers with a leading zero are octal, 0x hexadecimal, and _ is skipped.", READER},
        {"unknown-file", "kubernetes", NVIDIA_VERDICT_ACCEPTED,
                "Nothing in it is a file that lint knows.", "slicewright"},
        {"limit", "kubernetes", NVIDIA_VERDICT_ACCEPTED,
                "More than lint takes in: the rest was not looked at.", "slicewright"},
        {"policy", "policy", NVIDIA_VERDICT_REFUSED, "Not a SharingPolicy that slicewright takes.",
                "docs/POLICY.md"},
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0] };
_Static_assert((int)RULE_COUNT <= (int)NVIDIA_RULES_MAX, "a set of rules holds each");

unsigned nvidia_rule_count(void)
{
    return RULE_COUNT;
}

const struct nvidia_rule *nvidia_rule_get(unsigned index)
{
    assert(index < RULE_COUNT);
    return &rules[index];
}

const struct nvidia_rule *nvidia_rule_find(struct str name, unsigned *ret_index)
{
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        if (str_eq_c(name, rules[i].name)) {
            *ret_index = i;
            return &rules[i];
        }
    }
    return NULL;
}

const char *nvidia_verdict_name(enum nvidia_verdict v)
{
    static const char *const names[NVIDIA_VERDICT_COUNT] = {
            "refused", "fails", "ignored", "accepted"};
    assert(v < NVIDIA_VERDICT_COUNT);
    return names[v];
}
