/* dra/names.h - the names that DRA objects share, each held once.
 *
 * Pure; memory by base/map.  A name is a small number, so comparing two is comparing integers, and
 * a hundred thousand devices of one profile hold its text once. */
#ifndef DRA_NAMES_H
#define DRA_NAMES_H

#include "base/map.h"

/* Zero-initialise; dra_names_clear() frees.  Name 0 is the empty string. */
struct dra_names {
    struct map_str map;
};

void dra_names_clear(struct dra_names *n);

/* The number of `text`, which is copied when it is new. */
uint32_t dra_names_add(struct dra_names *n, struct str text);

/* The number of `text`; UINT32_MAX when no object uses it. */
uint32_t dra_names_find(const struct dra_names *n, struct str text);

/* The text of a name; its bytes stay where they are until dra_names_clear(). */
struct str dra_name(const struct dra_names *n, uint32_t name);

#endif
