/* The board against a naive one: random nodes, requests and removals under every policy.  What is
 * placed fits, what is refused fits nowhere, and what is kept in cells equals what a fresh board
 * says. */
#include "test.h"

#include "base/arena.h"
#include "base/num.h"
#include "base/prng.h"
#include "place/online.h"

#include <string.h>

enum { NODES = 8, PLACED_MAX = 40, KINDS = 12, STEPS = 120 };

struct naive {
    struct place_node node[NODES];
    struct place_free left[NODES];
};

struct placed {
    struct place_request request;
    struct place_spot spot;
};

struct world {
    struct prng p;
    struct naive naive;
    struct place_board *board;
    struct place_request kinds[KINDS];
    struct place_shape shapes[KINDS];
    struct placed placed[PLACED_MAX];
    uint32_t placed_count;
};

static void random_request(struct prng *p, struct place_request *r)
{
    *r = (struct place_request){.cpu_milli = (uint32_t)prng_between(p, 0, 8) * 1000,
            .memory_mib = (uint32_t)prng_between(p, 0, 8) * 1000};
    if (prng_chance_ppm(p, 150000))
        return;
    r->cards = 1;
    r->models = prng_chance_ppm(p, 250000) ? (uint64_t)prng_between(p, 1, 7) : 0;
    if (prng_chance_ppm(p, 400000)) {
        r->whole = true;
        r->cards = (uint8_t)prng_between(p, 1, 4);
    } else {
        r->share = (uint32_t)prng_between(p, 1, 20) * 50;
    }
}

static void random_node(struct prng *p, struct place_node *n)
{
    *n = (struct place_node){.cpu_milli = (uint32_t)prng_between(p, 4, 40) * 1000,
            .memory_mib = (uint32_t)prng_between(p, 4, 40) * 1000,
            .card_share = prng_chance_ppm(p, 700000) ? 1000 : (uint32_t)prng_between(p, 300, 3000),
            .card_count = (uint8_t)prng_between(p, 0, 5),
            .model = (uint8_t)prng_below(p, 3),
            .avoid = (uint8_t)prng_below(p, 2)};
}

static bool naive_card_takes(
        const struct naive *n, uint32_t node, unsigned card, const struct place_request *r)
{
    uint32_t share = n->left[node].share[card];

    if (card >= n->node[node].card_count || (n->node[node].cards_unusable >> card & 1))
        return false;
    return r->whole ? share == n->node[node].card_share : share >= r->share;
}

static bool naive_fits(const struct naive *n, uint32_t node, const struct place_request *r)
{
    unsigned cards = 0;

    if (n->left[node].cpu_milli < r->cpu_milli || n->left[node].memory_mib < r->memory_mib)
        return false;
    if (r->cards == 0)
        return true;
    if (r->models != 0 && (r->models >> n->node[node].model & 1) == 0)
        return false;
    for (unsigned c = 0; c < n->node[node].card_count; c++)
        cards += naive_card_takes(n, node, c, r);
    return cards >= r->cards;
}

static void naive_book(
        struct naive *n, const struct place_request *r, const struct place_spot *spot, bool in)
{
    struct place_free *left = &n->left[spot->node];

    left->cpu_milli += in ? -r->cpu_milli : r->cpu_milli;
    left->memory_mib += in ? -r->memory_mib : r->memory_mib;
    for (unsigned c = 0; c < PLACE_CARDS_MAX; c++) {
        uint32_t share = r->whole ? n->node[spot->node].card_share : r->share;

        if (spot->cards >> c & 1)
            left->share[c] += in ? -share : share;
    }
}

static struct place_board *board_new(const struct world *w, enum place_policy policy)
{
    struct place_board_options options = {
            .policy = policy, .shapes = {.shapes = w->shapes, .count = KINDS}};
    struct place_board *b;

    for (unsigned i = 0; i < KINDS; i++)
        options.shapes.request_count += w->shapes[i].count;
    b = place_board_new(&options);
    for (uint32_t i = 0; i < NODES; i++)
        place_board_node_add(b, &w->naive.node[i]);
    return b;
}

static void world_init(struct world *w, uint64_t seed, enum place_policy policy)
{
    memset(w, 0, sizeof(*w));
    prng_init(&w->p, seed);
    for (unsigned i = 0; i < KINDS; i++) {
        random_request(&w->p, &w->kinds[i]);
        w->shapes[i].request = w->kinds[i];
        w->shapes[i].count = (uint32_t)prng_between(&w->p, 1, 50);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        struct place_free *left = &w->naive.left[i];

        random_node(&w->p, &w->naive.node[i]);
        left->cpu_milli = w->naive.node[i].cpu_milli;
        left->memory_mib = w->naive.node[i].memory_mib;
        for (unsigned c = 0; c < w->naive.node[i].card_count; c++)
            left->share[c] = w->naive.node[i].card_share;
    }
    w->board = board_new(w, policy);
}

