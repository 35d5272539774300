/* sim/bounds.h - the least that the workloads of a scenario need over time.  Pure. */
#ifndef SIM_BOUNDS_H
#define SIM_BOUNDS_H

#include "sim/sim.h"

struct sim_world;

/* Fills bound_policy and bound_actual from the replicas and Jobs that lived in `w`, a finished run
 * of SIM_REGIME_ONE_GPU_A_POD: means over ticks, from measure_from on, of place_bound_solve() for
 * what was alive. */
void sim_bounds(const struct sim_world *w, struct report_result *res);

#endif
