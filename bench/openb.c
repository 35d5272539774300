/* bench/openb.c - the 130 % experiment on the openb traces, through the board that core uses.
 *
 * Pods arrive one by one; each that fits somewhere is placed at once, none is moved or leaves.
 * Prints one JSON object (docs/BENCHMARKS.md); after every drop an independent search makes sure
 * that the pod really fits nowhere.  Exit 2: bad arguments or input; 3: the board dropped a pod
 * that fits, or booked one where it does not. */
#include "sim/openb.h"
#include "base/buf.h"
#include "base/json.h"
#include "cli/option.h"
#include "os/clock.h"
#include "os/file.h"
#include "place/online.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 256 << 20, BIG_GPUS = 4 };

struct options {
    const char *nodes, *pods, *arrivals; /* paths; arrivals may be NULL */
    const char *placements;              /* where to write each pod's node, or NULL */
    const char *load;                    /* N.NN */
    uint64_t seed;
    uint32_t policy; /* enum place_policy */
};

struct experiment {
    struct arena *arena;
    struct buf nodes_text, pods_text, arrivals_text;
    struct sim_openb_nodes nodes;
    struct sim_openb_pods pods;
    struct sim_openb_order order;
    struct place_request *requests;  /* by row of the pod list */
    uint32_t *board_node, *row_node; /* row of the node list <-> number on the board */
};

struct tally {
    uint64_t allocated_milli, asked_milli, allocated_at_100_milli;
    uint32_t dropped, big, big_accepted, node_differs;
    bool reached_100;
    int64_t ns;
};

static const char *const policy_choices[] = {"best", "fgd", "bestfit", NULL};
_Static_assert(sizeof policy_choices / sizeof policy_choices[0] == PLACE_POLICY_COUNT + 1,
        "in the order of enum place_policy");

static const struct cli_option options[] = {
        {.name = "nodes",
                .kind = CLI_OPTION_FILE,
                .required = true,
                CLI_AT(struct options, nodes),
                .value_name = "FILE",
                .help = "the node list"},
        {.name = "pods",
                .kind = CLI_OPTION_FILE,
                .required = true,
                CLI_AT(struct options, pods),
                .value_name = "FILE",
                .help = "the pod list"},
        {.name = "arrivals",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, arrivals),
                .value_name = "FILE",
                .help = "in which order pods arrive; else drawn by the seed"},
        {.name = "seed",
                .letter = 's',
                .kind = CLI_OPTION_NUMBER,
                CLI_AT(struct options, seed),
                .value_name = "N",
                .default_text = "42",
                .max = UINT64_MAX,
                .help = "the same seed gives the same order"},
        {.name = "load",
                .kind = CLI_OPTION_TEXT,
                CLI_AT(struct options, load),
                .value_name = "N.NN",
                .default_text = "1.30",
                .help = "what arrives, as a part of the capacity: 0.001 to 10"},
        {.name = "policy",
                .kind = CLI_OPTION_CHOICE,
                CLI_AT(struct options, policy),
                .value_name = "POLICY",
                .default_text = "best",
                .choices = policy_choices,
                .help = "how the board chooses"},
        {.name = "placements",
                .kind = CLI_OPTION_FILE,
                CLI_AT(struct options, placements),
                .value_name = "FILE",
                .help = "where to write each pod's node"},
        {0},
};

static struct place_request request_of(const struct sim_openb_pod *p)
{
    struct place_request r = {.cpu_milli = p->cpu_milli,
            .memory_mib = p->memory_mib,
            .cards = p->gpus,
            .whole = p->gpus > 0 && p->gpu_milli == 1000,
            .models = p->models};

    if (p->gpus == 1 && !r.whole)
        r.share = p->gpu_milli;
    return r;
}

/* Reads `path` and puts its name before whatever is wrong with it. */
static int input_read(const char *path, struct buf *ret_text, struct err *reterr)
{
    return os_file_read(path, INPUT_BYTES_MAX, ret_text, reterr);
}

