/* place/online_fgd.c - fragmentation gradient descent as published, kept as an oracle.  Pure.
 *
 * The fragment of a node, for a shape, is its free GPU share that a pod of the shape cannot use;
 * a spot's score is 100 x sigmoid(drop of the expected fragment, in cards), cut to an integer.
 * This file is in floating point on purpose: cut at whole points, the published scores depend on
 * the rounding and the order of their sums, and ties go to the first node.  With + - * / alone and
 * no contraction it gives the same bytes everywhere, and every node that the authors' program chose
 * (test/unit/place/test_openb.c).  BEST does without.
 * Source: Weng et al., USENIX ATC'23, "Beware of Fragmentation"; the rule is reimplemented from the
 * authors' description of typical pods, quadrants and card choice. */
#include "place/online-priv.h"

#include <assert.h>

/* The drop, in cards, from which the score is at least s + 1: 100 / (1 + exp(-x)) >= s + 1 in
 * double arithmetic.  A table instead of exp(), which libcs round differently.  Entry 49 is the
 * reason for its digits: a drop that rounding makes -1e-15 instead of 0 scores 49, not 50. */
static const double score_from_drop[100] = {
        -0x1.2616719161d2bp+2,
        -0x1.f2272ae325a57p+1,
        -0x1.bcf0cd474166bp+1,
        -0x1.96ca77c922cf8p+1,
        -0x1.78e360604b32cp+1,
        -0x1.60324f23a6f31p+1,
        -0x1.4b18a2ece7fb3p+1,
        -0x1.389ed3e132574p+1,
        -0x1.28253079db672p+1,
        -0x1.193ea7aad030ap+1,
        -0x1.0b9d677dddea0p+1,
        -0x1.fe0fe73ce8885p+0,
        -0x1.e6a53bbe5e6a6p+0,
        -0x1.d0b6d7df77dcap+0,
        -0x1.bc0ed0947fbe9p+0,
        -0x1.a881a29e52373p+0,
        -0x1.95ebab1969313p+0,
        -0x1.842f595c35286p+0,
        -0x1.7333ddeaaa5d1p+0,
        -0x1.62e42fefa39efp+0,
        -0x1.532e4fddf686ap+0,
        -0x1.4402b6211ad15p+0,
        -0x1.3553e218d610fp+0,
        -0x1.2716011df4657p+0,
        -0x1.193ea7aad030bp+0,
        -0x1.0bc49861276d8p+0,
        -0x1.fd3f2b9036cf2p-1,
        -0x1.e39078d49916ap-1,
        -0x1.ca6fc71eebdccp-1,
        -0x1.b1d10670aae9ap-1,
        -0x1.99a93ca5c286fp-1,
        -0x1.81ee60afb501ap-1,
        -0x1.6a973b5e9a627p-1,
        -0x1.539b4cb6ce55fp-1,
        -0x1.3cf2b50617c96p-1,
        -0x1.269621134db93p-1,
        -0x1.107eb8e2da1e5p-1,
        -0x1.f54c21463c16ap-2,
        -0x1.ca0c36ce6521cp-2,
        -0x1.9f323ecbf984fp-2,
        -0x1.74b356ffd351ep-2,
        -0x1.4a851baf27b6fp-2,
        -0x1.209d96a324508p-2,
        -0x1.ede65f58845bep-3,
        -0x1.9af93cd23440bp-3,
        -0x1.4861ba31d0a04p-3,
        -0x1.ec1c712297e9ep-4,
        -0x1.47dadcbbdba94p-4,
        -0x1.47b9447a9aa07p-5,
        -0x1.7fffffffffffep-52,
        0x1.47b9447a9a9c4p-5,
        0x1.47dadcbbdba7bp-4,
        0x1.ec1c712297e7cp-4,
        0x1.4861ba31d09fbp-3,
        0x1.9af93cd234413p-3,
        0x1.ede65f58845bbp-3,
        0x1.209d96a324507p-2,
        0x1.4a851baf27b6dp-2,
        0x1.74b356ffd3519p-2,
        0x1.9f323ecbf9849p-2,
        0x1.ca0c36ce65216p-2,
        0x1.f54c21463c167p-2,
        0x1.107eb8e2da1e5p-1,
        0x1.269621134db90p-1,
        0x1.3cf2b50617c95p-1,
        0x1.539b4cb6ce55bp-1,
        0x1.6a973b5e9a624p-1,
        0x1.81ee60afb5015p-1,
        0x1.99a93ca5c2867p-1,
        0x1.b1d10670aae98p-1,
        0x1.ca6fc71eebdc9p-1,
        0x1.e39078d499169p-1,
        0x1.fd3f2b9036cf2p-1,
        0x1.0bc49861276d8p+0,
        0x1.193ea7aad030bp+0,
        0x1.2716011df4658p+0,
        0x1.3553e218d610dp+0,
        0x1.4402b6211ad15p+0,
        0x1.532e4fddf686bp+0,
        0x1.62e42fefa39edp+0,
        0x1.7333ddeaaa5cdp+0,
        0x1.842f595c35285p+0,
        0x1.95ebab196930fp+0,
        0x1.a881a29e52371p+0,
        0x1.bc0ed0947fbe6p+0,
        0x1.d0b6d7df77dc7p+0,
        0x1.e6a53bbe5e6a5p+0,
        0x1.fe0fe73ce8885p+0,
        0x1.0b9d677dddea2p+1,
        0x1.193ea7aad030cp+1,
        0x1.28253079db673p+1,
        0x1.389ed3e132573p+1,
        0x1.4b18a2ece7fb3p+1,
        0x1.60324f23a6f2ep+1,
        0x1.78e360604b32bp+1,
        0x1.96ca77c922cefp+1,
        0x1.bcf0cd474166bp+1,
        0x1.f2272ae325a49p+1,
        0x1.2616719161d18p+2,
        0x1.25e4f7b2737fbp+5,
};

