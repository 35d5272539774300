/* model/price.c - reading a price file, and the price of a GPU hour.  Pure. */
#include "model/price.h"

#include "base/csv.h"
#include "base/map.h"
#include "model/gpu.h"

#include <assert.h>
#include <errno.h>

enum {
    NODE_GPUS_MAX = 64,
    USD_DECIMALS = 6,
    PRICE_TEXT_BYTES_MAX = 64 << 20,
};

/* A node costs less than this an hour: anything above is a misplaced point. */
static const int64_t node_microusd_max = INT64_C(100000000000);

enum column {
    COLUMN_CLOUD,
    COLUMN_REGION,
    COLUMN_INSTANCE,
    COLUMN_MODEL,
    COLUMN_GPUS,
    COLUMN_ON_DEMAND,
    COLUMN_SPOT,
    COLUMN_COUNT
};

static const char *const column_names[COLUMN_COUNT] = {
        "cloud",
        "region",
        "instance_type",
        "gpu_model",
        "gpu_count",
        "on_demand_usd_per_hour",
        "spot_usd_per_hour",
};

struct price_reader {
    struct csv csv;
    unsigned columns[COLUMN_COUNT];
    struct arena *arena;
    struct model_offer *offers;
    uint32_t count;
    struct map_str seen; /* "cloud\nregion\ninstance" -> line */
};

const char *model_purchase_name(enum model_purchase p)
{
    static const char *const names[] = {
            [MODEL_PURCHASE_ON_DEMAND] = "on-demand",
            [MODEL_PURCHASE_SPOT] = "spot",
    };
    assert(p < MODEL_PURCHASE_COUNT);
    return names[p];
}

static struct str cell(const struct price_reader *r, enum column c)
{
    return r->csv.cell[r->columns[c]];
}

/* Adds an offer at the price in `column`; an empty cell is no offer. */
static int offer_add(struct price_reader *r, const struct model_offer *row, enum column column,
        struct err *reterr)
{
    if (cell(r, column).len == 0)
        return 0;
    int64_t node_microusd = 0;
    int rc = csv_fixed(&r->csv, r->columns[column], USD_DECIMALS, 1, node_microusd_max,
            &node_microusd, reterr);
    if (rc < 0)
        return rc;
    struct model_offer *offer = &r->offers[r->count++];
    *offer = *row;
    offer->purchase = column == COLUMN_SPOT ? MODEL_PURCHASE_SPOT : MODEL_PURCHASE_ON_DEMAND;
    /* Rounded up, so that no price becomes 0 and the whole is never understated. */
    offer->microusd_per_gpu_hour = (node_microusd + row->gpus_per_node - 1) / row->gpus_per_node;
    return 0;
}

static int row_read(struct price_reader *r, struct err *reterr)
{
    for (enum column c = COLUMN_CLOUD; c <= COLUMN_INSTANCE; c++) {
        if (cell(r, c).len == 0) {
            return err_set(reterr, -EINVAL, "line %u, column %s: expected a name", r->csv.line,
                    column_names[c]);
        }
    }
    const struct model_gpu *gpu = NULL;
    int rc = model_gpu_find(cell(r, COLUMN_MODEL), &gpu, reterr);
    if (rc < 0)
        return err_wrap(reterr, "line %u, column gpu_model", r->csv.line);
    uint64_t gpus = 0;
    rc = csv_u64(&r->csv, r->columns[COLUMN_GPUS], 1, NODE_GPUS_MAX, &gpus, reterr);
    if (rc < 0)
        return rc;
    if (cell(r, COLUMN_ON_DEMAND).len == 0 && cell(r, COLUMN_SPOT).len == 0) {
        return err_set(reterr, -EINVAL,
                "line %u: neither on_demand_usd_per_hour nor spot_usd_per_hour is given",
                r->csv.line);
    }

    const struct model_offer row = {
            .gpu = (uint16_t)model_gpu_index(gpu),
            .cloud = arena_str(r->arena, cell(r, COLUMN_CLOUD)),
            .region = arena_str(r->arena, cell(r, COLUMN_REGION)),
            .instance = arena_str(r->arena, cell(r, COLUMN_INSTANCE)),
            .gpus_per_node = (uint32_t)gpus,
            .start_ns = INT64_MIN,
            .end_ns = INT64_MAX,
            .nodes_free = UINT32_MAX,
    };
    const char *id = arena_printf(r->arena, "%.*s\n%.*s\n%.*s", STR_ARG(row.cloud),
            STR_ARG(row.region), STR_ARG(row.instance));
    uint32_t before = map_str_set(&r->seen, str_from(id), r->csv.line);
    if (before != MAP_NONE) {
        return err_set(reterr, -EINVAL, "line %u: '%.*s' of %.*s in %.*s is on line %u already",
                r->csv.line, STR_ARG_SHORT(row.instance), STR_ARG_SHORT(row.cloud),
                STR_ARG_SHORT(row.region), before);
    }
    rc = offer_add(r, &row, COLUMN_ON_DEMAND, reterr);
    if (rc == 0)
        rc = offer_add(r, &row, COLUMN_SPOT, reterr);
    return rc;
}

