/* sim/trace_facts.h - a recorded cluster as a scenario: what ran there, run again.
 *
 * Pure.  Takes a recording's facts, step by step, and makes of them nodes, owners, and pods with
 * the readings that they had: "what would have been, had the policy been applied".  Works on
 * recordings of `plan`, `controller` and `simulate` alike. A reading of a GPU with one occupant is
 * that pod's; with several it is split evenly among them, which is all that such a reading can say
 * (ret_shared counts them).  Of an instance it is that part of a GPU's that the instance has. */
#ifndef SIM_TRACE_FACTS_H
#define SIM_TRACE_FACTS_H

#include "core/fact.h"
#include "sim/scenario.h"

struct sim_trace_facts;

struct sim_trace_facts *sim_trace_facts_new(void);
struct sim_trace_facts *sim_trace_facts_free(struct sim_trace_facts *t); /* NULL is fine */

/* The facts of one step, in order; strings are copied.  -E2BIG over a limit. */
int sim_trace_facts_take(struct sim_trace_facts *t, const struct core_now *now,
        const struct core_fact *facts, uint32_t count, struct err *reterr);

struct sim_trace_facts_counts {
    uint64_t readings, shared_readings, unnamed_readings; /* unnamed: nobody was on the GPU, or
                                                             nobody was named */
    uint32_t pods, pods_without_readings;
};

/* The scenario, in `a`: from the first reading to the last.  -ENODATA when nothing was read. */
int sim_trace_facts_finish(struct sim_trace_facts *t, struct arena *a,
        const struct sim_scenario **ret_scenario, struct sim_trace_facts_counts *ret_counts,
        struct err *reterr);

#endif
