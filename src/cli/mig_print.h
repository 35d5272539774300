/* cli/mig_print.h - what `slicewright mig` prints, as text for people and as JSON.
 *
 * Every function appends to a buffer; the caller writes it out.  JSON keys are stable: docs/MIG.md.
 */
#ifndef CLI_MIG_PRINT_H
#define CLI_MIG_PRINT_H

#include "base/json.h"
#include "mig/diff.h"
#include "mig/text.h"
#include "model/gpu.h"

/* One line a model. */
void cli_mig_print_models(struct buf *out);
void cli_mig_json_models(struct json_writer *w);

/* The catalog of one model. */
void cli_mig_print_profiles(
        const struct model_gpu *gpu, const struct mig_model *model, struct buf *out);
void cli_mig_json_profiles(
        const struct model_gpu *gpu, const struct mig_model *model, struct json_writer *w);

/* A layout with its text, sums and whether more fits. */
void cli_mig_print_layout(const struct mig_layout *layout, struct buf *out);
void cli_mig_json_layout(const struct mig_layout *layout, struct json_writer *w);

/* A change; `note` (may be NULL) is a line about FROM. */
void cli_mig_print_diff(const struct mig_layout *from, const struct mig_diff *diff,
        const char *note, struct buf *out);
void cli_mig_json_diff(
        const struct mig_layout *from, const struct mig_diff *diff, struct json_writer *w);

#endif
