/* dra/bound.c - proofs that a branch of the search holds no solution.  Pure.
 *
 * Every proof relaxes the problem, so "not possible" is certain: README.md, "What is cut".
 *   count      each request has enough candidates left, under the constraints as they stand
 *   values     some value of an open matchAttribute has enough; distinct values suffice
 *   matching   no two requests need the same devices (a bipartite matching)
 *   counters   what all requests take at least, summed over all sets, is there
 *   symmetry   devices that no request, constraint or counter tells apart: one of them stands for
 *              all at the same place
 * A branch that could end in an error (a selector that fails on some device, an All request under a
 * constraint) must be walked as upstream walks it: then there is no bound at all. */
#include "dra/search-priv.h"

#include <assert.h>
#include <string.h>

struct bound_constraint {
    struct cel_value *values; /* by candidate */
    uint32_t *ids;            /* by candidate: equal scalars have equal ids; 0 = no value */
    uint32_t id_count;        /* largest id */
    bool all_scalar;
};

struct dra_bound {
    uint32_t words;      /* of a set of candidates */
    uint64_t **eligible; /* by ask */
    uint64_t *shareable;
    uint64_t *free;    /* this moment: in nobody's use */
    uint32_t *classes; /* by candidate */
    uint32_t class_count;
    uint64_t **tried;                      /* by depth, then class: stamp */
    struct bound_constraint **constraints; /* by claim, then constraint */
    uint32_t counter_count;
    uint32_t *counter_names;
    __int128 **least; /* by ask, then counter: the least that one of its devices takes */
    __int128 *total;  /* this moment, by counter */
    uint32_t *match;  /* matching: demand by candidate */
    uint64_t *visited;
    uint32_t *counts; /* by value id */
};

/* A request still to be met: `need` devices out of `set`. */
struct demand {
    int64_t need;
    uint64_t *set;
    uint32_t claim, first, count; /* asks: one, or all alternatives */
    bool admin;
};

static bool bit(const uint64_t *set, uint32_t i)
{
    return set[i / 64] >> (i % 64) & 1;
}

static void bit_set(uint64_t *set, uint32_t i)
{
    set[i / 64] |= UINT64_C(1) << (i % 64);
}

static int64_t bits_count(const uint64_t *set, uint32_t words)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < words; i++)
        count += __builtin_popcountll(set[i]);
    return count;
}

/* The counters alone would let the device in. */
static bool counters_allow(struct dra_search *s, uint32_t cand)
{
    const struct dra_cand *c = &s->cands[cand];
    if (c->device->consumption_count == 0 || dra_cand_shareable(s, cand))
        return true;
    struct dra_pool_view *view = &s->view->pools[c->pool];
    (void)dra_pool_run_get(s, c->pool);
    if (view->negative > 0)
        return false;
    for (uint32_t k = 0; k < c->device->consumption_count; k++) {
        const struct dra_counters *use = c->device->consumptions[k].counters;
        uint32_t index = 0;
        uint32_t first = dra_pool_set(view, c->device->consumptions[k].set, &index);
        uint32_t at = 0;
        for (uint32_t i = 0; use && i < use->count; i++) {
            while (view->sets[index]->counters->items[at].name != use->items[i].name)
                at++;
            if (view->available[first + at] < use->items[i].nano)
                return false;
        }
    }
    return true;
}

