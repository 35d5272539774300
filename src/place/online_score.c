/* place/online_score.c - what a spot costs under BEST and BESTFIT, in integers.  Pure.
 *
 * BEST: README.md, "Online placement".  A node is worth, over the common shapes, frequency x size x
 * worth(copies that still fit), less a part of what no pod of the shape can use; a spot costs the
 * worth that it takes away. */
#include "place/online-priv.h"

#include "base/num.h"

#include <assert.h>
#include <stddef.h>

/* TUNING, all of README.md, "Constants": found on resampled orders of five openb lists, seeds
 * 101 and 102.
 * Several whole cards of one node count this much more than their size: the other shapes find room
 * elsewhere, these do not. */
enum { MULTI_FACTOR = 6 };
/* Share that no pod of a shape can use costs this much for each pod of it, against 1 for share that
 * one more copy would use. */
enum { WASTE_FACTOR = 2 };
/* No shape weighs more than this many times its frequency for being scarce. */
enum { SCARCITY_MOST = 64 };

/* floor(x / d) by inverse = floor(2^32 / d): the product falls short by less than one. */
static inline uint32_t divide(uint32_t x, uint32_t d, uint32_t inverse)
{
    uint32_t q = (uint32_t)((uint64_t)x * inverse >> 32);

    return q + (x - q * d >= d);
}

static uint32_t inverse_of(uint32_t d)
{
    /* 2^32 itself does not fit; 2^32 - 1 for d = 1 falls short by less than one as well. */
    return d == 1 ? UINT32_MAX : (uint32_t)((UINT64_C(1) << 32) / d);
}

/* TUNING: k copies are worth k^(4/5), 1024 for one: what fits often on one node will find room
 * elsewhere too, so the last copies of a node count more than its first ones.  As integers: the
 * greatest w with w^5 <= 1024^5 x k^4 (test/unit/place/test_online.c reckons them). */
const uint32_t place_worth[PLACE_COPIES_MAX + 1] = {0, 1024, 1782, 2466, 3104, 3710, 4293, 4857,
        5404, 5938, 6461, 6972, 7475, 7969, 8456, 8936, 9410, 9877, 10339, 10796, 11249, 11697,
        12140, 12580, 13015, 13447, 13876, 14301, 14724, 15143, 15559, 15973, 16384, 16792, 17198,
        17601, 18002, 18401, 18798, 19193, 19586, 19976, 20365, 20752, 21137, 21521, 21903, 22283,
        22661, 23038, 23414, 23787, 24160, 24531, 24900, 25269, 25636, 26001, 26365, 26728, 27090,
        27451, 27810, 28169, 28526, 28882, 29237, 29591, 29943, 30295, 30646, 30996, 31344, 31692,
        32039, 32385, 32730, 33074, 33417, 33759, 34101, 34441, 34781, 35120, 35458, 35796, 36132,
        36468, 36803, 37137, 37470, 37803, 38135, 38466, 38797, 39127, 39456, 39784, 40112, 40439,
        40766, 41091, 41417, 41741, 42065, 42388, 42711, 43033, 43354, 43675, 43996, 44315, 44634,
        44953, 45271, 45588, 45905, 46221, 46537, 46853, 47167, 47481, 47795, 48108, 48421, 48733,
        49045, 49356, 49667, 49977, 50286, 50596, 50904, 51213, 51520, 51828, 52135, 52441, 52747,
        53053, 53358, 53663, 53967, 54271, 54574, 54877, 55180, 55482, 55783, 56085, 56386, 56686,
        56986, 57286, 57585, 57884, 58183, 58481, 58779, 59076, 59373, 59670, 59966, 60262, 60558,
        60853, 61148, 61443, 61737, 62031, 62324, 62617, 62910, 63202, 63494, 63786, 64078, 64369,
        64660, 64950, 65240, 65530, 65819, 66109, 66397, 66686, 66974, 67262, 67550, 67837, 68124,
        68411, 68697, 68983, 69269, 69554, 69840, 70125, 70409, 70693, 70978, 71261, 71545, 71828,
        72111, 72394, 72676, 72958, 73240, 73521, 73803, 74084, 74365, 74645, 74925, 75205, 75485,
        75764, 76044, 76322, 76601, 76880, 77158, 77436, 77713, 77991, 78268, 78545, 78822, 79098,
        79374, 79650, 79926, 80201, 80477, 80752, 81026, 81301, 81575, 81849, 82123, 82397, 82670,
        82944, 83216, 83489, 83762, 84034, 84306, 84578, 84850, 85121, 85392, 85663, 85934, 86204};

