/* usage/memory_reserve.c - what memory to keep for a pod, and the chance that a set needs too much.
 *
 * Pure.  Both rest on one outlook: the peaks that a pod may yet reach, each with the number of
 * siblings that went that way.
 *
 * A pod past age i that has grown by g since is compared with the siblings that grew at least g
 * since that age: what it did already is not added twice, and a pod that is known to grow is not
 * averaged with those that never do.  When fewer than USAGE_MEMORY_PEERS_MIN went that far, or the
 * pod was not watched at that age, or only younger siblings are known, their whole growth is put on
 * top of its peak. */
#include "usage/memory.h"

#include "base/num.h"
#include "usage/memory-priv.h"

#include <assert.h>
#include <string.h>

enum { OUTCOMES_MAX = USAGE_PEAK_BINS };
_Static_assert((int)USAGE_GROWTH_BINS <= (int)OUTCOMES_MAX, "outcomes hold either kind of bin");

/* peak_mib[] rises; counts add up to `total`.  No outcomes: siblings say nothing. */
struct outlook {
    uint32_t outcomes;
    uint32_t peak_mib[OUTCOMES_MAX];
    uint32_t counts[OUTCOMES_MAX];
    uint64_t total;
    enum usage_basis basis;
    bool unripe; /* siblings' peaks are known, but none of them is old */
};

/* How a histogram is read: without the pod's own count, from one bin on. */
struct reading {
    const uint16_t *counts;
    unsigned bins, from_bin;
    uint8_t own; /* bin + 1; 0 = the pod is not in it */
};

static uint32_t count_at(const struct reading *r, unsigned bin)
{
    uint32_t count = r->counts[bin];
    return count - (r->own == bin + 1 && count > 0);
}

static uint64_t count_from(const struct reading *r)
{
    uint64_t total = 0;
    for (unsigned bin = r->from_bin; bin < r->bins; bin++)
        total += count_at(r, bin);
    return total;
}

static void outcome_add(struct outlook *o, uint64_t peak_mib, uint32_t count)
{
    if (count == 0)
        return;
    uint32_t mib = peak_mib < USAGE_MEMORY_MIB_MAX ? (uint32_t)peak_mib : USAGE_MEMORY_MIB_MAX;
    assert(o->outcomes == 0 || mib >= o->peak_mib[o->outcomes - 1]);
    o->peak_mib[o->outcomes] = mib;
    o->counts[o->outcomes++] = count;
    o->total += count;
}

static struct reading peaks_reading(
        const struct usage_memory *m, const struct usage_memory_track *t, bool watched)
{
    struct reading r = {.counts = m->peaks, .bins = USAGE_PEAK_BINS};
    if (watched) {
        r.own = t->peak_bin;
        r.from_bin = usage_peak_bin_of(t->peak_mib);
    }
    return r;
}

/* Peaks of siblings, for a pod not sampled or younger than every age. */
static bool outlook_peaks(struct outlook *o, const struct usage_memory *m, const struct reading *r,
        uint32_t own_peak_mib)
{
    if (count_from(r) < USAGE_MEMORY_PEERS_MIN)
        return false;
    for (unsigned bin = r->from_bin; bin < r->bins; bin++) {
        uint32_t count = count_at(r, bin); /* most bins are empty */
        if (count > 0)
            outcome_add(o, num_max_u32(own_peak_mib, usage_peak_upper(bin)), count);
    }
    o->unripe = m->pods_aged < USAGE_MEMORY_PEERS_MIN;
    o->basis = o->unripe ? USAGE_BASIS_YOUNGER : USAGE_BASIS_SIBLINGS;
    return true;
}

/* Growth of siblings since `age`, on top of the pod's peak. */
static bool outlook_growth(struct outlook *o, const struct usage_memory *m,
        const struct usage_memory_track *t, unsigned age)
{
    struct reading r = {
            .counts = m->growth[age], .bins = USAGE_GROWTH_BINS, .own = t->growth_bin[age]};
    uint32_t since_mib = t->peak_mib;

    if (count_from(&r) < USAGE_MEMORY_PEERS_MIN)
        return false;
    if (age + 1 == t->ages_passed && t->peak_at_mib[age] != USAGE_PEAK_UNKNOWN) {
        r.from_bin = usage_growth_bin_of(t->peak_mib - t->peak_at_mib[age]);
        if (count_from(&r) >= USAGE_MEMORY_PEERS_MIN) {
            since_mib = t->peak_at_mib[age];
        } else {
            r.from_bin = 0;
        }
    }
    for (unsigned bin = r.from_bin; bin < r.bins; bin++) {
        uint64_t peak = (uint64_t)since_mib + usage_growth_upper(bin);
        outcome_add(o, peak > t->peak_mib ? peak : t->peak_mib, count_at(&r, bin));
    }
    o->basis = age + 1 < t->ages_passed ? USAGE_BASIS_YOUNGER : USAGE_BASIS_SIBLINGS;
    return true;
}

