/* Requests as values, and which of many are common. */
#include "test.h"

#include "place/shape.h"

static const struct place_request whole = {.cpu_milli = 4000, .cards = 1, .whole = true};
static const struct place_request share = {.cpu_milli = 4000, .cards = 1, .share = 500};
static const struct place_request none = {.cpu_milli = 4000, .memory_mib = 10};

static void orders_nothing_before_a_share_before_a_card(void **state)
{
    struct place_request two = whole, other = share;

    (void)state;
    two.cards = 2;
    other.memory_mib = 1;
    assert_true(place_request_cmp(&none, &share) < 0);
    assert_true(place_request_cmp(&share, &whole) < 0);
    assert_true(place_request_cmp(&whole, &two) < 0);
    assert_true(place_request_cmp(&other, &share) > 0);
    assert_true(place_request_eq(&share, &share));
    assert_false(place_request_eq(&other, &share));
}

static void takes_the_most_frequent_until_covered(void **state)
{
    struct place_request requests[10];
    struct place_shape_rule rule = {.cover_permille = 700};
    struct place_shape_list list;
    struct arena *a = arena_new(0);

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        requests[i] = i < 2 ? whole : i < 7 ? share : none;
    place_shapes_common(a, requests, 10, &rule, &list);
    assert_int_equal(list.count, 2); /* 5 shares and 3 without cover 8 of 10 */
    assert_int_equal(list.request_count, 10);
    assert_true(place_request_eq(&list.shapes[0].request, &share));
    assert_int_equal(list.shapes[0].count, 5);
    assert_true(place_request_eq(&list.shapes[1].request, &none));
    rule.cover_permille = 1000;
    place_shapes_common(a, requests, 10, &rule, &list);
    assert_int_equal(list.count, 3);
    place_shapes_common(a, requests, 0, &rule, &list);
    assert_int_equal(list.count, 0);
    arena_free(a);
}

static void merges_what_differs_in_memory_when_asked(void **state)
{
    struct place_request requests[2] = {none, none};
    struct place_shape_rule rule = {.cover_permille = 1000};
    struct place_shape_list list;
    struct arena *a = arena_new(0);

    (void)state;
    requests[1].memory_mib = 20;
    place_shapes_common(a, requests, 2, &rule, &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.shapes[0].request.memory_mib, 20); /* equals: the greater first */
    rule.ignore_memory = true;
    place_shapes_common(a, requests, 2, &rule, &list);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.shapes[0].request.memory_mib, 0);
    assert_int_equal(requests[1].memory_mib, 20);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(orders_nothing_before_a_share_before_a_card),
            cmocka_unit_test(takes_the_most_frequent_until_covered),
            cmocka_unit_test(merges_what_differs_in_memory_when_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
