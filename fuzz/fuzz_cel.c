/* CEL source: any bytes compile or give one line with a place in them; what compiles evaluates,
 * twice alike, within its cost, and is estimated and explained. */
#include "cel/cel.h"
#include "cel/guard.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool find(const struct cel_map *map, const struct cel_key *key, struct cel_value *ret_value)
{
    (void)map;
    if (!str_eq_c(key->text, "a"))
        return false;
    *ret_value = cel_int(7);
    return true;
}

static void entry(const struct cel_map *map, uint32_t index, struct cel_value *ret_key,
        struct cel_value *ret_value)
{
    (void)map;
    assert(index == 0);
    *ret_key = cel_string(STR_LIT("a"));
    if (ret_value != NULL)
        *ret_value = cel_int(7);
}

static const struct cel_map_ops ops = {.find = find, .entry = entry};
static const struct cel_decl_type text_type = {.kind = CEL_KIND_STRING, .max_elements = 10};
static const struct cel_decl_type any_type = {.kind = CEL_KIND_DYN, .max_elements = 10};
static const struct cel_decl_type map_type = {
        .kind = CEL_KIND_MAP, .max_elements = 4, .key = &text_type, .elem = &any_type};
static const struct cel_decl_type list_type = {
        .kind = CEL_KIND_LIST, .max_elements = 4, .elem = &any_type};
static const struct cel_decl_type quantity_type = {.kind = CEL_KIND_QUANTITY};
static const struct cel_decl_field fields[] = {
        {"m", &map_type}, {"l", &list_type}, {"q", &quantity_type}};
static const struct cel_decl_type object_type = {
        .kind = CEL_KIND_OBJECT, .name = "test.Object", .fields = fields, .field_count = 3};
static const struct cel_decl_var vars[] = {
        {"m", &map_type}, {"l", &list_type}, {"s", &text_type}, {"o", &object_type}};
static const struct cel_env env = {.vars = vars, .var_count = 4};

static void on_access(void *context, const struct cel_access *access)
{
    const struct str *text = context;
    assert(access->text.len > 0 && access->text.ptr >= text->ptr);
    assert(access->text.ptr + access->text.len <= text->ptr + text->len);
}

static void guards(const struct cel_program *p)
{
    static const struct cel_guard_names names = {.var = "o", .kind = "q", .maps = {"m"}};
    struct cel_guards found = {.names = &names};
    struct str text = cel_program_text(p);
    cel_guard_find(p, &found, on_access, &text);
    assert(found.key_count <= CEL_GUARD_KEYS_MAX);
}

static void run(const struct cel_program *p)
{
    guards(p);
    const struct cel_map map = {&ops, 1};
    const struct cel_value items[] = {cel_int(1), cel_string(STR_LIT("b")), cel_bool(true)};
    const struct cel_list list = {items, 3};
    const struct cel_value values[] = {
            cel_map(&map), cel_list(&list), cel_string(STR_LIT("h\xc3\xa9llo")), cel_map(&map)};
    uint64_t costs[2] = {0, 0};
    int codes[2];
    for (int i = 0; i < 2; i++) {
        struct arena *a = arena_new(16 << 20);
        struct cel_run r = {values, a, 20000};
        struct cel_value v = {0};
        struct err e = {0};
        codes[i] = cel_eval(p, &r, &v, &costs[i], &e);
        assert(codes[i] == 0 || (e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n')));
        assert(codes[i] != 0 || costs[i] <= 20000);
        if (i == 1) {
            struct cel_reason reason = {0};
            struct buf out = BUF_INIT(4096);
            (void)cel_program_estimate(p, a);
            if (cel_explain(p, &r, &reason, &e))
                assert(reason.start <= reason.end && reason.values != NULL);
            if (codes[i] == 0)
                cel_value_print(&out, v);
            buf_clear(&out);
        }
        arena_free(a);
    }
    assert(codes[0] == codes[1] && costs[0] == costs[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(256 << 20);
    struct str text = {(const char *)data, size};
    const struct cel_program *p = NULL;
    struct err e = {0};
    if (size > 2000) {
        arena_free(a);
        return 0;
    }
    if (cel_compile(&env, text, a, &p, &e) == 0) {
        run(p);
    } else {
        struct buf out = BUF_INIT(1 << 16);
        assert(e.code < 0 && e.text[0] != '\0' && !strchr(e.text, '\n') && e.pos <= size);
        cel_error_print(&out, text, &e);
        buf_clear(&out);
    }
    arena_free(a);
    return 0;
}