static void outlook_of(const struct usage_memory *m, const struct usage_memory_track *t,
        struct outlook *ret_outlook)
{
    struct outlook *o = ret_outlook;
    bool watched = t != NULL && usage_track_read(t);

    o->outcomes = 0;
    o->total = 0;
    o->unripe = false;
    o->basis = watched ? USAGE_BASIS_OWN : USAGE_BASIS_NONE;
    if (!watched || t->ages_passed == 0) {
        struct reading r = peaks_reading(m, t, watched);
        if (outlook_peaks(o, m, &r, watched ? t->peak_mib : 0) || !watched)
            return;
        (void)outlook_growth(o, m, t, 0); /* basis stays OWN when that knows nothing either */
        return;
    }
    for (unsigned age = t->ages_passed; age-- > 0;) {
        if (outlook_growth(o, m, t, age))
            return;
    }
}

static uint32_t quantile(const struct outlook *o, uint32_t permille)
{
    uint64_t seen = 0;
    uint32_t i = 0;
    assert(o->outcomes > 0);
    for (; i + 1 < o->outcomes; i++) {
        seen += o->counts[i];
        if (seen * 1000 >= o->total * permille)
            break;
    }
    return o->peak_mib[i];
}

/* `mib` plus the margin for a pod past `ages` ages: whole for a new one, a tenth after a day. */
static uint32_t with_margin(uint32_t mib, uint32_t growth_permille, unsigned ages)
{
    uint64_t grown = (uint64_t)mib +
                     num_ceildiv_u64((uint64_t)mib * growth_permille * (USAGE_AGES + 1 - ages),
                             UINT64_C(1000) * (USAGE_AGES + 1));
    return grown < USAGE_MEMORY_MIB_MAX ? (uint32_t)grown : USAGE_MEMORY_MIB_MAX;
}

/* The largest peak among the others; 0 when there is none.  For owners with too few siblings for a
 * quantile: what one of them took is still something that the next may take. */
static uint32_t largest_sibling(const struct usage_memory *m, uint8_t own, uint32_t *ret_siblings)
{
    struct reading r = {.counts = m->peaks, .bins = USAGE_PEAK_BINS, .own = own};
    *ret_siblings = (uint32_t)count_from(&r);
    for (unsigned bin = USAGE_PEAK_BINS; bin-- > 0;) {
        if (count_at(&r, bin) > 0)
            return num_min_u32(usage_peak_upper(bin), m->peak_max_mib);
    }
    return 0;
}

static struct usage_reserve reserve_own(
        const struct usage_memory *m, const struct usage_reserve_query *q)
{
    const struct usage_memory_track *t = q->track;
    struct usage_reserve answer = {.basis = USAGE_BASIS_OWN};
    uint32_t sibling = largest_sibling(m, t->peak_bin, &answer.siblings);
    answer.mib = with_margin(t->peak_mib, q->own_growth_permille, t->ages_passed);
    answer.mib = num_max_u32(answer.mib, sibling);
    return answer;
}

static struct usage_reserve reserve_unseen(
        const struct usage_memory *m, const struct usage_reserve_query *q)
{
    struct usage_reserve answer = {.mib = USAGE_MEMORY_MIB_MAX, .basis = USAGE_BASIS_NONE};
    uint32_t sibling = largest_sibling(m, 0, &answer.siblings);
    if (q->declared_mib > 0) {
        answer.mib = num_max_u32(q->declared_mib, sibling);
        answer.mib = num_min_u32(answer.mib, USAGE_MEMORY_MIB_MAX);
        answer.basis = USAGE_BASIS_DECLARED;
    }
    return answer;
}

/* Of a pod that reserves its memory at start: nothing grows. */
static struct usage_reserve reserve_preallocated(
        const struct usage_reserve_query *q, const struct usage_reserve *seen)
{
    struct usage_reserve answer = *seen;
    if (q->track != NULL && usage_track_read(q->track))
        answer = (struct usage_reserve){.mib = q->track->peak_mib, .basis = USAGE_BASIS_OWN};
    if (answer.basis != USAGE_BASIS_NONE && q->declared_mib > answer.mib) {
        answer.mib = num_min_u32(q->declared_mib, USAGE_MEMORY_MIB_MAX);
        answer.basis = USAGE_BASIS_DECLARED;
    }
    return answer;
}

struct usage_reserve usage_memory_reserve(
        const struct usage_memory *m, const struct usage_reserve_query *q)
{
    struct usage_reserve answer;
    struct outlook o;

    assert(q->quantile_permille >= 500);
    assert(q->quantile_permille <= 1000);
    outlook_of(m, q->track, &o);
    if (o.outcomes > 0) {
        answer.mib = quantile(&o, q->quantile_permille);
        if (o.unripe)
            answer.mib = with_margin(answer.mib, q->own_growth_permille, 0);
        answer.siblings = o.total < UINT32_MAX ? (uint32_t)o.total : UINT32_MAX;
        answer.basis = o.basis;
    } else if (o.basis == USAGE_BASIS_OWN) {
        answer = reserve_own(m, q);
    } else {
        answer = reserve_unseen(m, q);
    }
    return q->preallocates ? reserve_preallocated(q, &answer) : answer;
}

