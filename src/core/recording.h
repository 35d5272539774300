/* core/recording.h - what the core was told, as text: one JSON object a line, to replay, explain
 * and edit.
 *
 * Pure.  The first line is the header; then a line a step:
 *   {"step":7,"now":[wall_ns,mono_ns,epoch],"restart":true,"facts":[...],"digest":"0123456789abcdef"}
 * "restart" stands only where a new core begins; "digest" is core_digest() after the step, so that
 * a replay notices where it leaves the recording.  Inputs only: a solution is kept as the id of its
 * SOLVE action and computed again.  Readings, the bulk of it, are arrays:
 *   ["sample", cluster, version, observed_wall_ns, node, gpu, start, scope, valid, busy, sm, dram,
 *    memory_mib, latency, occupant...]
 * every other fact is an object with "kind".  Keys that stand at their zero value are left out. */
#ifndef CORE_RECORDING_H
#define CORE_RECORDING_H

#include "base/arena.h"
#include "base/buf.h"
#include "core/core.h"

enum {
    CORE_RECORDING_VERSION = 1,
    CORE_RECORDING_LINE_MAX = 256 << 20,
    CORE_RECORDING_FACTS_MAX = 2000000, /* of one step */
    CORE_RECORDING_OCCUPANTS_MAX = 4096
};

/* The header.  `source` says for people and for `simulate --from` where the facts came from:
 * name and value pairs, as given on the command line. */
struct core_recording_header {
    uint64_t seed; /* of core_options */
    int64_t decide_every_ns, propagation_ns, parts_timeout_ns;
    uint32_t solve_iterations;
    uint32_t source_count;
    const struct core_recording_source {
        struct str name, value;
    } * source;
};

/* Appends the header line. */
void core_recording_header_write(const struct core_recording_header *h, struct buf *out);

/* Parses the header line; views live in `a`.  Returns 0 or -EINVAL with one line. */
int core_recording_header_parse(struct arena *a, struct str line,
        struct core_recording_header *ret_header, struct err *reterr);

/* One step's inputs. */
struct core_recording_step {
    uint64_t step;
    struct core_now now;
    bool restart;
    bool digest_known;
    uint64_t digest;
    uint32_t fact_count;
    const struct core_fact *facts; /* solution.solution is NULL: to be computed again */
};

/* Appends the step's line. */
void core_recording_step_write(const struct core_recording_step *s, struct buf *out);

/* Parses a step's line; everything lives in `a`.
 * Returns 0; -EINVAL or -E2BIG with "fact N: KEY: ...". */
int core_recording_step_parse(
        struct arena *a, struct str line, struct core_recording_step *ret_step, struct err *reterr);

/* Appends one fact as it stands in a recording: for showing what was edited. */
void core_recording_fact_write(const struct core_fact *f, struct buf *out);

/* A hash of what a recording holds of the fact but its source, version and time: two facts of an
 * object that say the same hash the same.  Not for samples and policies. */
uint64_t core_recording_fact_hash(const struct core_fact *f);

/* Makes the fact's texts copies in `a`. */
void core_recording_fact_own(struct arena *a, struct core_fact *f);

#endif
