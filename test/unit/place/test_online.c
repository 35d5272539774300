/* The board: what fits where, who is refused, and what each policy prefers, on nodes small enough
 * to reckon by hand. */
#include "test.h"

#include "place/online-priv.h"
#include "place/online.h"

#include <errno.h>

static const struct place_node node_of_four = {
        .cpu_milli = 16000, .memory_mib = 64000, .card_share = 1000, .card_count = 4};

static struct place_board *board_of(
        enum place_policy policy, const struct place_shape *shapes, uint32_t count)
{
    struct place_board_options options = {
            .policy = policy, .shapes = {.shapes = shapes, .count = count}};

    for (uint32_t i = 0; i < count; i++)
        options.shapes.request_count += shapes[i].count;
    return place_board_new(&options);
}

static struct place_ask share_of(uint32_t share)
{
    return (struct place_ask){
            .request = {.cpu_milli = 1000, .memory_mib = 1000, .cards = 1, .share = share}};
}

static struct place_ask cards_of(uint8_t cards)
{
    return (struct place_ask){
            .request = {.cpu_milli = 1000, .memory_mib = 1000, .cards = cards, .whole = true}};
}

static void copies_are_worth_their_fourth_fifths_power(void **state)
{
    const __int128 one = (__int128)1 << 50; /* 1024^5 */
    __int128 w = 0;

    (void)state;
    for (__int128 k = 0; k <= PLACE_COPIES_MAX; k++) {
        while ((w + 1) * (w + 1) * (w + 1) * (w + 1) * (w + 1) <= one * k * k * k * k)
            w++;
        assert_int_equal(place_worth[k], (int64_t)w);
    }
}

static void places_until_nothing_fits(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BEST, NULL, 0);
    struct place_ask ask = share_of(600);
    struct place_choice choice;
    struct place_free left;

    (void)state;
    place_board_node_add(b, &node_of_four);
    assert_int_equal(place_board_copies(b, 0, &ask.request), 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(place_board_put(b, &ask, &choice), 0);
    assert_int_equal(place_board_put(b, &ask, &choice), -ENOSPC);
    assert_int_equal(place_board_copies(b, 0, &ask.request), 0);
    place_board_free_get(b, 0, &left);
    assert_int_equal(left.cpu_milli, 12000);
    assert_int_equal(left.share[3], 400);
    place_board_remove(b, &ask.request, &choice.spot);
    assert_int_equal(place_board_put(b, &ask, &choice), 0);
    place_board_free(b);
}

static void whole_cards_need_untouched_ones_of_one_node(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BEST, NULL, 0);
    struct place_ask three = cards_of(3), two = cards_of(2), some = share_of(1);
    struct place_spot on_card_1 = {.node = 0, .cards = 2}, on_card_2 = {.node = 0, .cards = 4};
    struct place_choice choice;

    (void)state;
    place_board_node_add(b, &node_of_four);
    place_board_node_add(b, &node_of_four);
    assert_int_equal(place_board_take(b, &some.request, &on_card_1), 0);
    assert_int_equal(place_board_take(b, &some.request, &on_card_2), 0);
    assert_int_equal(place_board_put(b, &three, &choice), 0);
    assert_int_equal(choice.spot.node, 1);
    assert_int_equal(choice.spot.cards, 7);
    assert_int_equal(place_board_put(b, &two, &choice), 0);
    assert_int_equal(choice.spot.node, 0);
    assert_int_equal(choice.spot.cards, 9); /* cards 0 and 3 */
    assert_int_equal(place_board_put(b, &two, &choice), -ENOSPC);
    place_board_free(b);
}

static void take_refuses_what_is_not_there(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BEST, NULL, 0);
    struct place_ask share = share_of(600), two = cards_of(2), one = cards_of(1);
    struct place_spot card_0 = {.cards = 1}, card_5 = {.cards = 32}, cards_01 = {.cards = 3};
    struct place_free before, after;

    (void)state;
    one.request.cpu_milli = 17000;
    place_board_node_add(b, &node_of_four);
    assert_int_equal(place_board_take(b, &share.request, &card_0), 0);
    place_board_free_get(b, 0, &before);
    assert_int_equal(place_board_take(b, &share.request, &card_0), -ENOSPC);
    assert_int_equal(place_board_take(b, &share.request, &card_5), -ENOSPC);
    assert_int_equal(place_board_take(b, &two.request, &cards_01), -ENOSPC);
    assert_int_equal(place_board_take(b, &two.request, &card_0), -ENOSPC);
    assert_int_equal(place_board_take(b, &one.request, &card_0), -ENOSPC);
    place_board_free_get(b, 0, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    place_board_free(b);
}

