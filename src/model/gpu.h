/* model/gpu.h - the one table of GPU models: names, memory, SMs, speed, and whether MIG is there.
 *
 * Pure: const data and look-ups.  Models that a trace masks (openb's P100, G2, ...) are not here:
 * their reader declares them.  The MIG geometry itself is mig/catalog.h, joined by `mig_key`. */
#ifndef MODEL_GPU_H
#define MODEL_GPU_H

#include "base/err.h"
#include "base/str.h"

enum { MODEL_GPU_NAMES_MAX = 8 };

/* One model.  All text has static storage. */
struct model_gpu {
    const char *key; /* "A100-80GB": unique, what we print, what prices and policies name */
    const char *aliases[MODEL_GPU_NAMES_MAX];  /* NULL-ended; an alias may fit several models */
    const char *products[MODEL_GPU_NAMES_MAX]; /* NULL-ended NVML names, as GFD's nvidia.com/
                                                * gpu.product writes them (spaces are dashes) */
    const char *mig_key;                       /* the model's key in mig/catalog.h; NULL = no MIG */
    uint32_t memory_usable_mib;                /* what pods can allocate, > 0 */
    uint16_t sm_count;                         /* streaming multiprocessors; 0 = not known */
    uint32_t speed_permille;                   /* relative to A100-80GB = 1000, > 0 */
    bool mig_mode_needs_reset;                 /* switching MIG mode takes a GPU reset (Ampere) */
    const char *memory_source;                 /* where memory_usable_mib is from, one line */
    const char *speed_source;                  /* where speed_permille is from, one line */
};

/* How many models there are; they are numbered 0..count-1 in a fixed order. */
unsigned model_gpu_count(void);

/* Model `index`; index < model_gpu_count(). */
const struct model_gpu *model_gpu_get(unsigned index);

/* The number of `gpu`, which came from this table. */
unsigned model_gpu_index(const struct model_gpu *gpu);

/* Finds a model by key, product name or alias, ignoring ASCII case; spaces count as dashes, and
 * GFD's endings "-SHARED" and "-MIG-..." are ignored on product names.  A key wins over a product,
 * a product over an alias.
 *
 * Returns 0; -EEXIST when an alias fits several models ("A100": the text lists their keys);
 * -ENOENT when nothing fits (the text names the nearest key). */
int model_gpu_find(struct str name, const struct model_gpu **ret_gpu, struct err *reterr);

#endif
