/* dra/program.c - expressions, compiled once, and their verdicts on devices.  Pure.
 *
 * A verdict depends on the expression and the device alone, so it is good on every node and for
 * every pod: two bits a device, in pages that exist once a device of theirs was asked for.  Errors
 * are not kept; upstream gives up on the pod then. */
#include "dra/engine-priv.h"

#include <assert.h>
#include <errno.h>

enum { VERDICT_UNKNOWN, VERDICT_NO, VERDICT_YES };

static uint32_t page_count(const struct dra_engine *e)
{
    return e->store->device_count / DRA_PAGE_DEVICES + 1;
}

void dra_programs_clear(struct dra_engine *e)
{
    for (uint32_t i = 0; i < e->program_count; i++) {
        for (uint32_t k = 0; e->programs[i].pages && k < page_count(e); k++)
            mem_free(e->programs[i].pages[k]);
        mem_free(e->programs[i].pages);
    }
    e->program_count = 0;
    map_u64_clear(&e->program_index);
    arena_reset(e->program_arena);
}

/* Types that a derived attribute may have. */
static bool derived_type(struct str name)
{
    static const char *const types[] = {"bool", "int", "string", "any", "dyn", "kubernetes.Semver"};
    if (str_starts(name, STR_LIT("list(")) && str_ends(name, STR_LIT(")")))
        name = (struct str){name.ptr + 5, name.len - 6};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_eq_c(name, types[i]))
            return true;
    }
    return false;
}

static int compile(struct dra_engine *e, struct dra_program *p, struct str text, struct err *err)
{
    if (p->typed)
        return dra_selector_compile(text, e->program_arena, &p->program, err);
    const struct cel_program *program = NULL;
    int r = cel_compile(&dra_device_env, text, e->program_arena, &program, err);
    if (r)
        return r;
    const char *type = cel_program_result_name(program);
    if (!derived_type(str_from(type))) {
        return err_set(err, -EINVAL,
                "must evaluate to a primitive scalar (string, integer, boolean, semver) or a list "
                "of these scalars, not %s",
                type);
    }
    p->program = program;
    return 0;
}

uint32_t dra_program_get(struct dra_engine *e, uint32_t expression, bool typed)
{
    uint64_t key = (uint64_t)expression << 1 | typed;
    uint32_t found = map_u64_find(&e->program_index, key);
    if (found != MAP_NONE)
        return found;
    if (e->program_count == e->program_cap) {
        e->program_cap = e->program_cap ? e->program_cap * 2 : 16;
        e->programs = mem_grow(e->programs, e->program_cap, sizeof *e->programs);
    }
    struct dra_program *p = &e->programs[e->program_count];
    *p = (struct dra_program){.typed = typed};
    struct err err = {0};
    p->code = compile(e, p, dra_name(&e->store->names, expression), &err);
    if (p->code)
        p->error = arena_printf(e->program_arena, "%s", err.text);
    (void)map_u64_set(&e->program_index, key, e->program_count);
    return e->program_count++;
}

static uint8_t *verdict_byte(struct dra_engine *e, struct dra_program *p, uint32_t number)
{
    if (!p->pages)
        p->pages = mem_alloc(page_count(e), sizeof *p->pages);
    uint8_t **page = &p->pages[number / DRA_PAGE_DEVICES];
    if (!*page)
        *page = mem_alloc(DRA_PAGE_DEVICES / 4, 1);
    return *page + number % DRA_PAGE_DEVICES / 4;
}

int dra_program_verdict(struct dra_engine *e, uint32_t program, const struct dra_device *device,
        uint32_t driver, struct err *reterr)
{
    struct dra_program *p = &e->programs[program];
    if (p->code)
        return err_set(reterr, p->code, "CEL compile error: %s", p->error);
    unsigned shift = device->number % 4 * 2;
    uint8_t *byte = verdict_byte(e, p, device->number);
    unsigned known = *byte >> shift & 3;
    if (known != VERDICT_UNKNOWN)
        return known == VERDICT_YES;
    struct dra_device_view view;
    bool match = false;
    arena_reset(e->eval);
    dra_device_view_init(&view, &e->store->names, device, driver, e->eval);
    int r = dra_selector_eval(p->program, &view, &match, NULL, reterr);
    if (r) {
        (void)err_wrap(reterr, "CEL runtime error");
        return r;
    }
    *byte = (uint8_t)(*byte | (match ? VERDICT_YES : VERDICT_NO) << shift);
    return match;
}