/* The share of one copy of shape i on a node with such cards. */
static inline uint64_t shape_size(
        const struct place_shape_table *t, uint32_t i, uint32_t card_share)
{
    return t->cards[i] > 0 ? (uint64_t)t->cards[i] * card_share : t->share[i];
}

struct place_shape_table *place_shape_table_new(const struct place_shape_list *list)
{
    struct place_shape_table *t = mem_alloc(1, sizeof(*t));
    uint64_t total = 0;

    assert(list->count <= PLACE_SHAPES_MAX);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->shapes[i].request.cards > 0)
            total += list->shapes[i].count;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct place_request *r = &list->shapes[i].request;
        uint32_t at = t->count;

        if (r->cards == 0)
            continue; /* what CPU-only pods take shows in the copies of the others */
        t->cpu_milli[at] = num_max_u32(r->cpu_milli, 1);
        t->memory_mib[at] = num_max_u32(r->memory_mib, 1);
        t->share[at] = r->whole ? 1 : r->share;
        t->cpu_inverse[at] = inverse_of(t->cpu_milli[at]);
        t->memory_inverse[at] = inverse_of(t->memory_mib[at]);
        t->share_inverse[at] = inverse_of(t->share[at]);
        t->cards[at] = r->whole ? r->cards : 0;
        t->frequency[at] =
                num_max_u32((uint32_t)((uint64_t)list->shapes[i].count * 65536 / total), 1);
        t->models[at] = r->models == 0 ? UINT64_MAX : r->models;
        t->count++;
    }
    return t;
}

void place_shape_table_supply(struct place_shape_table *t, const struct place_board_node *n)
{
    uint32_t card_share = n->spec.card_share;

    t->capacity += (uint64_t)n->spec.card_count * card_share;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t cards = n->spec.card_count;
        uint32_t copies =
                t->cards[i] > 0 ? cards / t->cards[i] : cards * (card_share / t->share[i]);
        uint64_t scarcity;

        copies = num_min_u32(copies, n->spec.cpu_milli / t->cpu_milli[i]);
        copies = num_min_u32(copies, n->spec.memory_mib / t->memory_mib[i]);
        if (t->models[i] >> n->spec.model & 1)
            t->supply[i] += (uint64_t)copies * shape_size(t, i, card_share);
        scarcity = SCARCITY_MOST * UINT64_C(1024);
        if (t->supply[i] > 0 && t->capacity * 1024 / t->supply[i] < scarcity)
            scarcity = t->capacity * 1024 / t->supply[i];
        t->weight[i] = (uint32_t)(t->frequency[i] * scarcity / 1024);
    }
}

/* A node's state, as far as the worth of shapes needs it. */
struct best_state {
    const struct place_scorer *scorer; /* the copies by cards that the rest differs from */
    const struct place_limits *limits;
    uint8_t model;
    uint32_t card_share;
    uint32_t whole; /* untouched cards */
    uint64_t open;  /* share over all cards */
    /* `cards_changed` cards differ from what the scorer looked at: their share then and now. */
    uint32_t cards_changed, card_before, card_now;
};

