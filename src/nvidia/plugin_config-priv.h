/* nvidia/plugin_config-priv.h - what the readers of the device plugin's config share.  For
 * src/nvidia only.  Pure.
 *
 * The plugin turns YAML into JSON and lets Go's encoding/json fill structs.  Structs match their
 * keys without case, maps do not; of keys that differ in case only the one that sorts last is
 * decoded last.  Null leaves a field as it is, except where a type decodes itself. */
#ifndef NVIDIA_PLUGIN_CONFIG_PRIV_H
#define NVIDIA_PLUGIN_CONFIG_PRIV_H

#include "nvidia/plugin_config.h"

struct nvidia_plugin_reader {
    struct arena *arena;
    struct nvidia_lint *lint;
    struct nvidia_plugin_config config;
    /* What the checks of flags look at, NULL when not set. */
    const struct doc *mig_strategy, *device_list_strategy, *device_id_strategy;
    const struct doc *discovery_strategy, *allocation_policy, *mps_root;
    const struct doc *version, *channel_ids;
};

/* A field of a Go struct: its key and what reads it. */
struct nvidia_plugin_field {
    const char *name;
    void (*read)(struct nvidia_plugin_reader *r, const struct doc *d, const char *where);
};

/* Reads the members of a map as Go fills a struct, in Go's order; unknown keys are warned of.
 * where: "flags", for messages; "" at the top.  fields: ends with a NULL name, under 24. */
void nvidia_plugin_struct_read(struct nvidia_plugin_reader *r, const struct doc *map,
        const char *where, const struct nvidia_plugin_field *fields);

/* Warns of a key that nothing reads. */
void nvidia_plugin_unknown_key(struct nvidia_plugin_reader *r, const struct doc *member,
        const char *where, const char *const *names);

/* A field of type bool: false when it is neither a boolean nor null; *value as Go leaves it. */
void nvidia_plugin_bool_read(
        struct nvidia_plugin_reader *r, const struct doc *d, const char *where, bool *value);

/* The blocks. */
void nvidia_plugin_flags_read(
        struct nvidia_plugin_reader *r, const struct doc *flags, const char *where);
void nvidia_plugin_imex_read(
        struct nvidia_plugin_reader *r, const struct doc *imex, const char *where);
void nvidia_plugin_resources_read(
        struct nvidia_plugin_reader *r, const struct doc *resources, const char *where);
void nvidia_plugin_sharing_read(
        struct nvidia_plugin_reader *r, const struct doc *sharing, const char *where);

/* What the plugin checks once all is read: flags' words, MPS against MIG. */
void nvidia_plugin_flags_check(struct nvidia_plugin_reader *r);
void nvidia_plugin_sharing_check(struct nvidia_plugin_reader *r, const struct doc *root);

#endif
