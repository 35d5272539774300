/* dra/validate-priv.h - what the checks of objects share. */
#ifndef DRA_VALIDATE_PRIV_H
#define DRA_VALIDATE_PRIV_H

#include "base/quantity.h"
#include "dra/decode-priv.h"
#include "dra/validate.h"

struct dra_check {
    dra_problem_fn *on_problem;
    void *context;
    struct err *err;
    uint32_t count;
    bool stop; /* without on_problem, after the first */
};

/* "Invalid value: ..." and the like at `at`. */
void dra_problem(struct dra_check *c, const struct dra_at *at, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void dra_invalid(struct dra_check *c, const struct dra_at *at, const char *why);

bool dra_is_string(struct dra_check *c, const struct dra_at *at); /* reports another kind */
/* The text of a string member; "" when absent.  Reports "Required value" with `required`. */
struct str dra_member(struct dra_check *c, const struct dra_at *at, const char *field,
        bool required, struct dra_at *ret_at);
uint32_t dra_items(struct dra_check *c, const struct dra_at *at, uint32_t most); /* of a list */
uint32_t dra_entries(struct dra_check *c, const struct dra_at *at);              /* of a map */
void dra_check_unique(struct dra_check *c, const struct dra_at *list, const char *field);

bool dra_is_label(struct str s);
void dra_check_label(struct dra_check *c, const struct dra_at *at); /* RFC 1123 label */
void dra_check_label_key(struct dra_check *c, const struct dra_at *at, struct str key);
void dra_check_label_value(struct dra_check *c, const struct dra_at *at, struct str value);
void dra_check_subdomain(struct dra_check *c, const struct dra_at *at, size_t most);
void dra_check_name(struct dra_check *c, const struct dra_at *at); /* the same; "" when absent */
void dra_check_driver(struct dra_check *c, const struct dra_at *at);
void dra_check_pool(struct dra_check *c, const struct dra_at *at);
void dra_check_qualified(struct dra_check *c, const struct dra_at *at, struct str name, bool full);
bool dra_check_quantity(struct dra_check *c, const struct dra_at *at, struct quantity *ret);
bool dra_check_amount(struct dra_check *c, const struct dra_at *at, struct quantity *ret);
bool dra_check_integer(struct dra_check *c, const struct dra_at *at, int64_t *ret);
bool dra_check_bool(struct dra_check *c, const struct dra_at *at);
void dra_check_taint(struct dra_check *c, const struct dra_at *at);
/* selector: it must be a bool; else an attribute's, of any type. */
void dra_check_expression(struct dra_check *c, const struct dra_at *at, bool selector);
void dra_check_selectors(struct dra_check *c, const struct dra_at *owner);
void dra_check_opaque(struct dra_check *c, const struct dra_at *item);
void dra_check_node_selector(struct dra_check *c, const struct dra_at *at, bool one_term);

void dra_check_slice(struct dra_check *c, const struct dra_at *root);
void dra_check_device(struct dra_check *c, const struct dra_at *at, bool per_device);
void dra_check_claim_spec(struct dra_check *c, const struct dra_at *spec);

#endif