/* Copies of shape i, a share, on all cards, and what lies on cards too full for one. */
static inline uint32_t share_copies(const struct place_shape_table *t, uint32_t i,
        const struct best_state *x, int64_t *ret_waste)
{
    uint32_t before = divide(x->card_before, t->share[i], t->share_inverse[i]);
    uint32_t now = divide(x->card_now, t->share[i], t->share_inverse[i]);
    int64_t waste = x->scorer->share_waste[i];

    waste -= before == 0 ? (int64_t)x->cards_changed * x->card_before : 0;
    waste += now == 0 ? (int64_t)x->cards_changed * x->card_now : 0;
    *ret_waste = waste;
    return x->scorer->share_copies[i] - x->cards_changed * before + x->cards_changed * now;
}

/* INVARIANT: no overflow.  Weights sum to at most 2^16 x SCARCITY_MOST = 2^22, a node's share to
 * 2^24, worth is at most 2^10 a copy, MULTI_FACTOR below 2^3: below 2^59. */
static int64_t worth_of(const struct place_shape_table *t, const struct best_state *x)
{
    int64_t worth = 0;

    for (uint32_t i = 0; i < t->count; i++) {
        int64_t size, waste;
        uint32_t copies;

        if (t->cards[i] > 0) {
            copies = x->whole / t->cards[i];
            size = (int64_t)t->cards[i] * x->card_share * (t->cards[i] > 1 ? MULTI_FACTOR : 1);
            waste = (int64_t)x->open - (int64_t)x->whole * x->card_share;
        } else {
            copies = share_copies(t, i, x, &waste);
            size = t->share[i];
        }
        copies = num_min_u32(copies, x->limits->copies[i]);
        if ((t->models[i] >> x->model & 1) == 0)
            copies = 0;
        if (copies == 0)
            waste = (int64_t)x->open;
        worth += (int64_t)t->weight[i] * size * place_worth[copies];
        worth -= (int64_t)t->frequency[i] * 1024 * WASTE_FACTOR * waste;
    }
    return worth;
}

/* Copies of each shape by CPU and memory alone, at most PLACE_COPIES_MAX. */
static void limits_of(const struct place_shape_table *t, uint32_t cpu_milli, uint32_t memory_mib,
        struct place_limits *ret_limits)
{
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t by_cpu = divide(cpu_milli, t->cpu_milli[i], t->cpu_inverse[i]);
        uint32_t by_memory = divide(memory_mib, t->memory_mib[i], t->memory_inverse[i]);

        ret_limits->copies[i] = num_min_u32(num_min_u32(by_cpu, by_memory), PLACE_COPIES_MAX);
    }
}

static void best_prepare(
        const struct place_shape_table *t, const struct place_board_node *n, struct place_scorer *s)
{
    struct place_limits limits;
    struct best_state x = {.scorer = s,
            .limits = &limits,
            .model = n->spec.model,
            .card_share = n->spec.card_share};

    for (uint32_t i = 0; i < t->count; i++)
        s->share_copies[i] = s->share_waste[i] = 0;
    for (unsigned c = 0; c < n->spec.card_count; c++) {
        uint32_t open = place_card_open(n, c);

        x.open += open;
        x.whole += place_card_whole(n, c);
        for (uint32_t i = 0; open > 0 && i < t->count; i++) {
            uint32_t copies = divide(open, t->share[i], t->share_inverse[i]);

            s->share_copies[i] += copies;
            s->share_waste[i] += copies == 0 ? open : 0;
        }
    }
    s->whole = x.whole;
    s->open = x.open;
    limits_of(t, n->free.cpu_milli, n->free.memory_mib, &limits);
    s->worth = worth_of(t, &x);
}

static int64_t best_cost(const struct place_trial *t)
{
    const struct place_board_node *n = t->node;
    const struct place_request *r = t->request;
    struct best_state x = {.scorer = t->scorer,
            .limits = t->limits,
            .model = n->spec.model,
            .card_share = n->spec.card_share,
            .whole = t->scorer->whole,
            .open = t->scorer->open,
            .cards_changed = r->cards};

    if (r->cards > 0) {
        x.card_before = place_card_open(n, (unsigned)__builtin_ctz(t->cards));
        x.card_now = x.card_before - (r->whole ? x.card_before : r->share);
        x.whole -= x.card_before == n->spec.card_share ? r->cards : 0;
        x.open -= (uint64_t)r->cards * (x.card_before - x.card_now);
    }
    return (t->scorer->worth - worth_of(t->board->shapes, &x)) / 65536;
}