static void models_avoid_and_unusable_cards_are_kept_to(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BEST, NULL, 0);
    struct place_ask ask = share_of(500);
    struct place_node node = node_of_four;
    struct place_choice choices[4];

    (void)state;
    node.avoid = 1;
    place_board_node_add(b, &node);
    node.avoid = 0;
    node.model = 3;
    place_board_node_add(b, &node);
    assert_int_equal(place_board_rank(b, &ask, choices, 4), 2);
    assert_int_equal(choices[0].spot.node, 1);
    assert_int_equal(choices[1].spot.node, 0);
    assert_int_equal(choices[1].score.avoid, 1);
    place_board_node_set(b, 1, 0xf, 0); /* no card of node 1 takes anything new */
    assert_int_equal(place_board_rank(b, &ask, choices, 4), 1);
    assert_int_equal(choices[0].spot.node, 0);
    ask.request.models = 1u << 3;
    assert_int_equal(place_board_rank(b, &ask, choices, 4), 0);
    place_board_node_set(b, 1, 0x7, 0);
    assert_int_equal(place_board_rank(b, &ask, choices, 4), 1);
    assert_int_equal(choices[0].spot.cards, 8);
    ask.request.cards = 0; /* CPU and memory know no models of GPUs */
    ask.request.share = 0;
    assert_int_equal(place_board_rank(b, &ask, choices, 4), 2);
    place_board_free(b);
}

static bool veto_first_two(void *context, const struct place_spot *spot)
{
    (*(unsigned *)context)++;
    return (spot->cards & ~3u) == 0;
}

static void a_veto_is_asked_for_each_card(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BEST, NULL, 0);
    unsigned asked = 0;
    struct place_ask ask = share_of(400);
    struct place_choice choice;

    (void)state;
    ask.veto = veto_first_two;
    ask.context = &asked;
    place_board_node_add(b, &node_of_four);
    assert_int_equal(place_board_put(b, &ask, &choice), 0);
    assert_int_equal(choice.spot.cards, 4);
    assert_int_equal(asked, 4);
    place_board_node_set(b, 0, 0xc, 0);
    assert_int_equal(place_board_put(b, &ask, &choice), -ENOSPC);
    ask.veto = NULL;
    assert_int_equal(place_board_put(b, &ask, &choice), 0);
    place_board_free(b);
}

/* Cards of different size: a share in MiB fits the one and not the other. */
static void shares_are_in_the_unit_of_the_cards(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BEST, NULL, 0);
    struct place_node small = node_of_four, large = node_of_four;
    struct place_ask ask = share_of(30000);
    struct place_choice choices[2];

    (void)state;
    small.card_share = 15000;
    large.card_share = 80000;
    place_board_node_add(b, &small);
    place_board_node_add(b, &large);
    assert_int_equal(place_board_rank(b, &ask, choices, 2), 1);
    assert_int_equal(choices[0].spot.node, 1);
    assert_int_equal(place_board_copies(b, 1, &ask.request), 8);
    place_board_free(b);
}

/* Two cards are free: one whole, one with 500 left.  Whole cards are common, so a share of 500
 * belongs beside the other. */
static void best_keeps_common_shapes_placeable(void **state)
{
    const struct place_shape shapes[] = {
            {.request = {.cpu_milli = 1000, .memory_mib = 1000, .cards = 1, .whole = true},
                    .count = 9},
            {.request = {.cpu_milli = 1000, .memory_mib = 1000, .cards = 1, .share = 500},
                    .count = 1},
    };
    struct place_board *b = board_of(PLACE_POLICY_BEST, shapes, 2);
    struct place_node node = node_of_four;
    struct place_ask ask = share_of(500);
    struct place_spot card_1 = {.node = 0, .cards = 2};
    struct place_choice choices[2];

    (void)state;
    node.card_count = 2;
    place_board_node_add(b, &node);
    node.card_count = 1;
    place_board_node_add(b, &node);
    assert_int_equal(place_board_take(b, &ask.request, &card_1), 0);
    assert_int_equal(place_board_rank(b, &ask, choices, 2), 2);
    assert_int_equal(choices[0].spot.node, 0);
    assert_int_equal(choices[0].spot.cards, 2);
    assert_true(choices[0].score.cost < choices[1].score.cost);
    place_board_free(b);
}

