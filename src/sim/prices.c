/* sim/prices.c - the built-in price table.  Pure. */
#include "sim/prices.h"

#include "model/gpu.h"

#include <string.h>

static const struct {
    const char *gpu;
    int64_t microusd_per_hour;
} prices[] = {
        {"T4", 526000},             /* g4dn.xlarge, NC4as_T4_v3 */
        {"L4", 804800},             /* g6.xlarge */
        {"A10G", 1006000},          /* g5.xlarge */
        {"L40S", 1861000},          /* g6e.xlarge */
        {"A100-40GB", 2744700},     /* p4d.24xlarge / 8 */
        {"A100-80GB", 3430888},     /* p4de.24xlarge / 8 */
        {"H100-80GB", 6880000},     /* p5.48xlarge / 8, p5.4xlarge */
        {"H100-94GB-NVL", 6980000}, /* NC40ads_H100_v5 */
        {"V100-16GB", 3060000},     /* p3.2xlarge */
};

int64_t sim_price_default(uint16_t gpu)
{
    const struct model_gpu *g = model_gpu_get(gpu);
    for (unsigned i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        if (strcmp(prices[i].gpu, g->key) == 0)
            return prices[i].microusd_per_hour;
    }
    /* A rough line through the table: memory and compute both cost. */
    return 20000 * (int64_t)(g->memory_usable_mib / 1024) + 1200 * (int64_t)g->speed_permille;
}