/* The same question to a board that knows nothing but what lies where. */
static void assert_equals_fresh(
        const struct world *w, enum place_policy policy, const struct place_ask *ask)
{
    struct place_choice kept[NODES], fresh[NODES];
    struct place_board *b = board_new(w, policy);
    uint32_t count, fresh_count;

    for (uint32_t i = 0; i < w->placed_count; i++)
        assert_int_equal(place_board_take(b, &w->placed[i].request, &w->placed[i].spot), 0);
    memset(kept, 0, sizeof(kept));
    memset(fresh, 0, sizeof(fresh));
    count = place_board_rank(w->board, ask, kept, NODES);
    fresh_count = place_board_rank(b, ask, fresh, NODES);
    assert_int_equal(count, fresh_count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(kept[i].spot.node, fresh[i].spot.node);
        assert_int_equal(kept[i].spot.cards, fresh[i].spot.cards);
        assert_true(kept[i].score.cost == fresh[i].score.cost);
        assert_true(kept[i].score.left == fresh[i].score.left);
    }
    place_board_free(b);
}

static void step_put(struct world *w, enum place_policy policy)
{
    struct place_ask ask = {.request = w->kinds[prng_below(&w->p, KINDS)]};
    struct place_choice choice;
    uint8_t avoid_least = UINT8_MAX;
    bool fits = false;

    for (uint32_t i = 0; i < NODES; i++) {
        bool here = naive_fits(&w->naive, i, &ask.request);

        assert_int_equal(here, place_board_copies(w->board, i, &ask.request) > 0);
        if (here && w->naive.node[i].avoid < avoid_least)
            avoid_least = w->naive.node[i].avoid;
        fits = fits || here;
    }
    assert_equals_fresh(w, policy, &ask);
    if (place_board_put(w->board, &ask, &choice) < 0) {
        assert_false(fits);
        return;
    }
    assert_true(fits);
    assert_int_equal(w->naive.node[choice.spot.node].avoid, avoid_least);
    assert_int_equal(__builtin_popcount(choice.spot.cards), ask.request.cards);
    for (unsigned c = 0; c < PLACE_CARDS_MAX; c++) {
        if (choice.spot.cards >> c & 1)
            assert_true(naive_card_takes(&w->naive, choice.spot.node, c, &ask.request));
    }
    naive_book(&w->naive, &ask.request, &choice.spot, true);
    w->placed[w->placed_count++] = (struct placed){.request = ask.request, .spot = choice.spot};
}

static void step_remove(struct world *w)
{
    uint32_t i = (uint32_t)prng_below(&w->p, w->placed_count);

    place_board_remove(w->board, &w->placed[i].request, &w->placed[i].spot);
    naive_book(&w->naive, &w->placed[i].request, &w->placed[i].spot, false);
    w->placed[i] = w->placed[--w->placed_count];
}

static void step_set(struct world *w)
{
    uint32_t i = (uint32_t)prng_below(&w->p, NODES);

    w->naive.node[i].cards_unusable = (uint16_t)(prng_chance_ppm(&w->p, 500000) ? 0 : 1);
    w->naive.node[i].avoid = (uint8_t)prng_below(&w->p, 3);
    place_board_node_set(w->board, i, w->naive.node[i].cards_unusable, w->naive.node[i].avoid);
}

static void places_what_fits_and_nothing_else(uint64_t seed)
{
    enum place_policy policy = (enum place_policy)(seed % PLACE_POLICY_COUNT);
    struct world w;

    world_init(&w, seed, policy);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t draw = prng_below(&w.p, 100);

        if (draw < 5) {
            step_set(&w);
        } else if (w.placed_count == PLACED_MAX || (w.placed_count > 0 && draw < 35)) {
            step_remove(&w);
        } else {
            step_put(&w, policy);
        }
        for (uint32_t i = 0; i < NODES; i++) {
            struct place_free left;

            place_board_free_get(w.board, i, &left);
            assert_memory_equal(&left, &w.naive.left[i], sizeof(left));
        }
    }
    place_board_free(w.board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST_PROP(places_what_fits_and_nothing_else, 150),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
