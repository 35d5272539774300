/* sim/record.h - what the replicas of a scenario want, as a trace: for fitting and comparing. */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "sim/sim.h"

/* The demand of every replica and Job of config->scenario under one GPU a pod, a sample each
 * period, as pods of a trace (busy time on the reference GPU).  Everything lies in `a`. Returns 0;
 * -E2BIG past SIM_TRACE_PODS_MAX pods or the arena's cap. */
int sim_demand_record(const struct sim_config *config, struct arena *a,
        const struct sim_trace_pod **ret_pods, uint32_t *ret_count, struct err *reterr);

#endif
