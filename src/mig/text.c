/* mig/text.c - reading layouts as people write them, and drawing them.  Pure. */
#include "mig/text.h"

#include "mig/place.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { ITEM_BYTES_SHOWN_MAX = 64 };

/* One item of the text, and where it stands. */
struct item_text {
    struct str whole; /* for messages */
    struct str rest;  /* what is not parsed yet */
    uint32_t pos;
};

static struct str shown(const struct item_text *it)
{
    struct str s = it->whole;
    s.len = s.len > ITEM_BYTES_SHOWN_MAX ? ITEM_BYTES_SHOWN_MAX : s.len;
    return s;
}

/* Takes "<digits><mark>" off the front of the rest: 1 = taken, 0 = not there. */
static int take_number(struct item_text *it, char mark, uint64_t *ret_value)
{
    size_t digits = 0;
    while (digits < it->rest.len && it->rest.ptr[digits] >= '0' && it->rest.ptr[digits] <= '9')
        digits++;
    if (digits == 0 || digits >= it->rest.len || it->rest.ptr[digits] != mark)
        return 0;
    if (str_to_u64((struct str){it->rest.ptr, digits}, 0, UINT32_MAX, ret_value) < 0)
        *ret_value = UINT32_MAX; /* out of range, as the caller will say */
    it->rest.ptr += digits + 1;
    it->rest.len -= digits + 1;
    return 1;
}

/* Takes "@START" and "*" off the end of the rest. */
static int take_endings(const struct mig_model *model, struct item_text *it, struct mig_item *item,
        struct err *reterr)
{
    item->start = MIG_START_ANY;
    if (str_ends(it->rest, STR_LIT("*"))) {
        item->in_use = true;
        it->rest.len--;
    }
    const char *at = it->rest.len > 0 ? memchr(it->rest.ptr, '@', it->rest.len) : NULL;
    if (at == NULL)
        return 0;
    size_t before = (size_t)(at - it->rest.ptr);
    struct str number = {at + 1, it->rest.len - before - 1};
    uint64_t start = 0;
    /* A unit that the GPU does not have is a rule broken, not bad form: the layout will say so. */
    if (str_to_u64(number, 0, MIG_START_ANY - 1, &start) < 0) {
        return err_set_at(reterr, -EINVAL, it->pos,
                "'%.*s': expected a memory unit of %s, 0 to %u, after '@'", STR_ARG(shown(it)),
                model->key, model->units - 1u);
    }
    item->start = (uint8_t)start;
    it->rest.len = before;
    return 0;
}

static int check_compute(const struct mig_model *model, const struct item_text *it,
        const struct mig_item *item, uint64_t slices, struct err *reterr)
{
    const struct mig_profile *profile = &model->profiles[item->profile];
    if (slices <= MIG_COMPUTE_MAX && (profile->compute_instances & 1u << slices))
        return 0;
    char list[4 * MIG_COMPUTE_MAX + 1] = "";
    size_t len = 0;
    for (unsigned c = 1; c <= MIG_COMPUTE_MAX; c++) {
        if (profile->compute_instances & 1u << c) {
            list[len++] = ' ';
            list[len++] = (char)('0' + c);
            list[len++] = 'c';
        }
    }
    return err_set_at(reterr, -EINVAL, it->pos,
            "'%.*s': no such compute instance in %s: expected one of%s", STR_ARG(shown(it)),
            profile->name, list);
}

static int parse_item(const struct mig_model *model, struct item_text *it,
        struct mig_item *ret_item, uint64_t *ret_times, struct err *reterr)
{
    struct mig_item item = {0};
    uint64_t times = 1, slices = 0;
    (void)take_number(it, 'x', &times);
    if (times < 1 || times > MIG_TEXT_ITEMS_MAX) {
        return err_set_at(reterr, -EINVAL, it->pos, "'%.*s': expected 1 to %d in front of 'x'",
                STR_ARG(shown(it)), MIG_TEXT_ITEMS_MAX);
    }
    int r = take_endings(model, it, &item, reterr);
    if (r < 0)
        return r;
    bool has_compute = it->rest.len > 0 && take_number(it, 'c', &slices) != 0;
    if (has_compute) {
        if (!str_starts(it->rest, STR_LIT("."))) {
            return err_set_at(reterr, -EINVAL, it->pos,
                    "'%.*s': expected a form such as '1c.3g.20gb'", STR_ARG(shown(it)));
        }
        it->rest.ptr++;
        it->rest.len--;
    }
    unsigned profile = 0;
    r = mig_profile_find(model, it->rest, &profile, reterr);
    if (r < 0) {
        if (reterr != NULL)
            reterr->pos = it->pos;
        return r;
    }
    item.profile = (uint8_t)profile;
    if (has_compute && (r = check_compute(model, it, &item, slices, reterr)) < 0)
        return r;
    if (times > 1 && item.start != MIG_START_ANY && !has_compute) {
        return err_set_at(reterr, -EINVAL, it->pos,
                "'%.*s': several instances cannot begin at one unit: expected 'x' or '@', not both",
                STR_ARG(shown(it)));
    }
    item.compute_slices = (uint8_t)slices;
    if (slices == model->profiles[profile].compute_slices)
        item.compute_slices = 0; /* it fills its GPU instance, as one without "Cc." does */
    *ret_item = item;
    *ret_times = times;
    return 0;
}

