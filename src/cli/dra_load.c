/* cli/dra_load.c - the objects of `slicewright dra`: documents, validation, nodes and claims. */
#include "cli/dra.h"
#include "dra/extended.h"
#include "dra/validate.h"
#include "os/file.h"

#include <errno.h>
#include <string.h>

enum { FILE_BYTES_MAX = 256 << 20, LINES_PADDED_MAX = 100000 };

/* The next YAML document of `rest`, without its "---" line; false at the end. */
static bool next_document(struct str *rest, struct str *ret)
{
    if (rest->len == 0)
        return false;
    size_t end = 0;
    size_t after = rest->len;
    while (end < rest->len) {
        struct str line = {rest->ptr + end, rest->len - end};
        const char *feed = memchr(line.ptr, '\n', line.len);
        size_t len = feed ? (size_t)(feed - line.ptr) + 1 : line.len;
        if (str_starts(line, STR_LIT("---")) && (len == 3 || strchr(" \t\r\n#", line.ptr[3]))) {
            after = end + len;
            break;
        }
        end += len;
    }
    *ret = (struct str){rest->ptr, end < rest->len ? end : rest->len};
    *rest = (struct str){rest->ptr + after, rest->len - after};
    return true;
}

/* True when there is nothing but blanks and comments. */
static bool blank(struct str text)
{
    struct str line;
    while (str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.len > 0 && line.ptr[0] != '#')
            return false;
    }
    return true;
}

static uint32_t lines(struct str text)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

/* `text` behind as many line feeds as there were lines before it, so that marks are the file's. */
static struct str at_line(struct str text, uint32_t line, struct buf *ret_padded)
{
    *ret_padded = BUF_INIT(FILE_BYTES_MAX + LINES_PADDED_MAX);
    for (uint32_t i = 0; i < line && line <= LINES_PADDED_MAX; i++)
        buf_putc(ret_padded, '\n');
    buf_put(ret_padded, text);
    return buf_str(ret_padded);
}

static int read_document(
        struct str text, uint32_t line, cli_dra_visit *visit, void *context, struct err *reterr)
{
    struct arena *arena = arena_new(0);
    struct buf padded = {0};
    const struct doc *doc = NULL;
    struct str start = str_trim(text);
    bool json = start.len > 0 && start.ptr[0] == '{';
    int r = json ? doc_parse_json(arena, text, FILE_BYTES_MAX, &doc, reterr)
                 : doc_parse_yaml(arena, at_line(text, line, &padded),
                           FILE_BYTES_MAX + LINES_PADDED_MAX, &doc, reterr);
    r = r ? r : visit(context, doc, reterr);
    buf_clear(&padded);
    (void)arena_free(arena);
    return r;
}

int cli_dra_read(const char *path, cli_dra_visit *visit, void *context, struct err *reterr)
{
    struct buf content = {0};
    int r = os_file_read(path, FILE_BYTES_MAX, &content, reterr);
    if (r)
        return r;
    struct str rest = buf_str(&content);
    struct str text;
    const char *counted = rest.ptr;
    uint32_t before = 0;
    while (!r && next_document(&rest, &text)) {
        before += lines((struct str){counted, (size_t)(text.ptr - counted)});
        counted = text.ptr;
        if (blank(text))
            continue;
        r = read_document(text, before, visit, context, reterr);
        if (r)
            (void)err_wrap(reterr, "%s", path);
    }
    buf_clear(&content);
    return r;
}

int cli_dra_read_one(
        const char *path, struct arena *arena, const struct doc **ret_doc, struct err *reterr)
{
    struct buf content = {0};
    int r = os_file_read(path, FILE_BYTES_MAX, &content, reterr);
    if (r)
        return r;
    r = doc_parse_yaml(arena, buf_str(&content), FILE_BYTES_MAX, ret_doc, reterr);
    if (r)
        (void)err_wrap(reterr, "%s", path);
    buf_clear(&content);
    return r;
}

static int add_document(void *context, const struct doc *doc, struct err *reterr)
{
    int r = dra_validate(doc, NULL, NULL, reterr);
    return r ? r : dra_store_add(context, doc, reterr);
}