/* 1, 0, or an error that the search could run into. */
static int eligible(struct dra_search *s, struct dra_ask_run *ask, uint32_t cand)
{
    const struct dra_cand *c = &s->cands[cand];
    if (!ask->ask->admin && (s->e->taken[c->device->ident] & DRA_TAKEN))
        return 0;
    if (dra_operations_block(s, c->slice) ||
            (!dra_has(s->e, DRA_FEATURE_PARTITIONABLE) && c->device->consumption_count > 0))
        return 0;
    int r = dra_selectable(s, ask, cand);
    if (r <= 0)
        return r;
    if (dra_has(s->e, DRA_FEATURE_CONSUMABLE)) {
        struct dra_capacity_check check = {.capacities = c->device->capacities,
                .requests = ask->ask->capacities,
                .request_count = ask->ask->capacity_count,
                .used = dra_usage_find(s->e, c->device->ident),
                .fractional = dra_has(s->e, DRA_FEATURE_FRACTIONAL)};
        r = dra_capacity_fits(&check, s->err);
        if (r <= 0)
            return r;
    }
    if (dra_has(s->e, DRA_FEATURE_TAINTS) && dra_taints_block(c->device, ask->ask))
        return 0;
    struct dra_claim_run *claim = &s->claims[ask->claim];
    for (uint32_t i = 0; i < claim->claim->constraint_count; i++) {
        struct cel_value value = {0};
        if (!(ask->constraints >> i & 1))
            continue;
        r = dra_constraint_value(s, &claim->claim->constraints[i], ask, cand, &value);
        if (r <= 0)
            return r;
    }
    return counters_allow(s, cand);
}

static bool eligible_fill(struct dra_search *s, struct dra_bound *b)
{
    b->eligible = ARENA_ARRAY(s->arena, uint64_t *, s->ask_count);
    for (uint32_t a = 0; a < s->ask_count; a++) {
        struct dra_ask_run *ask = &s->asks[a];
        if (ask->ask->derived_count > 0 || (ask->all && ask->constraints))
            return false;
        b->eligible[a] = ARENA_ARRAY(s->arena, uint64_t, b->words);
        for (uint32_t i = 0; i < s->cand_count; i++) {
            int r = eligible(s, ask, i);
            if (r < 0)
                return false;
            if (r > 0 && !ask->all)
                bit_set(b->eligible[a], i);
        }
        for (uint32_t i = 0; ask->all && i < ask->need; i++)
            bit_set(b->eligible[a], ask->all[i]);
    }
    return true;
}

static void values_fill(
        struct dra_search *s, struct bound_constraint *b, const struct dra_constraint *c)
{
    struct dra_ask_run plain = {.ask = &(const struct dra_ask){0}};
    b->values = ARENA_ARRAY(s->arena, struct cel_value, s->cand_count);
    b->ids = ARENA_ARRAY(s->arena, uint32_t, s->cand_count);
    b->all_scalar = true;
    for (uint32_t i = 0; i < s->cand_count; i++) {
        if (dra_constraint_value(s, c, &plain, i, &b->values[i]) <= 0)
            continue;
        uint32_t k = 0;
        if (b->values[i].kind == CEL_KIND_LIST || b->values[i].kind == CEL_KIND_ERROR)
            b->all_scalar = false;
        while (k < i && !(b->ids[k] && dra_values_equal(&b->values[k], &b->values[i])))
            k++;
        b->ids[i] = k < i ? b->ids[k] : ++b->id_count;
    }
}

static void constraints_fill(struct dra_search *s, struct dra_bound *b)
{
    uint32_t most = 0;
    b->constraints = ARENA_ARRAY(s->arena, struct bound_constraint *, s->claim_count);
    for (uint32_t c = 0; c < s->claim_count; c++) {
        const struct dra_claim *claim = s->claims[c].claim;
        b->constraints[c] = ARENA_ARRAY(s->arena, struct bound_constraint, claim->constraint_count);
        for (uint32_t i = 0; i < claim->constraint_count; i++) {
            values_fill(s, &b->constraints[c][i], &claim->constraints[i]);
            if (b->constraints[c][i].id_count > most)
                most = b->constraints[c][i].id_count;
        }
    }
    b->counts = ARENA_ARRAY(s->arena, uint32_t, most + 1);
}

/* The place of a counter that some set of the pools has; b->counter_count when none does. */
static uint32_t counter_find(const struct dra_bound *b, uint32_t name)
{
    uint32_t i = 0;
    while (i < b->counter_count && b->counter_names[i] != name)
        i++;
    return i;
}