static int experiment_read(const struct options *o, struct experiment *e, struct err *reterr)
{
    struct sim_openb_load load = {.seed = o->seed};
    struct sim_openb_cluster cluster = {.nodes = &e->nodes, .pods = &e->pods};
    int64_t permille = 0;

    if (str_to_fixed(str_from(o->load), 3, 1, 10000, &permille) < 0)
        return err_set(reterr, -EINVAL, "--load: '%s': expected 0.001 to 10", o->load);
    load.load_permille = (uint32_t)permille;
    if (input_read(o->nodes, &e->nodes_text, reterr) < 0)
        return -EINVAL;
    if (sim_openb_nodes_parse(e->arena, buf_str(&e->nodes_text), &e->nodes, reterr) < 0)
        return err_wrap(reterr, "%s", o->nodes);
    if (input_read(o->pods, &e->pods_text, reterr) < 0)
        return -EINVAL;
    if (sim_openb_pods_parse(e->arena, buf_str(&e->pods_text), &e->pods, reterr) < 0)
        return err_wrap(reterr, "%s", o->pods);
    if (o->arrivals == NULL) {
        load.capacity_milli = e->nodes.gpu_milli;
        return sim_openb_order_make(e->arena, &e->pods, &load, &e->order, reterr);
    }
    if (input_read(o->arrivals, &e->arrivals_text, reterr) < 0)
        return -EINVAL;
    if (sim_openb_order_parse(e->arena, buf_str(&e->arrivals_text), &cluster, &e->order, reterr) <
            0)
        return err_wrap(reterr, "%s", o->arrivals);
    return 0;
}

static const struct experiment *sort_context; /* qsort has no argument for it */

