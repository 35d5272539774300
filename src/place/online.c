/* place/online.c - the board: what is free where, and the choice among the places that fit.  Pure.
 *
 * One event changes one node, so what a node offers a kind of request is kept in a cell until that
 * node changes; an arrival then costs one walk over cells. */
#include "place/online-priv.h"

#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

const char *place_policy_name(enum place_policy policy)
{
    static const char *const names[PLACE_POLICY_COUNT] = {
            [PLACE_POLICY_BEST] = "best",
            [PLACE_POLICY_FGD] = "fgd",
            [PLACE_POLICY_BESTFIT] = "bestfit",
    };

    assert((unsigned)policy < PLACE_POLICY_COUNT);
    return names[policy];
}

struct place_board *place_board_new(const struct place_board_options *options)
{
    struct place_board *b = mem_alloc(1, sizeof(*b));

    assert((unsigned)options->policy < PLACE_POLICY_COUNT);
    assert(options->shapes.count <= PLACE_SHAPES_MAX);
    b->policy = options->policy;
    b->shapes = place_shape_table_new(&options->shapes);
    b->fgd = place_fgd_table_new(&options->shapes);
    b->cpu_most = b->memory_most = b->card_most = 1;
    b->share_most = 1;
    return b;
}

struct place_board *place_board_free(struct place_board *b)
{
    if (b == NULL)
        return NULL;
    for (uint32_t k = 0; k < PLACE_BOARD_KINDS_MAX; k++)
        mem_free(b->cells[k]);
    for (uint32_t i = 0; i < b->node_count; i++)
        mem_free(b->nodes[i].scorer);
    mem_free(b->nodes);
    mem_free(b->shapes);
    mem_free(b->fgd);
    mem_free(b);
    return NULL;
}

static void kinds_forget(struct place_board *b)
{
    b->kind_count = 0;
}

uint32_t place_board_node_add(struct place_board *b, const struct place_node *node)
{
    struct place_board_node *n;

    assert(node->card_count <= PLACE_CARDS_MAX && node->model < PLACE_MODELS_MAX);
    assert(node->card_count == 0 || node->card_share >= 1);
    assert(node->card_share <= PLACE_SHARE_MAX);
    if (b->node_count == b->node_cap) {
        b->node_cap = b->node_cap == 0 ? 64 : 2 * b->node_cap;
        b->nodes = mem_grow(b->nodes, b->node_cap, sizeof(*b->nodes));
    }
    n = &b->nodes[b->node_count];
    *n = (struct place_board_node){
            .spec = *node, .free = {.cpu_milli = node->cpu_milli, .memory_mib = node->memory_mib}};
    for (unsigned c = 0; c < node->card_count; c++)
        n->free.share[c] = node->card_share;
    b->cpu_most = num_max_u32(b->cpu_most, node->cpu_milli);
    b->memory_most = num_max_u32(b->memory_most, node->memory_mib);
    b->card_most = num_max_u32(b->card_most, node->card_share);
    if ((uint64_t)node->card_count * node->card_share > b->share_most)
        b->share_most = (uint64_t)node->card_count * node->card_share;
    /* The scales of the scores, and what is scarce, hang on all nodes together. */
    place_shape_table_supply(b->shapes, n);
    kinds_forget(b);
    return b->node_count++;
}

void place_board_node_set(
        struct place_board *b, uint32_t node, uint16_t cards_unusable, uint8_t avoid)
{
    assert(node < b->node_count);
    b->nodes[node].spec.cards_unusable = cards_unusable;
    b->nodes[node].spec.avoid = avoid;
    b->nodes[node].version++;
}

uint32_t place_board_node_count(const struct place_board *b)
{
    return b->node_count;
}

const struct place_node *place_board_node(const struct place_board *b, uint32_t node)
{
    assert(node < b->node_count);
    return &b->nodes[node].spec;
}

void place_board_free_get(const struct place_board *b, uint32_t node, struct place_free *ret_free)
{
    assert(node < b->node_count);
    *ret_free = b->nodes[node].free;
}

static void assert_request(const struct place_request *r)
{
    assert(r->cards <= PLACE_CARDS_MAX);
    assert(r->cards == 0 || r->whole || (r->cards == 1 && r->share > 0));
    assert(r->share <= PLACE_SHARE_MAX);
    (void)r;
}

uint32_t place_board_copies(
        const struct place_board *b, uint32_t node, const struct place_request *r)
{
    const struct place_board_node *n;
    uint32_t copies = UINT16_MAX, by_cards = 0;

    assert(node < b->node_count);
    assert_request(r);
    n = &b->nodes[node];
    if (!place_node_admits(n, r))
        return 0;
    if (r->cpu_milli > 0)
        copies = num_min_u32(copies, n->free.cpu_milli / r->cpu_milli);
    if (r->memory_mib > 0)
        copies = num_min_u32(copies, n->free.memory_mib / r->memory_mib);
    if (r->cards == 0)
        return copies;
    for (unsigned c = 0; c < n->spec.card_count; c++)
        by_cards += r->whole ? place_card_whole(n, c) : place_card_open(n, c) / r->share;
    return num_min_u32(copies, by_cards / r->cards);
}