static uint32_t counter_index(struct dra_search *s, struct dra_bound *b, uint32_t name)
{
    uint32_t found = counter_find(b, name);
    if (found < b->counter_count)
        return found;
    if (b->counter_count % 32 == 0) {
        uint32_t *names = ARENA_ARRAY(s->arena, uint32_t, b->counter_count + 32);
        for (uint32_t i = 0; i < b->counter_count; i++)
            names[i] = b->counter_names[i];
        b->counter_names = names;
    }
    b->counter_names[b->counter_count] = name;
    return b->counter_count++;
}

/* A counter that no set has bounds nothing here: the search finds what is wrong with it. */
static void device_takes(
        struct dra_search *s, const struct dra_bound *b, uint32_t cand, __int128 *ret_takes)
{
    const struct dra_device *device = s->cands[cand].device;
    if (b->counter_count > 0)
        memset(ret_takes, 0, b->counter_count * sizeof *ret_takes);
    for (uint32_t k = 0; !dra_cand_shareable(s, cand) && k < device->consumption_count; k++) {
        const struct dra_counters *use = device->consumptions[k].counters;
        for (uint32_t i = 0; use && i < use->count; i++) {
            uint32_t at = counter_find(b, use->items[i].name);
            if (at < b->counter_count)
                ret_takes[at] += use->items[i].nano;
        }
    }
}

static void least_fill(struct dra_search *s, struct dra_bound *b)
{
    for (uint32_t p = 0; p < s->view->pool_count; p++) {
        const struct dra_pool_view *view = &s->view->pools[p];
        for (uint32_t i = 0; i < view->set_count; i++) {
            for (uint32_t k = 0; view->sets[i]->counters && k < view->sets[i]->counters->count; k++)
                (void)counter_index(s, b, view->sets[i]->counters->items[k].name);
        }
    }
    b->total = ARENA_ARRAY(s->arena, __int128, b->counter_count);
    b->least = ARENA_ARRAY(s->arena, __int128 *, s->ask_count);
    __int128 *takes = ARENA_ARRAY(s->arena, __int128, b->counter_count);
    for (uint32_t a = 0; a < s->ask_count; a++) {
        bool first = true;
        b->least[a] = ARENA_ARRAY(s->arena, __int128, b->counter_count);
        for (uint32_t i = 0; i < s->cand_count; i++) {
            if (!bit(b->eligible[a], i))
                continue;
            device_takes(s, b, i, takes);
            for (uint32_t k = 0; k < b->counter_count; k++) {
                if (first || takes[k] < b->least[a][k])
                    b->least[a][k] = takes[k];
            }
            first = false;
        }
    }
}

/* All by which the rest of the run could tell the candidate from another. */
static void signature(
        struct dra_search *s, const struct dra_bound *b, uint32_t cand, struct buf *out)
{
    const struct dra_device *device = s->cands[cand].device;
    bool unique = dra_cand_shareable(s, cand);
    for (uint32_t a = 0; a < s->ask_count; a++) {
        buf_putc(out, bit(b->eligible[a], cand) ? '1' : '0');
        unique = unique || (s->asks[a].all && bit(b->eligible[a], cand));
    }
    for (uint32_t c = 0; c < s->claim_count; c++) {
        for (uint32_t i = 0; i < s->claims[c].claim->constraint_count; i++)
            buf_printf(out, ",%u", b->constraints[c][i].ids[cand]);
    }
    if (device->consumption_count)
        buf_printf(out, ";%u", s->cands[cand].pool);
    for (uint32_t k = 0; k < device->consumption_count; k++) {
        buf_printf(out, ";%u:%p", device->consumptions[k].set,
                (const void *)device->consumptions[k].counters);
        for (uint32_t i = 0; i < device->consumptions[k].groups.count; i++)
            buf_printf(out, "/%u", device->consumptions[k].groups.names[i]);
    }
    if (unique)
        buf_printf(out, "#%u", cand);
}

