/* nvidia/mig_parted.h - the config file of mig-parted and mig-manager, v1: read, lint, write.
 *
 * Pure.  Takes and refuses what mig-parted does; test/prop/nvidia/prop_parsers.c holds it against
 * mig-parted's own parser.  Source: NVIDIA mig-parted v0.13.1, api/spec/v1/{spec,helpers}.go,
 * pkg/types/mig_config.go; go-nvlib pkg/nvlib/device/mig_profile.go. */
#ifndef NVIDIA_MIG_PARTED_H
#define NVIDIA_MIG_PARTED_H

#include "mig/catalog.h"
#include "model/workload.h"
#include "nvidia/plugin_config.h"

enum {
    NVIDIA_MIG_TEXT_MAX = 1 << 20,
    NVIDIA_MIG_CONFIGS_MAX = 1024,
    NVIDIA_MIG_ENTRIES_MAX = 64,
    NVIDIA_MIG_DEVICES_MAX = 64, /* device indexes are below this */
    NVIDIA_MIG_PROFILES_MAX = 16
};

/* A wish for `count` instances of a profile (count 0 is legal there). */
struct nvidia_mig_count {
    char profile[MODEL_PROFILE_NAME_MAX];
    uint32_t count;
};

/* For which GPUs what is wanted. */
struct nvidia_mig_entry {
    uint32_t line, column; /* of the entry */
    uint32_t devices_line; /* of its mig-devices, 0 without */
    uint32_t devices_column;
    uint32_t filter_count;     /* device-filter: 0 = every kind of GPU */
    const struct str *filters; /* "0x20B010DE" */
    bool all_devices;
    uint64_t devices; /* bit i: index i; when not all_devices */
    bool mig_enabled;
    uint32_t profile_count;
    struct nvidia_mig_count profiles[NVIDIA_MIG_PROFILES_MAX];
};

struct nvidia_mig_config {
    struct str name;
    uint32_t line, column; /* of the name */
    uint32_t entry_count;
    const struct nvidia_mig_entry *entries;
};

struct nvidia_mig_parted {
    uint32_t count;
    const struct nvidia_mig_config *configs; /* in file order */
};

/* Parses and lints.  Everything lies in `a`.  lint may be NULL.
 * Returns 0 (perhaps with warnings); -EINVAL or -E2BIG as nvidia_plugin_config_parse(). */
int nvidia_mig_parted_parse(struct arena *a, struct str text, struct nvidia_mig_parted *ret_file,
        struct nvidia_lint *lint, struct err *reterr);

/* The same for a document that is read already: all findings go to `lint`; *ret_file is of use only
 * when it has no error. */
void nvidia_mig_parted_read(struct arena *a, const struct doc *root,
        struct nvidia_mig_parted *ret_file, struct nvidia_lint *lint);

/* The config called `name`, or NULL. */
const struct nvidia_mig_config *nvidia_mig_parted_find(
        const struct nvidia_mig_parted *file, struct str name);

/* What the config wants of GPU `index` (entries override earlier ones; device filters are taken to
 * match), or NULL when it names no such GPU: mig-parted then never reports success. */
const struct nvidia_mig_entry *nvidia_mig_config_entry(
        const struct nvidia_mig_config *config, uint32_t index);

/* Lints a config against a node of `gpu_count` GPUs of `model` (NULL: not MIG-capable): profiles
 * known, the set can be placed, every GPU matched. */
void nvidia_mig_config_check(const struct nvidia_mig_config *config, const struct mig_model *model,
        uint32_t gpu_count, struct nvidia_lint *lint);

/* GPUs of one model, all of a node. */
struct nvidia_mig_node {
    const struct mig_model *model; /* NULL: without MIG */
    uint32_t gpu_count;
};

/* Lints all configs, against a node as above or, node NULL, against what the file itself says: an
 * entry's device filter tells the models; without one, a set of profiles must fit at least one
 * model of the catalog. */
void nvidia_mig_parted_check(const struct nvidia_mig_parted *file,
        const struct nvidia_mig_node *node, struct nvidia_lint *lint);

/* Appends a whole file with these configs, in order. */
void nvidia_mig_parted_emit(
        const struct nvidia_mig_config *configs, uint32_t count, struct buf *out);

/* What we write for one node: a layout text for each physical GPU: "" = MIG off, "none" = MIG on
 * without an instance, else profiles as in "3g.20gb,2x1g.5gb" (starts are not expressible there:
 * "@4" and "*" are dropped).  GPUs of equal layout share an entry; when all are equal it says
 * `devices: all`, so that the same config serves nodes of any size. */
struct nvidia_mig_plan {
    uint32_t gpu_count;
    struct str layouts[NVIDIA_MIG_DEVICES_MAX];
};

/* Appends a file with one config called `name` (GPUs of equal layout share an entry).
 * Returns 0; -EINVAL on a layout text that is not a list of profiles. */
int nvidia_mig_plan_emit(
        const struct nvidia_mig_plan *plan, struct str name, struct buf *out, struct err *reterr);

/* A config name that is a label value too and differs whenever the plan does: "mig-<hash>",
 * "mig-off-<hash>" when all is off.  Into text[NVIDIA_CONFIG_KEY_MAX]; returns text. */
char *nvidia_mig_plan_name(const struct nvidia_mig_plan *plan, char *text);

/* True for a profile name by mig-parted's grammar: [<C>c.]<G>g.<GB>gb[+attr[,attr]...|-attr...]. */
bool nvidia_mig_profile_is_valid(struct str name);

#endif
