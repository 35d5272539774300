/* dra/fields-priv.h - the table of known fields.  Pure. */
#ifndef DRA_FIELDS_PRIV_H
#define DRA_FIELDS_PRIV_H

#include <stddef.h>

enum dra_shape_kind { DRA_SHAPE_OBJECT, DRA_SHAPE_LIST, DRA_SHAPE_MAP };

/* What stands at a place of an object.  NULL in place of one: a scalar, lists and maps of scalars,
 * and types that read their JSON themselves (times, quantities, a driver's parameters). */
struct dra_shape {
    enum dra_shape_kind kind;
    const struct dra_shape *of;            /* a list's items, a map's values */
    const char *const *names;              /* an object's fields; NULL-terminated */
    const struct dra_shape *const *shapes; /* shapes[i] is that of names[i] */
};

struct dra_root {
    const char *version; /* "resource.k8s.io/v1"; NULL ends the table */
    const char *kind;
    const struct dra_shape *shape;
};

extern const struct dra_root dra_roots[];

#endif