static void classes_fill(struct dra_search *s, struct dra_bound *b)
{
    struct map_str known = {0};
    struct buf text = BUF_INIT(1 << 20);
    b->classes = ARENA_ARRAY(s->arena, uint32_t, s->cand_count);
    for (uint32_t i = 0; i < s->cand_count; i++) {
        buf_reset(&text);
        signature(s, b, i, &text);
        uint32_t found = text.overflow ? MAP_NONE : map_str_find(&known, buf_str(&text));
        if (found == MAP_NONE) {
            found = b->class_count++;
            if (!text.overflow)
                (void)map_str_set(&known, buf_str(&text), found);
        }
        b->classes[i] = found;
    }
    map_str_clear(&known);
    buf_clear(&text);
    b->tried = ARENA_ARRAY(s->arena, uint64_t *, s->claim_count * DRA_CLAIM_RESULTS_MAX + 1);
}

struct dra_bound *dra_bound_new(struct dra_search *s)
{
    struct dra_bound *b = ARENA_NEW(s->arena, struct dra_bound);
    struct err *err = s->err;
    struct err ignored = {0};
    b->words = s->cand_count / 64 + 1;
    s->err = &ignored;
    bool safe = eligible_fill(s, b);
    s->err = err;
    if (!safe)
        return NULL;
    b->free = ARENA_ARRAY(s->arena, uint64_t, b->words);
    b->shareable = ARENA_ARRAY(s->arena, uint64_t, b->words);
    b->visited = ARENA_ARRAY(s->arena, uint64_t, b->words);
    b->match = ARENA_ARRAY(s->arena, uint32_t, s->cand_count);
    for (uint32_t i = 0; i < s->cand_count; i++) {
        if (dra_cand_shareable(s, i))
            bit_set(b->shareable, i);
    }
    constraints_fill(s, b);
    least_fill(s, b);
    classes_fill(s, b);
    return b;
}

uint32_t dra_bound_class(const struct dra_search *s, uint32_t cand)
{
    return s->bound->classes[cand];
}

bool dra_bound_tried(struct dra_search *s, uint32_t depth, uint32_t class, uint64_t stamp)
{
    return s->bound->tried[depth] && s->bound->tried[depth][class] == stamp;
}

void dra_bound_try(struct dra_search *s, uint32_t depth, uint32_t class, uint64_t stamp)
{
    if (!s->bound->tried[depth])
        s->bound->tried[depth] = ARENA_ARRAY(s->arena, uint64_t, s->bound->class_count);
    s->bound->tried[depth][class] = stamp;
}

/* Takes out of `set` what the claim's constraints, as they stand, keep from the ask. */
static void constraints_filter(struct dra_search *s, const struct dra_ask_run *ask, uint64_t *set)
{
    const struct dra_claim_run *claim = &s->claims[ask->claim];
    for (uint32_t i = 0; i < claim->claim->constraint_count; i++) {
        const struct dra_constraint_run *run = &claim->constraints[i];
        if (!(ask->constraints >> i & 1) || run->count == 0)
            continue;
        const struct cel_value *values = s->bound->constraints[ask->claim][i].values;
        for (uint32_t k = 0; k < s->cand_count; k++) {
            if (bit(set, k) && !dra_constraint_admits(s, run, &values[k]))
                set[k / 64] &= ~(UINT64_C(1) << (k % 64));
        }
    }
}