int mig_wish_parse(const struct mig_model *model, struct str text, struct mig_wish *ret_wish,
        struct err *reterr)
{
    assert(model->profile_count > 0);
    if (text.len > MIG_TEXT_BYTES_MAX) {
        return err_set(reterr, -E2BIG, "layout text of %zu bytes: expected at most %d", text.len,
                MIG_TEXT_BYTES_MAX);
    }
    struct mig_wish wish = {.model = model};
    struct str trimmed = str_trim(text), part;
    if (trimmed.len == 0 || str_eq_c(trimmed, "none")) {
        *ret_wish = wish;
        return 0;
    }
    const char *begin = text.ptr;
    while (str_split(&text, ',', &part)) {
        struct str whole = str_trim(part);
        struct item_text it = {whole, whole, (uint32_t)(part.ptr - begin)};
        struct mig_item item;
        uint64_t times = 1;
        if (whole.len == 0) {
            return err_set_at(reterr, -EINVAL, it.pos,
                    "an item of the layout is empty: expected a form such as '3g.20gb,1g.5gb'");
        }
        int r = parse_item(model, &it, &item, &times, reterr);
        if (r < 0)
            return r;
        if (wish.count + times > MIG_TEXT_ITEMS_MAX) {
            return err_set_at(reterr, -E2BIG, it.pos, "more than %d instances: %s holds at most %u",
                    MIG_TEXT_ITEMS_MAX, model->key, model->compute_slices);
        }
        for (uint64_t i = 0; i < times; i++)
            wish.items[wish.count++] = item;
    }
    *ret_wish = wish;
    return 0;
}

/* A GPU instance that is divided into compute instances. */
struct divided {
    uint8_t profile, start, slices_used;
    bool in_use;
};

/* Puts a compute instance into the first GPU instance of its profile that has slices left; one with
 * a fixed start only into the one that begins there.  Returns false when that one is full. */
static bool put_compute(struct divided *list, unsigned *count, const struct mig_model *model,
        const struct mig_item *item)
{
    unsigned size = model->profiles[item->profile].compute_slices;
    for (unsigned i = 0; i < *count; i++) {
        struct divided *d = &list[i];
        bool here = item->start == MIG_START_ANY || item->start == d->start;
        if (d->profile != item->profile || !here)
            continue;
        if (d->slices_used + item->compute_slices <= size) {
            d->slices_used = (uint8_t)(d->slices_used + item->compute_slices);
            d->in_use |= item->in_use;
            return true;
        }
        if (item->start != MIG_START_ANY)
            return false;
    }
    list[(*count)++] =
            (struct divided){item->profile, item->start, item->compute_slices, item->in_use};
    return true;
}

/* Gathers the compute instances: those with a fixed start first, then large before small, which
 * needs the fewest GPU instances at these sizes. */
static int gather_compute(
        const struct mig_wish *wish, struct divided *list, unsigned *ret_count, struct err *reterr)
{
    unsigned count = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned slices = MIG_COMPUTE_MAX; slices > 0; slices--) {
            for (unsigned i = 0; i < wish->count; i++) {
                const struct mig_item *item = &wish->items[i];
                if (item->compute_slices != slices || (item->start == MIG_START_ANY) != (pass == 1))
                    continue;
                if (put_compute(list, &count, wish->model, item))
                    continue;
                const struct mig_profile *profile = &wish->model->profiles[item->profile];
                return err_set(reterr, -ENOSPC,
                        "the compute instances in %s@%u take more than its %u slices",
                        profile->name, item->start, profile->compute_slices);
            }
        }
    }
    *ret_count = count;
    return 0;
}

/* Adds one GPU instance, fixed or free. */
static int add_part(struct mig_wish_parts *parts, struct mig_instance inst, enum mig_rule *ret_rule,
        struct err *reterr)
{
    if (inst.start != MIG_START_ANY)
        return mig_layout_add(&parts->fixed, inst, ret_rule, reterr);
    parts->add.n[inst.profile]++;
    parts->add_in_use.n[inst.profile] =
            (uint8_t)(parts->add_in_use.n[inst.profile] + (inst.in_use ? 1 : 0));
    return 0;
}

