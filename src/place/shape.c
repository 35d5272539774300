/* place/shape.c - requests as values, and the common ones among many.  Pure. */
#include "place/shape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What a request asks of each card, comparable: nothing < any share < a whole card. */
static uint32_t card_ask(const struct place_request *r)
{
    if (r->cards == 0)
        return 0;
    return r->whole ? UINT32_MAX : r->share;
}

int place_request_cmp(const struct place_request *a, const struct place_request *b)
{
    if (a->cpu_milli != b->cpu_milli)
        return a->cpu_milli < b->cpu_milli ? -1 : 1;
    if (card_ask(a) != card_ask(b))
        return card_ask(a) < card_ask(b) ? -1 : 1;
    if (a->cards != b->cards)
        return a->cards < b->cards ? -1 : 1;
    if (a->models != b->models)
        return a->models < b->models ? -1 : 1;
    if (a->memory_mib != b->memory_mib)
        return a->memory_mib < b->memory_mib ? -1 : 1;
    return 0;
}

bool place_request_eq(const struct place_request *a, const struct place_request *b)
{
    return place_request_cmp(a, b) == 0;
}

static int compare_requests(const void *a, const void *b)
{
    return place_request_cmp(a, b);
}

/* Most frequent first, then the greater request: the order in which the published FGD adds up its
 * typical pods, which its floating-point sums depend on. */
static int compare_shapes(const void *a, const void *b)
{
    const struct place_shape *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return place_request_cmp(&y->request, &x->request);
}

void place_shapes_common(struct arena *a, const struct place_request *requests, uint32_t count,
        const struct place_shape_rule *rule, struct place_shape_list *ret_list)
{
    struct place_request *sorted = ARENA_ARRAY(a, struct place_request, count);
    struct place_shape *shapes = ARENA_ARRAY(a, struct place_shape, count);
    uint32_t shape_count = 0, taken = 0;
    uint64_t covered = 0;

    assert(rule->cover_permille >= 1 && rule->cover_permille <= 1000);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = requests[i];
        if (rule->ignore_memory)
            sorted[i].memory_mib = 0;
    }
    if (count > 0)
        qsort(sorted, count, sizeof(*sorted), compare_requests);
    for (uint32_t i = 0; i < count; i++) {
        if (shape_count == 0 || !place_request_eq(&shapes[shape_count - 1].request, &sorted[i]))
            shapes[shape_count++].request = sorted[i];
        shapes[shape_count - 1].count++;
    }
    if (shape_count > 0)
        qsort(shapes, shape_count, sizeof(*shapes), compare_shapes);
    while (taken < shape_count && taken < PLACE_SHAPES_MAX &&
            covered * 1000 < (uint64_t)count * rule->cover_permille)
        covered += shapes[taken++].count;
    *ret_list = (struct place_shape_list){.shapes = shapes, .count = taken, .request_count = count};
}
