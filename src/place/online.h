/* place/online.h - a board of nodes and cards on which arriving requests are placed at once.
 *
 * Pure; memory by mem_alloc, owned by the board.  Requests come one at a time and are never moved
 * by the board: a request that fits somewhere is placed, whatever comes later.  Only the choice
 * among the places where it fits differs by policy.  Deterministic: equal calls give equal spots;
 * the last tie goes to the lower node, then the lower card.
 *
 * Shares are in a unit that the caller picks once for a board: thousandths of a card (openb: every
 * card holds 1000), or MiB of card memory (cards of several models then differ in capacity).
 * How the policies choose: place/README.md, "Online placement". */
#ifndef PLACE_ONLINE_H
#define PLACE_ONLINE_H

#include "place/shape.h"

struct place_board;

enum place_policy {
    PLACE_POLICY_BEST,    /* ours: keeps the most copies of the common shapes placeable */
    PLACE_POLICY_FGD,     /* fragmentation gradient descent (USENIX ATC'23), the published rule */
    PLACE_POLICY_BESTFIT, /* the least left over, over CPU, memory and cards */
    PLACE_POLICY_COUNT
};

/* "best", "fgd", "bestfit"; static storage. */
const char *place_policy_name(enum place_policy policy);

/* One node as it is added: everything free. */
struct place_node {
    uint32_t cpu_milli, memory_mib;
    uint32_t card_share;     /* capacity of each card, 1..PLACE_SHARE_MAX; 0 only without cards */
    uint8_t card_count;      /* 0..PLACE_CARDS_MAX */
    uint8_t model;           /* the caller's number of its GPU model, < PLACE_MODELS_MAX */
    uint16_t cards_unusable; /* bit i: nothing new goes onto card i */
    uint8_t avoid;           /* a node is used only if no fitting one has a lower value */
};

struct place_board_options {
    enum place_policy policy;
    /* The common shapes with their frequency, from place_shapes_common(); borrowed during
     * place_board_new() only.  BEST and FGD judge by them (for the published results FGD wants
     * 95 % with ignore_memory, and cards of 1000); with none BEST goes by best fit alone, FGD
     * sees every place as equal. */
    struct place_shape_list shapes;
};

struct place_board *place_board_new(const struct place_board_options *options);
struct place_board *place_board_free(struct place_board *board); /* NULL is accepted and returned */

/* Adds a node; its number is the count of nodes before. */
uint32_t place_board_node_add(struct place_board *board, const struct place_node *node);

/* Changes which cards take nothing new, and how much the node is avoided.  What is placed stays. */
void place_board_node_set(
        struct place_board *board, uint32_t node, uint16_t cards_unusable, uint8_t avoid);

/* Where a request lies. */
struct place_spot {
    uint32_t node;
    uint16_t cards; /* bit i: card i; 0 for a request without GPUs */
};

struct place_ask {
    struct place_request request;
    /* A condition that the board cannot know (joint busy time, a neighbour's isolation): true
     * refuses a spot that would fit.  NULL = none.  Asked for single cards when the request is a
     * share, for the whole node (spot->cards = its usable cards) else.  It must depend on its
     * arguments only and not change the board. */
    bool (*veto)(void *context, const struct place_spot *spot);
    void *context; /* borrowed for the call */
};

/* Why a spot ranks where it does.  All are "less is better", compared in this order. */
struct place_score {
    uint32_t avoid; /* of its node */
    int64_t cost;   /* BEST: the worth of the copies of common shapes that fit no more, in 1/1024 of
                     * a share unit, mean over arrivals; FGD and BESTFIT: 100 less the published
                     * score */
    int64_t left;   /* tie-break of BEST: what is left of the node, in ppm of the greatest node */
};

struct place_choice {
    struct place_spot spot;
    struct place_score score;
};

/* Chooses the spot for `ask` and books it.  Returns 0; -ENOSPC when it fits nowhere. */
int place_board_put(
        struct place_board *board, const struct place_ask *ask, struct place_choice *ret_choice);

/* What put would choose, and the next best: up to `max` choices on distinct nodes, best first;
 * books nothing.  Returns their number, 0 when it fits nowhere. */
uint32_t place_board_rank(struct place_board *board, const struct place_ask *ask,
        struct place_choice *ret_choices, uint32_t max);

/* Books what is known to lie somewhere.  Whole cards need card_count bits in spot->cards.
 * Returns 0; -ENOSPC when there is no such room (then nothing is changed): an observation that
 * contradicts the board. */
int place_board_take(struct place_board *board, const struct place_request *request,
        const struct place_spot *spot);

/* Frees what put or take booked with the same arguments. */
void place_board_remove(struct place_board *board, const struct place_request *request,
        const struct place_spot *spot);

/* What is free on a node now; for checks, reports and vetoes. */
struct place_free {
    uint32_t cpu_milli, memory_mib;
    uint32_t share[PLACE_CARDS_MAX];
};

uint32_t place_board_node_count(const struct place_board *board);
const struct place_node *place_board_node(const struct place_board *board, uint32_t node);
void place_board_free_get(
        const struct place_board *board, uint32_t node, struct place_free *ret_free);

/* How many copies of `request` the node could still take (0..UINT16_MAX), cards marked unusable
 * left out, `avoid` and vetoes ignored. */
uint32_t place_board_copies(
        const struct place_board *board, uint32_t node, const struct place_request *request);

#endif
