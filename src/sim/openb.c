/* sim/openb.c - strict readers of the openb traces.  Pure. */
#include "sim/openb.h"

#include "base/csv.h"
#include "base/map.h"
#include "base/prng.h"

#include <errno.h>
#include <string.h>

/* The names of the whole trace.  G1, G2, G3 are masked by its authors. */
const struct sim_openb_model sim_openb_models[SIM_OPENB_MODELS] = {
        {.name = "A10", .memory_mib = 24576},
        {.name = "G1"},
        {.name = "G2"},
        {.name = "G3"},
        {.name = "P100", .memory_mib = 16384},
        {.name = "T4", .memory_mib = 16384},
        {.name = "V100M16", .memory_mib = 16384},
        {.name = "V100M32", .memory_mib = 32768},
};

enum { CPU_MILLI_MAX = 100000000, MEMORY_MIB_MAX = 1 << 30, MODEL_NONE = 255 };

/* The number of the model `name`, or MODEL_NONE. */
static uint8_t model_find(struct str name)
{
    for (unsigned m = 0; m < SIM_OPENB_MODELS; m++) {
        if (str_eq_c(name, sim_openb_models[m].name))
            return (uint8_t)m;
    }
    return MODEL_NONE;
}

static int model_unknown(const struct csv *c, unsigned column, struct str name, struct err *reterr)
{
    return err_set(reterr, -EINVAL,
            "line %u, column %.*s: '%.*s': expected one of A10, G1, G2, G3, P100, T4, V100M16, "
            "V100M32",
            c->line, STR_ARG_SHORT(c->header[column]), STR_ARG_SHORT(name));
}

/* A required number column; `max` fits 32 bits. */
static int cell_u32(
        const struct csv *c, unsigned column, uint32_t max, uint32_t *ret_value, struct err *reterr)
{
    uint64_t value;
    int rc = csv_u64(c, column, 0, max, &value, reterr);

    if (rc == 0)
        *ret_value = (uint32_t)value;
    return rc;
}

/* Looks `count` columns up by name; an absent one is an error. */
static int columns_find(const struct csv *c, const char *const *names, unsigned count,
        unsigned *ret_columns, struct err *reterr)
{
    for (unsigned i = 0; i < count; i++) {
        int rc = csv_column(c, names[i], &ret_columns[i], reterr);

        if (rc < 0)
            return -EINVAL;
    }
    return 0;
}

/* The number of rows that the file can have at most, for one allocation. */
static int rows_bound(struct arena *a, struct str csv, uint32_t max, size_t size,
        uint32_t *ret_rows, struct err *reterr)
{
    size_t lines = 1;

    for (size_t i = 0; i < csv.len; i++)
        lines += csv.ptr[i] == '\n';
    if (lines > (size_t)max + 2)
        return err_set(reterr, -E2BIG, "%zu lines: expected at most %u", lines, max);
    if (!arena_fits(a, lines, size))
        return err_set(reterr, -E2BIG, "%zu lines need too much memory", lines);
    *ret_rows = (uint32_t)lines;
    return 0;
}

/* What each reader below works on. */
struct reading {
    struct arena *arena;
    struct str input;
    struct csv csv;
    struct map_str names; /* name -> row */
    uint32_t rows_most;
};

/* Names are copied into the arena when their cell lies in the reader's scratch (quoted). */
static struct str kept(const struct reading *r, struct str cell)
{
    const char *begin = r->input.ptr, *end = begin + r->input.len;

    if (cell.len == 0 || (cell.ptr >= begin && cell.ptr < end))
        return cell;
    return arena_str(r->arena, cell);
}

/* Opens the file; row_size: what one row will take.  To be closed whatever is returned. */
static int reading_open(struct reading *r, uint32_t max, size_t row_size, struct err *reterr)
{
    int rc = rows_bound(r->arena, r->input, max, row_size, &r->rows_most, reterr);

    if (rc < 0)
        return rc;
    return csv_init(&r->csv, r->input, reterr);
}

static void reading_close(struct reading *r)
{
    csv_clear(&r->csv);
    map_str_clear(&r->names);
}

