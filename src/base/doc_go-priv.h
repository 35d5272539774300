/* base/doc_go-priv.h - what a plain scalar is to Go's YAML reader.  For src/base only.  Pure. */
#ifndef BASE_DOC_GO_PRIV_H
#define BASE_DOC_GO_PRIV_H

#include "base/doc.h"

/* Whether a scalar reads as it looks to people. */
enum doc_go_look { DOC_GO_LOOK_PLAIN, DOC_GO_LOOK_WORD, DOC_GO_LOOK_NUMBER };

/* Sets kind, boolean and integer from the text of a plain scalar. */
enum doc_go_look doc_go_resolve(struct doc *d);

#endif
