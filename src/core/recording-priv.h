/* core/recording-priv.h - the one table from which facts are written and read.
 *
 * Pure. */
#ifndef CORE_RECORDING_PRIV_H
#define CORE_RECORDING_PRIV_H

#include "core/recording.h"

enum core_recording_type {
    CORE_RECORDING_U8,
    CORE_RECORDING_U16,
    CORE_RECORDING_U32,
    CORE_RECORDING_U64,
    CORE_RECORDING_I64,
    CORE_RECORDING_BOOL,
    CORE_RECORDING_ENUM, /* an int-sized enum, 0..max */
    CORE_RECORDING_STR,
    CORE_RECORDING_RESOURCE,    /* struct model_resource, by name */
    CORE_RECORDING_CAPS,        /* struct core_node_caps, as six numbers */
    CORE_RECORDING_ALLOCATABLE, /* of a node fact: resource name -> count */
    CORE_RECORDING_DEVICES,     /* of a pod fact: gpu, start, gpu, start, ... */
    CORE_RECORDING_POLICY       /* const struct policy *, as its YAML text */
};

/* A member of struct core_fact. */
struct core_recording_field {
    const char *key; /* NULL ends a table */
    enum core_recording_type type;
    size_t offset;
    uint64_t
            max; /* of ENUM and of the unsigned types where smaller than the type; 0 = the type's */
};

/* By enum core_fact_kind: its name, and its members beside the common ones (NULL for samples). */
extern const char *const core_recording_kinds[CORE_FACT_COUNT];
extern const struct core_recording_field *const core_recording_fields[CORE_FACT_COUNT];

/* Members that every fact has. */
extern const struct core_recording_field core_recording_common[];

#endif