/* What a trial leaves of CPU, memory and cards, each in ppm of the greatest node, added up; for a
 * share also what it leaves on its card: among equals the fuller place. */
static int64_t best_left(const struct place_trial *t)
{
    const struct place_board *b = t->board;
    const struct place_request *r = t->request;
    int64_t open = (int64_t)t->scorer->open;
    int64_t left = 0;

    if (r->cards > 0)
        open -= r->whole ? (int64_t)r->cards * t->node->spec.card_share : r->share;
    left += ((int64_t)t->node->free.cpu_milli - r->cpu_milli) * 1000000 / b->cpu_most;
    left += ((int64_t)t->node->free.memory_mib - r->memory_mib) * 1000000 / b->memory_most;
    left += open * 1000000 / (int64_t)b->share_most;
    if (r->cards > 0 && !r->whole) {
        unsigned card = (unsigned)__builtin_ctz(t->cards);

        left += ((int64_t)place_card_open(t->node, card) - r->share) * 1000000 / b->card_most;
    }
    return left;
}

/* Best fit among the cards of one node: what is left of the card. */
static int64_t card_left(const struct place_trial *t)
{
    if (t->request->cards == 0 || t->request->whole)
        return 0;
    return place_card_open(t->node, (unsigned)__builtin_ctz(t->cards));
}

/* The published best fit: 100 x (half of what is left of CPU + half of what is left of cards), each
 * as a part of the greatest node's, in whole points. */
static int64_t bestfit_cost(const struct place_trial *t)
{
    const struct place_board *b = t->board;
    const struct place_request *r = t->request;
    uint64_t open = 0;
    __int128 left, scale = (__int128)b->cpu_most * b->share_most;

    for (unsigned c = 0; c < t->node->spec.card_count; c++)
        open += place_card_open(t->node, c);
    if (r->cards > 0)
        open -= r->whole ? (uint64_t)r->cards * t->node->spec.card_share : r->share;
    left = (__int128)(t->node->free.cpu_milli - r->cpu_milli) * b->share_most +
           (__int128)open * b->cpu_most;
    return (int64_t)((50 * left + scale - 1) / scale);
}

void place_score_prepare(const struct place_board *board, const struct place_board_node *n,
        struct place_scorer *ret_scorer)
{
    if (board->policy == PLACE_POLICY_BEST) {
        best_prepare(board->shapes, n, ret_scorer);
    } else if (board->policy == PLACE_POLICY_FGD) {
        ret_scorer->fragment = place_fgd_prepare(board, n);
    }
}

void place_score_limits(const struct place_board *board, const struct place_board_node *n,
        const struct place_request *request, struct place_limits *ret_limits)
{
    if (board->policy != PLACE_POLICY_BEST)
        return;
    limits_of(board->shapes, n->free.cpu_milli - request->cpu_milli,
            n->free.memory_mib - request->memory_mib, ret_limits);
}

void place_score_trial(const struct place_trial *t, int64_t *ret_cost, int64_t *ret_left)
{
    switch (t->board->policy) {
    case PLACE_POLICY_BEST:
        *ret_cost = best_cost(t);
        *ret_left = best_left(t);
        return;
    case PLACE_POLICY_FGD:
        *ret_cost = place_fgd_cost(t);
        *ret_left = 0;
        return;
    case PLACE_POLICY_BESTFIT:
    case PLACE_POLICY_COUNT:
        *ret_cost = bestfit_cost(t);
        *ret_left = card_left(t); /* for the choice of the card alone */
        return;
    }
}