/* The first `count` untouched cards as a mask; 0 when there are fewer. */
static uint16_t first_whole_cards(const struct place_board_node *n, unsigned count)
{
    uint16_t mask = 0;
    unsigned found = 0;

    for (unsigned c = 0; c < n->spec.card_count && found < count; c++) {
        if (place_card_whole(n, c)) {
            mask |= (uint16_t)(1u << c);
            found++;
        }
    }
    return found == count ? mask : 0;
}

/* True when no card before `card` holds as much: equal cards need one trial only.  With a veto each
 * card counts for itself. */
static bool card_is_new(const struct place_board_node *n, unsigned card)
{
    for (unsigned c = 0; c < card; c++) {
        if (place_card_open(n, c) == place_card_open(n, card))
            return false;
    }
    return true;
}

static bool cell_better(const struct place_cell *a, const struct place_cell *b)
{
    if (a->cost != b->cost)
        return a->cost < b->cost;
    return a->left < b->left;
}

static bool vetoed(const struct place_ask *ask, uint32_t node, uint16_t cards)
{
    struct place_spot spot = {.node = node, .cards = cards};

    return ask->veto != NULL && ask->veto(ask->context, &spot);
}

/* What a node offers a share: the best of its cards. */
static void offer_share(const struct place_ask *ask, uint32_t node, struct place_trial *trial,
        struct place_cell *cell)
{
    const struct place_board_node *n = trial->node;

    for (unsigned c = 0; c < n->spec.card_count; c++) {
        uint16_t cards = (uint16_t)(1u << c);
        struct place_cell next = {.version = n->version, .cards = cards, .fits = true};

        if (place_card_open(n, c) < ask->request.share)
            continue;
        if (ask->veto == NULL && !card_is_new(n, c))
            continue;
        if (vetoed(ask, node, cards))
            continue;
        trial->cards = cards;
        place_score_trial(trial, &next.cost, &next.left);
        if (!cell->fits || cell_better(&next, cell))
            *cell = next;
    }
}

static uint16_t usable_cards(const struct place_board_node *n)
{
    uint16_t mask = 0;

    for (unsigned c = 0; c < n->spec.card_count; c++)
        mask |= (uint16_t)(place_card_open(n, c) > 0 ? 1u << c : 0);
    return mask;
}

/* The scorer of a node, as the node is now. */
static const struct place_scorer *scorer_of(struct place_board *b, struct place_board_node *n)
{
    if (n->scorer == NULL) {
        n->scorer = mem_alloc(1, sizeof(*n->scorer));
    } else if (n->scorer_version == n->version && n->scorer_nodes == b->node_count) {
        return n->scorer;
    }
    place_score_prepare(b, n, n->scorer);
    n->scorer_version = n->version;
    n->scorer_nodes = b->node_count;
    return n->scorer;
}

/* Fills `cell` with what a node offers `ask`. */
static void offer(
        struct place_board *b, const struct place_ask *ask, uint32_t node, struct place_cell *cell)
{
    struct place_board_node *n = &b->nodes[node];
    const struct place_request *r = &ask->request;
    struct place_limits limits;
    struct place_trial trial = {.board = b, .node = n, .request = r, .limits = &limits};

    *cell = (struct place_cell){.version = n->version};
    if (place_board_copies(b, node, r) == 0)
        return;
    trial.scorer = scorer_of(b, n);
    place_score_limits(b, n, r, &limits);
    if (r->cards > 0 && !r->whole) {
        offer_share(ask, node, &trial, cell);
        if (b->policy != PLACE_POLICY_BEST)
            cell->left = 0; /* it chose the card; among nodes the published rules go by order */
        return;
    }
    if (ask->veto != NULL && vetoed(ask, node, usable_cards(n)))
        return;
    trial.cards = r->cards == 0 ? 0 : first_whole_cards(n, r->cards);
    cell->cards = trial.cards;
    cell->fits = true;
    place_score_trial(&trial, &cell->cost, &cell->left);
}

/* The row of cells for this kind of request. */
static struct place_cell *kind_row(struct place_board *b, const struct place_request *r)
{
    uint32_t k = 0;