/* Enters the name of row `row`; a name used before is an error. */
static int name_add(struct reading *r, struct str name, uint32_t row, struct err *reterr)
{
    uint32_t before = map_str_find(&r->names, name);

    if (before != MAP_NONE) {
        return err_set(reterr, -EINVAL, "line %u: '%.*s' is the name of row %u already",
                r->csv.line, STR_ARG_SHORT(name), before + 1);
    }
    map_str_set(&r->names, name, row);
    return 0;
}

/* ---- nodes ---- */

enum { NODE_SN, NODE_CPU, NODE_MEMORY, NODE_GPU, NODE_MODEL, NODE_COLUMNS };

static int node_read(const struct csv *c, const unsigned *column, struct sim_openb_node *ret_node,
        struct err *reterr)
{
    struct sim_openb_node n = {.name = c->cell[column[NODE_SN]]};
    struct str model = c->cell[column[NODE_MODEL]];
    uint32_t gpus = 0;
    int rc;

    if (n.name.len == 0)
        return err_set(reterr, -EINVAL, "line %u, column sn: empty name", c->line);
    rc = cell_u32(c, column[NODE_CPU], CPU_MILLI_MAX, &n.cpu_milli, reterr);
    if (rc == 0)
        rc = cell_u32(c, column[NODE_MEMORY], MEMORY_MIB_MAX, &n.memory_mib, reterr);
    if (rc == 0)
        rc = cell_u32(c, column[NODE_GPU], SIM_OPENB_GPUS_MAX, &gpus, reterr);
    if (rc < 0)
        return -EINVAL;
    n.gpus = (uint8_t)gpus;
    if (gpus == 0 && model.len > 0) {
        return err_set(reterr, -EINVAL, "line %u, column model: '%.*s': expected none without GPUs",
                c->line, STR_ARG_SHORT(model));
    }
    if (gpus > 0) {
        n.model = model_find(model);
        if (n.model == MODEL_NONE)
            return model_unknown(c, column[NODE_MODEL], model, reterr);
    }
    *ret_node = n;
    return 0;
}

static int nodes_read(struct reading *r, struct sim_openb_node *rows,
        struct sim_openb_nodes *ret_nodes, struct err *reterr)
{
    static const char *const wanted[] = {"sn", "cpu_milli", "memory_mib", "gpu", "model"};
    struct sim_openb_nodes nodes = {.rows = rows};
    unsigned column[NODE_COLUMNS];
    int rc = columns_find(&r->csv, wanted, NODE_COLUMNS, column, reterr);

    if (rc < 0)
        return rc;
    while ((rc = csv_next(&r->csv, reterr)) > 0) {
        struct sim_openb_node *n = &rows[nodes.count];

        rc = node_read(&r->csv, column, n, reterr);
        if (rc == 0)
            rc = name_add(r, n->name, nodes.count, reterr);
        if (rc < 0)
            return rc;
        n->name = kept(r, n->name);
        nodes.gpu_milli += UINT64_C(1000) * n->gpus;
        nodes.count++;
    }
    if (rc < 0)
        return rc;
    if (nodes.count == 0)
        return err_set(reterr, -EINVAL, "no nodes below the header");
    *ret_nodes = nodes;
    return 0;
}

int sim_openb_nodes_parse(
        struct arena *a, struct str csv, struct sim_openb_nodes *ret_nodes, struct err *reterr)
{
    struct reading r = {.arena = a, .input = csv};
    int rc = reading_open(&r, SIM_OPENB_NODES_MAX, sizeof(struct sim_openb_node), reterr);

    if (rc == 0) {
        rc = nodes_read(&r, ARENA_ARRAY(a, struct sim_openb_node, r.rows_most), ret_nodes, reterr);
    }
    reading_close(&r);
    return rc;
}

/* ---- pods ---- */

enum { POD_NAME, POD_CPU, POD_MEMORY, POD_GPUS, POD_MILLI, POD_COLUMNS };
enum { POD_SPEC, POD_QOS, POD_CREATED, POD_DELETED, POD_EXTRAS };

/* Where the columns are; an absent extra has column_count. */
struct pod_columns {
    unsigned column[POD_COLUMNS];
    unsigned extra[POD_EXTRAS];
};

