/* base/doc-priv.h - what the two readers of base/doc.h share.  For src/base only.  Pure. */
#ifndef BASE_DOC_PRIV_H
#define BASE_DOC_PRIV_H

#include "base/doc.h"

/* What a number's text is. */
enum doc_number {
    DOC_NUMBER_NONE,    /* no number */
    DOC_NUMBER_INT,     /* [-+]?[0-9]+ without leading zeros */
    DOC_NUMBER_REAL,    /* with a point or an exponent */
    DOC_NUMBER_REFUSED, /* hexadecimal, octal, binary, leading zeros, infinities, NaN */
};

enum doc_number doc_number_classify(struct str text);

/* Sets kind and integer of `node` from its text, which is a JSON number or one that
 * doc_number_classify() calls INT or REAL. */
void doc_number_set(struct doc *node, enum doc_number number);

/* The first member whose key stood before, in the order of the members, and where: true when there
 * is one.  Cost: n log n, whatever the keys; heap for n pointers. */
bool doc_find_duplicate(const struct doc *members, uint32_t count, const struct doc **ret_before,
        const struct doc **ret_again);

/* -E2BIG with a message when `input` is larger than max_bytes, -EINVAL when it is not UTF-8. */
int doc_check_input(struct str input, size_t max_bytes, struct err *reterr);

#endif