void cli_dra_nodes_make_up(struct dra_store *s)
{
    struct map_u64 known = {0};
    for (uint32_t i = 0; i < s->nodes.count; i++)
        (void)map_u64_set(&known, dra_node_at(s, i)->name, 1);
    for (uint32_t i = 0; i < s->slices.count; i++) {
        const struct dra_slice *slice = dra_slice_at(s, i);
        for (uint32_t d = 0; d <= slice->device_count; d++) {
            uint32_t name = d == slice->device_count  ? slice->node_name
                            : slice->devices[d].extra ? slice->devices[d].extra->node_name
                                                      : 0;
            if (name == 0 || map_u64_set(&known, name, 1) != MAP_NONE)
                continue;
            struct dra_node *node = ARENA_NEW(s->arena, struct dra_node);
            node->name = name;
            dra_refs_add(&s->nodes, node);
        }
    }
    map_u64_clear(&known);
}

static const struct dra_claim *claim_find(
        const struct dra_store *s, uint32_t namespace_name, uint32_t name, bool is_template)
{
    for (uint32_t i = 0; name != 0 && i < s->claims.count; i++) {
        const struct dra_claim *claim = dra_claim_at(s, i);
        if (claim->namespace_name == namespace_name && claim->name == name &&
                claim->is_template == is_template)
            return claim;
    }
    return NULL;
}

/* "NS/NAME", or "NAME" in any namespace. */
static bool is_named(
        const struct dra_names *n, uint32_t namespace_name, uint32_t name, const char *text)
{
    struct str rest = str_from(text);
    struct str first;
    (void)str_split(&rest, '/', &first);
    if (rest.len == 0)
        return str_eq(first, dra_name(n, name));
    return str_eq(first, dra_name(n, namespace_name)) && str_eq(rest, dra_name(n, name));
}

/* The claims of a pod, in its order, as the scheduler hands them to the allocator: those that have
 * no devices yet; before a claim was made of a template, what it will say. */
static int pod_claims(struct cli_dra_world *w, const struct dra_pod *pod, struct err *reterr)
{
    const struct dra_store *s = w->store;
    for (uint32_t i = 0; i < pod->claim_count; i++) {
        const struct dra_pod_claim *of = &pod->claims[i];
        if (!of->claim && !of->from_template)
            continue;
        const struct dra_claim *claim = claim_find(s, pod->namespace_name, of->claim, false);
        if (!claim && of->from_template)
            claim = claim_find(s, pod->namespace_name, of->from_template, true);
        if (!claim) {
            uint32_t missing = of->claim ? of->claim : of->from_template;
            return err_set(reterr, -EINVAL, "%s: pod %.*s: there is no claim %.*s", w->from,
                    STR_ARG_SHORT(dra_name(&s->names, pod->name)),
                    STR_ARG_SHORT(dra_name(&s->names, missing)));
        }
        if (!claim->has_allocation)
            w->claims[w->claim_count++] = claim;
    }
    return 0;
}

static int choose_pod(const struct cli_dra_options *o, struct cli_dra_world *w, struct err *reterr)
{
    struct dra_store *s = w->store;
    for (uint32_t i = 0; i < s->pods.count && !w->pod; i++) {
        const struct dra_pod *pod = s->pods.items[i];
        if (is_named(&s->names, pod->namespace_name, pod->name, o->pod))
            w->pod = pod;
    }
    if (!w->pod) {
        return err_set(
                reterr, -EINVAL, "%s: no %spod %s", w->from, o->file ? "" : "pending ", o->pod);
    }
    w->claims = ARENA_ARRAY(s->arena, const struct dra_claim *, w->pod->claim_count + 1);
    int r = pod_claims(w, w->pod, reterr);
    const struct dra_claim *extended = r ? NULL : dra_extended_claim(s, w->pod);
    if (extended && !w->pod->has_extended)
        w->claims[w->claim_count++] = extended;
    if (r == 0 && w->claim_count == 0)
        return err_set(reterr, -ENODATA, "%s: pod %s waits for no device", w->from, o->pod);
    return r;
}

