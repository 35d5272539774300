/* kube/item-priv.h - parsing items one after the other in reused memory, for the watch. */
#ifndef KUBE_ITEM_PRIV_H
#define KUBE_ITEM_PRIV_H

#include "kube/item.h"

#include <yyjson.h>

/* Zero-initialise; clear frees.  Holds one parsed value at a time. */
struct item_parser {
    void *pool; /* memory for values of small items */
    size_t pool_bytes;
    yyjson_doc *doc;
};

/* Parses `text`; the value lives until the next parse.  -EINVAL with the place. */
int item_parser_parse(
        struct item_parser *p, struct str text, struct kube_value *ret_value, struct err *reterr);
void item_parser_clear(struct item_parser *p);

/* Reads the metadata of an object into an item.  -EINVAL: it has no name, or no metadata. */
int item_from_value(struct kube_value value, struct kube_item *ret_item, struct err *reterr);

#endif
