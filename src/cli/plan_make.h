/* cli/plan_make.h - from what was seen and decided to what `plan` shows.  No I/O. */
#ifndef CLI_PLAN_MAKE_H
#define CLI_PLAN_MAKE_H

#include "ctl/observe.h"
#include "policy/policy.h"
#include "report/plan.h"

struct cli_plan_input {
    const struct ctl_world *world;
    const struct ctl_history *history; /* finished; NULL = none */
    const struct ctl_observation *observation;
    const struct policy *policy;
    const struct report_result *again; /* NULL = not run again */
    struct str cluster;
    int64_t wall_ns;
};

/* Everything in the plan lives in `a`, or in the input. */
void cli_plan_make(struct arena *a, const struct cli_plan_input *in, struct report_plan *ret_plan);

#endif
