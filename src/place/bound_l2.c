/* place/bound_l2.c - Martello and Toth's lower bound L2 for bin packing.  Pure, integers only.
 *
 * Source: Martello and Toth, "Knapsack Problems" (1990), 8.3.3. */
#include "base/arena.h"
#include "base/num.h"
#include "place/bound.h"

#include <assert.h>
#include <stdlib.h>

static int compare_descending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x > y ? -1 : x < y;
}

/* How many of the descending sizes are > limit. */
static uint32_t count_above(const uint32_t *sizes, uint32_t count, uint64_t limit)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (sizes[mid] > limit) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

uint32_t place_bound_l2(const uint32_t *sizes, uint32_t count, uint32_t capacity)
{
    uint32_t *sorted, best = 0, large;
    uint64_t *sum; /* sum[i]: of the i greatest */

    if (count == 0)
        return 0;
    sorted = mem_alloc(count, sizeof(*sorted));
    sum = mem_alloc((size_t)count + 1, sizeof(*sum));
    for (uint32_t i = 0; i < count; i++) {
        assert(sizes[i] >= 1 && sizes[i] <= capacity);
        sorted[i] = sizes[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_descending);
    for (uint32_t i = 0; i < count; i++)
        sum[i + 1] = sum[i] + sorted[i];
    large = count_above(sorted, count, capacity / 2); /* no two of them share */
    /* For a size `least` up to half: items too large to share with any of `least` have a GPU each;
     * the other large ones too, and the rest from `least` on fills them up and then whole ones. */
    for (uint32_t i = large; i <= count; i++) {
        uint32_t least = i < count ? sorted[i] : 0;
        uint32_t huge = count_above(sorted, count, capacity - least);
        uint64_t room = (uint64_t)(large - huge) * capacity - (sum[large] - sum[huge]);
        uint32_t end = least == 0 ? count : count_above(sorted, count, least - 1);
        uint64_t rest = sum[end] - sum[large];
        uint32_t bound = large;

        if (rest > room)
            bound += (uint32_t)num_ceildiv_u64(rest - room, capacity);
        best = num_max_u32(best, bound);
    }
    mem_free(sorted);
    mem_free(sum);
    return best;
}