static int pod_columns_find(
        const struct csv *c, struct pod_columns *ret_columns, struct err *reterr)
{
    static const char *const wanted[] = {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"};
    static const char *const extras[] = {"gpu_spec", "qos", "creation_time", "deletion_time"};
    int rc = columns_find(c, wanted, POD_COLUMNS, ret_columns->column, reterr);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < POD_EXTRAS; i++) {
        if (csv_column(c, extras[i], &ret_columns->extra[i], NULL) < 0)
            ret_columns->extra[i] = c->column_count;
    }
    return 0;
}

/* The cell of an extra column, empty when the list has none. */
static struct str extra_cell(const struct csv *c, const struct pod_columns *columns, unsigned extra)
{
    unsigned column = columns->extra[extra];

    return column < c->column_count ? c->cell[column] : (struct str){0};
}

/* Models joined by '|'.  The published lists repeat some within a cell, so that is no error. */
static int pod_models(const struct csv *c, const struct pod_columns *columns, uint32_t *ret_models,
        struct err *reterr)
{
    struct str spec = extra_cell(c, columns, POD_SPEC), part;
    uint32_t models = 0;

    while (spec.len > 0 && str_split(&spec, '|', &part)) {
        uint8_t model = model_find(part);

        if (model == MODEL_NONE)
            return model_unknown(c, columns->extra[POD_SPEC], part, reterr);
        models |= 1u << model;
    }
    *ret_models = models;
    return 0;
}

static int pod_times(const struct csv *c, const struct pod_columns *columns,
        struct sim_openb_pod *p, struct err *reterr)
{
    const int64_t most = INT64_C(1) << 40;
    int rc;

    if (extra_cell(c, columns, POD_CREATED).len == 0 ||
            extra_cell(c, columns, POD_DELETED).len == 0)
        return 0;
    rc = csv_i64(c, columns->extra[POD_CREATED], 0, most, &p->created_s, reterr);
    if (rc == 0) {
        rc = csv_i64(c, columns->extra[POD_DELETED], p->created_s, most, &p->deleted_s, reterr);
    }
    p->times_known = rc == 0;
    return rc < 0 ? -EINVAL : 0;
}

/* What a pod asks of GPUs. */
static int pod_gpus(const struct csv *c, const struct pod_columns *columns, struct sim_openb_pod *p,
        struct err *reterr)
{
    uint32_t gpus = 0, milli = 0;
    int rc = cell_u32(c, columns->column[POD_GPUS], SIM_OPENB_GPUS_MAX, &gpus, reterr);

    if (rc == 0)
        rc = cell_u32(c, columns->column[POD_MILLI], 1000, &milli, reterr);
    if (rc < 0)
        return -EINVAL;
    if ((gpus == 0 && milli != 0) || (gpus == 1 && milli == 0) || (gpus > 1 && milli != 1000)) {
        return err_set(reterr, -EINVAL,
                "line %u, column gpu_milli: '%u': expected %s with num_gpu %u", c->line, milli,
                gpus == 0   ? "0"
                : gpus == 1 ? "1 to 1000"
                            : "1000",
                gpus);
    }
    p->gpus = (uint8_t)gpus;
    p->gpu_milli = (uint16_t)milli;
    return 0;
}

static int pod_read(const struct csv *c, const struct pod_columns *columns,
        struct sim_openb_pod *ret_pod, struct err *reterr)
{
    struct sim_openb_pod p = {
            .name = c->cell[columns->column[POD_NAME]], .qos = extra_cell(c, columns, POD_QOS)};
    int rc;

    if (p.name.len == 0)
        return err_set(reterr, -EINVAL, "line %u, column name: empty name", c->line);
    rc = cell_u32(c, columns->column[POD_CPU], CPU_MILLI_MAX, &p.cpu_milli, reterr);
    if (rc == 0) {
        rc = cell_u32(c, columns->column[POD_MEMORY], MEMORY_MIB_MAX, &p.memory_mib, reterr);
    }
    if (rc == 0)
        rc = pod_gpus(c, columns, &p, reterr);
    if (rc == 0)
        rc = pod_models(c, columns, &p.models, reterr);
    if (rc == 0)
        rc = pod_times(c, columns, &p, reterr);
    if (rc < 0)
        return -EINVAL;
    *ret_pod = p;
    return 0;
}

