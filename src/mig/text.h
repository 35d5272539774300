/* mig/text.h - layouts as people write them: "3g.20gb@4,2g.10gb,1g.5gb*", and drawings of them.
 *
 * Pure.  One item: [Nx][Cc.]NAME[@START][*]
 *   Nx      that many of it ("7x1g.5gb"); together with @START only in front of Cc.
 *   Cc.     a compute instance of C slices inside a NAME instance ("1c.3g.20gb"); items of one NAME
 *           share GPU instances as long as their slices last
 *   NAME    a profile's name under any known driver, or its GI profile id
 *   @START  fixes the first memory unit; without it the start is chosen
 *   *       in use
 * Blanks around items are skipped; "none" alone, or nothing, is the empty GPU. */
#ifndef MIG_TEXT_H
#define MIG_TEXT_H

#include "mig/layout.h"

enum { MIG_TEXT_BYTES_MAX = 4096, MIG_TEXT_ITEMS_MAX = 64, MIG_START_ANY = 0xff };

struct mig_item {
    uint8_t profile;
    uint8_t start;          /* or MIG_START_ANY */
    uint8_t compute_slices; /* of a compute instance; 0 = one that fills its GPU instance */
    bool in_use;
};

/* A parsed text: what was asked, not yet known to be legal. */
struct mig_wish {
    const struct mig_model *model;
    unsigned count;
    struct mig_item items[MIG_TEXT_ITEMS_MAX];
};

/* Parses `text`.  Returns 0; -E2BIG over the limits; -EINVAL on bad form; -ENOENT on a name that
 * the model does not have.  reterr->pos is the byte offset. */
int mig_wish_parse(const struct mig_model *model, struct str text, struct mig_wish *ret_wish,
        struct err *reterr);

/* A wish sorted out: what has a fixed start, and how many are still to be placed. */
struct mig_wish_parts {
    struct mig_layout fixed;
    struct mig_counts add;
    struct mig_counts add_in_use; /* of `add`, how many are in use */
};

/* Sorts a wish out; compute instances are gathered into GPU instances first, large ones first, into
 * the first that has slices left.
 * Returns 0; the code of mig_layout_add() when the fixed part alone is illegal; -ENOSPC when
 * compute instances pass the slices of their GPU instance.  *ret_rule (may be NULL) is the rule. */
int mig_wish_split(const struct mig_wish *wish, struct mig_wish_parts *ret_parts,
        enum mig_rule *ret_rule, struct err *reterr);

/* Sorts out and places: a legal layout for the wish, or the rule that stops it.  Which of several
 * equal instances without a start is the one in use is our choice: the lowest. */
int mig_wish_place(const struct mig_wish *wish, struct mig_layout *ret_layout,
        enum mig_rule *ret_rule, struct err *reterr);

/* Appends a drawing in plain ASCII, a column a memory unit; '*' marks what is in use,
 * '-' a free unit that nothing can take while the instances stay. */
void mig_layout_draw(const struct mig_layout *layout, struct buf *out);

#endif