static int compare_rank(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const uint32_t *rank = sort_context->order.node_rank;

    if (rank[x] != rank[y])
        return rank[x] < rank[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The board, nodes in the order of the list; for FGD in the order in which the published run broke
 * its ties, when the arrival file tells. */
static struct place_board *board_make(const struct options *o, struct experiment *e)
{
    struct place_shape_rule rule = {.cover_permille = 990};
    struct place_board_options board = {.policy = o->policy};
    uint32_t *row = ARENA_ARRAY(e->arena, uint32_t, e->nodes.count);
    struct place_board *b;

    if (o->policy == PLACE_POLICY_FGD)
        rule = (struct place_shape_rule){.cover_permille = 950, .ignore_memory = true};
    e->requests = ARENA_ARRAY(e->arena, struct place_request, e->pods.count);
    for (uint32_t i = 0; i < e->pods.count; i++)
        e->requests[i] = request_of(&e->pods.rows[i]);
    place_shapes_common(e->arena, e->requests, e->pods.count, &rule, &board.shapes);
    b = place_board_new(&board);
    for (uint32_t i = 0; i < e->nodes.count; i++)
        row[i] = i;
    sort_context = e;
    if (o->policy == PLACE_POLICY_FGD && e->order.node_rank != NULL)
        qsort(row, e->nodes.count, sizeof(*row), compare_rank);
    for (uint32_t i = 0; i < e->nodes.count; i++) {
        const struct sim_openb_node *n = &e->nodes.rows[row[i]];
        struct place_node node = {.cpu_milli = n->cpu_milli,
                .memory_mib = n->memory_mib,
                .card_share = 1000,
                .card_count = n->gpus,
                .model = n->model};

        place_board_node_add(b, &node);
    }
    e->row_node = row;
    return b;
}

/* An account of its own of what is free, kept from the spots alone, so that a fault of the board
 * cannot hide itself. */
struct ledger {
    uint32_t cpu_milli, memory_mib;
    uint32_t card_milli[SIM_OPENB_GPUS_MAX];
};

static bool ledger_fits(
        const struct ledger *l, const struct sim_openb_node *n, const struct sim_openb_pod *p)
{
    unsigned cards = 0;

    if (l->cpu_milli < p->cpu_milli || l->memory_mib < p->memory_mib)
        return false;
    if (p->gpus == 0)
        return true;
    if (p->models != 0 && (p->models >> n->model & 1) == 0)
        return false;
    for (unsigned c = 0; c < n->gpus; c++)
        cards += l->card_milli[c] >= p->gpu_milli;
    return cards >= p->gpus;
}

/* Books a spot; false when it is not there to be booked. */
static bool ledger_book(struct ledger *l, const struct sim_openb_node *n,
        const struct sim_openb_pod *p, uint16_t cards)
{
    unsigned count = 0;

    if (!ledger_fits(l, n, p))
        return false;
    for (unsigned c = 0; c < SIM_OPENB_GPUS_MAX; c++) {
        if ((cards >> c & 1) == 0)
            continue;
        if (c >= n->gpus || l->card_milli[c] < p->gpu_milli)
            return false;
        l->card_milli[c] -= p->gpu_milli;
        count++;
    }
    l->cpu_milli -= p->cpu_milli;
    l->memory_mib -= p->memory_mib;
    return count == p->gpus;
}

static struct ledger *ledger_make(struct experiment *e)
{
    struct ledger *ledger = ARENA_ARRAY(e->arena, struct ledger, e->nodes.count);

    for (uint32_t i = 0; i < e->nodes.count; i++) {
        const struct sim_openb_node *n = &e->nodes.rows[i];

        ledger[i] = (struct ledger){.cpu_milli = n->cpu_milli, .memory_mib = n->memory_mib};
        for (unsigned c = 0; c < n->gpus; c++)
            ledger[i].card_milli[c] = 1000;
    }
    return ledger;
}

/* Whether what the board did with arrival `i` is right; else says so on stderr. */
static bool answer_right(const struct experiment *e, struct ledger *ledger, uint32_t i,
        const struct place_choice *choice)
{
    const struct sim_openb_pod *p = &e->pods.rows[e->order.pods[i]];

    if (choice != NULL) {
        uint32_t row = e->row_node[choice->spot.node];

        if (ledger_book(&ledger[row], &e->nodes.rows[row], p, choice->spot.cards))
            return true;
        fprintf(stderr, "openb: arrival %u: %.*s was placed on %.*s, where it does not fit\n", i,
                STR_ARG(p->name), STR_ARG(e->nodes.rows[row].name));
        return false;
    }
    for (uint32_t n = 0; n < e->nodes.count; n++) {
        if (!ledger_fits(&ledger[n], &e->nodes.rows[n], p))
            continue;
        fprintf(stderr, "openb: arrival %u: %.*s was dropped, yet it fits on %.*s\n", i,
                STR_ARG(p->name), STR_ARG(e->nodes.rows[n].name));
        return false;
    }
    return true;
}

/* Lets all pods arrive.  Only the board's own time counts as its time.  False on a wrong answer. */
static bool experiment_run(struct experiment *e, struct place_board *board, struct tally *ret_tally,
        struct buf *placements)
{
    struct ledger *ledger = ledger_make(e);
    struct tally t = {0};

    buf_puts(placements, "seq,base_pod,node\n");
    for (uint32_t i = 0; i < e->order.count; i++) {
        uint32_t row = e->order.pods[i], node = UINT32_MAX;
        const struct sim_openb_pod *p = &e->pods.rows[row];
        struct place_ask ask = {.request = e->requests[row]};
        uint64_t milli = (uint64_t)p->gpus * p->gpu_milli;
        struct place_choice choice;
        int64_t before = os_clock_mono_ns();
        bool placed = place_board_put(board, &ask, &choice) == 0;

        t.ns += os_clock_mono_ns() - before;
        if (!answer_right(e, ledger, i, placed ? &choice : NULL))
            return false;
        if (placed)
            node = e->row_node[choice.spot.node];
        t.asked_milli += milli;
        t.allocated_milli += placed ? milli : 0;
        t.dropped += !placed;
        t.big += p->gpus >= BIG_GPUS;
        t.big_accepted += placed && p->gpus >= BIG_GPUS;
        t.node_differs += e->order.node_chosen != NULL && e->order.node_chosen[i] != node;
        if (!t.reached_100 && t.asked_milli >= e->nodes.gpu_milli) {
            t.reached_100 = true;
            t.allocated_at_100_milli = t.allocated_milli;
        }
        buf_printf(placements, "%u,%.*s,%.*s\n", i, STR_ARG(p->name),
                STR_ARG(placed ? e->nodes.rows[node].name : STR_LIT("")));
    }
    *ret_tally = t;
    return true;
}

/* 100 x part / whole with two decimals. */
static void percent_write(struct json_writer *w, const char *key, uint64_t part, uint64_t whole)
{
    jw_key(w, key);
    if (whole == 0) {
        jw_null(w);
    } else {
        jw_fixed(w, (int64_t)(part * 10000 / whole), 2);
    }
}

static void tally_write(
        const struct experiment *e, const struct options *o, const struct tally *t, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out, 2);

    jw_object(&w);
    jw_kv_cstr(&w, "policy", place_policy_name(o->policy));
    if (o->arrivals == NULL)
        jw_kv_u64(&w, "seed", o->seed);
    jw_kv_u64(&w, "arrivals", e->order.count);
    jw_kv_u64(&w, "allocated_milli", t->allocated_milli);
    jw_kv_u64(&w, "capacity_milli", e->nodes.gpu_milli);
    percent_write(&w, "allocated_percent", t->allocated_milli, e->nodes.gpu_milli);
    jw_kv_u64(&w, "dropped", t->dropped);
    jw_kv_u64(&w, "migrations", 0);
    percent_write(&w, "accepted_percent_ge4", t->big_accepted, t->big);
    jw_key(&w, "allocated_percent_at_100");
    if (t->reached_100) {
        jw_fixed(&w, (int64_t)(t->allocated_at_100_milli * 10000 / e->nodes.gpu_milli), 2);
    } else {
        jw_null(&w);
    }
    if (e->order.node_chosen != NULL)
        jw_kv_u64(&w, "differs_from_published", t->node_differs);
    jw_kv_fixed(&w, "seconds", t->ns / 1000000, 3);
    jw_object_end(&w);
    buf_puts(out, "\n");
}

static int experiment(const struct options *o, struct experiment *e, struct err *reterr)
{
    struct buf placements = BUF_INIT(INPUT_BYTES_MAX), out = BUF_INIT(1 << 16);
    struct place_board *board;
    struct tally tally;
    int rc = experiment_read(o, e, reterr);

    if (rc < 0)
        return rc;
    board = board_make(o, e);
    if (!experiment_run(e, board, &tally, &placements)) {
        rc = CLI_EXIT_VIOLATION;
    } else if (o->placements != NULL) {
        rc = os_file_write(o->placements, buf_str(&placements), OS_FILE_PLAIN, reterr);
    }
    if (rc == 0) {
        tally_write(e, o, &tally, &out);
        rc = cli_print(&out, reterr);
    }
    buf_clear(&placements);
    buf_clear(&out);
    place_board_free(board);
    return rc;
}

static int run(const struct cli_call *call, struct err *reterr)
{
    struct experiment e = {.arena = arena_new(0)};
    int rc = experiment(call->options, &e, reterr);

    buf_clear(&e.nodes_text);
    buf_clear(&e.pods_text);
    buf_clear(&e.arrivals_text);
    (void)arena_free(e.arena);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_verb verb = {
            .name = "openb",
            .summary = "The openb experiment through the board that core uses; one JSON object.",
            .options = options,
            .options_size = sizeof(struct options),
            .run = run,
    };
    return cli_verb_main(&verb, argc, argv);
}