static int pods_read(struct reading *r, struct sim_openb_pod *rows, struct sim_openb_pods *ret_pods,
        struct err *reterr)
{
    struct sim_openb_pods pods = {.rows = rows};
    struct pod_columns columns;
    int rc = pod_columns_find(&r->csv, &columns, reterr);

    if (rc < 0)
        return rc;
    while ((rc = csv_next(&r->csv, reterr)) > 0) {
        struct sim_openb_pod *p = &rows[pods.count];

        rc = pod_read(&r->csv, &columns, p, reterr);
        if (rc == 0)
            rc = name_add(r, p->name, pods.count, reterr);
        if (rc < 0)
            return rc;
        p->name = kept(r, p->name);
        p->qos = kept(r, p->qos);
        pods.gpu_milli += (uint64_t)p->gpus * p->gpu_milli;
        pods.count++;
    }
    if (rc < 0)
        return rc;
    if (pods.count == 0)
        return err_set(reterr, -EINVAL, "no pods below the header");
    *ret_pods = pods;
    return 0;
}

int sim_openb_pods_parse(
        struct arena *a, struct str csv, struct sim_openb_pods *ret_pods, struct err *reterr)
{
    struct reading r = {.arena = a, .input = csv};
    int rc = reading_open(&r, SIM_OPENB_PODS_MAX, sizeof(struct sim_openb_pod), reterr);

    if (rc == 0)
        rc = pods_read(&r, ARENA_ARRAY(a, struct sim_openb_pod, r.rows_most), ret_pods, reterr);
    reading_close(&r);
    return rc;
}

/* ---- orders ---- */

/* What an order file is read into. */
struct order_rows {
    uint32_t *pods;
    uint32_t *node_chosen;
    uint32_t *node_rank; /* by node; UINT32_MAX = not said */
    const struct sim_openb_nodes *nodes;
    struct map_str node_names;
};

/* "RANK-NAME": which node, and its place in the order of ties. */
static int order_node(const struct csv *c, struct str cell, struct order_rows *rows,
        uint32_t *ret_node, struct err *reterr)
{
    struct str rank_text, name = cell;
    uint64_t rank;
    uint32_t node;

    if (!str_split(&name, '-', &rank_text) ||
            str_to_u64(rank_text, 0, SIM_OPENB_NODES_MAX, &rank) < 0) {
        return err_set(reterr, -EINVAL,
                "line %u, column fgd_node: '%.*s': expected RANK-NAME or nothing", c->line,
                STR_ARG_SHORT(cell));
    }
    node = map_str_find(&rows->node_names, name);
    if (node == MAP_NONE) {
        return err_set(reterr, -EINVAL, "line %u, column fgd_node: '%.*s': no such node", c->line,
                STR_ARG_SHORT(name));
    }
    if (rows->node_rank[node] != UINT32_MAX && rows->node_rank[node] != rank) {
        return err_set(reterr, -EINVAL,
                "line %u, column fgd_node: '%.*s': expected rank %u, as on a line before", c->line,
                STR_ARG_SHORT(cell), rows->node_rank[node]);
    }
    rows->node_rank[node] = (uint32_t)rank;
    *ret_node = node;
    return 0;
}

static int order_read(struct reading *r, struct order_rows *rows, const struct sim_openb_pods *pods,
        struct sim_openb_order *ret_order, struct err *reterr)
{
    struct sim_openb_order order = {.pods = rows->pods};
    unsigned column, node_column = 0;
    bool told; /* the file says which nodes a published run chose */
    int rc = csv_column(&r->csv, "base_pod", &column, reterr);