/* At most this many rows are in `text`: its line ends, plus one. */
static uint32_t rows_max(struct str text)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < text.len && lines <= MODEL_PRICE_ROWS_MAX + 2; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

static int rows_read(struct price_reader *r, struct str text, struct err *reterr)
{
    for (unsigned c = 0; c < COLUMN_COUNT; c++) {
        int rc = csv_column(&r->csv, column_names[c], &r->columns[c], reterr);
        if (rc < 0)
            return rc;
    }
    uint32_t room = rows_max(text);
    if (!arena_fits(r->arena, 2 * (size_t)room, sizeof *r->offers + 64))
        return err_set(reterr, -E2BIG, "price file: too large");
    r->offers = ARENA_ARRAY(r->arena, struct model_offer, 2 * (size_t)room);
    for (uint32_t rows = 0;; rows++) {
        int rc = csv_next(&r->csv, reterr);
        if (rc <= 0)
            return rc;
        if (rows == MODEL_PRICE_ROWS_MAX) {
            return err_set(reterr, -E2BIG, "line %u: more than %d rows", r->csv.line,
                    MODEL_PRICE_ROWS_MAX);
        }
        size_t text_bytes = cell(r, COLUMN_CLOUD).len + cell(r, COLUMN_REGION).len +
                            cell(r, COLUMN_INSTANCE).len;
        if (!arena_fits(r->arena, 1, 2 * text_bytes + 64))
            return err_set(reterr, -E2BIG, "line %u: price file too large", r->csv.line);
        assert(r->count + 2 <= 2 * room);
        rc = row_read(r, reterr);
        if (rc < 0)
            return rc;
    }
}

int model_price_book_parse(
        struct arena *a, struct str csv, struct model_price_book *ret_book, struct err *reterr)
{
    if (csv.len > PRICE_TEXT_BYTES_MAX)
        return err_set(reterr, -E2BIG, "price file: over %d bytes", PRICE_TEXT_BYTES_MAX);
    struct price_reader reader = {.arena = a};
    int r = csv_init(&reader.csv, csv, reterr);
    if (r < 0)
        return r;
    r = rows_read(&reader, csv, reterr);
    csv_clear(&reader.csv);
    map_str_clear(&reader.seen);
    if (r < 0)
        return r;
    if (reader.count == 0)
        return err_set(reterr, -EINVAL, "price file: no rows");
    *ret_book = (struct model_price_book){.offers = reader.offers, .count = reader.count};
    return 0;
}

struct price_query {
    uint16_t gpu;
    struct str region;
    enum model_purchase purchase;
};

/* How many matching offers cost at most `limit`. */
static uint32_t count_upto(
        const struct model_price_book *book, const struct price_query *q, int64_t limit)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < book->count; i++) {
        const struct model_offer *o = &book->offers[i];
        if (o->gpu == q->gpu && o->purchase == q->purchase &&
                (q->region.len == 0 || str_eq(o->region, q->region)))
            count += o->microusd_per_gpu_hour <= limit;
    }
    return count;
}

int model_price_find(const struct model_price_book *book, uint16_t gpu, struct str region,
        enum model_purchase purchase, int64_t *ret_microusd_per_gpu_hour)
{
    const struct price_query q = {.gpu = gpu, .region = region, .purchase = purchase};
    uint32_t all = count_upto(book, &q, INT64_MAX);
    if (all == 0)
        return -ENOENT;
    /* The least price with half of the offers at or below it, found by bisection: no memory. */
    int64_t low = 1;
    int64_t high = INT64_MAX;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (count_upto(book, &q, middle) >= all / 2 + all % 2) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *ret_microusd_per_gpu_hour = low;
    return 0;
}
