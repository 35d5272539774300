/* sim/yaml-priv.h - reading objects of a document by field tables, for sim/yaml*.c alone. */
#ifndef SIM_YAML_PRIV_H
#define SIM_YAML_PRIV_H

#include "base/doc.h"
#include "sim/scenario.h"

#include <stddef.h>

enum sim_yaml_type {
    YAML_COUNT,    /* uint32_t, a whole number */
    YAML_PERCENT,  /* uint32_t permille: 12.5 is 125 */
    YAML_MILLI,    /* uint32_t thousandths: 2.5 is 2500 (cores, arrivals an hour) */
    YAML_GIB,      /* uint32_t MiB: 1.5 is 1536 */
    YAML_USD,      /* int64_t micro-USD */
    YAML_DURATION, /* int64_t ns: "30m" */
    YAML_TIME,     /* int64_t wall ns, RFC 3339 */
    YAML_BOOL,
    YAML_ENUM,        /* an enum (4 bytes): one of `names`, by number */
    YAML_NAME,        /* struct str of 1..253 bytes */
    YAML_GPU,         /* uint16_t row of the GPU table */
    YAML_GPUS,        /* uint64_t mask of rows: a name or a list of names */
    YAML_HOURS_COUNT, /* uint32_t[SIM_HOURS]: a number, 24 or 48 numbers */
    YAML_HOURS_MILLI,
    YAML_HOURS_PERCENT,
    YAML_OTHER /* read by the caller */
};

struct sim_yaml_field {
    const char *key;
    enum sim_yaml_type type;
    size_t offset;
    int64_t min, max; /* of the stored value */
    const char *const *names;
    bool required;
};

/* Reads every member of `object` that the table knows into `base`; refuses others and missing ones.
 * path: for messages, "owners[2]". */
int sim_yaml_read(const struct doc *object, const char *path, const struct sim_yaml_field *fields,
        void *base, struct err *reterr);

/* "line L: PATH.KEY: 'VALUE': expected WHAT". */
int sim_yaml_fail(
        const struct doc *value, const char *path, const char *expected, struct err *reterr);

#endif
