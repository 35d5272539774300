/* dra/names.c - interned strings.  Pure. */
#include "dra/names.h"

#include <assert.h>

void dra_names_clear(struct dra_names *n)
{
    map_str_clear(&n->map);
}

uint32_t dra_names_add(struct dra_names *n, struct str text)
{
    if (text.len == 0)
        return 0;
    uint32_t found = map_str_find(&n->map, text);
    if (found != MAP_NONE)
        return found;
    uint32_t name = n->map.entry_count + 1;
    (void)map_str_set(&n->map, text, name);
    return name;
}

uint32_t dra_names_find(const struct dra_names *n, struct str text)
{
    if (text.len == 0)
        return 0;
    return map_str_find(&n->map, text);
}

struct str dra_name(const struct dra_names *n, uint32_t name)
{
    if (name == 0)
        return STR_LIT("");
    assert(name <= n->map.entry_count);
    return n->map.keys[name - 1];
}