/* A shape that only few nodes can take keeps others away from them. */
static void best_leaves_scarce_nodes_alone(void **state)
{
    const struct place_shape shapes[] = {
            {.request = {.cpu_milli = 1000, .memory_mib = 1000, .cards = 1, .whole = true},
                    .count = 1},
            {.request = {.cpu_milli = 1000,
                     .memory_mib = 1000,
                     .cards = 1,
                     .whole = true,
                     .models = 2},
                    .count = 1},
    };
    struct place_board *b = board_of(PLACE_POLICY_BEST, shapes, 2);
    struct place_node node = node_of_four;
    struct place_ask ask = cards_of(1);
    struct place_choice choice;

    (void)state;
    node.model = 1;
    place_board_node_add(b, &node);
    node.model = 0;
    for (unsigned i = 0; i < 4; i++)
        place_board_node_add(b, &node);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(place_board_put(b, &ask, &choice), 0);
        assert_int_not_equal(choice.spot.node, 0);
    }
    assert_int_equal(place_board_put(b, &ask, &choice), 0);
    assert_int_equal(choice.spot.node, 0);
    place_board_free(b);
}

/* 100 x half the CPU and half the cards left, of the greatest node: node 1 is left emptier. */
static void bestfit_scores_as_published(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_BESTFIT, NULL, 0);
    struct place_node half = node_of_four;
    struct place_ask ask = cards_of(2);
    struct place_choice choices[2];

    (void)state;
    half.cpu_milli = 8000;
    half.card_count = 2;
    place_board_node_add(b, &node_of_four);
    place_board_node_add(b, &half);
    assert_int_equal(place_board_rank(b, &ask, choices, 2), 2);
    assert_int_equal(choices[0].spot.node, 1);
    assert_int_equal(choices[0].score.cost, 22); /* 50 x 7000 / 16000 + 0 = 21.9 */
    assert_int_equal(choices[1].score.cost, 72); /* 50 x 15000 / 16000 + 50 x 2 / 4 = 71.9 */
    place_board_free(b);
}

/* FGD: without common shapes nothing is a fragment, every drop is 0 and scores 50. */
static void fgd_scores_zero_drop_as_fifty(void **state)
{
    struct place_board *b = board_of(PLACE_POLICY_FGD, NULL, 0);
    struct place_ask ask = share_of(100);
    struct place_choice choice;

    (void)state;
    place_board_node_add(b, &node_of_four);
    place_board_node_add(b, &node_of_four);
    assert_int_equal(place_board_put(b, &ask, &choice), 0);
    assert_int_equal(choice.score.cost, 50);
    assert_int_equal(choice.spot.node, 0);
    assert_int_equal(choice.spot.cards, 1);
    place_board_free(b);
}

static void names_of_policies(void **state)
{
    (void)state;
    assert_string_equal(place_policy_name(PLACE_POLICY_BEST), "best");
    assert_string_equal(place_policy_name(PLACE_POLICY_FGD), "fgd");
    assert_string_equal(place_policy_name(PLACE_POLICY_BESTFIT), "bestfit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(copies_are_worth_their_fourth_fifths_power),
            cmocka_unit_test(places_until_nothing_fits),
            cmocka_unit_test(whole_cards_need_untouched_ones_of_one_node),
            cmocka_unit_test(take_refuses_what_is_not_there),
            cmocka_unit_test(models_avoid_and_unusable_cards_are_kept_to),
            cmocka_unit_test(a_veto_is_asked_for_each_card),
            cmocka_unit_test(shares_are_in_the_unit_of_the_cards),
            cmocka_unit_test(best_keeps_common_shapes_placeable),
            cmocka_unit_test(best_leaves_scarce_nodes_alone),
            cmocka_unit_test(bestfit_scores_as_published),
            cmocka_unit_test(fgd_scores_zero_drop_as_fifty),
            cmocka_unit_test(names_of_policies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
