/* ctl/patch.h - what an owner has to change so that its pods ask for another resource.  No I/O. */
#ifndef CTL_PATCH_H
#define CTL_PATCH_H

#include "core/action.h"
#include "ctl/world.h"

/* The strategic merge patch (JSON) that makes the owner in row `owner` do as the OWNER_PATCH says:
 * the template with the other resource, the pool's node selector, and what was asked at first.  ""
 * where a template cannot be changed in place.  Lives in `a`. */
struct str ctl_patch_make(struct arena *a, const struct ctl_world *w, uint32_t owner,
        const struct core_action *action);

/* The kubectl line for it; "" without a patch. */
struct str ctl_patch_command(
        struct arena *a, const struct ctl_world *w, uint32_t owner, struct str patch);

/* "nvidia.com/gpu.shared x 1, pool a100-shared" */
struct str ctl_patch_resource_text(
        struct arena *a, const struct model_resource *r, uint32_t count, struct str pool);

#endif