int mig_wish_split(const struct mig_wish *wish, struct mig_wish_parts *ret_parts,
        enum mig_rule *ret_rule, struct err *reterr)
{
    struct mig_wish_parts parts = {0};
    struct divided divided[MIG_TEXT_ITEMS_MAX];
    unsigned divided_count = 0;
    mig_layout_init(&parts.fixed, wish->model);
    int r = gather_compute(wish, divided, &divided_count, reterr);
    if (r < 0) {
        if (ret_rule != NULL)
            *ret_rule = MIG_RULE_COMPUTE;
        return r;
    }
    for (unsigned i = 0; i < wish->count; i++) {
        const struct mig_item *item = &wish->items[i];
        struct mig_instance inst = {item->profile, item->start, item->in_use};
        if (item->compute_slices == 0 && (r = add_part(&parts, inst, ret_rule, reterr)) < 0)
            return r;
    }
    for (unsigned i = 0; i < divided_count; i++) {
        const struct divided *d = &divided[i];
        struct mig_instance inst = {d->profile, d->start, d->in_use};
        if ((r = add_part(&parts, inst, ret_rule, reterr)) < 0)
            return r;
    }
    if (ret_rule != NULL)
        *ret_rule = MIG_RULE_OK;
    *ret_parts = parts;
    return 0;
}

int mig_wish_place(const struct mig_wish *wish, struct mig_layout *ret_layout,
        enum mig_rule *ret_rule, struct err *reterr)
{
    struct mig_wish_parts parts;
    struct mig_layout layout;
    int r = mig_wish_split(wish, &parts, ret_rule, reterr);
    if (r < 0)
        return r;
    r = mig_place(&parts.fixed, &parts.add, &layout, ret_rule, reterr);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < layout.count; i++) {
        struct mig_instance *inst = &layout.instances[i];
        bool was_fixed = mig_layout_find(&parts.fixed, inst->profile, inst->start) >= 0;
        if (!was_fixed && parts.add_in_use.n[inst->profile] > 0) {
            inst->in_use = true;
            parts.add_in_use.n[inst->profile]--;
        }
    }
    *ret_layout = layout;
    return 0;
}

/* What a drawing shows from one unit on: an instance, or one free unit ("-" when lost). */
struct cell {
    const char *name;
    unsigned units;
    bool in_use;
};

/* Free units that nothing can take any more while the instances stay. */
static uint16_t dead_units(const struct mig_layout *layout)
{
    const struct mig_model *model = layout->model;
    uint16_t alive = layout->used;
    for (unsigned p = 0; p < model->profile_count; p++) {
        unsigned left = mig_layout_fits(model, layout->used, &layout->counts, p);
        for (; left != 0; left &= left - 1)
            alive |= mig_run_mask(&model->profiles[p], (unsigned)__builtin_ctz(left));
    }
    return (uint16_t)~alive;
}

static struct cell cell_at(const struct mig_layout *layout, unsigned unit)
{
    for (unsigned i = 0; i < layout->count; i++) {
        const struct mig_instance *inst = &layout->instances[i];
        const struct mig_profile *profile = &layout->model->profiles[inst->profile];
        if (inst->start == unit)
            return (struct cell){profile->name, profile->units, inst->in_use};
    }
    return (struct cell){dead_units(layout) & 1u << unit ? "-" : "", 1, false};
}

/* Columns of one unit, its left border included, so that every name has room. */
static unsigned unit_columns(const struct mig_layout *layout)
{
    unsigned columns = 6;
    struct cell c;
    for (unsigned u = 0; u < layout->model->units; u += c.units) {
        c = cell_at(layout, u);
        unsigned need = (unsigned)strlen(c.name) + (c.in_use ? 1 : 0) + 3;
        while (columns * c.units < need)
            columns++;
    }
    return columns;
}

static void put_times(struct buf *out, char c, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        buf_putc(out, c);
}

static void put_border(const struct mig_layout *layout, unsigned columns, struct buf *out)
{
    buf_puts(out, "          ");
    for (unsigned u = 0; u < layout->model->units;) {
        unsigned units = cell_at(layout, u).units;
        buf_putc(out, '+');
        put_times(out, '-', columns * units - 1);
        u += units;
    }
    buf_puts(out, "+\n");
}

void mig_layout_draw(const struct mig_layout *layout, struct buf *out)
{
    unsigned columns = unit_columns(layout), units = layout->model->units;
    buf_puts(out, "unit      ");
    for (unsigned u = 0; u < units; u++)
        buf_printf(out, u + 1 < units ? " %-*u" : " %*u", u + 1 < units ? (int)columns - 1 : 0, u);
    buf_putc(out, '\n');
    put_border(layout, columns, out);
    buf_puts(out, "instance  ");
    struct cell c;
    for (unsigned u = 0; u < units; u += c.units) {
        c = cell_at(layout, u);
        unsigned room = columns * c.units - 2;
        unsigned len = (unsigned)strlen(c.name) + (c.in_use ? 1 : 0);
        buf_printf(out, "| %s%s", c.name, c.in_use ? "*" : "");
        put_times(out, ' ', room - len);
    }
    buf_puts(out, "|\n");
    put_border(layout, columns, out);
}