static int choose_claims(
        const struct cli_dra_options *o, struct cli_dra_world *w, struct err *reterr)
{
    struct dra_store *s = w->store;
    w->claims = ARENA_ARRAY(s->arena, const struct dra_claim *, s->claims.count + s->pods.count);
    for (uint32_t i = 0; i < s->claims.count; i++) {
        const struct dra_claim *claim = dra_claim_at(s, i);
        if (o->claim ? is_named(&s->names, claim->namespace_name, claim->name, o->claim)
                     : !claim->has_allocation && !claim->is_template)
            w->claims[w->claim_count++] = claim;
    }
    for (uint32_t i = 0; i < s->pods.count && !o->claim; i++) {
        const struct dra_pod *pod = s->pods.items[i];
        const struct dra_claim *claim = pod->has_extended ? NULL : dra_extended_claim(s, pod);
        if (claim)
            w->claims[w->claim_count++] = claim;
    }
    if (w->claim_count > 0)
        return 0;
    return o->claim ? err_set(reterr, -EINVAL, "%s: no claim %s", w->from, o->claim)
                    : err_set(reterr, o->file ? -EINVAL : -ENODATA, "%s: no unallocated claim",
                              w->from);
}

static int choose_nodes(
        const struct cli_dra_options *o, struct cli_dra_world *w, struct err *reterr)
{
    struct dra_store *s = w->store;
    if (o->file)
        cli_dra_nodes_make_up(s);
    w->nodes = ARENA_ARRAY(s->arena, const struct dra_node *, s->nodes.count + 1);
    for (uint32_t i = 0; i < s->nodes.count; i++) {
        if (!o->node || str_eq_c(dra_name(&s->names, dra_node_at(s, i)->name), o->node))
            w->nodes[w->node_count++] = dra_node_at(s, i);
    }
    if (w->node_count > 0)
        return 0;
    return o->node ? err_set(reterr, -EINVAL, "%s: no node %s", w->from, o->node)
                   : err_set(reterr, -EINVAL,
                             "%s: no Node, and no slice that names one; add one, or --node",
                             w->from);
}

static int read_objects(
        const struct cli_dra_options *o, struct cli_dra_world *w, struct err *reterr)
{
    w->from = o->file;
    if (!o->file)
        return cli_dra_read_live(o, w->store, &w->from, reterr);
    if (o->kubeconfig || o->context)
        return err_set(reterr, -EINVAL, "--file excludes --kubeconfig and --context");
    return cli_dra_read(o->file, add_document, w->store, reterr);
}

int cli_dra_load(
        const struct cli_dra_options *o, struct cli_dra_world *ret_world, struct err *reterr)
{
    *ret_world = (struct cli_dra_world){.store = dra_store_new(0)};
    if (o->claim && o->pod)
        return err_set(reterr, -EINVAL, "--claim and --pod exclude each other");
    int r = read_objects(o, ret_world, reterr);
    if (r)
        return r;
    dra_store_apply_rules(ret_world->store);
    r = choose_nodes(o, ret_world, reterr);
    if (r)
        return r;
    return o->pod ? choose_pod(o, ret_world, reterr) : choose_claims(o, ret_world, reterr);
}

void cli_dra_clear(struct cli_dra_world *world)
{
    world->store = dra_store_free(world->store);
}

struct dra_engine *cli_dra_engine(
        const struct cli_dra_options *o, const struct cli_dra_world *world, struct err *reterr)
{
    struct dra_setup setup = {.variant = (enum dra_variant)o->variant, .step_limit = o->steps};
    setup.features = dra_variant_features(setup.variant);
    struct dra_engine *e = dra_engine_new(world->store, &setup);
    for (uint32_t i = 0; i < world->store->claims.count; i++) {
        const struct dra_claim *claim = dra_claim_at(world->store, i);
        bool asked = false; /* one that is asked about does not stand in its own way */
        for (uint32_t k = 0; k < world->claim_count; k++)
            asked = asked || world->claims[k] == claim;
        if (!asked && dra_engine_take(e, claim, reterr))
            return dra_engine_free(e);
    }
    return e;
}
