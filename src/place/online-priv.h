/* place/online-priv.h - what the files of the board share: its state and the scores. */
#ifndef PLACE_ONLINE_PRIV_H
#define PLACE_ONLINE_PRIV_H

#include "place/online.h"

enum { PLACE_COPIES_MAX = 255 };

/* The common shapes that ask for a GPU, as columns, so that one loop handles several at a time. */
struct place_shape_table {
    uint32_t count;
    uint32_t cpu_milli[PLACE_SHAPES_MAX]; /* 0 is stored as 1: then copies are plenty anyway */
    uint32_t memory_mib[PLACE_SHAPES_MAX];
    uint32_t share[PLACE_SHAPES_MAX]; /* of one card; 1 for whole cards */
    /* floor(2^32 / x) of the three: division by multiplication. */
    uint32_t cpu_inverse[PLACE_SHAPES_MAX];
    uint32_t memory_inverse[PLACE_SHAPES_MAX];
    uint32_t share_inverse[PLACE_SHAPES_MAX];
    uint8_t cards[PLACE_SHAPES_MAX];      /* whole cards; 0 for a share */
    uint64_t models[PLACE_SHAPES_MAX];    /* all ones when any */
    uint32_t frequency[PLACE_SHAPES_MAX]; /* among these, of 65,536 */
    uint64_t supply[PLACE_SHAPES_MAX];    /* share that it could take of all nodes when empty */
    uint64_t capacity;                    /* share of all nodes */
    uint32_t weight[PLACE_SHAPES_MAX];    /* frequency x scarcity */
};

/* What k copies on one node are worth, of 1024 for the first. */
extern const uint32_t place_worth[PLACE_COPIES_MAX + 1];

/* The shapes as the published FGD has them: CPU-only ones included, in its order. */
struct place_fgd_table {
    uint32_t count;
    uint32_t cpu_milli[PLACE_SHAPES_MAX];
    uint32_t share[PLACE_SHAPES_MAX]; /* per card; 0 without GPU, UINT32_MAX for whole cards */
    uint8_t cards[PLACE_SHAPES_MAX];
    uint64_t models[PLACE_SHAPES_MAX];
    double frequency[PLACE_SHAPES_MAX]; /* adds up to 1 */
};

struct place_scorer;

struct place_board_node {
    struct place_node spec;
    struct place_free free;
    uint32_t version; /* changes with every event on the node */
    struct place_scorer *scorer;
    uint32_t scorer_version; /* of the node when the scorer looked at it */
    uint32_t scorer_nodes;   /* nodes on the board then: weights hang on all of them */
};

/* What a node offers a request, kept until the node changes. */
struct place_cell {
    uint32_t version; /* of the node when this was computed */
    uint16_t cards;
    bool fits;
    int64_t cost, left;
};

enum { PLACE_BOARD_KINDS_MAX = 1024 };

struct place_board {
    enum place_policy policy;
    struct place_shape_table *shapes; /* BEST */
    struct place_fgd_table *fgd;      /* FGD */
    struct place_board_node *nodes;
    uint32_t node_count, node_cap;
    uint32_t cpu_most; /* of any node, > 0 */
    uint32_t memory_most;
    uint64_t share_most; /* of all cards of any node, > 0 */
    uint32_t card_most;  /* of any card, > 0 */
    /* Kinds of request seen lately, models aside; row k of `cells` has a cell a node.  When they
     * are too many, all are forgotten: a cache, not state. */
    struct place_request kinds[PLACE_BOARD_KINDS_MAX];
    struct place_cell *cells[PLACE_BOARD_KINDS_MAX];
    uint32_t cells_cap[PLACE_BOARD_KINDS_MAX];
    uint32_t kind_count, kind_last;
};

/* The share of card `card` that a new request can use. */
static inline uint32_t place_card_open(const struct place_board_node *n, unsigned card)
{
    return (n->spec.cards_unusable >> card & 1) ? 0 : n->free.share[card];
}

/* True when card `card` is untouched and usable. */
static inline bool place_card_whole(const struct place_board_node *n, unsigned card)
{
    return place_card_open(n, card) == n->spec.card_share && n->spec.card_share > 0;
}

/* True when CPU, memory and model admit `request` on the node; cards are another matter. */
static inline bool place_node_admits(
        const struct place_board_node *n, const struct place_request *request)
{
    if (n->free.cpu_milli < request->cpu_milli || n->free.memory_mib < request->memory_mib)
        return false;
    return request->cards == 0 || request->models == 0 ||
           (request->models >> n->spec.model & 1) != 0;
}

struct place_shape_table *place_shape_table_new(const struct place_shape_list *list);

/* Counts an empty node in: what few nodes can take is scarce, and weighs more. */
void place_shape_table_supply(struct place_shape_table *t, const struct place_board_node *n);

struct place_fgd_table *place_fgd_table_new(const struct place_shape_list *list);

/* What a policy knows of one node as it is. */
struct place_scorer {
    /* BEST, by shape, as far as cards alone decide: */
    uint32_t share_copies[PLACE_SHAPES_MAX]; /* copies over all cards, for shapes of a share */
    uint32_t share_waste[PLACE_SHAPES_MAX];  /* what lies on cards too full for even one */
    uint32_t whole;                          /* untouched cards */
    uint64_t open;                           /* share over all cards */
    int64_t worth;                           /* of the node as it is */
    double fragment;                         /* FGD */
};

/* Copies of each shape that CPU and memory leave once a request is on the node, whichever card. */
struct place_limits {
    uint32_t copies[PLACE_SHAPES_MAX];
};

/* A node with a request taken off it: what a score compares with the node as it is. */
struct place_trial {
    const struct place_board *board;
    const struct place_board_node *node;
    const struct place_scorer *scorer;
    const struct place_request *request;
    const struct place_limits *limits;
    uint16_t cards;
};

/* Looks at a node as it is. */
void place_score_prepare(const struct place_board *board, const struct place_board_node *n,
        struct place_scorer *ret_scorer);

/* The limits of trials with `request`; only BEST reads them. */
void place_score_limits(const struct place_board *board, const struct place_board_node *n,
        const struct place_request *request, struct place_limits *ret_limits);

/* Less is better, in both. */
void place_score_trial(const struct place_trial *t, int64_t *ret_cost, int64_t *ret_left);

double place_fgd_prepare(const struct place_board *board, const struct place_board_node *n);
int64_t place_fgd_cost(const struct place_trial *t);

#endif
