/* sim/prices.h - list prices of GPU nodes when neither the scenario nor a price file has any.
 *
 * Pure, const data.  SOURCE: public on-demand list prices of 2026-07, of the whole instance over
 * its GPUs, in the cheapest of AWS us-east-1, Azure eastus and GCP us-central1. */
#ifndef SIM_PRICES_H
#define SIM_PRICES_H

#include <stdint.h>

/* Micro-USD per GPU hour of GPU table row `gpu`; by memory and speed when not in the table. */
int64_t sim_price_default(uint16_t gpu);

#endif