static void demand_init(struct dra_search *s, struct demand *d, uint32_t start)
{
    struct dra_bound *b = s->bound;
    uint64_t *one = ARENA_ARRAY(s->e->eval, uint64_t, b->words);
    d->set = ARENA_ARRAY(s->e->eval, uint64_t, b->words);
    d->need = INT64_MAX;
    d->admin = true;
    for (uint32_t a = d->first; a < d->first + d->count; a++) {
        const struct dra_ask_run *ask = &s->asks[a];
        memcpy(one, b->eligible[a], b->words * sizeof *one);
        constraints_filter(s, ask, one);
        for (uint32_t i = 0; i < b->words; i++)
            d->set[i] |= ask->ask->admin ? one[i] : one[i] & b->free[i];
        d->admin = d->admin && ask->ask->admin;
        d->need = ask->need < d->need ? ask->need : d->need;
    }
    for (uint32_t i = 0; i < start && i < s->cand_count; i++)
        d->set[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* What is still to be met at `at`, the current request first. */
static uint32_t demands_collect(
        struct dra_search *s, const struct dra_spot *at, struct demand **ret)
{
    uint32_t count = 0;
    uint32_t room = 0;
    for (uint32_t c = at->claim; c < s->claim_count; c++)
        room += s->claims[c].claim->request_count;
    struct demand *demands = ARENA_ARRAY(s->e->eval, struct demand, room);
    for (uint32_t c = at->claim; c < s->claim_count; c++) {
        uint32_t from = c == at->claim ? at->request : 0;
        for (uint32_t r = from; r < s->claims[c].claim->request_count; r++) {
            const struct dra_request_run *request = &s->claims[c].requests[r];
            struct demand *d = &demands[count++];
            d->claim = c;
            d->first = request->first;
            d->count = request->count;
            if (count > 1) {
                demand_init(s, d, 0);
                continue;
            }
            d->first += at->sub;
            d->count = 1;
            demand_init(s, d, at->start);
            d->need -= at->device;
        }
    }
    *ret = demands;
    return count;
}

static bool count_suffices(const struct dra_search *s, const struct demand *demands, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (bits_count(demands[i].set, s->bound->words) < demands[i].need)
            return false;
    }
    return true;
}

static bool demand_under(
        const struct dra_search *s, const struct demand *d, uint32_t claim, uint32_t constraint)
{
    return d->claim == claim && d->count == 1 && (s->asks[d->first].constraints >> constraint & 1);
}

/* matchAttribute with nothing chosen yet: some value must do for every request. */
static bool match_possible(struct dra_search *s, const struct demand *demands, uint32_t count,
        uint32_t claim, uint32_t constraint)
{
    const struct bound_constraint *c = &s->bound->constraints[claim][constraint];
    uint32_t under = 0;
    uint64_t *good = ARENA_ARRAY(s->e->eval, uint64_t, c->id_count / 64 + 1);
    memset(good, 0xff, (c->id_count / 64 + 1) * sizeof *good);
    for (uint32_t i = 0; i < count; i++) {
        if (!demand_under(s, &demands[i], claim, constraint) || demands[i].need <= 0)
            continue;
        under++;
        memset(s->bound->counts, 0, (c->id_count + 1) * sizeof *s->bound->counts);
        for (uint32_t k = 0; k < s->cand_count; k++)
            s->bound->counts[c->ids[k]] += bit(demands[i].set, k);
        for (uint32_t id = 1; id <= c->id_count; id++) {
            if (s->bound->counts[id] < demands[i].need)
                good[id / 64] &= ~(UINT64_C(1) << (id % 64));
        }
    }
    bool any = under == 0;
    for (uint32_t id = 1; id <= c->id_count && !any; id++)
        any = bit(good, id);
    return any;
}

/* distinctAttribute: as many unused values as devices still to come. */
static bool distinct_possible(struct dra_search *s, const struct demand *demands, uint32_t count,
        uint32_t claim, uint32_t constraint)
{
    const struct bound_constraint *c = &s->bound->constraints[claim][constraint];
    int64_t need = 0;
    int64_t values = 0;
    memset(s->bound->counts, 0, (c->id_count + 1) * sizeof *s->bound->counts);
    for (uint32_t i = 0; i < count; i++) {
        if (!demand_under(s, &demands[i], claim, constraint))
            continue;
        need += demands[i].need;
        for (uint32_t k = 0; k < s->cand_count; k++)
            s->bound->counts[c->ids[k]] += bit(demands[i].set, k);
    }
    for (uint32_t id = 1; id <= c->id_count; id++)
        values += s->bound->counts[id] > 0;
    return values >= need;
}

static bool values_suffice(struct dra_search *s, const struct demand *demands, uint32_t count)
{
    for (uint32_t c = demands[0].claim; c < s->claim_count; c++) {
        const struct dra_claim_run *claim = &s->claims[c];
        for (uint32_t i = 0; i < claim->claim->constraint_count; i++) {
            if (!s->bound->constraints[c][i].all_scalar)
                continue;
            bool match = claim->claim->constraints[i].kind == DRA_CONSTRAINT_MATCH;
            if (match ? claim->constraints[i].count == 0 && !match_possible(s, demands, count, c, i)
                      : !distinct_possible(s, demands, count, c, i))
                return false;
        }
    }
    return true;
}

/* Finds a device for one more unit of demand `d`, moving others where needed. */
static bool augment(struct dra_search *s, const struct demand *demands, uint32_t d, uint32_t depth)
{
    struct dra_bound *b = s->bound;
    assert(depth <= s->cand_count + 1);
    for (uint32_t w = 0; w < b->words; w++) {
        for (uint64_t left = demands[d].set[w] & ~b->shareable[w] & ~b->visited[w]; left;
                left &= left - 1) {
            uint32_t cand = w * 64 + (uint32_t)__builtin_ctzll(left);
            if (bit(b->visited, cand))
                continue;
            bit_set(b->visited, cand);
            if (b->match[cand] != UINT32_MAX && !augment(s, demands, b->match[cand], depth + 1))
                continue;
            b->match[cand] = d;
            return true;
        }
    }
    return false;
}

static bool matching_exists(struct dra_search *s, const struct demand *demands, uint32_t count)
{
    struct dra_bound *b = s->bound;
    for (uint32_t i = 0; i < s->cand_count; i++)
        b->match[i] = UINT32_MAX;
    for (uint32_t d = 0; d < count; d++) {
        if (demands[d].admin)
            continue;
        int64_t need = demands[d].need;
        for (uint32_t w = 0; w < b->words; w++)
            need -= __builtin_popcountll(demands[d].set[w] & b->shareable[w]);
        /* An alternative with admin access needs no free device; leave those requests out. */
        for (uint32_t a = demands[d].first; a < demands[d].first + demands[d].count; a++)
            need = s->asks[a].ask->admin ? 0 : need;
        for (; need > 0; need--) {
            memset(b->visited, 0, b->words * sizeof *b->visited);
            if (!augment(s, demands, d, 0))
                return false;
        }
    }
    return true;
}

static bool counters_suffice(struct dra_search *s, const struct demand *demands, uint32_t count)
{
    struct dra_bound *b = s->bound;
    memset(b->total, 0, b->counter_count * sizeof *b->total);
    for (uint32_t p = 0; p < s->view->pool_count; p++) {
        const struct dra_pool_view *view = &s->view->pools[p];
        if (view->set_count == 0 || view->invalid || view->incomplete)
            continue;
        const struct dra_pool_run *run = dra_pool_run_get(s, p);
        for (uint32_t i = 0; i < view->set_count; i++) {
            const struct dra_counters *list = view->sets[i]->counters;
            for (uint32_t k = 0; list && k < list->count; k++) {
                uint32_t at = view->set_first[i] + k;
                __int128 left = view->available[at] - run->used[at];
                b->total[counter_index(s, b, list->items[k].name)] += left > 0 ? left : 0;
            }
        }
    }
    for (uint32_t d = 0; d < count; d++) {
        for (uint32_t k = 0; k < b->counter_count; k++) {
            __int128 least = b->least[demands[d].first][k];
            for (uint32_t a = 1; a < demands[d].count; a++) {
                if (b->least[demands[d].first + a][k] < least)
                    least = b->least[demands[d].first + a][k];
            }
            if (least > 0)
                b->total[k] -= least * demands[d].need;
        }
    }
    for (uint32_t k = 0; k < b->counter_count; k++) {
        if (b->total[k] < 0)
            return false;
    }
    return true;
}

bool dra_bound_possible(struct dra_search *s, const struct dra_spot *at)
{
    struct dra_bound *b = s->bound;
    struct demand *demands = NULL;
    arena_reset(s->e->eval);
    memset(b->free, 0, b->words * sizeof *b->free);
    for (uint32_t i = 0; i < s->cand_count; i++) {
        if (s->in_use[i] == 0)
            bit_set(b->free, i);
    }
    uint32_t count = demands_collect(s, at, &demands);
    return count_suffices(s, demands, count) && values_suffice(s, demands, count) &&
           matching_exists(s, demands, count) && counters_suffice(s, demands, count);
}