struct place_fgd_table *place_fgd_table_new(const struct place_shape_list *list)
{
    struct place_fgd_table *t = mem_alloc(1, sizeof(*t));
    double total = (double)list->request_count, common = 0;

    assert(list->count <= PLACE_SHAPES_MAX);
    for (uint32_t i = 0; i < list->count; i++)
        common += (double)list->shapes[i].count;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct place_request *r = &list->shapes[i].request;

        t->cpu_milli[i] = r->cpu_milli;
        t->share[i] = r->cards == 0 ? 0 : r->whole ? UINT32_MAX : r->share;
        t->cards[i] = r->cards;
        t->models[i] = r->models == 0 ? UINT64_MAX : r->models;
        /* Rounded twice, as published: first among all pods, then among the common ones. */
        t->frequency[i] = (double)list->shapes[i].count / total / (common / total);
    }
    t->count = list->count;
    return t;
}

/* The quadrants of the paper that count as fragment; their sums are kept apart as there. */
enum { LACK_BOTH, LACK_GPU, LACK_CPU, NO_GPU_FITS, NO_GPU_LACKS_CPU, NO_ACCESS, QUADRANTS };

struct fgd_state {
    uint32_t cpu_milli;
    uint32_t share[PLACE_CARDS_MAX]; /* usable and free, by card */
    unsigned card_count;
    uint32_t card_share;
    uint64_t model_bit;
};

/* The expected fragment of a node in this state, in share units. */
static double fragment_of(const struct place_fgd_table *f, const struct fgd_state *n)
{
    double sum[QUADRANTS] = {0};
    uint64_t total = 0;
    double all = 0;

    for (unsigned c = 0; c < n->card_count; c++)
        total += n->share[c];
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t share = f->share[i] == UINT32_MAX ? n->card_share : f->share[i];
        bool cpu_fits = n->cpu_milli >= f->cpu_milli[i];
        unsigned cards = 0;
        uint64_t small = 0;

        if (f->cards[i] == 0) {
            sum[cpu_fits ? NO_GPU_FITS : NO_GPU_LACKS_CPU] += f->frequency[i] * (double)total;
            continue;
        }
        if ((f->models[i] & n->model_bit) == 0) {
            sum[NO_ACCESS] += f->frequency[i] * (double)total;
            continue;
        }
        for (unsigned c = 0; c < n->card_count; c++) {
            if (n->share[c] >= share) {
                cards++;
            } else {
                small += n->share[c];
            }
        }
        if (cards < f->cards[i]) {
            sum[cpu_fits ? LACK_GPU : LACK_BOTH] += f->frequency[i] * (double)total;
        } else if (cpu_fits) {
            sum[LACK_GPU] += f->frequency[i] * (double)small;
        } else {
            sum[LACK_CPU] += f->frequency[i] * (double)total;
        }
    }
    for (unsigned q = 0; q < QUADRANTS; q++)
        all += sum[q];
    return all;
}

static void state_of(const struct place_board_node *n, struct fgd_state *ret_state)
{
    *ret_state = (struct fgd_state){.cpu_milli = n->free.cpu_milli,
            .card_count = n->spec.card_count,
            .card_share = n->spec.card_share,
            .model_bit = UINT64_C(1) << n->spec.model};
    for (unsigned c = 0; c < n->spec.card_count; c++)
        ret_state->share[c] = place_card_open(n, c);
}

double place_fgd_prepare(const struct place_board *board, const struct place_board_node *n)
{
    struct fgd_state state;

    state_of(n, &state);
    return fragment_of(board->fgd, &state);
}

int64_t place_fgd_cost(const struct place_trial *t)
{
    struct fgd_state state;
    double drop;
    unsigned score = 0;

    state_of(t->node, &state);
    state.cpu_milli -= t->request->cpu_milli;
    for (unsigned c = 0; c < state.card_count; c++) {
        if (t->cards >> c & 1)
            state.share[c] -= t->request->whole ? state.card_share : t->request->share;
    }
    drop = (t->scorer->fragment - fragment_of(t->board->fgd, &state)) / 1000;
    while (score < 100 && drop >= score_from_drop[score])
        score++;
    return 100 - (int64_t)score;
}
