/* mig/catalog-priv.h - the generated tables, for mig/catalog*.c alone. */
#ifndef MIG_CATALOG_PRIV_H
#define MIG_CATALOG_PRIV_H

#include "mig/catalog.h"

#include <stddef.h>

extern const struct mig_model mig_catalog_models[];
extern const unsigned mig_catalog_model_count;

/* compute_left of the geometries with 8, 4 and 12 units. */
extern const uint8_t mig_catalog_left_8_units[256];
extern const uint8_t mig_catalog_left_4_units[16];
extern const uint8_t mig_catalog_left_12_units[4096];

#endif
