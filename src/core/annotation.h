/* core/annotation.h - the text in which a rollout survives a controller that dies.
 *
 * Pure.  A JSON object of at most 2 KiB in a node annotation, written in the same patch as the
 * first write to the Node.  It holds what a controller with an empty disk needs: what was being
 * done and why, where it was going, the originals to restore, and when to try again.
 *
 * Example: {"v":1,"plan":"2f00c2e1a87b5d10","state":"forward","change":"share","reason":"cost",
 * "since":1772409600000000000,"tries":0,"retry":0,"to":{"replicas":4,...},"from":{...}} */
#ifndef CORE_ANNOTATION_H
#define CORE_ANNOTATION_H

#include "base/arena.h"
#include "base/err.h"
#include "core/plan.h"

enum { CORE_ANNOTATION_MAX = 2048 };

enum core_record_state {
    CORE_RECORD_FORWARD, /* a rollout runs towards `to` */
    CORE_RECORD_UNDO,    /* it runs back to `from` */
    CORE_RECORD_HOLD,    /* closed to new pods by us, at rest */
    CORE_RECORD_RETIRE,  /* being emptied so that it can go */
    CORE_RECORD_REST,    /* nothing runs: an earlier attempt ended badly; see retry.  With the MIG
                            keys of `to` and `from` set the node is half-way between them, and
                            `from` is to be brought back */
    CORE_RECORD_STATE_COUNT
};

const char *core_record_state_name(enum core_record_state s);

struct core_record {
    uint64_t plan;
    enum core_record_state state;
    enum core_change change;
    enum core_reason reason;
    int64_t since_wall_ns;
    uint32_t tries;        /* attempts in a row that ended badly */
    int64_t retry_wall_ns; /* nothing is begun on the node before; 0 = at once */
    bool cordon;           /* the node's cordon is ours to lift */
    struct core_setup to;
    struct core_setup from; /* without layouts: its MIG key's text has them */
};

/* Appends the text.  Returns 0; -E2BIG when it would pass CORE_ANNOTATION_MAX (then `out` is as
 * before): such a change is refused before it begins. */
int core_record_write(const struct core_record *record, struct buf *out, struct err *reterr);

/* Parses what core_record_write() made; strict.  Returns 0; -E2BIG or -EINVAL with one line. */
int core_record_parse(
        struct arena *a, struct str text, struct core_record *ret_record, struct err *reterr);

#endif