    if (b->kind_last < b->kind_count && place_request_eq(&b->kinds[b->kind_last], r))
        return b->cells[b->kind_last];
    while (k < b->kind_count && !place_request_eq(&b->kinds[k], r))
        k++;
    if (k == PLACE_BOARD_KINDS_MAX) {
        kinds_forget(b);
        k = 0;
    }
    b->kind_last = k;
    if (k < b->kind_count)
        return b->cells[k];
    if (b->cells_cap[k] < b->node_count) {
        b->cells[k] = mem_grow(b->cells[k], b->node_cap, sizeof(**b->cells));
        b->cells_cap[k] = b->node_cap;
    }
    for (uint32_t i = 0; i < b->node_count; i++)
        b->cells[k][i].version = b->nodes[i].version - 1;
    b->kinds[k] = *r;
    b->kind_count++;
    return b->cells[k];
}

static bool choice_better(const struct place_choice *a, const struct place_choice *b)
{
    if (a->score.avoid != b->score.avoid)
        return a->score.avoid < b->score.avoid;
    if (a->score.cost != b->score.cost)
        return a->score.cost < b->score.cost;
    return a->score.left < b->score.left;
}

/* Puts `choice` among the best so far, which are sorted; returns how many there are now. */
static uint32_t choices_insert(struct place_choice *choices, uint32_t count, uint32_t max,
        const struct place_choice *choice)
{
    uint32_t at = count < max ? count : max - 1;

    if (count == max && !choice_better(choice, &choices[at]))
        return count;
    for (; at > 0 && choice_better(choice, &choices[at - 1]); at--)
        choices[at] = choices[at - 1];
    choices[at] = *choice;
    return count < max ? count + 1 : max;
}

uint32_t place_board_rank(struct place_board *b, const struct place_ask *ask,
        struct place_choice *ret_choices, uint32_t max)
{
    struct place_ask plain = *ask; /* without models: what a node offers does not hang on them */
    uint64_t models = ask->request.models;
    struct place_cell own = {0};
    struct place_cell *row = NULL;
    uint32_t count = 0;

    assert_request(&ask->request);
    if (ask->request.cards == 0 || models == 0)
        models = UINT64_MAX;
    plain.request.models = 0;
    if (ask->veto == NULL && b->node_count > 0)
        row = kind_row(b, &plain.request);
    for (uint32_t i = 0; i < b->node_count && max > 0; i++) {
        struct place_cell *cell = row != NULL ? &row[i] : &own;
        struct place_choice choice = {.spot.node = i, .score.avoid = b->nodes[i].spec.avoid};

        if ((models >> b->nodes[i].spec.model & 1) == 0)
            continue;
        if (row == NULL || cell->version != b->nodes[i].version)
            offer(b, &plain, i, cell);
        if (!cell->fits)
            continue;
        choice.spot.cards = cell->cards;
        choice.score.cost = cell->cost;
        choice.score.left = cell->left;
        count = choices_insert(ret_choices, count, max, &choice);
    }
    return count;
}

int place_board_put(
        struct place_board *b, const struct place_ask *ask, struct place_choice *ret_choice)
{
    struct place_choice choice;
    int rc;

    if (place_board_rank(b, ask, &choice, 1) == 0)
        return -ENOSPC;
    rc = place_board_take(b, &ask->request, &choice.spot);
    assert(rc == 0);
    *ret_choice = choice;
    return rc;
}

int place_board_take(
        struct place_board *b, const struct place_request *r, const struct place_spot *spot)
{
    struct place_board_node *n;
    unsigned cards = 0;

    assert(spot->node < b->node_count);
    assert_request(r);
    n = &b->nodes[spot->node];
    if (n->free.cpu_milli < r->cpu_milli || n->free.memory_mib < r->memory_mib)
        return -ENOSPC;
    for (unsigned c = 0; c < PLACE_CARDS_MAX; c++) {
        if ((spot->cards >> c & 1) == 0)
            continue;
        cards++;
        if (c >= n->spec.card_count ||
                n->free.share[c] < (r->whole ? n->spec.card_share : r->share))
            return -ENOSPC;
    }
    if (cards != r->cards)
        return -ENOSPC;
    n->free.cpu_milli -= r->cpu_milli;
    n->free.memory_mib -= r->memory_mib;
    for (unsigned c = 0; c < n->spec.card_count; c++) {
        if (spot->cards >> c & 1)
            n->free.share[c] -= r->whole ? n->spec.card_share : r->share;
    }
    n->version++;
    return 0;
}

void place_board_remove(
        struct place_board *b, const struct place_request *r, const struct place_spot *spot)
{
    struct place_board_node *n;

    assert(spot->node < b->node_count);
    assert_request(r);
    n = &b->nodes[spot->node];
    n->free.cpu_milli += r->cpu_milli;
    n->free.memory_mib += r->memory_mib;
    assert(n->free.cpu_milli <= n->spec.cpu_milli);
    assert(n->free.memory_mib <= n->spec.memory_mib);
    for (unsigned c = 0; c < n->spec.card_count; c++) {
        if ((spot->cards >> c & 1) == 0)
            continue;
        n->free.share[c] += r->whole ? n->spec.card_share : r->share;
        assert(n->free.share[c] <= n->spec.card_share);
    }
    n->version++;
}