    if (rc < 0)
        return -EINVAL;
    told = csv_column(&r->csv, "fgd_node", &node_column, NULL) == 0;
    while ((rc = csv_next(&r->csv, reterr)) > 0) {
        struct str name = r->csv.cell[column];
        struct str chosen = told ? r->csv.cell[node_column] : (struct str){0};
        uint32_t pod = map_str_find(&r->names, name);

        if (pod == MAP_NONE) {
            return err_set(reterr, -EINVAL, "line %u, column base_pod: '%.*s': no such pod",
                    r->csv.line, STR_ARG_SHORT(name));
        }
        rows->pods[order.count] = pod;
        rows->node_chosen[order.count] = UINT32_MAX;
        if (chosen.len > 0) {
            rc = order_node(&r->csv, chosen, rows, &rows->node_chosen[order.count], reterr);
            if (rc < 0)
                return rc;
        }
        order.gpu_milli += (uint64_t)pods->rows[pod].gpus * pods->rows[pod].gpu_milli;
        order.count++;
    }
    if (rc < 0)
        return rc;
    if (order.count == 0)
        return err_set(reterr, -EINVAL, "no arrivals below the header");
    order.node_chosen = told ? rows->node_chosen : NULL;
    order.node_rank = told ? rows->node_rank : NULL;
    *ret_order = order;
    return 0;
}

int sim_openb_order_parse(struct arena *a, struct str csv, const struct sim_openb_cluster *cluster,
        struct sim_openb_order *ret_order, struct err *reterr)
{
    const struct sim_openb_nodes *nodes = cluster->nodes;
    const struct sim_openb_pods *pods = cluster->pods;
    struct reading r = {.arena = a, .input = csv};
    struct order_rows rows = {.nodes = nodes};
    int rc = reading_open(&r, SIM_OPENB_PODS_MAX, 2 * sizeof(uint32_t), reterr);

    if (rc == 0) {
        rows.pods = ARENA_ARRAY(a, uint32_t, r.rows_most);
        rows.node_chosen = ARENA_ARRAY(a, uint32_t, r.rows_most);
        rows.node_rank = ARENA_ARRAY(a, uint32_t, nodes->count);
        for (uint32_t i = 0; i < nodes->count; i++) {
            map_str_set(&rows.node_names, nodes->rows[i].name, i);
            rows.node_rank[i] = UINT32_MAX;
        }
        for (uint32_t i = 0; i < pods->count; i++)
            map_str_set(&r.names, pods->rows[i].name, i);
        rc = order_read(&r, &rows, pods, ret_order, reterr);
    }
    map_str_clear(&rows.node_names);
    reading_close(&r);
    return rc;
}

int sim_openb_order_make(struct arena *a, const struct sim_openb_pods *pods,
        const struct sim_openb_load *load, struct sim_openb_order *ret_order, struct err *reterr)
{
    struct sim_openb_order order = {.count = pods->count, .gpu_milli = pods->gpu_milli};
    __int128 wanted = (__int128)load->capacity_milli * load->load_permille / 1000;
    struct prng draws, swaps;
    uint32_t *rows, *drawn, extra = 0;

    if (pods->gpu_milli == 0)
        return err_set(reterr, -EINVAL, "the pods of the list ask for no GPU");
    prng_init_stream(&draws, load->seed, 0);
    prng_init_stream(&swaps, load->seed, 1);
    drawn = ARENA_ARRAY(a, uint32_t, SIM_OPENB_PODS_MAX);
    while (order.gpu_milli < wanted) {
        uint32_t pod = (uint32_t)prng_below(&draws, pods->count);

        if (order.count == SIM_OPENB_PODS_MAX) {
            return err_set(reterr, -E2BIG, "a load of %u permille takes more than %d arrivals",
                    load->load_permille, SIM_OPENB_PODS_MAX);
        }
        drawn[extra++] = pod;
        order.count++;
        order.gpu_milli += (uint64_t)pods->rows[pod].gpus * pods->rows[pod].gpu_milli;
    }
    rows = ARENA_ARRAY(a, uint32_t, order.count);
    for (uint32_t i = 0; i < order.count; i++)
        rows[i] = i < pods->count ? i : drawn[i - pods->count];
    for (uint32_t i = order.count; i > 1; i--) {
        uint32_t j = (uint32_t)prng_below(&swaps, i), swap = rows[i - 1];

        rows[i - 1] = rows[j];
        rows[j] = swap;
    }
    order.pods = rows;
    *ret_order = order;
    return 0;
}
