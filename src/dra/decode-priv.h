/* dra/decode-priv.h - reading members of a document with the path for errors.
 *
 * The first error sticks in `code`; later calls return empty values, so a decoder checks once, at
 * its end. */
#ifndef DRA_DECODE_PRIV_H
#define DRA_DECODE_PRIV_H

#include "base/doc.h"
#include "dra/store.h"

/* Where in a document something stands: "spec.devices[3].attributes[model].string". */
struct dra_at {
    const struct dra_at *up;
    const char *field; /* a member by that name */
    struct str key;    /* with `keyed`: a map's entry */
    uint32_t index;    /* with `indexed`: a list's item */
    bool keyed, indexed;
    const struct doc *doc; /* NULL when it is not there, or null */
};

struct dra_dec {
    struct dra_store *s;
    struct err *err;
    int code;
};

struct dra_at dra_at_root(const struct doc *doc);
struct dra_at dra_at_field(const struct dra_at *up, const char *field);
struct dra_at dra_at_item(const struct dra_at *up, uint32_t index); /* of an array or object */

/* The path, "spec.devices[3].name", into `ret_text`; returns it. */
enum { DRA_PATH_MAX = 256 };
const char *dra_at_path(const struct dra_at *at, char *ret_text);

/* Records the first error: "PATH: text", with the line in front where the document has lines. */
void dra_dec_fail(struct dra_dec *d, const struct dra_at *at, int code, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* Members of `at`; absent gives 0, "", false. */
struct str dra_dec_text(struct dra_dec *d, const struct dra_at *at, const char *field);
uint32_t dra_dec_name(struct dra_dec *d, const struct dra_at *at, const char *field);
int64_t dra_dec_int(struct dra_dec *d, const struct dra_at *at, const char *field, int64_t absent);
bool dra_dec_bool(struct dra_dec *d, const struct dra_at *at, const char *field, bool *ret_present);
bool dra_dec_quantity(
        struct dra_dec *d, const struct dra_at *at, const char *field, struct quantity *ret);
struct dra_name_list dra_dec_names(struct dra_dec *d, const struct dra_at *at, const char *field);

/* `at` itself, which must be a scalar of that kind. */
struct str dra_dec_scalar_text(struct dra_dec *d, const struct dra_at *at);
int64_t dra_dec_scalar_int(struct dra_dec *d, const struct dra_at *at);
bool dra_dec_scalar_bool(struct dra_dec *d, const struct dra_at *at);
void dra_dec_scalar_quantity(struct dra_dec *d, const struct dra_at *at, struct quantity *ret);

/* How many members `at` has; it must be a list (or an object), absent gives 0. */
uint32_t dra_dec_list(struct dra_dec *d, const struct dra_at *at);
uint32_t dra_dec_map(struct dra_dec *d, const struct dra_at *at);

/* `count` zeroed objects, or NULL with an error when the store is full. */
void *dra_dec_alloc(struct dra_dec *d, size_t count, size_t size);

const struct dra_node_selector *dra_dec_node_selector(struct dra_dec *d, const struct dra_at *at);
void dra_dec_taint(struct dra_dec *d, const struct dra_at *at, struct dra_taint *ret);

/* decode_device.c, decode_slice.c, decode_claim.c */
void dra_dec_device(struct dra_dec *d, const struct dra_at *at, struct dra_slice *slice,
        struct dra_device *ret);
const struct dra_counters *dra_dec_counters(struct dra_dec *d, const struct dra_at *at);
void dra_dec_slice(struct dra_dec *d, const struct dra_at *root);
const struct dra_config *dra_dec_configs(
        struct dra_dec *d, const struct dra_at *at, uint32_t *ret_count);
const struct dra_selector *dra_dec_selectors(
        struct dra_dec *d, const struct dra_at *owner, uint32_t *ret_count);
const struct dra_version *dra_dec_version(struct dra_dec *d, struct str text);
void dra_dec_class(struct dra_dec *d, const struct dra_at *root);
void dra_dec_claim(struct dra_dec *d, const struct dra_at *root, bool is_template);
void dra_dec_rule(struct dra_dec *d, const struct dra_at *root);
void dra_dec_node(struct dra_dec *d, const struct dra_at *root);
void dra_dec_pod(struct dra_dec *d, const struct dra_at *root);

/* Splits "domain/id" at the first '/'; without one the domain is empty. */
void dra_split_name(struct str text, struct str *ret_domain, struct str *ret_id);

#endif
