/* cel/lex-priv.h - tokens of CEL.
 *
 * Pure. */
#ifndef CEL_LEX_PRIV_H
#define CEL_LEX_PRIV_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* One character tokens are their character. */
enum cel_token_kind {
    CEL_TOKEN_END = 256,
    CEL_TOKEN_IDENT,
    CEL_TOKEN_ESCAPED, /* `a.b-c` */
    CEL_TOKEN_INT,
    CEL_TOKEN_UINT,
    CEL_TOKEN_DOUBLE,
    CEL_TOKEN_STRING,
    CEL_TOKEN_BYTES,
    CEL_TOKEN_TRUE,
    CEL_TOKEN_FALSE,
    CEL_TOKEN_NULL,
    CEL_TOKEN_IN,
    CEL_TOKEN_EQ,
    CEL_TOKEN_NE,
    CEL_TOKEN_LE,
    CEL_TOKEN_GE,
    CEL_TOKEN_AND,
    CEL_TOKEN_OR,
};

struct cel_token {
    int kind;
    uint32_t at;
    struct str text; /* as in the source, quotes and all */
};

/* The token at or after byte `at`. */
int cel_lex(struct str source, uint32_t at, struct cel_token *ret_token, struct err *reterr);

/* The value of a STRING or BYTES token. */
int cel_unquote(
        struct arena *a, const struct cel_token *token, struct str *ret_value, struct err *reterr);

#endif
