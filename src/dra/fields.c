/* dra/fields.c - the walk of a document along the table of known fields.  Pure. */
#include "dra/fields.h"

#include "dra/fields-priv.h"

#include <inttypes.h>
#include <stdio.h>

/* A map's key has at most 317 bytes (a domain, '/', a name); two of them fit a path. */
enum { PATH_BYTES_MAX = 1024, KEY_SHOWN_MAX = 320 };

/* A field, a map's key or, with `indexed`, an item of a list. */
struct step {
    const struct step *up;
    struct str name;
    uint32_t index;
    bool indexed;
};

struct walk {
    dra_problem_fn *on_problem;
    void *context;
};

static size_t path_print(const struct step *at, char *text, size_t room)
{
    if (!at)
        return 0;
    size_t len = path_print(at->up, text, room);
    struct str name = at->name;
    if (name.len > KEY_SHOWN_MAX)
        name.len = str_utf8_prefix((struct str){name.ptr, KEY_SHOWN_MAX});
    int added = at->indexed ? snprintf(text + len, room - len, "[%" PRIu32 "]", at->index)
                            : snprintf(text + len, room - len, "%s%.*s", at->up ? "." : "",
                                      STR_ARG(name));
    size_t total = len + (added > 0 ? (size_t)added : 0);
    return total < room ? total : room - 1;
}

static void unknown(struct walk *w, const struct doc *member, const struct dra_shape *shape,
        const struct step *at)
{
    char path[PATH_BYTES_MAX] = "";
    char text[ERR_TEXT_MAX];
    const char *nearest = str_nearest(member->key, shape->names);
    (void)path_print(at, path, sizeof path);
    (void)snprintf(text, sizeof text, "strict decoding error: unknown field%s%s%s",
            nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    w->on_problem(w->context, member->key_line, path, text);
}

/* The place of `name` among the fields, or that of the NULL behind them. */
static size_t field_index(const struct dra_shape *shape, struct str name)
{
    size_t i = 0;
    while (shape->names[i] && !str_eq_c(name, shape->names[i]))
        i++;
    return i;
}

/* Goes as deep as the shape: content of another kind than its type's is for others to refuse. */
static void look(
        struct walk *w, const struct doc *doc, const struct dra_shape *shape, const struct step *up)
{
    bool list = shape && shape->kind == DRA_SHAPE_LIST;
    if (!shape || doc->kind != (list ? DOC_ARRAY : DOC_OBJECT))
        return;
    for (uint32_t i = 0; i < doc->count; i++) {
        const struct doc *child = &doc->first[i];
        struct step at = {.up = up, .name = child->key, .index = i, .indexed = list};
        if (shape->kind != DRA_SHAPE_OBJECT) {
            look(w, child, shape->of, &at);
            continue;
        }
        size_t field = field_index(shape, child->key);
        if (shape->names[field]) {
            look(w, child, shape->shapes[field], &at);
        } else {
            unknown(w, child, shape, &at);
        }
    }
}

static struct str text_of(const struct doc *object, const char *field)
{
    const struct doc *member = doc_get(object, field);
    return member && member->kind == DOC_STRING ? member->text : STR_LIT("");
}

static void look_root(struct walk *w, const struct doc *doc, const struct step *up)
{
    struct str kind = text_of(doc, "kind");
    struct str version = text_of(doc, "apiVersion");
    for (const struct dra_root *root = dra_roots; root->version; root++) {
        if (str_eq_c(kind, root->kind) && str_eq_c(version, root->version))
            look(w, doc, root->shape, up);
    }
    const struct doc *items = doc_get(doc, "items");
    if (!str_ends(kind, STR_LIT("List")) || !items || items->kind != DOC_ARRAY)
        return;
    struct step list = {.up = up, .name = STR_LIT("items")};
    for (uint32_t i = 0; i < items->count; i++) {
        struct step at = {.up = &list, .index = i, .indexed = true};
        look_root(w, &items->first[i], &at);
    }
}

void dra_fields_check(const struct doc *doc, dra_problem_fn *on_problem, void *context)
{
    struct walk w = {on_problem, context};
    look_root(&w, doc, NULL);
}