/* TUNING: cells of the room that the members' growth shares.  Each growth is rounded up to a cell,
 * so eight members look at most 3 % larger than they are; four times as many cells cost a simulated
 * week a third of its time and changed 2 of 670 decisions. */
enum { RISK_CELLS = USAGE_RISK_CELLS, ONE_BITS = 30 };
#define ONE (UINT32_C(1) << ONE_BITS)

/* Chances of the sum of growth by cells; what passes the last cell is missing from the sum. */
struct room {
    uint32_t cells;    /* growth of that many cells still fits */
    uint32_t cell_mib; /* >= 1 */
    uint32_t top;      /* highest cell with a chance */
    uint32_t p[RISK_CELLS + 1];
};

/* Siblings that passed four hours, watched from the second on: then the first growth is over. */
enum { RIPE_AGE = 4 };

static bool unripe(const struct usage_memory_member *member, const struct outlook *o)
{
    if (member->track != NULL && usage_track_read(member->track))
        return o->basis != USAGE_BASIS_SIBLINGS;
    struct reading r = {.counts = member->owner->growth[RIPE_AGE], .bins = USAGE_GROWTH_BINS};
    return count_from(&r) < USAGE_MEMORY_PEERS_MIN;
}

static void member_outlook(const struct usage_memory_member *member, struct outlook *ret_outlook)
{
    outlook_of(member->owner, member->track, ret_outlook);
    if (member->unripe_growth_permille == 0 || !unripe(member, ret_outlook))
        return;
    for (uint32_t i = 0; i < ret_outlook->outcomes; i++) {
        ret_outlook->peak_mib[i] =
                with_margin(ret_outlook->peak_mib[i], member->unripe_growth_permille, 0);
    }
}

/* What a member needs in any case; false when nothing at all is known of it. */
static bool member_base(
        const struct usage_memory_member *member, struct outlook *ret_outlook, uint32_t *ret_mib)
{
    member_outlook(member, ret_outlook);
    if (ret_outlook->outcomes > 0) {
        *ret_mib = ret_outlook->peak_mib[0];
        return true;
    }
    uint32_t siblings;
    bool watched = ret_outlook->basis == USAGE_BASIS_OWN;
    if (!watched && member->floor_mib == 0)
        return false;
    *ret_mib = num_max_u32(member->floor_mib,
            largest_sibling(member->owner, watched ? member->track->peak_bin : 0, &siblings));
    if (watched)
        *ret_mib = num_max_u32(*ret_mib, member->track->peak_mib);
    return true;
}

/* Adds one member's growth above its base. */
static void room_add(struct room *room, const struct outlook *o)
{
    uint64_t products[RISK_CELLS + 1];
    uint64_t tail = 0;
    uint32_t tail_p = 0;
    uint32_t top = 0;

    memset(products, 0, sizeof(products));
    /* From the largest growth down, each "this much or more" rounded up. */
    for (uint32_t i = o->outcomes; i-- > 0;) {
        tail += o->counts[i];
        uint32_t p = (uint32_t)num_ceildiv_u64(tail << ONE_BITS, o->total);
        uint64_t part = p - tail_p;
        uint64_t step = num_ceildiv_u64(o->peak_mib[i] - o->peak_mib[0], room->cell_mib);
        tail_p = p;
        for (uint64_t cell = 0; cell <= room->top && cell + step <= room->cells; cell++) {
            products[cell + step] += part * room->p[cell];
            top = num_max_u32(top, (uint32_t)(cell + step));
        }
    }
    uint64_t carry = 0; /* rounding moves chances to larger sums only */
    for (uint32_t cell = 0; cell <= top; cell++) {
        uint64_t value = products[cell] + carry;
        room->p[cell] = (uint32_t)(value >> ONE_BITS);
        carry = value & (ONE - 1);
    }
    room->top = top;
}

uint32_t usage_memory_risk_ppm(
        const struct usage_memory_member *members, uint32_t count, uint32_t limit_mib)
{
    struct outlook o;
    uint64_t base = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t mib;
        if (!member_base(&members[i], &o, &mib))
            return 1000000;
        base += mib;
    }
    if (base > limit_mib)
        return 1000000;

    uint32_t free_mib = (uint32_t)(limit_mib - base);
    struct room room = {.cell_mib = (uint32_t)num_ceildiv_u64(free_mib, RISK_CELLS)};
    room.cell_mib = num_max_u32(room.cell_mib, 1);
    room.cells = free_mib / room.cell_mib;
    room.p[0] = ONE;
    for (uint32_t i = 0; i < count; i++) {
        member_outlook(&members[i], &o);
        if (o.outcomes > 1)
            room_add(&room, &o);
    }
    uint64_t within = 0;
    for (uint32_t cell = 0; cell <= room.top; cell++)
        within += room.p[cell];
    return (uint32_t)num_ceildiv_u64((ONE - within) * 1000000, ONE);
}
